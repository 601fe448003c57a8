"""`tf.io`: files of records, and of anything else."""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.files.records import RecordWriter as _RecordWriter
from graphopt.files.tensors import make_ndarray as make_ndarray
from graphopt.io import gfile as gfile
from graphopt.io.examples import FixedLenFeature as FixedLenFeature
from graphopt.io.examples import FixedLenSequenceFeature as FixedLenSequenceFeature
from graphopt.io.examples import RaggedFeature as RaggedFeature
from graphopt.io.examples import SparseFeature as SparseFeature
from graphopt.io.examples import VarLenFeature as VarLenFeature
from graphopt.io.examples import parse_example as parse_example
from graphopt.io.examples import parse_single_example as parse_single_example
from graphopt.io.examples import (
    parse_single_sequence_example as parse_single_sequence_example,
)
from graphopt.io.records import TFRecordCompressionType as TFRecordCompressionType
from graphopt.io.records import TFRecordOptions as TFRecordOptions
from graphopt.io.records import tf_record_iterator as tf_record_iterator
from graphopt.io.records import write_graph as write_graph
from graphopt.ops.encoded_bytes import decode_base64 as decode_base64
from graphopt.ops.encoded_bytes import decode_compressed as decode_compressed
from graphopt.ops.encoded_bytes import decode_csv as decode_csv
from graphopt.ops.encoded_bytes import decode_raw as decode_raw
from graphopt.ops.encoded_bytes import encode_base64 as encode_base64
from graphopt.ops.encoded_bytes import matching_files as matching_files
from graphopt.ops.encoded_bytes import parse_tensor as parse_tensor
from graphopt.ops.encoded_bytes import read_file as read_file
from graphopt.ops.encoded_bytes import serialize_tensor as serialize_tensor
from graphopt.ops.encoded_bytes import write_file as write_file

if TYPE_CHECKING:
    from graphopt.image.encoded import decode_and_crop_jpeg as decode_and_crop_jpeg
    from graphopt.image.encoded import decode_bmp as decode_bmp
    from graphopt.image.encoded import decode_gif as decode_gif
    from graphopt.image.encoded import decode_image as decode_image
    from graphopt.image.encoded import decode_jpeg as decode_jpeg
    from graphopt.image.encoded import decode_png as decode_png
    from graphopt.image.encoded import encode_jpeg as encode_jpeg
    from graphopt.image.encoded import encode_png as encode_png
    from graphopt.image.encoded import extract_jpeg_shape as extract_jpeg_shape
    from graphopt.image.encoded import is_jpeg as is_jpeg

# An import by another name is private to type checkers.
TFRecordWriter = _RecordWriter

# Those of images are loaded when they are used.
_OF_IMAGES = (
    "decode_and_crop_jpeg",
    "decode_bmp",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "extract_jpeg_shape",
    "is_jpeg",
)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _OF_IMAGES:
            return getattr(importlib.import_module("graphopt.image"), name)
        raise AttributeError(f"module 'graphopt.io' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*(n for n in globals() if not n.startswith("_")), *_OF_IMAGES})
