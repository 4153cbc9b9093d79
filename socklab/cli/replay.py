"""`socklab replay`: a record as a client, and as a test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .clients import address, connectionOptions, run, settingsOf
from .kinds import DurationKind, PatternKind
from .records import Reading, Wanted, filters

if TYPE_CHECKING:
    from ..client.address import Address
    from ..records.replay import Voice

_DIFFERS = 4
"""The status that says, as `socklab send` does, that an answer is not what was expected."""


@click.command("replay")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@address
@filters
@click.option("--fast", is_flag=True, help="Wait for the answers, but for no time that went by.")
@click.option("--expect-same", "isSame", is_flag=True, help="What comes back must be what was recorded.")
@click.option(
    "--ignore",
    type=PatternKind(),
    multiple=True,
    metavar="REGEX",
    help="With --expect-same: what may differ, such as a time; repeatable.",
)
@click.option("--wait", type=DurationKind(), default="5", show_default=True, help="For each answer, at most.")
@click.option("--json", "asJson", is_flag=True, help="Print one JSON object, for programs.")
@connectionOptions(read=False)
@click.pass_context
def command(
    context: click.Context,
    /,
    file: Path,
    address: Address,
    fast: bool,
    isSame: bool,
    ignore: tuple[re.Pattern[str], ...],
    wait: float,
    asJson: bool,
    **values: Any,
) -> None:
    """Say again to a server what clients had said.

    FILE is what `[service.record]` of a config had written. Each of its conversations gets a connection of its
    own, and everything is sent at the time at which it was sent then. With --fast nothing waits but for the
    answers that had come before, so that the order stays. With --expect-same a record is a test: what comes back
    is compared.

    URL is tcp://host:port, tls://, udp://, unix:///path, ws://host:port/path or wss://. What was recorded over
    another kind of transport is said too: a message becomes a line, a line a message.

    The status is 0, 1 if there was no connection, 2 for wrong usage, 4 if --expect-same found a difference.

    \b
    Examples:
      socklab replay echo.jsonl tcp://127.0.0.1:59000 --fast --expect-same
      socklab replay chat.jsonl ws://127.0.0.1:59201 --connection 3 --connection 4
      socklab replay chat.jsonl tcp://127.0.0.1:59200 --expect-same --ignore 'user[0-9]+'
    """
    wanted = Wanted.of(values)
    settings = settingsOf(address, values)
    from ..client import ConnectError
    from ..records.replay import Replay
    from ..records.script import Script, kindOf

    reading = Reading([file])
    script = Script(reading.conversations(wanted), reading, kindOf(address.kind))
    reading.complain()
    if not script.parts:
        raise click.ClickException(f"{file}: nobody has said anything that is meant.")
    voices: dict[int, Voice] = {}

    async def main(reactor: Any) -> int:
        replay = Replay(reactor, address, settings, script, fast, wait)
        voices.update(replay.voices)
        try:
            await replay.run()
        except ConnectError as error:
            click.echo(str(error), err=True)
            return 1
        return 0

    status = run(main)
    if status:
        context.exit(status)
    ignored = [re.compile(each.pattern.encode(), each.flags & ~re.UNICODE) for each in ignore]
    found = {number: voice.difference(ignored) for number, voice in voices.items()}
    if asJson:
        click.echo(json.dumps({"conversations": [_object(voices[each], found[each]) for each in voices]}))
    else:
        for number, voice in voices.items():
            click.echo(_line(voice, found[number]))
    context.exit(_DIFFERS if isSame and any(found.values()) else 0)


def _line(voice: Voice, difference: str | None) -> str:
    each = voice.part.conversation
    came = sum(len(message.payload) for message in voice.heard)
    verdict = "as recorded" if difference is None else f"not as recorded: {difference}"
    return f"{each.service} {each.name}: sent {voice.sent}, {came} B came back: {verdict}"


def _object(voice: Voice, difference: str | None) -> dict[str, Any]:
    each = voice.part.conversation
    return {
        "service": each.service,
        "connection": each.connection,
        "peer": each.peer,
        "sent": voice.sent,
        "received_bytes": sum(len(message.payload) for message in voice.heard),
        "difference": difference,
    }
