"""The tables of a config file and their keys."""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from ..limits import Limits
from ..policy.origin import asciiHost, parseOrigin
from ..units import Expected, PositiveSeconds, Size
from .errors import shown

FramingName = Literal["raw", "lines", "cr", "netstring", "int8", "int16", "int32"]

# With what raw_unicode_escape takes for a newline, and ISO 2022 for other characters.
_ASCII: Final = "".join(map(chr, range(128))) + r"\u000a" + "\x1b$B!!"


def _encoding(name: str) -> str:
    # Lines are cut at the byte 0x0A and commands begin with the byte of "/": in UTF-16 they would not be there.
    if _ASCII.encode(name) != _ASCII.encode("ascii") or _ASCII.encode("ascii").decode(name) != _ASCII:
        raise ValueError
    return codecs.lookup(name).name


def _checkEncoding(name: str) -> str:
    try:
        return _encoding(name)
    except (LookupError, ValueError):
        raise ValueError from None


Encoding = Annotated[
    str,
    AfterValidator(_checkEncoding),
    Expected("an encoding that holds ASCII, such as utf-8, cp949, euc-kr or latin-1"),
]


class Table(BaseModel):
    """A table in which every key is known."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _workers(value: object) -> object:
    if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 256):
        raise ValueError
    return value


class ServerTable(Table):
    """`[server]`: the process."""

    shutdown_timeout: PositiveSeconds = 20.0
    """Seconds for connections to take what is owed to them when the server stops, or closes one."""
    trace: Literal["off", "text", "hex"] = "off"
    """Whether every message, in both directions, goes to the log."""
    log_format: Literal["text", "json"] = "text"
    """Whether the log is lines for a person, or a JSON object a line."""
    peer_names: bool = False
    """Whether the log tells the name that DNS has for the address of who has come, where it tells who has."""
    max_connections: Annotated[int | None, Field(ge=1)] = None
    """Of all services together; by default as many as the process may have files open, less 128."""
    memory_budget: Size | None = None
    """Bytes of resident memory, beyond which newcomers are refused."""
    workers: Annotated[
        Literal["auto"] | int,
        BeforeValidator(_workers),
        Expected('a number of processes from 1 to 256, or "auto"'),
    ] = 1
    """Processes that serve; `auto`: as many as there are CPUs that this one may use."""
    worker_watchdog: PositiveSeconds = 30.0
    """Seconds that one of several may hang, until another takes its place."""


def _checkOrigin(text: str) -> str:
    if text not in ("*", "null") and parseOrigin(text) is None:
        raise ValueError
    return text


def _checkPath(text: str) -> str:
    if not text.startswith("/") or "?" in text or "#" in text:
        raise ValueError
    return text


Origin = Annotated[
    str, AfterValidator(_checkOrigin), Expected('an origin, such as "https://example.com", "null" or "*"')
]
HostName = Annotated[
    str, AfterValidator(asciiHost), Expected('a host name without a port, such as "chat.example.com", or "*"')
]
UrlPath = Annotated[str, AfterValidator(_checkPath), Expected('a path, such as "/chat"')]


class WebSocketTable(Table):
    """`[service.websocket]`."""

    deflate: bool = False
    """Whether to compress, with clients that offer permessage-deflate."""
    origins: Annotated[tuple[Origin, ...], Field(strict=False), Expected("a list of origins")] = ()
    """Pages that are welcome beside those of the same host."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False), Expected("a list of host names")] = ()
    """Names by which clients may ask for this server."""
    paths: Annotated[tuple[UrlPath, ...], Field(strict=False), Expected("a list of paths")] = ()
    """That may be asked for; none is any."""


class TlsTable(Table):
    """`[service.tls]`: of the service's `ssl:` listeners."""

    client_ca: Annotated[str | None, Expected("the path of a file")] = None
    """A PEM file with the authorities that sign the certificates of clients; without it none are asked for."""
    client_certificate: Literal["required", "optional"] = "required"
    """Whether a client without a certificate is refused."""


def _checkFile(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError
    return text


class RecordTable(Table):
    """`[service.record]`: a file with all that is said."""

    file: Annotated[str, AfterValidator(_checkFile), Expected("the path of a file")]
    """JSON Lines; what is there stays, and more is added."""
    rotate: Size = 100 * 1024 * 1024
    """Bytes; before it would have more, it becomes `FILE.1`, and another one is begun."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many of `FILE.1`, `FILE.2` and so on stay."""


class ListenTable(Table):
    """An entry of `listen` with settings of its own."""

    endpoint: Annotated[str, Expected('an endpoint, such as "tcp:3000"')]
    framing: FramingName | None = None
    encoding: Encoding | None = None
    optional: bool = False
    """Whether to do without it where the machine lacks its address."""


def _shape(value: object) -> str:
    return "table" if isinstance(value, dict) else "text"


Listening = Annotated[
    Annotated[str, Tag("text")] | Annotated[ListenTable, Tag("table")],
    Discriminator(_shape),
    Expected('an endpoint, such as "tcp:3000", or a table with one'),
]


class ServiceTable(Table):
    """`[[service]]`: one protocol, and where it is served."""

    name: Annotated[str | None, Field(min_length=1), Expected("a name")] = None
    protocol: Annotated[str, Expected('a protocol, such as "echo" or "package.module:Name"')]
    listen: Annotated[
        tuple[Listening, ...],
        Field(min_length=1, strict=False),
        Expected('a list of endpoints, such as ["tcp:3000"]'),
    ]
    access: Annotated[
        tuple[str, ...],
        Field(min_length=1, strict=False),
        Expected('a list of rules, such as ["allow 10.0.0.0/8", "deny all"]'),
    ] = ("allow all",)
    refusal: Literal["close", "tell", "reset"] = "close"
    """How those who are not let in learn of it."""
    framing: FramingName | None = None
    encoding: Encoding = "utf-8"
    options: Annotated[dict[str, Any], Expected("a table")] = {}
    limits: Limits = Limits()
    websocket: WebSocketTable = WebSocketTable()
    tls: TlsTable = TlsTable()
    record: RecordTable | None = None


def _checkHash(text: str) -> str:
    if re.fullmatch("sha256:[0-9a-f]{64}", text) is None:
        raise ValueError
    return text


TokenHash = Annotated[
    str,
    AfterValidator(_checkHash),
    Expected('"sha256:" and 64 hex digits, as `socklab console token` prints them'),
]


class ConsoleTable(Table):
    """`[console]`: HTTP for the operator."""

    listen: Annotated[str, Expected('an endpoint, such as "tcp:59300"')]
    """Where; on 127.0.0.1 when it does not say."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False), Expected("a list of host names")] = ()
    """Names by which it may be asked for, beside the machine's own."""
    metrics: bool | Literal["optional"] = "optional"
    """Whether it has metrics for Prometheus; `optional`: where prometheus-client is installed."""
    token_hash: TokenHash | None = None
    """Of the operator's token. None: one is made at each start, and printed in the log."""
    viewer_hash: TokenHash | None = None
    """Of the token of who may look, and do nothing."""
    socket: Annotated[str | None, Field(min_length=1), Expected("a path")] = None
    """A Unix socket for `socklab console`; only the user that has started the server may open it."""
    outbound: Annotated[
        tuple[str, ...],
        Field(min_length=1, strict=False),
        Expected('a list of rules, such as ["allow 10.0.0.0/8", "deny all"]'),
    ] = ("deny all",)
    """Where the client in the page may connect to through the server, beside this server's own services."""


def _checkName(text: str) -> str:
    if re.fullmatch("[A-Za-z0-9_-]{1,32}", text) is None:
        raise ValueError
    return text


def _atLeast(least: int, value: float) -> float:
    if value < least:
        raise ValueError
    return value


_URLS: Final = 'a URL, such as "nats://127.0.0.1:4222", or a list of them'


def _checkUrls(value: Any) -> Any:
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not urls or not all(isinstance(each, str) for each in urls):
        # What is secret may stand in any text.
        got = "" if isinstance(urls, list | dict) and urls else f", got {shown(value)}"
        raise ValueError(f"expected {_URLS}{got}")
    return value


class RoomsTable(Table):
    """`[rooms]`: the engine through which several processes share their rooms."""

    engine: Annotated[
        str | Annotated[tuple[str, ...], Field(strict=False)], BeforeValidator(_checkUrls), Expected(_URLS)
    ]
    """Servers of NATS with JetStream; of several, any that can be reached."""
    name: Annotated[str, AfterValidator(_checkName), Expected("a name of at most 32 letters, digits, - and _")] = (
        "socklab"
    )
    """Whoever has the same engine and the same name, shares rooms."""
    credentials: Annotated[str | None, AfterValidator(_checkFile), Expected("the path of a file")] = None
    """A credentials file, as `nsc` makes it."""
    token_file: Annotated[str | None, AfterValidator(_checkFile), Expected("the path of a file")] = None
    """A file with the token that the engine asks for."""
    ca: Annotated[str | None, AfterValidator(_checkFile), Expected("the path of a file")] = None
    """A PEM file with the authorities that sign the engine's certificate; by default those of the system."""
    replicas: Literal[1, 3, 5] = 1
    """On how many of the engine's servers each line is kept."""
    keep: Annotated[
        PositiveSeconds, AfterValidator(partial(_atLeast, 10)), Expected("a duration of at least 10 s")
    ] = 24 * 3600.0
    """Seconds for which the engine keeps a line: for newcomers, and for a node that was away."""
    keep_bytes: Annotated[
        Size, AfterValidator(partial(_atLeast, 2 * 1024 * 1024)), Expected("a size of at least 2 MiB")
    ] = 256 * 1024 * 1024
    """Bytes of lines that it keeps; then the oldest go."""
    queue: Annotated[int, Field(ge=1)] = 10_000
    """Lines of one room that wait while the engine is away. One more is told to members here only."""
    queue_bytes: Size = 1024 * 1024
    """Bytes of them, with 100 for each line; all rooms together have 64 times as much."""


class FileTable(Table):
    """The whole file."""

    server: ServerTable = ServerTable()
    rooms: RoomsTable | None = None
    console: ConsoleTable | None = None
    service: Annotated[
        tuple[ServiceTable, ...],
        Field(min_length=1, strict=False),
        Expected("at least one [[service]]"),
    ]
