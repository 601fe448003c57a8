"""Records what TensorFlow's string ops give for expressions.

Run with a Python that has TensorFlow: python tests/golden/record_strings.py
"""

import json
from pathlib import Path

EXPRESSIONS = [
    # length, parts, case
    'tf.strings.length(["a", "", "ä€"])',
    'tf.strings.length(["a", "", "ä€"], unit="UTF8_CHAR")',
    'tf.strings.substr("Hello", -3, 2)',
    'tf.strings.substr(["Hello", "World"], [1, 2], [3, 9])',
    'tf.strings.substr([["ten", "eleven"]], 1, 2)',
    'tf.strings.substr("größe", 2, 2, unit="UTF8_CHAR")',
    'tf.strings.lower(["AbC", "ÄÖ"])',
    'tf.strings.lower(["AbC", "ÄÖ"], encoding="utf-8")',
    'tf.strings.upper("straße", encoding="utf-8")',
    'tf.strings.strip(["  a b\\n", "\\tc"])',
    # joining
    'tf.strings.join([["a", "b"], ["c", "d"]], separator="/")',
    'tf.strings.join(["x", ["a", "b"], "z"])',
    'tf.strings.reduce_join([["a", "b"], ["c", "d"]])',
    'tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=0, separator="+")',
    'tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=[1, 0], keepdims=True)',
    'tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=[0, 1])',
    'tf.strings.unsorted_segment_join(["a", "b", "c"], [1, 0, 1], 2, separator=":")',
    'tf.strings.format("x: {} y: {}", (tf.constant([1.5, 2.0]), tf.constant(3)))',
    'tf.strings.format("{}", tf.range(20))',
    'tf.strings.format("s: {}", tf.constant(["a", "b"]))',
    # numbers
    'tf.strings.to_number(["1.5", " -3e2 ", "7"])',
    'tf.strings.to_number(["12", "-7"], tf.int64)',
    "tf.strings.as_string([3, -25])",
    "tf.strings.as_string([3.14159, 1e20, -0.5])",
    "tf.strings.as_string([3.14159, 1e-7], precision=2)",
    "tf.strings.as_string([3.14159, 1e-7], scientific=True)",
    "tf.strings.as_string([3.5, 1e-7], shortest=True)",
    "tf.strings.as_string([42, 7], width=5)",
    'tf.strings.as_string([42, 7], width=5, fill="0")',
    'tf.strings.as_string([42, 7], width=5, fill="-")',
    "tf.strings.as_string([True, False])",
    "tf.strings.as_string(tf.constant([1 + 2j]))",
    # patterns
    'tf.strings.regex_replace(["abcab", "b"], "b", "[\\\\0]")',
    'tf.strings.regex_replace(["abcab", "b"], "(a)(b)", "\\\\2\\\\1", replace_global=False)',
    'tf.strings.regex_replace("Hello, World!", "[^a-zA-Z ]", "")',
    'tf.strings.regex_full_match(["lib.py", "lib.c", "x.py.txt"], ".*[.]py")',
    # parts
    'tf.strings.split("a  b c")',
    'tf.strings.split(["a,b,,c", "", ","], ",")',
    'tf.strings.split(["a b c d", "e f"], maxsplit=1)',
    'tf.strings.split([["a b", "c"], ["d e f", ""]])',
    'tf.strings.split([["a b", "c"], ["d e f", ""]]).to_tensor("-")',
    'tf.strings.bytes_split(["hey", "ä"])',
    'tf.strings.bytes_split("ab")',
    'tf.compat.v1.string_split(["a b", "c  d"]).values',
    'tf.compat.v1.string_split(["a b", "c  d"], skip_empty=False).values',
    'tf.compat.v1.string_split(["a-b c", "d"], delimiter=" -").indices',
    'tf.compat.v1.string_split(["a-b c", "d"], "").dense_shape',
    'tf.compat.v1.strings.split(["a b", "c"]).values',
    'tf.strings.ngrams(["a", "b", "c", "d"], 2)',
    'tf.strings.ngrams([["a", "b", "c"]], [1, 2], separator="|")',
    'tf.strings.ngrams(["a", "b"], 3, pad_values=("L", "R"))',
    'tf.strings.ngrams(["a", "b", "c"], 3, pad_values="P", padding_width=1)',
    'tf.strings.ngrams(["a", "b"], 3, preserve_short_sequences=True)',
    'tf.strings.ngrams(tf.ragged.constant([["a", "b", "c"], ["d"]]), 2)',
    # characters
    'tf.strings.unicode_decode(["Göödnight", "😊", ""], "UTF-8")',
    'tf.strings.unicode_decode("Gö", "UTF-8")',
    'tf.strings.unicode_decode_with_offsets("G\\u00f6\\u20acd", "UTF-8")[1]',
    'tf.strings.unicode_split(["Gö", "a"], "UTF-8")',
    'tf.strings.unicode_encode(tf.ragged.constant([[71, 246], [8364]]), "UTF-8")',
    'tf.strings.unicode_encode([72, 101, 121], "UTF-8")',
    'tf.strings.unicode_encode([[72, 101], [121, 33]], "UTF-16-BE")',
    'tf.strings.unicode_transcode(["Hé", "b"], "UTF-8", "UTF-16-BE")',
    'tf.strings.unicode_decode([b"a\\xffb"], "UTF-8")',
    'tf.strings.unicode_decode([b"a\\xffb"], "UTF-8", errors="ignore")',
    'tf.strings.unicode_decode([b"a\\x00b"], "UTF-8", replace_control_characters=True)',
    # buckets: words of every length that the hashes treat in its own way
    'tf.strings.to_hash_bucket_fast([("ab" * 200)[:n] for n in range(0, 200, 3)], 1 << 62)',
    'tf.strings.to_hash_bucket([("ab" * 200)[:n] for n in range(0, 60, 3)], 1 << 62)',
    'tf.strings.to_hash_bucket_strong(["", "Hello", "x" * 33], 1 << 62, [7, 9])',
    # ops that move what they get
    'tf.concat([["a"], tf.constant(["b", "c"])], 0)',
    'tf.gather(["a", "b", "c"], [2, 0])',
    'tf.reshape(["a", "b", "c", "d"], [2, 2])[1]',
    'tf.transpose([["a", "b"], ["c", "d"]])',
    'tf.equal(["a", "b"], "a")',
    'tf.constant("a") + tf.constant(["b", "c"])',
    'tf.where([True, False], ["a", "b"], "z")',
    'tf.unique(["b", "a", "b"])[0]',
    'tf.unique(["b", "a", "b"])[1]',
    'tf.stack(["a", "b"])',
    'tf.tile([["a", "b"]], [2, 1])',
    'tf.boolean_mask(["a", "b", "c"], [True, False, True])',
    'tf.zeros_like(tf.constant(["a"]))',
    'tf.fill([2], "x")',
    'tf.shape(tf.constant([["a"], ["b"]]))',
    'tf.expand_dims(["a"], 0)',
    'tf.reverse(["a", "b"], [0])',
    'tf.constant("é")',
    'tf.constant(b"a\\x00")',
    # files and records of bytes
    'tf.io.decode_raw(tf.constant([b"\\x01\\x02", b"\\x03\\x04"]), tf.uint8)',
    'tf.io.decode_raw(b"\\x00\\x01", tf.int16, little_endian=False)',
    'tf.io.decode_raw([b"\\x01\\x02", b"\\x03"], tf.uint8, fixed_length=4)',
    'tf.io.decode_csv(["1,2.5,a", "3,,b"], [[0], [1.5], ["z"]])',
    "tf.io.decode_csv(\"5,'x'\", [[0], ['y']], use_quote_delim=True)",
    'tf.io.decode_csv(["1 \\"a b\\"", "2 c"], [[0], [""]], field_delim=" ")',
    'tf.io.decode_csv(["1,2,3"], [[0], [0]], select_cols=[0, 2])',
    'tf.io.encode_base64(["hello", "ab?>"])',
    'tf.io.encode_base64("hello", pad=True)',
    'tf.io.decode_base64(["aGVsbG8", "YWI_Pg"])',
    "tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant([[1, 2]])), tf.int32)",
    'tf.io.serialize_tensor(tf.constant(["a", "bc"]))',
]


def plain(value):
    """What JSON holds of a result."""
    if hasattr(value, "to_list"):
        return plain(value.to_list())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "numpy"):
        return plain(value.numpy())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


if __name__ == "__main__":
    found = {text: plain(eval(text)) for text in EXPRESSIONS}
    target = Path(__file__).with_name("strings.json")
    target.write_text(json.dumps(found, indent=0, ensure_ascii=True) + "\n")
