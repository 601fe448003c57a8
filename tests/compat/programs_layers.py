"""Programs of version 1 with `tf.layers`: results, names, collections, training."""

from __future__ import annotations

import numpy as np

from tests.compat.programs_windows import numbers


def started(v1, seed):
    """An initializer whose numbers depend on the shape alone."""

    def make(shape, dtype=None, partition_info=None, **_):
        return v1.constant(numbers(*map(int, shape), seed=seed) / 2, dtype)

    return make


def names(values):
    return np.array([value.name for value in values])


def small(v1):
    """Every layer once: (name, function of the inputs, shape of the inputs)."""
    layers = v1.layers
    kernel = {"kernel_initializer": started(v1, 1), "bias_initializer": started(v1, 2)}
    line, image, volume = (2, 7, 3), (2, 5, 6, 3), (2, 4, 5, 3, 2)
    relu = {**kernel, "activation": v1.nn.relu}
    two = {
        "depthwise_initializer": started(v1, 1),
        "pointwise_initializer": started(v1, 3),
        "bias_initializer": started(v1, 2),
    }
    yield "dense", lambda x: layers.dense(x, 4, **relu), (3, 5)
    yield "dense3", lambda x: layers.dense(x, 4, v1.tanh, **kernel), line
    yield "dense_plain", lambda x: layers.dense(x, 4, use_bias=False), (3, 5)
    yield "conv1d", lambda x: layers.conv1d(x, 4, 3, 2, **relu), line
    yield (
        "conv1d_same",
        lambda x: layers.conv1d(x, 4, 3, padding="same", **kernel),
        line,
    )
    yield (
        "causal",
        lambda x: layers.conv1d(x, 2, 3, padding="causal", dilation_rate=2, **kernel),
        line,
    )
    yield "conv2d", lambda x: layers.conv2d(x, 4, (2, 3), **relu), image
    yield (
        "conv2d_same",
        lambda x: layers.conv2d(x, 4, 3, (2, 1), "SAME", **kernel),
        image,
    )
    yield "dilated", lambda x: layers.conv2d(x, 4, 2, dilation_rate=2, **kernel), image
    yield "conv3d", lambda x: layers.conv3d(x, 3, 2, (1, 2, 1), "same", **relu), volume
    for padding in ("same", "valid"):
        yield (
            "conv2d_transpose_" + padding,
            lambda x, p=padding: layers.conv2d_transpose(x, 2, 3, (2, 1), p, **kernel),
            image,
        )
        yield (
            "conv3d_transpose_" + padding,
            lambda x, p=padding: layers.conv3d_transpose(
                x, 2, 2, (2, 1, 3), p, **kernel
            ),
            volume,
        )
    yield "separable1", lambda x: layers.separable_conv1d(x, 4, 3, 2, **two), line
    yield (
        "separable2",
        lambda x: layers.separable_conv2d(
            x, 4, 3, 2, "same", depth_multiplier=2, **two
        ),
        image,
    )
    for kind in ("max", "average"):
        pooling = {n: getattr(layers, f"{kind}_pooling{n}d") for n in (1, 2, 3)}
        yield f"{kind}1", lambda x, f=pooling: f[1](x, 3, 2), line
        yield f"{kind}2", lambda x, f=pooling: f[2](x, [3, 2], 2, "same"), image
        yield f"{kind}3", lambda x, f=pooling: f[3](x, 2, (1, 2, 2)), volume
    yield "flatten", layers.flatten, image
    yield "flatten1", layers.flatten, (4,)
    yield (
        "flatten_first",
        lambda x: layers.flatten(x, data_format="channels_first"),
        image,
    )
    yield "dropout", lambda x: layers.dropout(x, 0.5), image
    scale = {"gamma_initializer": started(v1, 4), "beta_initializer": started(v1, 5)}
    for name, shape in (("bn", (6, 3)), ("bn_image", image), ("bn_volume", volume)):
        for training in (False, True):
            yield (
                f"{name}{training}",
                lambda x, t=training: layers.batch_normalization(
                    x, training=t, epsilon=0.1, **scale
                ),
                shape,
            )
    yield "bn_first", lambda x: layers.batch_normalization(x, 1, training=True), image
    yield (
        "bn_two",
        lambda x: layers.batch_normalization(x, [1, 3], training=True, **scale),
        image,
    )


def record_small(v1, results):
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        nodes = {}
        for name, function, shape in small(v1):
            x = v1.constant(numbers(*shape, seed=9))
            before = len(v1.global_variables())
            y = function(x)
            made = v1.global_variables()[before:]
            results[name + "/names"] = names(made)
            results[name + "/shapes"] = np.array([str(v.shape) for v in made])
            if name == "dense_plain":
                continue
            nodes[name] = y
            sources = [x, *[v for v in made if v in v1.trainable_variables()]]
            total = v1.reduce_sum(v1.cos(y * 3.0))
            for i, g in enumerate(v1.gradients(total, sources)):
                nodes[f"{name}/{i}"] = g
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        results["updates"] = names(updates)
        session.run(v1.global_variables_initializer())
        results.update(session.run(nodes))
        session.run(updates)
        averages = [v for v in v1.global_variables() if "moving" in v.name]
        for variable, value in zip(averages, session.run(averages), strict=True):
            results[variable.name] = value


def record_names(v1, results):
    """Scopes, reuse, layers that are called twice."""
    layers = v1.layers
    with v1.Graph().as_default():
        x = v1.placeholder(v1.float32, [None, 4])
        outputs = [layers.dense(x, 4, name="first"), layers.dense(x, 4)]
        with v1.variable_scope("scope", reuse=v1.AUTO_REUSE):
            for _ in range(2):
                outputs.append(layers.dense(x, 4, name="shared"))
            outputs.append(layers.dense(x, 4))
        with v1.variable_scope("scope", reuse=True):
            outputs.append(layers.dense(x, 4))
        with v1.variable_scope("other") as other:
            outputs.append(layers.dense(x, 4))
        with v1.variable_scope(other, reuse=True):
            outputs.append(layers.dense(x, 4, name="dense"))
        layer = layers.Dense(4, name="object")
        outputs += [layer(x), layer.apply(x)]
        results["names/count"] = np.array(layer.count_params())
        anonymous = layers.Dense(2)
        outputs.append(anonymous(x))
        results["names/objects"] = np.array(
            [layer.name, layer.scope_name, anonymous.scope_name]
        )
        results["names/ops"] = np.array([y.op.name for y in outputs[:5]])
        results["names/variables"] = names(v1.trainable_variables())
        frozen = layers.Dense(3, trainable=False, name="frozen")
        frozen(x)
        results["names/frozen"] = names(frozen.non_trainable_variables)
        results["names/trainable"] = names(v1.trainable_variables("frozen"))
        with v1.variable_scope("initialized", initializer=v1.constant_initializer(0.5)):
            layers.dense(x, 1, name="layer")
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            kernel = v1.global_variables("initialized")[0]
            results["names/initialized"] = session.run(kernel)


def record_regularized(v1, results):
    layers = v1.layers
    with v1.Graph().as_default():
        x = v1.constant(numbers(3, 4))
        with v1.variable_scope("outer", regularizer=lambda w: v1.reduce_sum(w) * 2.0):
            for reuse in (None, True):
                y = layers.dense(
                    x,
                    2,
                    kernel_initializer=started(v1, 1),
                    kernel_regularizer=lambda w: v1.reduce_sum(w * w),
                    activity_regularizer=lambda a: v1.reduce_sum(a * a),
                    name="layer",
                    reuse=reuse,
                )
        terms = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
        results["regularized/count"] = np.array(len(terms))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            results["regularized/y"] = session.run(y)
            results["regularized"] = np.array(sorted(session.run(terms)))


def network(v1, images, training):
    """Two convolutions, batch normalization, dropout of nothing, two dense layers."""
    layers = v1.layers
    start = {"kernel_initializer": started(v1, 1)}
    x = layers.conv2d(images, 4, 3, padding="same", use_bias=False, **start)
    x = v1.nn.relu(layers.batch_normalization(x, training=training, momentum=0.8))
    x = layers.max_pooling2d(x, 2, 2)
    x = layers.conv2d(x, 5, 3, activation=v1.nn.relu, **start)
    x = layers.dropout(layers.flatten(x), 0.0, training=training)
    x = layers.batch_normalization(x, training=training, momentum=0.8)
    x = layers.dense(x, 8, activation=v1.nn.tanh, **start)
    return layers.dense(x, 3, **start)


def record_training(v1, results):
    with v1.Graph().as_default() as graph:
        images = v1.placeholder(v1.float32, [None, 8, 8, 2])
        labels = v1.placeholder(v1.int32, [None])
        training = v1.placeholder(v1.bool, [])
        logits = network(v1, images, training)
        loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
        with v1.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            step = v1.train.MomentumOptimizer(0.05, 0.9).minimize(loss)
        feeds = {
            images: numbers(6, 8, 8, 2),
            labels: np.array([0, 1, 2, 2, 1, 0]),
            training: True,
        }
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            found = [session.run([loss, step], feeds)[0] for _ in range(4)]
            results["training/loss"] = np.array(found)
            feeds[training] = False
            results["training/logits"] = session.run(logits, feeds)
            for variable in v1.global_variables():
                results["training/" + variable.name] = session.run(variable)


def record(v1):
    """Returns every result of the programs, by name; `v1` is `tf.compat.v1`."""
    results = {}
    record_small(v1, results)
    record_names(v1, results)
    record_regularized(v1, results)
    record_training(v1, results)
    return results
