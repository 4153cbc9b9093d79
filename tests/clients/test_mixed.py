"""Different clients in one room: everyone reads everyone."""

from __future__ import annotations

from .outside import Chat, Client, NodeClient, requireClient, requireModule

LOCAL = "127.0.0.1"


def test_room(chat: Chat) -> None:
    """ncat over TCP, ncat over UDP, socat in cp949 and Node over WebSocket share one room."""
    requireClient("ncat", "socat")
    requireModule()
    with (
        Client("ncat", LOCAL, chat.port("tcp")) as tcp,
        Client("ncat", "-u", LOCAL, chat.port("udp")) as udp,
        Client("socat", "-", f"TCP:{LOCAL}:{chat.cp949}") as korean,
        NodeClient(f"ws://{LOCAL}:{chat.port('ws')}/") as web,
    ):
        web.next("open")
        members = {
            "티시피": (tcp.say, tcp.hear),
            "유디피": (udp.say, udp.hear),
            "완성형": (
                lambda line: korean.say(line.encode("cp949")),
                lambda line: korean.hear(line.encode("cp949")),
            ),
            "웹소켓": (lambda line: web.do("text", data=line), web.hear),
        }
        for name, (say, hear) in members.items():
            say(f"/nick {name}")
            hear(f"you are {name} now")
        for name, (say, _) in members.items():
            for number in range(3):
                say(f"{name}의 {number}번째 말: 안녕하세요, hello!")
            for other, (_, hear) in members.items():
                if other != name:
                    hear(f"{name}: {name}의 2번째 말: 안녕하세요, hello!")
        for name, client, encoding in (
            ("티시피", tcp, "utf-8"),
            ("유디피", udp, "utf-8"),
            ("완성형", korean, "cp949"),
        ):
            heard = [line for line in client.printed.decode(encoding).splitlines() if "번째 말" in line]
            assert heard == [
                f"{other}: {other}의 {number}번째 말: 안녕하세요, hello!"
                for other in members
                if other != name
                for number in range(3)
            ]
        tcp.say("/who")
        tcp.hear("* in lobby: ")
        tcp.hear("티시피 (you)")
        web.do("close", code=1000)
        for name in ("티시피", "유디피", "완성형"):
            members[name][1]("* 웹소켓 has left")


def test_rooms_apart(chat: Chat) -> None:
    """Who joins another room reads what is said there, by whatever transport, and nothing of the first."""
    requireClient("ncat")
    requireModule()
    with (
        Client("ncat", LOCAL, chat.port("tcp")) as tcp,
        Client("ncat", "-u", LOCAL, chat.port("udp")) as udp,
        NodeClient(f"ws://{LOCAL}:{chat.port('ws')}/") as web,
    ):
        tcp.say("/join 공부방")
        tcp.hear("* you are in 공부방 now\n")
        web.next("open")
        web.do("text", data="/join 공부방")
        web.read("* you are in 공부방 now")
        udp.say("/rooms")
        udp.hear("* rooms: lobby (1), 공부방 (2)\n")
        udp.say("로비에서")
        udp.say("/join 공부방")
        udp.hear("* you are in 공부방 now\n")
        udp.say("공부방에서")
        tcp.hear(": 공부방에서\n")
        web.read(": 공부방에서")
        assert "로비에서".encode() not in tcp.printed + web.printed
