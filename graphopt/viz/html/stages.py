"""The graph as built and after each pass, as one list of ops with a history each.

An op is known by its name, which rewrites keep. Stage 0 is the graph as built, stage i
what pass i left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphopt.graph.graph import Operation
from graphopt.rewrite.driver import Trace


@dataclass(frozen=True)
class Version:
    """What an op is from a stage on."""

    stage: int
    op: Operation


@dataclass
class History:
    """An op through all stages.

    Attributes:
      versions: The first is the stage at which it appeared.
      died: The stage that no longer has it; -1 if it was left.
    """

    versions: list[Version] = field(default_factory=list)
    died: int = -1

    @property
    def born(self) -> int:
        """The stage that has it first."""
        return self.versions[0].stage

    @property
    def first(self) -> Operation:
        """As it was made."""
        return self.versions[0].op

    @property
    def last(self) -> Operation:
        """As it was left, or when it was removed."""
        return self.versions[-1].op


def make_histories(
    built: Sequence[Operation], trace: Trace | None
) -> dict[str, History]:
    """Follows every op through the passes.

    Args:
      built: The ops of the graph that are shown.
      trace: What the passes did, if there was anything to compile.

    Returns:
      Histories by the name of the op, in the order in which they appeared.
    """
    histories = {op.name: History([Version(0, op)]) for op in built}
    alive = set(histories)
    for stage, applied in enumerate(trace.applied if trace else (), start=1):
        now = {op.name: op for op in applied.after.operations}
        if stage == 1:
            # The pass that prunes starts from the whole graph; only what is shown counts.
            alive &= set(histories)
        for name in alive - now.keys():
            histories[name].died = stage
        for name, op in now.items():
            history = histories.get(name)
            if history is None or history.died >= 0:
                histories[name] = History([Version(stage, op)])
            elif not _is_same(history.last, op):
                history.versions.append(Version(stage, op))
        alive = set(now)
    return histories


def add_bodies(histories: dict[str, History], inner: Mapping[Operation, str]) -> None:
    """Adds the ops in bodies, which come and go with the op that has the body.

    Args:
      histories: By the name of the op; those of the graph are there.
      inner: The ops in bodies with their names, which begin with that of the op.
    """
    for op, name in inner.items():
        outer = next(
            (histories[o] for o in _prefixes(name) if o in histories), History()
        )
        histories[name] = History([Version(0, op)], outer.died)


def _prefixes(name: str) -> list[str]:
    """The names of scopes around a name, the innermost first."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _is_same(one: Operation, two: Operation) -> bool:
    """Whether nothing that is shown of an op has changed; most ops are the same object."""
    # Loops, for a large graph asks this a million times.
    if one is two:
        return True
    if (
        one.type != two.type
        or len(one.inputs) != len(two.inputs)
        or len(one.outputs) != len(two.outputs)
        or len(one.control_inputs) != len(two.control_inputs)
    ):
        return False
    for a, b in zip(one.inputs, two.inputs, strict=True):
        if a is not b and (a.op.name != b.op.name or a.index != b.index):
            return False
    for c, d in zip(one.control_inputs, two.control_inputs, strict=True):
        if c.name != d.name:
            return False
    for a, b in zip(one.outputs, two.outputs, strict=True):
        if a.dtype != b.dtype or (a.shape is not b.shape and a.shape != b.shape):
            return False
    return True
