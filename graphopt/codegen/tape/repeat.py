"""The instruction that sends the tape back to its beginning, for several steps a call."""

from __future__ import annotations

from graphopt.graph.status import Status, StatusWord
from graphopt.schedule.steps import KernelRequest

# The words are: steps done, steps wanted, the address of the status words, the number of
# words to move on, and for each of those its address and what to add to it, so that every
# step is fed its own row of an array. A status of JUMP is no error: the tape goes on at
# the position that the index word names.
_REPEAT = """def kernel(args, lo, hi):
    args[0] = args[0] + 1
    if args[0] < args[1]:
        for i in range(args[3]):
            word = pointer_int64(args[4 + 2 * i])
            word[0] = word[0] + args[5 + 2 * i]
        status = pointer_int64(args[2])
        status[{index}] = 0
        status[{code}] = {jump}
"""


def repeat_request() -> KernelRequest:
    """Returns the request for the kernel of the instruction."""
    words = {"index": StatusWord.INDEX, "code": StatusWord.CODE}
    source = _REPEAT.format(jump=Status.JUMP, **words)
    return KernelRequest("repeat", source)
