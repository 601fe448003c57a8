"""Saves that are killed or run out of space, and files that are damaged or hostile."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.checkpoint import files
from tests.faults.saving import Shim
from tests.soak import first_seed, times

v1 = tf.compat.v1
ROOT = Path(__file__).parents[2]


def run(*command):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path):
    kills = times(20)
    out = run("-m", "tests.faults.saving", tmp_path, kills, first_seed())
    # Two files are written in a save, each with a folder, and one is removed.
    assert int(out.split()[0]) >= 12 and out.endswith(f"{kills} kills\n")


FAILURES = {
    errno.ENOSPC: tf.errors.ResourceExhaustedError,
    errno.EDQUOT: tf.errors.ResourceExhaustedError,
    errno.EIO: tf.errors.UnknownError,
}


@pytest.mark.parametrize("number", FAILURES, ids=errno.errorcode.get)
def test_every_call_of_the_system_may_fail(number, tmp_path, monkeypatch):
    def fail(real, name, args, kwargs):
        if name == "close":
            real(*args, **kwargs)
        if name == "write":
            real(args[0], bytes(args[1])[:7])
        raise OSError(number, os.strerror(number))

    w = tf.Variable(np.zeros(1000))
    checkpoint = tf.train.Checkpoint(w=w)
    prefix = str(tmp_path / "m")
    old, failed = 0.0, []
    checkpoint.write(prefix)
    for site in range(100):
        w.assign(np.full(1000, site + 1.0))
        shim = Shim(site, fail)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", shim)
            try:
                checkpoint.write(prefix)
            except FAILURES[number] as error:
                assert isinstance(error, OSError) and error.errno == number
                assert f"Saving failed; got {os.strerror(number)} ({prefix}" in str(
                    error
                )
                failed.append(shim.names[site])
            else:
                break
        found = tf.train.load_variable(prefix, "w/.ATTRIBUTES/VARIABLE_VALUE")
        assert set(found.tolist()) in ({old}, {site + 1.0})
        old = found[0]
        left = [path.name for path in tmp_path.iterdir()]
        assert left == ["m.safetensors"], failed[-1]
    assert failed == [
        "open",  # the folder
        "listdir",
        "open",
        "write",
        "fsync",
        "close",
        "replace",
        "fsync",  # the folder
        "close",
    ]


def test_a_state_file_that_cannot_be_written_removes_nothing(tmp_path, monkeypatch):
    checkpoint = tf.train.Checkpoint(w=tf.Variable(1.0))
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1)
    manager.save()
    real = files._replace_file

    def replace_file(path, data):
        if path.endswith("checkpoint"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    monkeypatch.setattr(files, "_replace_file", replace_file)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="checkpoint"):
        manager.save()
    checkpoint.restore(tf.train.latest_checkpoint(tmp_path)).assert_consumed()


LIMITED = """
import resource, sys
import numpy as np
import graphopt as tf

prefix = sys.argv[1]
w = tf.Variable(np.zeros(1000))
checkpoint = tf.train.Checkpoint(w=w)
checkpoint.write(prefix)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
w.assign(np.ones(1000))
try:
    checkpoint.write(prefix)
except tf.errors.ResourceExhaustedError as error:
    print(error)
checkpoint.read(prefix)
print(set(w.numpy().tolist()))
"""


def test_a_real_limit_on_the_size_of_files(tmp_path):
    out = run("-c", LIMITED, tmp_path / "m")
    assert out.startswith("Saving failed; got File too large") and out.endswith(
        "{0.0}\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def entry(shape, offsets, dtype="F32"):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


BOMBS = {
    "huge": entry([2**62], [0, 2**64 - 8]),
    "large": entry([2**40], [0, 2**42]),
    "overflow": entry([2**33, 2**33], [0, 2**63]),
    "overflow to zero": entry([2**32, 2**30], [0, 0]),
    "negative": entry([-1], [0, 4]),
    "product of negatives": entry([-2, -2], [0, 16]),
    "backwards": entry([4], [16, 0]),
    "empty but huge": entry([0, 2**63 - 1, 2**62], [0, 0]),
    "rank": entry([1] * 100_000, [0, 4]),
    "text": {"__metadata__": {"a": "x" * (7 << 20)}},
    "nested": b"[" * 5_000_000,
}


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("name", BOMBS)
def test_declared_sizes_cost_nothing(name, tmp_path):
    header = BOMBS[name]
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + b"\0" * 16
    )
    saver = v1.train.Saver([tf.Variable(1.0, name="w")])
    refused = (tf.errors.DataLossError, tf.errors.InvalidArgumentError)
    with pytest.raises(refused):  # Loads the package.
        saver.restore(None, tmp_path / "m")
    took = []
    for _ in range(5):
        before, start = resident(), time.process_time()
        with pytest.raises(refused):
            saver.restore(None, tmp_path / "m")
        took.append(time.process_time() - start)
        assert resident() - before <= 10 << 20
    # The best of five, for others use the machine too.
    assert min(took) <= 0.05


LARGE = {
    "many": {f"{i}": entry([0], [0, 0])["w"] for i in range(90_000)},
    "a long list": b'{"w":{"dtype":"F32","shape":[' + b"0," * 2_900_000,
    "quotes": b'{"__metadata__":{' + b'"":"",' * 1_000_000,
    "texts": {"__metadata__": {f"{i:x}": "" for i in range(400_000)}},
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_headers_have_bounds(name, tmp_path):
    header = LARGE[name]
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    saver = v1.train.Saver([tf.Variable(1.0, name="w")])
    before, start = resident(), time.process_time()
    with pytest.raises((tf.errors.DataLossError, tf.errors.NotFoundError)):
        saver.restore(None, tmp_path / "m")
    assert time.process_time() - start <= 1.0
    assert resident() - before <= 100 << 20


@pytest.mark.parametrize(
    "size", [2**62, 2**63, 2**64 - 1, (6 << 20) + 1], ids=lambda n: f"{n:x}"
)
def test_declared_headers_cost_nothing(size, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}" * 100)
    with pytest.raises(tf.errors.DataLossError, match="a header of"):
        tf.train.list_variables(tmp_path / "m")


def test_a_pipe_and_a_folder_are_no_checkpoints(tmp_path):
    os.mkfifo(tmp_path / "m.safetensors")
    (tmp_path / "n.safetensors").mkdir()
    for name in "mn":
        with pytest.raises(OSError, match="not a regular file"):
            tf.train.list_variables(tmp_path / name)


def test_hostile_files_do_no_harm(tmp_path):
    count = times(5000)
    out = run("-m", "tests.faults.mutations", tmp_path, count, first_seed())
    result = json.loads(out)
    tally = result["tally"]
    assert sum(tally.values()) > count
    # The mutations are not all of one kind.
    assert (
        min(tally[k] for k in ("read", "DataLossError", "NotFoundError")) > count / 50
    )
    assert result["slowest"] < 1.0 and result["grown_mb"] < 100


def test_each_flipped_bit_is_noticed_or_harmless(tmp_path):
    w = tf.Variable(np.arange(4, dtype=np.float32), name="w")
    saver = v1.train.Saver([w])
    path = Path(saver.save(None, tmp_path / "m") + ".safetensors")
    data = path.read_bytes()
    want = w.numpy().tobytes()
    unnoticed = []
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(changed))
        try:
            saver.restore(None, tmp_path / "m")
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
            continue
        except tf.errors.NotFoundError:
            continue
        assert w.numpy().tobytes() == want
        unnoticed.append(bit // 8)
    # Only the name under which the checksums stand can lose them, and the padding.
    text = data[8 : 8 + int.from_bytes(data[:8], "little")]
    start = 8 + text.index(b"graphopt.crc32")
    names = set(range(start, start + len("graphopt.crc32")))
    blanks = {i for i in range(len(data)) if data[i] == 0x20}
    assert set(unnoticed) <= names | blanks
