"""Constraints and regularizers: values, training, layers, configs."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.golden.record_constraints import CONSTRAINTS, REGULARIZERS, inputs_of
from tests.helpers import run_everywhere

v1 = tf.compat.v1
constraints, regularizers = tf.keras.constraints, tf.keras.regularizers
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "constraints.npz")
CASES = {
    **{label: (constraints, *case) for label, case in CONSTRAINTS.items()},
    **{label: (regularizers, *case) for label, case in REGULARIZERS.items()},
}


@pytest.mark.parametrize("label", CASES)
def test_values_of_keras(label):
    module, name, options = CASES[label]
    function = getattr(module, name)(**options)
    for (got,) in run_everywhere(function, inputs_of(label)):
        np.testing.assert_allclose(
            got, GOLDEN[label], rtol=2e-6, atol=1e-7, strict=True
        )


def numpy_formulas(w):
    norms = np.sqrt(np.sum(w**2, axis=0, keepdims=True))
    unit = w / (np.linalg.norm(w, axis=1, keepdims=True) + 0.0)
    cosines = np.abs(unit @ unit.T)[np.triu_indices(len(w), 1)]
    eps = 1e-7
    drawn = 0.25 * np.clip(norms, 0.5, 1.5) + 0.75 * norms
    return {
        constraints.MaxNorm(1.0): w * np.minimum(norms, 1.0) / (eps + norms),
        constraints.NonNeg(): np.where(w < 0, 0, w),
        constraints.UnitNorm(): w / (eps + norms),
        constraints.MinMaxNorm(0.5, 1.5, 0.25): w * drawn / (eps + norms),
        regularizers.L1(0.3): 0.3 * np.sum(np.abs(w)),
        regularizers.L2(0.3): 0.3 * np.sum(w**2),
        regularizers.L1L2(0.1, 0.2): 0.1 * np.sum(np.abs(w)) + 0.2 * np.sum(w**2),
        regularizers.OrthogonalRegularizer(0.4): 0.4 * np.mean(cosines),
    }


def test_float64_is_that_of_the_formulas():
    w = np.random.default_rng(3).standard_normal((4, 5))
    for function, want in numpy_formulas(w).items():
        for (got,) in run_everywhere(function, w):
            np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    w = tf.constant(np.ones((3, 3), dtype))
    for function in numpy_formulas(np.ones((3, 3))):
        assert function(w).dtype == dtype


def test_numbers_that_are_not_finite_stay_visible():
    w = tf.constant([[np.nan, 1.0], [-1.0, -0.0]])
    for function in (
        constraints.NonNeg(),
        constraints.MaxNorm(),
        constraints.UnitNorm(),
    ):
        assert np.isnan(function(w).numpy()[0, 0])


class Table:
    """Two steps on a table of rows, by dense or sparse gradients."""

    def __init__(self, make, constraint, sparse):
        self.w = tf.Variable(np.full((4, 2), 0.9, np.float32), constraint=constraint)
        self.optimizer = make()
        self.sparse = sparse

    def pairs(self):
        rows = np.full((2, 2), -1.0, np.float32)
        if self.sparse:
            return [(tf.IndexedSlices(tf.constant(rows), [1, 3], [4, 2]), self.w)]
        dense = np.zeros((4, 2), np.float32)
        dense[[1, 3]] = rows
        return [(tf.constant(dense), self.w)]


OPTIMIZERS = {
    "sgd": lambda: tf.keras.optimizers.SGD(0.5),
    "adam": lambda: tf.keras.optimizers.Adam(0.5),
    "v1 sgd": lambda: v1.train.GradientDescentOptimizer(0.5),
    "v1 adagrad": lambda: v1.train.AdagradOptimizer(0.5),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("jit", ["never", "always"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_constraint_holds_after_each_step(name, jit, sparse):
    constraint = constraints.MaxNorm(1.0, axis=1)
    make = OPTIMIZERS[name]

    def allowed(value):
        norms = np.linalg.norm(value, axis=1)
        # The rows that no gradient names are as much too long, and constrained too.
        np.testing.assert_allclose(norms, 1.0, atol=1e-5)

    with config(jit=jit):
        table = Table(make, constraint, sparse)
        for _ in range(2):
            table.optimizer.apply_gradients(table.pairs())
            allowed(table.w.numpy())
        eager = table.w.numpy()
        with tf.Graph().as_default(), v1.Session() as session:
            table = Table(make, constraint, sparse)
            train = table.optimizer.apply_gradients(table.pairs())
            session.run(v1.global_variables_initializer())
            session.run(train)
            session.run(train)
            np.testing.assert_allclose(session.run(table.w), eager, rtol=1e-6)


def test_layers_take_names_configs_and_functions():
    layer = tf.keras.layers.Dense(
        2,
        kernel_initializer="ones",
        kernel_constraint="unit_norm",
        bias_constraint=lambda b: b * 0.0 + 3.0,
        kernel_regularizer={"class_name": "L2", "config": {"l2": 0.5}},
        bias_regularizer="l1",
    )
    x = tf.ones([4, 3])
    tf.keras.optimizers.SGD(0.1).minimize(
        lambda: tf.reduce_sum(layer(x)), lambda: layer.trainable_weights
    )
    np.testing.assert_allclose(np.linalg.norm(layer.kernel.numpy(), axis=0), 1.0, 1e-6)
    assert layer.bias.numpy().tolist() == [3.0, 3.0]
    np.testing.assert_allclose([float(t) for t in layer.losses], [1.0, 0.06], 1e-6)


def make_model():
    return tf.keras.Sequential(
        [
            tf.keras.layers.Dense(3, kernel_regularizer="l2", input_shape=(4,)),
            tf.keras.layers.Dense(
                2, kernel_initializer="ones", activity_regularizer=regularizers.L1(0.5)
            ),
        ]
    )


def test_the_losses_of_a_model():
    model = make_model()
    first = model.layers[0].kernel
    assert len(model.losses) == 1  # Nothing was called yet.
    x = tf.ones([5, 4])
    for _ in range(2):
        y = model(x)
        weights, activity = model.losses
        np.testing.assert_allclose(weights, 0.01 * np.sum(first.numpy() ** 2), 1e-6)
        np.testing.assert_allclose(activity, 0.5 * np.sum(np.abs(y)) / 5, 1e-6)
    assert len(model.layers[1].losses) == 1
    with tf.GradientTape() as tape:
        term = model.losses[0]
    grad = tape.gradient(term, first)
    np.testing.assert_allclose(grad, 0.02 * first.numpy(), 1e-6)


def test_the_losses_of_a_model_in_graphs_and_functions():
    def values(model, x):
        model(x)
        return model.losses

    x = np.ones((5, 4), np.float32)
    eager = make_model()
    want = [float(term) for term in values(eager, x)]

    @tf.function
    def traced(x):
        return values(eager, x)

    np.testing.assert_allclose(traced(tf.constant(x)), want, 1e-6)
    assert len(eager.losses) == 1  # The terms of the trace are none of eager mode.
    with tf.Graph().as_default(), v1.Session() as session:
        model = make_model()
        terms = values(model, tf.constant(x))
        session.run(v1.global_variables_initializer())
        for weight, value in zip(model.weights, eager.weights, strict=True):
            weight.load(value.numpy(), session)
        np.testing.assert_allclose(session.run(terms), want, 1e-6)


def test_added_losses():
    class Penalized(tf.keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_sum(inputs))
            return inputs

    layer = Penalized()
    layer.add_loss(lambda: tf.constant(7.0))
    for _ in range(2):
        layer(tf.ones([2]))
        assert [float(term) for term in layer.losses] == [2.0, 7.0]
    x = tf.keras.Input([3])
    model = tf.keras.Model(x, layer(layer(x)))
    model(tf.ones([1, 3]))
    assert [float(term) for term in model.losses] == [3.0, 3.0, 7.0]


def test_a_failing_call_does_not_leave_the_thread_inside():
    class Failing(tf.keras.layers.Layer):
        def call(self, inputs):
            raise KeyError("no")

    with pytest.raises(KeyError):
        Failing()(tf.ones([2]))
    test_added_losses()


def test_a_copy_of_a_layer_regularizes_its_own_weight():
    layer = tf.keras.layers.Dense(1, kernel_regularizer="l2", kernel_initializer="ones")
    layer(tf.ones([1, 2]))
    copied = copy.deepcopy(layer)
    layer.kernel.assign([[3.0], [4.0]])
    np.testing.assert_allclose([*copied.losses, *layer.losses], [0.02, 0.25], 1e-6)


@pytest.mark.parametrize("label", CASES)
def test_configs(label):
    module, name, options = CASES[label]
    made = getattr(module, name)(**options)
    plain = module.serialize(made)
    assert plain["class_name"] == name
    for again in (module.deserialize(plain), module.get(plain), module.get(made)):
        assert type(again) is type(made) and again.get_config() == made.get_config()
    assert type(made).from_config(made.get_config()).get_config() == made.get_config()


@pytest.mark.parametrize("module", [constraints, regularizers, tf.keras.initializers])
def test_names(module):
    assert module.get(None) is None and module.serialize(None) is None
    for name, made in vars(module).items():
        if isinstance(made, type) and not name.startswith("_"):
            if name in ("Constraint", "Regularizer", "Initializer"):
                continue
            if made.__module__ == module.__name__:
                assert type(module.get(name)) is made, name
                assert type(module.get(made)) is made
    assert module.get(abs) is abs and module.serialize(abs) == "abs"
    assert module.deserialize("mine", custom_objects={"mine": abs}) is abs
    with pytest.raises(ValueError, match=r"Unknown .* 'os'; expected one of"):
        module.get("os")
    with pytest.raises(ValueError, match="Could not interpret"):
        module.get(3)


def test_defaults_of_the_functions():
    assert regularizers.l1_l2().get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.get("L1L2").get_config() == {"l1": 0.0, "l2": 0.0}
    assert float(regularizers.L1L2()(tf.ones([2]))) == 0.0
    w = tf.constant([1.0])
    assert constraints.Constraint()(w) is w
    with pytest.raises(NotImplementedError, match="must implement __call__"):
        regularizers.Regularizer()(w)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: regularizers.L1("a"), "Value of l1 must be a number; got 'a'"),
        (lambda: regularizers.L2(float("nan")), "Value of l2 must be finite"),
        (lambda: regularizers.L1L2(l2=float("inf")), "Value of l2 must be finite"),
        (lambda: regularizers.OrthogonalRegularizer(mode="x"), "`mode`"),
        (lambda: regularizers.OrthogonalRegularizer()(tf.ones([3])), "rank 2"),
        (lambda: constraints.RadialConstraint()(tf.ones([3, 3])), "must have rank 4"),
        (
            lambda: constraints.RadialConstraint()(tf.ones([2, 3, 1, 1])),
            "square filters",
        ),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_get_variable_has_no_regularizers_in_eager_mode():
    with pytest.raises(NotImplementedError, match="eager mode"):
        v1.get_variable("y", [3], regularizer=tf.reduce_sum)


def test_small_sizes():
    assert float(regularizers.OrthogonalRegularizer()(tf.ones([1, 3]))) == 0.0
    ones = tf.ones([1, 1, 2, 2])
    assert (
        constraints.RadialConstraint()(ones).numpy().tolist() == ones.numpy().tolist()
    )
