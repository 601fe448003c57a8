"""Settings: what `GRAPHOPT_*` variables and `with config(...)` can change.

| setting | variable | meaning |
|---|---|---|
| `jit` | `GRAPHOPT_JIT` | `always`, `never`, or the number of interpreted runs first |
| `strict` | `GRAPHOPT_STRICT` | no implicit default session |
| `passes_off` | `GRAPHOPT_PASSES_OFF` | names of rewrites to leave out, comma separated |
| `check_numerics` | `GRAPHOPT_CHECK_NUMERICS` | NaN and infinities are errors |
| `debug` | `GRAPHOPT_DEBUG` | new sessions compare each kernel with NumPy |
| `cache` | `GRAPHOPT_CACHE` | `off`: compiled kernels are not kept on disk |
| `cache_dir` | `GRAPHOPT_CACHE_DIR` | where they are kept; else `~/.cache/graphopt` |
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any

NEVER = 1 << 62


@dataclasses.dataclass
class Settings:
    """The current values; read them as attributes of `settings`."""

    jit: int | None = None
    strict: bool = False
    passes_off: tuple[str, ...] = ()
    check_numerics: bool = False
    debug: bool = False
    cache: bool = True
    cache_dir: str = ""

    def interpreted_runs(self, writes_state: bool) -> int:
        """How many runs of a fetch set are interpreted before it is compiled.

        A fetch set that writes variables is a training step and compiles at once; one
        that only reads may never run again, so its first two runs are interpreted. The
        rule counts runs and nothing else: no measured time decides.
        """
        if self.jit is not None:
            return self.jit
        return 0 if writes_state else 2


def _jit(text: str) -> int | None:
    words = {"": None, "always": 0, "never": NEVER}
    if text in words:
        return words[text]
    if text.isdigit():
        return int(text)
    raise ValueError(
        f"GRAPHOPT_JIT is {text!r}; expected 'always', 'never' or a number of runs."
    )


def _switch(variable: str, text: str, default: bool) -> bool:
    words = {"": default, "on": True, "1": True, "off": False, "0": False}
    if text.lower() in words:
        return words[text.lower()]
    raise ValueError(f"{variable} is {text!r}; expected 'on' or 'off'.")


def _switch_from_environment(variable: str, default: bool) -> bool:
    return _switch(variable, os.environ.get(variable, ""), default)


def _from_environment() -> Settings:
    off = os.environ.get("GRAPHOPT_PASSES_OFF", "")
    return Settings(
        jit=_jit(os.environ.get("GRAPHOPT_JIT", "")),
        strict=os.environ.get("GRAPHOPT_STRICT", "") not in ("", "0"),
        passes_off=tuple(name.strip() for name in off.split(",") if name.strip()),
        check_numerics=_switch_from_environment("GRAPHOPT_CHECK_NUMERICS", False),
        debug=_switch_from_environment("GRAPHOPT_DEBUG", False),
        cache=_switch_from_environment("GRAPHOPT_CACHE", True),
        cache_dir=os.environ.get("GRAPHOPT_CACHE_DIR", ""),
    )


settings = _from_environment()
_watchers: list[Callable[[], None]] = []


def on_change(function: Callable[[], None]) -> Callable[[], None]:
    """Has a function called after each change of a setting, and returns it.

    For what would otherwise have to ask on every run, which has to cost nothing.
    """
    _watchers.append(function)
    return function


def change(**values: Any) -> None:
    """Changes settings for good."""
    for name, value in values.items():
        setattr(settings, name, value)
    for function in _watchers:
        function()


@contextlib.contextmanager
def config(**changes: Any) -> Iterator[Settings]:
    """Changes settings for the length of a `with` block.

    Args:
      **changes: `jit` (`"always"`, `"never"` or a number), `strict`, `passes_off`,
        `check_numerics`, `debug`, `cache` (`"on"`, `"off"` or a truth value),
        `cache_dir`.

    >>> with config(jit="never") as current:
    ...     current.interpreted_runs(writes_state=True) > 1000
    True
    """
    if isinstance(changes.get("jit"), str):
        changes["jit"] = _jit(changes["jit"])
    if isinstance(changes.get("cache"), str):
        changes["cache"] = _switch("cache", changes["cache"], True)
    known = {field.name for field in dataclasses.fields(Settings)}
    unknown = set(changes) - known
    if unknown:
        raise TypeError(f"Unknown settings {sorted(unknown)}; known: {sorted(known)}.")
    before = {name: getattr(settings, name) for name in changes}
    try:
        change(**changes)
        yield settings
    finally:
        change(**before)


def strict_sessions(strict: bool) -> None:
    """Chooses whether `op.run()` without a session is an error, as in TensorFlow.

    Args:
      strict: Whether it is. By default a session is made for the graph, which also
        initializes variables that never were.
    """
    settings.strict = strict
