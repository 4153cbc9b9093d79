"""TLS as it is, in memory: for what the memory server's own, which encrypts nothing, does not show."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock

from socklab.testing.wires import MemoryTransport
from socklab.transports.listen import parseListen
from socklab.transports.serving import Serving
from socklab.transports.tls.connection import TLSEndpoint
from tests import wire

_ADDRESS = IPv4Address("TCP", "127.0.0.1", 40000)


class SealedPeer:
    """A client that has shaken hands."""

    def __init__(self, serving: Serving, factory: Any, certificate: Path) -> None:
        """@param factory: of what is within TLS.
        @param certificate: the folder of the server's.
        """
        shown = parseListen("ssl:0:privateKey=key.pem:certKey=cert.pem", certificate).certificate
        assert shown is not None
        # Nothing is opened: who would listen gives what would be served.
        endpoint: Any = SimpleNamespace(listen=lambda factory: factory)
        within = TLSEndpoint(endpoint, shown, lambda: serving).listen(factory)
        self.wire = MemoryTransport(cast(Clock, serving.clock), _ADDRESS)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = wire.trusting(None).wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.wire.accept(cast(IProtocolFactory, within).buildProtocol(_ADDRESS))
        while self._client.version() is None:
            with suppress(ssl.SSLWantReadError):
                self._client.do_handshake()
            self._exchange()

    def send(self, *records: bytes) -> None:
        """Send records that the server reads all at once."""
        for each in records:
            self._client.write(each)
        self._exchange()

    def _exchange(self) -> None:
        self.wire.deliver(self._outgoing.read())
        self._incoming.write(bytes(self.wire.received))
        self.wire.received.clear()
