"""Summaries of both versions: the messages are TensorFlow's, the files TensorBoard's."""

import base64
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import graphopt as tf
from graphopt.files import messages as m
from graphopt.files.events import histogram_bytes, read_events
from graphopt.files.tensors import make_ndarray

v1 = tf.compat.v1
GOLDEN = Path(__file__).parent.parent / "golden"
RECORDED = {
    name: m.Summary.FromString(base64.b64decode(text))
    for name, text in json.loads((GOLDEN / "summaries.json").read_text()).items()
}


def arrays():
    random = np.random.RandomState(0)
    return {
        "normal": random.randn(50).astype(np.float32),
        "zeros": np.zeros(7, np.float32),
        "mixed": np.array([1.0, 2.0, -3.0, 0.0, 4.0, 1e-13, -1e25, 1e21], np.float64),
        "integers": np.arange(-3, 9, dtype=np.int64).reshape(3, 4),
        "one": np.float32(0.5),
    }


def images():
    random = np.random.RandomState(1)
    odd = np.array([np.nan, 1.0, np.inf, -1.0], np.float32)
    return {
        "bytes": random.randint(0, 255, (4, 3, 5, 3)).astype(np.uint8),
        "positive": random.rand(2, 3, 2, 1).astype(np.float32) * 7,
        "signed": random.randn(1, 4, 4, 3).astype(np.float32),
        "odd": odd.reshape(1, 2, 2, 1),
    }


@pytest.mark.parametrize("name", arrays())
def test_histograms_are_those_of_tensorflow(name):
    with tf.Graph().as_default(), v1.Session() as session:
        with tf.name_scope("scope"):
            made = v1.summary.histogram(
                "a tag!", tf.constant(arrays()[name]), family="f"
            )
        got = m.Summary.FromString(session.run(made)).value[0]
    wanted = RECORDED[f"histogram {name}"].value[0]
    assert got.tag == wanted.tag
    assert np.array_equal(got.histo.bucket_limit, wanted.histo.bucket_limit)
    assert np.array_equal(got.histo.bucket, wanted.histo.bucket)
    for field in ("min", "max", "num", "sum", "sum_squares"):
        assert getattr(got.histo, field) == pytest.approx(getattr(wanted.histo, field))


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("name", images())
def test_images_are_those_of_tensorflow(name, most):
    with tf.Graph().as_default(), v1.Session() as session:
        made = v1.summary.image("im", tf.constant(images()[name]), max_outputs=most)
        got = m.Summary.FromString(session.run(made)).value
    wanted = RECORDED[f"image {name} {most}"].value
    assert [each.tag for each in got] == [each.tag for each in wanted]
    for mine, theirs in zip(got, wanted, strict=True):
        for field in ("height", "width", "colorspace"):
            assert getattr(mine.image, field) == getattr(theirs.image, field)
        pixels = [
            np.asarray(Image.open(io.BytesIO(each.image.encoded_image_string)))
            for each in (mine, theirs)
        ]
        assert np.array_equal(*pixels)


def test_scalars_are_those_of_tensorflow():
    with tf.Graph().as_default(), v1.Session() as session:
        for _ in range(2):
            with tf.name_scope("a"):
                v1.summary.scalar("loss", tf.constant(0.25))
        v1.summary.scalar("n", tf.constant(3), family="counts")
        got = m.Summary.FromString(session.run(v1.summary.merge_all()))
    wanted = RECORDED["scalars"]
    assert [(v.tag, v.simple_value) for v in got.value] == [
        (v.tag, v.simple_value) for v in wanted.value
    ]


def test_histograms_of_version_2_are_those_of_tensorflow(tmp_path):
    with tf.summary.create_file_writer(tmp_path).as_default():
        for step in range(5):
            data = np.array([1.0, 2.0, -3.0, 0.0, step])
            assert tf.summary.histogram("h", data, step=step)
            tf.summary.scalar("loss", step * 0.5, step=step)
            tf.summary.text("t", "hello", step=step)
            picture = np.arange(72, dtype=np.uint8).reshape(1, 4, 6, 3)
            tf.summary.image("im", picture, step=step)

    def values(path):
        return [
            (event.step, value.tag, value.metadata, make_ndarray(value.tensor))
            for event in read_events(path)
            for value in event.summary.value
        ]

    mine = {(s, t): (k, v) for s, t, k, v in values(next(tmp_path.iterdir()))}
    theirs = values(GOLDEN / "events_v2.bin")
    assert len(theirs) == len(mine) == 20
    for step, tag, metadata, value in theirs:
        own_metadata, own = mine[step, tag]
        if tag == "im":
            own, value = own[:2], value[:2]
        if value.dtype == object:
            assert own.tolist() == value.tolist()
        else:
            np.testing.assert_allclose(own, value, rtol=1e-12, atol=1e-15)
        if step == 0:
            plugin = metadata.plugin_data.plugin_name
            assert own_metadata.plugin_data.plugin_name == plugin


def test_a_run_with_summaries_is_one_compiled_step():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        w = v1.Variable([[1.0], [2.0], [3.0]])
        loss = tf.reduce_mean((x @ w) ** 2)
        train = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
        v1.summary.scalar("loss", loss)
        v1.summary.histogram("w", w)
        merged = v1.summary.merge_all()
        session.run(v1.global_variables_initializer())
        feed = {x: np.ones((4, 3), np.float32)}
        losses = []
        for _ in range(4):
            summary, value, _ = session.run([merged, loss, train], feed)
            parsed = m.Summary.FromString(summary)
            assert parsed.value[0].simple_value == value
            assert parsed.value[1].histo.num == 3
            losses.append(value)
        assert losses == sorted(losses, reverse=True)
        nested = session.run({"a": [merged], "b": (loss, train)}, feed)
        assert isinstance(nested["a"][0], bytes) and nested["b"][1] is None
        assert merged.eval(feed) == session.run(merged, feed)
        # Tags of a summary are those of its program, not of the run.
        assert [value.tag for value in parsed.value] == ["loss", "w"]


def test_mistakes():
    with tf.Graph().as_default(), v1.Session() as session:
        assert v1.summary.merge_all() is None
        made = v1.summary.scalar("v", tf.ones([2]))
        with pytest.raises(ValueError, match="of one number"):
            session.run(made)
        with pytest.raises(ValueError, match="takes summaries"):
            v1.summary.merge([tf.ones([])])
    writer = tf.summary.create_noop_writer()
    with pytest.raises(ValueError, match="no step"), writer.as_default():
        tf.summary.scalar("a", 1.0)
    assert tf.summary.scalar("a", 1.0, step=1) is False


def test_writers(tmp_path):
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        tf.nn.relu(x, name="y")
        writer = v1.summary.FileWriter(
            tmp_path / "a" / "b", graph, filename_suffix=".z"
        )
        writer.add_summary(
            m.Summary(value=[m.Summary.Value(tag="s", simple_value=1)]), 7
        )
        with pytest.raises(TypeError, match="add_summary takes"):
            writer.add_summary(3.0)
        writer.close()
        with pytest.raises(ValueError, match="closed"):
            writer.add_summary(m.Summary())
        writer.reopen()
        writer.add_summary(m.Summary(), np.int64(9))
        writer.close()
    files = list((tmp_path / "a" / "b").iterdir())
    files.sort(key=lambda path: int(path.name.split(".")[-2]))
    assert len(files) == 2 and all(path.name.endswith(".z") for path in files)
    events = list(v1.train.summary_iterator(files[0]))
    assert events[0].file_version == "brain.Event:2"
    nodes = m.GraphDef.FromString(events[1].graph_def).node
    assert [(node.name, node.op) for node in nodes] == [
        ("x", "Placeholder"),
        ("y", "Relu"),
    ]
    assert list(nodes[1].input) == ["x"]
    assert events[2].step == 7


def test_functions_write_when_they_run(tmp_path):
    writer = tf.summary.create_file_writer(tmp_path)

    @tf.function
    def train(x, step):
        with tf.name_scope("inner"):
            tf.summary.scalar("sum", tf.reduce_sum(x), step=step)
        return x + 1

    tf.summary.trace_on()
    with writer.as_default():
        for step in range(3):
            train(tf.ones([2]) * step, tf.constant(step, tf.int64))
        with tf.summary.record_if(False):
            assert tf.summary.scalar("no", 1.0, step=0) is False
        tf.summary.experimental.set_step(11)
        tf.summary.scalar("with", 1.0)
        tf.summary.experimental.set_step(None)
        tf.summary.trace_export("train", step=0)
    events = list(read_events(next(tmp_path.iterdir())))
    values = [
        (e.step, v.tag, make_ndarray(v.tensor)) for e in events for v in e.summary.value
    ]
    assert values == [
        (0, "inner/sum", 0.0),
        (1, "inner/sum", 2.0),
        (2, "inner/sum", 4.0),
        (11, "with", 1.0),
    ]
    assert sum(bool(event.graph_def) for event in events) == 1
    with pytest.raises(ValueError, match="trace_on"):
        tf.summary.trace_export("train")


def test_tensorboard_reads_the_files(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accumulator = pytest.importorskip(
            "tensorboard.backend.event_processing.event_accumulator"
        )
        with tf.Graph().as_default() as graph, v1.Session() as session:
            x = v1.placeholder(tf.float32, [3], name="x")
            v1.summary.scalar("loss", tf.reduce_sum(x))
            v1.summary.histogram("h", x)
            v1.summary.image("im", tf.reshape(tf.range(12.0), [1, 2, 2, 3]))
            merged = v1.summary.merge_all()
            with v1.summary.FileWriter(tmp_path / "v1", graph) as writer:
                for step in range(3):
                    writer.add_summary(session.run(merged, {x: [step, 1, 2]}), step)
        with tf.summary.create_file_writer(tmp_path / "v2").as_default():
            tf.summary.scalar("loss", 0.5, step=4)
        read = {}
        for name in ("v1", "v2"):
            read[name] = accumulator.EventAccumulator(
                str(tmp_path / name), size_guidance={"histograms": 0, "images": 0}
            )
            read[name].Reload()
        assert [(s.step, s.value) for s in read["v1"].Scalars("loss")] == [
            (0, 3.0),
            (1, 4.0),
            (2, 5.0),
        ]
        assert read["v1"].Histograms("h")[2].histogram_value.num == 3
        assert read["v1"].Images("im/image/0")[0].width == 2
        nodes = [node.name for node in read["v1"].Graph().node]
        assert nodes[0] == "x" and "Sum" in nodes
        assert [tag for tag in read["v2"].Tags()["tensors"]] == ["loss"]


def test_buckets_of_what_is_not_finite():
    read = m.Histogram.FromString
    message = read(histogram_bytes(np.array([np.nan, np.inf, 1.0])))
    assert message.num == 1 and message.sum == 1
    assert read(histogram_bytes(np.array([]))).num == 0
