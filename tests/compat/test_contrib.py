"""`tf.contrib.layers`, `framework`, `slim`, `losses`, `metrics` and `training`."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat import programs_contrib
from tests.compat.golden import compare, host_steps
from tests.compat.programs_windows import numbers

v1 = tf.compat.v1


def test_values_names_and_collections_are_those_of_tensorflow(contrib):
    # Adam multiplies differences in the last bits of small gradients.
    compare("contrib", programs_contrib.record(v1), rtol=1e-4, atol=1e-4)


def test_a_training_step_is_compiled(contrib):
    slim = contrib.slim
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 8, 8, 2])
        training = v1.placeholder_with_default(True, None)
        logits = programs_contrib.network(v1, slim, images, training)
        assert logits.shape == (None, 3)
        loss = v1.losses.sparse_softmax_cross_entropy([0, 1], logits)
        step = slim.learning.create_train_op(
            loss, v1.train.AdamOptimizer(), check_numerics=False
        )
        session.run(v1.global_variables_initializer())
        assert not host_steps(session, step, {images: numbers(2, 8, 8, 2)})
        before = session.run(step, {images: numbers(2, 8, 8, 2)})
        for _ in range(5):
            after = session.run(step, {images: numbers(2, 8, 8, 2)})
        assert after < before


def test_batch_norm_that_updates_in_place(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.constant(numbers(6, 3))
        training = v1.placeholder(tf.bool)
        y = contrib.layers.batch_norm(
            x, 0.5, updates_collections=None, is_training=training
        )
        mean = v1.global_variables("BatchNorm/moving_mean")[0]
        session.run(v1.global_variables_initializer())
        session.run(y, {training: False})
        assert (session.run(mean) == 0).all()
        session.run(y, {training: True})
        np.testing.assert_allclose(session.run(mean), numbers(6, 3).mean(0) / 2, 1e-5)


def test_channels_first_is_the_same_transposed(contrib):
    layers = contrib.layers

    def run(form):
        with tf.Graph().as_default(), v1.Session() as session:
            start = {
                "weights_initializer": programs_contrib.started(v1, 1),
                "data_format": form,
            }
            x = tf.constant(numbers(2, 6, 7, 4))
            x = tf.transpose(x, [0, 3, 1, 2]) if form == "NCHW" else x
            x = layers.conv2d(x, 4, 3, 2, **start)
            x = layers.batch_norm(x, data_format=form)
            x = layers.batch_norm(x, data_format=form, updates_collections=None)
            x = layers.instance_norm(x, data_format=form)
            x = layers.max_pool2d(x, 2, 1, data_format=form)
            x = layers.separable_conv2d(x, None, 2, **start)
            x = layers.conv2d_transpose(x, 2, 3, **start)
            x = layers.bias_add(x, data_format=form)
            y = layers.spatial_softmax(x, data_format=form)
            session.run(v1.global_variables_initializer())
            return session.run(y)

    np.testing.assert_allclose(run("NCHW"), run("NHWC"), 1e-3, 1e-5)


def test_group_norm_and_instance_norm(contrib):
    x = numbers(2, 4, 3, 6)
    with tf.Graph().as_default(), v1.Session() as session:
        grouped = contrib.layers.group_norm(tf.constant(x), 3)
        each = contrib.layers.instance_norm(
            v1.placeholder_with_default(x, [None, None, None, 6])
        )
        session.run(v1.global_variables_initializer())
        got = session.run([grouped, each])
    split = x.reshape(2, 4, 3, 3, 2)
    for value, parts, axes in zip(got, (split, x), ((1, 2, 4), (1, 2)), strict=True):
        mean = parts.mean(axes, keepdims=True)
        spread = parts.var(axes, keepdims=True)
        want = ((parts - mean) / np.sqrt(spread + 1e-6)).reshape(x.shape)
        np.testing.assert_allclose(value, want, 1e-4, 1e-4)


def test_arg_scopes(contrib):
    framework = contrib.framework

    @framework.add_arg_scope
    def add(x, y=1, z=10):
        return x + y + z

    assert add(0) == 11
    with framework.arg_scope([add], y=2) as outer:
        assert add(0) == 12
        with framework.arg_scope([add], z=20):
            assert add(0) == 22
            assert add(0, z=0) == 2
        assert add(0) == 12
    with framework.arg_scope(outer):
        assert add(0) == 12
    assert add(0) == 11
    assert framework.has_arg_scope(add)
    assert framework.arg_scoped_arguments(add) == ("y", "z")
    with (
        pytest.raises(ValueError, match="not decorated"),
        framework.arg_scope([len], a=1),
    ):
        pass
    with (
        pytest.raises(ValueError, match="must be empty"),
        framework.arg_scope(outer, y=1),
    ):
        pass
    with pytest.raises(TypeError, match="list_ops_or_scope"), framework.arg_scope(add):
        pass


def test_initializers_have_the_variance_that_they_say(contrib):
    layers = contrib.layers
    shape = [3, 3, 20, 30]
    fans = {"FAN_IN": 180, "FAN_OUT": 270, "FAN_AVG": 225}
    for mode, size in fans.items():
        for uniform in (False, True):
            make = layers.variance_scaling_initializer(2.0, mode, uniform, seed=1)
            assert np.var(make(shape).numpy()) == pytest.approx(2 / size, rel=0.05)
    assert np.var(layers.xavier_initializer()([100, 300])) == pytest.approx(
        2 / 400, rel=0.05
    )
    with pytest.raises(TypeError, match="Unknown mode"):
        layers.variance_scaling_initializer(mode="FAN")
    with pytest.raises(TypeError, match="non-floating"):
        layers.xavier_initializer(dtype=tf.int32)


def test_regularizers(contrib):
    layers = contrib.layers
    w = tf.constant([[1.0, -2.0]])
    assert float(layers.l1_regularizer(0.5)(w)) == 1.5
    assert float(layers.l2_regularizer(0.5)(w)) == 1.25
    assert float(layers.l1_l2_regularizer(0.5, 0.5)(w)) == 2.75
    assert layers.l2_regularizer(0.0)(w) is None
    assert layers.sum_regularizer([None]) is None
    for scale in (1, -0.5):
        with pytest.raises(ValueError, match="scale"):
            layers.l2_regularizer(scale)
    with tf.Graph().as_default(), v1.Session() as session:
        total = layers.apply_regularization(layers.l2_regularizer(1.0), [w.numpy()] * 2)
        assert v1.losses.get_regularization_losses() == [total]
        assert session.run(total) == 5.0
        with pytest.raises(ValueError, match="No weights"):
            layers.apply_regularization(layers.l2_regularizer(1.0))


def test_embeddings(contrib):
    ids = np.array([[1, 2], [2, 2]])
    with tf.Graph().as_default(), v1.Session() as session:
        start = programs_contrib.started(v1, 1)
        y = contrib.layers.embed_sequence(ids, 5, 3, initializer=start, scope="table")
        again = contrib.layers.embed_sequence(
            ids, 5, 3, unique=True, scope="table", reuse=True
        )
        table = v1.trainable_variables()
        assert [v.name for v in table] == ["table/embeddings:0"]
        session.run(v1.global_variables_initializer())
        values = session.run([y, again, table[0]])
    np.testing.assert_array_equal(values[0], values[2][ids])
    np.testing.assert_array_equal(values[1], values[0])
    with pytest.raises(ValueError, match="vocab size"):
        contrib.layers.embed_sequence(ids)


def test_one_hot_and_flatten_of_unknown_sizes(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, 2])
        labels = v1.placeholder(tf.uint8, [None])
        nodes = [
            contrib.layers.flatten(x),
            contrib.layers.one_hot_encoding(labels, 3),
        ]
        flat, hot = session.run(nodes, {x: numbers(2, 3, 2), labels: [2, 0]})
    assert flat.shape == (2, 6)
    assert hot.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_summaries(contrib):
    layers = contrib.layers
    with tf.Graph().as_default():
        x = layers.fully_connected(
            tf.ones([2, 3]), 4, outputs_collections="activations"
        )
        assert layers.summarize_activations()[0].name.startswith("fully_connected/Relu")
        assert len(layers.summarize_tensors([x, tf.reduce_sum(x)])) == 2
        assert layers.summarize_tensor(x > 0) is None
        assert len(layers.summarize_variables()) == 2
        assert len(v1.get_collection(v1.GraphKeys.SUMMARIES)) == 6


def test_losses_take_predictions_first(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        x, z = tf.constant([[2.0, -1.0]]), tf.constant([[1.0, 0.0]])
        losses, ours = contrib.slim.losses, v1.losses
        pairs = [
            (losses.log_loss(z / 2 + 0.2, z), ours.log_loss(z, z / 2 + 0.2)),
            (losses.softmax_cross_entropy(x, z), ours.softmax_cross_entropy(z, x)),
            (losses.sigmoid_cross_entropy(x, z), ours.sigmoid_cross_entropy(z, x)),
            (
                losses.sparse_softmax_cross_entropy(x, [1]),
                ours.sparse_softmax_cross_entropy([1], x),
            ),
            (losses.mean_squared_error(x, z, 2.0), ours.mean_squared_error(z, x, 2.0)),
            (losses.cosine_distance(x, z, 1), ours.cosine_distance(z, x, 1)),
        ]
        for got, want in session.run(pairs):
            assert got == want
        assert losses.hinge_loss(x, z).shape == (1, 2)
        assert len(losses.get_losses()) == 12


def test_metrics_take_predictions_first(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        metrics = contrib.metrics
        values, updates = metrics.aggregate_metric_map(
            {
                "precision": metrics.streaming_precision([1, 1], [1, 0]),
                "recall": metrics.streaming_recall([1, 0], [1, 0]),
                "mean": metrics.streaming_mean([1.0, 3.0]),
            }
        )
        now = metrics.accuracy([1, 2, 3], [1, 2, 4])
        session.run(v1.local_variables_initializer())
        assert session.run(updates) == {"precision": 0.5, "recall": 1.0, "mean": 2.0}
        assert session.run(values) == session.run(values)
        assert session.run(now) == pytest.approx(2 / 3)
        with pytest.raises(ValueError, match="Labels should be"):
            metrics.accuracy([1.0], [1.0])


def test_values_from_checkpoints(contrib, tmp_path):
    framework = contrib.framework
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("old"):
            v1.get_variable("w", initializer=[1.0, 2.0])
            v1.get_variable("b", initializer=[3.0])
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, path)
    assert dict(framework.list_variables(path)) == {"old/w": [2], "old/b": [1]}
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("new"):
            w, b = v1.get_variable("w", [2]), v1.get_variable("b", [1])
        other = v1.get_variable("other", [2], initializer=v1.zeros_initializer())
        framework.init_from_checkpoint(path, {"old/": "new/"})
        framework.init_from_checkpoint(path, {"old/w": other})
        session.run(v1.global_variables_initializer())
        assert [v.tolist() for v in session.run([w, b, other])] == [
            [1.0, 2.0],
            [3.0],
            [1.0, 2.0],
        ]
        session.run(w.assign([0.0, 0.0]))
        restore = framework.assign_from_checkpoint_fn(
            path, {"old/w": w, "missing": b}, ignore_missing_vars=True
        )
        restore(session)
        assert session.run(w).tolist() == [1.0, 2.0]
        op, feeds = framework.assign_from_checkpoint(path, {"old/b": b})
        session.run(b.assign([0.0]))
        session.run(op, feeds)
        assert session.run(b).tolist() == [3.0]
        framework.assign_from_values_fn({"new/b": np.array([7.0])})(session)
        assert session.run(b).tolist() == [7.0]
        for wrong, words in (
            ({"nothing": w}, "is not found in"),
            ({"old/b": w}, "doesn't match"),
            ({"old/w": "nowhere"}, "is not found in the graph"),
        ):
            with pytest.raises(ValueError, match=words):
                framework.init_from_checkpoint(path, wrong)


def test_slim_training_goes_on_from_its_checkpoint(contrib, tmp_path):
    slim = contrib.slim

    def run(steps):
        with tf.Graph().as_default():
            x = tf.constant(numbers(6, 3))
            y = slim.fully_connected(x, 1, activation_fn=None)
            loss = v1.losses.mean_squared_error(tf.reduce_sum(x, 1, keepdims=True), y)
            v1.summary.scalar("loss", loss)
            step = slim.learning.create_train_op(
                loss, v1.train.GradientDescentOptimizer(0.2)
            )
            return slim.learning.train(
                step, str(tmp_path), number_of_steps=steps, log_every_n_steps=0
            )

    first = run(3)
    assert run(20) < first
    assert v1.train.latest_checkpoint(str(tmp_path)).endswith("-20")
    assert list(tmp_path.glob("events*"))
    with pytest.raises(ValueError, match="train_op cannot be None"):
        slim.learning.train(None, None)


def test_contrib_training_stops_by_a_hook(contrib):
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=2.0)
        step = contrib.training.create_train_op(
            w * w, v1.train.GradientDescentOptimizer(0.1)
        )
        loss = contrib.training.train(
            step,
            None,
            hooks=[v1.train.StopAtStepHook(5)],
            save_checkpoint_secs=None,
            save_summaries_steps=None,
        )
    assert loss == pytest.approx(4 * 0.8**8, rel=1e-4)


def test_hparams(contrib):
    hparams = contrib.training.HParams(rate=0.1, units=[3, 4], name="a", flag=True)
    hparams.parse("rate=1e-3,units=[7, 8],name=b,flag=false")
    assert hparams.values() == {
        "rate": 0.001,
        "units": [7, 8],
        "name": "b",
        "flag": False,
    }
    hparams.parse("units[1]=9").override_from_dict({"rate": 1})
    assert hparams.units == [7, 9]
    assert hparams.rate == 1.0
    assert "rate" in hparams
    assert hparams.get("missing", 5) == 5
    again = contrib.training.HParams(rate=0.0, units=[0], name="", flag=True)
    assert again.parse_json(hparams.to_json()).values() == hparams.values()
    hparams.del_hparam("flag")
    assert "flag" not in hparams
    for wrong, words in (
        ("unknown=1", "Unknown hyperparameter"),
        ("rate=fast", "Could not parse"),
        ("units=3", "Must pass a list"),
        ("=3", "Malformed"),
    ):
        with pytest.raises(ValueError, match=words):
            hparams.parse(wrong)
    with pytest.raises(ValueError, match="reserved"):
        hparams.add_hparam("parse", 1)


def test_modules_behind_the_names(contrib):
    import importlib

    below = importlib.import_module("graphopt.v1.contrib.layers.python.layers")
    assert below.batch_norm is contrib.layers.batch_norm
    assert below.layers.layer_norm is contrib.layers.layer_norm
    assert below.initializers.xavier_initializer is contrib.layers.xavier_initializer
    ops = importlib.import_module("graphopt.v1.contrib.framework.python.ops")
    assert ops.arg_scope is contrib.slim.arg_scope
    assert contrib.layers.python.layers is below
    slim = contrib.slim.python.slim
    assert slim.learning is contrib.slim.learning
    assert slim.conv2d is contrib.layers.conv2d
    training = contrib.training.python.training
    assert training.hparam.HParams is contrib.training.HParams
    opt = contrib.opt.python.training.lazy_adam_optimizer
    assert opt.LazyAdamOptimizer is contrib.opt.LazyAdamOptimizer
    assert contrib.losses.python.losses.loss_ops.log_loss is contrib.losses.log_loss
    metrics = contrib.metrics.python.ops.metric_ops
    assert metrics.streaming_mean is contrib.metrics.streaming_mean
    for module in (contrib.layers, contrib.framework, contrib.slim, slim, training):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = module.nothing


def test_mistakes(contrib):
    layers = contrib.layers
    with tf.Graph().as_default():
        x = tf.ones([2, 4, 4, 6])
        with pytest.raises(ValueError, match="num_outputs type"):
            layers.fully_connected(x, "3")
        with pytest.raises(ValueError, match="data_format has to be"):
            layers.conv2d(x, 2, 2, data_format="CHWN")
        with pytest.raises(ValueError, match="expects input with rank 3"):
            layers.conv1d(x, 2, 2)
        with pytest.raises(NotImplementedError, match="zero_debias"):
            layers.batch_norm(x, zero_debias_moving_mean=True)
        with pytest.raises(NotImplementedError, match="renorm"):
            layers.batch_norm(x, renorm=True)
        with pytest.raises(ValueError, match="commensurate"):
            layers.group_norm(x, 4)
        with pytest.raises(ValueError, match="must be < rank"):
            layers.layer_norm(x, begin_norm_axis=4)
        with pytest.raises(ValueError, match="undefined channels"):
            layers.batch_norm(v1.placeholder(tf.float32, [2, None]))
        loss = tf.reduce_sum(x)
        with pytest.raises(ValueError, match="Optimizer name"):
            layers.optimize_loss(loss, None, 0.1, "Best")
        with pytest.raises(ValueError, match="Learning rate should be"):
            layers.optimize_loss(loss, None, "fast", "SGD")
        with pytest.raises(ValueError, match="Summaries should be"):
            layers.optimize_loss(loss, None, 0.1, "SGD", summaries=["all"])
