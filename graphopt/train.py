"""`tf.train`: checkpoints, and moving averages."""

from typing import TYPE_CHECKING, Any

from graphopt.checkpoint import Checkpoint as Checkpoint
from graphopt.checkpoint import CheckpointManager as CheckpointManager
from graphopt.checkpoint import checkpoint_exists as checkpoint_exists
from graphopt.checkpoint import get_checkpoint_state as get_checkpoint_state
from graphopt.checkpoint import latest_checkpoint as latest_checkpoint
from graphopt.checkpoint import list_variables as list_variables
from graphopt.checkpoint import load_checkpoint as load_checkpoint
from graphopt.checkpoint import load_variable as load_variable
from graphopt.compat.v1.train.cluster import ClusterSpec as ClusterSpec
from graphopt.compat.v1.train.coordinator import Coordinator as Coordinator
from graphopt.compat.v1.train.moving_averages import (
    ExponentialMovingAverage as ExponentialMovingAverage,
)
from graphopt.compat.v1.train.tools import checkpoints_iterator as checkpoints_iterator
from graphopt.files import messages as _messages

if TYPE_CHECKING:
    from graphopt.files.messages import BytesList as BytesList
    from graphopt.files.messages import Example as Example
    from graphopt.files.messages import Feature as Feature
    from graphopt.files.messages import FeatureList as FeatureList
    from graphopt.files.messages import FeatureLists as FeatureLists
    from graphopt.files.messages import Features as Features
    from graphopt.files.messages import FloatList as FloatList
    from graphopt.files.messages import Int64List as Int64List
    from graphopt.files.messages import SequenceExample as SequenceExample


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _messages.EXAMPLES:
            return getattr(_messages, name)
        raise AttributeError(f"module 'tf.train' has no attribute {name!r}")


def __dir__() -> list[str]:
    here = (n for n in globals() if not n.startswith("_"))
    return sorted({*here, *_messages.EXAMPLES} - {"Any"})
