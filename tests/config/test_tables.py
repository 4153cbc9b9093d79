"""The tables of a config file: every wrong value, in one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from socklab.config import ConfigError, loadConfig
from tests.config.support import (
    ABOVE,
    DURATION,
    ECHO,
    ENCODING,
    ENDPOINTS,
    FRAMING,
    HOST,
    ORIGIN,
    OWN,
    POSITIVE,
    PROTOCOL,
    PROTOCOLS,
    RULES,
    SIZE,
    STREAMS,
    complaints,
    load,
    one,
    service,
)

SHAPES: list[tuple[str, str, list[str]]] = [
    # The file as a whole
    ("empty", "", ["FILE: service: is missing: expected at least one [[service]]"]),
    ("only a comment", "# nothing\n", ["FILE: service: is missing: expected at least one [[service]]"]),
    ("no services", "service = []", ["FILE: service: expected at least one [[service]], got []"]),
    ("service no table", "service = 3", ["FILE: service: expected at least one [[service]], got 3"]),
    (
        "single brackets",
        "[service]\nprotocol = 'echo'",
        ['FILE: service: expected at least one [[service]], got {"protocol": "echo"}'],
    ),
    ("number as service", "service = [3]", ["FILE: service[1]: expected a table, got 3"]),
    (
        "near miss of service",
        one().replace("service", "servce"),
        ["FILE: servce: unknown key; did you mean `service`?"],
    ),
    ("unknown table", one(more="[metrics]\nport = 3"), ["FILE: metrics: unknown key"]),
    # The service
    (
        "empty service",
        "[[service]]",
        [
            f"FILE: service[1]: protocol: is missing: {PROTOCOL}",
            f"FILE: service[1]: listen: is missing: {ENDPOINTS}",
        ],
    ),
    (
        "missing protocol",
        "[[service]]\nlisten = ['tcp:0']",
        [f"FILE: service[1]: protocol: is missing: {PROTOCOL}"],
    ),
    ("missing listen", "[[service]]\nprotocol = 'echo'", [f"{ECHO}listen: is missing: {ENDPOINTS}"]),
    (
        "near miss of protocol",
        "[[service]]\nprotocl = 'echo'\nlisten = ['tcp:0']",
        ["FILE: service[1]: protocl: unknown key; did you mean `protocol`?"],
    ),
    (
        "near miss of listen",
        "[[service]]\nprotocol = 'echo'\nlisen = ['tcp:0']",
        [f"{ECHO}lisen: unknown key; did you mean `listen`?"],
    ),
    (
        "near miss of a key that may be missing",
        one(more="encodin = 'cp949'"),
        [f"{ECHO}encodin: unknown key; did you mean `encoding`?"],
    ),
    ("unknown key", one(more="colour = 'red'"), [f"{ECHO}colour: unknown key"]),
    ("unknown key that needs quotes", one(more='"a b\\n" = 3'), [rf'{ECHO}"a b\n": unknown key']),
    ("empty listen", one(listen=""), [f"{ECHO}listen: {ENDPOINTS}, got []"]),
    (
        "listen no list",
        "[[service]]\nprotocol = 'echo'\nlisten = 'tcp:0'",
        [f'{ECHO}listen: {ENDPOINTS}, got "tcp:0"'],
    ),
    (
        "number in listen",
        one(listen="3000"),
        [f'{ECHO}listen[1]: expected an endpoint, such as "tcp:3000", or a table with one, got 3000'],
    ),
    (
        "table without endpoint",
        one(listen="{}"),
        [f'{ECHO}listen[1].endpoint: is missing: expected an endpoint, such as "tcp:3000"'],
    ),
    (
        "bad table in listen",
        one(listen="'tcp:0', {endpoint=3, framing='linez', encoding='utf-16', optional='yes', optinal=true}"),
        [
            f'{ECHO}listen[2].endpoint: expected an endpoint, such as "tcp:3000", got 3',
            f'{ECHO}listen[2].framing: {FRAMING}, got "linez"',
            f'{ECHO}listen[2].encoding: {ENCODING}, got "utf-16"',
            f'{ECHO}listen[2].optional: expected true or false, got "yes"',
            f"{ECHO}listen[2].optinal: unknown key; did you mean `optional`?",
        ],
    ),
    (
        "near miss of endpoint",
        one(listen="{endpont = 'tcp:0'}"),
        [f"{ECHO}listen[1].endpont: unknown key; did you mean `endpoint`?"],
    ),
    ("number as name", one(more="name = 3"), ["FILE: service[1]: name: expected a name, got 3"]),
    ("empty name", one(more="name = ''"), ['FILE: service[1] "": name: expected a name, got ""']),
    (
        "number as protocol",
        one().replace('"echo"', "3"),
        [f"FILE: service[1]: protocol: {PROTOCOL}, got 3"],
    ),
    ("bad framing", one(more="framing = 'line'"), [f'{ECHO}framing: {FRAMING}, got "line"']),
    ("number as framing", one(more="framing = 3"), [f"{ECHO}framing: {FRAMING}, got 3"]),
    ("number as encoding", one(more="encoding = 3"), [f"{ECHO}encoding: {ENCODING}, got 3"]),
    (
        "values as tables",
        one(more="options = 3\nlimits = 'a'\nwebsocket = []"),
        [
            f"{ECHO}options: expected a table, got 3",
            f'{ECHO}limits: expected a table, got "a"',
            f"{ECHO}websocket: expected a table, got []",
        ],
    ),
    (
        "bad websocket table",
        one(more="[service.websocket]\ndeflate = 1\ndeflat = true"),
        [
            f"{ECHO}websocket.deflate: expected true or false, got 1",
            f"{ECHO}websocket.deflat: unknown key; did you mean `deflate`?",
        ],
    ),
    (
        "a long value",
        one(more=f"name = {[*range(100)]}"),
        [f"FILE: service[1]: name: expected a name, got {str([*range(100)])[:77]}..."],
    ),
    (
        "a value that TOML alone knows",
        one(more="name = 2026-01-02"),
        ["FILE: service[1]: name: expected a name, got 2026-01-02"],
    ),
    # [server]
    ("server no table", "server = 3\n" + one(), ["FILE: server: expected a table, got 3"]),
    (
        "bad server",
        "[server]\ntrace = 'on'\nshutdown_timeout = inf\n" + one(),
        [
            f"FILE: server.shutdown_timeout: {POSITIVE}, got inf",
            'FILE: server.trace: expected "off", "text" or "hex", got "on"',
        ],
    ),
    (
        "true is no duration",
        "[server]\nshutdown_timeout = true\n" + one(),
        [f"FILE: server.shutdown_timeout: {POSITIVE}, got true"],
    ),
    (
        "huge duration",
        f"[server]\nshutdown_timeout = 1{'0' * 400}\n" + one(),
        [f"FILE: server.shutdown_timeout: {POSITIVE}, got 1{'0' * 76}..."],
    ),
    (
        "near miss in server",
        "[server]\ntimeout = 3\ntracing = 'off'\n" + one(),
        [
            "FILE: server.timeout: unknown key; did you mean `shutdown_timeout`?",
            "FILE: server.tracing: unknown key; did you mean `trace`?",
        ],
    ),
    *(
        (
            f"server.{key} = {value}",
            f"[server]\n{key} = {value}\n" + one(),
            [f"FILE: server.{key}: {expected}, got {got}"],
        )
        for key, value, expected, got in [
            ("max_connections", "0", "expected an integer of at least 1", "0"),
            ("max_connections", "'many'", "expected an integer of at least 1", '"many"'),
            ("memory_budget", "0", SIZE, "0"),
            ("memory_budget", "'half'", SIZE, '"half"'),
        ]
    ),
    # Keys of later issues
    ("later key tls.version", one(more="[service.tls]\nversion = 3"), [f"{ECHO}tls.version: unknown key"]),
    # A key of the service below one of its tables
    *(
        (
            f"keys in {table}",
            f"[[service]]\nname = 'x'\n[service.{table}]\nprotocol = 'echo'\nlisten = ['tcp:0']",
            [f'FILE: service[1] "x": {table}.{key}: {ABOVE} [service.{table}]' for key in ["protocol", "listen"]],
        )
        for table in ["limits", "options", "websocket", "tls"]
    ),
    *(
        (
            f"listen in {table}",
            f"[[service]]\nprotocol = 'echo'\n[service.{table}]\nlisten = ['tcp:0']",
            [f"{ECHO}{table}.listen: this key belongs to the service: move it above [service.{table}]"],
        )
        for table in ["limits", "options", "websocket", "tls"]
    ),
    (
        "encoding in options",
        one(more="[service.options]\nencoding = 'cp949'"),
        [f"{ECHO}options.encoding: this key belongs to the service: move it above [service.options]"],
    ),
    # [service.limits]
    *(
        (
            f"limits.{key} = {value}",
            one(more=f"[service.limits]\n{key} = {value}"),
            [f"{ECHO}limits.{key}: {expected}, got {got}"],
        )
        for key, value, expected, got in [
            ("message", "'1.5B'", SIZE, '"1.5B"'),
            ("message", "1.5", SIZE, "1.5"),
            ("message", f"'{'9' * 400}B'", SIZE, f'"{"9" * 76}...'),
            ("line", "0", SIZE, "0"),
            ("line", "'64 Kib'", SIZE, '"64 Kib"'),
            ("pending", "-1", SIZE, "-1"),
            ("pending", "true", SIZE, "true"),
            ("handshake_timeout", "-1", DURATION, "-1"),
            ("handshake_timeout", "nan", DURATION, "nan"),
            ("handshake_bytes", "[]", SIZE, "[]"),
            ("fragments", "0", "expected an integer of at least 1", "0"),
            ("fragments", "1.0", "expected an integer of at least 1", "1.0"),
            ("fragments", "true", "expected an integer of at least 1", "true"),
            ("ping_interval", "'5'", DURATION, '"5"'),
            ("ping_timeout", "0", POSITIVE, "0"),
            ("ping_timeout", "'0s'", POSITIVE, '"0s"'),
            ("keepalive", "{}", DURATION, "{}"),
            ("udp_peers", "0", "expected an integer of at least 1", "0"),
            ("udp_peers", "'many'", "expected an integer of at least 1", '"many"'),
            ("udp_idle", "'5 parsecs'", POSITIVE, '"5 parsecs"'),
            ("udp_amplification", "-0.5", "expected a number of at least 0", "-0.5"),
            ("udp_amplification", "'1'", "expected a number of at least 0", '"1"'),
            ("udp_rate", "0", "expected a number above 0", "0"),
            ("udp_rate", "'5s'", "expected a number above 0", '"5s"'),
            ("max_connections", "0", "expected an integer of at least 1", "0"),
            ("max_connections", "2.5", "expected an integer of at least 1", "2.5"),
            ("per_address", "-1", "expected an integer of at least 1", "-1"),
            ("accept_rate", "0", "expected a number above 0", "0"),
            ("accept_rate_per_address", "'10/s'", "expected a number above 0", '"10/s"'),
            ("lifetime", "-1", DURATION, "-1"),
            ("lifetime", "'1 day'", DURATION, '"1 day"'),
            ("message_rate", "0", "expected a number above 0", "0"),
            ("byte_rate", "0.5", SIZE, "0.5"),
            ("pending_soft", "0", SIZE, "0"),
            ("pending_seconds", "0", POSITIVE, "0"),
        ]
    ),
    # access, refusal, [service.websocket]
    *(
        (f"access {number}", one(more=f"access = {rules}"), [f"{ECHO}{line}"])
        for number, (rules, line) in enumerate(
            [
                ("'allow all'", f'access: {RULES}, got "allow all"'),
                ("[]", f"access: {RULES}, got []"),
                ("[3]", "access[1]: expected text, got 3"),
                (
                    "['allow 10.0.0.0/8', 'deny 10.0.0.5', 'deny all']",
                    'access[2]: "deny 10.0.0.5" never decides: rule 1, "allow 10.0.0.0/8", does before it',
                ),
                (
                    "['allow 10.0.0.5/8', 'deny all']",
                    'access[1]: "10.0.0.5/8" has host bits set: say 10.0.0.0/8, or one address',
                ),
                (
                    "['deny 10.0.0.5']",
                    "access[1]: the last rule decides for all others: `allow all` or `deny all`",
                ),
                (
                    "['block 10.0.0.5', 'allow all']",
                    (
                        "access[1]: expected `allow` or `deny`, and an address, a network or `all`, got "
                        '"block 10.0.0.5"'
                    ),
                ),
            ]
        )
    ),
    (
        "bad refusal",
        one(more="refusal = 'drop'"),
        [f'{ECHO}refusal: expected "close", "tell" or "reset", got "drop"'],
    ),
    *(
        (
            f"websocket.{key} = {value}",
            one(more=f"[service.websocket]\n{key} = {value}"),
            [f"{ECHO}websocket.{key}{what}"],
        )
        for key, value, what in [
            ("origins", "'*'", ': expected a list of origins, got "*"'),
            ("origins", "['example.com']", f'[1]: {ORIGIN}, got "example.com"'),
            ("origins", "['null', 'https://example.com/']", f'[2]: {ORIGIN}, got "https://example.com/"'),
            ("origins", "['https://*.example.com']", f'[1]: {ORIGIN}, got "https://*.example.com"'),
            ("hosts", "['https://example.com']", f'[1]: {HOST}, got "https://example.com"'),
            ("hosts", "['*', 'example.com:8000']", f'[2]: {HOST}, got "example.com:8000"'),
            ("hosts", "[3]", f"[1]: {HOST}, got 3"),
            ("paths", "['chat']", '[1]: expected a path, such as "/chat", got "chat"'),
            ("paths", "['/chat?room=1']", '[1]: expected a path, such as "/chat", got "/chat?room=1"'),
        ]
    ),
    (
        "near miss in limits",
        one(more="[service.limits]\nmesage = 3"),
        [f"{ECHO}limits.mesage: unknown key; did you mean `message`?"],
    ),
    # Names and addresses that stand twice
    (
        "name twice",
        one(more="name = 'a'") + one("chat", more="name = 'b'") + one("chat", more="name = 'a'"),
        ['FILE: service[3] "a": name: service[1] is called "a" already: give this one another name'],
    ),
    (
        "protocol twice",
        one() + one("echo", "'udp:0'"),
        ['FILE: service[2] "echo": protocol: service[1] is called "echo" already: give this one another name'],
    ),
    (
        "address twice",
        one(listen="'tcp:3000', 'udp:3000', 'ws:tcp:3000'") + one("chat", "'tcp:3001', 'tcp:3000'"),
        [
            f'{ECHO}listen[3]: "ws:tcp:3000": service[1] listen[1] has this address already',
            'FILE: service[2] "chat": listen[2]: "tcp:3000": service[1] listen[1] has this address already',
        ],
    ),
]


@pytest.mark.parametrize(("text", "lines"), [each[1:] for each in SHAPES], ids=[each[0] for each in SHAPES])
def test_shape(text: str, lines: list[str], tmp_path: Path) -> None:
    """Each mistake gets just its own line."""
    assert complaints(tmp_path, text) == lines


@pytest.mark.parametrize(
    "name",
    [
        *(
            "nope",
            "",
            "utf-16",
            "utf-16-le",
            "utf-32",
            "utf-7",
            "utf-8-sig",
            "cp037",
            "hz",
            "iso2022_kr",
            "iso2022_jp",
        ),
        *("unicode_escape", "raw_unicode_escape", "punycode", "idna", "rot13", "hex", "zlib", "undefined", "a b"),
    ],
)
def test_bad_encoding(name: str, tmp_path: Path) -> None:
    """An encoding is refused when it is unknown, or when bytes of ASCII are not ASCII in it."""
    assert complaints(tmp_path, one(more=f'encoding = "{name}"')) == [f'{ECHO}encoding: {ENCODING}, got "{name}"']


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTF8", "utf-8"),
        ("utf-8", "utf-8"),
        ("cp949", "cp949"),
        ("EUC-KR", "euc_kr"),
        ("johab", "johab"),
        ("latin-1", "iso8859-1"),
        ("ascii", "ascii"),
        ("shift_jis", "shift_jis"),
        ("gb18030", "gb18030"),
    ],
)
def test_good_encoding(name: str, expected: str, tmp_path: Path) -> None:
    """Every other is taken, by any of its names."""
    (listener,) = service(load(tmp_path, one(more=f'encoding = "{name}"'))).listeners
    assert listener.encoding == expected


class TestFile:
    """The file itself."""

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (
                b"[[service]]\nprotocol 'echo'\n",
                "Expected '=' after a key in a key/value pair (at line 2, column 10)",
            ),
            (b"[[service]\n", "Expected ']]' at the end of an array declaration (at line 1, column 10)"),
            (b"a = 1\r\na = 2\r\n", "Cannot overwrite a value (at line 2, column 6)"),
            (b"listen = ['tcp:0'\n", "Unclosed array (at end of document)"),
            (b"name = '\xbe\xc8'\n", "line 1: expected UTF-8"),
            (b"# \xec\x95\x88\n\n# \xbe\xc8\n", "line 3: expected UTF-8"),
            ("a = 1\n".encode("utf-16"), "line 1: expected UTF-8"),
            (b"a = " + b"[" * 100_000, "lists or tables are nested too deeply"),
        ],
        ids=lambda value: repr(value[:12]),
    )
    def test_no_toml(self, content: bytes, why: str, tmp_path: Path) -> None:
        """What is no TOML is told with its line."""
        (tmp_path / "lab.toml").write_bytes(content)
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path / "lab.toml")
        assert raised.value.lines == [f"{tmp_path}/lab.toml: {why}"]

    def test_number_beyond_python(self, tmp_path: Path) -> None:
        """An integer of thousands of digits is refused in one line, too."""
        (line,) = complaints(tmp_path, f"a = {'9' * 5000}")
        assert line.startswith("FILE: Exceeds the limit (4300 digits) for integer string conversion")

    def test_no_such_file(self, tmp_path: Path) -> None:
        """A file that is not there."""
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path / "nope.toml")
        assert raised.value.lines == [f"{tmp_path}/nope.toml: no such file or directory"]

    def test_directory(self, tmp_path: Path) -> None:
        """A directory instead."""
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path)
        assert raised.value.lines == [f"{tmp_path}: is a directory"]

    def test_what_windows_writes(self, tmp_path: Path) -> None:
        """A BOM and CRLF are no mistakes."""
        text = one(more="name = '안녕'").replace("\n", "\r\n")
        (tmp_path / "lab.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert service(loadConfig(tmp_path / "lab.toml")).name == "안녕"


class TestAll:
    """Many mistakes at once."""

    def test_every_mistake_is_told(self, tmp_path: Path) -> None:
        """Mistakes of all kinds in several services are all told, each once, in the order of the services."""
        text = (
            "[server]\ntrace = 'on'\n"
            + one("ecko", "'tcp:1', 'tcp:x'", "encoding = 'utf-16'\n[service.limits]\nline = 0")
            + one("oneshot", "'udp:1', 'tcp:1'", "[service.options]\nuntil = 'http'\nreplay = 'x'")
            + one("oneshot", "'udp:2'", "name = 'web'\n[service.options]\nuntil = 'http'")
            + one("chat", "'tcp:2'", "name = 'web'\ncolour = 1")
        )
        assert complaints(tmp_path, text) == [
            'FILE: server.trace: expected "off", "text" or "hex", got "on"',
            f'FILE: service[1] "ecko": encoding: {ENCODING}, got "utf-16"',
            f'FILE: service[1] "ecko": limits.line: {SIZE}, got 0',
            f'FILE: service[1] "ecko": protocol: {PROTOCOLS}, got "ecko"; did you mean `echo`?',
            'FILE: service[1] "ecko": listen[2]: "tcp:x": expected a port from 0 to 65535, got \'x\'',
            'FILE: service[2] "oneshot": options.replay: unknown key; did you mean `reply`?',
            'FILE: service[2] "oneshot": listen[2]: "tcp:1": service[1] listen[1] has this address already',
            f'FILE: service[3] "web": listen[1]: "udp:2": {STREAMS}',
            'FILE: service[4] "web": colour: unknown key',
            'FILE: service[4] "web": name: service[3] is called "web" already: give this one another name',
        ]

    def test_order_beyond_nine(self, tmp_path: Path) -> None:
        """Services are counted as numbers: the tenth comes after the ninth."""
        text = "".join(one(more=f"name = 's{i}'\nx = 1") for i in range(1, 13))
        lines = [f'FILE: service[{i}] "s{i}": x: unknown key' for i in range(1, 13)]
        assert complaints(tmp_path, text) == lines


def test_settings_that_would_mean_nothing(tmp_path: Path) -> None:
    """A listener's framing where messages are messages, and an encoding where there is one only, are mistakes."""
    path = tmp_path / "lab.toml"
    path.write_text(
        '[[service]]\nprotocol = "echo"\n'
        'listen = [{ endpoint = "ws:tcp:0", encoding = "cp949", framing = "lines" }]\n'
    )
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert [each.partition("listen[1].")[2] for each in caught.value.lines] == [
        "framing: only streams need one: here a message is a message",
        "encoding: WebSocket text is always UTF-8 (RFC 6455, 5.6)",
    ]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("access = ['deny 10.0.0.5', 'allow all']", "access"),
        ("limits = { per_address = 3 }", "per_address"),
        ("limits = { accept_rate_per_address = 3 }", "accept_rate_per_address"),
    ],
)
def test_plain_protocol_behind_a_proxy(more: str, key: str, tmp_path: Path) -> None:
    """Of a plain protocol's clients behind a proxy nobody sees the address: rules about it are a mistake."""
    listens = "'tcp:1', 'haproxy:tcp:2', 'ws:haproxy:tcp:3'"
    why = f"a plain Twisted protocol behind haproxy: shows the proxy's address to `{key}`"
    assert complaints(tmp_path, one("own:BytesFactory", listens, more), own=OWN) == [
        f'FILE: service[1] "own:BytesFactory": listen[2]: "haproxy:tcp:2": {why}'
    ]
    assert load(tmp_path, one(listen=listens, more=more)).services


def test_handshake_behind_a_proxy(tmp_path: Path) -> None:
    """A plain protocol behind a proxy has a handshake: the proxy's header."""
    limits = "limits = { handshake_timeout = 1 }"
    assert load(tmp_path, one("own:BytesFactory", "'haproxy:tcp:1'", limits), own=OWN).services
    assert complaints(tmp_path, one("own:BytesFactory", "'tcp:1'", limits), own=OWN)


def test_access_to_a_datagram_protocol(tmp_path: Path) -> None:
    """A DatagramProtocol is handed each datagram by Twisted: rules would mean nothing."""
    text = one("own:Datagrams", "'udp:1'", "access = ['deny 10.0.0.5', 'allow all']")
    assert complaints(tmp_path, text, own=OWN) == [
        'FILE: service[1] "own:Datagrams": access: the protocol takes every datagram itself: it has to choose, too'
    ]
