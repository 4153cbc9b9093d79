"""How messages travel: the adapters between Twisted's or Autobahn's transports and `MessageProtocol`."""
