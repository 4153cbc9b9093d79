"""Packet Sender, the test utility with a window, from its command line: it prints answers in hex and ASCII."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process import Server

from .outside import port6, requireClient, run

KOREAN = "안녕하세요"


@pytest.fixture(scope="module", autouse=True)
def _packetsender() -> None:
    requireClient("packetsender")


def send(home: Path, *arguments: str | int, port: int, data: str, host: str = "127.0.0.1", wait: int = 0) -> str:
    """Send, and give what is printed with the answer.

    The status is the number of bytes that came.

    @param wait: milliseconds; it waited out, unless the server closes before. 0: few, then more if nothing came.
    """
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    for each in (wait,) if wait else (500, 5000, 20_000):
        command = ("packetsender", *arguments, "-w", each, host, port, data)
        printed = run(*command, status=None, environment=environment).decode()
        if "Response HEX:" in printed:
            break
    return printed


def inHex(text: str) -> str:
    """Give a text's UTF-8 as Packet Sender writes it."""
    return text.encode().hex(" ").upper()


def test_tcp_echo(tmp_path: Path, echo: Server) -> None:
    """The answer is what was sent, to the byte."""
    printed = send(tmp_path, "-t", "-a", port=echo.ports["echo", "tcp"], data="hello\\r\\n")
    assert "Response HEX:68 65 6C 6C 6F 0D 0A" in printed


def test_udp_echo(tmp_path: Path, echo: Server) -> None:
    """One datagram comes back, Korean too."""
    printed = send(tmp_path, "-u", "-x", port=echo.ports["echo", "udp"], data=inHex(KOREAN))
    assert f"Response HEX:{inHex(KOREAN)}" in printed


def test_udp_echo_ipv6(tmp_path: Path, lab: Server) -> None:
    """So does one to ::1."""
    printed = send(tmp_path, "-u", "-6", "-a", port=port6(lab, "echo", "udp"), data="six", host="::1")
    assert "Response ASCII:six" in printed


def test_tcp_oneshot(tmp_path: Path, oneshot: Server) -> None:
    """A line is answered, and the server closes: Packet Sender need not wait out its time."""
    printed = send(
        tmp_path, "-t", "-x", port=oneshot.ports["greeter", "tcp"], data=inHex(f"{KOREAN}\n"), wait=20_000
    )
    assert inHex(f"you said: {KOREAN}\n") in printed


def test_udp_oneshot(tmp_path: Path, oneshot: Server) -> None:
    """A datagram is answered."""
    printed = send(tmp_path, "-u", "-x", port=oneshot.ports["greeter", "udp"], data=inHex(KOREAN))
    assert inHex(f"you said: {KOREAN}") in printed


def test_lab_oneshot(tmp_path: Path, lab: Server) -> None:
    """The lab's oneshot needs no end of line, which a beginner's packet does not have."""
    printed = send(tmp_path, "-t", "-a", port=lab.ports["oneshot", "tcp"], data="no end", wait=20_000)
    assert "Response ASCII:no end" in printed


def test_tls(tmp_path: Path, secure: Server) -> None:
    """Over TLS (-s: certificate errors are shown and ignored) the echo is the same."""
    printed = send(tmp_path, "-s", "-x", port=secure.ports["echo", "tls"], data=inHex(KOREAN))
    assert "Encrypted with" in printed
    assert f"Response HEX:{inHex(KOREAN)}" in printed


def test_trace(tmp_path: Path, echo: Server) -> None:
    """The server's log shows who connected, and the text in both directions, readable."""
    send(tmp_path, "-t", "-x", port=echo.ports["echo", "tcp"], data=inHex("추적"))
    echo.waitFor('received 6 B "추적"')
    echo.waitFor('sent 6 B "추적"')
    echo.waitFor("closed by peer")
