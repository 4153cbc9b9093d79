"""One peer's protocol and its guards, the same on every transport."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ..events import MessageReceived, Paused, Resumed
from ..message import MessageProtocol, PeerError
from ..policy.rates import Rates
from .hold import BURST, STOPS, Hold
from .idle import IdleTimer
from .pending import Pending, deferredOf
from .serving import Serving
from .telling import Adapter, Telling


class Conversation(Telling):
    """One peer's protocol: called in order, its errors kept in, each event told."""

    # Thousands of idle connections have one each: a dict or a callback would cost as much as all of this.
    __slots__ = (
        "_idle",
        "_life",
        "_pending",
        "_rates",
        "_slowed",
        "burst",
        "held",
        "listening",
        "protocol",
        "ready",
    )

    def __init__(self, serving: Serving, adapter: Adapter, told: bool = True) -> None:
        """@param told: whether the beginning, the end and every fault are events; else a fault is one once."""
        super().__init__(serving, adapter, told)
        self._pending: Pending | None = None
        self._idle: IdleTimer | None = None
        self._life: IDelayedCall | None = None
        self._rates = Rates.of(serving.limits, serving.clock)
        self._slowed: IDelayedCall | None = None
        self.protocol: MessageProtocol | None = None
        self.listening = True
        """Whether messages still reach the protocol."""
        self.burst = 0
        """How many messages were handled since others had a turn."""
        self.held = 0
        """Why no message may be handed over now: each `Hold`, added up."""
        self.ready: MessageProtocol | None = None
        """The protocol, while nothing stands between it and the next message: it listens, is not busy, and neither
        its peer's rate nor its silence is measured. One look at this is what all the guards cost most messages."""

    def begin(self) -> bool:
        """Build the protocol and introduce the transport; False when the Factory refuses the peer or raised."""
        serving = self._serving
        try:
            protocol = serving.factory.buildProtocol(self._adapter.getPeer())
            if protocol is not None and not isinstance(protocol, MessageProtocol):
                raise TypeError(f"{serving.factory!r} built no MessageProtocol, but {protocol!r}")
        except Exception:
            self._failed(Failure())
            return False
        if protocol is None:
            self.cut("refused by the protocol's factory")
            return False
        self.protocol = protocol
        self._settle()
        if self._told:
            self._tellOpened()
            if serving.limits.idle:
                self.setTimeout(serving.limits.idle)
            if serving.limits.lifetime:
                self._life = serving.clock.callLater(serving.limits.lifetime, self._lifeEnds)
        self._call(protocol.makeConnection, self._adapter)
        return True

    # What the protocol is given

    def _settle(self) -> None:
        """Something that `ready` depends on has changed."""
        guarded = self.held or self._pending is not None or self._idle is not None or self._rates is not None
        self.ready = self.protocol if self.listening and not guarded else None

    @property
    def full(self) -> str | None:
        """Why a message that nobody can hold back is dropped, if it is."""
        if self.held & Hold.QUEUE:
            return f"more than {self._serving.limits.queue} bytes were waiting for the busy protocol"
        return "it sends faster than it may" if self.held & Hold.RATE else None

    @property
    def busy(self) -> bool:
        """Whether the protocol has yet to finish with what was handed over."""
        return self._pending is not None

    def hold(self, why: Hold) -> None:
        """Hand over no message until `release`."""
        if self.listening:
            wasHeld = self.held
            if self._serving.events.traffic and not wasHeld & why:
                self._tellHold(why, Paused)
            self.held |= why
            self.ready = None
            if not wasHeld or wasHeld == Hold.BURST:
                self._adapter.holdChanged()

    def release(self, why: Hold) -> None:
        """End a `hold`; messages go on when nothing else holds them."""
        if self.held & why:
            self.held &= ~why
            self._settle()
            if self._serving.events.traffic:
                self._tellHold(why, Resumed)
            self._goOn()
            if not self.held:
                self._adapter.holdChanged()

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Hand a message to the protocol, now or when it is done with those before. It is not held."""
        protocol, serving = self.ready, self._serving
        if protocol is None or serving.events.traffic:
            self._receivedGuarded(payload, isBinary)
            return
        if serving.counting and not serving.counts.takes(len(payload)):
            self._receivedGuarded(payload, isBinary)
            return
        try:
            result = protocol.messageReceived(payload, isBinary)
            if result is not None:
                self.awaits(result)
        except Exception:
            self.raised(Failure())
        self.burst += 1
        if self.burst >= BURST:
            self._letOthers()

    def _receivedGuarded(self, payload: bytes, isBinary: bool) -> None:
        if not self.listening or self.protocol is None:
            return
        if self._idle is not None:
            self._idle.heard()
        if self._serving.counting:
            self._serving.counts.came(len(payload))
        if self._serving.events.traffic:
            self._serving.events.emit(MessageReceived(self._serving.service, self.peer, payload, isBinary))
        if self._rates is not None:
            self._slowDown(self._rates.take(len(payload), self._serving.clock.seconds()))
        pending = self._pending
        if pending is None:
            self._deliver(self.protocol, payload, isBinary)
            return
        pending.put(payload, isBinary)
        if pending.size > self._serving.limits.queue:
            self.hold(Hold.QUEUE)

    def _slowDown(self, seconds: float) -> None:
        if seconds <= 0:
            return
        # What a busy protocol has yet to take may follow another one that was held back already.
        if self._slowed is not None:
            self._slowed.cancel()
        self._slowed = self._serving.clock.callLater(seconds, self._speedUp)
        self.hold(Hold.RATE)

    def _speedUp(self) -> None:
        self._slowed = None
        self.release(Hold.RATE)

    def _deliver(self, protocol: MessageProtocol, payload: bytes, isBinary: bool) -> None:
        counts = self._serving.counts
        began = counts.begin() if self._serving.counting else 0.0
        try:
            result = protocol.messageReceived(payload, isBinary)
            if result is not None:
                self.awaits(result, began)
            else:
                counts.done(began)
        except Exception:
            self.raised(Failure())
        self.burst += 1
        if self.burst >= BURST:
            self._letOthers()

    def _letOthers(self) -> None:
        # One read may bring 65,536 lines, each of which goes to a whole room.
        self.burst = 0
        self.hold(Hold.BURST)
        self._serving.clock.callLater(0, self.release, Hold.BURST)

    def _call(self, hook: Callable[..., object], *arguments: object) -> None:
        """Call another of the protocol's methods; what comes meanwhile waits for it too."""
        try:
            result = hook(*arguments)
            if result is not None:
                self.awaits(result)
        except Exception:
            self.raised(Failure())

    def awaits(self, result: object, began: float = 0.0) -> None:
        """The protocol has promised a result: what comes meanwhile waits for it.

        @param began: when the message came to it, if that is to be timed.
        """
        deferred = deferredOf(result)
        pending = self._pending or Pending()
        pending.began = began
        pending.result = deferred
        if self.protocol is not None:
            self._pending = pending
            self.ready = None
        else:
            self._cancelLater(pending)
        deferred.addBoth(self._finished, pending)

    def _finished(self, result: object, pending: Pending) -> None:
        pending.result = None
        self._serving.counts.done(pending.began)
        if isinstance(result, Failure):
            self.raised(result)
        self._goOn()

    def _goOn(self) -> None:
        """Hand over what has waited; after the last of it, do what was to be done afterwards."""
        pending = self._pending
        if pending is None or pending.delivering:
            return
        pending.delivering = True
        while pending.messages and not pending.result and not self.held & STOPS and self.protocol:
            self._deliver(self.protocol, *pending.take())
        pending.delivering = False
        if not pending.messages and not pending.result:
            self._pending = None
            self._settle()
            for call in pending.afterwards:
                call()
            self.release(Hold.QUEUE)

    def afterwards(self, call: Callable[[], object]) -> None:
        """Do something when the protocol has finished with all that was handed over: now, most often."""
        if self._pending is None:
            call()
        else:
            self._pending.afterwards.append(call)

    def inputEnded(self) -> None:
        """The peer will send nothing more, and all that it has sent was handed over."""
        self.closing("peer", "closed")
        self.afterwards(self._inputEnded)

    def _inputEnded(self) -> None:
        if self.listening and self.protocol is not None:
            self._call(self.protocol.readConnectionLost)

    # Silence

    def setTimeout(self, seconds: float | None) -> None:
        """Have the protocol told when no message has come for so long; None or 0: never."""
        if self._idle is not None:
            self._idle.stop()
            self._idle = None
        elif not seconds:
            return
        if seconds and self.listening:
            self._idle = IdleTimer(self._serving.clock, seconds, self._isWaiting, self._isIdle)
        self._settle()

    def _isWaiting(self) -> bool:
        return bool(self.held) or self.busy

    def _isIdle(self, seconds: float) -> None:
        protocol, before = self.protocol, self._closed
        if protocol is None:
            return
        self.closing("server", f"silent for {seconds:g} s")
        self._call(protocol.timeoutConnection)
        if self.listening:
            # It has something else in mind than to close.
            self._closed = before

    # The end

    def _lifeEnds(self) -> None:
        self._life = None
        self.closing("server", f"here for {self._serving.limits.lifetime:g} s, its lifetime")
        self._adapter.loseConnection()

    def deafen(self) -> None:
        """Hand over nothing more: what still comes is ignored, so nothing is held any longer."""
        if self._pending is not None:
            self._pending.forget()
        self._stopListening()

    def leave(self, end: Callable[[], object]) -> None:
        """Take nothing new, finish with what was handed over, then end it."""
        self._stopListening()
        self._goOn()
        self.afterwards(end)

    def goAway(self, close: Callable[[], object]) -> None:
        """The server is shutting down: the same, but the protocol may say goodbye."""
        self.closing("server", "shutdown")

        def sayGoodbye() -> None:
            if self.protocol is not None:
                self._call(self.protocol.serverStopping)
            self.afterwards(close)

        self.leave(sayGoodbye)

    def _stopListening(self) -> None:
        self.listening = False
        self.ready = None
        self._stopTimers()
        if self.held:
            self.held = 0
            self._adapter.holdChanged()

    def _stopTimers(self) -> None:
        if self._idle is not None:
            self._idle.stop()
        for timer in (self._life, self._slowed):
            if timer is not None:
                timer.cancel()
        self._idle = self._life = self._slowed = None

    def cut(self, reason: str) -> None:
        """The peer went too far: say so, and hear no more of it. The caller closes."""
        if self._closed is None or self._closed[0] == "peer":
            self._closed = "server", reason
            self._tellCut(reason)
        self.deafen()

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        if self.listening:
            self.listening = False
            self._stopTimers()
        self.ready = None
        self.held = 0
        protocol, self.protocol = self.protocol, None
        if protocol is None:
            return
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.forget()
            self._cancelLater(pending)
        # As `Failure.check`, at a tenth of its cost.
        if isinstance(reason.value, ConnectionDone):
            self.closing("peer", "closed")
        elif isinstance(reason.value, ConnectionAborted):
            self.closing("server", "aborted")
        else:
            # RST, most often. Twisted says the same of a peer that has not answered keepalive.
            self.closing("peer", "reset")
        try:
            protocol.connectionLost(reason)
        except Exception:
            self._tellFailure(Failure())
        self._tellClosed()

    def _cancelLater(self, pending: Pending) -> None:
        # In a turn of its own: it may be the handler itself, running now, that ended the conversation.
        self._serving.clock.callLater(0, pending.cancel)

    def raised(self, failure: Failure) -> None:
        """A handler has failed."""
        if self.protocol is None:
            # The peer is gone, and what was done for it was cancelled.
            if not failure.check(CancelledError):
                self._tellFailure(failure)
        elif isinstance(failure.value, PeerError):
            self.cut(str(failure.value))
            self._adapter.protocolFailed(True)
        else:
            self._failed(failure)

    def _failed(self, failure: Failure) -> None:
        self.deafen()
        self._closed = "server", "the protocol failed"
        self._tellFailure(failure)
        self._adapter.protocolFailed(False)
