"""`tf.layers` of TensorFlow 1: functions, and the layers that they make and call at once.

A layer's variables come from `get_variable`, in a variable scope of the layer's own: that is
where their names (`dense/kernel:0`, `dense_1/kernel:0`), `reuse`, and initializers and
regularizers of enclosing scopes come from, and what checkpoints know. Terms of regularizers
go into the collection `REGULARIZATION_LOSSES`, updates of averages into `UPDATE_OPS`; a
training step has to run the latter.

`training` may be a tensor. Then both results are computed and one is chosen elementwise,
which is one kernel with what comes next; a condition would cut the step into pieces to save
a mean.
"""

from graphopt.compat.v1.layers.base import InputSpec as InputSpec
from graphopt.compat.v1.layers.base import Layer as Layer
from graphopt.compat.v1.layers.convolutional import Conv1D as Conv1D
from graphopt.compat.v1.layers.convolutional import Conv2D as Conv2D
from graphopt.compat.v1.layers.convolutional import Conv3D as Conv3D
from graphopt.compat.v1.layers.convolutional import conv1d as conv1d
from graphopt.compat.v1.layers.convolutional import conv2d as conv2d
from graphopt.compat.v1.layers.convolutional import conv3d as conv3d
from graphopt.compat.v1.layers.core import Dense as Dense
from graphopt.compat.v1.layers.core import Dropout as Dropout
from graphopt.compat.v1.layers.core import Flatten as Flatten
from graphopt.compat.v1.layers.core import dense as dense
from graphopt.compat.v1.layers.core import dropout as dropout
from graphopt.compat.v1.layers.core import flatten as flatten
from graphopt.compat.v1.layers.normalization import (
    BatchNormalization as BatchNormalization,
)
from graphopt.compat.v1.layers.normalization import (
    batch_normalization as batch_normalization,
)
from graphopt.compat.v1.layers.pooling import AveragePooling1D as AveragePooling1D
from graphopt.compat.v1.layers.pooling import AveragePooling2D as AveragePooling2D
from graphopt.compat.v1.layers.pooling import AveragePooling3D as AveragePooling3D
from graphopt.compat.v1.layers.pooling import MaxPooling1D as MaxPooling1D
from graphopt.compat.v1.layers.pooling import MaxPooling2D as MaxPooling2D
from graphopt.compat.v1.layers.pooling import MaxPooling3D as MaxPooling3D
from graphopt.compat.v1.layers.pooling import average_pooling1d as average_pooling1d
from graphopt.compat.v1.layers.pooling import average_pooling2d as average_pooling2d
from graphopt.compat.v1.layers.pooling import average_pooling3d as average_pooling3d
from graphopt.compat.v1.layers.pooling import max_pooling1d as max_pooling1d
from graphopt.compat.v1.layers.pooling import max_pooling2d as max_pooling2d
from graphopt.compat.v1.layers.pooling import max_pooling3d as max_pooling3d
from graphopt.compat.v1.layers.separable import SeparableConv1D as SeparableConv1D
from graphopt.compat.v1.layers.separable import SeparableConv2D as SeparableConv2D
from graphopt.compat.v1.layers.separable import separable_conv1d as separable_conv1d
from graphopt.compat.v1.layers.separable import separable_conv2d as separable_conv2d
from graphopt.compat.v1.layers.transposed import Conv2DTranspose as Conv2DTranspose
from graphopt.compat.v1.layers.transposed import Conv3DTranspose as Conv3DTranspose
from graphopt.compat.v1.layers.transposed import conv2d_transpose as conv2d_transpose
from graphopt.compat.v1.layers.transposed import conv3d_transpose as conv3d_transpose

# Names that programs of version 1 have for some of them.
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
SeparableConvolution2D, Deconvolution2D = SeparableConv2D, Conv2DTranspose
Convolution2DTranspose, Deconv2D, Deconv3D = (
    Conv2DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
)
