"""Transposed operands become attributes of the product, without a changed bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from tests.rewrite.helpers import (
    NEW,
    assert_same_bits,
    build_program,
    op_types,
    rewritten,
    run,
)

FLAGS = list(itertools.product((False, True), repeat=4))


def operand(rng, rows, columns, swapped, dtype):
    shape = (columns, rows) if swapped else (rows, columns)
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(3, 4, 5), (40, 300, 37), (1, 300, 7), (7, 300, 1), (1, 9, 1), (2, 0, 3)]
)
def test_bits_are_equal(shape, dtype):
    rng = np.random.default_rng(sum(shape))
    rows, depth, columns = shape
    for flag_a, flag_b, moved_a, moved_b in FLAGS:
        a = operand(rng, rows, depth, flag_a ^ moved_a, dtype)
        b = operand(rng, depth, columns, flag_b ^ moved_b, dtype)

        def build(x, y):
            x = tf.transpose(x) if moved_a else x
            y = tf.transpose(y) if moved_b else y
            return tf.matmul(x, y, transpose_a=flag_a, transpose_b=flag_b)

        assert_same_bits(run(build, a, b), run(build, a, b, off=NEW))


@pytest.mark.parametrize(("flag_a", "flag_b", "moved_a", "moved_b"), FLAGS)
def test_flags(flag_a, flag_b, moved_a, moved_b):
    rng = np.random.default_rng(1)
    a = operand(rng, 3, 4, flag_a ^ moved_a, np.float32)
    b = operand(rng, 4, 5, flag_b ^ moved_b, np.float32)

    def build(x, y):
        x = tf.transpose(x) if moved_a else x
        y = tf.transpose(y) if moved_b else y
        return tf.matmul(x, y, transpose_a=flag_a, transpose_b=flag_b, name="product")

    program = rewritten(build, a, b)
    assert op_types(program) == ["MatMul"]
    product = program.fetches[0].op
    assert product.name == "product"
    assert product.attrs["transpose_a"] == (flag_a ^ moved_a)
    assert product.attrs["transpose_b"] == (flag_b ^ moved_b)


def test_a_transpose_with_other_users_stays_for_them():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)

    def build(x):
        moved = tf.transpose(x)
        return [moved, tf.matmul(moved, x)]

    program = rewritten(build, x)
    assert sorted(op_types(program)) == ["MatMul", "Transpose"]
    assert program.fetches[1].op.inputs[0].op.type == "Placeholder"
    assert_same_bits(run(build, x), run(build, x, off=NEW))


def test_batches():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 6, 3)).astype(np.float32)
    b = rng.standard_normal((2, 6, 5)).astype(np.float32)

    def build(x, y):
        return tf.matmul(tf.transpose(x, [0, 2, 1]), y)

    assert op_types(rewritten(build, a, b)) == ["MatMul"]
    assert_same_bits(run(build, a, b), run(build, a, b, off=NEW))


def left_alone():
    x = np.ones((3, 3, 3), np.float32)
    square = np.ones((3, 3), np.float32)
    row = np.ones((1, 3), np.float32)

    def wait(x):
        with tf.control_dependencies([tf.exp(x)]):
            return tf.transpose(x)

    return {
        "another permutation": (lambda x: tf.matmul(tf.transpose(x, [1, 0, 2]), x), x),
        "of the product": (lambda x: tf.transpose(tf.matmul(x, x)), square),
        "matrix times vector": (
            lambda x: tf.matmul(tf.transpose(x), tf.ones((3, 1))),
            square,
        ),
        "one that waits": (lambda x: tf.matmul(wait(x), x), square),
        "vector times matrix": (
            lambda x: tf.matmul(x, tf.transpose(tf.ones((3, 3)) * x)),
            row,
        ),
    }


@pytest.mark.parametrize("name", left_alone())
def test_left_alone(name):
    build, x = left_alone()[name]
    assert "Transpose" in op_types(rewritten(build, x))


def test_the_matrix_of_a_read_is_not_overwritten_before_its_use():
    def build():
        v = tf.Variable(np.arange(12, dtype=np.float32).reshape(3, 4))
        moved = tf.transpose(v.read_value())
        with tf.control_dependencies([v.assign_add(np.ones((3, 4), np.float32))]):
            return tf.matmul(moved, tf.ones((3, 2)))

    for times in (1, 3):
        assert_same_bits(run(build, times=times), run(build, times=times, off=NEW))
        assert_same_bits(run(build, times=times), run(build, times=times, jit="never"))


def test_lines_are_kept():
    x = np.ones((3, 4), np.float32)

    def build(x):
        return tf.matmul(tf.transpose(x), x)

    source, program = build_program(build, x), rewritten(build, x)
    assert str(program.fetches[0].op.site) == str(source.fetches[0].op.site)
