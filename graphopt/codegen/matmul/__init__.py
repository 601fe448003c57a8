"""Matrix products: packed, small, narrow, and of vectors.

A compiler needs products for every float dtype and every transposition, cut into as many
pieces as there are threads, with the same bits however they are cut. A BLAS has its own
threads, is slow on small products and may be absent, so these are our own.

`layout` decides how a product is cut, without a compiler. `products` are the calls of a plan:
one that packs an operand, if any, and one that multiplies. `gemm` has the texts of the kernels,
and what they reach. `tile` is the vector code in them: one tile of sums in registers, of which
products, convolutions and derivatives are descriptions.
"""
