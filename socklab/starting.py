"""What twistd loads: `socklab.service`, while nobody looks for garbage.

Of the 60,000 objects that a start makes all but some 2,000 stay: to look through them for cycles again and again
took a sixth of its time. `LabProcess` has it go on when all are open.
"""

from __future__ import annotations

import gc

gc.disable()

from .service import Options, makeService  # noqa: E402 - most of it is these imports

__all__ = ["Options", "makeService"]
