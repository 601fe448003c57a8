"""Two ranks do what one rank with the whole batch does."""

from __future__ import annotations

import pytest

from tests.parallel.ranks import run_ranks

PROGRAM = """
from tests.parallel import equality_program
report(equality_program.main())
"""
# Two numbers have one sum; a mean of two calls is rounded in another order.
ULPS = 8


@pytest.mark.parametrize(("cases", "jit"), [("all", "never"), ("few", "always")])
def test_two_ranks_train_as_one_with_every_optimizer(cases, jit):
    first, second = run_ranks(2, PROGRAM, cases, env={"GRAPHOPT_JIT": jit})
    assert first == second
    assert len(first) > 3 * (30 if cases == "all" else 9)
    wrong = {k: v for k, v in first.items() if not isinstance(v, float) or v > ULPS}
    assert not wrong
