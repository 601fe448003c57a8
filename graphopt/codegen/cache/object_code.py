"""Object code of kernels: read, checked, renamed and loaded with llvmlite alone.

Code from a file runs in the user's process, so before it is loaded its symbol table is
read: the entry must be defined in it, and what it expects from outside must be
mathematics or memory functions of the C library. Nothing else can be called by name.
That is no sandbox; it notices files that are not what the compiler here writes.

Every kernel is a library of its own in LLVM's ORC, so the names in one cannot meet
those in another. The entry is still named after the content key: numba's own name ends
in a count of the functions compiled so far, which two processes give to different
functions.

Only 64-bit little-endian ELF is understood; elsewhere every kernel is compiled.
"""

from __future__ import annotations

import functools
import itertools
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphopt.codegen.machine import get_machine

__all__ = [
    "ALLOWED_SYMBOLS",
    "NativeKernel",
    "ObjectCodeError",
    "Symbol",
    "get_target_machine",
    "load_object_code",
    "read_symbols",
    "rename_symbol",
]

_FUNCTIONS = """
    exp exp2 expm1 log log2 log10 log1p pow sqrt sin cos tan asin acos atan atan2 sinh
    cosh tanh asinh acosh atanh erf erfc lgamma tgamma fma fmod floor ceil rint trunc
    round ldexp sincos
"""
_NAMES = _FUNCTIONS.split()
_MEMORY = ["memcpy", "memset", "memmove"]
ALLOWED_SYMBOLS: Final = frozenset(
    [*_NAMES, *(name + "f" for name in _NAMES), *_MEMORY, "_GLOBAL_OFFSET_TABLE_"]
)
"""What kernels may call in the C library; the one odd name is the linker's own."""

_IDENTITY = b"\x7fELF\x02\x01"
_RELOCATABLE = 1
_SYMBOL_TABLE = 2
_UNDEFINED = 0
_FIRST_RESERVED = 0xFF00


class ObjectCodeError(ValueError):
    """Object code that is not what the compiler here writes."""


@dataclass(frozen=True)
class NativeKernel:
    """A compiled kernel; its code stays in memory as long as this object does.

    Attributes:
      address: Where the code begins.
      name: The name it was compiled under, for messages and views.
      symbol: The name of its entry in the object code.
      object_code: The relocatable object file, as the cache on disk keeps it.
      exports: Addresses of other entries that were asked for.
    """

    address: int
    name: str
    symbol: str
    object_code: bytes = field(repr=False, compare=False)
    _owner: Any = field(repr=False, compare=False)
    exports: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Symbol:
    """An entry of a symbol table.

    Attributes:
      name: What it is called.
      at: Where its entry begins in the file.
      section: The section that defines it, 0 if it is expected from outside.
    """

    name: str
    at: int
    section: int


@dataclass(frozen=True)
class _Table:
    symbols: tuple[Symbol, ...]
    names_at: int
    names_size: int
    names_header: int


def _read_table(code: bytes) -> _Table:
    (kind,) = struct.unpack_from("<H", code, 0x10)
    if code[:6] != _IDENTITY or kind != _RELOCATABLE:
        raise ObjectCodeError("it is not a relocatable 64-bit ELF file")
    (sections_at,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    headers = [
        struct.unpack_from("<IIQQQQIIQQ", code, sections_at + i * size)
        for i in range(count)
    ]
    tables = [header for header in headers if header[1] == _SYMBOL_TABLE]
    if len(tables) != 1:
        raise ObjectCodeError(f"it has {len(tables)} symbol tables")
    at, length, link = tables[0][4:7]
    names_at, names_size = headers[link][4:6]
    names = code[names_at : names_at + names_size]
    symbols = []
    # The first entry is empty by definition.
    for entry in range(at + 24, at + length, 24):
        name_at, _, _, section = struct.unpack_from("<IBBH", code, entry)
        name = names[name_at : names.index(b"\0", name_at)].decode("ascii")
        symbols.append(Symbol(name, entry, section))
    return _Table(tuple(symbols), names_at, names_size, sections_at + link * size)


def _read(code: bytes) -> _Table:
    try:
        return _read_table(code)
    except (struct.error, IndexError, OverflowError, UnicodeError) as error:
        raise ObjectCodeError(f"its symbol table cannot be read ({error})") from error
    except ObjectCodeError:
        raise
    except ValueError as error:  # A name without an end.
        raise ObjectCodeError(f"its symbol table cannot be read ({error})") from error


def read_symbols(object_code: bytes) -> tuple[Symbol, ...]:
    """Reads the symbol table of a 64-bit little-endian ELF object.

    Args:
      object_code: The file.

    Returns:
      Its symbols, in order.

    Raises:
      ObjectCodeError: If it is not such a file or makes no sense.
    """
    return _read(object_code).symbols


def rename_symbol(object_code: bytes, old: str, new: str) -> bytes:
    """Gives one symbol of an object another name.

    The names move to the end of the file with the new one added, because parts of a
    name may be other names.

    Args:
      object_code: The file.
      old: The name to change.
      new: What to change it to.

    Returns:
      The new file.

    Raises:
      ObjectCodeError: If the file has no such symbol, or has the new one already.
    """
    table = _read(object_code)
    found = [symbol for symbol in table.symbols if symbol.name == old]
    if len(found) != 1 or any(symbol.name == new for symbol in table.symbols):
        raise ObjectCodeError(f"it cannot rename {old} to {new}")
    names = object_code[table.names_at : table.names_at + table.names_size]
    renamed = bytearray(object_code)
    struct.pack_into("<I", renamed, found[0].at, len(names))
    added = names + new.encode("ascii") + b"\0"
    # Offset and size are the fifth and sixth word of a section header.
    struct.pack_into("<QQ", renamed, table.names_header + 24, len(renamed), len(added))
    return bytes(renamed + added)


def _check(code: bytes, wanted: Sequence[str], allowed: frozenset[str]) -> bool:
    """Returns whether the code needs anything from the C library."""
    symbols = read_symbols(code)
    outside = {entry.name for entry in symbols if entry.section == _UNDEFINED}
    if outside - allowed:
        raise ObjectCodeError(f"it calls {', '.join(sorted(outside - allowed))}")
    for name in wanted:
        sections = [symbol.section for symbol in symbols if symbol.name == name]
        if len(sections) != 1 or not _UNDEFINED < sections[0] < _FIRST_RESERVED:
            raise ObjectCodeError(f"it does not define {name}")
    return bool(outside)


@functools.cache
def _engine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Never closed: code lives as long as the engine, that is for ever.
    return llvm.create_lljit_compiler()


def get_target_machine() -> Any:
    """Makes a code generator for the machine, for code that is written in LLVM's IR.

    Returns:
      A target machine of llvmlite.
    """
    import llvmlite.binding as llvm

    machine = get_machine()
    if machine.is_host:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(machine.triple)
    return target.create_target_machine(
        cpu=machine.cpu,
        features=machine.features,
        opt=2,
        # As numba's: loaded code may lie anywhere in memory.
        reloc="static",
        codemodel="large",
    )


_libraries = itertools.count()
_lock = threading.Lock()


def load_object_code(
    object_code: bytes,
    symbol: str,
    name: str,
    imports: Mapping[str, int] | None = None,
    exports: Sequence[str] = (),
) -> NativeKernel:
    """Loads object code from memory.

    Args:
      object_code: The file.
      symbol: The name of its entry.
      name: The name the kernel is known by.
      imports: Addresses of functions that it may call besides `ALLOWED_SYMBOLS`.
      exports: Other entries whose addresses are wanted.

    Returns:
      The kernel, ready to be called.

    Raises:
      ObjectCodeError: If it needs anything else, lacks the entry or does not load.
    """
    import llvmlite.binding as llvm

    imports = imports or {}
    builder = llvm.JITLibraryBuilder().add_object_img(object_code)
    entries = (symbol, *exports)
    if _check(object_code, entries, ALLOWED_SYMBOLS | imports.keys()):
        builder = builder.add_current_process()
    for entry in entries:
        builder = builder.export_symbol(entry)
    for imported, address in imports.items():
        builder = builder.import_symbol(imported, address)
    with _lock:
        # The name of a library can be given once only.
        library_name = f"{name}.{next(_libraries)}"
        try:
            library = builder.link(_engine(), library_name)
            addresses = {entry: int(library[entry]) for entry in entries}
        except RuntimeError as error:
            raise ObjectCodeError(f"it does not load ({error})") from error
    address = addresses.pop(symbol)
    return NativeKernel(address, name, symbol, object_code, library, addresses)
