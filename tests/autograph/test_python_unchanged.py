"""Python that is not about tensors means the same after conversion."""

import collections
import contextlib
import dataclasses
import functools

import pytest

import graphopt as tf
from graphopt.errors import GraphoptWarning

CASES = []


def case(*args, **kwargs):
    def add(function):
        CASES.append(pytest.param(function, args, kwargs, id=function.__name__))
        return function

    return add


@case(5)
def loops(n):
    found = []
    for i in range(n):
        for j, c in enumerate("abc"):
            if j == 2 and i > 1:
                break
            if i % 2:
                continue
            found.append((i, c))
    while n:
        n -= 1
        if n == 2:
            return found, n
    return None


@case([3, 1, 2])
def comprehensions(xs):
    squares = {x: x * x for x in xs if x > 1}
    nested = [y for x in xs for y in range(x) if y or x > 2]
    return squares, nested, {x % 2 for x in xs}, list(x for x in xs if x != 1)


@case(3)
def closures(n):
    total = 0

    def add(k):
        nonlocal total
        if k > 1:
            total += k
        return total

    steps = [add(k) for k in range(n)]
    return steps, total


COUNT = 0


@case()
def global_names():
    global COUNT
    before = COUNT
    if before >= 0:
        COUNT = before + 1
    done = COUNT - before
    COUNT = before
    return done


@case({"a": 1})
def exceptions(d):
    log = []
    for key in ("a", "b"):
        try:
            if d[key]:
                log.append(key)
        except KeyError as error:
            log.append(repr(error))
            continue
        else:
            log.append("else")
        finally:
            log.append("finally")
    try:
        raise ValueError("x")
    except (TypeError, ValueError):
        return log


@contextlib.contextmanager
def noted(log, name):
    log.append(name)
    yield name.upper()
    log.append("end")


@case(2)
def with_blocks(n):
    log = []
    with noted(log, "a") as a, noted(log, "b"):
        if n > 1:
            log.append(a)
    return log


@case(1, 2, 3, k=4, z=5)
def arguments(a, /, b, *rest, k=0, **more):
    if rest:
        a += sum(rest)
    first, *others = (a, b, *rest)
    return first, others, {**more, "k": k}


@case("text")
def strings(s):
    if s and not s.isspace():
        return f"{s!r:>10} {len(s):03d} {'a' if s else 'b'}"
    return ""


@case([1, 2, 3])
def walrus_and_slices(xs):
    if (n := len(xs)) > 2:
        xs = xs[1:n]
    xs[0] = xs[-1]
    del xs[-1]
    return xs, n


@case(4)
def operators(n):
    return (
        0 < n <= 4 != 5,
        (n is not None and n) or "none",
        not n,
        n in (1, 4) and n not in [2],
        n if n > 2 else -n if n else 0,
    )


@case([2, 0, 1])
def builtin_functions(xs):
    pairs = list(zip(xs, map(str, xs), strict=True))
    best = max(xs, key=lambda v: -v)
    return (
        sorted(xs, reverse=True),
        pairs,
        best,
        any(xs),
        all(xs),
        list(filter(None, xs)),
        int("12", 3),
        float("1.5"),
        abs(-2),
        next(iter(xs)),
        next(iter([]), "none"),
        sum(x for x in xs),
        isinstance(xs, list),
        len(xs),
        list(enumerate(xs, 1)),
    )


@case()
def names_of_the_block():
    a = 1
    if a:
        b = 2
    return sorted(k for k in locals() if k in "ab"), "COUNT" in globals(), b


class Base:
    scale = 2

    def __init__(self, k):
        self.k = k

    def run(self, x):
        if x > 1:
            return x * self.k
        return x


class Derived(Base):
    def run(self, x):
        y = super().run(x)
        if y > 3:
            y += self.__secret() + self.double
        return y

    def __secret(self):
        return 100 if self.k else 0

    @property
    def double(self):
        return self.k * 2

    @staticmethod
    def fixed(x):
        return -x if x > 0 else x

    @classmethod
    def of_class(cls, x):
        return cls.scale * x if x else 0

    def __call__(self, x):
        return self.run(x) if x else None


@case(3)
def methods(x):
    made = Derived(5)
    if x:
        made.k = made.k + 1
    return made.run(x), made(x), Derived.fixed(x), made.of_class(x), made.k


@case(3)
def partials(x):
    add = functools.partial(lambda a, b: a + b if a else b, 10)
    return add(x), functools.reduce(lambda a, b: a * b if b else a, [1, 2, 0, 3])


@case(3)
def cached(n):
    @functools.lru_cache
    def fibonacci(k):
        return k if k < 2 else fibonacci(k - 1) + fibonacci(k - 2)

    return [fibonacci(k) for k in range(n)]


@dataclasses.dataclass
class Point:
    x: int
    y: int = 3


@case(2)
def data_classes(x):
    point = Point(x)
    named = collections.namedtuple("Named", "a b")(1, b=point)
    if named.b.y == 3:
        named.b.x = 9
    return named.a, point.x


@case(2)
def annotated(x: "int", y: int = 3) -> "int":
    z: int = x
    if z > 1:
        z += y
    return z


@case()
def docstring_and_nothing_else():
    """Says nothing."""


@case(3)
def early_return_of_nothing(n):
    for k in range(n):
        if k == 1:
            return
    return n


@case(3)
def undefined_names(n):
    try:
        if n > 5:
            value = 1
        return value
    except UnboundLocalError as error:
        return "value" in str(error)


@pytest.mark.parametrize(("function", "args", "kwargs"), CASES)
def test_converted_function_does_the_same(function, args, kwargs):
    def copied():
        return [list(a) if isinstance(a, list) else a for a in args]

    expected = function(*copied(), **kwargs)
    assert tf.autograph.to_graph(function)(*copied(), **kwargs) == expected


def test_annotations_may_name_what_is_not_in_reach():
    class Local:
        pass

    def run(x: Local) -> Local:
        return x if x is not None else None

    assert tf.autograph.to_graph(run)(3) == 3
    assert tf.autograph.to_graph(run).__annotations__ == run.__annotations__


def with_generator(n):
    def even():
        for k in range(n):
            yield 2 * k

    return list(even())


def with_match(value):
    match value:
        case ("point", x, y) if x > 0:
            return x + y
        case _:
            return None


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        (with_generator, 3, "generators are not supported"),
        (with_match, ("point", 1, 2), "match statements are not supported"),
    ],
)
def test_what_is_refused_runs_as_it_is(function, argument, message):
    with pytest.raises(ValueError, match=message):
        tf.autograph.to_graph(function)

    @tf.function
    def run(x):
        if x > 0:
            x = x + 1
        found.append(function(argument))
        return x

    found = []
    if function is with_generator:
        with pytest.warns(GraphoptWarning, match=message):
            run(tf.constant(1))
    else:
        run(tf.constant(1))
    assert found == [function(argument)]
