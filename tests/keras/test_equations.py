"""Writing an optimizer: its arguments, slots and equation, and mistakes in them."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest

import graphopt as tf
from graphopt.keras.optimizers import CLASSES
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import ALLOWED_KEYWORDS
from graphopt.keras.optimizers.hyperparameters import Hyperparameter, declared_by

v1 = tf.compat.v1


class Plain(tf.keras.optimizers.Optimizer):
    """Momentum, as a user writes it."""

    slots = {"speed": "zeros"}

    def __init__(self, learning_rate=0.5, name="Plain", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)

    def coefficients(self, dtype, learning_rate):
        """Returns the factor."""
        return {"mu": tf.constant(0.5, dtype)}

    def update(self, w, g, speed, *, lr_t, mu):
        """Returns the new value and slot."""
        speed = mu * speed - lr_t * g
        return w + speed, {"speed": speed}


def step(optimizer, mode="eager"):
    """Takes two steps with a gradient of 1 from 1.0; returns the value."""
    if mode == "eager":
        w = tf.Variable(1.0)
        for _ in range(2):
            optimizer.apply_gradients([(tf.constant(1.0), w)])
        return float(w)
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(1.0)
        train = optimizer.apply_gradients([(tf.constant(1.0), w)])
        session.run(v1.global_variables_initializer())
        session.run([train])
        session.run([train])
        return float(session.run(w))


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_slots_are_an_attribute_a_property_or_a_method(mode):
    class Property(Plain):
        @property
        def slots(self):
            return {"speed": "zeros"}

    class Method(Plain):
        slots = {}

        def _slot_initializers(self):
            return {"speed": "zeros"}

    values = [step(kind(), mode) for kind in (Plain, Property, Method)]
    assert values == [-0.25] * 3
    assert Plain().get_slot_names() == ["speed"]


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_an_equation_may_leave_out_what_it_does_not_use(mode):
    class Rest(Plain):
        def update(self, value, gradient, speed, **_):
            return value - gradient, {"speed": speed}

    assert step(Rest(), mode) == -1.0


def changed(**methods):
    """Returns a class of optimizers like `Plain` but for some of its methods."""
    return type("Changed", (Plain,), methods)


MISTAKES = {
    "slot": (
        changed(update=lambda self, w, g, *, lr_t, mu: (w, {"speed": g})),
        r"takes no argument 'speed', which is one of its slots.*update\(w, g, speed",
    ),
    "coefficient": (
        changed(update=lambda self, w, g, speed, *, lr_t: (w, {"speed": speed})),
        r"takes no argument 'mu', which is a coefficient",
    ),
    "unknown": (
        changed(
            update=lambda self, w, g, speed, *, lr_t, mu, beta: (w, {"speed": speed})
        ),
        r"needs an argument 'beta', which is neither a slot \(speed\) nor",
    ),
    "no slots": (
        changed(update=lambda self, w, g, speed, *, lr_t, mu: w),
        r"Changed.update must return the new value and a dict",
    ),
    "too few slots": (
        changed(update=lambda self, w, g, speed, *, lr_t, mu: (w, {})),
        r"a new value for each of its slots, \['speed'\]; got \[\]",
    ),
    "other slots": (
        changed(update=lambda self, w, g, speed, *, lr_t, mu: (w, {"sped": speed})),
        r"\['speed'\]; got \['sped'\]",
    ),
}


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_an_equation_are_named(mistake, mode):
    kind, words = MISTAKES[mistake]
    with pytest.raises(TypeError, match=words):
        step(kind(), mode)


def test_mistakes_in_an_equation_of_tensorflow_1_are_named():
    class Wrong(v1.train.Optimizer):
        slots = {"m": "zeros"}

        def __init__(self):
            super().__init__(False, "Wrong", learning_rate=0.1)

        def update(self, w, g, *, learning_rate):
            return w - learning_rate * g, {}

    with pytest.raises(TypeError, match=r"no argument 'm', which is one of its slots"):
        Wrong().apply_gradients([(tf.constant(1.0), tf.Variable(1.0))])


def test_entries_of_hooks_are_no_coefficients():
    """What a subclass puts into `apply_state` for its own hooks, no equation takes."""

    class Decayed(tf.keras.optimizers.Adam):
        def _prepare_local(self, var_device, var_dtype, apply_state):
            super()._prepare_local(var_device, var_dtype, apply_state)
            apply_state[(var_device, var_dtype)]["decay_t"] = tf.constant(0.5)

        def _resource_apply_dense(self, grad, var, apply_state=None):
            var.assign(var * apply_state[(var.device, var.dtype)]["decay_t"])
            return super()._resource_apply_dense(grad, var, apply_state)

    optimizer, w = Decayed(0.0), tf.Variable(4.0)
    optimizer.apply_gradients([(tf.constant(1.0), w)])
    assert float(w) == 2.0


def test_a_hook_without_apply_state_still_has_the_rate_of_its_variable():
    class Doubled(tf.keras.optimizers.SGD):
        def _resource_apply_dense(self, grad, var):
            return super()._resource_apply_dense(2.0 * grad, var)

    fast, slow = tf.Variable(0.0, name="fast"), tf.Variable(0.0, name="slow")
    optimizer = Doubled(1.0, learning_rate_factors={"slow": 0.25})
    optimizer.apply_gradients([(tf.constant(1.0), v) for v in (fast, slow)])
    assert (float(fast), float(slow)) == (-2.0, -0.5)


def test_subclasses_find_what_tensorflow_keeps():
    made = Plain()
    assert (made._clipnorm, made._clipvalue, made._global_clipnorm) == (None,) * 3
    assert (made._initial_decay, made._use_locking, made._iterations) == (
        0.0,
        True,
        None,
    )
    assert (made._weights, made._slots, made._hyper) == ([], {}, {"learning_rate": 0.5})
    assert Plain(clipnorm=2.0)._clipnorm == 2.0
    made.clipvalue = 3.0
    assert made._clipvalue == 3.0
    made.learning_rate_factors.append(("w", 0.5))
    assert Plain().learning_rate_factors == []


def test_a_property_that_fails_says_why():
    class Failing(tf.keras.optimizers.SGD):
        @property
        def report(self):
            return self.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = Failing(0.1).report
    with pytest.raises(AttributeError, match="'SGD' object has no attribute 'rate'"):
        _ = tf.keras.optimizers.SGD(0.1).rate


# ---- arguments

DECLARED = [
    kind for kind in CLASSES.values() if kind is not CLASSES["lossscaleoptimizer"]
]


def by_name(kind):
    """Names a test after the class."""
    return kind.__name__


@pytest.mark.parametrize("kind", DECLARED, ids=by_name)
def test_every_argument_is_kept_and_in_the_config(kind):
    """One that a constructor takes and forgets would be lost when it is made again."""
    optimizer = kind()
    config = optimizer.get_config()
    for name in inspect.signature(kind).parameters:
        if name != "kwargs":
            assert name in config, f"{name} of {kind.__name__} is not in its config"
    for name, declared in declared_by(optimizer._declaring):
        if isinstance(declared, Hyperparameter):
            assert name in dir(optimizer)
            assert np.allclose(float(getattr(optimizer, name)), float(config[name]))


@pytest.mark.parametrize("kind", CLASSES.values(), ids=by_name)
def test_every_argument_is_documented(kind):
    for name in inspect.signature(kind).parameters:
        label = "**kwargs:" if name == "kwargs" else f"      {name}: "
        assert label in kind.__doc__, f"{kind.__name__} says nothing of {name}"


@pytest.mark.parametrize("kind", DECLARED, ids=by_name)
def test_defaults_stand_in_the_signature(kind):
    config, explicit = kind().get_config(), {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name not in ("name", "kwargs"):
            assert parameter.default is not parameter.empty
            explicit[name] = parameter.default
    assert kind(**explicit).get_config() == config


@pytest.mark.parametrize("kind", CLASSES.values(), ids=by_name)
def test_an_equation_is_at_most_two_classes_away_from_the_base(kind):
    ours = [c for c in kind.__mro__ if c.__module__.startswith("graphopt.keras")]
    assert len(ours) <= 3
    assert ours[-1] is Optimizer


def test_options_are_those_that_are_allowed():
    for name in ALLOWED_KEYWORDS:
        value = 4 if name == "gradient_accumulation_steps" else None
        options = {name: value} if name not in ("use_ema",) else {name: True}
        assert tf.keras.optimizers.SGD(0.1, **options)
    with pytest.raises(TypeError, match="Unexpected keyword"):
        tf.keras.optimizers.SGD(0.1, momentun=0.9)


def test_making_an_optimizer_stores_its_numbers_and_little_else():
    """Through five classes it took 101 calls to store one number."""
    tf.keras.optimizers.SGD(0.1)
    calls = []

    def count(frame, event, argument):
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(count)
    try:
        tf.keras.optimizers.SGD(0.1)
    finally:
        sys.setprofile(None)
    assert len(calls) <= 20, calls
