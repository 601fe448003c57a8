"""Ranks that do not share memory: what they exchange goes through the MPI library.

One machine is enough for that: each rank takes itself for a machine of its own.
"""

from __future__ import annotations

import pytest

from tests.parallel.ranks import run_ranks
from tests.parallel.test_parts import TRAINING

ALONE = """
from graphopt.codegen.communication import channel_words

channel_words.MOST_LOCAL_RANKS = 0
"""

EXCHANGE = """
import hashlib
import numpy as np
from graphopt.parallel.communicator import world

group = world()
rank, size = group.rank, group.size
assert not group.channel.is_flat and group.sends_parts
rng = np.random.default_rng(5)
results = []
functions = {"sum": np.add, "min": np.minimum, "max": np.maximum, "prod": np.multiply}
for dtype in ("float32", "float64", "int32", "int64"):
    for count in (1, 7, 1023, 70001, 700001):
        values = (rng.standard_normal((size, count)) * 50).astype(dtype)
        for name, function in functions.items():
            if name == "prod" and count > 7:
                continue
            found = group.all_reduce(values[rank], name)
            expected = function.reduce(values)
            if name in ("min", "max") or dtype.startswith("int"):
                assert (found == expected).all(), (dtype, count, name)
            else:
                scale = np.abs(values).max() ** (size if name == "prod" else 1)
                assert np.allclose(found, expected, rtol=1e-5, atol=1e-6 * scale * size)
            results.append(found.tobytes())
        assert (group.all_gather(values[rank]) == values.reshape(-1)).all()
        many = (rng.integers(-50, 50, (size, size * count))).astype(dtype)
        own = slice(rank * count, (rank + 1) * count)
        assert (group.reduce_scatter(many[rank]) == many.sum(0)[own]).all()
        for root in range(size):
            assert (group.broadcast(values[rank], root) == values[root]).all()
report(hashlib.sha256(b"".join(results)).hexdigest())
"""


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_machines_exchange_what_numpy_computes_and_have_the_same_bits(ranks):
    found = run_ranks(ranks, ALONE + EXCHANGE)
    assert len(set(found)) == 1


def test_fit_on_two_machines_gives_the_weights_of_two_ranks_on_one():
    text = TRAINING.replace("**OPTIONS", "")
    found = [*run_ranks(2, text), *run_ranks(2, ALONE + text)]
    assert len({each for rank in found for each in rank}) == 1


@pytest.mark.parametrize("machines", [2, 4])
def test_every_number_of_machines_gives_the_same_bits(machines):
    text = TRAINING.replace("**OPTIONS", "shards=4")
    found = [*run_ranks(1, text), *run_ranks(machines, ALONE + text)]
    assert len({each for rank in found for each in rank}) == 1


WAITING = """
import time
import numpy as np
from graphopt.parallel.communicator import world

group = world()
group.barrier()
if group.rank:
    time.sleep(3.0)
begin = time.process_time()
total = group.all_reduce(np.ones(1 << 20, np.float32))
assert (total == 2.0).all()
report(time.process_time() - begin)
"""


def test_who_waits_for_another_machine_leaves_the_processor_to_others():
    first, _ = run_ranks(2, ALONE + WAITING)
    # Of three seconds in which a call of the library would look without a pause.
    assert first < 1.2
