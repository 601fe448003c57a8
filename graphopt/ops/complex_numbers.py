"""Complex numbers: their parts, and Fourier transforms.

A program with complex numbers is interpreted: NumPy computes every op of it. Their
cotangents are TensorFlow's: of a real loss L by z = x + iy they are dL/dx + i dL/dy, so
that a step against them goes down. For a function with a complex derivative that is the
cotangent times the conjugate of the derivative, which the cotangent walk takes care of;
the ops here, which are no such functions, have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import (
    DtypeMismatchError,
    InvalidArgumentError,
    describe_shapes,
    fail,
)
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, shape, static_ints, zeros_like
from graphopt.ops.elementwise import cast, equal, square, where
from graphopt.ops.elementwise_specs import broadcast_of
from graphopt.ops.padding import pad
from graphopt.ops.quietly import quietly
from graphopt.ops.shaping import transpose

Array = NDArray[Any]
REASON = "NumPy computes complex numbers"
_REAL = (dtypes.float32, dtypes.float64)
_COMPLEX_OF = {"float32": dtypes.complex64, "float64": dtypes.complex128}


def _complex_of(dtype: DType) -> DType:
    return _COMPLEX_OF.get(dtype.name, dtype)


def _random(dtype: Any, *shape: int, seed: int = 2) -> Array:
    rng = np.random.default_rng(seed)
    parts = rng.uniform(0.3, 2.0, (2, *shape))
    return np.asarray(parts[0] + 1j * parts[1], dtype)


def _part(name: str, function: Any, vjp: Any, real: bool = True) -> OpSpec:
    """Registers a function of complex numbers, elementwise."""

    def infer(x: Any) -> tuple[TensorShape, DType]:
        return x.shape, x.dtype.real_dtype if real else x.dtype

    return register(
        OpSpec(
            name,
            infer,
            lambda x: np.array(quietly(function, x), order="C"),
            vjp,
            Host(REASON),
            lambda: [
                Sample((_random(dtype, *shape),))
                for dtype in (np.complex64, np.complex128)
                for shape in ((2, 3), (), (0, 2))
            ],
            dtypes=dtypes.COMPLEX,
            holomorphic=False,
        )
    )


def _as_complex(x: Any) -> Any:
    return cast(x, _complex_of(x.dtype))


def _times_i(x: Any) -> Any:
    return constant(1j, x.dtype) * x


def _abs_vjp(g: Any, y: Any, x: Any) -> tuple[Any]:
    # 0 at 0, as TensorFlow's.
    is_zero = equal(y, 0)
    size = where(is_zero, zeros_like(y) + 1, y)
    return (_as_complex(where(is_zero, zeros_like(g), g / size)) * x,)


def _angle_vjp(g: Any, y: Any, x: Any) -> tuple[Any]:
    # d angle = (a db - b da) / (a^2 + b^2) for x = a + ib
    squares = square(real(x)) + square(imag(x))
    return (_as_complex(g / squares) * _times_i(x),)


REAL = _part("Real", np.real, lambda g, y, x: (_as_complex(g),))
IMAG = _part("Imag", np.imag, lambda g, y, x: (_times_i(_as_complex(g)),))
COMPLEX_ABS = _part("ComplexAbs", np.absolute, _abs_vjp)
ANGLE = _part("Angle", np.angle, _angle_vjp)
CONJ = _part("Conj", np.conj, lambda g, y, x: (conj(g),), real=False)


def _complex_numpy(a: Array, b: Array) -> Array:
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), _complex_of_array(a))
    out.real, out.imag = a, b
    return out


def _complex_of_array(a: Array) -> Any:
    return np.complex64 if a.dtype == np.float32 else np.complex128


COMPLEX = register(
    OpSpec(
        "Complex",
        lambda a, b: (broadcast_of("Complex", (a, b)), _complex_of(a.dtype)),
        _complex_numpy,
        lambda g, y, a, b: (real(g), imag(g)),
        Host(REASON),
        lambda: [
            Sample((np.array([1.0, -2.0], t), np.array(b, t)))
            for t in (np.float32, np.float64)
            for b in ([3.0, 0.5], 2.0)
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(2), np.zeros(3)),
                {},
                InvalidArgumentError,
                "Incompatible shapes",
            )
        ],
        dtypes=_REAL,
        holomorphic=False,
    )
)


# ---- Fourier transforms along the last dimension


def _require_vector(x: Any) -> None:
    if x.shape.rank == 0:
        raise fail(
            InvalidArgumentError,
            "Input must have rank of at least 1",
            got=describe_shapes(x),
            site=str(user_site()),
        )


def _fft_infer(x: Any) -> tuple[TensorShape, DType]:
    _require_vector(x)
    return x.shape, x.dtype


def _size(x: Any) -> Any:
    """The last dimension as a number of the dtype of a tensor."""
    if x.shape.rank is not None and x.shape[-1] is not None:
        return constant(x.shape[-1], x.dtype)
    return cast(shape(x)[-1], x.dtype)


def _scalar_is_bad() -> list[BadInput]:
    value = np.zeros((), np.complex128)
    return [BadInput((value,), {}, InvalidArgumentError, "at least 1")]


def _transform(name: str, vjp: Any) -> OpSpec:
    def compute(x: Array) -> Array:
        # Looked up here, for NumPy loads the module when it is first asked for.
        function = getattr(np.fft, name.lower())
        return np.asarray(function(x, axis=-1), x.dtype) if x.size else x.copy()

    return register(
        OpSpec(
            name,
            _fft_infer,
            compute,
            vjp,
            Host(REASON),
            lambda: [
                Sample((_random(dtype, *shape),))
                for dtype in (np.complex64, np.complex128)
                for shape in ((4,), (2, 5), (0, 3))
            ],
            errors=_scalar_is_bad,
            dtypes=dtypes.COMPLEX,
            holomorphic=False,
        )
    )


FFT = _transform("FFT", lambda g, y, x: (ifft(g) * _size(x),))
IFFT = _transform("IFFT", lambda g, y, x: (fft(g) / _size(x),))


def _rfft_infer(x: Any, *, length: int | None) -> tuple[TensorShape, DType]:
    _require_vector(x)
    if x.shape.unknown_rank:
        return x.shape, _complex_of(x.dtype)
    n = x.shape[-1] if length is None else length
    last = None if n is None else n // 2 + 1
    return TensorShape((*x.shape[:-1], last)), _complex_of(x.dtype)


def _irfft_infer(x: Any, *, length: int | None) -> tuple[TensorShape, DType]:
    _require_vector(x)
    if x.shape.unknown_rank:
        return x.shape, x.dtype.real_dtype
    m = x.shape[-1]
    n = length if length is not None else None if m is None else 2 * (m - 1)
    return TensorShape((*x.shape[:-1], n)), x.dtype.real_dtype


def _fit(x: Any, size: int) -> Any:
    """Cuts the last dimension, or pads it with zeros, to a size."""
    have = x.shape[-1]
    if have >= size:
        return x[..., :size] if have > size else x
    return pad(x, [[0, 0]] * (len(x.shape) - 1) + [[0, size - have]])


def _known_size(x: Any, what: str) -> int:
    size = None if x.shape.unknown_rank else x.shape[-1]
    if size is None:
        raise NotImplementedError(
            f"The derivative of {what} along a dimension of unknown size."
        )
    return int(size)


def _rfft_vjp(g: Any, y: Any, x: Any, *, length: int | None) -> tuple[Any]:
    have = _known_size(x, "tf.signal.rfft")
    n = have if length is None else length
    full = ifft(_fit(g, n)) * constant(n, g.dtype)
    return (_fit(real(full), have),)


def _irfft_vjp(g: Any, y: Any, x: Any, *, length: int | None) -> tuple[Any]:
    have = _known_size(x, "tf.signal.irfft")
    n = 2 * (have - 1) if length is None else length
    # Each frequency but the first, and the middle one of an even length, counts twice.
    weights = np.full(n // 2 + 1, 2.0 / n)
    weights[0] = 1.0 / n
    if n % 2 == 0:
        weights[-1] = 1.0 / n
    return (_fit(rfft(g, [n]) * constant(weights, x.dtype), have),)


RFFT = register(
    OpSpec(
        "RFFT",
        _rfft_infer,
        lambda x, *, length: np.fft.rfft(x, length).astype(_complex_of_array(x)),
        _rfft_vjp,
        Host(REASON),
        lambda: [
            Sample((np.arange(12.0).reshape(2, 6).astype(t),), {"length": n})
            for t in (np.float32, np.float64)
            for n in (None, 4, 5, 9)
        ],
        errors=lambda: [
            BadInput((np.zeros(()),), {"length": None}, InvalidArgumentError, "least 1")
        ],
        dtypes=_REAL,
        holomorphic=False,
    )
)
IRFFT = register(
    OpSpec(
        "IRFFT",
        _irfft_infer,
        lambda x, *, length: np.fft.irfft(x, length).astype(x.real.dtype),
        _irfft_vjp,
        Host(REASON),
        lambda: [
            Sample((_random(dtype, 2, 4),), {"length": n})
            for dtype in (np.complex64, np.complex128)
            for n in (None, 4, 5, 9)
        ],
        dtypes=dtypes.COMPLEX,
        holomorphic=False,
    )
)


# ---- public functions


def _real_angle(x: Any) -> Any:
    pi = constant(np.pi, x.dtype if x.dtype.is_floating else dtypes.float32)
    x = cast(x, pi.dtype)
    return where(x < 0, zeros_like(x) + pi, zeros_like(x))


def _take_part(spec: OpSpec, input: Any, name: str | None, of_real: Any) -> Tensor:
    """Returns a part, which numbers that are real have too."""
    x = hooks.convert(input)
    return call(spec, x, name=name) if x.dtype.is_complex else of_real(x)


def real(input: Any, name: str | None = None) -> Tensor:
    """Returns the real part, elementwise.

    Source: `tf.math.real`.
    """
    return _take_part(REAL, input, name, lambda x: x)


def imag(input: Any, name: str | None = None) -> Tensor:
    """Returns the imaginary part, elementwise.

    Source: `tf.math.imag`.
    """
    return _take_part(IMAG, input, name, zeros_like)


def conj(input: Any, name: str | None = None) -> Tensor:
    """Returns the complex conjugate, elementwise.

    Source: `tf.math.conj`.
    """
    return _take_part(CONJ, input, name, lambda x: x)


def angle(input: Any, name: str | None = None) -> Tensor:
    """Returns the angle in radians, from -pi to pi, elementwise.

    Source: `tf.math.angle`.
    """
    return _take_part(ANGLE, input, name, _real_angle)


def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """Makes complex numbers of their real and imaginary parts, elementwise.

    Args:
      real: float32 or float64.
      imag: Of the same dtype; the shapes broadcast.
      name: Name of the op.

    Returns:
      complex64 or complex128.

    >>> import graphopt as tf
    >>> tf.complex([1.0, 2.0], [3.0, 0.0]).numpy().tolist()
    [(1+3j), (2+0j)]

    Source: `tf.complex`.
    """
    return call(COMPLEX, real, imag, name=name)


def _complex_input(x: Any, what: str) -> Any:
    x = hooks.convert(x)
    if not x.dtype.is_complex:
        raise fail(
            DtypeMismatchError,
            f"tf.signal.{what} transforms complex numbers",
            got=describe_shapes(x),
            expected="complex64 or complex128",
            site=str(user_site()),
            remedy="tf.signal.rfft, or tf.cast(x, tf.complex64)",
        )
    return x


def fft(input: Any, name: str | None = None) -> Tensor:
    """Returns the discrete Fourier transform along the last dimension.

        y_k = sum_j x_j exp(-2 pi i j k / n)

    >>> import graphopt as tf
    >>> tf.signal.fft(tf.constant([1 + 0j, 1 + 0j])).numpy().tolist()
    [(2+0j), 0j]

    Source: `tf.signal.fft`.
    """
    return call(FFT, _complex_input(input, "fft"), name=name)


def ifft(input: Any, name: str | None = None) -> Tensor:
    """Returns the inverse of `fft`.

    Source: `tf.signal.ifft`.
    """
    return call(IFFT, _complex_input(input, "ifft"), name=name)


def _lengths(fft_length: Any, count: int, what: str) -> list[int | None]:
    if fft_length is None:
        return [None] * count
    found = static_ints(fft_length, what)
    if len(found) != count or any(n < 1 for n in found):
        raise fail(
            InvalidArgumentError,
            f"fft_length of {what} must have {count} positive numbers",
            got=str(found),
            expected=f"{count} numbers above 0",
            site=str(user_site()),
        )
    return list(found)


def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """Returns the Fourier transform of real numbers along the last dimension.

    Args:
      input_tensor: `[..., n]`, float32 or float64.
      fft_length: `[1]`: cut, or padded with zeros, to this length first.
      name: Name of the op.

    Returns:
      `[..., n // 2 + 1]`: the others are the conjugates of these.

    Source: `tf.signal.rfft`.
    """
    (length,) = _lengths(fft_length, 1, "tf.signal.rfft")
    return call(RFFT, input_tensor, name=name, length=length)


def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """Returns the inverse of `rfft`.

    Args:
      input_tensor: `[..., m]`, complex.
      fft_length: `[1]`: the length of the result; 2 (m - 1) by default.
      name: Name of the op.

    Source: `tf.signal.irfft`.
    """
    (length,) = _lengths(fft_length, 1, "tf.signal.irfft")
    return call(IRFFT, _complex_input(input_tensor, "irfft"), name=name, length=length)


def _other_axis(x: Any, function: Callable[[Any], Any], what: str) -> Any:
    """Applies a transform along the last dimension but one."""
    rank = x.shape.rank
    if rank is None:
        raise NotImplementedError(f"{what} of a tensor of unknown rank.")
    if len(x.shape) < 2:
        raise fail(
            InvalidArgumentError,
            f"Input of {what} must have rank of at least 2",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    order = list(range(len(x.shape)))
    order[-2:] = order[-1], order[-2]
    return transpose(function(transpose(x, order)), order)


def fft2d(input: Any, name: str | None = None) -> Tensor:
    """Returns the Fourier transform along the last two dimensions.

    Source: `tf.signal.fft2d`.
    """
    return fft(
        _other_axis(_complex_input(input, "fft2d"), fft, "tf.signal.fft2d"), name
    )


def ifft2d(input: Any, name: str | None = None) -> Tensor:
    """Returns the inverse of `fft2d`.

    Source: `tf.signal.ifft2d`.
    """
    x = _complex_input(input, "ifft2d")
    return ifft(_other_axis(x, ifft, "tf.signal.ifft2d"), name)


def _resize(x: Any, size: int | None) -> Any:
    return x if size is None else _fit(x, size)


def rfft2d(
    input_tensor: Any, fft_length: Any = None, name: str | None = None
) -> Tensor:
    """Returns the Fourier transform of real numbers along the last two dimensions.

    Args:
      input_tensor: `[..., m, n]`.
      fft_length: `[2]`: the sizes to cut or pad to first.
      name: Name of the op.

    Source: `tf.signal.rfft2d`.
    """
    rows, columns = _lengths(fft_length, 2, "tf.signal.rfft2d")
    half = call(RFFT, input_tensor, length=columns)
    what = "tf.signal.rfft2d"
    return _other_axis(half, lambda x: fft(_resize(x, rows), name), what)


def irfft2d(
    input_tensor: Any, fft_length: Any = None, name: str | None = None
) -> Tensor:
    """Returns the inverse of `rfft2d`.

    Args:
      input_tensor: `[..., m, k]`, complex.
      fft_length: `[2]`: the sizes of the result.
      name: Name of the op.

    Source: `tf.signal.irfft2d`.
    """
    rows, columns = _lengths(fft_length, 2, "tf.signal.irfft2d")
    x, what = _complex_input(input_tensor, "irfft2d"), "tf.signal.irfft2d"
    x = _other_axis(x, lambda t: ifft(_resize(t, rows)), what)
    return call(IRFFT, x, name=name, length=columns)


def _complex_abs(x: Any, name: str | None = None) -> Any:
    return call(COMPLEX_ABS, x, name=name)


hooks.operators["conj"] = conj
hooks.operators["real"] = real
hooks.operators["complex_abs"] = _complex_abs
