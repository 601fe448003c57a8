"""The `tf.errors` classes and the one builder of messages.

A user of TensorFlow catches `tf.errors.InvalidArgumentError`, a user of Python catches
`ValueError`. Both are right here: every class derives from `OpError` and from the
builtin that fits. `fail` puts the five parts of a message in one order, so that an
error always says what failed, what was found, what was expected, where the user made
the op and what to do.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class OpError(Exception):
    """An op failed to be built or to run.

    Args:
      node_def: The description of the op, or None.
      op: The `Operation` that failed, or None in eager mode.
      message: What happened.

    Source: `tf.errors.OpError`.
    """

    error_code: int = 2

    def __init__(
        self, node_def: Any = None, op: Any = None, message: str | None = None
    ) -> None:
        if message is None and isinstance(node_def, str):
            node_def, message = None, node_def
        self.node_def = node_def
        self.op = op
        self.message = message or ""
        # What `fail` was given, to build the message again where the op is known.
        self.parts: dict[str, Any] = {}
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class InvalidArgumentError(OpError, ValueError):
    """An op received an argument that it cannot work with."""

    error_code = 3


class NotFoundError(OpError, LookupError):
    """A thing that was asked for by name does not exist."""

    error_code = 5

    def __str__(self) -> str:
        return self.message


class PermissionDeniedError(OpError, PermissionError):
    """The system does not allow what was asked for."""

    error_code = 7


class ResourceExhaustedError(OpError, MemoryError):
    """The result would not fit into memory, or a file not onto the disk."""

    error_code = 8


class FailedPreconditionError(OpError, RuntimeError):
    """The state that an op needs is missing, as an uninitialized variable."""

    error_code = 9


class OutOfRangeError(OpError, IndexError):
    """An iteration went past its end."""

    error_code = 11


class DecidedByRun(NotImplementedError):
    """A call needs a rank or sizes that are known only when a plan is made for a run."""


class UnimplementedError(OpError, NotImplementedError):
    """The op exists, this use of it does not."""

    error_code = 12


class DeadlineExceededError(OpError, TimeoutError):
    """Something took so long that it may never end."""

    error_code = 4

    __str__ = OpError.__str__


class InternalError(OpError, RuntimeError):
    """Something in graphopt itself is wrong, and was noticed."""

    error_code = 13


class DataLossError(OpError, ValueError):
    """A file is damaged, or cut short."""

    error_code = 15


class UnknownError(OpError, RuntimeError):
    """The system failed for a reason that has no class of its own."""

    error_code = 2


class AlreadyExistsError(OpError, FileExistsError):
    """There is one already."""

    error_code = 6

    __str__ = OpError.__str__


class AbortedError(OpError, RuntimeError):
    """Something else that runs at the same time was in the way."""

    error_code = 10


class CancelledError(OpError, RuntimeError):
    """Somebody ended what was being done."""

    error_code = 1


class UnavailableError(OpError, ConnectionError):
    """Somebody who is needed does not answer."""

    error_code = 14

    __str__ = OpError.__str__


class UnauthenticatedError(OpError, PermissionError):
    """It is not known who asks."""

    error_code = 16

    __str__ = OpError.__str__


OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT = 0, 1, 2, 3
DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = 4, 5, 6, 7
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE = 8, 9, 10, 11
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 12, 13, 14, 15, 16


def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """Returns the class of errors with a code.

    Source: `tf.compat.v1.errors.exception_type_from_error_code`.
    """
    for each in OpError.__subclasses__():
        if each.error_code == error_code and not each.__name__.startswith("_"):
            return each
    raise KeyError(error_code)


def error_code_from_exception_type(cls: type[OpError]) -> int:
    """Returns the code of a class of errors."""
    return cls.error_code


class OperatorNotAllowedInGraphError(TypeError):
    """Python asked a symbolic tensor for a value that it has only when it runs."""


class GraphoptWarning(UserWarning):
    """The base class of every warning that graphopt gives."""


class _DtypeMismatch(InvalidArgumentError, TypeError):
    """TensorFlow raises TypeError in graph mode and InvalidArgumentError in eager."""


class _NoSuchFile(NotFoundError, FileNotFoundError):
    """What users of files catch is not what users of mappings catch."""


class _StorageFull(ResourceExhaustedError, OSError):
    """A full disk, a quota, a limit on the size of files."""


class _StorageFailed(UnknownError, OSError):
    """Any other failure of the system to write or read."""


for _own, _shown in (
    (_DtypeMismatch, InvalidArgumentError),
    (_NoSuchFile, NotFoundError),
    (_StorageFull, ResourceExhaustedError),
    (_StorageFailed, UnknownError),
):
    _own.__name__ = _own.__qualname__ = _shown.__name__
DtypeMismatchError = _DtypeMismatch
NoSuchFileError = _NoSuchFile

ErrorT = TypeVar("ErrorT", bound=Exception)


def fail(
    error: type[ErrorT],
    what: str,
    *,
    got: str | None = None,
    expected: str | None = None,
    op: Any = None,
    site: str | None = None,
    remedy: str | None = None,
) -> ErrorT:
    """Builds an exception whose message has the five parts in their fixed order.

    Args:
      error: The class to build.
      what: What failed, starting with the words that TensorFlow uses where users
        match on them.
      got: What was found: shapes, dtypes, values.
      expected: What would have been right.
      op: The `Operation` concerned; its name, type and the user's line are added.
      site: `file:line` of the user, where there is no op.
      remedy: What to do about it.

    Returns:
      The exception, to be raised by the caller.
    """
    parts = [what]
    if got is not None:
        parts.append(f"got {got}")
    if expected is not None:
        parts.append(f"expected {expected}")
    if op is not None:
        parts.append(f"op {op.name!r} ({op.type})")
        site = site or op.site_text
    if site:
        parts.append(f"created at {site}")
    if remedy:
        parts.append(f"try {remedy}")
    message = "; ".join(part.rstrip(".") for part in parts) + "."
    if issubclass(error, OpError):
        made = error(getattr(op, "node_def", None), op, message)
        made.parts = {"what": what, "got": got, "expected": expected, "remedy": remedy}
        return made
    return error(message)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def storage_error(error: OSError, what: str, file: str) -> OpError:
    """Makes TensorFlow's error of one of the system; its `errno` is kept.

    Args:
      error: What the system said.
      what: What failed.
      file: The file concerned.
    """
    kind: type[OpError] = _StorageFailed
    remedy = "another folder, after a look at the health of this disk"
    if error.errno in _FULL:
        kind, remedy = _StorageFull, "freeing space there, or another folder"
    elif error.errno in _DENIED:
        kind, remedy = PermissionDeniedError, "a folder that you may write to"
    elif error.errno == errno.ENOENT:
        kind, remedy = _NoSuchFile, "a path that exists"
    reason = error.strerror or str(error)
    made = fail(kind, what, got=f"{reason} ({file})", remedy=remedy)
    made.errno = error.errno  # type: ignore[attr-defined]
    return made


def describe_shapes(*things: Any) -> str:
    """Writes shapes and dtypes as `float32[2, 3] and float32[4]`."""
    return " and ".join(
        f"{thing.dtype.name}{format_shape(thing.shape)}" for thing in things
    )


def format_shape(shape: Sequence[int | None]) -> str:
    """Writes a shape as `[2, ?]`."""
    if getattr(shape, "rank", 0) is None:
        return "<unknown rank>"
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"


def locate(error: OpError, op: Any) -> OpError:
    """Adds the op and the user's line to an error that was raised without them."""
    if error.op is not None:
        return error
    if not error.parts:
        return fail(type(error), error.message.rstrip("."), op=op)
    return fail(type(error), **error.parts, op=op)
