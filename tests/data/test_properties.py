"""Chains of transformations do what plain Python lists do, whatever is pulled at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf

Dataset = tf.data.Dataset


def batched(rows, size, drop):
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    return [p for p in parts if not drop or len(p) == size]


counts = st.integers(0, 9)
sizes = st.integers(1, 5)

# Name, arguments, what it does to a data set of scalars, what to a list.
STEPS = {
    "take": ((counts,), lambda d, n: d.take(n), lambda r, n: r[:n]),
    "skip": ((counts,), lambda d, n: d.skip(n), lambda r, n: r[n:]),
    "repeat": ((st.integers(0, 3),), lambda d, n: d.repeat(n), lambda r, n: r * n),
    "shard": (
        (sizes, st.integers(0, 4)),
        lambda d, n, i: d.shard(n, i % n),
        lambda r, n, i: r[i % n :: n],
    ),
    "map": (
        (counts,),
        lambda d, n: d.map(lambda x: x * 2 + n),
        lambda r, n: [x * 2 + n for x in r],
    ),
    "filter": (
        (sizes,),
        lambda d, n: d.filter(lambda x: x % (n + 1) != 0),
        lambda r, n: [x for x in r if x % (n + 1)],
    ),
    "take_while": (
        (counts,),
        lambda d, n: d.take_while(lambda x: x < 3 * n),
        lambda r, n: list(itertools.takewhile(lambda x: x < 3 * n, r)),
    ),
    "concatenate": (
        (counts,),
        lambda d, n: d.concatenate(Dataset.range(n)),
        lambda r, n: r + list(range(n)),
    ),
    "rebatched": (
        (sizes, st.booleans()),
        lambda d, n, drop: d.batch(n, drop_remainder=drop).unbatch(),
        lambda r, n, drop: [x for part in batched(r, n, drop) for x in part],
    ),
    "windows": (
        (sizes,),
        lambda d, n: d.window(n, shift=1, drop_remainder=True).flat_map(lambda w: w),
        lambda r, n: [x for i in range(len(r) - n + 1) for x in r[i : i + n]],
    ),
    "zip": (
        (counts,),
        lambda d, n: Dataset.zip((d, Dataset.range(n))).map(lambda x, y: x + y),
        lambda r, n: [x + y for x, y in zip(r, range(n), strict=False)],
    ),
    "cache": ((), lambda d: d.cache(), lambda r: r),
    "prefetch": ((sizes,), lambda d, n: d.prefetch(n), lambda r, n: r),
    "unique": ((), lambda d: d.unique(), lambda r: list(dict.fromkeys(r))),
    "flat_map": (
        (sizes,),
        lambda d, n: d.flat_map(lambda x: Dataset.range(x, x + n)),
        lambda r, n: [y for x in r for y in range(x, x + n)],
    ),
    "scan": (
        (),
        lambda d: d.scan(np.int64(0), lambda s, x: (s + x, s)),
        lambda r: [0, *itertools.accumulate(r)][: len(r)],
    ),
}


@st.composite
def chains(draw):
    names = draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4))
    return [(name, tuple(draw(s) for s in STEPS[name][0])) for name in names]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.integers(-5, 30), max_size=12), chain=chains())
def test_chains_are_those_of_lists(rows, chain):
    dataset = Dataset.from_tensor_slices(np.array(rows, np.int64))
    for name, arguments in chain:
        _, on_dataset, on_list = STEPS[name]
        dataset, rows = on_dataset(dataset, *arguments), on_list(rows, *arguments)
    # One by one, in batches, and in batches of batches.
    assert [int(x) for x in dataset] == rows
    flat = [int(x) for b in dataset.batch(4) for x in b.numpy()]
    assert flat == rows
    size = dataset.cardinality()
    assert int(size) in (len(rows), tf.data.UNKNOWN_CARDINALITY)


def replay(rows, size, picks, last):
    """What a buffer gives: `picks` are the places, `last` the order of what is left."""
    source = iter(rows)
    buffer = list(itertools.islice(source, size))
    out = []
    for row, place in zip(source, picks, strict=False):
        out.append(buffer[place])
        buffer[place] = row
    return out + [buffer[i] for i in last]


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 60),
    size=st.integers(1, 70),
    seed=st.integers(0, 9),
    pulls=st.integers(1, 9),
)
def test_a_shuffle_is_that_of_a_buffer(count, size, seed, pulls):
    dataset = Dataset.range(count).shuffle(size, seed, reshuffle_each_iteration=False)
    found = [int(x) for x in dataset]
    generator = dataset._node.stream.generator(0)
    room = min(size, count)
    picks = []
    if size < count:
        while len(picks) < count - size:
            picks += generator.integers(0, size, 1024).tolist()
    last = generator.permutation(room).tolist()
    assert found == replay(range(count), size, picks[: count - room], last)
    # Whatever is pulled at once, of whatever shapes, rows or copies.
    together = [int(x) for b in dataset.batch(pulls) for x in b.numpy()]
    assert together == found
    copies = Dataset.range(count).batch(1).unbatch()
    again = copies.shuffle(size, seed, reshuffle_each_iteration=False)
    assert [int(x) for x in again] == found
    behind = Dataset.range(count).map(lambda x: x * 2)
    behind = behind.shuffle(size, seed, reshuffle_each_iteration=False)
    assert [int(x) for x in behind] == [2 * x for x in found]


def test_random_functions_stay_before_the_shuffle():
    drawn = Dataset.range(30).map(lambda x: (x, tf.random.uniform([], seed=2)))
    alone = {int(x): float(u) for x, u in drawn}
    assert {int(x): float(u) for x, u in drawn.shuffle(7, seed=1)} == alone


def test_a_shuffle_of_several_shapes():
    ragged = Dataset.range(1, 12).map(lambda n: tf.range(n))
    found = [len(x.numpy()) for x in ragged.shuffle(5, seed=3)]
    assert sorted(found) == list(range(1, 12)) != found
    numbers = Dataset.range(1, 12).shuffle(5, seed=3)
    assert [int(x) for x in numbers] == found


def test_elements_stay_near_in_a_small_buffer():
    found = [int(x) for x in Dataset.range(200).shuffle(10, seed=1)]
    # The i-th element left a buffer that no later one than i + 9 had reached.
    assert all(x <= i + 9 for i, x in enumerate(found))


def test_a_full_shuffle_is_fair():
    tf.random.set_seed(5)
    dataset = Dataset.range(3).shuffle(3)
    orders = [tuple(int(x) for x in dataset) for _ in range(300)]
    counted = {order: orders.count(order) for order in set(orders)}
    assert len(counted) == 6
    assert all(20 < n < 90 for n in counted.values())


# ---- seeds


def orders(dataset, times=2):
    return [[int(x) for x in dataset] for _ in range(times)]


def test_iterations_differ_unless_told_otherwise():
    first, second = orders(Dataset.range(20).shuffle(20, seed=1))
    assert first != second
    first, second = orders(
        Dataset.range(20).shuffle(20, seed=1, reshuffle_each_iteration=False)
    )
    assert first == second
    found = [int(x) for x in Dataset.range(20).shuffle(20, seed=1).repeat(2)]
    assert found[:20] != found[20:]


def test_the_same_seed_is_the_same_order():
    assert orders(Dataset.range(20).shuffle(7, seed=4)) == orders(
        Dataset.range(20).shuffle(7, seed=4)
    )
    tf.random.set_seed(9)
    one = orders(Dataset.range(20).shuffle(7))
    tf.random.set_seed(9)
    assert orders(Dataset.range(20).shuffle(7)) == one
    tf.random.set_seed(10)
    assert orders(Dataset.range(20).shuffle(7)) != one


def augmented(seed, threads):
    dataset = Dataset.range(40).map(lambda x: tf.cast(x, tf.float32))
    if threads:
        dataset = dataset.prefetch(3)
    dataset = dataset.map(lambda x: x + tf.random.normal([3], seed=seed))
    if threads:
        dataset = dataset.prefetch(2)
    dataset = dataset.shuffle(10, seed=seed).batch(8)
    return dataset.prefetch(1) if threads else dataset


def test_threads_change_nothing():
    def values(threads):
        return [[b.numpy().tolist() for b in augmented(3, threads)] for _ in range(2)]

    assert values(True) == values(False) == values(True)


def test_random_numbers_of_a_map_go_on_from_epoch_to_epoch():
    dataset = Dataset.range(4).map(lambda _: tf.random.uniform([], seed=1))
    first = [float(x) for x in dataset.repeat(2)]
    assert len(set(first)) == 8
    assert [float(x) for x in dataset.repeat(2)] == first


def test_what_runs_a_function_is_used_again():
    dataset = Dataset.range(50).map(lambda x: x * 3).repeat(2).batch(5)
    for _ in range(3):
        assert len(list(dataset)) == 20
    (function,) = dataset._node.inputs[0].inputs[0].functions
    assert len(function._free) == 1


def test_two_iterators_at_once_do_not_mix():
    dataset = Dataset.range(6).map(lambda _: tf.random.uniform([], seed=1))
    alone = [float(x) for x in dataset]
    pairs = [(float(a), float(b)) for a, b in zip(dataset, dataset, strict=True)]
    assert pairs == [(x, x) for x in alone]


@pytest.mark.parametrize("count", [1, 3, 50])
def test_blocks_compute_what_elements_do(count):
    rows = np.random.default_rng(1).normal(size=(count, 4, 3)).astype(np.float32)
    w = np.random.default_rng(2).normal(size=(3, 2)).astype(np.float32)

    def function(x):
        y = tf.matmul(x, w)
        return tf.nn.softmax(y), x, tf.reduce_sum(y), tf.constant(3), y[0]

    dataset = Dataset.from_tensor_slices(rows).map(function)
    for _ in range(2):
        for element, x in zip(dataset, rows, strict=True):
            y = x @ w
            powers = np.exp(y - y.max(-1, keepdims=True))
            wanted = powers / powers.sum(-1, keepdims=True)
            np.testing.assert_allclose(element[0], wanted, rtol=1e-5)
            assert element[1].numpy().tolist() == x.tolist()
            np.testing.assert_allclose(element[2], y.sum(), rtol=1e-4, atol=1e-5)
            assert int(element[3]) == 3
            np.testing.assert_allclose(element[4], y[0], rtol=1e-5)
