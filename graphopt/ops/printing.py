"""`tf.print`, and how tensors are written in its lines and in failed assertions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.tensor import Tensor


def format_array(array: NDArray[Any], summarize: int = 3) -> str:
    """Writes an array with its first and last elements along each dimension.

    Args:
      array: Numbers, truth values or strings.
      summarize: How many elements from each end; -1 for all.

    >>> format_array(np.arange(10))
    '[0 1 2 ... 7 8 9]'
    >>> format_array(np.eye(2))
    '[[1 0]\\n [0 1]]'
    """
    if not array.ndim:
        value = array[()]
        # Alone, a string has no quotes.
        return _text(value) if isinstance(value, bytes) else _format_number(value)
    return _format_rows(array, summarize, array.ndim)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _format_rows(array: NDArray[Any], summarize: int, rank: int) -> str:
    # As deep as the rank, which a tensor has no more than 64 of.
    if isinstance(array, bytes):
        return _format_number(array)
    if not array.ndim:
        return _format_number(array[()])
    count = len(array)
    places: list[int | None] = list(range(count))
    if summarize >= 0 and count > 2 * summarize:
        places = [*range(summarize), None, *range(count - summarize, count)]
    parts = [
        "..." if i is None else _format_rows(array[i], summarize, rank) for i in places
    ]
    inner = array.ndim - 1
    between = "\n" * inner + " " * (rank - inner) if inner else " "
    return "[" + between.join(parts) + "]"


def _format_number(value: Any) -> str:
    if isinstance(value, bytes):
        return f'"{_text(value)}"'
    if isinstance(value, np.bool_):
        return str(int(value))
    if isinstance(value, np.floating):
        # The fewest digits that are surely right, more only if these say another number.
        short, long = {8: (15, 17), 4: (6, 9)}.get(value.itemsize, (4, 5))
        text = f"{value:.{short}g}"
        return text if type(value)(text) == value else f"{value:.{long}g}"
    return str(value)


def _fill(template: Any, arrays: Any, summarize: int, top: bool) -> str:
    """Writes one argument of `tf.print`, tensors taken from `arrays` in order."""
    if isinstance(template, Slot):
        return format_array(arrays[template], summarize)
    if isinstance(template, Text):
        return str.__str__(template)
    if isinstance(template, Mapping):
        parts = (
            f"{_fill(k, arrays, summarize, False)}: "
            f"{_fill(v, arrays, summarize, False)}"
            for k, v in template.items()
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(template, (list, tuple)):
        inner = ", ".join(_fill(v, arrays, summarize, False) for v in template)
        if isinstance(template, list):
            return f"[{inner}]"
        return f"({inner},)" if len(template) == 1 else f"({inner})"
    return str(template) if top else repr(template)


class Slot(int):
    """The place of a tensor in the arguments: the number of an input."""


class Text(str):
    """What an object of another kind is printed as, settled when the op is made."""

    __slots__ = ()


def _with_slots(value: Any, tensors: list[Any], top: bool = True) -> Any:
    if isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "_as_tensor"):
        tensors.append(value)
        return Slot(len(tensors) - 1)
    if isinstance(value, Mapping):
        return {
            _with_slots(key, tensors, False): _with_slots(item, tensors, False)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        parts = [_with_slots(item, tensors, False) for item in value]
        return parts if isinstance(value, list) else tuple(parts)
    if value is None or type(value) in (bool, int, float, str):
        return value
    return Text(value if top else repr(value))


def _print(
    *arrays: NDArray[Any],
    template: tuple[Any, ...],
    stream: Any,
    summarize: int,
    sep: str,
    end: str,
) -> tuple[()]:
    text = sep.join(_fill(part, arrays, summarize, True) for part in template) + end
    if isinstance(stream, str) and stream.startswith("file://"):
        with Path(stream.removeprefix("file://")).open("a") as file:
            file.write(text)
        return ()
    # Looked up in each run, for notebooks replace the streams.
    out = getattr(sys, stream) if isinstance(stream, str) else stream
    out.write(text)
    out.flush()
    return ()


PRINT = register(
    OpSpec(
        "PrintV2",
        lambda *inputs, **attrs: [],
        _print,
        NOT_DIFFERENTIABLE,
        Host("it prints"),
        lambda: [
            Sample(
                (),
                {
                    "template": template,
                    "stream": "stderr",
                    "summarize": 3,
                    "sep": " ",
                    "end": "",
                },
            )
            for template in ((), ("",))
        ],
        types=("any",),
        effect=Effect.HOST,
        outputs=0,
        strings=True,
    )
)


def print(
    *inputs: Any,
    output_stream: Any = None,
    summarize: int | None = 3,
    sep: str = " ",
    end: str = "\n",
    name: str | None = None,
) -> Any:
    """Prints values, to the standard error stream unless told otherwise.

    In a graph this is an op that prints whenever it runs: fetch it, or let other ops
    depend on it with `tf.control_dependencies`.

    Args:
      *inputs: Tensors, other values, and lists, tuples and dicts of them.
      output_stream: `sys.stderr`, `sys.stdout`, an open file, or `"file://PATH"`,
        which is appended to.
      summarize: How many elements to print from each end of a dimension; -1 for all.
      sep: What stands between values.
      end: What stands after the last one.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    >>> import graphopt as tf, sys
    >>> tf.print("x:", tf.constant([1.5, 2.0]), {"n": 3}, output_stream=sys.stdout)
    x: [1.5 2] {'n': 3}

    Source: `tf.print`.
    """
    tensors: list[Any] = []
    template = tuple(_with_slots(value, tensors) for value in inputs)
    done = call(
        PRINT,
        *tensors,
        name=name,
        template=template,
        stream=_stream(output_stream),
        summarize=-1 if summarize is None else int(summarize),
        sep=sep,
        end=end,
    )
    return None if building_graph() is None else done


def _stream(given: Any) -> Any:
    """Names a standard stream, so that a graph prints to what it is when it runs."""
    if given is None or given is sys.stderr:
        return "stderr"
    if given is sys.stdout:
        return "stdout"
    if isinstance(given, str) and not given.startswith("file://"):
        raise ValueError(
            f"output_stream={given!r}; give sys.stderr, sys.stdout, an open file or "
            "'file://PATH'."
        )
    return given
