"""`tf.io`: files of records, and of anything else."""

from graphopt.files.records import RecordWriter as TFRecordWriter
from graphopt.files.tensors import make_ndarray as make_ndarray
from graphopt.io import gfile as gfile
from graphopt.io.records import TFRecordCompressionType as TFRecordCompressionType
from graphopt.io.records import TFRecordOptions as TFRecordOptions
from graphopt.io.records import tf_record_iterator as tf_record_iterator
from graphopt.io.records import write_graph as write_graph
