"""Matrix products: packed, small, narrow, and of vectors.

`layout` decides how a product is cut, without a compiler; `gemm` writes the kernels, of the
register tiles in `tile`; `products` are the calls of a plan.
"""
