"""`graphopt view --values`: what is seen is what the training used."""

from __future__ import annotations

import numpy as np
import pytest

from graphopt.cli import main
from graphopt.runtime.recording import Recorder
from graphopt.viz.collecting import ValueCollector
from graphopt.viz.loading import Until, load_target
from graphopt.viz.values import BINS, describe_values
from tests.viz.test_page import Elements

GRAPH = """
import numpy as np, graphopt as tf
v1 = tf.compat.v1
with tf.Graph().as_default():
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    w = tf.Variable([[1.0], [2.0]], name="w")
    y = tf.matmul(x, w, name="y")
    loss = tf.reduce_mean(y * y, name="loss")
    step = v1.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=[w])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for i in range(1000):
            session.run([step, loss], {x: np.eye(2, dtype=np.float32)})
"""
FUNCTION = """
import graphopt as tf
w, u = tf.Variable([[1.0], [2.0]]), tf.Variable(0.0)
@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.matmul(x, w) ** 2.0) + 0.0 * u
    w.assign_sub(0.5 * tape.gradient(loss, w))
    u.assign_add(1.0)
while True:
    step(tf.eye(2))
"""
EAGER = """
import graphopt as tf
w = tf.Variable([[1.0], [2.0]], name="w")
optimizer = tf.keras.optimizers.SGD(0.5)
while True:
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.matmul(tf.eye(2), w) ** 2.0)
    optimizer.apply_gradients([(tape.gradient(loss, w), w)])
"""
FIT = """
import numpy as np, graphopt as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False, name="d")])
model.build([None, 2])
model.set_weights([np.array([[1.0], [2.0]], np.float32)])
model.compile(tf.keras.optimizers.SGD(0.5), lambda y, p: tf.reduce_mean((p - y) ** 2.0))
model.fit(np.eye(2, dtype=np.float32), np.zeros((2, 1)), epochs=500, verbose=0)
"""


def collect(tmp_path, text, steps=3, names=()):
    program = tmp_path / "program.py"
    program.write_text(text)
    recorder = Recorder()
    collector = ValueCollector(steps, names, recorder)
    load_target(str(program), until=Until.END, recorder=recorder)
    return collector


@pytest.mark.parametrize("text", [GRAPH, FUNCTION, EAGER, FIT])
def test_variables_and_gradients_over_the_steps(text, tmp_path):
    values = collect(tmp_path, text).values
    (weights,) = [v for k, v in values.items() if k in ("w", "Variable", "d/kernel")]
    (gradients,) = [
        v
        for k, v in values.items()
        if k in ("gradient of w", "gradient of Variable", "gradient of d/kernel")
    ]
    # The loss is w.w / 2, so each step halves w, and the gradient is w before it.
    for i in range(3):
        assert weights[i].step == i and weights[i].shape == (2, 1)
        assert weights[i].minimum == pytest.approx(0.5 ** (i + 1))
        assert weights[i].maximum == pytest.approx(2 * 0.5 ** (i + 1))
        assert gradients[i].maximum == pytest.approx(2 * 0.5**i)
    assert len(weights) == len(gradients) == 3


def test_eager_variables_of_one_name_are_told_apart(tmp_path):
    values = collect(tmp_path, FUNCTION).values
    assert [each.mean for each in values["Variable (2)"]] == [1.0, 2.0, 3.0]


def test_chosen_tensors(tmp_path):
    collector = collect(tmp_path, GRAPH, names=["y", "loss:0", "nothing"])
    assert collector.values["y:0"][0].maximum == 2.0
    assert collector.values["loss:0"][1].mean == pytest.approx(0.625)
    assert collector.unknown == {"nothing"}


def test_the_page_has_them(tmp_path, capsys):
    program, out = tmp_path / "p.py", tmp_path / "page.html"
    program.write_text(GRAPH)
    arguments = ["view", str(program), "--values", "4", "--no-open", "-o", str(out)]
    assert main([*arguments, "--watch", "y"]) == 0
    values = Elements(out.read_text()).data["values"]
    assert {"w", "gradient of w", "y:0"} <= set(values) and len(values["w"]) == 4
    assert main([*arguments, "--watch", "nothing", "--force"]) == 2
    assert "no training step has nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "array",
    [
        np.array([], np.float32),
        np.array([np.nan, np.inf, -np.inf]),
        np.array([-1e308, 1e308]),
        np.array(3, np.int64),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.full(100, 7.0),
    ],
)
def test_statistics_of_any_numbers(array):
    found = describe_values(array, 0)
    finite = found.count - found.nan - found.infinite
    assert found.count == array.size and len(found.bins) == BINS
    assert sum(found.bins) in (finite, 0)
    assert np.isfinite([found.minimum, found.maximum]).all()
