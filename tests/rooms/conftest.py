"""A real engine, for the tests of this folder."""

from __future__ import annotations

from tests.cluster.engine import shared_engine as shared_engine
from tests.cluster.engine import start_engine as start_engine
