"""A poll, in plain Twisted: nothing here knows of socklab, or of WebSocket."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure


class PollProtocol(LineReceiver):
    """Each line is a vote; everybody is sent each new count, as `choice count`."""

    delimiter = b"\n"
    MAX_LENGTH = 200

    def __init__(self, poll: PollFactory) -> None:
        self.poll = poll

    def connectionMade(self) -> None:
        """Tell how it stands."""
        self.poll.voters.add(self)
        for choice in self.poll.votes:
            self.tell(choice)

    def lineReceived(self, line: bytes) -> None:
        """Count a vote."""
        choice = line.decode("utf-8", "replace").strip()
        if choice not in self.poll.votes:
            self.sendLine(f"! vote for {', '.join(self.poll.votes)}".encode())
            return
        self.poll.votes[choice] += 1
        for voter in [*self.poll.voters]:
            voter.tell(choice)

    def tell(self, choice: str) -> None:
        """Send a count."""
        self.sendLine(f"{choice} {self.poll.votes[choice]}".encode())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the voter; the votes stay."""
        self.poll.voters.discard(self)


class PollFactory(Factory):
    """Counts the votes of all, whatever they came by."""

    noisy = False

    def __init__(self, choices: list[str]) -> None:
        """@param choices: what can be voted for."""
        self.votes = dict.fromkeys(choices, 0)
        self.voters: set[PollProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> PollProtocol:
        """A voter has come."""
        return PollProtocol(self)
