"""The loop: order, errors, jumps, denormals, threads."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from graphopt.codegen.compile import native, primitives
from graphopt.codegen.tape import tape
from graphopt.graph.status import StatusWord

NAMESPACE = primitives.FUNCTIONS
SOURCE = """
def append(args, lo, hi):
    log = pointer_int64(args[0])
    log[0] += 1
    log[log[0]] = lo

def fail(args, lo, hi):
    report_status(args[1], 3, 42, lo, hi)

def jump(args, lo, hi):
    log, status = pointer_int64(args[0]), pointer_int64(args[1])
    if log[0] < hi:
        status[2] = lo
        status[0] = -1

def multiply(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = x[i] * 0.5

def work(args, lo, hi):
    x = pointer_int64(args[0])
    for i in range(lo, hi):
        x[i & 7] = (x[i & 7] * 31 + i) ^ (x[i & 7] >> 3)
"""


class Step:
    """A tape over one table of arguments, and all that must stay alive with it."""

    def __init__(self, rows: list[tuple[str, int, int]], data: NDArray) -> None:
        self.data = data
        self.block = np.full(tape.BLOCK_WORDS, 99, np.int64)
        status = self.block[tape.BLOCK_STATUS :].ctypes.data
        self.args = np.array([data.ctypes.data, status], np.int64)
        self.kernels = {
            name: native.compile_source(SOURCE, name, NAMESPACE) for name, _, _ in rows
        }
        table = [
            (self.kernels[name].address, self.args.ctypes.data, lo, hi)
            for name, lo, hi in rows
        ]
        self.table = np.array(table, np.int64).reshape(-1, tape.INSTRUCTION_WORDS)
        self.block[tape.BLOCK_INSTRUCTIONS] = self.table.ctypes.data
        self.block[tape.BLOCK_COUNT] = len(rows)
        self.block[tape.BLOCK_START] = 0
        self.run: Callable[[], int] = tape.make_entry(self.block.ctypes.data)


def test_instructions_run_in_order() -> None:
    log = np.zeros(20, np.int64)
    step = Step([("append", 5, 0), ("append", 6, 0), ("append", 7, 0)], log)
    assert step.run() == 0
    assert log[:4].tolist() == [3, 5, 6, 7]
    assert step.block[tape.BLOCK_STOPPED_AT] == -1


def test_a_step_goes_on_where_it_is_told_to() -> None:
    log = np.zeros(20, np.int64)
    step = Step([("append", 5, 0), ("append", 6, 0), ("append", 7, 0)], log)
    step.block[tape.BLOCK_START] = 1
    assert step.run() == 0
    assert log[:3].tolist() == [2, 6, 7]
    step.block[tape.BLOCK_START] = 3
    assert step.run() == 0
    assert log[:3].tolist() == [2, 6, 7]


def test_an_empty_tape_is_well() -> None:
    assert Step([], np.zeros(1, np.int64)).run() == 0


def test_an_error_stops_the_step_and_is_cleared_by_the_next() -> None:
    log = np.zeros(20, np.int64)
    step = Step([("append", 1, 0), ("fail", 11, 12), ("append", 2, 0)], log)
    assert step.run() == 3
    assert log[0] == 1
    status = step.block[tape.BLOCK_STATUS : tape.BLOCK_STATUS + 4]
    assert status.tolist() == [3, 42, 11, 12]
    assert step.block[tape.BLOCK_STOPPED_AT] == 1
    step.block[tape.BLOCK_COUNT] = 1
    assert step.run() == 0
    assert status[StatusWord.CODE] == 0


def test_jumps_make_loops() -> None:
    log = np.zeros(20, np.int64)
    step = Step([("append", 1, 0), ("append", 2, 0), ("jump", 1, 6)], log)
    assert step.run() == 0
    assert log[:7].tolist() == [6, 1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("target", [-1, 3, 1000])
def test_a_jump_beyond_the_table_ends_the_step(target: int) -> None:
    log = np.zeros(20, np.int64)
    assert Step([("append", 1, 0), ("jump", target, 6)], log).run() == 0
    assert log[0] == 1


def test_denormals_are_flushed_inside_and_live_outside() -> None:
    tiny = np.finfo(np.float64).tiny
    for last in ("multiply", "fail"):
        x = np.array([tiny, tiny / 2, 2.0])
        step = Step([("multiply", 0, 3), (last, 0, 0)], x)
        assert step.run() == (3 if last == "fail" else 0)
        assert x.tolist() == [0.0, 0.0, 1.0]
        assert np.array([tiny])[0] * 0.5 > 0


def test_the_lock_is_released() -> None:
    steps = [Step([("work", 0, 300_000_000)], np.ones(8, np.int64)) for _ in range(1)]
    ticks = []
    thread = threading.Thread(target=steps[0].run)
    thread.start()
    while thread.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    assert len(ticks) > 20


def test_the_function_can_be_called_from_elsewhere() -> None:
    log = np.zeros(20, np.int64)
    step = Step([("append", 5, 0)], log)
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(tape.load_tape())
    assert function(step.block.ctypes.data) == 0
    assert log[0] == 1


def test_entries_refuse_bad_addresses_and_arguments() -> None:
    with pytest.raises(ValueError, match="valid address"):
        tape.make_entry(0)
    step = Step([], np.zeros(1, np.int64))
    with pytest.raises(TypeError):
        step.run(1)  # type: ignore[call-arg]


def test_the_loop_needs_no_numba() -> None:
    program = (
        "import sys; from graphopt.codegen.tape import tape; tape.load_tape(); "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
