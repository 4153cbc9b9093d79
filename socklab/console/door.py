"""Who may use the console: a token that is known, exchanged for a session that a cookie names."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from ..config.console import Console
from ..policy.rates import Bucket

_SESSIONS: Final = 100
"""That are remembered; one more ends the one that was longest unused."""
_UNUSED: Final = 12 * 3600
"""Seconds after which an unused session is over."""
_GUESSES: Final = 10
"""Wrong tokens at once; then one a second."""


class Role(IntEnum):
    """What somebody may do; the greater has all that the lesser has."""

    VIEWER = 1
    OPERATOR = 2


@dataclass(eq=False)
class Session:
    """Somebody who is in."""

    role: Role
    number: int
    host: str
    """Where it is from."""
    known: str = ""
    """The hash of the token that it came in by."""
    used: float = 0
    over: bool = False

    def __str__(self) -> str:
        return f"{self.role.name.lower()} {self.number} ({self.host})"


class TooManyGuesses(Exception):
    """Wrong tokens come too fast."""


def hashOf(token: str) -> str:
    """Give what a config has of a token.

    One round is enough: a token is made by `newToken`, and nobody guesses 192 bits.
    """
    return f"sha256:{sha256(token.encode()).hexdigest()}"


def newToken() -> str:
    """Make a token."""
    return secrets.token_urlsafe(24)


class Door:
    """Exchanges tokens for sessions."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: gives the time, in seconds."""
        self._clock = clock
        self._hashes: dict[Role, str] = {}
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._count = 0
        self._guesses = Bucket(1, clock(), _GUESSES)
        self.made: dict[Role, str] = {}
        """Tokens that were made here, because the config has none."""

    def configure(self, config: Console) -> None:
        """Take what the config says; who is in by a token that is no longer good is out."""
        given = {Role.OPERATOR: config.tokenHash, Role.VIEWER: config.viewerHash}
        wanted = {role: hash_ for role, hash_ in given.items() if hash_ is not None}
        if not wanted:
            self.made = self.made or {role: newToken() for role in (Role.OPERATOR, Role.VIEWER)}
            wanted = {role: hashOf(token) for role, token in self.made.items()}
        else:
            self.made = {}
        self._hashes = wanted
        for cookie, session in [*self._sessions.items()]:
            if wanted.get(session.role) != session.known:
                self.leave(cookie)

    def enter(self, token: str, host: str) -> tuple[str, Session] | None:
        """Give a new session and what its cookie holds; None when the token is wrong.

        @raise TooManyGuesses: there were too many wrong ones; not even a right one is looked at.
        """
        now = self._clock()
        hashed = hashOf(token)
        # Each is compared, so that the time tells nothing.
        roles = [role for role, known in self._hashes.items() if compare_digest(hashed, known)]
        if not self._guesses.allows(now):
            raise TooManyGuesses
        if not roles:
            return None
        self._guesses.take(now, -1)
        self._count += 1
        session = Session(max(roles), self._count, host, hashed, now)
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = session
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)[1].over = True
        return cookie, session

    def session(self, cookie: str) -> Session | None:
        """Give the session that a cookie names."""
        session = self._sessions.get(cookie)
        if session is None:
            return None
        now = self._clock()
        if now - session.used > _UNUSED:
            self.leave(cookie)
            return None
        session.used = now
        self._sessions.move_to_end(cookie)
        return session

    def leave(self, cookie: str) -> None:
        """End a session."""
        session = self._sessions.pop(cookie, None)
        if session is not None:
            session.over = True
