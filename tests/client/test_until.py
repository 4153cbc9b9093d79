"""What makes an answer whole, however it comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.client import until as module
from socklab.client.until import TooMuch, Until

pieces = st.lists(st.lists(st.sampled_from(b"ab\r\n")).map(bytes))


@given(pieces)
def test_lines(data: list[bytes]) -> None:
    """A line ends with LF, and is given with it; what is left has none."""
    until = Until("line")
    answers = [answer for piece in data for answer in until.feed(piece)]
    rest = until.rest()
    assert b"".join([*answers, rest]) == b"".join(data)
    assert all(each.count(b"\n") == 1 and each.endswith(b"\n") for each in answers)
    assert b"\n" not in rest


@given(pieces, st.integers(1, 5))
def test_bytes(data: list[bytes], number: int) -> None:
    """Each answer has as many bytes as were said."""
    until = Until("bytes", number)
    answers = [answer for piece in data for answer in until.feed(piece)]
    rest = until.rest()
    assert b"".join([*answers, rest]) == b"".join(data)
    assert all(len(each) == number for each in answers)
    assert len(rest) < number


@given(pieces)
def test_messages(data: list[bytes]) -> None:
    """Each message is one, an empty one too."""
    until = Until("message")
    assert [answer for piece in data for answer in until.feed(piece)] == data


@pytest.mark.parametrize("kind", ["idle", "eof"])
def test_no_end_within(kind: module.Kind) -> None:
    """Silence and the end are not in the bytes."""
    until = Until(kind)
    assert [*until.feed(b"a\n"), *until.feed(b"b")] == []
    assert until.rest() == b"a\nb"
    assert not until.hasBegun


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without an end is bounded."""
    monkeypatch.setattr(module, "ANSWER", 10)
    until = Until("line")
    with pytest.raises(TooMuch):
        [*until.feed(b"x" * 11)]
