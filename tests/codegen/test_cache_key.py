"""What kernels depend on is in the key: imports and calls of what writes them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from llvmlite import ir

from graphopt.codegen import functions, kernels
from graphopt.codegen.cache import key as cache_key
from graphopt.codegen.compile.module import emit_object
from graphopt.codegen.matmul import tile
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import find_shape
from graphopt.codegen.tape import tape, workers
from graphopt.schedule.steps import KernelRequest

PACKAGE = Path(cache_key.__file__).parents[2]
CODEGEN = PACKAGE / "codegen"
# These fetch and keep kernels, or say who waits meanwhile; they do not decide what is in one.
KEEPERS = {
    CODEGEN / "cache" / "kernels.py",
    CODEGEN / "compile" / "emitted.py",
    PACKAGE / "graph" / "process_settings.py",
}
# Its value is a part of the key itself; it reads a setting that decides the value.
MACHINE = CODEGEN / "machine.py"


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that are executed, those of functions too."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types(child):
            yield child
            yield from walk(child)


def find_module(*names: str) -> Path:
    place = PACKAGE.joinpath(*names)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def imports_of(path: Path) -> set[Path]:
    """The files of this package that a file imports."""
    found = set()
    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            assert not any(name.split(".")[0] == "graphopt" for name in names), path
        if not isinstance(node, ast.ImportFrom):
            continue
        assert not node.level, f"{path} has a relative import"
        package, *module = (node.module or "").split(".")
        if package != "graphopt":
            continue
        for alias in node.names:
            inside = find_module(*module, alias.name)
            found.add(inside if inside.exists() else find_module(*module))
    return found


def find_writers() -> set[Path]:
    """What writes kernels: what `kernels` calls for it, and the loops around them."""
    written = imports_of(CODEGEN / "kernels.py") - {PACKAGE / "schedule" / "steps.py"}
    loops = {
        path
        for path in CODEGEN.rglob("*.py")
        if "load_emitted(" in path.read_text() and path not in KEEPERS
    }
    assert {path.stem for path in loops} == {"native", "tape", "workers"}
    assert {path.stem for path in written} >= {"functions", "native"}
    return (written | loops) - KEEPERS


def follow(paths: set[Path]) -> dict[Path, Path]:
    """All files that are imported from there, each with one that imports it."""
    found = {path: path for path in paths}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path == MACHINE:
            continue
        for other in imports_of(path) - KEEPERS - found.keys():
            found[other] = path
            waiting.append(other)
    return found


def test_what_writes_kernels_imports_only_what_is_in_the_key() -> None:
    hashed = set(cache_key.find_helpers(PACKAGE))
    for path, importer in follow(find_writers()).items():
        assert path in hashed, (
            f"{importer} imports {path}: kernels may depend on it, but the key of the "
            "cache does not. Move what is needed, or add it to cache_key.OUTSIDE."
        )


def test_files_of_other_folders_are_in_the_key_because_they_are_needed() -> None:
    needed = set(follow(find_writers()))
    assert {PACKAGE / name for name in cache_key.OUTSIDE} <= needed


def test_the_walk_finds_what_is_imported_within_functions(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from graphopt.ops.matmul import MATMUL\n"
        "def f():\n    from graphopt.ops import fused, special_values\n"
        "from graphopt.dtypes import DType\n"
    )
    names = {each.relative_to(PACKAGE).as_posix() for each in imports_of(path)}
    assert names == {"ops/fused.py", "ops/special_values.py", "dtypes.py"}


REQUESTS = [
    make_kernel("multiply", "float32", find_shape("float32")).request,
    make_kernel("multiply_vector", "float64", find_shape("float64")).request,
    KernelRequest(
        "test",
        """
def kernel(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = lgamma_float64(exp_float64(x[i])) + digamma_float64(x[i])
""",
    ),
]


def test_code_that_runs_while_kernels_are_written_is_in_the_key() -> None:
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        called.add(frame.f_code.co_filename)

    before = sys.getprofile()
    functions.make_namespace.cache_clear()
    tile.find_function.cache_clear()
    sys.setprofile(note)
    try:
        for request in REQUESTS:
            emit_object(kernels._translate(request))
        workers._emit_workers(ir.Module("workers"))
        tape._emit(ir.Module("tape"))
    finally:
        sys.setprofile(before)
    own = {Path(name) for name in called if Path(name).is_relative_to(PACKAGE)}
    # The one that calls the others, and the source of the key itself.
    own -= {CODEGEN / "kernels.py", PACKAGE / "schedule" / "steps.py"}
    assert own <= set(cache_key.find_helpers(PACKAGE))
    assert {CODEGEN / "maths" / "vector_math.py", CODEGEN / "matmul" / "tile.py"} <= own
