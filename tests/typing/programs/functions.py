"""A loop of one's own: variables, a traced function, a tape and an optimizer."""

import numpy as np

import graphopt as tf

w = tf.Variable(tf.zeros([2, 1]), name="w")
b = tf.Variable(0.0)
optimizer = tf.keras.optimizers.Adam(learning_rate=0.05)


@tf.function
def loss_of(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    error = tf.matmul(x, w) + b - y
    return tf.reduce_mean(tf.square(error))


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 2], tf.float32)])
def predict(x: tf.Tensor) -> tf.Tensor:
    return tf.matmul(x, w) + b


def train(x: tf.Tensor, y: tf.Tensor) -> float:
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    gradients = tape.gradient(loss, [w, b])
    optimizer.apply_gradients(zip(gradients, [w, b], strict=True))
    return float(loss)


inputs = tf.constant([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
labels = tf.reshape(tf.range(3.0), [-1, 1])
losses: list[float] = [train(inputs, labels) for _ in range(3)]
values: np.ndarray = predict(inputs).numpy()
total = tf.reduce_sum(w * 2.0 - 1.0, axis=0) / 3.0
shape: list[int | None] = total.shape.as_list()
first: tf.Tensor = total[0]
flag: bool = bool(tf.reduce_all(tf.math.is_finite(total)))
w.assign_add([[1.0], [1.0]])
print(len(losses), values.shape, shape, first.dtype.name, flag, losses[0] > losses[2])


class Model(tf.Module):
    """Methods are traced as functions are."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(2.0)

    @tf.function
    def apply(self, x: tf.Tensor, times: int = 1) -> tf.Tensor:
        return x * self.scale * float(times)


@tf.custom_gradient
def clip_gradient(x: tf.Tensor) -> tuple[tf.Tensor, object]:
    return x, lambda g: tf.clip_by_value(g, -1.0, 1.0)


module = Model()
doubled: tf.Tensor = module.apply(tf.constant(1.5), times=2)
print(doubled.numpy(), clip_gradient(doubled).shape)
