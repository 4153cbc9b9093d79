"""TLS for stream listeners: Twisted's, with what real clients need of it corrected.

Since 26.4 Twisted ends the handshake of a client that offers ALPN (every browser, and curl) to a Factory that
declares no protocol; and it never passed on a peer's close_notify while a producer was registered, so that the
end of a long answer was lost.
"""

from __future__ import annotations

from .certificates import ClientCertificates, ServerCertificate
from .connection import TLSEndpoint, tlsTrouble
from .pems import readFiles, readFolder

__all__ = ["ClientCertificates", "ServerCertificate", "TLSEndpoint", "readFiles", "readFolder", "tlsTrouble"]
