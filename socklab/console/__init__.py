"""The console: what an operator sees of the running server, over HTTP.

Imported only when a config has a `[console]`: twisted.web costs 60 ms and 6 MB.
"""

from __future__ import annotations

from .service import ConsoleService

__all__ = ["ConsoleService"]
