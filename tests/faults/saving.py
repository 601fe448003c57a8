"""A process that is killed while it saves; `test_checkpoints.py` starts it.

python -m tests.faults.saving FOLDER KILLS SEED

First it dies at each call of the system in turn, with a write half done, then at KILLS
random times. After each death the newest checkpoint has to be one that was saved, and
every file that the state file names has to be readable.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import numpy as np

import graphopt as tf
from graphopt.checkpoint import files

SIZE = 200_000


class Shim:
    """Stands for `os`: counts calls, and does something at one of them.

    Args:
      at: Which call.
      action: Called in place of it, with the name and the arguments.
    """

    CALLS = ("open", "write", "fsync", "close", "replace", "listdir", "unlink")

    def __init__(self, at, action):
        self.at, self.action, self.count = at, action, 0
        self.names = []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in self.CALLS:
            return real

        def call(*args, **kwargs):
            self.names.append(name)
            self.count += 1
            if self.count - 1 == self.at:
                return self.action(real, name, args, kwargs)
            return real(*args, **kwargs)

        return call


def die(real, name, args, kwargs):
    """Kills the process, where it writes in the middle of it."""
    if name == "write":
        os.write(args[0], bytes(args[1])[: len(args[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def make(folder):
    w = tf.Variable(np.zeros(SIZE, np.float32))
    checkpoint = tf.train.Checkpoint(w=w)
    return w, tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)


def save_next(w, manager):
    """Saves a checkpoint whose elements are all the number in its name."""
    value = int(manager.checkpoint.save_counter) + 1
    w.assign(np.full(SIZE, value, np.float32))
    return manager.save()


def check(folder):
    """Reads what is there; returns the number of the newest checkpoint."""
    w, manager = make(folder)
    assert manager.checkpoints and manager.latest_checkpoint == manager.checkpoints[-1]
    state = tf.train.get_checkpoint_state(folder)
    for path in (*state.all_model_checkpoint_paths[-1:], *manager.checkpoints):
        manager.checkpoint.restore(path).assert_consumed()
        number = int(path.rpartition("-")[2])
        assert set(w.numpy().tolist()) == {float(number)}, path
    return number


def in_child(function):
    """Runs a function in a forked process; returns its id."""
    child = os.fork()
    if child:
        return child
    try:
        function()
        os._exit(0)
    except BaseException:
        os._exit(1)


def die_at_each_call(folder):
    w, manager = make(folder)
    save_next(w, manager)
    save_next(w, manager)
    deaths = 0
    newest = check(folder)
    while True:

        def save(at=deaths):
            w, manager = make(folder)
            manager.restore_or_initialize()
            files.os = Shim(at, die)
            save_next(w, manager)

        child = in_child(save)
        status = os.waitpid(child, 0)[1]
        found = check(folder)
        assert found in (newest, newest + 1), (found, newest, deaths)
        newest = found
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return deaths
        assert os.WTERMSIG(status) == signal.SIGKILL
        deaths += 1


def die_at_random_times(folder, kills, rng):
    for _ in range(kills):
        before = check(folder)

        def save():
            w, manager = make(folder)
            manager.restore_or_initialize()
            while True:
                save_next(w, manager)

        child = in_child(save)
        time.sleep(rng.uniform(0.001, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert check(folder) >= before
    assert check(folder) > before or kills == 0


def main():
    folder, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    deaths = die_at_each_call(folder)
    die_at_random_times(folder, kills, random.Random(seed))
    sys.stdout.write(f"{deaths} calls, {kills} kills\n")


if __name__ == "__main__":
    main()
