"""Boxes in images: suppression of those that overlap, drawing, and boxes at random."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.image.checks import as_known, check
from graphopt.ops.host import numpy_function
from graphopt.ops.random_stateful import uniform

Array = NDArray[Any]


def overlap(one: Array, others: Array) -> Array:
    """The intersection over the union of a box and others.

    Args:
      one: `[4]`, two opposite corners.
      others: `[n, 4]`.
    """

    def edges(box: Array) -> tuple[Array, Array, Array, Array]:
        top, bottom = (
            np.minimum(box[..., 0], box[..., 2]),
            np.maximum(box[..., 0], box[..., 2]),
        )
        left, right = (
            np.minimum(box[..., 1], box[..., 3]),
            np.maximum(box[..., 1], box[..., 3]),
        )
        return top, left, bottom, right

    a, b = edges(one), edges(others)
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    high = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]), 0)
    wide = np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]), 0)
    common = high * wide
    whole = area_a + area_b - common
    with np.errstate(all="ignore"):
        found = common / whole
    return np.where((area_a > 0) & (area_b > 0), found, 0)


def _suppress(
    overlaps: Any,
    scores: Array,
    most: int,
    threshold: float,
    least: float,
    sigma: float = 0.0,
) -> tuple[Array, Array]:
    """Picks boxes by score; returns their numbers and scores.

    Args:
      overlaps: From a number and numbers to overlaps.
      scores: `[n]`.
      most: How many at most.
      threshold: Two chosen boxes do not overlap more.
      least: Boxes of this score or less are not chosen.
      sigma: If positive, overlaps lower scores instead, whatever the threshold.
    """
    scores = scores.astype(np.float32).copy()
    left = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > least]
    chosen: list[int] = []
    while left and len(chosen) < most:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        chosen.append(best)
        if not left:
            break
        found = overlaps(best, np.array(left))
        if sigma > 0:
            scores[left] *= np.exp(-0.5 * found * found / sigma).astype(np.float32)
            left = [i for i in left if scores[i] > least]
        else:
            left = [i for i, o in zip(left, found, strict=True) if o <= threshold]
    numbers = np.array(chosen, np.int32)
    return numbers, scores[numbers]


def _overlaps_of(boxes: Array) -> Any:
    return lambda i, others: overlap(boxes[i], boxes[others])


def _known_rank(tensor: Any, dims: list[int | None]) -> Any:
    if hasattr(tensor, "op"):
        tensor.set_shape(dims)
    return tensor


def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """Picks boxes with high scores that do not overlap much.

    Args:
      boxes: `[n, 4]`, two opposite corners of each.
      scores: `[n]`.
      max_output_size: How many at most.
      iou_threshold: Two boxes with a larger intersection over union are one.
      score_threshold: Boxes of this score or less are not picked.
      name: Name of the op.

    Returns:
      `[m]`, the numbers of the boxes, int32.

    Source: `tf.image.non_max_suppression`.
    """

    def pick(
        boxes: Array, scores: Array, most: Array, over: Array, least: Array
    ) -> Any:
        return _suppress(
            _overlaps_of(boxes), scores, int(most), float(over), float(least)
        )[0]

    inputs = [boxes, scores, max_output_size, iou_threshold, score_threshold]
    return _known_rank(numpy_function(pick, inputs, "int32"), [None])


def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `non_max_suppression`, with the scores; overlaps may lower scores only.

    Args:
      boxes, scores, max_output_size, iou_threshold, score_threshold: Likewise.
      soft_nms_sigma: If positive, a box that overlaps a chosen one loses score.
      name: Name of the op.

    Returns:
      The numbers of the boxes and their scores.

    Source: `tf.image.non_max_suppression_with_scores`.
    """

    def pick(
        boxes: Array, scores: Array, most: Array, over: Array, least: Array, soft: Array
    ) -> Any:
        return list(
            _suppress(
                _overlaps_of(boxes),
                scores,
                int(most),
                float(over),
                float(least),
                float(soft),
            )
        )

    inputs = [
        boxes,
        scores,
        max_output_size,
        iou_threshold,
        score_threshold,
        soft_nms_sigma,
    ]
    numbers, kept = numpy_function(pick, inputs, ["int32", "float32"])
    return _known_rank(numbers, [None]), _known_rank(kept, [None])


def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """As `non_max_suppression`, of overlaps `[n, n]` that are given.

    Source: `tf.image.non_max_suppression_overlaps`.
    """

    def pick(
        table: Array, scores: Array, most: Array, over: Array, least: Array
    ) -> Any:
        return _suppress(
            lambda i, others: table[i, others],
            scores,
            int(most),
            float(over),
            float(least),
        )[0]

    inputs = [overlaps, scores, max_output_size, overlap_threshold, score_threshold]
    return _known_rank(numpy_function(pick, inputs, "int32"), [None])


def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
    sorted_input: bool = False,
    canonicalized_coordinates: bool = False,
    tile_size: int = 512,
) -> tuple[Any, Any]:
    """As `non_max_suppression`, with zeros behind the numbers if asked for.

    Returns:
      The numbers of the boxes, and how many there are.

    Raises:
      NotImplementedError: Batches of boxes.

    Source: `tf.image.non_max_suppression_padded`.
    """
    boxes = hooks.convert(boxes)
    if boxes.shape.rank not in (2, None):
        raise NotImplementedError(
            "tf.image.non_max_suppression_padded of batches; tf.map_fn over them."
        )

    def pick(
        boxes: Array, scores: Array, most: Array, over: Array, least: Array
    ) -> Any:
        found = _suppress(
            _overlaps_of(boxes), scores, int(most), float(over), float(least)
        )[0]
        count = np.int32(len(found))
        if pad_to_max_output_size:
            found = np.pad(found, (0, int(most) - len(found)))
        return [found, count]

    inputs = [boxes, scores, max_output_size, iou_threshold, score_threshold]
    numbers, count = numpy_function(pick, inputs, ["int32", "int32"])
    known = as_known(max_output_size)
    dims = [known if pad_to_max_output_size and isinstance(known, int) else None]
    return _known_rank(numbers, dims), _known_rank(count, [])


def _combine(
    boxes: Array,
    scores: Array,
    each: int,
    total: int,
    over: float,
    least: float,
    is_clipped: bool,
) -> list[Array]:
    """Suppresses boxes of each class, and keeps the best of all classes of an image."""
    count, classes = len(boxes), scores.shape[2]
    kept = np.zeros((count, total, 4), np.float32)
    values = np.zeros((count, total), np.float32)
    kinds = np.zeros((count, total), np.float32)
    valid = np.zeros(count, np.int32)
    for i in range(count):
        found: list[tuple[float, int, int]] = []
        for k in range(classes):
            own = boxes[i, :, k if boxes.shape[2] > 1 else 0]
            numbers, best = _suppress(
                _overlaps_of(own), scores[i, :, k], each, over, least
            )
            found += [
                (-s, k, n) for s, n in zip(best.tolist(), numbers.tolist(), strict=True)
            ]
        found.sort(key=lambda part: part[0])
        for place, (value, k, n) in enumerate(found[:total]):
            box = boxes[i, n, k if boxes.shape[2] > 1 else 0]
            kept[i, place] = np.clip(box, 0, 1) if is_clipped else box
            values[i, place], kinds[i, place] = -value, k
        valid[i] = min(len(found), total)
    return [kept, values, kinds, valid]


class CombinedNonMaxSuppression(NamedTuple):
    """What is left of the boxes of a batch.

    Attributes:
      nmsed_boxes: `[batch, m, 4]`, zeros behind the last one.
      nmsed_scores: `[batch, m]`.
      nmsed_classes: `[batch, m]`, float32.
      valid_detections: `[batch]`, how many there are, int32.
    """

    nmsed_boxes: Any
    nmsed_scores: Any
    nmsed_classes: Any
    valid_detections: Any


def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> CombinedNonMaxSuppression:
    """Suppresses overlapping boxes of each class of each image.

    Args:
      boxes: `[batch, n, q, 4]`, where q is 1 or the number of classes.
      scores: `[batch, n, classes]`.
      max_output_size_per_class: How many boxes of a class are kept at most.
      max_total_size: How many boxes of an image are.
      iou_threshold, score_threshold: As of `non_max_suppression`.
      pad_per_class: Whether the result is no longer than all classes can fill.
      clip_boxes: Whether boxes are cut to [0, 1].
      name: Name of the op.

    Source: `tf.image.combined_non_max_suppression`.
    """
    scores = hooks.convert(scores)
    each, total = as_known(max_output_size_per_class), as_known(max_total_size)
    check(
        isinstance(each, int) and isinstance(total, int),
        "the sizes of combined_non_max_suppression must be known",
        f"{each!r} and {total!r}",
    )
    if pad_per_class:
        total = min(total, each * int(scores.shape[2]))
    found = numpy_function(
        lambda b, s: _combine(
            b, s, each, total, iou_threshold, score_threshold, clip_boxes
        ),
        [boxes, scores],
        ["float32", "float32", "float32", "int32"],
    )
    batch = scores.shape[0]
    shapes = ([batch, total, 4], [batch, total], [batch, total], [batch])
    parts = [_known_rank(t, list(s)) for t, s in zip(found, shapes, strict=True)]
    return CombinedNonMaxSuppression(*parts)


_COLORS = np.array(
    [
        [1, 1, 0, 1],
        [0, 0, 1, 1],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0.5, 0, 0.5, 1],
        [0.5, 0.5, 0, 1],
        [0.5, 0, 0, 1],
        [0, 0, 0.5, 1],
        [0, 1, 1, 1],
        [1, 0, 1, 1],
    ],
    np.float32,
)


def _draw(images: Array, boxes: Array, colors: Array) -> Array:
    images = images.copy()
    height, width, channels = images.shape[1:]
    table = colors if colors.size else _COLORS
    for image, rows in zip(images, boxes, strict=True):
        for i, (y1, x1, y2, x2) in enumerate(rows):
            color = table[i % len(table)]
            shade = (
                color[:channels]
                if len(color) >= channels
                else np.resize(color, channels)
            )
            if channels == 1:
                shade = color[:1] if colors.size else np.ones(1, np.float32)
            top, left = int(y1 * (height - 1)), int(x1 * (width - 1))
            bottom, right = int(y2 * (height - 1)), int(x2 * (width - 1))
            if top > bottom or left > right:
                continue
            inside_rows = slice(max(top, 0), min(bottom, height - 1) + 1)
            inside_columns = slice(max(left, 0), min(right, width - 1) + 1)
            for row in (top, bottom):
                if 0 <= row < height:
                    image[row, inside_columns] = shade
            for column in (left, right):
                if 0 <= column < width:
                    image[inside_rows, column] = shade
    return images


def draw_bounding_boxes(
    images: Any, boxes: Any, colors: Any, name: str | None = None
) -> Tensor:
    """Draws the edges of boxes into images.

    Args:
      images: `[batch, height, width, channels]` of floats.
      boxes: `[batch, n, 4]`, top, left, bottom and right between 0 and 1.
      colors: `[m, channels]`, taken in turn; None for ten of TensorFlow's.
      name: Name of the op.

    Source: `tf.image.draw_bounding_boxes`.
    """
    images = hooks.convert(images)
    given = np.zeros((0, 4), np.float32) if colors is None else colors
    made = numpy_function(_draw, [images, boxes, given], images.dtype)
    if hasattr(made, "op"):
        made.set_shape(images.shape)
    return made


def _sample(
    size: Array,
    boxes: Array,
    seeds: Array,
    *,
    covered: float,
    ratios: Any,
    areas: Any,
    attempts: int,
    use_image: bool,
) -> Any:
    generator = np.random.default_rng([int(s) & 0xFFFFFFFF for s in seeds.ravel()])
    height, width = int(size[0]), int(size[1])
    given = boxes.reshape(-1, 4)
    if not len(given):
        if not use_image:
            raise ValueError("No bounding boxes provided as input.")
        given = np.array([[0, 0, 1, 1]], np.float32)
    scale = np.array([height, width, height, width])
    pixels = given * scale
    for _ in range(attempts):
        ratio = generator.uniform(*ratios)
        area = generator.uniform(*areas) * height * width
        high = round(math.sqrt(area / ratio))
        wide = round(high * ratio)
        if not (0 < high <= height and 0 < wide <= width):
            continue
        top = int(generator.integers(0, height - high + 1))
        left = int(generator.integers(0, width - wide + 1))
        crop = np.array([top, left, top + high, left + wide])
        common = np.maximum(
            np.minimum(pixels[:, 2], crop[2]) - np.maximum(pixels[:, 0], crop[0]), 0
        ) * np.maximum(
            np.minimum(pixels[:, 3], crop[3]) - np.maximum(pixels[:, 1], crop[1]), 0
        )
        own = (pixels[:, 2] - pixels[:, 0]) * (pixels[:, 3] - pixels[:, 1])
        if covered <= 0 or np.any((common >= covered * own) & (common > 0)):
            break
    else:
        top, left, high, wide = 0, 0, height, width
    box = np.array([top, left, top + high, left + wide]) / scale
    dtype = size.dtype
    return [
        np.array([top, left, 0], dtype),
        np.array([high, wide, -1], dtype),
        box.astype(np.float32).reshape(1, 1, 4),
    ]


def stateless_sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """As `sample_distorted_bounding_box`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_sample_distorted_bounding_box`.
    """
    size = hooks.convert(image_size)
    ratios = (0.75, 1.33) if aspect_ratio_range is None else tuple(aspect_ratio_range)
    areas = (0.05, 1.0) if area_range is None else tuple(area_range)
    check(0 < ratios[0] <= ratios[1], "aspect_ratio_range must be positive", ratios)
    check(0 < areas[0] <= areas[1] <= 1, "area_range must be within (0, 1]", areas)
    options: dict[str, Any] = {
        "covered": float(as_known(min_object_covered)),
        "ratios": ratios,
        "areas": areas,
        "attempts": 100 if max_attempts is None else int(max_attempts),
        "use_image": bool(use_image_if_no_bounding_boxes),
    }
    begin, extent, box = numpy_function(
        lambda *arrays: _sample(*arrays, **options),
        [size, bounding_boxes, seed],
        [size.dtype, size.dtype, "float32"],
    )
    return (
        _known_rank(begin, [3]),
        _known_rank(extent, [3]),
        _known_rank(box, [1, 1, 4]),
    )


def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any = 0,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """Draws a part of an image that holds enough of one of its boxes.

    Args:
      image_size: `[3]`, height, width and channels.
      bounding_boxes: `[batch, n, 4]`, top, left, bottom and right between 0 and 1.
      seed: For the draw; 0 for another one in each run.
      min_object_covered: The least part of a box that must be inside.
      aspect_ratio_range: Of width by height; (0.75, 1.33) by default.
      area_range: Of the part of the image; (0.05, 1) by default.
      max_attempts: How often to try, before the whole image is taken; 100 by default.
      use_image_if_no_bounding_boxes: Whether no box means the whole image.
      name: Name of the op.

    Returns:
      Where the part begins and its size, for `tf.slice`, and the box, `[1, 1, 4]`.

    Source: `tf.image.sample_distorted_bounding_box`.
    """
    drawn = uniform([2], 0, np.iinfo(np.int32).max, dtype="int32", seed=seed or None)
    return stateless_sample_distorted_bounding_box(
        image_size,
        bounding_boxes,
        drawn,
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
    )
