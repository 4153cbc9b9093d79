"""Makes `twistd --reactor=uvloop` known; the reactor itself is in `socklab.reactor`."""

from twisted.application.reactors import Reactor

uvloop = Reactor("uvloop", "socklab.reactor", "uvloop's event loop, with ports on sockets of their own (socklab)")
