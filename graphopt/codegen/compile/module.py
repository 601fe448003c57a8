"""Kernels as modules of LLVM, which LLVM alone turns into object files.

numba reads a kernel's text and writes a module (`target`). Nothing here needs numba: what is
optimized, and how, is decided in this file.

One round of LLVM's usual passes goes over a module. Loops are vectorized, and interleaved
where that hides latency, but not unrolled beyond that, and code that is written in
vectors already gets the shorter list of passes. Neither makes one of nine training steps
slower, while the first step of a perceptron comes after 1.5 s for 1.7, that of a network
with convolutions after 2.9 for 3.4 (one core).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphopt.codegen.cache.object_code import get_target_machine

__all__ = ["Module", "emit_object", "optimize"]


@dataclass(frozen=True)
class Module:
    """A kernel in LLVM's language, not optimized.

    Attributes:
      texts: Modules of LLVM, to be linked in this order.
      entry: The name of the kernel's function.
      name: The name the kernel is known by.
      is_vector_code: Whether its loops are written in vectors already.
    """

    texts: tuple[str, ...]
    entry: str
    name: str
    is_vector_code: bool = False


def optimize(module: Module) -> Any:
    """Links the texts of a module and runs LLVM's passes.

    Returns:
      A module of llvmlite, of which only the entry can be called from outside.
    """
    import llvmlite.binding as llvm

    whole, *others = map(llvm.parse_assembly, module.texts)
    for other in others:
        whole.link_in(other)
    for function in whole.functions:
        if not function.is_declaration and function.name != module.entry:
            function.linkage = "internal"
    level = 1 if module.is_vector_code else 3
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = not module.is_vector_code
    options.slp_vectorization = False
    options.loop_unrolling = False
    passes = llvm.create_pass_builder(get_target_machine(), options)
    passes.getModulePassManager().run(whole, passes)
    return whole


def emit_object(module: Module) -> bytes:
    """Returns the object file of a module."""
    return bytes(get_target_machine().emit_object(optimize(module)))
