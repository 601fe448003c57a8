"""Elements as plain values."""

import numpy as np


def show_element(element):
    """An element as lists, with its dtypes."""
    if isinstance(element, dict):
        return {key: show_element(value) for key, value in element.items()}
    if isinstance(element, tuple):
        return [show_element(value) for value in element]
    array = np.asarray(element)
    if array.dtype.kind in "OS":
        flat = [text.decode() for text in np.asarray(array, object).reshape(-1)]
        return ["string", list(array.shape), flat]
    return [array.dtype.name, list(array.shape), array.reshape(-1).tolist()]
