"""Kernel requests -> native kernels, each compiled once for all plans of a process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphopt.schedule.steps import KernelRequest

if TYPE_CHECKING:
    from graphopt.codegen.native import NativeKernel


@dataclass
class CompileRecord:
    """What was compiled in this process."""

    kernels: int = 0
    seconds: float = 0.0
    by_name: dict[str, float] = field(default_factory=dict)


record = CompileRecord()
_kernels: dict[str, NativeKernel] = {}
_lock = threading.Lock()
_namespace: dict[str, Any] = {}


def get_kernel(request: KernelRequest) -> NativeKernel:
    """Returns the compiled kernel of a request, compiling it the first time.

    Two requests with equal content are one kernel: for all layers, sessions and graphs.
    """
    kernel = _kernels.get(request.key)
    if kernel is not None:
        return kernel
    with _lock:
        kernel = _kernels.get(request.key)
        if kernel is None:
            start = time.perf_counter()
            kernel = _compile(request)
            seconds = time.perf_counter() - start
            _kernels[request.key] = kernel
            record.kernels += 1
            record.seconds += seconds
            record.by_name[request.name] = seconds
    return kernel


def _compile(request: KernelRequest) -> NativeKernel:
    from graphopt.codegen import functions, gemm, native

    if request.family == "gemm":
        kind, dtype = request.source.split()
        return gemm.compile_gemm(dtype, kind)
    if not _namespace:
        _namespace.update(functions.make_namespace())
    source = request.source.replace("def kernel(", f"def {request.name}(")
    return native.compile_source(source, request.name, _namespace)
