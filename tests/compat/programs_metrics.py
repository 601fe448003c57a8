"""A program of version 1 with every metric, over three batches."""

from __future__ import annotations

import numpy as np

BATCHES = 3


def batches():
    rng = np.random.default_rng(31)
    for _ in range(BATCHES):
        scores = rng.permutation(24).reshape(4, 6).astype("f") / 24
        yield {
            "labels": rng.uniform(-1, 1, (4, 3)).astype("f"),
            "predictions": rng.uniform(-1, 1, (4, 3)).astype("f"),
            "chances": rng.uniform(0, 1, (4, 3)).astype("f"),
            "hits": rng.integers(0, 2, (4, 3)).astype("f"),
            "classes": rng.integers(0, 3, 4),
            "found": rng.integers(0, 3, 4),
            "rows": rng.uniform(0, 2, (4, 1)).astype("f"),
            "each": rng.integers(0, 2, (4, 3)).astype("f"),
            "scores": scores,
            "right": rng.integers(0, 6, (4, 2)),
            "one": rng.integers(0, 6, 4),
        }


def cases(v1, x):
    metrics = v1.metrics
    for weights in (None, "rows"):
        w = None if weights is None else x[weights]
        key = weights or ""
        two = {"weights": w}
        for name in (
            "mean_absolute_error",
            "mean_squared_error",
            "root_mean_squared_error",
        ):
            yield (
                name + key,
                getattr(metrics, name)(x["labels"], x["predictions"], **two),
            )
        yield "mean" + key, metrics.mean(x["labels"], w)
        yield "mean_tensor" + key, metrics.mean_tensor(x["labels"], w)
        yield "below" + key, metrics.percentage_below(x["labels"], 0.3, w)
        yield (
            "relative" + key,
            metrics.mean_relative_error(x["labels"], x["predictions"], x["each"], w),
        )
        yield (
            "accuracy" + key,
            metrics.accuracy(x["hits"], v1.cast(x["chances"] > 0.5, v1.int32), w),
        )
        for name in ("true_positives", "false_negatives", "true_negatives"):
            yield name + key, getattr(metrics, name)(x["hits"], x["each"], **two)
        yield "false_positives" + key, metrics.false_positives(x["hits"], x["each"], w)
        yield "precision" + key, metrics.precision(x["hits"], x["each"], w)
        yield "recall" + key, metrics.recall(x["hits"], x["each"], w)
        steps = [0.2, 0.5, 0.9]
        for name in (
            "true_positives",
            "false_negatives",
            "true_negatives",
            "false_positives",
            "precision",
            "recall",
        ):
            function = getattr(metrics, name + "_at_thresholds")
            yield name + "_at" + key, function(x["hits"], x["chances"], steps, w)
        for curve, sums in (
            ("ROC", "trapezoidal"),
            ("PR", "trapezoidal"),
            ("PR", "careful_interpolation"),
            ("ROC", "minoring"),
            ("PR", "majoring"),
        ):
            yield (
                f"auc{curve}{sums}{key}",
                metrics.auc(
                    x["hits"], x["chances"], w, 20, curve=curve, summation_method=sums
                ),
            )
        yield (
            "auc_at" + key,
            metrics.auc(x["hits"], x["chances"], w, thresholds=[0.5, 0.2]),
        )
        for name in ("sensitivity_at_specificity", "specificity_at_sensitivity"):
            function = getattr(metrics, name)
            yield name + key, function(x["hits"], x["chances"], 0.6, w, 20)
    yield (
        "cosine",
        metrics.mean_cosine_distance(x["labels"], x["predictions"], 1, x["rows"]),
    )
    flat = v1.reshape(x["rows"], [-1])
    for weights in (None, flat):
        key = "" if weights is None else "weighted"
        yield (
            "per_class" + key,
            metrics.mean_per_class_accuracy(x["classes"], x["found"], 3, weights),
        )
        yield "iou" + key, metrics.mean_iou(x["classes"], x["found"], 3, weights)
        for labels in ("right", "one"):
            for k in (1, 3):
                both = x[labels], x["scores"], k
                end = f"{labels}{k}{key}"
                options = {"weights": weights}
                yield "precision_at_k" + end, metrics.precision_at_k(*both, **options)
                yield "recall_at_k" + end, metrics.recall_at_k(*both, **options)
                yield "average" + end, metrics.average_precision_at_k(*both, **options)
    yield "class", metrics.precision_at_k(x["right"], x["scores"], 3, class_id=2)
    yield "recall_class", metrics.recall_at_k(x["right"], x["scores"], 3, class_id=2)
    yield (
        "top",
        metrics.recall_at_top_k(x["right"], v1.constant([[0, 1]] * 4, v1.int64)),
    )
    yield "named", metrics.accuracy(x["classes"], x["found"], name="mine")
    yield "named_again", metrics.accuracy(x["classes"], x["found"], name="mine")


def record(v1):
    """Returns every result of the program, by name; `v1` is `tf.compat.v1`."""
    results = {}
    first, *_ = batches()
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = {
            name: v1.placeholder(array.dtype, array.shape)
            for name, array in first.items()
        }
        metrics = dict(cases(v1, x))
        variables = v1.local_variables()
        assert variables == v1.get_collection(v1.GraphKeys.METRIC_VARIABLES)
        assert not v1.global_variables()
        assert not v1.trainable_variables()
        results["names"] = np.array([v.name for v in variables])
        results["shapes"] = np.array([str(v.shape) for v in variables])
        session.run(v1.local_variables_initializer())
        values = {name: pair[0] for name, pair in metrics.items()}
        updates = {name: pair[1] for name, pair in metrics.items()}
        for i, batch in enumerate(batches()):
            feeds = {x[name]: array for name, array in batch.items()}
            for name, value in session.run(updates, feeds).items():
                results[f"{name}/{i}"] = value
            if i != 1:
                for name, value in session.run(values).items():
                    results[f"{name}/value{i}"] = value
    return results
