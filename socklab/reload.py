"""Carrying out what a changed config changes while the server runs (`SIGHUP`); `plan` has what that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from twisted.logger import Logger

from .config import Config, Listener, Service
from .lab import Lab
from .listeners import ListenerService, StartError
from .plan import CONSOLE_INPLACE, ServicePlan, plan
from .protocol_service import ProtocolService

_log: Final = Logger(namespace="socklab")


def reload(lab: Lab, config: Config) -> Iterator[str]:
    """Change what is served to what a config says; peers of what stays, stay.

    @return: lines that tell the plan, and what of it could not be done.
    """
    if lab.console is not None:
        # It may have moved since, or have had to stay.
        lab.config = replace(lab.config, console=lab.console.config)
    planned = plan(lab.config, config, lab.ports.probe)
    yield from planned.lines()
    services = [each for each in lab.protocolServices() if not each.leaving]
    running = {each.config.name: each for each in services}
    # Of all services: a new one may take over what another one had.
    listeners = {id(each.listener): each for service in services for each in service.listeners()}
    served = []
    for each in planned.services:
        service = running.get(each.old.name) if each.old is not None else None
        try:
            done = _apply(lab, each, service, listeners)
        except (StartError, ValueError) as error:
            name = (each.new or each.old).name  # type: ignore[union-attr]
            yield f"! {name}: {str(error).removeprefix(f'{name}: ')}"
            done = each.old
        except Exception as error:
            _log.failure("reload failed", log_system="socklab")
            yield f"! {(each.new or each.old).name}: {error!r}"  # type: ignore[union-attr]
            done = each.old
        if done is not None:
            served.append(done)
    server = config.server.model_copy(update={key: getattr(lab.config.server, key) for key in planned.refused})
    console = lab.config.console
    if lab.console is not None and console is not None and config.console is not None:
        wanted = replace(console, **{key: getattr(config.console, key) for key in CONSOLE_INPLACE})
        try:
            lab.console.reconfigure(wanted)
        except StartError as error:
            yield f"! [console]: {str(error).removeprefix('console: ')}"
        console = lab.console.config
    lab.configure(replace(config, server=server, services=tuple(served), console=console, rooms=lab.config.rooms))


def _apply(
    lab: Lab, each: ServicePlan, service: ProtocolService | None, listeners: dict[int, ListenerService]
) -> Service | None:
    """Carry out what was planned for one service; give what is served afterwards.

    @raise StartError: a listener could not be opened.
    @raise ValueError: the Factory refuses its options.
    """
    if each.new is None:
        assert service is not None
        service.drain()
        return None
    for listener, certificate in each.renewed:
        kept = next(now for _, now in each.kept if now.listen == listener.listen)
        assert kept.listen.certificate is not None
        kept.listen.certificate.renew(certificate)
    if service is None or each.replaced:
        return _start(lab, each, service, listeners)
    assert each.old is not None
    if each.options:
        # It may refuse them; then nothing has changed yet.
        each.old.factory.reconfigure(**each.options)
    # What could not be closed, because another one waits for its address, is still there.
    gone = [id(before) for before, _ in each.kept] + [id(listener) for listener in each.closed]
    stay = [listener for listener in each.old.listeners if id(listener) not in gone]
    now = (*_nowOf(each), *stay)
    new = replace(each.new, factory=each.old.factory, listeners=now)
    service.reconfigure(new, each.kept, each.opened, each.closed)
    return new


def _start(
    lab: Lab, each: ServicePlan, old: ProtocolService | None, listeners: dict[int, ListenerService]
) -> Service:
    assert each.new is not None
    new = replace(each.new, listeners=_nowOf(each))
    service = ProtocolService(new, lab)
    service.openBeside([(listeners[id(before)], now) for before, now in each.kept])
    if old is not None:
        old.drain()
    return new


def _nowOf(each: ServicePlan) -> tuple[Listener, ...]:
    return (*(now for _, now in each.kept), *each.opened)
