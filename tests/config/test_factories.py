"""What a Factory may look like, and what is said of one that cannot be made or served."""

from __future__ import annotations

from pathlib import Path

import pytest

from socklab.config.factories import optionsModel
from tests.config.support import complaints, load, one, service

FORMS = Path(__file__).with_name("forms.py").read_text()


def told(folder: Path, name: str, options: str) -> list[str]:
    """Give what is wrong with options."""
    lines = complaints(folder, one(f"forms:{name}", more=f"[service.options]\n{options}"), forms=FORMS)
    return [line.removeprefix(f'FILE: service[1] "forms:{name}": ') for line in lines]


def placed(line: str) -> str:
    """Give a line whose ` AT TEXT` is where that text stands in forms.py."""
    what, mark, text = line.partition(" AT ")
    return f"{what} (DIR/forms.py, line {FORMS[: FORMS.index(text)].count(chr(10)) + 1})" if mark else what


@pytest.mark.parametrize(
    ("name", "options", "given"),
    [
        ("Inherits", "marks = 3", {"marks": 3}),
        ("Inherits", "marks = 3\nmore-of = [1]", {"marks": 3, "more-of": [1]}),
        ("Passes", "loud = true\nmarks = 3", {"marks": 3, "loud": True}),
        ("Keywords", "marks = 3", {"marks": 3}),
        ("positional", "a = 1", {"marks": 0, "a": 1, "b": "b", "c": 0.5}),
        ("positional", "a = 1\nc = 1\nb = 'c'", {"marks": 0, "a": 1, "b": "c", "c": 1.0}),
        ("part", "b = 'c'", {"marks": 0, "a": 1, "b": "c", "c": 0.5}),
        ("wrapped", "marks = 3", {"marks": 3}),
        ("Maker.make", "marks = 3", {"marks": 3}),
        ("maker", "marks = 3", {"marks": 3}),
        (
            "Attrs",
            "marks = 3\nsecret = 'a'\nnames = ['b']\nport = '443'",
            {"marks": 3, "_secret": "a", "names": ["b"], "port": 443, "file": Path(), "word": "w", "twice": 6},
        ),
        ("OldAttrs", "marks = 3", {"marks": 3}),
        ("Data", "names = ['a']\nmore = 2", {"marks": 0, "names": ["a"], "more": 2}),
        ("OtherMeaning", "", {}),
    ],
)
def test_forms(name: str, options: str, given: dict[str, object], tmp_path: Path) -> None:
    """Whatever takes the options, it is given them as Python calls it."""
    found = service(load(tmp_path, one(f"forms:{name}", more=f"[service.options]\n{options}"), forms=FORMS))
    assert found.factory.given == given


def test_path_with_a_converter(tmp_path: Path) -> None:
    """An attribute that is a Path is of the config's folder, also where attrs makes it one."""
    options = service(load(tmp_path, one("forms:Attrs", more="options = { file = 'a' }"), forms=FORMS)).options
    assert options == {
        "secret": "",
        "names": [],
        "port": 0,
        "file": tmp_path / "a",
        "word": "w",
        "marks": 0,
        "twice": options["twice"],
    }


@pytest.mark.parametrize(
    ("name", "options", "lines"),
    [
        ("Inherits", "marks = 'a'", ['options.marks: expected an integer, got "a"']),
        ("Passes", "other = 'a'", ['options.other: expected an integer, got "a"']),
        ("Passes", "_other = 1", ["options._other: unknown key"]),
        ("Passes", "model_config = 1", ["options.model_config: unknown key"]),
        ("Keywords", "", ["options.marks: is missing: expected an integer"]),
        ("positional", "c = 1", ["options.a: is missing: expected an integer"]),
        ("Typed", "kind = 'b'", ['options.kind: expected "a", got "b"']),
        ("Typed", "clock = 1", ["options.clock: cannot be given: name 'Clock' is not defined"]),
        ("Typed", "_hidden = 1", ["options._hidden: cannot be given: an option cannot be called _hidden"]),
        ("part", "a = 1", ["options.a: unknown key"]),
        ("Attrs", "secret = 'c'", ["options.secret: must be in ['', 'a', 'b'] (got 'c')"]),
        ("Attrs", "_secret = 'a'", ["options._secret: unknown key; did you mean `secret`?"]),
        ("Attrs", "names = ['x']", ["options.names: there is no x"]),
        ("Attrs", "names = ['a', 1]", ["options.names[2]: expected text, got 1"]),
        ("Attrs", "port = 'x'", ["options.port: invalid literal for int() with base 10: 'x'"]),
        ("Attrs", "word = 3", ["options.word: must be <class 'str'> (got 3 that is a <class 'int'>)."]),
        ("OldAttrs", "marks = 'a'", ['options.marks: expected an integer, got "a"']),
        ("Data", "made = 1", ["options.made: unknown key"]),
        ("Data", "more = 'a'", ['options.more: expected an integer, got "a"']),
    ],
)
def test_bad_options(name: str, options: str, lines: list[str], tmp_path: Path) -> None:
    """Whatever takes the options, bad ones are told in the same way."""
    assert told(tmp_path, name, options) == lines


LIMIT = "expected a key of [service.limits] for sizes"
TRANSPORTS = "transports of Sets: expected a set of stream, udp, websocket, got"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Deaf", "Deaf failed: TypeError: Deaf.refuse() got an unexpected keyword argument 'do' AT self.refuse("),
        ("Frozen", "Frozen is frozen, but Twisted counts in a Factory on how many ports it is served"),
        ("RaisingFraming", "framing of RaisingFraming failed: RuntimeError: no framing AT raise RuntimeError"),
        ("RaisingProtocol", "protocol of RaisingProtocol failed: AttributeError: none AT raise AttributeError"),
        ("RaisingBuild", "buildProtocol of RaisingBuild failed: KeyError: 'build' AT raise KeyError(\"build"),
        ("Datagrams", "Datagrams makes protocols for datagrams: name DatagramProtocol itself"),
        ("later", "later gave no Factory, but coroutine"),
        ("leaving", "leaving failed: SystemExit: 2 AT raise SystemExit"),
        ("Sets 1 / 0", "Sets failed: ZeroDivisionError: division by zero AT exec(do)"),
        ("Sets self.framing = 3", "framing of Sets: expected a framing, such as Lines, got 3"),
        ("Sets self.framing = None", "framing of Sets: expected a framing, such as Lines, got None"),
        ("Sets self.framing = lambda limit: 3", "framing of Sets gave none, but int"),
        ("Sets self.framing = lambda limit: 1 / 0", "framing of Sets failed: ZeroDivisionError: division by zero"),
        (
            "Sets self.framingLimit = 3",
            "framingLimit of Sets: expected a key of [service.limits] for sizes, got 3",
        ),
        ("Sets self.transports = {'tcp'}", TRANSPORTS + " {'tcp'}"),
        ("Sets self.transports = 'udp'", TRANSPORTS + ' "udp"'),
        ("Sets self.transports = ()", TRANSPORTS + " ()"),
        ("Sets self.subprotocols = 'a'", 'subprotocols of Sets: expected a tuple of names, got "a"'),
        ("Sets self.keepsPeers = 'no'", 'keepsPeers of Sets: expected True or False, got "no"'),
        ("Sets self.fixedFraming = 1", "fixedFraming of Sets: expected True or False, got 1"),
        ("Sets self.protocol = 3", "protocol of Sets: expected a Protocol class, got 3"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_author_s_mistakes(name: str, why: str, tmp_path: Path) -> None:
    """What is the author's fault is told of the protocol, with the author's line."""
    name, _, do = name.partition(" ")
    options = f'do = "{do}"' if do or name == "Deaf" else ""
    # Newer Pythons guess at what an AttributeError means.
    lines = [line.replace(". Did you mean: 'forProtocol'?", "") for line in told(tmp_path, name, options)]
    assert lines == [f"protocol: {placed(why)}"]


@pytest.mark.parametrize(
    ("do", "line"),
    [
        ("raise ValueError('it is raining')", "options: it is raining AT exec(do)"),
        ("raise ValueError('what: it is raining')", "options: what: it is raining AT exec(do)"),
        ("raise ValueError('do: two' + chr(10) + 'lines' + chr(27))", "options.do: two lines\ufffd"),
        ("def framing(limit): raise ValueError('do: too long')\nself.framing = framing", "options.do: too long"),
        ("self.framing = lambda limit: exec('raise ValueError')", "protocol: framing of Sets failed: ValueError"),
    ],
)
def test_own_words(do: str, line: str, tmp_path: Path) -> None:
    """A ValueError is the author's word to the operator: of an option, if it begins with that."""
    assert told(tmp_path, "Sets", f'do = """{do}"""') == [placed(line)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("speechless", "options: Speechless AT raise Speechless"),
        ("calling", "options: invalid literal for int() with base 10: 'x' AT int("),
    ],
)
def test_line(name: str, line: str, tmp_path: Path) -> None:
    """An error that cannot even be shown has a line; one of Python's own has that of who called it."""
    assert told(tmp_path, name, "") == [placed(line)]


def test_default_that_cannot_be_copied() -> None:
    """The default of an option is passed on as it is: pydantic would copy it."""

    class Uncopied(list[int]):
        def __deepcopy__(self, memo: object) -> None:
            raise AssertionError

    default = Uncopied()

    def make(x: object = default) -> None: ...

    assert vars(optionsModel(make).model_validate({}))["x"] is default
