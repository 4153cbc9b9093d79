"""`socklab send`: messages to a server, and what it answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .clients import address, connectionOptions, run, settingsOf
from .kinds import DurationKind, EncodingKind, PatternKind, RateKind, UntilKind
from .payload import Reading, isText, messages
from .shown import FORMS

if TYPE_CHECKING:
    from ..client.address import Address
    from ..client.sending import Message, Plan
    from ..client.until import Until


@click.command("send")
@address
@click.argument("data", nargs=-1)
@click.option("--hex", "isHex", is_flag=True, help='DATA is in hexadecimal, as "48 65 0a".')
@click.option("--escape", "isEscaped", is_flag=True, help=r"DATA has escapes, as \r \n \t \x00 \uac00.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send what is in this file; repeatable.",
)
@click.option("--lines", is_flag=True, help="End each message with LF; of a file, each line is a message.")
@click.option("--crlf", is_flag=True, help="The same with CR LF.")
@click.option("--encoding", type=EncodingKind(), default="utf-8", show_default=True, help="Of text, both ways.")
@click.option("--binary/--text", "binary", default=None, help="The kind of WebSocket messages.  [default: text]")
@click.option("--wait", type=DurationKind(), default="5", show_default=True, help="For each answer; 0 for none.")
@click.option(
    "--until",
    type=UntilKind(),
    metavar="WHAT",
    help="What makes an answer whole: line, message, eof, idle, idle=SECONDS, or a number of bytes.  "
    "[default: line with --lines or --crlf, message for udp, ws and wss, else idle=0.3]",
)
@click.option("--persistent", is_flag=True, help="All on one connection, not a new one for each message.")
@click.option(
    "--half-close", "halfClose", is_flag=True, help="Say after the last message that no more comes (FIN)."
)
@click.option("--retry", type=DurationKind(), default="0", help="Try again for so long while nobody listens.")
@click.option(
    "--repeat", type=click.IntRange(1), default=1, metavar="N", help="Send all of it N times; tell the sum."
)
@click.option(
    "--rate", type=RateKind(), help="How often, as 100/s; without it each waits for the answer before it."
)
@click.option("--expect", type=PatternKind(), help="Each answer must hold this; else the status is 4.")
@click.option("--show", type=click.Choice(FORMS), help="How answers are printed.  [default: text]")
@click.option("--json", "asJson", is_flag=True, help="Print one JSON object, for programs.")
@connectionOptions()
@click.pass_context
def command(context: click.Context, /, address: Address, data: tuple[str, ...], **values: Any) -> None:
    """Send messages, and print what comes back.

    Each DATA is a message; without DATA and --file, standard input is read. URL is tcp://host:port, tls://,
    udp://, unix:///path, ws://host:port/path or wss://. Answers go to standard output, remarks to standard error:
    above all each connection's own port, so that one connection and many can be told apart.

    The status is 0 if all was answered, 1 if there was no connection or it broke, 2 for wrong usage, 3 if an
    answer did not come, 4 if one is not what was expected.

    \b
    Examples:
      socklab send tcp://127.0.0.1:59000 hello
      socklab send tcp://127.0.0.1:59200 --lines --persistent "/nick alice" "hello, all"
      socklab send udp://127.0.0.1:59000 --hex "48 65 6c 6c 6f" --show both
      socklab send ws://127.0.0.1:59001 hello --repeat 1000 --rate 100/s
      socklab send tcp://127.0.0.1:59000 ping --expect '^ping$' && echo it works
    """
    plan = _plan(address, data, values)
    settings = settingsOf(address, values)
    from .sent import Told

    told = Told(
        address,
        values["encoding"],
        values["expect"],
        values["show"] or ("text" if values["repeat"] == 1 else None),
        values["asJson"],
        bool(values["buffer_size"]),
        plan,
    )

    async def main(reactor: Any) -> int:
        from ..client.sending import Sending

        with told.progress:
            await Sending(reactor, address, settings, plan, told).run()
        return 0

    status = run(main)
    found = told.finish()
    context.exit(status or found)


def _plan(address: Address, data: tuple[str, ...], values: dict[str, Any]) -> Plan:
    """Give what is to be sent, and how.

    @raise click.ClickException: the options do not fit together, or the address.
    """
    from ..client.sending import Plan

    if values["isHex"] and values["isEscaped"]:
        raise click.UsageError("Give --hex or --escape, not both.")
    if values["lines"] and values["crlf"]:
        raise click.UsageError("Give --lines or --crlf, not both.")
    if values["binary"] is not None and address.kind != "websocket":
        raise click.UsageError("--binary and --text are for ws:// and wss://.")
    if values["halfClose"] and address.scheme not in ("tcp", "unix"):
        raise click.UsageError("--half-close is for tcp:// and unix://: elsewhere there is no FIN of one side.")
    if values["source_port"] and values["rate"] and not values["persistent"]:
        raise click.UsageError(
            "--source-port with --rate needs --persistent: a port is one connection's at a time."
        )
    end = b"\r\n" if values["crlf"] else b"\n" if values["lines"] else b""
    encoding = "utf-8" if address.kind == "websocket" and not values["binary"] else values["encoding"]
    reading = Reading(encoding, values["isHex"], values["isEscaped"], end)
    nothing = not data and not values["files"]
    if nothing and sys.stdin.isatty():
        raise click.UsageError(
            'Nothing to send: give DATA, --file, or pipe something in; "" sends nothing at all.'
        )
    found = messages(data, values["files"], reading, nothing)
    if not found:
        raise click.UsageError("Nothing to send: the input is empty.")
    return Plan(
        [_message(address, each, values) for each in found],
        _until(address, values["until"], bool(end)),
        values["wait"],
        values["persistent"],
        values["repeat"],
        values["rate"],
        values["halfClose"],
        values["retry"],
    )


def _message(address: Address, payload: bytes, values: dict[str, Any]) -> Message:
    from ..client.sending import Message

    if address.kind != "websocket":
        return Message(payload, True)
    binary = values["binary"] if values["binary"] is not None else values["isHex"]
    if not binary and not isText(payload):
        raise click.UsageError("A WebSocket text message is UTF-8, and this is not: --binary sends it.")
    return Message(payload, binary)


def _until(address: Address, until: Until | None, isLines: bool) -> Until:
    from ..client.until import Until

    if until is None:
        if address.kind != "stream":
            return Until("message")
        return Until("line") if isLines else Until("idle", seconds=0.3)
    if until.kind == "message" and address.kind == "stream":
        raise click.UsageError(
            "--until message: a stream has no messages; say line, eof, idle or a number of bytes."
        )
    if until.kind in ("line", "bytes") and address.kind != "stream":
        raise click.UsageError(f"--until {until.kind}: {address.scheme} has messages, and each is whole.")
    if until.kind == "eof" and address.kind == "udp":
        raise click.UsageError("--until eof: UDP has no end; say message or idle.")
    return until
