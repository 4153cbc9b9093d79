"""What the operator does: writes to peers, sends them away, speaks in rooms, mutes and bans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..framing import FramingError
from ..log import say
from ..log.lines import plain
from ..message import Peer
from ..policy.access import Rule, normal, ruleFor
from .door import Session
from .texts import Said, Wrong, reason

if TYPE_CHECKING:
    from ..lab import Lab

_FAULTS: Final = 20
"""Peers that did not get what was written, of whom is told why."""
_RULES: Final = 1000
"""Mutes, and bans, that there may be."""


class Hands:
    """Does what the operator says, and logs it with who said so."""

    def __init__(self, lab: Lab, did: Callable[[Session, Said], None], rulesChanged: Callable[[], None]) -> None:
        """@param did: called with what is logged.
        @param rulesChanged: called when there are other rules.
        """
        self._lab = lab
        self._did = did
        self._rulesChanged = rulesChanged
        self._mutes: tuple[Rule, ...] = ()

    def log(self, who: Session, code: str, **values: object) -> None:
        """Log what somebody does."""
        said = Said(code, {name: plain(str(each)) for name, each in values.items()})
        say(f"console: {who}: {said}", "console", who=str(who), did=str(said))
        self._did(who, said)

    # To peers

    def _find(self, to: Iterable[str]) -> dict[str, Any]:
        """Give the connections that are named by their number; or all of a service: `chat/*`, or all: `*`."""
        wanted = {*to}
        found = {}
        for each in self._lab.connections:
            transport: Any = each
            number = transport.peer.connection
            if number and str(number) in wanted:
                found[str(number)] = transport
        for service in self._lab.protocolServices():
            if "*" in wanted or f"{service.config.name}/*" in wanted:
                for each in service.connections:
                    transport = each
                    if transport.peer.connection:
                        found[str(transport.peer.connection)] = transport
        return found

    def write(
        self, who: Session, to: list[str], data: bytes, text: str | None = None, binary: bool = False
    ) -> dict[str, Any]:
        """Send peers a message; give how many got it, and why others did not.

        @param data: what is sent, unless there is a text.
        @param text: is sent in each peer's encoding.
        @param binary: whether it is a binary message on WebSocket.
        """
        found = self._find(to)
        faults = [(key, Said("not-gone")) for key in to if key.isdigit() and key not in found]
        sent = 0
        for key, transport in found.items():
            why = _send(transport, data, text, binary)
            if why is None:
                sent += 1
            else:
                faults.append((key, why))
        size = len(data) if text is None else len(text.encode())
        self.log(who, "did-write", size=size, count=sent, to=first(to))
        told = [{"key": key, "text": str(why), **why.told()} for key, why in faults[:_FAULTS]]
        return {"sent": sent, "faults": told}

    def close(self, who: Session, to: list[str], reset: bool) -> dict[str, Any]:
        """End conversations; give how many.

        @param reset: at once, losing what is owed: on TCP by RST.
        """
        found = self._find(to)
        self.log(who, "did-reset" if reset else "did-close", count=len(found), to=first(to))
        for transport in found.values():
            if reset:
                transport.abortConnection()
            else:
                transport.loseConnection()
        return {"closed": len(found)}

    def speak(self, who: Session, service: str, room: str, text: str) -> dict[str, Any]:
        """Say a line in a chat room, as `operator`.

        @raise Wrong: there is no such room.
        """
        if "\n" in text or "\r" in text:
            raise Wrong("not-one-line")
        for each in self._lab.protocolServices():
            says = getattr(each.config.factory, "operatorSays", None)
            if each.config.name == service and not each.leaving and says is not None and says(room, text):
                self.log(who, "did-say", size=len(text.encode()), service=service, room=room)
                return {}
        raise Wrong("not-room", service=service, room=room)

    # Rules

    def rules(self) -> list[dict[str, str]]:
        """Give what holds."""
        return [
            *({"kind": "ban", "what": str(rule.network)} for rule in self._lab.house.bans),
            *({"kind": "mute", "what": str(rule.network)} for rule in self._mutes),
        ]

    def rule(self, who: Session, kind: str, what: str) -> dict[str, Any]:
        """Ban an address or a network from all services, and close its connections; or mute it in the chats.

        @raise Wrong: it is neither.
        """
        rule = _rule(what)
        rules = self._lab.house.bans if kind == "ban" else self._mutes
        if len(rules) >= _RULES:
            raise Wrong("not-more-rules", count=_RULES)
        if any(each.network == rule.network for each in rules):
            raise Wrong(f"not-{kind}-again", network=str(rule.network))
        self.log(who, f"did-{kind}", network=rule.network)
        if kind == "ban":
            self._lab.house.bans = (*rules, rule)
            connections: list[Any] = [*self._lab.connections]
            met = [each for each in connections if _matches(rule, each.peer)]
            for transport in met:
                transport.abortConnection()
        else:
            self._mutes = (*rules, rule)
            self._mute()
        self._rulesChanged()
        return {"rules": self.rules()}

    def endRule(self, who: Session, kind: str, what: str) -> dict[str, Any]:
        """End a ban or a mute.

        @param what: as a ban takes it: an address is a network of one.
        @raise Wrong: there is none.
        """
        network = _rule(what).network
        rules = self._lab.house.bans if kind == "ban" else self._mutes
        left = tuple(each for each in rules if each.network != network)
        if len(left) == len(rules):
            raise Wrong(f"not-a-{kind}", network=str(network))
        self.log(who, f"did-end-{kind}", network=network)
        if kind == "ban":
            self._lab.house.bans = left
        else:
            self._mutes = left
            self._mute()
        self._rulesChanged()
        return {"rules": self.rules()}

    def opened(self) -> None:
        """Somebody has come, perhaps to a service that a reload has brought."""
        if self._mutes:
            self._mute()

    def _mute(self) -> None:
        for service in self._lab.protocolServices():
            factory = service.config.factory
            if hasattr(factory, "isMuted"):
                factory.isMuted = self._isMuted if self._mutes else None

    def _isMuted(self, peer: Peer) -> bool:
        return any(_matches(rule, peer) for rule in self._mutes)

    def reload(self, who: Session) -> dict[str, Any]:
        """Read the config again; give what that has changed."""
        self.log(who, "did-reload")
        return {"lines": self._lab.reload()}


def _rule(what: str) -> Rule:
    try:
        return ruleFor(what)
    except ValueError as error:
        raise Wrong.because(error) from None


def _matches(rule: Rule, peer: Peer) -> bool:
    return rule.matches(normal(peer.host))


def first(to: Sequence[str]) -> str:
    """Give to whom something was done, as far as that is logged."""
    return f"{', '.join(to[:10])}{' ...' if len(to) > 10 else ''}"


def _send(transport: Any, data: bytes, text: str | None, binary: bool) -> Said | None:
    """Send one peer a message; give why not."""
    payload = data
    if text is not None:
        try:
            payload = text.encode(transport.encoding)
        except UnicodeEncodeError as error:
            return Said("not-letter", {"encoding": transport.encoding, "letter": error.object[error.start]})
    if transport.peer.kind == "websocket" and not binary:
        try:
            payload.decode()
        except UnicodeDecodeError:
            return Said("not-utf8")
    why = None
    # On lines, whoever writes `hello\r\n` means the end that the framing adds.
    for each in (payload, _withoutEnd(payload)):
        try:
            transport.sendMessage(each, binary)
        except FramingError as error:
            why = reason(str(error))
            if not transport.listener.lines:
                break
        else:
            return None
    return why


def _withoutEnd(line: bytes) -> bytes:
    """Give a line without its end, if it has one."""
    for end in (b"\r\n", b"\n", b"\r"):
        if line.endswith(end):
            return line.removesuffix(end)
    return line
