"""Kernels that reduce what several ranks have: one term of each, in a tree.

The tree depends on the number of terms alone: neighbours first, ((0 + 1) + (2 + 3)), and
what has no neighbour goes up a level as it is.
"""

from __future__ import annotations

from typing import Final

from graphopt.codegen.kernel import Kernel, Parameter
from graphopt.ops.collectives import REDUCTIONS

__all__ = ["declare_terms"]

_PAIRS: Final = {
    "sum": "({a} + {b})",
    # NaN stays NaN, from whichever side it comes.
    "min": "({a} if ({a} < {b}) | ({a} != {a}) else {b})",
    "max": "({a} if ({a} > {b}) | ({a} != {a}) else {b})",
    "prod": "({a} * {b})",
}
assert tuple(_PAIRS) == REDUCTIONS
# So many terms are one expression; of more the levels of the tree are loops over a block.
_IN_REGISTERS: Final = 8
_BLOCK: Final = 256


def declare_terms(dtype: str, reduction: str, count: int) -> Kernel:
    """Returns the kernel that reduces terms.

    Its words are the addresses of the result, of scratch memory (for more than 8 terms as
    much as half of them, in blocks of 256 elements) and of each term; its range is that of
    the elements. The result must not overlap a term.

    Args:
      dtype: The name of the element type.
      reduction: One of `REDUCTIONS`.
      count: The number of terms, at least 2.
    """
    out = Parameter("out", "address", dtype)
    if count <= _IN_REGISTERS:
        names = [f"x{i}" for i in range(count)]
        terms = [Parameter(name, "address", dtype) for name in names]
        lines = ["for j in range(lo, hi):"]
        level = [f"{name}[j]" for name in names]
        number = 0
        while len(level) > 1:
            following = []
            for a, b in zip(level[::2], level[1::2], strict=False):
                # Named, for an expression may read a term twice.
                lines += [f"    a{number} = {a}", f"    b{number} = {b}"]
                pair = _PAIRS[reduction].format(a=f"a{number}", b=f"b{number}")
                lines.append(f"    s{number} = {dtype}({pair})")
                following.append(f"s{number}")
                number += 1
            level = following + (level[-1:] if len(level) % 2 else [])
        lines.append(f"    out[j] = {level[0]}")
        parameters = (out, Parameter("scratch", "address"), *terms)
        return Kernel("reduce_terms", parameters, _indent(lines))
    pair = _PAIRS[reduction]
    lines = [
        f"for begin in range(lo, hi, {_BLOCK}):",
        f"    n = min({_BLOCK}, hi - begin)",
        f"    for i in range({count // 2}):",
        f"        x = pointer_{dtype}(terms[2 * i])",
        f"        y = pointer_{dtype}(terms[2 * i + 1])",
        "        for j in range(n):",
        "            a = x[begin + j]",
        "            b = y[begin + j]",
        f"            scratch[{_BLOCK} * i + j] = {dtype}({pair.format(a='a', b='b')})",
    ]
    if count % 2:
        lines += [
            f"    x = pointer_{dtype}(terms[{count - 1}])",
            "    for j in range(n):",
            f"        scratch[{_BLOCK * (count // 2)} + j] = x[begin + j]",
        ]
    left = (count + 1) // 2
    while left > 1:
        lines += [
            f"    for i in range({left // 2}):",
            "        for j in range(n):",
            f"            a = scratch[{2 * _BLOCK} * i + j]",
            f"            b = scratch[{2 * _BLOCK} * i + {_BLOCK} + j]",
            f"            scratch[{_BLOCK} * i + j] = {dtype}({pair.format(a='a', b='b')})",
        ]
        if left % 2:
            lines += [
                "    for j in range(n):",
                f"        scratch[{_BLOCK * (left // 2)} + j] = "
                f"scratch[{_BLOCK * (left - 1)} + j]",
            ]
        left = (left + 1) // 2
    lines += ["    for j in range(n):", "        out[begin + j] = scratch[j]"]
    parameters = (
        out,
        Parameter("scratch", "address", dtype),
        Parameter("terms", "words"),
    )
    return Kernel("reduce_terms", parameters, _indent(lines))


def _indent(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)
