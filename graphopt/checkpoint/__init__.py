"""Saving and restoring: `tf.train.Checkpoint`, `tf.compat.v1.train.Saver`.

A checkpoint is one safetensors file: names, shapes and dtypes in a header, then plain
numbers. Pickle and HDF5 were left out because to open such a file can be to run what is
in it; TensorFlow's own format takes three files, which a crash can leave from two
different saves.

The way of the data: objects or names -> variables (`trackable.py`, `saver.py`) -> the
content of a file, packed under the lock that steps hold, so that it is of one moment
(`values.py`, `tensors.py`) -> a file that is there as a whole or not at all (`files.py`)
-> a line in the folder's state file (`state_file.py`), and only then older files are
removed (`kept.py`). And back: everything is read, compared with the file's real size
and its checksums, and with the shape and dtype of the variable that it is for, before
the first variable changes; what has no variable yet waits for it (`restoring.py`).

Saving 128 MiB holds steps up for 0.2 s, the time of one copy with its checksum, and then
waits 0.5 s for the disk while they run on; reading them again takes 0.1 s. In place of
the second copy in memory a file could be written piece by piece under the lock: steps
would wait for the disk.
"""

from graphopt.checkpoint.files import checkpoint_exists as checkpoint_exists
from graphopt.checkpoint.files import remove_checkpoint as remove_checkpoint
from graphopt.checkpoint.manager import CheckpointManager as CheckpointManager
from graphopt.checkpoint.objects import Checkpoint as Checkpoint
from graphopt.checkpoint.reader import CheckpointReader as CheckpointReader
from graphopt.checkpoint.reader import list_variables as list_variables
from graphopt.checkpoint.reader import load_checkpoint as load_checkpoint
from graphopt.checkpoint.reader import load_variable as load_variable
from graphopt.checkpoint.saver import Saver as Saver
from graphopt.checkpoint.state_file import CheckpointState as CheckpointState
from graphopt.checkpoint.state_file import get_checkpoint_state as get_checkpoint_state
from graphopt.checkpoint.state_file import latest_checkpoint as latest_checkpoint
from graphopt.checkpoint.state_file import (
    update_checkpoint_state as update_checkpoint_state,
)
