"""Regions: what fused ops compute, as values."""

from __future__ import annotations

import numpy as np

import graphopt as tf
from graphopt.graph.opspec import REGISTRY
from graphopt.graph.region import Instruction, Region, region_of


def instruct(name, *arguments):
    return Instruction(REGISTRY[name], arguments, tf.float64, {}, name.lower())


# (a + b) * b, of which the sum is stored behind input 2.
REGION = Region(
    (3,), 3, (instruct("AddV2", 0, 1), instruct("Mul", 3, 1)), (4,), ((2, 3),), 0
)
A, B = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


def test_evaluate():
    outputs, stored = REGION.evaluate((A, B, A))
    np.testing.assert_array_equal(outputs, [(A + B) * B])
    np.testing.assert_array_equal(stored, [A + B])


def test_outputs_have_the_shape_of_the_region():
    outputs, _ = REGION.evaluate((np.array(1.0), np.array(2.0), A))
    assert outputs[0].shape == (3,)


def test_renumber_moves_inputs_and_instructions():
    before = [instruct("Neg", 4)]
    moved = REGION.renumber([5, 0, 1], 5, before)
    # Input 0 is what the instruction before makes now.
    outputs, stored = moved.evaluate((B, A, A, A, -A))
    np.testing.assert_array_equal(outputs, [(A + B) * B])
    np.testing.assert_array_equal(stored, [A + B])
    assert moved.stores == ((1, 6),)
    assert moved.only_if == 5
    assert [i.arguments for i in moved.instructions] == [(4,), (5, 0), (6, 0)]


def test_renumber_to_the_same_changes_nothing():
    assert REGION.renumber(range(3), 3) == REGION


def test_split_first_makes_an_input_of_the_first_instruction():
    first, rest = REGION.split_first()
    assert first == REGION.instructions[0]
    outputs, _ = rest.evaluate((A, B, A, A + B))
    np.testing.assert_array_equal(outputs, [(A + B) * B])


def test_names_and_results():
    assert REGION.names == ["addv2", "mul"]
    assert REGION.results == [4, 3]
    assert REGION.stored_inputs == [2]
    assert REGION.made_by(4) is REGION.instructions[1]
    assert str(REGION) == "2 ops: AddV2, Mul"


def test_an_elementwise_op_is_a_region_of_one():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [2, 3])
        region = region_of(tf.exp(x).op)
        assert region is not None
        assert (region.shape, region.input_count, region.outputs) == ((2, 3), 1, (1,))
        assert region_of(tf.matmul(x, x, transpose_b=True).op) is None
        unknown = tf.compat.v1.placeholder(tf.float32, [None])
        assert region_of(tf.exp(unknown).op) is None


def test_a_write_is_a_region_that_stores():
    with tf.Graph().as_default() as graph:
        variable = tf.Variable(1.0)
        variable.assign_add(2.0)
        ops = [op for op in graph.operations if op.type == "AssignAddVariableOp"]
    region = region_of(ops[0])
    assert region is not None
    assert (region.outputs, region.stores) == ((), ((0, 2),))
