"""What is converted, what it costs, and what errors and sites say."""

import functools
import gc
import linecache
import subprocess
import sys
import threading
import traceback
import warnings
import weakref

import numpy as np
import pytest

import graphopt as tf
from graphopt.autograph import calls, convert, scan
from graphopt.errors import GraphoptWarning, OperatorNotAllowedInGraphError
from graphopt.graph.context import entered
from graphopt.graph.graph import Graph


def line_of(function, text):
    """The number of the line of a function that holds some text."""
    start = function.__code__.co_firstlineno
    lines = linecache.getlines(__file__)
    return next(i for i in range(start, len(lines)) if text in lines[i - 1])


# ---- what is converted


def straight(x):
    return tf.reduce_sum(helper(x) * 2.0)


def helper(x):
    with tf.name_scope("helper"):
        return tf.concat([part + 1.0 for part in (x, x)], 0)


def branching(x):
    if x > 0:
        return x
    return -x


def calls_branching(x):
    return branching(x) + 1.0


class Straight(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(2.0)
        self.parts = [tf.keras.layers.Dense(2)]

    def __call__(self, x):
        return self.scale(x) * self.w

    def scale(self, x):
        return x * self.w

    def choose(self, x):
        return branching(x)

    @property
    def shown(self):
        return self.w

    def reads_property(self, x):
        return self.shown * x

    @tf.function
    def traced(self, x):
        return branching(x)

    def calls_traced(self, x):
        return self.traced(x)


def needs(function, *args, features=frozenset()):
    target, own = calls._function_of(function)
    return scan.may_need_conversion(target, (*own, *args), {}, features)


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        (straight, (1.0,), False),
        (branching, (1.0,), True),
        (calls_branching, (1.0,), True),
        (lambda x: x * 2.0, (1.0,), False),
        (lambda x: x if x > 0 else -x, (1.0,), True),
        (lambda x: 0 < x < 1, (1.0,), True),
        (lambda x: len(x), (1.0,), True),
        (lambda x: list(zip([x], [x], strict=True)), (1.0,), False),
        (lambda x: list(zip(x, x)), (tf.data.Dataset.range(2),), True),  # noqa: B905
        (lambda: enumerate(tf.data.Dataset.range(2)), (), True),
        (lambda f, x: f(x), (branching, 1.0), True),
        (lambda f, x: f(x), (tf.abs, 1.0), False),
        (lambda x: functools.partial(branching, x)(), (1.0,), True),
        (lambda fs, x: fs[0](x), ([branching], 1.0), True),
        (Straight(), (1.0,), False),
        (Straight().scale, (1.0,), False),
        (Straight().choose, (1.0,), True),
        (Straight().reads_property, (1.0,), True),
        (Straight().calls_traced, (1.0,), False),
    ],
)
def test_scan_says_whether_conversion_can_matter(function, args, expected):
    assert needs(function, *args) is expected


def test_assertion_counts_if_asked_for():
    def checked(x):
        assert x > 0
        return x

    asked = frozenset([tf.autograph.experimental.Feature.ASSERT_STATEMENTS])
    assert not needs(checked, 1.0)
    assert needs(checked, 1.0, features=asked)


def test_straight_function_does_not_load_the_library(tmp_path):
    code = """
import sys
import threading
import graphopt as tf

w = tf.Variable(2.0)
opt = tf.keras.optimizers.SGD(0.1)

def loss(x):
    return tf.reduce_sum(w * x)

class Model(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = tf.keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)

model = Model()
compare = tf.keras.losses.MeanSquaredError()

@tf.function
def train(x, y):
    with tf.GradientTape() as tape:
        value = compare(y, model(x))
    variables = model.trainable_variables
    opt.apply_gradients(zip(tape.gradient(value, variables), variables))
    return value

@tf.function
def step(x):
    with tf.GradientTape() as tape:
        value = loss(x)
    gradients = tape.gradient(value, [w])
    opt.apply_gradients(zip(gradients, [w]))
    return value

step(tf.constant([1.0]))
train(tf.ones([3, 2]), tf.zeros([3, 2]))
assert "malt" not in sys.modules
"""
    # A file, for without source there is nothing to look at.
    file = tmp_path / "step.py"
    file.write_text(code)
    subprocess.run([sys.executable, file], check=True)


def test_library_functions_run_as_they_are():
    seen = []

    @tf.function
    def total(x):
        seen.append(np.add.reduce([1, 2, 3]))
        if tf.reduce_sum(x) > 0:
            x = tf.nn.relu(x)
        return x

    assert total(tf.constant([1.0])).numpy() == [1.0]
    assert set(seen) == {6}


def test_two_lambdas_on_a_line_are_told_apart():
    pair = (lambda x: x if x > 0 else -x, lambda x: x if x < 0 else -x)
    found = [tf.function(f)(tf.constant(3.0)).numpy() for f in pair]
    assert found == [3.0, -3.0]


def test_conversion_goes_with_its_function():
    def make():
        def local(x):
            return x if x > 0 else -x

        return local

    function = make()
    tf.function(function)(tf.constant(1.0))
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_closures_share_code_and_not_variables():
    def make(scale):
        def scaled(x):
            return x * scale if x > 0 else x

        return tf.function(scaled)

    assert [make(k)(tf.constant(2.0)).numpy() for k in (3.0, 5.0)] == [6.0, 10.0]


def test_defaults_and_globals_are_those_of_the_function():
    @tf.function
    def scaled(x, k=3.0, *, c=1.0):
        if x > 0:
            return x * k + c
        return x

    assert scaled(tf.constant(2.0)).numpy() == 7.0
    assert scaled(tf.constant(2.0), c=2.0).numpy() == 8.0


def test_generator_is_left_alone():
    def parts(x):
        for k in range(3):
            yield x * float(k)

    @tf.function
    def total(x):
        if x > 0:
            x = x + 1.0
        return tf.add_n(list(parts(x)))

    assert total(tf.constant(1.0)).numpy() == 6.0


def test_layer_of_the_user_is_converted():
    class Gate(tf.keras.layers.Layer):
        def call(self, x):
            if tf.reduce_sum(x) > 0:
                return x
            return -x

    layer = Gate()
    run = tf.function(lambda x: layer(x))
    assert run(tf.constant([-2.0])).numpy() == [2.0]


def test_convert_does_nothing_in_eager_mode():
    found = convert(lambda x: isinstance(x, float) and x > 0)
    assert found(1.0) is True


def test_graph_of_version_1_gets_converted_functions():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [])
        y = tf.autograph.to_graph(branching)(x)
        with tf.compat.v1.Session() as session:
            assert session.run(y, {x: -3.0}) == 3.0


# ---- returns in loops


def test_return_in_a_loop():
    @tf.function
    def first_above(x, limit):
        for k in tf.range(len(x)):
            if x[k] > limit:
                return k, x[k]
        return -1, limit

    x = tf.constant([1.0, 4.0, 9.0])
    found = [first_above(x, tf.constant(v)) for v in (0.0, 3.0, 10.0)]
    assert [(int(k), float(v)) for k, v in found] == [(0, 1.0), (1, 4.0), (-1, 10.0)]


def test_return_in_nested_loops():
    @tf.function
    def find(matrix, wanted):
        for i in tf.range(2):
            for j in tf.range(3):
                if matrix[i, j] == wanted:
                    return 10 * i + j
        return -1

    matrix = tf.constant([[1, 2, 3], [4, 5, 6]])
    assert [int(find(matrix, tf.constant(k))) for k in (1, 3, 5, 7)] == [0, 2, 11, -1]


def test_way_without_a_return_is_refused():
    @tf.function
    def find(x):
        for v in x:
            if v > 1.0:
                return v

    with pytest.raises(ValueError, match="must also have a return statement"):
        find(tf.constant([1.0, 2.0]))


# ---- loops are those of the graph


def converted_and_by_hand():
    def converted(n):
        total = 0.0
        for k in tf.range(n):
            total += tf.sin(tf.cast(k, tf.float32))
        return total

    def by_hand(n):
        return tf.while_loop(
            lambda k, total: k < n,
            lambda k, total: (k + 1, total + tf.sin(tf.cast(k, tf.float32))),
            (tf.constant(0), 0.0),
        )[1]

    return tf.function(converted), tf.function(by_hand)


def test_converted_loop_is_the_loop_by_hand():
    n = tf.constant(10)
    loops = []
    for function in converted_and_by_hand():
        trace = function.get_concrete_function(n)
        (loop,) = (op for op in trace.graph.operations if "While" in op.type)
        loops.append(
            (
                loop.type,
                sorted(op.type for op in loop.attrs["body"].operations),
                sorted(op.type for op in loop.attrs["cond"].operations),
            )
        )
    assert loops[0] == loops[1]


def test_assignments_and_array_writes_stay_native():
    v = tf.Variable(0.0)

    @tf.function
    def run(n):
        array = tf.TensorArray(tf.float32, size=n)
        for k in tf.range(n):
            if k % 2 == 0:
                v.assign_add(1.0)
            array = array.write(k, v.read_value())
        return array.stack()

    assert run(tf.constant(4)).numpy().tolist() == [1.0, 1.0, 2.0, 2.0]
    trace = run.get_concrete_function(tf.constant(4))
    assert {op.type for op in trace.graph.operations} & {"While", "If"} == set()


def test_prints_and_assertions_keep_their_order(capsys):
    @tf.function
    def run(n):
        for k in tf.range(n):
            if k == 1:
                tf.print("one", output_stream=sys.stdout)
            else:
                tf.print("other", k, output_stream=sys.stdout)
            tf.debugging.assert_less(k, 3)
        return n

    run(tf.constant(3))
    assert capsys.readouterr().out.splitlines() == ["other 0", "one", "other 2"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.constant(5))


def test_print_with_feature_prints_when_the_graph_runs(capsys):
    feature = tf.autograph.experimental.Feature.BUILTIN_FUNCTIONS

    @tf.function(experimental_autograph_options=feature)
    def run(x):
        print("value", x)  # noqa: T201
        return x

    run(tf.constant(3))
    run(tf.constant(4))
    assert capsys.readouterr().out.splitlines() == ["value 3", "value 4"]


# ---- errors, lines and texts


def fails(x):
    for _k in tf.range(3):
        if x > 0:
            x = x + tf.constant([1, 2])  # the failing line
    return x


def test_error_names_the_line_of_the_user():
    with pytest.raises(Exception) as caught:
        tf.function(fails)(tf.constant(1.0))
    frames = [
        (frame.lineno, frame.name)
        for frame in traceback.extract_tb(caught.value.__traceback__)
        if frame.filename == __file__
    ]
    assert (line_of(fails, "# the failing line"), "fails") in frames
    assert {name for _, name in frames} <= {
        "fails",
        "test_error_names_the_line_of_the_user",
    }
    inside = traceback.format_tb(caught.value.__traceback__)
    assert not any("graphopt/autograph" in text or "malt" in text for text in inside)


def test_tensor_that_leaves_a_loop_says_so():
    @tf.function
    def run(n):
        found = []
        for k in tf.range(n):
            found.append(k * 2)
        return found

    with pytest.raises(ValueError, match=r"out of scope.*tf\.TensorArray"):
        run(tf.constant(3))


def test_failing_run_names_the_line_of_the_user():
    def run(x):
        while x > 0:
            tf.debugging.assert_less(x, 10)  # here
            x = x - 1
        return x

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.function(run)(tf.constant(12))
    assert f"{__file__}:{line_of(run, '# here')}" in str(caught.value)


def test_sites_of_ops_are_lines_of_the_user():
    def run(x):
        if x > 0:  # condition
            x = x * 3.0  # product
        return x

    trace = tf.function(run).get_concrete_function(tf.constant(1.0))
    (choice,) = (op for op in trace.graph.operations if "If" in op.type)
    assert choice.site.line == line_of(run, "# condition")
    assert choice.site.file == __file__
    (product,) = (op for op in choice.attrs["then_body"].operations if op.type == "Mul")
    assert (product.site.line, product.site.function) == (
        line_of(run, "# product"),
        "run",
    )


def test_condition_without_conversion_says_so():
    @tf.function(autograph=False)
    def run(x):
        return 1 if x > 0 else 2

    with pytest.raises(OperatorNotAllowedInGraphError, match="AutoGraph is disabled"):
        run(tf.constant(1))


def test_function_without_source_runs_as_it_is():
    scope = {"tf": tf}
    exec("def run(x, flag):\n    return x * 2 if flag else x", scope)
    exec("def choose(x):\n    return x * 2 if x > 0 else x", scope)
    with pytest.warns(GraphoptWarning, match="could not transform"):
        assert tf.function(scope["run"])(tf.constant(2), True).numpy() == 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphoptWarning)
        with pytest.raises(
            OperatorNotAllowedInGraphError, match="source cannot be had"
        ):
            tf.function(scope["choose"])(tf.constant(2))


def test_for_else_is_left_alone_with_a_warning():
    def run(x):
        for k in range(2):
            x = x + k
        else:
            x = x * 2
        return x

    with pytest.warns(GraphoptWarning, match="for/else"):
        assert tf.function(run)(tf.constant(1)).numpy() == 4


def test_code_of_a_function():
    code = tf.autograph.to_code(branching)
    assert "ag__.if_stmt" in code
    with pytest.raises(ValueError, match=r"python_function"):
        tf.autograph.to_code(tf.function(branching))


def test_verbosity_tells_of_conversions(capsys):
    def run(x):
        return x if x > 0 else -x

    tf.autograph.set_verbosity(2)
    try:
        tf.function(run)(tf.constant(1))
    finally:
        tf.autograph.set_verbosity(0)
    told = capsys.readouterr().err
    assert "converting" in told and "ag__.if_exp" in told


def test_trace_prints_while_tracing(capsys):
    @tf.function
    def run(x):
        tf.autograph.trace("tracing", 1)
        return x

    run(tf.constant(1))
    run(tf.constant(2))
    assert capsys.readouterr().out == "tracing 1\n"


def test_options_that_are_no_features_are_refused():
    with pytest.raises(TypeError, match="experimental_autograph_options"):
        tf.function(branching, experimental_autograph_options="ALL")


def test_names_are_in_all_namespaces():
    assert tf.autograph is tf.compat.v1.autograph
    assert set(tf.autograph.__all__) <= set(dir(tf.autograph))
    for name in ("Feature", "do_not_convert", "set_loop_options"):
        assert hasattr(tf.autograph.experimental, name)


def test_maps_convert_their_functions_in_graphs():
    with entered(Graph()):
        x = tf.constant([1.0, 3.0])
        y = tf.map_fn(branching, x)
        z = tf.scan(lambda a, v: a + v if v > 2 else a, x)
        with tf.compat.v1.Session() as session:
            found = session.run([y, z])
    assert [part.tolist() for part in found] == [[1.0, 3.0], [1.0, 4.0]]


def test_rounds_of_nested_loops_are_traced_once():
    seen = []

    @tf.function
    def run(n):
        total = 0
        for i in tf.range(n):
            for j in tf.range(i):
                for k in tf.range(j):
                    seen.append(k)
                    total += k
        return total

    assert run(tf.constant(5)).numpy() == sum(
        k for i in range(5) for j in range(i) for k in range(j)
    )
    assert len(seen) == 1


# ---- what is converted, of all kinds


def test_objects_and_partials_are_converted():
    class Absolute:
        def __call__(self, x):
            return x if x > 0 else -x

    def scaled(k, x):
        if x > 0:
            return x * k
        return x

    assert tf.function(Absolute())(tf.constant(-2)).numpy() == 2
    assert tf.function(functools.partial(scaled, 3))(tf.constant(2)).numpy() == 6


def test_all_features_together(capsys):
    @tf.function(experimental_autograph_options=tf.autograph.experimental.Feature.ALL)
    def run(n):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[])
        for i in tf.range(n):
            array.append(i * i)
        names = []
        names.append("one")
        assert n > 0, "not positive"
        print("n is", n)  # noqa: T201
        x = tf.zeros([3])
        x[1] = 2.0
        return array.stack(), x, array[1]

    squares, x, second = run(tf.constant(3))
    assert squares.numpy().tolist() == [0, 1, 4]
    assert x.numpy().tolist() == [0.0, 2.0, 0.0]
    assert second.numpy() == 1
    assert capsys.readouterr().out == "n is 3\n"
    with pytest.raises(tf.errors.InvalidArgumentError, match="not positive"):
        run(tf.constant(-1))


def test_threads_convert_at_the_same_time():
    functions = [
        tf.function(lambda x, k=k: x * k if x > 0 else x - k) for k in range(6)
    ]
    found = [None] * len(functions)

    def run(i):
        found[i] = int(functions[i](tf.constant(3)))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3 * k for k in range(6)]


def test_function_in_a_graph_of_version_1_is_converted():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.int32, [])
        y = tf.function(lambda n: n + 1 if n > 0 else n - 1)(x)
        with tf.compat.v1.Session() as session:
            assert [session.run(y, {x: v}) for v in (3, -3)] == [4, -4]
