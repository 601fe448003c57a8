"""Damaged and hostile checkpoints, read by a process that watches itself.

python -m tests.faults.mutations FOLDER COUNT SEED

Whatever is in a file, reading it ends in a second with a value or an error of three
kinds; a failed restore changes nothing; nothing is executed, imported or written.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np

import graphopt as tf

v1 = tf.compat.v1
ALLOWED = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
)
FORBIDDEN = ("exec", "compile", "import", "subprocess.", "os.", "ctypes.", "socket.")
FORBIDDEN += ("pickle.", "marshal.", "shutil.", "tempfile.", "code.__new__")
HARMLESS = ("os.listdir", "os.scandir", "os.fwalk")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that notes what reading must not do."""

    def __init__(self):
        self.on = False
        self.seen = []
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if not self.on:
            return
        writes = event == "open" and (
            (isinstance(args[1], str) and set(args[1]) & set("wax+"))
            or (isinstance(args[2], int) and args[2] & WRITING)
        )
        if writes or (event.startswith(FORBIDDEN) and event not in HARMLESS):
            self.seen.append((event, args))
            raise RuntimeError(f"audit: {event} {args}")


NUMBERS = [-1, 0, 1, 2, 3, 7, 8, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64]
NUMBERS += [2**64 - 8, -(2**63), 10**30, 0.5, 1e308]
_ODD = [None, True, "", "F32", "__import__('os').system('id')", [], {}, [[]], [None]]
NAMES = ["", "../../etc/passwd", "/etc/passwd", "a\0b", "\ud7ff", "__metadata__", "w"]
NAMES += ["x" * 5000, "é", "<script>", "__reduce__", "w/.OPTIMIZER_SLOT/optimizer/m"]
DTYPES = ["F16", "F32", "F64", "BF16", "F8_E4M3", "F8_E5M2", "F4", "C64", "I8", "U8"]
DTYPES += ["I64", "U64", "BOOL", "O", "object", "f32", "V8", "", "F32\0"]


def odd():
    """Values that are wrong nearly everywhere; new ones, for they may be changed."""
    return copy.deepcopy(_ODD)


def split(data):
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header, body, rng):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text)
    if rng.random() < 0.1:
        size = max(0, size + rng.choice([-8, -1, 1, 8, 2**20, 2**32, 2**62]))
    return size.to_bytes(8, "little") + text + body


def mutate_header(header, rng):
    """Changes something of the JSON."""
    names = [name for name in header if name != "__metadata__"]
    metadata = header["__metadata__"]
    name = rng.choice(names)
    entry = header[name]
    kind = rng.randrange(15)
    if kind == 0:
        entry["dtype"] = rng.choice([*DTYPES, *odd()])
    elif kind == 1:
        entry["shape"] = rng.choice([*odd(), *NUMBERS])
    elif kind == 2:
        entry["shape"] = [rng.choice(NUMBERS) for _ in range(rng.randrange(6))]
    elif kind == 3:
        entry["shape"] = entry["shape"] + [1] * rng.choice([1, 2, 31, 64, 1000])
    elif kind == 4:
        entry["data_offsets"][rng.randrange(2)] = rng.choice([*NUMBERS, *odd()])
    elif kind == 5:
        entry["data_offsets"] = rng.choice([*odd(), [0], [0, 0, 0], [8, 0]])
    elif kind == 6:
        other = header[rng.choice(names)]
        entry["data_offsets"], other["data_offsets"] = (
            other["data_offsets"],
            entry["data_offsets"],
        )
    elif kind == 7:
        other = rng.choice(names)
        header[name], header[other] = header[other], header[name]
    elif kind == 8:
        del header[name]
    elif kind == 9:
        header[rng.choice(NAMES)] = header.pop(name)
    elif kind == 10:
        header[rng.choice(NAMES)] = rng.choice([*odd(), entry])
    elif kind == 11:
        del entry[rng.choice(list(entry))]
    elif kind == 12:
        header["__metadata__"] = rng.choice(
            [*odd(), *NUMBERS, {"a": rng.choice(odd())}]
        )
    elif kind == 13:
        checksums = metadata["graphopt.crc32"]
        metadata["graphopt.crc32"] = rng.choice(
            ["", "z" * len(checksums), checksums[:-1], checksums * 2, checksums[::-1]]
        )
    else:
        places = ["", "w", "x", "x/w", "optimizer", "d", "d/b", *NAMES]
        for _ in range(rng.randrange(1, 5)):
            metadata["graphopt.alias:" + rng.choice(places)] = rng.choice(places)


def mutate(data, rng):
    """Returns another content of a file."""
    kind = rng.randrange(10)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        return data + rng.randbytes(rng.choice([1, 8, 4096]))
    if kind <= 3:
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 20])):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    header, body = split(data)
    if kind == 4:
        text = json.dumps(header).encode()
        cut = rng.randrange(len(text))
        junk = rng.choice(
            [
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"\xff\xfe",
                b"NaN",
                b"1e999",
                b"\0" * 9,
            ]
        )
        return joined(text[:cut] + junk + text[cut:], body, rng)
    if kind == 5:
        text = json.dumps(header)
        twice = text[:-1] + "," + json.dumps(header)[1:]
        return joined(twice.encode(), body, rng)
    for _ in range(rng.choice([1, 1, 2, 4])):
        # A second change may find nothing left of what it is about.
        with contextlib.suppress(AttributeError, IndexError, KeyError, TypeError):
            mutate_header(header, rng)
    return joined(header, body, rng)


class Victim:
    """Objects that files are restored into."""

    def __init__(self):
        self.w = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3), name="w")
        self.b = tf.Variable([True, False], name="b")
        self.optimizer = tf.keras.optimizers.Adam(0.1)
        self.optimizer.minimize(lambda: self.w * self.w, [self.w])
        self.checkpoint = tf.train.Checkpoint(
            w=self.w, d={"b": self.b, "w": self.w}, optimizer=self.optimizer
        )
        self.checkpoint.save_counter.assign(0)
        self.saver = v1.train.Saver([self.w, self.b])

    def values(self):
        everything = [self.w, self.b, *self.optimizer.weights]
        return [v.numpy().tobytes() for v in everything]


def read_in_every_way(victim, path):
    """Returns how it went: a list of what was done or the errors."""
    ways = [
        lambda: victim.checkpoint.restore(path),
        lambda: victim.saver.restore(None, path),
        lambda: [
            tf.train.load_variable(path, n) for n, _ in tf.train.list_variables(path)
        ],
        lambda: tf.train.load_checkpoint(path).debug_string(),
    ]
    outcomes = []
    for way in ways:
        before = victim.values()
        try:
            way()
            outcomes.append("read")
        except ALLOWED as error:
            assert victim.values() == before, "a failed restore changed something"
            assert str(error).count(";") >= 1, error
            outcomes.append(type(error).__name__)
    return outcomes


def peak_mb():
    """The most memory that the process has had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def main():
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    victim = Victim()
    seeds = [
        Path(victim.checkpoint.write(folder / "objects") + ".safetensors"),
        Path(victim.saver.save(None, folder / "names") + ".safetensors"),
    ]
    originals = [path.read_bytes() for path in seeds]
    state = (folder / "checkpoint").read_bytes()
    assert read_in_every_way(victim, folder / "objects")[0] == "read"
    assert read_in_every_way(victim, folder / "names")[1] == "read"
    watch, tally = Watch(), {}
    slowest, before = 0.0, peak_mb()
    for number in range(count):
        rng = random.Random(seed + number)
        case = f"seed {seed + number}"
        if rng.random() < 0.05:
            changed = bytearray(state)
            changed[rng.randrange(len(state))] = rng.randrange(256)
            (folder / "checkpoint").write_bytes(bytes(changed))
            target = folder
        else:
            (folder / "m.safetensors").write_bytes(mutate(rng.choice(originals), rng))
            target = folder / "m"
        start = time.perf_counter()
        watch.on = True
        try:
            if target is folder:
                try:
                    tf.train.latest_checkpoint(folder)
                    outcomes = ["read"]
                except ALLOWED as error:
                    outcomes = [type(error).__name__]
            else:
                outcomes = read_in_every_way(victim, target)
        except BaseException as error:
            raise SystemExit(f"{case}: {type(error).__name__}: {error}") from error
        finally:
            watch.on = False
        slowest = max(slowest, time.perf_counter() - start)
        assert slowest < 1.0, case
        assert not watch.seen, (case, watch.seen)
        for outcome in outcomes:
            tally[outcome] = tally.get(outcome, 0) + 1
    result = {"tally": tally, "slowest": slowest, "grown_mb": peak_mb() - before}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
