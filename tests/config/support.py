"""Configs in text, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from socklab.config import Config, ConfigError, Service, loadConfig


def load(folder: Path, text: str, **modules: str) -> Config:
    """Load a config, with modules beside it."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    (folder / "lab.toml").write_text(text)
    return loadConfig(folder / "lab.toml")


def complaints(folder: Path, text: str, **modules: str) -> list[str]:
    """Give the lines about a bad config, its path and its folder as FILE and DIR."""
    with pytest.raises(ConfigError) as raised:
        load(folder, text, **modules)
    assert str(raised.value) == "\n".join(raised.value.lines)
    file = str(folder / "lab.toml")
    return [line.replace(file, "FILE").replace(str(folder), "DIR") for line in raised.value.lines]


def one(protocol: str = "echo", listen: str = "'tcp:0'", more: str = "") -> str:
    """Give the text of a config of one service."""
    return f'[[service]]\nprotocol = "{protocol}"\nlisten = [{listen}]\n{more}\n'


def service(config: Config) -> Service:
    """Give the only service."""
    (only,) = config.services
    return only


READABLE = ": name a PEM file, relative to the config's folder, that twistd may read"
ECHO = 'FILE: service[1] "echo": '
ONESHOT = 'FILE: service[1] "oneshot": '
ABOVE = "this key belongs to the service: move it above"
PROTOCOL = 'expected a protocol, such as "echo" or "package.module:Name"'
ENDPOINTS = 'expected a list of endpoints, such as ["tcp:3000"]'
PROTOCOLS = 'expected chat, echo, oneshot or "package.module:Name"'
STREAMS = "with these options the protocol is served over streams (tcp:, ssl:, unix:) only"
ENCODING = "expected an encoding that holds ASCII, such as utf-8, cp949, euc-kr or latin-1"
FRAMING = 'expected "raw", "lines", "cr", "netstring", "int8", "int16" or "int32"'
SIZE = 'expected a size above 0, such as 65536 or "64KiB"'
DURATION = 'expected a duration such as 5, 0.5 or "250ms"'
POSITIVE = 'expected a duration above 0, such as 5, 0.5 or "250ms"'
RULES = 'expected a list of rules, such as ["allow 10.0.0.0/8", "deny all"]'
ORIGIN = 'expected an origin, such as "https://example.com", "null" or "*"'
HOST = 'expected a host name without a port, such as "chat.example.com", or "*"'
FIELDS = "expected text with the fields {count}, {now}, {peer_host}, {peer_port}, {request}"

OWN = """
from __future__ import annotations
import os
from socklab import Factory, MessageProtocol
from twisted.internet.protocol import DatagramProtocol, Factory as Plain, Protocol

class Says(MessageProtocol):
    pass

class SaysFactory(Factory):
    protocol = Says
    def __init__(self, marks: int = 0):
        self.marks = marks

def says(marks: int) -> Factory:
    return SaysFactory(marks)

class Bytes(Protocol):
    pass

class BytesFactory(Plain):
    protocol = Bytes

class Datagrams(DatagramProtocol):
    def __init__(self, size: int = 1):
        if size < 1:
            raise ValueError(f"size: expected an integer of at least 1, got {size}")
        self.size = size

class Inside:
    Factory = SaysFactory

constant = 5
made = SaysFactory()
def nothing():
    return None
def failing():
    raise KeyError("no\\nway")
def stopping():
    raise ValueError("it is raining")
def untold(x):
    return SaysFactory(x)
def unknown(x: Nowhere):
    pass
"""
