"""Records losses and metrics of tf_keras for `test_losses_golden.py` and its neighbor.

python tests/golden/record_keras_losses.py   with an interpreter that has tf_keras 2.21

Those that only Keras 3 has are recorded from it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

KINDS = {
    "numbers": (9, 3),
    "positive": (9, 3),
    "column": (9, 1),
    "binary": (9, 3),
    "binary_column": (9, 1),
    "binary_logits": (9, 3),
    "classes": (9, 4),
    "class_logits": (9, 4),
    "sparse": (9, 4),
    "sparse_column": (9, 4),
    "sparse_logits": (9, 4),
    "sparse_images": (2, 3, 5, 4),
    "sequences": (3, 6, 5),
    "embeddings": (9, 3),
    "signs": (9, 3),
    "class_numbers": (9,),
    "vector": (9,),
}


def batch_of(kind, seed=0):
    """Labels and predictions of a kind."""
    rng = np.random.default_rng([seed, *map(ord, kind)])
    shape = KINDS[kind]
    noise = rng.normal(size=shape).astype(np.float32)
    share = (1 / (1 + np.exp(-2 * noise))).astype(np.float32)
    rows = np.exp(noise) / np.exp(noise).sum(-1, keepdims=True)
    classes = rng.integers(0, shape[-1], shape[:-1])
    one_hot = np.eye(shape[-1], dtype=np.float32)[classes]
    other = rng.normal(size=shape).astype(np.float32)
    return {
        "numbers": lambda: (other, noise),
        "vector": lambda: (other, noise),
        "column": lambda: (other[:, 0], noise),
        "positive": lambda: (np.exp(other), np.exp(noise)),
        "binary": lambda: ((other > 0).astype(np.float32), share),
        "binary_column": lambda: ((other > 0).astype(np.int64)[:, 0], share),
        "binary_logits": lambda: ((other > 0).astype(np.float32), noise * 3),
        "classes": lambda: (one_hot, rows),
        "class_logits": lambda: (one_hot, noise * 3),
        "sparse": lambda: (classes, rows),
        "sparse_column": lambda: (classes[..., None], rows),
        "sparse_logits": lambda: (classes.astype(np.float32), noise * 3),
        "sparse_images": lambda: (classes, rows),
        "sequences": lambda: (np.array([[1, 2, 0], [3, 3, 1], [4, 0, 0]]), noise),
        "embeddings": lambda: (
            rng.integers(0, 3, 9),
            noise / np.linalg.norm(noise, axis=1, keepdims=True),
        ),
        "signs": lambda: (np.sign(other), noise),
        "class_numbers": lambda: (rng.integers(0, 4, 9), rng.integers(0, 4, 9)),
    }[kind]()


def weights_of(shape, kind):
    """Weights of examples, as a vector, a column, a number or one for each value."""
    rng = np.random.default_rng(shape[0] + 17)
    if kind is None:
        return None
    if kind == "scalar":
        return np.float32(0.75)
    count = {"vector": shape[:1], "column": (shape[0], 1), "each": shape}[kind]
    return rng.random(count).astype(np.float32)


SMOOTH = {"label_smoothing": 0.1}
# name: class, options, kinds of data
LOSSES = {
    "mse": ("MeanSquaredError", {}, ["numbers"]),
    "mae": ("MeanAbsoluteError", {}, ["numbers"]),
    "mape": ("MeanAbsolutePercentageError", {}, ["numbers"]),
    "msle": ("MeanSquaredLogarithmicError", {}, ["positive", "numbers"]),
    "bce": ("BinaryCrossentropy", {}, ["binary"]),
    "bce_logits": ("BinaryCrossentropy", {"from_logits": True}, ["binary_logits"]),
    "bce_smooth": ("BinaryCrossentropy", SMOOTH, ["binary"]),
    "bce_axis": ("BinaryCrossentropy", {"axis": 0}, ["binary"]),
    "focal": ("BinaryFocalCrossentropy", {}, ["binary"]),
    "focal_balanced": (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5},
        ["binary"],
    ),
    "focal_logits": (
        "BinaryFocalCrossentropy",
        {"from_logits": True, **SMOOTH},
        ["binary_logits"],
    ),
    "cce": ("CategoricalCrossentropy", {}, ["classes"]),
    "cce_logits": ("CategoricalCrossentropy", {"from_logits": True}, ["class_logits"]),
    "cce_smooth": ("CategoricalCrossentropy", SMOOTH, ["classes"]),
    "cce_smooth_logits": (
        "CategoricalCrossentropy",
        {"from_logits": True, **SMOOTH},
        ["class_logits"],
    ),
    "cfocal": ("CategoricalFocalCrossentropy", {}, ["classes"]),
    "cfocal_logits": (
        "CategoricalFocalCrossentropy",
        {"from_logits": True, "gamma": 3.0, "alpha": [0.1, 0.2, 0.3, 0.4]},
        ["class_logits"],
    ),
    "cfocal_smooth": ("CategoricalFocalCrossentropy", SMOOTH, ["classes"]),
    "scce": (
        "SparseCategoricalCrossentropy",
        {},
        ["sparse", "sparse_column", "sparse_images"],
    ),
    "scce_logits": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        ["sparse_logits"],
    ),
    "scce_ignore": (
        "SparseCategoricalCrossentropy",
        {"ignore_class": 2},
        ["sparse", "sparse_images"],
    ),
    "cosine": ("CosineSimilarity", {}, ["numbers"]),
    "cosine_axis": ("CosineSimilarity", {"axis": 0}, ["numbers"]),
    "hinge": ("Hinge", {}, ["signs", "binary"]),
    "squared_hinge": ("SquaredHinge", {}, ["signs", "binary"]),
    "categorical_hinge": ("CategoricalHinge", {}, ["classes"]),
    "poisson": ("Poisson", {}, ["positive"]),
    "log_cosh": ("LogCosh", {}, ["numbers"]),
    "kld": ("KLDivergence", {}, ["classes"]),
    "huber": ("Huber", {}, ["numbers"]),
    "huber_delta": ("Huber", {"delta": 0.3}, ["numbers"]),
}
KERAS3_LOSSES = {
    "dice": ("Dice", {}, ["binary"]),
    "dice_axis": ("Dice", {"axis": (1,)}, ["binary"]),
    "tversky": ("Tversky", {"alpha": 0.3, "beta": 0.7}, ["binary"]),
    "tversky_axis": ("Tversky", {"axis": 0}, ["binary"]),
    "circle": ("Circle", {}, ["embeddings"]),
    "circle_options": (
        "Circle",
        {"gamma": 10.0, "margin": 0.2, "remove_diagonal": False},
        ["embeddings"],
    ),
    "cgce": ("CategoricalGeneralizedCrossEntropy", {"q": 0.3}, ["sparse"]),
    "ctc": ("CTC", {}, ["sequences"]),
    "mse_weighted_mean": (
        "MeanSquaredError",
        {"reduction": "mean_with_sample_weight"},
        ["numbers"],
    ),
}
REDUCTIONS = ("none", "sum", "sum_over_batch_size")
METRICS = {
    "sum": ("Sum", {}, ["vector"]),
    "mean": ("Mean", {}, ["vector", "numbers"]),
    "mean_tensor": ("MeanTensor", {}, ["numbers"]),
    "accuracy": ("Accuracy", {}, ["class_numbers"]),
    "binary_accuracy": ("BinaryAccuracy", {}, ["binary", "binary_column"]),
    "binary_accuracy_at": ("BinaryAccuracy", {"threshold": 0.7}, ["binary"]),
    "categorical_accuracy": ("CategoricalAccuracy", {}, ["classes"]),
    "sparse_accuracy": (
        "SparseCategoricalAccuracy",
        {},
        ["sparse", "sparse_column", "sparse_images"],
    ),
    "top_k": ("TopKCategoricalAccuracy", {"k": 2}, ["classes"]),
    "sparse_top_k": (
        "SparseTopKCategoricalAccuracy",
        {"k": 2},
        ["sparse", "sparse_column", "sparse_images"],
    ),
    "bce": ("BinaryCrossentropy", SMOOTH, ["binary"]),
    "bce_logits": ("BinaryCrossentropy", {"from_logits": True}, ["binary_logits"]),
    "cce": ("CategoricalCrossentropy", SMOOTH, ["classes"]),
    "scce": ("SparseCategoricalCrossentropy", {}, ["sparse", "sparse_column"]),
    "scce_ignore": ("SparseCategoricalCrossentropy", {"ignore_class": 1}, ["sparse"]),
    "kld": ("KLDivergence", {}, ["classes"]),
    "poisson": ("Poisson", {}, ["positive"]),
    "mse": ("MeanSquaredError", {}, ["numbers"]),
    "rmse": ("RootMeanSquaredError", {}, ["numbers", "column"]),
    "mae": ("MeanAbsoluteError", {}, ["numbers"]),
    "mape": ("MeanAbsolutePercentageError", {}, ["numbers"]),
    "msle": ("MeanSquaredLogarithmicError", {}, ["positive"]),
    "relative": ("MeanRelativeError", {"normalizer": [0.5, 2.0, 0.0]}, ["numbers"]),
    "cosine": ("CosineSimilarity", {"axis": 1}, ["numbers"]),
    "logcosh": ("LogCoshError", {}, ["numbers"]),
    "hinge": ("Hinge", {}, ["signs"]),
    "squared_hinge": ("SquaredHinge", {}, ["binary"]),
    "categorical_hinge": ("CategoricalHinge", {}, ["classes"]),
    "tp": ("TruePositives", {}, ["binary", "binary_column"]),
    "fp": ("FalsePositives", {"thresholds": [0.2, 0.8]}, ["binary"]),
    "tn": ("TrueNegatives", {"thresholds": 0.3}, ["binary"]),
    "fn": ("FalseNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, ["binary"]),
    "precision": ("Precision", {}, ["binary", "binary_column"]),
    "precision_at": ("Precision", {"thresholds": [0.1, 0.9]}, ["binary"]),
    "precision_top_k": ("Precision", {"top_k": 2}, ["classes"]),
    "precision_class": ("Precision", {"class_id": 1, "top_k": 2}, ["classes"]),
    "recall": ("Recall", {}, ["binary"]),
    "recall_top_k": ("Recall", {"top_k": 3, "class_id": 2}, ["classes"]),
    "auc": ("AUC", {}, ["binary", "binary_column"]),
    "auc_pr": ("AUC", {"curve": "PR", "num_thresholds": 21}, ["binary"]),
    "auc_pr_gain": ("AUC", {"curve": "PR_GAIN", "num_thresholds": 11}, ["binary"]),
    "auc_minoring": (
        "AUC",
        {"curve": "PR", "summation_method": "minoring", "num_thresholds": 5},
        ["binary"],
    ),
    "auc_majoring": ("AUC", {"summation_method": "majoring"}, ["binary"]),
    "auc_thresholds": ("AUC", {"thresholds": [0.3, 0.5, 0.9]}, ["binary"]),
    "auc_labels": ("AUC", {"multi_label": True}, ["binary"]),
    "auc_labels_given": (
        "AUC",
        {"multi_label": True, "thresholds": [0.1, 0.45, 0.5], "num_labels": 3},
        ["binary"],
    ),
    "auc_label_weights": (
        "AUC",
        {"multi_label": True, "label_weights": [0.2, 1.0, 0.5]},
        ["binary"],
    ),
    "auc_flat_weights": ("AUC", {"label_weights": [0.2, 1.0, 0.5]}, ["binary"]),
    "auc_logits": ("AUC", {"from_logits": True}, ["binary_logits"]),
    "sens_at_spec": ("SensitivityAtSpecificity", {"specificity": 0.6}, ["binary"]),
    "spec_at_sens": (
        "SpecificityAtSensitivity",
        {"sensitivity": 0.7, "num_thresholds": 7},
        ["binary"],
    ),
    "prec_at_rec": ("PrecisionAtRecall", {"recall": 0.7}, ["binary"]),
    "rec_at_prec": ("RecallAtPrecision", {"precision": 0.9}, ["binary"]),
    "rec_at_one": (
        "RecallAtPrecision",
        {"precision": 0.4, "num_thresholds": 1},
        ["binary"],
    ),
    "fbeta": ("FBetaScore", {"beta": 2.0, "threshold": 0.5}, ["binary"]),
    "fbeta_micro": ("FBetaScore", {"average": "micro", "beta": 0.5}, ["classes"]),
    "f1": ("F1Score", {"average": "macro"}, ["classes"]),
    "f1_weighted": ("F1Score", {"average": "weighted", "threshold": 0.3}, ["classes"]),
    "iou": ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, ["class_numbers"]),
    "iou_ignore": ("MeanIoU", {"num_classes": 4, "ignore_class": 1}, ["class_numbers"]),
    "binary_iou": ("BinaryIoU", {"threshold": 0.4}, ["binary"]),
    "mean_iou": ("MeanIoU", {"num_classes": 5}, ["class_numbers"]),
    "one_hot_iou": (
        "OneHotIoU",
        {"num_classes": 4, "target_class_ids": [1, 3]},
        ["classes"],
    ),
    "one_hot_mean_iou": ("OneHotMeanIoU", {"num_classes": 4}, ["classes"]),
    "r2": ("R2Score", {}, ["numbers"]),
    "r2_each": ("R2Score", {"class_aggregation": None}, ["numbers"]),
    "r2_weighted": (
        "R2Score",
        {"class_aggregation": "variance_weighted_average", "num_regressors": 2},
        ["numbers"],
    ),
}
KERAS3_METRICS = {
    "pearson": ("PearsonCorrelation", {}, ["numbers"]),
    "concordance": ("ConcordanceCorrelation", {"axis": 0}, ["numbers"]),
}
ONE_ARGUMENT = ("Sum", "Mean", "MeanTensor")
# Metrics that take no weights of shape [batch] for values [batch, n], or none at all.
WEIGHTS = {
    "one_hot_iou": ("vector",),
    "one_hot_mean_iou": ("vector",),
    "binary_iou": ("each",),
    "mean_iou": ("vector",),
    "iou": ("vector",),
    "iou_ignore": ("vector",),
    "relative": ("vector", "each"),
    "concordance": (),
}


def loss_weights(y_true, options, weights):
    """The weights of a loss, which has one value for each example or column."""
    shape = np.shape(y_true)
    if weights == "vector" and len(shape) == 3:
        return weights_of(shape, weights)[:, None, None]
    by_column = options.get("axis") == 0
    return weights_of(shape[1:] if by_column else shape, weights)


def loss_cases(table):
    """Yields key, class, options, kind of data and kind of weights."""
    for name, (kind, options, data) in table.items():
        for what in data:
            for weights in (None, "vector", "scalar"):
                if kind in ("Dice", "Tversky") and weights == "vector":
                    continue
                reductions = REDUCTIONS if "reduction" not in options else (None,)
                for reduction in reductions:
                    chosen = dict(options)
                    if reduction is not None:
                        chosen["reduction"] = reduction
                    yield (
                        f"{name}/{what}/{weights}/{reduction}",
                        kind,
                        chosen,
                        what,
                        weights,
                    )


def metric_cases(table):
    """Yields key, class, options, kind of data and kind of weights."""
    for name, (kind, options, data) in table.items():
        for what in data:
            plain = what in ("column", "binary_column")
            kinds = () if plain else WEIGHTS.get(name, ("vector",))
            for weights in (None, *kinds):
                yield f"{name}/{what}/{weights}", kind, options, what, weights


def update(metric, kind, what, weights, seed):
    """Adds a batch to a metric."""
    y_true, y_pred = batch_of(what, seed)
    sample_weight = weights_of(np.shape(y_true), weights)
    if kind in ONE_ARGUMENT:
        metric.update_state(y_pred, sample_weight=sample_weight)
    else:
        metric.update_state(y_true, y_pred, sample_weight=sample_weight)


def record(keras, losses, metrics, found, configs):
    """Adds what a Keras does."""
    import tensorflow as tf

    for key, kind, options, what, weights in loss_cases(losses):
        y_true, y_pred = batch_of(what)
        y_pred = tf.constant(y_pred)
        loss = getattr(keras.losses, kind)(**options)
        sample_weight = loss_weights(y_true, options, weights)
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(tf.constant(y_true), y_pred, sample_weight=sample_weight)
        found[f"loss/{key}"] = value.numpy()
        found[f"gradient/{key}"] = tape.gradient(value, y_pred).numpy()
        configs[f"loss/{key}"] = loss.get_config()
    for key, kind, options, what, weights in metric_cases(metrics):
        metric = getattr(keras.metrics, kind)(**options)
        for step in range(3):
            update(metric, kind, what, weights, step)
            found[f"metric/{key}/{step}"] = np.array(metric.result())
        names = [v.name.split("/")[-1].split(":")[0] for v in metric.variables]
        configs[f"metric/{key}"] = {**metric.get_config(), "variables": names}


def main():
    """Writes keras_losses.npz and keras_losses.json next to this file."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tf_keras

    found, configs = {}, {}
    record(tf_keras, LOSSES, METRICS, found, configs)
    record(keras, KERAS3_LOSSES, KERAS3_METRICS, found, configs)
    for name in list(configs):
        configs[name].pop("dtype", None)
    folder = Path(__file__).parent
    np.savez_compressed(folder / "keras_losses.npz", **found)
    text = json.dumps(configs, indent=0, default=lambda x: np.asarray(x).tolist())
    (folder / "keras_losses.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
