"""`for` over data sets in functions: loops of the graph, compiled round by round."""

import numpy as np
import pytest

import graphopt as tf

Dataset = tf.data.Dataset


def test_a_loop_over_a_data_set():
    dataset = Dataset.range(7).batch(3)
    traces = []

    @tf.function
    def total(dataset):
        traces.append(1)
        result = tf.constant(0, tf.int64)
        for x in dataset:
            if tf.size(x) < 3:
                result += 100
            result += tf.reduce_sum(x)
        return result

    for _ in range(2):
        assert int(total(dataset)) == 121
    assert len(traces) <= 3
    assert int(total(Dataset.range(0).batch(3))) == 0


def test_break_continue_and_return():
    dataset = Dataset.range(10)

    @tf.function
    def odd_until(dataset, limit):
        found = tf.TensorArray(tf.int64, size=0, dynamic_size=True, element_shape=())
        for x in dataset:
            if x >= limit:
                break
            if x % 2 == 0:
                continue
            found = found.write(found.size(), x)
        return found.stack()

    assert odd_until(dataset, tf.constant(6, tf.int64)).numpy().tolist() == [1, 3, 5]

    @tf.function
    def first_above(dataset, limit):
        for x in dataset:
            if x > limit:
                return x
        return tf.constant(-1, tf.int64)

    assert int(first_above(dataset, tf.constant(3, tf.int64))) == 4
    assert int(first_above(dataset, tf.constant(30, tf.int64))) == -1


def test_a_loop_over_an_iterator_goes_on():
    iterator = iter(Dataset.range(10))

    @tf.function
    def take_three(iterator):
        result = tf.constant(0, tf.int64)
        for x in iterator:
            result += x
            if x % 3 == 2:
                break
        return result

    assert int(take_three(iterator)) == 0 + 1 + 2
    assert int(take_three(iterator)) == 3 + 4 + 5
    assert [int(x) for x in iterator] == [6, 7, 8, 9]


def test_functions_are_traced_for_elements_not_for_objects():
    traces = []

    @tf.function
    def first_and_sum(iterator, dataset):
        traces.append(1)
        result = next(iterator)
        for x in dataset.map(lambda x: x + 1):
            result += x
        return result

    for n in (3, 5):
        dataset = Dataset.range(n)
        assert int(first_and_sum(iter(dataset), dataset)) == sum(range(n + 1))
    assert len(traces) == 1
    floats = Dataset.range(3, output_type=tf.float32)
    assert float(first_and_sum(iter(floats), floats)) == 6.0
    assert len(traces) == 2


def test_shuffles_of_arguments_differ_from_call_to_call():
    @tf.function
    def listed(dataset):
        found = tf.zeros([0], tf.int64)
        for x in dataset:
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(found, tf.TensorShape([None]))]
            )
            found = tf.concat([found, [x]], 0)
        return found

    dataset = Dataset.range(12).shuffle(12, seed=1)
    orders = [listed(dataset).numpy().tolist() for _ in range(2)]
    assert orders[0] != orders[1]
    again = Dataset.range(12).shuffle(12, seed=1)
    assert [[int(x) for x in again] for _ in range(2)] == orders


def test_nested_loops_and_data_sets_of_the_function():
    @tf.function
    def table(n):
        result = tf.constant(0, tf.int64)
        for x in Dataset.range(n):
            for y in Dataset.range(x + 1).map(lambda y: y * x):
                result += y
        return result

    wanted = sum(x * y for x in range(5) for y in range(x + 1))
    assert int(table(tf.constant(5, tf.int64))) == wanted


def test_training_in_a_loop_is_training_outside():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 5)).astype(np.float32)
    y = x @ rng.normal(size=(5, 1)).astype(np.float32)
    dataset = Dataset.from_tensor_slices((x, y)).batch(16)

    def train(in_graph):
        w = tf.Variable(np.zeros((5, 1), np.float32))
        optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)

        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tf.matmul(x, w) - y) ** 2)
            optimizer.apply_gradients([(tape.gradient(loss, w), w)])
            return loss

        def epoch(dataset):
            loss = tf.constant(0.0)
            for x, y in dataset:
                loss = step(x, y)
            return loss

        run = tf.function(epoch) if in_graph else epoch
        losses = [float(run(dataset)) for _ in range(3)]
        return losses, w.numpy()

    losses, w = train(True)
    wanted_losses, wanted = train(False)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-5)
    np.testing.assert_allclose(w, wanted, rtol=1e-4, atol=1e-6)


def test_derivatives_of_what_takes_elements_are_refused():
    w = tf.Variable(2.0)
    dataset = Dataset.from_tensor_slices(np.arange(4, dtype=np.float32))

    @tf.function
    def total(dataset):
        result = tf.constant(0.0)
        for x in dataset:
            result += w * x
        return result

    assert float(total(dataset)) == 12.0
    with (
        tf.GradientTape() as tape,
        pytest.raises(NotImplementedError, match="inside of the loop"),
    ):
        tape.gradient(total(dataset), w)


def test_errors_come_in_their_round():
    table = tf.constant([1.0, 2.0])
    dataset = Dataset.from_tensor_slices([0, 1, 5]).map(lambda i: tf.gather(table, i))
    v = tf.Variable(0.0)

    @tf.function
    def total(dataset):
        result = tf.constant(0.0)
        for x in dataset:
            result += x
        v.assign(result)
        return result

    with pytest.raises(tf.errors.InvalidArgumentError, match="5"):
        total(dataset)
    assert float(v) == 0.0


def test_functions_of_data_sets_are_converted():
    def change(x):
        if x % 3 == 0:
            return x * 10
        total = x
        while total < 5:
            total += x
        return total

    found = [int(x) for x in Dataset.range(1, 5).map(change)]
    assert found == [5, 6, 30, 8]
    kept = Dataset.range(6).filter(lambda x: x > 1 and x != 4)
    assert [int(x) for x in kept] == [2, 3, 5]


def test_built_in_functions_of_data_sets():
    @tf.function
    def weighted(dataset):
        result = tf.constant(0, tf.int64)
        for i, x in enumerate(dataset):
            result += i * x
        for x, y in zip(dataset, dataset.skip(1), strict=False):
            result += 100 * (y - x)
        for x in filter(lambda x: x > 11, dataset):
            result += 1000 * x
        return result

    found = int(weighted(Dataset.range(10, 13)))
    assert found == (11 + 2 * 12) + 200 + 12000


def test_iterating_in_python_without_an_end_is_refused():
    @tf.function(autograph=False)
    def listed():
        return list(Dataset.range(3))

    with pytest.raises(TypeError, match="has no end in Python"):
        listed()
