"""Channels, at one server and at two."""

from channels import ChannelFactory

from socklab.testing import MemoryEngine, MemoryServer


def test_channel() -> None:
    """A line goes to all who listen to its channel, over any transport, and to nobody else."""
    server = MemoryServer(ChannelFactory())
    tcp, page, other = server.tcp(), server.websocket(), server.tcp()
    for peer, name in ((tcp, "news"), (page, "news"), (other, "sports")):
        peer.say(name)
    tcp.say("hello")
    assert tcp.hear() == page.hear() == ["news: hello"]
    assert other.hear() == []


def test_newcomer() -> None:
    """A newcomer is sent the last lines of its channel, while somebody listens to it."""
    server = MemoryServer(ChannelFactory(remember=2))
    first, second = server.tcp(), server.tcp()
    for line in ("news", "one", "two", "three"):
        first.say(line)
    second.say("news")
    assert second.hear() == ["news: two", "news: three"]


def test_too_many() -> None:
    """When there are as many channels as there may be, who names another one is told so, and may try again."""
    factory = ChannelFactory()
    factory.rooms.resize(2, None)
    server = MemoryServer(factory)
    first, second = server.tcp(), server.tcp()
    first.say("news")
    second.say("sports")
    second.say("news")
    first.say("hello")
    assert second.hear() == ["! there are 2 rooms already: name one of them", "news: hello"]


def test_two_servers() -> None:
    """Servers that share an engine share the channels: what was said while it was away comes later."""
    engine = MemoryEngine()
    here = MemoryServer(ChannelFactory(), engine=engine).tcp()
    there = MemoryServer(ChannelFactory(), engine=engine).tcp()
    here.say("news")
    there.say("news")
    here.say("one")
    engine.advance(1)
    engine.stop()
    here.say("two")
    engine.advance(1)
    assert there.hear() == ["news: one"]
    engine.start()
    engine.advance(1)
    assert there.hear() == ["news: two"]
