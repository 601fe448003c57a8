"""Monitored sessions, their hooks, supervisors and coordinators."""

import logging
import threading
import time

import numpy as np
import pytest

import graphopt as tf
from graphopt.files.events import read_events

v1 = tf.compat.v1
train = v1.train


@pytest.fixture(autouse=True)
def writers():
    yield
    v1.summary.FileWriterCache.clear()


@pytest.fixture
def graph():
    with tf.Graph().as_default() as made:
        yield made


def model():
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    step = train.get_or_create_global_step()
    loss = (w - 1.0) ** 2
    v1.summary.scalar("loss", loss)
    return w, loss, train.GradientDescentOptimizer(0.25).minimize(loss, step)


def messages():
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    return handler, records


def test_a_training_that_stops_saves_and_goes_on(tmp_path, graph):
    w, _, op = model()
    hooks = [train.StopAtStepHook(last_step=5)]
    folder = str(tmp_path / "run")
    counts = 0
    with train.MonitoredTrainingSession(
        checkpoint_dir=folder,
        hooks=hooks,
        save_summaries_steps=2,
        save_checkpoint_steps=2,
    ) as session:
        assert session.graph.finalized
        while not session.should_stop():
            session.run(op)
            counts += 1
        with pytest.raises(RuntimeError, match="should_stop"):
            session.run(op)
    assert counts == 5
    with pytest.raises(RuntimeError, match="closed"):
        session.run(op)
    v1.summary.FileWriterCache.clear()
    assert train.latest_checkpoint(folder).endswith("model.ckpt-5")
    saved = train.get_checkpoint_state(folder).all_model_checkpoint_paths
    assert [path.rsplit("-", 1)[1] for path in saved] == ["0", "2", "4", "5"]
    events = [e for p in (tmp_path / "run").glob("*tfevents*") for e in read_events(p)]
    steps = [(e.step, e.summary.value[0].tag) for e in events if e.summary.value]
    assert [s for s, tag in steps if tag == "loss"] == [1, 3, 5]
    with tf.Graph().as_default():
        w, _loss, op = model()
        with train.MonitoredTrainingSession(
            checkpoint_dir=folder, hooks=[train.StopAtStepHook(num_steps=3)]
        ) as session:
            assert session.run(w) == np.float32(1 - 0.5**5)
            count = 1
            while not session.should_stop():
                session.run(op)
                count += 1
    assert count == 4


class Recorder(train.SessionRunHook):
    def __init__(self, tensor, feed):
        self.calls, self.tensor, self.feed = [], tensor, feed

    def begin(self):
        self.calls.append("begin")

    def after_create_session(self, session, coord):
        self.calls.append("created")

    def before_run(self, run_context):
        assert run_context.original_args.fetches is not None
        return train.SessionRunArgs({"t": self.tensor}, feed_dict=self.feed)

    def after_run(self, run_context, run_values):
        self.calls.append(float(run_values.results["t"]))
        if run_values.results["t"] > 3:
            run_context.request_stop()

    def end(self, session):
        self.calls.append("end")


def test_hooks_fetch_feed_and_stop(graph):
    x = v1.placeholder(tf.float32, [], name="x")
    y = v1.placeholder(tf.float32, [])
    total = x + y
    hook = Recorder(x * 2, {y: 7.0})
    with train.SingularMonitoredSession(hooks=[hook]) as session:
        assert session.run(total, {x: 1.0}) == 8.0
        assert not session.should_stop()
        assert session.raw_session().run(x, {x: 3.0}) == 3.0
        assert session.run([x], {x: 2.0}) == [2.0]
        assert session.should_stop()
    assert hook.calls == ["begin", "created", 2.0, 4.0, "end"]


def test_the_end_of_data_ends_the_block(graph):
    x = tf.constant(1.0)
    hook = Recorder(x, None)
    with train.MonitoredSession(hooks=[hook]) as session:
        session.run(x)
        raise tf.errors.OutOfRangeError(None, None, "no more")
    assert hook.calls[-1] == "end"
    other = Recorder(x, None)
    with tf.Graph().as_default():
        other.tensor = tf.constant(1.0)
        with pytest.raises(KeyError), train.MonitoredSession(hooks=[other]):
            raise KeyError
    assert "end" not in other.calls


def test_usual_hooks(graph, caplog):
    w, loss, op = model()
    handler, records = messages()
    logger = v1.get_logger()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    final = train.FinalOpsHook(w)
    hooks = [
        train.LoggingTensorHook({"l": loss}, every_n_iter=2, at_end=True),
        train.LoggingTensorHook(["w:0"], every_n_iter=3, formatter=lambda v: "F"),
        train.StepCounterHook(every_n_steps=2),
        train.NanTensorHook(loss),
        train.StopAtStepHook(num_steps=4),
        final,
    ]
    try:
        with train.MonitoredSession(hooks=hooks) as session:
            while not session.should_stop():
                session.run(op)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert next(text for text in records if text.startswith("l = ")) == "l = 1.0"
    assert sum(text.startswith("l = ") for text in records) == 3
    assert sum(text == "F" for text in records) == 2
    assert any(text.startswith("global_step/sec: ") for text in records)
    assert final.final_ops_values == np.float32(1 - 0.5**4)


def test_nan_is_an_error(graph):
    x = v1.placeholder(tf.float32, [])
    raises = pytest.raises(train.NanLossDuringTrainingError, match="NaN loss")
    with raises, train.MonitoredSession(hooks=[train.NanTensorHook(x)]) as session:
        session.run(x, {x: np.nan})
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [])
        hook = train.NanTensorHook(x, fail_on_nan_loss=False)
        with train.MonitoredSession(hooks=[hook]) as session:
            session.run(x, {x: np.nan})
            assert session.should_stop()


def test_scaffolds(graph, tmp_path):
    w = v1.Variable(1.0, name="w")
    called = []
    scaffold = train.Scaffold(init_fn=lambda s, session: called.append(session.run(w)))
    with train.MonitoredTrainingSession(scaffold=scaffold) as session:
        assert session.run(w) == 1.0
        assert (
            session.run_step_fn(lambda c: c.session.run(w) + c.run_with_hooks(w)) == 2
        )
    assert called == [1.0]
    with tf.Graph().as_default():
        v1.Variable(1.0, name="w")
        lost = train.Scaffold(init_op=tf.no_op())
        with pytest.raises(RuntimeError, match="without a value"):
            train.MonitoredTrainingSession(scaffold=lost)


def test_hooks_want_a_global_step(graph):
    with pytest.raises(RuntimeError, match="Global step should be created"):
        train.MonitoredSession(hooks=[train.StopAtStepHook(last_step=1)])
    with pytest.raises(ValueError, match="Exactly one"):
        train.StopAtStepHook()
    with pytest.raises(ValueError, match="exactly one"):
        train.SecondOrStepTimer(1, 1)


def test_supervisors(graph, tmp_path):
    w, _, op = model()
    supervisor = train.Supervisor(logdir=str(tmp_path), save_summaries_secs=0.01)
    with supervisor.managed_session() as session:
        for _ in range(4):
            session.run(op)
        until = time.monotonic() + 60
        while not list(tmp_path.glob("*.index")) + list(tmp_path.glob("model.ckpt*")):
            assert time.monotonic() < until
            time.sleep(0.01)
        supervisor.saver.save(session, supervisor.save_path, global_step=4)
        supervisor.request_stop()
    assert supervisor.should_stop()
    with tf.Graph().as_default():
        w, _loss, op = model()
        again = train.Supervisor(logdir=str(tmp_path), summary_op=None)
        session = again.prepare_or_wait_for_session(start_standard_services=False)
        assert session.run(w) == np.float32(1 - 0.5**4)
        again.stop()
        session.close()


def test_supervisors_raise_what_the_block_raised(graph, tmp_path):
    model()
    supervisor = train.Supervisor()
    with pytest.raises(KeyError, match="mine"), supervisor.managed_session():
        raise KeyError("mine")
    with tf.Graph().as_default():
        model()
        ended = train.Supervisor()
        with ended.managed_session():
            raise tf.errors.OutOfRangeError(None, None, "end")


def test_coordinators():
    coordinator = train.Coordinator()

    def fail():
        with coordinator.stop_on_exception():
            raise ValueError("in a thread")

    waiting = threading.Thread(target=coordinator.wait_for_stop)
    failing = threading.Thread(target=fail)
    for each in (waiting, failing):
        each.start()
    with pytest.raises(ValueError, match="in a thread"):
        coordinator.join([waiting, failing])
    coordinator.clear_stop()
    counts = []
    loop = train.LooperThread.loop(coordinator, 0.001, lambda: counts.append(1))
    until = time.monotonic() + 60
    while len(counts) < 3 and time.monotonic() < until:
        time.sleep(0.001)
    coordinator.request_stop()
    coordinator.join()
    assert not loop.is_alive() and len(counts) >= 3
    stuck = threading.Event()
    thread = threading.Thread(target=stuck.wait, name="stuck")
    thread.start()
    coordinator.clear_stop()
    coordinator.request_stop()
    with pytest.raises(RuntimeError, match="still running: stuck"):
        coordinator.join([thread], stop_grace_period_secs=0.01)
    stuck.set()
    thread.join()
    assert train.start_queue_runners(coord=coordinator) == []


def test_clusters_of_one():
    spec = train.ClusterSpec({"worker": {1: "b"}, "ps": ["a"]})
    assert spec.task_indices("worker") == [1] and train.ClusterSpec(spec) == spec
    with pytest.raises(ValueError, match="No such job"):
        spec.num_tasks("chief")
    with pytest.raises(NotImplementedError, match="one process"):
        train.Server(spec, job_name="ps", task_index=0)
    assert train.Server.create_local_server().target == ""
    with tf.Graph().as_default(), tf.device(train.replica_device_setter(cluster=spec)):
        assert tf.constant(1.0).op.device is not None


def test_checkpoints_are_iterated(tmp_path, graph):
    v1.Variable(1.0, name="w")
    saver = train.Saver()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        saver.save(session, str(tmp_path / "a"), global_step=1)
        found = []
        for path in train.checkpoints_iterator(str(tmp_path), timeout=0.01):
            found.append(path)
            if len(found) == 1:
                saver.save(session, str(tmp_path / "a"), global_step=2)
    assert [path.rsplit("-", 1)[1] for path in found] == ["1", "2"]


def test_examples_as_messages():
    feature = train.Feature(int64_list=train.Int64List(value=[3]))
    example = train.Example(features=train.Features(feature={"label": feature}))
    again = tf.train.Example.FromString(example.SerializeToString())
    assert list(again.features.feature["label"].int64_list.value) == [3]
