"""Trainings with `fit`, which tf_keras and graphopt run alike: model, data and arguments.

Each case is a function of the module `tf` that returns a compiled model, and the keyword
arguments of `fit`. Weights are set by `set_weights_of` to numbers that depend on their
order and shapes alone, so that both begin from the same.
"""

import numpy as np

CASES = {}
EPOCHS = 5


def case(function):
    """Adds a case under the function's name."""
    CASES[function.__name__] = function
    return function


def set_weights_of(model):
    """Sets weights to numbers that depend on their order and shapes."""
    generator = np.random.RandomState(7)
    values = []
    for weight in model.weights:
        drawn = generator.uniform(-0.5, 0.5, weight.shape).astype("float32")
        if "variance" in weight.name or "gamma" in weight.name:
            drawn = np.abs(drawn) + 0.5
        values.append(drawn)
    model.set_weights(values)
    return model


def draw(*shape, seed=0):
    """Returns numbers in [-1, 1)."""
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32")


def classes(count, n, seed=0):
    """Returns n classes below a count."""
    return np.random.RandomState(seed + 99).randint(0, count, n)


@case
def mlp_with_accuracy(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Dense(8, activation="relu", input_shape=(6,)),
            layers.Dense(3, activation="softmax"),
        ]
    )
    set_weights_of(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = {"x": draw(37, 6), "y": classes(3, 37), "validation_split": 0.2}
    return model, {**data, "batch_size": 8}


@case
def two_inputs_and_two_outputs(tf):
    layers = tf.keras.layers
    a, b = tf.keras.Input((4,), name="a"), tf.keras.Input((3,), name="b")
    joined = layers.concatenate([layers.Dense(5, activation="tanh")(a), b])
    one = layers.Dense(1, name="one")(joined)
    two = layers.Dense(4, activation="softmax", name="two")(joined)
    model = set_weights_of(tf.keras.Model([a, b], [one, two]))
    model.compile(
        tf.keras.optimizers.SGD(0.05, momentum=0.9),
        loss={"one": "mse", "two": "categorical_crossentropy"},
        loss_weights={"one": 0.5, "two": 2.0},
        metrics={"one": ["mae"], "two": ["accuracy"]},
    )
    y = {"one": draw(20, 1, seed=3), "two": np.eye(4, dtype="float32")[classes(4, 20)]}
    return model, {
        "x": {"a": draw(20, 4, seed=1), "b": draw(20, 3, seed=2)},
        "y": y,
        "batch_size": 6,
    }


def _weighted(tf):
    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(3, activation="softmax", input_shape=(4,))]
    )
    set_weights_of(model)
    model.compile(
        tf.keras.optimizers.SGD(0.1),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


@case
def weights_of_examples(tf):
    weights = np.linspace(0.1, 2.0, 30).astype("float32")
    data = {"x": draw(30, 4), "y": classes(3, 30), "sample_weight": weights}
    return _weighted(tf), {**data, "batch_size": 7}


@case
def weights_of_classes(tf):
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    data = {"x": draw(30, 4), "y": classes(3, 30), "class_weight": weights}
    return _weighted(tf), {**data, "batch_size": 7}


@case
def regularizers_and_constraints(tf):
    layers, regularizers = tf.keras.layers, tf.keras.regularizers
    model = tf.keras.Sequential(
        [
            layers.Dense(
                6,
                activation="relu",
                kernel_regularizer="l2",
                activity_regularizer=regularizers.L1(0.01),
                kernel_constraint=tf.keras.constraints.MaxNorm(0.9),
                input_shape=(5,),
            ),
            layers.Dense(1, bias_regularizer=regularizers.L1L2(0.02, 0.03)),
        ]
    )
    set_weights_of(model)
    model.compile(tf.keras.optimizers.SGD(0.1), "mse", metrics=["mae", "mse"])
    return model, {"x": draw(24, 5), "y": draw(24, 1, seed=5), "batch_size": 10}


@case
def batch_normalization(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Dense(6, input_shape=(4,)),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    set_weights_of(model)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x, y = draw(32, 4), classes(2, 32)
    return model, {
        "x": x,
        "y": y,
        "batch_size": 8,
        "validation_data": (draw(9, 4, seed=8), classes(2, 9, seed=8)),
    }


@case
def frozen_batch_normalization(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Dense(6, input_shape=(4,)),
            layers.BatchNormalization(),
            layers.Dense(2),
        ]
    )
    set_weights_of(model)
    model.layers[1].trainable = False
    model.compile(tf.keras.optimizers.SGD(0.1), "mae")
    return model, {"x": draw(32, 4), "y": draw(32, 2, seed=4), "batch_size": 8}


@case
def convolutions(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 2)),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    set_weights_of(model)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model, {"x": draw(18, 8, 8, 2), "y": classes(3, 18), "batch_size": 6}


@case
def masked_sequences(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Embedding(12, 4, mask_zero=True, input_length=6),
            layers.LSTM(5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.build((None, 6))
    set_weights_of(model)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x = np.random.RandomState(3).randint(1, 12, (20, 6))
    for row, length in enumerate(np.random.RandomState(4).randint(1, 7, 20)):
        x[row, length:] = 0
    return model, {"x": x, "y": classes(2, 20), "batch_size": 8}


@case
def sequences_with_masked_loss(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Embedding(10, 3, mask_zero=True, input_length=5),
            layers.GRU(4, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3, activation="softmax")),
        ]
    )
    model.build((None, 5))
    set_weights_of(model)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.RandomState(3).randint(1, 10, (14, 5))
    x[::3, 2:] = 0
    y = np.random.RandomState(5).randint(0, 3, (14, 5))
    return model, {"x": x, "y": y, "batch_size": 5}


@case
def own_terms_and_metrics(tf):
    class Penalized(tf.keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(0.1 * tf.reduce_mean(tf.square(inputs)))
            return inputs

    x = tf.keras.Input((4,))
    hidden = Penalized()(tf.keras.layers.Dense(5, activation="tanh")(x))
    model = set_weights_of(tf.keras.Model(x, tf.keras.layers.Dense(1)(hidden)))
    model.add_loss(0.05 * tf.reduce_sum(tf.abs(hidden)))
    model.add_metric(tf.reduce_mean(hidden), name="mean_hidden")
    model.compile(tf.keras.optimizers.SGD(0.05), "mse")
    return model, {"x": draw(21, 4), "y": draw(21, 1, seed=2), "batch_size": 8}


@case
def own_training_step(tf):
    class Own(tf.keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                predicted = self(x, training=True)
                loss = tf.reduce_mean(tf.square(y - predicted))
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            self.compiled_metrics.update_state(y, predicted)
            return {"loss": loss, **{m.name: m.result() for m in self.metrics}}

    x = tf.keras.Input((4,))
    model = set_weights_of(Own(x, tf.keras.layers.Dense(1)(x)))
    model.compile(tf.keras.optimizers.SGD(0.05), metrics=["mae"])
    return model, {"x": draw(20, 4), "y": draw(20, 1, seed=2), "batch_size": 5}


@case
def datasets(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Dense(6, activation="elu", input_shape=(3,)), layers.Dense(1)]
    )
    set_weights_of(model)
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile("adam", loss, metrics=[tf.keras.metrics.AUC(from_logits=True)])
    x, y = draw(22, 3), classes(2, 22)
    data = tf.data.Dataset.from_tensor_slices((x, y.astype("float32"))).batch(5)
    return model, {"x": data, "validation_data": data.take(2)}


@case
def subclass(tf):
    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [
                tf.keras.layers.Dense(4, activation="selu") for _ in range(2)
            ]
            self.out = tf.keras.layers.Dense(2)
            self.scale = tf.Variable(1.5, name="scale")

        def call(self, inputs, training=None):
            for block in self.blocks:
                inputs = block(inputs) + (0.1 if training else 0.0)
            return self.out(inputs) * self.scale

    model = Net()
    model.build((None, 3))
    set_weights_of(model)
    model.compile("adam", "huber", metrics=["cosine_similarity"])
    return model, {"x": draw(17, 3), "y": draw(17, 2, seed=1), "batch_size": 4}


def run(tf, name):
    """Returns what a case's training reported, and the weights at the end."""
    tf.keras.backend.clear_session()
    model, arguments = CASES[name](tf)
    history = model.fit(**arguments, epochs=EPOCHS, verbose=0, shuffle=False)
    return history.history, [np.asarray(w) for w in model.get_weights()]
