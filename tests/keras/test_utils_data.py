"""Sequences, enqueuers, images, datasets of folders and of series, seeds."""

from __future__ import annotations

import io
import itertools
import random
import threading
import time

import numpy as np
import pytest

import graphopt as tf

keras = tf.keras
utils = keras.utils


# ---- pad_sequences and the like


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
        ({"padding": "post", "value": 9}, [[1, 9, 9], [2, 3, 9], [4, 5, 6]]),
        ({"maxlen": 4, "padding": "post"}, [[1, 0, 0, 0], [2, 3, 0, 0], [4, 5, 6, 0]]),
    ],
)
def test_pad_sequences(options, want):
    assert utils.pad_sequences([[1], [2, 3], [4, 5, 6]], **options).tolist() == want


def test_pad_sequences_of_vectors_and_texts():
    padded = utils.pad_sequences([[[1, 2]], [[3, 4], [5, 6]]], dtype="float32")
    assert padded.shape == (2, 2, 2) and padded[0, 0].tolist() == [0.0, 0.0]
    padded = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert padded.tolist() == [["-", "a"], ["b", "c"]]
    assert utils.pad_sequences([[], [1]]).tolist() == [[0], [1]]
    assert utils.pad_sequences([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        (3, {}, "must be iterable"),
        ([1, 2], {}, r"non-iterable.*\[sequence\]"),
        ([[1]], {"padding": "left"}, "Padding type"),
        ([[1]], {"truncating": "left"}, "Truncating type"),
        ([[[1, 2]], [[1]]], {}, "different from expected shape"),
        ([["a"]], {"value": "pad"}, "dtype=object"),
    ],
)
def test_bad_sequences(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(sequences, **options)


def test_tokenizer_goes_through_json():
    text = keras.preprocessing.text
    tokens = text.Tokenizer(num_words=10, oov_token="?")
    tokens.fit_on_texts(["a b c", ["A", "d"]])
    again = text.tokenizer_from_json(tokens.to_json())
    assert again.texts_to_sequences(["a x d"]) == tokens.texts_to_sequences(["a x d"])
    assert again.get_config() == tokens.get_config()
    again.fit_on_texts(["d d"])
    assert again.word_index["d"] == 2


def test_bad_uses_of_a_tokenizer():
    text = keras.preprocessing.text
    with pytest.raises(ValueError, match="Unknown vectorization mode"):
        text.Tokenizer(3).sequences_to_matrix([[1]], "sum")
    with pytest.raises(ValueError, match="Specify a dimension"):
        text.Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(ValueError, match="before using tfidf"):
        text.Tokenizer(3).sequences_to_matrix([[1]], "tfidf")
    with pytest.raises(TypeError, match="Unrecognized"):
        text.Tokenizer(words=3)
    with pytest.warns(tf.errors.GraphoptWarning, match="num_words"):
        assert text.Tokenizer(nb_words=3).num_words == 3


def test_bad_series():
    generator = keras.preprocessing.sequence.TimeseriesGenerator
    with pytest.raises(ValueError, match="same length"):
        generator(range(3), range(4), 1)
    with pytest.raises(ValueError, match="disallowed"):
        generator(range(3), range(3), 5)
    made = generator(np.arange(6), np.arange(6), 2, shuffle=True, batch_size=3)
    assert made[0][0].shape == (3, 2) and '"length": 2' in made.to_json()


def test_to_ordinal():
    assert utils.to_ordinal([[2], [0]], 4).tolist() == [[1, 1, 0], [0, 0, 0]]


# ---- batches by number


class Squares(utils.Sequence):
    def __init__(self, count):
        super().__init__()
        self.count, self.ends = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        return np.full((2, 1), index, np.float32), np.full((2, 1), index**2, np.float32)

    def on_epoch_end(self):
        self.ends += 1


def test_a_sequence_is_iterated_and_fitted():
    data = Squares(3)
    assert [float(x[0, 0]) for x, _ in data] == [0.0, 1.0, 2.0]
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    model.fit(data, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 6 and data.ends == 2
    for call in (lambda: utils.Sequence()[0], lambda: len(utils.Sequence())):
        with pytest.raises(NotImplementedError, match="must define"):
            call()


def test_an_enqueuer_gives_batches_in_order_epoch_after_epoch():
    data = Squares(4)
    enqueuer = utils.OrderedEnqueuer(data)
    assert not enqueuer.is_running()
    enqueuer.start(workers=3, max_queue_size=2)
    found = [float(x[0, 0]) for x, _ in itertools.islice(enqueuer.get(), 10)]
    assert found == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    enqueuer.stop()
    assert not enqueuer.is_running() and data.ends >= 2


def test_a_shuffled_enqueuer_gives_each_batch_once_an_epoch():
    random.seed(0)
    enqueuer = utils.OrderedEnqueuer(Squares(8), shuffle=True)
    enqueuer.start()
    found = [float(x[0, 0]) for x, _ in itertools.islice(enqueuer.get(), 16)]
    enqueuer.stop()
    assert sorted(found[:8]) == sorted(found[8:]) == list(range(8))
    assert found[:8] != list(range(8))


def test_an_error_in_a_worker_is_raised_where_batches_are_taken():
    class Bad(Squares):
        def __getitem__(self, index):
            if index == 2:
                raise RuntimeError("no such batch")
            return super().__getitem__(index)

    enqueuer = utils.OrderedEnqueuer(Bad(4))
    enqueuer.start()
    with pytest.raises(RuntimeError, match="no such batch"):
        list(enqueuer.get())
    assert not enqueuer.is_running()


def test_a_generator_ends_and_fails_where_batches_are_taken():
    enqueuer = utils.GeneratorEnqueuer(iter(range(1, 5)))
    enqueuer.start(max_queue_size=2)
    assert list(enqueuer.get()) == [1, 2, 3, 4]
    enqueuer.stop()

    def fails():
        yield 1
        raise ValueError("broken")

    enqueuer = utils.GeneratorEnqueuer(fails())
    enqueuer.start()
    with pytest.raises(ValueError, match="broken"):
        list(enqueuer.get())


def test_stop_ends_the_threads():
    before = threading.active_count()
    enqueuer = utils.GeneratorEnqueuer(itertools.count(1))
    enqueuer.start()
    assert next(enqueuer.get()) == 1
    enqueuer.stop()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


# ---- images


def picture(height=4, width=6, channels=3):
    values = np.random.default_rng(0).integers(0, 256, (height, width, channels))
    return values.astype(np.float32)


def test_images_go_to_a_file_and_back(tmp_path):
    for channels, mode in ((1, "grayscale"), (3, "rgb"), (4, "rgba")):
        path = tmp_path / f"{channels}.png"
        utils.save_img(path, picture(channels=channels), scale=False)
        image = utils.load_img(path, color_mode=mode)
        np.testing.assert_array_equal(
            utils.img_to_array(image), picture(channels=channels)
        )
    data = io.BytesIO((tmp_path / "3.png").read_bytes())
    assert utils.load_img(data).size == (6, 4)
    assert utils.load_img(str(tmp_path / "3.png"), color_mode="grayscale").mode == "L"
    with pytest.warns(tf.errors.GraphoptWarning, match="RGB"):
        utils.save_img(tmp_path / "4.jpg", picture(channels=4), file_format="jpg")


def test_images_are_resized_when_they_are_read(tmp_path):
    path = tmp_path / "x.png"
    utils.save_img(path, picture(4, 8), scale=False)
    assert utils.load_img(path, target_size=(2, 3)).size == (3, 2)
    kept = utils.load_img(path, target_size=(4, 4), keep_aspect_ratio=True)
    np.testing.assert_array_equal(utils.img_to_array(kept), picture(4, 8)[:, 2:6])
    with pytest.raises(ValueError, match="Invalid interpolation"):
        utils.load_img(path, target_size=(2, 2), interpolation="linear")


def test_arrays_and_images():
    assert utils.img_to_array(np.zeros((4, 6))).shape == (4, 6, 1)
    assert utils.img_to_array(picture(), "channels_first").shape == (3, 4, 6)
    image = utils.array_to_img(
        picture().transpose(2, 0, 1), "channels_first", scale=False
    )
    np.testing.assert_array_equal(np.asarray(image), picture())
    scaled = np.asarray(utils.array_to_img(np.array([[[1.0], [3.0]]])))
    assert scaled.tolist() == [[0, 255]]
    assert utils.array_to_img(tf.constant(picture())).size == (6, 4)
    for call, message in (
        (lambda: utils.img_to_array(np.zeros(3)), "Unsupported image shape"),
        (lambda: utils.array_to_img(np.zeros((2, 2))), "rank 3"),
        (lambda: utils.array_to_img(np.zeros((2, 2, 5))), "channel number"),
        (lambda: utils.img_to_array(np.zeros((2, 2)), "first"), "data_format"),
        (lambda: utils.load_img("x", color_mode="cmyk"), "color_mode"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="path-like"):
        utils.load_img(3)


def test_smart_resize_crops_and_resizes():
    resize = keras.preprocessing.image.smart_resize
    x = picture(4, 8)
    want = tf.image.resize(x[:, 2:6], (2, 2)).numpy()
    np.testing.assert_allclose(resize(x, (2, 2)), want, rtol=1e-6)
    batch = resize(tf.constant(np.stack([x, x])), (2, 2))
    np.testing.assert_allclose(batch[1].numpy(), want, rtol=1e-6)
    with pytest.raises(ValueError, match="tuple of 2"):
        resize(x, (2,))
    with pytest.raises(ValueError, match="incorrect rank"):
        resize(x[0], (2, 2))


# ---- datasets of folders


@pytest.fixture
def images(tmp_path):
    for c, name in enumerate(("ants", "bees", "cows")):
        (tmp_path / name / "more").mkdir(parents=True)
        for i in range(3):
            x = np.full((4, 6, 3), 10 * c + i, np.float32)
            utils.save_img(tmp_path / name / f"{i}.png", x, scale=False)
        utils.save_img(tmp_path / name / "more" / "3.bmp", x + 1, scale=False)
        (tmp_path / name / "notes.md").write_text("")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_images_of_a_folder(images, capsys):
    data = utils.image_dataset_from_directory(
        images, image_size=(2, 3), batch_size=5, shuffle=False
    )
    assert capsys.readouterr().out == "Found 12 files belonging to 3 classes.\n"
    assert data.class_names == ["ants", "bees", "cows"] and len(data.file_paths) == 12
    batches = [(x.numpy(), y.numpy()) for x, y in data]
    assert [len(x) for x, _ in batches] == [5, 5, 2]
    x = np.concatenate([x for x, _ in batches])
    y = np.concatenate([y for _, y in batches])
    assert x.shape == (12, 2, 3, 3) and x.dtype == np.float32
    assert x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert y.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and y.dtype == np.int32


def test_labels_and_parts_of_a_folder(images):
    options = {"image_size": (2, 2), "seed": 3, "validation_split": 0.25}
    both = utils.image_dataset_from_directory(
        images,
        label_mode="categorical",
        subset="both",
        color_mode="grayscale",
        **options,
    )
    seen = []
    for data, count in zip(both, (9, 3), strict=True):
        ((x, y),) = list(data)
        assert x.shape == (count, 2, 2, 1) and y.shape == (count, 3)
        seen += (x[:, 0, 0, 0].numpy() // 10).tolist()
        np.testing.assert_array_equal(np.argmax(y, 1), x[:, 0, 0, 0].numpy() // 10)
    assert sorted(seen) == [0] * 4 + [1] * 4 + [2] * 4
    alone = utils.image_dataset_from_directory(images, subset="validation", **options)
    assert alone.file_paths == both[1].file_paths


def test_folders_without_labels_and_with_given_ones(images):
    data = utils.image_dataset_from_directory(
        images, labels=None, batch_size=None, shuffle=False, crop_to_aspect_ratio=True
    )
    assert next(iter(data)).shape == (256, 256, 3)
    data = utils.image_dataset_from_directory(
        images / "ants", labels=[3, 1, 2, 1], shuffle=False
    )
    assert next(iter(data))[1].numpy().tolist() == [3, 1, 2, 1]
    names = ["cows", "bees", "ants"]
    data = utils.image_dataset_from_directory(images, class_names=names, shuffle=False)
    assert next(iter(data))[1].numpy().tolist() == [2] * 4 + [1] * 4 + [0] * 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": "all"}, ValueError, "`labels` argument"),
        ({"labels": [1]}, ValueError, "lengths of `labels`"),
        ({"labels": [1], "class_names": ["a"]}, ValueError, "only pass `class_names`"),
        ({"label_mode": "one_hot"}, ValueError, "label_mode"),
        ({"label_mode": "binary"}, ValueError, "exactly 2 class_names"),
        ({"class_names": ["ants"]}, ValueError, "did not match the names"),
        ({"color_mode": "cmyk"}, ValueError, "color_mode"),
        ({"validation_split": 2, "subset": "both"}, ValueError, "between 0 and 1"),
        ({"validation_split": 0.5}, ValueError, "and inversely"),
        ({"validation_split": 0.5, "subset": "test"}, ValueError, "subset"),
        ({"validation_split": 0.5, "subset": "both"}, ValueError, "provide a `seed`"),
        (
            {"validation_split": 0.01, "subset": "validation", "seed": 1},
            ValueError,
            "No validation images found",
        ),
        ({"interpolation": "linear"}, NotImplementedError, "interpolation"),
        ({"size": 3}, TypeError, "Unknown keywords"),
    ],
)
def test_bad_options_of_folders(images, options, error, message):
    with pytest.raises(error, match=message):
        utils.image_dataset_from_directory(images, **options)


def test_folders_that_are_not_there_or_empty(tmp_path):
    with pytest.raises(ValueError, match="is not there"):
        utils.image_dataset_from_directory(tmp_path / "none")
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"No images found.*\.png"):
        utils.image_dataset_from_directory(tmp_path)


def test_texts_of_a_folder(tmp_path):
    for name in ("neg", "pos"):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}.txt").write_text(f"{name} ünï {i}", "utf-8")
    options = {"label_mode": "binary", "shuffle": False, "batch_size": 3}
    (first, labels), _ = utils.text_dataset_from_directory(tmp_path, **options)
    assert first.numpy().tolist()[:2] == ["neg ünï 0".encode(), "neg ünï 1".encode()]
    assert labels.numpy().tolist() == [[0.0], [0.0], [1.0]]
    cut = utils.text_dataset_from_directory(tmp_path, max_length=3, **options)
    assert next(iter(cut))[0].numpy().tolist() == [b"neg", b"neg", b"pos"]


# ---- series and splits


def windows(*args, **options):
    data = utils.timeseries_dataset_from_array(*args, **options)
    return [tuple(part.numpy().tolist() for part in item) for item in data]


def test_windows_of_a_series():
    x = np.arange(10)
    ((inputs, targets),) = windows(x, x[4:] * 10, 3, sampling_rate=2)
    assert inputs == [[i, i + 2, i + 4] for i in range(6)]
    assert targets == [i * 10 for i in range(4, 10)]
    ((inputs, targets),) = windows(
        x, x, 2, sequence_stride=3, start_index=1, end_index=9, batch_size=4
    )
    assert inputs == [[1, 2], [4, 5], [7, 8]] and targets == [1, 4, 7]
    alone = utils.timeseries_dataset_from_array(x, None, 4, batch_size=None)
    assert [w.numpy().tolist() for w in alone][-1] == [6, 7, 8, 9]


def test_shuffled_windows_keep_their_targets():
    x = np.arange(50)
    found = windows(x, x, 3, shuffle=True, seed=1, batch_size=16)
    pairs = [(w[0], y) for inputs, ys in found for w, y in zip(inputs, ys, strict=True)]
    assert all(a == b for a, b in pairs)
    order = [a for a, _ in pairs]
    assert sorted(order) == list(range(48)) and order != sorted(order)
    assert windows(x, x, 3, shuffle=True, seed=1, batch_size=16) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_index": -1}, "start_index"),
        ({"start_index": 20}, "start_index"),
        ({"start_index": 5, "end_index": 5}, "end_index"),
        ({"end_index": 20}, "end_index"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"sequence_stride": 20}, "sequence_stride"),
    ],
)
def test_bad_windows(options, message):
    with pytest.raises(ValueError, match=message):
        utils.timeseries_dataset_from_array(np.arange(10), None, 2, **options)


def test_split_dataset():
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset((x, y), left_size=0.8)
    assert [tuple(map(int, item)) for item in right] == [(8, 16), (9, 18)]
    assert sum(1 for _ in left) == 8
    left, right = utils.split_dataset(tf.data.Dataset.range(10), right_size=3)
    assert [int(i) for i in right] == [7, 8, 9] and sum(1 for _ in left) == 7
    left, right = utils.split_dataset(x, 4, 4, shuffle=True, seed=2)
    both = [int(i) for i in left] + [int(i) for i in right]
    assert len(set(both)) == 8
    for sizes, error in (
        ({}, ValueError),
        ({"left_size": 0}, ValueError),
        ({"left_size": 11}, ValueError),
        ({"left_size": 1.5}, ValueError),
        ({"left_size": 6, "right_size": 6}, ValueError),
        ({"left_size": "all"}, TypeError),
    ):
        with pytest.raises(error):
            utils.split_dataset(x, **sizes)
    with pytest.raises(TypeError, match="must be either"):
        utils.split_dataset("text", 1)


def test_seeds():
    for bad in (1.5, "a", None, True):
        with pytest.raises(ValueError, match="to be an integer"):
            utils.set_random_seed(bad)
    with pytest.raises(AttributeError, match="set_seed"):
        _ = utils.set_seed
