"""`projector`: which variables TensorBoard shows as points in space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphopt.files.wire import compile_schema

# tensorboard/plugins/projector/projector_config.proto
_CLASSES = compile_schema(
    """
SpriteMetadata: 1 string image_path, 2* int32 single_image_dim
EmbeddingInfo: 1 string tensor_name, 2 string metadata_path, 3 string bookmarks_path, 4* int32 tensor_shape, 5 SpriteMetadata sprite, 6 string tensor_path
ProjectorConfig: 1 string model_checkpoint_path, 2* EmbeddingInfo embeddings, 3 string model_checkpoint_dir
"""
)
SpriteMetadata = _CLASSES["SpriteMetadata"]
EmbeddingInfo = _CLASSES["EmbeddingInfo"]
ProjectorConfig = _CLASSES["ProjectorConfig"]


def visualize_embeddings(summary_writer: Any, config: Any) -> None:
    """Writes the configuration beside the summaries of a writer.

    Args:
      summary_writer: A `FileWriter`, or a folder.
      config: A `ProjectorConfig`.

    Source: `tf.contrib.tensorboard.plugins.projector.visualize_embeddings`.
    """
    folder = getattr(summary_writer, "get_logdir", lambda: summary_writer)()
    if folder is None:
        raise ValueError("Summary writer must have a logdir")
    path = Path(folder) / "projector_config.pbtxt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(_lines(config, "")))


def _lines(message: Any, indent: str) -> Any:
    """Yields a message in the text form of protocol buffers."""
    for number in sorted(message.SPEC):
        name, kind, repeated, _ = message.SPEC[number]
        if name not in message.__dict__ or not (repeated or message.has(name)):
            continue
        value = getattr(message, name)
        for each in value if repeated else [value]:
            if kind == "message":
                yield f"{indent}{name} {{\n"
                yield from _lines(each, indent + "  ")
                yield f"{indent}}}\n"
            elif kind == "string":
                text = each.replace("\\", "\\\\").replace('"', '\\"')
                yield f'{indent}{name}: "{text}"\n'
            else:
                yield f"{indent}{name}: {each}\n"
