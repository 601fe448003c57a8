"""The order of the passes."""

from __future__ import annotations

from typing import Final

from graphopt.rewrite.driver import Pass
from graphopt.rewrite.fold_constants import fold_constants
from graphopt.rewrite.fuse_elementwise import fuse_elementwise
from graphopt.rewrite.order_effects import order_effects
from graphopt.rewrite.prune_unfetched import prune_unfetched
from graphopt.rewrite.resolve_shapes import resolve_shapes

# Every executor needs the first two: they settle what runs, with which shapes, and
# which value of a variable each read sees.
MEANING: Final[tuple[Pass, ...]] = (prune_unfetched, order_effects)
PIPELINE: Final[tuple[Pass, ...]] = (
    prune_unfetched,
    resolve_shapes,
    order_effects,
    fold_constants,
    fuse_elementwise,
)
