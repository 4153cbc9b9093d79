"""`socklab check`: whether config files are good."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "asJson", is_flag=True, help="Print a JSON array, for programs.")
@click.pass_context
def command(context: click.Context, files: tuple[Path, ...], asJson: bool) -> None:
    """Check config files. Nothing is opened.

    Tells each mistake in a line of its own on standard error. The status is 1 if there is one, else 0. A note
    tells which process has an address by now: it may be the server that is to read the file next.

    \b
    Example:
      socklab check chat.toml
    """
    from ..config import ConfigError, loadConfig
    from ..taken import inUse

    found = []
    for file in files:
        errors: list[str] = []
        used: list[str] = []
        services = listeners = 0
        try:
            with _ownModules(file):
                config = loadConfig(file)
        except ConfigError as error:
            errors = error.lines
        else:
            used = inUse(config)
            services, listeners = len(config.services), sum(len(each.listeners) for each in config.services)
        found.append(
            {
                "file": str(file),
                "good": not errors,
                "services": services,
                "listeners": listeners,
                "errors": errors,
                "in_use": used,
            }
        )
        if not asJson:
            for line in errors:
                click.echo(line, err=True)
            if not errors:
                for line in used:
                    click.echo(f"note: {file}: {line}", err=True)
                click.echo(f"{file}: good: {_count(services, 'service')}, {_count(listeners, 'listener')}")
    if asJson:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    context.exit(0 if all(each["good"] for each in found) else 1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@contextmanager
def _ownModules(file: Path) -> Iterator[None]:
    """Forget the modules that stand beside a config: beside the next one may be others of the same names."""
    folder = file.resolve().parent
    path, modules = sys.path[:], {*sys.modules}
    try:
        yield
    finally:
        sys.path[:] = path
        for name in {*sys.modules} - modules:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin is not None and Path(origin).is_relative_to(folder):
                del sys.modules[name]
