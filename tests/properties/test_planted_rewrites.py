"""The checker finds wrong passes, and finds nothing wrong with the real ones."""

from __future__ import annotations

import functools
import random

import pytest

from graphopt.rewrite.pipeline import MEANING, PIPELINE
from tests.properties.checker import complaint, make_case
from tests.properties.planted import ALGEBRA, EFFECTS
from tests.soak import first_seed, times

# Three other series of seeds needed at most 141.
CASES = 400
case_of = functools.cache(make_case)


def position(name):
    return [p.name for p in PIPELINE].index(name) + 1


def planted_in(wrong):
    at = position("order_effects" if wrong in EFFECTS else "resolve_shapes")
    return (*PIPELINE[:at], wrong, *PIPELINE[at:])


def test_there_are_twenty():
    assert len(ALGEBRA) + len(EFFECTS) >= 20


@pytest.mark.parametrize("wrong", [*ALGEBRA, *EFFECTS], ids=lambda p: p.name)
def test_wrong_pass_is_found(wrong):
    passes = planted_in(wrong)
    found = (complaint(case_of(seed), passes, seed) for seed in range(CASES))
    assert any(found), f"{CASES} random programs do not notice {wrong.name}"


@pytest.mark.parametrize(
    "each", [p for p in PIPELINE if not p.required], ids=lambda p: p.name
)
def test_each_pass_alone_changes_nothing(each):
    at = 1 if PIPELINE.index(each) < position("order_effects") else 2
    passes = (*MEANING[:at], each, *MEANING[at:])
    for seed in range(50):
        assert complaint(case_of(seed), passes, seed) is None, seed


def test_the_whole_pipeline_changes_nothing():
    start = first_seed()
    for seed in range(start, start + times(CASES)):
        assert complaint(case_of(seed), PIPELINE, seed) is None, seed


def test_the_order_of_passes_does_not_matter():
    """Within what comes before and after the order of effects, which is settled once."""
    middle = position("order_effects")
    for seed in range(50):
        before, after = list(PIPELINE[1 : middle - 1]), list(PIPELINE[middle:])
        draw = random.Random(seed)
        draw.shuffle(before)
        draw.shuffle(after)
        passes = (PIPELINE[0], *before, PIPELINE[middle - 1], *after)
        assert complaint(case_of(seed), passes, seed) is None, seed
