"""`ModelSteps`: what `compile` settles, and the steps of a model, which may be overridden."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.autodiff.tape import GradientTape
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.training.data import (
    Piece,
    batch_piece,
    unpack_x_y_sample_weight,
    without_none,
)
from graphopt.ops.creation import placeholder
from graphopt.parallel.strategy import get_strategy, has_strategy
from graphopt.runtime.concrete_function import FunctionGraph


class ModelSteps:
    """The part of a model that knows how it is trained, and runs a step."""

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
        self._training = Training()

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
            wrapped = _mix(self, optimizers.get(optimizer))
        self.optimizer = wrapped
        names: Any = None
        if self._network is not None:
            names = self.output_names  # type: ignore[attr-defined]
        self.loss = loss
        self.compiled_loss = CompiledLosses(loss, loss_weights, names)
        self.compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names)
        training = self._training
        training.is_compiled = True
        if has_strategy():
            training.strategy = get_strategy()
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
    def distribute_strategy(self) -> Any:
        """The strategy in whose scope the model was made or compiled."""
        found = self._training.strategy
        return get_strategy() if found is None else found

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
            piece = batch_piece(as_numpy(next(iterator)))
            return self._run_piece(kind, piece, results=True)

        return run

    # ---- steps

    def _step_function(self, kind: str, on_ranks: bool = False) -> Callable[[Any], Any]:
        method = getattr(self, f"{kind}_step")
        if on_ranks:
            # Loaded by those who are several.
            from graphopt.keras.training.ranks import step_of_parts

            converted = hooks.convert_function(method)
            run = step_of_parts(converted, self._training.strategy)
        else:
            run = hooks.convert_function(method)

        def step(data: Any) -> Any:
            with self._trainable_as_compiled():
                return run(data)

        step.__name__ = f"{kind}_step"
        return step

    def _is_own(self, *names: str) -> bool:
        """Whether none of these methods is overridden."""
        return all(
            getattr(type(self), name) is getattr(ModelSteps, name) for name in names
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
        # The rows of a rank run as another step.
        plain = getattr(piece, "plain", None)
        key = kind if plain is None else f"{kind} on ranks"
        steps = training.steps.get(key)
        if steps is None:
            with self._trainable_as_compiled():
                self._prepare(kind, piece if plain is None else plain)
            function = self._step_function(kind, plain is not None)
            steps = training.steps[key] = Steps(function)
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
        method = self._step_function(kind, hasattr(piece, "plain"))
        for i in range(piece.steps):
            leaves = [EagerTensor(rows[i, ...]) for rows in piece.rows]
            found = method(without_none(piece.data, leaves))
        return nest.map_structure(as_numpy, found)

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


class Training:
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
        # The strategy in whose scope the model was made or compiled.
        self.strategy: Any = get_strategy() if has_strategy() else None
        # In a graph of TensorFlow 1: for which metrics, and their results.
        self.results: tuple[Any, dict[str, Any]] | None = None


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


def _mix(model: Any, optimizer: Any) -> Any:
    """Scales the loss where the model computes in float16."""
    if model.dtype_policy.name != "mixed_float16" or optimizer is None:
        return optimizer
    # Loaded by those who mix.
    from graphopt.keras.optimizers.loss_scale import LossScaleOptimizer

    if isinstance(optimizer, LossScaleOptimizer):
        return optimizer
    return LossScaleOptimizer(optimizer)


def as_numpy(value: Any) -> Any:
    """Returns a nest with arrays in place of eager tensors."""
    if isinstance(value, EagerTensor):
        return value.array
    if nest.is_nested(value):
        return nest.map_structure(as_numpy, value)
    return value
