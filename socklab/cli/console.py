"""`socklab console`: the operator's hands in a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .table import echoTable, isDrawn

if TYPE_CHECKING:
    from ..console.terminal import Terminal

_socket = click.option(
    "--socket",
    "path",
    envvar="SOCKLAB_CONSOLE",
    required=True,
    type=click.Path(path_type=Path),
    help="The [console] socket of the server; or set SOCKLAB_CONSOLE.",
)
_json = click.option("--json", "asJson", is_flag=True, help="Print JSON, for programs: an object a line.")


@click.group("console")
def command() -> None:
    """Look at a running server, and act by hand.

    The server's config says where its socket is: socket = "console.sock" in [console]. Who may open that file may
    do all of this. The page in the browser has the same hands.

    \b
    Examples:
      socklab console list --socket /run/socklab/console.sock
      export SOCKLAB_CONSOLE=/run/socklab/console.sock
      socklab console say --room chat/lobby "The server restarts at noon."
      socklab console ban 192.0.2.7

    The status is 1 if it could not be done.
    """


@contextmanager
def _asking(path: Path) -> Iterator[Terminal]:
    """Ask a server; what it will not do is one line on standard error, and the status 1."""
    from ..console.terminal import Terminal, TerminalError

    try:
        yield Terminal(path)
    except TerminalError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _printJson(told: object) -> None:
    click.echo(json.dumps(told, ensure_ascii=False))


def _talks(first: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(first["columns"], row, strict=True)) for row in first["rows"]]


@command.command("list")
@_socket
@_json
@click.option("--ended", is_flag=True, help="Those too that have ended.")
def list_(path: Path, asJson: bool, ended: bool) -> None:
    """List the connections: number, service, transport, peer, and since when.

    \b
    Examples:
      socklab console list
      socklab console list --ended --json
    """
    from ..text import printable

    with _asking(path) as terminal:
        first = next(terminal.told())
    talks = [talk for talk in _talks(first) if ended or not talk["closed"]]
    if asJson:
        for talk in talks:
            _printJson(talk)
        return
    rows = [
        (
            *(talk[name] for name in ("key", "service", "transport", "peer")),
            time.strftime("%H:%M:%S", time.localtime(talk["opened"])),
            talk["closed"] or "open",
        )
        for talk in talks
    ]
    if isDrawn():
        echoTable(("connection", "service", "transport", "peer", "since", "state"), rows)
        return
    for key, service, transport, peer, since, state in rows:
        click.echo(printable(f"{key:>6} {service:<12} {transport:<9} {peer:<24} {since} {state}"))


@command.command()
@_socket
@click.argument("connection", required=False)
@click.option("--hex", "asHex", is_flag=True, help="Messages as bytes.")
@_json
def tail(path: Path, connection: str | None, asHex: bool, asJson: bool) -> None:
    """Print what happens, until Ctrl-C: refusals and failures, or the messages of one CONNECTION by its number.

    \b
    Examples:
      socklab console tail
      socklab console tail 17 --hex
    """
    from base64 import b64decode

    from ..text import printable, quoted

    def show(message: dict[str, Any]) -> None:
        if asJson:
            _printJson(message)
            return
        sign = {"in": "<", "out": ">"}.get(message["way"], "|")
        said = b64decode(message["data"]).hex(" ") if asHex else quoted(message["text"])
        click.echo(f"{_clock(message['time'])} {sign} {message['size']} B {said}")

    with _asking(path) as terminal:
        try:
            for told in terminal.told():
                if connection is None:
                    for event in [*told.get("events", ()), *([told["event"]] if "event" in told else ())]:
                        if asJson:
                            _printJson(event)
                            continue
                        whose = f"{event['service']}: " if event["service"] else ""
                        click.echo(printable(f"{_clock(event['time'])} {event['kind']}: {whose}{event['text']}"))
                    continue
                if "stream" in told:
                    if connection not in {talk["key"] for talk in _talks(told)}:
                        click.echo(f"there is no connection {connection}", err=True)
                        sys.exit(1)
                    terminal.do("follow", stream=told["stream"], talk=connection)
                for message in [*told.get("messages", ()), *([told["message"]] if "message" in told else ())]:
                    show(message)
        except KeyboardInterrupt:
            return


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds * 1000) % 1000:03}"


@command.command()
@_socket
@click.option("--room", metavar="SERVICE/ROOM", help="Say it in a chat room, as operator.")
@click.option(
    "--to", metavar="WHOM", multiple=True, help="A connection's number, SERVICE/* or *; may be repeated."
)
@_json
@click.argument("text")
def say(path: Path, room: str | None, to: tuple[str, ...], asJson: bool, text: str) -> None:
    """Say TEXT in a room, or write it to connections, in the encoding of each.

    \b
    Examples:
      socklab console say --room chat/lobby "The server restarts at noon."
      socklab console say --to 17 --to 18 "Hello, both."
    """
    if (room is None) == (not to):
        raise click.UsageError("say where: --room SERVICE/ROOM, or --to WHOM")
    with _asking(path) as terminal:
        if room is not None:
            service, _, name = room.partition("/")
            told = {**terminal.do("say", service=service, room=name or "lobby", text=text), "faults": []}
        else:
            told = terminal.do("write", to=[*to], text=text)
    if asJson:
        _printJson(told)
    elif room is None:
        click.echo(f"written to {told['sent']}")
    for each in told["faults"]:
        click.echo(f"{each['key']}: {each['text']}", err=True)
    sys.exit(1 if told["faults"] else 0)


@command.command()
@_socket
@click.option("--reset", is_flag=True, help="At once, losing what is owed: on TCP by RST.")
@_json
@click.argument("whom", nargs=-1, required=True)
def kick(path: Path, reset: bool, asJson: bool, whom: tuple[str, ...]) -> None:
    """Close connections: WHOM is a number, SERVICE/* or *.

    \b
    Examples:
      socklab console kick 17
      socklab console kick --reset 'echo/*'
    """
    with _asking(path) as terminal:
        told = terminal.do("close", to=[*whom], reset=reset)
    if asJson:
        _printJson(told)
    else:
        click.echo(f"closed {told['closed']}")
    sys.exit(0 if told["closed"] else 1)


@command.command()
@_socket
@click.option("--mute", is_flag=True, help="Nobody hears it in the chats; it may stay.")
@click.option("--remove", is_flag=True, help="End the ban, or the mute.")
@_json
@click.argument("address", required=False)
def ban(path: Path, mute: bool, remove: bool, asJson: bool, address: str | None) -> None:
    """Ban an ADDRESS or a network from all services; without one, list the bans and mutes.

    It holds until it is removed or the server ends; a reload keeps it.

    \b
    Examples:
      socklab console ban 192.0.2.7
      socklab console ban --mute --remove 192.0.2.0/24
    """
    kind = "mute" if mute else "ban"
    with _asking(path) as terminal:
        if address is None:
            rules = next(terminal.told())["rules"]
        else:
            rules = terminal.do("end-rule" if remove else "rule", kind=kind, what=address)["rules"]
    for rule in rules:
        if asJson:
            _printJson(rule)
            continue
        click.echo(f"{rule['kind']} {rule['what']}")


@command.command()
@_socket
@_json
def reload(path: Path, asJson: bool) -> None:
    """Have the config read again, as SIGHUP does, and print what that has changed.

    \b
    Example:
      socklab console reload
    """
    with _asking(path) as terminal:
        told = terminal.do("reload")
    if asJson:
        _printJson(told)
        return
    for line in told["lines"]:
        click.echo(line)


@command.command()
@_json
def token(asJson: bool) -> None:
    """Make a token for the page, and print what [console] has of it.

    \b
    Example:
      socklab console token
    """
    from ..console.door import hashOf, newToken

    made = newToken()
    if asJson:
        _printJson({"token": made, "token_hash": hashOf(made)})
        return
    click.echo(f"token: {made}")
    click.echo(f'token_hash = "{hashOf(made)}"')
