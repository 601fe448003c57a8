"""`graphopt.horovod`, alone and on two ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
import graphopt.horovod as hvd
import graphopt.horovod.keras as hvd_keras
from tests.parallel.ranks import run_ranks

ROOT = Path(__file__).parent.parent.parent
ALONE = """
import sys
import numpy as np
import graphopt as tf
import graphopt.horovod as hvd
try:
    hvd.rank()
except ValueError as error:
    assert "hvd.init()" in str(error)
hvd.init()
assert (hvd.rank(), hvd.size(), hvd.local_rank(), hvd.cross_size()) == (0, 1, 0, 1)
assert hvd.is_initialized() and not hvd.nccl_built() and not hvd.mpi_enabled()
assert hvd.allreduce(tf.constant([2.0])).numpy().tolist() == [2.0]
assert hvd.allgather(tf.constant([[1]])).numpy().tolist() == [[1]]
assert hvd.broadcast_object({"a": 1}) == {"a": 1} and hvd.allgather_object(3) == [3]
assert hvd.join() == 0
hvd.shutdown()
assert not hvd.is_initialized()
assert "mpi4py" not in sys.modules
"""


@pytest.fixture
def initialized():
    hvd.init()
    yield
    hvd.shutdown()


def test_a_process_alone_needs_no_mpi():
    import os

    env = {k: v for k, v in os.environ.items() if "OMPI" not in k and "PMI" not in k}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        capture_output=True,
        text=True,
        env={**env, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_says_so(initialized):
    with pytest.raises(NotImplementedError, match="alltoall"):
        hvd.alltoall(tf.constant([1.0]))
    with pytest.raises(NotImplementedError, match="Adasum"):
        hvd.allreduce(tf.constant([1.0]), op=hvd.Adasum)
    with pytest.raises(ValueError, match="Provided optimizer"):
        hvd.DistributedOptimizer(3)
    old = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    with pytest.raises(NotImplementedError, match="backward_passes_per_step"):
        hvd.DistributedOptimizer(old, backward_passes_per_step=2)
    with pytest.raises(ValueError, match="supersedes average"):
        hvd.allreduce(tf.constant([1.0]), average=True, op=hvd.Sum)


def test_several_passes_are_summed_or_averaged(initialized):
    for average, want in ((False, 1.0 - 0.1 * 5.0), (True, 1.0 - 0.1 * 2.5)):
        opt = hvd_keras.DistributedOptimizer(
            tf.keras.optimizers.SGD(0.1),
            backward_passes_per_step=2,
            average_aggregated_gradients=average,
        )
        w = tf.Variable(1.0)
        opt.apply_gradients([(tf.constant(2.0), w)])
        assert float(w) == 1.0
        opt.apply_gradients([(tf.constant(3.0), w)])
        np.testing.assert_allclose(float(w), want, rtol=1e-6)


def test_programs_of_horovod_run_on_graphopt(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import tensorflow as tf\n"
        "import horovod.tensorflow as hvd\n"
        "import horovod.tensorflow.keras as hvd_keras\n"
        "from horovod.keras.callbacks import MetricAverageCallback\n"
        "hvd.init()\n"
        "print(hvd.__name__, hvd_keras.__name__, MetricAverageCallback.__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "graphopt", "run", str(program)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    names = "graphopt.horovod graphopt.horovod.keras graphopt.horovod.callbacks"
    assert names in done.stdout, done.stderr


TWO = """
import numpy as np
import graphopt as tf
import graphopt.horovod as hvd
import graphopt.horovod.keras as hvd_keras

hvd.init()
r = hvd.rank()
v1 = tf.compat.v1
found = {"ranks": [hvd.size(), hvd.local_size(), hvd.cross_rank(), hvd.cross_size()]}
mine = tf.constant([1.0 + r, 4.0 - r])
found["mean"] = hvd.allreduce(mine).numpy().tolist()
found["sum"] = hvd.allreduce(mine, op=hvd.Sum).numpy().tolist()
found["min"] = hvd.allreduce(mine, op=hvd.Min).numpy().tolist()
found["fp16"] = hvd.allreduce(mine, compression=hvd.Compression.fp16).numpy().tolist()
found["ints"] = hvd.allreduce(tf.constant([3, 4 + r])).numpy().tolist()
found["gather"] = hvd.allgather(tf.reshape(tf.range(r + 1), [-1, 1])).numpy().tolist()
found["broadcast"] = hvd.broadcast(mine, 1).numpy().tolist()
found["objects"] = [hvd.broadcast_object({"rank": r}, 1), hvd.allgather_object(r)]
scattered = hvd.reducescatter(tf.constant([[1.0], [2.0], [3.0]]), op=hvd.Sum)
found["scattered"] = hvd.allgather(scattered).numpy().tolist()
hvd.barrier()

# A tape, an optimizer of Keras, variables that begin alike.
w = tf.Variable([1.0 + r, 2.0])
hvd.broadcast_variables([w], root_rank=1)
found["first"] = w.numpy().tolist()
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(w * w * (1.0 + r))
tape = hvd.DistributedGradientTape(tape)
found["tape"] = [g.numpy().tolist() for g in tape.gradient(loss, [w])]
opt = hvd.DistributedOptimizer(tf.keras.optimizers.SGD(0.1))
for _ in range(3):
    opt.apply_gradients([(tf.constant([1.0 + r, 0.0]), w)])
found["keras"] = w.numpy().tolist()

small = hvd.DistributedOptimizer(
    tf.keras.optimizers.SGD(1.0), compression=hvd.Compression.fp16
)
dense, embedding = tf.Variable([1.0]), tf.Variable(np.ones((9, 2), np.float32))
rows = tf.IndexedSlices(tf.fill([1, 2], 1.0 + 2.0**-12), [r], (9, 2))
for _ in range(3):
    small.apply_gradients([(tf.constant([2.0 + 2.0**-12]), dense), (rows, embedding)])
found["small"] = [dense.numpy().tolist(), embedding.numpy()[:3, 0].tolist()]

# Graphs, with an optimizer of TensorFlow 1.
with tf.Graph().as_default():
    a = tf.Variable([float(r), 3.0])
    rows = tf.Variable(np.ones((3, 2), np.float32))
    picked = tf.gather(rows, [r, 2])
    loss = tf.reduce_sum(a * (1.0 + r)) + tf.reduce_sum(picked)
    old = hvd.DistributedOptimizer(v1.train.MomentumOptimizer(0.1, 0.9))
    pairs = old.compute_gradients(loss)
    train = old.apply_gradients(pairs)
    hooks = [hvd.BroadcastGlobalVariablesHook(0)]
    with v1.train.MonitoredTrainingSession(hooks=hooks) as session:
        found["graph first"] = session.run(a).tolist()
        session.run(train)
        found["graph"] = [v.tolist() for v in session.run([a, rows])]

# fit: each rank has its own data.
tf.random.set_seed(r)
model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=[2])])
model.compile(hvd_keras.DistributedOptimizer(tf.keras.optimizers.SGD(0.1)), "mse")
callbacks = [
    hvd_keras.callbacks.BroadcastGlobalVariablesCallback(0),
    hvd_keras.callbacks.MetricAverageCallback(),
    hvd_keras.callbacks.LearningRateWarmupCallback(0.2, warmup_epochs=2),
]
x = np.random.default_rng(r).normal(size=(8, 2)).astype("float32")
history = model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=callbacks)
found["fit"] = [history.history, [v.tolist() for v in model.get_weights()]]

# In a graph ranks gather as many rows each; those that do not are told so.
with tf.Graph().as_default(), v1.Session() as session:
    gathered = hvd.allgather(v1.placeholder_with_default(np.ones(1 + r), [None]))
    try:
        session.run(gathered)
    except tf.errors.OpError as error:
        text = str(error)
        found["uneven"] = "float64[1]" in text and "float64[2]" in text
report(found)
"""


def test_two_ranks_exchange_values_and_gradients():
    first, second = run_ranks(2, TWO)
    assert first == second
    assert first["ranks"] == [2, 2, 0, 1]
    assert first["mean"] == first["fp16"] == [1.5, 3.5]
    assert (first["sum"], first["min"], first["ints"]) == ([3, 7], [1, 3], [3, 4])
    assert first["gather"] == [[0], [0], [1]]
    assert first["broadcast"] == [2.0, 3.0]
    assert first["objects"] == [{"rank": 1}, [0, 1]]
    assert first["scattered"] == [[2.0], [4.0], [6.0]]
    assert first["first"] == [2.0, 2.0] and first["tape"] == [[6.0, 6.0]]
    np.testing.assert_allclose(first["keras"], [2.0 - 3 * 0.15, 2.0], rtol=1e-6)
    # What float16 cannot hold did not travel.
    assert first["small"] == [[1.0 - 3 * 2.0], [-0.5, -0.5, 1.0]]
    assert first["graph first"] == [0.0, 3.0]
    a, rows = first["graph"]
    np.testing.assert_allclose(a, [-0.15, 2.85], rtol=1e-6)
    np.testing.assert_allclose(np.array(rows)[:, 0], [0.95, 0.95, 0.9], rtol=1e-6)
    assert first["uneven"]
    history, _ = first["fit"]
    np.testing.assert_allclose(history["lr"], [0.15, 0.2, 0.2], rtol=1e-6)


JOINS = """
import graphopt as tf
import graphopt.horovod as hvd

hvd.init()
found = []
for batches in ((3, 1, 2), (1, 3, 2), (2, 2, 2), (1, 2, 3)):
    for _ in range(batches[hvd.rank()]):
        hvd.allreduce(tf.constant(1.0))
    found.append(hvd.join())
report(found)
"""


def test_all_ranks_know_who_joined_last():
    # Of those that come together the one with the highest number.
    assert run_ranks(3, JOINS) == [[0, 1, 2, 2]] * 3
