"""Drafts: kernels in LLVM's language, which LLVM alone turns into object files.

numba knows kernels as functions of Python, LLVM as text, and between the two stands a
draft. Nothing here needs numba: what is optimized, and how, is decided in this file.

One round of LLVM's usual passes goes over a draft. Loops are vectorized, and interleaved
where that hides latency, but not unrolled beyond that, and code that is written in
vectors already gets the shorter list of passes. Neither made one of nine training steps
slower, while the first step of a perceptron came after 1.5 s for 1.7, that of a network
with convolutions after 2.9 for 3.4 (two interleaved rounds, one core).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphopt.codegen.cache.object_code import get_target_machine

__all__ = ["Draft", "emit_object", "optimize"]


@dataclass(frozen=True)
class Draft:
    """A kernel in LLVM's language.

    Attributes:
        texts: Modules, to be linked in this order.
        entry: The name of the kernel's function.
        name: The name the kernel is known by.
        is_vector_code: Whether its loops are written in vectors already.
    """

    texts: tuple[str, ...]
    entry: str
    name: str
    is_vector_code: bool = False


def optimize(draft: Draft) -> Any:
    """Link the modules of a draft and run LLVM's passes.

    Args:
        draft: What numba wrote.

    Returns:
        A module of llvmlite, of which only the entry can be called from outside.
    """
    import llvmlite.binding as llvm

    whole, *others = [llvm.parse_assembly(text) for text in draft.texts]
    for module in others:
        whole.link_in(module)
    for function in whole.functions:
        if not function.is_declaration and function.name != draft.entry:
            function.linkage = "internal"
    level = 1 if draft.is_vector_code else 3
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = not draft.is_vector_code
    options.slp_vectorization = False
    options.loop_unrolling = False
    passes = llvm.create_pass_builder(get_target_machine(), options)
    passes.getModulePassManager().run(whole, passes)
    return whole


def emit_object(draft: Draft) -> bytes:
    """Compile a draft.

    Args:
        draft: What numba wrote.

    Returns:
        The object file.
    """
    return bytes(get_target_machine().emit_object(optimize(draft)))
