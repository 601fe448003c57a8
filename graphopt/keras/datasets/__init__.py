"""`tf.keras.datasets`: the usual small data sets.

Each is read from Keras's cache folder, `~/.keras/datasets`, and downloaded where it is not
there. Hashes are checked before anything is read; pickles, which two of the sets are, are
read with nothing but arrays allowed in them. Nothing is put in the place of a set that
cannot be had: the error names the file and where it was looked for.
"""

from graphopt.keras.datasets import boston_housing as boston_housing
from graphopt.keras.datasets import california_housing as california_housing
from graphopt.keras.datasets import cifar10 as cifar10
from graphopt.keras.datasets import cifar100 as cifar100
from graphopt.keras.datasets import fashion_mnist as fashion_mnist
from graphopt.keras.datasets import imdb as imdb
from graphopt.keras.datasets import mnist as mnist
from graphopt.keras.datasets import reuters as reuters
