"""The machine that kernels are made for, as a value: the one place that asks what it is.

How wide vectors are decides how matrices are packed, which tile a product has and which of
several kernels computes it. So a layout that only some machines choose would be tested on
them alone. Here the machine is a value that can be another one: `GRAPHOPT_VECTOR_BITS` makes
all layouts and all code those of vectors of 128, 256 or 512 bits, wherever it runs. With
fewer than the host has, LLVM gets the generic processor of that width (SSE4.2 without fused
multiply-add, or AVX2 with it); with more, it makes several instructions of one. Results
differ between widths as they differ between machines, in the last bits.

The value is part of the key of every kernel in the cache. It stays the same for the life of
a process, since plans made for one width call kernels of that width; `assume` is for code
that is compiled and not run, and for kernels that are called without a plan.

The sizes of caches are not asked for. They are what every processor has that this project
runs on (32 KiB and half a megabyte), because they also decide where sums are cut: with
sizes of the host, two machines of one width would give different bits.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphopt.config import settings

__all__ = [
    "CACHE",
    "IMAGE_BYTES",
    "NEAR_CACHE",
    "PACKED_BYTES",
    "RESULT_BYTES",
    "STRIP_BYTES",
    "WIDTHS",
    "Machine",
    "assume",
    "find_machine",
    "get_machine",
    "make_arm_machine",
    "name_family",
    "read_model",
]

NEAR_CACHE: Final = 1 << 15
"""Bytes of the first-level cache that kernels count on."""
CACHE: Final = 1 << 19
"""Bytes of the second-level cache that kernels count on."""
PACKED_BYTES: Final = CACHE // 4
"""Room for panels that a product packs on its way, on the stack of a kernel."""
RESULT_BYTES: Final = CACHE // 2
"""Room for rows of a product that are used up at once, on the stack of a kernel."""
STRIP_BYTES: Final = CACHE // 4
"""Rows of a matrix that are read a second time while they are in the cache."""
IMAGE_BYTES: Final = 2 * NEAR_CACHE
"""Room for rows of an image with their padding, on the stack of a kernel."""
WIDTHS: Final = (128, 256, 512)

# LLVM's generic processors with vectors of so many bits, for machines that have wider ones.
_GENERIC: Final = {128: "x86-64-v2", 256: "x86-64-v3"}


@dataclass(frozen=True)
class Machine:
    """What kernels are made for.

    Attributes:
      family: `x86`, `arm` or `other`.
      triple: LLVM's name of the kind of machine and its operating system.
      cpu: LLVM's name of the processor.
      features: What the processor can do beyond its name, as LLVM takes it.
      vector_bits: Width of the vectors: 128, 256 or 512.
      is_fused: Whether it multiplies and adds in one instruction, with one rounding.
      is_host: Whether code that is made for it runs in this process.
    """

    family: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    is_fused: bool
    is_host: bool = True

    def count_lanes(self, nbytes: int) -> int:
        """Returns the elements of a size that a vector has."""
        return self.vector_bits // 8 // nbytes


def name_family() -> str:
    """Returns the family of the processor that this process runs on."""
    name = platform.machine().lower()
    if name in ("x86_64", "amd64", "i686", "i386", "x86"):
        return "x86"
    return "arm" if name in ("aarch64", "arm64") else "other"


@functools.cache
def find_machine(vector_bits: int = 0) -> Machine:
    """Finds out what the host is, with vectors as wide as they are asked for.

    Args:
      vector_bits: Width of the vectors; 0 for the host's widest.

    Returns:
      The machine.

    Raises:
      ValueError: If there are no vectors of that width.
    """
    # Here, so that a program without kernels does not wait for LLVM.
    import llvmlite.binding as llvm

    if vector_bits not in (0, *WIDTHS):
        raise ValueError(f"no vectors of {vector_bits} bits; expected one of {WIDTHS}")
    family, triple = name_family(), llvm.get_default_triple()
    features = llvm.get_host_cpu_features()
    widest = 128
    if features.get("avx512f"):
        widest = 512
    elif features.get("avx2"):
        widest = 256
    bits = vector_bits or widest
    if family == "x86" and bits < widest:
        return Machine(family, triple, _GENERIC[bits], "", bits, is_fused=bits > 128)
    is_fused = family == "arm" or bool(features.get("fma"))
    cpu = llvm.get_host_cpu_name()
    return Machine(family, triple, cpu, features.flatten(), bits, is_fused)


def make_arm_machine() -> Machine:
    """Returns a 64-bit ARM processor with Linux, to compile for it elsewhere."""
    triple = "aarch64-unknown-linux-gnu"
    is_host = name_family() == "arm"
    return Machine(
        "arm", triple, "generic", "+neon", 128, is_fused=True, is_host=is_host
    )


def read_model() -> str:
    """Returns what its maker calls the processor, as far as the system knows."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


_assumed: Machine | None = None


def get_machine() -> Machine:
    """Returns what kernels are made for in this process."""
    return _assumed or find_machine(settings.vector_bits)


@contextlib.contextmanager
def assume(machine: Machine) -> Iterator[Machine]:
    """Has what is translated in the block made for another machine.

    Kernels that plans asked for before stay what they are, so nothing may be run by a
    plan: this is for modules that are compiled only, and for kernels called by hand.

    Args:
      machine: What `get_machine` returns in the block.

    Yields:
      The machine.
    """
    global _assumed
    before, _assumed = _assumed, machine
    try:
        yield machine
    finally:
        _assumed = before
