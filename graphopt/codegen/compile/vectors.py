"""Scalars and vectors of LLVM, written as Python expressions; the one vector builder.

numba has no vector types, and what its vectorizer makes of a loop depends on the loop. So
the inner loops of products, windows and reductions, and the functions of `maths`, are
written in LLVM's terms. As calls of an IR builder nobody could read them: here a `Value`,
a scalar or a vector of floats, integers or truth values, has Python's operators,

    total.set(fma(x, row, total.get()))

emits just that, and a `Code` has loops, conditions, memory and cells, which LLVM keeps in
registers. `intrinsic` makes a function of such code that the text of a kernel can call;
its parameters are declared in words (`intrinsics`).

Nothing is rearranged: the order of operations is that of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from llvmlite import ir

from graphopt.codegen.machine import get_machine

__all__ = [
    "BOOLEAN",
    "ELEMENTS",
    "FLOAT32",
    "FLOAT64",
    "INT64",
    "Cell",
    "Code",
    "Element",
    "Pointer",
    "Value",
    "evaluate",
    "fma",
    "fold",
    "larger",
    "maximum",
    "minimum",
    "select",
    "smaller",
]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@dataclass(frozen=True)
class Element:
    """The type of one lane.

    Attributes:
      name: Its name, as NumPy has it.
      scalar: LLVM's type.
      nbytes: Its size in memory.
      is_float: Whether it is a floating-point number.
      is_signed: Whether it is a number with a sign.
    """

    name: str
    scalar: ir.Type
    nbytes: int
    is_float: bool = False
    is_signed: bool = False

    @property
    def suffix(self) -> str:
        """How LLVM's intrinsics call it."""
        return f"{'f' if self.is_float else 'i'}{8 * self.nbytes}"

    @property
    def bits(self) -> Element:
        """The integer of the same size."""
        return ELEMENTS[f"int{8 * self.nbytes}"]

    @property
    def mantissa_bits(self) -> int:
        """Bits of a float below the hidden one."""
        return 23 if self.nbytes == 4 else 52

    @property
    def bias(self) -> int:
        """Bias of the exponent of a float."""
        return 127 if self.nbytes == 4 else 1023

    @property
    def smallest(self) -> float:
        """Smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def shifter(self) -> float:
        """Adding it moves the integer part of a small number to the lowest bits."""
        return 1.5 * 2.0**self.mantissa_bits

    def encode(self, value: float) -> int:
        """Returns the bits of a float."""
        return int(np.array(value, self.name).view(self.bits.name))

    def make_type(self, lanes: int) -> ir.Type:
        """Returns LLVM's type of a vector, or of a scalar for 0 lanes."""
        return ir.VectorType(self.scalar, lanes) if lanes else self.scalar


def _integer(name: str, bits: int) -> Element:
    return Element(name, ir.IntType(bits), bits // 8, is_signed=name[0] == "i")


FLOAT32 = Element("float32", ir.FloatType(), 4, is_float=True, is_signed=True)
FLOAT64 = Element("float64", ir.DoubleType(), 8, is_float=True, is_signed=True)
BOOLEAN = Element("boolean", ir.IntType(1), 1)
ELEMENTS: Final = {
    each.name: each
    for each in (
        FLOAT32,
        FLOAT64,
        BOOLEAN,
        *(_integer(f"int{bits}", bits) for bits in (8, 16, 32, 64, 128)),
        *(_integer(f"uint{bits}", bits) for bits in (8, 16, 32, 64, 128)),
    )
}
INT64 = ELEMENTS["int64"]


@dataclass(frozen=True, eq=False)
class Value:
    """A scalar or a vector in the code that is being written.

    Operators of floats round once each. Those of integers wrap around; `//` and `%` round
    towards zero. Comparisons of floats are false if either is NaN. The other side may be
    a number of Python.

    Attributes:
      code: The code that it belongs to.
      raw: LLVM's value.
      element: The type of a lane.
      lanes: How many there are; 0 for a scalar.
    """

    code: Code
    raw: Any
    element: Element
    lanes: int = 0

    def constant(self, value: float) -> Value:
        """Returns a value of the same type."""
        return self.code.constant(self.element, value, self.lanes)

    def _coerce(self, other: Value | float) -> Any:
        return other.raw if isinstance(other, Value) else self.constant(other).raw

    def _make(self, raw: Any) -> Value:
        return Value(self.code, raw, self.element, self.lanes)

    def _apply(
        self,
        real: str,
        integer: str,
        other: Value | float,
        is_reversed: bool = False,
    ) -> Value:
        name = real if self.element.is_float else integer
        values = (self.raw, self._coerce(other))
        if is_reversed:
            values = values[::-1]
        return self._make(getattr(self.code.builder, name)(*values))

    def __add__(self, other: Value | float) -> Value:
        return self._apply("fadd", "add", other)

    def __radd__(self, other: float) -> Value:
        return self._apply("fadd", "add", other, True)

    def __sub__(self, other: Value | float) -> Value:
        return self._apply("fsub", "sub", other)

    def __rsub__(self, other: float) -> Value:
        return self._apply("fsub", "sub", other, True)

    def __mul__(self, other: Value | float) -> Value:
        return self._apply("fmul", "mul", other)

    def __rmul__(self, other: float) -> Value:
        return self._apply("fmul", "mul", other, True)

    def __truediv__(self, other: Value | float) -> Value:
        return self._apply("fdiv", "", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._apply("fdiv", "", other, True)

    def __floordiv__(self, other: Value | int) -> Value:
        return self._apply("", "sdiv" if self.element.is_signed else "udiv", other)

    def __mod__(self, other: Value | int) -> Value:
        return self._apply("", "srem" if self.element.is_signed else "urem", other)

    def __lshift__(self, other: Value | int) -> Value:
        return self._apply("", "shl", other)

    def __rshift__(self, other: Value | int) -> Value:
        return self._apply("", "ashr" if self.element.is_signed else "lshr", other)

    def __and__(self, other: Value | int) -> Value:
        return self._apply("", "and_", other)

    def __or__(self, other: Value | int) -> Value:
        return self._apply("", "or_", other)

    def __xor__(self, other: Value | int) -> Value:
        return self._apply("", "xor", other)

    def __neg__(self) -> Value:
        builder = self.code.builder
        return self._make(
            (builder.fneg if self.element.is_float else builder.neg)(self.raw)
        )

    def __invert__(self) -> Value:
        return self._make(self.code.builder.not_(self.raw))

    def compare(self, sign: str, other: Value | float) -> Value:
        """Returns whether it is so; false where either is NaN."""
        builder = self.code.builder
        compare = builder.fcmp_ordered
        if not self.element.is_float:
            is_signed = self.element.is_signed
            compare = builder.icmp_signed if is_signed else builder.icmp_unsigned
        raw = compare(sign, self.raw, self._coerce(other))
        return Value(self.code, raw, BOOLEAN, self.lanes)

    def __lt__(self, other: Value | float) -> Value:
        return self.compare("<", other)

    def __le__(self, other: Value | float) -> Value:
        return self.compare("<=", other)

    def __gt__(self, other: Value | float) -> Value:
        return self.compare(">", other)

    def __ge__(self, other: Value | float) -> Value:
        return self.compare(">=", other)

    def equals(self, other: Value | float) -> Value:
        """Returns whether they are equal; false where either is NaN."""
        return self.compare("==", other)

    def is_nan(self) -> Value:
        """Returns whether it is NaN."""
        raw = self.code.builder.fcmp_unordered("uno", self.raw, self.raw)
        return Value(self.code, raw, BOOLEAN, self.lanes)

    def call(self, name: str, *others: Value) -> Value:
        """Calls an instruction of LLVM on values of this type."""
        kind = self.element.make_type(self.lanes)
        suffix = f"v{self.lanes}" if self.lanes else ""
        name = f"llvm.{name}.{suffix}{self.element.suffix}"
        values = [self.raw, *(other.raw for other in others)]
        return self._make(self.code.call(name, kind, *values))

    def __abs__(self) -> Value:
        """Returns it without its sign."""
        return self.call("fabs")

    def round(self) -> Value:
        """Returns the nearest integer, halves to even."""
        return self.call("rint")

    def as_unsigned(self) -> Value:
        """Returns the same bits as an integer without a sign."""
        element = ELEMENTS[f"u{self.element.bits.name}"]
        return Value(self.code, self.raw, element, self.lanes)

    def to_bits(self) -> Value:
        """Returns the bits of a float as an integer."""
        return self._bitcast(self.element.bits)

    def from_bits(self, bits: Value) -> Value:
        """Returns the float of this type that has these bits."""
        return bits._bitcast(self.element)

    def _bitcast(self, element: Element) -> Value:
        raw = self.code.builder.bitcast(self.raw, element.make_type(self.lanes))
        return Value(self.code, raw, element, self.lanes)

    def to(self, element: Element) -> Value:
        """Converts the lanes: floats round to nearest, to integers towards zero."""
        source = self.element
        if source is element:
            return self
        if source.is_float and element.is_float:
            name = "fpext" if element.nbytes > source.nbytes else "fptrunc"
        elif source.is_float:
            name = "fptosi"
        elif element.is_float:
            name = "sitofp" if source.is_signed else "uitofp"
        elif element.nbytes < source.nbytes:
            name = "trunc"
        else:
            name = "sext" if source.is_signed else "zext"
        kind = element.make_type(self.lanes)
        raw = getattr(self.code.builder, name)(self.raw, kind)
        return Value(self.code, raw, element, self.lanes)

    def splat(self, lanes: int) -> Value:
        """Returns a vector that has this scalar in every lane."""
        if not lanes:
            return self
        builder = self.code.builder
        undefined = ir.Constant(self.element.make_type(lanes), ir.Undefined)
        first = builder.insert_element(undefined, self.raw, _I32(0))
        zeros = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        raw = builder.shuffle_vector(first, undefined, zeros)
        return Value(self.code, raw, self.element, lanes)

    def shuffle(self, order: Sequence[int], other: Value | None = None) -> Value:
        """Returns a vector of lanes of this vector, and of another one behind it."""
        indices = ir.Constant(ir.VectorType(_I32, len(order)), list(order))
        second = self.raw if other is None else other.raw
        raw = self.code.builder.shuffle_vector(self.raw, second, indices)
        return Value(self.code, raw, self.element, len(order))

    def lane(self, index: int) -> Value:
        """Returns one lane."""
        raw = self.code.builder.extract_element(self.raw, _I32(index))
        return Value(self.code, raw, self.element)


def fma(x: Value, y: Value | float, z: Value | float) -> Value:
    """Returns x * y + z, with one rounding where the machine can do it fast."""
    y = y if isinstance(y, Value) else x.constant(y)
    z = z if isinstance(z, Value) else x.constant(z)
    return x.call("fma", y, z) if x.code.machine.is_fused else x * y + z


def select(condition: Value, yes: Value | float, no: Value) -> Value:
    """Returns `yes` where the condition holds, else `no`."""
    yes = yes if isinstance(yes, Value) else no.constant(yes)
    return no._make(no.code.builder.select(condition.raw, yes.raw, no.raw))


def _choose(sign: str, x: Value, y: Value) -> Value:
    """Returns x where it compares so with y or is NaN, else y: NaN is never lost."""
    is_it = x.compare(sign, y)
    return select(is_it | x.is_nan() if x.element.is_float else is_it, x, y)


def maximum(x: Value, y: Value) -> Value:
    """Returns the larger one, x if they are equal, NaN if either is."""
    return _choose(">=", x, y)


def minimum(x: Value, y: Value) -> Value:
    """Returns the smaller one, x if they are equal, NaN if either is."""
    return _choose("<=", x, y)


def larger(x: Value, y: Value) -> Value:
    """Returns x if it is larger than y or NaN, else y, which may be NaN."""
    return _choose(">", x, y)


def smaller(x: Value, y: Value) -> Value:
    """Returns x if it is smaller than y or NaN, else y, which may be NaN."""
    return _choose("<", x, y)


def evaluate(x: Value, coefficients: Sequence[float]) -> Value:
    """Returns the value of a polynomial, its highest coefficient first (Horner's rule)."""
    total = x.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = fma(total, x, coefficient)
    return total


def fold(vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
    """Combines the lanes of a vector by halves, in that order on any machine."""
    lanes = vector.lanes
    while lanes > 1:
        lanes //= 2
        low, high = range(lanes), range(lanes, 2 * lanes)
        vector = combine(vector.shuffle(low), vector.shuffle(high))
    return vector.lane(0)


@dataclass(frozen=True, eq=False)
class Cell:
    """A variable. LLVM keeps it in a register, for it is only loaded and stored whole."""

    like: Value
    place: Any

    def get(self) -> Value:
        """Returns what it holds."""
        return self.like._make(self.like.code.builder.load(self.place))

    def set(self, value: Value) -> None:
        """Changes what it holds."""
        self.like.code.builder.store(value.raw, self.place)


@dataclass(frozen=True, eq=False)
class Pointer:
    """Elements in memory, counted from an address; vectors may lie anywhere.

    Attributes:
      code: The code that it belongs to.
      raw: LLVM's pointer.
      element: The type of what it points to.
    """

    code: Code
    raw: Any
    element: Element

    def at(self, index: Value | int) -> Pointer:
        """Returns a pointer so many elements further on."""
        raw = self.code.builder.gep(self.raw, [self.code.word(index).raw])
        return Pointer(self.code, raw, self.element)

    def to(self, element: Element) -> Pointer:
        """Returns the same address as a pointer to others."""
        raw = self.code.builder.bitcast(self.raw, element.scalar.as_pointer())
        return Pointer(self.code, raw, element)

    def load(self, lanes: int = 0, mask: Value | None = None) -> Value:
        """Returns the elements there: the chosen ones with a mask, and zeros beside."""
        code, element = self.code, self.element
        kind = element.make_type(lanes)
        place = code.builder.bitcast(self.raw, kind.as_pointer())
        if mask is None:
            raw = code.builder.load(place, align=element.nbytes)
            return Value(code, raw, element, lanes)
        zero = ir.Constant(kind, None)
        name = f"llvm.masked.load.v{lanes}{element.suffix}.p0"
        align = _I32(element.nbytes)
        raw = code.call(name, kind, place, align, mask.raw, zero)
        return Value(code, raw, element, lanes)

    def store(self, value: Value, mask: Value | None = None) -> None:
        """Stores elements there: the chosen ones with a mask."""
        code, element = self.code, self.element
        place = code.builder.bitcast(self.raw, value.raw.type.as_pointer())
        if mask is None:
            code.builder.store(value.raw, place, align=element.nbytes)
            return
        name = f"llvm.masked.store.v{value.lanes}{element.suffix}.p0"
        align = _I32(element.nbytes)
        code.call(name, ir.VoidType(), value.raw, place, align, mask.raw)

    def prefetch(self) -> None:
        """Has the line of memory brought near, if there is one."""
        place = self.code.builder.bitcast(self.raw, _I8.as_pointer())
        # To be read; kept in the second-level cache; data.
        arguments = (place, _I32(0), _I32(2), _I32(1))
        self.code.call("llvm.prefetch.p0i8", ir.VoidType(), *arguments)


class Code:
    """Where code is written: loops, conditions, memory.

    Args:
      builder: LLVM's builder.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.machine = get_machine()

    def constant(self, element: Element, value: float, lanes: int = 0) -> Value:
        """Returns a constant, in every lane."""
        kind = element.make_type(lanes)
        raw = ir.Constant(kind, [element.scalar(value)] * lanes if lanes else value)
        return Value(self, raw, element, lanes)

    def word(self, value: Value | int) -> Value:
        """Returns an int64."""
        return value if isinstance(value, Value) else Value(self, _I64(value), INT64)

    def zeros(self, element: Element, lanes: int) -> Value:
        """Returns a vector of zeros."""
        raw = ir.Constant(element.make_type(lanes), None)
        return Value(self, raw, element, lanes)

    def call(self, name: str, result: ir.Type, *arguments: Any) -> Any:
        """Calls a function by its name in the module, with LLVM's values."""
        function = self.builder.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [each.type for each in arguments])
            function = ir.Function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)

    def cell(self, value: Value) -> Cell:
        """Returns a variable that holds a value."""
        with self.builder.goto_entry_block():
            cell = Cell(value, self.builder.alloca(value.raw.type))
        cell.set(value)
        return cell

    def pointer(self, address: Value, element: Element) -> Pointer:
        """Returns a pointer to what lies at an address in bytes."""
        raw = self.builder.inttoptr(address.raw, element.scalar.as_pointer())
        return Pointer(self, raw, element)

    def mask(self, count: Value, lanes: int) -> Value:
        """Returns which lanes are among the first ones; any count is right."""
        kind = ir.VectorType(_I64, lanes)
        numbers = ir.Constant(kind, [_I64(i) for i in range(lanes)])
        return Value(self, numbers, INT64, lanes) < count.splat(lanes)

    def reserve(self, nbytes: int) -> Value:
        """Returns the address of bytes on the stack, which begin on a cache line."""
        # Not by numba's helper, which also stores zeros to every byte.
        with self.builder.goto_entry_block():
            space = self.builder.alloca(ir.ArrayType(_I8, nbytes))
        space.align = 64
        return Value(self, self.builder.ptrtoint(space, _I64), INT64)

    def table(self, name: str, element: Element, values: Sequence[float]) -> Pointer:
        """Returns a pointer to constants, which a module has once under a name."""
        module = self.builder.module
        if name not in module.globals:
            kind = ir.ArrayType(element.scalar, len(values))
            table = ir.GlobalVariable(module, kind, name)
            table.initializer = ir.Constant(kind, [element.scalar(x) for x in values])
            table.linkage, table.global_constant = "internal", True
        raw = self.builder.bitcast(module.globals[name], element.scalar.as_pointer())
        return Pointer(self, raw, element)

    def barrier(self) -> None:
        """Keeps accesses of memory in their order, and loops around it as they are."""
        kind = ir.FunctionType(ir.VoidType(), [])
        self.builder.asm(kind, "", "~{memory}", [], side_effect=True)

    @contextmanager
    def for_range(
        self, start: Value | int, stop: Value | None = None, step: int = 1
    ) -> Iterator[Value]:
        """Writes a loop, as `range` counts up; yields its number."""
        first, end = (0, start) if stop is None else (start, stop)
        builder = self.builder
        head, body, after = map(builder.append_basic_block, ("for", "body", "after"))
        before = builder.basic_block
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(_I64)
        index.add_incoming(self.word(first).raw, before)
        number = Value(self, index, INT64)
        builder.cbranch((number < end).raw, body, after)
        builder.position_at_end(body)
        yield number
        index.add_incoming((number + step).raw, builder.basic_block)
        builder.branch(head)
        builder.position_at_end(after)

    @contextmanager
    def if_(self, condition: Value) -> Iterator[None]:
        """Writes what runs only if a scalar condition holds."""
        with self.builder.if_then(condition.raw):
            yield

    def if_else(
        self, condition: Value, yes: Callable[[], None], no: Callable[[], None]
    ) -> None:
        """Writes what runs if a scalar condition holds, and what else."""
        with self.builder.if_else(condition.raw) as (then, otherwise):
            with then:
                yes()
            with otherwise:
                no()
