"""Small functions with Python's control flow, for TensorFlow and for this package.

Each is written as a user would, takes `tf` from the module that calls `cases`, and is called
with each of the tuples of arguments beside it.
"""

import collections
import functools

import numpy as np


def i(x):
    return np.array(x, np.int32)


def f(x):
    return np.array(x, np.float32)


def b(x):
    return np.array(x, np.bool_)


Pair = collections.namedtuple("Pair", "first second")


def cases(tf):
    """Returns name -> (function, tuples of arguments)."""
    found = {}

    def case(*arguments, **options):
        def add(function):
            found[function.__name__] = (tf.function(function, **options), arguments)
            return function

        return add

    # ---- if

    @case((f(2.0),), (f(-3.0),))
    def if_else(x):
        if x > 0:
            y = x * 2.0
        else:
            y = -x
        return y

    @case((f(2.0),), (f(-3.0),))
    def if_without_else(x):
        y = x
        if x > 0:
            y = x * x
        return y

    @case((i(5),), (i(0),), (i(-5),))
    def elif_chain(n):
        if n > 0:
            sign = 1
        elif n < 0:
            sign = -1
        else:
            sign = 0
        return sign

    @case((f(1.0), f(2.0)), (f(-1.0), f(2.0)), (f(-1.0), f(-2.0)))
    def nested_if(x, y):
        r = 0.0
        if x > 0:
            if y > 0:
                r = x + y
            else:
                r = x - y
        elif y > 0:
            r = y
        return r

    @case((f(3.0),), (f(0.5),))
    def early_return(x):
        if x > 1:
            return x * 10.0
        x = x + 1.0
        return x

    @case((i(7),), (i(4),), (i(0),))
    def many_returns(n):
        if n % 2 == 1:
            return n * 3
        if n > 2:
            return n // 2
        return -1

    @case((f(3.0), True), (f(3.0), False))
    def python_condition(x, training):
        if training:
            x = x * 2.0
        else:
            x = x - 1.0
        return x

    @case((f(2.0),))
    def none_argument(x, scale=None):
        if scale is None:
            scale = 3.0
        return x * scale

    @case((f(2.0),), (f(-2.0),))
    def branches_of_tuples(x):
        if x > 0:
            pair = (x, x + 1.0)
        else:
            pair = (x - 1.0, x * 2.0)
        return pair[0], pair[1]

    @case((f(2.0),), (f(-2.0),))
    def branches_of_dicts(x):
        parts = {"a": x}
        if x > 0:
            parts["b"] = x * 2.0
        else:
            parts["b"] = x * 3.0
        return parts["a"] + parts["b"]

    @case((f(1.0),))
    def undefined_in_else(x):
        if x > 0:
            y = 1.0
        return y

    @case((f(1.0),))
    def other_dtype_in_else(x):
        if x > 0:
            y = 1.0
        else:
            y = 2
        return y

    @case((f(1.0),))
    def none_in_else(x):
        if x > 0:
            y = 1.0
        else:
            y = None
        return y

    @case((f(1.0),))
    def other_structure_in_else(x):
        if x > 0:
            y = (x, x)
        else:
            y = (x,)
        return y

    @case((f([1.0, 2.0]),))
    def vector_condition(x):
        if x > 0:
            return x
        return -x

    @case((f(1.0),))
    def float_condition(x):
        if x:
            return x
        return -x

    @case((f([4.0]),), (f([-4.0]),))
    def condition_of_one_element(x):
        if x > 0:
            return x
        return -x

    @case((f(2.0),), (f(-2.0),))
    def conditional_expression(x):
        return x * 2.0 if x > 0 else x * 3.0

    @case((f(2.0),), (f(12.0),), (f(-2.0),))
    def nested_conditional_expression(x):
        return (1.0 if x < 10 else 2.0) if x > 0 else 3.0

    # ---- and, or, not

    @case((f(2.0),), (f(-2.0),), (f(20.0),))
    def and_or_not(x):
        inside = x > 0 and x < 10
        outside = x < 0 or x > 10
        return inside, outside, not inside

    @case((f(2.0),), (f(-2.0),), (f(20.0),))
    def chained_comparison(x):
        return 0 < x < 10

    @case((f([1.0, 2.0]), i(5)), (f([1.0, 2.0]), i(1)))
    def lazy_and(x, n):
        return n < 2 and x[n] > 1.0

    @case((f(2.0), True), (f(2.0), False))
    def mixed_and(x, flag):
        return flag and x > 0

    @case((i(3), i(3)), (i(3), i(4)))
    def equality(x, y):
        if x == y:
            return 1
        return 0

    # ---- while

    @case((i(27),), (i(1),))
    def collatz(n):
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
        return steps

    @case((f(100.0),), (f(0.5),))
    def newton(x):
        y = x
        while tf.abs(y * y - x) > 1e-3:
            y = 0.5 * (y + x / y)
        return y

    @case((i(10),), (i(0),))
    def while_break(n):
        k = 0
        total = 0
        while k < n:
            if k == 5:
                break
            total += k
            k += 1
        return k, total

    @case((i(10),))
    def while_continue(n):
        k = 0
        total = 0
        while k < n:
            k += 1
            if k % 3 == 0:
                continue
            total += k
        return total

    @case((i(4), i(3)))
    def nested_while(n, m):
        total = 0
        a = 0
        while a < n:
            c = 0
            while c < m:
                total += a * c
                c += 1
            a += 1
        return total

    @case((i(20),))
    def while_true(n):
        k = 0
        while True:
            k += 3
            if k > 10:
                break
        return k + n

    @case((i(7), i(3)))
    def python_while(n, m):
        k = 0
        while k < 3:
            n = n + m
            k += 1
        return n

    @case((i(3),))
    def tuple_state(n):
        pair = (0, 1)
        k = 0
        while k < n:
            pair = (pair[1], pair[0] + pair[1])
            k += 1
        return pair[0], pair[1]

    @case((i(3),))
    def namedtuple_state(n):
        pair = Pair(0, 1.0)
        for _ in tf.range(n):
            pair = Pair(pair.first + 1, pair.second * 2.0)
        return pair.first, pair.second

    @case((f(1.0),))
    def dtype_changes_in_loop(x):
        k = 0
        while x < 10:
            x = x * 2.0
            k = k + 0.5
        return k

    @case((f([1.0]), i(3)))
    def shape_changes_in_loop(x, n):
        for _ in tf.range(n):
            x = tf.concat([x, x], 0)
        return x

    @case((f([1.0]), i(3)))
    def shape_invariant(x, n):
        for _ in tf.range(n):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(x, tf.TensorShape([None]))]
            )
            x = tf.concat([x, x + 1.0], 0)
        return x

    @case((i(100),))
    def maximum_iterations(n):
        k = 0
        while k < n:
            tf.autograph.experimental.set_loop_options(maximum_iterations=7)
            k += 1
        return k

    @case((i(3),))
    def none_before_loop(n):
        last = None
        for k in tf.range(n):
            last = k * 2
        return last

    @case((i(3),), (i(0),))
    def undefined_before_loop(n):
        for k in tf.range(n):
            last = tf.cast(k, tf.float32) + 0.5
        return last

    @case((i(3),))
    def loop_variable_after_loop(n):
        for k in tf.range(n):
            pass
        return k

    # ---- for

    @case((i(5),), (i(0),))
    def for_range(n):
        total = 0
        for k in tf.range(n):
            total += k * k
        return total

    @case((i(10), i(2), i(-3)), (i(1), i(9), i(4)))
    def for_range_of_three(start, limit, delta):
        count = 0
        total = 0
        for k in tf.range(start, limit, delta):
            total += k
            count += 1
        return count, total

    @case((i(5),))
    def for_constant_range(n):
        total = n
        for k in tf.range(2, 9, 3):
            total += k
        return total

    @case((i(4),), (i(-4),))
    def for_builtin_range(n):
        total = 0
        for k in range(n):
            total += k
        return total

    @case((i(2),))
    def for_python_range(n):
        for k in range(4):
            n = n * 2 + k
        return n

    @case((f([1.0, 2.0, 3.0]),))
    def for_rows(x):
        total = 0.0
        for v in x:
            total = total * 2.0 + v
        return total

    @case((f([[1.0, 2.0], [3.0, 4.0]]),))
    def for_matrix_rows(x):
        total = tf.zeros([2])
        for row in x:
            total += row * tf.reduce_sum(row)
        return total

    @case((f([[1.0, 2.0], [3.0, 4.0]]),))
    def for_for(x):
        total = 0.0
        for row in x:
            for v in row:
                total += v * v
        return total

    @case((f([1.0, 5.0, 2.0, 9.0]),), (f([1.0, 0.0, 0.0, 0.0]),))
    def for_break(x):
        total = 0.0
        for v in x:
            if v > 4.0:
                break
            total += v
        return total

    @case((f([1.0, -5.0, 2.0]),))
    def for_continue(x):
        total = 0.0
        for v in x:
            if v < 0.0:
                continue
            total += v
        return total

    @case((f([1.0, 2.0]),))
    def for_list_of_tensors(x):
        total = 0.0
        for v in [x[0], x[1], x[0] * 2.0]:
            total += v
        return total

    @case((f([1.0, 2.0, 4.0]),))
    def for_enumerate_python(x):
        total = 0.0
        for k, scale in enumerate([1.0, 10.0, 100.0]):
            total += x[k] * scale
        return total

    @case((f([1.0, 2.0, 4.0]),))
    def for_zip_python(x):
        total = 0.0
        for a, c in zip([0, 1, 2], (3.0, 2.0, 1.0)):
            total += x[a] * c
        return total

    @case((i(5),))
    def array_grows(n):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        for k in tf.range(n):
            array = array.write(k, k * k)
        return array.stack()

    @case((i(5),))
    def array_of_size(n):
        array = tf.TensorArray(tf.float32, size=n)
        for k in tf.range(n):
            array = array.write(k, tf.cast(k, tf.float32) * [1.0, 2.0])
        return array.stack()

    @case((i(12),))
    def array_grows_in_while(limit):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[])
        a, c, k = 0, 1, 0
        while a < limit:
            array = array.write(k, a)
            a, c = c, a + c
            k += 1
        return array.stack(), k

    @case((f([1.0, 2.0, 3.0]),))
    def list_comprehension(x):
        return tf.stack([x[k] * 2.0 for k in range(3) if k != 1])

    @case((i(2),))
    def break_in_python_for(n):
        for k in range(5):
            if k > n:
                break
        return k

    @case((i(3),))
    def while_becomes_tensor(n):
        k = 0
        while k < 2:
            k = n
        return k

    # ---- functions, objects

    def square_if_positive(x):
        if x > 0:
            return x * x
        return x

    @case((f(3.0),), (f(-3.0),))
    def calls_function(x):
        return square_if_positive(x) + 1.0

    @case((f(3.0),), (f(-3.0),))
    def calls_partial(x):
        def scaled(scale, v):
            if v > 0:
                return v * scale
            return v

        return functools.partial(scaled, 5.0)(x)

    @case((f(3.0),), (f(-3.0),))
    def calls_lambda(x):
        choose = lambda v: v * 2.0 if v > 0 else v  # noqa: E731
        return choose(x)

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs) + 1.0

        return wrapper

    @decorated
    def inner_decorated(x, *, y=2.0):
        if x > y:
            return x
        return y

    @case((f(3.0),), (f(1.0),))
    def calls_decorated(x):
        return inner_decorated(x, y=2.5)

    def count_down(n):
        if n > 0:
            return n - 1
        return n

    @case((i(3),), (i(0),))
    def calls_with_stars(n):
        args, options = (n,), {}
        return count_down(*args, **options)

    @case((i(3),))
    def recursion_in_python(n, depth=3):
        if depth == 0:
            return n
        return recursion_in_python(n * 2, depth - 1)

    class Counter:
        def __init__(self):
            self.total = 0

        def add(self, x):
            if x > 2:
                self.total = self.total + 10
            else:
                self.total = self.total + 1
            return self.total

    @case((i([1, 3, 5]),))
    def attributes_of_objects(x):
        counter = Counter()
        for v in x:
            counter.add(v)
        return counter.total

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(2.0)

        def __call__(self, x):
            if tf.reduce_sum(x) > 10:
                return self.big(x)
            return x * self.w

        def big(self, x):
            while tf.reduce_sum(x) < 100:
                x = x * self.w
            return x

    net = Net()

    @case((f([1.0, 2.0]),), (f([10.0, 2.0]),))
    def calls_module(x):
        return net(x)

    class Base:
        def scale(self, x):
            if x > 0:
                return x * 2.0
            return x

    class Derived(Base):
        def scale(self, x):
            y = super().scale(x)
            if y > 5:
                y = y - 1.0
            return y

    @case((f(3.0),), (f(1.0),), (f(-1.0),))
    def calls_super(x):
        return Derived().scale(x)

    variable = tf.Variable(1.0)

    @case((i(4),))
    def assigns_in_loop(n):
        for k in tf.range(n):
            if k % 2 == 0:
                variable.assign_add(1.0)
            else:
                variable.assign(variable * 2.0)
        return variable.read_value()

    @case((f(1.0),))
    def condition_on_variable(x):
        if variable > 3.0:
            return x
        return -x

    @case((f([1.0, 2.0, 3.0]),))
    def gradient_of_loop(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = 0.0
            for v in x:
                if v > 1.5:
                    y += v * v
                else:
                    y += 3.0 * v
        return tape.gradient(y, x)

    @case((f([1.0, 2.0]),))
    def mapped(x):
        return tf.map_fn(lambda v: v * 2.0 if v > 1.5 else v, x)

    @case((f(3.0),))
    def inner_function(x):
        def run(v):
            total = v
            for k in tf.range(3):
                if k > 0:
                    total += v
            return total

        return run(x) * 2.0

    @case((f([[1.0], [2.0]]),))
    def with_blocks(x):
        with tf.name_scope("scope"):
            if tf.reduce_sum(x) > 0:
                x = x + 1.0
        return x

    @case((f(3.0),))
    def try_block(x):
        try:
            if x > 1:
                y = x
            else:
                y = -x
        finally:
            z = 1.0
        return y + z

    # ---- built-in functions

    @case((f([[1.0, 2.0, 3.0]]),))
    def builtin_len(x):
        return len(x) + len(x[0])

    @case((f([1.0, 2.0, 3.0]),), input_signature=[tf.TensorSpec([None], tf.float32)])
    def builtin_len_unknown(x):
        return len(x) * 2

    @case((f(2.7),), (f(-2.7),))
    def builtin_int_float_abs(x):
        return int(x), float(int(x)), abs(x)

    @case((f([3.0, 1.0, 2.0]),))
    def builtin_sorted(x):
        return sorted(x), sorted(x, reverse=True)

    @case((f([3.0, 1.0, 2.0]),))
    def builtin_of_python(x):
        sizes = sorted([3, 1, 2], key=lambda v: -v)
        return x * float(max(sizes)) + sum(sizes) + len(sizes) + int("2")

    @case((f(3.0), f(2.0)))
    def builtin_max(x, y):
        return max(x, y)

    @case(
        (i(3),),
        (i(-3),),
        experimental_autograph_options=tf.autograph.experimental.Feature.ASSERT_STATEMENTS,
    )
    def assertion(n):
        assert n > 0, "not positive"
        return n * 2

    @case((i(3),))
    def assertion_unconverted(n):
        assert n > 0
        return n

    @case((i(3),))
    def assertion_of_python(n):
        assert len([1]) == 1
        return n

    @case((i(3),), autograph=False)
    def not_converted(n):
        return n if n > 0 else -n

    @case((i(3),))
    def partly_converted(n):
        @tf.autograph.experimental.do_not_convert
        def inner(k):
            return k if k > 0 else -k

        return inner(n)

    @case(
        (f([1.0, 2.0, 3.0]), i(1)),
        experimental_autograph_options=tf.autograph.experimental.Feature.LISTS,
    )
    def item_assignment(x, k):
        x[k] = 9.0
        return x

    @case((f([1.0, 2.0, 3.0]), i(1)))
    def slices(x, k):
        y = x[k:]
        if k > 0:
            y = x[:k]
        return tf.reduce_sum(y) + x[k]

    @case((f(2.0),))
    def return_without_value(x):
        if x > 1:
            return
        x = x + 1.0

    @case((f(2.0),))
    def sometimes_without_value(x):
        if x > 1:
            return x

    return found
