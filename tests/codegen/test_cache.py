"""The cache as a whole: other processes, bad files, bad folders, full disks."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from graphopt.codegen import kernels
from graphopt.codegen.cache import entry as cache_file
from graphopt.codegen.cache import kernels as cache
from graphopt.codegen.cache import object_code
from graphopt.config import config, settings
from graphopt.errors import GraphoptWarning
from graphopt.schedule.steps import KernelRequest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the cache reads ELF")

ROOT = Path(__file__).resolve().parents[2]
C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
REQUEST = KernelRequest(
    "test",
    """
def kernel(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = x[i] * 3.0 + 1.0
""",
)
TRAIN = """
import sys
import numpy as np
import graphopt as tf
from graphopt.codegen.kernels import record
print("ready", flush=True)
sys.stdin.readline()
rng = np.random.default_rng(0)
with tf.Graph().as_default():
    w = tf.Variable(rng.normal(size=(5, 3)).astype("float32"))
    x = tf.constant(rng.normal(size=(4, 5)).astype("float32"))
    loss = tf.reduce_sum(tf.tanh(tf.matmul(x, w)) ** 2)
    train = tf.keras.optimizers.Adam(0.1).minimize(loss, var_list=[w])
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for _ in range(3):
            session.run(train)
        print(session.run(w).tobytes().hex())
print(record.kernels, record.loaded, "numba" in sys.modules)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; the parents of pytest's are not open to all."""
    path = tmp_path / "cache"
    monkeypatch.setattr(settings, "cache", True)
    monkeypatch.setattr(settings, "cache_dir", str(path))
    return path


def start_anew(monkeypatch: pytest.MonkeyPatch) -> kernels.CompileRecord:
    """Forgets all that a fresh process would not know."""
    record = kernels.CompileRecord()
    monkeypatch.setattr(kernels, "_kernels", {})
    monkeypatch.setattr(kernels, "record", record)
    cache.forget_warning()
    cache._open_folder.cache_clear()
    return record


def run_kernel() -> list[warnings.WarningMessage]:
    """Gets and runs the kernel, checks what it computes; returns the warnings."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        kernel = kernels.get_kernel(REQUEST)
    x = np.arange(6.0)
    args = np.array([x.ctypes.data], np.int64)
    C_KERNEL(kernel.address)(args.ctypes.data, 1, 5)
    assert x.tolist() == [0, 4, 7, 10, 13, 5]
    return given


def start_process(script: str, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "GRAPHOPT_CACHE": "on",
        "GRAPHOPT_CACHE_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error::graphopt.errors.GraphoptWarning",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def train_in_processes(count: int, folder: Path) -> list[tuple[str, list[str]]]:
    """Trains in processes that begin together; returns the bits and the record."""
    processes = [start_process(TRAIN, folder) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=200)
        assert process.returncode == 0
        bits, record = out.splitlines()
        results.append((bits, record.split()))
    return results


def test_second_process_compiles_nothing_and_gives_the_same_bits(folder: Path) -> None:
    ((bits, (compiled, loaded, numba)),) = train_in_processes(1, folder)
    assert int(compiled) > 3
    assert (loaded, numba) == ("0", "True")
    names = sorted(path.name for path in folder.iterdir())
    # The kernels and the tape.
    assert len(names) == int(compiled) + 1
    (again,) = train_in_processes(1, folder)
    assert again == (bits, ["0", compiled, "False"])
    assert sorted(path.name for path in folder.iterdir()) == names


def test_processes_that_compile_the_same_kernels_at_once(folder: Path) -> None:
    results = train_in_processes(6, folder)
    assert len({bits for bits, _ in results}) == 1
    names = [path.name for path in folder.iterdir()]
    assert all(re.fullmatch(r"[0-9a-f]{64}\.o", name) for name in names), names
    ((bits, record),) = train_in_processes(1, folder)
    assert bits == results[0][0]
    assert record == ["0", str(len(names) - 1), "False"]


def test_second_start_loads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = start_anew(monkeypatch)
    assert not run_kernel()
    assert (record.kernels, record.loaded) == (1, 0)
    assert folder.stat().st_mode & 0o777 == 0o700
    (entry,) = folder.iterdir()
    assert entry.stat().st_mode & 0o777 == 0o600
    record = start_anew(monkeypatch)
    assert not run_kernel()
    assert (record.kernels, record.loaded) == (0, 1)
    # Its name is what it is: the key of its content.
    assert kernels.get_kernel(REQUEST).symbol == f"k_{entry.stem}"


def test_cache_that_is_off_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew(monkeypatch)
    with config(cache="off"):
        assert not run_kernel()
    assert not folder.exists()


def edit(change: Callable[[bytearray], object]) -> Callable[[Path], object]:
    def apply(entry: Path) -> None:
        data = bytearray(entry.read_bytes())
        change(data)
        entry.write_bytes(data)

    return apply


def replace(entry: Path, make: Callable[[Path], object]) -> None:
    entry.unlink()
    make(entry)


def move_and_link(path: Path) -> None:
    moved = path.rename(path.with_name("moved"))
    path.symlink_to(moved)


def store_other_code(entry: Path) -> None:
    """Puts code there that calls `system`, with everything else as it should be."""
    text = f"""
        declare i32 @system(i8*)
        define void @k_{entry.stem}(i64* %args, i64 %lo, i64 %hi) {{
            %p = inttoptr i64 8 to i8*
            call i32 @system(i8* %p)
            ret void
        }}
    """
    machine = object_code.get_target_machine()
    code = machine.emit_object(llvm.parse_assembly(text))
    entry.write_bytes(cache_file.pack_entry(entry.stem, code))


# What happens to the one entry of the cache.
FILE_STATES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda entry: os.truncate(entry, entry.stat().st_size - 9),
    "header alone": lambda entry: os.truncate(entry, 84),
    "empty": lambda entry: os.truncate(entry, 0),
    "longer": edit(lambda data: data.append(0)),
    "garbage": lambda entry: entry.write_bytes(bytes(range(256)) * 20),
    "wrong magic": edit(lambda data: data.__setitem__(0, data[0] ^ 1)),
    "wrong version": edit(lambda data: data.__setitem__(8, 2)),
    "wrong key": edit(lambda data: data.__setitem__(20, data[20] ^ 128)),
    "flipped bit": edit(lambda data: data.__setitem__(-700, data[-700] ^ 4)),
    "symlink": move_and_link,
    "folder": lambda entry: replace(entry, Path.mkdir),
    "pipe": lambda entry: replace(entry, os.mkfifo),
    "other-writable": lambda entry: entry.chmod(0o602),
    "group-writable": lambda entry: entry.chmod(0o620),
    "too long": lambda entry: os.truncate(entry, 20 << 20),
    "calls system": store_other_code,
}


@pytest.mark.parametrize("state", FILE_STATES)
def test_bad_file_is_compiled_again(
    state: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew(monkeypatch)
    run_kernel()
    (entry,) = folder.iterdir()
    FILE_STATES[state](entry)
    record = start_anew(monkeypatch)
    (warning,) = run_kernel()
    assert issubclass(warning.category, GraphoptWarning)
    assert (record.kernels, record.loaded) == (1, 0)
    if state == "folder":
        return
    # What was bad has been written anew.
    record = start_anew(monkeypatch)
    assert not run_kernel()
    assert (record.kernels, record.loaded) == (0, 1)
    assert not entry.is_symlink()


def open_parent(folder: Path) -> None:
    folder.parent.chmod(0o777)


FOLDER_STATES: dict[str, tuple[Callable[[Path], object], int]] = {
    "missing": (shutil.rmtree, 0),
    "symlink": (move_and_link, 1),
    "a file": (lambda path: (shutil.rmtree(path), path.write_text("")), 1),
    "other-writable": (lambda path: path.chmod(0o702), 1),
    "group-writable": (lambda path: path.chmod(0o720), 1),
    "parent of all": (open_parent, 1),
}


@pytest.mark.parametrize("state", FOLDER_STATES)
def test_bad_folder_is_not_used(
    state: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew(monkeypatch)
    run_kernel()
    change, expected = FOLDER_STATES[state]
    change(folder)
    record = start_anew(monkeypatch)
    given = run_kernel()
    assert (record.kernels, record.loaded) == (1, 0)
    assert len(given) == expected
    if state == "missing":
        assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("kind", ["S_ISREG", "S_ISDIR"])
def test_files_of_other_users_are_not_used(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew(monkeypatch)
    run_kernel()
    real, is_kind = os.fstat, getattr(cache_file.stat, kind)

    def fstat(file: int) -> os.stat_result:
        status = real(file)
        other = status.st_uid + 1 if is_kind(status.st_mode) else status.st_uid
        return os.stat_result((*status[:4], other, *status[5:]))

    record = start_anew(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fstat)
        assert len(run_kernel()) == 1
    assert (record.kernels, record.loaded) == (1, 0)
    record = start_anew(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert len(run_kernel()) == 1
    assert (record.kernels, record.loaded) == (1, 0)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("write", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("replace", errno.EACCES),
        ("open", errno.EROFS),
    ],
)
def test_what_cannot_be_written_is_a_warning(
    function: str, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(mode=0o700)
    real = getattr(os, function)

    def refuse(*args: object, **options: object) -> object:
        if function == "open" and not int(str(args[1])) & os.O_CREAT:
            return real(*args, **options)
        raise OSError(code, os.strerror(code))

    start_anew(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        (warning,) = run_kernel()
    assert os.strerror(code) in str(warning.message)
    assert not list(folder.iterdir())


def test_real_limit_of_the_file_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew(monkeypatch)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        given = run_kernel()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(given) == 1
    assert not list(folder.iterdir())


def test_read_only_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o500)
    start_anew(monkeypatch)
    # Root may write there all the same.
    assert len(run_kernel()) == (os.geteuid() != 0)


def test_only_the_first_fault_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    start_anew(monkeypatch)
    assert len(run_kernel()) == 1
    monkeypatch.setattr(kernels, "_kernels", {})
    assert not run_kernel()


def test_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "cache_dir", "")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.find_folder() == Path("/home/ada/.cache/graphopt")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.find_folder() == Path("/home/ada/.cache/graphopt")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ada")
    assert cache.find_folder() == Path("/var/ada/graphopt")
    monkeypatch.setattr(settings, "cache_dir", "/elsewhere")
    assert cache.find_folder() == Path("/elsewhere")
