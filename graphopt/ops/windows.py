"""Where windows lie: output sizes and padding of convolutions and poolings.

TensorFlow's rules. VALID keeps to windows that lie inside; SAME gives
ceil(size / stride) outputs and pads for it, the odd element at the end; a convolution
may also be given its padding as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.provenance import user_site

Pair = tuple[int, int]
Padding = str | tuple[Pair, Pair]


class Axis(NamedTuple):
    """Windows along one dimension.

    Attributes:
      size: Elements of the input.
      window: Elements of a window.
      stride: From one window to the next.
      dilation: From one element of a window to the next.
      before, after: Padding.
      out: The number of windows.
    """

    size: int
    window: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int


def place_windows(
    size: int, window: int, stride: int, dilation: int, padding: str | Pair
) -> Axis:
    """Places windows along a dimension of known size; `out` may come out negative.

    >>> place_windows(5, 2, 2, 1, "SAME")[4:]
    (0, 1, 3)
    >>> place_windows(5, 2, 2, 1, "VALID")[4:]
    (0, 0, 2)
    """
    reach = (window - 1) * dilation + 1
    if padding == "SAME":
        out = -(-size // stride)
        total = max((out - 1) * stride + reach - size, 0)
        before, after = total // 2, total - total // 2
    else:
        before, after = (0, 0) if isinstance(padding, str) else padding
        out = (size + before + after - reach) // stride + 1
    return Axis(size, window, stride, dilation, before, after, out)


def place_both(
    sizes: Sequence[int], windows: Sequence[int], attrs: dict[str, Any]
) -> tuple[Axis, Axis]:
    """Places windows over height and width, as the attributes of an op say."""
    padding = attrs["padding"]
    dilations = attrs.get("dilations", (1, 1))
    rows, columns = (
        place_windows(
            sizes[k],
            windows[k],
            attrs["strides"][k],
            dilations[k],
            padding if isinstance(padding, str) else padding[k],
        )
        for k in (0, 1)
    )
    return rows, columns


def infer_outputs(
    x: Any, windows: Sequence[int | None], attrs: dict[str, Any], name: str
) -> list[int | None]:
    """Returns how many windows there are along height and width; None if unknown.

    Raises:
      InvalidArgumentError: A window is larger than the padded input.
    """
    found: list[int | None] = []
    for k in (0, 1):
        size, window = x.shape[1 + k], windows[k]
        same = attrs["padding"] == "SAME"
        if size is None or (window is None and not same):
            found.append(None)
            continue
        axis = place_both([size] * 2, [window or 1] * 2, attrs)[k]
        if axis.out < 0 or (axis.out == 0 and size > 0):
            raise fail(
                InvalidArgumentError,
                f"Negative dimension size caused by subtracting {window} from {size} "
                f"for {name}",
                got=describe_shapes(x),
                expected=f"at least {window} elements along dimension {1 + k}",
                site=str(user_site()),
                remedy='padding="SAME"',
            )
        found.append(axis.out)
    return found


def check_rank(x: Any, name: str, rank: int = 4) -> None:
    """Refuses what is not [batch, height, width, channels].

    Raises:
      InvalidArgumentError: The rank is another one.
    """
    if x.shape.rank not in (None, rank):
        raise fail(
            InvalidArgumentError,
            f"The input of {name} must have {rank} dimensions",
            got=describe_shapes(x),
            expected="[batch, height, width, channels]",
            site=str(user_site()),
        )


def pad_image(x: NDArray[Any], rows: Axis, columns: Axis, value: Any) -> NDArray[Any]:
    """Pads height and width with a value."""
    pads = [(0, 0), rows[4:6], columns[4:6], (0, 0)]
    return np.pad(x, pads, constant_values=value)


def window_elements(
    padded: NDArray[Any], rows: Axis, columns: Axis
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yields, for each element (i, j) of a window, its views over all windows."""
    for i in range(rows.window):
        top = i * rows.dilation
        down = slice(top, top + rows.stride * (rows.out - 1) + 1, rows.stride)
        for j in range(columns.window):
            left = j * columns.dilation
            stop = left + columns.stride * (columns.out - 1) + 1
            yield i, j, padded[:, down, left : stop : columns.stride]


# ---- arguments of public functions


def spatial_pair(value: Any, what: str) -> Pair:
    """Reads a number, or a list of 1, 2 or 4 numbers, as (height, width).

    Raises:
      ValueError: It is something else, or has steps over batch or channels.
    """
    numbers = [int(v) for v in np.ravel(np.asarray(value))]
    if len(numbers) == 4:
        if numbers[0] != 1 or numbers[3] != 1:
            raise NotImplementedError(
                f"{what}={numbers}: other numbers than 1 for batch and channels."
            )
        numbers = numbers[1:3]
    if len(numbers) == 1:
        numbers = numbers * 2
    if len(numbers) != 2 or min(numbers) < 1:
        raise fail(
            ValueError,
            f"{what} must be one number or a list of 2 or 4",
            got=repr(value),
            expected="positive numbers",
            site=str(user_site()),
        )
    return numbers[0], numbers[1]


def read_padding(padding: Any, what: str) -> Padding:
    """Reads "SAME", "VALID" or [[0, 0], [top, bottom], [left, right], [0, 0]].

    Raises:
      ValueError: It is something else.
    """
    if isinstance(padding, str):
        if padding.upper() in ("SAME", "VALID"):
            return padding.upper()
    else:
        pairs = np.asarray(padding)
        if pairs.shape == (4, 2) and not pairs[[0, 3]].any() and pairs.min() >= 0:
            rows, columns = pairs[1:3].tolist()
            return (rows[0], rows[1]), (columns[0], columns[1])
    raise fail(
        ValueError,
        f"padding of {what} must be 'SAME', 'VALID' or a list of four pairs",
        got=repr(padding),
        expected="[[0, 0], [top, bottom], [left, right], [0, 0]]",
        site=str(user_site()),
    )
