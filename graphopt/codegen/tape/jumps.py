"""The instructions that send the tape to another position: branches, loops, repetitions.

A status of JUMP is no error: the tape goes on at the position that the index word names,
so branches and loops cost nothing where there are none. PAUSE ends the call in front of
another round of a loop; whoever called goes on from there after Python has looked for
signals, so that a loop which never ends can be interrupted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from graphopt.codegen.kernel import KernelTemplate
from graphopt.graph.status import Status, StatusWord
from graphopt.schedule.steps import Jumps, KernelRequest

_GO: Final = f"""\
status[{StatusWord.INDEX:d}] = label
status[{StatusWord.CODE:d}] = {{code}}
"""
_STATUS: Final = "status: address int64, label"
_FRAME: Final = "count: input int64, stack: address int64, value: input uint8, frame_size, offset, size"
_FIND_FRAME: Final = """
    frame = pointer_uint8(stack[0] + count[0] * frame_size + offset)
    for i in range(size):
"""
# Each with its parameters and its lines. A stack is two words: where it begins and how many
# frames it has room for.
_TEXTS: Final = {
    "unless": (
        f"condition: input uint8, {_STATUS}",
        """
    if condition[0] == 0:
        {go}
""",
    ),
    "limited": (
        f"condition: input uint8, count: input int64, limit, {_STATUS}",
        """
    if condition[0] != 0 and count[0] < limit:
        count[0] = count[0] + 1
    else:
        {go}
""",
    ),
    "reset": ("count: input int64", "    count[0] = 0\n"),
    "bump": ("count: input int64", "    count[0] = count[0] + 1\n"),
    "always": (
        _STATUS,
        """
    if lo < hi:
        {go}
""",
    ),
    "again": (
        f"budget: address int64, {_STATUS}",
        f"""
    budget[0] = budget[0] - 1
    status[{StatusWord.INDEX:d}] = label
    if budget[0] > 0:
        status[{StatusWord.CODE:d}] = {Status.JUMP:d}
    else:
        status[{StatusWord.CODE:d}] = {Status.PAUSE:d}
""",
    ),
    "reserve": (
        f"count: input int64, stack: address int64, number, {_STATUS}",
        f"""
    if count[0] >= stack[1]:
        status[{StatusWord.VALUE:d}] = number
        {{go}}
""",
    ),
    "pop": (
        f"count: input int64, {_STATUS}",
        """
    if count[0] > 0:
        count[0] = count[0] - 1
    else:
        {go}
""",
    ),
    "push": (_FRAME, _FIND_FRAME + "        frame[i] = value[i]\n"),
    "load": (_FRAME, _FIND_FRAME + "        value[i] = frame[i]\n"),
}
# One step is done. Each of the words that follow, an address and a distance, is moved on,
# so that every step reads its own row of an array.
_REPEAT: Final = KernelTemplate(
    "repeat",
    "done, wanted, status: address int64, count, moved: words",
    """
    args[0] = done + 1
    if done + 1 < wanted:
        for i in range(count):
            word = pointer_int64(moved[2 * i])
            word[0] = word[0] + moved[2 * i + 1]
        label = 0
        {go}
""",
)


@functools.cache
def declare_jumps(copy: Callable[[Any], Any]) -> Jumps:
    """Returns the kernels of branches and loops.

    Args:
      copy: Returns the calls that copy what is like a tensor.
    """
    kernels = {
        name: KernelTemplate("jump", parameters, body).fill(
            go=_GO, code=int(Status.GROW if name == "reserve" else Status.JUMP)
        )
        for name, (parameters, body) in _TEXTS.items()
    }
    return Jumps(**kernels, copy=copy)


def request_repetition() -> KernelRequest:
    """Returns the kernel that sends the tape back to its beginning, for another step."""
    return _REPEAT.fill(go=_GO, code=int(Status.JUMP)).request
