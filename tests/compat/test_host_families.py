"""Files, logging and small families that do not touch the graph."""

import logging as python_logging
from pathlib import Path

import pytest

import graphopt as tf

v1 = tf.compat.v1


def test_files(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with pytest.raises(tf.errors.NotFoundError):
        v1.gfile.GFile(str(path)).read()
    tf.io.gfile.makedirs(str(path.parent))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write("one\n")
        file.write("two\n")
    with v1.gfile.FastGFile(str(path), "rb") as file:
        assert (
            file.readline() == b"one\n" and file.tell() == 4 and file.read() == b"two\n"
        )
        assert file.size() == 8
    assert list(tf.io.gfile.GFile(path)) == ["one\n", "two\n"]
    assert v1.gfile.Exists(path) and v1.gfile.IsDirectory(path.parent)
    assert v1.gfile.Glob(f"{tmp_path}/*/*.txt") == [str(path)]
    assert v1.gfile.ListDirectory(tmp_path) == ["a"]
    assert list(tf.io.gfile.walk(tmp_path))[1] == (str(path.parent), [], ["b.txt"])
    other = tmp_path / "c"
    v1.gfile.Copy(path, other)
    with pytest.raises(tf.errors.AlreadyExistsError):
        v1.gfile.Copy(path, other)
    v1.gfile.Copy(path, other, overwrite=True)
    v1.gfile.Rename(other, tmp_path / "d")
    assert tf.io.gfile.stat(tmp_path / "d").length == 8
    v1.gfile.Remove(tmp_path / "d")
    v1.gfile.DeleteRecursively(path.parent)
    assert tf.io.gfile.listdir(tmp_path) == []
    with pytest.raises(tf.errors.UnimplementedError, match="local files"):
        tf.io.gfile.exists("gs://bucket/x")
    with pytest.raises(tf.errors.NotFoundError):
        v1.gfile.DeleteRecursively(path.parent)
    with v1.gfile.GFile(tmp_path / "empty", "w"):
        pass
    assert (tmp_path / "empty").exists()


def test_records_by_their_names(tmp_path):
    path = str(tmp_path / "x")
    options = tf.io.TFRecordOptions("GZIP")
    with tf.io.TFRecordWriter(path, options) as writer:
        writer.write(b"abc")
    assert list(v1.python_io.tf_record_iterator(path, options)) == [b"abc"]
    kind = v1.python_io.TFRecordCompressionType.ZLIB
    assert v1.python_io.TFRecordOptions(kind).compression_type == "ZLIB"


def test_graphs_as_files(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.nn.relu(v1.placeholder(tf.float32, [2], name="x"), name="y")
    text = tf.io.write_graph(graph, tmp_path / "new", "g.pbtxt")
    assert 'name: "y"' in Path(text).read_text()
    data = v1.train.write_graph(graph, str(tmp_path), "g.pb", as_text=False)
    nodes = v1.GraphDef.FromString(Path(data).read_bytes()).node
    assert [node.name for node in nodes] == ["x", "y"]


def test_messages(capsys, monkeypatch):
    logger = v1.logging.get_logger()
    before = logger.level
    assert logger is python_logging.getLogger("tensorflow")
    try:
        v1.logging.set_verbosity(v1.logging.INFO)
        assert v1.logging.get_verbosity() == 20
        records = []
        handler = python_logging.Handler()
        handler.emit = lambda record: records.append(record.getMessage())
        logger.addHandler(handler)
        v1.logging.info("step %d", 3)
        v1.logging.debug("hidden")
        for _ in range(4):
            v1.logging.log_every_n(v1.logging.WARN, "often", 2)
            v1.logging.log_first_n(v1.logging.WARN, "first", 1)
        logger.removeHandler(handler)
        assert records == ["step 3", "often", "first", "often"]
    finally:
        logger.setLevel(before)


def test_text_and_bytes():
    assert tf.compat.as_bytes("a") == tf.compat.as_bytes(b"a") == b"a"
    assert tf.compat.as_str(b"a") == tf.compat.as_text("a") == "a"
    assert tf.compat.as_str_any(3) == "3"
    with pytest.raises(TypeError):
        tf.compat.as_bytes(3)
    assert tf.compat.dimension_value(v1.Dimension(3)) == 3


def test_dimensions():
    known, unknown = v1.Dimension(3), v1.Dimension(None)
    assert known == 3 and (unknown == 3) is None and unknown.value is None
    assert (
        (known * 2).value == 6
        and (7 // known).value == 2
        and (known + unknown).value is None
    )
    assert (
        known < 4
        and (unknown < 4) is None
        and int(known) == 3
        and [0] * known == [0] * 3
    )
    assert known.merge_with(unknown).value == 3
    with pytest.raises(ValueError):
        known.merge_with(4)
    with pytest.raises(TypeError):
        int(unknown)
    with pytest.raises(ValueError):
        v1.Dimension(-1)


def test_shapes_of_dimensions():
    v1.disable_v2_tensorshape()
    try:
        with tf.Graph().as_default():
            x = v1.placeholder(tf.float32, [None, 3])
            shape = x.get_shape()
            assert [each.value for each in shape] == [None, 3]
            assert x.shape[1].value == 3 and x.shape[0].value is None
            assert shape.as_list() == [None, 3] and shape == [None, 3]
            assert shape[1:].num_elements() == 3 and not shape.is_fully_defined()
            assert tf.reshape(x, [-1, x.shape[1]]).shape.as_list() == [None, 3]
            w = v1.get_variable("w", [shape[1], 2])
            assert tf.matmul(x, w).get_shape()[1].value == 2
            assert repr(shape) == "TensorShape([Dimension(None), Dimension(3)])"
    finally:
        v1.enable_v2_tensorshape()
    assert tf.ones([2]).shape[0] == 2 and isinstance(tf.ones([2]).get_shape()[0], int)


def test_codes_of_errors():
    errors = tf.errors
    assert errors.exception_type_from_error_code(5) is errors.NotFoundError
    assert errors.error_code_from_exception_type(errors.AbortedError) == errors.ABORTED
    error = errors.AlreadyExistsError(None, None, "there")
    assert str(error) == "there" and isinstance(error, FileExistsError)
