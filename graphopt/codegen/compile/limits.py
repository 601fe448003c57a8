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

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from graphopt.codegen.cache import object_code
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
_I64 = ir.IntType(64)


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
        _multiply_add_rate(ir.FloatType(), 4),
        _multiply_add_rate(ir.DoubleType(), 8),
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


def _multiply_add_rate(scalar: ir.Type, size: int) -> float:
    machine = get_machine()
    width = machine.vector_bits // 8 // size
    module = _emit(scalar, width, machine.is_fused)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    code = object_code.get_target_machine().emit_object(parsed)
    kernel = object_code.load_object_code(code, "multiply_add", "multiply_add", {}, ())
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(kernel.address)
    result = np.zeros(16)
    rounds = 100_000
    seconds = _best(lambda: call(result.ctypes.data, rounds), 1, ROUNDS)
    return 2.0 * rounds * CHAINS * width / seconds


def _emit(scalar: ir.Type, width: int, fused: bool) -> ir.Module:
    """Writes `void multiply_add(void *result, int64 rounds)`."""
    module = ir.Module("limits")
    module.triple = get_machine().triple
    vector = ir.VectorType(scalar, width)
    kind = ir.FunctionType(ir.VoidType(), [vector.as_pointer(), _I64])
    function = ir.Function(module, kind, name="multiply_add")
    bits = 32 if isinstance(scalar, ir.FloatType) else 64
    kind = ir.FunctionType(vector, [vector, vector, vector])
    fma = ir.Function(module, kind, name=f"llvm.fma.v{width}f{bits}")
    entry, loop, leave = (
        function.append_basic_block(name) for name in ("entry", "loop", "leave")
    )
    builder = ir.IRBuilder(entry)
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(_I64)
    step.add_incoming(_I64(0), entry)
    half, one = (ir.Constant(vector, [value] * width) for value in (0.5, 1.0))
    values = []
    for chain in range(CHAINS):
        value = builder.phi(vector)
        value.add_incoming(ir.Constant(vector, [float(chain)] * width), entry)
        values.append(value)
    made = [
        builder.call(fma, [value, half, one])
        if fused
        else builder.fadd(builder.fmul(value, half), one)
        for value in values
    ]
    for value, new in zip(values, made, strict=True):
        value.add_incoming(new, loop)
    after = builder.add(step, _I64(1))
    step.add_incoming(after, loop)
    builder.cbranch(builder.icmp_signed("<", after, function.args[1]), loop, leave)
    builder.position_at_end(leave)
    # Not of the values before them, which would need registers of their own.
    total = made[0]
    for new in made[1:]:
        total = builder.fadd(total, new)
    store = builder.store(total, function.args[0])
    store.align = 1
    builder.ret_void()
    return module
