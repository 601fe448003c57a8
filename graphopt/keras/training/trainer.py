"""`Trainer`: `fit`, `evaluate`, `predict`, and the same for one batch."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import GraphoptWarning, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.training.adapters import Data, make_data, split_off
from graphopt.keras.training.data import (
    Piece,
    unpack_x_y_sample_weight,
    without_none,
)
from graphopt.keras.training.model_steps import ModelSteps, as_numpy
from graphopt.ops.random import seeds
from graphopt.parallel.ranks import is_writer

# Metrics are shown at most so often.
SECONDS_BETWEEN_LOOKS = 0.1


class Trainer(ModelSteps):
    """What a `Model` needs for training; mixed into it."""

    # ---- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Trains for some epochs.

        Args:
          x: Inputs: arrays, tensors, a list or dict of them; a `tf.data.Dataset`, a
            generator or a `Sequence` of batches.
          y: Labels, where x is arrays.
          batch_size: The size of a batch, where x is arrays; 32 by default.
          epochs: The number of the last epoch.
          verbose: 0: silent, 1: a bar, 2: a line an epoch.
          callbacks: Callbacks, a list or one.
          validation_split: Which part of the arrays, the last one, is for validation.
          validation_data: What to evaluate after each epoch: (x, y), (x, y, weights) or a
            data set.
          shuffle: Whether each epoch has an order of its own; `batch` shuffles batches.
          class_weight: From classes to factors of the weights of their examples.
          sample_weight: Weights of examples.
          initial_epoch: The number of the first epoch.
          steps_per_epoch: How many batches an epoch has.
          validation_steps: How many batches validation has.
          validation_batch_size: The size of a batch of validation.
          validation_freq: After how many epochs to validate, or after which ones.
          max_queue_size: Accepted.
          workers: Accepted.
          use_multiprocessing: Accepted.

        Returns:
          A `History`, of which `history` has what each epoch reported.

        Raises:
          RuntimeError: The model is not compiled.

        Source: `tf.keras.Model.fit`.
        """
        _refuse_inside(self, "fit")
        self._require_compiled("fit")
        verbose = 1 if verbose == "auto" else int(verbose)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off(
                x, y, sample_weight, validation_split
            )
        data = self._make_data(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
            seed=self._next_seed(),
            epochs=epochs,
        )
        validation = self._make_validation(
            validation_data, validation_batch_size or batch_size, validation_steps
        )
        callbacks = _list_callbacks(self, callbacks, verbose, epochs, data)
        self.stop_training = False
        callbacks.on_train_begin()
        logs: Any = None
        first, skip = self._find_beginning(initial_epoch, data.steps)
        for epoch in range(first, epochs):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            logs = self._run_epoch("train", data, epoch, callbacks, skip)
            skip = 0
            if logs is None:
                raise fail(
                    ValueError,
                    "Expected input data to be non-empty: there were no batches",
                    got="data without batches",
                    expected="at least one",
                    site=str(user_site()),
                )
            if validation is not None and _is_due(epoch, validation_freq):
                found = self._evaluate(validation, callbacks)
                logs = {**logs, **{f"val_{name}": v for name, v in found.items()}}
            callbacks.on_epoch_end(epoch, logs)
            if self._is_to_stop(data):
                break
            if getattr(data, "ran_out", False):
                _warn_of_end(data)
                break
        callbacks.on_train_end(logs)
        return self.history

    def _make_data(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the data of a run: on several ranks, the part of this one."""
        strategy = self._training.strategy
        if strategy is None or strategy.num_replicas_in_sync == 1:
            return make_data(x, *args, **kwargs)
        # Loaded by those who are several.
        from graphopt.keras.training.ranks import rank_data

        return rank_data(strategy, x, *args, **kwargs)

    def _make_validation(
        self, given: Any, batch_size: int | None, steps: int | None
    ) -> Any:
        if given is None:
            return None
        if isinstance(given, (tuple, list)):
            x, y, weight = unpack_x_y_sample_weight(tuple(given))
            return self._make_data(x, y, weight, batch_size=batch_size, steps=steps)
        return self._make_data(given, steps=steps)

    def _next_seed(self) -> tuple[int, int]:
        """Returns what the order of the examples depends on; the same on all ranks."""
        seed = seeds.next()
        communicator = getattr(self._training.strategy, "communicator", None)
        if communicator is None:
            return seed
        shared: tuple[int, int] = communicator.broadcast_object(seed)
        return shared

    def _is_to_stop(self, data: Any) -> bool:
        strategy = getattr(data, "strategy", None)
        if strategy is None:
            return bool(self.stop_training)
        # Loaded already.
        from graphopt.keras.training.ranks import agree_on_any

        return agree_on_any(strategy, bool(self.stop_training))

    @staticmethod
    def _scalar_logs(logs: Any) -> Any:
        return _scalars(nest.map_structure(as_numpy, logs))

    def _find_beginning(self, epoch: int, steps: int | None) -> tuple[int, int]:
        """Returns the epoch and the batch where a run, maybe a restored one, begins."""
        state = getattr(self, "_training_state", None)
        if state is None:
            return epoch, 0
        first, batch = state.initial_counters(epoch, steps)
        return int(first), int(batch)

    def _run_epoch(
        self, kind: str, data: Any, epoch: int, callbacks: Any, skip: int = 0
    ) -> Any:
        """Runs the steps of an epoch, but for the first ones; returns the logs."""
        if hasattr(data, "strategy"):
            # Loaded already.
            from graphopt.keras.training.ranks import run_epoch

            return run_epoch(self, kind, data, epoch, callbacks, skip)
        own = self._logs_are_metrics(kind)
        make = f"make_{kind}_function"
        if not self._is_own(make):
            return self._run_epoch_of_user(kind, data, epoch, callbacks)
        begin = getattr(callbacks, f"on_{kind}_batch_begin")
        end = getattr(callbacks, f"on_{kind}_batch_end")
        wants = (
            callbacks.wants_batches if kind == "train" else callbacks.wants_test_batches
        )
        shows = callbacks.shows_progress
        step, logs, looked = skip, None, time.monotonic()
        one_by_one = wants or self.run_eagerly
        for piece in data.epoch(epoch, one_by_one, skip):
            if wants:
                begin(step)
            self._training.piece = piece if wants else None
            logs = self._run_piece(kind, piece, results=wants or not own)
            step += piece.steps
            if wants:
                end(step - 1, _scalars(logs))
                if self.stop_training and kind == "train":
                    break
            elif shows and time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
                end(step - 1, self._current_logs() if own else _scalars(logs))
                looked = time.monotonic()
        if step == skip:
            return None
        if logs is None or (own and not wants and not self.run_eagerly):
            logs = self._current_logs()
        logs = _scalars(logs)
        if shows and not wants:
            end(step - 1, dict(logs))
        return logs

    def _run_epoch_of_user(
        self, kind: str, data: Data, epoch: int, callbacks: Any
    ) -> Any:
        """As `_run_epoch`, with a function that the program's `make_*_function` returns."""
        function = getattr(self, f"{kind}_function")
        if function is None:
            function = getattr(self, f"make_{kind}_function")()
            setattr(self, f"{kind}_function", function)
        begin = getattr(callbacks, f"on_{kind}_batch_begin")
        end = getattr(callbacks, f"on_{kind}_batch_end")
        logs: Any = None
        for step, piece in enumerate(data.epoch(epoch, one_by_one=True)):
            begin(step)
            leaves = [EagerTensor(rows[0, ...]) for rows in piece.rows]
            found = function(iter([without_none(piece.data, leaves)]))
            logs = _scalars(nest.map_structure(as_numpy, found))
            end(step, logs)
            if self.stop_training and kind == "train":
                break
        return logs

    def _current_logs(self) -> dict[str, Any]:
        if is_in_v1_graph():
            # Loaded by those who train there.
            from graphopt.keras.training.graph_steps import fetch_results

            return fetch_results(self)
        return {k: as_numpy(v) for k, v in self.get_metrics_result().items()}

    # ---- evaluate and predict

    def _evaluate(self, data: Data, callbacks: Any) -> dict[str, Any]:
        callbacks.on_test_begin()
        self.reset_metrics()
        logs = self._run_epoch("test", data, 0, callbacks)
        if logs is None:
            raise fail(
                ValueError,
                "There were no batches to evaluate",
                got="data without batches",
                expected="at least one",
                site=str(user_site()),
            )
        callbacks.on_test_end(logs)
        return logs

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Returns the loss and the metrics for data.

        Args:
          x: As in `fit`.
          y: As in `fit`.
          batch_size: As in `fit`.
          verbose: As in `fit`.
          sample_weight: As in `fit`.
          steps: How many batches.
          callbacks: Callbacks, a list or one.
          max_queue_size: Accepted.
          workers: Accepted.
          use_multiprocessing: Accepted.
          return_dict: Whether to return a dict by names.
          **kwargs: None.

        Returns:
          The loss, or a list of it and of the metrics.

        Source: `tf.keras.Model.evaluate`.
        """
        _refuse_inside(self, "evaluate")
        self._require_compiled("evaluate")
        if kwargs:
            raise TypeError(f"Invalid keyword arguments: {', '.join(kwargs)}.")
        verbose = 1 if verbose == "auto" else int(verbose)
        data = self._make_data(x, y, sample_weight, batch_size=batch_size, steps=steps)
        callbacks = _list_callbacks(self, callbacks, verbose, 1, data)
        logs = self._evaluate(data, callbacks)
        return dict(logs) if return_dict else self._as_list(logs)

    def _as_list(self, logs: dict[str, Any]) -> Any:
        names = [name for name in self.metrics_names if name in logs]
        values = [logs[name] for name in names]
        values += [value for name, value in logs.items() if name not in names]
        return values[0] if len(values) == 1 else values

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Returns the outputs for data, as arrays.

        Args:
          x: As in `fit`; labels in a data set are not looked at.
          batch_size: As in `fit`.
          verbose: As in `fit`.
          steps: How many batches.
          callbacks: Callbacks, a list or one.
          max_queue_size: Accepted.
          workers: Accepted.
          use_multiprocessing: Accepted.

        Source: `tf.keras.Model.predict`.
        """
        _refuse_inside(self, "predict")
        verbose = 1 if verbose == "auto" else int(verbose)
        data = self._make_data(x, batch_size=batch_size, steps=steps)
        callbacks = _list_callbacks(self, callbacks, verbose, 1, data)
        callbacks.on_predict_begin()
        parts: list[Any] = []
        strategy = getattr(data, "strategy", None)
        pieces = data.epoch(0, one_by_one=True)
        if strategy is not None:
            pieces = data.own_pieces(0)
        for step, piece in enumerate(pieces):
            callbacks.on_predict_batch_begin(step)
            parts.append(None if piece is None else self._predict_piece(piece))
            callbacks.on_predict_batch_end(step, {"outputs": parts[-1]})
        if strategy is not None:
            # Loaded already.
            from graphopt.keras.training.ranks import join_predictions

            parts = join_predictions(parts, strategy)
        callbacks.on_predict_end()
        if not parts:
            raise ValueError("Expected input data to be non-empty: x has no examples.")
        return nest.map_structure(lambda *found: _join(found), *parts)

    def _predict_piece(self, piece: Piece) -> Any:
        if self._is_own("make_predict_function"):
            return self._run_piece("predict", piece, results=True)
        if self.predict_function is None:
            self.predict_function = self.make_predict_function()
        leaves = [EagerTensor(rows[0, ...]) for rows in piece.rows]
        found = self.predict_function(iter([without_none(piece.data, leaves)]))
        return nest.map_structure(as_numpy, found)

    # ---- one batch

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Trains on one batch; returns the loss and the metrics.

        Args:
          x: Inputs.
          y: Labels.
          sample_weight: Weights of examples.
          class_weight: From classes to factors of the weights of their examples.
          reset_metrics: Whether metrics are of this batch alone.
          return_dict: Whether to return a dict by names.

        Source: `tf.keras.Model.train_on_batch`.
        """
        _refuse_inside(self, "train_on_batch")
        self._require_compiled("train_on_batch")
        data = self._make_data(
            x, y, sample_weight, batch_size=_everything(x), class_weight=class_weight
        )
        return self._on_batch("train", data, reset_metrics, return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Evaluates one batch; as `train_on_batch`.

        Source: `tf.keras.Model.test_on_batch`.
        """
        _refuse_inside(self, "test_on_batch")
        self._require_compiled("test_on_batch")
        data = self._make_data(x, y, sample_weight, batch_size=_everything(x))
        return self._on_batch("test", data, reset_metrics, return_dict)

    def _on_batch(
        self, kind: str, data: Any, reset_metrics: bool, return_dict: bool
    ) -> Any:
        if reset_metrics:
            self.reset_metrics()
        logs: Any = None
        if hasattr(data, "strategy"):
            # Loaded by those who are several.
            from graphopt.keras.callbacks import CallbackList
            from graphopt.keras.training.ranks import run_epoch

            silent = CallbackList(model=self)
            logs = run_epoch(self, kind, data, 0, silent)
            return logs if return_dict else self._as_list(logs)
        for piece in data.epoch(0, one_by_one=True):
            logs = self._run_piece(kind, piece, results=True)
        logs = _scalars(logs)
        return logs if return_dict else self._as_list(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for one batch, as arrays.

        Source: `tf.keras.Model.predict_on_batch`.
        """
        _refuse_inside(self, "predict_on_batch")
        data = make_data(x, batch_size=_everything(x))
        return self._predict_piece(next(iter(data.epoch(0, one_by_one=True))))

    # ---- the names of earlier versions

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: Any = True,
        initial_epoch: int = 0,
    ) -> Any:
        """Trains on a generator; as `fit`."""
        return self.fit(
            generator,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            class_weight=class_weight,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
        )

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """Evaluates a generator; as `evaluate`."""
        return self.evaluate(
            generator, steps=steps, verbose=verbose, callbacks=callbacks
        )

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """Predicts for a generator; as `predict`."""
        return self.predict(
            generator, steps=steps, verbose=verbose, callbacks=callbacks
        )


def _list_callbacks(
    model: Any, callbacks: Any, verbose: int, epochs: int, data: Data
) -> Any:
    """Returns callbacks with a history and, unless it is to be silent, a bar."""
    # Loaded by those who train.
    from graphopt.keras.callbacks import CallbackList

    if isinstance(callbacks, CallbackList):
        return callbacks
    if hasattr(data, "strategy") and not is_writer():
        # One of several ranks shows how far they are.
        verbose = 0
    return CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=data.steps,
    )


def _refuse_inside(model: Any, what: str) -> None:
    """Raises inside of a function that is traced: these methods are loops of their own."""
    graph = building_graph()
    if graph is not None and graph.building_function:
        raise fail(
            RuntimeError,
            f"Detected a call to `Model.{what}` inside a `tf.function`; it is a loop of "
            "steps that are traced themselves",
            got=f"{type(model).__name__} {model.name!r}",
            expected="a call outside of the function",
            site=str(user_site()),
            remedy="calling the model itself inside",
        )


def _join(found: Sequence[Any]) -> Any:
    """Returns the outputs of all batches; scalars, one a batch, as a vector."""
    if np.ndim(found[0]) == 0:
        return np.stack(found)
    return np.concatenate(found)


def _is_due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _everything(x: Any) -> int:
    """The size of a batch that holds all examples."""
    leaf = nest.flatten(x)[0]
    count = np.shape(leaf)[0] if np.ndim(leaf) else len(nest.flatten(x))
    return max(1, int(count))


def _scalars(logs: Any) -> Any:
    """Returns logs as Python floats, arrays of one element included."""
    if not isinstance(logs, dict):
        if logs is None:
            return None
        logs = (
            {"loss": logs}
            if not isinstance(logs, (list, tuple))
            else dict(enumerate(logs))
        )
    return {name: _scalar(value) for name, value in logs.items()}


def _scalar(value: Any) -> Any:
    array: NDArray[Any] = np.asarray(as_numpy(value))
    return array.item() if array.size == 1 else array


def _warn_of_end(data: Any) -> None:
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset "
        "or generator can generate at least `steps_per_epoch * epochs` batches; you may "
        "need `repeat()` when building your dataset.",
        GraphoptWarning,
        stacklevel=4,
    )
