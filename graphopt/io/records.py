"""Files of records, and graphs as files, by TensorFlow's names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphopt.files.records import read_records


class TFRecordCompressionType:
    """How records are compressed; numbers of version 1."""

    NONE, ZLIB, GZIP = 0, 1, 2


class TFRecordOptions:
    """How a file of records is written.

    Args:
      compression_type: `"GZIP"`, `"ZLIB"`, `""`, or a number of version 1.
      **options: Accepted for compatibility, as `compression_level`.

    Source: `tf.io.TFRecordOptions`.
    """

    def __init__(self, compression_type: Any = None, **options: Any) -> None:
        if isinstance(compression_type, TFRecordOptions):
            compression_type = compression_type.compression_type
        if isinstance(compression_type, int):
            compression_type = ("", "ZLIB", "GZIP")[compression_type]
        self.compression_type: str = compression_type or ""

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """Returns how something is compressed."""
        return cls(options).compression_type


def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """Yields the records of a file.

    Source: `tf.compat.v1.io.tf_record_iterator`.
    """
    kind = None if options is None else TFRecordOptions(options).compression_type
    return read_records(os.fspath(path), kind)


def write_graph(
    graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True
) -> str:
    """Writes a graph into a file, as `graphopt export` does or as a message.

    Args:
      graph_or_graph_def: A `tf.Graph`, or a GraphDef message (`as_text=False`).
      logdir: The folder.
      name: The name of the file.
      as_text: Whether to write the text form, which `graphopt show` reads.

    Returns:
      The path.

    Source: `tf.io.write_graph`.
    """
    from graphopt.checkpoint.files import write_file
    from graphopt.exchange.graph_def import format_graph_def
    from graphopt.exchange.graph_message import graph_message
    from graphopt.graph.graph import Graph

    is_graph = isinstance(graph_or_graph_def, Graph)
    if as_text and not is_graph:
        raise NotImplementedError(
            "write_graph of a GraphDef as text: give the tf.Graph."
        )
    if as_text:
        data = format_graph_def(graph_or_graph_def).encode()
    else:
        message = graph_message(graph_or_graph_def) if is_graph else graph_or_graph_def
        data = message.SerializeToString()
    path = str(Path(os.fspath(logdir)) / name)
    write_file(path, data)
    return path
