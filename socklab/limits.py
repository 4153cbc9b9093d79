"""The limits of a service: each one's name, unit, default and consequence stand here, and nowhere else."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from .framing import LINE, MESSAGE
from .units import PositiveSeconds, Seconds, Size

BACKLOG: Final = 1024
"""Connections that the system accepts before we do; Twisted's own 50 refuses bursts."""


class Limits(BaseModel):
    """`[service.limits]`: what one peer may take."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    max_connections: Annotated[int | None, Field(ge=1, description="connections of the service")] = None
    """In total, over all its listeners; a remembered datagram peer is one. One more is refused."""
    per_address: Annotated[int | None, Field(ge=1, description="connections of one address")] = None
    """A /64 of IPv6 is one address. One more is refused."""
    accept_rate: Annotated[float | None, Field(gt=0, description="newcomers of the service")] = None
    """Per second, and as many at once. One more is refused."""
    accept_rate_per_address: Annotated[float | None, Field(gt=0, description="newcomers of one address")] = None
    """Per second, and as many at once. One more is refused."""
    lifetime: Annotated[Seconds | None, Field(description="from the beginning of a conversation")] = None
    """Seconds; then it is closed. None or 0: never."""
    message_rate: Annotated[float | None, Field(gt=0, description="messages of one peer")] = None
    """Per second, and as many at once. Then the peer is held back; a datagram is dropped."""
    byte_rate: Annotated[Size | None, Field(description="bytes of one peer's messages")] = None
    """Per second, and as many at once. Then the peer is held back; a datagram is dropped."""
    message: Annotated[Size, Field(description="the greatest length of a message")] = MESSAGE
    """Bytes. Over it: WebSocket close code 1009; a stream is closed, with a log line. WebSocket counts what a
    message inflates to."""
    line: Annotated[Size, Field(description="the greatest length of a line")] = LINE
    """Bytes, without the line's end. Over it the stream is closed, with a log line."""
    queue: Annotated[Size, Field(description="messages that wait for a busy protocol")] = 64 * 1024
    """Bytes, with 100 for each message: what one peer has sent while an async protocol is busy with an earlier
    message of it. Over it nothing more is read from the peer; a datagram is dropped."""
    pending: Annotated[Size, Field(description="output kept for one peer")] = 1024 * 1024
    """Bytes beyond the kernel's buffers. A peer for which more is waiting when the next message is sent is cut."""
    pending_soft: Annotated[Size, Field(description="output kept for one peer for long")] = 256 * 1024
    """Bytes. A peer for which more has been waiting for `pending_seconds`, at no time less, is cut."""
    pending_seconds: Annotated[PositiveSeconds, Field(description="that `pending_soft` may be exceeded")] = 60.0
    """Seconds."""
    handshake_timeout: Annotated[Seconds, Field(description="for the TLS, WebSocket and PROXY handshakes")] = 5.0
    """Seconds from the connection until the handshake is done; then the peer is cut. 0: never."""
    handshake_bytes: Annotated[Size, Field(description="the head of the WebSocket handshake")] = 64 * 1024
    """Bytes. Over it the client gets HTTP 431."""
    fragments: Annotated[int, Field(ge=1, description="frames of one WebSocket message")] = 4096
    """Over it: close code 1008."""
    ping_interval: Annotated[Seconds, Field(description="between WebSocket pings")] = 25.0
    """Seconds. 0: none are sent."""
    ping_timeout: Annotated[PositiveSeconds, Field(description="for the answer to a ping")] = 20.0
    """Seconds. A peer from which nothing came by then is cut."""
    idle: Annotated[Seconds | None, Field(description="without a message from a peer")] = None
    """Seconds; then the protocol's `timeoutConnection` is called, which closes. None or 0: never."""
    keepalive: Annotated[Seconds, Field(description="silence before TCP asks whether the peer is there")] = 30.0
    """Seconds; asked three times, 10 s apart, before the connection is lost. 0: never asked."""
    udp_peers: Annotated[int, Field(ge=1, description="datagram peers remembered per listener")] = 1024
    """A datagram of one more is dropped and counted."""
    udp_idle: Annotated[PositiveSeconds, Field(description="silence until a datagram peer is forgotten")] = 60.0
    """Seconds."""
    udp_amplification: Annotated[float, Field(ge=0, description="an answer to an unproved address")] = 1.0
    """Times the length of the request. A longer answer is dropped and counted."""
    udp_rate: Annotated[float | None, Field(gt=0, description="answers to one datagram peer")] = None
    """Per second. One more is dropped and counted. By default none on loopback, 1000 elsewhere."""
