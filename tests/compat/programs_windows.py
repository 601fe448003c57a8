"""A program of version 1 with the ops on windows, blocks and samples of `tf.nn`."""

from __future__ import annotations

import numpy as np


def numbers(*shape, seed=5):
    # No two elements are equal, and none near another, for maxima have ties otherwise.
    size = int(np.prod(shape))
    rng = np.random.default_rng(seed)
    return ((rng.permutation(size) - size / 2) / size * 2).reshape(shape).astype("f")


def cases(v1):
    """Yields (name, function of tensors, arrays)."""
    nn = v1.nn
    line, volume, image = numbers(2, 9, 3), numbers(2, 5, 6, 4, 2), numbers(2, 6, 6, 4)
    for padding in ("SAME", "VALID"):
        for stride, gap in ((1, 1), (2, 1), (1, 2)):
            key = f"{padding}{stride}{gap}"
            yield (
                "conv1d" + key,
                lambda x, w, s=stride, p=padding, d=gap: nn.conv1d(
                    x, w, s, p, dilations=d
                ),
                (line, numbers(3, 3, 4)),
            )
            yield (
                "convolution" + key,
                lambda x, w, s=stride, p=padding, d=gap: nn.convolution(
                    x, w, p, [s], [d]
                ),
                (line, numbers(2, 3, 2)),
            )
            yield (
                "dilation2d" + key,
                lambda x, w, s=stride, p=padding, d=gap: nn.dilation2d(
                    x, w, [1, s, s, 1], [1, d, d, 1], p
                ),
                (image, numbers(2, 3, 4, seed=6) / 3),
            )
            yield (
                "patches" + key,
                lambda x, s=stride, p=padding, d=gap: v1.extract_image_patches(
                    x, [1, 3, 2, 1], [1, s, s, 1], [1, d, d, 1], p
                ),
                (image,),
            )
        for strides in ([1, 1, 1, 1, 1], [1, 2, 1, 3, 1]):
            key = f"{padding}{strides[1]}"
            options = {"strides": strides, "padding": padding}
            yield (
                "conv3d" + key,
                lambda x, w, o=options: nn.conv3d(x, w, **o),
                (volume, numbers(3, 2, 2, 2, 3)),
            )
            window = [1, 2, 3, 2, 1]
            for pooling in ("max_pool3d", "avg_pool3d"):
                yield (
                    pooling + key,
                    lambda x, o=options, f=pooling, k=window: getattr(nn, f)(x, k, **o),
                    (volume,),
                )
            yield (
                "conv3d_transpose" + key,
                lambda x, w, o=options: nn.conv3d_transpose(
                    nn.conv3d(x, w, **o), w, [2, 5, 6, 4, 2], **o
                ),
                (volume, numbers(3, 2, 2, 2, 3)),
            )
        for pooling in ("max_pool1d", "avg_pool1d"):
            yield (
                pooling + padding,
                lambda x, p=padding, f=pooling: getattr(nn, f)(x, 3, 2, p),
                (line,),
            )
        yield (
            "pool" + padding,
            lambda x, p=padding: nn.pool(x, [2, 3], "AVG", p, strides=[2, 1]),
            (image,),
        )
        yield (
            "atrous" + padding,
            lambda x, w, p=padding: nn.atrous_conv2d(x, w, 2, p),
            (image, numbers(2, 2, 4, 3)),
        )
        yield (
            "erosion" + padding,
            lambda x, w, p=padding: nn.erosion2d(x, w, [1, 1, 2, 1], [1, 2, 1, 1], p),
            (image, numbers(2, 2, 4, seed=7) / 3),
        )
    for block in (2, 3):
        yield "to_depth", lambda x, b=block: v1.space_to_depth(x, b), (image,)
    yield "to_space", lambda x: v1.depth_to_space(x, 2), (image,)
    pads = [[2, 1], [0, 2]]
    yield (
        "to_batch",
        lambda x: v1.space_to_batch_nd(x, [3, 2], pads),
        (image,),
    )
    yield (
        "back",
        lambda x: v1.batch_to_space_nd(
            v1.space_to_batch_nd(x, [3, 2], pads), [3, 2], [[1, 1], [1, 0]]
        ),
        (image,),
    )
    yield "to_batch_2", lambda x: v1.space_to_batch(x, [[1, 1], [0, 0]], 2), (image,)
    yield (
        "backprop_filter",
        lambda x, g: nn.conv2d_backprop_filter(
            x, [2, 3, 4, 2], g, [1, 2, 1, 1], "SAME"
        ),
        (image, numbers(2, 3, 6, 2)),
    )
    yield (
        "backprop_input",
        lambda w, g: nn.conv2d_backprop_input([2, 6, 6, 4], w, g, [1, 2, 1, 1], "SAME"),
        (numbers(2, 3, 4, 2), numbers(2, 3, 6, 2)),
    )
    yield (
        "separable",
        lambda x, w, p: nn.separable_conv2d(x, w, p, [1, 1, 1, 1], "SAME", [2, 2]),
        (image, numbers(2, 2, 4, 2), numbers(1, 1, 8, 3)),
    )
    yield "lrn", lambda x: nn.lrn(x, 1, 1.5, 0.7, 0.75), (image,)
    yield "lrn_default", lambda x: nn.local_response_normalization(x), (image,)
    for i in (1, 2):
        yield (
            f"statistics{i}",
            lambda x, i=i: nn.sufficient_statistics(x, [0, 2], 0.5, keep_dims=True)[i],
            (image,),
        )
    yield "crelu", nn.crelu, (image,)
    plane = numbers(3, 4), numbers(4, 2), numbers(2)
    yield "xw_plus_b", nn.xw_plus_b, plane
    yield "relu_layer", nn.relu_layer, plane
    channels = [numbers(4, seed=seed) + 1.5 for seed in (1, 2, 3, 4)]
    yield (
        "fused",
        lambda x, s, o: nn.fused_batch_norm(x, s, o)[0],
        (image, *channels[:2]),
    )
    for index in (1, 2):
        yield (
            f"fused_moments{index}",
            lambda x, s, o, i=index: nn.fused_batch_norm(x, s, o, epsilon=0.1)[i],
            (image, *channels[:2]),
        )
    yield (
        "fused_inference",
        lambda x, *rest: nn.fused_batch_norm(x, *rest, is_training=False)[0],
        (image, *channels),
    )
    yield (
        "global_normalization",
        lambda x, m, v, b, g: nn.batch_norm_with_global_normalization(
            x, m, v, b, g, 0.01, True
        ),
        (image, *channels),
    )
    yield (
        "bias_first",
        lambda x, b: nn.bias_add(x, b, data_format="N...C"),
        (image, channels[0]),
    )
    yield from sampled(v1)


def sampled(v1):
    nn = v1.nn
    tables = [numbers(7, 3), numbers(7)]
    inputs = numbers(4, 3, seed=8)
    labels = np.array([[1], [0], [5], [2]])
    two = np.array([[1, 2], [0, 6], [5, 3], [2, 1]])

    def drawn(num_true):
        sampled = np.array([2, 0, 4, 6, 3], np.int64)
        shares = np.log((sampled + 2) / (sampled + 1)) / np.log(8) * 5
        right = (labels if num_true == 1 else two) + 1.0
        expected = np.log((right + 1) / right) / np.log(8) * 5
        return sampled, expected.astype("f"), shares.astype("f")

    for function in (nn.nce_loss, nn.sampled_softmax_loss):
        for num_true, classes in ((1, labels), (2, two)):
            for hits in (False, True):
                yield (
                    f"{function.__name__}{num_true}{hits}",
                    lambda w, b, x, f=function, n=num_true, c=classes, h=hits: f(
                        w, b, c, x, 5, 7, n, drawn(n), h
                    ),
                    (*tables, inputs),
                )
    ids = np.array([[0, 3, 6], [2, 2, 5]])
    for strategy in ("mod", "div"):
        yield (
            "lookup_" + strategy,
            lambda a, b, c, s=strategy: nn.embedding_lookup([a, b, c], ids, s),
            (numbers(3, 2), numbers(2, 2, seed=2), numbers(2, 2, seed=3)),
        )


def record(v1):
    """Returns every result of the program, by name; `v1` is `tf.compat.v1`."""
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        nodes = {}
        for name, function, arrays in cases(v1):
            tensors = [v1.constant(array) for array in arrays]
            y = function(*tensors)
            nodes[name] = y
            weights = v1.cos(v1.range(1.0, v1.cast(v1.size(y), v1.float32) + 0.5))
            total = v1.reduce_sum(v1.reshape(y, [-1]) * weights)
            if name.startswith("fused_moments"):
                continue
            for i, g in enumerate(v1.gradients(total, tensors)):
                if g is not None:
                    nodes[f"{name}/{i}"] = v1.convert_to_tensor(g)
        image = v1.constant(numbers(2, 6, 6, 4))
        window = [1, 2, 3, 1]
        nodes["argmax"] = v1.nn.max_pool_with_argmax(image, window, window, "SAME")[1]
        return session.run(nodes)
