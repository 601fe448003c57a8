"""The messages of TensorFlow that are read and written, by their numbers in its .proto files.

Source: tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,summary}.proto,
tensorflow/core/util/event.proto, tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt.files.wire import Message, compile_schema

if TYPE_CHECKING:
    # What type checkers and editors know of those that programs name; their fields are
    # in the table below.

    class AttrValue(Message):
        """An attribute of a node."""

        def __getattr__(self, name: str) -> Any: ...

    class BytesList(Message):
        """A list of bytes."""

        def __getattr__(self, name: str) -> Any: ...

    class Event(Message):
        """An entry of a file of events."""

        def __getattr__(self, name: str) -> Any: ...

    class Example(Message):
        """Features by name."""

        def __getattr__(self, name: str) -> Any: ...

    class Feature(Message):
        """A list of bytes, floats or integers."""

        def __getattr__(self, name: str) -> Any: ...

    class FeatureList(Message):
        """Features in a row."""

        def __getattr__(self, name: str) -> Any: ...

    class FeatureLists(Message):
        """Lists of features by name."""

        def __getattr__(self, name: str) -> Any: ...

    class Features(Message):
        """Features by name."""

        def __getattr__(self, name: str) -> Any: ...

    class FloatList(Message):
        """A list of floats."""

        def __getattr__(self, name: str) -> Any: ...

    class GraphDef(Message):
        """A graph as nodes."""

        def __getattr__(self, name: str) -> Any: ...

    class Histogram(Message):
        """Counts of numbers by ranges."""

        def __getattr__(self, name: str) -> Any: ...

    class Int64List(Message):
        """A list of integers."""

        def __getattr__(self, name: str) -> Any: ...

    class NodeDef(Message):
        """A node of a graph."""

        def __getattr__(self, name: str) -> Any: ...

    class SequenceExample(Message):
        """An example whose features are lists."""

        def __getattr__(self, name: str) -> Any: ...

    class SessionLog(Message):
        """What a session did."""

        def __getattr__(self, name: str) -> Any: ...

    class Summary(Message):
        """Values of tensors by tags."""

        def __getattr__(self, name: str) -> Any: ...

        Value: Any
        Image: Any
        FromString: Any

    class SummaryMetadata(Message):
        """What shows a summary."""

        def __getattr__(self, name: str) -> Any: ...


_SCHEMA = """
Dim: 1 int64 size, 2 string name
TensorShape: 2* Dim dim, 3 bool unknown_rank
Version: 1 int32 producer, 2 int32 min_consumer, 3* int32 bad_consumers
ResourceHandle: 1 string device, 2 string container, 3 string name
Tensor: 1 enum dtype, 2 TensorShape tensor_shape, 3 int32 version_number, 4 bytes tensor_content, 5* float float_val, 6* double double_val, 7* int32 int_val, 8* bytes string_val, 9* float scomplex_val, 10* int64 int64_val, 11* bool bool_val, 12* double dcomplex_val, 13* int32 half_val, 16* uint32 uint32_val, 17* uint64 uint64_val
NameAttrList: 1 string name, 2 map<AttrValue> attr
ListValue: 2* bytes s, 3* int64 i, 4* float f, 5* bool b, 6* enum type, 7* TensorShape shape, 8* Tensor tensor, 9* NameAttrList func
AttrValue: 1 ListValue list, 2 bytes s, 3 int64 i, 4 float f, 5 bool b, 6 enum type, 7 TensorShape shape, 8 Tensor tensor, 9 string placeholder, 10 NameAttrList func
NodeDef: 1 string name, 2 string op, 3* string input, 4 string device, 5 map<AttrValue> attr
ArgDef: 1 string name, 2 string description, 3 enum type, 4 string type_attr, 5 string number_attr, 6 string type_list_attr, 16 bool is_ref
AttrDef: 1 string name, 2 string type, 3 AttrValue default_value
OpDef: 1 string name, 2* ArgDef input_arg, 3* ArgDef output_arg, 4* AttrDef attr, 17 bool is_stateful, 20* string control_output
FunctionDef: 1 OpDef signature, 3* NodeDef node_def, 4 map<string> ret, 5 map<AttrValue> attr, 6 map<string> control_ret
FunctionDefLibrary: 1* FunctionDef function
GraphDef: 1* NodeDef node, 2 FunctionDefLibrary library, 3 int32 version, 4 Version versions
BytesList: 1* bytes value
Int64List: 1* int64 value
FloatList: 1* float value
PluginData: 1 string plugin_name, 2 bytes content
SummaryMetadata: 1 PluginData plugin_data, 2 string display_name, 3 string summary_description, 4 enum data_class
Histogram: 1 double min, 2 double max, 3 double num, 4 double sum, 5 double sum_squares, 6* double bucket_limit, 7* double bucket
Image: 1 int32 height, 2 int32 width, 3 int32 colorspace, 4 bytes encoded_image_string
SummaryValue: 1 string tag, 2 float simple_value, 4 Image image, 5 Histogram histo, 7 string node_name, 8 Tensor tensor, 9 SummaryMetadata metadata
Summary: 1* SummaryValue value
SessionLog: 1 enum status, 2 string checkpoint_path, 3 string msg
TaggedRunMetadata: 1 string tag, 2 bytes run_metadata
SourceMetadata: 1 string writer
Event: 1 double wall_time, 2 int64 step, 3 string file_version, 4 bytes graph_def, 5 Summary summary, 7 SessionLog session_log, 8 TaggedRunMetadata tagged_run_metadata, 9 bytes meta_graph_def, 10 SourceMetadata source_metadata
Feature: 1 BytesList bytes_list, 2 FloatList float_list, 3 Int64List int64_list
Features: 1 map<Feature> feature
Example: 1 Features features
FeatureList: 1* Feature feature
FeatureLists: 1 map<FeatureList> feature_list
SequenceExample: 1 Features context, 2 FeatureLists feature_lists
"""
_CLASSES = compile_schema(_SCHEMA)


# Those of examples, which programs find in `tf.train`.
EXAMPLES = (
    "BytesList",
    "Example",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "SequenceExample",
)


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _CLASSES[name]
    raise AttributeError(f"there is no message {name!r}")


# Fields of a oneof are written also where they have their default.
_CLASSES["AttrValue"].ONEOF = frozenset(_CLASSES["AttrValue"].FIELDS)
_CLASSES["SummaryValue"].ONEOF = frozenset({"simple_value"})
_CLASSES["Feature"].ONEOF = frozenset(_CLASSES["Feature"].FIELDS)
# As programs name them: `tf.Summary.Value(tag=..., simple_value=...)`.
_CLASSES["Summary"].Value = _CLASSES["SummaryValue"]
_CLASSES["Summary"].Image = _CLASSES["Image"]
