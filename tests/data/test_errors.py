"""What goes wrong is said with the class of TensorFlow, and the user's line."""

import multiprocessing
import os
import sys

import numpy as np
import pytest

import graphopt as tf

Dataset = tf.data.Dataset


def failing(x):
    if x == 2:
        raise ValueError("two is bad")
    return x


def checked():
    return Dataset.range(5).map(lambda x: tf.numpy_function(failing, [x], tf.int64))


def test_errors_of_functions_come_at_their_element():
    iterator = iter(checked())
    assert [int(next(iterator)) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match=r"two is bad.*test_errors\.py") as caught:
        next(iterator)
    assert isinstance(caught.value, tf.errors.InvalidArgumentError)
    # What comes behind is still there.
    assert [int(x) for x in iterator] == [3, 4]


@pytest.mark.parametrize("ahead", [False, True])
def test_errors_in_blocks_come_at_their_element(ahead):
    table = tf.constant([10, 11, 12, 13])
    dataset = Dataset.from_tensor_slices([0, 3, 1, 9, 2]).map(
        lambda i: tf.gather(table, i)
    )
    if ahead:
        dataset = dataset.prefetch(4)
    for _ in range(3):
        iterator = iter(dataset)
        assert [int(next(iterator)) for _ in range(3)] == [10, 13, 11]
        with pytest.raises(tf.errors.InvalidArgumentError, match="9"):
            next(iterator)
        assert [int(x) for x in iterator] == [12]


def test_ignored_errors():
    assert [int(x) for x in checked().ignore_errors()] == [0, 1, 3, 4]


def test_batches_of_several_shapes():
    dataset = Dataset.range(1, 4).map(lambda n: tf.range(n)).batch(2)
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match="Cannot batch tensors with different shapes",
    ):
        next(iter(dataset))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda d: d.batch(0), tf.errors.InvalidArgumentError, "Batch size"),
        (lambda d: d.shuffle(0), tf.errors.InvalidArgumentError, "buffer_size"),
        (lambda d: d.shard(2, 2), tf.errors.InvalidArgumentError, "Index must be"),
        (lambda d: d.window(0), tf.errors.InvalidArgumentError, "size"),
        (lambda d: d.prefetch(-2), tf.errors.InvalidArgumentError, "buffer_size"),
        (lambda d: d.filter(lambda x: x), TypeError, "predicate"),
        (lambda d: d.flat_map(lambda x: x), TypeError, "Dataset"),
        (lambda d: d.map(3), TypeError, "must be a function"),
        (lambda d: d.map(lambda x: object()), TypeError, "Unsupported return value"),
        (lambda d: d.map(lambda x: None), NotImplementedError, "None"),
        (lambda d: d.concatenate(Dataset.from_tensors(1.5)), TypeError, "incompatible"),
        (lambda d: d.concatenate(3), TypeError, "Dataset"),
        (lambda d: d.unbatch(), ValueError, "rank >= 1"),
        (lambda d: d.cache("/tmp/x"), NotImplementedError, "memory only"),
        (lambda d: d.save("/tmp/x"), NotImplementedError, "TFRecordWriter"),
        (lambda d: Dataset.load("/tmp/x"), NotImplementedError, "TFRecordDataset"),
        (lambda d: d.snapshot("/tmp/x"), NotImplementedError, "cache"),
        (lambda d: d.ragged_batch(2), NotImplementedError, "padded_batch"),
        (lambda d: d.rejection_resample(None, None), NotImplementedError, "filter"),
        (
            lambda d: d.apply(tf.data.experimental.dense_to_ragged_batch(2)),
            NotImplementedError,
            "padded_batch",
        ),
        (lambda d: d.apply(lambda d: 3), TypeError, "data set"),
        (lambda d: d.window(2).batch(2), NotImplementedError, "flat_map"),
        (
            lambda d: d.reduce(0, lambda s, x: x),
            TypeError,
            "new state must match the initial state",
        ),
        (lambda d: d.get_single_element(), tf.errors.InvalidArgumentError, "more than"),
        (
            lambda d: d.take(0).get_single_element(),
            tf.errors.InvalidArgumentError,
            "empty",
        ),
        (lambda d: Dataset.range(1, 5, 0), tf.errors.InvalidArgumentError, "non-zero"),
        (lambda d: Dataset.from_tensor_slices(3), ValueError, "rank >= 1"),
        (
            lambda d: Dataset.from_tensor_slices(([1, 2], [1, 2, 3])),
            ValueError,
            "Dimensions 2 and 3 are not compatible",
        ),
        (lambda d: Dataset.zip([d, d]), TypeError, "list"),
        (lambda d: Dataset.zip((d, 3)), TypeError, "Dataset"),
        (
            lambda d: d.padded_batch(2, padding_values=1.5),
            TypeError,
            "Mismatched type",
        ),
        (
            lambda d: d.group_by_window(lambda x: 1.5, lambda k, g: g, 2),
            ValueError,
            "key_func",
        ),
        (
            lambda d: d.map(lambda x: tf.ragged.constant([[1], [2, 3]])),
            NotImplementedError,
            "ragged",
        ),
    ],
)
def test_wrong_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make(Dataset.range(5))


def test_messages_name_the_line():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_errors\.py:\d+"):
        Dataset.range(5).batch(-3)


# ---- generators


def made(values, **keywords):
    return Dataset.from_generator(lambda: iter(values), **keywords)


def test_generators_that_break_their_promise():
    spec = tf.TensorSpec((2,), tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shape \(3,\).*\(2,\)"):
        list(made([[1, 2, 3]], output_signature=spec))
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected type"):
        list(made([["a", "b"]], output_signature=spec))
    pair = (spec, spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected structure"):
        list(made([([1, 2],)], output_signature=pair))


def test_generators_that_raise():
    def generate():
        yield 1
        raise KeyError("gone")

    dataset = Dataset.from_generator(generate, output_types=tf.int32)
    iterator = iter(dataset)
    assert int(next(iterator)) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"KeyError.*gone"):
        next(iterator)


def test_generators_need_types():
    with pytest.raises(TypeError, match="output_signature"):
        made([1])
    with pytest.raises(TypeError, match="can not be used together"):
        made([1], output_types=tf.int32, output_signature=tf.TensorSpec((), tf.int32))
    with pytest.raises(TypeError, match="must be a function"):
        Dataset.from_generator([1, 2], output_types=tf.int32)


def test_generators_are_called_for_each_iteration_and_not_ahead():
    calls = []

    def generate():
        calls.append("start")
        for i in range(3):
            calls.append(i)
            yield i

    dataset = Dataset.from_generator(generate, output_types=tf.int32).map(lambda x: x)
    iterator = iter(dataset)
    assert calls == []
    next(iterator)
    assert calls == ["start", 0]
    assert len(list(dataset)) == 3
    assert calls.count("start") == 2


def test_padding_that_is_too_short():
    dataset = Dataset.range(4, 6).map(lambda n: tf.range(n)).padded_batch(2, [3])
    with pytest.raises(tf.errors.DataLossError, match="smaller size"):
        list(dataset)


# ---- threads


def test_an_abandoned_prefetch_ends_its_thread():
    import gc
    import threading

    before = threading.active_count()
    iterators = [iter(Dataset.range(1000).prefetch(2)) for _ in range(3)]
    for iterator in iterators:
        next(iterator)
    assert threading.active_count() > before
    del iterator, iterators
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "tf.data prefetch":
            thread.join(20)
    assert threading.active_count() <= before


def _child(iterator, pipe):
    try:
        next(iterator)
    except RuntimeError as error:
        pipe.send(str(error))


@pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="there is no fork"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_iterator_says_so():
    iterator = iter(Dataset.range(100).batch(2).prefetch(1))
    next(iterator)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(iterator, there))
    child.start()
    assert here.poll(30)
    assert "over a fork" in here.recv()
    child.join(20)


def test_options_are_kept():
    options = tf.data.Options()
    options.deterministic = False
    options.threading.private_threadpool_size = 3
    dataset = Dataset.range(3).with_options(options).map(lambda x: x)
    assert dataset.options().deterministic is False
    assert dataset.options().threading.private_threadpool_size == 3
    assert [int(x) for x in dataset] == [0, 1, 2]


def test_assert_cardinality():
    right = Dataset.range(3).apply(tf.data.experimental.assert_cardinality(3))
    assert len(right) == 3 and len(list(right)) == 3
    wrong = Dataset.range(3).apply(tf.data.experimental.assert_cardinality(4))
    with pytest.raises(tf.errors.FailedPreconditionError, match="contained only 3"):
        list(wrong)


def test_sampling():
    parts = [Dataset.from_tensors(i).repeat() for i in range(3)]
    dataset = Dataset.sample_from_datasets(parts, [0.5, 0.5, 0.0], seed=1).take(200)
    found = np.array([int(x) for x in dataset])
    assert set(found) == {0, 1}
    assert 60 < (found == 0).sum() < 140
    assert [int(x) for x in dataset] == found.tolist()
    finite = [Dataset.range(3), Dataset.range(10, 12)]
    every = [int(x) for x in Dataset.sample_from_datasets(finite, seed=1)]
    assert sorted(every) == [0, 1, 2, 10, 11]
