"""Where a client's transports and what uses them meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class End:
    """How a connection ended."""

    by: Literal["us", "peer", "network"]
    """Who ended it; `network` is a connection that broke."""
    reason: str
    """In words; what the peer said of it is within them, as it came."""
    clean: bool = True
    """Whether it ended as connections of this transport should."""

    def __str__(self) -> str:
        return {"us": "we", "peer": "the server", "network": "the network"}[self.by] + f" {self.reason}"


class Receiver(Protocol):
    """Gets what a connection brings."""

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Take what one read brought on a stream, one datagram, or one WebSocket message.

        @param isBinary: False for a WebSocket text message only.
        """

    def ended(self, end: End) -> None:
        """Nothing more comes, and nothing more can be sent. Called once."""


class Connection(Protocol):
    """One open connection, or a UDP socket that speaks with one server only."""

    host: str
    """Its own address and port; a Unix socket has none, and "" stands for it."""
    port: int
    """Its own port; 0 for a Unix socket."""
    peer: str
    """The server's address and port, or the path of its socket."""
    about: Mapping[str, str]
    """What was agreed on: `tls`, `subprotocol`."""

    def send(self, payload: bytes, isBinary: bool) -> None:
        """Send bytes, a datagram or a message; after the end it does nothing.

        @raise SendError: this transport cannot carry it.
        """

    def pace(self, producer: object) -> None:
        """Have an `IPushProducer` paused while more waits to be sent than should."""

    def finish(self) -> bool:
        """Say that nothing more will be sent, and go on reading; False where the transport cannot say so."""

    def close(self) -> None:
        """End it when what was sent is on its way."""

    def abort(self) -> None:
        """End it at once: what is not yet sent is lost."""


class ConnectError(Exception):
    """There is no connection; the text says why, and what to look at."""

    def __init__(self, kind: str, text: str) -> None:
        """@param kind: for programs: `refused`, `timeout`, `unreachable`, `name`, `reset`, `closed`, `tls`,
        `handshake`, `source`, `permission`, `missing` or `other`.
        """
        super().__init__(text)
        self.kind = kind


class SendError(Exception):
    """This transport cannot carry this message."""


@dataclass(frozen=True)
class TlsSettings:
    """What is asked of a server's certificate, and what is shown to it."""

    authorities: Path | None = None
    """A PEM file of those that are trusted; None for the system's."""
    insecure: bool = False
    """Trust any certificate."""
    name: str | None = None
    """The name that is asked for, and that the certificate must hold; None for the address's host."""
    certificate: Path | None = None
    """A PEM file with the client's own certificate, and its key if `key` is None."""
    key: Path | None = None


@dataclass(frozen=True)
class WebSocketSettings:
    """What is said in the handshake."""

    subprotocols: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None


@dataclass(frozen=True)
class Settings:
    """How connections are made."""

    timeout: float = 10
    """Seconds for all of it: the name, the connection, TLS, the handshake."""
    sourcePort: int = 0
    """The client's own port; 0 for any that is free."""
    bufferSize: int = 65536
    """Bytes that one read takes at most. A longer datagram loses its end."""
    tls: TlsSettings = TlsSettings()
    websocket: WebSocketSettings = field(default_factory=WebSocketSettings)
