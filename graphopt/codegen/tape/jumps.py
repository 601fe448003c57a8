"""The instructions that send the tape to another position: branches and loops.

A status of JUMP is no error: the tape goes on at the position that the index word names,
so branches and loops cost nothing where there are none. PAUSE ends the call in front of
another round of a loop; whoever called goes on from there after Python has looked for
signals, so that a loop which never ends can be interrupted.
"""

from __future__ import annotations

from graphopt.codegen.movement.copies import copy_of
from graphopt.graph.status import Status, StatusWord
from graphopt.schedule.steps import Jumps, KernelRequest

_GO = """        status = pointer_int64(args[{status}])
        status[{index}] = args[{label}]
        status[{code}] = {what}
"""
_UNLESS = """def kernel(args, lo, hi):
    condition = pointer_uint8(args[0])
    if condition[0] == 0:
"""
_LIMITED = """def kernel(args, lo, hi):
    condition = pointer_uint8(args[0])
    count = pointer_int64(args[3])
    if condition[0] != 0 and count[0] < args[4]:
        count[0] = count[0] + 1
    else:
"""
_RESET = """def kernel(args, lo, hi):
    count = pointer_int64(args[0])
    count[0] = 0
"""
_ALWAYS = """def kernel(args, lo, hi):
    if lo < hi:
"""
# A stack is two words: where it begins and how many frames it has room for.
_RESERVE = """def kernel(args, lo, hi):
    count = pointer_int64(args[2])
    stack = pointer_int64(args[3])
    if count[0] >= stack[1]:
        status = pointer_int64(args[0])
        status[{value}] = args[4]
"""
_PUSH = """def kernel(args, lo, hi):
    count = pointer_int64(args[0])
    stack = pointer_int64(args[1])
    source = pointer_uint8(args[2])
    frame = pointer_uint8(stack[0] + count[0] * args[3] + args[4])
    for i in range(args[5]):
        frame[i] = source[i]
"""
_LOAD = """def kernel(args, lo, hi):
    count = pointer_int64(args[0])
    stack = pointer_int64(args[1])
    target = pointer_uint8(args[2])
    frame = pointer_uint8(stack[0] + count[0] * args[3] + args[4])
    for i in range(args[5]):
        target[i] = frame[i]
"""
_BUMP = """def kernel(args, lo, hi):
    count = pointer_int64(args[0])
    count[0] = count[0] + 1
"""
_POP = """def kernel(args, lo, hi):
    count = pointer_int64(args[2])
    if count[0] > 0:
        count[0] = count[0] - 1
    else:
"""
_AGAIN = """def kernel(args, lo, hi):
    budget = pointer_int64(args[2])
    budget[0] = budget[0] - 1
    if budget[0] > 0:
"""


def jump_kernels() -> Jumps:
    """Returns the requests for the kernels of branches and loops."""

    def go(status: int, label: int, what: Status = Status.JUMP) -> str:
        places = {"status": status, "label": label, "what": what}
        return _GO.format(index=StatusWord.INDEX, code=StatusWord.CODE, **places)

    def request(source: str) -> KernelRequest:
        return KernelRequest("jump", source)

    return Jumps(
        unless=request(_UNLESS + go(1, 2)),
        limited=request(_LIMITED + go(1, 2)),
        reset=request(_RESET),
        always=request(_ALWAYS + go(0, 1)),
        again=request(_AGAIN + go(0, 1) + "    else:\n" + go(0, 1, Status.PAUSE)),
        reserve=request(
            _RESERVE.format(value=StatusWord.VALUE) + go(0, 1, Status.GROW)
        ),
        push=request(_PUSH),
        bump=request(_BUMP),
        pop=request(_POP + go(0, 1)),
        load=request(_LOAD),
        copy=copy_of,
    )
