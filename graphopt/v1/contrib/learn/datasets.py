"""`tf.contrib.learn.datasets`: MNIST, as the tutorials read it."""

from __future__ import annotations

from typing import Any

from graphopt.v1.examples.tutorials.mnist import input_data as mnist
from graphopt.v1.examples.tutorials.mnist.input_data import Datasets, read_data_sets

__all__ = ["load_dataset", "load_mnist", "mnist"]


def load_mnist(train_dir: Any = "MNIST-data") -> Datasets:
    """Returns the digits; see `tf.examples.tutorials.mnist.input_data`.

    Source: `tf.contrib.learn.datasets.mnist.load_mnist`.
    """
    return read_data_sets(train_dir)


def load_dataset(
    name: str, size: str = "small", test_with_fake_data: bool = False
) -> Any:
    """Returns a data set by its name.

    Raises:
      NotImplementedError: It is not `"mnist"`.

    Source: `tf.contrib.learn.datasets.load_dataset`.
    """
    if name != "mnist":
        raise NotImplementedError(
            f"load_dataset({name!r}): graphopt reads 'mnist'; scikit-learn has others."
        )
    return load_mnist()
