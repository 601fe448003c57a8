"""Kernel requests -> native kernels, each compiled once for all plans of a process.

What an earlier process compiled is loaded from the cache on disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from graphopt.graph.process_settings import frequent_switches
from graphopt.schedule.steps import KernelRequest

if TYPE_CHECKING:
    from graphopt.codegen.cache.object_code import NativeKernel
    from graphopt.codegen.compile.module import Module


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


EMITTED: Final = "communicate"
"""The family whose kernels are written in LLVM's terms; the text is the name of an entry."""
_emitted: dict[str, Callable[[], NativeKernel]] = {}
_emitted_texts: dict[str, Callable[[], str]] = {}


def add_emitted(
    name: str, load: Callable[[], NativeKernel], write: Callable[[], str]
) -> None:
    """Makes the kernel of family `EMITTED` known whose text is a name.

    Args:
      name: The name.
      load: Returns the kernel.
      write: Returns what it is in LLVM's language, with all that belongs to it.
    """
    _emitted[name], _emitted_texts[name] = load, write


record = CompileRecord()
_kernels: dict[str, NativeKernel] = {}
_lock = threading.Lock()
# Seconds that a fork waits for what is being compiled.
_FORK_PATIENCE = 60.0
_held_for_fork = False


def wait_for_compilers() -> None:
    """Before a fork: waits until numba and LLVM are at rest, and keeps them so.

    A child in which they were in the middle of something could never compile.
    """
    global _held_for_fork
    _held_for_fork = _lock.acquire(timeout=_FORK_PATIENCE)


def let_compilers_go_on() -> None:
    """After a fork, in the parent and in the child."""
    global _held_for_fork
    if _held_for_fork:
        _held_for_fork = False
        _lock.release()


def get_kernel(request: KernelRequest) -> NativeKernel:
    """Returns the kernel of a request, loaded or compiled the first time.

    Two requests with equal content are one kernel: for all layers, sessions and graphs.

    Raises:
      KeyboardInterrupt: The user did not wait; the kernel is finished all the same.
    """
    kernel = _kernels.get(request.key)
    if kernel is None:
        make_kernels([request])
        kernel = _kernels[request.key]
    return kernel


def make_kernels(requests: Iterable[KernelRequest]) -> None:
    """Loads or compiles what `get_kernel` is going to be asked for.

    What has to be compiled is written by numba in one thread and finished by LLVM in
    another, which does not hold the interpreter: with a second core both work at once.

    Raises:
      KeyboardInterrupt: The user did not wait; kernels that were begun are finished.
    """
    missing = {each.key: each for each in requests if each.key not in _kernels}
    if not missing:
        return
    making = _Making(list(missing.values()))
    if threading.current_thread() is threading.main_thread():
        _run_elsewhere(making)
    else:
        making.run()


def _run_elsewhere(making: _Making) -> None:
    """Makes kernels in another thread, where no signal handler runs.

    An interrupt in the middle of numba can leave its tables half filled, and then nothing
    compiles until the process ends. The main thread can leave its place here instead.
    """
    errors: list[BaseException] = []

    def work() -> None:
        try:
            making.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="graphopt-compile")
    try:
        thread.start()
    except RuntimeError:
        # The system gives no thread, or the interpreter ends.
        making.run()
        return
    try:
        thread.join()
    except BaseException:
        making.given_up = True
        raise
    if errors:
        raise errors[0]


class _Making:
    """The kernels that a plan lacks, while they are made."""

    def __init__(self, requests: list[KernelRequest]) -> None:
        self.given_up = False
        self._requests = requests
        self._translated: SimpleQueue[_Translated | None] = SimpleQueue()
        self._finisher: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Makes them all, or up to the first error."""
        with _lock, frequent_switches():
            try:
                for request in self._requests:
                    if self.given_up or self._error:
                        break
                    if request.key not in _kernels:
                        self._make(request)
            finally:
                if self._finisher:
                    self._translated.put(None)
                    self._finisher.join()
        if self._error:
            raise self._error

    def _make(self, request: KernelRequest) -> None:
        # Here and below, so that a program pays for what it needs when it needs it.
        from graphopt.codegen.cache import kernels as cache

        if request.family == EMITTED:
            _kernels[request.key] = _emitted[request.source]()
            return
        start = time.perf_counter()
        kernel = cache.load_kernel(request.family, request.source, request.name)
        if kernel is not None:
            record.loaded += 1
            record.loading[request.name] = time.perf_counter() - start
            _kernels[request.key] = kernel
            return
        module = _translate(request)
        translated = _Translated(request, module, time.perf_counter() - start)
        if self._finisher is None and not self._start_finisher():
            _finish(*translated)
            return
        self._translated.put(translated)

    def _start_finisher(self) -> bool:
        """Starts the thread that LLVM works in; False if the system gives none."""
        thread = threading.Thread(target=self._finish_all, name="graphopt-finish")
        try:
            thread.start()
        except RuntimeError:
            return False
        self._finisher = thread
        return True

    def _finish_all(self) -> None:
        try:
            while translated := self._translated.get():
                _finish(*translated)
        except BaseException as error:
            self._error = error


class _Translated(NamedTuple):
    """What numba wrote for a request, and in how many seconds."""

    request: KernelRequest
    module: Module
    seconds: float


# Families whose texts call loops that are written in vectors already.
_VECTOR_FAMILIES: Final = ("gemm",)


def _translate(request: KernelRequest) -> Module:
    from graphopt.codegen import functions
    from graphopt.codegen.compile import native

    source = request.source.replace("def kernel(", f"def {request.name}(")
    module = native.translate_source(source, request.name, functions.make_namespace())
    # The loop of a kernel of scalars counts repetitions (`Call.repeats`), not elements.
    is_scalar = "for _ in range(lo, hi)" in source
    return replace(
        module, is_vector_code=is_scalar or request.family in _VECTOR_FAMILIES
    )


def write_llvm(request: KernelRequest) -> str:
    """Returns what LLVM made of a kernel, in its own language, after its passes."""
    from graphopt.codegen.compile.module import optimize

    if request.family == EMITTED:
        return _emitted_texts[request.source]()
    with _lock:
        return str(optimize(_translate(request)))


def write_assembly(request: KernelRequest) -> str:
    """Returns the machine code of a kernel as text of this processor's assembler."""
    from graphopt.codegen.cache.object_code import get_target_machine
    from graphopt.codegen.compile.module import optimize

    if request.family == EMITTED:
        import llvmlite.binding as llvm

        parsed = llvm.parse_assembly(_emitted_texts[request.source]())
        return str(get_target_machine().emit_assembly(parsed))
    with _lock:
        return str(get_target_machine().emit_assembly(optimize(_translate(request))))


def _finish(request: KernelRequest, module: Module, seconds: float) -> None:
    from graphopt.codegen.cache import kernels as cache
    from graphopt.codegen.compile import native

    start = time.perf_counter()
    kernel = native.compile_module(module)
    seconds += time.perf_counter() - start
    record.kernels += 1
    record.seconds += seconds
    record.by_name[request.name] = seconds
    cache.store_kernel(request.family, request.source, kernel)
    _kernels[request.key] = kernel
