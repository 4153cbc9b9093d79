"""What a server is told of its engine before it starts: by real ones that are not as the config says."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trustme

from socklab.rooms.settings import EngineSettings
from socklab.service import Options
from tests.clients.outside import requireClient
from tests.cluster.engine import EngineNode, StartEngine, freePorts, onAsyncio
from tests.config.support import complaints, load, one
from tests.process import ENVIRONMENT, run, twistd

pytest.importorskip("nats", reason="nats-py is not installed: the extra `cluster` brings it")

from nats.aio.client import Client

from socklab.rooms.nats.look import look

from .credentials import Operator

NO_JETSTREAM = 'it runs without JetStream: put "jetstream {}" into its config, or start it with --jetstream'

ACCOUNTS = """
accounts {
  FULL { jetstream: enabled, users: [
    { user: full, password: secret }
    { user: bounded, password: secret, permissions: { publish: "socklab.>", subscribe: ">" } }
  ] }
  BARE { users: [{ user: bare, password: secret }] }
}
"""


def engine(folder: Path, name: str, settings: str = "") -> EngineNode:
    """Give an engine, without JetStream unless the settings have it."""
    config = folder / f"{name}.conf"
    config.write_text(f'server_name: "{name}"\nhost: "127.0.0.1"\n{settings}\n')
    return EngineNode(folder, name, config=config)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineNode, EngineNode]]:
    """One with JetStream for one of its accounts; and a leaf node of it."""
    requireClient("nats-server")
    folder = tmp_path_factory.mktemp("engines")
    (port,) = freePorts(1)
    hub = f'jetstream {{ store_dir: "{folder}/store", domain: hub }}\nleafnodes {{ listen: "127.0.0.1:{port}" }}'
    remote = f'leafnodes {{ remotes: [{{ url: "nats://full:secret@127.0.0.1:{port}" }}] }}'
    with (
        engine(folder, "hub", ACCOUNTS + hub) as first,
        engine(folder, "leaf", f'{remote}\ndefault_js_domain {{ "$G": hub }}') as leaf,
    ):
        yield first, leaf


def saidOf(url: str, **settings: object) -> str:
    """Give what is said of an engine, without its place; nothing if it will do, or may."""
    lines = look(EngineSettings((url,), **settings))  # type: ignore[arg-type]
    where = url.replace(url[url.index("//") + 2 : url.index("@") + 1], "") if "@" in url else url
    assert all(each.startswith(f"{where}: ") for each in lines)
    return "\n".join(each.removeprefix(f"{where}: ") for each in lines)


def test_accounts(engines: tuple[EngineNode, EngineNode]) -> None:
    """A user is let in, or told that it is not; that its account has no JetStream; or what it may not do."""

    def said(user: str, **settings: object) -> str:
        return saidOf(engines[0].url.replace("//", f"//{user}"), **settings)

    assert said("full:secret@") == ""
    assert said("full:wrong@") == "it does not let us in: the credentials are wrong"
    assert said("") == "it does not let us in: it asks for credentials, and [rooms] has none"
    assert said("bare:secret@") == (
        'JetStream: JetStream not enabled for account: put "jetstream: enabled" into that account, in its config'
    )
    assert said("bounded:secret@") == (
        'its user may not do what it takes: permissions violation for publish to "$js.api.stream.info.socklab"'
    )
    assert said("full:secret@", name="three", replicas=3).endswith(
        ": replicas of [rooms] needs as many servers, in one cluster"
    )
    assert said("full:secret@", name="large", keepBytes=1 << 60).endswith(
        ": a smaller keep_bytes of [rooms], or a larger max_file_store in its config"
    )


def test_others_stream(engines: tuple[EngineNode, EngineNode]) -> None:
    """A stream of another name that has our subjects is told, too."""
    url = engines[0].url.replace("//", "//full:secret@")

    async def make() -> None:
        client = Client()
        await client.connect(url)
        await client.jetstream().add_stream(name="orders", subjects=["taken.>"])
        await client.close()

    asyncio.run(make())
    assert saidOf(url, name="taken").endswith(": give [rooms] another name")


def test_leaf(engines: tuple[EngineNode, EngineNode]) -> None:
    """A leaf node without JetStream has that of its hub."""
    assert saidOf(engines[1].url, name="leaf") == ""


def test_several(engines: tuple[EngineNode, EngineNode]) -> None:
    """Of several servers one will do, and one that may be there later; what all say is said once."""
    good, bad = (engines[0].url.replace("//", f"//full:{each}@") for each in ("secret", "wrong"))
    assert look(EngineSettings((bad, good))) == []
    assert look(EngineSettings((bad, "nats://127.0.0.1:1"))) == []
    url = engines[0].url
    assert look(EngineSettings((bad, bad))) == [
        f"{url}, {url}: it does not let us in: the credentials are wrong",
    ]


def test_credentials(start_engine: StartEngine, tmp_path: Path) -> None:
    """A credentials file lets us in where an operator signs accounts, unless it has expired."""
    operator, foreign = Operator(), Operator()
    url = start_engine(settings=operator.settings()).url
    (tmp_path / "user.creds").write_bytes(operator.credentials().replace("\n", "\r\n").encode())
    rooms = load(tmp_path, f'[rooms]\nengine = "{url}"\ncredentials = "user.creds"\n{one()}').rooms
    assert rooms is not None
    assert look(rooms) == []
    for bad in (operator.credentials(time.time() - 60), foreign.credentials()):
        why = "it does not let us in: the credentials are wrong, or have expired"
        assert saidOf(url, credentials=bad) == why


@pytest.mark.parametrize("spoiled", ["BEGIN NATS USER JWT", "BEGIN USER NKEY SEED", "\nSU"])
def test_no_credentials(tmp_path: Path, spoiled: str) -> None:
    """A file that is no credentials file is a mistake in the config."""
    text = Operator().credentials()
    assert spoiled in text
    (tmp_path / "user.creds").write_text(text.replace(spoiled, "\nx"))
    config = f'[rooms]\nengine = "nats://h"\ncredentials = "user.creds"\n{one()}'
    assert complaints(tmp_path, config) == [
        "FILE: rooms.credentials: is no credentials file, as nsc makes them",
    ]


def test_tls(start_engine: StartEngine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With TLS: who has signed the certificate must be known, its name be right, and none asked of us."""
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = f'cert_file: "{pem}", key_file: "{pem}"'
    server = start_engine("one", settings=f'authorization {{ token: "right" }}\ntls {{ {files} }}\n')
    url = server.url.replace("nats:", "tls:")
    trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    assert saidOf(url, tls=trusting, token="right") == ""
    assert saidOf(url, tls=trusting, token="wrong") == "it does not let us in: the credentials are wrong"
    unknown = "its certificate is not accepted: unable to get local issuer certificate: "
    unknown += "ca of [rooms] names who has signed it"
    assert saidOf(url, tls=ssl.create_default_context(), token="right") == unknown
    assert saidOf(server.url, token="right") == f"{unknown}, with a tls: URL"
    elsewhere = url.replace("127.0.0.1", "localhost")
    assert saidOf(elsewhere, tls=trusting).startswith("its certificate is not accepted: Hostname mismatch")
    asking = start_engine("two", settings=f'tls {{ {files}, ca_file: "{tmp_path / "ca.pem"}", verify: true }}\n')
    assert saidOf(asking.url.replace("nats:", "tls:"), tls=trusting) == (
        "it asks for a certificate of ours (verify in its tls), and [rooms] has none to show"
    )
    assert capfd.readouterr().err == ""


def test_start(tmp_path: Path) -> None:
    """A server whose engine has no JetStream does not start, and says so once; a check does not ask."""
    requireClient("nats-server")
    path = tmp_path / "lab.toml"
    with ExitStack() as stack:
        stack.enter_context(onAsyncio())
        plain = stack.enter_context(engine(tmp_path, "plain"))
        where = plain.url.replace("//", "//me:secret@")
        path.write_text(f'[server]\nworkers = 2\n[rooms]\nengine = "{where}"\n{one("chat")}')
        ended = run("-n", "--pidfile=", "socklab", "--config", str(path), folder=tmp_path)
        with pytest.raises(SystemExit) as checked:
            Options().parseOptions(["--config", str(path), "--check"])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{path}: rooms.engine: {plain.url}: {NO_JETSTREAM}\n"
    assert checked.value.code == 0


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while an engine is asked that does not answer ends the start, without a word, with status 130."""
    path = tmp_path / "lab.toml"
    with onAsyncio(), socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        path.write_text(f'[rooms]\nengine = "nats://127.0.0.1:{silent.getsockname()[1]}"\n{one("chat")}')
        starting = subprocess.Popen(
            twistd("-n", "--pidfile=", "socklab", "--config", str(path)),
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            with silent.accept()[0]:
                starting.send_signal(signal.SIGINT)
                printed, _ = starting.communicate(timeout=30)
        finally:
            starting.kill()
            starting.wait()
    assert (starting.returncode, printed) == (130, b"")


def test_interrupted_anywhere(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """So it is wherever Ctrl-C comes in between, and though nats-py may swallow that it is cancelled."""

    async def opened(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(30)

    # As it is at the start of a process; a reactor of another test may have left its own.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("socklab.rooms.nats.look.opened", opened)
    with pytest.raises(KeyboardInterrupt):
        look(EngineSettings(("nats://127.0.0.1:1",)))
    # asyncio complains of what is left when that is freed.
    gc.collect()
    assert caplog.messages == []
