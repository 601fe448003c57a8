"""`Progbar`: a line that says how far a loop is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphopt.keras.messages import write_line


def _is_terminal() -> bool:
    return bool(getattr(sys.stdout, "isatty", lambda: False)())


class Progbar:
    """A bar with the mean of values, the time taken and the time to come.

    On a terminal and in a notebook the line is drawn again and again; elsewhere, as in a
    log file, it is written once, when the target is reached.

    Args:
      target: The number of steps; None if it is not known.
      width: That of the bar.
      verbose: 0 for nothing, 1 for the bar, 2 for one line without a bar.
      interval: Seconds between two drawings.
      stateful_metrics: Names of values that are averages already: the last one counts.
      unit_name: What a step is called.

    >>> bar = Progbar(3, verbose=2)
    >>> bar.update(2, [("loss", 1.0)])
    >>> bar.update(3, [("loss", 4.0)])  # doctest: +ELLIPSIS
    3/3 - 0s - loss: 2.0000 - .../epoch - .../step

    Source: `tf.keras.utils.Progbar`.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self._redraws = _is_terminal() or "ipykernel" in sys.modules
        self._console: Any = None
        self._drawn = 0
        self._seen = 0
        # For each name, the sum and the weight.
        self._values: dict[str, list[Any]] = {}
        self._start = time.time()
        self._last_drawing = 0.0
        self._after_first: float | None = None

    def is_due(self) -> bool:
        """Whether a call of `update` that does not finish would draw."""
        if self.verbose != 1 or not self._redraws:
            return False
        return time.time() - self._last_drawing >= self.interval

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Says how far the loop is.

        Args:
          current: The number of steps that are done.
          values: Pairs of names and values since the last call.
          finalize: Whether this is the end; by default whether the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._values[name] = [value, 1]
                continue
            weight = max(current - self._seen, 1)
            total = self._values.setdefault(name, [0, 0])
            total[0] += value * weight
            total[1] += weight
        self._seen = current
        now = time.time()
        if current and self._after_first is None:
            self._after_first = now
        due = self._redraws and now - self._last_drawing >= self.interval
        if self.verbose == 1 and (finalize or due):
            self._last_drawing = now
            rest = self._after_bar(current, now, finalize)
            self._draw(self._bar(current), rest, finalize)
            if finalize:
                write_line("")
        elif self.verbose == 2 and finalize:
            write_line(self._summary(current, now))

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Says that more steps are done."""
        self.update(self._seen + n, values)

    def _bar(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = len(str(self.target))
        full = int(self.width * min(current / max(self.target, 1), 1.0))
        bar = "=" * full
        if full and current < self.target:
            bar = bar[:-1] + ">"
        return f"{current:{digits}d}/{self.target} [{bar:.<{self.width}}]"

    def _after_bar(self, current: int, now: float, finalize: bool) -> str:
        each = self._seconds_per_step(current, now)
        if self.target is None or finalize:
            text = f" - {now - self._start:.0f}s {format_time(each, self.unit_name)}"
        else:
            text = f" - ETA: {_clock(each * (self.target - current))}"
        return text + self._means()

    def _summary(self, current: int, now: float) -> str:
        """The line of `verbose=2`."""
        target = self.target or current
        taken = now - self._start
        return (
            f"{current:{len(str(target))}d}/{target} - {taken:.0f}s{self._means()}"
            f" - {format_time(taken, 'epoch')}"
            f" - {format_time(taken / max(target, 1), self.unit_name)}"
        )

    def _means(self) -> str:
        text = ""
        for name, (total, weight) in self._values.items():
            mean = float(np.mean(total / max(1, weight)))
            text += f" - {name}: " + (
                f"{mean:.4f}" if abs(mean) > 1e-3 else f"{mean:.4e}"
            )
        return text

    def _seconds_per_step(self, current: int, now: float) -> float:
        # The first step compiles, and says nothing of the others.
        if current > 1 and self._after_first is not None and now > self._after_first:
            return (now - self._after_first) / (current - 1)
        return (now - self._start) / current if current else 0.0

    def _draw(self, bar: str, rest: str, finalize: bool) -> None:
        if not self._redraws:
            write_line(bar + rest, end="")
            return
        room = shutil.get_terminal_size().columns - 1
        # A line that is broken cannot be drawn over.
        is_short = _is_terminal() and not finalize
        line = (bar + rest)[:room] if is_short else bar + rest
        padding = " " * max(0, self._drawn - len(line))
        self._drawn = len(line)
        if _is_terminal():
            self._draw_in_color(line[: len(bar)], line[len(bar) :] + padding)
        else:
            write_line(f"\r{line}{padding}", end="")

    def _draw_in_color(self, bar: str, rest: str) -> None:
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, soft_wrap=True)
        from rich.text import Text

        sys.stdout.write("\r")
        self._console.print(Text.assemble((bar, "green"), rest), end="")
        sys.stdout.flush()


def format_time(seconds: float, unit: str) -> str:
    """Returns `2ms/step` and the like."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"
