"""`tf.compat.v1.debugging`: assertions with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt import debugging
from graphopt.compat.v1.assertions import assert_equal as assert_equal
from graphopt.compat.v1.assertions import assert_greater as assert_greater
from graphopt.compat.v1.assertions import assert_greater_equal as assert_greater_equal
from graphopt.compat.v1.assertions import assert_less as assert_less
from graphopt.compat.v1.assertions import assert_less_equal as assert_less_equal
from graphopt.compat.v1.assertions import assert_near as assert_near
from graphopt.compat.v1.assertions import assert_negative as assert_negative
from graphopt.compat.v1.assertions import assert_non_negative as assert_non_negative
from graphopt.compat.v1.assertions import assert_non_positive as assert_non_positive
from graphopt.compat.v1.assertions import assert_none_equal as assert_none_equal
from graphopt.compat.v1.assertions import assert_positive as assert_positive
from graphopt.compat.v1.assertions import (
    assert_proper_iterable as assert_proper_iterable,
)
from graphopt.compat.v1.assertions import assert_rank as assert_rank
from graphopt.compat.v1.assertions import assert_rank_at_least as assert_rank_at_least
from graphopt.compat.v1.assertions import assert_rank_in as assert_rank_in
from graphopt.compat.v1.assertions import (
    assert_same_float_dtype as assert_same_float_dtype,
)
from graphopt.compat.v1.assertions import assert_scalar as assert_scalar

if TYPE_CHECKING:
    from graphopt.debugging import Assert as Assert
    from graphopt.debugging import assert_all_finite as assert_all_finite
    from graphopt.debugging import assert_integer as assert_integer
    from graphopt.debugging import assert_shapes as assert_shapes
    from graphopt.debugging import assert_type as assert_type
    from graphopt.debugging import check_numerics as check_numerics
    from graphopt.debugging import disable_check_numerics as disable_check_numerics
    from graphopt.debugging import enable_check_numerics as enable_check_numerics
    from graphopt.debugging import is_numeric_tensor as is_numeric_tensor


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # What is the same in both versions.
        return getattr(debugging, name)


def __dir__() -> list[str]:
    return sorted({*dir(debugging), *(n for n in globals() if n.startswith("assert_"))})
