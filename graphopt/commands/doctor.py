"""`graphopt doctor`: what this installation runs on, and what is not as it should be."""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphopt
from graphopt.commands.profile import measure, profiling
from graphopt.commands.shared import (
    OK,
    add_command,
    add_json,
    positive,
    print_json,
    print_text,
)
from graphopt.commands.targets import add_target, show_target
from graphopt.config import settings
from graphopt.errors import OpError
from graphopt.parallel.launchers import LauncherError, find_launcher, has_infiniband
from graphopt.runtime.profile import Profile, format_seconds
from graphopt.viz.loading import Loaded
from graphopt.viz.words import clean_text, format_bytes, plural

if TYPE_CHECKING:
    from graphopt.codegen.cache.folder import CacheState

PACKAGES = ("numpy", "numba", "llvmlite", "networkx", "rich", "safetensors")
EXTRAS = ("matplotlib", "scikit-learn", "resvg-py", "pillow")
# So many of the kernels that lose most are listed.
MOST_STEPS = 6
# What kernels profit from, of the many things that a processor can do.
FEATURES = ("sse4.2", "avx", "avx2", "fma", "avx512f", "neon", "sve")


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "doctor",
        more="Measures what one core can do at most. With a script, profiles its training "
        "step and says how far each kernel is from that.",
        takes_target=False,
    )
    add_target(parser, required=False)
    parser.add_argument(
        "--steps",
        type=positive,
        default=50,
        metavar="N",
        help="how often the step is run, for the medians; by default 50",
    )
    add_json(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints what was found."""
    if options.target is None:
        _report(examine(), None, options)
        return OK
    profiles: list[Profile | OpError] = []

    def show(loaded: Loaded) -> None:
        _report(examine(), measure(options, loaded, profiles), options)

    return show_target(options, passed, show, on_step=profiling(profiles, options))


def _report(
    found: dict[str, Any], profile: Profile | None, options: argparse.Namespace
) -> None:
    if options.json:
        step = None if profile is None else distances(profile)
        print_json(found if step is None else {**found, "step": step})
        return
    parts = [_text(found)]
    if profile is not None:
        parts.append(_format_distances(distances(profile)))
    print_text("\n\n".join(parts))


def distances(profile: Profile) -> dict[str, Any]:
    """Says how far a step is from what the machine can do.

    Returns:
      `seconds` of a run; `kernels`: of all kernels together; `at_limits`: what they would
      take at the limits, those of which no limit is known as they are; `outside`: what is
      no kernel, as feeding and fetching; `furthest`: for each kernel that loses most its
      name, family, seconds, seconds at the limit and what bounds it.
    """
    steps = [
        (step, step.seconds * min(step.limit, 1.0) if step.limit else step.seconds)
        for step in profile.steps
    ]
    lost = sorted(steps, key=lambda pair: pair[1] - pair[0].seconds)
    return {
        "seconds": profile.seconds,
        "kernels": profile.kernel_seconds,
        "at_limits": sum(best for _, best in steps),
        "outside": max(profile.seconds - profile.kernel_seconds, 0.0),
        "interpreted": profile.interpreted,
        "furthest": [
            {
                "name": step.name,
                "kernel": step.kernel,
                "seconds": step.seconds,
                "at_limit": best,
                "bound": step.bound,
            }
            for step, best in lost[:MOST_STEPS]
            if best < step.seconds
        ],
    }


def _format_distances(found: dict[str, Any]) -> str:
    at_limits, kernels = found["at_limits"], found["kernels"]
    share = 100 * at_limits / kernels if kernels else 100.0
    lines = [
        f"the step takes {format_seconds(found['seconds'])}; its kernels "
        f"{format_seconds(kernels)}, and at the limits of a core they",
        f"would take {format_seconds(at_limits)} ({share:.0f} %); outside of kernels "
        f"{format_seconds(found['outside'])}",
    ]
    if found["interpreted"]:
        lines.append(f"it runs without native code: {found['interpreted']}")
    for each in found["furthest"]:
        lines.append(
            f"  {format_seconds(each['seconds']):>8} for "
            f"{format_seconds(each['at_limit']):>8} by {each['bound']:<10}  "
            f"{each['kernel']:<11}  {clean_text(each['name'])}"
        )
    return "\n".join(lines)


def examine() -> dict[str, Any]:
    """Looks at everything; returns plain values."""
    from graphopt.codegen.cache.folder import describe_cache
    from graphopt.codegen.compile.limits import measure_limits
    from graphopt.codegen.machine import find_machine, get_machine, read_model

    limits = vars(measure_limits())
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
        "limits": limits,
        "cpus": {
            "machine": os.cpu_count(),
            "usable": usable_cpus(),
            "cgroup": cgroup_cpus(),
        },
        "vector_maths": {
            "own": "exp, log, tanh and their like are written as vector arithmetic",
            "libmvec": ctypes.util.find_library("mvec"),
        },
        "mpi": _examine_mpi(),
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


def _examine_mpi() -> dict[str, Any] | None:
    """Says which MPI several ranks would use; None if mpi4py is not installed."""
    if importlib.util.find_spec("mpi4py") is None:
        return None
    try:
        launcher = find_launcher()
    except LauncherError as error:
        return {"problem": str(error)}
    return {
        "library": launcher.library.version,
        "file": launcher.library.file,
        "mpi4py": launcher.library.mpi4py,
        "mpiexec": launcher.mpiexec,
        "tells_of_failures": launcher.survives_failures,
        "infiniband": has_infiniband(),
        "problem": None,
    }


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
    if found["mpi"] is not None and found["mpi"]["problem"]:
        told.append(f"MPI: {found['mpi']['problem']}")
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


def _mpi_rows(mpi: dict[str, Any] | None) -> list[tuple[str, str]]:
    if mpi is None:
        return [("MPI", "not installed (an extra)")]
    if mpi["problem"]:
        return [("MPI", "cannot be used")]
    tells = "" if mpi["tells_of_failures"] else "; no ULFM: a failed rank ends all"
    return [
        ("MPI", f"{mpi['library']} by mpi4py {mpi['mpi4py']}{tells}"),
        ("", mpi["mpiexec"]),
    ]


def _text(found: dict[str, Any]) -> str:
    packages, cpus, state = found["packages"], found["cpus"], found["cache"]
    limit, cpu, limits = cpus["cgroup"], found["cpu"], found["limits"]
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
        (
            "one core",
            f"{limits['float32'] / 1e9:.0f} GFLOP/s in float32, "
            f"{limits['float64'] / 1e9:.0f} in float64",
        ),
        (
            "",
            f"copies {limits['memory'] / 1e9:.0f} GB/s in memory, "
            f"{limits['large_cache'] / 1e9:.0f} and {limits['cache'] / 1e9:.0f} in caches",
        ),
        ("vector maths", "own exp, log, tanh, ... in kernels, no library needed"),
        ("libmvec", found["vector_maths"]["libmvec"] or "not there"),
        *_mpi_rows(found["mpi"]),
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
