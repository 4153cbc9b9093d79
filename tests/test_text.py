"""Text of peers made fit for people; durations and sizes as operators write them; texts with fields."""

from __future__ import annotations

import ast
import re
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socklab.quantities import seconds, size
from socklab.template import Template, checkFields
from socklab.text import hexadecimal, isPrintable, printable, quoted

CONTROLS = {
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
} - {"\t"}
"""C0 but TAB, DEL, C1, and the bidi controls."""

NFD = unicodedata.normalize("NFD", "안녕")
ZWJ = "👩\u200d👩\u200d👧\u200d👦"
WORDS = [
    "안녕하세요",
    NFD,
    ZWJ,
    "a\tb",
    "\u2028",
    "\u2029",
    "e\u0301",
    "\u200e\u200f\u00ad\ufeff",
    "שלום",
    "�",
    "€ß",
]

# Hypothesis alone would meet a control of the upper planes' crowd too rarely.
texts = st.text() | st.text(st.sampled_from([*sorted(CONTROLS), *'\ta\\x1b"안\u2028']))


class TestPrintable:
    """What a peer says, for other peers' terminals."""

    def test_every_code_point(self) -> None:
        """Exactly the controls become U+FFFD, each of them one; all else of Unicode stays."""
        everything = "".join(chr(code) for code in range(sys.maxunicode + 1))
        expected = "".join("�" if char in CONTROLS else char for char in everything)
        assert printable(everything) == expected

    @given(texts)
    def test_any_text(self, text: str) -> None:
        """The length stays, and so does every other character."""
        result = printable(text)
        assert result == "".join("�" if char in CONTROLS else char for char in text)
        assert isPrintable(text) == CONTROLS.isdisjoint(text)
        assert printable(result) == result

    @pytest.mark.parametrize("text", WORDS, ids=ascii)
    def test_text_of_any_script(self, text: str) -> None:
        """Korean, composed or not, joined emoji, TAB and even the line separator stay as they are."""
        assert printable(text) == text
        assert isPrintable(text)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[31mred", "�[31mred"),
            ("one\r\ntwo", "one��two"),
            ("\x00\x7f\x85\x9b", "����"),
            ("\u202eevil\u202c", "�evil�"),
            ("\u2066a\u2069", "�a�"),
        ],
    )
    def test_controls(self, text: str, shown: str) -> None:
        """Nothing moves a cursor, ends a line or turns text around."""
        assert printable(text) == shown
        assert not isPrintable(text)


class TestQuoted:
    """What a peer sent, on one line of the log."""

    @pytest.mark.parametrize(
        ("data", "shown"),
        [
            (b"", '""'),
            (b"hello\r\n", r'"hello\r\n"'),
            (b'say "hi"\t\\', r'"say \"hi\"\t\\"'),
            (b"\x00\x1b[0m\x7f", r'"\x00\x1b[0m\x7f"'),
            ("안녕, 세상".encode(), '"안녕, 세상"'),
            (NFD.encode(), f'"{NFD}"'),
            (ZWJ.encode(), f'"{ZWJ}"'),
            (b"\xff\xfe", r'"\xff\xfe"'),
            (b"a\xffb\x80c", r'"a\xffb\x80c"'),
            ("안".encode()[:2], r'"\xec\x95"'),
            ("안".encode()[:2] + b"!" + "녕".encode(), r'"\xec\x95!녕"'),
            (b"\xed\xa0\x80", r'"\xed\xa0\x80"'),
            (b"\xc2\x80", r'"\u0080"'),
            ("\u2028\u2029\u202e".encode(), r'"\u2028\u2029\u202e"'),
            (rb"\x80", r'"\\x80"'),
        ],
    )
    def test_bytes(self, data: bytes, shown: str) -> None:
        """Text is readable, controls are escaped, and what is no text stands as bytes."""
        assert quoted(data) == shown

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("안녕\n", r'"안녕\n"'),
            ('"', r'"\""'),
            ("\x1b\x85\u2066", r'"\x1b\u0085\u2066"'),
            (r"\x80", r'"\\x80"'),
        ],
    )
    def test_text(self, text: str, shown: str) -> None:
        """Text is quoted as its UTF-8 would be."""
        assert quoted(text) == shown == quoted(text.encode())

    @pytest.mark.parametrize(
        "encoding", ["utf-8", "ascii", "latin-1", "cp949", "euc-kr", "shift_jis", "johab", "big5"]
    )
    @given(data=st.binary())
    def test_any_bytes_on_one_line(self, encoding: str, data: bytes) -> None:
        """No bytes make a control or a second line, in any encoding."""
        line = quoted(data, encoding)
        assert CONTROLS.isdisjoint(line)
        assert "\t" not in line
        assert len(line.splitlines()) == 1
        assert line[0] == line[-1] == '"'

    @given(texts)
    def test_any_text_on_one_line(self, text: str) -> None:
        """No text makes a control or a second line, and what is printable otherwise is not touched."""
        line = quoted(text)
        assert CONTROLS.isdisjoint(line)
        assert len(line.splitlines()) == 1
        if isPrintable(text) and not set(text) & set('\t"\\\u2028\u2029'):
            assert line == f'"{text}"'

    @given(st.binary() | texts.map(str.encode))
    @example(b"\x80")
    @example(b"\xc2\x80")
    @example(rb"\x80")
    @example(b"\xed\xb2\x80")
    @example(b"\\\x80\\\\x80\x1b")
    def test_nothing_is_lost(self, data: bytes) -> None:
        """From the line one can tell the bytes, all of them."""
        # The line is Python's own notation, but that \xNN is a byte.
        line = ast.literal_eval(
            re.sub(r"\\(.)", lambda each: r"\udc" if each[1] == "x" else each[0], quoted(data))
        )
        low = {0xDC00 + code: code for code in range(0x80)}
        assert line.translate(low).encode("utf-8", "surrogateescape") == data

    def test_other_encoding(self) -> None:
        """What a peer of another encoding sends is read in that."""
        assert quoted("안녕".encode("cp949"), "cp949") == '"안녕"'
        assert quoted("안".encode("cp949")) == r'"\xbe\xc8"'
        assert quoted(b"\xbe\xc8\xff!", "cp949") == r'"안\xff!"'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"Hi\n", "48 69 0a |Hi.|"),
        (b"", " ||"),
        ("안".encode(), "ec 95 88 |...|"),
        (b"\x1b~\x7f |", "1b 7e 7f 20 7c |.~. ||"),
    ],
)
def test_hexadecimal(data: bytes, shown: str) -> None:
    """Bytes in hexadecimal, and beside them what of it is ASCII."""
    assert hexadecimal(data) == shown


@given(st.binary())
def test_hexadecimal_of_any_bytes(data: bytes) -> None:
    """Whatever bytes they are, the line is printable ASCII, and they can be read from it."""
    line = hexadecimal(data)
    assert line.isascii()
    assert line.isprintable()
    assert bytes.fromhex(line[: len(data) * 3]) == data


class TestSeconds:
    """Durations."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, 0.0),
            (5, 5.0),
            (0.5, 0.5),
            ("250ms", 0.25),
            ("1 s", 1.0),
            ("1.5m", 90.0),
            ("2h", 7200.0),
            ("0s", 0.0),
            ("0.1s", 0.1),
            ("100ms", 0.1),
        ],
    )
    def test_good(self, value: object, expected: float) -> None:
        """A number is seconds; a text has its unit."""
        result = seconds(value)
        assert (result, type(result)) == (expected, float)

    @pytest.mark.parametrize(
        "value",
        [
            *(-1, -0.1, float("inf"), float("nan"), 10**400, 1e300, True, False, None, [], {}, b"1s"),
            *("", "5", "s", "5 ", " 5s", "5s ", "5  s", "5s\n", "-5s", "+5s", "5S", "5sec", "5d", "1e3s", ".5s"),
            *("5.s", "5,5s", "1_0s", "٥s", "５s", "inf s", "9" * 400 + "s", "1.2.3s", "5MB"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_bad(self, value: object) -> None:
        """Anything else is an error, and no other than ValueError."""
        with pytest.raises(ValueError):  # noqa: PT011
            seconds(value)


class TestSize:
    """Sizes."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, 0),
            (65536, 65536),
            ("1B", 1),
            ("1kB", 1000),
            ("64KiB", 65536),
            ("64 KiB", 65536),
            ("1MB", 1_000_000),
            ("1MiB", 1_048_576),
            ("2GB", 2_000_000_000),
            ("2GiB", 2_147_483_648),
            ("1.5KiB", 1536),
            ("2.01kB", 2010),
            ("16.1kB", 16_100),
            ("0.000001MB", 1),
            ("9007199254740993B", 9_007_199_254_740_993),
        ],
    )
    def test_good(self, value: object, expected: int) -> None:
        """A number is bytes; a text has its unit, and may have a fraction that makes whole bytes."""
        result = size(value)
        assert (result, type(result)) == (expected, int)

    @given(st.integers(0, 10**9), st.sampled_from([("kB", 3), ("MB", 6), ("GB", 9)]))
    def test_exact(self, count: int, unit: tuple[str, int]) -> None:
        """Whole bytes written as a decimal fraction of any unit are that many."""
        name, digits = unit
        whole, rest = divmod(count, 10**digits)
        assert size(f"{whole}.{rest:0{digits}}{name}") == count

    @pytest.mark.parametrize(
        "value",
        [
            *(-1, 1.0, 0.5, float("inf"), True, False, None, [], {}, b"1B"),
            *(
                "",
                "5",
                "B",
                "5b",
                "5K",
                "5k",
                "5KB",
                "5kb",
                "5Kib",
                "5 ",
                " 5B",
                "5B ",
                "5  B",
                "5B\n",
                "-5B",
                "1e3B",
            ),
            *("1.5B", "0.1KiB", "1.0005kB", "٥B", "５B", "9" * 400 + "B", "5TB", "5s"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_bad(self, value: object) -> None:
        """Anything else is an error, and no other than ValueError."""
        with pytest.raises(ValueError):  # noqa: PT011
            size(value)


KNOWN = {"request", "count"}
EXPECTED = "reply: expected text with the fields {count}, {request}: "


class TestFields:
    """Texts with fields."""

    @pytest.mark.parametrize(
        "text",
        ["", "plain", "{request}", "{count}: {request}{count}", "{{}}", "{{request}}", "안녕 {request}", "a\nb"],
    )
    def test_good(self, text: str) -> None:
        """Known fields, any number of times, and doubled braces."""
        checkFields("reply", text, KNOWN)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("{reqest}", "there is no field {reqest}"),
            ("{}", "there is no field {}"),
            ("{0}", "there is no field {0}"),
            ("{ count }", "there is no field { count }"),
            ("{count} {nope}", "there is no field {nope}"),
            ("{request.__class__}", "there is no field {request.__class__}"),
            ("{request[0]}", "there is no field {request[0]}"),
            ("{request!r}", "there is no field {request!r}"),
            ("{count:>5}", "there is no field {count:>5}"),
            ("{count:{request}}", "there is no field {count:{request}}"),
            ("{count!s:5}", "there is no field {count!s:5}"),
            ("{", "Single '{' encountered in format string"),
            ("}", "Single '}' encountered in format string"),
            ("{request", "expected '}' before end of string"),
            ("{request!}", None),
        ],
    )
    def test_bad(self, text: str, fault: str | None) -> None:
        """An unknown field, Python's further notation, or an odd brace is an error that names the option."""
        with pytest.raises(ValueError, match=r"^reply: ") as raised:
            checkFields("reply", text, KNOWN)
        assert str(raised.value).startswith(EXPECTED)
        if fault is not None:
            assert str(raised.value) == EXPECTED + fault

    def test_template_checks_too(self) -> None:
        """A Template of a bad text cannot be made."""
        with pytest.raises(ValueError, match=r"there is no field"):
            Template("reply", "{nope}", KNOWN)

    @given(st.binary(), st.integers())
    def test_bytes_as_they_are(self, request: bytes, count: int) -> None:
        """Bytes are filled in exact, whatever braces or encoding are in them; a number as its digits."""
        template = Template("reply", "{{{count}}} 안녕 {request}{request}", KNOWN)
        expected = "{%d} 안녕 ".encode() % count + request + request
        assert template.render("utf-8", {"request": request, "count": count}.__getitem__) == expected

    def test_what_the_encoding_lacks(self) -> None:
        """Text is encoded, and a character that the encoding lacks becomes `?`."""
        template = Template("reply", "안녕 {request} 👋 {count}", KNOWN)
        values = {"request": b"\xff", "count": "한👋"}
        assert template.render("cp949", values.__getitem__) == "안녕 ".encode("cp949") + b"\xff ? " + "한?".encode(
            "cp949"
        )
        assert template.render("ascii", values.__getitem__) == b"?? \xff ? ??"
