"""For which version of TensorFlow a program was written, from the names it uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graphopt.aliases.missing import has_name
from graphopt.aliases.usage import Use, uses_of_program

# What only version 1 has, whether it is there or not.
ONLY_1 = (
    "contrib",
    "examples",
    "python_io",
    "app",
    "flags",
    "gfile",
    "logging",
    "layers",
)


def find_version(script: str | Path) -> int | None:
    """Returns for which version of TensorFlow a script was written.

    Args:
      script: Its path.

    Returns:
      1, 2, or None where neither it nor a module beside it imports TensorFlow or Keras.
    """
    uses, _ = uses_of_program([Path(script)])
    return version_of(uses)


def version_of(uses: Sequence[Use]) -> int | None:
    """Returns the version whose names a program uses: of the two the one with more.

    `tf.compat.v1.X` is a name of version 2.

    >>> from graphopt.aliases.usage import uses_of
    >>> version_of(uses_of("import tensorflow as tf\\ntf.Session()"))
    1
    >>> version_of(uses_of("import tensorflow.compat.v1 as tf\\ntf.Session()"))
    2
    """
    if not uses:
        return None
    counts = {1: 0, 2: 0}
    paths = {use.path for use in uses if not use.tentative}
    for path in paths:
        head = path.split(".")[0]
        if head in ("", "python"):
            continue
        in_1 = head in ONLY_1 or has_name("graphopt.compat.v1", path)
        in_2 = head not in ONLY_1 and has_name("graphopt", path)
        if head == "compat":
            in_1 = False
        if in_1 != in_2:
            counts[1 if in_1 else 2] += 1
    if "GradientTape" in paths and not any("enable_eager" in path for path in paths):
        counts[2] += 1
    return 1 if counts[1] > counts[2] else 2
