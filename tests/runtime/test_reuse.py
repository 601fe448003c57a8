"""Traces and compiled steps are used again only where they mean the same."""

from __future__ import annotations

import array
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf
from graphopt.ops.creation import placeholder
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import VariableStore


def floats(*values):
    return tf.constant(np.array(values, np.float32))


# ---- compiled eager updates


@pytest.mark.parametrize("first", [np.int32, np.int64])
def test_sparse_gradients_with_another_index_dtype(first):
    second = np.int64 if first is np.int32 else np.int32
    v = tf.Variable(np.zeros((6, 2), np.float32))
    expected = np.zeros((6, 2), np.float32)
    opt = tf.keras.optimizers.SGD(0.5)
    for step in range(8):
        dtype = first if step < 4 else second
        indices = np.array([step % 6, 5], dtype)
        rows = np.full((2, 2), step + 1.0, np.float32)
        slices = tf.IndexedSlices(rows, tf.constant(indices), [6, 2])
        opt.apply_gradients([(slices, v)])
        np.subtract.at(expected, indices, 0.5 * rows)
    np.testing.assert_array_equal(v.numpy(), expected)


def test_a_changed_schedule_is_seen():
    v = tf.Variable(0.0)
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.5, 10, 1.0)
    opt = tf.keras.optimizers.SGD(schedule)
    for step in range(6):
        if step == 4:
            schedule.initial_learning_rate = 1.0
        opt.apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == -(4 * 0.5 + 2 * 1.0)


def test_a_changed_constraint_is_seen():
    constraint = tf.keras.constraints.MaxNorm(1.0)
    v = tf.Variable([3.0, 4.0], constraint=constraint)
    opt = tf.keras.optimizers.SGD(0.0)
    for _ in range(3):
        opt.apply_gradients([(floats(1.0, 1.0), v)])
    np.testing.assert_allclose(np.linalg.norm(v.numpy()), 1.0, rtol=1e-6)
    constraint.max_value = 0.5
    opt.apply_gradients([(floats(1.0, 1.0), v)])
    np.testing.assert_allclose(np.linalg.norm(v.numpy()), 0.5, rtol=1e-6)


def test_a_schedule_of_schedules_is_seen():
    inner = tf.keras.optimizers.schedules.PolynomialDecay(0.5, 100, 0.5)
    warm = tf.keras.optimizers.schedules.LinearWarmup(inner, 1)
    v = tf.Variable(0.0)
    opt = tf.keras.optimizers.SGD(warm)
    steps = []
    for step in range(6):
        if step == 4:
            inner.initial_learning_rate = inner.end_learning_rate = 2.0
        before = float(v)
        opt.apply_gradients([(tf.constant(1.0), v)])
        steps.append(before - float(v))
    assert steps[3] == 0.5
    assert steps[4:] == [2.0, 2.0]


# ---- what enters native code


def test_a_concrete_function_checks_what_it_is_given():
    f = tf.function(lambda q: q * 2)
    c = f.get_concrete_function(tf.TensorSpec([None], tf.float32))
    assert c([1, 2, 3]).numpy().tolist() == [2.0, 4.0, 6.0]
    for bad in (np.ones(3), tf.constant([1, 2, 3]), np.ones(3, np.int8)):
        with pytest.raises(TypeError, match=r"expected to be a float32"):
            c(tf.constant(bad))
    with pytest.raises(ValueError, match="another shape"):
        c([[1.0]])
    with pytest.raises(TypeError, match="another number of tensors"):
        c([1.0], [2.0])
    ints = f.get_concrete_function(tf.TensorSpec([None], tf.int64))
    with pytest.raises(TypeError, match="int64 tensor but is a int8"):
        ints(tf.constant(np.ones(3, np.int8)))


@pytest.mark.parametrize(
    "arrays",
    [
        [np.ones(3)],
        [np.ones(3, np.int8)],
        [np.ones(3, ">f4")],
        [],
        [np.ones(3, np.float32)] * 2,
        [np.ones((3, 1), np.float32)],
    ],
)
def test_a_runner_refuses_what_does_not_fit(arrays):
    with tf.Graph().as_default() as graph:
        x = placeholder(tf.float32, [None])
        y = x * 2.0
    runner = Runner(graph, (y,), (), (x,), VariableStore(), at_once=True)
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            runner.run(arrays)
        (got,) = runner.run([np.ones(3, np.float32)])
        np.testing.assert_array_equal(got, [2.0, 2.0, 2.0])


# ---- sizes that Python asked for


def squeezed(x):
    if x.shape[-1] == 1:
        x = tf.squeeze(x, -1)
    return x * 2.0


def counted(x):
    total = tf.zeros([x.shape[1]])
    for i in range(x.shape[0]):
        total += x[i] * float(i + 1)
    return total


def scaled(x):
    return x / float(x.shape[0])


def listed(x):
    rows, columns = x.shape.as_list()
    return tf.reshape(x, [columns, rows]) + float(rows)


def compared(x):
    return x + 1.0 if x.shape == (2, 3) else x - 1.0


def counted_elements(x):
    return x * float(x.shape.num_elements())


def asked_later(x):
    y = tf.concat([x, x], 0)
    return y if y.shape[0] > 5 else -y


def in_a_body(x):
    def body(i, y):
        return i + 1, y * (2.0 if y.shape[0] == 2 else 3.0)

    return tf.while_loop(lambda i, y: i < 2, body, (0, x))[1]


BY_SIZE = [
    squeezed,
    counted,
    scaled,
    listed,
    compared,
    counted_elements,
    asked_later,
    in_a_body,
    lambda x: tf.stack(tf.unstack(x)[::-1]),
    lambda x: tf.stack(tf.split(x, x.shape[0])),
    lambda x: tf.matmul(tf.eye(x.shape[0]), x),
    lambda x: tf.zeros(x.shape) + x,
    lambda x: sum(n * 1.0 for n in tuple(x.shape)) + x,
    lambda x: tf.keras.layers.Flatten()(x[None]),
]


@pytest.mark.parametrize("function", BY_SIZE)
def test_python_that_asks_for_a_size_gets_that_of_the_call(function):
    traced = tf.function(function)
    for shape in [(2, 3), (2, 1), (3, 3), (4, 3), (2, 1), (3, 1), (2, 3), (4, 4)]:
        x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        want = function(tf.constant(x)).numpy()
        got = traced(tf.constant(x)).numpy()
        np.testing.assert_array_equal(got, want)


def test_only_the_size_that_was_asked_for_is_pinned():
    f = tf.function(squeezed)
    for rows in range(1, 12):
        for columns in (1, 3):
            x = np.ones((rows, columns), np.float32)
            assert f(tf.constant(x)).shape == ((rows,) if columns == 1 else (rows, 3))
    assert f.experimental_get_tracing_count() == 2


def test_a_jacobian_inside_of_a_function():
    @tf.function
    def jacobian(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.batch_jacobian(y, x)

    for n in (2, 3, 4):
        x = np.ones((2, n), np.float32)
        np.testing.assert_array_equal(jacobian(x).numpy(), [2.0 * np.eye(n)] * 2)


def test_losses_choose_by_the_size_of_the_call():
    f = tf.function(tf.keras.losses.sparse_categorical_crossentropy)
    logits = np.full((4, 3), 1 / 3, np.float32)
    for labels in (np.zeros((4, 2), np.int32), np.zeros((4, 1), np.int32)):
        if labels.shape[1] == 1:
            got = f(labels, logits).numpy()
            np.testing.assert_allclose(got, np.full(4, np.log(3)), rtol=1e-6)


def test_label_smoothing_knows_the_number_of_classes():
    loss = tf.keras.losses.categorical_crossentropy

    @tf.function
    def f(y, p):
        return loss(y, p, label_smoothing=0.3)

    for n in (2, 3, 5):
        y, p = np.eye(n, dtype=np.float32), np.full((n, n), 1 / n, np.float32)
        np.testing.assert_allclose(
            f(y, p).numpy(), loss(y, p, label_smoothing=0.3).numpy(), rtol=1e-6
        )


@settings(max_examples=30, deadline=None)
@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=6
    ),
    which=st.integers(0, len(BY_SIZE) - 1),
)
def test_any_order_of_shapes_means_the_same(shapes, which):
    function = BY_SIZE[which]
    traced = tf.function(function)
    for shape in shapes:
        x = tf.constant(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
        np.testing.assert_array_equal(traced(x).numpy(), function(x).numpy())


# ---- arguments


def test_numbers_that_are_equal_but_not_the_same():
    f = tf.function(lambda x, n: x / n)
    one = tf.constant(1.0)
    assert float(f(one, 0.0)) == np.inf
    assert float(f(one, -0.0)) == -np.inf
    f(one, float("nan"))
    count = f.experimental_get_tracing_count()
    f(one, float("nan"))
    assert f.experimental_get_tracing_count() == count


def test_an_input_signature_holds_inside_of_functions_and_under_tapes():
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        seen.append(x.dtype)
        return x * 2.0

    outer = tf.function(lambda: f([1, 2]))
    assert outer().numpy().tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="input_signature"):
        tf.function(lambda: f(tf.constant([1, 2])))()
    with tf.GradientTape(), tf.GradientTape():
        assert f([3, 4]).numpy().tolist() == [6.0, 8.0]
        with pytest.raises(TypeError, match="input_signature"):
            f(tf.constant([[1.0]]))
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match="input_signature"):
            f(tf.constant([[1.0]]))
        assert f([5, 6]).eval().tolist() == [10.0, 12.0]
    assert set(seen) == {tf.float32}


# ---- variables


def test_a_variable_that_every_call_makes_is_refused():
    @tf.function
    def f(x):
        v = tf.Variable(1.0)
        return v.assign_add(x)

    for _ in range(2):
        with pytest.raises(ValueError, match=r"singleton tf\.Variables"):
            f(tf.constant(1.0))


def test_a_variable_made_once_may_be_made_of_the_arguments():
    class Model:
        v = w = None

        @tf.function
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(x * 2.0)
                self.w = tf.Variable(lambda: tf.constant(10.0))
            return self.v.assign_add(x) + self.w

    model = Model()
    assert float(model(tf.constant(3.0))) == 19.0
    assert float(model(tf.constant(1.0))) == 20.0
    assert float(model.v) == 10.0
    with pytest.raises(ValueError, match="a later call"):
        model.v = None
        model(floats(1.0))


def test_nothing_is_kept_that_nobody_else_keeps():
    class Model:
        def __init__(self):
            self.v = tf.Variable(np.ones(1000, np.float32))

        @tf.function
        def __call__(self, x):
            return self.v * x

    @tf.function
    def double(v, x):
        return v * x

    gone = []
    for _ in range(3):
        model, v, label = Model(), tf.Variable(2.0), object()
        model(tf.constant(1.0))
        double(v, tf.constant(3.0))
        gone += [weakref.ref(model), weakref.ref(v), weakref.ref(model.v.key)]
        del model, v, label
    gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)
    assert double.experimental_get_tracing_count() == 0


def test_two_variables_at_one_address_have_traces_of_their_own():
    f = tf.function(lambda v, x: v + x)
    for n in range(20):
        v = tf.Variable(float(n))
        assert float(f(v, tf.constant(1.0))) == n + 1.0


# ---- what is given may change later


class Lends:
    """Gives its own memory as an array, as tensors of other packages do."""

    def __init__(self):
        self.memory = np.ones(2, np.float32)

    def __array__(self, dtype=None, copy=None):
        return self.memory


@pytest.mark.parametrize("make", [tf.constant, tf.convert_to_tensor, tf.Variable])
def test_values_are_copied_when_they_enter(make):
    lent, numbers = Lends(), array.array("f", [1.0, 1.0])
    given = np.ones(2, np.float32)
    made = [make(x) for x in (lent, numbers, memoryview(numbers), given, given[::-1])]
    lent.memory[:] = numbers[0] = numbers[1] = 9.0
    given[:] = 9.0
    for each in made:
        np.testing.assert_array_equal(each.numpy(), [1.0, 1.0])


@pytest.mark.filterwarnings("ignore:The step")
def test_a_variable_of_any_size_is_used_again_with_another():
    v = tf.Variable([1.0], shape=tf.TensorShape([None]))
    f = tf.function(lambda: v * 2.0)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        w = tf.Variable([1.0], shape=tf.TensorShape([None]))
        double = w.assign_add(w * 1.0)
        session.run(w.initializer)
        for size in (2, 3, 1, 4, 3):
            w.load(np.ones(size, np.float32), session)
            for _ in range(4):
                session.run(double)
            np.testing.assert_array_equal(session.run(w), [16.0] * size)
    for size in (2, 3, 1, 4, 3):
        v.assign(np.ones(size, np.float32))
        for _ in range(3):
            np.testing.assert_array_equal(f().numpy(), [2.0] * size)
