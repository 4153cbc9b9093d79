"""`socklab status`: whether a server runs, and how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from .asked import Told

_DEFAULT: Final = "http://127.0.0.1:59300"
_STATUS: Final = {"ready": 0, "running": 0, "not ready": 1, "not running": 3}
_COLOURS: Final = {"ready": "green", "running": "green", "not ready": "yellow", "not running": "red"}


@click.command("status")
@click.argument("url", required=False)
@click.option(
    "--socket",
    "path",
    envvar="SOCKLAB_CONSOLE",
    type=click.Path(path_type=Path),
    help="Ask the [console] socket of the server; or set SOCKLAB_CONSOLE.",
)
@click.option(
    "--pidfile",
    type=click.Path(path_type=Path),
    help="Of a daemon: tell of the process that this file names, with a console or without.",
)
@click.option("--json", "asJson", is_flag=True, help="Print a JSON object, for programs.")
@click.pass_context
def command(
    context: click.Context, url: str | None, path: Path | None, pidfile: Path | None, asJson: bool
) -> None:
    """Tell whether a server runs, and how it is.

    What it serves and where, how many are connected, and what memory that takes.

    Asks its console: at URL, by default the built-in lab's, or at its Unix socket. Of a server without a console
    --pidfile tells the process.

    The status is 0 if newcomers are served (with --pidfile alone: if the process runs), 1 if they are not (it
    starts, stops, or does not answer), and 3 if it does not run.

    \b
    Examples:
      socklab status
      socklab status --socket /run/socklab/console.sock
      socklab status http://127.0.0.1:9300 --json
      socklab status --pidfile /run/socklab.pid
    """
    from .asked import StatusError, ask, processOf

    if url is not None and path is not None and context.get_parameter_source("path") is not _FROM_ENVIRONMENT:
        raise click.UsageError("Give URL or --socket, not both.")
    told: Told
    try:
        if pidfile is not None and url is None and path is None:
            told = processOf(pidfile)
        else:
            told = ask(path if url is None and path is not None else url or _DEFAULT)
            if pidfile is not None:
                told = processOf(pidfile, told)
        if url is None and path is None and pidfile is None and told["state"] == "not running":
            told["notes"].append(
                "that is where the built-in lab is asked; of another say URL, --socket or --pidfile"
            )
    except StatusError as error:
        raise click.ClickException(str(error)) from None
    if asJson:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _echo(told)
    context.exit(_STATUS[told["state"]])


_FROM_ENVIRONMENT: Final = click.core.ParameterSource.ENVIRONMENT


def _echo(told: dict[str, Any]) -> None:
    from ..text import printable
    from .table import echoTable

    version = f"socklab {told['version']}" if "version" in told else "socklab"
    words = [click.style(told["state"], fg=_COLOURS[told["state"]])]
    if "pid" in told:
        words.append(f"pid {told['pid']}")
    if "started" in told:
        words.append(f"since {_since(told['started'])}")
    click.echo(f"{version}: {', '.join(words)}")
    for why in told.get("notes", ()):
        click.echo(printable(why))
    if "connections" in told:
        now, most = told["connections"]["now"], told["connections"]["most"]
        click.echo(f"connections: {now}" + (f" of {most}" if most else ""))
    if "memory" in told:
        click.echo(_memory(told["memory"]))
    for where in told.get("listening", ()):
        click.echo(printable(f"listening: {where}"))
    services = told.get("services", [])
    if services:
        columns = ("service", "transport", "where", "open", "accepted", "refused", "received", "sent")
        rows = [
            [", ".join(each[name]) if name == "where" else each[name] for name in columns] for each in services
        ]
        echoTable(columns, rows)


def _since(started: float) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(started).astimezone():%Y-%m-%d %H:%M:%S}"


def _memory(memory: dict[str, Any]) -> str:
    said = f"memory: {_size(memory['now'])}"
    if memory.get("most"):
        said += f" of {_size(memory['most'])}"
    if "start" in memory:
        said += f", {_size(memory['start'])} at the start"
    each = memory.get("each", {})
    costs = ", ".join(f"{_size(size)} over {kind}" for kind, size in each.items())
    return f"{said}; for each connection {costs}" if costs else said


def _size(number: float) -> str:
    for unit in ("B", "KiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} KiB"
        number /= 1024
    return f"{number:.1f} MiB"
