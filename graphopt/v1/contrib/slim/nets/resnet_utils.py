"""`slim.nets.resnet_utils`: what residual networks are built of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.elementwise import relu
from graphopt.ops.padding import pad
from graphopt.runtime.collections import GraphKeys
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope, arg_scope
from graphopt.v1.contrib.layers.convolutional import conv2d
from graphopt.v1.contrib.layers.initializers import variance_scaling_initializer
from graphopt.v1.contrib.layers.normalization import batch_norm
from graphopt.v1.contrib.layers.regularizers import l2_regularizer
from graphopt.v1.contrib.layers.simple import max_pool2d
from graphopt.v1.contrib.layers.utils import collect_named_outputs


class Block(NamedTuple):
    """Units of a network that are alike.

    Attributes:
      scope: Name of the scope.
      unit_fn: Builds a unit.
      args: The arguments of each unit: dicts with `depth`, `depth_bottleneck`, `stride`.

    Source: `tf.contrib.slim.nets.resnet_utils.Block`.
    """

    scope: str
    unit_fn: Any
    args: Sequence[dict[str, Any]]


def subsample(inputs: Any, factor: int, scope: str | None = None) -> Any:
    """Takes every `factor`-th pixel.

    Source: `tf.contrib.slim.nets.resnet_utils.subsample`.
    """
    return inputs if factor == 1 else max_pool2d(inputs, [1, 1], factor, scope=scope)


def conv2d_same(
    inputs: Any,
    num_outputs: int,
    kernel_size: int,
    stride: int,
    rate: int = 1,
    scope: str | None = None,
) -> Any:
    """Convolves with padding that does not depend on the size of the image.

    Source: `tf.contrib.slim.nets.resnet_utils.conv2d_same`.
    """
    if stride == 1:
        return conv2d(
            inputs, num_outputs, kernel_size, rate=rate, padding="SAME", scope=scope
        )
    total = (kernel_size - 1) * rate
    around = [total // 2, total - total // 2]
    inputs = pad(inputs, [[0, 0], around, around, [0, 0]])
    return conv2d(
        inputs,
        num_outputs,
        kernel_size,
        stride=stride,
        rate=rate,
        padding="VALID",
        scope=scope,
    )


@add_arg_scope
def stack_blocks_dense(
    net: Any,
    blocks: Sequence[Block],
    output_stride: int | None = None,
    outputs_collections: Any = None,
) -> Any:
    """Builds blocks one after the other.

    Args:
      net: `[batch, height, width, channels]`.
      blocks: The blocks.
      output_stride: How much smaller the result is at most; from there on, convolutions
        have gaps instead of strides.
      outputs_collections: Names of collections for the outputs of blocks.

    Raises:
      ValueError: The strides do not make `output_stride`.

    Source: `tf.contrib.slim.nets.resnet_utils.stack_blocks_dense`.
    """
    reached = rate = 1
    for block in blocks:
        with variable_scope(block.scope, "block") as own:
            for i, unit in enumerate(block.args, 1):
                if output_stride is not None and reached > output_stride:
                    raise ValueError("The target output_stride cannot be reached.")
                stride = unit.get("stride", 1)
                with variable_scope(f"unit_{i}"):
                    if output_stride is not None and reached == output_stride:
                        net = block.unit_fn(net, rate=rate, **{**unit, "stride": 1})
                        rate *= stride
                    else:
                        net = block.unit_fn(net, rate=1, **unit)
                        reached *= stride
            net = collect_named_outputs(outputs_collections, own.name, net)
    if output_stride is not None and reached != output_stride:
        raise ValueError("The target output_stride cannot be reached.")
    return net


def resnet_arg_scope(
    weight_decay: float = 0.0001,
    batch_norm_decay: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
    batch_norm_scale: bool = True,
) -> Any:
    """Returns the argument scope in which the networks are built.

    Source: `tf.contrib.slim.nets.resnet_utils.resnet_arg_scope`.
    """
    options = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "scale": batch_norm_scale,
        "updates_collections": GraphKeys.UPDATE_OPS,
    }
    with (
        arg_scope(
            [conv2d],
            weights_regularizer=l2_regularizer(weight_decay),
            weights_initializer=variance_scaling_initializer(),
            activation_fn=relu,
            normalizer_fn=batch_norm,
            normalizer_params=options,
        ),
        arg_scope([batch_norm], **options),
        arg_scope([max_pool2d], padding="SAME") as scope,
    ):
        return scope
