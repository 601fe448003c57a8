"""The order of the passes."""

from __future__ import annotations

from typing import Final

from graphopt.rewrite.accumulate_products import accumulate_products, add_products
from graphopt.rewrite.bucket_collectives import bucket_collectives
from graphopt.rewrite.defer_gathers import defer_gathers
from graphopt.rewrite.driver import Pass, graph_pass
from graphopt.rewrite.exchange_products import exchange_products
from graphopt.rewrite.fold_constants import fold_constants
from graphopt.rewrite.fold_transposes import fold_transposes
from graphopt.rewrite.fuse_elementwise import fuse_elementwise
from graphopt.rewrite.fuse_products import fuse_products
from graphopt.rewrite.fuse_reductions import fuse_reductions
from graphopt.rewrite.merge_common_subexpressions import merge_common_subexpressions
from graphopt.rewrite.order_effects import order_effects
from graphopt.rewrite.overlap_collectives import overlap_collectives
from graphopt.rewrite.pair_products import pair_products
from graphopt.rewrite.prune_unfetched import prune_unfetched
from graphopt.rewrite.rematerialize import rematerialize
from graphopt.rewrite.resolve_shapes import resolve_shapes
from graphopt.rewrite.rewrite_bodies import rewriting_bodies
from graphopt.rewrite.simplify_algebra import simplify_algebra

# Every executor needs the first two: they settle what runs, with which shapes, and
# which value of a variable each read sees.
MEANING: Final[tuple[Pass, ...]] = (prune_unfetched, order_effects)
BODY: Final[tuple[Pass, ...]] = (
    prune_unfetched,
    resolve_shapes,
    simplify_algebra,
    fold_transposes,
    fold_constants,
    merge_common_subexpressions,
    add_products,
    fuse_elementwise,
    rematerialize,
    fuse_reductions,
)
rewrite_bodies: Final = graph_pass(preserves="bits")(rewriting_bodies(BODY))
PIPELINE: Final[tuple[Pass, ...]] = (
    # First in both, so that it need not be done twice.
    prune_unfetched,
    resolve_shapes,
    # Before the order of effects: where an op goes, its input may be fetched or live
    # longer, and a read must know that to make a copy.
    simplify_algebra,
    fold_transposes,
    order_effects,
    fold_constants,
    # After both: reads have their versions, and there are more equal constants.
    merge_common_subexpressions,
    rewrite_bodies,
    # Before loops take additions in.
    accumulate_products,
    # Before loops take in what is done to gradients.
    bucket_collectives,
    fuse_elementwise,
    rematerialize,
    fuse_reductions,
    fuse_products,
    pair_products,
    # After what takes products in, and takes others in.
    exchange_products,
    # After all that looks at who reads and writes variables.
    defer_gathers,
    # Last, for it settles the order of the steps.
    overlap_collectives,
)
# Where every number is looked at, a product must be whole.
WATCHED: Final = tuple(
    each
    for each in PIPELINE
    if each not in (fuse_products, pair_products, exchange_products)
)
