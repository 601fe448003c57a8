"""`tf.contrib.slim.nets`: networks for images, under the names that their checkpoints have."""

from graphopt.v1.contrib.slim.nets import resnet_utils as resnet_utils
from graphopt.v1.contrib.slim.nets import resnet_v1 as resnet_v1
from graphopt.v1.contrib.slim.nets import resnet_v2 as resnet_v2
from graphopt.v1.contrib.slim.nets import vgg as vgg
