"""How a server behaves: whether it answers, takes split and large writes, and a half-closed connection."""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any, Final

from twisted.internet.defer import Deferred

from ..client import Address, ConnectError, SendError, Settings
from ..text import quoted
from .findings import Finding, Report
from .talking import Talk

_ANSWER: Final = 1.0
"""Seconds for an answer."""
_GREETING: Final = 0.1
"""Seconds for what a server says before it is asked."""
_LARGE: Final = 8 * 1460
"""Bytes that need packets of the full size: 1460 is what one carries on Ethernet (RFC 879, RFC 9293, 3.7.1)."""
_ARRIVES: Final = 3.0
"""Seconds for them to be acknowledged."""
_PAUSE: Final = 0.1
"""Seconds between the halves of a split write."""
_DATAGRAMS: Final = (1472, 1473, 8000)
"""Payloads of UDP: the most that one packet carries on Ethernet over IPv4, one more, and a long one."""


class Behaviour:
    """Tries a server out, each time on a connection of its own."""

    def __init__(self, reactor: Any, address: Address, settings: Settings, data: bytes, report: Report) -> None:
        """@param data: what it is asked; on a stream it should end as its messages do."""
        self._reactor = reactor
        self._address = address
        self._settings = settings
        self._data = data
        self._report = report

    async def onStream(self) -> None:
        """Try all that a stream has."""
        whole = await self._whole()
        if whole:
            await self._split(whole)
        if self._address.scheme == "tcp":
            await self._large()
        if self._address.scheme in ("tcp", "unix"):
            await self._halfClose(bool(whole))

    async def _begin(self) -> Talk:
        return await Talk.begin(self._reactor, self._address, self._settings)

    async def _whole(self) -> bytes:
        talk = await self._begin()
        await talk.answer(_GREETING)
        talk.connection.send(self._data, False)
        said = await talk.answer(_ANSWER)
        await talk.leave()
        if not said:
            text = f"no answer to {quoted(self._data)} within {_ANSWER:g} s"
            if talk.end is not None and talk.end.by == "peer":
                text += f"; {talk.end}"
            self._note("answer", f"{text}; not every server answers, and --data says what yours understands")
        elif said == self._data:
            self._ok("answer", f"it echoes {quoted(self._data)}")
        else:
            self._ok("answer", f"to {quoted(self._data)} it says {quoted(said[:60])}")
        return said

    async def _split(self, whole: bytes) -> None:
        talk = await self._begin()
        await talk.answer(_GREETING)
        middle = len(self._data) // 2
        talk.connection.send(self._data[:middle], True)
        early = await talk.answer(_PAUSE)
        talk.connection.send(self._data[middle:], True)
        said = early + await talk.answer(_ANSWER)
        ended = talk.end is not None and talk.end.by == "peer"
        await talk.leave()
        if len(said) == len(whole):
            self._ok("split", "a message in two writes is answered as one is")
        elif early and ended:
            self._bad("split", "it answers the first of two writes and closes: it takes a read for a message")
        else:
            self._note("split", f"a message in two writes is answered otherwise: {quoted(said[:60])}")

    async def _large(self) -> None:
        """Whether packets of the full size arrive shows in what the system still holds unacknowledged."""
        talk = await self._begin()
        line = b"x" * (_LARGE - 1) + b"\n"
        talk.connection.send(line, True)
        left = await self._unacknowledged(talk)
        await talk.leave()
        if left:
            self._bad(
                "size",
                f"{left} of {_LARGE} B are not acknowledged: large packets are lost on the way (the MTU of a "
                "tunnel or VPN), or the server does not read",
            )
        else:
            self._ok("size", f"{_LARGE} B in packets of the full size arrive")

    async def _unacknowledged(self, talk: Talk) -> int:
        connection: Any = talk.connection
        deadline = self._reactor.seconds() + _ARRIVES
        while True:
            if talk.end is not None:
                return 0
            # SIOCOUTQ (tcp(7)): what is sent, and not acknowledged.
            raw = fcntl.ioctl(connection.transport.getHandle().fileno(), termios.TIOCOUTQ, b"\0" * 4)
            [left] = struct.unpack("i", raw)
            if not left or self._reactor.seconds() > deadline:
                return int(left)
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(0.02, pause.callback, None)
            await pause

    async def _halfClose(self, answers: bool) -> None:
        talk = await self._begin()
        await talk.answer(_GREETING)
        talk.connection.send(self._data, True)
        talk.connection.finish()
        said = await talk.answer(_ANSWER)
        end = await talk.over(_ANSWER)
        await talk.leave()
        after = "then closes" if end is not None else f"and keeps the connection for more than {_ANSWER:g} s"
        if said:
            self._ok("half-close", f"after our FIN it still answers, {after}")
        elif answers:
            self._note("half-close", f"after our FIN it does not answer, {after}: who says FIN is not heard out")
        else:
            self._ok("half-close", f"after our FIN it says nothing, {after}")

    async def onUdp(self) -> None:
        """Whether anybody answers a datagram, and large ones."""
        said = await self._datagram(self._data)
        if said is None:
            return
        if not said:
            text = f"no answer to {quoted(self._data)} within {_ANSWER:g} s: UDP does not tell why"
            self._note("answer", f"{text}; it is lost, dropped by a firewall, or the server says nothing")
            return
        same = said == self._data
        self._ok("answer", f"it echoes {quoted(self._data)}" if same else f"it says {quoted(said[:60])}")
        for size in _DATAGRAMS:
            answer = await self._datagram(b"x" * size)
            if answer is None:
                return
            if answer:
                self._ok("size", f"a datagram of {size} B is answered with {len(answer)} B")
            else:
                self._note("size", f"a datagram of {size} B is not answered: lost on the way, or too long for it")

    async def _datagram(self, payload: bytes) -> bytes | None:
        """Give the answer; None if the port refuses, which is told."""
        talk = await self._begin()
        try:
            talk.connection.send(payload, True)
        except SendError as error:
            self._note("size", str(error))
            await talk.leave()
            return b""
        said = await talk.answer(_ANSWER)
        refused = talk.end is not None
        await talk.leave()
        if refused and not said:
            self._bad("answer", "refused: nobody has bound this udp port (ICMP says so): start the server")
            return None
        return said

    async def onWebSocket(self) -> None:
        """Whether it answers a message, and a close frame."""
        try:
            talk = await self._begin()
        except ConnectError:
            return
        await talk.answer(_GREETING)
        talk.connection.send(self._data, False)
        said = await talk.answer(_ANSWER)
        if said:
            same = said == self._data
            self._ok("answer", f"it echoes {quoted(self._data)}" if same else f"it says {quoted(said[:60])}")
        else:
            text = f"no answer to {quoted(self._data)} within {_ANSWER:g} s"
            self._note("answer", f"{text}; not every server answers, and --data says what yours understands")
        if talk.end is None:
            talk.connection.close()
            end = await talk.over(_ANSWER)
            if end is not None and end.clean:
                self._ok("close", "it answers the close frame")
            else:
                self._note("close", "it does not answer the close frame: clients see 1006")
        else:
            self._note("close", str(talk.end))
        await talk.leave()

    def _ok(self, topic: str, text: str) -> None:
        self._report(Finding("ok", topic, text))

    def _note(self, topic: str, text: str) -> None:
        self._report(Finding("note", topic, text))

    def _bad(self, topic: str, text: str) -> None:
        self._report(Finding("bad", topic, text))
