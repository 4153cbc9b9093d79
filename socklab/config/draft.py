"""A service of a config file, checked as far as its tables alone do not tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..framing import FRAMINGS
from ..limits import Limits
from ..message import framingFor
from ..policy.access import Access, RuleError
from ..transports.listen import Listen, parseListen, unreadable
from .checked import Listener, Service
from .errors import Mistake
from .factories import build, tryFraming
from .finding import NoProtocol, find
from .fit import boundless, faceless, silent, unservable, useless
from .options import Unmade
from .record import recordOf, wrongFile
from .schema import ListenTable, ServiceTable

if TYPE_CHECKING:
    from ..transports.tls import ClientCertificates


class Draft:
    """A service as it stands in the file, with what is wrong beyond the shape of its tables."""

    def __init__(self, index: int, raw: dict[str, Any], path: Path, again: bool) -> None:
        folder = path.resolve().parent
        self.index = index
        self.folder = folder
        self.raw = raw
        self.mistakes: list[Mistake] = []
        self.listens: list[Listen | None] = []
        self.factory: Any = None
        self._options: Mapping[str, Any] = {}
        self._loadFactory(path, folder)
        entries = raw.get("listen")
        clients = self._loadAuthorities(folder)
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            self.listens.append(self._parse(number, entry, folder, clients, again))
        if clients is not None and not any(
            each is None or each.transport in ("tls", "wss") for each in self.listens
        ):
            why = "no listener of this service asks for it: it needs one on ssl: or tls:"
            self._wrong("tls", "client_ca", what=why)
        self._access = self._parseAccess()
        self._checkAddresses()
        self._checkLimits()
        self._checkRecord()

    @property
    def name(self) -> str | None:
        """The service's name, if it has a valid one."""
        name = self.raw.get("name", self.raw.get("protocol"))
        return name.rpartition(":")[2] if isinstance(name, str) and "name" not in self.raw else name

    def _wrong(self, *loc: int | str, what: str) -> None:
        self.mistakes.append(Mistake(("service", self.index, *loc), what))

    def _loadFactory(self, path: Path, folder: Path) -> None:
        name, options = self.raw.get("protocol"), self.raw.get("options", {})
        if not isinstance(name, str):
            if "protocol" not in self.raw and isinstance(options, dict):
                # The options cannot be checked, but the missing key may be among them.
                for key in options:
                    if key in ServiceTable.model_fields and key not in self.raw:
                        self._wrong("options", key, what="unknown key")
            return
        try:
            found = find(name, path)
        except NoProtocol as error:
            self._wrong("protocol", what=str(error))
            return
        if isinstance(options, dict):
            built, wrong = build(found, options, folder)
            for loc, what in wrong:
                self._wrong(*loc, what=what)
            if built is not None:
                self.factory, self._options = built.factory, built.options
        if self.factory is not None:
            for loc, what in useless(self.factory, self.raw):
                self._wrong(*loc, what=what)

    def _parseAccess(self) -> Access:
        entries = self.raw.get("access")
        everybody = Access(["allow all"])
        if not isinstance(entries, list) or not entries or not all(isinstance(each, str) for each in entries):
            return everybody
        try:
            access = Access(entries)
        except RuleError as error:
            self._wrong("access", error.index, what=str(error))
            return everybody
        return access

    def _checkAddresses(self) -> None:
        listens = [each for each in self.listens if each is not None]
        limits = self.raw.get("limits")
        keys = ["access"] if len(self._access.rules) > 1 else []
        keys += [*limits] if isinstance(limits, dict) else []
        if self.factory is not None and len(listens) == len(self.listens):
            for loc, what in faceless(self.factory, listens, keys):
                self._wrong(*loc, what=what)

    def _loadAuthorities(self, folder: Path) -> ClientCertificates | None:
        table = self.raw.get("tls")
        if not isinstance(table, dict) or not isinstance(path := table.get("client_ca"), str):
            return None
        # Imported late: it brings OpenSSL along.
        from ..transports.tls import ClientCertificates

        try:
            return ClientCertificates.read(folder / path, table.get("client_certificate") != "optional")
        except OSError as error:
            self._wrong("tls", "client_ca", what=unreadable(error))
        except ValueError as error:
            self._wrong("tls", "client_ca", what=str(error))
        return None

    def _checkLimits(self) -> None:
        listens = [each for each in self.listens if each is not None]
        limits = self.raw.get("limits")
        if self.factory is not None and isinstance(limits, dict) and len(listens) == len(self.listens):
            for loc, what in boundless(
                self.factory, listens, [key for key in limits if key in Limits.model_fields]
            ):
                self._wrong(*loc, what=what)

    def _checkRecord(self) -> None:
        table = self.raw.get("record")
        file = table.get("file") if isinstance(table, dict) else None
        if why := wrongFile(file, self.folder):
            self._wrong("record", "file", what=why)
        if isinstance(table, dict) and self.factory is not None and (why := silent(self.factory)):
            self._wrong("record", what=why)

    def _parse(
        self, number: int, entry: object, folder: Path, clients: ClientCertificates | None, again: bool
    ) -> Listen | None:
        text = entry.get("endpoint") if isinstance(entry, dict) else entry
        loc: tuple[int | str, ...] = ("listen", number)
        if isinstance(entry, dict):
            for key, what in useless(self.factory, entry) if self.factory is not None else ():
                self._wrong(*loc, *key, what=what)
            loc = (*loc, "endpoint")
        if not isinstance(text, str):
            return None
        try:
            listen = parseListen(text, folder, clients, again)
        except ValueError as error:
            self._wrong(*loc, what=f'"{text}": {error}')
            return None
        if self.factory is not None and (fault := unservable(self.factory, listen)):
            self._wrong(*loc, what=f'"{text}": {fault}')
        if isinstance(entry, dict) and "framing" in entry and listen.kind != "stream":
            self._wrong("listen", number, "framing", what="only streams need one: here a message is a message")
        if isinstance(entry, dict) and "encoding" in entry and listen.kind == "websocket":
            self._wrong("listen", number, "encoding", what="WebSocket text is always UTF-8 (RFC 6455, 5.6)")
        return listen

    def service(self, table: ServiceTable) -> Service:
        """Give the record, when nothing is wrong.

        @raise Unmade: the Factory gives no framing, or finds that an option does not go with the limits.
        """
        listeners = []
        for listen, entry in zip(self.listens, table.listen, strict=True):
            assert listen is not None
            own = entry if isinstance(entry, ListenTable) else ListenTable(endpoint=entry)
            listeners.append(self._listener(listen, own, table))
        name = table.name or self.name
        assert name is not None
        return Service(
            name,
            self.factory,
            self._options,
            table,
            tuple(listeners),
            self._access,
            table.limits,
            table.websocket,
            recordOf(table.record, self.folder),
        )

    def _listener(self, listen: Listen, own: ListenTable, table: ServiceTable) -> Listener:
        name = own.framing or table.framing
        framing, lines = framingFor(self.factory, table.limits, FRAMINGS[name] if name else None)
        if framing is not None and (wrong := tryFraming(self.factory, self._options, framing)):
            raise Unmade(wrong)
        return Listener(listen, framing, lines, own.encoding or table.encoding, own.optional)


def duplicates(drafts: list[Draft], console: Listen | None) -> Iterator[Mistake]:
    """Find names and addresses that stand twice."""
    names: dict[str, int] = {}
    addresses: list[tuple[Listen, str]] = []
    for draft in drafts:
        name = draft.name
        if isinstance(name, str):
            first = names.setdefault(name, draft.index)
            if first != draft.index:
                key = "name" if "name" in draft.raw else "protocol"
                what = f'service[{first + 1}] is called "{name}" already: give this one another name'
                yield Mistake(("service", draft.index, key), what)
        for number, listen in enumerate(draft.listens):
            if listen is None:
                continue
            where = f"service[{draft.index + 1}] listen[{number + 1}]"
            for other, there in addresses:
                if listen.conflicts(other):
                    what = f'"{listen.text}": {there} has this address already'
                    yield Mistake(("service", draft.index, "listen", number), what)
                    break
            addresses.append((listen, where))
    files: dict[Path, int] = {}
    for draft in drafts:
        table = draft.raw.get("record")
        if isinstance(table, dict) and isinstance(file := table.get("file"), str):
            first = files.setdefault((draft.folder / file).resolve(), draft.index)
            if first != draft.index:
                what = f"service[{first + 1}] writes to this file already"
                yield Mistake(("service", draft.index, "record", "file"), what)
    for other, there in addresses:
        if console is not None and console.conflicts(other):
            yield Mistake(("console", "listen"), f'"{console.text}": {there} has this address already')
            break
