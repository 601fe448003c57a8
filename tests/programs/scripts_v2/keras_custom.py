"""Own layers, losses, metrics and a training step that trains two networks in turn."""

import numpy as np
import tensorflow as tf

layers = tf.keras.layers
tf.keras.backend.clear_session()
random = np.random.RandomState(2)


def fixed(shape, dtype=None):
    values = np.sin(np.arange(np.prod(shape), dtype="float32") * 0.7 + 1.0)
    return tf.constant(0.5 * values.reshape(shape), dtype)


class Linear(layers.Layer):
    def __init__(self, units, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate = units, rate

    def build(self, input_shape):
        self.w = self.add_weight("w", (input_shape[-1], self.units), initializer=fixed)
        self.b = self.add_weight("b", (self.units,), initializer="zeros")
        self.calls = self.add_weight("calls", (), initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training:
            self.calls.assign_add(1.0)
        self.add_loss(self.rate * tf.reduce_sum(tf.square(self.w)))
        return tf.matmul(inputs, self.w) + self.b

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


class Spread(tf.keras.metrics.Metric):
    def __init__(self, name="spread", **kwargs):
        super().__init__(name=name, **kwargs)
        self.low = self.add_weight(name="low", initializer="zeros")
        self.high = self.add_weight(name="high", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.low.assign(tf.minimum(self.low, tf.reduce_min(y_pred)))
        self.high.assign(tf.maximum(self.high, tf.reduce_max(y_pred)))

    def result(self):
        return self.high - self.low


def pinball(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.maximum(0.8 * error, -0.2 * error), axis=-1)


x = random.uniform(-1, 1, (30, 3)).astype("float32")
y = (x @ [[1.0], [-2.0], [0.5]] + 0.3).astype("float32")
model = tf.keras.Sequential([Linear(4, 0.01), layers.ELU(), Linear(1)])
model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.5), pinball, [Spread(), "mae"])
history = model.fit(x, y, epochs=3, batch_size=10, shuffle=False, verbose=0)
for name in sorted(history.history):
    print(name, [round(float(v), 4) for v in history.history[name]])
print([w.name for w in model.weights])
print("calls", float(model.layers[0].calls))
again = Linear.from_config(model.layers[0].get_config())
print(again.units, again.rate, again.name)


class Adversaries(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.maker = layers.Dense(2, kernel_initializer=fixed)
        self.judge = layers.Dense(1, kernel_initializer=fixed)
        self.maker_loss = tf.keras.metrics.Mean(name="maker")
        self.judge_loss = tf.keras.metrics.Mean(name="judge")

    @property
    def metrics(self):
        return [self.maker_loss, self.judge_loss]

    def compile(self, maker_optimizer, judge_optimizer, loss):
        super().compile()
        self.maker_optimizer = maker_optimizer
        self.judge_optimizer = judge_optimizer
        self.loss_fn = loss

    def train_step(self, data):
        real, seeds = data
        with tf.GradientTape() as tape:
            fake = self.maker(seeds)
            both = tf.concat([self.judge(real), self.judge(fake)], 0)
            truth = tf.concat([tf.ones_like(real[:, :1]), tf.zeros_like(fake[:, :1])], 0)
            loss = self.loss_fn(truth, both)
        gradients = tape.gradient(loss, self.judge.trainable_weights)
        self.judge_optimizer.apply_gradients(
            zip(gradients, self.judge.trainable_weights)
        )
        self.judge_loss.update_state(loss)
        with tf.GradientTape() as tape:
            verdict = self.judge(self.maker(seeds))
            loss = self.loss_fn(tf.ones_like(verdict), verdict)
        gradients = tape.gradient(loss, self.maker.trainable_weights)
        self.maker_optimizer.apply_gradients(
            zip(gradients, self.maker.trainable_weights)
        )
        self.maker_loss.update_state(loss)
        return {m.name: m.result() for m in self.metrics}


real = random.normal(1.0, 0.2, (24, 2)).astype("float32")
seeds = random.uniform(-1, 1, (24, 2)).astype("float32")
adversaries = Adversaries()
adversaries.compile(
    tf.keras.optimizers.Adam(0.01),
    tf.keras.optimizers.Adam(0.02),
    tf.keras.losses.BinaryCrossentropy(from_logits=True),
)
data = tf.data.Dataset.from_tensor_slices((real, seeds)).batch(6)
history = adversaries.fit(data, epochs=3, verbose=0)
for name, values in history.history.items():
    print(name, [round(float(v), 3) for v in values])
