"""Text and vector code -> object code: the part that knows numba and LLVM.

The text of a kernel is scalar Python. `native` has numba translate it into a module of LLVM
(`target` is the part of numba that does it, without its runtime), `module` has LLVM optimize
and compile that.

What scalars cannot say is written with `vectors`: a `Value` is a scalar or a vector with
Python's operators, a `Code` has loops, conditions and memory. `intrinsics` makes a function
for kernels of such code, declared by its signature in words; `primitives` are those that all
rooms use. `emitted` compiles what has no text at all, the tape and the workers.
"""
