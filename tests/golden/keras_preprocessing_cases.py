"""What preprocessing layers return: programs that run on TensorFlow and on graphopt."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMBERS = np.random.RandomState(7).standard_normal((20, 3)).astype(np.float32) * 3 + 1
IMAGES = np.random.RandomState(8).random((2, 6, 5, 2)).astype(np.float32) * 255
TEXTS = ["The cat sat on the mat.", "A dog & the cat!", "mat, mat; zebra", ""]
WORDS = np.array([["x", "y", "x"], ["z", "y", "z"], ["w", "w", "q"]])


def plain(value: Any) -> Any:
    """Returns lists of numbers and texts."""
    if hasattr(value, "to_list"):
        value = value.to_list()
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value.decode() if isinstance(value, bytes) else value


def _numbers(L: Any) -> dict[str, Any]:
    found = {}
    for name, options in {
        "normalization": {},
        "normalization_all": {"axis": None},
        "normalization_invert": {"invert": True},
    }.items():
        layer = L.Normalization(**options)
        layer.adapt(NUMBERS)
        found[name] = [layer(NUMBERS[:2]), *layer.get_weights()]
    layer = L.Normalization(mean=[1.0, 2.0, 0.0], variance=[4.0, 1.0, 0.25])
    found["normalization_given"] = layer(NUMBERS[:2])
    for mode in ("int", "one_hot", "multi_hot", "count"):
        layer = L.Discretization([-1.0, 0.0, 2.0], output_mode=mode)
        x = NUMBERS[:4, :1] if mode == "one_hot" else NUMBERS[:4]
        found[f"discretization_{mode}"] = layer(x)
    for mode in ("one_hot", "multi_hot", "count"):
        layer = L.CategoryEncoding(num_tokens=4, output_mode=mode)
        x = (
            np.array([[0], [3], [1]])
            if mode == "one_hot"
            else np.array([[0, 3], [1, 1]])
        )
        found[f"category_{mode}"] = [layer(x), layer(np.array([1, 3]))]
    layer = L.CategoryEncoding(num_tokens=4, output_mode="count")
    found["category_weights"] = layer(
        np.array([[0, 3], [1, 1]]), count_weights=np.array([[0.5, 2.0], [1.0, 0.25]])
    )
    return found


def _words(L: Any) -> dict[str, Any]:
    found = {}
    for mode in ("int", "multi_hot", "count", "tf_idf"):
        for options in (
            {},
            {"mask_token": "y"},
            {"max_tokens": 4, "num_oov_indices": 2},
        ):
            layer = L.StringLookup(output_mode=mode, **options)
            layer.adapt(WORDS)
            name = f"string_{mode}_{'_'.join(options)}"
            found[name] = [layer.get_vocabulary(), layer(WORDS[:, ::-1])]
    layer = L.StringLookup(vocabulary=["a", "b"], invert=True, mask_token="")
    found["string_invert"] = layer(np.array([[0, 1, 2, 3]]))
    layer = L.StringLookup(
        vocabulary=["a", "b"], idf_weights=[0.5, 2.0], output_mode="tf_idf"
    )
    found["string_idf"] = layer(np.array([["a", "b", "b", "c"]]))
    layer = L.StringLookup(
        vocabulary=["a", "b"], max_tokens=6, output_mode="count", pad_to_max_tokens=True
    )
    found["string_padded"] = layer(np.array([["a", "b", "b", "c"]]))
    for options in ({}, {"num_oov_indices": 3}, {"mask_token": 0}):
        layer = L.IntegerLookup(vocabulary=[12, 36, 42], **options)
        name = f"integer_{'_'.join(options)}"
        found[name] = [layer.get_vocabulary(), layer(np.array([[36, 0, 12, 7, 8]]))]
    layer = L.IntegerLookup(output_mode="one_hot")
    layer.adapt(np.array([5, 5, 2, 9, 9, 9]))
    found["integer_one_hot"] = [layer.get_vocabulary(), layer(np.array([9, 2, 1]))]
    for name, options in {
        "plain": {},
        "mask": {"mask_value": ""},
        "salt": {"salt": 133},
        "salts": {"salt": [133, 137], "output_mode": "multi_hot"},
    }.items():
        layer = L.Hashing(num_bins=3, **options)
        found[f"hashing_{name}"] = layer(np.array([["A"], ["B"], [""], ["C"], ["D"]]))
    found["hashing_integers"] = L.Hashing(num_bins=5)(np.array([[1, 2], [77, -3]]))
    return found


def _texts(L: Any) -> dict[str, Any]:
    found = {}
    for name, options in {
        "plain": {},
        "length": {"output_sequence_length": 3},
        "few": {"max_tokens": 5, "output_sequence_length": 6},
        "ngrams": {"ngrams": 2},
        "pairs": {"ngrams": (2,), "output_mode": "count"},
        "case": {"standardize": "strip_punctuation"},
        "lower": {"standardize": "lower"},
        "raw": {"standardize": None, "output_mode": "multi_hot"},
        "characters": {"split": "character"},
        "ragged": {"ragged": True},
        "count": {"output_mode": "count", "max_tokens": 4},
        "padded": {
            "output_mode": "multi_hot",
            "max_tokens": 20,
            "pad_to_max_tokens": True,
        },
        "tf_idf": {"output_mode": "tf_idf"},
    }.items():
        layer = L.TextVectorization(**options)
        layer.adapt(np.array(TEXTS))
        found[f"text_{name}"] = [layer.get_vocabulary(), layer(np.array(TEXTS[1:]))]
    layer = L.TextVectorization(vocabulary=["cat", "dog"], output_sequence_length=4)
    found["text_given"] = layer(np.array([["the cat"], ["dog"]]))
    return found


def _images(L: Any) -> dict[str, Any]:
    return {
        "rescaling": L.Rescaling(1 / 127.5, -1.0)(IMAGES),
        "resizing": L.Resizing(4, 7)(IMAGES),
        "resizing_nearest": L.Resizing(9, 4, "nearest")(IMAGES),
        "resizing_cropped": L.Resizing(4, 4, crop_to_aspect_ratio=True)(IMAGES),
        "center_crop": L.CenterCrop(3, 2)(IMAGES),
        "center_crop_larger": L.CenterCrop(8, 8)(IMAGES),
        "random_crop_still": L.RandomCrop(4, 3)(IMAGES, training=False),
        # Of one amount only, nothing is random.
        "brightness": L.RandomBrightness([0.25, 0.25])(IMAGES, training=True),
        "translation": L.RandomTranslation((0.3, 0.3), (-0.2, -0.2))(
            IMAGES, training=True
        ),
        **{
            f"rotation_{mode}_{kind}": L.RandomRotation(
                (0.13, 0.13), fill_mode=mode, interpolation=kind, fill_value=9.0
            )(IMAGES, training=True)
            for mode in ("reflect", "wrap", "nearest", "constant")
            for kind in ("bilinear", "nearest")
        },
        **{
            f"zoom_{mode}": L.RandomZoom((0.6, 0.6), (-0.3, -0.3), fill_mode=mode)(
                IMAGES, training=True
            )
            for mode in ("reflect", "wrap", "nearest", "constant")
        },
    }


def compute(L: Any) -> dict[str, Any]:
    """Returns what the layers of `keras.layers` return, as lists."""
    found = {**_numbers(L), **_words(L), **_texts(L), **_images(L)}
    return {name: plain(value) for name, value in found.items()}
