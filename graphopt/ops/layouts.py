"""Where channels are: at the end, as ops compute, or after the batch, as some programs ask.

A tensor in the other layout is transposed before and after the op. Both are copies, so
`data_format="NHWC"` is faster; what is computed is the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.shaping import transpose

_LAST: Final = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
_FIRST: Final = {3: "NCW", 4: "NCHW", 5: "NCDHW"}


def is_channels_first(data_format: Any, rank: int, what: str) -> bool:
    """Returns whether channels come before the spatial dimensions.

    Raises:
      ValueError: It is no layout of so many dimensions.
    """
    if data_format in (None, "channels_last", _LAST[rank]):
        return False
    if data_format in ("channels_first", _FIRST[rank]):
        return True
    raise fail(
        ValueError,
        f"data_format of {what} must be {_LAST[rank]} or {_FIRST[rank]}",
        got=repr(data_format),
        expected=f"{_LAST[rank]!r} or {_FIRST[rank]!r}",
        site=str(user_site()),
    )


def to_channels_last(x: Any, rank: int) -> Any:
    """Moves channels from the second dimension to the last."""
    return transpose(hooks.convert(x), [0, *range(2, rank), 1])


def to_channels_first(x: Any, rank: int, name: str | None = None) -> Any:
    """Moves channels from the last dimension to the second."""
    return transpose(x, [0, rank - 1, *range(1, rank - 1)], name=name)


def reorder(numbers: Any, rank: int) -> Any:
    """Orders numbers, or pairs, for all dimensions as if channels were the last one."""
    if numbers is None or isinstance(numbers, str) or len(np.shape(numbers)) == 0:
        return numbers
    values = [*numbers]
    return values if len(values) != rank else [values[0], *values[2:], values[1]]
