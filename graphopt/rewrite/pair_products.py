"""Reads a matrix once for a product and for the product of its transpose.

A model of one layer multiplies all its data with the weights, makes of each row's result
what the loss wants to have changed, and multiplies the transposed data with that. The
data is the only thing in it that is large, and it comes from memory twice. The three
become one op: a few rows at a time are multiplied, looped over and, still in the cache,
added to the second product. Every number is computed as before, in the same order, so
the bits are the same.

The loop has to keep to rows and must write no variable, and nothing that the loop or the
second product waits for may itself wait for the first.

Measured on one core with a matrix of 10000 by 1000 float32: a training step of a logistic
regression takes 1.29 ms where it took 2.12.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import prod

from graphopt.dtypes import float32, float64
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Effect
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.region import Instruction, Region
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import sources_of
from graphopt.ops.fused import FUSED_BOTH, FUSED_ELEMENTWISE
from graphopt.ops.matmul import MATMUL
from graphopt.rewrite.driver import graph_pass

SMALLEST = 1 << 20
"""Bytes of the matrix; a smaller one stays in the cache anyway."""
LONGEST_ROW = 1 << 14
"""Bytes of a row: eight of them stay in the nearest cache."""
MOST_OPERANDS = 40


@dataclass(frozen=True)
class _Pair:
    """Two products of one matrix and the loop between them.

    Attributes:
      first: The matrix times a vector.
      loop: What is computed of the result for each row.
      place: Which input of the loop that is.
      output: Which output of the loop the second product takes.
      second: The transposed matrix times that.
    """

    first: Operation
    loop: Operation
    place: int
    output: int
    second: Operation

    @property
    def members(self) -> frozenset[Operation]:
        """The three operations."""
        return frozenset((self.first, self.loop, self.second))


@graph_pass(preserves="bits")
def pair_products(program: Program) -> Program:
    """Replaces products with a matrix and with its transpose by one op."""
    while pair := _find_pair(program):
        program = _join(program, pair)
    return program


def _find_pair(program: Program) -> _Pair | None:
    """Returns a pair that can be joined."""
    for op in program.operations:
        pair = _pair_of(op)
        if pair is not None and _is_joinable(program, pair):
            return pair
    return None


def _pair_of(second: Operation) -> _Pair | None:
    """Returns the pair whose second product an operation is, if it is one."""
    if second.spec is not MATMUL or not second.attrs["transpose_a"]:
        return None
    matrix, vector = second.inputs
    if not _is_large(matrix) or _length(vector) != matrix.shape[0]:
        return None
    made = _source(vector)
    loop = made.op
    if loop.spec is not FUSED_ELEMENTWISE or made.dtype != matrix.dtype:
        return None
    body: Region = loop.attrs["body"]
    if body.stores or body.only_if is not None or len(loop.inputs) > MOST_OPERANDS:
        return None
    if prod(body.shape) != matrix.shape[0]:
        return None
    for place, tensor in enumerate(loop.inputs):
        first = _source(tensor).op
        if (
            first.spec is MATMUL
            and first.inputs[0] is matrix
            and not first.attrs["transpose_a"]
            and _length(first.inputs[1]) == matrix.shape[1]
            and _length(tensor) == matrix.shape[0]
            and loop.inputs.count(tensor) == 1
        ):
            return _Pair(first, loop, place, made.index, second)
    return None


def _is_large(matrix: GraphTensor) -> bool:
    shape = matrix.shape
    if len(shape) != 2 or not shape.is_fully_defined():
        return False
    if matrix.dtype not in (float32, float64):
        return False
    rows, columns = (int(size or 0) for size in shape)
    row = columns * matrix.dtype.size
    return columns > 1 and row <= LONGEST_ROW and rows * row >= SMALLEST


def _length(tensor: GraphTensor) -> int | None:
    """Returns the number of elements of what is a vector but for sizes of 1."""
    if not tensor.shape.is_fully_defined():
        return None
    sizes = [int(size or 0) for size in tensor.shape]
    return max(sizes, default=1) if prod(sizes) == max(sizes, default=1) else None


def _source(tensor: GraphTensor) -> GraphTensor:
    """Returns the tensor that another is under a new shape."""
    while (
        isinstance(tensor.op.spec.kernel, Alias)
        and tensor.op.spec.effect is Effect.NONE
        and not tensor.op.attrs.get("copy")
        and not tensor.op.control_inputs
    ):
        tensor = tensor.op.inputs[0]
    return tensor


def _is_joinable(program: Program, pair: _Pair) -> bool:
    """Returns whether nothing outside waits for a member and is waited for by one."""
    after: set[Operation] = set()
    reshaped = {pair.loop.inputs[pair.place], pair.second.inputs[1]}
    for op in program.operations:
        sources = {
            t.op for t in op.inputs if op not in pair.members or t not in reshaped
        }
        sources.update(op.control_inputs)
        if op in pair.members:
            if sources & after:
                return False
        elif sources & (after | pair.members):
            after.add(op)
    return True


def _join(program: Program, pair: _Pair) -> Program:
    """Returns the program with one op in place of the pair."""
    rebuilder = Rebuilder(program)
    uses = Counter(tensor for op in program.operations for tensor in op.inputs)
    uses.update(program.fetches)
    controls = {control for op in program.operations for control in op.control_inputs}
    # New shapes that the members alone looked at.
    unused: set[Operation] = set()
    for tensor in (pair.loop.inputs[pair.place], pair.second.inputs[1]):
        while tensor.op not in pair.members:
            if uses[tensor] > 1 or tensor.op in controls:
                break
            unused.add(tensor.op)
            tensor = tensor.op.inputs[0]
    later: list[Operation] = []
    waiting: set[Operation] = set(pair.members)
    for op in program.operations:
        if op is pair.second:
            _add_pair(rebuilder, pair)
            for waiter in later:
                rebuilder.copy(waiter)
            later, waiting = [], set()
        elif op in pair.members or op in unused:
            continue
        elif waiting.isdisjoint(sources_of(op)):
            rebuilder.copy(op)
        else:
            later.append(op)
            waiting.add(op)
    return rebuilder.finish()


def _add_pair(rebuilder: Rebuilder, pair: _Pair) -> None:
    """Adds the op that is all three; the matrix and the vector are its first inputs."""
    first, loop, second = pair.first, pair.loop, pair.second
    body: Region = loop.attrs["body"]
    others = [t for i, t in enumerate(loop.inputs) if i != pair.place]
    inputs = [*first.inputs, *others]
    count = len(inputs)
    numbers = [2 + i - (i > pair.place) for i in range(len(loop.inputs))]
    # What the first instruction makes.
    numbers[pair.place] = count
    joined = body.renumber(numbers, count, [Instruction.of(first, (0, 1))])
    # What the second product takes is the last output.
    order = [i for i in range(len(body.outputs)) if i != pair.output] + [pair.output]
    joined = replace(joined, outputs=tuple(joined.outputs[i] for i in order))
    outputs = [first.outputs[0], *(loop.outputs[i] for i in order), second.outputs[0]]
    waits = dict.fromkeys(c for op in (first, loop, second) for c in op.control_inputs)
    new = rebuilder.add(
        second,
        spec=FUSED_BOTH,
        inputs=[rebuilder.tensors[tensor] for tensor in inputs],
        attrs={
            "body": joined,
            "second": Instruction.of(second, (0, joined.outputs[-1])),
        },
        controls=[op for op in waits if op not in pair.members],
        output_types=[(t.shape, t.dtype) for t in outputs],
    )
    for op in pair.members:
        rebuilder.operations[op] = new
    rebuilder.tensors.update(zip(outputs, new.outputs, strict=True))
