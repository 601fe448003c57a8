"""`HParams`: hyperparameters by name, which a string or JSON may override."""

from __future__ import annotations

import json
import re
from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site

_PAIR = re.compile(
    r"(?P<name>[a-zA-Z][\w\.]*)(\[(?P<place>\d+)\])?\s*=\s*"
    r"(?:(?P<value>[^,\[]*)|\[(?P<values>[^\]]*)\])(?:$|,)"
)


def _parse(text: str, kind: type, name: str) -> Any:
    text = text.strip()
    try:
        if kind is bool:
            known = {"true": True, "false": False, "True": True, "False": False}
            return known[text] if text in known else bool(int(text))
        return kind(text)
    except (ValueError, TypeError):
        raise fail(
            ValueError,
            f"Could not parse hparam {name!r} of type {kind.__name__!r}",
            got=repr(text),
            site=str(user_site()),
        ) from None


def parse_values(values: str, type_map: dict[str, type]) -> dict[str, Any]:
    """Reads `name=value` pairs, separated by commas.

    Args:
      values: The text; lists are in square brackets, `name[2]=value` is one element.
      type_map: The type of each name, of lists that of an element.

    Returns:
      Values by name; elements of lists as a dict by their places.

    Raises:
      ValueError: The text is malformed, or a name is unknown.

    >>> parse_values("a=1,b=[0.5, 2],c=true", {"a": int, "b": float, "c": bool})
    {'a': 1, 'b': [0.5, 2.0], 'c': True}

    Source: `tf.contrib.training.parse_values`.
    """
    found: dict[str, Any] = {}
    place = 0
    while place < len(values):
        match = _PAIR.match(values, place)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {values[place:]}")
        place = match.end()
        name = match["name"]
        if name not in type_map:
            raise ValueError(f"Unknown hyperparameter type for {name}")
        kind = type_map[name]
        if match["values"] is not None:
            parts = [p for p in re.split("[ ,]", match["values"]) if p]
            found[name] = [_parse(part, kind, name) for part in parts]
        elif match["place"] is not None:
            element = _parse(match["value"], kind, name)
            found.setdefault(name, {})[int(match["place"])] = element
        else:
            found[name] = _parse(match["value"], kind, name)
    return found


class HParams:
    """Hyperparameters, as attributes.

    Args:
      hparam_def: Must be None.
      model_structure: Kept for whoever asks for it.
      **kwargs: The hyperparameters: numbers, bools, strings, or lists of them.

    Raises:
      ValueError: A name is taken, or a list is empty.

    >>> hparams = HParams(learning_rate=0.1, units=[3, 4])
    >>> hparams.parse("learning_rate=0.5,units=[7]").learning_rate, hparams.units
    (0.5, [7])

    Source: `tf.contrib.training.HParams`.
    """

    def __init__(
        self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any
    ) -> None:
        if hparam_def is not None:
            raise NotImplementedError("HParams of a HParamDef; give names and values.")
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyperparameter, whose type is that of its value."""
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        is_list = isinstance(value, (list, tuple))
        if is_list and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
        setattr(self, name, value)

    def del_hparam(self, name: str) -> None:
        """Removes a hyperparameter, if there is one of that name."""
        if name in self._hparam_types:
            delattr(self, name)
            del self._hparam_types[name]

    def set_hparam(self, name: str, value: Any) -> None:
        """Sets a hyperparameter.

        Raises:
          ValueError: It is a list and the value is none, or the other way round, or the
            value is of another type.
        """
        kind, is_list = self._hparam_types[name]
        if isinstance(value, (list, tuple)) != is_list:
            wanted = (
                "pass a list for multi-valued" if is_list else "not pass a list for"
            )
            raise ValueError(f"Must {wanted} parameter: {name}.")
        convert = [
            self._convert(name, v, kind) for v in (value if is_list else [value])
        ]
        setattr(self, name, convert if is_list else convert[0])

    @staticmethod
    def _convert(name: str, value: Any, kind: type) -> Any:
        if value is None or isinstance(value, kind) or kind is type(None):
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind is float and is_number:
            return float(value)
        if kind is int and is_number and float(value).is_integer():
            return int(value)
        raise fail(
            ValueError,
            f"Could not cast hparam {name!r} of type {kind.__name__!r}",
            got=repr(value),
            site=str(user_site()),
        )

    def parse(self, values: str) -> HParams:
        """Overrides hyperparameters by a string; as `parse_values`."""
        kinds = {name: kind for name, (kind, _) in self._hparam_types.items()}
        for name, value in parse_values(values, kinds).items():
            if isinstance(value, dict):
                elements = list(getattr(self, name))
                for place, element in value.items():
                    elements[place] = element
                value = elements
            self.set_hparam(name, value)
        return self

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Overrides hyperparameters by those of a dict."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Overrides hyperparameters by those of a JSON object."""
        return self.override_from_dict(json.loads(values_json))

    def set_from_map(self, values_map: dict[str, Any]) -> HParams:
        """Overrides hyperparameters by those of a dict."""
        return self.override_from_dict(values_map)

    def set_model_structure(self, model_structure: Any) -> None:
        """Keeps a model structure."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """Returns the model structure."""
        return self._model_structure

    def to_json(
        self, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        """Returns the hyperparameters as JSON; functions are left out."""
        values = {k: v for k, v in self.values().items() if not callable(v)}
        return json.dumps(
            values, indent=indent, separators=separators, sort_keys=sort_keys
        )

    def values(self) -> dict[str, Any]:
        """Returns the hyperparameters by name."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        """Returns a hyperparameter, or the default if there is none of that name."""
        return getattr(self, key) if key in self._hparam_types else default

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"
