"""Sums over products of named dimensions: einsum, tensordot, and norms.

An equation of several operands is taken two at a time, from the left. Each pair becomes
one batched matrix product: the names that both have and that are still needed are the
batch, those that both have and nobody needs are summed by the product, and what only
one has are its rows or columns. Transposes and reshapes are made only where they
change something, so "ij,jk->ik" is a MatMul and nothing else.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape, static_ints
from graphopt.ops.decompositions import svd
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import ADD, abs, pow, sqrt
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_max, reduce_min, reduce_sum
from graphopt.ops.shaping import expand_dims, identity, reshape, transpose

# Names of the dimensions that an ellipsis stands for, the last one first.
_HIDDEN = string.digits


@deferrable(lambda equation, inputs: [hooks.convert(inputs[0]).dtype])
def einsum(equation: str, *inputs: Any, name: str | None = None) -> Tensor:
    """Multiplies tensors and sums, as an equation over names of dimensions says.

    Args:
      equation: As "ij,jk->ik": the dimensions of each operand and of the result; without
        "->" the result has the names that occur once, in order. "..." stands for
        further dimensions, which are broadcast.
      *inputs: The operands.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The operands do not fit the equation.
      NotImplementedError: A name occurs twice in one operand.

    >>> import graphopt as tf
    >>> tf.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]).numpy().tolist()
    [21.0, 43.0]

    Source: `tf.einsum`.
    """
    tensors = as_inputs(ADD, inputs, name)
    labels, result = _parse(equation, tensors)
    sizes: dict[str, int] = {}
    operands = []
    for tensor, names in zip(tensors, labels, strict=True):
        _learn_sizes(equation, tensor, names, sizes)
        operands.append((tensor, names))
    tensor, names = operands[0]
    for index, (other, other_names) in enumerate(operands[1:], start=2):
        needed = set(result).union(*(n for _, n in operands[index:]))
        tensor, names = _product(tensor, names, other, other_names, needed)
    tensor, names = _sum_away(tensor, names, set(result))
    return identity(_order(tensor, names, result), name=name or "einsum")


def _parse(equation: str, tensors: Sequence[Any]) -> tuple[list[str], str]:
    """Returns the names of each operand and of the result, without ellipses."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    allowed = set(string.ascii_letters + ".")
    if len(terms) != len(tensors) or set("".join(terms) + right) - allowed:
        raise _wrong(equation, tensors, "one term of letters for each operand")
    labels = []
    hidden = ""
    for term, tensor in zip(terms, tensors, strict=True):
        names, found = _without_ellipsis(equation, term, tensor, tensors)
        labels.append(names)
        hidden = max(hidden, found, key=len)
        if len(set(names)) < len(names):
            raise NotImplementedError(
                f"tf.einsum with a name twice in one operand ({term!r}); use "
                "tf.linalg.diag_part or tf.linalg.trace for it."
            )
    if not arrow:
        every = "".join(labels)
        once = sorted(n for n in set(every) if n.isalpha() and every.count(n) == 1)
        return labels, hidden + "".join(once)
    result = right.replace("...", hidden)
    known = set("".join(labels))
    if "." in result or len(set(result)) < len(result) or set(result) - known:
        raise _wrong(equation, tensors, "a result of names of the operands, each once")
    return labels, result


def _without_ellipsis(
    equation: str, term: str, tensor: Any, tensors: Sequence[Any]
) -> tuple[str, str]:
    rank = tensor.shape.rank
    if rank is None:
        raise DecidedByRun("tf.einsum of a tensor of unknown rank.")
    before, dots, after = term.partition("...")
    extra = rank - len(before) - len(after)
    if "." in before + after or extra < 0 or (extra and not dots):
        raise _wrong(equation, tensors, f"{rank} names in {term!r}")
    if extra > len(_HIDDEN):
        raise NotImplementedError("tf.einsum with an ellipsis of many dimensions.")
    hidden = _HIDDEN[:extra][::-1]
    return before + hidden + after, hidden


def _wrong(equation: str, tensors: Sequence[Any], expected: str) -> Exception:
    return fail(
        InvalidArgumentError,
        f"The equation {equation!r:.80} of einsum does not fit its operands",
        got=describe_shapes(*tensors) if tensors else "no operands",
        expected=expected,
        site=str(user_site()),
    )


def _learn_sizes(equation: str, tensor: Any, names: str, sizes: dict[str, int]) -> None:
    """Notes the size of each name; only dimensions of an ellipsis are broadcast."""
    for label, dim in zip(names, tensor.shape, strict=True):
        if dim is None or (dim == 1 and not label.isalpha()):
            continue
        if sizes.setdefault(label, dim) != dim:
            raise fail(
                InvalidArgumentError,
                f"Expected dimension {sizes[label]} at axis {names.index(label)} of the "
                f"input shaped {tensor.shape} but got dimension {dim}",
                got=f"two sizes for {label!r} in the einsum {equation!r:.80}",
                expected="one size for each name",
                remedy="another name for one of them",
                site=str(user_site()),
            )


def _sum_away(tensor: Any, names: str, needed: set[str]) -> tuple[Any, str]:
    """Sums over the dimensions that nothing else needs."""
    axes = [i for i, label in enumerate(names) if label not in needed]
    if not axes:
        return tensor, names
    kept = "".join(label for label in names if label in needed)
    return reduce_sum(tensor, axis=axes), kept


def _order(tensor: Any, names: str, wanted: str) -> Any:
    """Transposes; the names are the same in another order."""
    if names == wanted:
        return tensor
    return transpose(tensor, [names.index(label) for label in wanted])


def _product(
    a: Any, a_names: str, b: Any, b_names: str, needed: set[str]
) -> tuple[Any, str]:
    """Multiplies two operands and sums over the names that only the two have."""
    a, a_names = _sum_away(a, a_names, needed | set(b_names))
    b, b_names = _sum_away(b, b_names, needed | set(a_names))
    shared = [n for n in a_names if n in b_names]
    # Dimensions of an ellipsis may be 1 in one operand, which only a batch broadcasts.
    summed = "".join(n for n in shared if n not in needed and n.isalpha())
    batch = "".join(
        n
        for n in dict.fromkeys(a_names + b_names)
        if (n in shared and n not in summed) or not n.isalpha()
    )
    rows = "".join(n for n in a_names if n not in batch + summed)
    columns = "".join(n for n in b_names if n not in batch + summed)
    a, a_sizes = _as_matrices(a, a_names, batch, rows, summed)
    b, b_sizes = _as_matrices(b, b_names, batch, summed, columns)
    product = matmul(a, b)
    names = batch + rows + columns
    if len(rows) != 1 or len(columns) != 1:
        split = [[a_sizes[n]] for n in rows] + [[b_sizes[n]] for n in columns]
        ahead = [[size] for size in _sizes(product)[: len(batch)]]
        product = reshape(product, _dims([*ahead, *split]))
    return _sum_away(product, names, needed)


# A size: a number, or a tensor and which of its sizes it is.
Size = int | tuple[Any, int]


def _sizes(x: Any) -> list[Size]:
    return [(x, i) if size is None else size for i, size in enumerate(x.shape)]


def _as_matrices(
    x: Any, names: str, batch: str, first: str, second: str
) -> tuple[Any, dict[str, Size]]:
    """Returns x as `[batch..., first, second]`, and the size of each name."""
    sizes = dict(zip(names, _sizes(x), strict=True))
    present = "".join(n for n in batch if n in sizes)
    x = _order(x, names, present + first + second)
    for position, label in enumerate(batch):
        if label not in sizes:
            x = expand_dims(x, position)
    if len(first) != 1 or len(second) != 1:
        groups = [[sizes[n] for n in first], [sizes[n] for n in second]]
        x = reshape(x, _dims([*([sizes.get(n, 1)] for n in batch), *groups]))
    return x, sizes


def _dims(groups: Sequence[Sequence[Size]]) -> list[Any]:
    """Returns a shape whose sizes are products; at most one is left to `reshape`."""
    unknown = [any(not isinstance(size, int) for size in group) for group in groups]
    if sum(unknown) <= 1:
        return [
            -1
            if is_unknown
            else math.prod(size for size in group if isinstance(size, int))
            for group, is_unknown in zip(groups, unknown, strict=True)
        ]
    return [_multiply(group) for group in groups]


def _multiply(sizes: Sequence[Size]) -> Any:
    """Returns a product: a number, or a tensor where the run decides it."""
    product: Any = 1
    for size in sizes:
        factor = size if isinstance(size, int) else shape(size[0])[size[1]]
        product = (
            factor if isinstance(product, int) and product == 1 else product * factor
        )
    return product


@deferrable()
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Sums products over axes of two tensors.

    Args:
      a, b: The tensors.
      axes: How many of the last axes of a and the first of b; or the two lists of them.
      name: Name of the op.

    Returns:
      The axes of a that are left, then those of b.

    Raises:
      InvalidArgumentError: The axes do not fit.

    >>> import graphopt as tf
    >>> tf.tensordot([[1.0, 2.0]], [[3.0], [4.0]], axes=1).numpy().tolist()
    [[11.0]]

    Source: `tf.tensordot`.
    """
    a, b = as_inputs(ADD, (a, b), name)
    if a.shape.rank is None or b.shape.rank is None:
        raise DecidedByRun("tf.tensordot of a tensor of unknown rank.")
    ranks = (len(a.shape), len(b.shape))
    if isinstance(axes, (list, tuple)) and len(axes) == 2:
        of_a, of_b = (static_ints(part, "tf.tensordot") for part in axes)
    else:
        numbers = static_ints(axes, "tf.tensordot")
        count = numbers[0] if len(numbers) == 1 else -1
        of_a = list(range(ranks[0] - count, ranks[0]))
        of_b = list(range(count))
    of_a = [axis + ranks[0] if axis < 0 else axis for axis in of_a]
    of_b = [axis + ranks[1] if axis < 0 else axis for axis in of_b]
    fits = len(of_a) == len(of_b) and all(
        0 <= i < ranks[0] and 0 <= j < ranks[1] for i, j in zip(of_a, of_b, strict=True)
    )
    if not fits or len({*of_a}) < len(of_a) or len({*of_b}) < len(of_b):
        raise fail(
            InvalidArgumentError,
            "The axes of tensordot do not fit its operands",
            got=f"axes {axes} for {describe_shapes(a, b)}",
            site=str(user_site()),
        )
    letters = string.ascii_letters
    names_a = letters[: ranks[0]]
    others = iter(letters[ranks[0] :])
    names_b = "".join(
        names_a[of_a[of_b.index(j)]] if j in of_b else next(others)
        for j in range(ranks[1])
    )
    summed = {names_a[i] for i in of_a}
    result = "".join(n for n in names_a + names_b if n not in summed)
    return einsum(f"{names_a},{names_b}->{result}", a, b, name=name or "Tensordot")


@deferrable()
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns the norm of vectors or matrices.

    Args:
      tensor: A float tensor.
      ord: "euclidean", 1, 2, infinity or any positive number p for the p-norm; for
        matrices "euclidean" or "fro", 1, 2 or infinity.
      axis: None for all elements as one vector, a number for vectors, two for matrices.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      ValueError: The norm is not known.

    >>> import graphopt as tf
    >>> float(tf.norm([3.0, 4.0]))
    5.0

    Source: `tf.norm`.
    """
    x = hooks.convert(tensor)
    axes = None if axis is None else static_ints(axis, "tf.norm")
    is_matrix = axes is not None and len(axes) == 2
    options: dict[str, Any] = {"axis": axes, "keepdims": keepdims}
    if ord in ("euclidean", "fro") or (ord == 2 and not is_matrix):
        if ord == "fro" and not is_matrix:
            raise ValueError("'fro' is a norm of matrices; give two axes.")
        return sqrt(reduce_sum(x * x, **options), name=name)
    if is_matrix:
        return _matrix_norm(x, ord, axes, keepdims, name)
    if ord in (np.inf, -np.inf):
        extreme = reduce_max if ord > 0 else reduce_min
        return extreme(abs(x), **options, name=name)
    if isinstance(ord, str) or not ord > 0:
        raise ValueError(f"'ord' must be a supported vector norm, got {ord!r}.")
    if ord == 1:
        return reduce_sum(abs(x), **options, name=name)
    return pow(reduce_sum(pow(abs(x), ord), **options), 1.0 / ord, name=name)


def _to_the_end(x: Any, axes: Any) -> Any:
    """Moves two dimensions to the end, where matrices have theirs."""
    if x.shape.rank is None:
        raise DecidedByRun("tf.norm with ord=2 of a tensor of unknown rank.")
    last = [axis % len(x.shape) for axis in axes]
    rest = [axis for axis in range(len(x.shape)) if axis not in last]
    return transpose(x, rest + last)


def _matrix_norm(x: Any, ord: Any, axes: Any, keepdims: bool, name: Any) -> Any:
    if ord == 2:
        values = svd(_to_the_end(x, axes), compute_uv=False)
        largest = reduce_max(values, axis=-1, name=name)
        for axis in sorted(a % len(x.shape) for a in axes) if keepdims else ():
            largest = expand_dims(largest, axis)
        return largest
    if ord not in (1, np.inf):
        raise ValueError(f"'ord' must be a supported matrix norm, got {ord!r}.")
    inner, outer = axes if ord == 1 else axes[::-1]
    sums = reduce_sum(abs(x), axis=inner, keepdims=True)
    largest = reduce_max(sums, axis=outer, keepdims=True, name=name)
    if keepdims:
        return largest
    return reduce_max(largest, axis=axes)
