"""`tf.strings`: ops on strings.

Strings are arrays of `bytes` that Python keeps; no kernel sees them. A step that works on
some is cut there into native parts, with Python in between, and `session.plan` shows where.
"""

from graphopt.ops.strings import as_string as as_string
from graphopt.ops.strings import join as join
from graphopt.ops.strings import lower as lower
from graphopt.ops.strings import reduce_join as reduce_join
from graphopt.ops.strings import regex_full_match as regex_full_match
from graphopt.ops.strings import regex_replace as regex_replace
from graphopt.ops.strings import string_length as _string_length
from graphopt.ops.strings import strip as strip
from graphopt.ops.strings import substr as substr
from graphopt.ops.strings import to_hash_bucket as to_hash_bucket
from graphopt.ops.strings import to_hash_bucket_fast as to_hash_bucket_fast
from graphopt.ops.strings import to_hash_bucket_strong as to_hash_bucket_strong
from graphopt.ops.strings import to_number as to_number
from graphopt.ops.strings import unsorted_segment_join as unsorted_segment_join
from graphopt.ops.strings import upper as upper
from graphopt.strings.parts import bytes_split as bytes_split
from graphopt.strings.parts import format as format
from graphopt.strings.parts import ngrams as ngrams
from graphopt.strings.parts import split as split
from graphopt.strings.parts import unicode_decode as unicode_decode
from graphopt.strings.parts import (
    unicode_decode_with_offsets as unicode_decode_with_offsets,
)
from graphopt.strings.parts import unicode_encode as unicode_encode
from graphopt.strings.parts import unicode_split as unicode_split
from graphopt.strings.parts import (
    unicode_split_with_offsets as unicode_split_with_offsets,
)
from graphopt.strings.parts import unicode_transcode as unicode_transcode

# An import by another name is private to type checkers.
length = _string_length

__all__ = [
    "as_string",
    "bytes_split",
    "format",
    "join",
    "length",
    "lower",
    "ngrams",
    "reduce_join",
    "regex_full_match",
    "regex_replace",
    "split",
    "strip",
    "substr",
    "to_hash_bucket",
    "to_hash_bucket_fast",
    "to_hash_bucket_strong",
    "to_number",
    "unicode_decode",
    "unicode_decode_with_offsets",
    "unicode_encode",
    "unicode_split",
    "unicode_split_with_offsets",
    "unicode_transcode",
    "unsorted_segment_join",
    "upper",
]
