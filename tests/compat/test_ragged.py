"""Rows of different lengths."""

import numpy as np
import pytest

import graphopt as tf

ROWS = [[3, 1, 4], [], [1, 5]]


def test_ways_to_make_them():
    flat = [3, 1, 4, 1, 5]
    made = tf.RaggedTensor
    ways = [
        tf.ragged.constant(ROWS),
        made.from_row_splits(flat, [0, 3, 3, 5]),
        made.from_row_lengths(flat, [3, 0, 2]),
        made.from_value_rowids(flat, [0, 0, 0, 2, 2]),
        made.from_row_starts(flat, [0, 3, 3]),
        made.from_tensor([[3, 1, 4], [0, 0, 0], [1, 5, 0]], lengths=[3, 0, 2]),
        made.from_tensor([[3, 1, 4], [0, 0, 0], [1, 5, 0]], padding=0),
    ]
    for each in ways:
        assert each.to_list() == ROWS
    assert made.from_tensor([[1, 2], [3, 4]]).to_list() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="row_splits"):
        made.from_row_splits(flat, [0, 3, 4])


def test_what_is_known_of_them():
    rows = tf.ragged.constant(ROWS)
    assert rows.shape.as_list() == [3, None] and rows.ragged_rank == 1
    assert rows.row_lengths().numpy().tolist() == [3, 0, 2]
    assert rows.value_rowids().numpy().tolist() == [0, 0, 0, 2, 2]
    assert rows.bounding_shape().numpy().tolist() == [3, 3]
    assert rows[0].numpy().tolist() == [3, 1, 4] and rows[-1].numpy().tolist() == [1, 5]
    assert [len(row) for row in rows] == [3, 0, 2] and len(rows) == 3
    assert "[[3, 1, 4], [], [1, 5]]" in repr(rows)


def test_dense_tensors():
    rows = tf.ragged.constant(ROWS)
    assert rows.to_tensor(-1).numpy().tolist() == [[3, 1, 4], [-1, -1, -1], [1, 5, -1]]
    cut = rows.to_tensor(shape=[None, 2]).numpy().tolist()
    assert cut == [[3, 1], [0, 0], [1, 5]]
    nested = tf.ragged.constant([[[1], [2, 3]], [[4, 5, 6]]])
    assert nested.ragged_rank == 2
    assert nested.to_list() == [[[1], [2, 3]], [[4, 5, 6]]]
    assert nested.to_tensor().shape == (2, 2, 3)
    assert nested[0].to_list() == [[1], [2, 3]]


def test_functions():
    rows = tf.ragged.constant([[1.0, 2.0], [3.0]])
    assert tf.ragged.map_flat_values(tf.square, rows).to_list() == [[1.0, 4.0], [9.0]]
    assert tf.ragged.range([2, 0, 3]).to_list() == [[0, 1], [], [0, 1, 2]]
    masked = tf.ragged.boolean_mask(rows, [[True, False], [True]])
    assert masked.to_list() == [[1.0], [3.0]]


def test_graphs_and_derivatives():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        values = tf.compat.v1.placeholder(tf.float32, [None])
        rows = tf.RaggedTensor.from_row_lengths(values, [2, 0, 1])
        fetched, dense = session.run(
            [rows, rows.to_tensor()], {values: [1.0, 2.0, 3.0]}
        )
        assert fetched.to_list() == [[1.0, 2.0], [], [3.0]]
        assert np.array_equal(dense, [[1, 2], [0, 0], [3, 0]])
    table = tf.Variable([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        rows = tf.RaggedTensor.from_row_lengths(table * 1.0, [2, 1])
        loss = tf.reduce_sum(rows.to_tensor() ** 2)
    assert tape.gradient(loss, table).numpy().tolist() == [2.0, 4.0, 6.0]
