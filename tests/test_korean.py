"""Text of every kind, cut wherever a network may cut it, reaches each transport as the same text. In memory."""

from __future__ import annotations

import pytest

from socklab.protocols.chat import ChatFactory
from socklab.testing import MemoryServer

TEXTS = {
    "syllables": "안녕하세요, 세계!",
    "jamo, decomposed (NFD)": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "compatibility jamo": "ㅋㅋㅋ ㅠㅠ",
    "old letters": "\u1102\u119e\u1105\u1161\u1112",
    "hanja": "大韓民國 萬歲",
    "hanja beyond the BMP": "\U00020bb7\U0002a6b2",
    "mixed": "3월 1일 (토) — ‘대한’ Korea №1",
    "emoji": "👋🏽 안녕",
    "joined emoji (ZWJ)": "👩‍👩‍👧‍👦 가족",
    "flags": "🇰🇷🇰🇵",
    "right to left": "שלום 안녕 سلام",
    "ideographic space and width": "가\u3000나\uff01\uff21",
    "combining marks": "e\u0301 a\u0308 o\u0323\u0302",
}
"""What has neither line ends nor controls: it comes as it was sent."""

REPLACED = {
    "next line (U+0085)": ("가\u0085나", "가\ufffd나"),
    "bidi override": ("가\u202e나", "가\ufffd나"),
    "isolate": ("\u2066가\u2069", "\ufffd가\ufffd"),
    "escape": ("\x1b[31m가", "\ufffd[31m가"),
}
"""What would reach a terminal as more than text."""


def heardOf(text: str, encoding: str = "utf-8") -> set[tuple[str, ...]]:
    """Say a line, cut at each byte in turn, over TCP; give what members by TCP, WebSocket and UDP each hear."""
    server = MemoryServer(ChatFactory(format="{text}", announce=False))
    speaker = server.tcp(encoding=encoding)
    members = [server.tcp(), server.websocket(), server.udp(), server.tcp(encoding=encoding)]
    members[2].say("hello")
    for each in members:
        each.hear()
    line = text.encode(encoding) + b"\n"
    for cut in range(1, len(line)):
        speaker.send(line[:cut])
        speaker.send(line[cut:])
    heard = [each.hear() for each in members]
    assert {len(each) for each in heard} == {len(line) - 1}
    return set(zip(*heard, strict=True))


@pytest.mark.parametrize("name", TEXTS)
def test_utf8(name: str) -> None:
    """Each byte of it may begin another segment."""
    text = TEXTS[name]
    assert heardOf(text) == {(text,) * 4}


@pytest.mark.parametrize("encoding", ["euc-kr", "cp949", "johab"])
def test_other_encodings(encoding: str) -> None:
    """A listener for another encoding reads and writes that; all others have UTF-8."""
    text = TEXTS["syllables"]
    assert heardOf(text, encoding) == {(text,) * 4}


@pytest.mark.parametrize("name", REPLACED)
def test_controls(name: str) -> None:
    """What is no text is replaced, for all alike."""
    said, heard = REPLACED[name]
    assert heardOf(said) == {(heard,) * 4}


def test_separator() -> None:
    """U+2028 ends no line: only LF does."""
    assert heardOf("가\u2028나") == {("가\u2028나",) * 4}
