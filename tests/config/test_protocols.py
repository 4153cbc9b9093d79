"""What `protocol` names, and where it can be served."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.internet.protocol import DatagramProtocol

from socklab.config import ConfigError, loadConfig
from socklab.message import speaksMessages
from tests.config.support import (
    FRAMING,
    OWN,
    PROTOCOLS,
    STREAMS,
    complaints,
    load,
    one,
    service,
)

JSON = "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
REACTOR = "twisted.internet.error.ReactorAlreadyInstalledError: reactor already installed"


class TestProtocol:
    """`protocol`"""

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("own:Says", "Factory"),
            ("own:SaysFactory", "SaysFactory"),
            ("own:Inside.Factory", "SaysFactory"),
            ("own:Bytes", "Factory"),
            ("own:BytesFactory", "BytesFactory"),
            ("echo", "EchoFactory"),
            ("chat", "ChatFactory"),
            ("oneshot", "OneShotFactory"),
            ("twisted.protocols.wire:Echo", "Factory"),
        ],
    )
    def test_kinds(self, name: str, kind: str, tmp_path: Path) -> None:
        """It names a Factory class or a Protocol class: of a module beside the file, or of an installed one."""
        found = service(load(tmp_path, one(name), own=OWN))
        assert type(found.factory).__name__ == kind
        assert found.name == name.rpartition(":")[2]
        assert speaksMessages(found.factory) == ("Bytes" not in name and "twisted" not in name)
        assert found.factory.buildProtocol(None) is not None

    def test_callable(self, tmp_path: Path) -> None:
        """It may name a callable, whose arguments are the options."""
        found = service(load(tmp_path, one("own:says", more="[service.options]\nmarks = 3"), own=OWN))
        assert (found.name, found.factory.marks) == ("says", 3)

    def test_datagram_protocol(self, tmp_path: Path) -> None:
        """A DatagramProtocol class is for UDP; each listener has one of its own."""
        text = one("own:Datagrams", "'udp:0', 'udp:0'", "[service.options]\nsize = 3")
        make = service(load(tmp_path, text, own=OWN)).factory
        first, second = make(), make()
        assert isinstance(first, DatagramProtocol)
        assert first is not second
        assert (first.size, second.size) == (3, 3)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("ecko", f'{PROTOCOLS}, got "ecko"; did you mean `echo`?'),
            ("telnet", f'{PROTOCOLS}, got "telnet"'),
            ("", f'{PROTOCOLS}, got ""'),
            (":Name", 'expected "package.module:Name", got ":Name"'),
            ("own:", 'expected "package.module:Name", got "own:"'),
            (".own:Says", 'expected "package.module:Name", got ".own:Says"'),
            ("own:Says.", 'expected "package.module:Name", got "own:Says."'),
            ("nowhere:Name", "there is no module nowhere, installed or in DIR"),
            ("nowhere.at.all:Name", "there is no module nowhere.at.all, installed or in DIR"),
            ("own.part:Name", "there is no module own.part, installed or in DIR"),
            ("own:SayFactory", "own has no SayFactory; did you mean `SaysFactory`?"),
            ("own:Xyz", "own has no Xyz"),
            ("own:Inside.Factry", "own has no Inside.Factry; did you mean `Factory`?"),
            ("own:constant", "own:constant is no Factory and no Protocol class, but int"),
            ("own:constant.x", "own has no constant.x"),
            ("own:made", "own:made is a SaysFactory already: name the class, or what makes one"),
            ("own:os", "own:os is no Factory and no Protocol class, but module"),
            ("own:nothing", "nothing gave no Factory, but NoneType"),
            ("own:failing", r"failing failed: KeyError: 'no\nway' (DIR/own.py, line 38)"),
            ("own:unknown", "unknown needs x, and name 'Nowhere' is not defined (DIR/own.py, line 43)"),
            ("wrong:Name", "wrong does not import: SyntaxError: invalid syntax (DIR/wrong.py, line 2)"),
            (
                "lacking:Name",
                "lacking does not import: ModuleNotFoundError: No module named 'nowhere' (DIR/lacking.py, line 2)",
            ),
            ("raising:Name", "raising does not import: RuntimeError: two lines (DIR/raising.py, line 3)"),
            ("leaving:Name", "leaving does not import: SystemExit: 3 (DIR/leaving.py, line 1)"),
            ("calling:Name", f"calling does not import: {JSON} (DIR/calling.py, line 2)"),
            ("through:Name", "through does not import: RuntimeError: two lines (DIR/raising.py, line 3)"),
            (
                "throughwrong:Name",
                "throughwrong does not import: SyntaxError: invalid syntax (DIR/wrong.py, line 2)",
            ),
            ("lazy:Name", "lazy does not give Name: KeyError: 'Name' (DIR/lazy.py, line 2)"),
            ("lazy:Name.Other", "lazy does not give Name.Other: KeyError: 'Name' (DIR/lazy.py, line 2)"),
            ("nul:Name", "nul does not import: SyntaxError: source code string cannot contain null bytes"),
            ("reactors:Name", f"reactors does not import: {REACTOR} (DIR/reactors.py, line 2)"),
        ],
    )
    def test_bad(self, name: str, why: str, tmp_path: Path) -> None:
        """What cannot be served is told in a line, with the author's own line where that raised."""
        lines = complaints(
            tmp_path,
            one(name),
            own=OWN,
            wrong="x = 1\ndef (:\n",
            lacking="import sys\nimport nowhere\n",
            raising="\n\nraise RuntimeError('two\\nlines')\n",
            leaving="import sys; sys.exit(3)\n",
            calling="import json\njson.loads('{')\n",
            through="import raising\n",
            throughwrong="import wrong\n",
            lazy="def __getattr__(name):\n    raise KeyError(name)\n",
            nul="x = 1\n\0\n",
            reactors="from twisted.internet import reactor, selectreactor\nselectreactor.install()\n",
        )
        lines = [line.partition(" (DIR/nul.py")[0] for line in lines]
        assert lines == [f'FILE: service[1] "{name}": protocol: {why}']

    def test_python_goes_first(self, tmp_path: Path) -> None:
        """A file beside the config does not stand in for an installed module."""
        (tmp_path / "wire.py").write_text("raise RuntimeError")
        (tmp_path / "twisted").mkdir()
        (tmp_path / "twisted" / "__init__.py").write_text("raise RuntimeError")
        load(tmp_path, one("twisted.protocols.wire:Echo"))

    def test_name_of_an_installed_module(self, tmp_path: Path) -> None:
        """Who calls a file as a module of Python's own is told which one was found."""
        [line] = complaints(tmp_path, one("queue:QueueFactory"), queue=OWN)
        assert line.startswith('FILE: service[1] "queue:QueueFactory": protocol: queue has no QueueFactory')
        assert line.endswith("queue.py: another module has this name, so call your file otherwise")

    def test_folder_is_on_the_path_only_when_needed(self, tmp_path: Path) -> None:
        """The config's folder is where modules are found only if one that is named is there."""
        load(tmp_path, one())
        load(tmp_path, one("twisted.protocols.wire:Echo"))
        assert str(tmp_path) not in sys.path
        load(tmp_path, one("own:Says"), own=OWN)
        assert sys.path[-1] == str(tmp_path)

    def test_relative_config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A config that is named by a relative path finds its module too."""
        (tmp_path / "own.py").write_text(OWN)
        (tmp_path / "lab.toml").write_text(one("own:Says"))
        monkeypatch.chdir(tmp_path.parent)
        assert service(loadConfig(Path(tmp_path.name) / "lab.toml")).name == "Says"


class TestFit:
    """What is served where."""

    @pytest.mark.parametrize(
        ("protocol", "listen", "more", "lines"),
        [
            (
                "own:Bytes",
                "'tcp:0', 'udp:0', 'ws:tcp:0'",
                "",
                ['listen[2]: "udp:0": the protocol needs a stream: it cannot be served over datagrams'],
            ),
            (
                "own:BytesFactory",
                "{ endpoint = 'udp:0' }",
                "",
                ['listen[1].endpoint: "udp:0": the protocol needs a stream: it cannot be served over datagrams'],
            ),
            (
                "own:Datagrams",
                "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock'",
                "",
                [
                    'listen[1]: "tcp:0": the protocol is one for datagrams: listen on udp:',
                    'listen[3]: "ws:tcp:0": the protocol is one for datagrams: listen on udp:',
                    'listen[4]: "unix:a.sock": the protocol is one for datagrams: listen on udp:',
                ],
            ),
            (
                "oneshot",
                "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock'",
                "[service.options]\nuntil = 'http'",
                [
                    'listen[2]: "udp:0": ' + STREAMS,
                    'listen[3]: "ws:tcp:0": ' + STREAMS,
                ],
            ),
            (
                "oneshot",
                "'tcp:0'",
                "framing = 'lines'",
                ["framing: the protocol says itself where its messages end"],
            ),
            (
                "oneshot",
                "'tcp:0', { endpoint = 'tcp:0', framing = 'raw' }",
                "",
                ["listen[2].framing: the protocol says itself where its messages end"],
            ),
            (
                "own:Bytes",
                "'tcp:0'",
                "framing = 'int16'",
                ["framing: the protocol reads bytes, not messages: it needs no framing"],
            ),
            (
                "own:Bytes",
                "{ endpoint = 'tcp:0', framing = 'int16' }",
                "",
                ["listen[1].framing: the protocol reads bytes, not messages: it needs no framing"],
            ),
            ("oneshot", "'tcp:0'", "framing = 'linez'", [f'framing: {FRAMING}, got "linez"']),
            (
                "own:Bytes",
                "{ endpoint = 'tcp:0', encoding = 'cp949' }, 'ws:tcp:0'",
                "encoding = 'euc-kr'",
                [
                    "encoding: the protocol reads bytes, not text: it needs no encoding",
                    "listen[1].encoding: the protocol reads bytes, not text: it needs no encoding",
                ],
            ),
            (
                "own:Bytes",
                "'tcp:0', 'unix:a.sock'",
                "limits = { pending = 1000, idle = 5, keepalive = 5, handshake_timeout = 5 }",
                [
                    "limits.pending: does not bound a plain Twisted Factory on these listeners",
                    "limits.idle: does not bound a plain Twisted Factory on these listeners",
                    "limits.handshake_timeout: does not bound a plain Twisted Factory on these listeners",
                ],
            ),
            (
                "own:BytesFactory",
                "'tcp:0', 'ws:tcp:0'",
                "limits = { pending = 9, idle = 5, message = 5, line = 5, queue = 5, udp_peers = 1, nothing = 1 }",
                [
                    "limits.nothing: unknown key",
                    "limits.line: does not bound a plain Twisted Factory on these listeners",
                    "limits.queue: does not bound a plain Twisted Factory on these listeners",
                    "limits.udp_peers: does not bound a plain Twisted Factory on these listeners",
                ],
            ),
            (
                "own:Datagrams",
                "'udp:0'",
                "encoding = 'cp949'\nlimits = { udp_rate = 5.0 }",
                [
                    "encoding: the protocol reads bytes, not text: it needs no encoding",
                    "limits.udp_rate: does not bound a plain DatagramProtocol here",
                ],
            ),
        ],
    )
    def test_unfit(self, protocol: str, listen: str, more: str, lines: list[str], tmp_path: Path) -> None:
        """What does not go together is told for each listener that it concerns."""
        got = complaints(tmp_path, one(protocol, listen, more), own=OWN)
        assert got == [f'FILE: service[1] "{protocol}": {line}' for line in lines]

    @pytest.mark.parametrize("until", ["'line'", "'read'", "'eof'", "5"])
    def test_oneshot_everywhere(self, until: str, tmp_path: Path) -> None:
        """All that one-shot waits for but HTTP makes sense on every transport."""
        load(tmp_path, one("oneshot", "'tcp:0', 'udp:0', 'ws:tcp:0'", f"[service.options]\nuntil = {until}"))


def test_factory_without_a_protocol(tmp_path: Path) -> None:
    """A Factory that would serve nothing is a mistake."""
    path = tmp_path / "lab.toml"
    path.write_text('[[service]]\nprotocol = "socklab:Factory"\nlisten = ["tcp:0"]\n')
    with pytest.raises(ConfigError, match="Factory has no `protocol`: it would serve nothing"):
        loadConfig(path)
