"""The console's JSON: what the page and the terminal ask for, and by whom."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ..log import say
from .desk import Desk
from .door import Door, Role, Session, TooManyGuesses
from .stream import Stream
from .texts import Said, Wrong

_log: Final = Logger(namespace="socklab")

_COOKIE: Final = "socklab_{port}"
"""A browser gives a cookie to all ports of a host: two labs must not have one of the same name. The console may
have moved since it gave one, so each is looked at."""
_HEADER: Final = "x-socklab"
"""A page of another origin cannot set it without being asked first (Fetch, 3.2.2), and it is not asked."""


class Body(BaseModel):
    """What a request says."""

    model_config = ConfigDict(extra="forbid")


class Login(Body):
    """`login`."""

    token: str = Field(max_length=200)


class Follow(Body):
    """`follow`."""

    stream: str
    talk: str | None = None


class Write(Body):
    """`write`: a text, or bytes in base64."""

    to: list[str] = Field(min_length=1, max_length=100_000)
    text: str | None = None
    data: str = ""
    binary: bool = False


class Close(Body):
    """`close`."""

    to: list[str] = Field(min_length=1, max_length=100_000)
    reset: bool = False


class Speak(Body):
    """`say`."""

    service: str
    room: str
    text: str = Field(max_length=10_000)


class RuleBody(Body):
    """`rule` and `end-rule`."""

    kind: Literal["ban", "mute"]
    what: str = Field(max_length=100)


class ClientOpen(Body):
    """`client-open`."""

    stream: str
    id: str = Field(max_length=100)
    address: str = Field(max_length=1000)


class ClientClose(Body):
    """`client-close`."""

    stream: str
    id: str


class ClientSend(ClientClose):
    """`client-send`: a text, or bytes in base64."""

    text: str | None = None
    data: str = ""


def secure(request: Any) -> Said | None:
    """Say why a request may not come from our own page, if it may not.

    SameSite says nothing of another port of the same host, nor do browsers keep its cookies apart: the headers
    that they send beside it do (Fetch Metadata, 2.2; RFC 6454, 7).
    """
    if request.getHeader(_HEADER) is None:
        return Said("not-ours-header", {"header": _HEADER})
    origin = request.getHeader("origin")
    host = request.getHeader("host") or ""
    # Behind a proxy the scheme is not ours to tell.
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return Said("not-ours-page")
    if request.getHeader("sec-fetch-site") not in (None, "same-origin"):
        return Said("not-ours-site")
    return None


class Api(Resource):
    """`/api/NAME`: JSON in, JSON out."""

    isLeaf = True

    def __init__(self, desk: Desk, door: Door, clock: Any, trusted: Session | None = None) -> None:
        """@param trusted: whoever asks is this one: on a Unix socket the system says who may."""
        super().__init__()
        self._desk = desk
        self._hands = hands = desk.hands
        self._door = door
        self._clock = clock
        self._trusted = trusted
        self._actions: dict[str, tuple[Role, type[Body], Callable[..., Any]]] = {
            "follow": (Role.VIEWER, Follow, lambda who, body: desk.follow(body.stream, body.talk)),
            "write": (Role.OPERATOR, Write, self._write),
            "close": (Role.OPERATOR, Close, lambda who, body: hands.close(who, body.to, body.reset)),
            "say": (Role.OPERATOR, Speak, lambda who, body: hands.speak(who, body.service, body.room, body.text)),
            "rule": (Role.OPERATOR, RuleBody, lambda who, body: hands.rule(who, body.kind, body.what)),
            "end-rule": (Role.OPERATOR, RuleBody, lambda who, body: hands.endRule(who, body.kind, body.what)),
            "client-open": (Role.OPERATOR, ClientOpen, self._clientOpen),
            "client-send": (Role.OPERATOR, ClientSend, self._clientSend),
            "client-close": (Role.OPERATOR, ClientClose, self._clientClose),
            "reload": (Role.OPERATOR, Body, lambda who, body: hands.reload(who)),
        }

    def render(self, request: Any) -> Any:
        """Answer."""
        why = secure(request)
        if why is not None:
            return _refuse(request, 403, why)
        name = b"/".join(request.postpath).decode("latin-1")
        if name == "login" and request.method == b"POST":
            return self._login(request)
        who = self._trusted or self._session(request)
        if name == "session" and request.method == b"GET":
            return _answer(request, 200, {"role": who.role.name.lower() if who else None})
        if who is None:
            return _refuse(request, 401, Said("not-in"))
        if name == "stream" and request.method == b"GET":
            return self._stream(request, who)
        if name == "logout" and request.method == b"POST":
            for cookie in _cookies(request):
                self._door.leave(cookie)
            return _answer(request, 200, {})
        if name not in self._actions:
            return _refuse(request, 404, Said("not-there", {"name": name[:50]}))
        if request.method != b"POST":
            return _refuse(request, 405, Said("not-post"))
        role, model, act = self._actions[name]
        if who.role < role:
            return _refuse(request, 403, Said("not-viewer"))
        try:
            return self._done(request, act(who, _read(request, model)))
        except Wrong as error:
            return _refuse(request, 400, error.said)

    def _session(self, request: Any) -> Session | None:
        return next((who for each in _cookies(request) if (who := self._door.session(each)) is not None), None)

    def _done(self, request: Any, result: Any) -> Any:
        if not isinstance(result, Deferred):
            return _answer(request, 200, result)
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def failed(failure: Failure) -> None:
            if not isinstance(failure.value, Wrong):
                _log.failure("the console failed", failure)
            said = failure.value.said if isinstance(failure.value, Wrong) else Said("not-done")
            finish(_refuse(request, 400, said))

        def finish(body: bytes) -> None:
            if not gone:
                request.write(body)
                request.finish()

        result.addCallbacks(lambda told: finish(_answer(request, 200, told)), failed)
        return NOT_DONE_YET

    def _login(self, request: Any) -> bytes:
        host = request.getClientAddress()
        where = getattr(host, "host", "unix")
        try:
            entered = self._door.enter(_read(request, Login).token, where)
        except TooManyGuesses:
            return _refuse(request, 429, Said("not-so-fast"))
        except Wrong as error:
            return _refuse(request, 400, error.said)
        if entered is None:
            say(f"console: a wrong token, from {where}", "console")
            return _refuse(request, 403, Said("not-token"))
        cookie, who = entered
        say(f"console: {who} has come in", "console", who=str(who), did="login")
        request.addCookie(
            _cookieName(request),
            cookie,
            path="/api",
            httpOnly=True,
            sameSite="strict",
            secure=request.isSecure(),
        )
        return _answer(request, 200, {"role": who.role.name.lower()})

    def _stream(self, request: Request, who: Session) -> int:
        request.setHeader("content-type", "application/x-ndjson; charset=utf-8")
        # For a proxy that would wait for the end.
        request.setHeader("x-accel-buffering", "no")
        self._desk.attach(Stream(request, who, self._desk.talks, self._clock, self._desk.detach))
        return NOT_DONE_YET

    def _clientOpen(self, who: Session, body: ClientOpen) -> Any:
        stream = self._desk.stream(body.stream)
        self._hands.log(who, "did-connect", address=body.address)
        return self._desk.clients.open(stream, body.id, body.address)

    def _clientSend(self, who: Session, body: ClientSend) -> Any:
        return self._desk.clients.send(self._desk.stream(body.stream), body.id, decoded(body.data), body.text)

    def _clientClose(self, who: Session, body: ClientClose) -> Any:
        return self._desk.clients.close(self._desk.stream(body.stream), body.id)

    def _write(self, who: Session, body: Write) -> dict[str, Any]:
        return self._hands.write(who, body.to, decoded(body.data), body.text, body.binary)


def decoded(data: str) -> bytes:
    """Read base64.

    @raise Wrong: it is none.
    """
    try:
        return b64decode(data, validate=True)
    except Base64Error:
        raise Wrong("not-base64") from None


def _read(request: Any, model: type[Any]) -> Any:
    """Read what a request says.

    @raise Wrong: it is not what is asked for.
    """
    try:
        return model.model_validate_json(request.content.read() or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        raise Wrong("not-asked-so", where=".".join(map(str, first["loc"])) or "body", what=first["msg"]) from None


def _answer(request: Any, status: int, told: Any) -> bytes:
    request.setResponseCode(status)
    request.setHeader("content-type", "application/json; charset=utf-8")
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _refuse(request: Any, status: int, why: Said) -> bytes:
    return _answer(request, status, {"error": str(why), **why.told()})


def _cookieName(request: Any) -> str:
    return _COOKIE.format(port=getattr(request.getHost(), "port", "unix"))


def _cookies(request: Any) -> list[str]:
    prefix = _COOKIE.format(port="").encode()
    return [value.decode("latin-1") for name, value in request.received_cookies.items() if name.startswith(prefix)]
