"""What this machine can do at most: bytes copied and multiply-adds, a second.

Measured once a process, in about a tenth of a second: what a profile compares kernels
with. The multiply-adds are a loop of independent vectors that stay in registers, written
here like every native loop; the copies are NumPy's, of arrays that fit into the cache
and of others that do not. One core, for a step runs on one.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from llvmlite import ir

from graphopt.codegen.cache.object_code import load_object_code
from graphopt.codegen.compile.module import Module, emit_object
from graphopt.codegen.compile.vectors import (
    FLOAT32,
    FLOAT64,
    INT64,
    Code,
    Element,
    Pointer,
    Value,
    fma,
)
from graphopt.codegen.machine import get_machine

# The best of so many counts; another process may be busy beside this one.
COPY_ROUNDS: Final = 5
ROUNDS: Final = 40
# More independent chains than a multiply-add takes cycles, on two units; with the
# factors they fit into sixteen registers.
CHAINS: Final = 12
SMALL_BYTES: Final = 1 << 16
MIDDLE_BYTES: Final = 1 << 22
LARGE_BYTES: Final = 1 << 26


@dataclass(frozen=True)
class MachineLimits:
    """What was measured.

    Attributes:
      memory: Bytes a second, read and written, of a copy of 64 MiB.
      large_cache: The same of a copy of 4 MiB.
      cache: The same of a copy of 64 KiB.
      float32: Floating-point operations a second, two for a multiply-add.
      float64: The same in float64.
    """

    memory: float
    large_cache: float
    cache: float
    float32: float
    float64: float

    def bandwidth(self, nbytes: int) -> float:
        """Returns the bytes a second that moving so many may reach."""
        if nbytes <= 4 * SMALL_BYTES:
            return self.cache
        return self.large_cache if nbytes <= 4 * MIDDLE_BYTES else self.memory


@functools.cache
def measure_limits() -> MachineLimits:
    """Measures, the first time in a process."""
    return MachineLimits(
        _copy_rate(LARGE_BYTES),
        _copy_rate(MIDDLE_BYTES),
        _copy_rate(SMALL_BYTES),
        _multiply_add_rate(FLOAT32),
        _multiply_add_rate(FLOAT64),
    )


def _best(work: Callable[[], object], calls: int, rounds: int) -> float:
    """Returns the seconds of one call, of the best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, time.perf_counter() - start)
    return best / calls


def _copy_rate(nbytes: int) -> float:
    source, target = np.ones(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    calls = 1 + (1 << 22) // nbytes
    seconds = _best(lambda: np.copyto(target, source), calls, COPY_ROUNDS)
    return 2 * nbytes / seconds


def _multiply_add_rate(element: Element) -> float:
    name = "multiply_add"
    code = emit_object(Module((str(_emit(element)),), name, name, is_vector_code=True))
    kernel = load_object_code(code, name, name, {}, ())
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(kernel.address)
    result = np.zeros(16)
    rounds = 100_000
    seconds = _best(lambda: call(result.ctypes.data, rounds), 1, ROUNDS)
    lanes = get_machine().count_lanes(element.nbytes)
    return 2.0 * rounds * CHAINS * lanes / seconds


def _emit(element: Element) -> ir.Module:
    """Writes `void multiply_add(void *result, int64 rounds)`."""
    module = ir.Module("limits")
    module.triple = get_machine().triple
    kind = ir.FunctionType(ir.VoidType(), [element.scalar.as_pointer(), ir.IntType(64)])
    function = ir.Function(module, kind, name="multiply_add")
    code = Code(ir.IRBuilder(function.append_basic_block()))
    lanes = code.machine.count_lanes(element.nbytes)
    chains = [code.constant(element, float(i), lanes) for i in range(CHAINS)]
    half, one = (code.constant(element, value, lanes) for value in (0.5, 1.0))
    cells = [code.cell(chain) for chain in chains]
    result, rounds = function.args
    with code.for_range(Value(code, rounds, INT64)):
        for cell in cells:
            cell.set(fma(cell.get(), half, one))
    total = cells[0].get()
    for cell in cells[1:]:
        total = total + cell.get()
    Pointer(code, result, element).store(total)
    code.builder.ret_void()
    return module
