"""Nobody sees an old weight while ranks still send the new one, whichever way they look."""

from __future__ import annotations

import pytest

from tests.parallel.ranks import run_ranks

BEGIN = """
import copy
import gc
import hashlib
import os
import signal
import sys
import threading
import time
import numpy as np
import graphopt as tf
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.parallel.communicator import world
from graphopt.runtime.store import EAGER_STORE

v1 = tf.compat.v1
group = world()
rank, size = group.rank, group.size
folder = os.environ["GRAPHOPT_TEST_FOLDER"]
first = [np.random.default_rng(i).standard_normal((5, 4)).astype(np.float32) for i in (0, 1)]
ranks = Aggregation(group.group, size, bucket_bytes=64, shard_optimizer=True)


class Eager:
    # A step of a traced function, on variables of eager mode.

    def __init__(self, defers, steps=1):
        group.defers = defers
        self.store = EAGER_STORE
        self.variables = [tf.Variable(value) for value in first]
        self.optimizer = tf.keras.optimizers.Adam(0.1)
        self.look = tf.function(lambda: [v * 2.0 for v in self.variables])
        for _ in range(4):
            self.look()  # Compiled, and bound to the arrays.

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                a, b = self.variables
                loss = tf.reduce_sum((a - (1.0 + rank)) ** 2) + tf.reduce_sum(a * b)
            gradients = tape.gradient(loss, self.variables)
            self.optimizer.apply_gradients(zip(gradients, self.variables))
            return loss

        self.step = step
        for _ in range(steps):
            with aggregating(ranks):
                self.loss = step()

    def values(self):
        return [v.numpy() for v in self.variables]

    @property
    def is_late(self):
        return all(v.key in self.store.late for v in self.variables)


class Graph(Eager):
    # The same in a graph.

    def __init__(self, defers, steps=1):
        group.defers = defers
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.variables = [tf.Variable(value) for value in first]
            a, b = self.variables
            self.looks = [a * 2.0, b * 2.0]
            loss = tf.reduce_sum((a - (1.0 + rank)) ** 2) + tf.reduce_sum(a * b)
            self.optimizer = tf.keras.optimizers.Adam(0.1)
            with aggregating(ranks):
                self.train = self.optimizer.minimize(loss, self.variables)
            self.initializer = v1.global_variables_initializer()
            self.saver = v1.train.Saver(self.variables)
            self.session = v1.Session()
        self.store = self.session.store
        self.session.run(self.initializer)
        for _ in range(4):
            self.session.run(self.looks)
        for _ in range(steps):
            self.step()

    def step(self):
        self.session.run(self.train)

    def values(self):
        return self.session.run(self.variables)


def are_equal(a, b):
    return len(a) == len(b) and all((np.asarray(x) == y).all() for x, y in zip(a, b))

"""

ROADS = (
    BEGIN
    + """
def in_fork(variables):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b"".join(v.numpy().tobytes() for v in variables))
        os._exit(0)
    data = np.frombuffer(os.read(read, 1 << 16), np.float32)
    os.waitpid(child, 0)
    return data.reshape(2, 5, 4)


def in_thread(variables):
    found = []
    thread = threading.Thread(target=lambda: found.extend(v.numpy() for v in variables))
    thread.start()
    thread.join()
    return found


def in_handler(variables):
    found = []
    before = signal.signal(signal.SIGUSR1, lambda *_: found.extend(v.numpy() for v in variables))
    signal.raise_signal(signal.SIGUSR1)
    time.sleep(0.01)
    signal.signal(signal.SIGUSR1, before)
    return found


def in_file(variables):
    checkpoint = tf.train.Checkpoint(a=variables[0], b=variables[1])
    path = checkpoint.write(f"{folder}/eager{rank}")
    reader = tf.train.load_checkpoint(path)
    names = [n for n, _ in tf.train.list_variables(path) if n[0] in "ab"]
    return [reader.get_tensor(name) for name in sorted(names)]


def is_initialized(it, variable):
    with it.graph.as_default(), it.session.as_default():
        return v1.is_variable_initialized(variable)


def by_repr(variables):
    texts = [repr(v).partition("numpy=")[2] for v in variables]
    return [eval(text[:-1], {"array": np.array, "float32": np.float32}) for text in texts]


eager = {
    "numpy": lambda it: it.values(),
    "array": lambda it: [np.asarray(v) for v in it.variables],
    "read": lambda it: [v.read_value().numpy() for v in it.variables],
    "op": lambda it: [(v * 1.0).numpy() for v in it.variables],
    "index": lambda it: [np.stack([row.numpy() for row in v]) for v in it.variables],
    "plan": lambda it: [t.numpy() / 2 for t in it.look()],
    "new plan": lambda it: [t.numpy() for t in tf.function(lambda: [v + 0.0 for v in it.variables])()],
    "copy": lambda it: [copy.deepcopy(v).numpy() for v in it.variables],
    "tape": lambda it: [v.value().numpy() for v in it.variables],
    "fork": lambda it: in_fork(it.variables),
    "thread": lambda it: in_thread(it.variables),
    "handler": lambda it: in_handler(it.variables),
    "file": lambda it: in_file(it.variables),
}
graph = {
    "fetch": lambda it: it.values(),
    "plan": lambda it: [a / 2 for a in it.session.run(it.looks)],
    "eval": lambda it: [v.eval(session=it.session) for v in it.variables],
    "profile": lambda it: (it.session.profile(it.train, runs=2), it.values())[1],
    "save": lambda it: [
        tf.train.load_checkpoint(it.saver.save(it.session, f"{folder}/graph{rank}")).get_tensor(v.key.name)
        for v in it.variables
    ],
    "ready": lambda it: all(is_initialized(it, v) for v in it.variables) and it.values(),
}
wrong = []
for kind, roads in ((Eager, eager), (Graph, graph)):
    once, twice = kind(False).values(), kind(False, 2).values()
    assert not are_equal(once, first) and not are_equal(once, twice)
    for name, road in roads.items():
        it = kind(True)
        if not it.is_late:
            wrong.append(f"{name} is not late")
        if not are_equal(road(it), once):
            wrong.append(f"{kind.__name__} {name} sees an old value")
        with aggregating(ranks):
            it.step()
        if not are_equal(it.values(), twice):
            wrong.append(f"{kind.__name__} {name}: the next step is another one")
    # A plan that is bound to the very arrays that the step has taken.
    it = kind(True)
    roads["plan"](it)
    with aggregating(ranks):
        it.step()
    if not it.is_late or not are_equal(roads["plan"](it), twice):
        wrong.append(f"{kind.__name__}: a plan that was bound sees an old value")
    # What is read as it is printed is rounded.
    it = kind(True)
    if kind is Eager:
        got = by_repr(it.variables)
        if not all(np.allclose(a, b, atol=1e-6) for a, b in zip(got, once)):
            wrong.append("repr sees an old value")

# Who writes is not written over by what was on its way.
new = np.full((5, 4), 7.0, np.float32)
it = Eager(True)
saved = tf.train.Checkpoint(a=it.variables[0], b=it.variables[1])
it.variables[0].assign(new)
if not are_equal(it.values(), [new, Eager(False).values()[1]]):
    wrong.append("assign")
once = Eager(False).values()
it = Eager(True)
it.variables[1].assign_add(new)
if not are_equal(it.values(), [once[0], once[1] + new]):
    wrong.append("assign_add")
it = Eager(True)
tf.function(lambda: it.variables[0].assign(new))()
if not are_equal(it.values(), [new, once[1]]):
    wrong.append("assign in a function")
it = Eager(True, 0)
path = tf.train.Checkpoint(a=it.variables[0], b=it.variables[1]).write(f"{folder}/first{rank}")
with aggregating(ranks):
    it.step()
assert it.is_late
tf.train.Checkpoint(a=it.variables[0], b=it.variables[1]).read(path)
if not are_equal(it.values(), first):
    wrong.append("restore")
it = Graph(True)
it.variables[0].load(new, it.session)
if not are_equal(it.values(), [new, once[1]]):
    wrong.append("load")
it = Graph(True)
it.session.run(it.initializer)
if not are_equal(it.values(), first):
    wrong.append("initializer")

# Sessions and plans that go away with something on its way.
for close in (True, False):
    it = Graph(True)
    assert it.is_late
    if close:
        it.session.close()
    it = None
    gc.collect()
if not are_equal(Graph(True).values(), once):
    wrong.append("after a session that is gone")

# Python inside of a step looks at variables, and the step goes on to give them new ones.
def looking(defers):
    it = Eager(defers, 0)
    seen = []

    def look(value):
        seen.append([v.numpy() for v in it.variables])
        return value

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            a, b = it.variables
            loss = tf.reduce_sum(a * tf.numpy_function(look, [tf.constant(2.0)], tf.float32) * b)
        gradients = tape.gradient(loss, it.variables)
        it.optimizer.apply_gradients(zip(gradients, it.variables))

    late = []
    with aggregating(ranks):
        for i in range(6):
            step()
            late.append(it.is_late)
            if i % 3 == 2:
                seen.append(it.values())
    assert all(late) is defers, late
    return [array for arrays in seen for array in arrays]


if not are_equal(looking(True), looking(False)):
    wrong.append("a step whose Python looks at variables")

# Variables of an optimizer of its own each, and one that another step reads.
group.defers = True
many = [Eager(True) for _ in range(3)]
with aggregating(ranks):
    for it in many:
        it.step()
twice = Eager(False, 2).values()
if not all(are_equal(it.values(), twice) for it in many):
    wrong.append("several")

# A step that fails changes nothing, and what the one before has left comes.
it = Eager(True)
rows = tf.Variable([0, 1])


@tf.function
def failing(i):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(it.variables[0], i + rows) * it.variables[1][:2])
    gradients = tape.gradient(loss, it.variables)
    it.optimizer.apply_gradients([(tf.convert_to_tensor(g), v) for g, v in zip(gradients, it.variables)])


with aggregating(ranks):
    try:
        failing(tf.constant(50))
    except tf.errors.InvalidArgumentError as error:
        assert "50" in str(error)
    else:
        wrong.append("no error")
if not are_equal(it.values(), once):
    wrong.append("after a step that fails")
report(wrong)
os._exit(0)  # What failed on all ranks has ended their communication.
"""
)


INTERRUPTED = (
    BEGIN
    + """
def after_interrupt(variables):
    try:
        signal.raise_signal(signal.SIGINT)
        time.sleep(1)
    except KeyboardInterrupt:
        pass
    time.sleep(0.5)
    return [v.numpy() for v in variables]



once = Eager(False).values()
it = Eager(True)
assert it.is_late
report(are_equal(after_interrupt(it.variables), once))
os._exit(0)  # Ctrl-C has ended what waits for others.
"""
)


def test_an_interrupt_between_two_steps_leaves_the_new_values():
    assert run_ranks(2, INTERRUPTED, expect=None) == [True, True]


def test_whoever_looks_sees_the_new_values():
    for found in run_ranks(2, ROADS, expect=None):
        assert found == []


ALONE = (
    BEGIN
    + """
once = Eager(False).values()
it = Eager(True)
assert it.is_late
done = os.path.join(folder, "done")
if rank == 0:
    # The others do not come: rank 1 waits for this one, and the last has ended.
    time.sleep(0.5)
    found = are_equal(it.values(), once)
    open(done, "w").close()
    report(found)
elif rank == 1:
    while not os.path.exists(done):
        time.sleep(0.01)
    report(are_equal(it.values(), once))
else:
    report(True)
"""
)


def test_a_rank_reads_what_others_need_not_read():
    assert run_ranks(3, ALONE) == [True] * 3


DYING = (
    BEGIN
    + """
from dataclasses import replace

it = Eager(True)
once = it.values()
other = tf.Variable(3.0)
if rank:
    # Does its part of the next step, but for what the others are to get at its end.
    wanted, plan = next(
        (key, plan) for key, plan in group.plans.items()
        if any(job[0] == "reduce_scatter" for job in plan.jobs)
    )
    assert plan.jobs[-1][0] == "all_gather"
    few = tuple(job for job in plan.jobs if job[0] != "all_gather")
    group.plans[wanted] = replace(plan, jobs=few)
    assert group.channel.run("header", wanted, 0) is None
    group._follow(wanted)
    time.sleep(0.3)
    if sys.argv[1] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
else:
    with aggregating(ranks):
        it.step()
    assert it.is_late
    errors = []
    for look in (it.values, it.values, it.look, lambda: it.variables[1].assign_add(once[0]), it.step):
        try:
            with aggregating(ranks):
                look()
        except tf.errors.UnavailableError as error:
            errors.append(str(error))
    report([errors, other.numpy().item(), it.is_late])
    os._exit(0)
"""
)


@pytest.mark.parametrize(
    ("how", "why"),
    [("kill", "rank 1 was killed"), ("leave", "rank 1 left the program")],
)
def test_values_that_cannot_come_are_an_error_for_whoever_looks(how, why):
    errors, other, is_late = run_ranks(2, DYING, how, expect=None)[0]
    assert len(errors) == 5 and is_late and other == 3.0
    for error in errors:
        assert why in error and "program.py:" in error
    for error in errors[:4]:
        assert error.startswith("AllGather of")


PROFILE = (
    BEGIN
    + """
it = Graph(True)
once = it.values()
profile = it.session.profile(it.train, runs=3)
kinds = [step.type for step in profile.steps]
plan = it.session.plan(it.train)
starts = [i for i, step in enumerate(profile.steps) if step.type == "AllGatherStart"]
sent = [each for each in profile.exchanges if each.step in starts]
report({
    "kept": are_equal(it.values(), once),
    "settles": kinds.count("AllGatherSettle"),
    "starts": len(starts),
    "sent": len(sent),
    "all": len(profile.exchanges),
    "jobs": sum(kind.endswith(("Start", "Header")) for kind in kinds),
    "took": all(each.seconds > 0 and each.start > 0 for each in sent),
    "names": [b.tensor for b in plan.buffers if b.kind == "arena" and "gather" in (b.tensor or "")],
})
"""
)


def test_profiles_tell_when_late_values_were_sent():
    for found in run_ranks(2, PROFILE):
        assert found["kept"] and found["took"]
        assert found["settles"] == found["starts"] == 2
        assert found["sent"] == 3 * 2 and found["all"] == 3 * found["jobs"]
        assert found["names"]


FLYING = (
    BEGIN
    + """
from dataclasses import replace

how = sys.argv[1]
it = Graph(True)
once = it.values()
channel = group.channel
if rank:
    # Does by hand what the step does, and its last part late; of new values it sends zeros.
    wanted, plan = [
        (key, plan) for key, plan in group.plans.items()
        if any(job[0] == "reduce_scatter" for job in plan.jobs)
    ][0]
    before = [job for job in plan.jobs if job[0] != "all_gather"]
    gathers = [job for job in plan.jobs if job[0] == "all_gather"]
    assert channel.run("header", wanted, 0) is None
    for jobs, pause in ((before, 1.5), (gathers, 0.0)):
        group.plans[wanted] = replace(plan, jobs=tuple(jobs))
        group._follow(wanted)
        time.sleep(pause)
    report(True)
else:
    it.step()
    flies = not channel.is_idle
    if how == "interrupt":
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            pass
        time.sleep(0.6)
        flies = flies and not channel.is_idle
    if how == "drop":
        it.session = it.store = it.train = None
        it = None
        gc.collect()
        flies = flies and len(group._receiving) == 1 and not channel.is_idle
        while not channel.is_idle:
            time.sleep(0.01)
        report(flies and channel.reason is None)
    else:
        half = 10  # Of 5 x 4 elements, the first of which are this rank's.
        found = [v.reshape(-1) for v in it.values()]
        new = all((a[:half] != b.reshape(-1)[:half]).all() for a, b in zip(found, once))
        report(bool(flies and new and all((a[half:] == 0).all() for a in found)))
"""
)


@pytest.mark.parametrize("how", ["read", "interrupt", "drop"])
def test_a_step_ends_before_all_have_sent_their_values(how):
    assert run_ranks(2, FLYING, how) == [True, True]
