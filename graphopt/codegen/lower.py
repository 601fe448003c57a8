"""Operation -> calls of kernels: which generator makes the kernel of which op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from graphopt.codegen import (
    copies,
    duplicates,
    finite,
    gathers,
    row_access,
    scans,
    slices,
)
from graphopt.codegen.division import lower_division
from graphopt.codegen.elementwise import lower_elementwise
from graphopt.codegen.fused_reduce import lower_fused_reduce
from graphopt.codegen.jumps import jump_kernels
from graphopt.codegen.products import (
    lower_add_product,
    lower_fused_both,
    lower_fused_product,
    lower_matmul,
    lower_sum_of_products,
)
from graphopt.codegen.random_numbers import lower_random
from graphopt.codegen.reduce import lower_reduce
from graphopt.codegen.rows import lower_rows
from graphopt.codegen.windows import lower_windows
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Bodies, Elementwise, Family, Host
from graphopt.schedule.steps import Lowered

# The families of kernels: (operation, option of the registry entry) -> calls.
FAMILIES: Final[dict[str, Callable[[Operation, str], Lowered]]] = {
    "add_product": lambda op, _: lower_add_product(op),
    "arg_extreme": scans.lower_arg_extreme,
    "band": lambda op, _: slices.lower_band(op),
    "check_numerics": lambda op, _: finite.lower_check_numerics(op),
    "checked_indices": lambda op, _: duplicates.lower_checked_indices(op),
    "concat": copies.lower_concat,
    "copy_all": lambda op, _: copies.lower_copy_all(op),
    "diag": lambda op, _: slices.lower_diag(op),
    "diag_part": lambda op, _: slices.lower_diag_part(op),
    "first_occurrence": lambda op, _: duplicates.lower_first_occurrence(op),
    "division": lower_division,
    "fused_both": lambda op, _: lower_fused_both(op),
    "fused_reduce": lambda op, _: lower_fused_reduce(op),
    "gather": lambda op, _: gathers.lower_gather(op),
    "gather_grad": lambda op, _: gathers.lower_gather_grad(op),
    "gather_nd": lambda op, _: gathers.lower_gather_nd(op),
    "fused_product": lambda op, _: lower_fused_product(op),
    "get_row": lambda op, _: row_access.lower_get_row(op),
    "matmul": lambda op, _: lower_matmul(op),
    "pad": lambda op, _: slices.lower_pad(op),
    "random": lower_random,
    "recurrence": lambda op, _: scans.lower_recurrence(op),
    "reduce": lower_reduce,
    "resource_scatter": duplicates.lower_resource_scatter,
    "roll": lambda op, _: slices.lower_roll(op),
    "rows": lambda op, option: lower_rows(op, option, op.index),
    "scan": scans.lower_scan,
    "scatter_nd": gathers.lower_scatter_nd,
    "segments": gathers.lower_segments,
    "set_row": lambda op, _: row_access.lower_set_row(op),
    "set_diag": lambda op, _: slices.lower_set_diag(op),
    "slice": lambda op, _: slices.lower_slice(op),
    "slice_grad": lambda op, _: slices.lower_slice_grad(op),
    "split_like": lambda op, _: copies.lower_split_like(op),
    "split": lambda op, _: slices.lower_split(op),
    "sum_duplicates": lambda op, _: duplicates.lower_sum_duplicates(op),
    "tile": lambda op, _: slices.lower_tile(op),
    "tile_sum": lambda op, _: slices.lower_tile_sum(op),
    "sum_of_products": lambda op, _: lower_sum_of_products(op),
    "transpose": lambda op, _: copies.lower_transpose(op),
    "windows": lower_windows,
    "unpack": lambda op, _: slices.lower_unpack(op),
}


def lower_operation(op: Operation) -> Lowered:
    """Returns how an operation runs.

    Raises:
      NotImplementedError: The registry names a kernel family that does not exist.
    """
    kernel = op.spec.kernel
    if isinstance(kernel, Host):
        return Lowered(host=kernel.reason)
    if any(t.dtype.is_complex for t in (*op.inputs, *op.outputs)):
        return Lowered(host="no kernel knows complex numbers")
    if isinstance(kernel, Bodies):
        return Lowered(jumps=jump_kernels())
    integers = op.spec.integer_kernel
    if integers is not None and op.outputs[0].dtype.is_integer:
        return FAMILIES[integers.name](op, integers.option)
    for tensor in (*op.inputs, *op.outputs):
        if tensor.dtype in op.spec.host_dtypes:
            return Lowered(host=f"{op.type} has no kernel for {tensor.dtype.name}")
    if isinstance(kernel, Alias):
        return copies.lower_copy(op)
    if isinstance(kernel, Elementwise):
        lowered = lower_elementwise(op)
        if getattr(op.attrs.get("body"), "only_if", None) is not None:
            return replace(lowered, jumps=jump_kernels())
        return lowered
    assert isinstance(kernel, Family), op
    lower = FAMILIES.get(kernel.name)
    if lower is None:
        raise NotImplementedError(f"There is no kernel family {kernel.name!r}.")
    return lower(op, kernel.option)
