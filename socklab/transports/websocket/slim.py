"""What a WebSocket connection does not keep for itself, so that ten thousand idle ones cost little.

Autobahn gives each connection about a hundred attributes: its options, the handshake, counters. CPython keeps more
than 30 attributes of an instance in a dict of its own, which takes 3.3 KiB here, and the objects behind them took
3 KiB more. Nothing of this changes what Autobahn does: what is left out of an instance stands on its class, with
the same value, or is made when it is asked for.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import Any, Final

from autobahn.websocket import protocol as autobahn
from autobahn.websocket.utf8validator import Utf8Validator


class Silence:
    """Takes the place of Autobahn's logger, which writes what peers sent as it is; what matters is an event."""

    def _nothing(self, *args: object, **values: object) -> None:
        """Say nothing."""

    trace = debug = info = warn = warning = error = critical = failure = _nothing


class _Unheard:
    """Takes the place of the Deferreds `is_open` and `is_closed`, for which nobody waits."""

    def callback(self, result: object) -> None:
        """Say nothing."""


_SHARED: Final[dict[str, Any]] = {
    "is_open": _Unheard(),
    "is_closed": _Unheard(),
    # Counters that nobody reads.
    "trafficStats": autobahn.TrafficStats(),
    # Only for writing in pieces, which our `sendData` does not do.
    "send_queue": (),
    # Two objects of CFFI for each; most connections never need one.
    "utf8validator": cached_property(lambda connection: Utf8Validator()),
    "websocket_version": 13,
    "_transport_details": None,
    "_valid_events": None,
    "_results": None,
}
"""What is the same for all, or is made when it is asked for."""

_SPENT: Final = (
    # Of the opening handshake; what matters of it is in the `Peer`.
    "http_headers",
    "http_request_data",
    "http_request_host",
    "http_request_params",
    "http_request_path",
    "http_request_uri",
    "http_response_data",
    "http_status_line",
    "websocket_extensions",
    "websocket_extensions_in_use",
    "websocket_origin",
    "websocket_protocol_in_use",
    "websocket_protocols",
    "_wskey",
    # Of a frame or a message that is over.
    "control_frame_data",
    "current_frame_masker",
    "frame_data",
    "frame_length",
    "message_data",
    "message_data_total_length",
    "message_is_binary",
    "utf8validateIncomingCurrentMessage",
    "utf8validateLast",
    "_isMessageCompressed",
)
"""What is set anew before it is read again, or never read."""


def _firstState() -> dict[str, Any]:
    """Give what Autobahn sets on each connection when it is made, of that what cannot change."""
    model: Any = autobahn.WebSocketServerProtocol()
    model.factory = autobahn.WebSocketServerFactory()
    model.factory.setProtocolOptions(openHandshakeTimeout=0)
    model.log = Silence()
    autobahn.WebSocketProtocol._connectionMade(model)
    unchanging = {
        name: value for name, value in vars(model).items() if isinstance(value, int | str | bytes | None)
    }
    return {name: value for name, value in unchanging.items() if name not in model.CONFIG_ATTRS}


_FIRST: Final = _firstState()
_DROPPED: Final = frozenset((*_SHARED, *_SPENT))


def share(connection: type[Any]) -> type[Any]:
    """Have all connections of a class read Autobahn's options from their factory, and what each of them begins
    with from the class."""
    for name in connection.CONFIG_ATTRS:
        setattr(connection, name, property(attrgetter(f"factory.{name}")))
    # None is copied to the instance then, nor formatted for the log, which took half of the opening handshake.
    connection.CONFIG_ATTRS = ()
    for name, value in {**_FIRST, **_SHARED}.items():
        # What has a slot is on the class already.
        if name not in vars(connection):
            setattr(connection, name, value)
    _SHARED["utf8validator"].__set_name__(connection, "utf8validator")
    return connection


def forget(connection: Any) -> None:
    """Let go of what is no longer needed, and of what the class says too: the handshake is done, or a message."""
    own = vars(connection)
    first = _FIRST.get
    kept = {name: own[name] for name in own if name not in _DROPPED and first(name, own) is not own[name]}
    own.clear()
    own.update(kept)
