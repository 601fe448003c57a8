"""Kernels: the only folder that knows numba and llvmlite.

The problem. A step must run as native code that is compiled once for all layers, sizes and
processes, in loops that LLVM vectorizes, with results that do not depend on how many threads
run it. Compilers of whole graphs recompile for a new batch size; numba needs 0.05 s for one
loop and 20 s for a function of 256.

The design. Every kernel is small, has one C signature, `void(int64 *args, int64 lo, int64
hi)`, and is known by its text. Sizes, learning rates and step counts are arguments; what is in
the text are dtypes, what is broadcast, and the numbers of register tiles. A kernel is declared
(`kernel`): parameters by name, and a body in one template language. What no loop of scalars
can say, tiles of sums in registers, masks, the order of lanes, is written with one vector
builder (`compile.vectors`) and called from the text by name (`functions`).

From left to right, as they may import each other: `machine` says what kernels are made for and
`kernel` how they are declared; the rooms `cache`, `compile` and `tape` keep, compile and run
them; `maths`, `movement`, `elementwise`, `reductions`, `matmul`, `convolution` and `random`
write them; `functions` names what texts may call, `kernels` makes native code of requests, and
`lower` says which room an op belongs to.

The numbers. A warm start loads object code with llvmlite alone: the first `opt_op.run()` over
two scalars takes 44 ms with its kernels in the cache and 780 ms without. Nothing here assumes
real-number algebra: no fast-math flag is set, sums follow a tree that is written out, and a
fused multiply-add stands only in matrix products and in functions of stated accuracy.
"""
