"""A linear map of several tensors side by side, with variables `kernel` and `bias`."""

from __future__ import annotations

from typing import Any

from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.keras.variable_scopes import get_variable
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import bias_add
from graphopt.ops.shaping import concat


def linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None
) -> Any:
    """Returns `W [args] + b`, with variables of the current scope.

    Args:
      args: A tensor `[batch, n]` or a list of them.
      output_size: Columns of the result.
      bias: Whether there is a bias.
      bias_initializer: By default zeros.
    """
    flat = [hooks.convert(each) for each in nest.flatten(args)]
    if not flat:
        raise ValueError("`args` must be specified")
    rows = 0
    for each in flat:
        if each.shape.rank != 2 or each.shape[1] is None:
            raise ValueError(f"linear expects shape[1] to be provided: {each.shape}")
        rows += each.shape[1]
    kernel = get_variable("kernel", [rows, output_size], flat[0].dtype)
    x = flat[0] if len(flat) == 1 else concat(flat, 1)
    product = matmul(x, kernel)
    if not bias:
        return product
    init = "zeros" if bias_initializer is None else bias_initializer
    return bias_add(product, get_variable("bias", [output_size], x.dtype, init))
