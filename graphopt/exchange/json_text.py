"""JSON of graphs, and the error for what is none."""

from __future__ import annotations

import json
import math
from typing import Any

from graphopt.errors import DataLossError, fail


def fail_damaged(why: str, got: Any) -> DataLossError:
    """Makes the error for a file that is no graph at all."""
    return fail(
        DataLossError,
        f"The file holds no graph: {why}",
        got=f"{got!r:.80}",
        expected="a file that `graphopt export` wrote",
    )


def parse_json(text: str) -> Any:
    """Reads JSON.

    Raises:
      DataLossError: It is none.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    def finite(number: str) -> float:
        value = float(number)
        if math.isinf(value):
            raise ValueError(f"{number} is too large for a number")
        return value

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise fail_damaged("it is not JSON", str(error)) from None
