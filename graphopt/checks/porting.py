"""What a TensorFlow program uses that is not here, without running it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from graphopt.aliases import as_tensorflow
from graphopt.aliases.missing import say_what
from graphopt.aliases.program_version import version_of
from graphopt.aliases.usage import Use, uses_of_program
from graphopt.checks.findings import Finding


def find_missing(paths: Sequence[Path], version: int | None) -> Iterator[Finding]:
    """Yields the names and keywords of programs that graphopt has not.

    Args:
      paths: Programs; of a folder, all below it.
      version: 1 or 2; None for the one whose names each program uses.

    Yields:
      Errors for names, warnings for keywords, notes for names without which the program
      goes on, and for files that are no Python of this version.
    """
    for path in paths:
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        # Each file of a folder is a program, or a module of the others.
        for group in [[file] for file in files]:
            uses, unread = uses_of_program(group)
            yield from (
                Finding("unreadable", "note", f"cannot be read: {text}")
                for text in unread
            )
            found = version or version_of(uses)
            if found is not None:
                own = [
                    use for use in uses if not path.is_dir() or _is_of(use, group[0])
                ]
                yield from _missing_of(own, found)


def _is_of(use: Use, file: Path) -> bool:
    return Path(use.file).resolve() == file.resolve()


def _missing_of(uses: Iterable[Use], version: int) -> Iterator[Finding]:
    places: dict[tuple[Any, ...], list[Use]] = {}
    with as_tensorflow(version):
        root = importlib.import_module("tensorflow")
        for use in uses:
            for problem in _problems(root, use, version):
                places.setdefault((problem, use.tentative), []).append(use)
    for (problem, tentative), where in places.items():
        check, message, remedy = problem
        first = where[0]
        others = [f"{use.line}" for use in where[1:] if use.file == first.file]
        if others:
            shown = ", ".join(dict.fromkeys(others[:8]))
            message += f" (also line {shown}{', ...' if len(others) > 8 else ''})"
        severity = "warning" if check == "missing-keyword" else "error"
        yield Finding(
            check,
            "note" if tentative else severity,  # type: ignore[arg-type]
            message,
            f"{first.file}:{first.line}",
            remedy,
        )


def _problems(root: Any, use: Use, version: int) -> Iterator[tuple[str, str, str]]:
    found: Any = root
    parts = use.path.split(".") if use.path else []
    for index, part in enumerate(parts):
        if not isinstance(found, (ModuleType, type)):
            # An object of the program's, as tf.app.flags.FLAGS.
            return
        try:
            found = getattr(found, part)
        except AttributeError:
            path = ".".join(parts[: index + 1])
            namespace = "graphopt.v1" if version == 1 else "graphopt"
            if path.startswith("compat.v1."):
                namespace, path = "graphopt.compat.v1", path[len("compat.v1.") :]
            what = say_what(namespace, path, dir(found))
            yield "missing-name", f"tf.{use.path} is not there", what
            return
    if use.keywords is None or not callable(found):
        return
    unknown = [name for name in use.keywords if not takes_keyword(found, name)]
    for name in unknown:
        known = ", ".join(_parameters(found))
        yield "missing-keyword", f"tf.{use.path} takes no {name!r}", f"one of {known}"


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {"...": inspect.Parameter("kw", inspect.Parameter.VAR_KEYWORD)}


def takes_keyword(function: Any, name: str) -> bool:
    """Returns whether a function or class can be called with a keyword."""
    parameters = _parameters(function)
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return True
    found = parameters.get(name)
    return found is not None and found.kind is not found.POSITIONAL_ONLY
