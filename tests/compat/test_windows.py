"""Ops of `tf.nn` on windows, blocks and samples of classes."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat import programs_windows
from tests.compat.golden import compare, host_steps

v1 = tf.compat.v1
numbers = programs_windows.numbers


def test_values_and_gradients_are_those_of_tensorflow():
    compare("windows", programs_windows.record(v1))


CHANNELS_FIRST = [
    ("conv2d", (2, 5, 6, 3), [(2, 2, 3, 4)], {"strides": [1, 2, 1, 1]}),
    ("conv2d", (2, 5, 6, 3), [(2, 2, 3, 4)], {"strides": 1, "dilations": [1, 1, 2, 1]}),
    ("depthwise_conv2d", (2, 5, 6, 3), [(2, 2, 3, 2)], {"strides": [1, 2, 2, 1]}),
    (
        "separable_conv2d",
        (2, 5, 6, 3),
        [(2, 2, 3, 2), (1, 1, 6, 2)],
        {"strides": [1, 1, 1, 1]},
    ),
    ("conv1d", (2, 7, 3), [(2, 3, 4)], {"stride": [1, 2, 1]}),
    ("conv3d", (2, 4, 5, 6, 2), [(2, 2, 2, 2, 3)], {"strides": [1, 2, 1, 3, 1]}),
    ("max_pool2d", (2, 5, 6, 3), [], {"ksize": [1, 2, 3, 1], "strides": [1, 2, 1, 1]}),
    ("avg_pool1d", (2, 7, 3), [], {"ksize": [1, 3, 1], "strides": [1, 2, 1]}),
    ("max_pool3d", (1, 4, 5, 6, 2), [], {"ksize": [1, 1, 2, 3, 1], "strides": 2}),
]


@pytest.mark.parametrize(("name", "shape", "others", "options"), CHANNELS_FIRST)
def test_channels_first_is_the_same_transposed(name, shape, others, options):
    x, *others = (numbers(*s) for s in (shape, *others))
    function = getattr(tf.nn, name)
    want = function(x, *others, padding="SAME", **options).numpy()
    rank = len(shape)
    moved = {
        key: [n[0], n[-1], *n[1:-1]] if isinstance(n, list) else n
        for key, n in options.items()
    }
    layout = {3: "NCW", 4: "NCHW", 5: "NCDHW"}[rank]
    first = [0, rank - 1, *range(1, rank - 1)]
    moved.update(data_format=layout, padding="SAME")
    got = function(x.transpose(first), *others, **moved).numpy()
    np.testing.assert_allclose(got, want.transpose(first), 1e-6)


def test_transposes_are_derivatives():
    y = numbers(2, 3, 6, 4)
    filters = numbers(2, 3, 2, 4)
    want = tf.nn.conv2d_transpose(y, filters, [2, 6, 6, 2], [1, 2, 1, 1])
    got = tf.nn.conv2d_transpose(
        y.transpose(0, 3, 1, 2),
        filters,
        [2, 2, 6, 6],
        [1, 1, 2, 1],
        data_format="NCHW",
    )
    np.testing.assert_allclose(got.numpy().transpose(0, 2, 3, 1), want, 1e-6)
    line, narrow = numbers(2, 4, 3), numbers(3, 2, 3)
    want = tf.nn.conv2d_transpose(
        line[:, None], narrow[None], [2, 1, 8, 2], [1, 1, 2, 1]
    )
    got = tf.nn.conv1d_transpose(line, narrow, [2, 8, 2], 2)
    np.testing.assert_allclose(got, want[:, 0], 1e-6)


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("kind", ["uniform", "log_uniform", "fixed_unigram"])
def test_samplers_draw_what_they_say(kind, unique):
    tf.random.set_seed(3)
    weights = np.array([8.0, 4.0, 2.0, 1.0, 1.0])
    options = {"unigrams": weights} if kind == "fixed_unigram" else {}
    function = getattr(tf.random, f"{kind}_candidate_sampler")
    shares = {
        "uniform": np.full(5, 0.2),
        "log_uniform": np.log1p(1 / np.arange(1, 6)) / np.log(6),
        "fixed_unigram": weights / 16,
    }[kind]
    counts, expected = np.zeros(5), np.zeros(5)
    rounds = 400
    for _ in range(rounds):
        sampled, of_true, of_sampled = function([[4], [0]], 1, 3, unique, 5, **options)
        classes = sampled.numpy()
        assert classes.dtype == np.int64
        assert (len(set(classes)) == 3) or not unique
        every = function([[i] for i in range(5)], 1, 3, unique, 5, **options)[1]
        counts += np.bincount(classes, minlength=5)
        expected += every.numpy()[:, 0]
        assert of_true.shape == (2, 1)
        assert of_sampled.shape == (3,)
        if not unique:
            np.testing.assert_allclose(of_sampled, 3 * shares[classes], 1e-5)
    # Without a repeated draw TensorFlow expects as many as with repeats: too many.
    atol = 0.25 if unique else 0.15
    np.testing.assert_allclose(counts / rounds, expected / rounds, atol=atol)
    if not unique:
        np.testing.assert_allclose(counts / rounds, 3 * shares, atol=0.15)


def test_mistakes_of_samplers():
    with pytest.raises(ValueError, match="range is too small"):
        tf.random.uniform_candidate_sampler([[0]], 1, 6, True, 5)
    with pytest.raises(ValueError, match="num_true columns"):
        tf.random.uniform_candidate_sampler([[0, 1]], 1, 2, True, 5)
    with pytest.raises(ValueError, match="Exactly one of vocab_file"):
        tf.random.fixed_unigram_candidate_sampler([[0]], 1, 2, True, 5)
    with pytest.raises(NotImplementedError, match="fixed_unigram"):
        tf.random.learned_unigram_candidate_sampler([[0]], 1, 2, True, 5)
    with pytest.raises(ValueError, match="matrix with num_true"):
        v1.nn.nce_loss(np.ones((4, 2)), np.ones(4), [1, 2], np.ones((2, 2)), 2, 4)


def test_frequencies_come_from_a_file(tmp_path):
    path = tmp_path / "vocabulary.csv"
    path.write_text("the,3\ncat,1\n")
    options = {"vocab_file": str(path), "num_reserved_ids": 1}
    drawn = tf.random.fixed_unigram_candidate_sampler(
        [[1], [2], [0]], 1, 4, False, 3, **options
    )
    np.testing.assert_allclose(drawn.true_expected_count[:, 0], [3.0, 1.0, 0.0])
    assert 0 not in drawn.sampled_candidates.numpy()


def test_accidental_hits():
    rows, ids, weights = tf.nn.compute_accidental_hits(
        np.array([[1, 2], [5, 0], [7, 7]]), np.array([0, 5, 7, 9]), 2
    )
    assert rows.numpy().tolist() == [1, 1, 2, 2]
    assert ids.numpy().tolist() == [1, 0, 2, 2]
    assert (weights.numpy() == np.finfo("f").min).all()


def test_mistakes_of_windows():
    with pytest.raises(ValueError, match="NWC or NCW"):
        tf.nn.conv1d(numbers(1, 4, 1), numbers(2, 1, 1), 1, "SAME", "NHWC")
    with pytest.raises(ValueError, match="must have 3 dimensions"):
        tf.nn.conv1d(numbers(1, 4, 1, 1), numbers(2, 1, 1), 1, "SAME")
    with pytest.raises(ValueError, match="input depth must be equal"):
        tf.nn.conv3d(numbers(1, 3, 3, 3, 2), numbers(2, 2, 2, 1, 1), 1, "SAME")
    with pytest.raises(ValueError, match="Negative dimension size"):
        tf.nn.conv3d(numbers(1, 1, 3, 3, 1), numbers(2, 2, 2, 1, 1), 1, "VALID")
    with pytest.raises(ValueError, match="divisible by block_size"):
        tf.nn.space_to_depth(numbers(1, 3, 4, 1), 2)
    with pytest.raises(ValueError, match="at least 2"):
        tf.nn.depth_to_space(numbers(1, 3, 4, 4), 1)
    with pytest.raises(ValueError, match="Exactly one of filter and filters"):
        v1.nn.conv2d(numbers(1, 3, 4, 4))
    with pytest.raises(ValueError, match="partition strategy"):
        v1.nn.embedding_lookup([np.ones((2, 2)), np.ones((2, 2))], [1], "row")
    with pytest.raises(ValueError, match="does not fit"):
        tf.nn.conv3d_transpose(
            numbers(1, 2, 2, 2, 1), numbers(2, 2, 2, 1, 1), [1, 9, 4, 4, 1], 2
        )


def test_layers_of_1d_and_3d_are_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 8, 3])
        v = v1.placeholder(tf.float32, [None, 4, 4, 4, 2])
        w, u = v1.get_variable("w", [3, 3, 5]), v1.get_variable("u", [2, 3, 3, 2, 4])
        y = tf.reduce_mean(v1.nn.conv1d(x, w, 2, "SAME"))
        y += tf.reduce_mean(
            tf.nn.max_pool3d(tf.nn.conv3d(v, u, 1, "SAME"), 2, 2, "SAME")
        )
        y += tf.reduce_mean(tf.nn.lrn(tf.nn.space_to_depth(v[:, 0], 2)))
        step = v1.train.GradientDescentOptimizer(0.1).minimize(y)
        session.run(v1.global_variables_initializer())
        feeds = {x: numbers(2, 8, 3), v: numbers(2, 4, 4, 4, 2)}
        assert not host_steps(session, [step, y], feeds)
        before, _ = session.run([y, step], feeds)
        assert session.run(y, feeds) < before


def test_blocks_of_images_whose_sizes_the_run_decides():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, None, 4])
        large = tf.nn.depth_to_space(x * 1.0, 2)
        again = tf.nn.space_to_depth(large * 1.0, 2)
        assert large.shape == (None, None, None, 1)
        feeds = {x: numbers(2, 3, 5, 4)}
        assert not host_steps(session, [large, again], feeds)
        got = session.run([large, again], feeds)
    np.testing.assert_array_equal(got[0], tf.nn.depth_to_space(numbers(2, 3, 5, 4), 2))
    np.testing.assert_array_equal(got[1], numbers(2, 3, 5, 4))


def test_counts_of_sufficient_statistics():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        counts = [
            tf.nn.sufficient_statistics(x, axes)[0] for axes in ([0], [1], [0, 1])
        ]
        assert session.run(counts, {x: numbers(4, 3)}) == [4.0, 3.0, 12.0]


def test_only_the_sampler_is_no_kernel():
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.get_variable("table", [50, 4])
        weights, biases = v1.get_variable("w", [50, 4]), v1.get_variable("b", [50])
        ids = v1.placeholder(tf.int32, [None])
        labels = v1.placeholder(tf.int32, [None, 1])
        embedded = v1.nn.embedding_lookup(table, ids)
        loss = tf.reduce_mean(v1.nn.nce_loss(weights, biases, labels, embedded, 8, 50))
        step = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(v1.global_variables_initializer())
        feeds = {ids: np.arange(5), labels: np.arange(5)[:, None]}
        assert len(host_steps(session, [step, loss], feeds)) == 1
        first = session.run([loss, step], feeds)[0]
        for _ in range(60):
            last = session.run([loss, step], feeds)[0]
        assert last < first
