"""`tf.summary`: values written for TensorBoard while a program runs.

`create_file_writer(folder)` opens an event file, `as_default()` makes it the one that is
written to, and `scalar`, `histogram`, `image` and `text` add to it. In a graph or a
`tf.function` they are ops that write when they run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.files import messages as m
from graphopt.files.events import EventFile, encode_png
from graphopt.files.tensors import make_tensor_proto
from graphopt.graph.context import building_graph, entered
from graphopt.graph.graph import Graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import convert_to_tensor
from graphopt.ops.host import numpy_function
from graphopt.parallel.ranks import is_writer
from graphopt.runtime.names import local as names
from graphopt.runtime.variable import Variable


class _Local(threading.local):
    def __init__(self) -> None:
        self.writer: SummaryWriter | None = None
        self.step: Any = None
        self.recording: Any = True
        self.graphs: list[Graph] | None = None
        self.trace: Any = None


_local = _Local()


class SummaryWriter:
    """An event file that `tf.summary` writes to; made by `create_file_writer`.

    Source: `tf.summary.SummaryWriter`.
    """

    def __init__(self, file: EventFile | None) -> None:
        self._file = file
        self._described: set[str] = set()

    @contextlib.contextmanager
    def as_default(self, step: Any = None) -> Iterator[SummaryWriter]:
        """Makes this the writer of the block.

        Args:
          step: The step of what is written in it, unless a call gives another.
        """
        before = _local.writer, _local.step
        _local.writer = self
        if step is not None:
            _local.step = step
        try:
            yield self
        finally:
            _local.writer, _local.step = before
            self.flush()

    def set_as_default(self, step: Any = None) -> None:
        """Makes this the writer of the thread from now on."""
        _local.writer = self
        if step is not None:
            _local.step = step

    def init(self) -> None:
        """Does nothing: the file is open."""

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._file is not None:
            self._file.close()

    def _write(
        self, tag: str, array: Any, step: int, plugin: str, kind: int, description: Any
    ) -> None:
        if self._file is None:
            return
        value = m.SummaryValue(tag=tag, tensor=make_tensor_proto(array))
        if tag not in self._described:
            # TensorBoard keeps the first of a tag.
            self._described.add(tag)
            data = m.PluginData(plugin_name=plugin)
            value.metadata = m.SummaryMetadata(
                plugin_data=data, data_class=kind, summary_description=description or ""
            )
        self._file.add(m.Event(step=step, summary=m.Summary(value=[value])))

    def _write_graph(self, graph: Graph, step: int) -> None:
        from graphopt.exchange.graph_message import graph_message

        if self._file is not None:
            data = graph_message(graph).SerializeToString()
            self._file.add(m.Event(step=step, graph_def=data))


def create_file_writer(
    logdir: Any,
    max_queue: int | None = None,
    flush_millis: int | None = None,
    filename_suffix: str | None = None,
    name: str | None = None,
    experimental_trackable: bool = False,
) -> SummaryWriter:
    """Opens an event file in a folder; of several ranks of a strategy rank 0 does.

    Args:
      logdir: The folder; made if it is not there.
      max_queue: Accepted; events go to the file's buffer at once.
      flush_millis: After how many milliseconds that is handed to the operating system.
      filename_suffix: The end of its name; by default `.v2`.
      name: Accepted for compatibility.
      experimental_trackable: Accepted for compatibility.

    >>> import tempfile, pathlib, graphopt as tf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with tf.summary.create_file_writer(folder).as_default():
    ...         written = tf.summary.scalar("loss", 0.5, step=1)
    ...     print(bool(written), [path.suffix for path in pathlib.Path(folder).iterdir()])
    True ['.v2']

    Source: `tf.summary.create_file_writer`.
    """
    seconds = 120.0 if flush_millis is None else flush_millis / 1000
    suffix = ".v2" if filename_suffix is None else filename_suffix
    if not is_writer():
        return create_noop_writer()
    return SummaryWriter(EventFile(os.fspath(logdir), suffix, seconds))


def create_noop_writer() -> SummaryWriter:
    """Returns a writer that writes nothing."""
    return SummaryWriter(None)


def flush(writer: SummaryWriter | None = None, name: str | None = None) -> None:
    """Hands what a writer, or the default one, wrote to the operating system."""
    writer = writer or _local.writer
    if writer is not None:
        writer.flush()


@contextlib.contextmanager
def record_if(condition: Any) -> Iterator[None]:
    """Writes in the block only where a condition is true.

    Args:
      condition: A bool, or a function that returns one.
    """
    before = _local.recording
    _local.recording = condition
    try:
        yield
    finally:
        _local.recording = before


def should_record_summaries() -> bool:
    """Returns whether a writer is there and `record_if` lets it write."""
    wanted = _local.recording
    wanted = wanted() if callable(wanted) else wanted
    return _local.writer is not None and bool(wanted)


class experimental:
    """`tf.summary.experimental`: the step, where calls give none."""

    @staticmethod
    def set_step(step: Any) -> None:
        """Sets the step of what is written on this thread; a variable is read then."""
        _local.step = step

    @staticmethod
    def get_step() -> Any:
        """Returns the step that was set, or None."""
        return _local.step

    @staticmethod
    @contextlib.contextmanager
    def summary_scope(
        name: str, default_name: str = "summary", values: Any = None
    ) -> Iterator[tuple[str, str]]:
        """Enters a name scope and yields the tag and the scope."""
        with _scope(name or default_name) as tag:
            yield tag, f"{tag}/"


@contextlib.contextmanager
def _scope(name: str) -> Iterator[str]:
    graph = building_graph()
    if graph is None:
        yield names.scope + name
        return
    # Tags are not made unique: the same summary in two traces is one curve.
    outer = graph.get_name_scope()
    with graph.name_scope(name):
        yield f"{outer}/{name}" if outer else name


def _write(
    name: str,
    data: Any,
    step: Any,
    describe: Callable[[Any], Any],
    plugin: str,
    kind: int,
    description: str | None,
) -> Any:
    """Adds a value to the default writer: now, or when the graph runs."""
    writer = _local.writer
    step = _local.step if step is None else step
    if writer is None:
        return False
    if step is None:
        raise fail(
            ValueError,
            f"tf.summary: no step for {name!r}",
            got="step=None",
            expected="a number",
            site=str(user_site()),
            remedy="step=..., as_default(step=...) or tf.summary.experimental.set_step",
        )
    if building_graph() is None:
        if not should_record_summaries():
            return False
        array = describe(_array(data))
        with _scope(name) as tag:
            writer._write(tag, array, int(step), plugin, kind, description)
        return True
    wanted = _local.recording

    def write(value: Any, now: Any) -> Any:
        if wanted() if callable(wanted) else wanted:
            writer._write(tag, describe(value), int(now), plugin, kind, description)
        return np.bool_(True)

    with _scope(name) as tag:
        if isinstance(step, Variable):
            step = step.read_value()
        return numpy_function(
            write,
            [convert_to_tensor(data), convert_to_tensor(step)],
            bool,
            stateful=True,
        )


def _array(data: Any) -> Any:
    return data.numpy() if hasattr(data, "numpy") else np.asarray(data)


def scalar(name: str, data: Any, step: Any = None, description: Any = None) -> Any:
    """Writes a number.

    Args:
      name: Its tag, below the name scope.
      data: A real scalar; written as float32.
      step: The step; by default that of the writer or of `experimental.set_step`.
      description: A text in Markdown.

    Returns:
      Whether it was written; in a graph a tensor that writes when it runs.

    Raises:
      ValueError: There is no step, or it is no scalar.

    Source: `tf.summary.scalar`.
    """

    def describe(value: Any) -> Any:
        if np.ndim(value):
            raise fail(
                ValueError,
                f"tf.summary.scalar: {name!r} is no scalar",
                got=f"a value of shape {np.shape(value)}",
                expected="a number",
                remedy="tf.reduce_mean, or tf.summary.histogram",
            )
        return np.float32(value)

    return _write(name, data, step, describe, "scalars", 1, description)


def histogram(
    name: str,
    data: Any,
    step: Any = None,
    buckets: int | None = None,
    description: Any = None,
) -> Any:
    """Writes the distribution of elements.

    Args:
      name: Its tag.
      data: A tensor of any shape.
      step: The step.
      buckets: How many; by default 30.
      description: A text in Markdown.

    Source: `tf.summary.histogram`.
    """
    count = 30 if buckets is None else int(buckets)

    def describe(value: Any) -> Any:
        return bucket_counts(value, count)

    return _write(name, data, step, describe, "histograms", 2, description)


def bucket_counts(values: Any, buckets: int) -> Any:
    """Returns (left edge, right edge, count) of equal buckets, float64 [buckets, 3].

    Where all elements are equal they are in one bucket of width 1 around them.
    """
    flat = np.asarray(values, np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    if not flat.size or buckets < 1:
        return np.zeros((0, 3) if buckets < 1 else (buckets, 3))
    low, high = flat.min(), flat.max()
    if low == high:
        table = np.full((buckets, 3), low)
        table[:, 2] = 0
        table[0] = [low - 0.5, low + 0.5, 0]
        table[0, :2] = low, low
        table[-1] = [low, high, flat.size]
        return table
    width = (high - low) / buckets
    places = np.minimum(np.floor((flat - low) / width), buckets - 1).astype(np.int64)
    counts = np.bincount(places, minlength=buckets)
    edges = np.linspace(low, high, buckets + 1)
    return np.stack([edges[:-1], edges[1:], counts], 1)


def image(
    name: str,
    data: Any,
    step: Any = None,
    max_outputs: int = 3,
    description: Any = None,
) -> Any:
    """Writes images, as PNG.

    Args:
      name: Their tag.
      data: uint8, or float from 0 to 1, of shape (batch, height, width, channels).
      step: The step.
      max_outputs: The most images of the batch.
      description: A text in Markdown.

    Source: `tf.summary.image`.
    """

    def describe(value: Any) -> Any:
        if np.ndim(value) != 4:
            raise fail(
                ValueError,
                f"tf.summary.image: {name!r} is no batch of images",
                got=f"a value of shape {np.shape(value)}",
                expected="(batch, height, width, channels)",
            )
        if value.dtype != np.uint8:
            # To the nearest, halves up, as TensorFlow's convert_image_dtype.
            scaled = np.clip(value, 0, 1) * 255 + 0.5
            value = scaled.astype(np.uint8)
        height, width = str(value.shape[1]), str(value.shape[2])
        pictures = [encode_png(each) for each in value[:max_outputs]]
        return np.array([width.encode(), height.encode(), *pictures], object)

    return _write(name, data, step, describe, "images", 3, description)


def text(name: str, data: Any, step: Any = None, description: Any = None) -> Any:
    """Writes text.

    Args:
      name: Its tag.
      data: A string, or an array of strings.
      step: The step.
      description: A text in Markdown.

    Source: `tf.summary.text`.
    """
    if building_graph() is not None:
        raise NotImplementedError(
            "tf.summary.text in a graph: tensors hold numbers here; write it eagerly."
        )
    array = np.asarray(data, object)
    return _write(name, array, step, lambda value: value, "text", 2, description)


def write(tag: str, tensor: Any, step: Any = None, metadata: Any = None) -> Any:
    """Writes a tensor as it is.

    Source: `tf.summary.write`.
    """
    plugin = metadata.plugin_data.plugin_name if metadata is not None else ""
    return _write(tag, tensor, step, lambda value: value, plugin, 2, None)


def audio(*_: Any, **__: Any) -> Any:
    """Raises NotImplementedError: sound is not written."""
    raise NotImplementedError("tf.summary.audio: graphopt writes no sound.")


def graph(graph_data: Any) -> bool:
    """Writes a graph, which TensorBoard draws.

    Args:
      graph_data: A `tf.Graph`.

    Source: `tf.summary.graph`.
    """
    writer = _local.writer
    if writer is None:
        return False
    writer._write_graph(graph_data, 0 if _local.step is None else int(_local.step))
    return True


def trace_on(
    graph: bool = True, profiler: bool = False, profiler_outdir: Any = None
) -> None:
    """Begins to note the graphs of functions that run.

    Args:
      graph: Whether graphs are noted.
      profiler: Accepted; `graphopt profile` measures.
      profiler_outdir: Accepted for compatibility.

    Source: `tf.summary.trace_on`.
    """
    if building_graph() is not None:
        raise RuntimeError("tf.summary.trace_on cannot be called in a graph.")
    trace_off()
    _local.graphs = found = []
    _local.trace = hooks.on_function_run
    hooks.on_function_run = lambda made: None if made in found else found.append(made)


def trace_off() -> None:
    """Ends to note graphs."""
    if _local.graphs is not None:
        hooks.on_function_run = _local.trace
        _local.graphs = None


def trace_export(name: str, step: Any = None, profiler_outdir: Any = None) -> None:
    """Writes the graphs of the functions that ran since `trace_on`.

    Args:
      name: Accepted; TensorBoard shows one graph of a run.
      step: The step.
      profiler_outdir: Accepted for compatibility.

    Raises:
      ValueError: `trace_on` was not called, or no writer is there.

    Source: `tf.summary.trace_export`.
    """
    if _local.graphs is None:
        raise ValueError("tf.summary.trace_export: call tf.summary.trace_on before.")
    if _local.writer is None:
        raise ValueError(
            "tf.summary.trace_export: no default writer; use as_default()."
        )
    with entered(None):
        step = _local.step if step is None else step
        for each in _local.graphs[-1:]:
            _local.writer._write_graph(each, 0 if step is None else int(step))
    trace_off()
