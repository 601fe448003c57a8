"""Imports of `tensorflow` and `keras` that end in graphopt.

A finder at the head of `sys.meta_path` answers for the names `tensorflow`, `keras`,
`tf_keras` and `horovod` and what is below them. The module of a name is that of graphopt: a class is the
same object by either name. Only `tensorflow` itself is a module of its own, since it has
a version of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from graphopt.aliases import internals
from graphopt.config import settings
from graphopt.graph import context
from graphopt.graph.dimension import enable_dimensions
from graphopt.graph.shape import dimensions

ROOTS = ("tensorflow", "keras", "tf_keras", "tensorflow_core", "horovod")
VERSIONS = {1: "1.15.5", 2: "2.15.1"}


class TensorFlow(ModuleType):
    """The module `tensorflow`: names of a namespace of graphopt, and a version."""

    def __init__(self, version: int) -> None:
        super().__init__("tensorflow", "TensorFlow's names, on graphopt.")
        namespace = "graphopt.v1" if version == 1 else "graphopt"
        self.__path__: list[str] = []
        self.__dict__["_namespace"] = importlib.import_module(namespace)
        self.__version__ = VERSIONS[version]
        self.VERSION = self.__version__
        self.version = SimpleNamespace(
            VERSION=self.__version__, GIT_VERSION="unknown", COMPILER_VERSION="numba"
        )

    def __getattr__(self, name: str) -> Any:
        if name == "python":
            return internals.load("tensorflow.python", "")
        return getattr(self._namespace, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._namespace), "version", "python"})

    @property
    def __all__(self) -> list[str]:
        return [name for name in dir(self) if not name.startswith("_")]


class Finder(MetaPathFinder, Loader):
    """Finds the modules of `tensorflow` and `keras` in graphopt."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.root = TensorFlow(version)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Returns how a module is loaded, None for those of other packages.

        Raises:
          ModuleNotFoundError: TensorFlow may have it, graphopt has not.
        """
        if fullname.split(".")[0] not in ROOTS:
            return None
        self.find(fullname)
        return ModuleSpec(fullname, self, is_package=True)

    def find(self, fullname: str) -> Any:
        """Returns the module of a name.

        Raises:
          ModuleNotFoundError: There is none.
        """
        head, *parts = fullname.split(".")
        if parts[:1] == ["python"] and head == "tensorflow":
            below = ".".join(parts[1:])
            if not below or below in internals.SOURCES:
                return internals.load("tensorflow.python", below)
        found: Any = self.root
        if head in ("keras", "tf_keras"):
            found = self.root.keras
        if head == "horovod":
            found = importlib.import_module("graphopt.horovod")
            # Its modules for TensorFlow, for Keras of either kind, and no others.
            parts = parts[1:] if parts[:1] == ["tensorflow"] else parts
        if head == "tensorflow_core" and parts[:1] == ["python"]:
            return self.find(".".join(["tensorflow", *parts]))
        for part in parts:
            try:
                found = getattr(found, part)
            except AttributeError as error:
                raise ModuleNotFoundError(
                    f"No module named {fullname!r} in graphopt: {error}", name=fullname
                ) from None
        return found

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves it to Python to make a module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Puts the module of graphopt in the place of the new one."""
        sys.modules[module.__name__] = self.find(module.__name__)


def _install() -> Finder | None:
    return next((each for each in sys.meta_path if isinstance(each, Finder)), None)


def install_as_tensorflow(version: int = 2) -> None:
    """Makes `import tensorflow` and `import keras` import graphopt, in this process.

    An installed TensorFlow stays as it is; this process does not see it.

    Args:
      version: 2, or 1 for the namespace of TensorFlow 1.15, with graphs by default.

    Raises:
      RuntimeError: TensorFlow or Keras was imported before, or the other version is
        installed.

    >>> import subprocess, sys
    >>> program = "import graphopt; graphopt.install_as_tensorflow();"
    >>> program += "import tensorflow as tf; print(tf.constant(3) + 4)"
    >>> subprocess.run([sys.executable, "-c", program], capture_output=True).stdout
    b'tf.Tensor(7, shape=(), dtype=int32)\\n'
    """
    if version not in VERSIONS:
        raise ValueError(
            f"install_as_tensorflow: got version {version!r}, expected 1 or 2."
        )
    there = _install()
    if there is not None:
        if there.version != version:
            raise RuntimeError(
                f"graphopt is installed as TensorFlow {there.version} in this process; "
                f"it cannot be TensorFlow {version} too. Start another process."
            )
        return
    for name in ROOTS:
        if name in sys.modules:
            raise RuntimeError(
                f"{name} is imported already ({sys.modules[name]!r}). Call "
                "install_as_tensorflow() before the first import of it."
            )
    sys.meta_path.insert(0, Finder(version))


@contextlib.contextmanager
def as_tensorflow(version: int | None) -> Iterator[None]:
    """Installs graphopt as TensorFlow for the block, and restores modes after it.

    Args:
      version: 1 or 2, or None for a program that imports graphopt.
    """
    with _fresh_modes():
        if version is None or _install() is not None:
            yield
            return
        hidden = {n: m for n, m in sys.modules.items() if n.split(".")[0] in ROOTS}
        for name in hidden:
            del sys.modules[name]
        install_as_tensorflow(version)
        try:
            yield
        finally:
            sys.meta_path.remove(_install())  # type: ignore[arg-type]
            for name in [n for n in sys.modules if n.split(".")[0] in ROOTS]:
                del sys.modules[name]
            sys.modules.update(hidden)


@contextlib.contextmanager
def _fresh_modes() -> Iterator[None]:
    """Runs a block in the modes of a new process and its empty default graph.

    Importing `graphopt.v1` switches modes, so the block must be able to import it anew.
    """
    modes = context.is_eager_by_default(), settings.strict, dimensions.are_objects
    module = sys.modules.pop("graphopt.v1", None)
    graph = context.swap_global_graph(None)
    context.set_eager_by_default(True)
    settings.strict = os.environ.get("GRAPHOPT_STRICT", "") not in ("", "0")
    enable_dimensions(False)
    try:
        yield
    finally:
        sys.modules.pop("graphopt.v1", None)
        if module is not None:
            sys.modules["graphopt.v1"] = module
        context.swap_global_graph(graph)
        context.set_eager_by_default(modes[0])
        settings.strict = modes[1]
        enable_dimensions(modes[2])
