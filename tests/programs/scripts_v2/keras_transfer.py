"""A trained base is frozen, gets a new head, and is tuned at the end with a small rate."""

import numpy as np
import tensorflow as tf

layers = tf.keras.layers
tf.keras.backend.clear_session()
random = np.random.RandomState(1)
images = random.uniform(0, 1, (24, 8, 8, 1)).astype("float32")
targets = (images[:, :4].mean((1, 2, 3)) > images[:, 4:].mean((1, 2, 3))).astype("float32")


def fixed(shape, dtype=None):
    values = np.cos(np.arange(np.prod(shape), dtype="float32") * 1.7 + len(shape))
    return tf.constant(0.3 * values.reshape(shape), dtype)


inputs = tf.keras.Input((8, 8, 1), name="image")
x = layers.Conv2D(4, 3, padding="same", kernel_initializer=fixed, name="conv")(inputs)
x = layers.BatchNormalization(name="norm")(x)
x = layers.LeakyReLU(0.1)(x)
x = layers.AveragePooling2D()(x)
base = tf.keras.Model(inputs, x, name="base")

pretrain = tf.keras.Sequential([base, layers.Flatten(), layers.Dense(1, kernel_initializer=fixed)])
pretrain.compile(tf.keras.optimizers.SGD(0.05), "mse")
history = pretrain.fit(images, targets, epochs=3, batch_size=8, shuffle=False, verbose=0)
print("base", [round(v, 4) for v in history.history["loss"]])

base.trainable = False
x = base(inputs, training=False)
x = layers.GlobalAveragePooling2D()(x)
head = layers.Dense(1, activation="sigmoid", kernel_initializer=fixed, name="head")
model = tf.keras.Model(inputs, head(x), name="tuned")
model.compile(
    tf.keras.optimizers.Adam(0.05), tf.keras.losses.BinaryCrossentropy(), ["accuracy"]
)
print(len(model.trainable_weights), len(model.weights))
before = [w.numpy().copy() for w in base.weights]
history = model.fit(images, targets, epochs=4, batch_size=8, shuffle=False, verbose=0)
print("head", [round(v, 3) for v in history.history["loss"]])
print("kept", all((a == b.numpy()).all() for a, b in zip(before, base.weights)))

base.trainable = True
model.compile(tf.keras.optimizers.Adam(0.001), "binary_crossentropy")
history = model.fit(images, targets, epochs=3, batch_size=8, shuffle=False, verbose=0)
print("all", [round(v, 3) for v in history.history["loss"]], len(model.trainable_weights))
moving = base.get_layer("norm").moving_mean.numpy()
print("moving", np.round(moving, 3).tolist())

features = tf.keras.Model(model.input, model.get_layer("head").input)
print(features(images[:2]).shape, np.round(features(images[:1]).numpy(), 2).tolist())
with tf.keras.utils.custom_object_scope({"fixed": fixed}):
    clone = tf.keras.models.clone_model(model)
clone.set_weights(model.get_weights())
print(np.abs(clone.predict(images, verbose=0) - model.predict(images, verbose=0)).max() < 1e-6)
