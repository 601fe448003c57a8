"""Samples of many classes, and how often each class is expected in one.

Different classes come from drawing on until there are enough; how many draws that took is
the op's second result, from which the expected counts are computed as TensorFlow does.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import (
    cast,
    divide,
    equal,
    expm1,
    log,
    log1p,
    negative,
    where,
)
from graphopt.ops.indexing import gather
from graphopt.ops.random import ON_HOST
from graphopt.ops.random_stateful import RandomStream, new_stream
from graphopt.ops.shaping import expand_dims, reshape

Array = NDArray[Any]


class Candidates(NamedTuple):
    """What a sampler returns.

    Attributes:
      sampled_candidates: `[num_sampled]`, int64: the classes drawn.
      true_expected_count: `[batch, num_true]`: how often each right class is expected
        among them.
      sampled_expected_count: `[num_sampled]`: how often each class drawn is.
    """

    sampled_candidates: Any
    true_expected_count: Any
    sampled_expected_count: Any


# ---- the op: classes, and how many were drawn to have so many different ones


def _infer(*weights: Any, count: int, **_: Any) -> Any:
    shape = TensorShape([count])
    return [(shape, dtypes.int64), (TensorShape(()), dtypes.int64)]


def _draw(generator: Any, how_many: int, weights: Any, kind: str, limit: int) -> Array:
    if kind == "uniform":
        found: Array = generator.integers(0, limit, how_many)
    elif kind == "log_uniform":
        drawn = np.exp(generator.random(how_many) * math.log1p(limit)).astype(np.int64)
        found = (drawn - 1) % limit
    else:
        # Steps of cumulative weights; those of weight 0 have no step.
        drawn = generator.random(how_many) * weights[-1]
        found = np.searchsorted(weights, drawn, side="right")
    return found.astype(np.int64)


def _compute(
    *weights: Array,
    count: int,
    unique: bool,
    limit: int,
    kind: str,
    stream: RandomStream,
    draw: int = 0,
) -> tuple[Array, Array]:
    generator = stream.generator(draw)
    steps = weights[0] if weights else None
    found = _draw(generator, count, steps, kind, limit)
    if not unique:
        return found, np.array(count, np.int64)
    # Drawing goes on until there are enough different ones, in the order of their coming.
    drawn = found
    while True:
        _, first = np.unique(drawn, return_index=True)
        if len(first) >= count:
            break
        more = _draw(generator, max(count, len(drawn)), steps, kind, limit)
        drawn = np.concatenate([drawn, more])
    places = np.sort(first)[:count]
    tries = int(places[-1]) + 1 if count else 0
    return drawn[places], np.array(tries, np.int64)


def _sample_attrs(**changes: Any) -> dict[str, Any]:
    stream = RandomStream(2, 1, 2)
    attrs = {"count": 3, "unique": True, "limit": 5, "kind": "uniform"}
    return {**attrs, "stream": stream, **changes}


SAMPLE_CANDIDATES = register(
    OpSpec(
        "CandidateSampler",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        ON_HOST,
        lambda: [
            Sample((), _sample_attrs()),
            Sample((), _sample_attrs(kind="log_uniform", unique=False)),
            Sample(
                (np.array([0.5, 0.5, 3.0]),), _sample_attrs(kind="weights", count=2)
            ),
        ],
        types=("any",),
        effect=Effect.RANDOM,
        outputs=2,
    )
)


def _true_classes(true_classes: Any, num_true: int) -> Any:
    true_classes = hooks.convert(true_classes)
    shape = true_classes.shape
    if shape.rank not in (None, 2) or (shape.rank and shape[1] not in (None, num_true)):
        raise fail(
            InvalidArgumentError,
            "true_classes must be a matrix with num_true columns",
            got=describe_shapes(true_classes),
            expected=f"[batch, {num_true}]",
            site=str(user_site()),
            remedy="tf.reshape(labels, [-1, 1])",
        )
    return cast(true_classes, dtypes.int64)


def _sample(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    limit: int,
    seed: int | None,
    name: str | None,
    probability: Any,
    kind: str,
    *weights: Any,
    possible: int | None = None,
) -> Candidates:
    true_classes = _true_classes(true_classes, num_true)
    num_sampled, limit = int(num_sampled), int(limit)
    most = limit if possible is None else possible
    if unique and num_sampled > most:
        raise fail(
            InvalidArgumentError,
            "Sampler's range is too small",
            got=f"{num_sampled} different classes of {most}",
            expected=f"num_sampled of at most {most}",
            site=str(user_site()),
            remedy="unique=False",
        )
    attrs = {"count": num_sampled, "unique": bool(unique), "limit": limit, "kind": kind}
    sampled, tries = call_all(
        SAMPLE_CANDIDATES, *weights, name=name, **attrs, **new_stream(seed)
    )

    def expected(classes: Any) -> Any:
        p = probability(classes)
        with_repeats = p * float(num_sampled)
        if not unique:
            return with_repeats
        # Of so many tries, the chance that at least one hit.
        numbers = cast(tries, dtypes.float32)
        hit = negative(expm1(numbers * log1p(negative(p))))
        return where(equal(tries, num_sampled), with_repeats, hit)

    return Candidates(sampled, expected(true_classes), expected(sampled))


def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draws classes that are all equally likely.

    Args:
      true_classes: `[batch, num_true]`, integers.
      num_true: How many right classes an example has.
      num_sampled: How many classes to draw.
      unique: Whether they are all different.
      range_max: The number of classes.
      seed: The op's seed.
      name: Name of the op.

    Raises:
      InvalidArgumentError: There are not so many different classes.

    >>> import graphopt as tf
    >>> drawn = tf.random.uniform_candidate_sampler([[0]], 1, 4, True, 4)
    >>> sorted(drawn.sampled_candidates.numpy().tolist())
    [0, 1, 2, 3]

    Source: `tf.random.uniform_candidate_sampler`.
    """

    def probability(classes: Any) -> Any:
        return ones_like(cast(classes, dtypes.float32)) * (1.0 / range_max)

    arguments = true_classes, num_true, num_sampled, unique, range_max, seed, name
    return _sample(*arguments, probability, "uniform")


def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draws classes by Zipf's law: those with small numbers are more likely.

    The probability of class c is log((c + 2) / (c + 1)) / log(range_max + 1). Arguments
    are those of `uniform_candidate_sampler`.

    Source: `tf.random.log_uniform_candidate_sampler`.
    """

    def probability(classes: Any) -> Any:
        number = cast(classes, dtypes.float32)
        return log(divide(number + 2.0, number + 1.0)) * (1.0 / math.log1p(range_max))

    arguments = true_classes, num_true, num_sampled, unique, range_max, seed, name
    return _sample(*arguments, probability, "log_uniform")


def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Any = (),
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draws classes with given frequencies.

    Args:
      true_classes, num_true, num_sampled, unique, range_max, seed, name: As in
        `uniform_candidate_sampler`.
      vocab_file: A CSV file, the last field of whose lines is a frequency.
      distortion: The power to which frequencies are raised.
      num_reserved_ids: How many classes come before the first frequency; they are never
        drawn.
      num_shards, shard: Every `num_shards`-th class, from `shard` on, is drawn.
      unigrams: The frequencies, if there is no file.

    Raises:
      ValueError: Not exactly one of the file and the frequencies is given.

    Source: `tf.random.fixed_unigram_candidate_sampler`.
    """
    if bool(vocab_file) == bool(len(unigrams)):
        raise ValueError("Exactly one of vocab_file and unigrams must be given.")
    if vocab_file:
        with Path(vocab_file).open(encoding="utf-8") as file:
            unigrams = [float(line.rsplit(",", 1)[-1]) for line in file if line.strip()]
    frequencies = np.array([0.0] * num_reserved_ids + [float(u) for u in unigrams])
    if len(frequencies) != range_max:
        raise fail(
            InvalidArgumentError,
            "range_max must be the number of frequencies",
            got=f"{range_max} and {len(frequencies)} frequencies",
            expected=f"{len(frequencies)}",
            site=str(user_site()),
        )
    weights = np.where(frequencies > 0, np.abs(frequencies) ** distortion, 0.0)
    weights[np.arange(range_max) % num_shards != shard] = 0.0
    shares = (weights / weights.sum()).astype(np.float32)

    def probability(classes: Any) -> Any:
        return gather(shares, classes)

    arguments = true_classes, num_true, num_sampled, unique, range_max, seed, name
    steps = np.cumsum(weights)
    possible = int(np.count_nonzero(weights))
    return _sample(*arguments, probability, "weights", steps, possible=possible)


def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Returns all classes, 0 to num_sampled - 1, each expected once.

    Source: `tf.random.all_candidate_sampler`.
    """
    true_classes = _true_classes(true_classes, num_true)
    sampled = hooks.convert(np.arange(int(num_sampled)))
    one = ones_like(cast(true_classes, dtypes.float32))
    return Candidates(sampled, one, ones_like(cast(sampled, dtypes.float32)))


def learned_unigram_candidate_sampler(*_: Any, **__: Any) -> Any:
    """Not available: it learns frequencies outside of variables.

    Raises:
      NotImplementedError: Always.
    """
    raise NotImplementedError(
        "learned_unigram_candidate_sampler; count the classes, and give them to "
        "fixed_unigram_candidate_sampler(unigrams=counts)."
    )


def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: Any,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """Returns where drawn classes are right ones.

    Args:
      true_classes: `[batch, num_true]`, int64.
      sampled_candidates: `[num_sampled]`, int64.
      num_true: How many right classes an example has.
      seed: Accepted for compatibility.
      name: Name of the op.

    Returns:
      The rows of the batch `[hits]`, int32; the places in the sample `[hits]`, int64; and
      the lowest float32 for each, to be added to logits.

    Source: `tf.nn.compute_accidental_hits`.
    """
    true_classes = _true_classes(true_classes, num_true)
    sampled = cast(hooks.convert(sampled_candidates), dtypes.int64)
    hits = equal(expand_dims(true_classes, 2), reshape(sampled, [1, 1, -1]))
    places = where(hits, name=name)
    rows, ids = cast(places[:, 0], dtypes.int32), places[:, 2]
    lowest = float(np.finfo(np.float32).min)
    return rows, ids, ones_like(cast(ids, dtypes.float32)) * lowest
