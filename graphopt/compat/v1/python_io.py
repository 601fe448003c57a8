"""`tf.python_io`: files of records by the names of version 1."""

from graphopt.files.records import RecordWriter as TFRecordWriter
from graphopt.io.records import TFRecordCompressionType as TFRecordCompressionType
from graphopt.io.records import TFRecordOptions as TFRecordOptions
from graphopt.io.records import tf_record_iterator as tf_record_iterator

__all__ = [
    "TFRecordCompressionType",
    "TFRecordOptions",
    "TFRecordWriter",
    "tf_record_iterator",
]
