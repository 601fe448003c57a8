"""Two graphs -> what differs, op by op, as text.

Ops are known by their names, which rewrites keep, and written without numbers, so that
one op more at the top is one line and not a change of every line below.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphopt.graph.graph import Operation, shown_attrs
from graphopt.graph.region import Region
from graphopt.ops.creation import CONST
from graphopt.viz.words import clean_text, format_item, format_type


@dataclass(frozen=True)
class Changes:
    """What differs between two lists of ops.

    Attributes:
      added, removed: Names.
      changed: Names of ops that both have, with another type, inputs or attributes.
      lines: A unified diff.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lines)

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {
            "differs": bool(self),
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "diff": self.lines,
        }


def find_changes(
    before: Iterable[Operation],
    after: Iterable[Operation],
    names: tuple[str, str] = ("before", "after"),
) -> Changes:
    """Compares two lists of ops.

    Args:
      before, after: The ops, in order.
      names: What the diff calls the two.

    Returns:
      What differs; it is false if nothing does.

    >>> import graphopt as tf
    >>> def build(factor):
    ...     with tf.Graph().as_default() as graph:
    ...         tf.exp(tf.constant(factor, name="x"), name="y")
    ...     return graph.operations
    >>> bool(find_changes(build(1.0), build(1.0)))
    False
    >>> print(*find_changes(build(1.0), build([1.0])).lines[3:], sep="|")
    -x = Const(value=1) : float32[]|-y = Exp(x) : float32[]|+x = Const(value=[1]) : float32[1]|+y = Exp(x) : float32[1]
    """
    first = {op.name: describe_operation(op) for op in before}
    second = {op.name: describe_operation(op) for op in after}
    lines = difflib.unified_diff(
        list(first.values()),
        list(second.values()),
        clean_text(names[0]),
        clean_text(names[1]),
        lineterm="",
        n=2,
    )
    return Changes(
        tuple(clean_text(name) for name in second if name not in first),
        tuple(clean_text(name) for name in first if name not in second),
        tuple(
            clean_text(name)
            for name, line in first.items()
            if second.get(name, line) != line
        ),
        tuple(lines),
    )


def describe_operation(op: Operation) -> str:
    """Writes an op as a line of its own, with the names of its inputs."""
    inputs = [
        tensor.op.name + (f":{tensor.index}" if tensor.index else "")
        for tensor in op.inputs
    ]
    attrs = [f"{key}={value}" for key, value in shown_attrs(op)]
    if op.spec is CONST:
        attrs.append(f"value={_value(op.attrs['value'])}")
    body = op.attrs.get("body")
    if isinstance(body, Region):
        attrs.append(f"ops=[{', '.join(body.names)}]")
    line = f"{op.name} = {op.type}({', '.join((*inputs, *attrs))})"
    if op.outputs:
        line += " : " + ", ".join(map(format_type, op.outputs))
    if op.control_inputs:
        line += " after " + ", ".join(control.name for control in op.control_inputs)
    return clean_text(line)


def _value(array: Any) -> str:
    flat = array.reshape(-1)
    shown = ", ".join(format_item(item) for item in flat[:6].tolist())
    if flat.size > 6:
        shown += f", ... {flat.size - 6} more"
        if flat.dtype.kind in "iuf":
            shown += f", sum {float(flat.sum()):.9g}"
        else:
            shown += f", crc {zlib.crc32(repr(flat.tolist()).encode()):08x}"
    return shown if array.ndim == 0 else f"[{shown}]"
