"""What systemd is told of a service of `Type=notify`: sd_notify(3), the datagram itself."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

_GRACE: Final = 10.0
"""Seconds that systemd waits beyond `shutdown_timeout`: workers that do not end are killed after 5."""


class Notifier:
    """Sends what happens to whoever started the process, if that wants to know."""

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str]) -> None:
        """@param environment: names the socket as `NOTIFY_SOCKET`, with `@` for an abstract one; a watchdog's
        patience as `WATCHDOG_USEC`, in microseconds, and whom it means as `WATCHDOG_PID`.
        """
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog = LoopingCall(self._send, "WATCHDOG=1")
        self._watchdog.clock = clock
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        patience = environment.get("WATCHDOG_USEC", "")
        self._patience = int(patience) / 1e6 if mine and patience.isdigit() else 0.0

    def ready(self, status: str) -> None:
        """All is open; from now on the watchdog hears from the reactor twice as often as it must."""
        self._send("READY=1", f"STATUS={status}")
        if self._address and self._patience and not self._watchdog.running:
            self._watchdog.start(self._patience / 2)

    def reloading(self) -> None:
        """The config is read again; `ready` says when that is done."""
        # systemd takes the time for its own, to know which of several reloads this is.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reads its config again")

    def stopping(self, timeout: float) -> None:
        """It ends; the watchdog hears of it until it has.

        @param timeout: seconds that this may take, whatever `TimeoutStopSec` is.
        """
        most = f"EXTEND_TIMEOUT_USEC={round((timeout + _GRACE) * 1e6)}"
        self._send("STOPPING=1", f"STATUS=closes, within {timeout:g} s", most)

    def stopped(self) -> None:
        """It has ended."""
        if self._watchdog.running:
            self._watchdog.stop()

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller:
                # A manager that does not read must not keep the server waiting.
                teller.setblocking(False)
                teller.sendto("\n".join(lines).encode(), address)
        except OSError:
            # Nobody to tell is no reason to stop serving.
            pass
