"""A model of Keras with a layer, a loss and a callback of one's own."""

from typing import Any

import graphopt as tf


class Scale(tf.keras.layers.Layer):
    """Multiplies by a number that is learned."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight("factor", shape=(), initializer="ones")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.factor


class Counting(tf.keras.callbacks.Callback):
    """Counts epochs."""

    epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epochs += 1


class SignDescent(tf.keras.optimizers.Optimizer):
    """Steps of one size."""

    hyperparameters = {"learning_rate": 0.01}

    def update(
        self, w: tf.Tensor, g: tf.Tensor, *, learning_rate: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return w - learning_rate * tf.sign(g), {}


def squared(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(y_pred - y_true), axis=-1)


model = tf.keras.Sequential(
    [tf.keras.layers.Dense(4, activation="relu"), Scale(), tf.keras.layers.Dense(1)]
)
counting = Counting()
model.compile(
    optimizer=tf.keras.optimizers.SGD(0.1, momentum=0.9),
    loss=squared,
    metrics=[tf.keras.metrics.MeanAbsoluteError()],
)
x = tf.random.normal([16, 3], seed=1)
y = tf.random.normal([16, 1], seed=2)
history = model.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[counting])
inputs = tf.keras.Input(shape=(3,))
outputs = tf.keras.layers.Dense(2, name="last")(inputs)
functional = tf.keras.Model(inputs=inputs, outputs=outputs)
weights: list[tf.Variable] = functional.trainable_variables
functional.compile(SignDescent(0.1, name="own"), "mse")
functional.fit(x, tf.zeros([16, 2]), verbose=0)
print(sorted(history.history), counting.epochs, len(weights))
