"""Kernel requests -> native kernels, each compiled once for all plans of a process.

What an earlier process compiled is loaded from the cache on disk.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphopt.schedule.steps import KernelRequest

if TYPE_CHECKING:
    from graphopt.codegen.object_code import NativeKernel


@dataclass
class CompileRecord:
    """What was compiled in this process, and what the cache had already.

    Attributes:
      kernels: How many were compiled.
      loaded: How many came from the cache.
      seconds: What compiling took, all together.
      by_name: What compiling each took.
      loading: What loading each from the cache took.
    """

    kernels: int = 0
    loaded: int = 0
    seconds: float = 0.0
    by_name: dict[str, float] = field(default_factory=dict)
    loading: dict[str, float] = field(default_factory=dict)


record = CompileRecord()
_kernels: dict[str, NativeKernel] = {}
_lock = threading.Lock()
_namespace: dict[str, Any] = {}


def get_kernel(request: KernelRequest) -> NativeKernel:
    """Returns the kernel of a request, loaded or compiled the first time.

    Two requests with equal content are one kernel: for all layers, sessions and graphs.

    Raises:
      KeyboardInterrupt: The user did not wait; the kernel is finished all the same.
    """
    kernel = _kernels.get(request.key)
    if kernel is not None:
        return kernel
    if threading.current_thread() is threading.main_thread():
        return _make_elsewhere(request)
    return _make(request)


def _make_elsewhere(request: KernelRequest) -> NativeKernel:
    """Makes a kernel in another thread, where no signal handler runs.

    An interrupt in the middle of numba can leave its tables half filled, and then nothing
    compiles until the process ends. The main thread can leave its place here instead.
    """
    outcome: list[NativeKernel | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_make(request))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="graphopt-compile")
    thread.start()
    thread.join()
    (made,) = outcome
    if isinstance(made, BaseException):
        raise made
    return made


def _make(request: KernelRequest) -> NativeKernel:
    # Here and below, so that a program pays for what it needs when it needs it.
    from graphopt.codegen import cache

    with _lock:
        kernel = _kernels.get(request.key)
        if kernel is None:
            start = time.perf_counter()
            kernel = cache.load_kernel(request.family, request.source, request.name)
            if kernel is None:
                kernel = _compile(request)
            else:
                record.loaded += 1
                record.loading[request.name] = time.perf_counter() - start
            _kernels[request.key] = kernel
    return kernel


def _compile(request: KernelRequest) -> NativeKernel:
    from graphopt.codegen import cache

    start = time.perf_counter()
    kernel = _build(request)
    seconds = time.perf_counter() - start
    record.kernels += 1
    record.seconds += seconds
    record.by_name[request.name] = seconds
    cache.store_kernel(request.family, request.source, kernel)
    return kernel


def _build(request: KernelRequest) -> NativeKernel:
    from graphopt.codegen import functions, gemm, native

    if request.family == "gemm":
        kind, dtype = request.source.split()
        return gemm.compile_gemm(dtype, kind)
    if not _namespace:
        _namespace.update(functions.make_namespace())
    source = request.source.replace("def kernel(", f"def {request.name}(")
    return native.compile_source(source, request.name, _namespace)
