"""What the commands of the client share: the options of a connection, and how they run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from .kinds import AddressKind, DurationKind, HeaderKind, SizeKind

if TYPE_CHECKING:
    from ..client.address import Address
    from ..client.seam import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_INTERRUPTED: Final = 130
"""As shells say that Ctrl-C ended something: 128 and the number of SIGINT."""

address = click.argument("address", metavar="URL", type=AddressKind())
_SOURCE: Final = [
    click.option("--source-port", type=click.IntRange(1, 65535), metavar="PORT", help="Connect from this port."),
    click.option(
        "--buffer-size", type=SizeKind(), help="What one read takes at most. It is not the size of a message."
    ),
]
_TLS: Final = [
    click.option("--tls-ca", type=_FILE, metavar="FILE", help="PEM file of those who may sign the certificate."),
    click.option("--insecure", is_flag=True, help="Take any certificate."),
    click.option(
        "--tls-name", metavar="NAME", help="The name that the certificate must hold.  [default: the host]"
    ),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="PEM file of the client's own certificate."),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="PEM file of its key, if that stands elsewhere."),
]
_WEBSOCKET: Final = [
    click.option("--subprotocol", multiple=True, metavar="NAME", help="Offer it in the handshake; repeatable."),
    click.option(
        "--header", multiple=True, type=HeaderKind(), metavar="'NAME: VALUE'", help="Say it; repeatable."
    ),
    click.option("--origin", metavar="ORIGIN", help="Say that a page of this origin connects."),
]


def connectionOptions(read: bool = True, timeout: str = "10") -> Callable[[Command], Command]:
    """Give a command the options that say how to connect.

    @param read: whether those of the client's own socket belong to it, too.
    @param timeout: the default, in seconds.
    """
    limit = click.option(
        "--timeout",
        type=DurationKind(),
        default=timeout,
        show_default=True,
        help="Until it is connected.",
    )

    def decorate(command: Command) -> Command:
        for each in reversed([limit, *(_SOURCE if read else []), *_TLS, *_WEBSOCKET]):
            command = each(command)
        return command

    return decorate


def settingsOf(address: Address, values: dict[str, Any]) -> Settings:
    """Give what the options of a command say, which must suit the address.

    @param values: the options by name; those that are not of a connection are left alone.
    """
    from ..client.seam import Settings, TlsSettings, WebSocketSettings

    if not address.isSecure:
        for name in ("tls_ca", "insecure", "tls_name", "tls_cert", "tls_key"):
            if values.get(name):
                raise click.UsageError(f"--{name.replace('_', '-')} is for tls:// and wss://.")
    if address.kind != "websocket":
        for name in ("subprotocol", "header", "origin"):
            if values.get(name):
                raise click.UsageError(f"--{name} is for ws:// and wss://.")
    if values.get("tls_key") and not values.get("tls_cert"):
        raise click.UsageError("--tls-key needs --tls-cert.")
    if values.get("source_port") and not address.isNetwork:
        raise click.UsageError("--source-port: a Unix socket has no ports.")
    if values.get("buffer_size") and address.scheme not in ("tcp", "unix", "udp"):
        raise click.UsageError("--buffer-size is for tcp://, unix:// and udp://: elsewhere reads are not ours.")
    return Settings(
        timeout=values["timeout"],
        sourcePort=values.get("source_port") or 0,
        bufferSize=values.get("buffer_size") or 65536,
        tls=TlsSettings(
            values.get("tls_ca"),
            bool(values.get("insecure")),
            values.get("tls_name"),
            values.get("tls_cert"),
            values.get("tls_key"),
        ),
        websocket=WebSocketSettings(
            values.get("subprotocol", ()), dict(values.get("header", ())), values.get("origin")
        ),
    )


def run(main: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """Run a command that needs a reactor, one of its own, and give its status; Ctrl-C cancels it.

    @param main: gets the reactor, gives the status.
    """
    from twisted.internet.epollreactor import EPollReactor

    return runOn(EPollReactor(), main)


def runOn(reactor: Any, main: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """The same, on a given reactor."""
    from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
    from twisted.python.failure import Failure

    ended: list[int | Failure] = []
    going: list[Deferred[int]] = []
    stopping: list[bool] = []

    def stopped(result: int | Failure) -> None:
        ended.append(result)
        if not stopping:
            reactor.stop()

    def begin() -> None:
        going.append(ensureDeferred(main(reactor)))
        going[0].addBoth(stopped)

    def interrupt() -> None:
        stopping.append(True)
        if going and not ended:
            going[0].cancel()

    # Later than `callWhenRunning`, which comes before asyncio's loop runs.
    reactor.callLater(0, begin)
    reactor.addSystemEventTrigger("before", "shutdown", interrupt)
    reactor.run()
    result = ended[0] if ended else _INTERRUPTED
    if isinstance(result, Failure):
        if result.check(CancelledError):
            return _INTERRUPTED
        result.raiseException()
    assert isinstance(result, int)
    return result
