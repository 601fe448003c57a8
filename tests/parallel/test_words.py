"""What ranks are told beside their steps: who writes a file, and interrupts."""

from __future__ import annotations

from tests.parallel.ranks import run_ranks

FILES = """
import sys
import graphopt as tf
from graphopt.parallel.communicator import world
from graphopt.parallel.ranks import write_once

tf.distribute.MultiWorkerMirroredStrategy()
ranks, wrote = world(), []

def write(name):
    write_once(sys.argv[1] + "/" + name, lambda: wrote.append(name))

if ranks.rank == 0:
    write("alone")
ranks.barrier()
write("all")
ranks.barrier()
write(f"own of {ranks.rank}")
report(wrote)
"""

LEAVES = """
import graphopt as tf
from graphopt.parallel.communicator import world
from graphopt.parallel.ranks import write_once

tf.distribute.MultiWorkerMirroredStrategy()
ranks = world()
write_once("first", lambda: None)
if ranks.rank:
    try:
        write_once("second", lambda: None)
    except tf.errors.UnavailableError as error:
        report(str(error))
else:
    report("done")
"""


def test_files_that_rank_0_writes_alone_do_not_stand_for_those_of_all(tmp_path):
    found = run_ranks(3, FILES, tmp_path)
    assert found == [["alone", "all", "own of 0"], ["own of 1"], ["own of 2"]]


def test_a_file_of_a_rank_that_leaves_right_behind_it_is_told():
    # Who leaves is heard of by another way than its last word: again and again.
    for _ in range(5):
        first, *others = run_ranks(4, LEAVES, expect=None)
        assert first == "done"
        for error in others:
            assert "What rank 0 was to tell failed" in error
            assert "rank 0 left the program" in error


CAUGHT = """
import signal, time
from graphopt.parallel.communicator import world

ranks = world()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    pass
# Long enough for the thread that watches to have heard of it.
time.sleep(0.3)
if ranks.rank == 1:
    time.sleep(1.0)
ranks.barrier()
report("done")
"""


def test_an_interrupt_that_was_caught_ends_no_later_exchange():
    assert run_ranks(2, CAUGHT) == ["done", "done"]
