"""Queues, their runners and what version 1 builds on them."""

import threading

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as made:
        yield made


def drain(session, fetch):
    found = []
    try:
        while True:
            found.append(session.run(fetch))
    except tf.errors.OutOfRangeError:
        return found


# ---- queues


def test_first_in_first_out(session):
    queue = tf.queue.FIFOQueue(5, [tf.int32, tf.float32], [(), (2,)])
    x = v1.placeholder(tf.int32, [])
    add = queue.enqueue((x, [0.5, 1.5]))
    number, row = queue.dequeue()
    size = queue.size()
    for i in range(3):
        session.run(add, {x: i})
    assert session.run(size) == 3
    assert [int(session.run(number)) for _ in range(3)] == [0, 1, 2]
    session.run(add, {x: 7})
    number, row = session.run([number, row])
    assert (int(number), row.tolist()) == (7, [0.5, 1.5])


def test_many_at_once(session):
    queue = tf.queue.FIFOQueue(10, tf.int32, ())
    session.run(queue.enqueue_many([[1, 2, 3, 4, 5]]))
    assert session.run(queue.dequeue_many(2)).tolist() == [1, 2]
    session.run(queue.close())
    up_to = queue.dequeue_up_to(2)
    assert [a.tolist() for a in drain(session, up_to)] == [[3, 4], [5]]


def test_too_few_are_put_back(session):
    queue = tf.queue.FIFOQueue(10, tf.int32, ())
    session.run(queue.enqueue_many([[1, 2, 3]]))
    session.run(queue.close())
    with pytest.raises(tf.errors.OutOfRangeError, match="requested 5, current size 3"):
        session.run(queue.dequeue_many(5))
    assert session.run(queue.dequeue_many(3)).tolist() == [1, 2, 3]
    with pytest.raises(tf.errors.CancelledError, match="is closed"):
        session.run(queue.enqueue(1))
    assert session.run(queue.is_closed())


def test_more_than_it_holds_can_be_taken(session):
    queue = tf.queue.FIFOQueue(2, tf.int32, ())
    add = queue.enqueue_many([np.arange(6, dtype=np.int32)])
    thread = threading.Thread(target=session.run, args=(add,))
    thread.start()
    assert session.run(queue.dequeue_many(6)).tolist() == [0, 1, 2, 3, 4, 5]
    thread.join(20)
    assert not thread.is_alive()


def test_names_make_dicts(session):
    queue = tf.queue.FIFOQueue(3, [tf.int32, tf.string], [(), ()], names=["n", "s"])
    session.run(queue.enqueue({"n": 3, "s": "three"}))
    assert session.run(queue.dequeue()) == {"n": 3, "s": b"three"}
    with pytest.raises(ValueError, match="Keys in dictionary"):
        queue.enqueue({"n": 3})


def test_padding(session):
    queue = tf.queue.PaddingFIFOQueue(5, [tf.int32], [[None]])
    x = v1.placeholder(tf.int32, [None])
    add = queue.enqueue([x])
    for n in (1, 3, 2):
        session.run(add, {x: np.arange(1, n + 1)})
    wanted = [[1, 0, 0], [1, 2, 3], [1, 2, 0]]
    assert session.run(queue.dequeue_many(3)).tolist() == wanted


def test_priorities(session):
    queue = tf.queue.PriorityQueue(5, [tf.string], [()])
    for number, text in ((3, "c"), (1, "a"), (2, "b"), (1, "z")):
        session.run(queue.enqueue([np.int64(number), text]))
    take = queue.dequeue()
    found = [session.run(take) for _ in range(4)]
    assert [(int(n), bytes(s)) for n, s in found] == [
        (1, b"a"),
        (1, b"z"),
        (2, b"b"),
        (3, b"c"),
    ]


def test_random_order_repeats_with_the_seed():
    def order():
        with tf.Graph().as_default(), v1.Session() as session:
            queue = tf.queue.RandomShuffleQueue(20, 4, tf.int32, (), seed=5)
            session.run(queue.enqueue_many([np.arange(12, dtype=np.int32)]))
            first = session.run(queue.dequeue_many(8)).tolist()
            session.run(queue.close())
            return first + [int(x) for x in drain(session, queue.dequeue())]

    assert order() == order()
    assert sorted(order()) == list(range(12)) != order()


def test_a_random_queue_keeps_its_least(session):
    queue = tf.queue.RandomShuffleQueue(20, 4, tf.int32, (), seed=5)
    session.run(queue.enqueue_many([np.arange(5, dtype=np.int32)]))
    take = queue.dequeue()
    session.run(take)
    results = []
    thread = threading.Thread(target=lambda: results.append(session.run(take)))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    session.run(queue.enqueue(5))
    thread.join(20)
    assert len(results) == 1


def test_shapes_are_checked(session):
    queue = tf.queue.FIFOQueue(5, tf.float32, [(2,)])
    with pytest.raises(ValueError, match="incompatible"):
        queue.enqueue([[1.0, 2.0, 3.0]])
    x = v1.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch"):
        session.run(queue.enqueue([x]), {x: [1.0]})
    with pytest.raises(ValueError, match="specified shapes"):
        tf.queue.FIFOQueue(5, tf.float32).dequeue_many(2)


def test_sessions_have_their_own(session):
    queue = tf.queue.FIFOQueue(5, tf.int32, ())
    add, size = queue.enqueue(1), queue.size()
    session.run(add)
    with v1.Session(graph=session.graph) as other:
        assert other.run(size) == 0
    assert session.run(size) == 1


def test_shared_names_are_one_queue(session):
    one = tf.queue.FIFOQueue(5, tf.int32, (), shared_name="both")
    two = tf.queue.FIFOQueue(5, tf.int32, (), shared_name="both")
    session.run(one.enqueue(4))
    assert session.run(two.dequeue()) == 4


def test_eager_queues():
    queue = tf.queue.FIFOQueue(5, tf.int32, ())
    queue.enqueue_many([[1, 2, 3]])
    assert int(queue.dequeue()) == 1
    assert queue.dequeue_many(2).numpy().tolist() == [2, 3]
    queue.close()
    with pytest.raises(tf.errors.OutOfRangeError):
        queue.dequeue()


def test_closing_the_session_ends_who_waits():
    with tf.Graph().as_default():
        queue = tf.queue.FIFOQueue(5, tf.int32, ())
        take = queue.dequeue()
        session = v1.Session()
        caught = []

        def wait():
            try:
                session.run(take)
            except (tf.errors.CancelledError, RuntimeError) as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.05)
        session.close()
        thread.join(20)
        assert not thread.is_alive()
        assert len(caught) == 1


def test_the_step_behind_a_queue_is_native(session):
    queue = tf.queue.FIFOQueue(50, tf.float32, [(3,)])
    v = tf.Variable(np.zeros(3, np.float32))
    step = v.assign_add(tf.reduce_sum(queue.dequeue_many(4), axis=0))
    session.run(v.initializer)
    session.run(queue.enqueue_many([np.ones((8, 3), np.float32)]))
    plan = session.plan(step)
    assert not plan.interpreted
    assert all(part.kernel != "HOST" for part in plan.steps)
    assert session.run(step).tolist() == [4.0] * 3
    assert session.run(queue.size()) == 4


# ---- runners and producers


@pytest.fixture
def run(session):
    """Starts the queue runners, and joins them at the end."""
    coordinator = v1.train.Coordinator()

    def start():
        session.run(v1.global_variables_initializer())
        session.run(v1.local_variables_initializer())
        return v1.train.start_queue_runners(session, coordinator)

    yield start
    coordinator.request_stop()
    coordinator.join(stop_grace_period_secs=20)


def test_batches_of_a_producer(session, run):
    x, y = v1.train.slice_input_producer(
        [np.arange(7.0), np.arange(7) * 10], num_epochs=2, shuffle=False
    )
    both = v1.train.batch([x, y], 4, allow_smaller_final_batch=True)
    assert run()
    found = drain(session, both)
    assert np.concatenate([a for a, _ in found]).tolist() == [*range(7), *range(7)]
    assert np.concatenate([b for _, b in found]).tolist() == [*range(0, 70, 10)] * 2
    assert len(found[-1][0]) == 2


def test_producers_shuffle_anew_in_each_epoch(session, run):
    queue = v1.train.input_producer(tf.range(20), num_epochs=2, seed=1)
    take = queue.dequeue()
    run()
    found = [int(x) for x in drain(session, take)]
    first, second = found[:20], found[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_shuffle_batch(session, run):
    (x,) = v1.train.slice_input_producer([np.arange(30)], num_epochs=1, shuffle=False)
    batch = v1.train.shuffle_batch([x], 10, capacity=40, min_after_dequeue=12, seed=2)
    run()
    found = np.concatenate(drain(session, batch)).tolist()
    assert sorted(found) == list(range(30)) != found


def test_batch_of_rows_and_dicts(session, run):
    batch = v1.train.batch(
        {"a": tf.constant([[1, 2], [3, 4]]), "b": tf.constant([5, 6])},
        3,
        enqueue_many=True,
    )
    run()
    found = session.run(batch)
    assert found["a"].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert found["b"].tolist() == [5, 6, 5]


def test_maybe_batch_keeps_some(session, run):
    numbers = v1.train.range_input_producer(10, num_epochs=1, shuffle=False).dequeue()
    batch = v1.train.maybe_batch([numbers], numbers % 3 > 0, 2)
    run()
    assert np.concatenate(drain(session, batch)).tolist() == [1, 2, 4, 5, 7, 8]


def test_batch_join_takes_from_all(session, run):
    parts = [[tf.constant(i)] for i in range(3)]
    batch = v1.train.batch_join(parts, 60)
    run()
    assert set(session.run(batch).tolist()) <= {0, 1, 2}


def test_limit_epochs(session):
    x = v1.train.limit_epochs(tf.constant(3), 2)
    session.run(v1.local_variables_initializer())
    assert [int(i) for i in drain(session, x)] == [3, 3]
    with pytest.raises(ValueError, match="num_epochs"):
        v1.train.limit_epochs(tf.constant(3), 0)


def test_lines_of_files(session, run, tmp_path):
    for name, text in (("a.csv", "x,y\n1,2\n3,4\n"), ("b.csv", "x,y\n5,6\n")):
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    queue = v1.train.string_input_producer(names, num_epochs=1, shuffle=False)
    reader = v1.TextLineReader(skip_header_lines=1)
    both = reader.read(queue)
    run()
    found = [(bytes(k), bytes(v)) for k, v in drain(session, both)]
    assert found == [
        (f"{names[0]}:2".encode(), b"1,2"),
        (f"{names[0]}:3".encode(), b"3,4"),
        (f"{names[1]}:2".encode(), b"5,6"),
    ]
    assert session.run(reader.num_records_produced()) == 3
    assert session.run(reader.num_work_units_completed()) == 2


def test_other_readers(session, run, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"HHaabbccF")
    records = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(records)) as writer:
        writer.write(b"one")
        writer.write(b"three")

    def read(reader, name):
        queue = v1.train.string_input_producer([str(name)], num_epochs=1)
        return reader.read_up_to(queue, 5)

    fetches = [
        read(v1.WholeFileReader(), path),
        read(v1.IdentityReader(), path),
        read(v1.FixedLengthRecordReader(2, 2, 1), path),
        read(v1.TFRecordReader(), records),
    ]
    run()
    whole, same, pieces, found = (session.run(fetch) for fetch in fetches)
    assert whole[1].tolist() == [b"HHaabbccF"]
    assert same[0].tolist() == same[1].tolist() == [str(path).encode()]
    assert pieces[1].tolist() == [b"aa", b"bb", b"cc"]
    assert pieces[0].tolist()[1] == f"{path}:1".encode()
    assert found[1].tolist() == [b"one", b"three"]


def test_an_error_of_a_runner_reaches_the_coordinator(session):
    x = v1.train.string_input_producer(["/no/such/file"], num_epochs=1)
    _, value = v1.WholeFileReader().read(x)
    v1.train.batch([value], 1)
    coordinator = v1.train.Coordinator()
    v1.train.start_queue_runners(session, coordinator)
    with pytest.raises(tf.errors.NotFoundError, match="no/such/file"):
        coordinator.join(stop_grace_period_secs=20)


def test_filenames_are_matched_once(session, tmp_path):
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "a.txt").write_text("")
    names = v1.train.match_filenames_once(str(tmp_path / "*.txt"))
    first = session.run(names).tolist()
    (tmp_path / "c.txt").write_text("")
    assert session.run(names).tolist() == first
    assert [name[-5:] for name in first] == [b"a.txt", b"b.txt"]
