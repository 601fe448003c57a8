"""`tf.python_io`: files of records by the names of version 1."""

from graphopt.files.records import RecordWriter as _RecordWriter
from graphopt.io.records import TFRecordCompressionType as TFRecordCompressionType
from graphopt.io.records import TFRecordOptions as TFRecordOptions
from graphopt.io.records import tf_record_iterator as tf_record_iterator

# An import by another name is private to type checkers.
TFRecordWriter = _RecordWriter

__all__ = [
    "TFRecordCompressionType",
    "TFRecordOptions",
    "TFRecordWriter",
    "tf_record_iterator",
]
