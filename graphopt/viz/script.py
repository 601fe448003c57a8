"""The user's code: run once, with what it left behind.

It runs as Python runs it, in a module of its own, but what its names stand for is kept however
it ends: while they live, variables do.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from graphopt.aliases import as_tensorflow
from graphopt.aliases.program_version import find_version
from graphopt.runtime.function import Function
from graphopt.runtime.recording import StopRunning
from graphopt.viz.target import TargetNotFoundError
from graphopt.viz.things import target_of
from graphopt.viz.words import suggest


class Script:
    """The user's code: run once, with what it left behind.

    Attributes:
      values: What its names stand for, however it ended.
      failure: What it raised.
      is_interrupted: Whether it was ended by Ctrl-C.
      is_stopped: Whether it was ended at a run.
    """

    def __init__(
        self,
        place: str,
        attribute: str,
        arguments: Sequence[str],
        version: int | None,
    ) -> None:
        self.place, self.attribute = place, attribute
        self.arguments = arguments
        self.version = version
        self.is_file = place.endswith(".py") or Path(place).is_file()
        self.values: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self.is_interrupted = False
        self.is_stopped = False

    @property
    def is_usable(self) -> bool:
        """Whether an attribute may be looked up: nothing failed before it was set."""
        first = self.attribute.partition(".")[0]
        return self.failure is None or first in self.values

    def execute(self) -> None:
        """Runs it.

        Raises:
          TargetNotFoundError: There is no such script or module.
        """
        if self.is_file and not Path(self.place).is_file():
            raise TargetNotFoundError(f"there is no file {self.place!r}")
        with self._prepared():
            self._guard(self._run_file if self.is_file else self._import)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """Sets `sys.argv`, `sys.path` and what `tensorflow` is, for a block."""
        folder = Path(self.place).resolve().parent if self.is_file else Path.cwd()
        version = self.version or (find_version(self.place) if self.is_file else None)
        before = sys.argv, sys.path[:]
        sys.argv = [self.place, *self.arguments]
        sys.path.insert(0, str(folder))
        try:
            with as_tensorflow(version):
                yield
        finally:
            sys.argv, sys.path[:] = before

    def _guard(self, run: Callable[[], Any]) -> Any:
        """Calls something of the user's and notes how it ended."""
        try:
            return run()
        except StopRunning:
            self.is_stopped = True
        except TargetNotFoundError:
            raise
        except KeyboardInterrupt:
            self.is_interrupted = True
        except SystemExit as error:
            if error.code not in (None, 0) or self.attribute:
                self.failure = error
        except Exception as error:
            self.failure = error
        return None

    def _run_file(self) -> None:
        """Runs a script; with an attribute as on import, without its `__main__` part."""
        path = Path(self.place)
        name = path.stem if self.attribute else "__main__"
        module = types.ModuleType(name)
        module.__file__ = self.place
        self.values = module.__dict__
        code = compile(path.read_bytes(), self.place, "exec")
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before

    def _import(self) -> None:
        try:
            self.values = vars(importlib.import_module(self.place))
        except ModuleNotFoundError as error:
            # One that the module itself fails to import is an error of the user's.
            inside = f"{self.place}.".startswith(f"{error.name}.")
            if error.name is None or not inside:
                raise
            raise TargetNotFoundError(f"there is no module {self.place!r}") from None

    def find_attribute(self) -> Any:
        """Returns the attribute, or what it returns if it is a function.

        Raises:
          TargetNotFoundError: There is none, or it was not set before the script ended.
        """
        first, *rest = self.attribute.split(".")
        if first not in self.values:
            if self.is_stopped:
                raise TargetNotFoundError(
                    f"{self.place} runs a graph before {first!r} is there; --run runs it "
                    "to its end"
                )
            raise TargetNotFoundError(
                f"{self.place} has no attribute {first!r}{suggest(first, self.values)}"
            )
        found = self.values[first]
        for part in rest:
            if not hasattr(found, part):
                raise TargetNotFoundError(
                    f"{self.place}:{first} has no attribute {part!r}"
                    f"{suggest(part, dir(found))}"
                )
            found = getattr(found, part)
        if not callable(found) or _is_thing(found):
            return found
        with self._prepared():
            return self._guard(found)


def _is_thing(found: Any) -> bool:
    """Whether something that can be called is meant itself."""
    try:
        target_of(found)
    except TargetNotFoundError:
        return isinstance(found, Function)
    return True


@contextlib.contextmanager
def output_to_errors() -> Iterator[None]:
    """Sends what the script prints, and what its subprocesses do, to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        kept = -1
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept >= 0:
            os.dup2(kept, 1)
            os.close(kept)
