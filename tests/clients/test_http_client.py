"""Python's own http.client, a strict reader of answers, against the one-shot that answers HTTP."""

from __future__ import annotations

import http.client

from tests import wire
from tests.process import Server


def test_requests(web: Server) -> None:
    """GET, POST and HEAD are answered, each on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", web.ports["http", "tcp"], timeout=wire.PATIENCE)
    try:
        for method, data in (("GET", None), ("POST", b"x" * 100_000), ("HEAD", None)):
            # After each answer the server closes: http.client connects anew by itself.
            connection.request(method, "/", data)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200
            assert answer.version == 11
            assert answer.will_close
            assert (method == "HEAD") == (body == b"")
            if data:
                assert body.endswith(data)
    finally:
        connection.close()
