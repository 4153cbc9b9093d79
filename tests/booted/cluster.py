"""Nodes under socklab@.service, with Debian's nats-server beside them, installed as docs/deploy.md says."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.cluster.crowd import CHANGES, Crowd, crowd
from tests.cluster.members import byTcp, byWebSocket
from tests.cluster.nodes import ENGINES, TOKEN_HASH

from .unit import CONFIGS, Unit, done, sh, until

DOCS: Final = Path("/checkout/docs/deploy.md")
INSTALL: Final = re.compile(r"^```sh\napt-get .*\n((?:.*\n)*?)```", re.MULTILINE)
FRONT: Final = 4000
"""Where HAProxy serves TCP; the nodes have the ports of node.toml, each on an address of its own."""


def write(folder: Path) -> None:
    """Write what is installed, changed for one machine that is alone."""
    shutil.copytree(CONFIGS / "cluster", folder, dirs_exist_ok=True)

    def change(name: str, *changes: tuple[str, str]) -> None:
        text = (folder / name).read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (folder / name).write_text(text)

    change(
        "cluster.env",
        ("ENGINE_ADDRESS=10.0.0.1", "ENGINE_ADDRESS=127.0.0.1"),
        ("ENGINE_TOKEN=", "ENGINE_TOKEN=s0123456789"),
        ("ENGINE_PASSWORD=", "ENGINE_PASSWORD=s9876543210"),
    )
    engine = folder / "nats-server.conf"
    engine.write_text(re.sub(r"(?s)\ncluster \{.*?\n\}\n", "\n", engine.read_text()))
    change("node.toml", (ENGINES, '"nats://127.0.0.1:4222"'), ("replicas = 3", "replicas = 1"), *CHANGES)
    change("node.toml", ("sha256:...", TOKEN_HASH))


def installed() -> str:
    """The commands of docs/deploy.md, as they are (but apt-get)"""
    found = INSTALL.search(DOCS.read_text())
    assert found is not None
    with TemporaryDirectory() as name:
        write(Path(name))
        offline = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PATH=/opt/python/bin:$PATH\n"
        ended = sh("bash", "-e", "-c", f"cd {name}\n{offline}{found[1]}")
    unit = Unit("socklab@node")
    assert ended.returncode == 0, ended.stdout + ended.stderr + unit.journal()
    until(lambda: "rooms: the engine is there" in unit.journal(), "the engine is there")
    ready = done("curl", "-sS", "http://127.0.0.1:59300/readyz").strip()
    return f"the engine is there, /readyz says {ready}; `systemd-analyze security` says {unit.exposure()}"


def _three() -> None:
    """Have three nodes, and HAProxy before them."""
    done("systemctl", "stop", "socklab@node")
    text = Path("/etc/socklab/node.toml").read_text()
    for number in "123":
        where = f"interface=127.0.0.{number}"
        changed = text.replace("haproxy:tcp:3000", f"haproxy:tcp:3000:{where}")
        changed = changed.replace("haproxy:tcp:8000", f"haproxy:tcp:8000:{where}")
        changed = changed.replace("interface=0.0.0.0", where).replace("socklab@node", f"socklab@{number}")
        Path(f"/etc/socklab/{number}.toml").write_text(changed)
        done("systemctl", "start", f"socklab@{number}")
    shutil.copy(CONFIGS / "cluster" / "haproxy.cfg", "/etc/haproxy/")
    nodes = "".join(f"NODE{number}=127.0.0.{number}\n" for number in "123")
    front = f"MAXCONN=1000\nCHAT_TCP=127.0.0.1:{FRONT}\nCHAT_WS=127.0.0.1:{FRONT + 1}\n"
    Path("/etc/default/haproxy").write_text(nodes + front)
    done("systemctl", "restart", "haproxy")


def rolling() -> str:
    """socklab@1 to @3: `systemctl restart`, one by one, and then NATS, while members talk through HAProxy"""
    _three()

    async def play() -> str:
        async with crowd([byTcp(FRONT), byWebSocket(FRONT + 1)], 4) as there:
            async with there.talking(0.02):
                for each in ("socklab@1", "socklab@2", "socklab@3", "nats-server"):
                    await _more(there)
                    await asyncio.to_thread(done, "systemctl", "restart", each)
                    await asyncio.gather(*(one.here() for one in there.members))
                await _more(there)
            await there.agree(live=False)
            said, count = sum(each.said for each in there.members), len(there.members)
            back = sum(each.comings for each in there.members) - count
            return f"{said} lines heard by each of {count} members, once; they came back {back} times"

    return asyncio.run(play())


async def _more(there: Crowd) -> None:
    await asyncio.gather(*(each.hearsMore(there.members, 5) for each in there.members))


def closed() -> str:
    """A client from elsewhere, whom the unit does not let in"""
    done("ip", "address", "replace", "10.9.9.9/32", "dev", "lo")
    done("systemctl", "stop", "haproxy", "socklab@1", "socklab@2", "socklab@3")
    done("systemctl", "restart", "socklab@node")
    with socket.create_server(("10.9.9.9", 0)) as known, socket.socket() as peer:
        peer.settimeout(3)
        # From there to what nobody guards one comes.
        socket.create_connection(known.getsockname(), 3, ("10.9.9.9", 0)).close()
        peer.bind(("10.9.9.9", 0))
        try:
            peer.connect(("10.9.9.9", 3000))
        except TimeoutError:
            return "it gets no answer"
    return "it comes in: `IPAddressDeny` filters nothing in this container, and systemd does not say so"


SCENES: list[Callable[[], str]] = [installed, rolling, closed]
