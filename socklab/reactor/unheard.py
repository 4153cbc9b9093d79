"""A connection whose protocol wanted to hear nothing from the start."""

from __future__ import annotations

from asyncio import Protocol, Transport
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import Connection


class Unheard(Protocol):
    """Keeps what uvloop reads of it in the first turn nevertheless, until the protocol wants it."""

    def __init__(self, connection: Connection, uv: Transport) -> None:
        self._connection = connection
        self._uv = uv
        self._chunks: list[bytes] = []
        self._eof = False
        # It begins to read when the connection is made, and not sooner can it be told not to.
        connection.loop.call_soon(uv.pause_reading)

    def data_received(self, data: bytes) -> None:
        """The peer has sent something together with its wish to connect."""
        self._chunks.append(data)

    def eof_received(self) -> bool:
        """The peer has sent FIN."""
        self._eof = True
        return True

    def pause_writing(self) -> None:
        """uvloop's buffer is full."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """uvloop's buffer is empty again."""
        self._connection.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed."""
        self._connection.connection_lost(exc)

    def hear(self) -> None:
        """Hand over what there is, in turns of their own, then read on."""
        self._connection.loop.call_soon(self._hear)

    def _hear(self) -> None:
        connection = self._connection
        if not connection.reading or self._uv.is_closing() or self._uv.get_protocol() is connection:
            return
        if self._chunks:
            connection.data_received(self._chunks.pop(0))
            self.hear()
        else:
            self._uv.set_protocol(connection)
            connection.heard()
            if self._eof:
                connection.eof_received()
