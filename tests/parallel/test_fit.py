"""`fit`, `evaluate` and `predict` on two ranks are those of one rank."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parallel.ranks import run_ranks

BEGIN = """
import os
import numpy as np
import graphopt as tf

folder = os.environ["GRAPHOPT_TEST_FOLDER"]
tf.keras.utils.set_random_seed(3)
rng = np.random.default_rng(1)
x = rng.normal(size=(21, 4)).astype("float32")
y = rng.normal(size=(21, 1)).astype("float32")
layers = tf.keras.layers

def make(*extra, optimizer=None, run_eagerly=False):
    parts = [layers.Dense(6, activation="tanh"), *extra, layers.Dense(1)]
    model = tf.keras.Sequential(parts)
    optimizer = optimizer or tf.keras.optimizers.Adam(0.05, global_clipnorm=1.0)
    model.compile(optimizer, "mse", metrics=["mae"], run_eagerly=run_eagerly)
    return model

def values(model):
    return [w.tolist() for w in model.get_weights()]
"""

SAME = """
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = make()
found = {}
validation = (x[:7], y[:7])
found["arrays"] = model.fit(
    x, y, batch_size=10, epochs=3, verbose=0, validation_data=validation,
    validation_batch_size=3,
).history
found["evaluate"] = model.evaluate(x, y, batch_size=20, verbose=0)
found["predict"] = model.predict(x, batch_size=10, verbose=0).tolist()
batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
found["dataset"] = model.fit(batches, epochs=2, verbose=0).history
shared_out = strategy.experimental_distribute_dataset(batches)
found["shared out"] = model.fit(shared_out, verbose=0).history
found["on batch"] = model.train_on_batch(x[:5], y[:5])
found["weights"] = values(model)
callbacks = [
    tf.keras.callbacks.ModelCheckpoint(folder + "/model{epoch}", save_freq=2),
    tf.keras.callbacks.EarlyStopping(monitor="loss", patience=1),
    tf.keras.callbacks.CSVLogger(folder + "/log.csv"),
    tf.keras.callbacks.TensorBoard(folder + "/events"),
]
found["callbacks"] = model.fit(
    x, y, batch_size=10, epochs=3, verbose=0, callbacks=callbacks
).history
again = tf.keras.models.load_model(folder + "/model1")
found["loaded"] = again.evaluate(x, y, verbose=0)
found["files"] = sorted(os.listdir(folder)), len(os.listdir(folder + "/events/train"))

# A training that is interrupted goes on where it was.
class Interrupt(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

def resumed(*more):
    with strategy.scope():
        model = make()
    model.build([None, 4])
    backup = tf.keras.callbacks.BackupAndRestore(folder + "/backup")
    model.fit(x, y, batch_size=10, epochs=4, verbose=0, callbacks=[backup, *more])
    return values(model)

tf.keras.utils.set_random_seed(5)
straight = resumed()
tf.keras.utils.set_random_seed(5)
try:
    resumed(Interrupt())
except KeyboardInterrupt:
    pass
tf.keras.utils.set_random_seed(5)
found["resumed"] = resumed() == straight
with strategy.scope():
    eager = make(run_eagerly=True)
found["eager"] = eager.fit(x, y, batch_size=10, verbose=0, shuffle=False).history
report(found)
"""


def leaves(found):
    if isinstance(found, dict):
        return [leaf for key in sorted(found) for leaf in leaves(found[key])]
    if isinstance(found, (list, tuple)):
        return [leaf for each in found for leaf in leaves(each)]
    return [found]


def assert_alike(got, want, tolerance):
    got, want = leaves(got), leaves(want)
    assert [a for a in got if isinstance(a, str)] == [
        a for a in want if isinstance(a, str)
    ]
    numbers = [[a for a in each if not isinstance(a, str)] for each in (got, want)]
    np.testing.assert_allclose(*numbers, rtol=tolerance, atol=tolerance)


def test_two_ranks_fit_as_one():
    (alone,) = run_ranks(1, BEGIN + SAME)
    first, second = run_ranks(2, BEGIN + SAME)
    assert first == second
    assert first["resumed"]
    # Sums of ten examples in another order.
    assert_alike(first, alone, 2e-6)


UNEVEN = """
strategy = tf.distribute.MultiWorkerMirroredStrategy()
rank = strategy.rank
with strategy.scope():
    model = make(layers.BatchNormalization(), optimizer=tf.keras.optimizers.SGD(0.1))
    embedding = tf.keras.Sequential([layers.Embedding(9, 2, input_length=3), layers.Flatten(),
                                     layers.Dense(1)])
    embedding.compile("sgd", "mse")
found = {}

def generate(batches):
    for i in range(batches):
        yield x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4]

# Three batches on one rank, five on the other.
model.fit(generate(3 + 2 * rank), verbose=0)
model.fit(generate(2 * rank), verbose=0)
# Fewer examples than ranks in the last batch; none on one rank.
model.fit(x[:5], y[:5], batch_size=4, verbose=0, epochs=2)
found["one"] = model.evaluate(x[:1], y[:1], verbose=0)
found["weights"] = values(model)
own = strategy.distribute_datasets_from_function(
    lambda context: tf.data.Dataset.from_tensor_slices((x, y)).shard(
        context.num_input_pipelines, context.input_pipeline_id).batch(4))
found["own"] = model.fit(own, verbose=0, epochs=2).history
words = rng.integers(0, 9, (7, 3))
embedding.fit(words, y[:7], batch_size=4, verbose=0)
found["embedding"] = values(embedding)

class Own(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
    def call(self, x):
        return self.dense(x)
    def train_step(self, data):
        x, y = data
        replica = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss, "replicas": replica.num_replicas_in_sync}

with strategy.scope():
    custom = Own()
    custom.compile("sgd")
found["custom"] = custom.fit(x, y, batch_size=6, verbose=0, epochs=2).history
found["custom weights"] = values(custom)
with strategy.scope():
    other = make(layers.Dropout(0.5))
other.fit(x, y, verbose=0)
report(found)
"""


def test_ranks_with_unequal_batches_stay_alike():
    first, second = run_ranks(2, BEGIN + UNEVEN)
    assert first == second
    assert np.isfinite([a for a in leaves(first) if not isinstance(a, str)]).all()
    assert first["custom"]["replicas"] == [2.0, 2.0]


SHARDS = """
strategy = tf.distribute.MPIStrategy(shards=4)
with strategy.scope():
    model = make()
    optimizer = tf.keras.optimizers.Adam(0.05)
    w = tf.Variable(tf.ones([4, 1]))
model.fit(x, y, batch_size=10, epochs=2, verbose=0)
evaluated = model.evaluate(x, y, batch_size=4, verbose=0)
predicted = model.predict(x, batch_size=6, verbose=0)

def loss_of(x, y):
    per_example = tf.reduce_sum((x @ w - y) ** 2, axis=1)
    return tf.nn.compute_average_loss(per_example, global_batch_size=16)

def replica(x, y):
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    optimizer.apply_gradients([(tape.gradient(loss, w), w)])
    return loss

@tf.function
def step(x, y):
    return strategy.reduce("SUM", strategy.run(replica, args=(x, y)), axis=None)

def of_rank(a):
    rows = 16 // strategy.size
    return tf.constant(a[strategy.rank * rows : (strategy.rank + 1) * rows])

losses = [float(step(of_rank(x), of_rank(y))) for _ in range(3)]
traced = tf.function(replica)
found = strategy.run(traced, args=(of_rank(x), of_rank(y)))
strategy.run(replica, args=(of_rank(x), of_rank(y)))
losses.append(float(strategy.reduce("SUM", found)))
refused = ""
try:
    strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("SUM", 1.0))
except NotImplementedError as error:
    refused = str(error)
report({"evaluated": evaluated, "predicted": predicted.tolist(),
        "weights": values(model), "w": w.numpy().tolist(), "losses": losses,
        "replicas": strategy.num_replicas_in_sync,
        "parts": len(strategy.experimental_local_results(found))})
"""


@pytest.mark.parametrize("jit", ["never"])
def test_shards_give_the_same_bits_on_any_number_of_ranks(jit):
    found = [run_ranks(n, BEGIN + SHARDS, env={"GRAPHOPT_JIT": jit}) for n in (1, 2, 4)]
    for each in found:
        for rank in each:
            assert rank["weights"] == found[0][0]["weights"]
            for name in ("predicted", "evaluated"):
                np.testing.assert_allclose(rank[name], found[0][0][name], 1e-5)
            assert rank["w"] == found[0][0]["w"]
            assert rank["losses"] == found[0][0]["losses"]
            assert rank["replicas"] == 4
    assert [each[0]["parts"] for each in found] == [4, 2, 1]


CHECKED = (
    BEGIN
    + """
import sys
pieces = sys.argv[1] == "pieces"
strategy = tf.distribute.MPIStrategy(shard_optimizer=pieces, check_replicas_every=1)
with strategy.scope():
    model = make()
model.fit(x, y, batch_size=10, epochs=2, verbose=0)
report(values(model))
"""
)


@pytest.mark.parametrize("what", ["whole", "pieces"])
def test_metrics_are_not_taken_for_what_ranks_have_alike(what):
    first, second = run_ranks(2, CHECKED, what)
    assert first == second
