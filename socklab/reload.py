"""What a changed config changes while the server runs: `SIGHUP`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.logger import Logger

from .config import Config, Service
from .lab import Lab, ProtocolService

_log = Logger(namespace="socklab")


def reload(lab: Lab, config: Config) -> Iterator[str]:
    """Give running services the options that have changed, where their Factory has `reconfigure`.

    Peers stay. All that cannot be changed so needs a restart. Both are told, in lines.
    """
    running = {each.config.name: each for each in lab.protocolServices()}
    for service in config.services:
        if service.name not in running:
            yield f"+ {service.name}: is new: needs a restart"
        else:
            yield from _change(running.pop(service.name), service)
    for name in running:
        yield f"- {name}: is gone: needs a restart"
    if config.server != lab.config.server:
        yield "~ [server]: needs a restart"


def _change(running: ProtocolService, new: Service) -> Iterator[str]:
    old, name = running.config, new.name
    keys = [key for key in type(new.table).model_fields if getattr(new.table, key) != getattr(old.table, key)]
    changed = dict(_changedOptions(old, new))
    if not changed and "options" in keys:
        keys.remove("options")
    if not keys:
        yield f"= {name}"
    mayChange = "options" in keys and "protocol" not in keys
    if others := [key for key in keys if not (mayChange and key == "options")]:
        yield f"~ {name}: {', '.join(others)}: needs a restart"
    if mayChange:
        why = _reconfigure(old.factory, changed)
        yield f"~ {name}: options {', '.join(changed)}: {why or 'changed'}"
        if why is None:
            table = old.table.model_copy(update={"options": new.table.options})
            running.config = replace(old, options=new.options, table=table)


def _changedOptions(old: Service, new: Service) -> Iterator[tuple[str, Any]]:
    """Give the options that differ in the file, and mean something else.

    The Factory may have changed what it was given, and not every value can be compared.
    """
    before, after = old.table.options, new.table.options
    for key, value in new.options.items():
        isWritten = (key in before) != (key in after) or before.get(key) != after.get(key)
        if isWritten and old.options.get(key) != value:
            yield key, value


def _reconfigure(factory: Any, changed: dict[str, Any]) -> str | None:
    """Hand a Factory its changed options; give why that was not possible."""
    reconfigure = getattr(factory, "reconfigure", None)
    if reconfigure is None:
        return "the protocol cannot reconfigure: needs a restart"
    try:
        inspect.signature(reconfigure).bind(**changed)
    except TypeError:
        return "the protocol cannot reconfigure that: needs a restart"
    try:
        reconfigure(**changed)
    except ValueError as error:
        return str(error)
    except Exception as error:
        _log.failure("reconfigure failed", log_system="socklab")
        return f"reconfigure failed: {error!r}"
    return None
