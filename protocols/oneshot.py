"""One-shot: one request, one answer, and the connection ends."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from socklab import (
    Factory,
    HttpError,
    MessageProtocol,
    Request,
    Seconds,
    Template,
    Until,
    asksToContinue,
    readHttp,
    response,
)
from socklab.alarms import AlarmQueue
from socklab.framing import MESSAGE
from socklab.http import CONTINUE

FIELDS = frozenset({"request", "peer_host", "peer_port", "now", "count"})


class OneShotProtocol(MessageProtocol):
    """Answer the first message, then close; a peer that sends none in time is closed too."""

    factory: OneShotFactory
    _answered = False
    _asked = False

    def connectionMade(self) -> None:
        """Wait for the request."""
        self.factory.waiting.add(self)

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """The request has come."""
        if self._answered:
            return
        if self.factory.until == "http":
            if not self._asked and asksToContinue(payload, self.factory.maxLength):
                self._asked = True
                self.transport.sendMessage(CONTINUE, True)
                return
            try:
                method, _ = readHttp(payload, self.factory.maxLength)
            except HttpError as error:
                self.finish(response(error.status, f"{error}\n".encode()), True)
            else:
                self.finish(response(200, self.render(payload), withBody=method != "HEAD"), True)
            return
        answer = self.render(payload)
        if not isBinary and not isUtf8(answer):
            # A text message that is no UTF-8 would make a browser close.
            isBinary = True
        self.finish(answer, isBinary)

    def ring(self) -> None:
        """No request has come in time (`socklab.alarms`)."""
        if self.factory.until == "http":
            self.finish(response(408, b"no request came in time\n"), True)
        elif self.factory.lateReply is not None:
            self.finish(self.fill(self.factory.lateReply, b""), False)
        else:
            self.transport.loseConnection()

    def render(self, request: bytes) -> bytes:
        """Make the answer."""
        self.factory.count += 1
        reply = self.factory.reply
        if reply is None:
            return request
        return reply if isinstance(reply, bytes) else self.fill(reply, request)

    def fill(self, template: Template, request: bytes) -> bytes:
        """Fill in a template."""
        # The HTTP response says that it is UTF-8.
        encoding = "utf-8" if self.factory.until == "http" else self.transport.encoding
        return template.render(encoding, lambda field: self.valueOf(field, request))

    def valueOf(self, field: str, request: bytes) -> bytes | str | int:
        """Give what stands for a field."""
        match field:
            case "request":
                return request
            case "peer_host":
                return self.transport.peer.host
            case "peer_port":
                return self.transport.peer.port
            case "now":
                return datetime.now().astimezone().isoformat(timespec="seconds")
        return self.factory.count

    def finish(self, answer: bytes, isBinary: bool) -> None:
        """Send the answer, and close."""
        self._answered = True
        self.factory.waiting.cancel(self)
        self.transport.sendMessage(answer, isBinary)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if not self._answered:
            self.factory.waiting.cancel(self)


def isUtf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class OneShotFactory(Factory):
    """One request, one answer, close; over UDP and WebSocket the message is the request."""

    protocol = OneShotProtocol
    keepsPeers = False
    fixedFraming = True
    waiting: AlarmQueue
    """Whose requests have yet to come."""

    def __init__(
        self,
        until: Until = "line",
        reply: str = "{request}",
        reply_file: Path | None = None,
        timeout: Seconds = 10,
        reply_on_timeout: str | None = None,
    ) -> None:
        """@param until: what ends a request on a stream: "line"; "read", whatever the first read brings; "eof";
            "http", an HTTP/1.1 request with its body; or a number of bytes.
        @param reply: the answer; its fields are {request}, {peer_host}, {peer_port}, {now} and {count}.
        @param reply_file: a file to answer with instead, as it is; read once, at the start.
        @param timeout: seconds for the request to come.
        @param reply_on_timeout: the answer to who sends none; by default there is none.
        @raise ValueError: an option makes no sense; the message begins with its name.
        """
        if isinstance(until, int) and until < 1:
            raise ValueError(f"until: expected an integer of at least 1, got {until}")
        if timeout <= 0:
            raise ValueError(f"timeout: expected more than 0 seconds, got {timeout:g}")
        if reply_file is not None and reply != "{request}":
            raise ValueError("reply_file: give this or reply, not both")
        self.until = until
        self.timeout = timeout
        self.count = 0
        # None is the request itself.
        self.reply: Template | bytes | None = None if reply == "{request}" else Template("reply", reply, FIELDS)
        if reply_file is not None:
            try:
                self.reply = reply_file.read_bytes()
            except OSError as error:
                raise ValueError(f"reply_file: {reply_file}: {(error.strerror or str(error)).lower()}") from None
        self.lateReply = None
        if reply_on_timeout is not None:
            self.lateReply = Template("reply_on_timeout", reply_on_timeout, FIELDS)
        self.maxLength = MESSAGE
        self.framingLimit = "line" if until == "line" else "message"
        if until == "http":
            self.transports = frozenset({"stream"})

    def startFactory(self) -> None:
        """The service starts: from now on there is a clock."""
        self.waiting = AlarmQueue(self.clock, self.timeout)

    def framing(self, maxLength: int) -> Request:
        """Give what finds the request in a stream.

        @raise ValueError: the limit of a message is below `until`.
        """
        if isinstance(self.until, int) and self.until > maxLength:
            raise ValueError(f"until: {self.until} bytes exceed limits.message, which is {maxLength}")
        self.maxLength = maxLength
        return Request(self.until, maxLength)
