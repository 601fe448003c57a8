"""Elementwise operations, fused or single -> one loop nest over flat memory.

All buffers are contiguous, so an operand either moves along a dimension or is broadcast
over it. Neighboring dimensions in which every operand does the same are merged; what
remains is a short pattern, and most often one dimension. The pattern and the expression
are the content of the kernel; sizes are arguments.

An operand that does not move in the innermost loop is loaded outside of it. Stores come
after all loads of an iteration, so a variable can be updated where it lies. Where nothing
has dimensions the loop counts repetitions: a training step that is one kernel of scalars
runs a thousand times in one call of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.codegen.elementwise.expressions import expand_template
from graphopt.codegen.kernel import (
    Kernel,
    Parameter,
    element_type,
    input_of,
    output_of,
    size_of,
)
from graphopt.dtypes import DType, float32, float64
from graphopt.graph.body import TypedValue
from graphopt.graph.dimensions import dims_of, merge_dimensions
from graphopt.graph.effects import variable_behind, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Elementwise
from graphopt.graph.region import Instruction, Region, region_of
from graphopt.graph.status import Status
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Argument, KernelRequest, Lowered, Word

Lines = list[str]


def lower_elementwise(
    op: Operation, checked: bool = False, writer: type[LoopWriter] | None = None
) -> Lowered:
    """Returns the call of the loop that computes an elementwise operation.

    Args:
      op: The operation.
      checked: Whether the loop says when any value in it is not finite, those that never
        leave it included.
      writer: What writes the kernel, if that is not `LoopWriter`.
    """
    # One with a writer of its own is an op that no loop is to be shared with.
    body = (
        region_of(op)
        if writer is None
        else region_of(op, tuple(dims_of(op.outputs[0])))
    )
    assert body is not None, op
    if 0 in body.shape:
        return Lowered()
    loop = plan_loop(op, body, op.inputs, checked, writer)
    extent = loop.sizes[0] if loop.sizes else 1
    repeats = not loop.sizes and not checked
    return Lowered((loop.kernel.call(extent, op, repeats=repeats, **loop.words),))


@dataclass(frozen=True)
class Loop:
    """A loop nest over elements.

    Attributes:
      kernel: What runs it.
      words: What that is called with, by name.
      sizes: Its dimensions; the range of the kernel is the first.
      inputs: Which inputs of the body the first arguments are.
    """

    kernel: Kernel
    words: dict[str, Any]
    sizes: tuple[int, ...]
    inputs: tuple[int, ...]

    @property
    def request(self) -> KernelRequest:
        """What a plan asks for."""
        return self.kernel.request

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The words of a call; those of the inputs come first."""
        return self.kernel.words(**self.words)


def plan_loop(
    op: Operation,
    body: Region,
    tensors: Sequence[GraphTensor | TypedValue],
    checked: bool = False,
    writer: type[LoopWriter] | None = None,
) -> Loop:
    """Returns the loop that computes a body.

    Args:
      op: The operation that it belongs to.
      body: What it computes; no dimension is 0.
      tensors: The inputs of the body; first those of the operation.
      checked: Whether it says when a value is not finite.
      writer: What writes the kernel, if that is not `LoopWriter`.
    """
    loop = (writer or LoopWriter)(op, body, tensors, checked)
    inputs = tuple(operand.value for operand in loop.operands)
    return Loop(loop.write(), loop.words, loop.sizes, inputs)


@dataclass(frozen=True)
class Operand:
    """An input that a loop reads: its number, its dtype, where it moves."""

    value: int
    dtype: DType
    pattern: tuple[bool, ...]

    @property
    def last(self) -> int:
        """The innermost dimension in which it moves, -1 if there is none."""
        return max((k for k, moves in enumerate(self.pattern) if moves), default=-1)


def find_operands(
    body: Region, tensors: Sequence[GraphTensor | TypedValue]
) -> tuple[tuple[int, ...], tuple[Operand, ...]]:
    """Returns the merged dimensions of a loop, and what it reads."""
    read = values_read(body)
    inputs = [i for i in range(body.input_count) if i in read]
    shapes = [tuple(tensors[i].shape) for i in inputs]
    sizes, patterns = merge_dimensions(body.shape, shapes)  # type: ignore[arg-type]
    operands = tuple(
        Operand(i, tensors[i].dtype, pattern)
        for i, pattern in zip(inputs, patterns, strict=True)
    )
    return tuple(sizes), operands


def values_read(body: Region) -> set[int]:
    """Returns the inputs whose values matter, by number."""
    read: set[int] = {value for value in body.outputs}
    for instruction in body.instructions:
        read.update(_arguments_used(instruction))
    return read


def _template(instruction: Instruction) -> str:
    kernel = instruction.spec.kernel
    assert isinstance(kernel, Elementwise)
    return kernel.expression


def _arguments_used(instruction: Instruction) -> list[int]:
    """Returns the values that the expression of an instruction names."""
    template = _template(instruction)
    arguments = enumerate(instruction.arguments)
    return [value for i, value in arguments if f"{{{i}}}" in template]


def _find_shared_stores(
    op: Operation, body: Region, operands: tuple[Operand, ...]
) -> dict[int, int]:
    """Finds the stores to memory that is read as well, element by element.

    Such a store goes through the pointer of the operand. Through two pointers to the
    same place the compiler's check for overlap would find one, and the loop would run
    its scalar version: an Adam update took four times as long.

    Returns:
      Which operand each store shares its pointer with, by position.
    """
    read = {
        variable_behind(op.inputs[operand.value]): position
        for position, operand in enumerate(operands)
        if all(operand.pattern) and operand.value < len(op.inputs)
    }
    stores = [variable_of(op.inputs[i]) for i, _ in body.stores]
    return {k: read[variable] for k, variable in enumerate(stores) if variable in read}


class LoopWriter:
    """Writes one loop nest, outermost first.

    Args:
      op: The operation that it belongs to.
      body: What it computes.
      tensors: The inputs of the body; first those of the operation.
      checked: Whether it says when a value is not finite.
      outputs: How many of the outputs of the body are stored; all if None.

    Attributes:
      sizes: The dimensions of the nest.
      operands: What it reads.
      parameters, words: Those of its kernel: addresses, then sizes but the first.
    """

    # What a checked loop reports.
    status = Status.NOT_FINITE

    def __init__(
        self,
        op: Operation,
        body: Region,
        tensors: Sequence[GraphTensor | TypedValue],
        checked: bool = False,
        outputs: int | None = None,
    ) -> None:
        self.body, self.checked = body, checked
        self.sizes, self.operands = find_operands(body, tensors)
        self.depth = len(self.sizes)
        self.names = {x.value: f"x{i}" for i, x in enumerate(self.operands)}
        self.dtypes = {x.value: x.dtype for x in self.operands}
        self.parameters: list[Parameter] = []
        self.words: dict[str, Any] = {}
        # Values that are stored, and the pointer of each.
        self.targets: list[tuple[int, str]] = []
        self._declare(
            _find_shared_stores(op, body, self.operands),
            body.outputs if outputs is None else body.outputs[:outputs],
        )

    def _declare(self, shared: dict[int, int], outputs: Sequence[int]) -> None:
        def point(parameter: Parameter, word: Word) -> None:
            self.parameters.append(parameter)
            self.words[parameter.name] = word

        for i, operand in enumerate(self.operands):
            parameter = input_of(f"p{i}", element_type(operand.dtype))
            point(parameter, Word("input", operand.value))
        for i, value in enumerate(outputs):
            parameter = output_of(f"py{i}", element_type(self._dtype(value)))
            point(parameter, Word("output", i))
            self.targets.append((value, parameter.name))
        for k, (i, value) in enumerate(self.body.stores):
            if k in shared:
                self.targets.append((value, f"p{shared[k]}"))
                continue
            parameter = input_of(f"ps{k}", element_type(self._dtype(value)))
            point(parameter, Word("input", i))
            self.targets.append((value, parameter.name))
        for level, size in enumerate(self.sizes[1:], 1):
            self.parameters += size_of(f"n{level}")
            self.words[f"n{level}"] = size

    def write(self) -> Kernel:
        """Returns the whole kernel."""
        parameters = list(self.parameters)
        lines: Lines = []
        if self.checked:
            parameters.append(Parameter("status", "status"))
            lines.append("    bad = int32(0)")
        if not self.depth and not self.checked:
            lines.append("    for _ in range(lo, hi):")
            lines += indent([*self.load(-1), *self.compute()], 2)
            return Kernel("elementwise", tuple(parameters), join_lines(lines))
        lines += indent(self.load(-1), 1)
        for level in range(self.depth):
            extent = "lo, hi" if level == 0 else f"n{level}"
            lines += indent([f"for i{level} in range({extent}):"], level + 1)
            lines += indent([*self.offsets(level), *self.load(level)], level + 2)
        lines += indent(self.compute(), self.depth + 1)
        if self.checked:
            lines.append("    if bad != 0:")
            report = f"report_status(status, {self.status:d}, operation, 0, 0)"
            lines.append(f"        {report}")
        return Kernel("elementwise", tuple(parameters), join_lines(lines))

    def offsets(self, level: int) -> Lines:
        """Tracks each operand's position over the dimensions that it moves in."""
        text = f"o{level - 1} * n{level} + i{level}" if level else "i0"
        lines = [f"o{level} = {text}"]
        for i, operand in enumerate(self.operands):
            if all(operand.pattern) or not operand.pattern[level]:
                continue
            moved = [k for k in range(level) if operand.pattern[k]]
            start = f"o{i}_{moved[-1]} * n{level} + " if moved else ""
            lines.append(f"o{i}_{level} = {start}i{level}")
        return lines

    def load(self, level: int, suffix: str = "") -> Lines:
        """Loads the operands whose last moving dimension is `level`.

        Args:
          level: Which dimension.
          suffix: Ends the names of what is read and written here, if the same is computed
            for several elements.
        """
        lines = []
        for i, operand in enumerate(self.operands):
            if operand.last != level:
                continue
            at = f"o{level}" if all(operand.pattern) else f"o{i}_{level}"
            at = "0" if level < 0 else at + suffix
            name = self.names[operand.value] = f"x{i}{suffix}"
            is_true = " != 0" if operand.dtype.is_bool else ""
            lines.append(f"{name} = p{i}[{at}]{is_true}")
        return lines

    def compute(self, suffix: str = "") -> Lines:
        """Computes every value and stores those that are wanted."""
        lines = []
        for j, instruction in enumerate(self.body.instructions):
            value = self.body.input_count + j
            name = self.names[value] = f"v{j}{suffix}"
            self.dtypes[value] = instruction.dtype
            lines.append(f"{name} = {self._express(instruction)}")
        if self.checked:
            lines += self._check()
        return lines + self.store(suffix)

    def store(self, suffix: str = "") -> Lines:
        """Stores the values that are wanted."""
        at = f"o{self.depth - 1}{suffix}" if self.depth else "0"
        return [f"{p}[{at}] = {self.stored(value)}" for value, p in self.targets]

    def stored(self, value: int) -> str:
        """Returns what a value is in memory: truth values are bytes."""
        name = self.names[value]
        return f"uint8({name})" if self._dtype(value).is_bool else name

    def _check(self) -> Lines:
        """Notes whether any value is not finite: x - x is 0 or NaN.

        The differences are added up, so that there is one comparison for a dtype, and
        what is kept from one iteration to the next is an integer: a sum of floats would
        keep the loop from being vectorized.
        """
        lines = []
        for dtype in (float32, float64):
            terms = [
                f"(v{j} - v{j})"
                for j, instruction in enumerate(self.body.instructions)
                if instruction.dtype is dtype
            ]
            if terms:
                lines.append(f"f = {' + '.join(terms)}")
                lines.append("bad = int32(bad | int32(f != f))")
        return lines

    def _express(self, instruction: Instruction) -> str:
        arguments = instruction.arguments
        names = tuple(self.names.get(argument, "unused") for argument in arguments)
        used = _arguments_used(instruction) or arguments
        operand, template = self.dtypes[used[-1]], _template(instruction)
        text = expand_template(template, names, operand)
        return _cast(text, operand, instruction.dtype, template)

    def _dtype(self, value: int) -> DType:
        if value < self.body.input_count:
            return self.dtypes[value]
        return self.body.instructions[value - self.body.input_count].dtype


def indent(lines: Lines, level: int) -> Lines:
    """Returns lines that are moved in by levels of four spaces."""
    return ["    " * level + line for line in lines]


def join_lines(lines: Lines) -> str:
    """Returns a text of lines, each of them ended."""
    return "".join(line + "\n" for line in lines)


def _cast(text: str, operand: DType, result: DType, template: str) -> str:
    """Gives an expression exactly the result's dtype: integers wrap, floats round."""
    if operand.is_floating and result.is_integer and template == "{0}":
        # Only for these two is there a conversion that is defined for all numbers.
        return f"{result.name}(truncate_int{64 if result.size == 8 else 32}({text}))"
    if not result.is_bool:
        return f"{result.name}({text})"
    if operand.is_bool or template != "{0}":
        return f"boolean({text})"
    return f"({text} != {operand.name}(0))"
