"""`from_config(get_config())` makes an optimizer that goes the same way."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.keras.optimizers import CLASSES
from graphopt.keras.optimizers.checks import ALLOWED_KEYWORDS

schedules = tf.keras.optimizers.schedules
# A value that is no default for every keyword of every optimizer.
VALUES = {
    "learning_rate": [0.05, -0.05, schedules.ExponentialDecay(0.05, 2, 0.5)],
    "beta_1": [0.8, 0.3],
    "beta_2": [0.95],
    "epsilon": [1e-3],
    "rho": [0.7],
    "beta_2_decay": [-0.5],
    "epsilon_1": [1e-8],
    "epsilon_2": [0.1],
    "clip_threshold": [0.5],
    "relative_step": [False],
    "initial_accumulator_value": [0.3],
    "amsgrad": [True],
    "weight_decay": [0.1, 0.0],
    "learning_rate_power": [-0.4],
    "l1_regularization_strength": [0.01],
    "l2_regularization_strength": [0.02],
    "l2_shrinkage_regularization_strength": [0.03],
    "beta": [0.04],
    "momentum": [0.6, 0.0],
    "trust_coefficient": [0.2],
    "nesterov": [True, False],
    "exclude_from_layer_adaptation": [["w"]],
    "adam_beta_1": [0.8],
    "adam_beta_2": [0.9],
    "adam_weight_decay": [0.2, None],
    "exclude_layers": [["w"]],
    "exclude_embeddings": [False],
    "muon_a": [3.0],
    "muon_b": [-4.0],
    "muon_c": [2.0],
    "adam_lr_ratio": [0.5],
    "ns_steps": [2],
    "rms_rate": [0.4, None],
    "threshold": [4.5],
    "centered": [True],
    "eta_minus": [0.4],
    "eta_plus": [1.3],
    "step_min": [1e-3],
    "step_max": [0.5],
    "warmup_steps": [3],
    "clipnorm": [0.5],
    "clipvalue": [0.2],
    "global_clipnorm": [0.7],
    "decay": [0.1],
    "lr": [0.03],
    "use_ema": [True],
    "ema_momentum": [0.5],
    "ema_overwrite_frequency": [2],
    "gradient_accumulation_steps": [2],
    "loss_scale_factor": [8.0],
    "learning_rate_factors": [{"w": 0.5}],
    "on_nonfinite": ["skip"],
    "name": ["Other"],
}
# What a keyword needs beside it to mean anything.
BESIDE = {
    "ema_momentum": {"use_ema": True},
    "ema_overwrite_frequency": {"use_ema": True},
    "nesterov": {"momentum": 0.7},
}
CLASSES_HERE = {k: c for k, c in CLASSES.items() if k != "lossscaleoptimizer"}


def keywords_of(cls):
    own = [n for n in inspect.signature(cls).parameters if n != "kwargs"]
    return list(
        dict.fromkeys(
            [
                n
                for n in own
                if n not in ("gradient_aggregator", "gradient_transformers")
            ]
            + list(ALLOWED_KEYWORDS)
        )
    )


def cases():
    for label, cls in CLASSES_HERE.items():
        for keyword in keywords_of(cls):
            for value in VALUES[keyword]:
                options = {keyword: value}
                if set(BESIDE.get(keyword, ())) <= set(keywords_of(cls)):
                    options |= BESIDE.get(keyword, {})
                yield pytest.param(cls, options, id=f"{label}-{keyword}-{value!s:.20}")


def random_cases():
    rng = np.random.default_rng(5)
    for label, cls in CLASSES_HERE.items():
        for number in range(6):
            names = [n for n in keywords_of(cls) if n != "lr" and rng.random() < 0.3]
            if "global_clipnorm" in names and "clipnorm" in names:
                names.remove("clipnorm")
            options = {n: VALUES[n][rng.integers(len(VALUES[n]))] for n in names}
            yield pytest.param(cls, options, id=f"{label}-{number}")


def make(cls, options):
    if cls is tf.keras.optimizers.Rprop and options.get("learning_rate") == -0.05:
        pytest.skip("The first step of Rprop has a size and no direction.")
    if isinstance(options.get("learning_rate"), schedules.ExponentialDecay):
        if cls is tf.keras.optimizers.Nadam:
            pytest.skip("Nadam takes no schedule.")
        if cls is tf.keras.optimizers.Rprop:
            pytest.skip("Rprop starts with a number.")
    return cls(**options)


def walk(optimizer, steps=5):
    """Returns where two variables go."""
    rng = np.random.default_rng(1)
    w = tf.Variable(rng.normal(size=(3, 2)).astype(np.float32), name="w")
    b = tf.Variable(rng.normal(size=2).astype(np.float32), name="b")
    places = []
    for _ in range(steps):
        grads = [
            tf.constant(rng.normal(size=v.shape).astype(np.float32)) for v in (w, b)
        ]
        optimizer.apply_gradients(zip(grads, (w, b), strict=True))
        places.append(np.concatenate([w.numpy().ravel(), b.numpy()]))
    return np.stack(places)


@pytest.mark.filterwarnings("ignore:The `lr` argument:UserWarning")
@pytest.mark.parametrize("cls, options", [*cases(), *random_cases()])
def test_config_makes_the_same_optimizer(cls, options):
    optimizer = make(cls, options)
    fresh = cls.from_config(optimizer.get_config())
    serialized = tf.keras.optimizers.serialize(optimizer)
    copied = tf.keras.optimizers.deserialize(json.loads(json.dumps(serialized)))
    want = walk(optimizer)
    # After steps hyperparameters are variables, and what a config holds comes of them.
    later = cls.from_config(optimizer.get_config())
    used = tf.keras.optimizers.serialize(optimizer)
    from_text = tf.keras.optimizers.deserialize(json.loads(json.dumps(used)))
    for made in (fresh, copied, later, from_text):
        assert type(made) is cls
        np.testing.assert_array_equal(walk(made), want)


def test_schedule_decay_of_nadam_is_part_of_the_config():
    optimizer = tf.keras.optimizers.Nadam(0.1, schedule_decay=0.4)
    made = tf.keras.optimizers.Nadam.from_config(optimizer.get_config())
    np.testing.assert_array_equal(walk(made), walk(optimizer))


def test_config_has_the_number_that_was_given():
    optimizer = tf.keras.optimizers.Adam(0.1, beta_2=0.98)
    walk(optimizer)
    assert optimizer.get_config()["learning_rate"] == 0.1
    assert optimizer.get_config()["beta_2"] == 0.98
    optimizer.learning_rate.assign(0.3)
    assert optimizer.get_config()["learning_rate"] == float(np.float32(0.3))


@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0), np.float64(0), np.int64(0)])
@pytest.mark.parametrize("cls", [tf.keras.optimizers.SGD, tf.keras.optimizers.RMSprop])
def test_momentum_of_zero_is_none_whatever_its_type(cls, zero):
    assert "momentum" not in cls(0.1, momentum=zero).get_slot_names()


def test_negative_learning_rates_go_up():
    for jit in ("never", "always"):
        with config(jit=jit):
            w = tf.Variable(1.0)
            optimizer = tf.keras.optimizers.SGD(learning_rate=-0.5)
            for _ in range(2):
                optimizer.minimize(lambda: w * w, [w])
            assert float(w) == 4.0
            optimizer.learning_rate = -0.25
            optimizer.minimize(lambda: w * w, [w])
            assert float(w) == 6.0


@pytest.mark.parametrize(
    "name", ["decay", "weight_decay", "loss_scale_factor", "clipnorm"]
)
def test_other_numbers_below_zero_are_refused(name):
    with pytest.raises(ValueError, match=f"Expected {name} >= 0"):
        tf.keras.optimizers.SGD(0.1, **{name: -1.0})


def test_nan_is_no_learning_rate():
    with pytest.raises(ValueError, match="must not be NaN"):
        tf.keras.optimizers.SGD(float("nan"))


def test_loss_scale_config_makes_the_same_optimizer():
    def make():
        inner = tf.keras.optimizers.RMSprop(0.05, weight_decay=0.1)
        return tf.keras.optimizers.LossScaleOptimizer(
            inner, initial_scale=4.0, dynamic_growth_steps=2
        )

    optimizer = make()
    fresh = type(optimizer).from_config(optimizer.get_config())
    want = walk(optimizer)
    later = type(optimizer).from_config(optimizer.get_config())
    np.testing.assert_array_equal(walk(fresh), want)
    np.testing.assert_array_equal(walk(later), want)


def test_variables_without_weight_decay_are_part_of_the_config():
    optimizer = tf.keras.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["b"])
    made = tf.keras.optimizers.SGD.from_config(optimizer.get_config())
    np.testing.assert_array_equal(walk(made), walk(optimizer))
    plain = walk(tf.keras.optimizers.SGD(0.1, weight_decay=0.5))
    assert not np.array_equal(plain, walk(optimizer))
