"""Matrix products, with transposes and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor
from graphopt.ops.quietly import quietly
from graphopt.ops.shaping import expand_dims, squeeze


def _infer(
    a: Any, b: Any, *, transpose_a: bool, transpose_b: bool
) -> tuple[TensorShape, DType]:
    if a.shape.unknown_rank or b.shape.unknown_rank:
        return UNKNOWN, a.dtype
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise _mismatch(a, b, "matrices: two dimensions or more")
    rows, depth = a.shape[-2:][:: -1 if transpose_a else 1]
    depth_b, columns = b.shape[-2:][:: -1 if transpose_b else 1]
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if batch is None or (depth is not None and depth_b not in (None, depth)):
        raise _mismatch(a, b, "equal inner dimensions", transpose_a, transpose_b)
    return TensorShape((*batch, rows, columns)), a.dtype


def _mismatch(
    a: Any, b: Any, expected: str, transpose_a: bool = False, transpose_b: bool = False
) -> Exception:
    flags = "".join(
        f", {name}=True"
        for name, on in (("transpose_a", transpose_a), ("transpose_b", transpose_b))
        if on
    )
    return fail(
        InvalidArgumentError,
        "Matrix size-incompatible for MatMul: dimensions must be equal",
        got=describe_shapes(a, b) + flags,
        expected=expected,
        site=str(user_site()),
        remedy="transpose_a or transpose_b",
    )


def _compute(
    a: NDArray[Any], b: NDArray[Any], *, transpose_a: bool, transpose_b: bool
) -> NDArray[Any]:
    a = a.swapaxes(-1, -2) if transpose_a else a
    b = b.swapaxes(-1, -2) if transpose_b else b
    if a.dtype == np.float16:
        wide: NDArray[Any] = np.matmul(a.astype(np.float32), b.astype(np.float32))
        return quietly(wide.astype, np.float16)
    product: NDArray[Any] = quietly(np.matmul, a, b)
    return product


def _vjp(
    g: Any, y: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool
) -> tuple[Any, Any]:
    if transpose_a:
        grad_a = matmul(b, g, transpose_a=transpose_b, transpose_b=True)
    else:
        grad_a = matmul(g, b, transpose_b=not transpose_b)
    if transpose_b:
        grad_b = matmul(g, a, transpose_a=True, transpose_b=transpose_a)
    else:
        grad_b = matmul(a, g, transpose_a=not transpose_a)
    return grad_a, grad_b


def _samples() -> list[Sample]:
    rng = np.random.default_rng(5)
    out = []
    for dtype in (np.float64, np.float32):
        for ta in (False, True):
            for tb in (False, True):
                a = rng.standard_normal((4, 3) if ta else (3, 4)).astype(dtype)
                b = rng.standard_normal((5, 4) if tb else (4, 5)).astype(dtype)
                out.append(Sample((a, b), {"transpose_a": ta, "transpose_b": tb}))
    plain = {"transpose_a": False, "transpose_b": False}
    for shapes in (
        ((2, 3, 4), (2, 4, 2)),
        ((2, 3, 4), (4, 2)),
        ((0, 4), (4, 2)),
        ((3, 0), (0, 2)),
        ((40, 70), (70, 37)),
        ((1, 5), (5, 1)),
    ):
        out.append(Sample(tuple(rng.standard_normal(s) for s in shapes), plain))
    return out


def _bad() -> list[BadInput]:
    plain = {"transpose_a": False, "transpose_b": False}
    return [
        BadInput(
            (np.zeros((2, 3)), np.zeros((4, 5))), plain, InvalidArgumentError, "equal"
        ),
        BadInput(
            (np.zeros(3), np.zeros((3, 5))), plain, InvalidArgumentError, "MatMul"
        ),
    ]


def _flops(op: Operation) -> int:
    a = op.inputs[0].shape
    depth = a[-2] if op.attrs["transpose_a"] else a[-1]
    return 2 * int(op.outputs[0].shape.num_elements() or 0) * int(depth or 0)


MATMUL = register(
    OpSpec(
        "MatMul",
        _infer,
        _compute,
        _vjp,
        Family("matmul"),
        _samples,
        errors=_bad,
        dtypes=(*dtypes.FLOATING, *dtypes.COMPLEX, dtypes.int32, dtypes.int64),
        flops=_flops,
    )
)


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """Multiplies matrices; leading dimensions are a batch and are broadcast.

    Args:
      a: `[..., m, k]`, or `[..., k, m]` if `transpose_a`.
      b: `[..., k, n]`, or `[..., n, k]` if `transpose_b`.
      transpose_a, transpose_b: Whether to swap the last two dimensions first.
      adjoint_a, adjoint_b: Whether to take complex conjugates as well.
      name: Name of the op.

    Returns:
      `[..., m, n]`.

    Raises:
      InvalidArgumentError: The inner dimensions differ.
      ValueError: A matrix is to be transposed and adjoint at once.

    >>> import graphopt as tf
    >>> tf.matmul([[1.0, 2.0]], [[3.0], [4.0]]).numpy().tolist()
    [[11.0]]

    Source: `tf.linalg.matmul`.
    """
    if (transpose_a and adjoint_a) or (transpose_b and adjoint_b):
        raise ValueError(
            "Only one of transpose and adjoint can be True for each matrix of matmul."
        )
    if adjoint_a or adjoint_b:
        a, b = as_inputs(MATMUL, (a, b), name)
        if a.dtype.is_complex:
            a = hooks.operators["conj"](a) if adjoint_a else a
            b = hooks.operators["conj"](b) if adjoint_b else b
        transpose_a, transpose_b = transpose_a or adjoint_a, transpose_b or adjoint_b
    return call(
        MATMUL,
        a,
        b,
        name=name,
        transpose_a=bool(transpose_a),
        transpose_b=bool(transpose_b),
    )


def matvec(
    a: Any, b: Any, transpose_a: bool = False, name: str | None = None
) -> Tensor:
    """Multiplies a matrix with a vector: `[..., m, k]` and `[..., k]` give `[..., m]`.

    Source: `tf.linalg.matvec`.
    """
    a, b = as_inputs(MATMUL, (a, b), name)
    column = expand_dims(b, -1)
    product = matmul(a, column, transpose_a=transpose_a, name=name)
    return squeeze(product, -1)


hooks.operators["matmul"] = matmul
