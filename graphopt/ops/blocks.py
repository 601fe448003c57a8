"""What rewrites and kernels have to agree on; kernels have it built in (`cache_key`)."""

from __future__ import annotations

from typing import Final

BLOCK: Final = 1024
"""Neighbors that a reduction takes at a time: what a loop computes between two looks."""
LANES: Final = 64
"""Accumulators of a long row, of which each takes every `LANES`-th element."""
