"""`socklab probe`: why it does not connect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .clients import address, connectionOptions, run, settingsOf
from .payload import Reading

if TYPE_CHECKING:
    from ..client.address import Address
    from ..probe import Finding

_COLOURS = {"ok": "green", "note": "yellow", "bad": "red"}


@click.command("probe")
@address
@click.option("--data", metavar="TEXT", help=r"What is sent, with escapes as \n.  [default: a line]")
@click.option("--no-send", "noSend", is_flag=True, help="Only connect: send nothing that the server would see.")
@click.option("--json", "asJson", is_flag=True, help="Print a JSON array, for programs.")
@connectionOptions(read=False, timeout="5")
@click.pass_context
def command(context: click.Context, /, address: Address, **values: Any) -> None:
    """Find out why a connection fails, or what is at the other end.

    Tells one thing a line: `ok`, `note` (good to know) or `bad` (it hinders), a topic, and words. It looks at the
    name, each address, the process that holds a port of this machine, certificates, what is spoken, and how the
    server takes split and large writes and half-close. For that it connects several times, and sends a TLS hello,
    a WebSocket handshake and a line; --no-send leaves all that out.

    The status is 0 if nothing is bad, else 1.

    \b
    Examples:
      socklab probe tcp://127.0.0.1:59000
      socklab probe wss://example.com/chat
      socklab probe tcp://10.0.0.5:3000 --data "PING\\n"
    """
    settings = settingsOf(address, values)
    if values["noSend"] and values["data"] is not None:
        raise click.UsageError("Give --data or --no-send, not both.")
    found: list[Finding] = []

    def report(finding: Finding) -> None:
        found.append(finding)
        if not values["asJson"]:
            click.echo(_line(finding))

    async def main(reactor: Any) -> int:
        from ..probe import probe

        await probe(reactor, address, settings, _data(address, values), report)
        return 1 if any(each.verdict == "bad" for each in found) else 0

    status = run(main)
    if values["asJson"]:
        fields = [{"verdict": each.verdict, "topic": each.topic, "text": each.text} for each in found]
        click.echo(json.dumps(fields, indent=2, ensure_ascii=False))
    context.exit(status)


def _data(address: Address, values: dict[str, Any]) -> bytes | None:
    if values["noSend"]:
        return None
    if values["data"] is None:
        return b"socklab probe\n" if address.kind == "stream" else b"socklab probe"
    try:
        return Reading(isEscaped=True).typed(values["data"])
    except ValueError as error:
        raise click.UsageError(f"--data: {error}") from None


def _line(finding: Finding) -> str:
    from ..text import printable

    text = printable(str(finding))
    return click.style(text[:5], fg=_COLOURS[finding.verdict]) + text[5:]
