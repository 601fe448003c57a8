"""Philox4x64-10: four random words from a counter and a key.

Salmon and others, Parallel Random Numbers: As Easy as 1, 2, 3 (2011). Ten rounds of two
multiplications each.
"""

from __future__ import annotations

from typing import Final

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import Code, Pointer, Value
from graphopt.codegen.random.random_functions import multiply_wide

__all__ = ["philox"]

ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


@intrinsic(
    "words: pointer, at: word, block: word, kind: word, draw: word, "
    "first: word, second: word"
)
def philox(
    code: Code,
    words: Pointer,
    at: Value,
    block: Value,
    kind: Value,
    draw: Value,
    *key: Value,
) -> None:
    """Stores the four words of a block at an index.

    The counter is `block`, 0, `kind` and `draw`; the key has two words.
    """
    counter = [block, code.word(0), kind, draw]
    for number in range(ROUNDS):
        if number:
            key = tuple(k + step for k, step in zip(key, _KEY_STEPS, strict=True))
        (high0, low0), (high1, low1) = map(multiply_wide, counter[::2], _MULTIPLIERS)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
    for i, word in enumerate(counter):
        words.at(at + i).store(word)
