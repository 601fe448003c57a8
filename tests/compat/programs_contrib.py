"""Programs of version 1 with `tf.contrib.layers` and `slim`."""

from __future__ import annotations

import numpy as np

from tests.compat.programs_layers import names, started
from tests.compat.programs_windows import numbers


def namespace(v1):
    """Returns slim: that of graphopt, or the one that carries TensorFlow's on."""
    if v1.__name__.startswith("graphopt"):
        from graphopt.v1.contrib import slim
    else:
        import tf_slim as slim
        from tf_slim.layers import optimizers

        slim.optimize_loss = optimizers.optimize_loss
    return slim


def small(v1, slim):
    """Every layer once: (name, function of the inputs, shape of the inputs)."""
    line, image, volume = (2, 7, 4), (2, 5, 6, 4), (2, 4, 5, 3, 2)
    w = {"weights_initializer": started(v1, 1), "biases_initializer": started(v1, 2)}
    yield "fc", lambda x: slim.fully_connected(x, 4, **w), (3, 5)
    yield "fc3", lambda x: slim.fully_connected(x, 4, v1.tanh, **w), line
    yield "linear", lambda x: slim.linear(x, 4, **w), (3, 5)
    yield "relu6", lambda x: slim.relu6(x, 4, biases_initializer=None), (3, 5)
    yield "conv1d", lambda x: slim.conv1d(x, 4, 3, 2, **w), line
    yield "conv2d", lambda x: slim.conv2d(x, 4, [2, 3], **w), image
    yield "conv2d_valid", lambda x: slim.conv2d(x, 4, 3, 2, "VALID", **w), image
    yield "dilated", lambda x: slim.convolution2d(x, 4, 2, rate=2, **w), image
    yield "conv3d", lambda x: slim.conv3d(x, 3, 2, (1, 2, 1), **w), volume
    yield "conv2d_transpose", lambda x: slim.conv2d_transpose(x, 2, 3, 2, **w), image
    yield (
        "separable",
        lambda x: slim.separable_conv2d(x, 3, 3, 2, 2, **w),
        image,
    )
    yield "depthwise", lambda x: slim.separable_conv2d(x, None, 3, 2, **w), image
    for kind in ("max", "avg"):
        pool2, pool3 = getattr(slim, f"{kind}_pool2d"), getattr(slim, f"{kind}_pool3d")
        yield f"{kind}2", lambda x, f=pool2: f(x, [3, 2]), image
        yield f"{kind}2s", lambda x, f=pool2: f(x, 2, 1, "SAME"), image
        yield f"{kind}3", lambda x, f=pool3: f(x, 2), volume
    yield "flatten", slim.flatten, image
    yield "dropout", lambda x: slim.dropout(x, 0.5, is_training=False), image
    yield "softmax", slim.softmax, image
    yield "bias_add", lambda x: slim.bias_add(x, initializer=started(v1, 2)), image
    yield "unit_norm", lambda x: slim.unit_norm(x, 1), image
    yield "maxout", lambda x: slim.maxout(x, 2), image
    yield "spatial", lambda x: slim.spatial_softmax(x, 0.5), image
    p = {
        name: started(v1, i)
        for i, name in enumerate(["beta", "gamma", "moving_mean", "moving_variance"])
    }
    p["moving_variance"] = v1.constant_initializer(1.5)
    for kind, shape in (("image", image), ("rows", (6, 4)), ("volume", volume)):
        for training in (True, False):
            yield (
                f"bn_{kind}{training}",
                lambda x, t=training: slim.batch_norm(
                    x, 0.9, scale=True, param_initializers=p, is_training=t
                ),
                shape,
            )
        yield (
            f"bn_{kind}_in_place",
            lambda x: slim.batch_norm(x, 0.9, updates_collections=None),
            shape,
        )
    yield (
        "bn_weighted",
        lambda x: slim.batch_norm(x, 0.9, batch_weights=v1.constant([0.5, 2.0])),
        image,
    )
    yield "layer_norm", lambda x: slim.layer_norm(x), image
    yield (
        "layer_norm_axes",
        lambda x: slim.layer_norm(x, begin_norm_axis=2, begin_params_axis=2),
        image,
    )
    if hasattr(slim, "group_norm"):
        yield "group_norm", lambda x: slim.group_norm(x, 2), image
        yield "instance_norm", lambda x: slim.instance_norm(x), image
    yield "stack", lambda x: slim.stack(x, slim.fully_connected, [3, 4], **w), (3, 5)
    yield "repeat", lambda x: slim.repeat(x, 2, slim.conv2d, 3, [2, 2], **w), image


def record_small(v1, slim, results):
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        nodes = {}
        for name, function, shape in small(v1, slim):
            x = v1.constant(numbers(*shape, seed=9))
            before = len(v1.global_variables())
            y = function(x)
            made = v1.global_variables()[before:]
            results[name + "/names"] = names(made)
            results[name + "/shapes"] = np.array([str(v.shape) for v in made])
            if name == "relu6":
                continue
            nodes[name] = y
            sources = [x, *[v for v in made if v in v1.trainable_variables()]]
            total = v1.reduce_sum(v1.cos(y * 3.0))
            for i, g in enumerate(v1.gradients(total, sources)):
                nodes[f"{name}/{i}"] = g
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        results["updates"] = np.array(len(updates))
        results["model_variables"] = names(v1.model_variables())
        session.run(v1.global_variables_initializer())
        # A run that writes variables is compiled at once, which takes long for so many.
        for writes in (False, True):
            some = {k: v for k, v in nodes.items() if ("in_place" in k) == writes}
            results.update(session.run(some))
        session.run(updates)
        averages = [v for v in v1.global_variables() if "moving" in v.name]
        for variable, value in zip(averages, session.run(averages), strict=True):
            results[variable.name] = value


def record_names(v1, slim, results):
    """Scopes, reuse, argument scopes, collections, regularizers."""
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.constant(numbers(3, 4))
        start = {"weights_initializer": started(v1, 1)}
        slim.fully_connected(x, 2)
        slim.fully_connected(x, 2, scope="mine")
        slim.fully_connected(x, 2, scope="mine", reuse=True)
        with v1.variable_scope("outer"):
            slim.fully_connected(x, 2)
        with slim.arg_scope(
            [slim.fully_connected],
            activation_fn=v1.tanh,
            weights_regularizer=slim.l2_regularizer(0.5),
            variables_collections={"weights": ["w"], "biases": ["b"]},
            outputs_collections="outputs",
            **start,
        ) as scope:
            y = slim.fully_connected(x, 3, scope="one")
            with slim.arg_scope([slim.fully_connected], activation_fn=None):
                y = slim.fully_connected(y, 3, normalizer_fn=slim.batch_norm)
        with slim.arg_scope(scope):
            y = slim.fully_connected(y, 2, scope="two")
        slim.fully_connected(
            x,
            3,
            weights_regularizer=slim.l1_l2_regularizer(0.25, 0.5),
            biases_regularizer=slim.l1_regularizer(0.5),
            **start,
        )
        terms = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
        results["names"] = names(v1.global_variables())
        results["names/model"] = names(slim.get_model_variables())
        results["names/w"] = names(v1.get_collection("w"))
        results["names/b"] = names(v1.get_collection("b"))
        results["names/outputs"] = np.array(len(v1.get_collection("outputs")))
        results["names/terms"] = names(terms)
        results["names/scope"] = names(slim.get_variables("mine"))
        results["names/weights"] = names(slim.get_variables_by_name("weights"))
        results["names/suffix"] = names(slim.get_variables_by_suffix("beta"))
        results["names/restore"] = names(
            slim.get_variables_to_restore(["mine", "one"], exclude=["mine/biases"])
        )
        own = slim.model_variable("own", [2], initializer=v1.ones_initializer())
        results["names/own"] = np.array([own.name, *names(slim.get_model_variables())])
        session.run(v1.global_variables_initializer())
        results["names/y"] = session.run(y)
        results["names/values"] = np.array(session.run(terms))


def network(v1, slim, images, training):
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_initializer=started(v1, 1),
        weights_regularizer=slim.l2_regularizer(0.01),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": training, "decay": 0.8},
    ):
        x = slim.repeat(images, 1, slim.conv2d, 4, [3, 3], scope="conv")
        x = slim.max_pool2d(x, [2, 2])
        x = slim.flatten(x)
        x = slim.fully_connected(x, 6, scope="hidden")
        return slim.fully_connected(
            x, 3, activation_fn=None, normalizer_fn=None, scope="logits"
        )


def record_training(v1, slim, results):
    feed = numbers(6, 8, 8, 2)
    for kind in ("create_train_op", "optimize_loss"):
        with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            images = v1.placeholder(v1.float32, [None, 8, 8, 2])
            if kind == "create_train_op":
                logits = network(v1, slim, images, True)
            else:
                start = {"weights_initializer": started(v1, 1)}
                flat = slim.flatten(images)
                hidden = slim.fully_connected(flat, 4, **start)
                logits = slim.linear(hidden, 3, scope="logits", **start)
            labels = slim.one_hot_encoding(v1.constant([0, 1, 2, 2, 1, 0]), 3)
            v1.losses.softmax_cross_entropy(labels, logits)
            loss = v1.losses.get_total_loss()
            if kind == "create_train_op":
                step = slim.learning.create_train_op(
                    loss,
                    v1.train.MomentumOptimizer(0.05, 0.9),
                    clip_gradient_norm=0.5,
                    gradient_multipliers={"logits/weights": 2.0},
                )
            else:
                v1.train.create_global_step()
                step = slim.optimize_loss(
                    loss,
                    None,
                    0.1,
                    "Adam",
                    clip_gradients=0.5,
                    learning_rate_decay_fn=lambda lr, at: v1.train.exponential_decay(
                        lr, at, 2, 0.5
                    ),
                )
            session.run(v1.global_variables_initializer())
            losses = [session.run(step, {images: feed}) for _ in range(4)]
            results[f"{kind}/loss"] = np.array(losses)
            results[f"{kind}/step"] = session.run(v1.train.get_global_step())
            for variable in v1.trainable_variables():
                results[f"{kind}/{variable.name}"] = session.run(variable)
            results[f"{kind}/names"] = names(v1.global_variables())


def record(v1):
    """Returns every result of the programs, by name; `v1` is `tf.compat.v1`."""
    results = {}
    slim = namespace(v1)
    record_small(v1, slim, results)
    record_names(v1, slim, results)
    record_training(v1, slim, results)
    return results
