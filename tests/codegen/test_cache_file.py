"""Entries on disk: damage, killed writers, the cap; the key; the object code."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphopt.codegen.cache import key as cache_key
from graphopt.codegen.cache.entry import (
    CacheError,
    CacheFolder,
    pack_entry,
    unpack_entry,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="owners and ELF")

ROOT = Path(__file__).resolve().parents[2]
KEY = "5e" * 32
PAYLOAD = random.Random(0).randbytes(2500)

# Writes half an entry, says so, and waits to be killed.
WRITER = """
import os, sys, time
from pathlib import Path
from graphopt.codegen.cache.entry import CacheFolder
write = os.write
def write_half(file, data):
    write(file, data[:len(data) // 2])
    print("half", flush=True)
    time.sleep(100)
os.write = write_half
CacheFolder(Path(sys.argv[1])).write(sys.argv[2], bytes(2500))
"""


def name(number: int) -> str:
    return f"{number:064x}"


def test_entry_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "a" / "b" / "cache")
    assert folder.read(KEY) is None
    folder.write(KEY, PAYLOAD)
    assert folder.read(KEY) == PAYLOAD
    assert folder.read(name(1)) is None
    folder.write(KEY, b"")
    assert folder.read(KEY) == b""
    for path in (folder.path, folder.path.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_64_flipped_bits_are_noticed(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache")
    folder.write(KEY, PAYLOAD)
    entry = folder.path / f"{KEY}.o"
    data = entry.read_bytes()
    for bit in random.Random(1).sample(range(8 * len(data)), 64):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        entry.write_bytes(damaged)
        with pytest.raises(CacheError):
            folder.read(KEY)
    entry.write_bytes(data)
    assert folder.read(KEY) == PAYLOAD


def test_every_bit_of_the_header_and_every_length_counts() -> None:
    data = pack_entry(KEY, PAYLOAD[:50])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CacheError):
            unpack_entry(KEY, bytes(damaged))
    for length in range(len(data)):
        with pytest.raises(CacheError):
            unpack_entry(KEY, data[:length])
    with pytest.raises(CacheError, match="another name"):
        unpack_entry(name(1), data)


def test_killed_writer_leaves_nothing_that_is_loaded(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder.path), KEY],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "half\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    (partial,) = folder.path.iterdir()
    assert partial.suffix == ".partial"
    assert 0 < partial.stat().st_size < 2500
    assert folder.read(KEY) is None
    # What is left is removed when it is too old to be another writer's.
    CacheFolder(folder.path).write(KEY, PAYLOAD)
    assert partial.exists()
    os.utime(partial, (1, 1))
    CacheFolder(folder.path).write(KEY, PAYLOAD)
    assert [path.name for path in folder.path.iterdir()] == [f"{KEY}.o"]


def test_cap_removes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    folder = CacheFolder(path)
    for number in range(5):
        folder.write(name(number), bytes(1000))
        used = time.time() - 90000 + 10000 * number
        os.utime(path / f"{name(number)}.o", (used, 1))
    other = path / "notes.o"
    other.write_bytes(bytes(9000))
    os.utime(other, (1, 1))
    assert folder.read(name(1)) is not None
    # Six entries of 1084 bytes, of which four fit: 0 is the oldest, 1 was just read.
    CacheFolder(path, cap_bytes=4500).write(name(5), bytes(1000))
    left = {int(entry.stem, 16) for entry in path.iterdir() if entry != other}
    assert left == {1, 3, 4, 5}
    assert other.exists()


def test_cap_holds_while_one_process_writes(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache", cap_bytes=20_000)
    for number in range(60):
        folder.write(name(number), bytes(1000))
    assert sum(path.stat().st_size for path in folder.path.iterdir()) < 22_000


def test_key_changes_with_everything() -> None:
    environment = cache_key.read_environment()
    keys = [
        cache_key.content_key("family", "source", environment),
        cache_key.content_key("family2", "source", environment),
        cache_key.content_key("family", "source ", environment),
        # The border between two parts is a part of the key.
        cache_key.content_key("familys", "ource", environment),
    ]
    for field in dataclasses.fields(environment):
        changed = dataclasses.replace(environment, **{field.name: "other"})
        keys.append(cache_key.content_key("family", "source", changed))
    assert len(set(keys)) == len(keys) == 11
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
    assert keys[0] == cache_key.content_key("family", "source", environment)


def test_environment_says_what_it_is() -> None:
    environment = cache_key.read_environment()
    assert all(dataclasses.asdict(environment).values()) or not environment.flags
    import numba

    assert numba.__version__ in environment.numba
    assert environment.python.startswith(sys.version)


def test_text_of_every_helper_is_in_the_key(tmp_path: Path) -> None:
    package = ROOT / "graphopt"
    paths = [path.relative_to(package) for path in cache_key.find_helpers(package)]
    assert {Path("codegen/maths/vector_math.py"), Path("ops/special_values.py")} < set(
        paths
    )
    for path in paths:
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((package / path).read_bytes())
    hashes = [cache_key.hash_helpers(tmp_path)]
    assert hashes == [cache_key.hash_helpers(package)]
    for path in paths:
        text = (tmp_path / path).read_bytes()
        (tmp_path / path).write_bytes(text + b"#")
        hashes.append(cache_key.hash_helpers(tmp_path))
        (tmp_path / path).write_bytes(text)
    compiled = tmp_path / "codegen/compile"
    (compiled / "native.py").rename(compiled / "renamed.py")
    hashes.append(cache_key.hash_helpers(tmp_path))
    assert len(set(hashes)) == len(paths) + 2
    (tmp_path / "ops/special_values.py").unlink()
    with pytest.raises(OSError, match="special_values"):
        cache_key.hash_helpers(tmp_path)
    with pytest.raises(OSError, match="no Python files"):
        cache_key.hash_helpers(tmp_path / "missing")


def test_settings_of_numba_are_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = cache_key._read_flags()
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert "NUMBA_OPT=1" in cache_key._read_flags()
    monkeypatch.delenv("NUMBA_OPT")
    assert cache_key._read_flags() == plain
    Path(".numba_config.yaml").write_text("opt: 1")
    assert cache_key._read_flags() != plain
