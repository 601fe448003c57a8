"""Weight decay, averages, accumulation, loss scale, factors, checks, transformers."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config
from graphopt.errors import GraphoptWarning

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "optimizers_keras3.json").read_text())["cases"]
ARRAYS = dict(np.load(GOLDEN / "optimizers_keras3.npz"))
transformers = tf.keras.optimizers.transformers
both_modes = pytest.mark.parametrize("mode", ["eager", "graph"])


class Training:
    """Gives gradients to an optimizer, in either mode."""

    def __init__(self, mode, make, starts, sparse=()):
        self.mode = mode
        self.graph = tf.Graph() if mode == "graph" else None
        self.session = self.train = None
        if self.graph is None:
            self._build(make, starts)
            return
        with self.graph.as_default():
            self._build(make, starts)
            self.feeds, pairs = [], []
            for i, var in enumerate(self.variables):
                g = tf.compat.v1.placeholder(
                    var.dtype, None if i in sparse else var.shape
                )
                if i in sparse:
                    g = tf.compat.v1.placeholder(var.dtype, [None, *var.shape[1:]])
                    rows = tf.compat.v1.placeholder(tf.int64, [None])
                    self.feeds.append((g, rows))
                    g = tf.IndexedSlices(g, rows, var.shape)
                else:
                    self.feeds.append((g,))
                pairs.append((g, var))
            self.train = self.optimizer.apply_gradients(pairs)
            self.session = tf.compat.v1.Session()
            self.session.run(tf.compat.v1.global_variables_initializer())

    def _build(self, make, starts):
        self.variables = [
            tf.Variable(start, name=f"v{i}") for i, start in enumerate(starts)
        ]
        self.optimizer = make(self.variables)

    def apply(self, *grads):
        parts = [g if isinstance(g, tuple) else (g,) for g in grads]
        if self.graph is None:
            made = [
                tf.IndexedSlices(tf.constant(p[0]), tf.constant(p[1]), v.shape)
                if len(p) == 2
                else tf.constant(p[0])
                for p, v in zip(parts, self.variables, strict=True)
            ]
            self.optimizer.apply_gradients(list(zip(made, self.variables, strict=True)))
            return
        feed = {}
        for tensors, arrays in zip(self.feeds, parts, strict=True):
            feed.update(zip(tensors, arrays, strict=True))
        self.session.run(self.train, feed)

    def value(self, tensor):
        if self.graph is None:
            return tensor.numpy()
        return self.session.run(tensor)

    def values(self):
        return [self.value(v) for v in self.variables]


def arrays(*shapes, seed=0, dtype=np.float64):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype(dtype) for shape in shapes]


def sgd(**options):
    return lambda variables: tf.keras.optimizers.SGD(0.1, **options)


def adam(**options):
    return lambda variables: tf.keras.optimizers.Adam(0.1, **options)


# ---- recorded trajectories of Keras 3


def decoded(config):
    if isinstance(config, dict) and "$optimizer" in config:
        return getattr(tf.keras.optimizers, config["$optimizer"])(**config["config"])
    return config


@both_modes
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_trajectory_of_keras(case, mode):
    def of(kind, i):
        return ARRAYS.get(f"{case['id']}/{kind}{i}")

    used = [i for i, v in enumerate(case["vars"]) if v["grad"] is not None]
    arguments = {k: decoded(v) for k, v in case["config"].items()}

    def make(variables):
        opt = getattr(tf.keras.optimizers, case["optimizer"])(**arguments)
        excluded = case.get("exclude_from_weight_decay", {}).get("var_list", ())
        if excluded:
            opt.exclude_from_weight_decay(var_list=[variables[i] for i in excluded])
        return opt

    sparse = {n for n, i in enumerate(used) if of("i", i) is not None}
    training = Training(mode, make, [of("v", i) for i in used], sparse)

    def compare(at):
        where = case["compared_steps"].index(at)
        for i, got in zip(used, training.values(), strict=True):
            want = of("xv", i)[where]
            alternative = of("alt_xv", i)
            if alternative is not None and not np.allclose(got, want, **case["tol"]):
                want = alternative[where]
            np.testing.assert_allclose(got, want, **case["tol"])

    for step in range(case["steps"]):
        factor = 1.0
        if case.get("scale_grads_by_loss_scale"):
            factor = training.value(training.optimizer.dynamic_scale)
        grads = [of("g", i)[step] * factor for i in used]
        for n in sparse:
            grads[n] = grads[n], of("i", used[n])[step].astype(np.int64)
        training.apply(*grads)
        if step in case["compared_steps"]:
            compare(step)
    if case.get("finalize_at_end"):
        op = finalize(training)
        assert (op is None) == (mode == "eager")
        compare(case["steps"])


def finalize(training):
    if training.graph is None:
        return training.optimizer.finalize_variable_values(training.variables)
    with training.graph.as_default():
        op = training.optimizer.finalize_variable_values(training.variables)
        training.session.run(op)
        return op


# ---- weight decay


@both_modes
def test_weight_decay_leaves_out_variables_and_names(mode):
    def make(variables):
        opt = tf.keras.optimizers.SGD(0.1, weight_decay=0.5)
        opt.exclude_from_weight_decay([variables[0]], ["v1$"])
        return opt

    training = Training(mode, make, [np.float32(1.0)] * 3)
    training.apply(*[np.float32(0.0)] * 3)
    np.testing.assert_allclose(training.values(), [1.0, 1.0, 0.95], rtol=1e-6)


@both_modes
@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam", "Adagrad"])
def test_weight_decay_and_average_reach_rows_without_gradient(mode, name):
    start, g = arrays((4, 2), (2, 2))

    def make(variables):
        made = getattr(tf.keras.optimizers, name)
        options = {"momentum": 0.5} if name == "SGD" else {}
        return made(0.1, weight_decay=0.5, use_ema=True, ema_momentum=0.5, **options)

    def plain(variables):
        made = getattr(tf.keras.optimizers, name)
        return made(0.1, **({"momentum": 0.5} if name == "SGD" else {}))

    training = Training(mode, make, [start], {0})
    other = Training(mode, plain, [start], {0})
    average = None
    for _ in range(3):
        before = training.values()[0]
        kept = before - before * 0.5 * 0.1
        training.apply((g, np.array([1, 3])))
        other.apply((g, np.array([1, 3])))
        (w,) = training.values()
        # Rows without a gradient decay and nothing else.
        np.testing.assert_allclose(w[[0, 2]], kept[[0, 2]], rtol=1e-6)
        average = w if average is None else 0.5 * average + 0.5 * w
        slot = training.optimizer.get_slot(training.variables[0], "average")
        np.testing.assert_allclose(training.value(slot), average, rtol=1e-6)
    for slot_name in training.optimizer.get_slot_names():
        slots = [
            t.value(t.optimizer.get_slot(t.variables[0], slot_name))
            for t in (training, other)
        ]
        np.testing.assert_allclose(*slots, rtol=1e-12)


def test_weight_decay_is_a_number_of_the_step():
    opt, w = tf.keras.optimizers.AdamW(0.1, weight_decay=0.5), tf.Variable([4.0])
    with config(jit="always"):
        opt.apply_gradients([(tf.constant([0.0]), w)])
        before = record.kernels
        opt.weight_decay = 0.1
        opt.apply_gradients([(tf.constant([0.0]), w)])
        assert record.kernels == before
    np.testing.assert_allclose(w.numpy(), [4.0 * 0.95 * 0.99], rtol=1e-6)
    with pytest.raises(ValueError, match="weight_decay >= 0"):
        opt.weight_decay = -1.0


# ---- averages


def test_averages_are_swapped_and_put_in():
    opt, w = (
        tf.keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5),
        tf.Variable(8.0),
    )
    for _ in range(2):
        opt.minimize(lambda: w * w / 2.0, [w])
    assert (float(w), float(opt.get_slot(w, "average"))) == (2.0, 3.0)
    opt.swap_variable_values([w])
    assert (float(w), float(opt.get_slot(w, "average"))) == (3.0, 2.0)
    opt.swap_variable_values([w])
    opt.finalize_variable_values([w])
    assert (float(w), float(opt.get_slot(w, "average"))) == (3.0, 3.0)
    with pytest.raises(ValueError, match="without use_ema"):
        tf.keras.optimizers.SGD().swap_variable_values([w])


def test_average_of_a_late_variable_begins_with_its_value():
    opt = tf.keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)
    early, late = tf.Variable(1.0), tf.Variable(8.0)
    opt.apply_gradients([(tf.constant(0.0), early)])
    opt.apply_gradients([(tf.constant(8.0), late)])
    assert float(opt.get_slot(late, "average")) == 0.5 * 8.0 + 0.5 * 4.0


# ---- accumulation


@both_modes
@pytest.mark.parametrize("jit", ["never", "always"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Nadam", "Lamb"])
def test_accumulated_gradients_are_one_big_batch(mode, jit, name):
    start, *grads = arrays((3, 2), *[(3, 2)] * 12, dtype=np.float32)
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    rate = 0.1 if name == "Nadam" else schedule

    def make(**options):
        options = {"use_ema": True, "clipnorm": 0.5, **options}
        return lambda variables: getattr(tf.keras.optimizers, name)(rate, **options)

    with config(jit=jit):
        parts = Training(mode, make(gradient_accumulation_steps=4), [start])
        whole = Training(mode, make(), [start])
        for i, g in enumerate(grads):
            before = parts.values()[0]
            parts.apply(g)
            if i % 4 < 3:
                np.testing.assert_array_equal(parts.values()[0], before)
        for i in range(0, 12, 4):
            whole.apply(np.mean(grads[i : i + 4], axis=0))
        np.testing.assert_allclose(
            parts.values()[0], whole.values()[0], rtol=1e-6, atol=1e-6
        )
        assert parts.value(parts.optimizer.iterations) == 3


@both_modes
def test_accumulation_of_sparse_gradients(mode):
    (start,) = arrays((4, 2), dtype=np.float32)
    training = Training(mode, sgd(gradient_accumulation_steps=2), [start], sparse={0})
    ones = np.ones((2, 2), np.float32)
    training.apply((ones, np.array([1, 1])))
    training.apply((ones, np.array([1, 3])))
    want = start - 0.1 * np.array([[0, 0], [1.5, 1.5], [0, 0], [0.5, 0.5]])
    np.testing.assert_allclose(training.values()[0], want, rtol=1e-6)


# ---- loss scale


@both_modes
def test_minimize_scales_and_unscales(mode):
    def train(**options):
        w = tf.Variable(0.0)
        x = tf.constant(np.array(1e-4, np.float16))
        opt = tf.keras.optimizers.SGD(10000.0, **options)
        done = opt.minimize(lambda: tf.cast(w, tf.float16) * x * x, [w])
        if mode == "eager":
            return w.numpy()
        done.run()
        return w.eval()

    for options, want in [({}, 0.0), ({"loss_scale_factor": 16384.0}, -1e-4)]:
        with tf.Graph().as_default() if mode == "graph" else contextlib.nullcontext():
            # 1e-8 vanishes in float16, its product with the scale does not.
            assert train(**options) == pytest.approx(want, rel=0.01)


def test_scale_loss():
    assert float(tf.keras.optimizers.SGD().scale_loss(3.0)) == 3.0
    opt = tf.keras.optimizers.SGD(loss_scale_factor=4.0)
    assert float(opt.scale_loss(3.0)) == 12.0
    opt.loss_scale_factor = None
    assert opt.loss_scale_factor is None
    assert opt.scale_loss(3.0) == 3.0


@both_modes
def test_loss_scale_optimizer(mode):
    def make(variables):
        return tf.keras.optimizers.LossScaleOptimizer(
            tf.keras.optimizers.Adam(0.1), initial_scale=8.0, dynamic_growth_steps=2
        )

    training = Training(mode, make, [np.float32(1.0)])
    other = Training(mode, adam(), [np.float32(1.0)])
    scales = []
    for g in (1.0, 2.0, np.inf, np.nan, 3.0):
        opt = training.optimizer
        scale = float(training.value(opt.dynamic_scale))
        training.apply(np.float32(g * scale))
        if np.isfinite(g):
            other.apply(np.float32(g))
        scales.append(float(training.value(opt.dynamic_scale)))
        np.testing.assert_allclose(training.values(), other.values(), rtol=1e-6)
    assert scales == [8.0, 16.0, 8.0, 4.0, 4.0]
    assert training.value(training.optimizer.iterations) == 3


def test_loss_scale_optimizer_is_an_optimizer():
    inner = tf.keras.optimizers.SGD(0.5, momentum=0.5, loss_scale_factor=2.0)
    opt = tf.keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
    assert inner.loss_scale_factor is None
    w = tf.Variable(1.0)
    opt.minimize(lambda: w * w, [w])
    assert float(w) == 0.0
    opt.learning_rate = 0.25
    assert float(inner.learning_rate) == 0.25
    assert [weight.shape.rank for weight in opt.weights] == [0, 0, 0, 0]
    again = copy.deepcopy(opt)
    assert again.get_config() == opt.get_config()
    assert again.inner_optimizer is not inner
    for arguments, error in [
        ({"dynamic": False}, ValueError),
        ({"weight_decay": 0.1}, ValueError),
        ({"beta": 0.1}, ValueError),
    ]:
        with pytest.raises(error):
            tf.keras.optimizers.LossScaleOptimizer(inner, **arguments)
    with pytest.raises(TypeError, match="must be an optimizer"):
        tf.keras.optimizers.LossScaleOptimizer("sgd")


# ---- factors of the learning rate


@both_modes
@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam", "Ftrl", "Lamb"])
def test_factors_are_learning_rates_of_their_own(mode, name):
    start, g = arrays((3,), (3,), dtype=np.float64)
    made = getattr(tf.keras.optimizers, name)

    def make(variables):
        factors = [(variables[0], 0.0), ("v1", 2.0), (lambda v: v is variables[2], 0.5)]
        return made(0.1, learning_rate_factors=factors)

    training = Training(mode, make, [start] * 4)
    others = [
        Training(mode, lambda variables, r=r: made(r), [start])
        for r in (0.2, 0.05, 0.1)
    ]
    for _ in range(3):
        training.apply(g, g, g, g)
        for other in others:
            other.apply(g)
    if name != "Ftrl":
        np.testing.assert_array_equal(training.values()[0], start)
    for value, other in zip(training.values()[1:], others, strict=True):
        np.testing.assert_allclose(value, other.values()[0], rtol=1e-12)


def test_factors_are_chosen_by_what_makes_sense():
    with pytest.raises(TypeError, match="Variables are chosen by"):
        tf.keras.optimizers.SGD(learning_rate_factors={3: 0.1})


# ---- gradients that are not finite


@both_modes
@pytest.mark.parametrize("jit", ["never", "always"])
def test_raise_changes_nothing(mode, jit):
    with config(jit=jit):
        training = Training(
            mode, adam(on_nonfinite="raise"), [np.ones(3, np.float32)] * 2
        )
        good, bad = np.ones(3, np.float32), np.array([1, np.nan, 1], np.float32)
        training.apply(good, good)
        before = training.values()
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="gradient of variable 'v1"
        ):
            training.apply(good, bad)
        np.testing.assert_array_equal(training.values(), before)
        assert training.value(training.optimizer.iterations) == 1
        training.apply(good, good)
        assert training.value(training.optimizer.iterations) == 2


@both_modes
@pytest.mark.parametrize("jit", ["never", "always"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam"])
def test_skip_leaves_the_call_out(mode, jit, name):
    start, *grads = arrays((3, 2), (3, 2), (3, 2), (3, 2), dtype=np.float32)

    def make(**options):
        return lambda variables: getattr(tf.keras.optimizers, name)(0.1, **options)

    with config(jit=jit):
        training = Training(mode, make(on_nonfinite="skip"), [start])
        other = Training(mode, make(), [start])
        for g in grads:
            training.apply(np.full((3, 2), np.inf, np.float32))
            training.apply(g)
            other.apply(g)
            np.testing.assert_array_equal(training.values()[0], other.values()[0])
        for a, b in zip(
            training.optimizer.weights, other.optimizer.weights, strict=True
        ):
            np.testing.assert_array_equal(training.value(a), other.value(b))


@both_modes
def test_skip_leaves_micro_batches_out(mode):
    options = {"on_nonfinite": "skip", "gradient_accumulation_steps": 2}
    training = Training(mode, sgd(**options), [np.float32(1.0)])
    for g in (1.0, np.nan, 3.0):
        training.apply(np.float32(g))
    assert training.values()[0] == np.float32(1.0) - np.float32(0.1) * np.float32(2.0)


@both_modes
def test_warn(mode):
    training = Training(mode, sgd(on_nonfinite="warn"), [np.float32(1.0)])
    training.apply(np.float32(1.0))
    with pytest.warns(GraphoptWarning, match="gradient of variable 'v0"):
        training.apply(np.float32(np.inf))
    assert training.values()[0] == -np.inf


# ---- transformers

CHAIN = [
    (transformers.clip_by_value(0.5), lambda g, w: np.clip(g, -0.5, 0.5)),
    (
        transformers.clip_by_norm(0.5),
        lambda g, w: g * min(1.0, 0.5 / np.sqrt((g**2).sum())),
    ),
    (
        transformers.clip_by_global_norm(0.5),
        lambda g, w: g * min(1.0, 0.5 / np.sqrt((g**2).sum())),
    ),
    (transformers.centralize(), lambda g, w: g - g.mean(0)),
    (transformers.add_decayed_weights(0.1), lambda g, w: g + 0.1 * w),
    (transformers.scale(-1.0), lambda g, w: -g),
    (transformers.zero_nonfinite(), lambda g, w: g),
    (
        transformers.adaptive_clip(0.1),
        lambda g, w: (
            g
            * np.minimum(
                1.0,
                0.1 * np.maximum(np.sqrt((w**2).sum(0)), 1e-3) / np.sqrt((g**2).sum(0)),
            )
        ),
    ),
]


@both_modes
@pytest.mark.parametrize(
    ("transformer", "want"), CHAIN, ids=lambda x: getattr(x, "name", "")
)
def test_transformer(mode, transformer, want):
    w, g = arrays((4, 3), (4, 3))
    training = Training(mode, sgd(gradient_transformers=[transformer]), [w])
    training.apply(g)
    np.testing.assert_allclose(training.values()[0], w - 0.1 * want(g, w), rtol=1e-7)
    opt = training.optimizer
    chain = json.loads(json.dumps(opt.get_config()["gradient_transformers"]))
    again = tf.keras.optimizers.SGD.from_config({"gradient_transformers": chain})
    assert repr(again.gradient_transformers) == repr(opt.gradient_transformers)


def test_transformers_follow_each_other():
    chain = [transformers.scale(10.0), transformers.clip_by_value(1.0)]
    opt, w = (
        tf.keras.optimizers.SGD(1.0, gradient_transformers=chain),
        tf.Variable([0.0]),
    )
    opt.apply_gradients([(tf.constant([0.5]), w)])
    assert w.numpy() == [-1.0]
    assert copy.deepcopy(opt).gradient_transformers == chain


@both_modes
def test_nonfinite_elements_become_zero(mode):
    options = {"gradient_transformers": [transformers.zero_nonfinite()]}
    training = Training(mode, sgd(**options), [np.ones(3)])
    training.apply(np.array([np.nan, 1.0, -np.inf]))
    np.testing.assert_allclose(training.values()[0], [1.0, 0.9, 1.0])


@both_modes
@pytest.mark.parametrize("jit", ["never", "always"])
def test_noise_is_new_in_each_step(mode, jit):
    options = {"gradient_transformers": [transformers.add_noise(1.0, seed=3)]}
    with config(jit=jit):
        training = Training(mode, sgd(**options), [np.zeros(1000)])
        training.apply(np.zeros(1000))
        first = training.values()[0]
        training.apply(np.zeros(1000))
        second = training.values()[0] - first
    assert 0.09 < first.std() < 0.11
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_python_functions_are_transformers_too():
    seen = []

    def note(pairs):
        seen.append(len(pairs))
        return [(2.0 * g, v) for g, v in pairs]

    opt = tf.keras.optimizers.SGD(
        1.0, gradient_transformers=[note], gradient_accumulation_steps=2
    )
    w = tf.Variable(0.0)
    with config(jit="always"):
        for g in (1.0, 3.0):
            opt.apply_gradients([(tf.constant(g), w)])
    assert float(w) == -4.0
    assert seen == [1, 1]
    assert copy.deepcopy(opt).gradient_transformers == [note]
    with pytest.raises(NotImplementedError, match="sparse gradient"):
        sparse = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), [2, 1])
        clip = [transformers.adaptive_clip()]
        tf.keras.optimizers.SGD(gradient_transformers=clip).apply_gradients(
            [(sparse, tf.Variable([[1.0], [2.0]]))]
        )


# ---- bad options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gradient_accumulation_steps": 1}, "integer >= 2"),
        ({"gradient_accumulation_steps": 2.5}, "integer >= 2"),
        ({"use_ema": True, "ema_momentum": 1.5}, "ema_momentum"),
        ({"use_ema": True, "ema_overwrite_frequency": 0.5}, "integer >= 1"),
        ({"on_nonfinite": "ignore"}, "on_nonfinite"),
        ({"weight_decay": -0.1}, "weight_decay >= 0"),
        ({"loss_scale_factor": -1.0}, "loss_scale_factor >= 0"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        tf.keras.optimizers.SGD(0.1, **options)


def test_options_need_an_equation():
    class Old(tf.keras.optimizers.Optimizer):
        def __init__(self, **options):
            super().__init__("Old", **options)
            self._set_hyper("learning_rate", 0.1)

        def _resource_apply_dense(self, grad, handle, apply_state=None):
            return handle.assign_sub(0.1 * grad)

    w = tf.Variable(1.0)
    Old().apply_gradients([(tf.constant(1.0), w)])
    with pytest.raises(NotImplementedError, match="weight_decay of Old"):
        Old(weight_decay=0.1).apply_gradients([(tf.constant(1.0), w)])


def test_keywords_of_keras_configs_are_understood():
    config_of_keras = {
        "name": "adamw",
        "learning_rate": 0.1,
        "weight_decay": 0.004,
        "clipnorm": None,
        "global_clipnorm": None,
        "clipvalue": None,
        "use_ema": False,
        "ema_momentum": 0.99,
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "amsgrad": False,
    }
    opt = tf.keras.optimizers.AdamW.from_config(config_of_keras)
    ours = opt.get_config()
    assert {k: ours[k] for k in config_of_keras if k in ours} == {
        k: v for k, v in config_of_keras.items() if k in ours
    }
    all_set = tf.keras.optimizers.SGD(
        0.1,
        weight_decay=0.1,
        use_ema=True,
        ema_momentum=0.9,
        ema_overwrite_frequency=3,
        loss_scale_factor=2.0,
        gradient_accumulation_steps=4,
        on_nonfinite="skip",
        learning_rate_factors={"bias": 2.0},
    )
    again = type(all_set).from_config(all_set.get_config())
    assert again.get_config() == all_set.get_config()


@both_modes
def test_two_optimizers_share_a_variable(mode):
    first, second = tf.keras.optimizers.Adam(0.1), tf.keras.optimizers.Adam(0.2)

    def build(w):
        done = first.apply_gradients([(tf.constant(1.0), w)])
        with tf.control_dependencies([done] if mode == "graph" else []):
            return second.apply_gradients([(tf.constant(1.0), w)])

    if mode == "eager":
        w = tf.Variable(1.0)
        build(w)
        values = [w.numpy(), *(opt.get_slot(w, "m").numpy() for opt in (first, second))]
        steps = int(first.iterations), int(second.iterations)
    else:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            w = tf.Variable(1.0)
            train = build(w)
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(train)
            slots = [opt.get_slot(w, "m") for opt in (first, second)]
            values = session.run([w, *slots])
            steps = tuple(session.run([first.iterations, second.iterations]))
    # Each has slots and a count of its own; the second goes on from the first.
    np.testing.assert_allclose(values, [0.7, 0.1, 0.1], rtol=1e-4)
    assert steps == (1, 1)
