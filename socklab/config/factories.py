"""From what `protocol` names and `[service.options]` to the Factory of a service."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import BaseProtocol, DatagramProtocol, Factory

from ..blame import ownLine
from ..framing import Framing
from ..message import Factory as MessageFactory
from ..message import MessageProtocol, speaksMessages
from .errors import Mistake, shown, textOf
from .options import Maker, Unmade, named, optionsModel

__all__ = ["Built", "build", "optionsModel"]

# Those of the limits that are greatest lengths of a message.
_SIZES: Final = ("message", "line")


@dataclass(frozen=True)
class Built:
    """A Factory, and what it was made with."""

    factory: Any
    """For a DatagramProtocol, which is its own Factory: what makes one, for each listener."""
    options: Mapping[str, Any]
    """As Python has them, with the defaults of those that were not given."""


def build(found: Any, options: dict[str, Any], folder: Path) -> tuple[Built | None, list[Mistake]]:
    """Give the Factory that options make, or what is wrong with them, placed below `options`."""
    if isinstance(found, type) and issubclass(found, BaseProtocol) and not issubclass(found, DatagramProtocol):
        if options:
            return None, [Mistake(("options",), f"{found.__name__} is a Protocol, and takes none")]
        factory: Any = MessageFactory() if issubclass(found, MessageProtocol) else Factory()
        factory.protocol = found
        return Built(factory, {}), []
    try:
        maker = Maker(found)
        factory, values = maker.make(options, folder)
    except Unmade as error:
        if error.isFault:
            return None, [Mistake(("protocol",), what) for _, what in error.mistakes]
        return None, [Mistake(("options", *loc), what) for loc, what in error.mistakes]
    if isinstance(found, type) and issubclass(found, DatagramProtocol):
        # The first was for nothing: what it refuses is told before any port is opened.
        return Built(lambda: maker.make(options, folder)[0], values), []
    what = _unfit(found, factory)
    return (Built(factory, values), []) if what is None else (None, [Mistake(("protocol",), what)])


def tryFraming(factory: Any, options: Collection[str], framing: Callable[[], Framing]) -> list[Mistake]:
    """Make a framing for nothing, and give what is wrong; so a Factory can refuse what does not go with limits."""
    try:
        made = framing()
    except Exception as error:
        option, colon, what = textOf(error).partition(": ")
        if isinstance(error, ValueError) and colon and option in options:
            return [Mistake(("options", option), what)]
        failed = ownLine(error, type(factory).__module__)
        return [Mistake(("protocol",), f"framing of {named(type(factory))} failed: {failed}")]
    if not all(callable(getattr(made, each, None)) for each in ("feed", "frame", "finish")):
        return [Mistake(("protocol",), f"framing of {named(type(factory))} gave none, but {type(made).__name__}")]
    return []


def _unfit(found: Any, factory: Any) -> str | None:
    """Say why what was made cannot be served; None when it can."""
    if inspect.iscoroutine(factory):
        factory.close()
    says: dict[str, Any] = {}
    for name in ("buildProtocol", *_ATTRIBUTES):
        try:
            says[name] = getattr(factory, name)
        except Exception as error:
            if isinstance(error, AttributeError) and inspect.getattr_static(factory, name, None) is None:
                continue
            return f"{name} of {named(found)} failed: {ownLine(error, type(factory).__module__)}"
    protocol = says.get("protocol")
    if "buildProtocol" not in says and not IProtocolFactory.providedBy(factory):
        return f"{named(found)} gave no Factory, but {type(factory).__name__}"
    if isinstance(factory, Factory):
        buildProtocol = type(factory).buildProtocol
        if protocol is None and buildProtocol in (Factory.buildProtocol, MessageFactory.buildProtocol):
            return f"{named(found)} has no `protocol`: it would serve nothing"
        try:
            factory.numPorts = factory.numPorts
        except AttributeError:
            return f"{named(found)} is frozen, but Twisted counts in a Factory on how many ports it is served"
    if isinstance(protocol, type) and issubclass(protocol, DatagramProtocol):
        return f"{named(found)} makes protocols for datagrams: name {protocol.__name__} itself"
    # To another Factory these names may mean something else.
    own = [name for name in says if name in _ATTRIBUTES] if speaksMessages(factory) else []
    for name in own:
        what, isGood = _ATTRIBUTES[name]
        if not isGood(says[name]):
            return f"{name} of {named(found)}: expected {what}, got {shown(says[name])}"
    return None


def _isSome(names: Any, known: Collection[str] | None) -> bool:
    """Tell whether it is a collection of names, and no other than known ones. A single name is none."""
    if not isinstance(names, set | frozenset | tuple | list):
        return False
    return all(isinstance(each, str) and (known is None or each in known) for each in names)


_TRANSPORTS: Final = MessageFactory.transports
_ATTRIBUTES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "protocol": ("a Protocol class", lambda value: value is None or callable(value)),
    "framing": ("a framing, such as Lines", callable),
    "framingLimit": ("a key of [service.limits] for sizes", lambda key: key in ("", *_SIZES)),
    "fixedFraming": ("True or False", lambda value: isinstance(value, bool)),
    "keepsPeers": ("True or False", lambda value: isinstance(value, bool)),
    "sharesProtocol": ("True or False", lambda value: isinstance(value, bool)),
    "transports": (
        f"a set of {', '.join(sorted(_TRANSPORTS))}",
        lambda names: bool(names) and _isSome(names, _TRANSPORTS),
    ),
    "subprotocols": ("a tuple of names", lambda names: _isSome(names, None)),
}
"""What a Factory may say of itself, beside what Twisted asks of it: what it must be."""
