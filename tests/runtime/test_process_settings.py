"""What belongs to the user's process is as it was when a block ends, however it ends."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.graph.process_settings import frequent_switches, rare_collections

SETTINGS = {
    "collections": (
        rare_collections,
        gc.get_threshold,
        lambda value: gc.set_threshold(*value),
        (701, 11, 9),
    ),
    "switches": (
        frequent_switches,
        sys.getswitchinterval,
        sys.setswitchinterval,
        0.002,
    ),
}


@pytest.fixture(params=SETTINGS)
def setting(request):
    """Returns block, reader, writer and value of a setting, which is restored."""
    block, read, write, value = SETTINGS[request.param]
    before = read()
    write(value)
    yield block, read, write, read()
    write(before)


def test_a_block_changes_a_setting_and_gives_it_back(setting):
    block, read, _, value = setting
    with block():
        assert read() != value
        with block():
            assert read() != value
        assert read() != value
    assert read() == value


def test_an_error_gives_it_back_too(setting):
    block, read, _, value = setting
    with pytest.raises(KeyboardInterrupt), block():
        raise KeyboardInterrupt
    assert read() == value


def test_what_somebody_else_sets_stays(setting):
    block, read, write, _ = setting
    other = (900, 5, 5) if block is rare_collections else 0.003
    with block():
        write(other)
        other = read()
    assert read() == other


def test_blocks_of_threads_that_overlap_give_it_back(setting):
    """The second one begins with what the first has set, and ends after it."""
    block, read, _, value = setting
    both_inside, first_is_out = threading.Barrier(2), threading.Event()

    def first():
        with block():
            both_inside.wait()
        first_is_out.set()

    thread = threading.Thread(target=first)
    thread.start()
    with block():
        both_inside.wait()
        assert first_is_out.wait(10)
        assert read() != value
    thread.join()
    assert read() == value


def test_a_collector_that_is_off_stays_off():
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_compiling_leaves_the_process_as_it_was():
    before = gc.get_threshold(), sys.getswitchinterval()
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float64, [3])
        y = tf.tanh(x) * 1.2345 + 0.5
        with tf.compat.v1.Session() as session:
            session.run(y, {x: np.ones(3)})
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
