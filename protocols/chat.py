"""Line chat: many peers in a room, on all transports at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from socklab import (
    Arrived,
    Departed,
    Factory,
    Lines,
    MemoryRooms,
    MessageProtocol,
    Named,
    Outnamed,
    Peer,
    RoomEvent,
    TooManyRooms,
    checkFields,
    folded,
    isPrintable,
    printable,
)

LOBBY: Final = "lobby"
OPERATOR: Final = "operator"
"""What the server's operator is called; nobody else is."""
SLICE: Final = 100
"""How many lines of one message are relayed at once: a message may hold a million."""


class ChatProtocol(MessageProtocol):
    """Relay each line to every other member of the room; a line that begins with `/` is a command."""

    factory: ChatFactory
    nick = ""
    room = ""

    def connectionMade(self) -> None:
        """Greet, and let in."""
        self.factory.nameNewcomer(self)
        if self.factory.greeting:
            self.tell(self.factory.greeting)
        self.enter(LOBBY)

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Take a message as the line it is, or the lines it holds."""
        text = payload.decode(self.transport.encoding, "replace")
        lines = text.split("\n")
        if len(lines) > 1 and not lines[-1]:
            lines.pop()
        self.linesReceived(lines, 0)

    def linesReceived(self, lines: list[str], begin: int) -> None:
        """Handle some of the lines of one message, then let others have their turn."""
        for line in lines[begin : begin + SLICE]:
            if not self.room:
                return
            self.lineReceived(line.removesuffix("\r"))
        if begin + SLICE >= len(lines):
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()
            self.transport.clock.callLater(0, self.linesReceived, lines, begin + SLICE)

    def serverStopping(self) -> None:
        """The server is shutting down: say so, and leave without a notice, for the others hear the same."""
        self.tell("* the server is stopping")
        if self.room:
            self.factory.rooms.leave(self.room, self)
            self.room = ""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let out."""
        self.exit()
        self.factory.rooms.forget(self)

    def lineReceived(self, line: str) -> None:
        """Say it, or do it."""
        if line.startswith("//"):
            self.say(line[1:])
        elif line.startswith("/"):
            name, _, rest = line[1:].partition(" ")
            command = COMMANDS.get(name)
            if command is None:
                self.tell(f"! there is no command /{name}: /help lists them")
            else:
                command(self, rest.strip())
        else:
            self.say(line)

    def tell(self, text: str) -> None:
        """Send this member lines of the server's own."""
        for line in text.split("\n"):
            self.transport.sendMessage(printable(line).encode(self.transport.encoding, "replace"), False)

    def say(self, text: str) -> None:
        """Relay what this member says."""
        self.relay(self.factory.format.format(nick=self.nick, room=self.room, text=printable(text)))

    def relay(self, line: str) -> None:
        """Send a line of this member's to the room."""
        if self.isMuted():
            return
        without = None if self.factory.echo_self else self
        if not self.factory.rooms.publish(self.room, line, without, keep=True):
            self.tell(
                "! only those at this server hear you: the others cannot be reached, and too much waits for them"
            )

    def isMuted(self) -> bool:
        """Tell whether the operator has it that nobody hears this member, and tell it so."""
        isMuted = self.factory.isMuted
        if isMuted is None or not isMuted(self.transport.peer):
            return False
        self.tell("! the operator has muted you")
        return True

    def announce(self, line: str) -> None:
        """Send the others in the room a notice."""
        if self.factory.announce:
            self.factory.rooms.publish(self.room, f"* {line}", self)

    def enter(self, room: str) -> None:
        """Go into a room, out of another."""
        history = self.factory.rooms.join(room, self, self.room)
        self.exit()
        self.room = room
        for line in history:
            self.tell(line)
        self.announce(f"{self.nick} has joined")

    def exit(self) -> None:
        """Go out of the room."""
        if self.room:
            self.announce(f"{self.nick} has left")
            self.factory.rooms.leave(self.room, self)
            self.room = ""

    # Commands

    def doNick(self, nick: str) -> None:
        """/nick NAME: be called NAME."""
        if self.isMuted():
            return
        if fault := self.factory.faultOfName(nick):
            self.tell(f"! {fault}")
            return
        old = self.nick
        if not self.factory.rooms.rename(self, nick):
            self.tell(f"! somebody is called {nick} already")
            return
        self.tell(f"* you are {nick} now")
        self.announce(f"{old} is {nick} now")

    def doWho(self, _: str) -> None:
        """/who: list who is in this room."""
        members = self.factory.rooms.members(self.room)
        names = (f"{each.nick} (you)" if each is self else each.nick for each in members)
        self.tell(f"* in {self.room}: {', '.join(names)}")

    def doMe(self, text: str) -> None:
        """/me TEXT: say what you do."""
        self.relay(f"* {self.nick} {printable(text)}")

    def doJoin(self, room: str) -> None:
        """/join ROOM: go to another room."""
        if fault := self.factory.faultOfName(room):
            self.tell(f"! {fault}")
            return
        if room == self.room:
            self.tell(f"! you are in {room} already")
            return
        try:
            self.enter(room)
        except TooManyRooms as error:
            self.tell(f"! {error}")
        else:
            self.tell(f"* you are in {room} now")

    def doRooms(self, _: str) -> None:
        """/rooms: list the rooms, and how many are in each."""
        rooms = (f"{name} ({count})" for name, count in self.factory.rooms.counts())
        self.tell(f"* rooms: {', '.join(rooms)}")

    def doQuit(self, _: str) -> None:
        """/quit: leave the chat."""
        self.exit()
        self.transport.loseConnection()

    def doHelp(self, _: str) -> None:
        """/help: list the commands."""
        for command in COMMANDS.values():
            self.tell(f"* {command.__doc__}")
        self.tell("* //TEXT: say /TEXT")


COMMANDS: Final = {
    "nick": ChatProtocol.doNick,
    "who": ChatProtocol.doWho,
    "me": ChatProtocol.doMe,
    "join": ChatProtocol.doJoin,
    "rooms": ChatProtocol.doRooms,
    "quit": ChatProtocol.doQuit,
    "help": ChatProtocol.doHelp,
}


NAMED: Final = 5
"""How many members of a server that is lost are named; of more only the number is told."""


def listed(members: Sequence[Named]) -> str:
    """Give who they are, or how many, as the subject of `has` or `have`."""
    if len(members) > NAMED:
        return f"{len(members)} members have"
    return f"{', '.join(each.nick for each in members)} {'has' if len(members) == 1 else 'have'}"


class ChatFactory(Factory):
    """Chat by lines. One room spans TCP, UDP and WebSocket, and every encoding."""

    protocol = ChatProtocol
    framing = Lines
    greeting: str
    echo_self: bool
    format: str
    announce: bool
    max_nick: int

    def __init__(
        self,
        greeting: str = "",
        history: int = 0,
        echo_self: bool = False,
        format: str = "{nick}: {text}",
        announce: bool = True,
        max_nick: int = 32,
        max_rooms: int = 1000,
    ) -> None:
        """@param greeting: text sent to each newcomer.
        @param history: how many lines a newcomer is shown.
        @param echo_self: whether a member gets its own lines too; a client that waits for an answer to each of
            its lines needs that.
        @param format: how a line is relayed; its fields are {nick}, {text} and {room}.
        @param announce: whether joining, leaving and new names are told.
        @param max_nick: the greatest length of a name, in characters.
        @param max_rooms: how many rooms there may be, the lobby among them.
        @raise ValueError: an option makes no sense; the message begins with its name.
        """
        self.rooms = MemoryRooms(LOBBY)
        self.rooms.observe(self.happened)
        self.isMuted: Callable[[Peer], bool] | None = None
        """Tells whom nobody shall hear; the console sets it."""
        self._count = 0
        self.reconfigure(
            greeting=greeting,
            history=history,
            echo_self=echo_self,
            format=format,
            announce=announce,
            max_nick=max_nick,
            max_rooms=max_rooms,
        )

    def reconfigure(self, **options: Any) -> None:
        """Take options, at first or anew; members stay, and keep the names and rooms that they have.

        @raise ValueError: an option makes no sense; the message begins with its name, and nothing has changed.
        """
        if "format" in options:
            checkFields("format", options["format"], {"nick", "text", "room"})
            if not isPrintable(options["format"]):
                raise ValueError("format: expected one line of text without controls")
        for name, least in (("history", 0), ("max_nick", 1), ("max_rooms", 1)):
            if (value := options.get(name, least)) < least:
                raise ValueError(f"{name}: expected an integer of at least {least}, got {value}")
        self.rooms.resize(options.pop("max_rooms", None), options.pop("history", None))
        for name, value in options.items():
            setattr(self, name, value)

    def operatorSays(self, room: str, text: str) -> bool:
        """Tell all members of a room what the server's operator says; False if there is no such room.

        @param text: one line.
        """
        if room not in dict(self.rooms.counts()):
            return False
        line = self.format.format(nick=OPERATOR, room=room, text=printable(text))
        self.rooms.publish(room, line, keep=True)
        return True

    def nameNewcomer(self, member: ChatProtocol) -> None:
        """Call a newcomer `user1`, `user2`, ...; a name that somebody took is passed over."""
        while True:
            self._count += 1
            if self.rooms.rename(member, f"user{self._count}{self.rooms.tag}"):
                return

    def happened(self, event: RoomEvent) -> None:
        """Tell members what has become of those at other servers, where these cannot tell it themselves."""
        match event:
            case Outnamed(member=member) if isinstance(member, ChatProtocol):
                old = member.nick
                self.nameNewcomer(member)
                member.tell(f"! somebody at another server was called {old} before you: you are {member.nick} now")
                if member.room:
                    member.announce(f"{old} is {member.nick} now")
            case Departed(room=room, members=members, why=why) if why and self.announce:
                self.rooms.publishHere(room, f"* {listed(members)} left: their server {why}")
            case Arrived(room=room, members=members, isBack=True) if self.announce:
                self.rooms.publishHere(room, f"* {listed(members)} come back")
            case _:
                pass

    def faultOfName(self, name: str) -> str | None:
        """Say why nobody can be called so, nor a room."""
        if not name:
            return "say which NAME"
        if len(name) > self.max_nick:
            return f"a name has at most {self.max_nick} characters"
        if folded(name) == folded(OPERATOR):
            return f"{OPERATOR} is who runs this server"
        if not name[0].isalnum() or " " in name or not name.isprintable():
            return "a name begins with a letter or digit, and has no spaces or controls"
        return None
