"""Types of options for tests, and what becomes of a value of theirs."""

from __future__ import annotations

import enum
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NewType, Required, TypedDict, TypeVar

import attrs
from pydantic import BaseModel, Field, RootModel, field_validator, model_validator
from pydantic.dataclasses import dataclass as pydanticDataclass

from socklab import Factory, MessageProtocol, Seconds
from socklab.config.errors import place
from socklab.config.factories import build

FOLDER = Path("/folder")
UserId = NewType("UserId", int)
Word = TypeVar("Word", bound=str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = enum.auto()


@dataclass
class Point:
    x: int
    y: int = 0
    near: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.x == 97:
            raise KeyError("no such point")
        if self.x == 98:
            raise ValueError("no such point")
        if self.x == 99:
            raise ValueError("x: too far")


@attrs.frozen
class Upstream:
    host: str
    _port: int = attrs.field(default=80, validator=attrs.validators.le(65535))
    file: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))


class Model(BaseModel):
    name: str = Field(alias="full-name", default="")
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    file: Path | None = None
    wait: Seconds = 1
    kind: int = 0

    @field_validator("name")
    @classmethod
    def checkName(cls, name: str) -> str:
        if name == "nobody":
            raise ValueError("nobody is no name")
        return name

    @field_validator("kind", mode="before")
    @classmethod
    def readKind(cls, kind: Any) -> Any:
        return {"one": 1}.get(kind, kind)

    @model_validator(mode="after")
    def check(self) -> Model:
        if self.port == 1 and self.kind == 1:
            raise ValueError("port 1 has no kind")
        return self


@pydanticDataclass
class Checked:
    x: int = 0

    @field_validator("x")
    @classmethod
    def check(cls, x: int) -> int:
        if x == 9:
            raise ValueError("nine is taken")
        return x


class Pair(NamedTuple):
    a: int
    b: str = "b"


class Typed(TypedDict, total=False):
    a: Required[int]
    b: str


class Root(RootModel[list[int]]):
    pass


def even(value: int) -> int:
    """Refuse odd numbers."""
    if value % 2:
        raise ValueError("must be\neven")
    return value


def outcome(annotation: Any, value: str) -> Any:
    """Give the value that an option gets, or, of a bad one, the lines about it."""

    def make(x: Any) -> Factory:
        factory = Factory()
        factory.protocol = MessageProtocol
        factory.x = x  # type: ignore[attr-defined]
        return factory

    make.__annotations__["x"] = annotation
    raw = tomllib.loads(f"x = {value}")
    built, wrong = build(make, raw, FOLDER)
    if built is None:
        return [f"{place(loc, {'options': raw})}: {what}".removeprefix("options.") for loc, what in wrong]
    assert not wrong
    return built.factory.x
