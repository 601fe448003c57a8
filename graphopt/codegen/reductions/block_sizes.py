"""Sizes that the text of kernels and the functions that kernels call have in common.

They are here, so that what writes kernels need not import what plans them (`cache_key`).
"""

from __future__ import annotations

from typing import Final

from graphopt.codegen.machine import NEAR_CACHE

LANES: Final = 64
"""Accumulators of a long row."""
IMAGE_BYTES: Final = 2 * NEAR_CACHE
"""Room for rows of an image with their padding, on the stack of a kernel."""
