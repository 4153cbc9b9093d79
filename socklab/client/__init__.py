"""The other half of every experiment: a client over each transport.

`connect` opens one connection to an `Address`; what it brings goes to a `Receiver`::

    class Shown:
        def received(self, payload, isBinary):
            print(payload)

        def ended(self, end):
            print(end)

    connection = await connect(reactor, parse("ws://localhost:59001"), Shown(), Settings())
    connection.send(b"hello", False)
"""

from .address import Address, AddressError, parse
from .connecting import connect
from .seam import ConnectError, Connection, End, Receiver, SendError, Settings, TlsSettings, WebSocketSettings

__all__ = [
    "Address",
    "AddressError",
    "ConnectError",
    "Connection",
    "End",
    "Receiver",
    "SendError",
    "Settings",
    "TlsSettings",
    "WebSocketSettings",
    "connect",
    "parse",
]
