"""Random graphs: compiled, interpreted, eager and float64 NumPy agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphopt.config import config
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.schedule import chunks
from tests.properties.graphs import (
    largest_value,
    make_recipe,
    run_eagerly,
    run_in_graph,
)
from tests.soak import first_seed, times

SLOW = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


def recipe_from(data, size):
    return make_recipe(lambda low, high: data.draw(st.integers(low, high)), size)


def assert_close(recipe, got, eager, exact):
    """Within 4 times what float32 loses anyway, and 8 ulp of the largest value."""
    plain = recipe[1] if isinstance(recipe, tuple) else recipe
    unit = 8 * float(np.spacing(np.float32(max(1.0, largest_value(plain)))))
    for a, b, c in zip(got, eager, exact, strict=True):
        assert a.shape == b.shape, recipe
        assert a.dtype == b.dtype, recipe
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
        own = np.max(np.abs(b - c), initial=0.0)
        assert np.max(np.abs(a - c), initial=0.0) <= 4 * own + unit, recipe


def random_recipes(count, largest):
    """(seed, recipe) of graphs of 5 ops and more; a seed makes its recipe again."""
    start = first_seed()
    for seed in range(start, start + times(count)):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(5, largest + 1))

        def draw(low, high, rng=rng):
            return int(rng.integers(low, high + 1))

        yield seed, make_recipe(draw, size)


def test_interpreter_equals_eager_bit_for_bit():
    for seed, recipe in random_recipes(4000, largest=60):
        got = run_in_graph(recipe, "never")
        for a, b in zip(got, run_eagerly(recipe), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"seed {seed}")


def test_compiled_is_as_good_as_eager():
    for seed, recipe in random_recipes(400, largest=60):
        got = run_in_graph(recipe, "always")
        eager, exact = run_eagerly(recipe), run_eagerly(recipe, np.float64)
        assert_close((seed, recipe), got, eager, exact)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    def cut(call, _cost):
        return max(call.extent, 1) if call.repeats else max(1, call.extent // 3)

    monkeypatch.setattr(chunks, "chunk_of", cut)
    monkeypatch.setattr(chunks, "WORTH_WAKING", 0.0)
    for seed, recipe in random_recipes(60, largest=60):
        for gradients in (False, True):
            results = []
            for count in (1, 2, 8):
                with config(threads=count):
                    found = run_in_graph(recipe, "always", gradients)
                results.append([(a.shape, a.tobytes()) for a in found])
            assert results[0] == results[1] == results[2], f"seed {seed}"


@settings(SLOW, max_examples=25)
@given(st.data())
def test_compiled_is_as_good_as_eager_on_small_examples(data):
    recipe = recipe_from(data, 25)
    got = run_in_graph(recipe, "always")
    assert_close(recipe, got, run_eagerly(recipe), run_eagerly(recipe, np.float64))


@settings(SLOW, max_examples=12)
@given(st.data())
def test_gradients_compiled_and_interpreted_agree(data):
    recipe = recipe_from(data, 12)
    interpreted = run_in_graph(recipe, "never", gradients=True)
    compiled = run_in_graph(recipe, "always", gradients=True)
    for a, b in zip(compiled, interpreted, strict=True):
        assert a.shape == b.shape
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.isfinite(a), finite)
        scale = np.max(np.abs(b[finite]), initial=1.0)
        np.testing.assert_allclose(a[finite], b[finite], rtol=1e-3, atol=1e-5 * scale)


@pytest.mark.parametrize("off", [p.name for p in PIPELINE if not p.required])
def test_each_pass_can_be_switched_off(off):
    rng = np.random.default_rng(len(off))
    for _ in range(4):
        recipe = make_recipe(lambda low, high: int(rng.integers(low, high + 1)), 15)
        with config(passes_off=(off,)):
            got = run_in_graph(recipe, "always")
        assert_close(recipe, got, run_eagerly(recipe), run_eagerly(recipe, np.float64))
