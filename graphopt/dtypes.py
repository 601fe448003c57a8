"""Element types: `DType`, the names that users write for them, and promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np


class DType:
    """The element type of a tensor.

    Equality accepts whatever `as_dtype` does, as in TensorFlow.

    >>> float32 == np.float32, float32 == "float32", float32 == int32
    (True, True, False)

    Source: `tf.dtypes.DType`.
    """

    __slots__ = ("as_numpy_dtype", "char", "is_complex", "name", "numpy", "size")

    def __init__(self, name: str, numpy_type: type[np.generic]) -> None:
        self.name = name
        self.as_numpy_dtype = numpy_type
        self.numpy: np.dtype[Any] = np.dtype(numpy_type)
        self.size = self.numpy.itemsize
        self.char = self.numpy.char
        # Whether values are complex numbers; every op asks, so it is no property.
        self.is_complex = self.numpy.kind == "c"

    @property
    def is_floating(self) -> bool:
        """Whether values are floating-point numbers."""
        return self.numpy.kind == "f"

    @property
    def is_integer(self) -> bool:
        """Whether values are integers; bool is none."""
        return self.numpy.kind in "iu"

    @property
    def is_bool(self) -> bool:
        """Whether values are truth values."""
        return self.numpy.kind == "b"

    @property
    def is_unsigned(self) -> bool:
        """Whether values are integers without a sign."""
        return self.numpy.kind == "u"

    @property
    def is_differentiable(self) -> bool:
        """Whether derivatives by values exist: of floats and complex numbers."""
        return self.numpy.kind in "fc"

    @property
    def is_string(self) -> bool:
        """Whether values are strings of bytes."""
        return self.numpy.kind == "O"

    @property
    def real_dtype(self) -> DType:
        """The type of the real part: of half the size where values are complex."""
        return _REAL.get(self.name, self)

    @property
    def base_dtype(self) -> DType:
        """The type itself; TensorFlow 1 had reference types."""
        return self

    @property
    def _limits(self) -> Any:
        limits: Any = np.finfo if self.is_differentiable else np.iinfo
        return limits(self.as_numpy_dtype)

    @property
    def min(self) -> Any:
        """The smallest finite value."""
        return self._limits.min

    @property
    def max(self) -> Any:
        """The largest finite value."""
        return self._limits.max

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None:
            return False
        try:
            return as_dtype(other) is self
        except (TypeError, NotImplementedError):
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return as_dtype, (self.name,)


float16 = DType("float16", np.float16)
float32 = DType("float32", np.float32)
float64 = DType("float64", np.float64)
int8 = DType("int8", np.int8)
int16 = DType("int16", np.int16)
int32 = DType("int32", np.int32)
int64 = DType("int64", np.int64)
uint8 = DType("uint8", np.uint8)
bool_ = DType("bool", np.bool_)
complex64 = DType("complex64", np.complex64)
complex128 = DType("complex128", np.complex128)
# Arrays of Python objects, each of them `bytes`: they stay on the host.
string = DType("string", np.object_)

# Those that kernels know.
ALL = (float16, float32, float64, int8, int16, int32, int64, uint8, bool_)
FLOATING = (float16, float32, float64)
# NumPy computes with these, op by op: a program with one of them is interpreted.
COMPLEX = (complex64, complex128)
EVERY = (*ALL, *COMPLEX)
_REAL = {"complex64": float32, "complex128": float64}
_BY_NUMPY: dict[Any, DType] = {dtype.numpy: dtype for dtype in (*EVERY, string)}
_BY_NAME = {dtype.name: dtype for dtype in (*EVERY, string)} | {
    "half": float16,
    "float": float32,
    "double": float64,
}
_BY_PYTHON: dict[Any, DType] = {
    float: float32,
    int: int32,
    bool: bool_,
    complex: complex128,
    str: string,
    bytes: string,
}
_ABSENT = ("bfloat16", "uint16", "uint32", "uint64")


def as_dtype(value: Any) -> DType:
    """Returns the `DType` that a DType, NumPy dtype, Python type or name stands for.

    >>> as_dtype("float64"), as_dtype(np.int32), as_dtype(bool)
    (tf.float64, tf.int32, tf.bool)

    Raises:
      TypeError: `value` names no type.
      NotImplementedError: It names a type that graphopt does not have.

    Source: `tf.as_dtype`.
    """
    if isinstance(value, DType):
        return value
    found = from_numpy(value) if isinstance(value, np.dtype) else None
    if found is None and isinstance(value, str):
        found = _BY_NAME.get(value)
    elif found is None and isinstance(value, type):
        found = _BY_PYTHON.get(value)
    if found is not None:
        return found
    if isinstance(value, str) and value in _ABSENT:
        raise NotImplementedError(_not_supported(value))
    if value is not None:
        try:
            return _check(np.dtype(value))
        except TypeError:
            pass
    raise TypeError(
        f"Cannot convert {value!r} to a dtype; expected one of "
        f"{', '.join(dtype.name for dtype in EVERY)}."
    )


def from_numpy(dtype: np.dtype[Any]) -> DType | None:
    """Returns the DType of a NumPy dtype in native byte order, or None."""
    return _BY_NUMPY.get(dtype)


def _check(dtype: np.dtype[Any]) -> DType:
    found = _BY_NUMPY.get(dtype.newbyteorder("="))
    if found is None and dtype.kind in "SU":
        return string
    if found is None:
        raise NotImplementedError(_not_supported(str(dtype)))
    return found


def _not_supported(name: str) -> str:
    return (
        f"The dtype {name} is not supported; expected one of "
        f"{', '.join(dtype.name for dtype in EVERY)}."
    )


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # `tf.dtypes` has names of functions that lie to the right of this file.
        if name == "bool":
            return bool_
        if name == "double":
            return float64
        if name == "half":
            return float16
        if name in ("cast", "complex", "saturate_cast"):
            import importlib

            modules = {"complex": "complex_numbers", "saturate_cast": "partitions"}
            module = modules.get(name, "elementwise")
            return getattr(importlib.import_module(f"graphopt.ops.{module}"), name)
        raise AttributeError(f"module 'tf.dtypes' has no attribute {name!r}")
