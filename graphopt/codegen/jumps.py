"""The instructions that send the tape to another position: branches and loops.

A status of JUMP is no error: the tape goes on at the position that the index word names,
so branches and loops cost nothing where there are none. PAUSE ends the call in front of
another round of a loop; whoever called goes on from there after Python has looked for
signals, so that a loop which never ends can be interrupted.
"""

from __future__ import annotations

from graphopt.codegen.copies import copy_of
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
_AGAIN = """def kernel(args, lo, hi):
    budget = pointer_int64(args[2])
    budget[0] = budget[0] - 1
    if budget[0] > 0:
"""


def jump_kernels() -> Jumps:
    """Returns the requests for the kernels of branches and loops."""
    # Loaded when it is needed, for it loads llvmlite.
    from graphopt.codegen.tape import JUMP, PAUSE, STATUS_CODE, STATUS_INDEX

    def go(status: int, label: int, what: int = JUMP) -> str:
        places = {"status": status, "label": label, "what": what}
        return _GO.format(index=STATUS_INDEX, code=STATUS_CODE, **places)

    def request(source: str) -> KernelRequest:
        return KernelRequest("jump", source)

    return Jumps(
        unless=request(_UNLESS + go(1, 2)),
        limited=request(_LIMITED + go(1, 2)),
        reset=request(_RESET),
        always=request(_ALWAYS + go(0, 1)),
        again=request(_AGAIN + go(0, 1) + "    else:\n" + go(0, 1, PAUSE)),
        copy=copy_of,
    )
