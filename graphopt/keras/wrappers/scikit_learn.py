"""Models as estimators of scikit-learn: for its pipelines, searches and scores."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras.models import Model
from graphopt.keras.utils.arrays import to_categorical


def _accepts(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters


class BaseWrapper:
    """What the classifier and the regressor share.

    Args:
      build_fn: Returns a compiled model; or an object with such a `__call__`; None if a
        subclass defines `__call__`.
      model: Another name of `build_fn`, as SciKeras has it.
      **sk_params: Arguments of `build_fn`, and of `fit`, `predict` and `evaluate`.

    Raises:
      ValueError: Nobody takes an argument.
    """

    _estimator_type = ""

    def __init__(
        self,
        build_fn: Callable[..., Any] | None = None,
        *,
        model: Callable[..., Any] | None = None,
        **sk_params: Any,
    ) -> None:
        self.build_fn = model if build_fn is None else build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)
        self.model: Any = None
        self.history: Any = None

    def _builder(self) -> Any:
        if self.build_fn is None:
            return self.__call__  # type: ignore[operator]
        return self.build_fn

    def check_params(self, params: dict[str, Any]) -> None:
        """Refuses arguments that nobody takes.

        Raises:
          ValueError: There is one.
        """
        takers = [self._builder(), Model.fit, Model.predict, Model.evaluate]
        for name in params:
            if name != "nb_epoch" and not any(_accepts(each, name) for each in takers):
                raise ValueError(
                    f"{name} is not a legal parameter: neither the function that makes "
                    "the model nor fit, predict and evaluate take it."
                )

    def get_params(self, **_params: Any) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**copy.deepcopy(self.sk_params), "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Sets arguments of the constructor."""
        build_fn = params.pop("build_fn", None)
        self.build_fn = self.build_fn if build_fn is None else build_fn
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def filter_sk_params(
        self, fn: Any, override: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns those arguments that a function takes."""
        chosen = {k: v for k, v in self.sk_params.items() if _accepts(fn, k)}
        return chosen | (override or {})

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Makes a model and trains it.

        Args:
          x: `[examples, ...]`.
          y: `[examples]` or `[examples, outputs]`.
          **kwargs: Those of `Model.fit`.

        Returns:
          The history.
        """
        build = self._builder()
        self.model = build(**self.filter_sk_params(build))
        if _loss_name(self.model) == "categorical_crossentropy" and np.ndim(y) != 2:
            y = to_categorical(y)
        options = self.filter_sk_params(Model.fit, kwargs)
        self.history = self.model.fit(x, y, **options)
        return self.history

    def _evaluate(self, x: Any, y: Any, kwargs: dict[str, Any]) -> dict[str, float]:
        options = self.filter_sk_params(Model.evaluate, kwargs)
        found: dict[str, float] = self.model.evaluate(x, y, return_dict=True, **options)
        return found

    def _predict(self, x: Any, kwargs: dict[str, Any]) -> NDArray[Any]:
        if self.model is None:
            raise AttributeError(
                f"This {type(self).__name__} is not fitted yet. Call `fit` first."
            )
        options = self.filter_sk_params(Model.predict, kwargs)
        return np.asarray(self.model.predict(x, **options))

    def __sklearn_tags__(self) -> Any:
        """Says to scikit-learn what kind of estimator it is."""
        from sklearn import utils

        made = utils.Tags(
            estimator_type=self._estimator_type,
            target_tags=utils.TargetTags(required=True),
        )
        if self._estimator_type == "classifier":
            made.classifier_tags = utils.ClassifierTags()
        else:
            made.regressor_tags = utils.RegressorTags()
        return made

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None


def _loss_name(model: Any) -> str:
    loss = getattr(model, "loss", None)
    return str(getattr(loss, "__name__", getattr(loss, "name", loss)))


class KerasClassifier(BaseWrapper):
    """A classifier of scikit-learn that is a Keras model.

    Source: `tf.keras.wrappers.scikit_learn.KerasClassifier`.
    """

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Makes a model and trains it.

        Args:
          x: `[examples, ...]`.
          y: `[examples]`, classes of any kind, or `[examples, classes]`, rows of 0 and 1.
          **kwargs: Those of `Model.fit`.

        Returns:
          The history.

        Raises:
          ValueError: Another rank of `y`.
        """
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> NDArray[Any]:
        """Returns the class of each example."""
        chances = self._predict(x, kwargs)
        if chances.shape[-1] > 1:
            found = chances.argmax(axis=-1)
        else:
            found = (chances > 0.5).astype(np.int32)[:, 0]
        classes: NDArray[Any] = self.classes_[found]
        return classes

    def predict_classes(self, x: Any, **kwargs: Any) -> NDArray[Any]:
        """The same as `predict`."""
        return self.predict(x, **kwargs)

    def predict_proba(self, x: Any, **kwargs: Any) -> NDArray[Any]:
        """Returns the probability of each class, `[examples, classes]`."""
        chances = self._predict(x, kwargs)
        if chances.shape[1] == 1:
            return np.hstack([1 - chances, chances])
        return chances

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Returns the accuracy.

        Raises:
          ValueError: The model has no metric of that name.
        """
        y = np.asarray(y)
        if y.ndim == 1:
            y = np.searchsorted(self.classes_, y)
        if _loss_name(self.model) == "categorical_crossentropy" and y.ndim != 2:
            y = to_categorical(y, self.n_classes_)
        found = self._evaluate(x, y, kwargs)
        for name in ("accuracy", "acc"):
            if name in found:
                return float(found[name])
        raise ValueError(
            "The model is not configured to compute accuracy. You should pass "
            "`metrics=['accuracy']` to the `model.compile()` method."
        )


class KerasRegressor(BaseWrapper):
    """A regressor of scikit-learn that is a Keras model.

    Source: `tf.keras.wrappers.scikit_learn.KerasRegressor`.
    """

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> NDArray[Any]:
        """Returns the predictions; a last dimension of 1 is dropped."""
        found = self._predict(x, kwargs)
        return found[..., 0] if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Returns minus the loss: more is better."""
        return -float(self._evaluate(x, y, kwargs)["loss"])
