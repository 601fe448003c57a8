"""The command line takes programs with iterators and queues."""

import json

import pytest

from graphopt.cli import main

SCRIPT = """
import numpy as np
import graphopt as tf
v1 = tf.compat.v1
with tf.Graph().as_default(), v1.Session() as session:
    dataset = tf.data.Dataset.from_tensor_slices(np.ones((20, 3), np.float32))
    x = dataset.repeat().batch(4).make_one_shot_iterator().get_next()
    w = tf.Variable(np.ones((3, 1), np.float32), name="w")
    loss = tf.reduce_mean(tf.matmul(x, w) ** 2, name="loss")
    step = v1.train.GradientDescentOptimizer(0.01).minimize(loss, name="step")
    queue = tf.queue.FIFOQueue(4, tf.float32, ())
    add = queue.enqueue(loss)
    session.run(v1.global_variables_initializer())
    for _ in range(3):
        session.run(step)
    session.run(add)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return str(path)


def test_profile_has_the_native_steps(script, capsys):
    assert main(["profile", script, "--steps", "2", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    kernels = {each["kernel"] for each in steps}
    assert "elementwise" in kernels
    assert "HOST" not in kernels


@pytest.mark.parametrize("verb", ["show", "check"])
def test_other_verbs(verb, script, capsys):
    assert main([verb, script]) == 0
    assert capsys.readouterr().out


def test_pages_and_exports_have_the_ops(script, tmp_path):
    for name in ("page.html", "graph.json", "graph.dot"):
        verb = "view" if name.endswith(".html") else "export"
        options = ["--no-open"] if verb == "view" else []
        out = tmp_path / name
        assert main([verb, script, "-o", str(out), *options]) == 0
        assert "IteratorGetNext" in out.read_text()
