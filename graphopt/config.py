"""Settings: what `GRAPHOPT_*` variables and `with config(...)` can change.

| setting | variable | meaning |
|---|---|---|
| `jit` | `GRAPHOPT_JIT` | `always`, `never`, or the number of interpreted runs first |
| `strict` | `GRAPHOPT_STRICT` | no implicit default session |
| `passes_off` | `GRAPHOPT_PASSES_OFF` | names of rewrites to leave out, comma separated |
| `check_numerics` | `GRAPHOPT_CHECK_NUMERICS` | NaN and infinities are errors |
| `debug` | `GRAPHOPT_DEBUG` | new sessions compare each kernel with NumPy |
| `cache` | `GRAPHOPT_CACHE` | `off`: compiled kernels are not kept on disk |
| `cache_dir` | `GRAPHOPT_CACHE_DIR` | where they are kept; else `~/.cache/graphopt` |
| `threads` | `GRAPHOPT_THREADS` | threads that compute one step; 0: all processors |
| `vector_bits` | `GRAPHOPT_VECTOR_BITS` | `128`, `256`, `512`: kernels as for such vectors |
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

NEVER = 1 << 62


@dataclasses.dataclass
class Settings:
    """The current values; read them as attributes of `settings`."""

    jit: int | None = None
    strict: bool = False
    passes_off: tuple[str, ...] = ()
    check_numerics: bool = False
    debug: bool = False
    cache: bool = True
    cache_dir: str = ""
    threads: int = 0
    vector_bits: int = 0
    functions_run_eagerly: bool = False

    def interpreted_runs(self, writes_state: bool) -> int:
        """How many runs of a fetch set are interpreted before it is compiled.

        A fetch set that writes variables is a training step and compiles at once; one
        that only reads may never run again, so its first two runs are interpreted, unless
        they are so much work that compiling takes less: sizes say that, no measured time.
        """
        if self.jit is not None:
            return self.jit
        return 0 if writes_state else 2


def _jit(text: str) -> int | None:
    words = {"": None, "always": 0, "never": NEVER}
    if text in words:
        return words[text]
    if text.isdigit():
        return int(text)
    raise ValueError(
        f"GRAPHOPT_JIT is {text!r}; expected 'always', 'never' or a number of runs."
    )


def _switch(variable: str, text: str, default: bool) -> bool:
    words = {"": default, "on": True, "1": True, "off": False, "0": False}
    if text.lower() in words:
        return words[text.lower()]
    raise ValueError(f"{variable} is {text!r}; expected 'on' or 'off'.")


def _switch_from_environment(variable: str, default: bool) -> bool:
    return _switch(variable, os.environ.get(variable, ""), default)


def _threads(text: str) -> int:
    if text.strip().isdigit() or not text:
        return int(text or 0)
    raise ValueError(f"GRAPHOPT_THREADS is {text!r}; expected a number of threads.")


def _vector_bits(text: str) -> int:
    widths = {"": 0, "128": 128, "256": 256, "512": 512}
    if text.strip() in widths:
        return widths[text.strip()]
    raise ValueError(
        f"GRAPHOPT_VECTOR_BITS is {text!r}; expected '128', '256' or '512', "
        "or nothing for the processor's own width."
    )


def _from_environment() -> Settings:
    off = os.environ.get("GRAPHOPT_PASSES_OFF", "")
    return Settings(
        jit=_jit(os.environ.get("GRAPHOPT_JIT", "")),
        strict=os.environ.get("GRAPHOPT_STRICT", "") not in ("", "0"),
        passes_off=tuple(name.strip() for name in off.split(",") if name.strip()),
        check_numerics=_switch_from_environment("GRAPHOPT_CHECK_NUMERICS", False),
        debug=_switch_from_environment("GRAPHOPT_DEBUG", False),
        cache=_switch_from_environment("GRAPHOPT_CACHE", True),
        cache_dir=os.environ.get("GRAPHOPT_CACHE_DIR", ""),
        threads=_threads(os.environ.get("GRAPHOPT_THREADS", "")),
        vector_bits=_vector_bits(os.environ.get("GRAPHOPT_VECTOR_BITS", "")),
    )


settings = _from_environment()
_watchers: list[Callable[[], None]] = []


def on_change(function: Callable[[], None]) -> Callable[[], None]:
    """Has a function called after each change of a setting, and returns it.

    For what would otherwise have to ask on every run, which has to cost nothing.
    """
    _watchers.append(function)
    return function


def change(**values: Any) -> None:
    """Changes settings for good."""
    for name, value in values.items():
        setattr(settings, name, value)
    for function in _watchers:
        function()


@contextlib.contextmanager
def config(**changes: Any) -> Iterator[Settings]:
    """Changes settings for the length of a `with` block.

    Args:
      **changes: `jit` (`"always"`, `"never"` or a number), `strict`, `passes_off`,
        `check_numerics`, `debug`, `cache` (`"on"`, `"off"` or a truth value),
        `cache_dir`.

    >>> with config(jit="never") as current:
    ...     current.interpreted_runs(writes_state=True) > 1000
    True
    """
    if "vector_bits" in changes:
        raise TypeError(
            "vector_bits cannot be changed while the process runs, since compiled plans "
            "count on it; set GRAPHOPT_VECTOR_BITS before graphopt is imported."
        )
    if isinstance(changes.get("jit"), str):
        changes["jit"] = _jit(changes["jit"])
    if isinstance(changes.get("cache"), str):
        changes["cache"] = _switch("cache", changes["cache"], True)
    known = {field.name for field in dataclasses.fields(Settings)}
    unknown = set(changes) - known
    if unknown:
        raise TypeError(f"Unknown settings {sorted(unknown)}; known: {sorted(known)}.")
    before = {name: getattr(settings, name) for name in changes}
    try:
        change(**changes)
        yield settings
    finally:
        change(**before)


def strict_sessions(strict: bool) -> None:
    """Chooses whether `op.run()` without a session is an error, as in TensorFlow.

    Args:
      strict: Whether it is. By default a session is made for the graph, which also
        initializes variables that never were.
    """
    settings.strict = strict


class threading:
    """`tf.config.threading`: how many threads compute one step.

    As in TensorFlow 0 means all processors that the process may use. Unlike there the
    number can be changed at any time; results have the same bits with any.

    >>> from graphopt import config
    >>> config.threading.set_intra_op_parallelism_threads(2)
    >>> config.threading.get_intra_op_parallelism_threads()
    2
    >>> config.threading.set_intra_op_parallelism_threads(0)

    Source: `tf.config.threading`.
    """

    _inter_op = 0

    @staticmethod
    def get_intra_op_parallelism_threads() -> int:
        """Returns the number of threads that was set; 0 for all processors."""
        return settings.threads

    @staticmethod
    def set_intra_op_parallelism_threads(num_threads: int) -> None:
        """Sets how many threads compute one step, that of the caller included.

        Args:
          num_threads: At least 1, or 0 for all processors.

        Raises:
          ValueError: The number is negative.
        """
        change(threads=_check_threads(num_threads))

    @staticmethod
    def get_inter_op_parallelism_threads() -> int:
        """Returns the number that was set."""
        return threading._inter_op

    @staticmethod
    def set_inter_op_parallelism_threads(num_threads: int) -> None:
        """Accepted and kept; ops of a step run in order, each on all threads.

        Args:
          num_threads: At least 0.

        Raises:
          ValueError: The number is negative.
        """
        threading._inter_op = _check_threads(num_threads)


def _check_threads(number: int) -> int:
    count = operator.index(number)
    if count < 0:
        raise ValueError(f"A number of threads must be 0 or more; got {count}.")
    return count


class PhysicalDevice(NamedTuple):
    """A device; there is one, the CPU."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Lists the devices that compute.

    Args:
      device_type: `"CPU"`, `"GPU"` or another kind; None for all.

    >>> list_physical_devices("GPU")
    []
    >>> list_physical_devices()[0].device_type
    'CPU'

    Source: `tf.config.list_physical_devices`.
    """
    cpu = PhysicalDevice("/physical_device:CPU:0", "CPU")
    return [cpu] if device_type in (None, cpu.device_type) else []


class LogicalDevice(NamedTuple):
    """A device as ops name it."""

    name: str
    device_type: str


def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """Lists the devices that ops can be put on: the one CPU.

    Source: `tf.config.list_logical_devices`.
    """
    cpu = LogicalDevice("/device:CPU:0", "CPU")
    return [cpu] if device_type in (None, cpu.device_type) else []


def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Lists the devices that this process uses.

    Source: `tf.config.get_visible_devices`.
    """
    return list_physical_devices(device_type)


def set_visible_devices(devices: object, device_type: str | None = None) -> None:
    """Accepts to hide GPUs.

    Raises:
      ValueError: The CPU, which everything runs on, is to be hidden.

    Source: `tf.config.set_visible_devices`.
    """
    if device_type == "CPU" and not devices:
        raise ValueError("set_visible_devices: the CPU cannot be hidden.")


def set_soft_device_placement(enabled: bool) -> None:
    """Accepted: every op runs on the CPU.

    Source: `tf.config.set_soft_device_placement`.
    """


def get_soft_device_placement() -> bool:
    """Returns True.

    Source: `tf.config.get_soft_device_placement`.
    """
    return True


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Chooses whether a `tf.function` is called as the Python function it is.

    Source: `tf.config.run_functions_eagerly`.
    """
    settings.functions_run_eagerly = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    """Returns what `run_functions_eagerly` chose.

    Source: `tf.config.functions_run_eagerly`.
    """
    return settings.functions_run_eagerly


experimental_run_functions_eagerly = run_functions_eagerly


class LogicalDeviceConfiguration(NamedTuple):
    """How a device is divided; accepted.

    Source: `tf.config.LogicalDeviceConfiguration`.
    """

    memory_limit: int | None = None
    experimental_priority: int | None = None
    experimental_device_ordinal: int | None = None


def set_logical_device_configuration(device: object, logical_devices: object) -> None:
    """Accepted: there is one CPU, and it is not divided.

    Source: `tf.config.set_logical_device_configuration`.
    """


class experimental:
    """`tf.config.experimental`: options of devices, accepted.

    Source: `tf.config.experimental`.
    """

    VirtualDeviceConfiguration = LogicalDeviceConfiguration
    list_physical_devices = staticmethod(list_physical_devices)
    list_logical_devices = staticmethod(list_logical_devices)
    get_visible_devices = staticmethod(get_visible_devices)
    set_visible_devices = staticmethod(set_visible_devices)
    set_virtual_device_configuration = staticmethod(set_logical_device_configuration)

    @staticmethod
    def set_memory_growth(device: object, enable: bool) -> None:
        """Accepted: memory is taken as plans need it."""

    @staticmethod
    def get_memory_growth(device: object) -> bool:
        """Returns True."""
        return True

    @staticmethod
    def enable_tensor_float_32_execution(enabled: bool) -> None:
        """Accepted: float32 is computed in float32."""

    @staticmethod
    def tensor_float_32_execution_enabled() -> bool:
        """Returns False."""
        return False


class optimizer:
    """`tf.config.optimizer`: options of TensorFlow's graph optimizer, kept.

    Source: `tf.config.optimizer`.
    """

    _options: dict[str, object] = {}

    @staticmethod
    def set_jit(enabled: object) -> None:
        """Accepted: every step is compiled."""

    @staticmethod
    def get_jit() -> str:
        """Returns `"autoclustering"`."""
        return "autoclustering"

    @classmethod
    def set_experimental_options(cls, options: dict[str, object]) -> None:
        """Keeps options."""
        cls._options.update(options)

    @classmethod
    def get_experimental_options(cls) -> dict[str, object]:
        """Returns the options that were set."""
        return dict(cls._options)
