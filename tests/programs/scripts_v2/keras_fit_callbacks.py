"""A classifier with callbacks: checkpoints, early stopping, rates, a log file, own ones."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.callbacks import CSVLogger, EarlyStopping, ReduceLROnPlateau

tf.keras.backend.clear_session()
random = np.random.RandomState(0)
centers = random.uniform(-2, 2, (3, 5))
labels = random.randint(0, 3, 90)
points = (centers[labels] + random.normal(0, 0.6, (90, 5))).astype("float32")


def fixed(shape, dtype=None):
    """Weights that are the same everywhere."""
    values = np.sin(np.arange(np.prod(shape), dtype="float32") + shape[0])
    return tf.constant(0.4 * values.reshape(shape), dtype)


class Printer(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        print("begin", self.params["epochs"], self.params["steps"])

    def on_epoch_end(self, epoch, logs=None):
        print(epoch, sorted(logs), round(float(logs["loss"]), 3))


model = keras.Sequential(
    [
        layers.Dense(8, activation="relu", kernel_initializer=fixed, input_shape=(5,)),
        layers.Dense(3, kernel_initializer=fixed),
        layers.Activation("softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.02),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")],
)

with tempfile.TemporaryDirectory() as folder:
    log = os.path.join(folder, "log.csv")
    history = model.fit(
        points[:70],
        labels[:70],
        epochs=12,
        batch_size=16,
        shuffle=False,
        verbose=0,
        validation_data=(points[70:], labels[70:]),
        callbacks=[
            EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
            ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.02),
            CSVLogger(log),
            Printer(),
        ],
    )
    with open(log) as file:
        print(file.readline().strip(), len(file.readlines()))

print(sorted(history.history))
print("rate", round(float(keras.backend.get_value(model.optimizer.learning_rate)), 5))
loss, accuracy, top2 = model.evaluate(points[70:], labels[70:], verbose=0)
print("test", round(loss, 3), round(accuracy, 3), round(top2, 3))
predicted = np.argmax(model.predict(points[:10], verbose=0), axis=1)
print(predicted.tolist(), labels[:10].tolist())
print([layer.name for layer in model.layers], model.count_params())
