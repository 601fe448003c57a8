"""A kernel is declared once: its head and its calls follow from the declaration."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernel import Kernel, KernelTemplate, Parameter, fill_template
from graphopt.codegen.kernels import get_kernel
from graphopt.schedule.steps import Word

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
SCALE = KernelTemplate(
    "test",
    "x: input {t}, y: output {t}, factor, status, shifts: words",
    """
    for i in range(lo, hi):
        {compute}
""",
)
COMPUTE = "value = {t}(factor) * x[i]\ny[i] = value + {t}(shifts[0] - shifts[1])"


def scale(t="float32"):
    return SCALE.fill(t=t, compute=COMPUTE)


def test_lines_are_indented_as_their_name_is():
    text = "a:\n    {lines}\nb {word}"
    assert (
        fill_template(text, lines="x\n\n    y", word="z")
        == "a:\n    x\n\n        y\nb z"
    )


def test_no_lines_leave_none():
    assert fill_template("a\n    {lines}\nb", lines="") == "a\nb"


def test_what_is_filled_in_is_filled_in_too():
    filled = fill_template(
        "  {outer}\n", outer="{inner}\n{word}", inner="a\nb", word="c"
    )
    assert filled == "  a\n  b\n  c\n"


def test_a_name_without_a_value_is_an_error():
    with pytest.raises(KeyError, match="missing"):
        fill_template("{missing}")


@pytest.mark.parametrize("text", ["{a}", "{a}\n"])
def test_a_name_that_stands_for_itself_ends(text):
    with pytest.raises(KeyError, match="stands for itself"):
        fill_template(text, a="{a}\n")


def test_the_head_gives_the_parameters_their_values():
    assert scale().source.splitlines() == [
        "def kernel(args, lo, hi):",
        "    x = pointer_float32(args[0])  # input",
        "    y = pointer_float32(args[1])  # output",
        "    factor = args[2]  # size",
        "    status = args[3]  # status",
        "    operation = args[4]",
        "    for i in range(lo, hi):",
        "        value = float32(factor) * x[i]",
        "        y[i] = value + float32(args[5 + 0] - args[5 + 1])",
    ]


def test_a_call_has_the_words_in_their_order():
    call = scale().call(7, op=3, shifts=(8, 9), factor=2, cost=5.0)
    wanted = (Word("input", 0), Word("output", 0), 2, Word("status"), 3, 8, 9)
    assert call.arguments == wanted
    assert (call.extent, call.cost) == (7, 5.0)
    assert call.kernel is scale().request


def test_buffers_are_counted_by_kind_and_may_be_given():
    template = KernelTemplate(
        "test", "a: input, b: scratch, c: input, d: output, e: scratch", ""
    )
    words = template.fill().words(c=Word("output", 5))
    assert words == (
        Word("input", 0),
        Word("scratch", 0),
        Word("output", 5),
        Word("output", 0),
        Word("scratch", 1),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1, "shifts": ()}, "no value for status"),
        ({"op": 1, "shifts": ()}, "no value for factor"),
        ({"op": 1, "factor": 1}, "no value for shifts"),
        ({"op": 1, "factor": 1, "shifts": (), "rate": 1}, "no parameter rate"),
    ],
)
def test_a_call_that_lacks_an_argument_is_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        scale().call(1, **arguments)


def test_a_parameter_of_no_kind_is_refused():
    with pytest.raises(ValueError, match="no kind 'weight'"):
        Parameter("x", "weight")
    with pytest.raises(ValueError, match="no kind 'weight'"):
        KernelTemplate("test", "x: weight float32", "")


def test_a_kernel_is_filled_once():
    assert scale() is scale()
    assert scale() is not scale("float64")
    assert isinstance(scale(), Kernel)


def test_what_is_declared_is_what_runs():
    x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
    status = np.zeros(4, np.int64)
    places = {"x": x, "y": y, "status": status}
    words = [
        places[name].ctypes.data if name in places else value
        for name, value in zip(
            ["x", "y", "factor", "status", "op", "s0", "s1"],
            scale().words(op=0, factor=3, shifts=(10, 4)),
            strict=True,
        )
    ]
    args = np.array(words, np.int64)
    C_KERNEL(get_kernel(scale().request).address)(args.ctypes.data, 1, 4)
    np.testing.assert_array_equal(y, [0, 9, 12, 15, 0])


def test_a_plan_shows_kinds_of_parameters():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [40, 50])
        plan = session.plan(tf.transpose(x), {x: np.zeros((40, 50), np.float32)})
    assert "x = pointer_int32(args[0])  # input" in plan.kernels[0].source
