"""`slim.nets.resnet_v2`: residual networks, normalized before convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.elementwise import relu
from graphopt.ops.reduction import reduce_mean
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope, arg_scope
from graphopt.v1.contrib.layers.convolutional import conv2d
from graphopt.v1.contrib.layers.normalization import batch_norm
from graphopt.v1.contrib.layers.simple import max_pool2d, softmax
from graphopt.v1.contrib.layers.utils import (
    collect_named_outputs,
    convert_collection_to_dict,
)
from graphopt.v1.contrib.slim.nets import resnet_utils
from graphopt.v1.contrib.slim.nets.resnet_utils import resnet_arg_scope

__all__ = [
    "bottleneck",
    "resnet_arg_scope",
    "resnet_v2",
    "resnet_v2_50",
    "resnet_v2_101",
    "resnet_v2_152",
    "resnet_v2_200",
    "resnet_v2_block",
]
_PLAIN: dict[str, Any] = {"activation_fn": None, "normalizer_fn": None}


@add_arg_scope
def bottleneck(
    inputs: Any,
    depth: int,
    depth_bottleneck: int,
    stride: int,
    rate: int = 1,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """Builds a unit: three convolutions, normalized before.

    Args:
      inputs: `[batch, height, width, channels]`.
      depth: The channels of the result.
      depth_bottleneck: The channels inside.
      stride: Of the unit.
      rate: The gaps of its middle convolution.
      outputs_collections: Names of collections for the result.
      scope: Name of the scope.

    Source: `tf.contrib.slim.nets.resnet_v2.bottleneck`.
    """
    with variable_scope(scope, "bottleneck_v2") as own:
        before = batch_norm(inputs, activation_fn=relu, scope="preact")
        if depth == inputs.shape[3]:
            shortcut = resnet_utils.subsample(inputs, stride, "shortcut")
        else:
            shortcut = conv2d(
                before, depth, [1, 1], stride=stride, scope="shortcut", **_PLAIN
            )
        inner = conv2d(before, depth_bottleneck, [1, 1], scope="conv1")
        inner = resnet_utils.conv2d_same(
            inner, depth_bottleneck, 3, stride, rate, "conv2"
        )
        output = shortcut + conv2d(inner, depth, [1, 1], scope="conv3", **_PLAIN)
        return collect_named_outputs(outputs_collections, own.name, output)


def resnet_v2(
    inputs: Any,
    blocks: Sequence[resnet_utils.Block],
    num_classes: int | None = None,
    is_training: Any = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    include_root_block: bool = True,
    reuse: Any = None,
    scope: str | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Builds a residual network of blocks.

    Args:
      inputs: `[batch, height, width, channels]`.
      blocks: The blocks.
      num_classes: How many classes there are; None for no logits.
      is_training: Whether batches are normalized by their own moments.
      global_pool: Whether pixels are averaged.
      output_stride: How much smaller the result is at most.
      include_root_block: Whether there is a convolution and a pooling before.
      reuse: Whether the variables exist.
      scope: Name of the scope.

    Returns:
      The result, and the outputs of all blocks by name.

    Raises:
      ValueError: `output_stride` is no multiple of 4, or cannot be reached.

    Source: `tf.contrib.slim.nets.resnet_v2.resnet_v2`; He et al., 2016.
    """
    with variable_scope(scope, "resnet_v2", reuse=reuse) as own:
        collection = own.original_name_scope + "_end_points"
        layers = [conv2d, bottleneck, resnet_utils.stack_blocks_dense]
        with (
            arg_scope(layers, outputs_collections=collection),
            arg_scope([batch_norm], is_training=is_training),
        ):
            net = inputs
            if include_root_block:
                if output_stride is not None:
                    if output_stride % 4:
                        raise ValueError(
                            "The output_stride needs to be a multiple of 4; got "
                            f"{output_stride}."
                        )
                    output_stride //= 4
                with arg_scope([conv2d], **_PLAIN):
                    net = resnet_utils.conv2d_same(net, 64, 7, 2, scope="conv1")
                net = max_pool2d(net, [3, 3], stride=2, scope="pool1")
            net = resnet_utils.stack_blocks_dense(net, blocks, output_stride)
            net = batch_norm(net, activation_fn=relu, scope="postnorm")
            if global_pool:
                net = reduce_mean(net, [1, 2], keepdims=True, name="pool5")
            if num_classes is not None:
                net = conv2d(net, num_classes, [1, 1], scope="logits", **_PLAIN)
            end_points = convert_collection_to_dict(collection)
            if num_classes is not None:
                end_points["predictions"] = softmax(net, scope="predictions")
            return net, end_points


def resnet_v2_block(
    scope: str, base_depth: int, num_units: int, stride: int
) -> resnet_utils.Block:
    """Returns a block of units, of which the last has a stride.

    Source: `tf.contrib.slim.nets.resnet_v2.resnet_v2_block`.
    """
    unit = {"depth": base_depth * 4, "depth_bottleneck": base_depth, "stride": 1}
    units = [unit] * (num_units - 1) + [{**unit, "stride": stride}]
    return resnet_utils.Block(scope, bottleneck, units)


def _network(name: str, counts: Sequence[int]) -> Any:
    def network(
        inputs: Any,
        num_classes: int | None = None,
        is_training: Any = True,
        global_pool: bool = True,
        output_stride: int | None = None,
        reuse: Any = None,
        scope: str | None = name,
    ) -> tuple[Any, dict[str, Any]]:
        blocks = [
            resnet_v2_block(f"block{i}", 64 << (i - 1), count, 2 if i < 4 else 1)
            for i, count in enumerate(counts, 1)
        ]
        options = num_classes, is_training, global_pool, output_stride
        return resnet_v2(inputs, blocks, *options, reuse=reuse, scope=scope)

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"""Builds {name}; arguments are those of `resnet_v2`.

    Source: `tf.contrib.slim.nets.resnet_v2.{name}`.
    """
    network.default_image_size = 224  # type: ignore[attr-defined]
    return network


resnet_v2_50 = _network("resnet_v2_50", (3, 4, 6, 3))
resnet_v2_101 = _network("resnet_v2_101", (3, 4, 23, 3))
resnet_v2_152 = _network("resnet_v2_152", (3, 8, 36, 3))
resnet_v2_200 = _network("resnet_v2_200", (3, 24, 36, 3))
