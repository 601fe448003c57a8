"""Records what `tf.compat.v1.train` of TensorFlow does, for tests/keras/test_train_v1_golden.

Run it with a Python that has TensorFlow 2.21; it writes train_v1.json and train_v1.npz
beside itself. Every class runs 20 steps on a variable with dense gradients (`a`) and one
with sparse gradients (`e`) of which rows are named twice; gradients are fed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
HERE = Path(__file__).parent
STEPS = 20
COMPARED = [0, 4, STEPS - 1]
DECAY_STEPS = [0, 1, 3, 5, 7, 10, 11, 24]

# TensorFlow rounds hyperparameters to float32; these are the same in float64.
EXACT = {"learning_rate": 0.125}
L1_L2 = {"l1_regularization_strength": 0.03, "l2_regularization_strength": 0.2}
GLOBAL_STEP = {"learning_rate": 0.2, "global_step": "$global_step"}
DECAYING = {"$decay": ["exponential_decay", 0.3, 5, 0.5]}
CASES = {
    "gradient_descent": ("GradientDescent", {"learning_rate": 0.1}),
    "gradient_descent_decay": ("GradientDescent", {"learning_rate": DECAYING}),
    "gradient_descent_f64": ("GradientDescent", EXACT),
    "momentum": ("Momentum", {"learning_rate": 0.1, "momentum": 0.9}),
    "momentum_nesterov": (
        "Momentum",
        {"learning_rate": 0.1, "momentum": 0.9, "use_nesterov": True},
    ),
    "momentum_decay": ("Momentum", {"learning_rate": DECAYING, "momentum": 0.5}),
    "momentum_f64": ("Momentum", {**EXACT, "momentum": 0.75, "use_nesterov": True}),
    "adam": ("Adam", {}),
    "adam_options": (
        "Adam",
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01},
    ),
    "adam_decay": ("Adam", {"learning_rate": DECAYING}),
    "adam_f64": ("Adam", {**EXACT, "beta1": 0.75, "beta2": 0.875, "epsilon": 2**-20}),
    "adagrad": ("Adagrad", {"learning_rate": 0.3}),
    "adagrad_start": (
        "Adagrad",
        {"learning_rate": 0.3, "initial_accumulator_value": 1.5},
    ),
    "adagrad_f64": ("Adagrad", {**EXACT, "initial_accumulator_value": 0.25}),
    "adagrad_da": ("AdagradDA", GLOBAL_STEP),
    "adagrad_da_l1": (
        "AdagradDA",
        {**GLOBAL_STEP, "l1_regularization_strength": 0.05},
    ),
    "adagrad_da_l2": (
        "AdagradDA",
        {**GLOBAL_STEP, "l2_regularization_strength": 0.05},
    ),
    "adagrad_da_all": (
        "AdagradDA",
        {**GLOBAL_STEP, **L1_L2, "initial_gradient_squared_accumulator_value": 0.7},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta_options": (
        "Adadelta",
        {"learning_rate": 1.0, "rho": 0.8, "epsilon": 0.001},
    ),
    "adadelta_f64": ("Adadelta", {**EXACT, "rho": 0.75, "epsilon": 2**-10}),
    "rmsprop": ("RMSProp", {"learning_rate": 0.01}),
    "rmsprop_momentum": (
        "RMSProp",
        {"learning_rate": 0.01, "decay": 0.8, "momentum": 0.7, "epsilon": 0.01},
    ),
    "rmsprop_centered": ("RMSProp", {"learning_rate": 0.01, "centered": True}),
    "rmsprop_all": (
        "RMSProp",
        {"learning_rate": 0.01, "decay": 0.8, "momentum": 0.7, "centered": True},
    ),
    "rmsprop_f64": (
        "RMSProp",
        {**EXACT, "decay": 0.75, "momentum": 0.5, "epsilon": 2**-20, "centered": True},
    ),
    "ftrl": ("Ftrl", {"learning_rate": 0.3}),
    "ftrl_l1_l2": ("Ftrl", {"learning_rate": 0.3, **L1_L2}),
    "ftrl_shrinkage": (
        "Ftrl",
        {"learning_rate": 0.3, "l2_shrinkage_regularization_strength": 0.1},
    ),
    "ftrl_all": (
        "Ftrl",
        {
            "learning_rate": 0.3,
            **L1_L2,
            "l2_shrinkage_regularization_strength": 0.1,
            "learning_rate_power": -0.7,
            "initial_accumulator_value": 0.4,
            "beta": 0.5,
            "accum_name": "n",
            "linear_name": "z",
        },
    ),
    "ftrl_power_0": ("Ftrl", {"learning_rate": 0.3, "learning_rate_power": 0.0}),
    "proximal_gradient_descent": ("ProximalGradientDescent", {"learning_rate": 0.1}),
    "proximal_gradient_descent_all": (
        "ProximalGradientDescent",
        {"learning_rate": 0.1, **L1_L2},
    ),
    "proximal_gradient_descent_l2": (
        "ProximalGradientDescent",
        {"learning_rate": 0.1, "l2_regularization_strength": 0.2},
    ),
    "proximal_adagrad": ("ProximalAdagrad", {"learning_rate": 0.3}),
    "proximal_adagrad_all": (
        "ProximalAdagrad",
        {"learning_rate": 0.3, "initial_accumulator_value": 0.4, **L1_L2},
    ),
    "proximal_adagrad_l2": (
        "ProximalAdagrad",
        {"learning_rate": 0.3, "l2_regularization_strength": 0.2},
    ),
}
DECAYS = [
    ["exponential_decay", [0.1, 5, 0.5]],
    ["exponential_decay", [0.1, 5, 0.5, True]],
    ["natural_exp_decay", [0.1, 5, 0.5]],
    ["natural_exp_decay", [0.1, 5, 0.5, True]],
    ["inverse_time_decay", [0.1, 5, 0.5]],
    ["inverse_time_decay", [0.1, 5, 0.5, True]],
    ["polynomial_decay", [0.1, 10]],
    ["polynomial_decay", [0.1, 10, 0.01, 2.0]],
    ["polynomial_decay", [0.1, 10, 0.01, 0.5, True]],
    ["piecewise_constant", [[3, 10], [1.0, 0.5, 0.1]]],
    ["cosine_decay", [0.1, 10]],
    ["cosine_decay", [0.1, 10, 0.2]],
    ["cosine_decay_restarts", [0.1, 4]],
    ["cosine_decay_restarts", [0.1, 4, 1.5, 0.8, 0.1]],
    ["cosine_decay_restarts", [0.1, 4, 1.0]],
    ["linear_cosine_decay", [0.1, 10]],
    ["linear_cosine_decay", [0.1, 10, 2.5, 0.1, 0.01]],
    ["noisy_linear_cosine_decay", [0.1, 10, 0.0]],
    ["noisy_linear_cosine_decay", [0.1, 10, 0.0, 0.3, 2.5, 0.1, 0.01]],
]
AVERAGES = {
    "plain": {"decay": 0.9},
    "counted": {"decay": 0.9, "num_updates": "$count"},
    "debiased": {"decay": 0.9, "zero_debias": True},
    "named": {"decay": 0.5, "name": "ema"},
}


def draw_inputs() -> dict[str, np.ndarray]:
    """Starting values and gradients that all cases share."""
    rng = np.random.default_rng(20)
    # In each step two rows are not named and one is named twice.
    named = [rng.permutation(6)[[0, 1, 2, 3, step % 4]] for step in range(STEPS)]
    return {
        "a0": rng.standard_normal((4, 3)),
        "e0": rng.standard_normal((6, 2)),
        "a": rng.standard_normal((STEPS, 4, 3)),
        "e": rng.standard_normal((STEPS, 5, 2)),
        "i": np.stack(named),
    }


def call_decay(step, name, *arguments):
    """Returns a decay at a step, whose place among the arguments differs."""
    function = getattr(v1.train, name)
    if name == "piecewise_constant":
        return function(step, *arguments)
    return function(arguments[0], step, *arguments[1:])


def record_optimizer(label, inputs, arrays):
    """Runs one case; returns its entry of the index."""
    kind, keywords = CASES[label]
    dtype = np.float64 if label.endswith("_f64") else np.float32
    with tf.Graph().as_default(), v1.Session() as session:
        a = tf.Variable(inputs["a0"].astype(dtype), name="a")
        e = tf.Variable(inputs["e0"].astype(dtype), name="e")
        step = v1.train.get_or_create_global_step()
        arguments = dict(keywords)
        for key, value in keywords.items():
            if value == "$global_step":
                arguments[key] = step
            elif isinstance(value, dict):
                arguments[key] = call_decay(step, *value["$decay"])
        opt = getattr(v1.train, kind + "Optimizer")(**arguments)
        dense = v1.placeholder(dtype, [4, 3])
        rows, indices = v1.placeholder(dtype, [5, 2]), v1.placeholder(tf.int32, [5])
        pairs = [(dense, a), (tf.IndexedSlices(rows, indices, [6, 2]), e)]
        train = opt.apply_gradients(pairs, global_step=step)
        session.run(v1.global_variables_initializer())
        slots = opt.get_slot_names()
        kept = {v.name: v for v in opt.variables()}
        history = []
        for i in range(STEPS):
            feed = {
                dense: inputs["a"][i],
                rows: inputs["e"][i],
                indices: inputs["i"][i],
            }
            session.run(train, feed)
            if i in COMPARED:
                history.append(session.run({"a": a, "e": e, **kept}))
        for name in history[0]:
            arrays[f"{label}/{name}"] = np.stack([values[name] for values in history])
        return {
            "id": label,
            "optimizer": kind,
            "dtype": np.dtype(dtype).name,
            "arguments": keywords,
            "op": [train.name, train.type],
            "slots": {s: [opt.get_slot(v, s).name for v in (a, e)] for s in slots},
            "variables": list(kept),
            "global_variables": [v.name for v in v1.global_variables()],
        }


def record_decay(name, arguments):
    """Returns the values of a decay at `DECAY_STEPS`."""
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.placeholder(tf.int64, [])
        rate = call_decay(step, name, *arguments)
        values = [float(session.run(rate, {step: s})) for s in DECAY_STEPS]
    return {"function": name, "arguments": arguments, "values": values}


def record_average(label, arrays):
    """Follows a variable and a tensor for 10 updates; returns an entry of the index."""
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(np.float32([1.0, -2.0]), name="w")
        other = tf.Variable(0.0, trainable=False, name="other")
        count = tf.Variable(0.0, trainable=False, name="count")
        keywords = AVERAGES[label]
        arguments = {k: count if v == "$count" else v for k, v in keywords.items()}
        ema = v1.train.ExponentialMovingAverage(**arguments)
        x = tf.multiply(w, 3.0, name="x")
        before = ema.average_name(w)
        update = ema.apply([w, x])
        session.run(v1.global_variables_initializer())
        history = []
        for i in range(10):
            session.run(w.assign([i * 0.5, 3.0 - i]))
            session.run(count.assign(float(i)))
            session.run(update)
            history.append(session.run([ema.average(w), ema.average(x)]))
        for i, name in enumerate("wx"):
            arrays[f"average/{label}/{name}"] = np.stack([h[i] for h in history])
        assert other.name == "other:0"
        return {
            "id": label,
            "arguments": keywords,
            "op": [update.name, update.type],
            "names": [before, ema.average_name(w), ema.average_name(x)],
            "restore": {k: v.name for k, v in ema.variables_to_restore().items()},
            "global_variables": [v.name for v in v1.global_variables()],
        }


def main() -> None:
    """Writes both files."""
    arrays = {}
    inputs = draw_inputs()
    index = {
        "tensorflow": tf.__version__,
        "steps": STEPS,
        "compared": COMPARED,
        "cases": [record_optimizer(label, inputs, arrays) for label in CASES],
        "decay_steps": DECAY_STEPS,
        "decays": [record_decay(*decay) for decay in DECAYS],
        "averages": [record_average(label, arrays) for label in AVERAGES],
    }
    (HERE / "train_v1.json").write_text(json.dumps(index, indent=1) + "\n")
    given = {f"input/{name}": array for name, array in inputs.items()}
    np.savez_compressed(HERE / "train_v1.npz", **given, **arrays)


if __name__ == "__main__":
    main()
