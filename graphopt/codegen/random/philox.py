"""Philox4x64-10: four random words from a counter and a key.

Salmon and others, Parallel Random Numbers: As Easy as 1, 2, 3 (2011). Ten rounds of two
multiplications each; written in LLVM's terms, because both halves of a product of 64 bits
come from one instruction, which Python has no word for.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.compile.native import make_intrinsic, types

__all__ = ["philox"]

ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_I64: Final = ir.IntType(64)
_I128: Final = ir.IntType(128)


@make_intrinsic  # type: ignore[untyped-decorator]
def philox(
    typing_context: Any,
    words: Any,
    at: Any,
    block: Any,
    kind: Any,
    draw: Any,
    first: Any,
    second: Any,
) -> Any:
    """Compute the four words of a block.

    Args:
        typing_context: Given by numba.
        words: A pointer to int64.
        at: Where in it they go.
        block, kind, draw: The counter, whose second word is 0.
        first, second: The key.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target, at, block, kind, draw, *key = values
        counter = [block, _I64(0), kind, draw]
        for number in range(ROUNDS):
            if number:
                pairs = zip(key, _KEY_STEPS, strict=True)
                key = [builder.add(word, _I64(step)) for word, step in pairs]
            high, low = [], []
            for word, factor in zip(counter[::2], _MULTIPLIERS, strict=True):
                wide = builder.mul(builder.zext(word, _I128), _I128(factor))
                low.append(builder.trunc(wide, _I64))
                high.append(builder.trunc(builder.lshr(wide, _I128(64)), _I64))
            counter = [
                builder.xor(builder.xor(high[1], counter[1]), key[0]),
                low[1],
                builder.xor(builder.xor(high[0], counter[3]), key[1]),
                low[0],
            ]
        for i, word in enumerate(counter):
            place = builder.gep(target, [builder.add(at, _I64(i))])
            builder.store(word, place)
        return context.get_dummy_value()

    word = types.int64
    return types.void(words, *[word] * 6), generate
