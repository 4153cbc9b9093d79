"""What the options of commands take: addresses, transports, durations, sizes, rates, encodings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from ..client.address import Address
    from ..client.until import Until


class AddressKind(click.ParamType["Address"]):
    """`tcp://host:port` and its like."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read it."""
        from ..client.address import AddressError, parse

        try:
            return parse(value)
        except AddressError as error:
            self.fail(str(error), param, ctx)


class TransportKind(click.Choice[str]):
    """A transport by the config's word; for WebSocket that of records and the log means the same."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        return super().convert("ws" if value == "websocket" else value, param, ctx)


class DurationKind(click.ParamType["float"]):
    """`5`, `0.5` or `250ms`; seconds without a unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        return value if isinstance(value, float) else duration(value, self, param, ctx)


class SizeKind(click.ParamType["int"]):
    """`4096` or `64KiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        from ..quantities import size

        if isinstance(value, int):
            return value
        try:
            found = size(int(value) if re.fullmatch(r"[0-9]{1,18}", value) else value)
        except ValueError:
            found = 0
        if not found:
            self.fail(f'expected a size above 0 such as 4096 or "64KiB", got {value!r}', param, ctx)
        return found


class RateKind(click.ParamType["float"]):
    """`100/s` or `30/m`; seconds from one to the next."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|m|h)", value)
        if match is None or not float(match[1]):
            self.fail(f"expected a rate such as 100/s or 30/m, got {value!r}", param, ctx)
        return float({"s": 1, "m": 60, "h": 3600}[match[2]] / float(match[1]))


class UntilKind(click.ParamType["Until"]):
    """What makes an answer whole."""

    name = "until"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Until:
        """Read it."""
        from ..client.until import Until

        if isinstance(value, Until):
            return value
        if value in ("line", "message", "eof"):
            return Until(value)
        if number := re.fullmatch(r"([1-9][0-9]{0,8})( ?bytes)?", value):
            return Until("bytes", int(number[1]))
        if value == "idle" or value.startswith("idle="):
            return Until("idle", seconds=duration(value.partition("=")[2] or "300ms", self, param, ctx))
        expected = "expected line, message, eof, idle, idle=SECONDS or a number of bytes"
        raise click.BadParameter(f"{expected}, got {value!r}", ctx, param)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the words."""
        return _beginning(("line", "message", "eof", "idle"), incomplete)


class PatternKind(click.ParamType["re.Pattern[str]"]):
    """A regular expression."""

    name = "regex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> re.Pattern[str]:
        """Read it."""
        try:
            return re.compile(value, re.MULTILINE)
        except re.error as error:
            self.fail(f"this is no regular expression: {error}", param, ctx)


class EncodingKind(click.ParamType["str"]):
    """An encoding that Python knows."""

    name = "encoding"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        try:
            # Those that are no encodings of text, as base64, are no use.
            "".encode(value)
        except LookupError:
            self.fail(f"there is no encoding {value!r}; some are utf-8, cp949, euc-kr, latin-1", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer those that are likely."""
        return _beginning(("utf-8", "cp949", "euc-kr", "latin-1", "utf-16"), incomplete)


class HeaderKind(click.ParamType["tuple[str, str]"]):
    """`Name: value`."""

    name = "header"
    _OWN = ("host", "upgrade", "connection", "origin", "user-agent", "content-length", "transfer-encoding")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        # RFC 9110, 5.5 and 5.6.2: nothing in it can begin another line.
        match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)", value)
        if match is None:
            self.fail(f'expected "Name: value", got {value!r}', param, ctx)
        if match[1].lower() in self._OWN or match[1].lower().startswith("sec-websocket-"):
            self.fail(f"the handshake says {match[1]} itself", param, ctx)
        return match[1], match[2]


def duration(
    value: Any, kind: click.ParamType[Any], param: click.Parameter | None, ctx: click.Context | None
) -> float:
    """Read a duration: seconds, or with a unit."""
    from ..quantities import seconds

    try:
        return seconds(float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) else value)
    except ValueError:
        kind.fail(f"expected a duration such as 5, 0.5 or 250ms, got {value!r}", param, ctx)


def _beginning(words: Sequence[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(each) for each in words if each.startswith(incomplete)]
