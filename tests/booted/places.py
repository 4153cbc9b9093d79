"""What a server has from systemd: sockets, ports, folders, credentials."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from .life import echo
from .unit import UNITS, Unit, connect, done, echoed, sh, until

SERVICE = """
[[service]]
protocol = "echo"
listen = [{listen}]
"""
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def _enough(count: Callable[[], int]) -> None:
    """Wait until ten more are served."""
    wanted = count() + 10
    until(lambda: count() >= wanted, "peers are served")


def sockets() -> str:
    """Sockets of a socket unit: TCP on port 80, a Unix socket; restarts while peers come"""
    path = UNITS / "socklab.socket"
    path.write_text(
        "[Socket]\nListenStream=80\nListenStream=/run/echo.sock\nSocketMode=0660\nSocketGroup=games\nBacklog=100\n"
    )
    unit = Unit()
    unit.end()
    unit.add()
    unit.write(SERVICE.format(listen="'systemd:domain=INET:index=0', 'systemd:domain=UNIX:index=1'"))
    try:
        done("systemctl", "start", "socklab.socket")
        # The first peer has it started.
        for where in (80, "/run/echo.sock"):
            assert echoed(where)
        came = refused = 0
        over = threading.Event()

        def come() -> None:
            nonlocal came, refused
            while not over.is_set():
                for where in (80, "/run/echo.sock"):
                    try:
                        came += echoed(where)
                    except OSError:
                        refused += 1

        thread = threading.Thread(target=come)
        thread.start()
        for _ in range(3):
            unit.do("restart")
            _enough(lambda: came)
        over.set()
        thread.join()
        done("systemctl", "stop", "socklab")
        there = Path("/run/echo.sock").stat()
        assert there.st_mode & 0o777 == 0o660, oct(there.st_mode)
        assert echoed("/run/echo.sock")
    finally:
        done("systemctl", "stop", "socklab.socket", "socklab")
        path.unlink()
    return (
        f"{came} served, {refused} cut or refused, over 3 restarts; the file keeps its mode, 660, and its listener"
    )


def privileged() -> str:
    """A port below 1024 by the three lines that the unit names"""
    unit = Unit()
    config = echo("tcp:80:interface=127.0.0.1")
    both = [f"{kind}=CAP_NET_BIND_SERVICE" for kind in ("CapabilityBoundingSet", "AmbientCapabilities")]
    for settings in ([], both):
        unit.end()
        unit.add(*settings)
        unit.write(config)
        assert sh("systemctl", "start", unit.name).returncode == 1
    unit.begin(config, *both, "PrivateUsers=no")
    assert echoed(80)
    return "it serves; not with fewer of them"


def folders() -> str:
    """A Unix socket in /run/socklab, a record in /var/lib/socklab"""
    unit = Unit()
    unit.begin(
        SERVICE.format(listen="'unix:/run/socklab/echo.sock', 'unix:/run/socklab/own.sock:mode=600'")
        + '[service.record]\nfile = "/var/lib/socklab/echo.jsonl"\n'
    )
    for name, expected in (("echo", True), ("own", False)):
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('/run/socklab/{name}.sock')"
        assert (sh(*NOBODY, "python3", "-c", code).returncode == 0) == expected, name
    unit.do("restart")
    assert echoed("/run/socklab/echo.sock")
    unit.do("stop")
    record = Path("/var/lib/socklab/echo.jsonl")
    events = [json.loads(each)["event"] for each in record.read_text().splitlines()]
    assert events.count("message") == 2, events
    mode = record.stat().st_mode & 0o777
    return f"another user reaches the socket unless its mode says no; the record outlives a restart, mode {mode:o}"


def credentials() -> str:
    """A certificate by LoadCredential, its key for root alone"""
    folder = Path("/etc/socklab-tls")
    folder.mkdir(exist_ok=True)
    done("/opt/socklab/bin/socklab", "certificate", "--force", "--folder", str(folder))
    (key,) = (each for each in folder.iterdir() if "key" in each.name)
    (cert,) = (each for each in folder.iterdir() if "cert" in each.name)
    key.chmod(0o600)
    credential = "/run/credentials/socklab.service"
    unit = Unit()
    unit.begin(
        SERVICE.format(listen=f"'ssl:7443:privateKey={credential}/key.pem:certKey={credential}/cert.pem'"),
        f"LoadCredential=key.pem:{key}",
        f"LoadCredential=cert.pem:{cert}",
    )
    trust = ssl.create_default_context(cafile=str(cert))
    with trust.wrap_socket(connect(7443), server_hostname="localhost") as secure:
        assert echoed(secure)
    unit.do("reload")
    return "TLS is spoken; a reload goes well"


SCENES = [sockets, privileged, folders, credentials]
