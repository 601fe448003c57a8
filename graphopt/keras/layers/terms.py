"""`WithTerms`: the terms of the loss and the metrics that a layer adds."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras.functional import (
    is_in_v1_graph,
    is_keras_tensor,
)
from graphopt.keras.layers.holding import Holder
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.runtime.variable import Variable


class WithTerms(Holder):
    """The part of a layer that adds to the loss and to the metrics."""

    activity_regularizer: Any

    # ---- terms of the loss

    def add_loss(self, losses: Any, **_options: Any) -> None:
        """Adds terms to `losses`.

        Args:
          losses: A tensor, which counts until the next call of the layer; a function
            without arguments that returns one, which stays; or a list of such.
          **_options: Accepted for compatibility.
        """
        internals = self._internals
        for loss in nest.flatten(losses):
            if loss is None:
                continue
            if callable(loss) and not isinstance(loss, (Variable, Tensor)):
                internals.terms.append(loss)
            elif is_keras_tensor(loss):
                self._add_symbolic_loss(loss)
            else:
                internals.call_terms.append(hooks.convert(loss))

    def _add_symbolic_loss(self, loss: Any) -> None:
        raise fail(
            ValueError,
            f"{self.name!r} is no model of layers between inputs and outputs, so that it "
            "cannot have a term of its tensors",
            got=repr(loss),
            expected="a call of `add_loss` on a functional model, or inside of `call`",
            site=str(user_site()),
        )

    @property
    def losses(self) -> list[Any]:
        """Scalars to add to the loss: of weights, and of outputs of the last call.

        Terms of weights are computed anew each time, so that a tape sees them.
        """
        graph = building_graph()
        found: list[Any] = []
        for layer in self._flatten_layers():
            # A tensor of another graph, or of eager mode, is no use here.
            found += [
                term
                for term in layer._internals.call_terms
                if getattr(term, "graph", None) is graph
            ]
            found += [term() for term in layer._internals.terms]
        return found

    def add_update(self, updates: Any) -> None:
        """Adds ops that a training step of TensorFlow 1 has to run.

        Args:
          updates: Ops, or functions that make them; elsewhere functions are called.
        """
        for update in nest.flatten(updates):
            made = update() if callable(update) else update
            if is_in_v1_graph() and made is not None:
                self._internals.updates.append(made)

    @property
    def updates(self) -> list[Any]:
        """What `add_update` was given, in a graph of TensorFlow 1."""
        if not is_in_v1_graph():
            return []
        layers = self._flatten_layers()
        return [update for layer in layers for update in layer._internals.updates]

    def _forget_call_terms(self) -> None:
        for layer in self._flatten_layers():
            layer._internals.call_terms = []

    def _add_activity_terms(self, outputs: Any) -> None:
        for output in nest.flatten(outputs):
            term = self.activity_regularizer(output)
            batch = cast(shape_of(output)[0], term.dtype)
            self._internals.call_terms.append(term / batch)

    # ---- metrics

    def add_metric(
        self, value: Any, name: str | None = None, aggregation: Any = None, **kw: Any
    ) -> None:
        """Adds a metric of a tensor, which `fit` and `evaluate` report.

        Args:
          value: The tensor, or the result of a metric that is an attribute.
          name: The metric's name.
          aggregation: `mean`, the default; None where `value` is a metric's result.
          **kw: None.
        """
        # Loaded by those who have metrics.
        from graphopt.keras.metrics import Mean

        if kw:
            raise TypeError(f"Unknown keyword arguments: {', '.join(kw)}.")
        if aggregation not in (None, "mean"):
            raise ValueError(
                "We currently support only `mean` sample-wise metric aggregation; got "
                f"aggregation={aggregation!r}."
            )
        if any(metric.is_last_result(value) for metric in self.metrics):
            # `self.add_metric(self.accuracy(y, x))`: it is an attribute and updated.
            return
        if name is None:
            raise ValueError(
                "Please provide a name for your metric, as in "
                "`self.add_metric(tf.reduce_sum(x), name='mean_activation')`."
            )
        if is_keras_tensor(value):
            self._add_symbolic_metric(value, name)
            return
        metric = self._internals.metrics.get(name)
        if metric is None:
            graph = building_graph()
            home = None if graph is None else graph.home
            with entered(home):
                metric = Mean(name=name)
            self._internals.metrics[name] = metric
        metric.update_state(value)

    def _add_symbolic_metric(self, value: Any, name: str) -> None:
        self._add_symbolic_loss(value)

    @property
    def metrics(self) -> list[Any]:
        """The metrics of it and of its layers."""
        found: dict[int, Any] = {}
        for layer in self._flatten_layers():
            for part in layer._list_parts(everything=True):
                if getattr(part, "is_metric", False):
                    found[id(part)] = part
            found |= {id(m): m for m in layer._internals.metrics.values()}
        return list(found.values())
