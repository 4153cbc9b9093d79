"""Twisted's own SMTP and FTP servers, to see in the trace what a session is: mail is taken and thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.mail.smtp import ESMTP, IMessage, SMTPFactory, User
from twisted.protocols.ftp import FTPFactory, FTPRealm
from zope.interface import implementer


@implementer(IMessage)
class Letter:
    """A mail on its way to nowhere."""

    def lineReceived(self, line: bytes) -> None:
        """Take a line."""

    def eomReceived(self) -> Deferred[None]:
        """All of it is here."""
        return succeed(None)

    def connectionLost(self) -> None:
        """The rest will not come."""


class Mailbox(ESMTP):
    """Takes mail from anybody for anybody."""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Take it."""
        return origin

    def validateTo(self, user: User) -> Any:
        """Take it."""
        return Letter

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """Add nothing."""
        return b""


class MailFactory(SMTPFactory):
    """Has each client greeted as by lab.example."""

    protocol = Mailbox
    domain = b"lab.example"


def files(folder: Path) -> FTPFactory:
    """@param folder: what anybody may read."""
    return FTPFactory(Portal(FTPRealm(str(folder)), [AllowAnonymousAccess()]))
