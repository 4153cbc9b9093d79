"""A session of mail and one of files each keep one connection, and the trace shows all of it."""

import ftplib
import smtplib
from collections.abc import Callable
from pathlib import Path

from socklab.testing import ServerProcess

HERE = Path(__file__).parent
SAID = {"mail": (b"EHLO", b"MAIL", b"MAIL", b"QUIT"), "files": (b"USER", b"RETR", b"RETR", b"QUIT")}


def test_sessions(socklab_server: Callable[[str], ServerProcess]) -> None:
    """Python's own clients: two mails in one session, then two files in one."""
    server = socklab_server("sessions.toml")
    with smtplib.SMTP(*server.address("mail", "tcp"), local_hostname="client.example", timeout=60) as mail:
        for name in ("bob", "식혜"):
            mail.sendmail("ann@example.com", ["bob@example.com"], f"Subject: Hi\r\n\r\n{name}\r\n".encode())
    with ftplib.FTP(timeout=60) as files:
        files.connect(*server.address("files", "tcp"))
        files.login()
        for name in ("poll.toml", "poll.html"):
            pieces: list[bytes] = []
            files.retrbinary(f"RETR {name}", pieces.append)
            assert b"".join(pieces) == (HERE / name).read_bytes()
    server.waitFor("closed by server: closed\n", times=2)
    for service, words in SAID.items():
        entries = server.transcript(service)
        assert [each.event for each in entries].count("opened") == 1
        assert entries[-1].reason == "by server: closed"
        said = [each.payload[:4].upper() for each in entries if each.event == "received"]
        assert [each for each in said if each in words] == [*words]
