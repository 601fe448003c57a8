"""`OpSpec`: all that is known of one kind of op, as a value in one table.

The registry is the only place where an op is described. Shape inference, the eager
kernel, the derivative, the native kernel, the tests, the viewer and the documentation
all read the same entry, so adding an op is one block in one file. A class per op, as
in PyTensor, spreads the same facts over methods that rewrites then match by accident
of inheritance; a table can be listed, checked and refused.

`register` refuses an entry that lacks a part: a rule for derivatives (or the statement
that there is none), a kernel (or the reason why it runs on the host), samples, and, of an
elementwise op, what it costs. What passes, planner and files have to know of an op is a
field here and no list of names there: a list forgets the next op, and then that op is
silently slower, or special.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING, Any, Final

from graphopt.dtypes import EVERY, DType, float16, string
from graphopt.errors import OpError
from graphopt.graph.status import Report
from graphopt.lazy import cached_property

if TYPE_CHECKING:
    from graphopt.graph.graph import Operation


class _NotDifferentiable:
    def __repr__(self) -> str:
        return "NOT_DIFFERENTIABLE"


NOT_DIFFERENTIABLE: Final = _NotDifferentiable()


class Effect(enum.Enum):
    """What running an op does besides computing its outputs."""

    NONE = "none"
    READ = "reads a variable"
    WRITE = "writes a variable"
    RANDOM = "draws random numbers"
    HOST = "runs Python"
    COLLECTIVE = "exchanges values with other processes"


class Cost(enum.Enum):
    """What an op takes for an element where it is part of a loop, as passes see it.

    The first four are bound by memory in a loop of a few of them. What nobody has measured
    is UNRATED, which passes take for a FUNCTION.
    """

    MOVE = "the elements that come out have gone in"
    ARITHMETIC = "one or two instructions a vector"
    LOGIC = "a comparison or a choice"
    DIVISION = "a division or a root, some ten cycles a vector"
    FUNCTION = "a series, or a call of a function"
    UNRATED = "not measured"

    @property
    def is_light(self) -> bool:
        """Whether a loop of a few such ops takes what its memory traffic takes."""
        return self not in (Cost.FUNCTION, Cost.UNRATED)


@dataclass(frozen=True)
class Elementwise:
    """A kernel that is one expression over elements, `{0}` being the first input."""

    expression: str


@dataclass(frozen=True)
class Family:
    """A kernel made by a generator of its own, as `matmul` or `reduce`."""

    name: str
    option: str = ""


@dataclass(frozen=True)
class Alias:
    """No kernel: the output is the memory of the first input under another shape."""


@dataclass(frozen=True)
class Source:
    """No kernel: the value is given from outside (placeholder, constant, variable)."""


@dataclass(frozen=True)
class Host:
    """Runs from Python between native segments."""

    reason: str


@dataclass(frozen=True)
class Bodies:
    """Runs the bodies among its attributes, by jumps between their kernels.

    Attributes:
      kind: `cond`, `while` or `while_grad`.
    """

    kind: str


@dataclass(frozen=True)
class Drawn:
    """An op of a graph that is drawn and never run: it stands for a layer of a model."""


Kernel = Elementwise | Family | Alias | Source | Host | Bodies | Drawn

# The functions that an expression may call; codegen has an implementation of each.
EXPRESSION_FUNCTIONS: Final = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "ceil",
        "cos",
        "cosh",
        "digamma",
        "erf",
        "erfc",
        "erfinv",
        "exp",
        "expm1",
        "floor",
        "floordiv",
        "floormod",
        "isfinite",
        "isinf",
        "isnan",
        "lgamma",
        "log",
        "log1p",
        "maximum",
        "minimum",
        "polygamma",
        "pow",
        "round",
        "rsqrt",
        "select",
        "sigmoid",
        "sign",
        "sin",
        "sinh",
        "softplus",
        "sqrt",
        "tan",
        "tanh",
        "zeta",
        "zero",
        "one",
    ]
)


@dataclass(frozen=True)
class Sample:
    """Inputs and attributes on which the contract tests run an op.

    Attributes:
      inputs: The arrays.
      attrs: The attributes.
      symmetric: Whether the inputs stay symmetric matrices where derivatives are tested,
        because that is all that the derivative is for.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    symmetric: bool = False


@dataclass(frozen=True)
class BadInput:
    """Inputs that must be refused, with the error and words of its message."""

    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    error: type[Exception]
    match: str


@dataclass(frozen=True, eq=False)
class OpSpec:
    """The description of one kind of op.

    Attributes:
      name: The type, as TensorFlow spells it (`AddV2`).
      infer: `(*inputs, **attrs) -> (shape, dtype)` or a list of such pairs; inputs have
        `.shape` and `.dtype`. Raises ValueError or TypeError for what does not fit.
      compute: `(*arrays, **attrs) -> array` or a tuple: NumPy reference, eager kernel.
      vjp: `(g, y, *inputs, **attrs) -> cotangents`, written with public ops;
        or NOT_DIFFERENTIABLE.
      kernel: How the op becomes native code.
      types: Type letters of the inputs: `T` are all of one dtype, `*` repeats the last,
        a dtype name stands for itself, `any` for no rule.
      dtypes: The element types that `T` may have; of `any` inputs, whether they may be
        complex. Of those no kernel knows: programs with them are interpreted.
      samples: Makes the samples of the contract tests.
      errors: Makes the inputs that must be refused.
      effect: What it does besides computing.
      outputs: The number of outputs; -1 if the attributes decide, at least two.
      holomorphic: Whether `vjp`, of complex numbers, is `g` times the derivative, of
        which the cotangent walk takes the conjugate; if not, the rule does all itself.
      kernel_inputs: The inputs whose elements the kernel reads, where the others give
        only their shape; by default all.
      outside: `"before"` or `"after"` for an op about the world outside of the graph: it
        may wait, so whoever runs the graph does it then, without the lock of the session.
      strings: Whether inputs may be strings too, which NumPy moves about as objects.
      explain: `(report) -> error` of what the op's kernel has reported; None for a kernel
        that checks nothing.
      cost: What an elementwise op takes for an element; of others, MOVE for what comes out
        as it went in, so that nobody need look for NaN in it.
      integer_kernel: How the op of integers becomes native code, where that is another
        kernel than the one for floats.
      flops: `(op) -> multiplications and additions`, of an op whose shapes are known; by
        default one for an element of an elementwise op or a reduction, else none.
      reference_ns: Nanoseconds that `compute` takes about for an element of the outputs,
        besides multiplications and additions.
      partial_inputs: The inputs of which the op reads or writes what indices choose: their
        size says nothing of the work.
      takes_slices: Whether `vjp` takes `IndexedSlices` for a cotangent as they are.
      parts: `(op) -> ops`, with names, that an op made by a rewrite stands for; None for
        what users make.
      is_handle: Whether the output is a variable and not a value.
      near_zero_ulps: By how many units in the last place of 1 the kernel may be off near
        zeros of a function, where the relative error is not small.
      untrusted: Why no file may have the op: what it does when it is run.
      receives: Whether all variables among the inputs get new values from other ranks.
    """

    name: str
    infer: Callable[..., Any]
    compute: Callable[..., Any]
    vjp: Callable[..., Any] | _NotDifferentiable
    kernel: Kernel
    samples: Callable[[], Sequence[Sample]]
    errors: Callable[[], Sequence[BadInput]] = tuple
    types: tuple[str, ...] = ("T*",)
    dtypes: tuple[DType, ...] = EVERY
    effect: Effect = Effect.NONE
    outputs: int = 1
    kernel_inputs: tuple[int, ...] | None = None
    host_dtypes: tuple[DType, ...] = (float16,)
    holomorphic: bool = True
    outside: str = ""
    strings: bool = False
    explain: Callable[[Report], OpError] | None = None
    cost: Cost | None = None
    integer_kernel: Family | None = None
    flops: Callable[[Operation], int] | None = None
    reference_ns: float = 1.0
    partial_inputs: tuple[int, ...] = ()
    takes_slices: bool = False
    parts: Callable[[Operation], tuple[Any, ...]] | None = None
    is_handle: bool = False
    near_zero_ulps: int = 0
    untrusted: str = ""
    receives: bool = False

    @property
    def is_pure(self) -> bool:
        """Whether running it twice or never makes no difference."""
        return self.effect in (Effect.NONE, Effect.READ)

    @cached_property
    def accepted_alike(self) -> frozenset[int]:
        """The ids of the dtypes that all inputs may share; empty where the rule differs.

        Ids, because hashing a DType runs Python, and every eager op asks.
        """
        if self.types != ("T*",):
            return frozenset()
        return frozenset(map(id, (*self.dtypes, *([string] if self.strings else []))))

    def accepts(self, dtype: DType) -> bool:
        """Returns whether inputs may be of a dtype."""
        return dtype in self.dtypes or (self.strings and dtype.is_string)

    def type_of_input(self, index: int) -> str:
        """Returns the type letter of one input, repeating the last one."""
        if index < len(self.types):
            return self.types[index].rstrip("*")
        return self.types[-1].rstrip("*")

    def __repr__(self) -> str:
        return f"<OpSpec {self.name}>"


REGISTRY: Final[dict[str, OpSpec]] = {}


def register(spec: OpSpec) -> OpSpec:
    """Puts an op into the registry.

    Raises:
      ValueError: The name is taken, or the entry lacks a part.
    """
    if spec.name in REGISTRY:
        raise ValueError(f"The op {spec.name} is registered twice.")
    if not (callable(spec.vjp) or spec.vjp is NOT_DIFFERENTIABLE):
        raise ValueError(f"{spec.name}: vjp must be a rule or NOT_DIFFERENTIABLE.")
    if not isinstance(spec.kernel, Kernel):
        raise ValueError(f"{spec.name}: kernel must be one of {Kernel}.")
    if isinstance(spec.kernel, Elementwise):
        if spec.cost is None:
            raise ValueError(f"{spec.name}: an elementwise op needs a cost, {[*Cost]}.")
        _check_expression(spec.name, spec.kernel.expression)
    # Made by the tests only: 230 ops' samples would double the time of the import.
    if not callable(spec.samples):
        raise ValueError(f"{spec.name}: the contract tests need samples.")
    REGISTRY[spec.name] = spec
    return spec


def _check_expression(name: str, expression: str) -> None:
    text = "".join(part for part, *_ in Formatter().parse(expression))
    unknown = set(re.findall(r"[A-Za-z_]\w*", text)) - EXPRESSION_FUNCTIONS
    if unknown:
        raise ValueError(
            f"{name}: the expression uses unknown names {unknown}; a native function has "
            "to be listed in EXPRESSION_FUNCTIONS of graph/opspec.py."
        )
