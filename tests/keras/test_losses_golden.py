"""Losses and metrics against what those of tf_keras return, and their gradients."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from tests.golden import record_keras_losses as cases

FOLDER = Path(cases.__file__).parent
with np.load(FOLDER / "keras_losses.npz") as _file:
    GOLDEN = dict(_file)
CONFIGS = json.loads((FOLDER / "keras_losses.json").read_text())
LOSSES = [*cases.loss_cases(cases.LOSSES), *cases.loss_cases(cases.KERAS3_LOSSES)]
METRICS = [
    *cases.metric_cases(cases.METRICS),
    *cases.metric_cases(cases.KERAS3_METRICS),
]
OF_KERAS3 = {key for key, *_ in cases.loss_cases(cases.KERAS3_LOSSES)}
OF_KERAS3 |= {key for key, *_ in cases.metric_cases(cases.KERAS3_METRICS)}


def close(got, want, rtol=2e-5):
    got = np.asarray(got)
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(
        got, want, rtol=rtol, atol=1e-6 * (1 + np.abs(want).max())
    )


def test_every_case_is_recorded():
    keys = {f"{part}/{key}" for key, *_ in LOSSES for part in ("loss", "gradient")}
    keys |= {f"metric/{key}/{step}" for key, *_ in METRICS for step in range(3)}
    assert set(GOLDEN) == keys


def test_every_class_has_a_case():
    for module, found in ((tf.keras.losses, LOSSES), (tf.keras.metrics, METRICS)):
        classes = {n for n, made in module._table().items() if isinstance(made, type)}
        untested = {"SumOverBatchSize"} if module is tf.keras.metrics else set()
        assert classes - {kind for _, kind, *_ in found} == untested


# In a graph, one reduction with and one without weights.
ENDINGS = ("vector/sum", "None/none", "None/None")
LOSS_RUNS = [(case, "eager") for case in LOSSES]
LOSS_RUNS += [(case, "function") for case in LOSSES if case[0].endswith(ENDINGS)]


@pytest.mark.parametrize(
    ("case", "mode"), LOSS_RUNS, ids=[f"{case[0]}-{mode}" for case, mode in LOSS_RUNS]
)
def test_loss_and_gradient(case, mode):
    key, kind, options, what, weights = case
    y_true, y_pred = cases.batch_of(what)
    loss = getattr(tf.keras.losses, kind)(**options)
    weights = cases.loss_weights(y_true, options, weights)

    def run(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred, sample_weight=weights)
        return value, tape.gradient(value, y_pred)

    run = tf.function(run) if mode == "function" else run
    value, gradient = run(tf.constant(y_true), tf.constant(y_pred))
    close(value, GOLDEN[f"loss/{key}"])
    close(gradient, GOLDEN[f"gradient/{key}"], rtol=1e-4)


@pytest.mark.parametrize("mode", ["eager", "function"])
@pytest.mark.parametrize("case", METRICS, ids=[case[0] for case in METRICS])
def test_metric_over_batches(case, mode):
    key, kind, options, what, weights = case
    metric = getattr(tf.keras.metrics, kind)(**options)

    def update(*args):
        metric.update_state(
            *args[:2], **({"sample_weight": args[2]} if args[2:] else {})
        )

    step = tf.function(update) if mode == "function" else update
    for _ in range(2):
        for number in range(3):
            y_true, y_pred = cases.batch_of(what, number)
            sample_weight = cases.weights_of(np.shape(y_true), weights)
            if kind in cases.ONE_ARGUMENT:
                metric.update_state(y_pred, sample_weight=sample_weight)
            else:
                args = [y_true, y_pred, sample_weight][: 2 if weights is None else 3]
                step(*[tf.constant(arg) for arg in args])
            close(metric.result(), GOLDEN[f"metric/{key}/{number}"])
        # The second round begins where the first one did.
        metric.reset_state()
        assert all(not np.any(value) for value in metric.get_weights())


@pytest.mark.parametrize("part", ["loss", "metric"])
def test_configs_and_names_of_variables(part):
    found = LOSSES if part == "loss" else METRICS
    module = tf.keras.losses if part == "loss" else tf.keras.metrics
    for key, kind, options, what, weights in found:
        made = getattr(module, kind)(**options)
        want = dict(CONFIGS[f"{part}/{key}"])
        if part == "metric":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cases.update(made, kind, what, weights, 0)
            names = [v.name.split("/")[-1].split(":")[0] for v in made.variables]
            assert names == want.pop("variables")
        config = made.get_config()
        config = json.loads(json.dumps(config))
        again = type(made).from_config(config).get_config()
        assert json.loads(json.dumps(again)) == config
        config.pop("dtype", None)
        if key in OF_KERAS3:
            # Ours says which function it is, and names of Keras 2's reductions.
            continue
        for automatic in ("name",) if part == "metric" else ():
            config.pop(automatic), want.pop(automatic)
        config = json.loads(
            json.dumps(config, default=lambda x: np.asarray(x).tolist())
        )
        assert config == want, key
