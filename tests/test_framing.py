"""Framings: whatever pieces the network makes of a stream, the messages in it come out whole, or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.framing import (
    FRAMINGS,
    LINE,
    MESSAGE,
    CrLines,
    Framing,
    FramingError,
    Int8,
    Int16,
    Int32,
    Lines,
    Netstring,
    Raw,
    TooLong,
)

BOUNDED = {name: make for name, make in FRAMINGS.items() if name != "raw"}
COUNTED = {name: make for name, make in BOUNDED.items() if name not in ("lines", "cr")}

everyFraming = pytest.mark.parametrize("make", FRAMINGS.values(), ids=FRAMINGS)
everyBounded = pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED)
everyCounted = pytest.mark.parametrize("make", COUNTED.values(), ids=COUNTED)

# Many LF, CR, digits, colons and commas among them: what framings are made of.
payloads = st.binary(max_size=300) | st.lists(st.sampled_from(b"\r\n0123:,ab\xff")).map(bytes)


def fed(framing: Framing, pieces: Iterable[bytes]) -> list[bytes]:
    """Feed pieces, and give all messages."""
    return [message for piece in pieces for message in framing.feed(piece)]


def untilFault(messages: Callable[[], Iterator[bytes]]) -> tuple[list[bytes], FramingError | None]:
    """Give the messages before the fault, and the fault."""
    got: list[bytes] = []
    try:
        got.extend(iter(messages()))
    except FramingError as error:
        return got, error
    return got, None


def outcome(framing: Framing, pieces: Iterable[bytes]) -> tuple[list[bytes], type[FramingError] | None]:
    """Feed pieces up to the first fault and finish: give what came of it."""
    got: list[bytes] = []
    try:
        for piece in pieces:
            for message in framing.feed(piece):
                got.append(message)
        for message in framing.finish():
            got.append(message)
    except FramingError as error:
        return got, type(error)
    return got, None


def bytewise(data: bytes) -> list[bytes]:
    """Give each byte as a piece."""
    return [data[i : i + 1] for i in range(len(data))]


def everySplit(data: bytes) -> Iterator[list[bytes]]:
    """Give the whole, each split in two, and each byte alone."""
    yield [data]
    yield from ([data[:i], data[i:]] for i in range(1, len(data)))
    yield bytewise(data)


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Any pieces of some bytes, none of them empty."""
    cuts = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8))
    ends = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(ends) if a < b]


def wire(framing: Framing, messages: Iterable[bytes]) -> bytes:
    """Frame messages one behind the other."""
    return b"".join(framing.frame(message) for message in messages)


class TestLaw:
    """What `frame` gave, fed in any pieces, gives exactly the payload, or `frame` had refused it."""

    @everyBounded
    @given(data=st.data())
    def test_one_message(self, make: type[Framing], data: st.DataObject) -> None:
        """One message comes back, however it is split."""
        payload = data.draw(payloads)
        try:
            framed = make().frame(payload)
        except FramingError:
            return
        framing = make()
        assert fed(framing, data.draw(splits(framed))) == [payload]
        assert list(framing.finish()) == []

    @everyBounded
    @given(data=st.data())
    def test_many_messages(self, make: type[Framing], data: st.DataObject) -> None:
        """Messages one behind the other come back in order, however they are split, and one framing does all."""
        good = []
        framing = make()
        for payload in data.draw(st.lists(payloads, max_size=6)):
            try:
                framing.frame(payload)
            except FramingError:
                continue
            good.append(payload)
        assert fed(framing, data.draw(splits(wire(framing, good)))) == good
        assert list(framing.finish()) == []

    @given(data=st.data())
    def test_raw(self, data: st.DataObject) -> None:
        """Raw gives what each read brought, and frames nothing: the bytes are exact."""
        payload = data.draw(st.binary(min_size=1, max_size=300))
        pieces = data.draw(splits(payload))
        assert fed(Raw(), pieces) == pieces
        assert Raw().frame(payload) == payload
        assert list(Raw().finish()) == []

    @everyBounded
    @given(data=st.data())
    def test_garbage(self, make: type[Framing], data: st.DataObject) -> None:
        """Any bytes at all give messages or FramingError, the same ones however they are split."""
        garbage = data.draw(payloads)
        assert outcome(make(20), data.draw(splits(garbage))) == outcome(make(20), [garbage])

    @everyBounded
    @given(data=st.data())
    def test_no_message_exceeds_the_limit(self, make: type[Framing], data: st.DataObject) -> None:
        """No message is longer than allowed, whatever comes."""
        messages, _ = outcome(make(5), data.draw(splits(data.draw(payloads))))
        assert all(len(message) <= 5 for message in messages)

    @everyFraming
    def test_empty_read_before_anything(self, make: type[Framing]) -> None:
        """A new framing owes nothing."""
        assert list(make().finish()) == []


class TestEverySplit:
    """At every split point, with more behind it."""

    @everyCounted
    @pytest.mark.parametrize(
        "messages", [[b""], [b"x"], [b"one", b"", b"12:ab,\n\r"], ["안녕".encode(), b"\0" * 9]]
    )
    def test_counted(self, make: type[Framing], messages: list[bytes]) -> None:
        """Each message comes as soon as it is whole; what is begun behind it stays for later."""
        begun = make().frame(b"later")[:-1]
        for pieces in everySplit(wire(make(), messages) + begun):
            framing = make()
            assert fed(framing, pieces) == messages
            with pytest.raises(FramingError, match=r"^the stream ended within a message$"):
                list(framing.finish())

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("messages", [[b""], [b"x"], [b"one", b"", b"a\rb"], ["안녕".encode(), b"\0" * 9]])
    def test_lines(self, end: bytes, messages: list[bytes]) -> None:
        """LF and CRLF end a line; the last line may lack its end, and comes when the stream ends."""
        for pieces in everySplit(b"".join(message + end for message in messages) + b"later"):
            framing = Lines()
            assert fed(framing, pieces) == messages
            assert list(framing.finish()) == [b"later"]
            assert list(framing.finish()) == []

    @pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
    @pytest.mark.parametrize("messages", [[b"x"], [b"one", b"two three", b"4"], ["안녕".encode(), b"\0" * 9]])
    def test_cr(self, end: bytes, messages: list[bytes]) -> None:
        """CR, LF and CRLF end a line once, wherever a read ends; the last line may lack its end."""
        for pieces in everySplit(b"".join(message + end for message in messages) + b"later"):
            framing = CrLines()
            assert fed(framing, pieces) == messages
            assert list(framing.finish()) == [b"later"]
            assert list(framing.finish()) == []

    def test_cr_at_once(self) -> None:
        """A line is there with its CR: the LF that may follow is not waited for, and an empty line is one."""
        framing = CrLines()
        assert fed(framing, [b"ATZ\r"]) == [b"ATZ"]
        assert fed(framing, [b"\nAT\r\r\n\n"]) == [b"AT", b"", b""]

    @everyBounded
    def test_as_soon_as_it_is_whole(self, make: type[Framing]) -> None:
        """A message comes with its last byte, not before and not after."""
        framing = make()
        *most, last = bytewise(framing.frame(b"now"))
        assert fed(framing, most) == []
        assert fed(framing, [last]) == [b"now"]

    @everyBounded
    def test_many_in_one_read(self, make: type[Framing]) -> None:
        """One read may bring thousands."""
        framing = make()
        messages = [b"%d" % i for i in range(5000)]
        assert list(framing.feed(wire(framing, messages))) == messages


class TestLines:
    """Lines."""

    def test_lf_out(self) -> None:
        """What goes out ends in LF."""
        assert Lines().frame("안녕".encode()) == "안녕\n".encode()
        assert Lines().frame(b"") == b"\n"

    @pytest.mark.parametrize("payload", [b"\n", b"a\nb", b"a\n", b"\r", b"a\r", b"a\r\n"])
    def test_refused(self, payload: bytes) -> None:
        """A line that holds LF or ends in CR would come out as another one: it is refused."""
        with pytest.raises(FramingError, match=r"^a line cannot hold LF or end in CR$"):
            Lines().frame(payload)

    @given(payloads)
    def test_refuses_no_more(self, payload: bytes) -> None:
        """Every other payload is a line."""
        if b"\n" not in payload and not payload.endswith(b"\r"):
            assert Lines().frame(payload) == payload + b"\n"

    @pytest.mark.parametrize(
        ("data", "lines"),
        [
            (b"\n\n", [b"", b""]),
            (b"\r\n\r\n", [b"", b""]),
            (b"a\rb\n", [b"a\rb"]),
            (b"a\r\r\n", [b"a\r"]),
            (b"\n\ra\n", [b"", b"\ra"]),
            (b"a\x0bb\x0c\x1c\xc2\x85\xe2\x80\xa8\n", [b"a\x0bb\x0c\x1c\xc2\x85\xe2\x80\xa8"]),
        ],
    )
    def test_only_lf_and_one_cr_before_it(self, data: bytes, lines: list[bytes]) -> None:
        """Nothing else ends a line, and of several CR only the last belongs to the end."""
        for pieces in everySplit(data):
            framing = Lines()
            assert fed(framing, pieces) == lines
            assert list(framing.finish()) == []

    def test_finish_takes_off_the_cr(self) -> None:
        """When the stream ends behind CR, the CR is not of the line."""
        framing = Lines()
        assert fed(framing, [b"last\r"]) == []
        assert list(framing.finish()) == [b"last"]

    def test_default_limit(self) -> None:
        """A line is at most 64 KiB, the limit called `line`; every other message 1 MiB, called `message`."""
        assert (Lines().maxLength, Lines.limit) == (LINE, "line") == (65536, "line")
        for make in COUNTED.values():
            assert (make().maxLength, make.limit) == (MESSAGE, "message") == (1048576, "message")


class TestLimit:
    """The greatest length of a message."""

    @everyBounded
    @pytest.mark.parametrize("length", [0, 1, 9, 10])
    def test_up_to_it(self, make: type[Framing], length: int) -> None:
        """A message of just the limit is given, at every split."""
        payload = b"x" * length
        for pieces in everySplit(make().frame(payload) * 2):
            assert fed(make(10), pieces) == [payload] * 2

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_line_up_to_it(self, end: bytes) -> None:
        """A line's end does not count, wherever it is split: CR may be one byte over the limit."""
        for pieces in everySplit((b"x" * 10 + end) * 2):
            assert fed(Lines(10), pieces) == [b"x" * 10] * 2

    @everyBounded
    @pytest.mark.parametrize("length", [11, 12, 200])
    def test_over_it(self, make: type[Framing], length: int) -> None:
        """One byte more is an error, at every split; the messages before it are given first."""
        before = [b"one", b"", b"three"]
        for pieces in everySplit(wire(make(), [*before, b"x" * length, b"after"])):
            assert outcome(make(10), pieces) == (before, TooLong)

    @pytest.mark.parametrize("line", [b"x" * 11 + b"\r\n", b"x" * 10 + b"\r\r\n", b"x" * 10 + b"\rx\n", b"x" * 12])
    def test_line_over_it(self, line: bytes) -> None:
        """A CR beyond the limit is allowed only as the line's end."""
        for pieces in everySplit(b"ok\n" + line):
            assert outcome(Lines(10), pieces) == ([b"ok"], TooLong)

    def test_line_ends_at_the_border(self) -> None:
        """A last line of the limit, with CR and without, is given when the stream ends."""
        for line in (b"x" * 10, b"x" * 10 + b"\r"):
            for pieces in everySplit(line):
                assert outcome(Lines(10), pieces) == ([b"x" * 10], None)

    def test_line_is_refused_at_once(self) -> None:
        """The end of a line that is too long is not waited for."""
        framing = Lines(10)
        assert fed(framing, [b"x" * 10]) == []
        with pytest.raises(TooLong, match=r"^a line of more than 10 bytes$"):
            list(framing.feed(b"x"))

    @pytest.mark.parametrize(
        ("make", "head"),
        [(Int8, b"\x0b"), (Int16, b"\x00\x0b"), (Int32, b"\x00\x00\x00\x0b"), (Netstring, b"11:")],
    )
    def test_length_is_refused_at_once(self, make: type[Framing], head: bytes) -> None:
        """A length that is too great is refused before the message comes: it is never kept."""
        framing = make(10)
        with pytest.raises(TooLong, match=r"^a message of 11 bytes, where 10 are allowed$"):
            fed(framing, bytewise(head))

    @pytest.mark.parametrize(("make", "most"), [(Int8, 255), (Int16, 65535)])
    def test_length_that_does_not_fit(self, make: type[Framing], most: int) -> None:
        """A payload whose length the prefix cannot say is refused, and one that it just can is framed."""
        framing = make()
        assert fed(framing, [framing.frame(b"x" * most)]) == [b"x" * most]
        size = framing.frame(b"")
        expected = f"^a message of {most + 1} bytes does not fit a length of {len(size)} bytes$"
        with pytest.raises(FramingError, match=expected):
            framing.frame(b"x" * (most + 1))

    def test_too_long_is_a_framing_error(self) -> None:
        """Who catches FramingError catches both."""
        assert issubclass(TooLong, FramingError)


class TestWire:
    """What counted framings look like on the wire."""

    @pytest.mark.parametrize(
        ("make", "framed"),
        [
            (Int8, b"\x05hello"),
            (Int16, b"\x00\x05hello"),
            (Int32, b"\x00\x00\x00\x05hello"),
            (Netstring, b"5:hello,"),
            (Lines, b"hello\n"),
            (CrLines, b"hello\r"),
            (Raw, b"hello"),
        ],
    )
    def test_frame(self, make: type[Framing], framed: bytes) -> None:
        """Lengths are unsigned, in network byte order; a netstring is as its inventor has it."""
        assert make().frame(b"hello") == framed

    def test_names(self) -> None:
        """A config file can name each of them."""
        expected = {
            "raw": Raw,
            "lines": Lines,
            "cr": CrLines,
            "netstring": Netstring,
            "int8": Int8,
            "int16": Int16,
            "int32": Int32,
        }
        assert expected == FRAMINGS


class TestNetstring:
    """Netstrings that are none."""

    @pytest.mark.parametrize(
        ("garbage", "message"),
        [
            (b"hello", "expected the length of a netstring, got b'hello'"),
            (b":,", "expected the length of a netstring, got b':,'"),
            (b"05:hello,", "expected the length of a netstring, got b'05:hello,'"),
            (b"-1:a,", "expected the length of a netstring, got b'-1:a,'"),
            (b" 1:a,", "expected the length of a netstring, got b' 1:a,'"),
            (b"1a:b,", "expected the length of a netstring, got b'1a:b,'"),
            (b"\n", r"expected the length of a netstring, got b'\n'"),
            (b"1234567890123", "expected the length of a netstring, got b'1234567890123'"),
            (b"1:ab", "expected b',' after the message, got b'b'"),
            (b"0:0:,", "expected b',' after the message, got b'0'"),
            (b"1:a\n", r"expected b',' after the message, got b'\n'"),
        ],
    )
    def test_refused(self, garbage: bytes, message: str) -> None:
        """A length is decimal without leading zeros, and a comma ends the netstring; what came before is given."""
        framing = Netstring()
        got, error = untilFault(lambda: framing.feed(b"2:ok," + garbage))
        assert (got, str(error)) == ([b"ok"], message)
        for pieces in everySplit(b"2:ok," + garbage):
            assert outcome(Netstring(), pieces) == ([b"ok"], FramingError)

    def test_only_the_beginning_is_shown(self) -> None:
        """The error quotes at most 20 bytes of what came."""
        _, error = untilFault(lambda: Netstring().feed(b"x" * 1000))
        assert str(error) == f"expected the length of a netstring, got b'{'x' * 20}'"

    @pytest.mark.parametrize("begun", [b"1", b"12", b"12:", b"3:ab", b"3:abc"])
    def test_unfinished(self, begun: bytes) -> None:
        """A stream that ends within a netstring is an error."""
        assert outcome(Netstring(), [begun]) == ([], FramingError)

    def test_huge_length(self) -> None:
        """A length that no machine holds is refused as any other that is too great."""
        _, error = untilFault(lambda: Netstring().feed(b"999999999999:"))
        assert str(error) == "a message of 999999999999 bytes, where 1048576 are allowed"


class TestCost:
    """What a peer that sends byte by byte costs."""

    @everyBounded
    def test_long_message_byte_by_byte(self, make: type[Framing]) -> None:
        """A message of 300,000 bytes in one-byte pieces is held in little more memory than it is long."""
        length = min(300_000, {Int8: 255, Int16: 65535}.get(make, 300_000))
        framing = make(length)
        payload = b"x" * length
        assert fed(framing, bytewise(framing.frame(payload))) == [payload]

    def test_nothing_is_joined_for_each_piece(self) -> None:
        """A line that is 8 MiB long already does not grow slower than a short one: the buffer is never copied.

        A framing that copies what it holds at each read would copy 160 GB here, which is minutes.
        """
        framing = Lines(16 * 1024 * 1024)
        assert fed(framing, [b"x" * (8 * 1024 * 1024)]) == []
        assert fed(framing, itertools.repeat(b"x", 20_000)) == []
        (line,) = framing.feed(b"\n")
        assert len(line) == 8 * 1024 * 1024 + 20_000

    @everyCounted
    def test_nothing_is_moved_for_each_message(self, make: type[Framing]) -> None:
        """Taking 200,000 short messages out of one read does not move what is behind them each time."""
        framing = make()
        wired = framing.frame(b"x") * 200_000
        assert sum(1 for _ in framing.feed(wired)) == 200_000
