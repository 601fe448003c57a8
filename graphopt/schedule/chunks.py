"""Which calls of a plan are worth several threads, and in what pieces they run.

A chunk is some microseconds of work at least, so that claiming it costs little, and a
call has a hundred of them at most. Chunks depend on shapes alone: not on the number of
threads, not on any measurement. What a call takes is estimated from the bytes that it
moves and the operations that it does, on a core of today; a factor of two either way
does not matter, for the only question is whether it is far more than handing it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graphopt.graph.effects import handles_written
from graphopt.schedule.steps import Call, Schedule, Step
from graphopt.schedule.work import count_flops

# Nanoseconds for a byte, of a few, of more than a cache holds, and for an operation.
_NEAR: Final = (0.01, 1 << 21)
_FAR: Final = 0.03
_OPERATION: Final = 0.02

SMALLEST: Final = 8_000.0
"""Nanoseconds of the smallest chunk."""
SHARED: Final = 20_000.0
"""Nanoseconds of the smallest call that is handed out."""
WORTH_WAKING: Final = 100_000.0
"""Nanoseconds left in a step for which sleeping workers are woken."""
_MOST_CHUNKS: Final = 128
# Elements of a flat loop: whole cache lines and whole vectors of every dtype.
_LINE: Final = 64


@dataclass(frozen=True)
class Share:
    """How a call is handed out.

    Attributes:
      chunk: How much of the range a piece has.
      wakes: Whether workers that sleep are woken for it.
    """

    chunk: int
    wakes: bool


def plan_shares(schedule: Schedule) -> dict[tuple[int, int], Share]:
    """Decides which calls are handed out.

    Args:
      schedule: The plan.

    Returns:
      A share for each of these calls, by the number of the step and of the call in it.
    """
    found: dict[tuple[int, int], Share] = {}
    left = 0.0
    for number in reversed(range(len(schedule.steps))):
        step = schedule.steps[number]
        if step.lowered.host:
            left = 0.0
            continue
        for position in reversed(range(len(step.lowered.calls))):
            call = step.lowered.calls[position]
            cost = cost_of(step, call)
            chunk = chunk_of(call, cost)
            if chunk < call.length:
                left += cost
                found[number, position] = Share(chunk, left >= WORTH_WAKING)
    return found


def find_pauses(schedule: Schedule, longest: float) -> set[int]:
    """Finds where a long native call may be ended and begun again.

    Args:
      schedule: The plan.
      longest: Nanoseconds that a part should not exceed.

    Returns:
      After which steps: not where branches and loops jump, nor once variables have
      been written.
    """
    found: set[int] = set()
    if schedule.labels:
        return found
    spent = 0.0
    for number, step in enumerate(schedule.steps[:-1]):
        if handles_written(step.op):
            break
        spent += sum(cost_of(step, call) for call in step.lowered.calls)
        if spent > longest and not step.lowered.host:
            found.add(number)
            spent = 0.0
    return found


def is_worth_waking(schedule: Schedule, start: Step) -> bool:
    """Returns whether a step computes for long while values are being exchanged.

    Args:
      schedule: The plan.
      start: The step that begins to exchange them; a later one that reads its results
        waits for them.
    """
    steps = iter(schedule.steps)
    for step in steps:
        if step is start:
            break
    # It may compute, too: the rest of a product, of which a part is on its way.
    spent = sum(cost_of(start, call) for call in start.lowered.calls[:-1])
    results = {id(buffer) for buffer in start.outputs}
    for step in steps:
        if any(id(buffer) in results for buffer in step.inputs):
            break
        spent += sum(cost_of(step, call) for call in step.lowered.calls)
        if spent >= WORTH_WAKING:
            break
    return spent >= WORTH_WAKING


def chunk_of(call: Call, cost: float) -> int:
    """Returns the length of a chunk; that of the range if the call is not cut.

    Args:
      call: The call.
      cost: What it takes, in nanoseconds.
    """
    if cost < SHARED or call.length < 2 or call.repeats:
        return max(call.length, 1)
    wanted = min(_MOST_CHUNKS, int(cost / SMALLEST))
    chunk = -(-call.length // wanted)
    unit = call.unit
    if unit == 1 and chunk >= _LINE:
        unit = _LINE
    if call.length < 4 * unit:
        # Some balance is worth more than the best size.
        unit = -(-call.length // 4)
    return -(-chunk // unit) * unit


def cost_of(step: Step, call: Call) -> float:
    """Estimates the nanoseconds that a call takes on one core."""
    if call.cost:
        return call.cost
    partial = step.op.spec.partial_inputs
    size = sum(
        buffer.nbytes for i, buffer in enumerate(step.inputs) if i not in partial
    )
    size += sum(buffer.nbytes for buffer in step.outputs)
    flops = count_flops(step.op) or 0
    near, few = _NEAR
    byte = near if size <= few else _FAR
    return max(size * byte, flops * _OPERATION) / len(step.lowered.calls)
