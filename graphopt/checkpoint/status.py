"""What became of a restore, to be asked."""

from __future__ import annotations

from typing import Any

from graphopt.checkpoint.restoring import Restore
from graphopt.checkpoint.trackable import VALUE, Walk
from graphopt.checkpoint.values import session_of
from graphopt.runtime.variable import Variable


class LoadStatus:
    """What became of a restore; asked whether everything found its place.

    Source: `tf.train.Checkpoint.restore`.
    """

    def __init__(self, restore: Restore) -> None:
        self._restore = restore

    def assert_consumed(self) -> LoadStatus:
        """Requires a variable for each value and a value for each variable.

        Raises:
          AssertionError: Something is left over; the message names it.
        """
        self.assert_existing_objects_matched()
        left = self._restore.unused()
        if left:
            raise AssertionError(
                f"Unresolved object in checkpoint {self._restore.path}: {left[:8]}"
                f"{' and others' if len(left) > 8 else ''} were saved and have no "
                "variable; try expect_partial() if that is meant."
            )
        return self

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Requires a value for each variable that exists by now.

        Raises:
          AssertionError: There is none for some; the message names them.
        """
        self._restore.look_again()
        missing = self._missing()
        if missing:
            raise AssertionError(
                f"No values in checkpoint {self._restore.path} for "
                f"{[v.name for v in missing[:8]]}"
                f"{' and others' if len(missing) > 8 else ''}; the file has "
                f"{len(self._restore.bound)} variables of these objects."
            )
        return self

    def assert_nontrivial_match(self) -> LoadStatus:
        """Requires that at least one variable besides the count of saves has a value.

        Raises:
          AssertionError: None has one.
        """
        self._restore.look_again()
        if not set(self._restore.bound) - {"save_counter" + VALUE}:
            raise AssertionError(
                f"Nothing except the save counter was matched with the checkpoint "
                f"{self._restore.path}, which has {self._restore.unused()[:8]}."
            )
        return self

    def expect_partial(self) -> LoadStatus:
        """Says that values may be left over; nothing warns of them anyway."""
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Sets the variables of a graph in a session; eager ones have their values."""
        self._restore.run(session)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Sets the variables of a graph, and initializes those that were not saved."""
        self._restore.look_again()
        _initialize(self._missing(), session)
        self._restore.run(session)

    def _missing(self) -> list[Variable]:
        restored = {id(variable) for variable in self._restore.bound.values()}
        variables = Walk(self._restore.roots).variables
        return [
            variable
            for path, variable in variables.items()
            if id(variable) not in restored and path != "save_counter"
        ]


class NothingToLoad:
    """The status of a restore without a file: everything keeps its initial value."""

    def __init__(self, roots: list[Any]) -> None:
        self._roots = roots

    def assert_consumed(self) -> NothingToLoad:
        """Fails.

        Raises:
          AssertionError: Always, for there is no checkpoint.
        """
        raise AssertionError(
            "No checkpoint specified (save_path=None); nothing is being restored."
        )

    assert_existing_objects_matched = assert_consumed
    assert_nontrivial_match = assert_consumed
    run_restore_ops = assert_consumed

    def expect_partial(self) -> NothingToLoad:
        """Says that values may be left over."""
        return self

    def initialize_or_restore(self, session: Any = None) -> None:
        """Initializes the variables of a graph."""
        _initialize(list(Walk(self._roots).variables.values()), session)


def _initialize(variables: list[Variable], session: Any) -> None:
    session = session_of(variables, session)
    if session is not None:
        session.run([v.initializer for v in variables])
