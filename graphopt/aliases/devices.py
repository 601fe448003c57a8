"""`device_lib` and `timeline`: what programs ask about the machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Device:
    """A device of this process, as TensorFlow describes one.

    Attributes:
      name: As it stands in `with tf.device(...)`.
      device_type: Always `"CPU"`.
      memory_limit: Bytes; 0, for there is no limit of its own.
    """

    name: str = "/device:CPU:0"
    device_type: str = "CPU"
    memory_limit: int = 0
    physical_device_desc: str = ""


def list_local_devices(session_config: Any = None) -> list[Device]:
    """Returns the devices of this process: the one CPU."""
    return [Device()]


class Timeline:
    """The times of a run that was made with `RunOptions.FULL_TRACE`.

    Args:
      step_stats: `run_metadata.step_stats`.
      graph: Accepted for compatibility.
    """

    def __init__(self, step_stats: Any, graph: Any = None) -> None:
        self._step_stats = step_stats

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False
    ) -> str:
        """Returns the text of a Chrome trace."""
        events = []
        for device in self._step_stats.dev_stats:
            for node in device.node_stats:
                events.append(
                    {
                        "name": node.node_name,
                        "ph": "X",
                        "pid": 0,
                        "tid": 0,
                        "ts": node.all_start_micros,
                        "dur": node.all_end_rel_micros,
                    }
                )
        return json.dumps({"traceEvents": events})
