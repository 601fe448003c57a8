"""`tf.debugging`: assertions and checks of numbers."""

from graphopt.ops.assertions import Assert as Assert
from graphopt.ops.assertions import assert_equal as assert_equal
from graphopt.ops.assertions import assert_greater as assert_greater
from graphopt.ops.assertions import assert_greater_equal as assert_greater_equal
from graphopt.ops.assertions import assert_less as assert_less
from graphopt.ops.assertions import assert_less_equal as assert_less_equal
from graphopt.ops.assertions import assert_near as assert_near
from graphopt.ops.assertions import assert_negative as assert_negative
from graphopt.ops.assertions import assert_non_negative as assert_non_negative
from graphopt.ops.assertions import assert_non_positive as assert_non_positive
from graphopt.ops.assertions import assert_none_equal as assert_none_equal
from graphopt.ops.assertions import assert_positive as assert_positive
from graphopt.ops.finite import assert_all_finite as assert_all_finite
from graphopt.ops.finite import check_numerics as check_numerics
from graphopt.ops.shape_assertions import assert_integer as assert_integer
from graphopt.ops.shape_assertions import assert_rank as assert_rank
from graphopt.ops.shape_assertions import assert_rank_at_least as assert_rank_at_least
from graphopt.ops.shape_assertions import assert_rank_in as assert_rank_in
from graphopt.ops.shape_assertions import assert_scalar as assert_scalar
from graphopt.ops.shape_assertions import assert_shapes as assert_shapes
from graphopt.ops.shape_assertions import assert_type as assert_type
from graphopt.ops.shape_assertions import is_numeric_tensor as is_numeric_tensor
from graphopt.runtime.check_numerics import (
    disable_check_numerics as disable_check_numerics,
)
from graphopt.runtime.check_numerics import (
    enable_check_numerics as enable_check_numerics,
)
