"""`ProgbarLogger`: the bar that `fit`, `evaluate` and `predict` show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphopt.keras.callbacks.base import Callback, plain_logs
from graphopt.keras.messages import write_line
from graphopt.keras.utils.progress import Progbar

# Seconds between two drawings: reading the metrics ends the run of native steps.
INTERVAL = 0.1


class ProgbarLogger(Callback):
    """Shows a bar of each epoch, with the loss and metrics so far.

    Args:
      count_mode: `"steps"` or `"samples"`: what the bar counts.
      stateful_metrics: Names of logs that are averages already, besides the metrics of
        the model.

    Raises:
      ValueError: Another `count_mode`.

    Source: `tf.keras.callbacks.ProgbarLogger`.
    """

    def __init__(
        self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None
    ) -> None:
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ValueError(
                f"Unknown `count_mode`: {count_mode}. Expected values are "
                '["samples", "steps"]'
            )
        self.use_steps = count_mode == "steps"
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None
        self.verbose, self.epochs = 1, 1
        self._called_in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes `verbose`, `epochs`, and `steps` or `samples`."""
        super().set_params(params)
        self.verbose = params.get("verbose", 1)
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps" if self.use_steps else "samples")

    def on_train_begin(self, logs: Any = None) -> None:
        """Evaluations inside of `fit` get no bar."""
        self._called_in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        """Ends that."""
        self._called_in_fit = False

    def on_test_begin(self, logs: Any = None) -> None:
        """Begins a bar."""
        if not self._called_in_fit:
            self._begin()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Begins a bar."""
        self._begin()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins a bar, below a line with the number of the epoch."""
        self._begin()
        if self.verbose and self.epochs > 1:
            write_line(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Draws, if it is time."""
        self._update(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Draws, if it is time."""
        if not self._called_in_fit:
            self._update(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Draws, if it is time."""
        self._update(batch, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the last line of the bar."""
        self._finish(logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Writes the last line of the bar."""
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Any = None) -> None:
        """Writes the last line of the bar."""
        self._finish(None)

    def _implements_train_batch_hooks(self) -> bool:
        return self.verbose == 1 or self.target is None

    def _implements_test_batch_hooks(self) -> bool:
        return self._implements_train_batch_hooks()

    def _implements_predict_batch_hooks(self) -> bool:
        return self._implements_train_batch_hooks()

    def _begin(self) -> None:
        self.seen, self.progbar = 0, None
        self._bar()

    def _bar(self) -> Progbar:
        metrics = getattr(self.model, "metrics", None) or ()
        names = self.stateful_metrics | {metric.name for metric in metrics}
        if self.progbar is None:
            unit = "step" if self.use_steps else "sample"
            self.progbar = Progbar(
                self.target, verbose=self.verbose, interval=INTERVAL, unit_name=unit
            )
        self.progbar.stateful_metrics |= names
        return self.progbar

    def _update(self, batch: int, logs: Any) -> None:
        bar = self.progbar or self._bar()
        if self.use_steps:
            self.seen = batch + 1
            # Logs are means so far: none is lost when it is not drawn.
            if not bar.is_due():
                return
        elif not bar.is_due() and not callable(logs):
            logs = logs or {}
            self.seen += logs.get("num_steps", 1) * logs.get("size", 0)
            return
        logs = dict(plain_logs(logs))
        bar.stateful_metrics |= set(logs) if self.use_steps else set()
        if not self.use_steps:
            self.seen += logs.pop("num_steps", 1) * logs.pop("size", 0)
            logs.pop("batch", None)
        self._bar().update(self.seen, list(logs.items()), finalize=False)

    def _finish(self, logs: Any) -> None:
        logs = plain_logs(logs)
        bar = self._bar()
        if self.target is None:
            self.target = self.seen
            bar.target = self.target
        # The logs of the end are those of the whole.
        bar.stateful_metrics |= set(logs)
        bar.update(self.target, list(logs.items()), finalize=True)
