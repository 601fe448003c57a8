"""Strategies, alone and on two ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.parallel.data import shard
from graphopt.parallel.replicas import hash_array
from tests.parallel.ranks import run_ranks

ROOT = Path(__file__).parent.parent.parent
d = tf.distribute


def test_without_a_strategy_there_is_one_replica():
    assert not d.has_strategy() and not d.in_cross_replica_context()
    assert d.get_strategy().num_replicas_in_sync == 1
    replica = d.get_replica_context()
    assert replica.replica_id_in_sync_group == 0
    assert float(replica.all_reduce("sum", tf.constant(2.0))) == 2.0


@pytest.mark.parametrize(
    "make",
    [
        d.MirroredStrategy,
        lambda: d.OneDeviceStrategy("/cpu:0"),
        d.MultiWorkerMirroredStrategy,
        d.experimental.MultiWorkerMirroredStrategy,
        d.experimental.CentralStorageStrategy,
        d.MPIStrategy,
    ],
)
def test_a_process_alone_is_one_replica_of_any_strategy(make):
    strategy = make()
    assert strategy.num_replicas_in_sync == 1
    with strategy.scope() as entered:
        assert entered is strategy and d.get_strategy() is strategy
        assert d.has_strategy() and d.in_cross_replica_context()
        assert d.get_replica_context() is None
        w = tf.Variable(3.0)
        optimizer = tf.keras.optimizers.SGD(0.1)
    assert not d.has_strategy()

    def replica(x):
        context = d.get_replica_context()
        assert not d.in_cross_replica_context()
        merged = context.merge_call(
            lambda given, y: (d.in_cross_replica_context(), given is strategy, y), (x,)
        )
        with tf.GradientTape() as tape:
            loss = tf.nn.compute_average_loss(w * x)
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])
        return loss, merged

    loss, merged = strategy.run(replica, args=(tf.constant([1.0, 3.0]),))
    assert float(loss) == 6.0 and merged[:2] == (True, True)
    np.testing.assert_allclose(float(w), 2.8, rtol=1e-6)
    assert float(strategy.reduce(d.ReduceOp.MEAN, [1.0, 3.0], axis=None)[1]) == 3.0
    assert float(strategy.reduce("MEAN", tf.constant([1.0, 3.0]), axis=0)) == 2.0
    assert strategy.experimental_local_results(5) == (5,)
    assert strategy.gather(tf.constant([1]), axis=0).numpy().tolist() == [1]
    dataset = tf.data.Dataset.range(4).batch(2)
    assert strategy.experimental_distribute_dataset(dataset) is dataset


def test_a_process_alone_loads_no_mpi():
    program = (
        "import sys, graphopt as tf\n"
        "s = tf.distribute.MultiWorkerMirroredStrategy()\n"
        "with s.scope(): tf.keras.Sequential([tf.keras.layers.Dense(1)]).compile('sgd')\n"
        "assert 'mpi4py' not in sys.modules"
    )
    env = {k: v for k, v in os.environ.items() if "OMPI" not in k and "PMI" not in k}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_losses_of_replicas():
    mean = tf.nn.compute_average_loss
    assert float(mean([2.0, 4.0], global_batch_size=8)) == 0.75
    assert float(mean([2.0, 4.0])) == 3.0
    assert float(mean([[2.0, 1.0], [4.0, 1.0]], sample_weight=[1.0, 0.0])) == 1.5
    assert float(mean(tf.zeros([0]))) == 0.0
    assert float(tf.nn.scale_regularization_loss(tf.constant([1.0, 2.0]))) == 3.0
    with pytest.raises(ValueError, match="at least rank 1"):
        mean(tf.constant(1.0))
    with (
        d.MirroredStrategy().scope(),
        pytest.raises(RuntimeError, match="cross replica"),
    ):
        mean([1.0])


def test_what_cannot_be_says_so(monkeypatch):
    with pytest.raises(NotImplementedError, match="TPU"):
        d.cluster_resolver.TPUClusterResolver(tpu="")
    with pytest.raises(NotImplementedError, match="parameter servers"):
        d.experimental.ParameterServerStrategy(None)
    with pytest.raises(ValueError, match="shards=3"):
        d.MPIStrategy(shards=3)
    with pytest.raises(ValueError, match="timeout=-1"):
        d.MPIStrategy(timeout=-1)
    with pytest.raises(ValueError, match="reduction"):
        d.MirroredStrategy().reduce("MEDIAN", 1.0)
    cluster = {
        "cluster": {"worker": ["a:1", "b:1"]},
        "task": {"type": "worker", "index": 1},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    resolver = d.cluster_resolver.TFConfigClusterResolver()
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="mpiexec -n 2"):
        d.MultiWorkerMirroredStrategy()


def test_input_contexts_share_batches():
    context = d.InputContext(4, 1, 4)
    assert context.get_per_replica_batch_size(8) == 2
    with pytest.raises(ValueError, match="not divisible"):
        context.get_per_replica_batch_size(6)


def test_shards_are_every_row_once():
    x = np.arange(23)
    for seed, epoch in ((None, 0), (5, 0), (5, 1)):
        parts = [shard(x, i, 4, seed=seed, epoch=epoch) for i in range(4)]
        assert sorted(np.concatenate(parts)) == x.tolist()
    first, second = (shard(x, 0, 2, seed=5, epoch=e).tolist() for e in (0, 1))
    assert first != second
    dataset = tf.data.Dataset.range(5)
    assert [int(each) for each in shard(dataset, 1, 2)] == [1, 3]
    with pytest.raises(ValueError, match="numbers of rows"):
        shard((x, x[1:]), 0, 2)


def test_hashes_see_every_bit():
    x = np.arange(7, dtype=np.float32)
    y = x.copy()
    y.view(np.uint8)[-1] ^= 1
    assert hash_array(x) == hash_array(x.copy()) != hash_array(y)
    assert hash_array(np.array(["a"], object)) != hash_array(np.array(["b"], object))


def test_parts_of_a_batch_on_one_rank_are_the_whole_batch():
    strategy = d.MPIStrategy(shards=4)
    x = tf.constant(np.arange(12.0).reshape(6, 2))
    results = []
    for parts in (True, False):
        w = tf.Variable([[1.0], [2.0]], dtype=tf.float64)
        optimizer = tf.keras.optimizers.SGD(0.01)

        def replica(rows, w=w, optimizer=optimizer):
            with tf.GradientTape() as tape:
                losses = tf.reduce_sum((rows @ w) ** 2, axis=1)
                loss = tf.nn.compute_average_loss(losses, global_batch_size=6)
            optimizer.apply_gradients([(tape.gradient(loss, w), w)])
            return loss

        for function in (replica, tf.function(replica)):
            if parts:
                strategy.reduce("SUM", strategy.run(function, args=(x,)))
            else:
                function(x)
        results.append(w.numpy())
        assert int(optimizer.iterations) == 2
    np.testing.assert_allclose(*results, rtol=1e-12)
    assert strategy.num_replicas_in_sync == 4


TWO = """
import os
import numpy as np
import graphopt as tf

folder = os.environ["GRAPHOPT_TEST_FOLDER"]
strategy = tf.distribute.MultiWorkerMirroredStrategy()
r, v1 = strategy.rank, tf.compat.v1
found = {"task": strategy.cluster_resolver.task_id == r}

# First values: those of rank 0, in every mode.
with strategy.scope():
    w = tf.Variable(tf.random.normal([3]))
late = tf.Variable([1.0 + r])
optimizer = tf.keras.optimizers.SGD(0.1)
with strategy.scope():
    optimizer.apply_gradients([(tf.constant([1.0]), late)])
found["first"] = [w.numpy().tolist(), late.numpy().tolist()]
with tf.Graph().as_default(), strategy.scope():
    a = tf.Variable(tf.random.normal([2]))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        found["graph"] = session.run(a).tolist()
        saver = v1.train.Saver([a])
        path = saver.save(session, folder + "/graph/model", global_step=r * 0)
        if r == 0:
            # As a program of Horovod would do it: nobody waits for the others.
            saver.save(session, folder + "/alone/model")
        saver.restore(session, path)

with tf.Graph().as_default(), strategy.scope():
    a = tf.Variable([1.0, 2.0])
    train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(a * a) * (1.0 + r))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for _ in range(2):
            train.run()
        found["version 1"] = session.run(a).tolist()

# Random ops differ, and are a run's own again with a seed.
tf.random.set_seed(1)
drawn = strategy.gather(tf.random.uniform([1]), axis=0).numpy()
dropped = strategy.gather(tf.nn.dropout(tf.ones([64]), 0.5), axis=0).numpy()
found["draws differ"] = bool(drawn[0] != drawn[1])
found["masks differ"] = bool((dropped[:64] != dropped[64:]).any())

# Values of replicas.
def replica(x):
    context = tf.distribute.get_replica_context()
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = context.all_reduce(tf.distribute.ReduceOp.SUM, {"x": x * x})["x"]
        loss = tf.reduce_sum(total)
    mean = context.all_reduce("MEAN", x)
    return tape.gradient(loss, x), mean, context.all_gather(x, axis=0)

x = tf.constant([1.0 + r, 2.0])
found["eager"] = [t.numpy().tolist() for t in strategy.run(replica, (x,))]
traced = strategy.run(tf.function(replica), (x,))
found["function"] = [t.numpy().tolist() for t in traced]
rows = tf.reshape(tf.range(2.0 * (1 + r)), [-1, 2])
found["uneven"] = strategy.gather(rows, axis=0).numpy().tolist()
found["columns"] = strategy.gather(rows[:1], axis=1).numpy().tolist()
found["mean"] = float(strategy.reduce("MEAN", tf.reshape(rows, [-1]), axis=0))

# Data sets.
batches = tf.data.Dataset.range(7).batch(4)
own = [b.numpy().tolist() for b in strategy.experimental_distribute_dataset(batches)]
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
off = strategy.experimental_distribute_dataset(batches.with_options(options))
found["off"] = [b.numpy().tolist() for b in off]

@tf.function
def total(dataset):
    s = tf.constant(0, tf.int64)
    for batch in dataset:
        s += tf.reduce_sum(batch)
    return s

sums = strategy.run(total, (strategy.experimental_distribute_dataset(batches),))
found["sum"] = int(strategy.reduce("SUM", sums, axis=None))

# Files: rank 0 writes, unless the paths are others.
def error_of(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return ""

saved = tf.Variable(5.0)
checkpoint = tf.train.Checkpoint(w=saved)
manager = tf.train.CheckpointManager(checkpoint, folder + "/row", max_to_keep=2)
found["paths"] = [manager.save()[-6:] for _ in range(3)]
checkpoint.restore(manager.latest_checkpoint)
checkpoint.write(folder + f"/own{r}")
writer = tf.summary.create_file_writer(folder + "/events")
with writer.as_default():
    tf.summary.scalar("a", 1.0, step=1)
v1.summary.FileWriter(folder + "/events1").close()
found["errors"] = [error_of(lambda: checkpoint.write("/proc/nowhere/model"))[:11]]
saved.assign(6.0 + r)
checkpoint.write(folder + f"/other{r}")
found["errors"].append(error_of(lambda: checkpoint.read(folder + f"/other{r}")))

# What differs is found.
saved.assign(1.0)
with strategy.scope():
    often = tf.distribute.MPIStrategy(check_replicas_every=1)
    w.assign([0.0, 1.0, 0.0])
step = lambda: optimizer.apply_gradients([(tf.zeros([3]), w)])
often.run(step)
found["before"] = w.numpy().tolist()
if r == 1:
    w.assign([5.0, 5.0, 5.0])
found["errors"].append(error_of(lambda: often.run(step)))
found["files"] = sorted(os.listdir(folder + "/row")), os.listdir(folder + "/events")[1:]
found["own"] = os.path.exists(folder + "/own1.safetensors")
report([found, own])
"""


def test_two_ranks():
    (first, own0), (second, own1) = run_ranks(2, TWO)
    assert own0 == [[0, 1], [4]] and own1 == [[2, 3], [5, 6]]
    assert first.pop("task") and second.pop("task")
    errors = first.pop("errors"), second.pop("errors")
    for each, x in ((first, 1.0), (second, 2.0)):
        # Both ranks have what this one squares in their sums.
        assert each["eager"].pop(0) == each["function"].pop(0) == [4.0 * x, 8.0]
    # Those of rank 0 are of the system, those of the others tell of them.
    before = first.pop("before"), second.pop("before")
    assert first == second
    assert before[0] == before[1]
    np.testing.assert_allclose(first["first"][1], [0.8], rtol=1e-6)
    assert first["draws differ"] and first["masks differ"]
    assert first["eager"] == [[1.5, 2.0], [1.0, 2.0, 2.0, 2.0]]
    assert first["function"] == first["eager"]
    assert first["uneven"] == [[0, 1], [0, 1], [2, 3]]
    assert first["columns"] == [[0, 1, 0, 1]]
    np.testing.assert_allclose(first["mean"], (0 + 1 + 0 + 1 + 2 + 3) / 6, rtol=1e-6)
    assert first["off"] == [[0, 1], [2, 3], [4], [5, 6]]
    assert first["sum"] == 21
    assert first["paths"] == ["ckpt-1", "ckpt-2", "ckpt-3"]
    # The state file, the two that are kept, and no second event file.
    assert first["files"] == [
        ["checkpoint", "ckpt-2.safetensors", "ckpt-3.safetensors"],
        [],
    ]
    assert first["own"]
    for each in errors:
        assert each[0]
        assert "DataLossError" in each[1] and "different values" in each[1]
        assert "DataLossError" in each[2] and "rank 1 than on rank 0" in each[2]
