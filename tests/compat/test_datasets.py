"""Data sets: files in the cache, downloads, hashes, hostile archives, batches."""

import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest

import graphopt as tf
from graphopt.files.downloads import get_file
from graphopt.keras import datasets
from graphopt.keras.datasets import reading


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "datasets"
    folder.mkdir(parents=True)
    # Whatever the machine can reach: nothing is downloaded here.
    monkeypatch.setattr(
        "urllib.request.OpenerDirector.open", _no_network(__import__("urllib.request"))
    )
    return folder


def _no_network(urllib):
    real = urllib.request.OpenerDirector.open

    def open_local(self, request, *rest, **named):
        address = getattr(request, "full_url", request)
        if not str(address).startswith("file:"):
            raise OSError("no network in tests")
        return real(self, request, *rest, **named)

    return open_local


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_digits(folder, count=12, test=5):
    random = np.random.RandomState(0)
    arrays = {}
    for part, size in (("train", count), ("t10k", test)):
        arrays[part] = random.randint(0, 256, (size, 4, 3)), np.arange(size) % 10
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(arrays[part][0]))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(arrays[part][1]))
    return arrays


def test_missing_files_say_where_they_are_looked_for(cache):
    with pytest.raises(tf.errors.NotFoundError) as raised:
        datasets.mnist.load_data()
    text = str(raised.value)
    assert str(cache / "mnist.npz") in text and "tf-keras-datasets/mnist.npz" in text
    assert "KERAS_HOME" in text and "no network" in text
    assert list(cache.iterdir()) == []


def test_digits_from_the_cache(cache, monkeypatch):
    parts = {"x_train": np.ones((3, 2)), "y_train": np.arange(3)}
    parts |= {"x_test": np.zeros((2, 2)), "y_test": np.arange(2)}
    np.savez(cache / "mnist.npz", **parts)
    with pytest.raises(tf.errors.NotFoundError, match="another hash"):
        datasets.mnist.load_data()
    monkeypatch.setattr(datasets.mnist, "_HASH", digest(cache / "mnist.npz"))
    (x, y), (x_test, _) = datasets.mnist.load_data()
    assert x.shape == (3, 2) and y.tolist() == [0, 1, 2] and x_test.shape == (2, 2)


def test_clothes_from_the_cache(cache):
    (cache / "fashion-mnist").mkdir()
    arrays = make_digits(cache / "fashion-mnist")
    (x, y), (_, y_test) = datasets.fashion_mnist.load_data()
    assert np.array_equal(x, arrays["train"][0]) and x.dtype == np.uint8
    assert np.array_equal(y, arrays["train"][1]) and y_test.shape == (5,)


def archive_of(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, values in files.items():
            data = pickle.dumps(values)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def test_pictures_from_an_archive(cache, monkeypatch):
    images = np.random.RandomState(0).randint(0, 256, (2, 3072)).astype(np.uint8)
    batch = {b"data": images, b"labels": [3, 4], b"fine_labels": [1, 2]}
    name = "cifar-10-batches-py"
    files = {f"{name}/data_batch_{i}": batch for i in range(1, 6)}
    archive_of(cache / f"{name}.tar.gz", files | {f"{name}/test_batch": batch})
    monkeypatch.setattr(datasets.cifar10, "_HASH", digest(cache / f"{name}.tar.gz"))
    (x, y), (x_test, y_test) = datasets.cifar10.load_data()
    assert x.shape == (10, 32, 32, 3) and y.shape == (10, 1)
    assert np.array_equal(x_test[0, :, :, 1].ravel(), images[0, 1024:2048])
    assert y_test.ravel().tolist() == [3, 4]
    assert not (cache / name).exists()


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_pickles_hold_arrays_only(cache, capsys):
    archive_of(cache / "x.tar.gz", {"f": {b"data": Evil()}})
    with pytest.raises(tf.errors.DataLossError, match="print"):
        reading.read_cifar(cache / "x.tar.gz", "f", "labels")
    assert capsys.readouterr().out == ""


def test_words(cache, monkeypatch):
    rows = np.array([[1, 5, 2], [3], [9, 9, 9, 9], [4, 1]], dtype=object)
    labels = np.array([0, 1, 0, 1])
    values = {"x_train": rows, "y_train": labels, "x_test": rows, "y_test": labels}
    np.savez(cache / "imdb.npz", **values, allow_pickle=True)
    monkeypatch.setattr(datasets.imdb, "_HASH", digest(cache / "imdb.npz"))
    (x, y), (x_test, _) = datasets.imdb.load_data(num_words=9, maxlen=4, skip_top=5)
    assert len(x) == len(y) == len(x_test) == 2
    # One of a start, words from 5 to 8, and 2 for the others.
    assert sorted(x.tolist()) == [[2, 2, 2], [2, 6]] or all(
        word in (2, 5, 6, 7, 8) for row in x for word in row
    )
    with pytest.raises(ValueError, match="maxlen=1"):
        datasets.imdb.load_data(maxlen=2)
    (cache / "imdb_word_index.json").write_text(json.dumps({"the": 1}))
    md5 = hashlib.md5((cache / "imdb_word_index.json").read_bytes()).hexdigest()
    monkeypatch.setattr(datasets.imdb, "_WORDS_HASH", md5)
    assert datasets.imdb.get_word_index() == {"the": 1}


def test_houses(cache, monkeypatch):
    np.savez(
        cache / "boston_housing.npz", x=np.arange(20).reshape(10, 2), y=np.arange(10)
    )
    monkeypatch.setattr(
        datasets.boston_housing, "_HASH", digest(cache / "boston_housing.npz")
    )
    (x, y), (x_test, _) = datasets.boston_housing.load_data()
    order = np.arange(10)
    np.random.RandomState(113).shuffle(order)
    assert y.tolist() == order[:8].tolist() and x_test.shape == (2, 2)
    assert np.array_equal(x[:, 0], 2 * y)


def test_files_are_downloaded_checked_and_unpacked(cache, tmp_path):
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("inner/b.txt", "hello")
    path = get_file("a.zip", source.as_uri(), file_hash=digest(source), extract=True)
    assert path == str(cache / "a.zip")
    assert (cache / "inner" / "b.txt").read_text() == "hello"
    with pytest.raises(tf.errors.DataLossError, match="not kept"):
        get_file("b.zip", source.as_uri(), file_hash="0" * 64)
    assert not (cache / "b.zip").exists()
    (cache / "a.zip").write_bytes(b"damaged")
    get_file(
        "a.zip", source.as_uri(), md5_hash=hashlib.md5(source.read_bytes()).hexdigest()
    )
    assert digest(cache / "a.zip") == digest(source)
    text = tmp_path / "c.txt"
    text.write_text("c")
    assert get_file(origin=text.as_uri(), cache_subdir="other").endswith("other/c.txt")
    with pytest.raises(ValueError, match="origin"):
        get_file("x")


def test_archives_stay_in_their_folder(cache, tmp_path):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("../../evil.txt", "x")
    with pytest.raises(tf.errors.DataLossError, match="outside"):
        get_file("bad.zip", bad.as_uri(), extract=True)
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("../../evil.txt")
        archive.addfile(entry, io.BytesIO(b""))
    with pytest.raises(tf.errors.DataLossError):
        get_file("bad", (tmp_path / "bad.tar.gz").as_uri(), untar=True)
    assert (
        not (tmp_path / "evil.txt").exists()
        and not (cache.parent / "evil.txt").exists()
    )


def test_batches_come_in_the_order_of_tensorflow(tmp_path, capsys):
    from graphopt.v1.examples.tutorials.mnist import input_data

    arrays = make_digits(tmp_path)
    sets = input_data.read_data_sets(
        str(tmp_path), one_hot=True, validation_size=2, seed=7
    )
    assert "Extracting" in capsys.readouterr().out
    assert sets.train.num_examples == 10 and sets.test.labels.shape == (5, 10)
    assert sets.train.images.shape == (10, 12) and sets.train.images.dtype == np.float32
    images = arrays["train"][0][2:].reshape(10, 12).astype(np.float32) * np.float32(
        1 / 255
    )
    # The three sets seed NumPy in turn, so the first order is that of seed 7.
    random = np.random.RandomState(7)
    first = random.permutation(10)
    got, labels = sets.train.next_batch(6)
    np.testing.assert_allclose(got, images[first][:6], rtol=1e-6)
    assert labels.shape == (6, 10) and labels.sum() == 6
    second = first[random.permutation(10)]
    got, _ = sets.train.next_batch(6)
    joined = np.concatenate([images[first][6:], images[second][:2]])
    np.testing.assert_allclose(got, joined, rtol=1e-6)
    assert sets.train.epochs_completed == 1
    plain, _ = sets.validation.next_batch(2, shuffle=False)
    assert np.array_equal(plain, sets.validation.images)
    with pytest.raises(ValueError, match="Validation size"):
        input_data.read_data_sets(str(tmp_path), validation_size=99)
    fake = input_data.read_data_sets("nowhere", fake_data=True, one_hot=True)
    assert len(fake.train.next_batch(3)[0]) == 3
    with pytest.raises(tf.errors.NotFoundError, match="train-images"):
        input_data.read_data_sets(str(tmp_path / "empty"))


@pytest.fixture(autouse=True)
def modes():
    yield
    tf.compat.v1.enable_v2_behavior()
    tf.config.strict_sessions(False)


def test_damaged_files_of_digits(tmp_path):
    path = tmp_path / "x.gz"
    for data in (
        b"",
        b"abc",
        gzip.compress(b"abc"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x05ab"),
    ):
        path.write_bytes(data)
        with pytest.raises(tf.errors.DataLossError):
            reading.read_idx(path)


def test_categories():
    utils = tf.keras.utils
    assert utils.to_categorical([[1], [0]]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    with pytest.raises(ValueError, match="y - 1"):
        utils.to_categorical([1, 2, 3], 3)
    assert utils.normalize(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [0.6, 0.8],
        [0, 0],
    ]
