"""Iterators as ops of graphs, and in eager mode."""

import threading

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
Dataset = tf.data.Dataset


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


# ---- graphs


def test_one_shot(session):
    dataset = Dataset.from_tensor_slices((np.arange(5), np.arange(5.0) / 2)).batch(2)
    x, y = v1.data.make_one_shot_iterator(dataset).get_next()
    assert x.shape == (None,) and x.dtype == tf.int64
    found = drain(session, [x, y])
    assert [a.tolist() for a, _ in found] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for _, b in found] == [[0.0, 0.5], [1.0, 1.5], [2.0]]


def test_an_op_is_one_element_and_two_ops_are_two(session):
    iterator = Dataset.range(10).make_one_shot_iterator()
    x, y = iterator.get_next(), iterator.get_next()
    assert [int(i) for i in session.run([x, x + 0])] == [0, 0]
    assert sorted(int(i) for i in session.run([x, y])) == [1, 2]


def test_initializable_with_placeholders(session):
    rows = v1.placeholder(tf.float32, [None, 2])
    size = v1.placeholder(tf.int64, [])
    scale = v1.placeholder(tf.float32, [])
    dataset = Dataset.from_tensor_slices(rows).map(lambda r: r * scale).batch(size)
    iterator = v1.data.make_initializable_iterator(dataset)
    batch = iterator.get_next()
    with pytest.raises(tf.errors.FailedPreconditionError, match="not been initialized"):
        session.run(batch)
    for n, count in ((5, 2), (3, 3)):
        feeds = {rows: np.ones((n, 2)), size: count, scale: 10.0 * n}
        session.run(iterator.initializer, feeds)
        found = drain(session, batch)
        assert sum(len(b) for b in found) == n
        assert len(found[0]) == count
        assert found[0][0].tolist() == [10.0 * n] * 2


def test_the_initializer_starts_again(session):
    iterator = Dataset.range(3).make_initializable_iterator()
    x = iterator.get_next()
    for _ in range(2):
        session.run(iterator.initializer)
        assert [int(i) for i in drain(session, x)] == [0, 1, 2]
        with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
            session.run(x)


def test_initializers_in_a_group(session):
    iterator = Dataset.range(3).make_initializable_iterator()
    x = iterator.get_next()
    v = tf.Variable(1.5)
    session.run(tf.group(v1.global_variables_initializer(), iterator.initializer))
    assert session.run([x, v]) == [0, 1.5]


def test_reinitializable(session):
    train, test = Dataset.range(3), Dataset.range(10, 12)
    iterator = tf.data.Iterator.from_structure(
        v1.data.get_output_types(train), v1.data.get_output_shapes(train)
    )
    x = iterator.get_next()
    to_train = iterator.make_initializer(train)
    to_test = iterator.make_initializer(test)
    found = []
    for start in (to_train, to_test, to_train):
        session.run(start)
        found += [int(i) for i in drain(session, x)]
    assert found == [0, 1, 2, 10, 11, 0, 1, 2]
    with pytest.raises(TypeError, match="Expected output types"):
        iterator.make_initializer(Dataset.range(3, output_type=tf.float32))


def test_feedable(session):
    train = Dataset.range(3).repeat()
    test = Dataset.range(10, 12)
    one = train.make_one_shot_iterator()
    two = test.make_initializable_iterator()
    handle = v1.placeholder(tf.string, [])
    x = tf.data.Iterator.from_string_handle(
        handle, train.output_types, train.output_shapes
    ).get_next()
    first, second = session.run([one.string_handle(), two.string_handle()])
    assert int(session.run(x + 1, {handle: first})) == 1
    session.run(two.initializer)
    assert int(session.run(x, {handle: second})) == 10
    assert int(session.run(x, {handle: first})) == 1
    with pytest.raises(tf.errors.NotFoundError, match="string handle"):
        session.run(x, {handle: b"nothing"})


def test_sessions_iterate_for_themselves():
    with tf.Graph().as_default() as graph:
        x = Dataset.range(5).make_one_shot_iterator().get_next()
        with v1.Session(graph=graph) as one, v1.Session(graph=graph) as two:
            assert [int(one.run(x)) for _ in range(3)] == [0, 1, 2]
            assert [int(two.run(x)) for _ in range(2)] == [0, 1]


def test_threads_share_an_iterator(session):
    dataset = Dataset.range(300).map(lambda x: x * 2).prefetch(3)
    x = dataset.make_one_shot_iterator().get_next()
    found = []

    def run():
        for element in drain(session, x):
            found.append(int(element))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == list(range(0, 600, 2))


def test_the_step_is_planned_as_if_it_were_fed(session):
    features = np.ones((12, 4), np.float32)
    x = (
        Dataset.from_tensor_slices(features)
        .batch(5)
        .make_one_shot_iterator()
        .get_next()
    )
    w = tf.Variable(np.ones((4, 2), np.float32))
    loss = tf.reduce_mean(tf.matmul(x, w) ** 2)
    step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    session.run(v1.global_variables_initializer())
    plan = session.plan(step)
    assert not plan.interpreted
    assert all(part.kernel != "HOST" for part in plan.steps)
    losses = drain(session, [loss, step])
    assert len(losses) == 3
    assert losses[0][0] == 16.0


def test_iterators_in_branches(session):
    rows = tf.range(5) * 2
    train = Dataset.from_tensor_slices(rows).repeat().make_one_shot_iterator()
    test = Dataset.range(100, 103, output_type=tf.int32).make_one_shot_iterator()
    is_train = v1.placeholder(tf.bool, [])
    x = tf.cond(is_train, train.get_next, test.get_next) + 1
    found = [int(session.run(x, {is_train: t})) for t in (True, False, True, True)]
    assert found == [1, 101, 3, 5]


def test_a_user_may_feed_the_element(session):
    x = Dataset.range(5).make_one_shot_iterator().get_next()
    assert session.run(x * 2, {x: 21}) == 42
    assert session.run(x) == 0


def test_one_shot_refuses_state(session):
    rows = v1.placeholder(tf.float32, [None])
    with pytest.raises(ValueError, match="make_initializable_iterator"):
        Dataset.from_tensor_slices(rows).make_one_shot_iterator()
    v = tf.Variable(2.0)
    with pytest.raises(ValueError, match="make_initializable_iterator"):
        Dataset.range(3).map(
            lambda x: tf.cast(x, tf.float32) * v
        ).make_one_shot_iterator()


def test_functions_read_variables_of_the_session(session):
    v = tf.Variable(2.0)
    dataset = Dataset.range(1, 4).map(lambda x: tf.cast(x, tf.float32) * v)
    iterator = dataset.make_initializable_iterator()
    x = iterator.get_next()
    session.run(v.initializer)
    session.run(iterator.initializer)
    assert session.run(x) == 2.0
    session.run(v.assign(10.0))
    assert session.run(x) == 20.0


def test_a_one_shot_iterator_of_computed_tensors(session):
    rows = tf.range(6) * 2
    x = Dataset.from_tensor_slices(rows).skip(tf.reduce_sum(rows[:2]))
    got = drain(session, x.make_one_shot_iterator().get_next())
    assert [int(i) for i in got] == [4, 6, 8, 10]


def test_seeds_of_a_graph_repeat():
    def order(graph_seed, seed):
        with tf.Graph().as_default(), v1.Session() as session:
            v1.set_random_seed(graph_seed)
            dataset = (
                Dataset.range(20)
                .shuffle(8, seed=seed)
                .map(lambda x: (x, tf.random.uniform([])))
            )
            found = drain(session, dataset.make_one_shot_iterator().get_next())
            return [(int(a), float(b)) for a, b in found]

    assert order(1, None) == order(1, None)
    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, None) != order(2, None)


def test_many_get_next_calls_warn(session):
    iterator = Dataset.range(100).make_one_shot_iterator()
    with pytest.warns(UserWarning, match="get_next"):
        for _ in range(32):
            iterator.get_next()


def test_dictionaries_and_strings(session):
    dataset = Dataset.from_tensor_slices({"n": [1, 2], "s": ["a", "b"]})
    element = dataset.make_one_shot_iterator().get_next()
    assert [(int(e["n"]), bytes(e["s"])) for e in drain(session, element)] == [
        (1, b"a"),
        (2, b"b"),
    ]


def test_reduce_and_single_elements_in_graphs(session):
    total = Dataset.range(5).reduce(np.int64(0), lambda s, x: s + x)
    only = Dataset.from_tensors(7).get_single_element()
    assert session.run([total, only, total]) == [10, 7, 10]


def test_python_iteration_in_a_graph_is_refused(session):
    with pytest.raises(RuntimeError, match="only supports Python-style iteration"):
        iter(Dataset.range(3))


def test_variables_and_py_functions_are_read_when_wanted():
    v = tf.Variable(1)
    seen = []

    def note(x):
        seen.append(int(x))
        return x

    dataset = Dataset.range(5).map(
        lambda x: tf.cast(tf.numpy_function(note, [x], tf.int64), tf.int32) * v
    )
    iterator = iter(dataset)
    assert int(next(iterator)) == 0 and seen == [0]
    v.assign(10)
    assert int(next(iterator)) == 10 and seen == [0, 1]


# ---- functions


def test_iterators_in_functions():
    @tf.function
    def add(iterator):
        return next(iterator) + iterator.get_next()

    iterator = iter(Dataset.range(5))
    assert [int(add(iterator)) for _ in range(2)] == [1, 5]
    with pytest.raises(tf.errors.OutOfRangeError):
        add(iterator)


def test_a_function_iterates_from_the_start_in_each_call():
    dataset = Dataset.range(4)

    @tf.function
    def first_two(scale):
        iterator = iter(dataset.map(lambda x: x * scale))
        return next(iterator), next(iterator)

    for scale in (2, 3):
        found = first_two(tf.constant(scale, tf.int64))
        assert [int(x) for x in found] == [0, scale]


# ---- eager mode


def test_eager_iterators():
    iterator = iter(Dataset.range(2))
    assert int(iterator.get_next()) == 0
    assert int(next(iterator)) == 1
    with pytest.raises(StopIteration):
        next(iterator)
    with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
        iterator.get_next()


def test_threads_share_an_eager_iterator():
    iterator = iter(Dataset.range(2000).map(lambda x: x + 1))
    found = []

    def run():
        for x in iterator:
            found.append(int(x))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == list(range(1, 2001))


def test_optionals():
    iterator = iter(Dataset.from_tensor_slices(([1, 2], [3.0, 4.0])))
    found = [iterator.get_next_as_optional() for _ in range(3)]
    assert [bool(o.has_value()) for o in found] == [True, True, False]
    assert [x.numpy() for x in found[1].get_value()] == [2, 4.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not have a value"):
        found[2].get_value()

    @tf.function
    def total(iterator):
        result = tf.constant(0, tf.int64)
        optional = tf.data.experimental.get_next_as_optional(iterator)
        if optional.has_value():
            result += tf.reduce_sum(optional.get_value())
        return result

    iterator = iter(Dataset.range(1, 4).batch(2))
    assert [int(total(iterator)) for _ in range(3)] == [3, 3, 0]


def test_lengths():
    assert len(Dataset.range(7).batch(3)) == 3
    assert bool(Dataset.range(0))
    with pytest.raises(TypeError, match="infinite"):
        len(Dataset.range(3).repeat())
    with pytest.raises(TypeError, match="unknown"):
        len(Dataset.range(3).filter(lambda x: x > 1))


def test_variables_do_not_write_into_the_data():
    rows = np.zeros((4, 3), np.float32)
    dataset = Dataset.from_tensor_slices(rows).batch(2)
    v = tf.Variable(np.ones((2, 3), np.float32))
    for x in dataset:
        v.assign(x)
        v.assign_add(tf.ones([2, 3]))
        tf.Variable(x).assign_add(tf.ones([2, 3]))
    assert all(not x.numpy().any() for x in dataset)


def test_what_the_user_changes_later_changes_nothing():
    rows = np.arange(3)
    dataset = Dataset.from_tensor_slices(rows)
    rows[:] = 9
    assert [int(x) for x in dataset] == [0, 1, 2]
    (element,) = Dataset.from_tensors(np.arange(3)).as_numpy_iterator()
    with pytest.raises(ValueError, match="read-only"):
        element[0] = 1
