"""The event files that the TensorBoard callback writes."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.files.events import read_events
from graphopt.files.tensors import make_ndarray
from graphopt.keras.callbacks.tensorboard import weight_image

keras = tf.keras


class Model:
    """As much of a model as the callback looks at."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(0.5)
        self.kernel = tf.Variable(np.ones((3, 2), np.float32), name="dense/kernel")
        self.layers, self.weights, self.metrics = [], [self.kernel], []
        self.stop_training = False

    def to_json(self):
        return '{"class_name": "Sequential"}'


def train(callback, epochs=2, batches=3, model=None, inside=None):
    model = model or Model()
    every = keras.callbacks.CallbackList([callback], model=model)
    every.on_train_begin()
    for epoch in range(epochs):
        every.on_epoch_begin(epoch)
        for batch in range(batches):
            every.on_train_batch_begin(batch)
            if inside:
                inside()
            model.optimizer.iterations.assign_add(1)
            every.on_train_batch_end(batch, {"loss": 10.0 * epoch + batch})
        every.on_test_begin()
        every.on_test_end({"loss": 0.5})
        every.on_epoch_end(epoch, {"loss": 1.0 / (epoch + 1), "val_loss": 0.5})
    every.on_train_end()


def values_in(folder):
    """Returns (tag, step) -> array of all files of a folder."""
    found = {}
    for path in folder.iterdir():
        for event in read_events(path):
            for value in event.summary.value if event.summary else ():
                found[value.tag, event.step] = make_ndarray(value.tensor)
    return found


def test_epochs_are_curves_of_training_and_validation(tmp_path):
    train(keras.callbacks.TensorBoard(tmp_path))
    logs = values_in(tmp_path / "train")
    assert logs["epoch_loss", 0] == 1.0 and logs["epoch_loss", 1] == 0.5
    assert logs["keras", 0].item() == b'{"class_name": "Sequential"}'
    assert not any(tag.startswith("batch") for tag, _ in logs)
    logs = values_in(tmp_path / "validation")
    assert logs["epoch_loss", 1] == 0.5
    assert logs["evaluation_loss_vs_iterations", 3] == 0.5
    assert logs["evaluation_loss_vs_iterations", 6] == 0.5


def test_epochs_alone_need_no_batches(tmp_path):
    quiet = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)
    assert not keras.callbacks.CallbackList([quiet]).wants_batches
    loud = keras.callbacks.TensorBoard(tmp_path, update_freq=10)
    assert keras.callbacks.CallbackList([loud]).wants_batches


def test_batches_are_written_every_few(tmp_path):
    train(
        keras.callbacks.TensorBoard(
            tmp_path, update_freq=2, write_graph=False, write_steps_per_second=True
        ),
        inside=lambda: tf.summary.scalar("mine", 7.0),
    )
    logs = values_in(tmp_path / "train")
    steps = sorted(step for tag, step in logs if tag == "batch_loss")
    assert steps == [2, 4, 6]
    assert [logs["batch_loss", step] for step in steps] == [1.0, 10.0, 12.0]
    assert logs["epoch_steps_per_second", 0] > 0
    # What the program itself writes inside of `fit` goes there as well.
    assert sorted(step for tag, step in logs if tag == "mine") == [0, 2, 4]


def test_histograms_and_images_of_weights(tmp_path):
    train(keras.callbacks.TensorBoard(tmp_path, histogram_freq=2, write_images=True), 3)
    logs = values_in(tmp_path / "train")
    steps = sorted(step for tag, step in logs if tag.endswith("/histogram"))
    assert steps == [0, 2]
    assert logs["dense/kernel_0/histogram", 0][:, 2].sum() == 6
    assert ("dense/kernel_0/image", 2) in logs


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((5,), (1, 5, 1, 1)),
        ((2, 6), (1, 2, 6, 1)),
        ((6, 2), (1, 2, 6, 1)),
        ((3, 4, 5), (5, 3, 4, 1)),
        ((3, 4, 5, 3), (3, 4, 5, 3)),
        ((3, 4, 5, 6), None),
        ((), None),
    ],
)
def test_weights_as_images(shape, want):
    image = weight_image(np.zeros(shape))
    assert (None if image is None else image.shape) == want


def test_embeddings_are_written_for_the_projector(tmp_path):
    class Embedding:
        name = "words"

        def get_weights(self):
            return [np.array([[1.0, 2.0], [3.0, 4.0]])]

    model = Model()
    model.layers = [Embedding()]
    callback = keras.callbacks.TensorBoard(
        tmp_path, embeddings_freq=1, embeddings_metadata={"words": "labels.tsv"}
    )
    train(callback, 1, model=model)
    assert (tmp_path / "train/words.tsv").read_text() == "1\t2\n3\t4\n"
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "train/words.tsv"' in text and "labels.tsv" in text
    bad = keras.callbacks.TensorBoard(
        tmp_path, embeddings_freq=1, embeddings_metadata={"letters": "x"}
    )
    with pytest.raises(ValueError, match="letters"):
        bad.set_model(model)


def test_the_rate_of_a_schedule_is_written(tmp_path):
    model = Model()
    schedule = keras.optimizers.schedules.ExponentialDecay(1.0, 3, 0.5)
    model.optimizer = keras.optimizers.SGD(schedule)
    train(keras.callbacks.TensorBoard(tmp_path), model=model)
    logs = values_in(tmp_path / "train")
    assert logs["epoch_learning_rate", 1] == pytest.approx(0.25)


@pytest.mark.parametrize("batches", [-1, (3, 2), (1, 2, 3), "a", 1.5])
def test_bad_profile_batch(batches):
    with pytest.raises(ValueError, match="profile_batch must be"):
        keras.callbacks.TensorBoard("x", profile_batch=batches)


def test_unknown_and_former_arguments(tmp_path):
    with pytest.raises(ValueError, match="Unrecognized arguments"):
        keras.callbacks.TensorBoard(tmp_path, frequency=3)
    with pytest.warns(tf.errors.GraphoptWarning, match="write_grads"):
        keras.callbacks.TensorBoard(tmp_path, write_grads=True)


def test_a_traced_batch_is_exported(tmp_path):
    double = tf.function(lambda x: x * 2.0)
    train(
        keras.callbacks.TensorBoard(tmp_path, profile_batch=(2, 3), write_graph=False),
        inside=lambda: double(tf.constant(1.0)),
    )
    events = [
        event for path in (tmp_path / "train").iterdir() for event in read_events(path)
    ]
    assert any(event.graph_def or event.tagged_run_metadata for event in events)


def test_summaries_inside_of_a_compiled_step_have_the_step_of_the_batch(tmp_path):
    class Noisy(keras.Sequential):
        def train_step(self, data):
            found = super().train_step(data)
            tf.summary.scalar("mine", 7.0)
            return found

    model = Noisy([keras.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    x = np.ones((8, 2), np.float32)
    callback = keras.callbacks.TensorBoard(tmp_path, update_freq=2)
    for _ in range(2):
        model.fit(
            x,
            x[:, :1],
            batch_size=2,
            epochs=2,
            verbose=0,
            callbacks=[callback],
            validation_split=0.25,
        )
    logs = values_in(tmp_path / "train")
    assert sorted(step for tag, step in logs if tag == "mine") == [0, 2, 4, 6, 8, 10]
    assert sorted(s for tag, s in logs if tag == "batch_loss") == [2, 4, 6, 8, 10, 12]
    assert logs["mine", 4] == 7.0
    logs = values_in(tmp_path / "validation")
    assert {step for tag, step in logs if tag == "evaluation_loss_vs_iterations"} == {
        3,
        6,
        9,
        12,
    }
