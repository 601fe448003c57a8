"""Pipelines of text: words, tables, padding."""

import numpy as np

import graphopt as tf

v1 = tf.compat.v1
Dataset = tf.data.Dataset
WORDS, NUMBERS = ["a", "b", "c"], [1, 2, 3]


def test_tables_in_functions():
    initializer = tf.lookup.KeyValueTensorInitializer(WORDS, NUMBERS)
    table = tf.lookup.StaticHashTable(initializer, -1)
    lines = Dataset.from_tensor_slices(["a b", "c", "z a b"])
    batch = next(iter(lines.map(tf.strings.split).map(table.lookup).padded_batch(3)))
    assert batch.numpy().tolist() == [[1, 2, 0], [3, 0, 0], [-1, 1, 2]]


def test_tables_of_a_session():
    with tf.Graph().as_default(), v1.Session() as session:
        initializer = v1.lookup.KeyValueTensorInitializer(WORDS, NUMBERS)
        table = v1.lookup.StaticHashTable(initializer, -1)
        words = Dataset.from_tensor_slices(["a", "c", "z"])
        inside = words.map(table.lookup).batch(2)
        iterator = v1.data.make_initializable_iterator(inside)
        x = iterator.get_next()
        session.run(v1.tables_initializer())
        session.run(iterator.initializer)
        assert [session.run(x).tolist() for _ in range(2)] == [[1, 3], [-1]]
        # Behind the iterator, in front of a native step.
        found = table.lookup(v1.data.make_one_shot_iterator(words.batch(2)).get_next())
        v = tf.Variable(np.int64(0))
        step = v.assign_add(tf.reduce_sum(found))
        session.run(v.initializer)
        assert [int(session.run(step)) for _ in range(2)] == [4, 3]


def test_words_are_padded():
    lines = Dataset.from_tensor_slices(["a b c", "d e"])
    words = lines.map(lambda line: v1.string_split([line]).values)
    pairs = words.map(lambda w: (w, tf.size(w)))
    batches = pairs.padded_batch(
        2, padded_shapes=([None], []), padding_values=("<pad>", 0)
    )
    texts, sizes = next(iter(batches))
    assert texts.numpy().tolist() == [[b"a", b"b", b"c"], [b"d", b"e", b"<pad>"]]
    assert sizes.numpy().tolist() == [3, 2]
