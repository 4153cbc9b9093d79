"""`[rooms]`, checked: the engine that rooms are shared through."""

from __future__ import annotations

import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..rooms.settings import EngineSettings, shownUrl
from ..rooms.waiting import Queue
from ..source import SOURCE
from ..transports.listen import unreadable
from .errors import Mistake, shown
from .schema import RoomsTable

_SCHEMES: Final = ("nats", "tls")


def parseRooms(raw: Any, folder: Path, again: bool) -> tuple[dict[str, Any], list[Mistake]]:
    """Check what the shape of the table does not tell, and read its files; the engine is not asked.

    @param raw: the table as it stands in the file.
    @param again: whether it is served already: a file that may not be read any more is then no mistake.
    @return: what was read, by the names of `EngineSettings`; and what is wrong.
    """
    read: dict[str, Any] = {}
    found: list[Mistake] = []
    if not isinstance(raw, dict):
        return read, found
    engine = raw.get("engine")
    urls = [engine] if isinstance(engine, str) else engine if isinstance(engine, list) else []
    for number, url in enumerate(urls):
        loc = ("rooms", "engine") if isinstance(engine, str) else ("rooms", "engine", number)
        if isinstance(url, str) and (wrong := _wrongUrl(url)):
            found.append(Mistake(loc, wrong))
    if urls and find_spec("nats") is None:
        why = "nats-py is not installed: pip install 'socklab[cluster]'"
        found.append(Mistake(("rooms", "engine"), why))
    for key, name in (("token_file", "token"), ("credentials", "credentials"), ("ca", "authorities")):
        file = raw.get(key)
        if isinstance(file, str):
            try:
                data = SOURCE.get().read(folder / file)
                read[name] = data if key == "ca" else "\n".join(data.decode().strip().splitlines())
            except (OSError, ValueError) as error:
                if again and isinstance(error, PermissionError):
                    read["unread"] = read.get("unread", frozenset()) | {name}
                    continue
                found.append(
                    Mistake(("rooms", key), unreadable(error) if isinstance(error, OSError) else "no text")
                )
    if "token" in read and not read["token"]:
        found.append(Mistake(("rooms", "token_file"), "the file is empty"))
    if "credentials" in read:
        if "token_file" in raw:
            found.append(Mistake(("rooms", "credentials"), "goes without token_file: one of them is enough"))
        if find_spec("nkeys") is None:
            why = "nkeys is not installed: pip install 'socklab[cluster]'"
            found.append(Mistake(("rooms", "credentials"), why))
        elif not _isCredentials(read["credentials"]):
            # nats-py would look for its user for ever.
            found.append(Mistake(("rooms", "credentials"), "is no credentials file, as nsc makes them"))
    isTls = any(isinstance(url, str) and url.startswith("tls:") for url in urls)
    if "authorities" in read and not isTls:
        found.append(Mistake(("rooms", "ca"), "no engine of this table is asked over TLS: it needs a tls: URL"))
    elif isTls:
        try:
            read["tls"] = ssl.create_default_context(cadata=read.get("authorities", b"").decode() or None)
        except (ssl.SSLError, ValueError):
            found.append(Mistake(("rooms", "ca"), "has no certificate in PEM"))
    return read, found


def _isCredentials(text: str) -> bool:
    """Tell whether a text has a user, and a key that is one."""
    # Imported late: it is in the extra `cluster`.
    import nkeys

    found = re.search(r"-BEGIN NATS USER JWT-+\n\S+\n(?s:.*)-BEGIN USER NKEY SEED-+\n(\S+)\n", text)
    if found is None:
        return False
    try:
        nkeys.from_seed(bytearray(found[1].encode()))
    except Exception:
        # It has its own for some, and others of what it is made of.
        return False
    return True


def _wrongUrl(url: str) -> str | None:
    """Say what is wrong with an engine's URL, without what is secret in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return 'expected a URL, such as "nats://127.0.0.1:4222"'
    if (
        parts.scheme not in _SCHEMES
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.fragment
        or port == 0
    ):
        # Without a scheme nothing tells what of it is secret.
        isSecretKnown = parts.netloc and "@" not in parts.path + parts.query + parts.fragment
        got = shownUrl(url) if isSecretKnown else "" if "@" in url else url
        wanted = 'expected a URL, such as "nats://127.0.0.1:4222" or "tls://host:4222"'
        return f"{wanted}, got {shown(got)}" if got else wanted
    return None


def settingsOf(table: RoomsTable, read: dict[str, Any]) -> EngineSettings:
    """Give what the engine needs to know.

    @param read: as `parseRooms` gave it.
    """
    return EngineSettings(
        urls=(table.engine,) if isinstance(table.engine, str) else table.engine,
        name=table.name,
        replicas=table.replicas,
        keep=table.keep,
        keepBytes=table.keep_bytes,
        queue=Queue(table.queue, table.queue_bytes),
        **read,
    )
