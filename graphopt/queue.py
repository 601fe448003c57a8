"""`tf.queue`: queues that threads fill beside a training loop."""

from graphopt.data.queues import FIFOQueue as FIFOQueue
from graphopt.data.queues import PaddingFIFOQueue as PaddingFIFOQueue
from graphopt.data.queues import PriorityQueue as PriorityQueue
from graphopt.data.queues import QueueBase as QueueBase
from graphopt.data.queues import RandomShuffleQueue as RandomShuffleQueue

__all__ = [
    "FIFOQueue",
    "PaddingFIFOQueue",
    "PriorityQueue",
    "QueueBase",
    "RandomShuffleQueue",
]
