"""A kernel is declared once: its parameters by name, and its body.

Native code has one C signature, `void(int64 *args, int64 lo, int64 hi)`, so a kernel and
who calls it must agree on what each word of `args` is. Counted by hand on both sides that is
an error waiting for the next parameter. Here the declaration says it,

    GATHER = KernelTemplate(
        "gather",
        "x: input {t}, index: input {i}, y: output {t}, inner, n, status",
        '''
    for row in range(lo, hi):
        ...
    ''',
    )

and from it come the lines at the head of the text, which give the names their values, the
words of a call, `GATHER.fill(t="float32", i="int64").call(rows, op=op, inner=3, n=8)`, the
checks that none is missing, and what `plan.kernels` shows.

There is one template language: `{name}` stands for a word, or, alone on its line, for lines,
which are indented as it is. What is filled in may contain names again.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from graphopt.dtypes import DType
from graphopt.graph.graph import Operation
from graphopt.lazy import cached_property
from graphopt.schedule.steps import Argument, Call, KernelRequest, Word

__all__ = [
    "Kernel",
    "KernelTemplate",
    "Parameter",
    "element_type",
    "fill_template",
    "input_of",
    "moved_type",
    "output_of",
    "scratch_of",
    "size_of",
]

Kind = Literal["input", "output", "scratch", "address", "size", "status", "words"]

_LINES: Final = re.compile(r"^( *)\{(\w+)\}\n", re.MULTILINE)
_WORD: Final = re.compile(r"\{(\w+)\}")
# More than any template needs; one that names itself never ends.
_DEPTH: Final = 8


def element_type(dtype: DType) -> str:
    """Returns the type of an element in memory: truth values are bytes."""
    return "uint8" if dtype.is_bool else dtype.name


def moved_type(size: int) -> str:
    """Returns the integer type that moves elements of a size without looking at them."""
    return {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}[size]


def fill_template(text: str, **names: object) -> str:
    """Replaces every `{name}` of a text.

    Args:
      text: What to fill in. A name that is alone on its line stands for lines, each of
        which gets the indentation of the name; for no line if there are none.
      **names: What each name stands for.

    Raises:
      KeyError: The text has a name that is not given.

    >>> print(fill_template("if x:\\n    {then}\\ny = {t}(x)", t="float32", then="a\\nb"))
    if x:
        a
        b
    y = float32(x)
    """

    def put_lines(match: re.Match[str]) -> str:
        indent, value = match[1], str(names[match[2]])
        return "".join(
            f"{indent}{line}\n" if line else "\n" for line in value.splitlines()
        )

    def put_word(match: re.Match[str]) -> str:
        return str(names[match[1]])

    for _ in range(_DEPTH):
        if "{" not in text:
            return text
        text, count = _LINES.subn(put_lines, text)
        # What stands for lines may do so again.
        text = text if count else _WORD.sub(put_word, text)
    raise KeyError(f"a name stands for itself in {text!r}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    Attributes:
      name: The name that the body knows it by.
      kind: `input`, `output` or `scratch`: the address of a buffer of the step; `address`:
        of anything else; `size`: a number; `status`: where errors are reported, and the
        number of the operation that reports, which the body knows as `operation`; `words`:
        all arguments from here on, of which the body reads `name[i]`.
      dtype: What the address points to; without it the body has the address itself.
    """

    name: str
    kind: Kind = "size"
    dtype: str = ""

    def __post_init__(self) -> None:
        """Refuses a kind that is none.

        Raises:
          ValueError: There is no such kind.
        """
        if self.kind not in get_args(Kind):
            raise ValueError(f"parameter {self.name}: no kind {self.kind!r}")


def input_of(name: str, dtype: str = "") -> Parameter:
    """Returns a parameter that is the address of an input."""
    return Parameter(name, "input", dtype)


def output_of(name: str, dtype: str = "") -> Parameter:
    """Returns a parameter that is the address of an output."""
    return Parameter(name, "output", dtype)


def scratch_of(name: str, dtype: str = "") -> Parameter:
    """Returns a parameter that is the address of a scratch buffer."""
    return Parameter(name, "scratch", dtype)


def size_of(*names: str) -> tuple[Parameter, ...]:
    """Returns parameters that are numbers."""
    return tuple(Parameter(name) for name in names)


@dataclass(frozen=True)
class Kernel:
    """A kernel of which every line is known.

    Attributes:
      family: What it belongs to.
      parameters: In the order of its arguments.
      body: Lines of Python that numba compiles, indented by four spaces, with `lo` and `hi`.
    """

    family: str
    parameters: tuple[Parameter, ...]
    body: str

    @cached_property
    def source(self) -> str:
        """The whole text."""
        lines, body, place = ["def kernel(args, lo, hi):"], self.body, 0
        for each in self.parameters:
            value = f"args[{place}]"
            place += 1
            if each.kind == "words":
                body = re.sub(rf"\b{each.name}\[", f"args[{place - 1} + ", body)
                continue
            if each.dtype:
                value = f"pointer_{each.dtype}({value})"
            lines.append(f"    {each.name} = {value}  # {each.kind}")
            if each.kind == "status":
                lines.append(f"    operation = args[{place}]")
                place += 1
        return "\n".join(lines) + "\n" + body

    @cached_property
    def request(self) -> KernelRequest:
        """What a plan asks for."""
        return KernelRequest(self.family, self.source)

    def words(
        self, op: Operation | int | None = None, **arguments: Any
    ) -> tuple[Argument, ...]:
        """Returns the words of a call, in the order of the parameters.

        Args:
          op: The operation that errors are reported for, or its number.
          **arguments: A value for each parameter. Inputs, outputs and scratch buffers that
            are not given are those of the step, the first one, the second and so on; the
            status is that of `op`.

        Raises:
          TypeError: An argument is missing, or there is no such parameter.
        """
        words: list[Argument] = []
        counts = {"input": 0, "output": 0, "scratch": 0}
        for each in self.parameters:
            number = counts.get(each.kind)
            if number is not None:
                counts[each.kind] = number + 1
            if each.name in arguments:
                value = arguments.pop(each.name)
                words += value if each.kind == "words" else (value,)
            elif number is not None:
                words.append(Word(each.kind, number))  # type: ignore[arg-type]
            elif each.kind == "status" and op is not None:
                words += (Word("status"), op if isinstance(op, int) else op.index)
            else:
                raise TypeError(f"{self.family}: no value for {each.name}")
        if arguments:
            raise TypeError(f"{self.family}: no parameter {', '.join(arguments)}")
        return tuple(words)

    def call(
        self,
        extent: int,
        op: Operation | int | None = None,
        *,
        repeats: bool = False,
        unit: int = 1,
        cost: float = 0.0,
        **arguments: Any,
    ) -> Call:
        """Returns a call of the kernel.

        Args:
          extent: The end of its range.
          op: The operation that errors are reported for, or its number.
          repeats, unit, cost: As in `Call`.
          **arguments: As for `words`.

        Raises:
          TypeError: An argument is missing, or there is no such parameter.
        """
        words = self.words(op, **arguments)
        return Call(self.request, words, extent, repeats, unit, cost)


class KernelTemplate:
    """A kernel with names in braces, for dtypes and what else its text depends on.

    Args:
      family: What it belongs to.
      parameters: `name: kind dtype`, separated by commas; `name` alone is a size, and
        `status` the parameter of that kind.
      body: As in `Kernel`; the first line may be empty.

    >>> copy = KernelTemplate("copy", "x: input {t}, y: output {t}", '''
    ...     for i in range(lo, hi):
    ...         y[i] = x[i]
    ... ''')
    >>> print(copy.fill(t="int32").source, end="")
    def kernel(args, lo, hi):
        x = pointer_int32(args[0])  # input
        y = pointer_int32(args[1])  # output
        for i in range(lo, hi):
            y[i] = x[i]
    >>> copy.fill(t="int32").call(5).arguments
    (Word(place='input', index=0, offset=0, kernel=None), Word(place='output', index=0, offset=0, kernel=None))
    """

    def __init__(self, family: str, parameters: str, body: str) -> None:
        self.family, self.signature = family, parameters
        self.parameters = tuple(
            _read_parameter(text) for text in parameters.split(",") if text.strip()
        )
        self.body = body.removeprefix("\n").rstrip(" ")
        self._fill = functools.cache(self._make)

    def fill(self, **names: object) -> Kernel:
        """Returns the kernel for what the names stand for.

        Args:
          **names: As for `fill_template`; dtypes by their name in memory.

        Raises:
          KeyError: A name is missing.
        """
        return self._fill(tuple(names.items()))

    def _make(self, names: tuple[tuple[str, Any], ...]) -> Kernel:
        values = dict(names)
        parameters = tuple(
            replace(each, dtype=fill_template(each.dtype, **values))
            for each in self.parameters
        )
        return Kernel(self.family, parameters, fill_template(self.body, **values))


def _read_parameter(text: str) -> Parameter:
    name, _, rest = (part.strip() for part in text.partition(":"))
    if name == "status" and not rest:
        return Parameter(name, "status")
    kind, _, dtype = rest.partition(" ")
    return Parameter(name, kind or "size", dtype.strip())  # type: ignore[arg-type]
