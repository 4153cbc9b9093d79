"""The names of things in NATS."""

from __future__ import annotations

from hashlib import sha256
from typing import Final
from urllib.parse import quote

_LONGEST: Final = 400
"""Characters: NATS ends the connection of who sends a subject of 4 KiB. 32 of any script are at most 384."""


def token(name: str) -> str:
    """Give a name as one token of a subject: no dot, space, `*` or `>` is in it, and it is not long."""
    quoted = quote(name, safe="", errors="surrogatepass").replace(".", "%2E") or "%"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"%%{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Subjects:
    """Subjects of those who share rooms."""

    def __init__(self, name: str) -> None:
        """@param name: of the stream, and what all subjects begin with."""
        self.lines = f"{name}.line.>"
        self.all = f"{name}.node.all"
        self._name = name

    def room(self, topic: tuple[str, str]) -> str:
        """Give where lines of a service and a room go."""
        return f"{self._name}.line.{token(topic[0])}.{token(topic[1])}"

    def node(self, node: str) -> str:
        """Give where one node is told something; all nodes with `""`."""
        return f"{self._name}.node.{node or 'all'}"
