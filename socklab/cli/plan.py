"""`socklab plan`: what a reload would change."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

_WORDS: Final = {"+": "opened", "-": "closed", "~": "changed", "=": "kept", "!": "not done"}


@click.command("plan")
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--json", "asJson", is_flag=True, help="Print a JSON array, for programs.")
def command(old: Path, new: Path, asJson: bool) -> None:
    """Print what a reload would change. Nothing is opened.

    It goes from the config OLD to the config NEW. Each line begins with a sign: `+` opened, `-` closed,
    `~` changed, `=` kept, `!` not done, and why. Whether a port is free shows only in the server. The status is 1
    if a config is not good, or something is not done.

    \b
    Example:
      socklab plan chat.toml chat-new.toml
    """
    from ..config import ConfigError, loadConfig
    from ..plan import plan

    try:
        lines = [*plan(loadConfig(old), loadConfig(new)).lines()]
    except ConfigError as error:
        for line in error.lines:
            click.echo(line, err=True)
        sys.exit(1)
    if asJson:
        told = [{"change": _WORDS[line[0]], "what": line[2:]} for line in lines]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)
    sys.exit(1 if any(line.startswith("! ") for line in lines) else 0)
