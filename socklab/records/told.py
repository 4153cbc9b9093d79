"""Patterns in words for a person, and as objects for a program. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..text import quoted
from .frames import Frame
from .patterns import AddressPattern, Cost, WebSocketPattern
from .reading import Direction
from .shown import safe

_VERB: dict[Direction, str] = {"in": "received", "out": "sent"}


def addressLines(pattern: AddressPattern) -> Iterator[str]:
    """Tell what one address did."""
    each = pattern
    many = _count(each.connections, "datagram" if each.transport == "udp" else "connection")
    ports = f", {_count(each.ports, 'source port')}" if each.ports else ""
    messages = _count(each.received, "message")
    if each.transport == "udp":
        line = f"{messages} as datagrams{ports}"
    else:
        line = f"{each.verdict}: {many}, {messages}{ports}"
    yield f"{safe(each.service)}: {safe(each.transport)} {safe(each.host)}: {line}"
    yield f"  answers: {_count(each.sent, 'message')}"
    if each.closedBy:
        yield f"  closed first: {_counted(each.closedBy.items())}"
    yield f"  first bytes: {_counted(each.began.items())}"


def websocketLines(pattern: WebSocketPattern) -> Iterator[str]:
    """Tell what went over one WebSocket connection, byte for byte where it is WebSocket's."""
    yield f"{safe(pattern.conversation.service)} {pattern.conversation.name}: WebSocket"
    yield from _headLines(">", pattern.request)
    yield from _headLines("<", pattern.answer)
    yield f"  handshake: {len(pattern.request)} B and {len(pattern.answer)} B; a TCP client needs none"
    yield "  frames:"
    yield from (f"    {_frameLine(direction, frame)}" for direction, frame in pattern.frames)
    if pattern.costs:
        yield "  bytes on the wire:"
        yield f"    {'':<16}{'payload':>9}{'WebSocket':>11}{'as a line over TCP':>20}"
        for cost in pattern.costs:
            yield f"    {_VERB[cost.direction] + ' ' + cost.kind:<16}{_costCells(cost)}"


def _headLines(sign: str, head: bytes) -> Iterator[str]:
    for line in head.rstrip(b"\r\n").split(b"\r\n"):
        yield f"  {sign} {quoted(line)[1:-1]}"


def _frameLine(direction: Direction, frame: Frame) -> str:
    fin = "FIN" if frame.fin else "   "
    flags = " compressed" if frame.compressed else ""
    mask = f", mask {frame.head[-4:].hex(' ')}" if frame.masked else ", no mask"
    return (
        f"{_VERB[direction]:<8} {fin} {frame.opcode}{flags}, length {frame.length}{mask}: "
        f"{len(frame.head)} B before the payload: {frame.head.hex(' ')}"
    )


def _costCells(cost: Cost) -> str:
    return f"{cost.payload:>9}{cost.websocket:>11}{cost.line:>20}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _counted(items: Iterable[tuple[str, int]]) -> str:
    words = {"peer": "the peer", "server": "the server", "nobody": "nobody yet"}
    return ", ".join(f"{words.get(name, safe(name))} ({number})" for name, number in items)


def addressObject(pattern: AddressPattern) -> dict[str, Any]:
    """Give it for JSON."""
    return {
        "service": pattern.service,
        "transport": pattern.transport,
        "host": pattern.host,
        "verdict": pattern.verdict,
        "connections": pattern.connections,
        "source_ports": pattern.ports,
        "received": pattern.received,
        "sent": pattern.sent,
        "closed_first": dict(pattern.closedBy),
        "first_bytes": dict(pattern.began),
    }


def websocketObject(pattern: WebSocketPattern) -> dict[str, Any]:
    """Give it for JSON."""
    return {
        "service": pattern.conversation.service,
        "connection": pattern.conversation.connection,
        "request": pattern.request.decode("latin-1"),
        "answer": pattern.answer.decode("latin-1"),
        "frames": [
            {
                "direction": direction,
                "fin": frame.fin,
                "compressed": frame.compressed,
                "opcode": frame.opcode,
                "masked": frame.masked,
                "length": frame.length,
                "head": frame.head.hex(),
            }
            for direction, frame in pattern.frames
        ],
        "costs": [
            {
                "direction": cost.direction,
                "kind": cost.kind,
                "payload": cost.payload,
                "websocket": cost.websocket,
                "line": cost.line,
            }
            for cost in pattern.costs
        ],
    }
