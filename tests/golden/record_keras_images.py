"""Records changed images and generators of tf_keras for `test_preprocessing_images.py`.

python tests/golden/record_keras_images.py   with tf_keras 2.21, SciPy and Pillow
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

AFFINE = {
    "rotate": {"theta": 30.0},
    "move": {"tx": 1.3, "ty": -0.7},
    "far": {"tx": 9.25, "ty": -13.5},
    "shear": {"shear": 20.0},
    "zoom": {"zx": 0.7, "zy": 1.6},
    "all": {"theta": -75.0, "tx": 2.0, "ty": 1.5, "shear": 10.0, "zx": 1.4, "zy": 0.8},
}
MODES = ("nearest", "constant", "reflect", "wrap")
GENERATORS = {
    "plain": {},
    "rescale": {"rescale": 1 / 255.0},
    "rotation": {"rotation_range": 40},
    "shifts": {"width_shift_range": 0.2, "height_shift_range": 0.3},
    "whole_shifts": {"width_shift_range": 3, "height_shift_range": [-1, 0, 2]},
    "shear_zoom": {"shear_range": 15.0, "zoom_range": 0.3, "fill_mode": "reflect"},
    "zoom_pair": {"zoom_range": [0.5, 0.8], "fill_mode": "constant", "cval": 7.0},
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "colors": {"channel_shift_range": 40.0, "brightness_range": [0.4, 1.5]},
    "sample": {"samplewise_center": True, "samplewise_std_normalization": True},
    "feature": {"featurewise_center": True, "featurewise_std_normalization": True},
    "zca": {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 0.1},
    "everything": {
        "rotation_range": 20,
        "width_shift_range": 0.1,
        "height_shift_range": 0.1,
        "shear_range": 5,
        "zoom_range": 0.2,
        "channel_shift_range": 10,
        "horizontal_flip": True,
        "rescale": 0.5,
        "fill_mode": "wrap",
        "interpolation_order": 0,
    },
    "first": {"rotation_range": 30, "data_format": "channels_first"},
}


def images(count=7, shape=(6, 5, 3), seed=0):
    """Images from 0 to 255, of whole numbers."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *shape)).astype(np.float32)


def batches_of(generator_class, name):
    """Two epochs of batches of a generator."""
    options = GENERATORS[name]
    x = images()
    if options.get("data_format") == "channels_first":
        x = x.transpose(0, 3, 1, 2)
    made = generator_class(**options)
    if any(key.startswith(("feature", "zca")) for key in options):
        made.fit(x)
    flow = made.flow(x, np.arange(7), batch_size=3, seed=5)
    return [next(flow) for _ in range(6)], [flow[i] for i in range(len(flow))]


TEXTS = ["The cat sat, on the mat.", "The dog ate the cat's food!", "a b a b a C", ""]


def texts(module):
    """What the tokenizer and its neighbors return, as plain values."""
    text = module.text
    found = {}
    for key, options in {
        "plain": {},
        "few": {"num_words": 4},
        "unknown": {"num_words": 5, "oov_token": "<?>"},
        "characters": {"char_level": True, "lower": False},
    }.items():
        tokens = text.Tokenizer(**options)
        tokens.fit_on_texts(TEXTS)
        numbers = tokens.texts_to_sequences([*TEXTS, "an unknown cat"])
        found[key] = {
            "index": tokens.word_index,
            "counts": dict(tokens.word_counts),
            "numbers": numbers,
            "texts": tokens.sequences_to_texts([*numbers, [99, 1]]),
            **{
                mode: np.round(tokens.texts_to_matrix(TEXTS, mode), 6).tolist()
                for mode in ("binary", "count", "freq", "tfidf")
            },
        }
    found["hash"] = text.hashing_trick(TEXTS[0], 50, "md5")
    found["words"] = text.text_to_word_sequence("A-b c", lower=False)
    random.seed(3)
    sequence = module.sequence
    found["skipgrams"] = sequence.skipgrams([1, 2, 3, 0, 4, 5], 6, 2, seed=1)
    random.seed(4)
    found["categorical"] = sequence.skipgrams(
        [1, 2, 3, 1], 4, 1, 0.5, categorical=True, sampling_table=[0.0, 0.9, 0.5, 1.0]
    )
    found["table"] = sequence.make_sampling_table(6).tolist()
    series = sequence.TimeseriesGenerator(
        np.arange(30), np.arange(30) * 2, 6, 2, 3, 1, 25, reverse=True, batch_size=2
    )
    found["series"] = [
        [part.tolist() for part in series[i]] for i in range(len(series))
    ]
    return json.loads(json.dumps(found))


def main():
    """Writes keras_images.npz and keras_texts.json next to this file."""
    import tf_keras as keras

    module = keras.preprocessing
    found = {}
    x = images(1)[0]
    for name, options in AFFINE.items():
        for mode in MODES:
            for order in (0, 1):
                found[f"affine/{name}/{mode}/{order}"] = (
                    module.image.apply_affine_transform(
                        x,
                        **options,
                        row_axis=0,
                        col_axis=1,
                        channel_axis=2,
                        fill_mode=mode,
                        cval=3.0,
                        order=order,
                    )
                )
    found["affine/first"] = module.image.apply_affine_transform(
        x.transpose(2, 0, 1), theta=20.0, tx=1.0
    )
    found["affine/columns"] = module.image.apply_affine_transform(
        x, theta=20.0, tx=1.0, row_axis=1, col_axis=0, channel_axis=2
    )
    for name in GENERATORS:
        flowing, asked = batches_of(module.image.ImageDataGenerator, name)
        for i, (batch, labels) in enumerate(flowing):
            found[f"flow/{name}/{i}"] = batch
            found[f"labels/{name}/{i}"] = labels
        for i, (batch, _) in enumerate(asked):
            found[f"item/{name}/{i}"] = batch
    folder = Path(__file__).parent
    np.savez_compressed(folder / "keras_images.npz", **found)
    (folder / "keras_texts.json").write_text(json.dumps(texts(module), indent=0) + "\n")


if __name__ == "__main__":
    main()
