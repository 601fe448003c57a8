"""Division of integers: a divisor of zero is an error, not a value.

The machine's instruction ends the process for two operands, x / 0 and the smallest integer
by -1. Neither gets there: a zero is reported and divided by 1 in its place, and division by
-1 is a change of sign, which wraps as NumPy's does.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from graphopt.codegen.elementwise.elementwise import LoopWriter, lower_elementwise
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.schedule.steps import Lowered


class _QuotientWriter(LoopWriter):
    status = Status.DIVISOR
    # Whether the rest is wanted and not the quotient.
    is_remainder = False

    def compute(self, suffix: str = "") -> list[str]:
        """Divides, notes zeros and stores."""
        assert not suffix
        (instruction,) = self.body.instructions
        self.names[self.body.input_count] = "v0"
        x, y = (self.names[argument] for argument in instruction.arguments)
        t, signed = instruction.dtype.name, not instruction.dtype.is_unsigned
        harmless = f"({y} != 0) & ({y} != -1)" if signed else f"{y} != 0"
        if self.is_remainder:
            # The rest of a division by -1 is that by 1.
            result = f"{t}({x} % d)"
        elif signed:
            result = f"{t}(-{x}) if {y} == -1 else {t}({x} // d)"
        else:
            result = f"{t}({x} // d)"
        return [
            f"bad = int32(bad | int32({y} == 0))",
            f"d = {t}({y}) if {harmless} else {t}(1)",
            f"v0 = {result}",
            *self.store(),
        ]


class _RemainderWriter(_QuotientWriter):
    is_remainder = True


_WRITERS: Final = {"quotient": _QuotientWriter, "remainder": _RemainderWriter}


def lower_division(op: Operation, option: str) -> Lowered:
    """Returns the call that divides integers."""
    lowered = lower_elementwise(op, checked=True, writer=_WRITERS[option])
    return dataclasses.replace(lowered, checks=True)
