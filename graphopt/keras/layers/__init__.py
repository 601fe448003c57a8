"""Layers: functions with weights that are made when the first input comes.

A layer is loaded when it is first named, so that `import graphopt` loads none.
"""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras.layers.base import InputSpec as InputSpec
from graphopt.keras.layers.base import Layer as Layer
from graphopt.keras.layers.input_layer import Input as Input
from graphopt.keras.layers.input_layer import InputLayer as InputLayer

if TYPE_CHECKING:
    from graphopt.keras.layers.activation import ELU as ELU
    from graphopt.keras.layers.activation import LeakyReLU as LeakyReLU
    from graphopt.keras.layers.activation import PReLU as PReLU
    from graphopt.keras.layers.activation import ReLU as ReLU
    from graphopt.keras.layers.activation import Softmax as Softmax
    from graphopt.keras.layers.activation import ThresholdedReLU as ThresholdedReLU
    from graphopt.keras.layers.attention import AdditiveAttention as AdditiveAttention
    from graphopt.keras.layers.attention import Attention as Attention
    from graphopt.keras.layers.convolutional import Conv1D as Conv1D
    from graphopt.keras.layers.convolutional import Conv2D as Conv2D
    from graphopt.keras.layers.convolutional import Conv3D as Conv3D
    from graphopt.keras.layers.core import Activation as Activation
    from graphopt.keras.layers.core import Dense as Dense
    from graphopt.keras.layers.core import Embedding as Embedding
    from graphopt.keras.layers.core import Identity as Identity
    from graphopt.keras.layers.core import Lambda as Lambda
    from graphopt.keras.layers.core import Masking as Masking
    from graphopt.keras.layers.einsum_dense import EinsumDense as EinsumDense
    from graphopt.keras.layers.merging import Add as Add
    from graphopt.keras.layers.merging import Average as Average
    from graphopt.keras.layers.merging import Concatenate as Concatenate
    from graphopt.keras.layers.merging import Dot as Dot
    from graphopt.keras.layers.merging import Maximum as Maximum
    from graphopt.keras.layers.merging import Minimum as Minimum
    from graphopt.keras.layers.merging import Multiply as Multiply
    from graphopt.keras.layers.merging import Subtract as Subtract
    from graphopt.keras.layers.merging import add as add
    from graphopt.keras.layers.merging import average as average
    from graphopt.keras.layers.merging import concatenate as concatenate
    from graphopt.keras.layers.merging import dot as dot
    from graphopt.keras.layers.merging import maximum as maximum
    from graphopt.keras.layers.merging import minimum as minimum
    from graphopt.keras.layers.merging import multiply as multiply
    from graphopt.keras.layers.merging import subtract as subtract
    from graphopt.keras.layers.multi_head_attention import (
        MultiHeadAttention as MultiHeadAttention,
    )
    from graphopt.keras.layers.normalization import (
        BatchNormalization as BatchNormalization,
    )
    from graphopt.keras.layers.normalization import (
        GroupNormalization as GroupNormalization,
    )
    from graphopt.keras.layers.normalization import (
        LayerNormalization as LayerNormalization,
    )
    from graphopt.keras.layers.normalization import (
        UnitNormalization as UnitNormalization,
    )
    from graphopt.keras.layers.padding import Cropping1D as Cropping1D
    from graphopt.keras.layers.padding import Cropping2D as Cropping2D
    from graphopt.keras.layers.padding import Cropping3D as Cropping3D
    from graphopt.keras.layers.padding import UpSampling1D as UpSampling1D
    from graphopt.keras.layers.padding import UpSampling2D as UpSampling2D
    from graphopt.keras.layers.padding import UpSampling3D as UpSampling3D
    from graphopt.keras.layers.padding import ZeroPadding1D as ZeroPadding1D
    from graphopt.keras.layers.padding import ZeroPadding2D as ZeroPadding2D
    from graphopt.keras.layers.padding import ZeroPadding3D as ZeroPadding3D
    from graphopt.keras.layers.pooling import AveragePooling1D as AveragePooling1D
    from graphopt.keras.layers.pooling import AveragePooling2D as AveragePooling2D
    from graphopt.keras.layers.pooling import AveragePooling3D as AveragePooling3D
    from graphopt.keras.layers.pooling import (
        GlobalAveragePooling1D as GlobalAveragePooling1D,
    )
    from graphopt.keras.layers.pooling import (
        GlobalAveragePooling2D as GlobalAveragePooling2D,
    )
    from graphopt.keras.layers.pooling import (
        GlobalAveragePooling3D as GlobalAveragePooling3D,
    )
    from graphopt.keras.layers.pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
    from graphopt.keras.layers.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
    from graphopt.keras.layers.pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
    from graphopt.keras.layers.pooling import MaxPooling1D as MaxPooling1D
    from graphopt.keras.layers.pooling import MaxPooling2D as MaxPooling2D
    from graphopt.keras.layers.pooling import MaxPooling3D as MaxPooling3D
    from graphopt.keras.layers.preprocessing.encoding import (
        CategoryEncoding as CategoryEncoding,
    )
    from graphopt.keras.layers.preprocessing.images import CenterCrop as CenterCrop
    from graphopt.keras.layers.preprocessing.images import (
        RandomBrightness as RandomBrightness,
    )
    from graphopt.keras.layers.preprocessing.images import (
        RandomContrast as RandomContrast,
    )
    from graphopt.keras.layers.preprocessing.images import RandomCrop as RandomCrop
    from graphopt.keras.layers.preprocessing.images import RandomFlip as RandomFlip
    from graphopt.keras.layers.preprocessing.images import RandomHeight as RandomHeight
    from graphopt.keras.layers.preprocessing.images import (
        RandomRotation as RandomRotation,
    )
    from graphopt.keras.layers.preprocessing.images import (
        RandomTranslation as RandomTranslation,
    )
    from graphopt.keras.layers.preprocessing.images import RandomWidth as RandomWidth
    from graphopt.keras.layers.preprocessing.images import RandomZoom as RandomZoom
    from graphopt.keras.layers.preprocessing.images import Rescaling as Rescaling
    from graphopt.keras.layers.preprocessing.images import Resizing as Resizing
    from graphopt.keras.layers.preprocessing.lookups import (
        IntegerLookup as IntegerLookup,
    )
    from graphopt.keras.layers.preprocessing.lookups import StringLookup as StringLookup
    from graphopt.keras.layers.preprocessing.numbers import (
        Discretization as Discretization,
    )
    from graphopt.keras.layers.preprocessing.numbers import (
        Normalization as Normalization,
    )
    from graphopt.keras.layers.preprocessing.text import Hashing as Hashing
    from graphopt.keras.layers.preprocessing.text import (
        TextVectorization as TextVectorization,
    )
    from graphopt.keras.layers.regularization import (
        ActivityRegularization as ActivityRegularization,
    )
    from graphopt.keras.layers.regularization import AlphaDropout as AlphaDropout
    from graphopt.keras.layers.regularization import Dropout as Dropout
    from graphopt.keras.layers.regularization import GaussianDropout as GaussianDropout
    from graphopt.keras.layers.regularization import GaussianNoise as GaussianNoise
    from graphopt.keras.layers.regularization import (
        SpatialDropout1D as SpatialDropout1D,
    )
    from graphopt.keras.layers.regularization import (
        SpatialDropout2D as SpatialDropout2D,
    )
    from graphopt.keras.layers.regularization import (
        SpatialDropout3D as SpatialDropout3D,
    )
    from graphopt.keras.layers.reshaping import Flatten as Flatten
    from graphopt.keras.layers.reshaping import Permute as Permute
    from graphopt.keras.layers.reshaping import RepeatVector as RepeatVector
    from graphopt.keras.layers.reshaping import Reshape as Reshape
    from graphopt.keras.layers.rnn.base import RNN as RNN
    from graphopt.keras.layers.rnn.cells import AbstractRNNCell as AbstractRNNCell
    from graphopt.keras.layers.rnn.cells import GRUCell as GRUCell
    from graphopt.keras.layers.rnn.cells import LSTMCell as LSTMCell
    from graphopt.keras.layers.rnn.cells import SimpleRNNCell as SimpleRNNCell
    from graphopt.keras.layers.rnn.cells import StackedRNNCells as StackedRNNCells
    from graphopt.keras.layers.rnn.conv_lstm import ConvLSTM1D as ConvLSTM1D
    from graphopt.keras.layers.rnn.conv_lstm import ConvLSTM2D as ConvLSTM2D
    from graphopt.keras.layers.rnn.conv_lstm import ConvLSTM3D as ConvLSTM3D
    from graphopt.keras.layers.rnn.recurrent import GRU as GRU
    from graphopt.keras.layers.rnn.recurrent import LSTM as LSTM
    from graphopt.keras.layers.rnn.recurrent import SimpleRNN as SimpleRNN
    from graphopt.keras.layers.rnn.wrappers import Bidirectional as Bidirectional
    from graphopt.keras.layers.rnn.wrappers import TimeDistributed as TimeDistributed
    from graphopt.keras.layers.rnn.wrappers import Wrapper as Wrapper
    from graphopt.keras.layers.separable import DepthwiseConv1D as DepthwiseConv1D
    from graphopt.keras.layers.separable import DepthwiseConv2D as DepthwiseConv2D
    from graphopt.keras.layers.separable import SeparableConv1D as SeparableConv1D
    from graphopt.keras.layers.separable import SeparableConv2D as SeparableConv2D
    from graphopt.keras.layers.serialization import deserialize as deserialize
    from graphopt.keras.layers.serialization import serialize as serialize
    from graphopt.keras.layers.spectral_normalization import (
        SpectralNormalization as SpectralNormalization,
    )
    from graphopt.keras.layers.transposed import Conv1DTranspose as Conv1DTranspose
    from graphopt.keras.layers.transposed import Conv2DTranspose as Conv2DTranspose
    from graphopt.keras.layers.transposed import Conv3DTranspose as Conv3DTranspose

    AvgPool1D = AveragePooling1D
    AvgPool2D = AveragePooling2D
    AvgPool3D = AveragePooling3D
    Convolution1D = Conv1D
    Convolution1DTranspose = Conv1DTranspose
    Convolution2D = Conv2D
    Convolution2DTranspose = Conv2DTranspose
    Convolution3D = Conv3D
    Convolution3DTranspose = Conv3DTranspose
    CuDNNGRU = GRU
    CuDNNLSTM = LSTM
    DepthwiseConvolution1D = DepthwiseConv1D
    DepthwiseConvolution2D = DepthwiseConv2D
    GlobalAvgPool1D = GlobalAveragePooling1D
    GlobalAvgPool2D = GlobalAveragePooling2D
    GlobalAvgPool3D = GlobalAveragePooling3D
    GlobalMaxPool1D = GlobalMaxPooling1D
    GlobalMaxPool2D = GlobalMaxPooling2D
    GlobalMaxPool3D = GlobalMaxPooling3D
    MaxPool1D = MaxPooling1D
    MaxPool2D = MaxPooling2D
    MaxPool3D = MaxPooling3D
    SeparableConvolution1D = SeparableConv1D
    SeparableConvolution2D = SeparableConv2D

# From names to the files that they are in.
_LATER = {
    "ELU": "activation",
    "LeakyReLU": "activation",
    "PReLU": "activation",
    "ReLU": "activation",
    "Softmax": "activation",
    "ThresholdedReLU": "activation",
    "AdditiveAttention": "attention",
    "Attention": "attention",
    "Conv1D": "convolutional",
    "Conv2D": "convolutional",
    "Conv3D": "convolutional",
    "Activation": "core",
    "Dense": "core",
    "Embedding": "core",
    "Identity": "core",
    "Lambda": "core",
    "Masking": "core",
    "EinsumDense": "einsum_dense",
    "Add": "merging",
    "Average": "merging",
    "Concatenate": "merging",
    "Dot": "merging",
    "Maximum": "merging",
    "Minimum": "merging",
    "Multiply": "merging",
    "Subtract": "merging",
    "add": "merging",
    "average": "merging",
    "concatenate": "merging",
    "dot": "merging",
    "maximum": "merging",
    "minimum": "merging",
    "multiply": "merging",
    "subtract": "merging",
    "MultiHeadAttention": "multi_head_attention",
    "BatchNormalization": "normalization",
    "GroupNormalization": "normalization",
    "LayerNormalization": "normalization",
    "UnitNormalization": "normalization",
    "Cropping1D": "padding",
    "Cropping2D": "padding",
    "Cropping3D": "padding",
    "UpSampling1D": "padding",
    "UpSampling2D": "padding",
    "UpSampling3D": "padding",
    "ZeroPadding1D": "padding",
    "ZeroPadding2D": "padding",
    "ZeroPadding3D": "padding",
    "AveragePooling1D": "pooling",
    "AveragePooling2D": "pooling",
    "AveragePooling3D": "pooling",
    "GlobalAveragePooling1D": "pooling",
    "GlobalAveragePooling2D": "pooling",
    "GlobalAveragePooling3D": "pooling",
    "GlobalMaxPooling1D": "pooling",
    "GlobalMaxPooling2D": "pooling",
    "GlobalMaxPooling3D": "pooling",
    "MaxPooling1D": "pooling",
    "MaxPooling2D": "pooling",
    "MaxPooling3D": "pooling",
    "CategoryEncoding": "preprocessing.encoding",
    "CenterCrop": "preprocessing.images",
    "RandomBrightness": "preprocessing.images",
    "RandomContrast": "preprocessing.images",
    "RandomCrop": "preprocessing.images",
    "RandomFlip": "preprocessing.images",
    "RandomHeight": "preprocessing.images",
    "RandomRotation": "preprocessing.images",
    "RandomTranslation": "preprocessing.images",
    "RandomWidth": "preprocessing.images",
    "RandomZoom": "preprocessing.images",
    "Rescaling": "preprocessing.images",
    "Resizing": "preprocessing.images",
    "IntegerLookup": "preprocessing.lookups",
    "StringLookup": "preprocessing.lookups",
    "Discretization": "preprocessing.numbers",
    "Normalization": "preprocessing.numbers",
    "Hashing": "preprocessing.text",
    "TextVectorization": "preprocessing.text",
    "ActivityRegularization": "regularization",
    "AlphaDropout": "regularization",
    "Dropout": "regularization",
    "GaussianDropout": "regularization",
    "GaussianNoise": "regularization",
    "SpatialDropout1D": "regularization",
    "SpatialDropout2D": "regularization",
    "SpatialDropout3D": "regularization",
    "Flatten": "reshaping",
    "Permute": "reshaping",
    "RepeatVector": "reshaping",
    "Reshape": "reshaping",
    "RNN": "rnn.base",
    "AbstractRNNCell": "rnn.cells",
    "GRUCell": "rnn.cells",
    "LSTMCell": "rnn.cells",
    "SimpleRNNCell": "rnn.cells",
    "StackedRNNCells": "rnn.cells",
    "ConvLSTM1D": "rnn.conv_lstm",
    "ConvLSTM2D": "rnn.conv_lstm",
    "ConvLSTM3D": "rnn.conv_lstm",
    "GRU": "rnn.recurrent",
    "LSTM": "rnn.recurrent",
    "SimpleRNN": "rnn.recurrent",
    "Bidirectional": "rnn.wrappers",
    "TimeDistributed": "rnn.wrappers",
    "Wrapper": "rnn.wrappers",
    "DepthwiseConv1D": "separable",
    "DepthwiseConv2D": "separable",
    "SeparableConv1D": "separable",
    "SeparableConv2D": "separable",
    "deserialize": "serialization",
    "serialize": "serialization",
    "SpectralNormalization": "spectral_normalization",
    "Conv1DTranspose": "transposed",
    "Conv2DTranspose": "transposed",
    "Conv3DTranspose": "transposed",
}
# Other names of some.
_SAME: dict[str, str] = {
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution1DTranspose": "Conv1DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "DepthwiseConvolution1D": "DepthwiseConv1D",
    "DepthwiseConvolution2D": "DepthwiseConv2D",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        own = _SAME.get(name, name)
        if own not in _LATER:
            raise AttributeError(f"module 'tf.keras.layers' has no attribute {name!r}")
        module = importlib.import_module(f"graphopt.keras.layers.{_LATER[own]}")
        return getattr(module, own)


def __dir__() -> list[str]:
    here = {n for n in globals() if not n.startswith("_")}
    return sorted((here | {*_LATER, *_SAME}) - {"Any", "TYPE_CHECKING", "importlib"})
