"""The name of a kernel in the cache: a hash of everything that its code depends on.

The text of a kernel says what it computes. What the functions it calls compute is in
the other files of this folder, and what the compiler makes of them depends on the
versions of the packages, the processor and the compiler's options. All of it is in the
key, so nothing in the cache can be out of date: what changes gets another name. The
folder's files count as a whole, for a list of those that matter would be forgotten. What
writes kernels may import nothing of the rest of this package but what `OUTSIDE` names; a
test follows the imports.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphopt.codegen.machine import Machine, get_machine

__all__ = ["Environment", "content_key", "read_environment"]

FORMAT: Final = "1"
"""Changes with anything about entries that no other part of the key shows."""
OUTSIDE: Final = (
    "graph/status.py",
    "lazy.py",
    "ops/blocks.py",
    "ops/special_values.py",
)
"""Files of other folders whose values go into kernels, or that run while they are made."""


@dataclass(frozen=True)
class Environment:
    """What object code depends on besides its own source.

    Attributes:
      helpers: A hash of the files of this folder, and of those it takes values from.
      python: Version of the interpreter, and the kind of machine.
      numba: The file that says which version it is.
      llvmlite: Its version.
      numpy: Its version.
      machine: What kernels are made for: all fields of `machine.Machine`.
      flags: Settings of the compiler that come from outside.
    """

    helpers: str
    python: str
    numba: str
    llvmlite: str
    numpy: str
    machine: str
    flags: str


def find_helpers(package: Path) -> list[Path]:
    """Lists the files that decide what the functions that kernels call compute.

    Args:
      package: The folder of this package.

    Returns:
      The files of its folder `codegen` and those of `OUTSIDE`.
    """
    inside = sorted((package / "codegen").rglob("*.py"))
    return [*inside, *(package / name for name in OUTSIDE)]


def hash_helpers(package: Path) -> str:
    """Hashes the files of `find_helpers`.

    Args:
      package: The folder of this package.

    Returns:
      A hash of their names and texts.

    Raises:
      OSError: If one is missing, so that what helpers do cannot be known.
    """
    paths = find_helpers(package)
    if len(paths) == len(OUTSIDE):
        raise FileNotFoundError(f"no Python files in {package / 'codegen'}")
    parts = []
    for path in paths:
        name = path.relative_to(package).as_posix()
        parts += [name.encode(), path.read_bytes()]
    return _hash(parts).hex()


def _hash(parts: list[bytes]) -> bytes:
    whole = hashlib.sha256()
    for part in parts:
        # With the lengths, no two lists of parts look alike.
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.digest()


def _read_flags() -> str:
    # numba reads these, and the file, when it is imported.
    lines = [f"{name}={os.environ[name]}" for name in sorted(os.environ)]
    lines = [line for line in lines if line.startswith("NUMBA_")]
    settings = Path(".numba_config.yaml")
    if settings.is_file():
        lines.append(settings.read_text(errors="replace"))
    return "\n".join(lines)


def _read_numba_version() -> str:
    # Importing numba takes longer than everything else, reading its metadata 20 ms.
    found = importlib.util.find_spec("numba")
    if found is None or found.origin is None:
        raise FileNotFoundError("no package numba")
    return Path(found.origin).with_name("_version.py").read_text()


def read_environment() -> Environment:
    """Finds out what this process would compile with.

    Returns:
      The answer, which is looked up once.

    Raises:
      OSError: If the files of this folder cannot be read.
    """
    return _read_environment(get_machine())


@functools.cache
def _read_environment(machine: Machine) -> Environment:
    import llvmlite
    import numpy as np

    return Environment(
        helpers=hash_helpers(Path(__file__).parents[2]),
        python=f"{sys.version} {sys.platform} {platform.machine()}",
        numba=_read_numba_version(),
        llvmlite=llvmlite.__version__,
        numpy=np.__version__,
        machine=repr(dataclasses.astuple(machine)),
        flags=_read_flags(),
    )


def content_key(family: str, source: str, environment: Environment) -> str:
    """Computes the key of a kernel.

    Args:
      family: Which generator made it.
      source: Its text, or the words that choose it.
      environment: What it is compiled with.

    Returns:
      64 hexadecimal digits.
    """
    fields = dataclasses.asdict(environment).values()
    parts = [FORMAT, family, source, *fields]
    return _hash([part.encode(errors="surrogateescape") for part in parts]).hex()
