"""What ops mean: one block for each, in the registry of `graph.opspec`.

A block holds the shape rule, the NumPy reference that is also the eager kernel, the
derivative written with public ops (so that higher orders cost nothing), the kernel, and
samples on which the contract tests run all of these against each other. Adding an
elementwise op takes one call of `elementwise`; JAX needs 13 files for that, Keras 22.

Three conventions keep the rules short. Positional inputs are data, keywords are static.
The cotangent walk sums a cotangent to the shape of its input, so no rule undoes
broadcasting. Shapes that are known only at run time are expressed by ops that take
another tensor as the pattern (`BroadcastLike`, `SumLike`, `ReshapeLike`), so no
derivative computes with shape vectors.
"""
