"""Kernels: the only folder that knows numba and llvmlite.

Every kernel is native code with one C signature, `void(int64 *args, int64 lo, int64
hi)`, made from generated source whose text is its identity: the expression, the dtypes
and which operands are broadcast. Sizes, learning rates and step counts are arguments,
so a new batch size compiles nothing, and equal kernels are compiled once for all layers.
Small kernels shared by content, never one function for a graph: numba needs 0.05 s for
one loop, 20 s for a function of 256.

`lower` says which generator makes the kernel of an op, `elementwise`, `reduce`, `rows`,
`copies` and `products` write them, `gemm` is the packed matrix product, `native` compiles
and `tape` runs: a native loop over a table of calls, entered from Python once a step for
0.1 us plus 3 ns a call.

Nothing here assumes real-number algebra: no fast-math flag is set, sums follow a fixed
tree written out in the source, fma is used only inside the matrix product.
"""
