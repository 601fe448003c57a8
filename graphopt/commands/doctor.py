"""`graphopt doctor`: what this installation runs on, and what is not as it should be."""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphopt
from graphopt.commands.shared import (
    OK,
    add_command,
    add_json,
    print_json,
    print_text,
)
from graphopt.config import settings
from graphopt.viz.words import clean_text, format_bytes, plural

if TYPE_CHECKING:
    from graphopt.codegen.cache.folder import CacheState

PACKAGES = ("numpy", "numba", "llvmlite", "networkx", "rich", "safetensors")
EXTRAS = ("matplotlib", "scikit-learn")
# What kernels profit from, of the many things that a processor can do.
FEATURES = ("sse4.2", "avx", "avx2", "fma", "avx512f", "neon", "sve")


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "doctor",
        takes_target=False,
    )
    add_json(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints what was found."""
    found = examine()
    if options.json:
        print_json(found)
        return OK
    print_text(_text(found))
    return OK


def examine() -> dict[str, Any]:
    """Looks at everything; returns plain values."""
    from graphopt.codegen.cache.folder import describe_cache
    from graphopt.codegen.machine import find_machine, get_machine, read_model

    host, machine = find_machine(), get_machine()
    features = host.features.split(",")
    state = describe_cache()
    found: dict[str, Any] = {
        "graphopt": graphopt.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in (*PACKAGES, *EXTRAS)},
        "cpu": {
            "model": read_model(),
            "name": host.cpu,
            "features": [name for name in FEATURES if f"+{name}" in features],
            "vector_bits": machine.vector_bits,
            "has_fused_multiply_add": machine.is_fused,
        },
        "cpus": {
            "machine": os.cpu_count(),
            "usable": usable_cpus(),
            "cgroup": cgroup_cpus(),
        },
        "vector_maths": {
            "own": "exp, log, tanh and their like are written as vector arithmetic",
            "libmvec": ctypes.util.find_library("mvec"),
        },
        "cache": vars(state),
        "settings": {name: getattr(settings, name) for name in vars(settings)},
    }
    found["problems"] = problems(found, state)
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def usable_cpus() -> int | None:
    """Returns how many processors this process may run on, or None if unknown."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def cgroup_cpus(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Returns how many processors' time a container allows, or None without a limit.

    Args:
      root: Where control groups are mounted; version 2, then version 1.
    """
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def problems(found: dict[str, Any], state: CacheState) -> list[str]:
    """Says what keeps graphopt from being fast or right here."""
    told = [
        f"{name} is missing: pip install {name}"
        for name in PACKAGES
        if found["packages"][name] is None
    ]
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        told.append("compiled kernels are tested on Linux only")
    if platform.machine() == "x86_64" and "avx2" not in found["cpu"]["features"]:
        told.append("the processor has no AVX2: kernels are several times slower")
    if found["settings"]["vector_bits"]:
        told.append(
            "GRAPHOPT_VECTOR_BITS is set: kernels may be slower than they could be"
        )
    if state.problem:
        told.append(f"the kernel cache is not used: {state.problem}")
    if found["settings"]["jit"] is not None:
        told.append("GRAPHOPT_JIT is set; steps may run with NumPy instead of kernels")
    if found["settings"]["debug"]:
        told.append("GRAPHOPT_DEBUG is set: each step runs twice and is compared")
    if found["settings"]["passes_off"]:
        told.append("GRAPHOPT_PASSES_OFF is set: steps are slower than they could be")
    limit, usable = found["cpus"]["cgroup"], found["cpus"]["usable"]
    if limit is not None and usable is not None and limit < 1:
        told.append(f"the container may use {limit:g} of a processor only")
    return told


def _text(found: dict[str, Any]) -> str:
    packages, cpus, state = found["packages"], found["cpus"], found["cache"]
    limit, cpu = cpus["cgroup"], found["cpu"]
    rows = [
        ("graphopt", found["graphopt"]),
        ("Python", f"{found['python']}, {found['platform']}"),
        *((name, packages[name] or "missing") for name in PACKAGES),
        *((name, packages[name] or "not installed (an extra)") for name in EXTRAS),
        ("processor", cpu["model"]),
        ("", f"{cpu['name']}: {', '.join(cpu['features'])}"),
        (
            "vectors",
            f"{cpu['vector_bits']} bits, "
            + ("fused" if cpu["has_fused_multiply_add"] else "no fused")
            + " multiply-add",
        ),
        (
            "processors",
            f"{cpus['machine']}, {cpus['usable']} usable"
            + ("" if limit is None else f", {limit:g} allowed by the container"),
        ),
        ("vector maths", "own exp, log, tanh, ... in kernels, no library needed"),
        ("libmvec", found["vector_maths"]["libmvec"] or "not there"),
        ("kernel cache", state["folder"] if state["is_on"] else "off"),
        (
            "",
            f"{plural(state['entries'], 'kernel')}, {format_bytes(state['nbytes'])} of "
            f"{format_bytes(state['cap_bytes'])}",
        ),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {clean_text(value)}".rstrip() for name, value in rows]
    told = found["problems"]
    lines += ["", *(f"problem: {clean_text(each)}" for each in told)]
    return "\n".join(lines if told else [*lines, "no problems found"])
