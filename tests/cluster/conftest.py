"""The engines, for the tests of this folder. Others import them from `engine`."""

from __future__ import annotations

from .engine import engine as engine
from .engine import engines as engines
from .engine import shared_engine as shared_engine
from .engine import start_engine as start_engine
