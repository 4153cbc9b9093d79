"""The engines of the tests are what they say: real, durable, and one where they are three."""

from __future__ import annotations

from .engine import EngineCluster, EngineNode


def test_one(engine: EngineNode) -> None:
    """An engine has JetStream; killed, it is gone; started again, it is healthy at its old port."""
    port = engine.port
    assert engine.ask("jsz")["config"]["max_storage"] > 0
    engine.kill()
    assert not engine.isHealthy()
    engine.start()
    engine.waitUntilHealthy()
    assert engine.ask("varz")["port"] == port


def test_paused(engine: EngineNode) -> None:
    """One that is paused is not healthy until it goes on."""
    engine.pause()
    assert not engine.isHealthy()
    engine.resume()
    engine.waitUntilHealthy()


def test_three(engines: EngineCluster) -> None:
    """Three know each other, and each which of them leads."""
    known = {each.name: each.ask("routez") for each in engines.nodes}
    everybody = {each["server_id"] for each in known.values()}
    for each in known.values():
        assert {route["remote_id"] for route in each["routes"]} | {each["server_id"]} == everybody
    leaders = {each.ask("jsz")["meta_cluster"]["leader"] for each in engines.nodes}
    assert leaders <= {each.name for each in engines.nodes}
    assert len(leaders) == 1
