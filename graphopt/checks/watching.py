"""What happens while a script runs: what was fetched, what grew, what was fed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphopt.checks.findings import Finding
from graphopt.errors import InvalidArgumentError
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime import feeds
from graphopt.runtime.recording import Ran

# A graph that grew before so many runs, and before half of all, is built in the loop.
GROWTH_RUNS = 5
# Smaller feeds are converted in no time.
LARGE_FEED = 10_000


class Watcher:
    """Watches the runs of a script.

    Attributes:
      fetched: All ops that were fetched or run.
      walks: Of each walk of derivatives the targets, the sources and what was found.
      training_runs: How many runs trained.
    """

    def __init__(self) -> None:
        self.fetched: dict[Operation, None] = {}
        self.walks: list[tuple[Any, Any, Any]] = []
        self.training_runs = 0
        self._versions: dict[Graph, int] = {}
        self._runs: dict[Graph, int] = {}
        self._grown: dict[Graph, int] = {}
        self._feeds: dict[str, Finding] = {}

    def on_gradients(self, targets: Any, sources: Any, found: Any) -> None:
        """Takes note of a walk."""
        self.walks.append((targets, sources, found))

    def on_run(self, ran: Ran, feeds: Sequence[Any]) -> None:
        """Takes note of a run."""
        graph = ran.graph
        self.fetched.update(dict.fromkeys(ran.wanted))
        self.training_runs += ran.is_training
        before = self._versions.get(graph, graph.version)
        self._versions[graph] = graph.version
        self._runs[graph] = self._runs.get(graph, 0) + 1
        self._grown[graph] = self._grown.get(graph, 0) + (graph.version > before)

    @contextlib.contextmanager
    def watching_feeds(self) -> Iterator[None]:
        """Looks at what is converted when it is fed, for the length of a block."""
        convert = feeds.convert_feed

        def observed(tensor: GraphTensor, value: Any) -> Any:
            array = convert(tensor, value)
            self._look_at_feed(tensor, np.asarray(value), array)
            return array

        feeds.convert_feed = observed
        try:
            yield
        finally:
            feeds.convert_feed = convert

    def _look_at_feed(self, tensor: GraphTensor, given: Any, array: Any) -> None:
        if tensor.name in self._feeds or given.dtype.kind not in "iuf":
            return
        what = _lost(given, array)
        if what:
            self._feeds[tensor.name] = Finding(
                "lossy-feed",
                "warning",
                f"feeding {tensor.op.name!r} {what}",
                tensor.op.site_text,
                f"a placeholder of {given.dtype}, or values that {tensor.dtype.name} "
                "holds",
                tensor.op.name,
            )
        elif given.size >= LARGE_FEED and isinstance(given, np.ndarray):
            self._feeds[tensor.name] = Finding(
                "converted-feed",
                "note",
                f"feeding {tensor.op.name!r} converts {given.dtype} to "
                f"{tensor.dtype.name} in every run",
                tensor.op.site_text,
                f"array.astype({tensor.dtype.name!r}) once, before the loop",
                tensor.op.name,
            )

    def findings(self) -> list[Finding]:
        """Returns what was noticed while the script ran."""
        found = list(self._feeds.values())
        for graph, count in self._grown.items():
            if count >= max(GROWTH_RUNS, self._runs[graph] // 2):
                last = graph.operations[-1]
                found.append(
                    Finding(
                        "graph-growth",
                        "warning",
                        f"the graph grew before {count} of {self._runs[graph]} runs, to "
                        f"{graph.version:,} ops: {last.name!r} ({last.type}) is built in "
                        "the loop",
                        last.site_text,
                        "building ops once, before the loop; graph.finalize() after that",
                        last.name,
                    )
                )
        return found


def _lost(given: Any, array: Any) -> str:
    """Says what a conversion has lost besides the last digits of a fraction."""
    if given.dtype.kind in "iu" and array.dtype.kind == "f":
        changed = int((array.astype(np.float64) != given.astype(np.float64)).sum())
        if changed:
            return (
                f"rounds {changed:,} of {given.size:,} integers: {array.dtype} holds "
                f"none above {2 ** (np.finfo(array.dtype).nmant + 1):,} exactly"
            )
    if given.dtype.kind == "f" and array.dtype.kind == "f":
        infinite = int((np.isfinite(given) & ~np.isfinite(array)).sum())
        if infinite:
            return f"makes {infinite:,} of {given.size:,} numbers infinite"
        zero = int(((given != 0) & (array == 0)).sum())
        if zero:
            return f"makes {zero:,} of {given.size:,} numbers zero"
    return ""


def not_finite(error: BaseException | None) -> Finding | None:
    """Returns the finding for an error of `check_numerics`, None for any other."""
    if not isinstance(error, InvalidArgumentError):
        return None
    if not str(error).startswith("Detected Infinity or NaN"):
        return None
    op = error.op
    return Finding(
        "not-finite",
        "error",
        str(error.parts.get("what", error)) + f"; got {error.parts.get('got')}",
        op.site_text if op is not None else "",
        "a smaller learning rate, or guards around log, sqrt and divisions",
        op.name if op is not None else "",
    )
