"""Plain Twisted, as an author may have it; the tests put this file beside a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.ssl import PrivateCertificate
from twisted.mail.smtp import SMTP, IMessage, IMessageDelivery, SMTPFactory, User
from twisted.protocols.basic import LineReceiver
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import File
from zope.interface import implementer


class Says(LineReceiver):
    """Number each line; `bye` ends it."""

    delimiter = b"\n"
    count = 0

    def connectionMade(self) -> None:
        """Greet."""
        self.sendLine(f"안녕, {self.factory.name}".encode())

    def lineReceived(self, line: bytes) -> None:
        """Answer."""
        self.count += 1
        self.sendLine(b"%d: %s" % (self.count, line))
        if line == b"bye":
            self.transport.loseConnection()


class SaysFactory(Factory):
    """Keeps the greeting, and tells when it is started and stopped."""

    protocol = Says

    def __init__(self, name: str = "세계") -> None:
        self.name = name

    def startFactory(self) -> None:
        """Begin."""
        print("says starts", flush=True)

    def stopFactory(self) -> None:
        """End."""
        print("says stops", flush=True)


class Upgrading(LineReceiver):
    """Say each line in capitals; `STARTTLS` begins TLS, as of mail."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """Answer."""
        if line == b"STARTTLS":
            self.sendLine(b"go")
            self.transport.startTLS(self.factory.options)
        else:
            self.sendLine(line.upper())


class UpgradingFactory(Factory):
    """Has a certificate for localhost."""

    protocol = Upgrading

    def __init__(self, folder: Path) -> None:
        pem = (folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes()
        self.options = PrivateCertificate.loadPEM(pem).options()


class Page(Resource):
    """Echo what is posted."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Greet."""
        return f"hello {request.getClientAddress().host}\n".encode()

    def render_POST(self, request: Request) -> bytes:
        """Give back what came."""
        return request.content.read()


def site(folder: Path) -> Site:
    """Serve a page and a folder."""
    root = Resource()
    root.putChild(b"page", Page())
    root.putChild(b"files", File(str(folder)))
    return Site(root, timeout=30)


@implementer(IMessage)
class Message:
    """A message that becomes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """Keep a line."""
        self._lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        """Write the file."""
        self._path.write_bytes(b"\n".join(self._lines))
        return succeed(None)

    def connectionLost(self) -> None:
        """Forget it."""


@implementer(IMessageDelivery)
class Delivery:
    """Takes mail for anybody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """Say who it was."""
        return b"Received: by a test"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Take it from anybody."""
        return origin

    def validateTo(self, user: User) -> Any:
        """Put it where its receiver's name says."""
        return lambda: Message(self._folder / f"{user.dest.local.decode()}.txt")


class MailFactory(SMTPFactory):
    """Mail into a folder."""

    protocol = SMTP

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def buildProtocol(self, addr: Any) -> Any:
        """A client has come."""
        protocol = super().buildProtocol(addr)
        protocol.delivery = Delivery(self._folder)
        return protocol


class Reverse(DatagramProtocol):
    """Send each datagram back, reversed."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer."""
        self.transport.write(datagram[::-1] + self._mark.encode(), addr)
