"""Lookup tables in graphs, functions and eager mode."""

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
WORDS = ["emerson", "lake", "palmer"]


def vocabulary(**options):
    entries = tf.lookup.KeyValueTensorInitializer(WORDS, [10, 20, 30])
    return tf.lookup.StaticHashTable(entries, default_value=-1, **options)


def test_static_table_in_eager_mode():
    table = vocabulary()
    found = table.lookup([["lake", "king"], ["palmer", "emerson"]])
    assert found.numpy().tolist() == [[20, -1], [30, 10]]
    assert table["lake"].numpy() == 20 and table.size().numpy() == 3
    keys, values = table.export()
    assert sorted(zip(keys.numpy(), values.numpy(), strict=True)) == [
        (b"emerson", 10),
        (b"lake", 20),
        (b"palmer", 30),
    ]
    rows = tf.ragged.constant([["lake"], [], ["x", "palmer"]])
    assert table.lookup(rows).to_list() == [[20], [], [-1, 30]]
    sparse = tf.sparse.SparseTensor([[0, 1]], tf.constant(["lake"]), [1, 2])
    assert table.lookup(sparse).values.numpy().tolist() == [20]


def test_static_table_in_a_graph_wants_its_initializer():
    with tf.Graph().as_default(), v1.Session() as session:
        table = vocabulary()
        words = v1.placeholder(tf.string, [None])
        ids = table.lookup(words)
        with pytest.raises(tf.errors.FailedPreconditionError, match="not initialized"):
            session.run(ids, {words: ["lake"]})
        session.run(v1.tables_initializer())
        for _ in range(3):
            assert session.run(ids, {words: ["lake", "?"]}).tolist() == [20, -1]


def test_a_training_step_with_a_table_is_cut_at_the_lookup_only():
    with tf.Graph().as_default(), v1.Session() as session:
        table = vocabulary()
        words = v1.placeholder(tf.string, [None])
        embeddings = tf.Variable(np.eye(31, 4, dtype=np.float32))
        rows = tf.gather(embeddings, table.lookup(words))
        step = v1.train.AdamOptimizer().minimize(tf.reduce_sum(tf.square(rows)))
        session.run([v1.tables_initializer(), v1.global_variables_initializer()])
        plan = session.plan(step, {words: WORDS})
        hosts = [s.type for s in plan.steps if s.kernel == "HOST"]
        assert hosts == ["LookupTableFindV2"] and not plan.interpreted
        session.run(step, {words: WORDS})


def test_buckets_are_those_of_tensorflow():
    # Recorded from TensorFlow 2.21.
    entries = tf.lookup.KeyValueTensorInitializer(WORDS, [0, 1, 2])
    table = tf.lookup.StaticVocabularyTable(entries, num_oov_buckets=5)
    found = table.lookup(["lake", "king", "crimson", "tarkus", "trilogy"])
    assert found.numpy().tolist() == RECORDED_WORDS
    assert table.size().numpy() == 8
    numbers = tf.lookup.KeyValueTensorInitializer([1, 5], [0, 1])
    table = tf.lookup.StaticVocabularyTable(numbers, 3)
    assert table.lookup(np.int64([5, 6, 7, 8])).numpy().tolist() == RECORDED_NUMBERS


RECORDED_WORDS = [1, 6, 7, 7, 4]
RECORDED_NUMBERS = [1, 4, 3, 3]


def test_files_of_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\t1.5\nb\t2.5\nc\t3.5\n")
    lines = tf.lookup.TextFileInitializer(
        str(path), tf.string, 0, tf.float32, 1, vocab_size=2
    )
    table = tf.lookup.StaticHashTable(lines, 0.0)
    assert table.lookup(["b", "c"]).numpy().tolist() == [2.5, 0.0]
    index = tf.lookup.TextFileIndex
    numbers = tf.lookup.TextFileInitializer(
        str(path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    table = tf.lookup.StaticHashTable(numbers, -1)
    assert table.lookup(["b\t2.5", "b"]).numpy().tolist() == [1, -1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="vocab_size"):
        tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(path), tf.string, 0, tf.float32, 1, vocab_size=9
            ),
            0.0,
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="columns"):
        tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(str(path), tf.string, 0, tf.float32, 4), 0.0
        )


def test_tables_of_contrib(tmp_path):
    from graphopt.v1.contrib import lookup

    path = tmp_path / "words.txt"
    path.write_text("a\nb\n")
    with tf.Graph().as_default(), v1.Session() as session:
        ids = lookup.index_table_from_tensor(["x", "y"], num_oov_buckets=1)
        words = lookup.index_to_string_table_from_file(str(path))
        lines = lookup.index_table_from_file(str(path), default_value=7)
        fetches = [
            ids.lookup(tf.constant(["y", "q"])),
            words.lookup(tf.constant([1, 5], tf.int64)),
            lines.lookup(tf.constant(["b", "z"])),
        ]
        session.run(v1.tables_initializer())
        found = [value.tolist() for value in session.run(fetches)]
        assert found == [[1, 2], [b"b", b"UNK"], [1, 7]]


def test_tables_that_grow():
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, [0.0, 0.0])
    table.insert(["a", "b"], [[1, 2], [3, 4]])
    assert table.lookup(["b", "c"]).numpy().tolist() == [[3, 4], [0, 0]]
    table.remove(["b"])
    assert table.size().numpy() == 1

    count = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)

    @tf.function
    def note(key):
        count.insert(key, count.lookup(key) + 1)
        return count.lookup(key)

    key = tf.constant([3], tf.int64)
    assert [note(key).numpy().tolist() for _ in range(3)] == [[1], [2], [3]]


def test_wrong_keys_are_refused():
    table = vocabulary()
    with pytest.raises(TypeError, match="keys"):
        table.lookup([1, 2])
    with pytest.raises(ValueError, match="oov"):
        tf.lookup.StaticVocabularyTable(
            tf.lookup.KeyValueTensorInitializer(["a"], [0]), 0
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="different value"):
        tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a", "a"], [0, 1]), -1
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="same size"):
        tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a", "b"], [0]), -1
        )
