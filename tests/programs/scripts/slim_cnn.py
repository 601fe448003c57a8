"""A network with slim: argument scopes, batch normalization, regularizers, train op."""

import numpy as np
import tensorflow as tf

slim = tf.contrib.slim

BATCH = 12
random = np.random.RandomState(7)
images = random.rand(48, 10, 10, 2).astype(np.float32)
labels = random.randint(0, 2, 48)
images[..., 0] += labels[:, None, None] * 0.5


def normal(*shape):
    return tf.constant_initializer(random.randn(*shape).astype(np.float32) * 0.2)


def arg_scope(is_training, weight_decay=0.01):
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(weight_decay),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": is_training, "decay": 0.9, "scale": True},
    ):
        with slim.arg_scope([slim.conv2d], padding="SAME") as scope:
            return scope


def model(x, is_training, scope="Net"):
    end_points = {}
    with tf.variable_scope(scope, "Net", [x]):
        with slim.arg_scope(arg_scope(is_training)):
            net = slim.conv2d(
                x, 4, [3, 3], weights_initializer=normal(3, 3, 2, 4), scope="conv1"
            )
            net = slim.max_pool2d(net, [2, 2], scope="pool1")
            end_points["pool1"] = net
            net = slim.separable_conv2d(
                net,
                6,
                [3, 3],
                depth_multiplier=1,
                weights_initializer=normal(3, 3, 4, 1),
                pointwise_initializer=normal(1, 1, 4, 6),
                scope="conv2",
            )
            net = slim.avg_pool2d(net, net.get_shape().as_list()[1:3], scope="pool2")
            net = slim.flatten(net)
            net = slim.dropout(net, 1.0, is_training=is_training)
            logits = slim.fully_connected(
                net,
                2,
                activation_fn=None,
                normalizer_fn=None,
                weights_initializer=normal(6, 2),
                scope="logits",
            )
    end_points["predictions"] = slim.softmax(logits)
    return logits, end_points


def main():
    x = tf.placeholder(tf.float32, [None, 10, 10, 2])
    y = tf.placeholder(tf.int64, [None])
    is_training = tf.placeholder(tf.bool)
    logits, end_points = model(x, is_training)
    one_hot = slim.one_hot_encoding(y, 2)
    tf.losses.softmax_cross_entropy(one_hot, logits, label_smoothing=0.1)
    total_loss = tf.losses.get_total_loss()
    train_op = slim.learning.create_train_op(
        total_loss, tf.train.MomentumOptimizer(0.1, 0.9), clip_gradient_norm=1.0
    )
    accuracy, update = tf.metrics.accuracy(y, tf.argmax(end_points["predictions"], 1))
    print(" ".join(v.op.name for v in slim.get_model_variables()))
    print(len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)), end_points["pool1"].shape[3])
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for i in range(40):
            at = (i * BATCH) % len(images)
            feed = {x: images[at : at + BATCH], y: labels[at : at + BATCH]}
            value = sess.run(train_op, {**feed, is_training: True})
            if i % 10 == 9:
                print("step %d loss %.4f" % (i + 1, value))
        for at in range(0, len(images), BATCH):
            feed = {x: images[at : at + BATCH], y: labels[at : at + BATCH]}
            sess.run(update, {**feed, is_training: False})
        print("accuracy %.4f" % sess.run(accuracy))
        moving = slim.get_variables_by_name("moving_mean")
        for variable, value in zip(moving, sess.run(moving)):
            print(variable.op.name, " ".join("%.4f" % v for v in value))


if __name__ == "__main__":
    main()
