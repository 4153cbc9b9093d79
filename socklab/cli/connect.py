"""`socklab connect`: a conversation with a server, line by line."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from .clients import address, connectionOptions, run, runOn, settingsOf
from .kinds import DurationKind, EncodingKind
from .payload import Reading
from .shown import FORMS

if TYPE_CHECKING:
    from ..client.address import Address
    from ..client.seam import End, Settings
    from .conversation import Conversation


@click.command("connect")
@address
@click.option("--crlf", is_flag=True, help="End lines with CR LF, not LF.")
@click.option("--encoding", type=EncodingKind(), default="utf-8", show_default=True, help="Of text, both ways.")
@click.option("--show", type=click.Choice(FORMS[:3]), default="text", show_default=True, help="How it is printed.")
@click.option(
    "--wait",
    type=DurationKind(),
    default="5",
    show_default=True,
    help="After the end of the input, leave when nothing has come for so long.",
)
@click.option("--json", "asJson", is_flag=True, help="Print one JSON object a line, for programs.")
@connectionOptions()
@click.pass_context
def command(context: click.Context, /, address: Address, **values: Any) -> None:
    """Talk with a server, line by line.

    What you type is sent line by line, and what comes is shown at once; neither waits for the other.

    On tcp://, tls:// and unix:// a line ends with LF; on udp://, ws:// and wss:// it is a message. What comes is
    shown without its controls, so that nothing of the server's moves your cursor.

    \b
    Commands:
    /quit    close the connection and leave; Ctrl-C does, too
    /eof     say that nothing more comes (FIN), and go on reading; Ctrl-D does, too
    /hex     send bytes, as /hex 48 65 0a
    /escape  send text with escapes and no end of line, as /escape a\\x00b
    //quit   send /quit, and so on; every other line goes to the server as it is

    From a pipe or a file, what is read is sent as it is. The status is 0, or 1 if there was no connection, or it
    broke.

    \b
    Examples:
      socklab connect tcp://127.0.0.1:59200
      socklab connect ws://127.0.0.1:59001 --show both
      printf 'one\\ntwo\\n' | socklab connect tcp://127.0.0.1:59000
    """
    settings = settingsOf(address, values)
    from .keyboard import hasPrompt

    if hasPrompt() and not values["asJson"]:
        from asyncio import new_event_loop

        from twisted.internet.asyncioreactor import AsyncioSelectorReactor

        def main(reactor: Any) -> Coroutine[Any, Any, int]:
            return _talk(reactor, address, settings, values, True)

        context.exit(runOn(AsyncioSelectorReactor(new_event_loop()), main))
    context.exit(run(lambda reactor: _talk(reactor, address, settings, values, False)))


async def _talk(reactor: Any, address: Address, settings: Settings, values: dict[str, Any], prompts: bool) -> int:
    from ..client import ConnectError, connect
    from .conversation import COMMANDS, Conversation
    from .incoming import Incoming
    from .screen import JsonScreen, TextScreen

    isStream = address.kind == "stream"
    end = b"" if not isStream else b"\r\n" if values["crlf"] else b"\n"
    encoding = values["encoding"]
    screen: JsonScreen | TextScreen
    if values["asJson"]:
        screen = JsonScreen(encoding)
    else:
        screen = TextScreen(reactor, Incoming(encoding, values["show"], isStream))
    reading = Reading("utf-8" if address.kind == "websocket" else encoding, end=end)
    talk = Conversation(reactor, address, reading, screen, values["wait"])
    try:
        talk.connection = await connect(reactor, address, talk, settings)
    except ConnectError as error:
        raise click.ClickException(str(error)) from None
    screen.connected(talk.connection)
    try:
        if prompts:
            await _atPrompt(talk, [*COMMANDS])
        else:
            _onInput(reactor, talk, isStream)
        ended = await talk.over
    finally:
        if talk.end is None:
            talk.connection.abort()
    screen.ended(ended)
    return 0 if ended.clean else 1


async def _atPrompt(talk: Conversation, words: list[str]) -> None:
    from .keyboard import Interrupted, Prompt

    prompt = Prompt(words)

    def over(end: End) -> End:
        prompt.stop()
        return end

    talk.over.addCallback(over)
    try:
        if await prompt.run(talk.typed):
            talk.finished()
    except Interrupted:
        talk.leave()


def _onInput(reactor: Any, talk: Conversation, isStream: bool) -> None:
    """Read lines from a terminal or for messages, and anything else as it is."""
    from .keyboard import PlainInput

    if isStream and not sys.stdin.isatty():
        plainInput = PlainInput(reactor, talk.data, talk.finished)
    else:
        from ..framing import Lines

        lines = Lines()

        def read(data: bytes) -> None:
            for line in lines.feed(data):
                talk.typed(line.decode("utf-8", "replace"))

        def finished() -> None:
            for line in lines.finish():
                talk.typed(line.decode("utf-8", "replace"))
            talk.finished()

        plainInput = PlainInput(reactor, read, finished)
    talk.connection.pace(plainInput)
    plainInput.start()
