"""Kernels: the only folder that knows numba and llvmlite.

Every kernel is native code with one C signature, `void(int64 *args, int64 lo, int64
hi)`, made from generated source whose text is its identity: the expression, the dtypes
and which operands are broadcast. Sizes, learning rates and step counts are arguments,
so a new batch size compiles nothing, and equal kernels are compiled once for all layers.
Small kernels shared by content, never one function for a graph: numba needs 0.05 s for
one loop, 20 s for a function of 256.

`lower` says which generator makes the kernel of an op, `elementwise`, `reduce`, `rows`,
`copies`, `windows`, `random_numbers` and `products` write them, `gemm` is the packed matrix
product, `gemm_small` that of what fits into the nearest cache, `gemv` that of vectors,
`direct_convolution` the product of an image's windows, `machine` says what all of them are
made for, `native` compiles and `tape` runs: a native loop over a table of calls, entered
from Python once a step for 0.1 us plus 3 ns a call. `workers` hands out the chunks of a large
call to threads; every kernel gives the same bits however its range is cut.

A script starts many times and its kernels are the same each time, so object code is kept
on disk: `cache_key` names it after everything it depends on, `cache_file` verifies every
bit of it, `object_code` checks what it calls and loads it with llvmlite alone. There is no
pickle, no index, and whatever is wrong with a file means compiling again. In a fresh
process the first `opt_op.run()` over two scalars takes 44 ms with its kernels in the cache
and 780 ms without, the first step of `examples/digits_graph.py` (13 kernels) 57 ms and
2,630 ms (medians of 5, two shared x86-64 cores); of the short times 30 ms are the import
of llvmlite. numba is then not imported at all.

Nothing here assumes real-number algebra: no fast-math flag is set, sums follow a fixed
tree written out in the source, fma is used only inside the matrix product.
"""
