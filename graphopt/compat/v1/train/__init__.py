"""`tf.compat.v1.train`: the training tools of TensorFlow 1.

TensorFlow 1's optimizers are not older names of the `tf.keras` ones: equations, starting
values, epsilons and defaults differ, and what differs by a hair trains differently. So
each has its own class here, with its equation written once, in one file, in the form in
which it reaches the compiler: `update(w, g, slots, scalars)` on tensors. `optimizer.py`
has all that is not the equation; how an equation meets rows and constraints is shared
with `graphopt.keras.optimizers`. Scripts that come with checkpoints find slots under the
names that they know (`w/Adam_1`, `beta1_power`).

The alternative, one class with a switch for the generation, was left out: two of ten
equations could have used it.
"""

from typing import TYPE_CHECKING, Any

from graphopt.checkpoint import Checkpoint as Checkpoint
from graphopt.checkpoint import CheckpointManager as CheckpointManager
from graphopt.checkpoint import Saver as Saver
from graphopt.checkpoint import checkpoint_exists as checkpoint_exists
from graphopt.checkpoint import get_checkpoint_state as get_checkpoint_state
from graphopt.checkpoint import latest_checkpoint as latest_checkpoint
from graphopt.checkpoint import list_variables as list_variables
from graphopt.checkpoint import load_checkpoint as load_checkpoint
from graphopt.checkpoint import load_variable as load_variable
from graphopt.checkpoint import remove_checkpoint as remove_checkpoint
from graphopt.checkpoint import update_checkpoint_state as update_checkpoint_state
from graphopt.compat.v1.train.adadelta import AdadeltaOptimizer as AdadeltaOptimizer
from graphopt.compat.v1.train.adagrad import AdagradOptimizer as AdagradOptimizer
from graphopt.compat.v1.train.adagrad_da import AdagradDAOptimizer as AdagradDAOptimizer
from graphopt.compat.v1.train.adam import AdamOptimizer as AdamOptimizer
from graphopt.compat.v1.train.cluster import ClusterSpec as ClusterSpec
from graphopt.compat.v1.train.cluster import Server as Server
from graphopt.compat.v1.train.cluster import (
    replica_device_setter as replica_device_setter,
)
from graphopt.compat.v1.train.coordinator import Coordinator as Coordinator
from graphopt.compat.v1.train.coordinator import LooperThread as LooperThread
from graphopt.compat.v1.train.cosine_decays import cosine_decay as cosine_decay
from graphopt.compat.v1.train.cosine_decays import (
    cosine_decay_restarts as cosine_decay_restarts,
)
from graphopt.compat.v1.train.cosine_decays import (
    linear_cosine_decay as linear_cosine_decay,
)
from graphopt.compat.v1.train.cosine_decays import (
    noisy_linear_cosine_decay as noisy_linear_cosine_decay,
)
from graphopt.compat.v1.train.decays import exponential_decay as exponential_decay
from graphopt.compat.v1.train.decays import inverse_time_decay as inverse_time_decay
from graphopt.compat.v1.train.decays import natural_exp_decay as natural_exp_decay
from graphopt.compat.v1.train.decays import piecewise_constant as piecewise_constant
from graphopt.compat.v1.train.decays import (
    piecewise_constant_decay as piecewise_constant_decay,
)
from graphopt.compat.v1.train.decays import polynomial_decay as polynomial_decay
from graphopt.compat.v1.train.ftrl import FtrlOptimizer as FtrlOptimizer
from graphopt.compat.v1.train.gradient_descent import (
    GradientDescentOptimizer as GradientDescentOptimizer,
)
from graphopt.compat.v1.train.momentum import MomentumOptimizer as MomentumOptimizer
from graphopt.compat.v1.train.monitored_session import (
    ChiefSessionCreator as ChiefSessionCreator,
)
from graphopt.compat.v1.train.monitored_session import (
    MonitoredSession as MonitoredSession,
)
from graphopt.compat.v1.train.monitored_session import (
    MonitoredTrainingSession as MonitoredTrainingSession,
)
from graphopt.compat.v1.train.monitored_session import Scaffold as Scaffold
from graphopt.compat.v1.train.monitored_session import SessionCreator as SessionCreator
from graphopt.compat.v1.train.monitored_session import (
    SingularMonitoredSession as SingularMonitoredSession,
)
from graphopt.compat.v1.train.monitored_session import (
    WorkerSessionCreator as WorkerSessionCreator,
)
from graphopt.compat.v1.train.moving_averages import (
    ExponentialMovingAverage as ExponentialMovingAverage,
)
from graphopt.compat.v1.train.optimizer import Optimizer as Optimizer
from graphopt.compat.v1.train.proximal_adagrad import (
    ProximalAdagradOptimizer as ProximalAdagradOptimizer,
)
from graphopt.compat.v1.train.proximal_gradient_descent import (
    ProximalGradientDescentOptimizer as ProximalGradientDescentOptimizer,
)
from graphopt.compat.v1.train.queue_runner import QueueRunner as QueueRunner
from graphopt.compat.v1.train.queue_runner import add_queue_runner as add_queue_runner
from graphopt.compat.v1.train.queue_runner import (
    start_queue_runners as start_queue_runners,
)
from graphopt.compat.v1.train.rmsprop import RMSPropOptimizer as RMSPropOptimizer
from graphopt.compat.v1.train.session_hooks import (
    CheckpointSaverHook as CheckpointSaverHook,
)
from graphopt.compat.v1.train.session_hooks import (
    CheckpointSaverListener as CheckpointSaverListener,
)
from graphopt.compat.v1.train.session_hooks import FeedFnHook as FeedFnHook
from graphopt.compat.v1.train.session_hooks import FinalOpsHook as FinalOpsHook
from graphopt.compat.v1.train.session_hooks import (
    GlobalStepWaiterHook as GlobalStepWaiterHook,
)
from graphopt.compat.v1.train.session_hooks import (
    LoggingTensorHook as LoggingTensorHook,
)
from graphopt.compat.v1.train.session_hooks import (
    NanLossDuringTrainingError as NanLossDuringTrainingError,
)
from graphopt.compat.v1.train.session_hooks import NanTensorHook as NanTensorHook
from graphopt.compat.v1.train.session_hooks import (
    SecondOrStepTimer as SecondOrStepTimer,
)
from graphopt.compat.v1.train.session_hooks import SessionRunArgs as SessionRunArgs
from graphopt.compat.v1.train.session_hooks import (
    SessionRunContext as SessionRunContext,
)
from graphopt.compat.v1.train.session_hooks import SessionRunHook as SessionRunHook
from graphopt.compat.v1.train.session_hooks import SessionRunValues as SessionRunValues
from graphopt.compat.v1.train.session_hooks import StepCounterHook as StepCounterHook
from graphopt.compat.v1.train.session_hooks import StopAtStepHook as StopAtStepHook
from graphopt.compat.v1.train.session_hooks import SummarySaverHook as SummarySaverHook
from graphopt.compat.v1.train.steps import assert_global_step as assert_global_step
from graphopt.compat.v1.train.steps import create_global_step as create_global_step
from graphopt.compat.v1.train.steps import get_global_step as get_global_step
from graphopt.compat.v1.train.steps import (
    get_or_create_global_step as get_or_create_global_step,
)
from graphopt.compat.v1.train.steps import global_step as global_step
from graphopt.compat.v1.train.supervisor import SessionManager as SessionManager
from graphopt.compat.v1.train.supervisor import Supervisor as Supervisor
from graphopt.compat.v1.train.tools import basic_train_loop as basic_train_loop
from graphopt.compat.v1.train.tools import checkpoints_iterator as checkpoints_iterator
from graphopt.files import messages as _messages
from graphopt.files.events import read_events as _read_events
from graphopt.io.records import write_graph as write_graph

if TYPE_CHECKING:
    from graphopt.compat.v1.train.inputs import batch as batch
    from graphopt.compat.v1.train.inputs import batch_join as batch_join
    from graphopt.compat.v1.train.inputs import input_producer as input_producer
    from graphopt.compat.v1.train.inputs import limit_epochs as limit_epochs
    from graphopt.compat.v1.train.inputs import (
        match_filenames_once as match_filenames_once,
    )
    from graphopt.compat.v1.train.inputs import maybe_batch as maybe_batch
    from graphopt.compat.v1.train.inputs import maybe_batch_join as maybe_batch_join
    from graphopt.compat.v1.train.inputs import (
        maybe_shuffle_batch as maybe_shuffle_batch,
    )
    from graphopt.compat.v1.train.inputs import (
        maybe_shuffle_batch_join as maybe_shuffle_batch_join,
    )
    from graphopt.compat.v1.train.inputs import (
        range_input_producer as range_input_producer,
    )
    from graphopt.compat.v1.train.inputs import shuffle_batch as shuffle_batch
    from graphopt.compat.v1.train.inputs import shuffle_batch_join as shuffle_batch_join
    from graphopt.compat.v1.train.inputs import (
        slice_input_producer as slice_input_producer,
    )
    from graphopt.compat.v1.train.inputs import (
        string_input_producer as string_input_producer,
    )
    from graphopt.files.messages import BytesList as BytesList
    from graphopt.files.messages import Example as Example
    from graphopt.files.messages import Feature as Feature
    from graphopt.files.messages import FeatureList as FeatureList
    from graphopt.files.messages import FeatureLists as FeatureLists
    from graphopt.files.messages import Features as Features
    from graphopt.files.messages import FloatList as FloatList
    from graphopt.files.messages import Int64List as Int64List
    from graphopt.files.messages import SequenceExample as SequenceExample

# Input by queues, which is loaded when it is used.
_INPUTS = (
    "batch",
    "batch_join",
    "input_producer",
    "limit_epochs",
    "match_filenames_once",
    "maybe_batch",
    "maybe_batch_join",
    "maybe_shuffle_batch",
    "maybe_shuffle_batch_join",
    "range_input_producer",
    "shuffle_batch",
    "shuffle_batch_join",
    "slice_input_producer",
    "string_input_producer",
)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _messages.EXAMPLES:
            return getattr(_messages, name)
        if name in _INPUTS:
            from graphopt.compat.v1.train import inputs

            return getattr(inputs, name)
        raise AttributeError(f"module 'tf.train' has no attribute {name!r}")


def __dir__() -> list[str]:
    here = (n for n in globals() if not n.startswith("_"))
    return sorted({*here, *_messages.EXAMPLES, *_INPUTS} - {"Any"})


NewCheckpointReader = load_checkpoint
summary_iterator = _read_events
