"""What all of Keras looks up: epsilon, default dtype and layout, learning phase, names."""

from __future__ import annotations

import re
from typing import Any

from graphopt.graph.context import building_graph


class Settings:
    """The values that `tf.keras.backend` sets and returns."""

    epsilon = 1e-7
    floatx = "float32"
    image_data_format = "channels_last"
    # None until a program sets it; then it is the default of `training`.
    learning_phase: Any = None
    session: Any = None
    # Whether programs initialize the variables of graphs of TensorFlow 1.
    initializes_by_hand = False
    uids: dict[str, int] = {}
    # How many layers of each kind were named, in eager mode.
    layer_counts: dict[str, int] = {}


def snake_case(name: str) -> str:
    """Returns the name of a class as names of layers have it.

    >>> snake_case("Conv2D"), snake_case("MLPBlock"), snake_case("_Hidden")
    ('conv2d', 'mlp_block', 'private__hidden')

    Source: `tf_keras.src.utils.generic_utils.to_snake_case`.
    """
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    words = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
    return f"private{words}" if words.startswith("_") else words


def unique_name(prefix: str, zero_based: bool = True) -> str:
    """Returns a name with a number behind it, from the second time on.

    Args:
      prefix: The name.
      zero_based: Whether the first has none; otherwise it has 1.
    """
    graph = building_graph()
    counts: dict[str, int] = Settings.layer_counts
    if graph is not None and graph.home is graph:
        counts = graph.attachments.setdefault("layers", {})
    count = counts.get(prefix, 0)
    counts[prefix] = count + 1
    number = count if zero_based else count + 1
    return f"{prefix}_{number}" if number else prefix


def reset_names() -> None:
    """Starts naming layers from the beginning, as `clear_session` does."""
    Settings.layer_counts = {}
