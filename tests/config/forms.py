"""Factories of many forms, good and bad; the tests put this file beside a config."""

from __future__ import annotations

import dataclasses
import enum
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attr
import attrs
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.internet.protocol import Factory as Plain

from socklab import Factory, MessageProtocol

if TYPE_CHECKING:
    from nowhere import Clock


class Base(Factory):
    protocol = MessageProtocol

    def __init__(self, marks: int = 0, **more: Any) -> None:
        self.given = {"marks": marks, **more}


class Inherits(Base):
    pass


class Passes(Base):
    def __init__(self, *things: int, loud: bool = False, **more: int) -> None:
        super().__init__(**more)
        self.given["loud"] = loud


class Deaf(Base):
    def __init__(self, **more: Any) -> None:
        super().__init__(0)
        self.refuse(**more)

    def refuse(self) -> None:
        pass


class Keywords(Base):
    def __init__(self, *, marks: int) -> None:
        super().__init__(marks)


class Typed(Base):
    class Kind(enum.Enum):
        A = "a"

    def __init__(self, kind: Kind = Kind.A, clock: Clock | None = None, _hidden: int = 0) -> None:
        super().__init__(kind=kind)


def positional(a: int, b: str = "b", /, c: float = 0.5) -> Factory:
    return Base(a=a, b=b, c=c)


part = functools.partial(positional, 1)


@functools.cache
def wrapped(marks: int = 0) -> Factory:
    return Base(marks)


class Maker:
    @classmethod
    def make(cls, marks: int = 0) -> Factory:
        return Base(marks)

    def __call__(self, marks: int = 0) -> Factory:
        return Base(marks)


maker = Maker()


@attrs.define
class Attrs(Factory):
    protocol = MessageProtocol
    marks: int = attrs.field(default=0, kw_only=True)
    _secret: str = attrs.field(default="", validator=attrs.validators.in_(["", "a", "b"]))
    names: list[str] = attrs.field(factory=list)
    port: int = attrs.field(default=0, converter=int)
    file: Path = attrs.field(default=Path(), converter=Path)
    word: Any = attrs.field(default="w", validator=attrs.validators.instance_of(str))
    twice: int = attrs.field()

    @twice.default
    def _double(self) -> int:
        return self.marks * 2

    @names.validator
    def _check(self, attribute: Any, names: list[str]) -> None:
        if "x" in names:
            raise ValueError("names: there is no x")

    @property
    def given(self):
        return attrs.asdict(self)


@attr.s(auto_attribs=True)
class OldAttrs(Factory):
    protocol = MessageProtocol
    marks: int = attr.ib(default=0)
    given = property(attr.asdict)


@attrs.frozen
class Frozen(Factory):
    protocol = MessageProtocol


@dataclasses.dataclass
class Data(Factory):
    protocol = MessageProtocol
    marks: int = 0
    names: list[str] = dataclasses.field(default_factory=list)
    made: int = dataclasses.field(default=0, init=False)
    more: dataclasses.InitVar[int] = 1

    def __post_init__(self, more: int) -> None:
        self.given = {"marks": self.marks, "names": self.names, "more": more}


class RaisingFraming(Base):
    @property
    def framing(self):
        raise RuntimeError("no framing")


class RaisingProtocol(Factory):
    @property
    def protocol(self):
        raise AttributeError("none")


class RaisingBuild(Plain):
    @property
    def buildProtocol(self):
        raise KeyError("build")


class Datagrams(Plain):
    protocol = DatagramProtocol


class Sets(Base):
    def __init__(self, do: str) -> None:
        exec(do)


class OtherMeaning(Plain):
    protocol = Protocol
    transports = "many"
    framing = subprotocols = None
    given = {}


async def later() -> Factory:
    return Base()


def leaving() -> Factory:
    raise SystemExit(2)


def speechless() -> Factory:
    class Speechless(ValueError):
        def __str__(self):
            raise KeyError

    raise Speechless


def calling() -> Factory:
    return Base(int("x"))
