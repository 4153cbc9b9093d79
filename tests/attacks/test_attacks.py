"""Each attack in its short form: it ends as it should, others are served meanwhile, and memory stays bounded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import Server

from . import ATTACKS
from .attack import Attack
from .target import CONFIG, Neighbour, Target


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Target]:
    """What is attacked: one process for all."""
    folder = tmp_path_factory.mktemp("attacks")
    for path in (CONFIG, *certificate.glob("*.pem")):
        shutil.copy(path, folder)
    with Server(folder / CONFIG.name, folder=folder) as server:
        yield Target(server, certificate)
        assert "Traceback" not in server.log
        assert "Unhandled" not in server.log


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, target: Target) -> None:
    """What the attack's own docstring says."""
    with Neighbour(target) as neighbour:
        attack.run(target, attack.transport, 1)
    assert neighbour.served
    assert neighbour.growth <= attack.memory, f"the memory grew by {neighbour.growth / 1024 / 1024:.1f} MiB"
