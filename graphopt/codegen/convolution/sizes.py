"""The sizes of a convolution, which kernels know by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from graphopt.codegen.kernel import Kernel
from graphopt.dtypes import DType, float32, float64
from graphopt.ops.windows import Axis
from graphopt.schedule.steps import Call

__all__ = ["SIZES", "Convolution"]

SIZES: Final = "batch, h, w, c, kh, kw, oh, ow, sh, sw, top, left, dh, dw, out"
"""The parameters of a kernel that needs all of them."""
_DTYPES: Final = {"float32": float32, "float64": float64}


@dataclass(frozen=True)
class Convolution:
    """The sizes of a convolution or a pooling.

    Attributes:
      dtype: Name of the element type.
      batch: Images.
      channels, out: Channels of the image and of the result.
      rows, columns: Where the windows lie.
    """

    dtype: str
    batch: int
    channels: int
    out: int
    rows: Axis
    columns: Axis

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def element(self) -> DType:
        """The element type, a float."""
        return _DTYPES[self.dtype]

    @property
    def depth(self) -> int:
        """Elements of a window."""
        return self.rows.window * self.columns.window * self.channels

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return self.batch * self.rows.out * self.columns.out

    @property
    def is_product(self) -> bool:
        """Whether an image is its own patches."""
        return all(
            axis.window == axis.stride == 1 and axis.before == axis.after == 0
            for axis in (self.rows, self.columns)
        )

    def transpose(self) -> Convolution:
        """Returns the convolution of the result's derivative that gives the image's.

        Steps between pixels have to be 1.
        """
        rows, columns = _transpose(self.rows), _transpose(self.columns)
        convolution = replace(self, channels=self.out, out=self.channels)
        return replace(convolution, rows=rows, columns=columns)

    def call(
        self, kernel: Kernel, extent: int, cost: float = 0.0, **arguments: Any
    ) -> Call:
        """Returns a call of a kernel with the sizes that it has parameters for.

        Args:
          kernel: What is called.
          extent: The end of its range.
          cost: As in `Call`.
          **arguments: What else its parameters are.
        """
        rows, columns = self.rows, self.columns
        sizes = {"batch": self.batch, "c": self.channels, "out": self.out}
        sizes |= {"h": rows.size, "kh": rows.window, "oh": rows.out}
        sizes |= {"sh": rows.stride, "top": rows.before, "dh": rows.dilation}
        sizes |= {"w": columns.size, "kw": columns.window, "ow": columns.out}
        sizes |= {"sw": columns.stride, "left": columns.before, "dw": columns.dilation}
        for each in kernel.parameters:
            if each.name in sizes:
                arguments.setdefault(each.name, sizes[each.name])
        return kernel.call(extent, cost=cost, **arguments)


def _transpose(axis: Axis) -> Axis:
    before, after = (axis.window - 1 - pad for pad in (axis.before, axis.after))
    return Axis(axis.out, axis.window, 1, 1, before, after, axis.size)
