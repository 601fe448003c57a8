"""A rank that fails in any way is named soon, and nobody waits for it for ever.

`tools/soak_failures.py` does this many times, with cut cables and dead machines too.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest

from tests.parallel.failures import LOCAL_KINDS, Outcome, run_training
from tests.parallel.launching import needs_mpi

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def launcher():
    return needs_mpi()


@functools.cache
def undisturbed(ranks: int = 2) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run_training("nothing", ranks, folder=Path(folder))


def test_nothing_happens_without_a_failure():
    found = undisturbed()
    assert found.code == 0, found.lines
    assert sorted(found.saved) == [5, 10, 15, 20, 25, 30]
    assert all(len(hashes) == 1 for hashes in found.saved.values())
    assert len(found.ends) == 2 and len(set(found.ends)) == 1
    assert not found.damaged


@pytest.mark.parametrize("how", LOCAL_KINDS)
def test_a_failure_is_told(how, tmp_path):
    found = run_training(how, 2, folder=tmp_path, undisturbed=undisturbed())
    assert not found.faults(undisturbed()), "\n".join(found.lines)


@pytest.mark.parametrize("how", ["raise", "kill"])
def test_a_restart_ends_as_if_nothing_had_happened(how, tmp_path):
    found = run_training(
        how, 2, "--restarts", "1", folder=tmp_path, undisturbed=undisturbed()
    )
    faults = found.faults(undisturbed(), restarted=True)
    assert not faults, "\n".join(found.lines)
    assert any("starting again" in line for line in found.lines)
