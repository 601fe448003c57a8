"""What is known while a layer is being called: which layers, and whether they train."""

from __future__ import annotations

import contextlib
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class CallContext(threading.local):
    """The layers of this thread that are being called, the innermost last.

    Attributes:
      path: Their names.
      training: What the innermost was told, None if nothing.
      compute_dtype: What its variables are read as; None for their own dtype.
    """

    def __init__(self) -> None:
        self.path: tuple[str, ...] = ()
        self.training: Any = None
        self.compute_dtype: Any = None


context = CallContext()


@contextlib.contextmanager
def outermost() -> Iterator[None]:
    """Calls layers in the block as if no other layer was being called."""
    before = (context.path, context.training, context.compute_dtype)
    context.path, context.training, context.compute_dtype = (), None, None
    try:
        yield
    finally:
        context.path, context.training, context.compute_dtype = before


class Signature(NamedTuple):
    """What a layer's `call` takes.

    Attributes:
      first: The name of its first argument.
      names: Those of all.
      training: Whether it takes `training`, and `default` that argument's default.
      mask: Whether it takes `mask`.
    """

    first: str
    names: tuple[str, ...]
    training: bool
    default: Any
    mask: bool


_signatures: weakref.WeakKeyDictionary[Any, Signature] = weakref.WeakKeyDictionary()


def signature_of(call: Callable[..., Any]) -> Signature:
    """Returns what a `call` takes; it is looked at once for each function."""
    function = getattr(call, "__func__", call)
    found = _signatures.get(function)
    if found is None:
        found = _read_signature(call)
        _signatures[function] = found
    return found


def _read_signature(call: Callable[..., Any]) -> Signature:
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return Signature("inputs", ("inputs",), False, None, False)
    kinds = inspect.Parameter
    plain = [
        name
        for name, p in parameters.items()
        if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters.values())
    default = parameters["training"].default if "training" in plain else None
    return Signature(
        first=plain[0] if plain else "inputs",
        names=tuple(plain),
        training="training" in plain or takes_any,
        default=None if default is kinds.empty else default,
        mask="mask" in plain,
    )
