"""Trains in several ranks, and has rank 1 fail in the way it is told.

    graphopt run -n 2 training_that_fails.py FOLDER HOW

Each step has data of its own, and every fifth saves a checkpoint; an attempt goes on from
the last one. In the first attempt, rank 1 fails before step 17. It says when that is:
`event TIME`; each rank that gets an error says `told TIME CLASS MESSAGE`. `saved STEP HASH`
and `end HASH` say which weights there were.

HOW is one of: nothing; raise, exit, kill, freeze; out_of_data, where rank 1 ends as if all
was well; other_graph, where it runs another train op; wait, where it makes many short steps
until something happens to its machine.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time

import numpy as np

import graphopt as tf

STEPS, EVENT, SAVED_EVERY, BATCH = 30, 17, 5, 32
# How many steps of how many seconds are waited for what happens from outside.
WAITED, WAIT = 1500, 0.02


def say(*words: object) -> None:
    """Prints one line that comes whole, whatever happens to this process next."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def digest(arrays: list[np.ndarray]) -> str:
    """Returns a hash of weights, by which they can be compared bit for bit."""
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16]


def fail_now(how: str) -> None:
    """Fails, in the ways in which a process can by itself."""
    if how == "raise":
        raise ValueError("a bad batch")
    if how == "exit":
        sys.exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)


def main(folder: str, how: str) -> None:
    """Trains from the last checkpoint on."""
    strategy = tf.distribute.MPIStrategy()
    rank, size = strategy.rank, strategy.size
    is_first = os.environ["GRAPHOPT_ATTEMPT"] == "0"
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), strategy.scope():
        variables = [
            tf.Variable(rng.standard_normal(shape).astype(np.float32), name=name)
            for name, shape in {"w": (64, 32), "b": (32,), "v": (32, 10)}.items()
        ]
        x = tf.compat.v1.placeholder(tf.float32, [BATCH // size, 64])
        y = tf.compat.v1.placeholder(tf.int32, [BATCH // size])
        w, b, v = variables
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=y, logits=tf.nn.relu(x @ w + b) @ v
        )
        loss = tf.nn.compute_average_loss(losses, global_batch_size=BATCH)
        train = tf.keras.optimizers.Adam(1e-3).minimize(loss, variables)
        other = tf.keras.optimizers.SGD(1e-3).minimize(loss, [w])
        pulse = strategy.reduce("SUM", tf.constant(1.0), axis=None)
        saver = tf.compat.v1.train.Saver(max_to_keep=100)
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
        last = tf.train.latest_checkpoint(folder)
        start = 0
        if last is not None:
            saver.restore(session, last)
            start = int(last.rpartition("-")[2].partition(".")[0])
        for step in range(start, STEPS):
            op = train
            if step == EVENT and is_first and how == "wait":
                say("ready", rank, os.getpid())
                for _ in range(WAITED):
                    session.run(pulse)
                    time.sleep(WAIT)
            elif step == EVENT and is_first and rank == 1 and how != "nothing":
                say("event", time.time())
                if how == "out_of_data":
                    return
                if how == "other_graph":
                    op = other
                fail_now(how)
            data = np.random.default_rng([1, step]).standard_normal((BATCH, 65))
            rows = data[rank * BATCH // size : (rank + 1) * BATCH // size]
            labels = (rows[:, 64] > 0).astype(np.int32)
            session.run(op, {x: rows[:, :64].astype(np.float32), y: labels})
            if (step + 1) % SAVED_EVERY == 0:
                saver.save(session, f"{folder}/model", global_step=step + 1)
                say("saved", step + 1, digest(session.run(variables)))
        say("end", digest(session.run(variables)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except tf.errors.OpError as error:
        first = str(error).splitlines()[0]
        say("told", time.time(), type(error).__name__, first)
        raise
