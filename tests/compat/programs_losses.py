"""A program of version 1 that computes losses; TensorFlow's results are in `tests/golden`."""

from __future__ import annotations

import numpy as np


def inputs():
    rng = np.random.default_rng(23)
    names = ("labels", "predictions", "logits")
    out = {name: rng.uniform(0.1, 0.9, (4, 3)).astype(np.float32) for name in names}
    out["logits"] = (out["logits"] * 6 - 3).astype(np.float32)
    out["predictions"][1] += 2
    out["classes"] = np.array([0, 2, 1, 2], np.int64)
    out["onehot"] = np.eye(3, dtype=np.float32)[out["classes"]]
    out["rows"] = np.array([[1.0], [0.0], [2.0], [0.5]], np.float32)
    out["all"] = np.where(np.arange(12).reshape(4, 3) % 3 == 1, 0.0, 1.5)
    return out


def calls(v1, x):
    losses = v1.losses
    two = {
        "absolute_difference": {},
        "mean_squared_error": {},
        "huber_loss": {"delta": 0.4},
        "log_loss": {"epsilon": 3.0},
    }
    for name, options in two.items():
        yield name, getattr(losses, name), (x["labels"], x["predictions"]), options
    yield "hinge_loss", losses.hinge_loss, (x["onehot"], x["logits"]), {}
    for smoothing in (0, 0.2):
        yield (
            f"sigmoid_{smoothing}",
            losses.sigmoid_cross_entropy,
            (x["onehot"], x["logits"]),
            {"label_smoothing": smoothing},
        )


def record(v1):
    """Returns every result of the program, by name; `v1` is `tf.compat.v1`."""
    values, nodes, results = inputs(), {}, {}
    with v1.Graph().as_default() as graph:
        x = {k: v1.constant(v) for k, v in values.items()}
        x["predictions"] = v1.placeholder(v1.float32, [None, 3])
        x["logits"] = v1.placeholder(v1.float32, [None, 3])
        feeds = {x["predictions"]: values["predictions"], x["logits"]: values["logits"]}
        reductions = [
            getattr(v1.losses.Reduction, name)
            for name in (
                "NONE",
                "SUM",
                "MEAN",
                "SUM_OVER_BATCH_SIZE",
                "SUM_BY_NONZERO_WEIGHTS",
            )
        ]

        def add(name, loss, source):
            nodes[name] = loss
            nodes[name + "/grad"] = v1.gradients(loss, source)[0]

        for name, function, arguments, options in calls(v1, x):
            source = arguments[1]
            add(name, function(*arguments, **options), source)
            add(f"{name}/0", function(*arguments, weights=0.0, **options), source)
            for weights in ("rows", "all"):
                for key in reductions:
                    options["loss_collection"] = None if key == "none" else "losses"
                    options["weights"] = x[weights]
                    loss = function(*arguments, reduction=key, **options)
                    add(f"{name}/{weights}/{key}", loss, source)
        losses, logits = v1.losses, x["logits"]
        for weights in (1.0, [0.5, 0.0, 1.0, 2.0]):
            key = f"{np.ndim(weights)}"
            add(
                "softmax" + key,
                losses.softmax_cross_entropy(
                    x["onehot"], logits, weights, label_smoothing=0.1
                ),
                logits,
            )
            add(
                "sparse" + key,
                losses.sparse_softmax_cross_entropy(x["classes"], logits, weights),
                logits,
            )
        add(
            "sparse_column",
            losses.sparse_softmax_cross_entropy(
                v1.reshape(x["classes"], [4, 1]), logits, weights=x["rows"]
            ),
            logits,
        )
        predictions = x["predictions"]
        add(
            "cosine",
            losses.cosine_distance(x["labels"], predictions, axis=1, weights=x["rows"]),
            predictions,
        )
        for key in ("", "rows", "all"):
            weights = x[key] if key else 1.0
            add(
                "pairwise" + key,
                losses.mean_pairwise_squared_error(
                    x["labels"], predictions, weights=weights
                ),
                predictions,
            )
        v1.get_variable(
            "w",
            initializer=np.array([1.0, 2.0], np.float32),
            regularizer=lambda w: v1.reduce_sum(w) * 0.25,
        )
        nodes["regularization"] = losses.get_regularization_loss()
        nodes["total"] = losses.get_total_loss()
        counts = [len(losses.get_losses()), len(losses.get_regularization_losses())]
        names = [loss.name for loss in losses.get_losses()[:2]]
        assert names[0] == "absolute_difference/value:0"
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            results = session.run(nodes, feeds)
        results["counts"] = np.array(counts)
    return results
