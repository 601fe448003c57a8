"""Text or vector code -> object code: the part that knows numba and LLVM.

`native` has numba translate the text of a kernel into an LLVM module (`target` is the part
of numba that does it, without its runtime), `module` has LLVM optimize and compile that
module, `emitted` compiles what is written in LLVM's own terms.
"""
