"""The three modes over the three transports: the same behaviour, one suite run for each cell."""

from __future__ import annotations

from typing import Any

import pytest

from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer

TRANSPORTS = ["tcp", "unix", "udp", "websocket"]

# 13 texts that a careless server breaks.
TEXTS = [
    "hello",
    "안녕하세요",
    "한글",  # decomposed (NFD)
    "👩‍👩‍👧‍👦",  # joined by ZWJ
    "𝒳𐍈",  # four bytes in UTF-8
    "a\u2028b\u2029c",
    "a\tb",
    "é́",
    "אבג שלום",
    "ﷺ",
    " leading and trailing ",
    "%s {nick} {0} \\n",
    "",
]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """The transport of a cell."""
    return request.param


def connect(server: MemoryServer, transport: str) -> Any:
    """Give a peer of a transport."""
    return getattr(server, transport)()


class TestEcho:
    """Echo over each transport."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_text_comes_back(self, transport: str, text: str) -> None:
        """A text comes back exact."""
        peer = connect(MemoryServer(EchoFactory()), transport)
        peer.say(text)
        assert peer.hear() == [text]

    def test_stays_open(self, transport: str) -> None:
        """Any number of messages are answered, in order."""
        peer = connect(MemoryServer(EchoFactory()), transport)
        for number in range(100):
            peer.say(f"message {number}")
        assert peer.hear() == [f"message {number}" for number in range(100)]

    def test_prefix(self, transport: str) -> None:
        """With a prefix it stands before each message or line."""
        peer = connect(MemoryServer(EchoFactory(prefix="서버: ")), transport)
        peer.say("one")
        peer.say("둘")
        assert peer.hear() == ["서버: one", "서버: 둘"]

    def test_peers_are_apart(self, transport: str) -> None:
        """Each peer gets its own messages only."""
        server = MemoryServer(EchoFactory())
        first, second = connect(server, transport), connect(server, transport)
        first.say("mine")
        second.say("yours")
        assert (first.hear(), second.hear()) == (["mine"], ["yours"])


class TestChat:
    """A chat member of each transport, with members of all transports in the room."""

    def room(self, transport: str, **options: Any) -> tuple[MemoryServer, Any, list[Any]]:
        """Give a member, and one of each transport; the room has fallen silent."""
        server = MemoryServer(ChatFactory(**options))
        everybody = []
        for each in [transport, *TRANSPORTS]:
            everybody.append(connect(server, each))
            # A datagram peer joins by what it says.
            everybody[-1].say("/who")
        for peer in everybody:
            peer.hear()
        member, *others = everybody
        return server, member, others

    @pytest.mark.parametrize("text", TEXTS)
    def test_line_reaches_all_others(self, transport: str, text: str) -> None:
        """A line reaches each other member exactly once, exact, and not the one who said it."""
        _, member, others = self.room(transport)
        member.say(text)
        assert [each.hear() for each in others] == [[f"user1: {text}"]] * 4
        assert member.hear() == []

    def test_order(self, transport: str) -> None:
        """Lines arrive in the order in which they were said."""
        _, member, others = self.room(transport, format="{text}")
        for number in range(200):
            member.say(str(number))
        assert [each.hear() for each in others] == [[str(number) for number in range(200)]] * 4

    def test_controls_are_replaced(self, transport: str) -> None:
        """What would steer a terminal, or turn text around, reaches nobody."""
        _, member, others = self.room(transport, format="{text}")
        member.say("a\x1b[31mb\x00c\x7fd\x85e\u202ef\u2066g\th")
        assert [each.hear() for each in others] == [["a�[31mb�c�d�e�f�g\th"]] * 4

    def test_lines_cannot_be_forged(self, transport: str) -> None:
        """CR does not end a line; over WebSocket and UDP LF makes two lines, each with its name."""
        _, member, others = self.room(transport)
        member.say("x\ruser9: forged")
        assert [each.hear() for each in others] == [["user1: x�user9: forged"]] * 4
        member.say("x\nuser9: forged")
        assert [each.hear() for each in others] == [["user1: x", "user1: user9: forged"]] * 4

    def test_echo_self(self, transport: str) -> None:
        """With echo_self the member gets its line too."""
        _, member, _ = self.room(transport, echo_self=True)
        member.say("hi")
        assert member.hear() == ["user1: hi"]

    def test_commands(self, transport: str) -> None:
        """The commands work for a member of each transport."""
        _, member, others = self.room(transport)
        member.say("/nick 김철수")
        member.say("/who")
        member.say("/me waves")
        member.say("//help")
        member.say("/rooms")
        member.say("/dance")
        assert member.hear() == [
            "* you are 김철수 now",
            "* in lobby: 김철수 (you), user2, user3, user4, user5",
            "* rooms: lobby (5)",
            "! there is no command /dance: /help lists them",
        ]
        assert others[0].hear() == ["* user1 is 김철수 now", "* 김철수 waves", "김철수: /help"]

    def test_rooms_are_apart(self, transport: str) -> None:
        """Who has joined another room hears that room only."""
        _, member, others = self.room(transport)
        member.say("/join dev")
        assert [each.hear() for each in others] == [["* user1 has left"]] * 4
        others[0].say("/join dev")
        assert member.hear() == ["* you are in dev now", "* user2 has joined"]
        others[1].say("to the lobby")
        member.say("to dev")
        assert member.hear() == []
        assert others[0].hear() == ["* you are in dev now", "user1: to dev"]

    def test_quit(self, transport: str) -> None:
        """/quit ends it, once, and the others are told."""
        _, member, others = self.room(transport)
        member.say("/quit")
        if transport in ("tcp", "unix"):
            assert member.finished
            member.finish()
        if transport == "websocket":
            member.receive()
            assert member.closeCode == 1000
            member.close()
        assert [each.hear() for each in others] == [["* user1 has left"]] * 4


class TestOneShot:
    """One-shot over each transport."""

    def test_answered_and_closed(self, transport: str) -> None:
        """The first message is answered, then the conversation ends; a second one is not answered on it."""
        peer = connect(MemoryServer(OneShotFactory(reply="{count}:{request}")), transport)
        peer.say("ping")
        assert peer.hear() == ["1:ping"]
        if transport in ("tcp", "unix"):
            assert peer.finished
        if transport == "websocket":
            assert peer.closeCode == 1000
        peer.say("again")
        # Each datagram begins anew: UDP has no connection to close.
        assert peer.hear() == (["2:again"] if transport == "udp" else [])

    def test_fields(self, transport: str) -> None:
        """The template knows the peer."""
        peer = connect(MemoryServer(OneShotFactory(reply="{peer_host} {request}")), transport)
        peer.say("x")
        host = "" if transport == "unix" else "127.0.0.1"
        assert peer.hear() == [f"{host} x"]

    def test_timeout(self, transport: str) -> None:
        """Who sends nothing in time gets the answer for that, and the end."""
        server = MemoryServer(OneShotFactory(timeout=3, reply_on_timeout="too late\n"))
        peer = connect(server, transport)
        server.advance(3)
        if transport == "udp":
            assert peer.hear() == []
        else:
            assert [each.removesuffix("\n") for each in peer.hear()] == ["too late"]
            assert peer.finished or peer.closeCode == 1000
