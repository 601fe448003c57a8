"""`OpLayer`: an op between layers of a model, as in `tf.keras.Input([4]) + 1`."""

from __future__ import annotations

from typing import Any

from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY
from graphopt.keras.layers.base import Layer
from graphopt.keras.settings import snake_case, unique_name


class OpLayer(Layer):
    """One op as a layer: what stands in a model where a function of `tf` was called.

    Args:
      op: The type of the op.
      attributes: Its static attributes.
      name: Its name.
      **kwargs: As in `Layer`.

    Source: `tf_keras.src.layers.core.tf_op_layer.TFOpLambda`.
    """

    def __init__(
        self,
        op: str,
        attributes: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["autocast"] = False
        super().__init__(name=name or unique_name(f"tf.{snake_case(op)}"), **kwargs)
        self.op = op
        # In a tuple, for lists and dicts are looked through for layers.
        self._attributes = (dict(attributes or {}),)
        self.built = True

    @property
    def attributes(self) -> dict[str, Any]:
        """The static attributes of the op."""
        return self._attributes[0]

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds or computes the op."""
        return call(REGISTRY[self.op], inputs, *args, **self.attributes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        # Loaded by those who save.
        from graphopt.keras.attributes import encode

        config = super().get_config()
        return {**config, "op": self.op, "attributes": encode(self.attributes)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OpLayer:
        """Makes a layer of what `get_config` returned."""
        from graphopt.keras.attributes import decode

        return cls(**{**config, "attributes": decode(config["attributes"])})
