"""Random programs give converted what Python gives with eager tensors."""

import importlib.util
import itertools

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphopt as tf

INTEGERS, FLOATS = ("a", "b"), ("x", "y")
CONDITIONS = (
    "a > b",
    "a % 3 == 1",
    "x < y",
    "x > 0.25 and a < 6",
    "not (b > 2 or y < 1.0)",
    "0 < a < 5",
    "(a if x > y else b) > 1",
)
ASSIGNMENTS = (
    "a = a + b",
    "b = a * 2 - b",
    "a = a // 3",
    "b = b % 5",
    "a += 1",
    "x = x * 0.5 + 1.0",
    "y = y - x",
    "x, y = y, x + 0.5",
    "y = y * 0.5 if a > 2 else y + 1.0",
)
RETURN = "return a, b, x, y"


class Writer:
    """Writes the lines of one program."""

    def __init__(self, draw):
        self.draw = draw
        self.counters = itertools.count()

    def pick(self, options):
        return self.draw(st.sampled_from(options))

    def block(self, depth, in_loop):
        lines = []
        for _ in range(self.draw(st.integers(1, 3))):
            lines += self.statement(depth, in_loop)
        return lines

    def statement(self, depth, in_loop):
        kinds = ["assign"] * 3
        if depth:
            kinds += ["if", "if else", "for", "while"]
        if in_loop:
            kinds += ["break", "continue"]
        kinds.append("return")
        kind = self.pick(kinds)
        if kind == "assign":
            return [self.pick(ASSIGNMENTS)]
        if kind == "break" or kind == "continue":
            return [f"if {self.pick(CONDITIONS)}:", f"    {kind}"]
        if kind == "return":
            return [f"if {self.pick(CONDITIONS)}:", f"    {RETURN}"]
        body = self.block(depth - 1, in_loop or kind in ("for", "while"))
        if kind == "for":
            return [f"for _ in tf.range({self.pick((0, 1, 3))}):", *indent(body)]
        if kind == "while":
            count = f"k{next(self.counters)}"
            test = f"{count} < {self.pick((1, 3))}"
            if self.draw(st.booleans()):
                test += f" and {self.pick(CONDITIONS)}"
            head = [f"{count} = tf.constant(0)", f"while {test}:", f"    {count} += 1"]
            return [*head, *indent(body)]
        lines = [f"if {self.pick(CONDITIONS)}:", *indent(body)]
        if kind == "if else":
            lines += ["else:", *indent(self.block(depth - 1, in_loop))]
        return lines


def indent(lines):
    return [f"    {line}" for line in lines]


@st.composite
def programs(draw):
    body = Writer(draw).block(2, in_loop=False)
    lines = ["import graphopt as tf", "def program(a, b, x, y):", *indent(body)]
    return "\n".join([*lines, f"    {RETURN}", ""])


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(programs(), st.integers(-3, 7), st.integers(-3, 7))
def test_program_gives_what_python_gives(tmp_path, text, a, b):
    file = tmp_path / f"program_{abs(hash(text))}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    given = (
        tf.constant(a),
        tf.constant(b),
        tf.constant(a * 0.25),
        tf.constant(b * 0.5 - 1.0),
    )
    expected = module.program(*given)
    with tf.config.config(jit="never"):
        found = tf.function(module.program)(*given)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, err_msg=text)
