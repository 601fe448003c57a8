"""The errors of the debug mode: what differs, where, and what to do about it."""

from __future__ import annotations

from typing import Any

from graphopt.errors import InternalError, fail
from graphopt.graph.graph import Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime.reference import Difference
from graphopt.schedule.steps import Step
from graphopt.schedule.summary import SHOWN_DIGITS

_REPORT = "report it, please, with this message and the lines that made the op"


def _got(found: Difference) -> str:
    return (
        f"{found.got} at {list(found.place)}, {found.wrong} of {found.size} "
        "elements too far away"
    )


def _expected(found: Difference) -> str:
    near = f" within {found.allowed:.3g}" if found.allowed else ""
    return f"{found.expected}{near}"


def kernel_mismatch(
    step: Step, number: int, op: Any, found: Difference, note: str
) -> InternalError:
    """Makes the error for a kernel that differs from NumPy.

    Args:
      step: The step that calls it.
      number: The place of the step in the plan.
      op: The op at fault, or the one that the step is named after.
      found: The first wrong element.
      note: What else is known.
    """
    names = dict.fromkeys(c.kernel.name[: SHOWN_DIGITS + 2] for c in step.lowered.calls)
    named = ", ".join(names)
    return fail(
        InternalError,
        f"A kernel differs from NumPy: {step.kernel} {named}, step {number} of the plan"
        f"{note}",
        got=_got(found),
        expected=_expected(found),
        op=op,
        remedy="GRAPHOPT_JIT=never or tf.config.config(jit='never'), which runs without "
        "kernels, and "
        f"{_REPORT}; session.plan(...).source({next(iter(names), '')!r}) is the kernel",
    )


def memory_mismatch(
    made_by: Operation,
    tensor: GraphTensor,
    found: Difference | None,
    reader: Operation | None,
) -> InternalError:
    """Makes the error for a value that was overwritten before it was read."""
    who = f"op {reader.name!r} has read it" if reader is not None else "it was returned"
    return fail(
        InternalError,
        f"The memory of {tensor.name!r} was overwritten before {who}",
        got=_got(found) if found is not None else "other bits of a zero or NaN",
        expected=_expected(found) if found is not None else "those that were computed",
        op=made_by,
        remedy=f"GRAPHOPT_JIT=never or tf.config.config(jit='never'), and {_REPORT}; "
        "print(session.plan(...)) shows where its buffer lies",
    )


def pass_mismatch(name: str, what: str, op: Any, found: Difference) -> InternalError:
    """Makes the error for a rewrite that changes a result.

    Args:
      name: The pass.
      what: The tensor or variable whose value it changes.
      op: The op that makes the value.
      found: The first wrong element; `got` is after the pass, `expected` before it.
    """
    return fail(
        InternalError,
        f"The pass {name!r} changes the value of {what}",
        got=_got(found),
        expected=f"{_expected(found)}, as before the pass",
        op=op,
        remedy=f"GRAPHOPT_PASSES_OFF={name} or tf.config.config(passes_off=({name!r},)), "
        f"which leaves it out, and {_REPORT}",
    )


def whole_mismatch(what: str, op: Any, found: Difference) -> InternalError:
    """Makes the error for a program that differs although no pass changes it."""
    return fail(
        InternalError,
        f"The order of the steps changes the value of {what}",
        got=_got(found),
        expected=_expected(found),
        op=op,
        remedy=f"GRAPHOPT_JIT=never or tf.config.config(jit='never'), and {_REPORT}",
    )
