"""Passes that are wrong, each in a way in which a real one has been or could be.

They are inserted into the pipeline by the test that asks whether the checker notices.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from graphopt.dtypes import bool_
from graphopt.graph.opspec import REGISTRY, Effect
from graphopt.graph.program import Rebuilder
from graphopt.ops.creation import CONST, FILL
from graphopt.rewrite.driver import Pass
from graphopt.rewrite.node_rules import apply_rules, node_rule, replacement
from graphopt.rewrite.simplify_algebra import constant_elements, is_constant

ALGEBRA: list[Pass] = []
EFFECTS: list[Pass] = []


def wrong_rule(*matches: str) -> Any:
    """Makes a pass, to be inserted before the order of effects, of a wrong rule."""

    def wrap(function: Any) -> Pass:
        rule = node_rule(*(REGISTRY[name] for name in matches))(function)
        made = Pass(function.__name__, lambda p: apply_rules(p, (rule,)), "bits")
        ALGEBRA.append(made)
        return made

    return wrap


def wrong_effects(function: Any) -> Pass:
    """Makes a pass, to be inserted after the order of effects."""
    made = Pass(function.__name__, function, "bits")
    EFFECTS.append(made)
    return made


def equals(tensor: Any, number: float) -> bool:
    """Whether a tensor is a constant, whatever the sign of zero."""
    value = constant_elements(tensor)
    return value is not None and bool((value == number).all())


def filled(op: Any, number: float) -> Any:
    out = op.outputs[0]
    value = {"value": out.dtype.numpy.type(number).reshape(())}
    types = [((), out.dtype)]
    scalar = replacement(op, CONST, (), value, suffix="/number", output_types=types)
    return replacement(op, FILL, (scalar,), {"dims": tuple(out.shape)})


def make(op: Any, name: str, *inputs: Any, **attrs: Any) -> Any:
    return replacement(op, REGISTRY[name], inputs, attrs)


@wrong_rule("Mul")
def multiply_by_zero_is_zero(op):
    return filled(op, 0) if equals(op.inputs[1], 0) else None


@wrong_rule("Sub")
def difference_with_itself_is_zero(op):
    return filled(op, 0) if op.inputs[0] is op.inputs[1] else None


@wrong_rule("RealDiv")
def quotient_with_itself_is_one(op):
    return filled(op, 1) if op.inputs[0] is op.inputs[1] else None


@wrong_rule("Exp")
def exp_of_log(op):
    inner = op.inputs[0].op
    return inner.inputs[0] if inner.type == "Log" else None


@wrong_rule("Log")
def log_of_exp(op):
    inner = op.inputs[0].op
    return inner.inputs[0] if inner.type == "Exp" else None


@wrong_rule("Reciprocal")
def reciprocal_of_reciprocal(op):
    inner = op.inputs[0].op
    return inner.inputs[0] if inner.type == "Reciprocal" else None


@wrong_rule("ArgMin", "ArgMax")
def extreme_through_monotone_function(op):
    inner = op.inputs[0].op
    if inner.type not in ("Exp", "Tanh", "Sigmoid", "Sqrt"):
        return None
    return make(op, op.type, inner.inputs[0], **op.attrs)


@wrong_rule("Cast")
def narrowing_cast(op):
    inner = op.inputs[0].op
    narrow = inner.type == "Cast" and inner.outputs[0].dtype.name == "float16"
    return inner.inputs[0] if narrow else None


@wrong_rule("Cast")
def cast_through_integer(op):
    inner = op.inputs[0].op
    whole = inner.type == "Cast" and inner.outputs[0].dtype.is_integer
    return inner.inputs[0] if whole else None


@wrong_rule("MatMul")
def swapped_operands(op):
    a, b = op.inputs
    return None if op.name.endswith("'") or a is b else _swapped(op, a, b)


def _swapped(op, a, b):
    # Renamed, so that the rule does not swap them back.
    return replacement(op, op.spec, (b, a), op.attrs, suffix="'")


@wrong_rule("Sum")
def dropped_broadcast(op):
    inner = op.inputs[0].op
    if inner.type != "BroadcastTo":
        return None
    return make(op, "Sum", inner.inputs[0], **op.attrs)


@wrong_rule("MatMul")
def transposed_the_wrong_operand(op):
    a, b = op.inputs
    if a.op.type != "Transpose":
        return None
    flags = {**op.attrs, "transpose_b": not op.attrs["transpose_b"]}
    return make(op, "MatMul", a.op.inputs[0], b, **flags)


@wrong_rule("AddV2")
def reassociated_sum(op):
    inner, z = op.inputs[0].op, op.inputs[1]
    if inner.type != "AddV2":
        return None
    x, y = inner.inputs
    types = [(y.shape, y.dtype)]
    if y.shape != z.shape:
        return None
    spec = op.spec
    right = replacement(op, spec, (y, z), {}, suffix="/right", output_types=types)
    return make(op, "AddV2", x, right)


@wrong_rule("AddV2")
def add_zero(op):
    return op.inputs[0] if is_constant(op.inputs[1], 0.0) else None


@wrong_rule("Sub")
def zero_minus(op):
    x = op.inputs[1]
    return make(op, "Neg", x) if is_constant(op.inputs[0], 0.0) else None


@wrong_rule("Pow")
def power_of_one_half(op):
    x, exponent = op.inputs
    return make(op, "Sqrt", x) if equals(exponent, 0.5) else None


@wrong_rule("Maximum")
def maximum_that_drops_nan(op):
    x, y = op.inputs
    types = [(op.outputs[0].shape, bool_)]
    greater = replacement(
        op, REGISTRY["Greater"], (x, y), {}, suffix="/gt", output_types=types
    )
    return make(op, "SelectV2", greater, x, y)


@wrong_rule("SelectV2")
def where_takes_the_first_branch(op):
    return op.inputs[1]


@wrong_rule("ConcatV2")
def concat_in_another_order(op):
    first, *rest = op.inputs
    if op.name.endswith("'"):
        return None
    return replacement(op, op.spec, (*rest, first), op.attrs, suffix="'")


@wrong_rule("Sum")
def sum_over_no_axes(op):
    return op.inputs[0] if op.attrs["axis"] == () else None


@wrong_effects
def dropped_control_dependency(program):
    rebuilder = Rebuilder(program)
    for op in program.operations:
        new = rebuilder.copy(op)
        if op.spec.effect is Effect.WRITE:
            new.control_inputs = ()
    return rebuilder.finish()


@wrong_effects
def stale_read(program):
    """Reads lose what they wait for and come first."""
    rebuilder = Rebuilder(program)
    for op in program.operations:
        new = rebuilder.copy(op)
        if op.spec.effect is Effect.READ:
            new.control_inputs = ()
    return rebuilder.finish()


@wrong_effects
def merged_reads_across_a_write(program):
    return _merged(program, Effect.READ, lambda op: op.inputs)


@wrong_effects
def merged_random_ops(program):
    return _merged(program, Effect.RANDOM, lambda op: op.outputs[0].shape)


def _merged(program, effect, key):
    rebuilder = Rebuilder(program)
    first = {}
    for op in program.operations:
        same = first.get(key(op)) if op.spec.effect is effect else None
        if same is None:
            rebuilder.copy(op)
            if op.spec.effect is effect:
                first[key(op)] = op
            continue
        rebuilder.operations[op] = rebuilder.operations[same]
        rebuilder.tensors[op.outputs[0]] = rebuilder.tensors[same.outputs[0]]
    return rebuilder.finish()


@wrong_effects
def lost_write(program):
    """The second of two writes of a variable is taken for the first."""
    rebuilder = Rebuilder(program)
    first = {}
    for op in program.operations:
        if op.spec.effect is Effect.WRITE and op.inputs[0] in first:
            rebuilder.operations[op] = rebuilder.operations[first[op.inputs[0]]]
            continue
        rebuilder.copy(op)
        if op.spec.effect is Effect.WRITE:
            first[op.inputs[0]] = op
    done = rebuilder.finish()
    return dataclasses.replace(done, targets=tuple(dict.fromkeys(done.targets)))
