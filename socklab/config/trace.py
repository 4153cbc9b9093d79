"""`--trace`, which is stronger than what the config says."""

from __future__ import annotations

from dataclasses import replace

from . import Config
from .errors import ConfigError


def withTrace(config: Config, trace: str | None) -> Config:
    """Give a config with another trace, if there is one.

    @raise ConfigError: there is no such form.
    """
    if trace is None:
        return config
    if trace not in ("off", "text", "hex"):
        raise ConfigError([f'--trace: expected off, text or hex, got "{trace}"'])
    return replace(config, server=config.server.model_copy(update={"trace": trace}))
