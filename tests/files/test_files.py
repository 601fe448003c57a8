"""Records, checksums and messages."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf
from graphopt.files import messages as m
from graphopt.files.checksums import crc32c, mask, unmask
from graphopt.files.records import RecordWriter, read_records
from graphopt.files.tensors import make_ndarray, make_tensor_proto

GOLDEN = Path(__file__).parent.parent / "golden" / "tfrecord"


def slow_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [0, 1, 7, 63, 64, 1023, 1024, 5000])
def test_checksums(size):
    data = np.random.RandomState(size).bytes(size)
    assert crc32c(data) == slow_crc(data)
    assert crc32c(data[size // 3 :], crc32c(data[: size // 3])) == crc32c(data)
    assert unmask(mask(crc32c(data))) == crc32c(data)


@pytest.mark.parametrize("size", [50_000, 100_003, 900_001])
def test_checksums_of_long_data_are_joined_of_short_ones(size):
    data = np.random.RandomState(0).bytes(size)
    joined = 0
    for start in range(0, size, 1000):
        joined = crc32c(data[start : start + 1000], joined)
    assert crc32c(data) == joined


@pytest.mark.parametrize("name", ["plain", "plainGZIP", "plainZLIB"])
def test_records_of_tensorflow(name):
    records = list(read_records(GOLDEN / f"{name}.tfrecord"))
    assert len(records) == 4 and records[0] == b""
    assert records == list(read_records(GOLDEN / "plain.tfrecord"))


def test_examples_of_tensorflow():
    records = list(read_records(GOLDEN / "examples.tfrecord"))
    labels = [
        m.Example.FromString(each).features.feature["label"].int64_list.value
        for each in records
    ]
    assert len(records) == 5 and all(len(each) for each in labels)
    for record in records:
        example = m.Example.FromString(record)
        assert m.Example.FromString(example.SerializeToString()) == example


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_come_back(tmp_path, compression):
    path = tmp_path / "x.tfrecord"
    wanted = [b"", b"a" * 3000, bytes(range(256))]
    with RecordWriter(path, compression) as writer:
        for each in wanted:
            writer.write(each)
    assert list(read_records(path)) == wanted
    assert list(read_records(path, compression)) == wanted


def test_damaged_records(tmp_path):
    path = tmp_path / "x"
    with RecordWriter(path) as writer:
        writer.write(b"hello")
        writer.write(b"world")
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        if cut == 21:
            continue
        with pytest.raises(tf.errors.DataLossError):
            list(read_records(path))
        assert list(read_records(path, partial_ok=True)) == [b"hello"] * (cut > 21)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 16
        path.write_bytes(bytes(changed))
        with pytest.raises(tf.errors.DataLossError):
            list(read_records(path))
    with pytest.raises(tf.errors.NotFoundError, match="no file"):
        list(read_records(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="compression"):
        RecordWriter(path, "LZMA")


def test_messages_have_the_methods_of_protobuf():
    example = m.Example()
    example.features.feature["a"].int64_list.value.append(-3)
    example.features.feature["b"].float_list.value.extend([1.5, 2.5])
    again = m.Example()
    again.ParseFromString(example.SerializeToString())
    assert list(again.features.feature["a"].int64_list.value) == [-3]
    assert list(again.features.feature["b"].float_list.value) == [1.5, 2.5]
    assert again == example and again != m.Example()
    summary = m.Summary()
    summary.value.add(tag="x", simple_value=0.0)
    read = m.Summary.FromString(summary.SerializeToString())
    assert read.value[0].HasField("simple_value") and not read.value[0].HasField(
        "image"
    )
    assert m.Example().SerializeToString() == b""
    with pytest.raises(ValueError, match='no "valu" field'):
        m.Summary(valu=[])
    with pytest.raises(AttributeError, match="no field"):
        _ = summary.vaue


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_hostile_messages(data):
    for cls in (m.Event, m.Example, m.GraphDef):
        try:
            message = cls.FromString(data)
        except tf.errors.DataLossError:
            continue
        assert cls.FromString(message.SerializeToString()) == message


def test_nested_messages_end():
    def field(head, data):
        size = len(data)
        parts = []
        while size > 127:
            parts.append(size & 127 | 128)
            size >>= 7
        return bytes([head, *parts, size]) + data

    deep = b""
    for _ in range(60):
        # AttrValue.func, NameAttrList.attr, the value of its entry.
        deep = field(0x52, field(0x12, field(0x12, deep)))
    with pytest.raises(tf.errors.DataLossError, match="deep"):
        m.AttrValue.FromString(deep)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(3, np.int64),
        np.zeros((0, 2)),
        np.array([True, False]),
        np.array([1 + 2j], np.complex64),
        np.array([b"a", b"bc"], object),
    ],
)
def test_arrays_in_messages(array):
    again = make_ndarray(
        m.Tensor.FromString(make_tensor_proto(array).SerializeToString())
    )
    assert again.shape == array.shape and again.tolist() == array.tolist()


def test_short_tensors_repeat_their_last_element():
    shape = m.TensorShape(dim=[m.Dim(size=4)])
    assert make_ndarray(
        m.Tensor(dtype=1, tensor_shape=shape, float_val=[2, 3])
    ).tolist() == [
        2,
        3,
        3,
        3,
    ]
    with pytest.raises(tf.errors.DataLossError, match="bytes for"):
        make_ndarray(m.Tensor(dtype=1, tensor_shape=shape, tensor_content=b"abc"))
    huge = m.TensorShape(dim=[m.Dim(size=1 << 40)])
    with pytest.raises(tf.errors.DataLossError, match="shape"):
        make_ndarray(m.Tensor(dtype=1, tensor_shape=huge, float_val=[1]))


def test_a_file_that_is_closed_twice_keeps_what_was_written(tmp_path):
    path = tmp_path / "words.txt"
    with tf.io.gfile.GFile(str(path), "w") as file:
        file.write("two\n")
        file.close()
    file.close()
    assert path.read_text() == "two\n"
    tf.io.gfile.GFile(str(tmp_path / "empty.txt"), "w").close()
    assert (tmp_path / "empty.txt").read_text() == ""
