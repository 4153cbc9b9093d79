"""Ask a server of "shout" on TCP what its author did not write: python probe.py PORT PID; Linux only.

It sends lines and FIN at once, a line of 200,000 bytes, and a flood of lines whose answers it does not read.
"""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

LINE = b"a" * 999 + b"\n"


def exchange(port: int, data: bytes) -> bytes:
    """Send, then FIN; give what comes until the end, or until nothing has come for 3 s."""
    answer = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=3) as peer:
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while more := peer.recv(65536):
                answer += more
        except OSError:
            pass  # It was reset, or says nothing more.
    return bytes(answer)


def flood(port: int, most: int) -> int:
    """Send lines and do not read, until the server has taken nothing for 3 s; give how many bytes it took.

    @param most: how many to send at most.
    """
    taken = 0
    with socket.create_connection(("127.0.0.1", port), timeout=3) as peer:
        try:
            while taken < most:
                taken += peer.send(LINE * 1000)
        except OSError:
            pass
    return taken


def peakMemory(pid: int) -> int:
    """Give the greatest resident memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    port, pid = map(int, sys.argv[1:])
    lines = exchange(port, LINE * 1000).count(b"!!!\n")
    sys.stdout.write(f"1000 lines, then FIN: {lines} answers\n")
    long = exchange(port, b"a" * 200_000 + b"\n").count(b"!!!\n")
    sys.stdout.write(f"a line of 200,000 bytes: {long} answers\n")
    before, taken = peakMemory(pid), flood(port, 2**28)
    grown = peakMemory(pid) - before
    sys.stdout.write(f"256 MiB, unread: it took {taken / 2**20:.0f} MiB, and grew by {grown / 2**20:.0f} MiB\n")
