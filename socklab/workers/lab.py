"""The lab of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import Config, Console, Listener
from ..config.schema import ServerTable
from ..events import Events
from ..lab import Lab
from ..log import Recorder
from ..policy.gate import House
from ..policy.house import MemoryBudget, descriptors
from .passed import PassedPorts

if TYPE_CHECKING:
    from ..console import ConsoleService


def fitted(config: Config, worker: int, ports: PassedPorts) -> Config:
    """Give what of a config a worker serves: what the parent could open, and with a record of its own."""
    services = []
    for service in config.services:
        left = {each.listen.text: ports.count(service.name, each.listen.text) for each in service.listeners}
        listeners: list[Listener] = []
        for each in service.listeners:
            if left[each.listen.text]:
                left[each.listen.text] -= 1
                listeners.append(each)
        services.append(replace(service, listeners=tuple(listeners)))
    return withRecords(replace(config, services=tuple(services)), worker)


def withRecords(config: Config, worker: int) -> Config:
    """Give a config whose records are a worker's own: `chat.jsonl` is `chat.worker1.jsonl`."""
    services = []
    for service in config.services:
        record = service.record
        if record is not None:
            file = record.file
            record = replace(record, file=file.with_name(f"{file.stem}.worker{worker}{file.suffix}"))
        services.append(replace(service, record=record))
    return replace(config, services=tuple(services))


class WorkerLab(Lab):
    """Serves on ports that were passed, and counts with the others."""

    def __init__(self, config: Config, reactor: Any, ports: PassedPorts, house: House) -> None:
        server = config.server
        self._recorder = Recorder(reactor, server.trace, server.log_format)
        self._unsubscribe: Callable[[], None] = lambda: None
        super().__init__(config, reactor, Events(), ports, house)

    @property
    def admits(self) -> Callable[[Any], bool]:
        """Tells which log events are logged."""
        return self._recorder.admits

    def makeConsole(self, config: Console) -> ConsoleService | None:
        """The parent has it."""
        return None

    def configure(self, config: Config) -> None:
        """Take what `[server]` says: its limits hold for all workers together."""
        super().configure(config)
        server, house = config.server, self.house
        house.maxConnections = server.max_connections or 0
        house.ownConnections = descriptors()
        if server.memory_budget and house.shared is not None:
            budget = server.memory_budget // house.shared.processes
            house.memory = MemoryBudget(budget, self.reactor.seconds)
        self._log(server)

    def _log(self, server: ServerTable) -> None:
        self._recorder.configure(server.trace, server.log_format, server.peer_names)
        self._unsubscribe()
        self._unsubscribe = self.events.subscribe(
            self._recorder, traffic=server.trace != "off", arrivals=self._recorder.arrivals
        )

    def close(self) -> None:
        """Say what the log has left out."""
        self._recorder.close()
