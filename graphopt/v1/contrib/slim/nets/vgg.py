"""`slim.nets.vgg`: the networks A, D and E of Simonyan and Zisserman, 2014."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.compat.v1.initializers import zeros_initializer
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.elementwise import relu
from graphopt.ops.shaping import squeeze
from graphopt.v1.contrib.framework.arg_scopes import arg_scope
from graphopt.v1.contrib.layers.connected import fully_connected, repeat
from graphopt.v1.contrib.layers.convolutional import conv2d
from graphopt.v1.contrib.layers.regularizers import l2_regularizer
from graphopt.v1.contrib.layers.simple import dropout, max_pool2d
from graphopt.v1.contrib.layers.utils import convert_collection_to_dict

_CHANNELS = (64, 128, 256, 512, 512)


def vgg_arg_scope(weight_decay: float = 0.0005) -> Any:
    """Returns the argument scope in which the networks are built.

    Source: `tf.contrib.slim.nets.vgg.vgg_arg_scope`.
    """
    with (
        arg_scope(
            [conv2d, fully_connected],
            activation_fn=relu,
            weights_regularizer=l2_regularizer(weight_decay),
            biases_initializer=zeros_initializer(),
        ),
        arg_scope([conv2d], padding="SAME") as scope,
    ):
        return scope


def _build(
    inputs: Any,
    counts: Sequence[int],
    num_classes: int,
    is_training: Any,
    dropout_keep_prob: float,
    spatial_squeeze: bool,
    scope: str | None,
    default: str,
) -> tuple[Any, dict[str, Any]]:
    with variable_scope(scope, default) as own:
        collection = own.original_name_scope + "_end_points"
        layers = [conv2d, fully_connected, max_pool2d]
        with arg_scope(layers, outputs_collections=collection):
            net = inputs
            for i, count in enumerate(counts, 1):
                channels = _CHANNELS[i - 1]
                net = repeat(net, count, conv2d, channels, [3, 3], scope=f"conv{i}")
                net = max_pool2d(net, [2, 2], scope=f"pool{i}")
            keep = {"keep_prob": dropout_keep_prob, "is_training": is_training}
            net = conv2d(net, 4096, [7, 7], padding="VALID", scope="fc6")
            net = dropout(net, scope="dropout6", **keep)
            net = conv2d(net, 4096, [1, 1], scope="fc7")
            net = dropout(net, scope="dropout7", **keep)
            net = conv2d(
                net,
                num_classes,
                [1, 1],
                activation_fn=None,
                normalizer_fn=None,
                scope="fc8",
            )
            end_points = convert_collection_to_dict(collection)
            if spatial_squeeze:
                net = squeeze(net, [1, 2], name="fc8/squeezed")
                end_points[f"{own.name}/fc8"] = net
            return net, end_points


def _network(name: str, counts: Sequence[int]) -> Any:
    def network(
        inputs: Any,
        num_classes: int = 1000,
        is_training: Any = True,
        dropout_keep_prob: float = 0.5,
        spatial_squeeze: bool = True,
        scope: str | None = name,
    ) -> tuple[Any, dict[str, Any]]:
        options = num_classes, is_training, dropout_keep_prob, spatial_squeeze
        return _build(inputs, counts, *options, scope, name)

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"""Builds {name}; its dense layers are convolutions.

    Args:
      inputs: `[batch, height, width, channels]`, 224 x 224 for one prediction each.
      num_classes: How many classes there are.
      is_training: Whether elements are dropped: a bool or a tensor.
      dropout_keep_prob: The part of them that is kept.
      spatial_squeeze: Whether height and width, which are 1 then, are left out.
      scope: Name of the scope.

    Returns:
      The logits, and the outputs of all layers by name.

    Source: `tf.contrib.slim.nets.vgg.{name}`.
    """
    network.default_image_size = 224  # type: ignore[attr-defined]
    return network


vgg_a = _network("vgg_a", (1, 1, 2, 2, 2))
vgg_16 = vgg_d = _network("vgg_16", (2, 2, 3, 3, 3))
vgg_19 = vgg_e = _network("vgg_19", (2, 2, 4, 4, 4))
