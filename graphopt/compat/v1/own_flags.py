"""Flags of a program, with the behavior of absl-py, which TensorFlow uses."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Error(Exception):
    """Something about flags."""


class UnrecognizedFlagError(Error):
    """A flag that nobody defined."""


class IllegalFlagValueError(Error):
    """A flag got a value that it cannot have."""


class DuplicateFlagError(Error):
    """A flag is defined twice."""


class UnparsedFlagAccessError(Error):
    """A flag is read before the arguments of the program were."""


class ValidationError(Error):
    """A validator refused the value of a flag."""


class Flag:
    """A flag: its name, how its text is read, and its value."""

    def __init__(
        self,
        name: str,
        default: Any,
        help: str,
        parse: Callable[[str], Any],
        *,
        short_name: str | None = None,
        is_boolean: bool = False,
        is_multiple: bool = False,
    ) -> None:
        self.name, self.help, self.short_name = name, help, short_name
        self.is_boolean, self.is_multiple = is_boolean, is_multiple
        self.parser = parse
        self.present = 0
        self.validators: list[tuple[Callable[[Any], Any], str]] = []
        self.default = self._read(default) if isinstance(default, str) else default
        self.value = self.default

    def _read(self, text: Any) -> Any:
        try:
            return self.parser(text)
        except (TypeError, ValueError) as error:
            raise IllegalFlagValueError(f"flag --{self.name}={text}: {error}") from None

    def parse(self, text: Any) -> None:
        """Sets the value from text; a multiple flag gets one more."""
        value = self._read(text)
        if self.is_multiple:
            before = self.value if self.present else []
            value = [*before, *(value if isinstance(value, list) else [value])]
        self.value = value
        self.present += 1

    def check(self) -> None:
        """Asks the validators.

        Raises:
          IllegalFlagValueError: One refuses the value.
        """
        for validator, message in self.validators:
            try:
                accepted = validator(self.value)
            except ValidationError as error:
                raise IllegalFlagValueError(
                    f"flag --{self.name}={self.value}: {error}"
                ) from None
            if not accepted:
                raise IllegalFlagValueError(
                    f"flag --{self.name}={self.value}: {message}"
                )


class FlagValues:
    """All flags of a program, with values as attributes."""

    def __init__(self) -> None:
        self.__dict__["_all"] = {}
        self.__dict__["_parsed"] = False

    def _flags(self) -> dict[str, Flag]:
        found: dict[str, Flag] = self.__dict__["_all"]
        return found

    def __getitem__(self, name: str) -> Flag:
        return self._flags()[name]

    def __setitem__(self, name: str, flag: Flag) -> None:
        if name in self._flags():
            raise DuplicateFlagError(f"The flag {name!r} is defined twice.")
        self._flags()[name] = flag
        if flag.short_name:
            self._flags()[flag.short_name] = flag

    def __contains__(self, name: object) -> bool:
        return name in self._flags()

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags())

    def __len__(self) -> int:
        return len(self._flags())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._flags()]

    def __getattr__(self, name: str) -> Any:
        flag = self._flags().get(name)
        if flag is None:
            raise AttributeError(name)
        if not self.is_parsed():
            raise UnparsedFlagAccessError(
                f"The flag --{name} is read before the arguments of the program were."
            )
        return flag.value

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._flags():
            raise AttributeError(f"There is no flag {name!r} to be set.")
        flag = self._flags()[name]
        flag.value = value
        flag.check()

    def __delattr__(self, name: str) -> None:
        if name not in self._flags():
            raise AttributeError(name)
        del self._flags()[name]

    def is_parsed(self) -> bool:
        """Returns whether the arguments of the program were read."""
        return bool(self.__dict__["_parsed"])

    def mark_as_parsed(self) -> None:
        """Makes values readable without arguments."""
        self.__dict__["_parsed"] = True

    def unparse_flags(self) -> None:
        """Makes values unreadable until arguments are read again."""
        self.__dict__["_parsed"] = False

    def set_default(self, name: str, value: Any) -> None:
        """Sets what a flag is where no argument says so."""
        flag = self._flags()[name]
        flag.default = flag._read(value) if isinstance(value, str) else value
        if not flag.present:
            flag.value = flag.default

    def flag_values_dict(self) -> dict[str, Any]:
        """Returns the values by name."""
        return {name: flag.value for name, flag in self._flags().items()}

    def flags_into_string(self) -> str:
        """Returns the flags as a file of arguments."""
        pairs = sorted((f.name, f.value) for f in self._flags().values())
        lines = [f"--{name}={value}" for name, value in dict(pairs).items()]
        return "\n".join(lines) + "\n"

    def __call__(self, argv: Sequence[str], known_only: bool = False) -> list[str]:
        """Reads arguments.

        Args:
          argv: The program, and what it was started with.
          known_only: Whether unknown flags are left over.

        Returns:
          The program, and what is no flag.

        Raises:
          UnrecognizedFlagError: A flag is not defined.
          IllegalFlagValueError: A value cannot be read, or is refused.
        """
        rest = [argv[0]]
        waiting = list(argv[1:])
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                rest += ["--", *waiting] if known_only else waiting
                break
            if not argument.startswith("-") or argument == "-":
                rest.append(argument)
                continue
            name, equals, text = argument.lstrip("-").partition("=")
            flag = self._flags().get(name)
            if flag is None and name.startswith("no") and not equals:
                negated = self._flags().get(name[2:])
                if negated is not None and negated.is_boolean:
                    negated.parse("false")
                    continue
            if flag is None:
                if name in ("help", "helpshort", "helpfull"):
                    sys.stdout.write(self.get_help(argv[0]))
                    raise SystemExit(1)
                if known_only:
                    rest.append(argument)
                    continue
                raise UnrecognizedFlagError(f"Unknown command line flag {name!r}")
            if equals:
                flag.parse(text)
            elif flag.is_boolean:
                flag.parse("true")
            elif waiting:
                flag.parse(waiting.pop(0))
            else:
                raise Error(f"Missing value for flag --{name}")
        self.mark_as_parsed()
        self.validate_all_flags()
        return rest

    def validate_all_flags(self) -> None:
        """Asks all validators."""
        for flag in self._flags().values():
            flag.check()

    def get_help(self, program: str = "") -> str:
        """Returns what `--help` prints."""
        lines = ["", f"{program}:"] if program else []
        for name in sorted({flag.name for flag in self._flags().values()}):
            flag = self._flags()[name]
            shown = f"--[no]{name}" if flag.is_boolean else f"--{name}"
            lines.append(f"  {shown}: {flag.help}")
            default = f"(default: {flag.default!r})"
            lines += textwrap.wrap(default, initial_indent="    ")
        return "\n".join(lines) + "\n"


FLAGS = FlagValues()


def _define(
    name: str, default: Any, help: str, parse: Any, flag_values: Any, **more: Any
) -> None:
    values = FLAGS if flag_values is None else flag_values
    values[name] = Flag(name, default, help, parse, **more)


def _boolean(text: Any) -> bool:
    if str(text).lower() in ("true", "t", "1"):
        return True
    if str(text).lower() in ("false", "f", "0"):
        return False
    raise ValueError("Non-boolean argument to boolean flag")


def _integer(text: Any) -> int:
    text = str(text)
    return int(text, 16 if text.lower().startswith(("0x", "-0x")) else 10)


def _list(text: Any) -> list[str]:
    text = str(text).strip()
    return [part.strip() for part in text.split(",")] if text else []


def _between(
    parse: Callable[[Any], Any], lower: Any, upper: Any
) -> Callable[[Any], Any]:
    def read(text: Any) -> Any:
        value = parse(text)
        if (lower is not None and value < lower) or (
            upper is not None and value > upper
        ):
            raise ValueError(f"{value} is not within [{lower}, {upper}]")
        return value

    return read


def DEFINE_string(
    name: str,
    default: Any,
    help: str = "",
    flag_values: Any = None,
    short_name: str | None = None,
    **_options: Any,
) -> None:
    """Defines a flag whose value is text."""
    _define(name, default, help, str, flag_values, short_name=short_name)


def DEFINE_integer(
    name: str,
    default: Any,
    help: str = "",
    lower_bound: Any = None,
    upper_bound: Any = None,
    flag_values: Any = None,
    short_name: str | None = None,
    **_options: Any,
) -> None:
    """Defines a flag whose value is a whole number."""
    parse = _between(_integer, lower_bound, upper_bound)
    _define(name, default, help, parse, flag_values, short_name=short_name)


def DEFINE_float(
    name: str,
    default: Any,
    help: str = "",
    lower_bound: Any = None,
    upper_bound: Any = None,
    flag_values: Any = None,
    short_name: str | None = None,
    **_options: Any,
) -> None:
    """Defines a flag whose value is a number."""
    parse = _between(float, lower_bound, upper_bound)
    default = float(default) if isinstance(default, int) else default
    _define(name, default, help, parse, flag_values, short_name=short_name)


def DEFINE_boolean(
    name: str,
    default: Any,
    help: str = "",
    flag_values: Any = None,
    short_name: str | None = None,
    **_options: Any,
) -> None:
    """Defines a flag that is on, `--name`, or off, `--noname`."""
    default = bool(default) if isinstance(default, int) else default
    _define(
        name,
        default,
        help,
        _boolean,
        flag_values,
        short_name=short_name,
        is_boolean=True,
    )


DEFINE_bool = DEFINE_boolean


def DEFINE_enum(
    name: str,
    default: Any,
    enum_values: Sequence[str],
    help: str = "",
    flag_values: Any = None,
    short_name: str | None = None,
    **_options: Any,
) -> None:
    """Defines a flag whose value is one of several words."""

    def parse(text: str) -> str:
        if text not in enum_values:
            raise ValueError(f"value should be one of <{'|'.join(enum_values)}>")
        return text

    _define(name, default, help, parse, flag_values, short_name=short_name)


def DEFINE_list(
    name: str, default: Any, help: str = "", flag_values: Any = None, **_options: Any
) -> None:
    """Defines a flag whose value is a list of texts, with commas between them."""
    _define(name, default, help, _list, flag_values)


def DEFINE_spaceseplist(
    name: str, default: Any, help: str = "", flag_values: Any = None, **_options: Any
) -> None:
    """Defines a flag whose value is a list of texts, with spaces between them."""
    _define(name, default, help, lambda text: str(text).split(), flag_values)


def _define_multi(
    name: str, default: Any, help: str, parse: Any, flag_values: Any
) -> None:
    if default is not None and not isinstance(default, (list, tuple)):
        default = [default]
    default = None if default is None else [parse(str(each)) for each in default]
    _define(name, default, help, parse, flag_values, is_multiple=True)


def DEFINE_multi_string(
    name: str, default: Any, help: str = "", flag_values: Any = None, **_options: Any
) -> None:
    """Defines a flag that may be given several times, of texts."""
    _define_multi(name, default, help, str, flag_values)


def DEFINE_multi_integer(
    name: str, default: Any, help: str = "", flag_values: Any = None, **_options: Any
) -> None:
    """Defines a flag that may be given several times, of whole numbers."""
    _define_multi(name, default, help, _integer, flag_values)


def DEFINE_multi_float(
    name: str, default: Any, help: str = "", flag_values: Any = None, **_options: Any
) -> None:
    """Defines a flag that may be given several times, of numbers."""
    _define_multi(name, default, help, float, flag_values)


def register_validator(
    flag_name: str,
    checker: Callable[[Any], Any],
    message: str = "Flag validation failed",
    flag_values: Any = None,
) -> None:
    """Makes a function say whether the value of a flag is right."""
    values = FLAGS if flag_values is None else flag_values
    values[flag_name].validators.append((checker, message))


def validator(
    flag_name: str, message: str = "Flag validation failed", flag_values: Any = None
) -> Callable[[Any], Any]:
    """Returns a decorator that calls `register_validator`."""

    def decorate(function: Any) -> Any:
        register_validator(flag_name, function, message, flag_values)
        return function

    return decorate


def mark_flag_as_required(flag_name: str, flag_values: Any = None) -> None:
    """Refuses arguments that do not set a flag."""
    message = f"Flag --{flag_name} must have a value other than None."
    register_validator(flag_name, lambda value: value is not None, message, flag_values)


def mark_flags_as_required(flag_names: Sequence[str], flag_values: Any = None) -> None:
    """Refuses arguments that do not set all of some flags."""
    for name in flag_names:
        mark_flag_as_required(name, flag_values)
