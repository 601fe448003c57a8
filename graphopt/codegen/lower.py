"""Operation -> calls of kernels: which generator makes the kernel of which op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from graphopt.codegen.communication import collectives, gathered
from graphopt.codegen.convolution.windows import lower_windows
from graphopt.codegen.elementwise import finite
from graphopt.codegen.elementwise.division import lower_division
from graphopt.codegen.elementwise.elementwise import lower_elementwise
from graphopt.codegen.matmul import products
from graphopt.codegen.movement import gathers, moves, scatters, slices
from graphopt.codegen.random.random_numbers import lower_random
from graphopt.codegen.reductions import reduce, scans
from graphopt.codegen.reductions.fused_reduce import lower_fused_reduce
from graphopt.codegen.reductions.rows import lower_rows
from graphopt.codegen.tape.jumps import declare_jumps
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Bodies, Elementwise, Family, Host
from graphopt.schedule.steps import Lowered

Lower = Callable[[Operation, str], Lowered]
# Families of one op each: operation -> calls.
_ALONE: Final[dict[str, Callable[[Operation], Lowered]]] = {
    "add_product": products.lower_add_product,
    "all_gather": collectives.lower_all_gather,
    "all_gather_settle": gathered.lower_all_gather_settle,
    "all_gather_start": gathered.lower_all_gather_start,
    "all_reduce": collectives.lower_all_reduce,
    "all_reduce_product_start": collectives.lower_all_reduce_product_start,
    "all_reduce_start": collectives.lower_all_reduce_start,
    "all_reduce_wait": collectives.lower_all_reduce_wait,
    "assign_gathered": gathered.lower_assign_gathered,
    "band": slices.lower_band,
    "broadcast_from": collectives.lower_broadcast,
    "check_numerics": finite.lower_check_numerics,
    "checked_indices": gathers.lower_checked_indices,
    "concat": moves.lower_concat,
    "copy_all": moves.lower_copy_all,
    "diag": slices.lower_diag,
    "diag_part": slices.lower_diag_part,
    "first_occurrence": scatters.lower_first_occurrence,
    "fused_both": products.lower_fused_both,
    "fused_product": products.lower_fused_product,
    "fused_reduce": lower_fused_reduce,
    "gather": gathers.lower_gather,
    "gather_grad": scatters.lower_gather_grad,
    "gather_nd": gathers.lower_gather_nd,
    "get_row": gathers.lower_get_row,
    "matmul": products.lower_matmul,
    "pad": slices.lower_pad,
    "recurrence": scans.lower_recurrence,
    "reduce_scatter": collectives.lower_reduce_scatter,
    "reduce_scatter_start": collectives.lower_reduce_scatter_start,
    "reduce_scatter_wait": collectives.lower_reduce_scatter_wait,
    "roll": slices.lower_roll,
    "set_diag": slices.lower_set_diag,
    "set_row": gathers.lower_set_row,
    "slice": slices.lower_slice,
    "slice_grad": slices.lower_slice_grad,
    "split": slices.lower_split,
    "split_like": moves.lower_split_like,
    "step_header": collectives.lower_step_header,
    "sum_duplicates": scatters.lower_sum_duplicates,
    "sum_of_products": products.lower_sum_of_products,
    "tile": slices.lower_tile,
    "tile_sum": reduce.lower_tile_sum,
    "transpose": moves.lower_transpose,
    "unpack": slices.lower_unpack,
}
# Families of several ops: (operation, the option in the registry) -> calls.
_WITH_OPTION: Final[dict[str, Lower]] = {
    "arg_extreme": scans.lower_arg_extreme,
    "division": lower_division,
    "random": lower_random,
    "reduce": reduce.lower_reduce,
    "resource_scatter": scatters.lower_resource_scatter,
    "rows": lower_rows,
    "scan": scans.lower_scan,
    "scatter_nd": scatters.lower_scatter_nd,
    "segments": scatters.lower_segments,
    "windows": lower_windows,
}


def _ignore_option(lower: Callable[[Operation], Lowered]) -> Lower:
    return lambda op, _: lower(op)


FAMILIES: Final[dict[str, Lower]] = {
    **{name: _ignore_option(lower) for name, lower in _ALONE.items()},
    **_WITH_OPTION,
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
        return Lowered(jumps=declare_jumps(moves.copy_tensor))
    integers = op.spec.integer_kernel
    if integers is not None and op.outputs[0].dtype.is_integer:
        return FAMILIES[integers.name](op, integers.option)
    for tensor in (*op.inputs, *op.outputs):
        if tensor.dtype in op.spec.host_dtypes:
            return Lowered(host=f"{op.type} has no kernel for {tensor.dtype.name}")
    if isinstance(kernel, Alias):
        return moves.lower_copy(op)
    if isinstance(kernel, Elementwise):
        lowered = lower_elementwise(op)
        if getattr(op.attrs.get("body"), "only_if", None) is not None:
            return replace(lowered, jumps=declare_jumps(moves.copy_tensor))
        return lowered
    assert isinstance(kernel, Family), op
    lower = FAMILIES.get(kernel.name)
    if lower is None:
        raise NotImplementedError(f"There is no kernel family {kernel.name!r}.")
    return lower(op, kernel.option)
