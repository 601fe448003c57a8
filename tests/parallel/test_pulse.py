"""Machines that say nothing any more are noticed, by every MPI, and those that do are not.

Each rank takes itself for a machine of its own here, so that nothing but the pulse tells the
others of it. `tools/soak_failures.py` pulls cables.
"""

from __future__ import annotations

import pytest

from tests.parallel.ranks import run_ranks

APART = """
import os, time
import numpy as np
from mpi4py import MPI
from graphopt.codegen.communication import channel_words as word
from graphopt.errors import UnavailableError
from graphopt.parallel.communicator import Communicator
from graphopt.parallel.mpi import load_mpi

load_mpi()

class Apart(MPI.Intracomm):
    def Split_type(self, *_):
        return MPI.COMM_SELF.Dup()

ranks = Communicator(Apart(MPI.COMM_WORLD))
assert not ranks.channel.is_flat and ranks.channel.has_pulse
assert ranks.all_reduce(np.ones(3))[0] == ranks.size
"""

STOPS = """
if ranks.rank == 1:
    # What a cut cable does: nothing comes from here any more. Launchers do not always
    # get over a rank that was stopped.
    ranks.watch.stop()
    ranks.channel.stop()
    time.sleep(6.0)
    os._exit(1)
began = time.monotonic()
try:
    ranks.barrier()
except UnavailableError as error:
    report([str(error), time.monotonic() - began])
"""

LIVES = """
if ranks.rank == 1:
    # Nothing else of Python runs meanwhile: regular expressions keep the interpreter.
    import re
    length, took = 20, 0.0
    while took < 3.0:
        began = time.monotonic()
        re.match("(a+)+$", "a" * length + "b")
        length, took = length + 1, time.monotonic() - began
ranks.barrier()
report([int(ranks.channel.words[word.HEARD]), dict(ranks.watch.gone)])
"""


@pytest.mark.parametrize("size", [2, 3])
def test_a_machine_that_says_nothing_is_named(size):
    found = run_ranks(size, APART + STOPS, expect=None)
    assert found[1] is None
    for rank in {*range(size)} - {1}:
        error, _ = found[rank]
        assert "rank 1 does not answer for 2." in error
        assert "its machine is gone, or its cable is cut" in error


def test_a_machine_that_only_computes_is_not_missed():
    for heard, gone in run_ranks(3, APART + LIVES):
        assert heard > 8
        assert not gone
