"""`tf.summary` of version 1: values that a run hands out for TensorBoard.

A summary is fetched with the tensors it is made of, as any tensor is, and its message is
built on the host from their values: steps that have summaries are compiled as others are.
What a run returns for one is bytes, which `FileWriter.add_summary` and
`tf.Summary.FromString` take.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.files import messages as m
from graphopt.files.events import (
    EventFile,
    NoEventFile,
    bytes_of_image,
    encode_png,
    histogram_bytes,
    read_events,
)
from graphopt.files.tensors import make_tensor_proto
from graphopt.files.wire import put_varint
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import convert_to_tensor
from graphopt.parallel.ranks import is_writer
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.fetches import Composite
from graphopt.runtime.names import name_scope, require_session

Summary = m.Summary
Event = m.Event
SessionLog = m.SessionLog
SummaryDescription = m.SummaryMetadata
TaggedRunMetadata = m.TaggedRunMetadata
summary_iterator = read_events
# From a value to the `Summary.Value` messages of one tensor, as bytes.
_Describe = Callable[[Any], list[bytes]]
__all__ = [
    "Event",
    "FileWriter",
    "FileWriterCache",
    "SessionLog",
    "Summary",
    "SummaryDescription",
    "TaggedRunMetadata",
    "all_v2_summary_ops",
    "audio",
    "get_summary_description",
    "histogram",
    "image",
    "initialize",
    "merge",
    "merge_all",
    "scalar",
    "summary_iterator",
    "tensor_summary",
    "text",
]


class SummaryOp(Composite):
    """What a function of this module returns: fetched, it gives a message as bytes.

    Attributes:
      name: Its name in the graph.
      parts: Pairs of a tensor, and what makes messages of its value.
    """

    dtype = None

    def __init__(self, name: str, parts: Sequence[tuple[Any, _Describe]]) -> None:
        self.name = f"{name}:0"
        self.graph = get_default_graph()
        self.parts = list(parts)

    @property
    def op(self) -> Any:
        """The op of its first tensor."""
        return self.parts[0][0].op

    def fetch_parts(self) -> list[Any]:
        """Returns the tensors."""
        return [tensor for tensor, _ in self.parts]

    def from_parts(self, values: list[Any]) -> bytes:
        """Returns the message of their values."""
        fields: list[bytes] = []
        for (_, describe), value in zip(self.parts, values, strict=True):
            for message in describe(value):
                fields += (b"\x0a", put_varint(len(message)), message)
        return b"".join(fields)

    def eval(self, feed_dict: Any = None, session: Any = None) -> bytes:
        """Runs what it needs in the default session, and returns the message."""
        session = session or require_session()
        result: bytes = session.run(self, feed_dict)
        return result

    def __repr__(self) -> str:
        return f"<Summary {self.name!r} of {len(self.parts)} tensors>"


def _tag(tag: str, field: bytes) -> bytes:
    """Returns a `Summary.Value` message of a tag and one more field."""
    text = tag.encode()
    return b"".join((b"\x0a", put_varint(len(text)), text, field))


def _clean_tag(name: str) -> str:
    """Returns a name as TensorFlow writes it into tags."""
    allowed = "-./_"
    return "".join(c if c.isalnum() or c in allowed else "_" for c in name).lstrip("/")


def _make(
    name: str,
    tensor: Any,
    describe: Callable[[str, Any], list[bytes]],
    collections: Any,
    family: str | None = None,
    *,
    tag: str | None = None,
) -> Any:
    if building_graph() is None:
        # As TensorFlow 2's compat.v1: without a graph nobody could fetch it.
        return b""
    name = _clean_tag(name)
    if family is not None:
        name = f"{_clean_tag(family)}/{name}"
    with name_scope(name) as scope:
        tensor = convert_to_tensor(tensor)
    full = tag or scope.rstrip("/")
    if family is not None:
        full = f"{_clean_tag(family)}/{full}"
    made = SummaryOp(full, [(tensor, lambda value: describe(full, value))])
    keys = [GraphKeys.SUMMARIES] if collections is None else collections
    for key in keys:
        made.graph.add_to_collection(key, made)
    return made


def scalar(
    name: str, tensor: Any, collections: Any = None, family: str | None = None
) -> Tensor:
    """Makes a summary of one number.

    Args:
      name: Its tag in TensorBoard, below the name scope.
      tensor: A scalar of any real dtype.
      collections: Where it is added to; by default `GraphKeys.SUMMARIES`.
      family: A group, which comes before the tag.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     loss = tf.compat.v1.summary.scalar("loss", tf.constant(2.5))
    ...     tf.compat.v1.Summary.FromString(session.run(loss)).value[0].simple_value
    2.5

    Source: `tf.compat.v1.summary.scalar`.
    """

    def describe(tag: str, value: Any) -> list[bytes]:
        if np.size(value) != 1:
            raise fail(
                ValueError,
                f"The summary {tag!r} is of one number",
                got=f"a value of shape {np.shape(value)}",
                expected="a scalar",
                remedy="tf.reduce_mean, or summary.histogram",
            )
        number = float(value if np.ndim(value) == 0 else np.ravel(value)[0])
        return [_tag(tag, b"\x15" + struct.pack("<f", number))]

    return _make(name, tensor, describe, collections, family)


def histogram(
    name: str, values: Any, collections: Any = None, family: str | None = None
) -> Tensor:
    """Makes a summary of the distribution of a tensor's elements.

    Args:
      name: Its tag.
      values: A tensor of any shape and real dtype.
      collections: Where it is added to.
      family: A group.

    Source: `tf.compat.v1.summary.histogram`.
    """

    def describe(tag: str, value: Any) -> list[bytes]:
        message = histogram_bytes(value)
        field = b"\x2a" + put_varint(len(message)) + message
        return [_tag(tag, field)]

    return _make(name, values, describe, collections, family)


def image(
    name: str,
    tensor: Any,
    max_outputs: int = 3,
    collections: Any = None,
    family: str | None = None,
) -> Tensor:
    """Makes a summary of images, which are kept as PNG.

    Args:
      name: Its tag; images get `/image/0` and so on behind it.
      tensor: uint8 or float of shape (batch, height, width, channels), 1, 3 or 4 of
        them. Floats are scaled to 0 to 255 each image.
      max_outputs: The most images of a batch.
      collections: Where it is added to.
      family: A group.

    Source: `tf.compat.v1.summary.image`.
    """

    def describe(tag: str, value: Any) -> list[bytes]:
        pictures = np.asarray(value)[:max_outputs]
        made = []
        for index, picture in enumerate(pictures):
            ending = "image" if max_outputs == 1 else f"image/{index}"
            height, width, channels = picture.shape
            message = m.Image(
                height=height,
                width=width,
                colorspace=channels,
                encoded_image_string=encode_png(bytes_of_image(picture)),
            )
            named = m.SummaryValue(tag=f"{tag}/{ending}", image=message)
            made.append(named.SerializeToString())
        return made

    return _make(name, tensor, describe, collections, family)


def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """Makes a summary of text.

    Args:
      name: Its tag.
      tensor: A string; tensors hold numbers here, and are written as such.
      collections: Where it is added to.

    Source: `tf.compat.v1.summary.text`.
    """
    words = tensor if isinstance(tensor, (str, bytes)) else None

    def describe(tag: str, value: Any) -> list[bytes]:
        shown = np.asarray(value).astype(str) if words is None else words
        message = m.SummaryValue(
            tag=tag, tensor=make_tensor_proto(shown), metadata=_metadata("text")
        )
        return [message.SerializeToString()]

    given = tensor if words is None else 0.0
    return _make(name, given, describe, collections)


def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: Any = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """Makes a summary that holds a tensor as it is.

    Source: `tf.compat.v1.summary.tensor_summary`.
    """

    def describe(tag: str, value: Any) -> list[bytes]:
        metadata = summary_metadata or m.SummaryMetadata()
        tensor = make_tensor_proto(value)
        message = m.SummaryValue(tag=tag, tensor=tensor, metadata=metadata)
        return [message.SerializeToString()]

    return _make(name, tensor, describe, collections, family)


def audio(name: str, tensor: Any, sample_rate: Any, *_: Any, **__: Any) -> Tensor:
    """Raises NotImplementedError: sound is not written."""
    raise NotImplementedError("tf.summary.audio: graphopt writes no sound.")


def _metadata(plugin: str) -> Any:
    data = m.PluginData(plugin_name=plugin)
    return m.SummaryMetadata(plugin_data=data, data_class=2)


def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Any:
    """Returns one summary with the values of several.

    Args:
      inputs: Summaries.
      collections: Where it is added to; by default nowhere.
      name: Its name.

    Raises:
      ValueError: In it is something else.

    Source: `tf.compat.v1.summary.merge`.
    """
    if building_graph() is None:
        raise RuntimeError("Merging tf.summary.* ops needs a graph; nothing is merged.")
    inputs = list(inputs)
    for each in inputs:
        if not isinstance(each, SummaryOp):
            raise fail(
                ValueError,
                "tf.summary.merge takes summaries",
                got=f"{each!r:.80}",
                expected="what tf.summary.scalar and the like return",
                site=str(user_site()),
            )
    parts = [part for each in inputs for part in each.parts]
    made = SummaryOp(name or "Merge/MergeSummary", parts)
    for key in collections or ():
        made.graph.add_to_collection(key, made)
    return made


def merge_all(
    key: str = GraphKeys.SUMMARIES, scope: Any = None, name: Any = None
) -> Any:
    """Returns one summary with the values of all of a collection, None if there are none.

    Source: `tf.compat.v1.summary.merge_all`.
    """
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


def initialize(graph: Any = None, session: Any = None) -> None:
    """Does nothing; writers of version 2 begin by themselves."""


def all_v2_summary_ops() -> list[Any]:
    """Returns the summaries of version 2 in the graph."""
    return []


def get_summary_description(node_def: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("tf.summary.get_summary_description: not in graphopt.")


class FileWriter:
    """Writes summaries into an event file, which TensorBoard reads.

    Args:
      logdir: The folder.
      graph: A graph to write at once.
      max_queue: Accepted; events go to the file's buffer at once.
      flush_secs: After how many seconds that is handed to the operating system.
      graph_def: Accepted; give `graph`.
      filename_suffix: The end of the file's name.
      session: Accepted; summaries are values.

    >>> import tempfile, graphopt as tf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with tf.compat.v1.summary.FileWriter(folder) as writer:
    ...         value = tf.compat.v1.Summary.Value(tag="loss", simple_value=0.5)
    ...         writer.add_summary(tf.compat.v1.Summary(value=[value]), global_step=3)
    ...     events = list(tf.compat.v1.train.summary_iterator(writer.path))
    >>> [(event.step, each.tag) for event in events for each in event.summary.value]
    [(3, 'loss')]

    Source: `tf.compat.v1.summary.FileWriter`.
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        self._start(logdir, filename_suffix, flush_secs)
        if graph is not None:
            self.add_graph(graph)

    def _start(self, logdir: Any, suffix: str | None, flush_secs: float) -> None:
        # Of several ranks one writes.
        kind = EventFile if is_writer() else NoEventFile
        self._events = kind(os.fspath(logdir), suffix or "", flush_secs)
        self._described: set[str] = set()

    @property
    def path(self) -> str:
        """The event file."""
        return str(self._events.path)

    def get_logdir(self) -> str:
        """Returns the folder."""
        return str(self._events.folder)

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Adds a summary: bytes as a run returns them, or a message.

        Raises:
          TypeError: It is neither.
        """
        step = None if global_step is None else int(global_step)
        if isinstance(summary, (bytes, np.bytes_)):
            # A tag's metadata may come again: TensorBoard keeps the first.
            self._events.add_summary(bytes(summary), step)
            return
        if not isinstance(summary, m.Summary):
            raise fail(
                TypeError,
                "add_summary takes what a run returned for a summary",
                got=f"{summary!r:.80}",
                expected="bytes or a tf.Summary",
                site=str(user_site()),
                remedy="session.run(summary) first",
            )
        for value in summary.value:
            # Once a tag is enough, and TensorBoard keeps the first.
            if value.has("metadata"):
                if value.tag in self._described:
                    value.metadata = m.SummaryMetadata()
                self._described.add(value.tag)
        self._add(m.Event(summary=summary), global_step)

    def add_event(self, event: Any) -> None:
        """Adds an event."""
        self._events.add(event)

    def add_graph(
        self, graph: Any, global_step: Any = None, graph_def: Any = None
    ) -> None:
        """Adds a graph, which TensorBoard draws.

        Raises:
          TypeError: It is none.
        """
        from graphopt.exchange.graph_message import graph_message
        from graphopt.graph.graph import Graph

        if not isinstance(graph, Graph):
            raise TypeError(f"add_graph takes a tf.Graph, got {graph!r:.80}.")
        self._add(
            m.Event(graph_def=graph_message(graph).SerializeToString()), global_step
        )

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Raises NotImplementedError."""
        raise NotImplementedError("FileWriter.add_meta_graph: use add_graph.")

    def add_run_metadata(
        self, run_metadata: Any, tag: str, global_step: Any = None
    ) -> None:
        """Raises NotImplementedError: `graphopt profile` shows the times of a run."""
        raise NotImplementedError(
            "FileWriter.add_run_metadata: see `graphopt profile` or session.profile."
        )

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Adds a note on the session.

        `SessionLog.START` makes TensorBoard drop what came before its step.
        """
        self._add(m.Event(session_log=session_log), global_step)

    def _add(self, event: Any, step: Any) -> None:
        if step is not None:
            event.step = int(step)
        self._events.add(event)

    def flush(self) -> None:
        """Hands what was added to the operating system."""
        self._events.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._events.close()

    def reopen(self) -> None:
        """Begins another file after `close`."""
        self._events.open()

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class FileWriterCache:
    """One writer for each folder.

    Source: `tf.compat.v1.summary.FileWriterCache`.
    """

    _writers: dict[str, FileWriter] = {}

    @classmethod
    def get(cls, logdir: Any) -> FileWriter:
        """Returns the writer of a folder."""
        folder = os.fspath(logdir)
        if folder not in cls._writers:
            cls._writers[folder] = FileWriter(folder, graph=get_default_graph())
        return cls._writers[folder]

    @classmethod
    def clear(cls) -> None:
        """Closes all writers."""
        for writer in cls._writers.values():
            writer.close()
        cls._writers.clear()
