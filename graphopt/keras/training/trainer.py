"""`Trainer`: `compile`, `fit`, `evaluate`, `predict` and the steps that may be overridden."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.autodiff.tape import GradientTape
from graphopt.errors import GraphoptWarning, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.training.adapters import Data, make_data, split_off
from graphopt.keras.training.data import (
    Piece,
    batch_piece,
    unpack_x_y_sample_weight,
    without_none,
)
from graphopt.ops.creation import placeholder
from graphopt.ops.random import seeds
from graphopt.runtime.concrete_function import FunctionGraph

# Metrics are shown at most so often.
SECONDS_BETWEEN_LOOKS = 0.1


class Trainer:
    """What a `Model` needs for training; mixed into it."""

    # What `Layer` and `Model` provide.
    name: str
    built: bool
    losses: list[Any]
    trainable_variables: Any
    _network: Any

    def _ready_to_train(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.stop_training = False
        self.history: Any = None
        self.train_function: Any = None
        self.test_function: Any = None
        self.predict_function: Any = None
        self._training = _Training()

    def _forget_functions(self) -> None:
        """Drops traces, because layers or what to train have changed."""
        self._training.steps.clear()
        self.train_function = self.test_function = self.predict_function = None

    # ---- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool | None = None,
        steps_per_execution: Any = None,
        jit_compile: bool | None = None,
        pss_evaluation_shards: int = 0,
        **kwargs: Any,
    ) -> None:
        """Says how to train.

        Args:
          optimizer: An optimizer, or its name.
          loss: A loss, its name or a function of labels and predictions; for several
            outputs a list or a dict by names.
          metrics: A list of metrics, names or functions; for several outputs a list of
            lists, or a dict by names.
          loss_weights: Factors of the losses of several outputs.
          weighted_metrics: Metrics that take weights of examples into account.
          run_eagerly: Whether steps are Python, run op by op, for debugging.
          steps_per_execution: Accepted: without callbacks for batches, as many steps as
            fit in 50 ms run in one native call.
          jit_compile: Accepted: every step is compiled.
          pss_evaluation_shards: Accepted.
          **kwargs: `sample_weight_mode` and `target_tensors` must be None.

        Raises:
          ValueError: A name that is unknown.

        Source: `tf.keras.Model.compile`.
        """
        # Loaded by those who train.
        from graphopt.keras import optimizers
        from graphopt.keras.training.outputs import CompiledLosses, CompiledMetrics
        from graphopt.keras.training.v1_optimizers import wrap_optimizer

        for name in ("sample_weight_mode", "target_tensors", "distribute"):
            if kwargs.pop(name, None) is not None:
                raise NotImplementedError(f"Model.compile({name}=...).")
        for name in ("experimental_run_tf_function", "from_serialized", "cloning"):
            kwargs.pop(name, None)
        if kwargs:
            raise TypeError(
                f"Invalid keyword argument(s) in `compile()`: {', '.join(kwargs)}."
            )
        _refuse_unknown(loss, metrics, weighted_metrics)
        wrapped = wrap_optimizer(optimizer)
        if wrapped is optimizer:
            wrapped = _mixed(self, optimizers.get(optimizer))
        self.optimizer = wrapped
        names: Any = None
        if self._network is not None:
            names = self.output_names  # type: ignore[attr-defined]
        self.loss = loss
        self.compiled_loss = CompiledLosses(loss, loss_weights, names)
        self.compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names)
        training = self._training
        training.is_compiled = True
        layers = self._flatten_layers()  # type: ignore[attr-defined]
        training.trainable = {id(layer): layer._trainable for layer in layers}
        training.runs_eagerly = bool(run_eagerly)
        training.arguments = {
            "optimizer": self.optimizer,
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
        }
        self._forget_functions()

    @property
    def run_eagerly(self) -> bool:
        """Whether steps are Python, run op by op."""
        # Loaded anyway.
        from graphopt.config import settings

        return self._training.runs_eagerly or settings.functions_run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._training.runs_eagerly = bool(value)

    def _require_compiled(self, what: str) -> None:
        if not self._training.is_compiled:
            raise fail(
                RuntimeError,
                "You must compile your model before training/testing. Use "
                "`model.compile(optimizer, loss)`",
                got=f"`{what}` of a model that is not compiled",
                expected="`compile` before",
                site=str(user_site()),
            )

    @property
    def metrics(self) -> list[Any]:
        """The metrics: of the loss, of `compile`, and of layers."""
        found: list[Any] = []
        if self._training.is_compiled:
            found += self.compiled_loss.metrics
            found += self.compiled_metrics.metrics
        found += super().metrics  # type: ignore[misc]
        return list({id(metric): metric for metric in found}.values())

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`, in the order of what `evaluate` returns."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Begins counting anew."""
        for metric in self.metrics:
            metric.reset_state()

    # ---- what may be overridden

    def train_step(self, data: Any) -> Any:
        """Trains on a batch: forward, loss, gradients, update, metrics.

        Args:
          data: What the data gives: x, (x, y) or (x, y, sample_weight).

        Returns:
          A dict from names to values; by default the results of the metrics.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            predictions = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x, y, predictions, sample_weight)
        self._require_loss(loss, y)
        if self.trainable_variables:
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return self.compute_metrics(x, y, predictions, sample_weight)

    def test_step(self, data: Any) -> Any:
        """Evaluates a batch; as `train_step`, without an update."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        predictions = self(x, training=False)  # type: ignore[operator]
        self.compute_loss(x, y, predictions, sample_weight)
        return self.compute_metrics(x, y, predictions, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)  # type: ignore[operator]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Returns the whole loss of a batch, terms of layers included; None if none.

        Args:
          x: Inputs.
          y: Labels.
          y_pred: Outputs.
          sample_weight: Weights of examples.
        """
        return self.compiled_loss(y, y_pred, sample_weight, self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        """Counts a batch in the metrics; returns their results by name."""
        self.compiled_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the results of the metrics by name."""
        found: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            if isinstance(result, dict):
                found.update(result)
            else:
                found[metric.name] = result
        return found

    def _require_loss(self, loss: Any, y: Any) -> None:
        if loss is not None:
            return
        if self.loss is not None and y is None:
            raise fail(
                ValueError,
                f"Target data is missing. Your model was compiled with loss={self.loss!r},"
                " and therefore expects target data to be provided in `fit()`",
                got="y=None",
                expected="labels",
                site=str(user_site()),
            )
        raise fail(
            ValueError,
            "No loss found. You may have forgotten to provide a `loss` argument in the "
            "`compile()` method",
            got="compile(loss=None), and no layer adds a loss",
            expected="a loss",
            site=str(user_site()),
            remedy='model.compile(optimizer, "mse")',
        )

    def make_train_function(self, force: bool = False) -> Callable[[Any], Any]:
        """Returns a function that takes an iterator and trains on its next batch."""
        return self._make_function("train", force)

    def make_test_function(self, force: bool = False) -> Callable[[Any], Any]:
        """Returns a function that takes an iterator and evaluates its next batch."""
        return self._make_function("test", force)

    def make_predict_function(self, force: bool = False) -> Callable[[Any], Any]:
        """Returns a function that takes an iterator and predicts its next batch."""
        return self._make_function("predict", force)

    def _make_function(self, kind: str, force: bool) -> Callable[[Any], Any]:
        if force:
            self._training.steps.pop(kind, None)

        def run(iterator: Any) -> Any:
            piece = batch_piece(_as_numpy(next(iterator)))
            return self._run_piece(kind, piece, results=True)

        return run

    # ---- steps

    def _step_function(self, kind: str) -> Callable[[Any], Any]:
        method = getattr(self, f"{kind}_step")

        def step(data: Any) -> Any:
            with self._trainable_as_compiled():
                return hooks.convert_function(method)(data)

        step.__name__ = f"{kind}_step"
        return step

    def _is_own(self, *names: str) -> bool:
        """Whether none of these methods is overridden."""
        return all(
            getattr(type(self), name) is getattr(Trainer, name) for name in names
        )

    def _logs_are_metrics(self, kind: str) -> bool:
        """Whether what a step returns are the results of the metrics."""
        return self._is_own(f"{kind}_step", "compute_metrics", "get_metrics_result")

    def _run_piece(self, kind: str, piece: Piece, results: bool) -> Any:
        """Runs the steps of a piece; returns what the last one returned, as arrays."""
        if is_in_v1_graph():
            return self._run_in_graph(kind, piece, results)
        if self.run_eagerly:
            return self._run_eagerly(kind, piece)
        # Loaded by those who train.
        from graphopt.keras.training.steps import Steps

        training = self._training
        steps = training.steps.get(kind)
        if steps is None:
            with self._trainable_as_compiled():
                self._prepare(kind, piece)
            steps = training.steps[kind] = Steps(self._step_function(kind))
        arrays = [rows[0, ...] for rows in piece.rows]
        trace = steps.find(piece.data, arrays, piece.shapes)
        if piece.steps == 1:
            return trace.run(arrays, results)
        return trace.run_many(piece.rows, piece.steps, results)

    def _run_in_graph(self, kind: str, piece: Piece, results: bool) -> Any:
        """As `_run_piece`, in a graph of TensorFlow 1 and the session of Keras."""
        # Loaded by those who train there.
        from graphopt.keras.training.graph_steps import GraphSteps

        steps = self._training.steps.get(kind)
        if steps is None:
            method = getattr(self, f"{kind}_step")
            steps = self._training.steps[kind] = GraphSteps(method)
        return steps.run(piece, results)

    @contextlib.contextmanager
    def _trainable_as_compiled(self) -> Iterator[None]:
        """Lets `trainable` of layers be, in the block, what it was at `compile`.

        Setting it later takes effect with the next `compile`, as Keras documents it: of two
        models that share layers, one may train what the other keeps.
        """
        then = self._training.trainable
        layers = list(self._flatten_layers())  # type: ignore[attr-defined]
        now = [(layer, layer._trainable) for layer in layers]
        for layer, _ in now:
            layer._trainable = then.get(id(layer), layer._trainable)
        try:
            yield
        finally:
            for layer, value in now:
                layer._trainable = value

    def _run_eagerly(self, kind: str, piece: Piece) -> Any:
        found = None
        method = self._step_function(kind)
        for i in range(piece.steps):
            leaves = [EagerTensor(rows[i, ...]) for rows in piece.rows]
            found = method(without_none(piece.data, leaves))
        return nest.map_structure(_as_numpy, found)

    def _prepare(self, kind: str, piece: Piece) -> None:
        """Makes weights, metrics and slots before the trace, so that one trace is enough."""
        if not self._is_own(f"{kind}_step") or self.run_eagerly:
            return
        graph = FunctionGraph(f"shapes_of_{self.name}")
        with entered(graph):
            leaves = [
                placeholder(EagerTensor(rows[0, ...]).dtype, [None, *rows.shape[2:]])
                for rows in piece.rows
            ]
            x, y, _ = unpack_x_y_sample_weight(without_none(piece.data, leaves))
            if not self._is_own("compute_loss", "compute_metrics") or kind == "predict":
                if not self.built:
                    self(x, training=kind == "train")  # type: ignore[operator]
            else:
                predictions = self(x, training=kind == "train")  # type: ignore[operator]
                if not self.compiled_loss.built:
                    self.compiled_loss.build(predictions)
                if not self.compiled_metrics.built:
                    self.compiled_metrics.build(y, predictions)
        if kind == "train" and self.optimizer is not None:
            self.optimizer._create_all_weights(list(self.trainable_variables))

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
        # Loaded by those who train.
        from graphopt.keras.callbacks import CallbackList

        _refuse_inside(self, "fit")
        self._require_compiled("fit")
        verbose = 1 if verbose == "auto" else int(verbose)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off(
                x, y, sample_weight, validation_split
            )
        data = make_data(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
            seed=seeds.next(),
            epochs=epochs,
        )
        validation = _make_validation(
            validation_data, validation_batch_size or batch_size, validation_steps
        )
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                verbose=verbose,
                epochs=epochs,
                steps=data.steps,
            )
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
            if self.stop_training:
                break
            if getattr(data, "ran_out", False):
                _warn_of_end(data)
                break
        callbacks.on_train_end(logs)
        return self.history

    def _find_beginning(self, epoch: int, steps: int | None) -> tuple[int, int]:
        """Returns the epoch and the batch where a run, maybe a restored one, begins."""
        state = getattr(self, "_training_state", None)
        if state is None:
            return epoch, 0
        first, batch = state.initial_counters(epoch, steps)
        return int(first), int(batch)

    def _run_epoch(
        self, kind: str, data: Data, epoch: int, callbacks: Any, skip: int = 0
    ) -> Any:
        """Runs the steps of an epoch, but for the first ones; returns the logs."""
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
            logs = _scalars(nest.map_structure(_as_numpy, found))
            end(step, logs)
            if self.stop_training and kind == "train":
                break
        return logs

    def _current_logs(self) -> dict[str, Any]:
        if is_in_v1_graph():
            # Loaded by those who train there.
            from graphopt.keras.training.graph_steps import fetch_results

            return fetch_results(self)
        return {k: _as_numpy(v) for k, v in self.get_metrics_result().items()}

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
        return logs  # type: ignore[no-any-return]

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
        from graphopt.keras.callbacks import CallbackList

        _refuse_inside(self, "evaluate")
        self._require_compiled("evaluate")
        if kwargs:
            raise TypeError(f"Invalid keyword arguments: {', '.join(kwargs)}.")
        verbose = 1 if verbose == "auto" else int(verbose)
        data = make_data(x, y, sample_weight, batch_size=batch_size, steps=steps)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                verbose=verbose,
                epochs=1,
                steps=data.steps,
            )
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
        from graphopt.keras.callbacks import CallbackList

        _refuse_inside(self, "predict")
        verbose = 1 if verbose == "auto" else int(verbose)
        data = make_data(x, batch_size=batch_size, steps=steps)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                verbose=verbose,
                epochs=1,
                steps=data.steps,
            )
        callbacks.on_predict_begin()
        parts: list[Any] = []
        for step, piece in enumerate(data.epoch(0, one_by_one=True)):
            callbacks.on_predict_batch_begin(step)
            parts.append(self._predict_piece(piece))
            callbacks.on_predict_batch_end(step, {"outputs": parts[-1]})
        callbacks.on_predict_end()
        if not parts:
            raise ValueError("Expected input data to be non-empty: x has no examples.")
        return nest.map_structure(lambda *found: _joined(found), *parts)

    def _predict_piece(self, piece: Piece) -> Any:
        if self._is_own("make_predict_function"):
            return self._run_piece("predict", piece, results=True)
        if self.predict_function is None:
            self.predict_function = self.make_predict_function()
        leaves = [EagerTensor(rows[0, ...]) for rows in piece.rows]
        found = self.predict_function(iter([without_none(piece.data, leaves)]))
        return nest.map_structure(_as_numpy, found)

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
        data = make_data(
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
        data = make_data(x, y, sample_weight, batch_size=_everything(x))
        return self._on_batch("test", data, reset_metrics, return_dict)

    def _on_batch(
        self, kind: str, data: Data, reset_metrics: bool, return_dict: bool
    ) -> Any:
        if reset_metrics:
            self.reset_metrics()
        logs: Any = None
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


class _Training:
    """What a model keeps about its training.

    Attributes:
      steps: The traced steps, by kind.
      trainable: By the ids of layers, whether they were trainable at `compile`.
      arguments: What `compile` was given.
    """

    def __init__(self) -> None:
        self.is_compiled = False
        self.runs_eagerly = False
        self.steps: dict[str, Any] = {}
        self.trainable: dict[int, bool] = {}
        self.arguments: dict[str, Any] = {}
        # The batch of the last step, while callbacks look at each.
        self.piece: Piece | None = None
        # In a graph of TensorFlow 1: for which metrics, and their results.
        self.results: tuple[Any, dict[str, Any]] | None = None


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


def _refuse_unknown(loss: Any, metrics: Any, weighted: Any) -> None:
    """Raises where a name is that of nothing, before any data comes."""
    # Loaded by those who train.
    from graphopt.keras import losses as all_losses
    from graphopt.keras import metrics as all_metrics
    from graphopt.keras.training.outputs import _BY_SHAPE

    for name in nest.flatten(loss):
        if isinstance(name, str):
            all_losses.get(name)
    for name in nest.flatten((metrics, weighted)):
        if isinstance(name, str) and name.lower() not in _BY_SHAPE:
            all_metrics.require(name)


def _mixed(model: Any, optimizer: Any) -> Any:
    """Scales the loss where the model computes in float16."""
    if model.dtype_policy.name != "mixed_float16" or optimizer is None:
        return optimizer
    # Loaded by those who mix.
    from graphopt.keras.optimizers.loss_scale import LossScaleOptimizer

    if isinstance(optimizer, LossScaleOptimizer):
        return optimizer
    return LossScaleOptimizer(optimizer)


def _joined(found: Sequence[Any]) -> Any:
    """Returns the outputs of all batches; scalars, one a batch, as a vector."""
    if np.ndim(found[0]) == 0:
        return np.stack(found)
    return np.concatenate(found)


def _make_validation(
    given: Any, batch_size: int | None, steps: int | None
) -> Data | None:
    if given is None:
        return None
    if isinstance(given, (tuple, list)):
        x, y, weight = unpack_x_y_sample_weight(tuple(given))
        return make_data(x, y, weight, batch_size=batch_size, steps=steps)
    return make_data(given, steps=steps)


def _is_due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _everything(x: Any) -> int:
    """The size of a batch that holds all examples."""
    leaf = nest.flatten(x)[0]
    count = np.shape(leaf)[0] if np.ndim(leaf) else len(nest.flatten(x))
    return max(1, int(count))


def _as_numpy(value: Any) -> Any:
    if isinstance(value, EagerTensor):
        return value.array
    if nest.is_nested(value):
        return nest.map_structure(_as_numpy, value)
    return value


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
    array: NDArray[Any] = np.asarray(_as_numpy(value))
    return array.item() if array.size == 1 else array


def _warn_of_end(data: Any) -> None:
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset "
        "or generator can generate at least `steps_per_epoch * epochs` batches; you may "
        "need `repeat()` when building your dataset.",
        GraphoptWarning,
        stacklevel=4,
    )
