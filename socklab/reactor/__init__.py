"""A reactor that costs little: Twisted on uvloop, with ports on uvloop's own transports."""

from .uv import UvloopReactor

__all__ = ["UvloopReactor"]
