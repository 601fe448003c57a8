"""`tf.metrics` of version 1."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat import programs_metrics
from tests.compat.golden import compare, host_steps

v1 = tf.compat.v1


def test_values_and_names_of_variables_are_those_of_tensorflow():
    compare("metrics", programs_metrics.record(v1))


def test_a_value_beside_its_update_is_that_from_before():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        value, update = v1.metrics.mean(
            x, metrics_collections="values", updates_collections=["updates"]
        )
        assert v1.get_collection("values") == [value]
        assert v1.get_collection("updates") == [update]
        session.run(v1.local_variables_initializer())
        assert session.run([value, update], {x: [2.0, 4.0]}) == [0.0, 3.0]
        assert session.run([value, update], {x: []}) == [3.0, 3.0]
        session.run(v1.local_variables_initializer())
        assert session.run(value) == 0.0
        assert session.run(update, {x: np.ones(7)}) == 1.0


def test_updates_are_compiled():
    first = next(programs_metrics.batches())
    with tf.Graph().as_default(), v1.Session() as session:
        x = {k: v1.placeholder(v.dtype, [None, *v.shape[1:]]) for k, v in first.items()}
        metrics = v1.metrics
        updates = [
            metrics.accuracy(x["classes"], x["found"])[1],
            metrics.auc(x["hits"], x["chances"])[1],
            metrics.precision(x["hits"], x["each"])[1],
            metrics.mean_iou(x["classes"], x["found"], 3)[1],
            metrics.mean_per_class_accuracy(x["classes"], x["found"], 3)[1],
            metrics.root_mean_squared_error(x["labels"], x["predictions"])[1],
        ]
        session.run(v1.local_variables_initializer())
        feeds = {x[k]: v for k, v in first.items()}
        # Only the checks of values, which a run passes by unless one fails.
        found = host_steps(session, updates, feeds)
        assert all("/assert_" in name for name, _ in found)


def test_checkpoints_leave_metrics_out(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", [2])
        v1.metrics.mean(w)
        session.run(
            [v1.global_variables_initializer(), v1.local_variables_initializer()]
        )
        path = v1.train.Saver().save(session, str(tmp_path / "model"))
        assert [name for name, _ in v1.train.list_variables(path)] == ["w"]
        assert v1.get_local_variable("own", [3]) in v1.local_variables()


def test_mistakes():
    metrics = v1.metrics
    with pytest.raises(RuntimeError, match="eager execution"):
        metrics.accuracy([1], [1])
    with tf.Graph().as_default(), v1.Session() as session:
        with pytest.raises(ValueError, match="incompatible"):
            metrics.mean_squared_error([1.0, 2.0], [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="weights can not be broadcast"):
            metrics.mean([1.0, 2.0], [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="Curve XY is unknown"):
            metrics.auc([1], [0.5], curve="XY")
        with pytest.raises(ValueError, match="summation_method"):
            metrics.auc([1], [0.5], summation_method="fast")
        with pytest.raises(ValueError, match=r"`specificity` must be in the range"):
            metrics.sensitivity_at_specificity([1], [0.5], 1.5)
        with pytest.raises(ValueError, match="Invalid k=0"):
            metrics.average_precision_at_k([[1]], [[0.5]], 0)
        with pytest.raises(ValueError, match="Unexpected labels shape"):
            metrics.recall_at_k([[[1]]], [[0.5]], 1)
        x = v1.placeholder(tf.float32, [1])
        update = metrics.auc([1], x)[1]
        classes = v1.placeholder(tf.int64, [1])
        matrix = metrics.mean_iou(classes, [0], 2)[1]
        session.run(v1.local_variables_initializer())
        with pytest.raises(ValueError, match=r"predictions must be in \[0, 1\]"):
            session.run(update, {x: [1.5]})
        for wrong, words in (([2], "out of bound"), ([-1], "negative values")):
            with pytest.raises(ValueError, match=words):
                session.run(matrix, {classes: wrong})
