"""The pulse of a machine: what tells the next one that it is still there.

A cut cable and a machine without power send nothing, and the MPI library waits. So one rank
of each machine sends a number to the next machine four times a second, in a ring, and counts
what comes from the one before. It is native code on a thread of its own: Python may hold the
interpreter for seconds, and a call of the library may not return once the cable is cut.
"""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.communication.channel_code import ONE, ZERO, new_kernel

__all__ = ["emit_pulse"]

_I32, _I64 = ir.IntType(32), ir.IntType(64)
# Microseconds between two messages.
_PERIOD: Final = 250_000
_TAG: Final = 9


def emit_pulse(module: ir.Module) -> None:
    """pulse(channel, 0, 0): the loop of the thread that sends and counts."""
    code = new_kernel(module, "pulse")
    builder = code.builder
    comm, kind = code.load(word.PULSE_COMM), code.load(word.DATATYPES + word.WORDS)
    own, size = code.load(word.CROSS_RANK), code.load(word.CROSS_SIZE)
    following = builder.srem(builder.add(own, ONE), size)
    before = builder.srem(builder.add(own, builder.sub(size, ONE)), size)
    ignored, tag = code.load(word.STATUS_IGNORE), _I64(_TAG)
    sent, received, found = (code.variable(0) for _ in range(3))
    to_send, to_receive, flag = (
        builder.ptrtoint(place, _I64) for place in (sent, received, found)
    )
    with code.loop() as behind:
        code.leave_if(code.compare("!=", code.load(word.STOP), 0), behind)
        code.count_up(sent)
        result = code.call_function(word.SEND, to_send, ONE, kind, following, tag, comm)
        # After a failure the library sends nothing more, and nothing comes.
        code.leave_if(code.compare("!=", result, 0), behind)
        with code.loop() as behind_last:
            builder.store(ZERO, found)
            result = code.call_function(word.PROBE, before, tag, comm, flag, ignored)
            # The library writes an int.
            is_there = builder.trunc(builder.load(found), _I32)
            nothing = builder.icmp_signed("==", is_there, _I32(0))
            failed = code.compare("!=", result, 0)
            code.leave_if(builder.or_(failed, nothing), behind_last)
            code.call_function(
                word.RECEIVE, to_receive, ONE, kind, before, tag, comm, ignored
            )
            code.add(word.HEARD)
        code.sleep_at_most(word.PULSE_LOCK, _PERIOD)
    builder.ret_void()
