"""Rock, paper, scissors between any two who come, whatever they come by."""

from __future__ import annotations

from typing import Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from socklab import Factory, Lines, MessageProtocol, Seconds, printable

BEATS: Final = {"rock": "scissors", "scissors": "paper", "paper": "rock"}
MOVES: Final = {**{each: each for each in BEATS}, "바위": "rock", "가위": "scissors", "보": "paper"}
MAX_NAME: Final = 20  # characters


class PlayerProtocol(MessageProtocol):
    """Ask for a name, find an opponent, play rounds until one of the two leaves."""

    factory: GameFactory
    name = ""
    opponent: PlayerProtocol | None = None
    move = ""
    wins = 0

    def connectionMade(self) -> None:
        """Begin; until there is a name the service's limit `idle` holds."""
        self.tell("What is your name?")

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A name first, then moves."""
        word = printable(payload.decode(self.transport.encoding, "replace").strip())
        if not self.name and 0 < len(word) <= MAX_NAME:
            self.name = word
            self.seek()
        elif not self.name:
            self.tell(f"A name has 1 to {MAX_NAME} characters.")
        elif self.opponent is None:
            self.tell("Nobody else is here yet.")
        elif self.move:
            self.tell(f"You have moved; {self.opponent.name} has not.")
        elif word.lower() not in MOVES:
            self.tell("Say rock, paper or scissors.")
        else:
            self.play(MOVES[word.lower()], self.opponent)

    def timeoutConnection(self) -> None:
        """The time for a name or a move is over."""
        self.tell("Too slow. Goodbye.")
        self.leave()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The player is gone."""
        self.leave()

    def tell(self, text: str) -> None:
        """Send the player a line."""
        self.transport.sendMessage(text.encode(self.transport.encoding, "replace"), False)

    def seek(self) -> None:
        """Play with who is waiting, or wait."""
        waiting = self.factory.waiting
        if waiting is None:
            self.factory.waiting = self
            self.transport.setTimeout(None)
            self.tell(f"Hello, {self.name}. Wait for somebody to play with.")
        else:
            self.factory.waiting = None
            self.meet(waiting)
            waiting.meet(self)

    def meet(self, opponent: PlayerProtocol) -> None:
        """A game begins."""
        self.opponent = opponent
        self.wins = 0
        self.tell(f"You play with {opponent.name}.")
        self.ask()

    def ask(self) -> None:
        """A round begins."""
        self.move = ""
        self.tell("Rock, paper or scissors?")
        self.transport.setTimeout(self.factory.move_time)

    def play(self, move: str, opponent: PlayerProtocol) -> None:
        """Keep the move to oneself until both have moved."""
        self.move = move
        self.transport.setTimeout(None)
        if not opponent.move:
            opponent.tell(f"{self.name} has moved.")
            return
        self.wins += BEATS[self.move] == opponent.move
        opponent.wins += BEATS[opponent.move] == self.move
        for one, other in ((self, opponent), (opponent, self)):
            one.tell(f"{one.name}: {one.move}, {other.name}: {other.move}. It is {one.wins}:{other.wins}.")
        for each in (self, opponent):
            each.ask()

    def leave(self) -> None:
        """Give the opponent another one."""
        opponent, self.opponent = self.opponent, None
        if self.factory.waiting is self:
            self.factory.waiting = None
        if opponent is not None:
            opponent.opponent = None
            opponent.tell(f"{self.name} has left.")
            opponent.seek()


class GameFactory(Factory):
    """Brings together who waits for an opponent: a player in ncat with one in a browser."""

    protocol = PlayerProtocol
    framing = Lines
    waiting: PlayerProtocol | None = None

    def __init__(self, move_time: Seconds = 30) -> None:
        """@param move_time: seconds for a move."""
        self.move_time = move_time
