"""What the server says is said in each language of the page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import socklab
from socklab.client import End
from socklab.console.texts import ENGLISH, Wrong, reason

HOME = Path(socklab.__file__).parent
KOREAN = json.loads((HOME / "console" / "page" / "ko.json").read_text("utf-8"))

# By what is called, where it is said why: the number of the argument.
SAID = {
    "cut": 0,
    "_cut": 0,
    "_overflow": 0,
    "closing": 1,
    "dropped": 1,
    "Refusal": 1,
    "Foreign": 0,
    "FramingError": 0,
    "TooLong": 0,
    "RuleError": 1,
    "AddressError": 0,
    "SendError": 0,
    "ConnectError": 1,
    "End": 1,
    "_fail_connection": 1,
}
# What nobody sees in the page: its client has no WebSocket, source port or files, `exchange` is of the terminal.
ELSEWHERE = {"websocket.py", "tls.py", "exchange.py"}
# What stands for words and not for a value, by its name.
EXAMPLES = {"how": "closed", "said": "code 7", "hint": "; expected 7", "tls": "; if it speaks TLS, say 7"}
PLACES = ("transports", "policy", "framing.py", "client")


def values(text: str) -> set[str]:
    """Give the names that stand for values in a text."""
    return set(re.findall(r"\{(\w+)\}", text))


def test_languages() -> None:
    """Both languages have the same texts, with the same values; none is empty, and Korean is Korean."""
    assert ENGLISH.keys() == KOREAN.keys()
    for code, text in ENGLISH.items():
        assert values(text) == values(KOREAN[code]), code
        assert KOREAN[code] == text or re.search("[가-힣]", KOREAN[code]), code


def test_codes() -> None:
    """Each code that the console names has a text, and each text but those of other parts is named."""
    source = "".join(each.read_text() for each in (HOME / "console").glob("*.py"))
    named = set(re.findall(r'"((?:not|did|why)-[a-z0-9-]+)"', source))
    named |= {f"not-{kind}-again" for kind in ("ban", "mute")} | {f"not-a-{kind}" for kind in ("ban", "mute")}
    named |= {f"did-{verb}{kind}" for kind in ("ban", "mute") for verb in ("", "end-")}
    assert named - ENGLISH.keys() == set()
    assert {code for code in ENGLISH if not code.startswith("why-")} - named == {"plain"}


def spoken() -> Iterator[tuple[str, str]]:
    """Give where something is said, and an example of it: 7 stands for each value."""
    files = [
        each for place in PLACES for each in ([HOME / place] if ".py" in place else (HOME / place).rglob("*.py"))
    ]
    for path in files:
        if path.parent.name == "client" and path.name in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name not in SAID or len(node.args) <= SAID[name]:
                continue
            argument = node.args[SAID[name]]
            text = example(argument)
            if text is None:
                continue
            if name == "End":
                text = str(End(getattr(node.args[0], "value", "us"), text))
            where = f"{path.relative_to(HOME)}:{node.lineno}"
            if name == "_fail_connection":
                text = f"{text} (7)"
            if name == "_overflow":
                text = f"it did not read: {text}"
            yield where, text


def example(node: ast.expr) -> str | None:
    """Give an example of what a literal with words of its own gives."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and any(
        isinstance(each, ast.Constant) and re.search("[a-z]", each.value) for each in node.values
    ):
        return "".join(map(part, node.values))
    return None


def part(node: ast.expr) -> str:
    """Give an example of a part of an f-string."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    return EXAMPLES.get(getattr(node.value, "id", ""), "7")


def test_reasons() -> None:
    """Whatever another part says of why, the page can say in each language, with its values."""
    found = [*spoken()]
    assert len(found) > 70
    unknown = [(where, text) for where, text in found if reason(text).code == "plain"]
    assert unknown == []
    for _, text in found:
        assert str(reason(text)) == text


@pytest.mark.parametrize(
    ("text", "code", "values"),
    [
        ("silent for 0.5 s", "why-silent", {"seconds": "0.5"}),
        ("3 connections of 2001:db8::/64", "why-address-full", {"count": "3", "who": "2001:db8::/64"}),
        (
            "a message in more than 9 fragments (1008)",
            "why-websocket",
            {"code": "1008", "why": {"code": "why-fragments", "values": {"count": "9"}}},
        ),
        (
            "this is an HTTP request, and the port speaks lines over TCP: for browsers listen on ws:",
            "why-foreign-http",
            {"spoken": {"code": "why-lines", "values": {}}, "over": "TCP"},
        ),
        (
            "this is a WebSocket handshake, and the port speaks int16 messages over TLS: listen on ws:",
            "why-foreign-websocket",
            {"spoken": {"code": "why-integers", "values": {"bits": "16"}}, "over": "TLS"},
        ),
        (
            "this is a TLS hello, and the port speaks plain netstrings: connect without TLS, or listen on ssl:",
            "why-foreign-tls",
            {"spoken": {"code": "plain", "values": {"text": "netstrings"}}},
        ),
        ("what an author says\nin two lines", "plain", {"text": "what an author says\nin two lines"}),
        ("", "plain", {"text": ""}),
    ],
)
def test_reason(text: str, code: str, values: dict[str, object]) -> None:
    """A reason is known again by its form; what is of no form passes as it is."""
    assert reason(text).told() == {"code": code, "values": values}
    assert str(reason(text)) == text


def test_long() -> None:
    """A reason that quotes much of a peer is looked at quickly, and shortened."""
    assert len(str(reason("x (" * 10_000 + ")"))) < 400
    assert str(Wrong("not-room", service="chat", room="{x}")) == "chat has no room {x}"
