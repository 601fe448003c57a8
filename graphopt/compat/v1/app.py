"""`tf.app`: the start of a program with flags."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from graphopt.compat.v1 import flags as flags


def run(
    main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None
) -> NoReturn:
    """Reads the flags, calls `main`, and ends the program.

    Args:
      main: Takes the arguments that are no flags; by default `main` of the program.
      argv: The arguments; by default those of the process.

    Raises:
      SystemExit: Always, with what `main` returned.

    Source: `tf.compat.v1.app.run`.
    """
    given = list(sys.argv if argv is None else argv)

    def read(arguments: list[str]) -> Any:
        try:
            return values(arguments, known_only=True)
        except flags.Error as error:
            sys.stderr.write(
                f"FATAL Flags parsing error: {error}\n"
                "Pass --helpshort or --helpfull to see help on flags.\n"
            )
            raise SystemExit(1) from None

    values = flags.FLAGS.__dict__["_wrapped"]
    main = main or sys.modules["__main__"].main
    if flags.is_absl():
        absl_app = importlib.import_module("absl.app")
        absl_app.run(main, given, read)
    sys.exit(main(read(given)))
