"""A key-value store with times to live, spoken in lines of text; all transports share the one store."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from twisted.internet.interfaces import IDelayedCall

from socklab import Factory, Lines, MessageProtocol, Seconds, Size, printable

MAX_KEY: Final = 100
"""The greatest length of a key, in characters."""
MAX_LISTED: Final = 100
"""How many keys KEYS names: with keys of 100 characters its answer still fits a datagram."""
USAGE: Final = "expected SET key value [seconds], GET key, TTL key, DEL key or KEYS"


class KeyValueProtocol(MessageProtocol):
    """Answer each line with one line. An answer that begins with ERROR says why nothing was done."""

    factory: KeyValueFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Do what a line says; what one peer stores shall not control the terminal of another who reads it."""
        text = payload.decode(self.transport.encoding, "replace")
        answer = self.answer([printable(word) for word in text.split()])
        self.transport.sendMessage(answer.encode(self.transport.encoding, "replace"), False)

    def answer(self, words: list[str]) -> str:
        """Do a command, and give the answer."""
        store = self.factory
        match [word.upper() for word in words[:1]] + words[1:]:
            case ["SET", key, value]:
                return store.set(key, value, store.ttl)
            case ["SET", key, value, seconds] if ttl := duration(seconds):
                return store.set(key, value, ttl)
            case ["GET" | "TTL" | "DEL", key] if key not in store.entries:
                return "NONE"
            case ["GET", key]:
                return f"VALUE {store.entries[key].value}"
            case ["TTL", key]:
                return f"TTL {store.secondsLeft(key)}"
            case ["DEL", key]:
                store.delete(key)
                return "OK"
            case ["KEYS"]:
                return " ".join(["KEYS", str(len(store.entries)), *[*store.entries][:MAX_LISTED]])
            case ["SET" | "GET" | "TTL" | "DEL" | "KEYS", *_]:
                return f"ERROR {USAGE}"
            case _:
                return f"ERROR unknown command: {USAGE}"


def duration(text: str) -> float:
    """Read a number of seconds, above 0 and below 1e9; of anything else make 0."""
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return seconds if 0 < seconds < 1e9 else 0


class Entry(NamedTuple):
    """What is stored under a key, and what will delete it."""

    value: str
    expiry: IDelayedCall | None


class KeyValueFactory(Factory):
    """The store: one for the service, so what is set over TCP is there over UDP and WebSocket."""

    protocol = KeyValueProtocol
    framing = Lines

    def __init__(self, max_keys: int = 10_000, max_value: Size = 1024, ttl: Seconds = 0) -> None:
        """@param max_keys: how many keys there may be.
        @param max_value: the greatest length of a value, in bytes of UTF-8.
        @param ttl: seconds that a key lives if its SET names none; 0: for ever.
        """
        self.max_keys = max_keys
        self.max_value = max_value
        self.ttl = ttl
        self.entries: dict[str, Entry] = {}

    def reconfigure(self, **options: Any) -> None:
        """A reload: take the options that have changed. The data and the peers stay."""
        vars(self).update(options)

    def stopFactory(self) -> None:
        """The service ends: leave no timer behind."""
        for key in [*self.entries]:
            self.delete(key)

    def set(self, key: str, value: str, ttl: float) -> str:
        """Store a value for some seconds, 0: for ever; give the answer."""
        if len(key) > MAX_KEY:
            return f"ERROR a key has at most {MAX_KEY} characters"
        if len(value.encode()) > self.max_value:
            return f"ERROR a value has at most {self.max_value} bytes"
        if key not in self.entries and len(self.entries) >= self.max_keys:
            return f"ERROR there are {self.max_keys} keys already"
        self.delete(key)
        self.entries[key] = Entry(value, self.clock.callLater(ttl, self.delete, key) if ttl else None)
        return "OK"

    def delete(self, key: str) -> None:
        """Forget a key, if it is there."""
        entry = self.entries.pop(key, None)
        if entry and entry.expiry and entry.expiry.active():
            entry.expiry.cancel()

    def secondsLeft(self, key: str) -> str:
        """Say how long a key will live, in whole seconds, or `FOREVER`."""
        expiry = self.entries[key].expiry
        return str(math.ceil(expiry.getTime() - self.clock.seconds())) if expiry else "FOREVER"
