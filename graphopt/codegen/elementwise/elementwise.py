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

from graphopt.codegen.elementwise.expressions import expand_template
from graphopt.dtypes import DType, float32, float64
from graphopt.graph.body import TypedValue
from graphopt.graph.dimensions import merge_dimensions
from graphopt.graph.effects import variable_behind, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Elementwise
from graphopt.graph.status import Status
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.fused import (
    FusedBody,
    Instruction,
    single_body,
)
from graphopt.rewrite.fuse_elementwise import loop_body
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word


def lower_elementwise(
    op: Operation, checked: bool = False, writer: type[Writer] | None = None
) -> Lowered:
    """Returns the call of the loop that computes an elementwise operation.

    Args:
      op: The operation.
      checked: Whether the loop says when any value in it is not finite, those that never
        leave it included.
      writer: What writes the kernel, if that is not `Writer`.
    """
    # One with a writer of its own is an op that no loop is to be shared with.
    body = (
        loop_body(op)
        if writer is None
        else single_body(op, tuple(int(dim or 0) for dim in op.outputs[0].shape))
    )
    assert body is not None, op
    if 0 in body.shape:
        return Lowered()
    loop = plan_loop(op, body, op.inputs, checked, writer)
    arguments = list(loop.arguments)
    if checked:
        arguments += [Word("status"), op.index]
    extent = loop.sizes[0] if loop.sizes else 1
    repeats = not loop.sizes and not checked
    return Lowered((Call(loop.request, tuple(arguments), extent, repeats=repeats),))


@dataclass(frozen=True)
class Loop:
    """A loop nest over elements.

    Attributes:
      request: Its kernel.
      arguments: What that is given.
      sizes: Its dimensions; the range of the kernel is the first.
      inputs: Which inputs of the body the first arguments are.
    """

    request: KernelRequest
    arguments: tuple[Argument, ...]
    sizes: tuple[int, ...]
    inputs: tuple[int, ...]


def plan_loop(
    op: Operation,
    body: FusedBody,
    tensors: Sequence[GraphTensor | TypedValue],
    checked: bool = False,
    writer: type[Writer] | None = None,
) -> Loop:
    """Returns the loop that computes a body.

    Args:
      op: The operation that it belongs to.
      body: What it computes; no dimension is 0.
      tensors: The inputs of the body; first those of the operation.
      checked: Whether it says when a value is not finite.
      writer: What writes the kernel, if that is not `Writer`.
    """
    sizes, operands = find_operands(body, tensors)
    in_place = stores_in_place(op, body, operands)
    make = writer or Writer
    source = make(body, operands, len(sizes), in_place, checked).write()
    addresses = loop_addresses(body, operands, in_place, len(body.outputs))
    request = KernelRequest("elementwise", source)
    inputs = tuple(operand.value for operand in operands)
    return Loop(request, (*addresses, *sizes), sizes, inputs)


def find_operands(
    body: FusedBody, tensors: Sequence[GraphTensor | TypedValue]
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


def loop_addresses(
    body: FusedBody,
    operands: tuple[Operand, ...],
    in_place: dict[int, int],
    outputs: int,
) -> list[Argument]:
    """Returns the addresses that `Writer.pointers` reads.

    Args:
      body: The loop.
      operands, in_place: What it reads, and which of that it stores to.
      outputs: How many of its outputs are stored.
    """
    addresses: list[Argument] = [Word("input", operand.value) for operand in operands]
    addresses += [Word("output", i) for i in range(outputs)]
    stores = enumerate(body.stores)
    addresses += [Word("input", i) for k, (i, _) in stores if k not in in_place]
    return addresses


def stores_in_place(
    op: Operation, body: FusedBody, operands: tuple[Operand, ...]
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
    found = {}
    for k, (i, _) in enumerate(body.stores):
        position = read.get(variable_of(op.inputs[i]))
        if position is not None:
            found[k] = position
    return found


@dataclass(frozen=True)
class Operand:
    """An input that a loop reads: its number, its dtype, where it moves."""

    value: int
    dtype: DType
    pattern: tuple[bool, ...]


def values_read(body: FusedBody) -> set[int]:
    """Returns the inputs whose values matter, by number."""
    read: set[int] = {value for value in body.outputs}
    for instruction in body.instructions:
        template = _template(instruction)
        read.update(
            argument
            for i, argument in enumerate(instruction.arguments)
            if f"{{{i}}}" in template
        )
    return read


def _template(instruction: Instruction) -> str:
    kernel = instruction.spec.kernel
    assert isinstance(kernel, Elementwise)
    return kernel.expression


class Writer:
    """Writes one loop nest, outermost first."""

    # What a checked loop reports.
    code = Status.NOT_FINITE

    def __init__(
        self,
        body: FusedBody,
        operands: tuple[Operand, ...],
        depth: int,
        in_place: dict[int, int],
        checked: bool,
    ) -> None:
        self.checked = checked
        self.shared = {f"s{k}": f"p{position}" for k, position in in_place.items()}
        self.body = body
        self.operands = operands
        self.depth = depth
        self.lines: list[str] = []
        self.names = {operand.value: f"x{i}" for i, operand in enumerate(operands)}
        self.dtypes = {operand.value: operand.dtype for operand in operands}
        targets = [(value, f"y{i}") for i, value in enumerate(body.outputs)]
        targets += [(v, f"s{i}") for i, (_, v) in enumerate(body.stores)]
        self.targets = targets

    def write(self) -> str:
        """Returns the whole kernel."""
        self.line(-1, "def kernel(args, lo, hi):")
        first_size = self.pointers(self.targets)
        for level in range(1, self.depth):
            self.line(0, f"n{level} = args[{first_size + level}]")
        if not self.depth and not self.checked:
            self.line(0, "for _ in range(lo, hi):")
            self.load(1, level=-1)
            self.compute(1)
            return "\n".join(self.lines) + "\n"
        if self.checked:
            self.line(0, "bad = int32(0)")
        self.load(0, level=-1)
        for level in range(self.depth):
            extent = "lo, hi" if level == 0 else f"n{level}"
            self.line(level, f"for i{level} in range({extent}):")
            self.offsets(level, level + 1)
            self.load(level + 1, level)
        self.compute(self.depth)
        if self.checked:
            at = first_size + self.depth
            words = f"{self.code}, args[{at + 1}], 0, 0"
            self.line(0, "if bad != 0:")
            self.line(1, f"report_status(args[{at}], {words})")
        return "\n".join(self.lines) + "\n"

    def pointers(self, targets: Sequence[tuple[int, str]]) -> int:
        """Reads the addresses of operands and targets; returns the next argument."""
        for i, operand in enumerate(self.operands):
            self.line(0, f"p{i} = pointer_{_stored(operand.dtype)}(args[{i}])")
        word = len(self.operands)
        for value, name in targets:
            if name in self.shared:
                continue
            pointer = f"pointer_{_stored(self._dtype(value))}"
            self.line(0, f"p{name} = {pointer}(args[{word}])")
            word += 1
        return word

    def take(self) -> str:
        """Returns the lines so far, for a text around them, and starts anew."""
        lines, self.lines = self.lines, []
        return "".join(line + "\n" for line in lines)

    def line(self, level: int, text: str) -> None:
        """Adds a line."""
        self.lines.append("    " * (level + 1) + text)

    def offsets(self, level: int, indent: int) -> None:
        """Tracks each operand's position over the dimensions that it moves in."""
        before = "" if level == 0 else f"o{level - 1}"
        text = f"i{level}" if level == 0 else f"{before} * n{level} + i{level}"
        self.line(indent, f"o{level} = {text}")
        for i, operand in enumerate(self.operands):
            if all(operand.pattern) or not operand.pattern[level]:
                continue
            moved = [k for k in range(level) if operand.pattern[k]]
            start = f"o{i}_{moved[-1]} * n{level} + " if moved else ""
            self.line(indent, f"o{i}_{level} = {start}i{level}")

    def load(self, indent: int, level: int, suffix: str = "") -> None:
        """Loads the operands whose last moving dimension is `level`.

        Args:
          indent: How deep the lines are.
          level: Which dimension.
          suffix: Ends the names of what is read and written here, if the same is computed
            for several elements.
        """
        for i, operand in enumerate(self.operands):
            last = max((k for k, m in enumerate(operand.pattern) if m), default=-1)
            if last != level:
                continue
            whole = all(operand.pattern)
            at = f"o{level}" if whole else f"o{i}_{level}"
            at = "0" if level < 0 else at + suffix
            text = f"p{i}[{at}]" + (" != 0" if operand.dtype.is_bool else "")
            self.names[operand.value] = f"x{i}{suffix}"
            self.line(indent, f"x{i}{suffix} = {text}")

    def compute(self, indent: int, suffix: str = "") -> None:
        """Computes every value and stores those that are wanted."""
        for j, instruction in enumerate(self.body.instructions):
            value = self.body.input_count + j
            template = _template(instruction)
            arguments = instruction.arguments
            names = tuple(self.names.get(argument, "unused") for argument in arguments)
            operand = self._operand_dtype(instruction)
            text = expand_template(template, names, operand)
            self.names[value] = f"v{j}{suffix}"
            self.dtypes[value] = instruction.dtype
            cast = _cast(text, operand, instruction.dtype, template)
            self.line(indent, f"v{j}{suffix} = {cast}")
        if self.checked:
            self._check(indent)
        at = f"o{self.depth - 1}{suffix}" if self.depth else "0"
        for value, name in self.targets:
            pointer = self.shared.get(name, f"p{name}")
            self.line(indent, f"{pointer}[{at}] = {self.stored(value)}")

    def stored(self, value: int) -> str:
        """Returns what a value is in memory: truth values are bytes."""
        name = self.names[value]
        return f"uint8({name})" if self._dtype(value).is_bool else name

    def _check(self, indent: int) -> None:
        """Notes whether any value is not finite: x - x is 0 or NaN.

        The differences are added up, so that there is one comparison for a dtype, and
        what is kept from one iteration to the next is an integer: a sum of floats would
        keep the loop from being vectorized.
        """
        for dtype in (float32, float64):
            terms = [
                f"(v{j} - v{j})"
                for j, instruction in enumerate(self.body.instructions)
                if instruction.dtype is dtype
            ]
            if terms:
                self.line(indent, f"f = {' + '.join(terms)}")
                self.line(indent, "bad = int32(bad | int32(f != f))")

    def _operand_dtype(self, instruction: Instruction) -> DType:
        template = _template(instruction)
        used = [
            a for i, a in enumerate(instruction.arguments) if f"{{{i}}}" in template
        ]
        return self.dtypes[used[-1] if used else instruction.arguments[-1]]

    def _dtype(self, value: int) -> DType:
        if value < self.body.input_count:
            return self.dtypes[value]
        return self.body.instructions[value - self.body.input_count].dtype


def _stored(dtype: DType) -> str:
    """The type in memory: truth values are bytes."""
    return "uint8" if dtype.is_bool else dtype.name


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
