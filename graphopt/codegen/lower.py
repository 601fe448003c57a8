"""Operation -> calls of kernels: which generator makes the kernel of which op."""

from __future__ import annotations

from graphopt.codegen.copies import (
    lower_concat,
    lower_concat_slice,
    lower_copy,
    lower_transpose,
)
from graphopt.codegen.elementwise import lower_elementwise
from graphopt.codegen.reduce import lower_reduce
from graphopt.codegen.rows import lower_rows
from graphopt.codegen.windows import lower_windows
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Elementwise, Family, Host
from graphopt.schedule.steps import Lowered


def lower_operation(op: Operation) -> Lowered:
    """Returns how an operation runs.

    Raises:
      NotImplementedError: The registry names a kernel family that does not exist.
    """
    kernel = op.spec.kernel
    if isinstance(kernel, Host):
        return Lowered(host=kernel.reason)
    for tensor in (*op.inputs, *op.outputs):
        if tensor.dtype in op.spec.host_dtypes:
            return Lowered(host=f"{op.type} has no kernel for {tensor.dtype.name}")
    if isinstance(kernel, Alias):
        return lower_copy(op)
    if isinstance(kernel, Elementwise):
        return lower_elementwise(op)
    assert isinstance(kernel, Family), op
    if kernel.name == "matmul":
        # Loads numba, which the layout of a product depends on.
        from graphopt.codegen.products import lower_matmul

        return lower_matmul(op)
    if kernel.name == "reduce":
        return lower_reduce(op, kernel.option)
    if kernel.name == "rows":
        return lower_rows(op, kernel.option, op.index)
    if kernel.name == "transpose":
        return lower_transpose(op)
    if kernel.name == "concat":
        return lower_concat(op, kernel.option)
    if kernel.name == "concat_slice":
        return lower_concat_slice(op)
    if kernel.name == "windows":
        return lower_windows(op, kernel.option)
    if kernel.name == "no_op":
        return Lowered()
    raise NotImplementedError(f"There is no kernel family {kernel.name!r}.")
