"""Reading and writing one row of a buffer, whose number is known in the run."""

from __future__ import annotations

import math

from graphopt.codegen.movement.copies import copy_of, moved_type
from graphopt.codegen.movement.slices import dims_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.schedule.steps import Call, KernelRequest, Lowered, Word

_ROW = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    index = pointer_{i}(args[1])
    y = pointer_{t}(args[2])
    taken = int64(index[0])
    if (taken < 0) | (taken >= args[4]):
        report_status(args[5], {bad}, args[6], 0, taken)
        return
    at = taken * args[3]
    for c in range(lo, hi):
        {move}
"""


def lower_get_row(op: Operation) -> Lowered:
    """Returns the call that copies one row of a buffer."""
    return Lowered(_row_call(op, Word("input", 0), "y[c] = x[at + c]"), checks=True)


def lower_set_row(op: Operation) -> Lowered:
    """Returns the calls that copy a buffer and replace one row of it."""
    calls = _row_call(op, Word("input", 2), "y[at + c] = x[c]")
    copy = copy_of(op.outputs[0]).calls
    return Lowered((*copy, *calls), checks=True, in_place=calls)


def _row_call(op: Operation, source: Word, move: str) -> tuple[Call, ...]:
    buffer, index = op.inputs[:2]
    size, *row = dims_of(buffer)
    text = _ROW.format(
        t=moved_type(buffer.dtype.size),
        i=index.dtype.name,
        move=move,
        bad=Status.INDEX,
    )
    inner = math.prod(row)
    words = (source, Word("input", 1), Word("output", 0), inner, size)
    arguments = (*words, Word("status"), op.index)
    request = KernelRequest("row_access", text)
    return (Call(request, arguments, inner),) if inner else ()
