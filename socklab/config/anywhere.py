"""A config where the system chooses where to listen: it can be served beside itself, and by tests."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from . import Config


def anywhere(config: Config, folder: Path) -> Config:
    """Give the config with each port 0, and each Unix socket in a folder, which should be new.

    Sockets that are passed to the process stay what they are.
    """
    numbers = count(1)
    services = [
        replace(
            service,
            listeners=tuple(
                replace(each, listen=each.listen.at(port=0, path=folder / f"{next(numbers)}.sock"))
                for each in service.listeners
            ),
        )
        for service in config.services
    ]
    console = config.console
    if console is not None:
        console = replace(
            console,
            listen=console.listen.at(port=0, path=folder / f"{next(numbers)}.sock"),
            socket=console.socket and folder / console.socket.name,
            socketSaid=console.socket,
        )
    return replace(config, services=tuple(services), console=console)
