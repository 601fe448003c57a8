"""Data sets of files."""

import gzip
import zlib

import numpy as np
import pytest

import graphopt as tf

Dataset = tf.data.Dataset


def texts(dataset):
    return [bytes(x.numpy()).decode() for x in dataset]


@pytest.fixture
def lines(tmp_path):
    names = []
    for name, text in (("a.txt", "1\n2\n3\n"), ("b.txt", "4\r\n5"), ("c.txt", "")):
        (tmp_path / name).write_bytes(text.encode())
        names.append(str(tmp_path / name))
    return names


def test_lines(lines):
    assert texts(tf.data.TextLineDataset(lines)) == ["1", "2", "3", "4", "5"]
    assert texts(tf.data.TextLineDataset(lines[0]).skip(1)) == ["2", "3"]
    names = Dataset.from_tensor_slices(lines)
    assert texts(names.flat_map(tf.data.TextLineDataset)) == ["1", "2", "3", "4", "5"]
    assert texts(tf.data.TextLineDataset(names)) == ["1", "2", "3", "4", "5"]


def test_lines_in_turns(lines):
    found = texts(tf.data.TextLineDataset(lines, num_parallel_reads=2))
    assert found == ["1", "4", "2", "5", "3"]


def test_compressed_lines(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x\ny\n"))
    (tmp_path / "a.z").write_bytes(zlib.compress(b"x\ny\n"))
    for name, kind in (("a.gz", "GZIP"), ("a.z", "ZLIB")):
        dataset = tf.data.TextLineDataset(str(tmp_path / name), compression_type=kind)
        assert texts(dataset) == ["x", "y"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="compression_type"):
        texts(tf.data.TextLineDataset(str(tmp_path / "a.z"), "LZ4"))


def test_missing_files_are_named(tmp_path):
    name = str(tmp_path / "none")
    for dataset in (tf.data.TextLineDataset(name), tf.data.TFRecordDataset([name])):
        with pytest.raises(tf.errors.NotFoundError, match="none"):
            texts(dataset)


def test_records_of_files(tmp_path):
    for kind in ("", "GZIP"):
        name = str(tmp_path / f"data{kind}.tfrecord")
        with tf.io.TFRecordWriter(name, kind) as writer:
            for i in range(5):
                writer.write(b"record %d" % i)
        found = texts(tf.data.TFRecordDataset(name, compression_type=kind))
        assert found == [f"record {i}" for i in range(5)]


def test_examples_are_parsed_in_batches(tmp_path):
    name = str(tmp_path / "examples.tfrecord")
    with tf.io.TFRecordWriter(name) as writer:
        for i in range(5):
            feature = {
                "x": tf.train.Feature(
                    float_list=tf.train.FloatList(value=[i, i + 0.5])
                ),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[i % 2])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    spec = {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "y": tf.io.FixedLenFeature([], tf.int64),
    }

    def parse(record):
        found = tf.io.parse_single_example(record, spec)
        return found["x"] * 2.0, found["y"]

    batches = list(tf.data.TFRecordDataset(name).map(parse).batch(3).prefetch(1))
    assert [b[0].shape for b in batches] == [(3, 2), (2, 2)]
    assert batches[1][0].numpy().tolist() == [[6.0, 7.0], [8.0, 9.0]]
    assert batches[0][1].numpy().tolist() == [0, 1, 0]


def test_batches_of_files_of_examples(tmp_path):
    for part in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"{part}.tfrecord")) as writer:
            for i in range(3):
                value = tf.train.Int64List(value=[10 * part + i])
                feature = {"x": tf.train.Feature(int64_list=value)}
                features = tf.train.Features(feature=feature)
                writer.write(tf.train.Example(features=features).SerializeToString())
    spec = {"x": tf.io.FixedLenFeature([], tf.int64)}
    make = tf.data.experimental.make_batched_features_dataset
    pattern = str(tmp_path / "*.tfrecord")
    plain = make(pattern, 4, spec, num_epochs=1, shuffle=False)
    assert [b["x"].numpy().tolist() for b in plain] == [[0, 1, 2, 10], [11, 12]]
    shuffled = make(pattern, 3, spec, label_key="x", shuffle_seed=1).take(4)
    found = np.concatenate([label.numpy() for _, label in shuffled])
    assert sorted(found.tolist()) == sorted([0, 1, 2, 10, 11, 12] * 2)
    with pytest.raises(ValueError, match="label_key"):
        make(pattern, 3, spec, label_key="y")
    with pytest.raises(ValueError, match="No files"):
        make(pattern + "x", 3, spec)


def test_a_broken_file_gives_what_is_whole(tmp_path):
    name = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(name)) as writer:
        for _ in range(3):
            writer.write(b"abc")
    name.write_bytes(name.read_bytes()[:-2])
    iterator = iter(tf.data.TFRecordDataset(str(name)).batch(1))
    assert [next(iterator).numpy().tolist() for _ in range(2)] == [[b"abc"]] * 2
    with pytest.raises(tf.errors.DataLossError, match="within a record"):
        next(iterator)


def test_pieces_of_one_length(tmp_path):
    name = str(tmp_path / "data.bin")
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(b"HH" + bytes(range(6)) + b"F")
    dataset = tf.data.FixedLengthRecordDataset(name, 3, header_bytes=2, footer_bytes=1)
    decoded = dataset.map(lambda x: tf.io.decode_raw(x, tf.uint8)).batch(2)
    (batch,) = list(decoded)
    assert batch.numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Excess bytes"):
        list(tf.data.FixedLengthRecordDataset(name, 4))


def test_files_are_listed(lines, tmp_path):
    pattern = str(tmp_path / "*.txt")
    assert texts(Dataset.list_files(pattern, shuffle=False)) == lines
    assert sorted(texts(Dataset.list_files(pattern, seed=1))) == lines
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched"):
        Dataset.list_files(str(tmp_path / "*.png"))


def test_records_are_written(tmp_path):
    name = str(tmp_path / "out.tfrecord")
    tf.data.experimental.TFRecordWriter(name).write(
        Dataset.range(3).map(tf.strings.as_string)
    )
    assert texts(tf.data.TFRecordDataset(name)) == ["0", "1", "2"]


# ---- tables

CSV = 'a,b,c\n1,2.5,x\n2,,"y, z"\n3,4.5,\n'


def test_rows_of_tables(tmp_path):
    (tmp_path / "t.csv").write_text(CSV)
    dataset = tf.data.experimental.CsvDataset(
        str(tmp_path / "t.csv"), [tf.int32, 0.5, "none"], header=True
    )
    found = [(int(a), float(b), bytes(c.numpy())) for a, b, c in dataset]
    assert found == [(1, 2.5, b"x"), (2, 0.5, b"y, z"), (3, 4.5, b"none")]
    chosen = tf.data.experimental.CsvDataset(
        str(tmp_path / "t.csv"), [tf.int64, ""], header=True, select_cols=[0, 2]
    )
    assert [int(a) for a, _ in chosen] == [1, 2, 3]
    with pytest.raises(ValueError, match="increasing"):
        tf.data.experimental.CsvDataset("t.csv", ["", 1], select_cols=[2, 0])


def test_rows_that_do_not_fit(tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3\n")
    dataset = tf.data.experimental.CsvDataset(str(tmp_path / "t.csv"), [1, 1])
    iterator = iter(dataset)
    next(iterator)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Expect 2 fields but have 1"
    ):
        next(iterator)
    (tmp_path / "u.csv").write_text("x\n\n")
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a valid int32"):
        list(tf.data.experimental.CsvDataset(str(tmp_path / "u.csv"), [1]))
    required = tf.data.experimental.CsvDataset(str(tmp_path / "t.csv"), [tf.int32] * 2)
    assert int(next(iter(required))[1]) == 2


def test_tables_in_batches(tmp_path):
    (tmp_path / "t.csv").write_text(CSV)
    dataset = tf.data.experimental.make_csv_dataset(
        str(tmp_path / "t.csv"),
        batch_size=2,
        label_name="a",
        num_epochs=1,
        shuffle=False,
    )
    features, labels = next(iter(dataset))
    assert labels.numpy().tolist() == [1, 2]
    assert features["b"].numpy().tolist() == [2.5, 0.0]
    assert features["c"].numpy().tolist() == [b"x", b"y, z"]
    assert features["b"].dtype == tf.float32
    whole = np.concatenate([y.numpy() for _, y in dataset])
    assert whole.tolist() == [1, 2, 3]
