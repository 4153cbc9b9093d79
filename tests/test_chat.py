"""Line chat: rooms, names and encodings, in memory."""

from __future__ import annotations

import pytest

from socklab.protocols.chat import ChatFactory
from socklab.testing import MemoryServer


def test_rooms_are_counted() -> None:
    """One room more than max_rooms is not opened; the lobby is always open, and who is alone may move on."""
    server = MemoryServer(ChatFactory(max_rooms=2, announce=False))
    first, second = server.tcp(), server.tcp()
    first.say("/join den")
    second.say("/join third")
    assert second.hear() == ["! there are 2 rooms already"]
    first.say("/join cave")
    second.say("/join cave")
    assert first.hear() == ["* you are in den now", "* you are in cave now"]
    assert second.hear() == ["* you are in cave now"]
    newcomer = server.tcp()
    newcomer.say("/rooms")
    assert newcomer.hear() == ["* rooms: cave (2), lobby (1)"]


def test_history() -> None:
    """A newcomer is shown the last lines, notices not among them; the lobby remembers them while it is empty."""
    server = MemoryServer(ChatFactory(history=2))
    speaker = server.tcp()
    for text in ("one", "two", "/me waves"):
        speaker.say(text)
    speaker.finish()
    assert server.websocket().hear() == ["user1: two", "* user1 waves"]


def test_greeting() -> None:
    """A greeting comes first, in as many lines as it has."""
    peer = MemoryServer(ChatFactory(greeting="안녕\nhello", history=1)).tcp()
    assert peer.hear() == ["안녕", "hello"]


def test_encodings() -> None:
    """Members of different encodings read the same text; what an encoding lacks becomes `?`."""
    server = MemoryServer(ChatFactory(announce=False, format="{text}"))
    korean, western, page = server.tcp(encoding="cp949"), server.tcp(encoding="latin-1"), server.websocket()
    korean.say("한글")
    western.say("café")
    page.say("👋 €")
    assert page.hear() == ["한글", "café"]
    assert korean.receive() == b"caf?\n? " + "€".encode("cp949") + b"\n"
    assert western.receive() == b"??\n? ?\n"


def test_bytes_that_are_no_text() -> None:
    """Bytes that are no text in a listener's encoding reach the others as U+FFFD, never as a broken frame."""
    server = MemoryServer(ChatFactory(announce=False, format="{text}"))
    speaker, page = server.tcp(), server.websocket()
    speaker.send(b"a\xffb\xed\xa0\x80\n")
    assert page.hear() == ["a\ufffdb\ufffd\ufffd\ufffd"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("", "! say which NAME"),
        ("two words", "! a name begins with a letter or digit, and has no spaces or controls"),
        ("*", "! a name begins with a letter or digit, and has no spaces or controls"),
        ("a\x1b[0m", "! a name begins with a letter or digit, and has no spaces or controls"),
        ("a\u202eb", "! a name begins with a letter or digit, and has no spaces or controls"),
        ("x" * 33, "! a name has at most 32 characters"),
        ("USER2", "! somebody is called USER2 already"),
        ("x" * 32, "* you are " + "x" * 32 + " now"),
        ("User1", "* you are User1 now"),
    ],
)
def test_names(name: str, answer: str) -> None:
    """A name can be read by all, and is nobody else's, however it is written."""
    server = MemoryServer(ChatFactory())
    member = server.tcp()
    server.tcp()
    member.hear()
    member.say(f"/nick {name}")
    assert member.hear() == [answer]


def test_names_that_look_alike() -> None:
    """A name in another Unicode form is the same name."""
    server = MemoryServer(ChatFactory(announce=False))
    first, second = server.tcp(), server.tcp()
    first.say("/nick 가")
    second.say("/nick \u1100\u1161")
    assert second.hear() == ["! somebody is called \u1100\u1161 already"]


def test_name_is_free_again() -> None:
    """The name of who has gone can be taken; numbers are not given twice."""
    server = MemoryServer(ChatFactory(announce=False))
    first = server.tcp()
    first.say("/nick kim")
    first.finish()
    second = server.tcp()
    second.say("/who")
    second.say("/nick kim")
    assert second.hear() == ["* in lobby: user2 (you)", "* you are kim now"]


@pytest.mark.parametrize("format_", ["{nick}", "{text}", "{room}/{nick}: {text} {{}}"])
def test_format(format_: str) -> None:
    """A line is relayed in the operator's form, whatever braces members use."""
    server = MemoryServer(ChatFactory(format=format_, announce=False))
    speaker, listener = server.tcp(), server.tcp()
    speaker.say("{room} {0} {{")
    wanted = format_.format(nick="user1", room="lobby", text="{room} {0} {{")
    assert listener.hear() == [wanted]


@pytest.mark.parametrize("format_", ["{nik}", "{nick.__class__}", "{", "{text!r}", "{text:>5}", "a\nb", "a\r"])
def test_formats_that_make_no_sense(format_: str) -> None:
    """A form with unknown fields, or of more than one line, is refused at the start."""
    with pytest.raises(ValueError, match="format: "):
        ChatFactory(format=format_)
