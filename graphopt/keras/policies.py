"""Dtype policies: what layers compute in, and what their variables are kept in."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import as_dtype
from graphopt.keras.settings import Settings


class Policy:
    """The dtypes of a layer.

    Args:
      name: A dtype for both, `mixed_float16` or `mixed_bfloat16`.

    Attributes:
      compute_dtype: The name of the dtype of computations and outputs.
      variable_dtype: That of variables.

    Raises:
      TypeError: `name` is no string.
      ValueError: No policy has that name.

    >>> import graphopt as tf
    >>> policy = tf.keras.mixed_precision.Policy("mixed_float16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('float16', 'float32')

    Source: `tf.keras.mixed_precision.Policy`.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(
                f"'name' must be a string, such as 'mixed_float16'; got {name!r}."
            )
        self._name = name
        if name.startswith("mixed_"):
            compute = name.removeprefix("mixed_")
            if compute == "bfloat16":
                raise NotImplementedError(
                    "mixed_bfloat16: there is no arithmetic in bfloat16 here; use "
                    "mixed_float16 or float32."
                )
            if compute != "float16":
                raise ValueError(f"Cannot convert value {name} to a mixed policy.")
            self.compute_dtype, self.variable_dtype = compute, "float32"
            return
        try:
            found = as_dtype(name).name
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Cannot convert value {name} to a mixed precision Policy; expected a "
                "dtype, or 'mixed_float16'."
            ) from error
        self.compute_dtype = self.variable_dtype = found

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Policy:
        """Makes one of what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<Policy "{self._name}">'


class _Global:
    """The policy of layers that are given none; None for `floatx`."""

    policy: Policy | None = None


def global_policy() -> Policy:
    """Returns the policy of layers without a dtype of their own.

    Source: `tf.keras.mixed_precision.global_policy`.
    """
    return _Global.policy or Policy(Settings.floatx)


def set_global_policy(policy: Any) -> None:
    """Sets the policy of layers that are made from now on.

    Args:
      policy: A policy or its name; None for that of `floatx`.

    Source: `tf.keras.mixed_precision.set_global_policy`.
    """
    _Global.policy = None if policy is None else as_policy(policy)


def as_policy(value: Any) -> Policy:
    """Returns the policy of a dtype, a name, a config or a policy; None: the global one."""
    if value is None:
        return global_policy()
    if isinstance(value, Policy):
        return value
    if isinstance(value, dict):
        return Policy(**value.get("config", value))
    if isinstance(value, str) and value.startswith("mixed_"):
        return Policy(value)
    return Policy(as_dtype(value).name)
