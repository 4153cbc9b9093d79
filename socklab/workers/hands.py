"""What the operator does, done by all workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredList

from ..console.door import Session
from ..console.hands import Hands, first
from ..console.texts import Said, Wrong
from .channel import NoAnswer

if TYPE_CHECKING:
    from .parent import WorkersLab

_FAULTS: Final = 20
"""Peers that did not get what was written, of whom is told why."""


class SharedHands(Hands):
    """Has the workers do what the operator says, and logs it once."""

    def __init__(
        self, lab: WorkersLab, did: Callable[[Session, Said], None], rulesChanged: Callable[[], None]
    ) -> None:
        super().__init__(lab, did, rulesChanged)
        self._workers = lab

    def write(  # type: ignore[override]
        self, who: Session, to: list[str], data: bytes, text: str | None = None, binary: bool = False
    ) -> Deferred[dict[str, Any]]:
        """Send peers a message; the Deferred has how many got it, and why others did not."""
        size = len(data) if text is None else len(text.encode())
        asked = {"do": "write", "data": data.decode("latin-1"), "text": text, "binary": binary}

        def done(answers: list[dict[str, Any]]) -> dict[str, Any]:
            sent = sum(each["sent"] for each in answers)
            faults = [fault for each in answers for fault in each["faults"]]
            self.log(who, "did-write", size=size, count=sent, to=first(to))
            return {"sent": sent, "faults": faults[:_FAULTS]}

        return self._askOwners(asked, to).addCallback(done)

    def close(self, who: Session, to: list[str], reset: bool) -> Deferred[dict[str, Any]]:  # type: ignore[override]
        """End conversations; the Deferred has how many."""

        def done(answers: list[dict[str, Any]]) -> dict[str, Any]:
            closed = sum(each["closed"] for each in answers)
            self.log(who, "did-reset" if reset else "did-close", count=closed, to=first(to))
            return {"closed": closed}

        return self._askOwners({"do": "close", "reset": reset}, to).addCallback(done)

    def _askOwners(self, told: dict[str, Any], to: list[str]) -> Deferred[list[dict[str, Any]]]:
        """Ask each worker for its own connections: the last three digits of a number are the worker's."""
        asked = []
        there = {each.number: each for each in self._workers.crew.serving()}
        answers: list[dict[str, Any]] = []
        for number, member in there.items():
            its = [each for each in to if not each.isdigit() or int(each) % 1000 == number]
            if its:
                asked.append(member.channel.ask({**told, "to": its}))
        gone = [(each, Said("not-gone")) for each in to if each.isdigit() and int(each) % 1000 not in there]
        if gone:
            faults = [{"key": key, "text": str(why), **why.told()} for key, why in gone]
            answers.append({"sent": 0, "closed": 0, "faults": faults})
        return DeferredList(asked, consumeErrors=True).addCallback(
            lambda found: answers + [answer for isGood, answer in found if isGood]
        )

    def speak(  # type: ignore[override]
        self, who: Session, service: str, room: str, text: str
    ) -> Deferred[dict[str, Any]]:
        """Say a line in a chat room, as `operator`.

        @raise Wrong: there is no such room.
        """
        if "\n" in text or "\r" in text:
            raise Wrong("not-one-line")
        return Deferred.fromCoroutine(self._speak(who, service, room, text))

    async def _speak(self, who: Session, service: str, room: str, text: str) -> dict[str, Any]:
        # One worker is enough: the engine takes it to the others.
        for member in self._workers.crew.serving():
            try:
                told = {"do": "speak", "service": service, "room": room, "text": text}
                if "wrong" in await member.channel.ask(told):
                    continue
            except NoAnswer:
                continue
            self.log(who, "did-say", size=len(text.encode()), service=service, room=room)
            return {}
        raise Wrong("not-room", service=service, room=room)

    def rule(self, who: Session, kind: str, what: str) -> dict[str, Any]:
        """Ban an address or a network from all services, and close its connections; or mute it in the chats."""
        told = super().rule(who, kind, what)
        self.tellRules()
        return told

    def endRule(self, who: Session, kind: str, what: str) -> dict[str, Any]:
        """End a ban or a mute."""
        told = super().endRule(who, kind, what)
        self.tellRules()
        return told

    def tellRules(self, worker: int | None = None) -> None:
        """Tell a worker what holds, or all of them."""
        rules: dict[str, list[str]] = {"ban": [], "mute": []}
        for each in self.rules():
            rules[each["kind"]].append(each["what"])
        told = {"do": "rules", "bans": rules["ban"], "mutes": rules["mute"]}
        for number, member in self._workers.crew.members.items():
            if worker in (None, number):
                member.channel.tell(told)
