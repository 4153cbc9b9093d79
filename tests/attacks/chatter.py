"""A chat's rooms, names and commands, more than anybody wants."""

from __future__ import annotations

from .attack import Catalogue
from .streams import Lines
from .target import Target

catalogue = Catalogue()


# Into a process that has never had so many: 1010 members with a room each, and a million notices on their way.
@catalogue.add("many rooms", "P16", "chat", ("tcp",), memory=24)
def manyRooms(target: Target, transport: str, times: int) -> None:
    """1010 members want a room each: there are no more than 1000, and they go with their members."""
    for _ in range(times):
        clients = [target.connect("chat", target.stream("chat")) for _ in range(1010)]
        for number, client in enumerate(clients):
            client.sendall(b"/join room%d\n" % number)
        refused = 0
        for number, client in enumerate(clients):
            lines = Lines(client)
            while not (line := lines.next()).startswith((f"* you are in room{number}", "! ")):
                pass
            refused += line.startswith("! there are 1000 rooms already")
        assert refused
        for client in clients:
            client.close()


@catalogue.add("many names", "P16", "chat", ("tcp",), memory=4)
def manyNames(target: Target, transport: str, times: int) -> None:
    """10,000 changes of name, some too long: each is answered, and only the last one is kept."""
    with target.connect("chat", target.stream("chat")) as client:
        lines = Lines(client)
        for batch in range(10 * times):
            lines.say(*(f"/nick n{batch}x{number}" for number in range(900)))
            lines.say(*(f"/nick {'x' * 1000}{number}" for number in range(100)))
            lines.say(f"/nick end{batch}")
            while not lines.next().startswith(f"* you are end{batch} now"):
                pass


@catalogue.add("unknown commands", "P16", "chat", ("tcp",), memory=4)
def unknownCommands(target: Target, transport: str, times: int) -> None:
    """20,000 commands that there are not, in one go: each gets its line."""
    with target.connect("chat", target.stream("chat")) as client:
        lines = Lines(client)
        for _ in range(10 * times):
            lines.say(*["/nonsense"] * 2000)
            for _ in range(2000):
                lines.next()
