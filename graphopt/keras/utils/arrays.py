"""Small changes of arrays before they are fed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_categorical(
    y: Any, num_classes: int | None = None, dtype: Any = "float32"
) -> NDArray[Any]:
    """Returns a matrix with a 1 in the column of each class.

    Args:
      y: Integers from 0 on, of any shape; a last dimension of 1 is dropped.
      num_classes: The number of columns; by default one more than the largest class.
      dtype: That of the result.

    Raises:
      ValueError: A class is below 0, or not below `num_classes`.

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Source: `tf.keras.utils.to_categorical`.
    """
    classes = np.array(y, dtype=np.int64)
    shape = classes.shape
    if shape and shape[-1] == 1 and len(shape) > 1:
        shape = shape[:-1]
    classes = classes.reshape(-1)
    count = int(classes.max()) + 1 if num_classes is None else int(num_classes)
    if classes.size and (classes.min() < 0 or classes.max() >= count):
        raise ValueError(
            f"to_categorical: classes are {classes.min()} to {classes.max()}; expected 0 "
            f"to {count - 1}. Labels that start at 1 want `y - 1`."
        )
    matrix = np.zeros((classes.size, count), dtype)
    matrix[np.arange(classes.size), classes] = 1
    return matrix.reshape((*shape, count))


def normalize(x: Any, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """Returns an array divided by its norms along an axis; rows of zeros stay zeros.

    Source: `tf.keras.utils.normalize`.
    """
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    result: NDArray[Any] = x / np.expand_dims(norms, axis)
    return result


def to_ordinal(
    y: Any, num_classes: int | None = None, dtype: Any = "float32"
) -> NDArray[Any]:
    """Returns a matrix where as many columns are 1 as the class is high.

    Args:
      y: Integers from 0 on, of any shape; a last dimension of 1 is dropped.
      num_classes: One more than the number of columns; by default one more than the
        largest class.
      dtype: That of the result.

    >>> to_ordinal([0, 2]).tolist()
    [[0.0, 0.0], [1.0, 1.0]]

    Source: `tf.keras.utils.to_ordinal`.
    """
    classes = np.array(y, dtype=np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = int(classes.max()) + 1 if num_classes is None else int(num_classes)
    above: NDArray[Any] = np.arange(count - 1) < classes[..., None]
    return above.astype(dtype)
