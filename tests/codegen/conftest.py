"""Helpers for running kernels without a plan."""

from __future__ import annotations

from graphopt.codegen.cache.object_code import ALLOWED_SYMBOLS, read_symbols

__all__ = ["ALLOWED_SYMBOLS", "read_undefined_symbols"]


def read_undefined_symbols(object_code: bytes) -> set[str]:
    """Read the names that an object expects from outside."""
    return {symbol.name for symbol in read_symbols(object_code) if not symbol.section}
