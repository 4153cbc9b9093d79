"""`socklab protocols`: what a config can name as a protocol."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from .table import echoTable, isDrawn

if TYPE_CHECKING:
    from .catalogue import Offer
    from .options import Option


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from importlib.metadata import entry_points

    names = {each.name for each in entry_points(group="socklab.protocols")}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


@click.command("protocols")
@click.argument("name", required=False, shell_complete=_complete)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where modules are found too.  [default: the current folder]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="List those that this config file names; modules are found beside it.",
)
@click.option("--json", "asJson", is_flag=True, help="Print a JSON array, for programs.")
@click.pass_context
def command(
    context: click.Context, name: str | None, folder: Path | None, config: Path | None, asJson: bool
) -> None:
    """List the protocols that a config can name.

    Shows for each where it comes from, where it can be served, and its options with types and defaults: the
    built-in ones, and those of installed packages; or only NAME, which may be "package.module:Name" too. The
    status is 1 if NAME cannot be served, else 0.

    \b
    Examples:
      socklab protocols
      socklab protocols chat
      socklab protocols shout:ShoutFactory --folder configs
    """
    from ..config import ConfigError
    from .catalogue import NoProtocol, named, offered, offers

    if folder is not None and config is not None:
        raise click.UsageError("Give --folder or --config, not both.")
    # As a config in that folder would find them; whether there is one does not matter.
    beside = config or (folder or Path()) / "socklab.toml"
    try:
        # A module that prints when it is imported shall not do so into what a program reads.
        with redirect_stdout(sys.stderr):
            several = named(config) if config else offers()
            found = [*several] if name is None else [offered(name, beside)]
    except (NoProtocol, ConfigError) as error:
        raise click.ClickException(str(error)) from None
    if asJson:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif isDrawn():
        for each in found:
            _draw(each)
    else:
        text = "\n\n".join("\n".join(_lines(each)) for each in found)
        click.echo(text, nl=bool(text))
    context.exit(1 if name is not None and found[0].error else 0)


def _lines(offer: Offer) -> Iterator[str]:
    """Give an offer in lines that no terminal's width changes: one for each fact."""
    yield from _head(offer)
    if offer.error is not None:
        return
    for each in offer.options:
        yield f"  {each.name}: {each.type} ({_default(each)})"
        if each.doc:
            yield f"    {each.doc}"
    if not offer.options:
        yield "  it has no options"


def _head(offer: Offer) -> Iterator[str]:
    yield f"{offer.name} ({offer.origin})"
    if offer.doc:
        yield f"  {offer.doc}"
    if offer.error is not None:
        yield f"  cannot be served: {offer.error}"
    else:
        yield f"  served over: {', '.join(offer.served) or 'what the Factory that it returns says'}"


def _default(option: Option) -> str:
    if option.required:
        return "required"
    return "optional" if option.default is None else f"default {option.default}"


def _draw(offer: Offer) -> None:
    """Print an offer for a person: its options as a table."""
    name, *more = _head(offer)
    click.echo("\n".join([click.style(name, bold=True), *more]))
    if offer.error is None and offer.options:
        rows = [(each.name, each.type, _default(each), each.doc) for each in offer.options]
        echoTable(("option", "type", "", "what it is"), rows)
    else:
        click.echo()
