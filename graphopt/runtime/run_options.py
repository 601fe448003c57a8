"""`RunOptions` and `RunMetadata`: TensorFlow 1's way to ask where the time of a run goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from graphopt.runtime.profile import Profile

DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


@dataclass
class RunOptions:
    """What a run does besides running.

    Args:
      trace_level: `FULL_TRACE` times each step; everything else does not.
      timeout_in_ms: Must be 0: a run is not ended from outside.
      output_partition_graphs: Accepted and ignored.
      report_tensor_allocations_upon_oom: Accepted and ignored.

    Source: `tf.compat.v1.RunOptions`.
    """

    NO_TRACE: ClassVar[int] = 0
    SOFTWARE_TRACE: ClassVar[int] = 1
    HARDWARE_TRACE: ClassVar[int] = 2
    FULL_TRACE: ClassVar[int] = 3

    trace_level: int = 0
    timeout_in_ms: int = 0
    output_partition_graphs: bool = False
    report_tensor_allocations_upon_oom: bool = False
    inter_op_thread_pool: int = 0
    experimental: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.timeout_in_ms:
            raise NotImplementedError(
                "RunOptions(timeout_in_ms=...): runs have no time limit; Ctrl-C ends one."
            )


@dataclass
class NodeStats:
    """What one step took, under the names of TensorFlow's protocol buffer."""

    node_name: str
    all_start_micros: int
    op_end_rel_micros: int
    all_end_rel_micros: int
    op_end_rel_nanos: int
    timeline_label: str
    thread_id: int = 0


@dataclass
class DeviceStats:
    """The steps on a device: the CPU is the only one."""

    device: str
    node_stats: list[NodeStats]


@dataclass
class StepStats:
    """The steps of a run."""

    dev_stats: list[DeviceStats] = field(default_factory=list)


@dataclass
class RunMetadata:
    """Takes what a run with `FULL_TRACE` measured.

    Attributes:
      profile: The `Profile` of one run, None before.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    >>> metadata = v1.RunMetadata()
    >>> with tf.Graph().as_default(), v1.Session() as session:
    ...     y = tf.exp(tf.ones([3]) * v1.placeholder(tf.float32, [3]), name="y")
    ...     x = y.graph.get_tensor_by_name("Placeholder:0")
    ...     _ = session.run(y, {x: [1, 2, 3]}, options, metadata)
    >>> [stats.node_name for stats in metadata.step_stats.dev_stats[0].node_stats]
    ['y']

    Source: `tf.compat.v1.RunMetadata`.
    """

    profile: Profile | None = None

    @property
    def step_stats(self) -> StepStats:
        """The steps as TensorFlow's `step_stats` has them; without a trace, none."""
        if self.profile is None:
            return StepStats()
        stats = []
        for event in self.profile.events:
            step = self.profile.steps[event.step]
            micros = int(event.seconds * 1e6)
            stats.append(
                NodeStats(
                    step.name,
                    int(event.start * 1e6),
                    micros,
                    micros,
                    int(event.seconds * 1e9),
                    f"{step.name} = {step.type}({', '.join(step.ops)})",
                )
            )
        return StepStats([DeviceStats(DEVICE, stats)])


def is_traced(options: Any, metadata: Any) -> bool:
    """Returns whether a run is to be timed.

    Raises:
      TypeError: One of the two is something else, as TensorFlow says.
      ValueError: There is nowhere to write the times.
    """
    if options is not None and not isinstance(options, RunOptions):
        raise TypeError(
            f"options must be a RunOptions; got {type(options).__name__}. Try "
            "tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)."
        )
    if metadata is not None and not isinstance(metadata, RunMetadata):
        raise TypeError(
            f"run_metadata must be a RunMetadata; got {type(metadata).__name__}. Try "
            "tf.compat.v1.RunMetadata()."
        )
    wanted = options is not None and options.trace_level == RunOptions.FULL_TRACE
    if wanted and metadata is None:
        raise ValueError(
            "A run with FULL_TRACE needs a place for the times; give run_metadata="
            "tf.compat.v1.RunMetadata()."
        )
    return wanted
