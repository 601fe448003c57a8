"""Several kernels at once: one thread writes them, another one compiles them."""

from __future__ import annotations

import sys
import threading

import pytest

from graphopt.codegen import kernels
from graphopt.codegen.cache import kernels as cache
from graphopt.schedule.steps import KernelRequest

GOOD = """def kernel(args, lo, hi):
    args[0] = {number}
"""
# With a step of 0 it would never end: code that could raise an exception.
REFUSED = """def kernel(args, lo, hi):
    for i in range(lo, hi, args[0] + {number}):
        args[1] += i
"""
UNREADABLE = """def kernel(args, lo, hi):
    args[0] = no_such_name_{number}
"""


def requests(*texts: tuple[str, int]) -> list[KernelRequest]:
    return [KernelRequest("test", text.format(number=n)) for text, n in texts]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setattr(cache, "_is_on", lambda: False)


def test_all_are_made_and_nothing_is_left_running():
    wanted = requests(*((GOOD, n) for n in range(5)))
    interval, before = sys.getswitchinterval(), threading.active_count()
    compiled = kernels.record.kernels
    kernels.make_kernels([*wanted, *wanted])
    assert kernels.record.kernels == compiled + 5
    assert len({kernels.get_kernel(each).address for each in wanted}) == 5
    assert kernels.record.kernels == compiled + 5
    assert sys.getswitchinterval() == interval
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("text", "error"), [(REFUSED, ValueError), (UNREADABLE, Exception)]
)
@pytest.mark.parametrize("in_main", [True, False])
def test_one_that_cannot_be_made_is_an_error_and_the_others_stay(text, error, in_main):
    number = 10 + 2 * in_main + (text is REFUSED)
    first, wrong, last = requests((GOOD, number), (text, number), (GOOD, -number))
    caught = []

    def make():
        with pytest.raises(error) as raised:
            kernels.make_kernels([first, wrong, last])
        caught.append(raised.value)

    if in_main:
        make()
    else:
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
    assert len(caught) == 1
    assert first.key in kernels._kernels
    assert wrong.key not in kernels._kernels
    # What has failed is tried again, and does not stand in the way of anything.
    with pytest.raises(error):
        kernels.get_kernel(wrong)
    assert kernels.get_kernel(last).address


def test_those_who_do_not_wait_leave_what_was_not_begun(monkeypatch):
    wanted = requests(*((GOOD, 100 + n) for n in range(4)))
    begun, go_on = threading.Event(), threading.Event()
    write = kernels._translate

    def slow(request):
        begun.set()
        assert go_on.wait(60)
        return write(request)

    class Impatient(threading.Thread):
        def join(self, timeout=None):
            if self.name == "graphopt-compile":
                assert begun.wait(60)
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(kernels, "_translate", slow)
    monkeypatch.setattr(kernels.threading, "Thread", Impatient)
    with pytest.raises(KeyboardInterrupt):
        kernels.make_kernels(wanted)
    monkeypatch.undo()
    go_on.set()
    # Waits for the one that was begun.
    assert kernels.get_kernel(wanted[0]).address
    assert wanted[3].key not in kernels._kernels
    assert kernels.get_kernel(wanted[3]).address
