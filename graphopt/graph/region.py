"""Fused regions: what an op that stands for several computes for each element.

A region is a value. Its values are numbered: the inputs come first, then what each
instruction makes, in order. Passes put regions together by giving them other numbers
(`renumber`), kernels are written from them (`codegen.elementwise`), the interpreter and the
debugger compute them with NumPy (`evaluate`). An elementwise op alone is a region of one
instruction (`region_of`), so there is one way to look at both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect, Elementwise, OpSpec
from graphopt.graph.provenance import Site

__all__ = ["Instruction", "Region", "find_loop_shape", "region_of"]

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Instruction:
    """One op of a region; its arguments are numbers of values."""

    spec: OpSpec
    arguments: tuple[int, ...]
    dtype: DType
    attrs: dict[str, Any]
    name: str
    site: Site | None = None

    @classmethod
    def of(cls, op: Operation, arguments: tuple[int, ...]) -> Instruction:
        """Returns an operation, or what it writes, as an instruction."""
        dtype = op.outputs[0].dtype if op.outputs else op.inputs[0].dtype
        return cls(op.spec, arguments, dtype, op.attrs, op.name, op.site)

    @property
    def site_text(self) -> str:
        """`file:line` of the user's code that made the op."""
        return str(self.site) if self.site is not None else "an unknown place"

    @property
    def type(self) -> str:
        """The op type."""
        return self.spec.name


@dataclass(frozen=True)
class Region:
    """What a fused op computes for each element.

    Attributes:
      shape: The shape over which the loop runs.
      input_count: The number of inputs; input i is value i.
      instructions: Instruction j makes value `input_count + j`.
      outputs: The values that are outputs of the op.
      stores: (input, value): the variable behind an input gets a value at the end.
      only_if: The input, a bool scalar, without which the op need not run.
    """

    shape: tuple[int, ...]
    input_count: int
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    stores: tuple[tuple[int, int], ...] = ()
    only_if: int | None = None

    def __str__(self) -> str:
        names = [i.spec.name for i in self.instructions]
        return f"{len(names)} ops: {', '.join(names)}"

    @property
    def names(self) -> list[str]:
        """The names of the ops that it stands for."""
        return [instruction.name for instruction in self.instructions]

    @property
    def stored_inputs(self) -> list[int]:
        """The inputs behind which a variable gets a value."""
        return [index for index, _ in self.stores]

    @property
    def results(self) -> list[int]:
        """The values that leave the region: outputs, then what is stored."""
        return [*self.outputs, *(value for _, value in self.stores)]

    def made_by(self, value: int) -> Instruction:
        """Returns the instruction that makes a value, which is no input."""
        return self.instructions[value - self.input_count]

    def renumber(
        self,
        inputs: Sequence[int],
        input_count: int,
        before: Sequence[Instruction] = (),
    ) -> Region:
        """Returns the region among other inputs and behind other instructions.

        Args:
          inputs: The new number of each input; that of a value of `before` too.
          input_count: How many inputs there are then.
          before: Instructions that come first.
        """
        numbers = list(inputs)
        numbers += range(
            input_count + len(before),
            input_count + len(before) + len(self.instructions),
        )
        moved = [
            replace(each, arguments=tuple(numbers[i] for i in each.arguments))
            for each in self.instructions
        ]
        return Region(
            self.shape,
            input_count,
            (*before, *moved),
            tuple(numbers[i] for i in self.outputs),
            tuple((numbers[i], numbers[value]) for i, value in self.stores),
            None if self.only_if is None else numbers[self.only_if],
        )

    def split_first(self) -> tuple[Instruction, Region]:
        """Takes the first instruction off.

        Returns:
          It, and the region behind it, whose last input is what it makes.
        """
        first, *rest = self.instructions
        count = self.input_count + 1
        return first, replace(self, input_count=count, instructions=tuple(rest))

    def evaluate(self, arrays: Arrays) -> tuple[Arrays, Arrays]:
        """Computes it with NumPy: the outputs, and the values to store."""
        values = list(arrays)
        for instruction in self.instructions:
            inputs = [values[i] for i in instruction.arguments]
            value = instruction.spec.compute(*inputs, **instruction.attrs)
            values.append(np.asarray(value, instruction.dtype.numpy))
        results = [np.broadcast_to(values[i], self.shape) for i in self.results]
        count = len(self.outputs)
        return tuple(results[:count]), tuple(results[count:])


def find_loop_shape(op: Operation) -> tuple[int, ...] | None:
    """Returns the shape an op loops over, or None if it cannot be part of a region."""
    if not isinstance(op.spec.kernel, Elementwise) or "body" in op.attrs:
        return None
    tensors = (*op.inputs, *op.outputs)
    if any(t.dtype in op.spec.host_dtypes or t.dtype.is_string for t in tensors):
        return None
    if not all(tensor.shape.is_fully_defined() for tensor in tensors):
        return None
    shape = op.outputs[0].shape if op.outputs else op.inputs[0].shape
    return tuple(shape)  # type: ignore[arg-type]


def region_of(op: Operation, shape: tuple[int, ...] | None = None) -> Region | None:
    """Returns what an op computes for each element, None if it is not such a loop.

    Args:
      op: The operation.
      shape: What its loop runs over, where that is known.
    """
    body = op.attrs.get("body")
    if isinstance(body, Region) and isinstance(op.spec.kernel, Elementwise):
        return body
    shape = find_loop_shape(op) if shape is None else shape
    if shape is None:
        return None
    count = len(op.inputs)
    instruction = Instruction.of(op, tuple(range(count)))
    if op.spec.effect is Effect.WRITE:
        return Region(shape, count, (instruction,), (), ((0, count),))
    return Region(shape, count, (instruction,), (count,))
