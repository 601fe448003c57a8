"""Layers whose values are recorded of tf_keras: how they are made and called.

A case is (function from `keras.layers` to a layer, inputs, options of the call). Inputs are
shapes of random floats, or `Ints`; a list of them is a list of inputs. What is random comes
from `RandomState`, whose numbers stay the same, so that weights and inputs need no storage.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np


class Ints(NamedTuple):
    """Random integers in [0, high)."""

    shape: tuple[int, ...]
    high: int


class Padded(NamedTuple):
    """Random floats, with rows of zeros at the end of some sequences."""

    shape: tuple[int, ...]


def random(key: str) -> np.random.RandomState:
    """Returns a generator for a name."""
    return np.random.RandomState(zlib.crc32(key.encode()))


def make_input(key: str, spec: Any) -> Any:
    """Returns the value, or list of values, that a spec stands for."""
    if isinstance(spec, list):
        return [make_input(f"{key}/{i}", each) for i, each in enumerate(spec)]
    if isinstance(spec, Ints):
        return random(key).randint(0, spec.high, spec.shape).astype(np.int32)
    if isinstance(spec, Padded):
        x = random(key).standard_normal(spec.shape).astype(np.float32)
        for row in range(spec.shape[0]):
            x[row, spec.shape[1] - row :] = 0.0
        return x
    return random(key).standard_normal(spec).astype(np.float32)


def make_weight(key: str, name: str, shape: Any) -> Any:
    """Returns the value of a weight; variances are positive."""
    value = random(f"{key}/{name}").standard_normal(tuple(shape)).astype(np.float32)
    value *= 0.5
    return np.abs(value) + 0.5 if "variance" in name else value


def call(name: str, layer: Any, tensors: Any, is_list: bool, options: Any) -> Any:
    """Calls the layer of a case on its inputs."""
    if name in SEVERAL:
        return layer(*tensors, **options)
    return layer(list(tensors) if is_list else tensors[0], **options)


def cotangent(key: str, index: int, shape: Any) -> Any:
    """Returns what an output is multiplied by before it is added up."""
    value = random(f"{key}/cotangent{index}").standard_normal(tuple(shape))
    return value.astype(np.float32)


def masks(shape: tuple[int, ...]) -> Any:
    """Returns a mask, `[batch, time]`, whose rows are true for less and less steps."""
    return np.arange(shape[1])[None] < shape[1] - np.arange(shape[0])[:, None]


def _core() -> dict[str, Any]:
    return {
        "dense": (lambda L: L.Dense(3, activation="tanh"), (4, 5), {}),
        "dense_3d": (lambda L: L.Dense(3, use_bias=False), (2, 4, 5), {}),
        "dense_regularized": (
            lambda L: L.Dense(3, kernel_regularizer="l2", bias_constraint="non_neg"),
            (4, 5),
            {},
        ),
        "activation": (lambda L: L.Activation("selu"), (4, 5), {}),
        "masking": (lambda L: L.Masking(), Padded((3, 4, 2)), {}),
        "embedding": (lambda L: L.Embedding(7, 3), Ints((4, 5), 7), {}),
        "embedding_masked": (
            lambda L: L.Embedding(7, 3, mask_zero=True, input_length=5),
            Ints((4, 5), 7),
            {},
        ),
        "flatten": (lambda L: L.Flatten(), (2, 3, 4), {}),
        "flatten_first": (lambda L: L.Flatten("channels_first"), (2, 3, 4, 2), {}),
        "reshape": (lambda L: L.Reshape((2, -1)), (3, 4, 3), {}),
        "permute": (lambda L: L.Permute((2, 3, 1)), (2, 3, 4, 5), {}),
        "repeat_vector": (lambda L: L.RepeatVector(3), (2, 4), {}),
        "activity": (lambda L: L.ActivityRegularization(0.1, 0.2), (2, 4), {}),
        "dropout": (lambda L: L.Dropout(0.4), (2, 4), {}),
        "spatial_dropout_1d": (lambda L: L.SpatialDropout1D(0.4), (2, 4, 3), {}),
        "spatial_dropout_2d": (lambda L: L.SpatialDropout2D(0.4), (2, 4, 3, 2), {}),
        "gaussian_noise": (lambda L: L.GaussianNoise(0.4), (2, 4), {}),
        "gaussian_dropout": (lambda L: L.GaussianDropout(0.4), (2, 4), {}),
        "alpha_dropout": (lambda L: L.AlphaDropout(0.4), (2, 4), {}),
    }


def _merging() -> dict[str, Any]:
    three = [(2, 3, 4)] * 3
    return {
        "add": (lambda L: L.Add(), three, {}),
        "add_broadcast": (lambda L: L.Add(), [(2, 3, 4), (2, 4), (2, 1, 4)], {}),
        "subtract": (lambda L: L.Subtract(), three[:2], {}),
        "multiply": (lambda L: L.Multiply(), three, {}),
        "average": (lambda L: L.Average(), three, {}),
        "maximum": (lambda L: L.Maximum(), three, {}),
        "minimum": (lambda L: L.Minimum(), three, {}),
        "concatenate": (lambda L: L.Concatenate(), [(2, 3, 4), (2, 3, 2)], {}),
        "concatenate_1": (lambda L: L.Concatenate(axis=1), [(2, 3, 4), (2, 1, 4)], {}),
        "dot": (lambda L: L.Dot(axes=1), [(2, 3), (2, 3)], {}),
        "dot_cosine": (lambda L: L.Dot(axes=1, normalize=True), [(2, 3), (2, 3)], {}),
        "dot_2_1": (lambda L: L.Dot(axes=(2, 1)), [(2, 3, 4), (2, 4, 5)], {}),
        "dot_1_2": (lambda L: L.Dot(axes=(1, 2)), [(2, 3, 4), (2, 5, 3)], {}),
        "dot_2_3": (lambda L: L.Dot(axes=(1, 2)), [(2, 3), (2, 5, 3)], {}),
    }


def _convolutions() -> dict[str, Any]:
    first = {"data_format": "channels_first"}
    image, sequence, volume = (2, 6, 5, 4), (2, 7, 4), (2, 4, 5, 3, 2)
    return {
        "conv1d": (lambda L: L.Conv1D(3, 3, activation="relu"), sequence, {}),
        "conv1d_causal": (
            lambda L: L.Conv1D(3, 2, padding="causal", dilation_rate=2),
            sequence,
            {},
        ),
        "conv1d_same": (lambda L: L.Conv1D(3, 4, 2, padding="same"), sequence, {}),
        "conv2d": (lambda L: L.Conv2D(3, (3, 2), activation="relu"), image, {}),
        "conv2d_same": (lambda L: L.Conv2D(3, 3, 2, padding="same"), image, {}),
        "conv2d_dilated": (lambda L: L.Conv2D(3, 2, dilation_rate=2), image, {}),
        "conv2d_no_bias": (lambda L: L.Conv2D(3, 3, use_bias=False), image, {}),
        "conv2d_batches": (lambda L: L.Conv2D(3, 3), (2, 3, 6, 5, 4), {}),
        "conv3d": (lambda L: L.Conv3D(3, 2), volume, {}),
        "conv1d_transpose": (lambda L: L.Conv1DTranspose(3, 3, 2), sequence, {}),
        "conv2d_transpose": (lambda L: L.Conv2DTranspose(3, 3, 2), image, {}),
        "conv2d_transpose_same": (
            lambda L: L.Conv2DTranspose(3, 3, 2, padding="same", activation="relu"),
            image,
            {},
        ),
        "conv2d_transpose_more": (
            lambda L: L.Conv2DTranspose(3, 3, (3, 2), padding="same", output_padding=1),
            image,
            {},
        ),
        "conv3d_transpose": (lambda L: L.Conv3DTranspose(2, 2, 2), volume, {}),
        "separable_conv1d": (
            lambda L: L.SeparableConv1D(3, 3, depth_multiplier=2),
            sequence,
            {},
        ),
        "separable_conv1d_causal": (
            lambda L: L.SeparableConv1D(3, 3, padding="causal"),
            sequence,
            {},
        ),
        "separable_conv2d": (
            lambda L: L.SeparableConv2D(3, 3, depth_multiplier=2, padding="same"),
            image,
            {},
        ),
        "depthwise_conv1d": (
            lambda L: L.DepthwiseConv1D(3, depth_multiplier=2),
            sequence,
            {},
        ),
        "depthwise_conv2d": (
            lambda L: L.DepthwiseConv2D(3, 2, depth_multiplier=2, activation="relu"),
            image,
            {},
        ),
        "max_pooling1d": (lambda L: L.MaxPooling1D(), sequence, {}),
        "max_pooling2d": (lambda L: L.MaxPooling2D((2, 3), 1), image, {}),
        "max_pooling2d_same": (lambda L: L.MaxPooling2D(padding="same"), image, {}),
        "max_pooling3d": (lambda L: L.MaxPooling3D(), volume, {}),
        "average_pooling1d": (lambda L: L.AveragePooling1D(3, 2), sequence, {}),
        "average_pooling2d": (
            lambda L: L.AveragePooling2D(2, padding="same"),
            image,
            {},
        ),
        "average_pooling3d": (lambda L: L.AveragePooling3D(2), volume, {}),
        "global_max_1d": (lambda L: L.GlobalMaxPooling1D(), sequence, {}),
        "global_max_2d": (lambda L: L.GlobalMaxPooling2D(**first), image, {}),
        "global_max_3d": (lambda L: L.GlobalMaxPooling3D(), volume, {}),
        "global_average_1d": (lambda L: L.GlobalAveragePooling1D(), sequence, {}),
        "global_average_1d_masked": (
            lambda L: L.GlobalAveragePooling1D(),
            sequence,
            {"mask": masks(sequence)},
        ),
        "global_average_2d": (
            lambda L: L.GlobalAveragePooling2D(keepdims=True),
            image,
            {},
        ),
        "global_average_3d": (lambda L: L.GlobalAveragePooling3D(), volume, {}),
        "zero_padding1d": (lambda L: L.ZeroPadding1D((1, 2)), sequence, {}),
        "zero_padding2d": (lambda L: L.ZeroPadding2D(((1, 0), (2, 3))), image, {}),
        "zero_padding2d_first": (lambda L: L.ZeroPadding2D(1, **first), image, {}),
        "zero_padding3d": (lambda L: L.ZeroPadding3D((1, 0, 2)), volume, {}),
        "cropping1d": (lambda L: L.Cropping1D((1, 2)), sequence, {}),
        "cropping2d": (lambda L: L.Cropping2D(((1, 0), (2, 1))), image, {}),
        "cropping3d": (lambda L: L.Cropping3D(((1, 1), (0, 2), (1, 0))), volume, {}),
        "up_sampling1d": (lambda L: L.UpSampling1D(3), sequence, {}),
        "up_sampling2d": (lambda L: L.UpSampling2D((2, 3)), image, {}),
        "up_sampling2d_bilinear": (
            lambda L: L.UpSampling2D(2, interpolation="bilinear"),
            image,
            {},
        ),
        "up_sampling3d": (lambda L: L.UpSampling3D(2), volume, {}),
    }


def _normalizations() -> dict[str, Any]:
    image = (3, 4, 5, 6)
    train = {"training": True}
    return {
        "batch": (lambda L: L.BatchNormalization(), (6, 4), {}),
        "batch_train": (lambda L: L.BatchNormalization(momentum=0.7), (6, 4), train),
        "batch_image": (lambda L: L.BatchNormalization(momentum=0.7), image, train),
        "batch_sequence": (
            lambda L: L.BatchNormalization(scale=False),
            (3, 4, 5),
            train,
        ),
        "batch_first": (lambda L: L.BatchNormalization(axis=1), image, train),
        "batch_masked": (
            lambda L: L.BatchNormalization(),
            (3, 4, 5),
            {"training": True, "mask": masks((3, 4))},
        ),
        "layer": (lambda L: L.LayerNormalization(), (6, 4), {}),
        "layer_axes": (lambda L: L.LayerNormalization(axis=(1, 3)), image, {}),
        "layer_plain": (
            lambda L: L.LayerNormalization(center=False, scale=False, epsilon=0.1),
            (3, 4, 5),
            {},
        ),
        "group": (lambda L: L.GroupNormalization(3), image, {}),
        "group_instance": (lambda L: L.GroupNormalization(-1), image, {}),
        "group_axis": (lambda L: L.GroupNormalization(2, axis=1), image, {}),
        "spectral": (lambda L: L.SpectralNormalization(L.Dense(3)), (6, 4), {}),
        "spectral_train": (
            lambda L: L.SpectralNormalization(L.Conv2D(3, 2), power_iterations=3),
            image,
            train,
        ),
        "unit": (lambda L: L.UnitNormalization(), (6, 4), {}),
        "unit_axes": (lambda L: L.UnitNormalization(axis=[1, 2]), (2, 3, 4), {}),
    }


def _activations() -> dict[str, Any]:
    return {
        "relu": (lambda L: L.ReLU(), (4, 5), {}),
        "relu_all": (lambda L: L.ReLU(1.0, 0.1, 0.3), (4, 5), {}),
        "leaky_relu": (lambda L: L.LeakyReLU(), (4, 5), {}),
        "prelu": (lambda L: L.PReLU(shared_axes=[1]), (4, 5, 3), {}),
        "elu": (lambda L: L.ELU(0.5), (4, 5), {}),
        "thresholded_relu": (lambda L: L.ThresholdedReLU(0.3), (4, 5), {}),
        "softmax": (lambda L: L.Softmax(), (4, 5), {}),
        "softmax_axes": (lambda L: L.Softmax(axis=[1, 2]), (4, 5, 3), {}),
        "softmax_masked": (lambda L: L.Softmax(), (4, 5), {"mask": masks((4, 5))}),
    }


def _recurrent() -> dict[str, Any]:
    x, mask = (3, 5, 4), {"mask": masks((3, 5))}
    state, late = [x, (3, 2), (3, 2)], {"mask": masks((3, 5))[:, ::-1].copy()}
    both = {"return_sequences": True, "return_state": True}
    found = {}
    for name, kind in ("simple", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU"):
        found.update(
            {
                name: (lambda L, k=kind: getattr(L, k)(2), x, {}),
                f"{name}_all": (lambda L, k=kind: getattr(L, k)(2, **both), x, {}),
                f"{name}_masked": (lambda L, k=kind: getattr(L, k)(2, **both), x, mask),
                f"{name}_masked_last": (lambda L, k=kind: getattr(L, k)(2), x, mask),
                f"{name}_masked_zero": (
                    lambda L, k=kind: getattr(L, k)(
                        2, zero_output_for_mask=True, **both
                    ),
                    x,
                    mask,
                ),
                f"{name}_back": (
                    lambda L, k=kind: getattr(L, k)(2, go_backwards=True, **both),
                    x,
                    mask,
                ),
                f"{name}_state": (
                    lambda L, k=kind: getattr(L, k)(2, **both),
                    state if kind == "LSTM" else state[:2],
                    late,
                ),
                f"{name}_elu": (lambda L, k=kind: getattr(L, k)(2, "elu"), x, mask),
                f"{name}_relu": (
                    lambda L, k=kind: getattr(L, k)(2, "relu", use_bias=False),
                    x,
                    {},
                ),
                f"{name}_cell": (
                    lambda L, k=kind: L.RNN(getattr(L, f"{k}Cell")(2), **both),
                    x,
                    mask,
                ),
            }
        )
    return {
        **found,
        "gru_before": (lambda L: L.GRU(2, reset_after=False), x, mask),
        "lstm_hard": (lambda L: L.LSTM(2, recurrent_activation="hard_sigmoid"), x, {}),
        "lstm_plain_bias": (lambda L: L.LSTM(2, unit_forget_bias=False), x, {}),
        "stacked_cells": (
            lambda L: L.RNN([L.LSTMCell(2), L.GRUCell(3), L.SimpleRNNCell(2)], **both),
            x,
            mask,
        ),
        "conv_lstm1d": (lambda L: L.ConvLSTM1D(2, 3), (2, 3, 6, 2), {}),
        "conv_lstm2d": (
            lambda L: L.ConvLSTM2D(2, 3, **both),
            (2, 3, 5, 5, 2),
            {"mask": masks((2, 3))},
        ),
        "conv_lstm2d_same": (
            lambda L: L.ConvLSTM2D(
                2, 3, padding="same", strides=2, recurrent_activation="sigmoid"
            ),
            (2, 3, 5, 4, 2),
            {},
        ),
        "conv_lstm3d": (lambda L: L.ConvLSTM3D(2, 2), (2, 3, 4, 3, 3, 2), {}),
        "bidirectional": (lambda L: L.Bidirectional(L.LSTM(2)), x, {}),
        "bidirectional_all": (
            lambda L: L.Bidirectional(L.GRU(2, **both), merge_mode="sum"),
            x,
            mask,
        ),
        "bidirectional_pair": (
            lambda L: L.Bidirectional(
                L.SimpleRNN(2, return_sequences=True), merge_mode=None
            ),
            x,
            {},
        ),
        "time_distributed": (lambda L: L.TimeDistributed(L.Dense(2)), x, {}),
        "time_distributed_image": (
            lambda L: L.TimeDistributed(L.Conv2D(2, 2)),
            (2, 3, 4, 5, 2),
            {},
        ),
    }


def _attention() -> dict[str, Any]:
    two, three = [(2, 3, 4), (2, 5, 4)], [(2, 3, 4), (2, 5, 2), (2, 5, 4)]
    both = {"mask": [masks((2, 3)), masks((2, 5))]}
    causal, scores = {"use_causal_mask": True}, {"return_attention_scores": True}
    return {
        "attention": (lambda L: L.Attention(), two, {}),
        "attention_key": (lambda L: L.Attention(use_scale=True), three, scores),
        "attention_masked": (lambda L: L.Attention(), two, both),
        "attention_causal": (lambda L: L.Attention(), two, {**both, **causal}),
        "attention_concat": (
            lambda L: L.Attention(use_scale=True, score_mode="concat"),
            two,
            {},
        ),
        "additive_attention": (lambda L: L.AdditiveAttention(), two, both),
        "additive_attention_plain": (
            lambda L: L.AdditiveAttention(use_scale=False),
            two,
            {**causal, **scores},
        ),
        "einsum_dense": (
            lambda L: L.EinsumDense("abc,cd->abd", [None, 3], "relu", "d"),
            (2, 3, 4),
            {},
        ),
        "einsum_dense_heads": (
            lambda L: L.EinsumDense("...x,xyz->...yz", [3, 2], bias_axes="yz"),
            (2, 3, 4),
            {},
        ),
        "einsum_dense_middle": (
            lambda L: L.EinsumDense("abc,bd->adc", [5, None], bias_axes="d"),
            (2, 3, 4),
            {},
        ),
    }


def _heads() -> dict[str, Any]:
    """Of several arguments: the inputs of a case are those of the call."""
    x, many, whole = (2, 3, 4), (2, 5, 4), {"return_attention_scores": True}
    seen = np.random.RandomState(3).random((2, 3, 5)) < 0.7
    return {
        "heads": (lambda L: L.MultiHeadAttention(2, 3), [x, x], {}),
        "heads_cross": (
            lambda L: L.MultiHeadAttention(2, 3, value_dim=2, output_shape=5),
            [x, many],
            whole,
        ),
        "heads_key": (
            lambda L: L.MultiHeadAttention(2, 3, use_bias=False),
            [x, many, many],
            {"attention_mask": seen},
        ),
        "heads_causal": (
            lambda L: L.MultiHeadAttention(2, 3),
            [x, x],
            {"use_causal_mask": True},
        ),
        "heads_axes": (
            lambda L: L.MultiHeadAttention(2, 3, attention_axes=(2,)),
            [(2, 3, 4, 5), (2, 3, 4, 5)],
            whole,
        ),
        "heads_two_axes": (
            lambda L: L.MultiHeadAttention(2, 3, attention_axes=(1, 2)),
            [(2, 3, 4, 5), (2, 2, 3, 5)],
            {},
        ),
    }


# Layers that take their inputs as several arguments.
SEVERAL = _heads()
CASES: dict[str, Any] = {
    **_core(),
    **_merging(),
    **_convolutions(),
    **_normalizations(),
    **_activations(),
    **_recurrent(),
    **_attention(),
    **SEVERAL,
}
