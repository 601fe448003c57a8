"""`while` and `for` over tensors: `tf.while_loop` with the user's variables as its state.

A variable that has no value before the loop is given zeros like what the first round makes
of it, for a loop of a graph needs a value of one type from the start. If the loop then runs
no round, and its number of rounds is not known beforehand, an assertion says so, as in
TensorFlow. What a `return` inside the loop returns needs no assertion: it is looked at only
where a round has set it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from malt.operators.variables import Undefined, UndefinedReturnValue

from graphopt.autograph.builtin_functions import len_
from graphopt.autograph.checking import (
    as_condition,
    check_before_loop,
    check_round,
    is_missing,
    is_staged,
    is_tensor,
    shapes_of,
    zero_like,
)
from graphopt.errors import OperatorNotAllowedInGraphError
from graphopt.graph import nest
from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.ops.assertions import Assert
from graphopt.ops.creation import constant, constant_value
from graphopt.ops.elementwise import logical_and, logical_or
from graphopt.ops.sequences import RANGE
from graphopt.ops.shaping import identity
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop

OPERATORS = ("for_stmt", "while_stmt")
Get = Callable[[], tuple[Any, ...]]
Set = Callable[[Any], None]

# What has such a method says itself how it is iterated over in a graph, as data sets.
OWN_LOOP = "_loop_in_graph"


def while_stmt(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: Get,
    set_state: Set,
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Repeats a body while a test is true, by Python if the test gives no tensor.

    Args:
      test: The condition.
      body: One round; it changes variables of the user.
      get_state, set_state: Read and set these variables.
      symbol_names: Their names.
      opts: What `set_loop_options` was given.
    """
    if building_graph() is not None:
        # What the test adds for this look at it is thrown away.
        with entered(BodyGraph(building_graph())):
            first = test()
        if is_tensor(first):
            _build(test, body, get_state, set_state, symbol_names, opts)
            return
    _while_in_python(test, body)


def _while_in_python(test: Callable[[], Any], body: Callable[[], None]) -> None:
    while _as_bool(
        test(),
        "The condition of while loop started as non-Tensor, then changed to Tensor. This "
        "may happen either because variables changed type, or when a break or return "
        "statement inside the loop depends on a Tensor condition. In both cases, changing "
        "to a TF loop should remove the error.",
    ):
        body()


def _as_bool(value: Any, message: str) -> bool:
    try:
        return bool(value)
    except OperatorNotAllowedInGraphError as error:
        raise NotImplementedError(message) from error


def for_stmt(
    iter_: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: Get,
    set_state: Set,
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Calls a body with each element of something, by Python if it is no tensor.

    Args:
      iter_: What is iterated over.
      extra_test: What must hold to go on, where there is a `break` or a `return`.
      body: One round, called with an element; it changes variables of the user.
      get_state, set_state: Read and set these variables.
      symbol_names: Their names.
      opts: What `set_loop_options` was given, and `iterate_names`, the names of an element.
    """
    rest = (extra_test, body, get_state, set_state, symbol_names, opts)
    if building_graph() is not None:
        loop = getattr(iter_, OWN_LOOP, None)
        if loop is not None:
            loop(*rest)
            return
    if not is_staged(iter_):
        _for_in_python(iter_, extra_test, body)
        return
    tensor = hooks.convert(iter_)
    bounds = _range_bounds(tensor)
    if bounds is not None:
        _for_range(bounds, *rest)
    else:
        _for_rows(tensor, *rest)


def _for_in_python(iter_: Any, extra_test: Any, body: Any) -> None:
    def goes_on() -> bool:
        return extra_test is None or _as_bool(
            extra_test(),
            "break and return statements which depend on a TF condition are not supported "
            "in Python for loops. Did you intend to make it a TF loop?",
        )

    if goes_on():
        for element in iter_:
            body(element)
            if not goes_on():
                break


def _range_bounds(tensor: Any) -> tuple[Any, Any, Any] | None:
    """Returns start, limit and delta of a `tf.range`, None for any other tensor."""
    op = getattr(tensor, "op", None)
    if op is not None and op.spec is RANGE:
        start, limit, delta = op.inputs
        return start, limit, delta
    known = constant_value(tensor)
    if (
        known is None
        or known.ndim != 1
        or not len(known)
        or known.dtype.kind not in "iu"
    ):
        return None
    # A range of constants is a constant; so is what looks like one, with the same rounds.
    first = int(known[0])
    step = int(known[1]) - first if len(known) > 1 else 1
    limit = first + step * len(known)
    info = np.iinfo(known.dtype)
    expected = range(first, limit, step) if step else ()
    if not info.min <= limit <= info.max or known.tolist() != list(expected):
        return None
    kind = known.dtype.type
    return constant(kind(first)), constant(kind(limit)), constant(kind(step))


def _for_range(
    bounds: tuple[Any, Any, Any],
    extra_test: Any,
    body: Any,
    get_state: Get,
    set_state: Set,
    names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """A loop that counts, without the tensor of the numbers."""
    start, limit, delta = bounds
    iterate = start

    def get() -> tuple[Any, ...]:
        values = (
            iterate if name == opts["iterate_names"] and isinstance(v, Undefined) else v
            for name, v in zip(names, get_state(), strict=True)
        )
        return (iterate, *values)

    def put(values: Any) -> None:
        nonlocal iterate
        iterate, *rest = values
        set_state(tuple(rest))

    def run() -> None:
        nonlocal iterate
        body(iterate)
        iterate = iterate + delta

    known = [constant_value(bound) for bound in bounds]
    # What is known is a constant of the body, as what the user would write there.
    limit = limit if known[1] is None else known[1]
    delta = delta if known[2] is None else known[2]

    def test() -> Any:
        if known[2] is not None:
            goes_on = iterate < limit if known[2] >= 0 else iterate > limit
        else:
            goes_on = logical_or(
                logical_and(delta >= 0, iterate < limit),
                logical_and(delta < 0, iterate > limit),
            )
        return goes_on if extra_test is None else logical_and(goes_on, extra_test())

    first, last, step = known
    runs = first is not None and last is not None and step is not None
    runs = runs and bool(first < last if step > 0 else first > last)  # type: ignore[operator]
    _build(test, run, get, put, ("<internal iterate>", *names), opts, runs)


def _for_rows(
    tensor: Any,
    extra_test: Any,
    body: Any,
    get_state: Get,
    set_state: Set,
    names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """A loop over the rows of a tensor."""
    count = len_(tensor)
    rows = TensorArray(tensor.dtype, size=count, clear_after_read=False).unstack(tensor)
    index: Any = 0

    def get() -> tuple[Any, ...]:
        return (index, *get_state())

    def put(values: Any) -> None:
        nonlocal index
        index, *rest = values
        set_state(tuple(rest))

    def run() -> None:
        nonlocal index
        row = rows.read(index)
        if tensor.shape.rank is not None:
            row.set_shape(tensor.shape[1:])
        body(row)
        index = index + 1

    def test() -> Any:
        goes_on = hooks.convert(index) < count
        return goes_on if extra_test is None else logical_and(goes_on, extra_test())

    runs = isinstance(count, int) and count > 0
    _build(test, run, get, put, ("<internal iterate>", *names), opts, runs)


# ---- the loop of the graph


def _build(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: Get,
    set_state: Set,
    names: tuple[str, ...],
    opts: dict[str, Any],
    runs: bool = False,
) -> None:
    """Adds a loop to the graph.

    Args:
      test, body, get_state, set_state, names, opts: As of `while_stmt`.
      runs: Whether it is known that there is a round.
    """
    before = get_state()
    asked = {id(value): shape for value, shape in opts.get("shape_invariants", ())}
    shapes = [asked.get(id(value)) for value in before]
    missing = [is_missing(value) for value in before]
    start = before
    if any(missing):
        start, shapes = _with_zeros(
            body, get_state, set_state, before, missing, shapes, names
        )
    must_run = [
        name
        for name, value, is_gone in zip(names, before, missing, strict=True)
        if is_gone and not isinstance(value, UndefinedReturnValue)
    ]
    # A loop of a graph has at least one variable; this one tells whether it has run.
    flags = (False,) if (must_run and not runs) or not start else ()

    def as_test(*values: Any) -> Any:
        set_state(tuple(values[len(flags) :]))
        return as_condition(test(), "while loop")

    def as_body(*values: Any) -> Any:
        entry = tuple(values[len(flags) :])
        set_state(entry)
        body()
        after = get_state()
        check_round(start, entry, after, names, shapes)
        return (*(True for _ in flags), *after)

    options = {key: opts[key] for key in _OPTIONS if key in opts}
    if any(shape is not None for shape in shapes):
        given = zip(start, shapes, strict=True)
        options["shape_invariants"] = (
            *(TensorShape(()) for _ in flags),
            *(shapes_of(value) if s is None else s for value, s in given),
        )
    found = while_loop(as_test, as_body, (*flags, *start), **options)
    after = tuple(found[len(flags) :])
    if must_run and not runs:
        after = _after_a_round(found[0], must_run, after)
    set_state(after)


_OPTIONS = ("parallel_iterations", "swap_memory", "maximum_iterations")


def _after_a_round(flag: Any, names: list[str], values: Any) -> Any:
    graph = building_graph()
    assert graph is not None
    message = f"loop must iterate at least once to initialize {', '.join(names)}"
    with graph.control_dependencies([Assert(flag, [message])]):
        return nest.map_structure(
            lambda leaf: identity(leaf) if is_tensor(leaf) else leaf, values
        )


def _with_zeros(
    body: Callable[[], None],
    get_state: Get,
    set_state: Set,
    before: tuple[Any, ...],
    missing: list[bool],
    shapes: list[Any],
    names: tuple[str, ...],
) -> tuple[tuple[Any, ...], list[Any]]:
    """Gives variables that have no value one like what a round makes of them.

    Returns:
      The values, and what their shapes may be.
    """
    start, hint = list(before), None
    shapes = list(shapes)
    graph = BodyGraph(building_graph())
    graph.is_loop = True
    try:
        with entered(graph):
            set_state(nest.map_structure(lambda v: _stand_in(graph, v), before))
            body()
            first = get_state()
        for i, is_gone in enumerate(missing):
            if is_gone and not is_missing(first[i]):
                start[i], invariant = None, None
                with entered(building_graph()):
                    start[i], invariant = zero_like(first[i], shapes[i])
                shapes[i] = invariant if shapes[i] is None else shapes[i]
            elif is_gone and isinstance(before[i], UndefinedReturnValue):
                raise NotImplementedError(
                    "a return statement cannot be placed inside this TensorFlow loop; "
                    "this may happen if a return statement depends on a static Python "
                    "condition such as a hyperparameter"
                )
    except (UnboundLocalError, TypeError, ValueError, KeyError) as error:
        hint = (
            "Note: AutoGraph tried to define it automatically, but ran into a "
            f"{type(error).__name__}: {error}"
        )
    finally:
        set_state(before)
    check_before_loop(start, names, hint)
    return tuple(start), shapes


def _stand_in(graph: BodyGraph, value: Any) -> Any:
    """What a number before the loop is in a round: a tensor without a known value."""
    if is_missing(value) or hasattr(value, "_with_parts"):
        return value
    if not is_tensor(value) and not isinstance(
        value, (bool, int, float, np.ndarray, np.generic)
    ):
        return value
    tensor = hooks.convert(value)
    return graph.add_input(tensor.dtype, tensor.shape)
