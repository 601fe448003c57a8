"""Metrics: mistakes, custom ones, states, configs, and graphs of version 1."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import graphopt as tf

metrics = tf.keras.metrics
ROWS = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], np.float32)


class Balance(metrics.Metric):
    """A custom metric with a choice by a tensor."""

    def __init__(self, name="balance", **kwargs):
        super().__init__(name=name, **kwargs)
        self.above = self.add_weight(name="above", initializer="zeros")
        self.below = self.add_weight(name="below", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        if tf.reduce_mean(y_pred) > tf.reduce_mean(y_true):
            self.above.assign_add(1.0)
        else:
            self.below.assign_add(1.0)

    def result(self):
        return {"above": self.above, "below": self.below * 1.0}


@pytest.mark.parametrize("mode", ["eager", "function"])
def test_a_custom_metric_may_choose_by_a_tensor(mode):
    metric = Balance()

    def update(y_true, y_pred):
        metric.update_state(y_true, y_pred)

    step = tf.function(update) if mode == "function" else update
    for y_pred in (3.0, 0.5, 2.0):
        step(tf.constant(1.0), tf.constant(y_pred))
    result = metric.result()
    assert {key: float(value) for key, value in result.items()} == {
        "above": 2.0,
        "below": 1.0,
    }
    metric.reset_state()
    assert metric.get_weights() == [0.0, 0.0]


def test_a_metric_of_the_former_name_of_reset_state():
    class Old(Balance):
        def reset_states(self):
            self.above.assign(-1.0)

    metric = Old()
    metric.reset_state()
    assert float(metric.above) == -1.0


def test_results_are_tensors():
    class Five(metrics.Metric):
        def update_state(self, *args):
            pass

        def result(self):
            return 5.0

    assert Five()(1).numpy() == 5.0


def test_methods_must_be_defined():
    metric = metrics.Metric(name="none")
    for method in (metric.update_state, metric.result):
        with pytest.raises(NotImplementedError, match="in subclasses"):
            method()


def test_weights_are_not_trained():
    metric = metrics.Mean(name="m")
    assert [v.name for v in metric.variables] == ["total:0", "count:0"]
    assert metric.trainable_weights == [] and len(metric.non_trainable_weights) == 2
    assert all(not v.trainable for v in metric.variables)


def test_call_updates_and_returns_the_result():
    mean = metrics.Mean()
    assert float(mean([1.0, 3.0])) == 2.0
    assert float(mean(8.0)) == 4.0


def test_merge_state_adds():
    first, second = metrics.Mean(), metrics.Mean()
    first.update_state([1.0, 3.0])
    second.update_state([8.0])
    first.merge_state([second])
    assert float(first.result()) == 4.0
    with pytest.raises(ValueError, match="not compatible"):
        first.merge_state([metrics.Sum()])


def test_copies_have_the_state_and_clones_have_not():
    metric = metrics.BinaryAccuracy(threshold=0.8, name="at_8")
    metric.update_state([1.0, 0.0], [0.9, 0.9])
    twin = copy.deepcopy(metric)
    twin.update_state([1.0], [0.9])
    assert float(metric.result()) == 0.5
    assert float(twin.result()) == pytest.approx(2 / 3)
    clone = metrics.clone_metric(metric)
    assert float(clone.result()) == 0.0 and clone.get_config() == metric.get_config()
    assert metrics.clone_metric(len) is len
    assert str(metric) == "BinaryAccuracy(name=at_8,dtype=float32,threshold=0.8)"


def test_dtype_of_a_metric():
    mean = metrics.Mean(dtype="float64")
    mean.update_state(np.array([1, 2]))
    assert mean.result().dtype == tf.float64 and mean.get_config()["dtype"] == "float64"


def test_metrics_in_a_graph_of_version_1():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        mean, area = metrics.Mean(), metrics.AUC(num_thresholds=3)
        update, result = mean.update_state(x), mean.result()
        called = mean(x)
        count = area.update_state(tf.cast(x > 0.5, tf.float32), x)
        session.run([v.initializer for v in [*mean.variables, *area.variables]])
        session.run(update, {x: [1.0, 3.0]})
        assert session.run(result) == 2.0
        assert session.run(called, {x: [5.0]}) == 3.0
        session.run(count, {x: [0.2, 0.9]})
        assert session.run(area.result()) == 1.0
        mean.reset_state()
        assert session.run(result) == 0.0


@pytest.mark.parametrize("name", sorted(metrics._table()))
def test_each_name_finds_its_metric(name):
    kind = getattr(metrics, name)
    if not isinstance(kind, type):
        assert metrics.get(name) is kind
        return
    options = {
        "IoU": {"num_classes": 2, "target_class_ids": [0]},
        "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
        "MeanIoU": {"num_classes": 2},
        "OneHotMeanIoU": {"num_classes": 2},
        "MeanRelativeError": {"normalizer": [1.0]},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
    }.get(name, {})
    found = metrics.get({"class_name": name, "config": options})
    assert type(found) is kind
    again = metrics.get(metrics.serialize(found))
    assert type(again) is kind and again.get_config() == found.get_config()


def test_names_that_are_none():
    for bad in (None, 3):
        with pytest.raises(ValueError, match="Could not interpret metric"):
            metrics.get(bad)
    with pytest.raises(ValueError, match="Unknown metric 'accurracy'"):
        metrics.get("accurracy")
    with pytest.raises(AttributeError, match="Acuracy"):
        _ = metrics.Acuracy


def test_metrics_of_a_model_by_name_have_the_first_number():
    tf.keras.backend.clear_session()
    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(1, activation="sigmoid", input_shape=(2,))]
    )
    model.compile("sgd", "binary_crossentropy", metrics=["AUC", "Precision", "acc"])
    history = model.fit(ROWS, [0.0, 1.0, 1.0], verbose=0).history
    assert list(history) == ["loss", "auc", "precision", "acc"]


def test_accuracy_is_exact_over_batches_of_different_sizes():
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state([1, 0, 1], ROWS)
    metric.update_state([1], ROWS[1:2])
    # Not the mean of 1 and 0.
    assert float(metric.result()) == 0.75


def test_shapes_that_are_no_labels():
    with pytest.raises(ValueError, match=r"accuracy: Shapes.*sparse_categorical_acc"):
        metrics.Accuracy()([0, 1, 1], ROWS)
    with pytest.raises(ValueError, match=r"no class numbers.*categorical_accuracy"):
        metrics.sparse_categorical_accuracy(ROWS, ROWS)
    with pytest.raises(ValueError, match=r"incompatible.*sparse_categorical_accuracy"):
        metrics.categorical_accuracy([0, 1, 1], ROWS)
    with pytest.raises(ValueError, match=r"incompatible.*tf\.one_hot"):
        metrics.Precision()([0, 1, 1], ROWS)
    with pytest.raises(ValueError, match="sample_weight cannot be broadcast"):
        metrics.Precision()(ROWS, ROWS, [1.0, 2.0])
    with pytest.raises(ValueError, match="sample_weight cannot be broadcast"):
        metrics.Mean()([1.0, 2.0, 3.0], [1.0, 2.0])


def test_weights_of_examples_for_values_of_more_dimensions():
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    mean, total = metrics.Mean(), metrics.Sum()
    want = np.average(values.mean((1, 2)), weights=[1, 3])
    assert float(mean(values, sample_weight=[1.0, 3.0])) == pytest.approx(want)
    want = (values.sum((1, 2)) * [1, 3]).sum()
    assert float(total(values, sample_weight=[1.0, 3.0])) == pytest.approx(want)


def test_a_dict_is_no_value_of_a_mean():
    with pytest.raises(RuntimeError, match="custom Metric subclass"):
        metrics.Mean().update_state({"a": 1.0})


def test_mean_tensor_keeps_one_shape():
    mean = metrics.MeanTensor(shape=(2,))
    with pytest.raises(ValueError, match="always have the same shape"):
        mean.update_state([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="any value yet"):
        metrics.MeanTensor().result()
    weighted = metrics.MeanTensor()
    weighted.update_state([1.0, 2.0], sample_weight=[1.0, 0.0])
    weighted.update_state([3.0, 4.0])
    assert weighted.result().numpy().tolist() == [2.0, 4.0]


@pytest.mark.parametrize("thresholds", [-0.1, 1.5, [0.5, 2.0], [None]])
def test_thresholds_are_shares(thresholds):
    for kind in (metrics.Precision, metrics.TruePositives):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
            kind(thresholds)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.AUC(1), "must be an integer > 1"),
        (lambda: metrics.AUC(curve="x"), "Invalid AUC curve"),
        (lambda: metrics.AUC(summation_method="x"), "Invalid AUC summation"),
        (lambda: metrics.AUC(num_labels=3), "only when `multi_label`"),
        (lambda: metrics.AUC(label_weights=[-1.0]), "non-negative"),
        (lambda: metrics.AUC(multi_label=True).result(), "nothing was counted"),
        (lambda: metrics.AUC(multi_label=True)([1], [1.0]), "must have rank 2"),
        (
            lambda: metrics.AUC(multi_label=True, num_labels=2)(
                np.ones((1, 3)), np.ones((1, 3))
            ),
            "labels is not consistent",
        ),
        (lambda: metrics.PrecisionAtRecall(1.5), r"in the range \[0, 1\]"),
        (lambda: metrics.RecallAtPrecision(-1), "precision"),
        (lambda: metrics.SensitivityAtSpecificity(0.5, 0), "integer > 0"),
        (lambda: metrics.F1Score(average="mean"), "Invalid `average`"),
        (lambda: metrics.F1Score(threshold=2.0), "Invalid `threshold`"),
        (lambda: metrics.FBetaScore(beta=1), "Invalid `beta`"),
        (lambda: metrics.F1Score()([1], [1.0]), "expects 2D inputs"),
        (lambda: metrics.F1Score().result(), "nothing was counted"),
        (lambda: metrics.IoU(2, [2]), "out of range"),
        (lambda: metrics.R2Score("mean"), "class_aggregation"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors"),
        (lambda: metrics.R2Score()([1.0], [1.0]), "expects 2D inputs"),
        (lambda: metrics.R2Score().result(), "nothing was counted"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_class_that_there_is_not_is_refused():
    with pytest.raises((ValueError, IndexError)):
        metrics.MeanIoU(2).update_state([0, 2], [0, 1])


def test_a_metric_that_learns_its_size_inside_of_a_function():
    score, area = metrics.F1Score(), metrics.AUC(multi_label=True)

    @tf.function
    def step(y_true, y_pred):
        score.update_state(y_true, y_pred)
        area.update_state(y_true, y_pred)

    labels = np.eye(2, dtype=np.float32)[[1, 0, 1]]
    step(tf.constant(labels), tf.constant(ROWS))
    assert score.result().numpy().tolist() == [1.0, 1.0]
    assert float(area.result()) == 1.0
    assert len(score.variables) == 4 and len(area.variables) == 4


def test_adjusted_r2_of_few_examples_is_warned_of():
    score = metrics.R2Score(num_regressors=5)
    score.update_state([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    plain = metrics.R2Score()
    plain.update_state([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    with pytest.warns(tf.errors.GraphoptWarning, match="standard R2 score"):
        assert float(score.result()) == float(plain.result())


def test_one_example_at_a_time_is_as_a_batch():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 2, (20, 1)), rng.random((20, 1), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in (
            metrics.AUC,
            metrics.Precision,
            metrics.BinaryAccuracy,
            metrics.MeanSquaredError,
        ):
            whole, single = make(), make()
            whole.update_state(y_true, y_pred)
            for a, b in zip(y_true, y_pred, strict=True):
                single.update_state(a[None], b[None])
            assert float(whole.result()) == pytest.approx(float(single.result()))


def test_ragged_values_count_element_by_element():
    y_true = tf.ragged.constant([[1.0], [0.0, 1.0]])
    y_pred = tf.ragged.constant([[1.0], [1.0, 1.0]])
    metric = metrics.BinaryAccuracy()
    assert float(metric(y_true, y_pred)) == pytest.approx(2 / 3)
    metric = metrics.BinaryAccuracy()
    weights = tf.ragged.constant([[1.0], [2.0, 1.0]])
    assert float(metric(y_true, y_pred, weights)) == 0.5
    assert float(metrics.Mean()(y_pred)) == 1.0
    with pytest.raises(TypeError, match="others are not"):
        metric(y_true, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="ragged weights"):
        metric([1.0], [1.0], weights)
    with pytest.raises(tf.errors.InvalidArgumentError, match="identical splits"):
        metric(y_true, tf.ragged.constant([[1.0, 2.0], [1.0]]))
    with pytest.raises(ValueError, match="identical ragged splits"):
        metric(tf.ragged.constant([[[1], [1]]]), tf.ragged.constant([[1], [0]]))
