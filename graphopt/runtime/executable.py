"""A schedule bound to memory: one native call runs the step.

Binding writes every address into tables once: the arena, the arrays of the variables and
constants. What changes from run to run is the addresses of the feeds, a handful of words.
A run takes the lock of the store, calls the tape and copies out what was fetched; where
an op has no kernel the tape is cut and the op runs on the host between two parts.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.kernels import get_kernel, make_kernels
from graphopt.errors import InvalidArgumentError, OpError, fail, locate
from graphopt.graph import draws
from graphopt.graph.body import Body
from graphopt.graph.effects import handles_written, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect
from graphopt.graph.outside import current
from graphopt.graph.program import Program
from graphopt.graph.status import Report, Status, StatusWord
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import GraphTensor
from graphopt.lazy import cached_property
from graphopt.ops.collectives import STEP_HEADER
from graphopt.ops.gathered import ALL_GATHER_SETTLE
from graphopt.runtime.alike import find_alike
from graphopt.runtime.memory import aligned_zeros
from graphopt.runtime.store import VariableStore, nested_run
from graphopt.runtime.threads import MOST_THREADS, pool
from graphopt.runtime.undo import Undo
from graphopt.schedule.chunks import (
    Share,
    find_pauses,
    is_worth_waking,
    plan_shares,
)
from graphopt.schedule.steps import (
    Argument,
    Buffer,
    KernelRequest,
    Schedule,
    Step,
    Word,
    is_host_value,
)

if TYPE_CHECKING:
    from graphopt.codegen.cache.object_code import NativeKernel
    from graphopt.runtime.late_values import LateValues

Array = NDArray[Any]
# Seconds that a native call should not exceed where it can be cut.
LONGEST_CALL = 0.05


class Executable:
    """A plan that can run.

    Args:
      schedule: What to run; it must not be one that has to be interpreted.
      store: The variables it is bound to.
    """

    def __init__(self, schedule: Schedule, store: VariableStore) -> None:
        self.schedule = schedule
        self.store = store
        # What other processes are told through, if the step exchanges values with them.
        self._communicator = _find_communicator(schedule)
        if self._communicator is None:
            self.arena = aligned_zeros(schedule.arena_bytes)
        else:
            # Where they can add up what is in it.
            self.arena = self._communicator.allocate(schedule.arena_bytes, self)
        self.generation = -1
        self.operations = schedule.operations
        # Rounds of loops before a native call pauses, and how many are left of them.
        self._rounds = 1000
        self._budget = aligned_zeros(8).view(np.int64)
        # Where each stack begins and its room, in frames; then its memory.
        self._stacks = aligned_zeros(16 * len(schedule.stacks)).view(np.int64)
        self._stack_memory = [np.empty(0, np.uint8) for _ in schedule.stacks]
        self._written = [
            variable_of(handle)
            for op in schedule.program.operations
            for handle in handles_written(op)
        ]
        # What a run leaves to the next one.
        self.late: LateValues | None = None
        self._constants: dict[int, Array] = {}
        self._kernels: list[NativeKernel] = []
        # The words of the instruction that repeats the step, once there is one.
        self._counter: Array | None = None
        self._host_feeds: Sequence[Array] = ()
        # None for what Python keeps, which is given out as it is.
        self._fetched_kinds: list[tuple[Any, np.dtype[Any]] | None] = [
            None if is_host_value(tensor) else (tuple(tensor.shape), tensor.dtype.numpy)
            for tensor in schedule.program.fetches
        ]
        # What Python keeps while a run lasts, by the id of its buffer.
        self._host_values: dict[int, Array] = {}
        self._has_hosts = any(step.lowered.host for step in schedule.steps)
        self._feed_words: list[tuple[int, int, int]] = []
        self._variable_words: list[tuple[int, Buffer, int]] = []
        self._bind_tables()
        self._undo = self._make_undo()

    # ---- binding

    def _bind_tables(self) -> None:
        """Writes instruction rows and arguments; variables follow in `_rebind`."""
        from graphopt.codegen.tape import tape

        self._tape = tape
        make_kernels(self.schedule.list_kernels())
        words: list[int] = []
        rows: list[tuple[int, int, int, int]] = []
        # Each native part has a block of its own; host steps lie between two parts.
        starts = [0]
        hosts: list[Step | None] = []
        status_words: list[tuple[int, int]] = []
        label_words: list[tuple[int, int, int]] = []
        row_of_step: list[int] = []
        shares = plan_shares(self.schedule)
        self._is_shared = bool(shares)
        # Words that are the addresses of other words: where they are, and of which.
        inner_words: list[tuple[int, int]] = []
        pauses = self._find_pauses()
        late_calls: list[tuple[Step, int, int, int]] = []
        for number, step in enumerate(self.schedule.steps):
            row_of_step.append(len(rows))
            if step.lowered.host:
                hosts.append(step)
                starts.append(len(rows))
                continue
            for place, call in enumerate(step.lowered.calls):
                if not call.length:
                    continue
                kernel = self._kernel_of(call.kernel)
                address, begin = kernel.address, len(words)
                if step.op.spec is ALL_GATHER_SETTLE:
                    late_calls.append((step, address, begin, call.extent))
                for argument in call.arguments:
                    if isinstance(argument, Word) and argument.place == "status":
                        status_words.append((len(words), len(hosts)))
                    if isinstance(argument, Word) and argument.place == "label":
                        label_words.append((len(words), argument.index, starts[-1]))
                    words.append(self._word(step, argument, len(words)))
                share = shares.get((number, place))
                if share is not None:
                    from graphopt.codegen.tape.workers import load_workers

                    inner_words.append((len(words) + 2, begin))
                    begin = len(words)
                    words += self._share_words(address, share)
                    address = load_workers().share
                rows.append((address, begin, call.begin, call.extent))
            if number in pauses:
                hosts.append(None)
                starts.append(len(rows))
        self._words = aligned_zeros(8 * len(words)).view(np.int64)
        self._words[:] = words
        for position, inner in inner_words:
            self._words[position] = self._words.ctypes.data + 8 * inner
        row_of_step.append(len(rows))
        self._row_of_step = row_of_step
        for position, label, start in label_words:
            # Positions count from the beginning of the native part.
            self._words[position] = row_of_step[self.schedule.labels[label]] - start
        # One row more than there are, for the instruction that repeats the step.
        self._rows = aligned_zeros(32 * (len(rows) + 1)).view(np.int64).reshape(-1, 4)
        if rows:
            self._rows[:-1] = rows
            self._rows[:-1, 1] = self._rows[:-1, 1] * 8 + self._words.ctypes.data
        self._blocks = [
            aligned_zeros(8 * tape.BLOCK_WORDS).view(np.int64) for _ in starts
        ]
        for position, part in status_words:
            block = self._blocks[part]
            self._words[position] = block.ctypes.data + 8 * tape.BLOCK_STATUS
        if late_calls:
            # Loaded by those who exchange values, as all that writes kernels.
            from graphopt.runtime.late_values import LateValues

            self.late = LateValues(self, self._communicator, late_calls)
        calls = [call for step in self.schedule.steps for call in step.lowered.calls]
        # Whether the one kernel there is repeats the step in a loop of its own.
        self._loops = len(calls) == 1 and not hosts and calls[0].repeats
        self._parts = self._make_parts(starts, len(rows), hosts)
        self._entry = self._parts[0] if len(self._parts) == 1 else self._run_parts

    def _kernel_of(self, request: KernelRequest) -> NativeKernel:
        """Returns a kernel, which lives as long as this plan."""
        kernel = get_kernel(request)
        self._kernels.append(kernel)
        return kernel

    def _make_undo(self) -> Undo | None:
        """Returns what keeps copies, if the step can fail after it changed something.

        One native call without a check either happens or does not.
        """
        schedule = self.schedule
        in_pieces = len(self._parts) > 1 or schedule.has_loops
        streams, self._draws_once = _find_streams(schedule.program)
        if not (schedule.may_fail or in_pieces):
            streams = []
        if not streams and not schedule.fails_late:
            return None
        self._draws_once &= not schedule.fails_late
        keys = self._written if schedule.fails_late else ()
        return Undo(self.store, keys, streams)

    def _share_words(self, kernel: int, share: Share) -> list[int]:
        """The arguments of the kernel that hands out the work of another one."""
        threads = self.store.threads or MOST_THREADS
        return [pool.address, kernel, 0, share.chunk, threads, int(share.wakes)]

    def _find_pauses(self) -> set[int]:
        """Returns after which steps the native part ends.

        There Python looks for signals. A part that changes variables goes on to the end,
        so that an interrupt finds all of them changed or none.
        """
        return find_pauses(self.schedule, 1e9 * LONGEST_CALL)

    def _make_parts(
        self, starts: list[int], end: int, hosts: list[Step | None]
    ) -> list[Callable[[], int]]:
        parts: list[Callable[[], int]] = []
        for part, (begin, stop) in enumerate(
            zip(starts, [*starts[1:], end], strict=True)
        ):
            host = hosts[part - 1] if part else None
            if host is not None:
                parts.append(functools.partial(self._run_on_host, host))
            if stop > begin:
                parts.append(self._make_entry(part, begin, stop))
        return parts

    def _make_entry(self, part: int, begin: int, stop: int) -> Callable[[], int]:
        """Returns the native call of some rows, which get the block of a part."""
        block, tape = self._blocks[part], self._tape
        block[tape.BLOCK_INSTRUCTIONS] = self._rows.ctypes.data + 32 * begin
        block[tape.BLOCK_COUNT] = stop - begin
        entry: Callable[[], int] = tape.make_entry(block.ctypes.data)
        if self.schedule.has_loops:
            return functools.partial(self._run_with_pauses, entry, block)
        return entry

    def _word(self, step: Step, argument: Argument, position: int) -> int:
        if isinstance(argument, int):
            return argument
        if argument.place in ("status", "label"):
            return 0
        if argument.place == "budget":
            return int(self._budget.ctypes.data)
        if argument.place == "draws":
            return self.store.draws.address(step.op.attrs["stream"])
        if argument.place == "channel":
            return int(hooks.communicator(argument.index).address)
        if argument.place == "wakes":
            group = hooks.communicator(step.op.attrs["group"])
            return int(group.has_time and is_worth_waking(self.schedule, step))
        if argument.place == "stack":
            return int(self._stacks.ctypes.data) + 16 * argument.index
        if argument.place == "kernel":
            assert argument.kernel is not None
            return self._kernel_of(argument.kernel).address
        groups = {"input": step.inputs, "output": step.outputs, "scratch": step.scratch}
        buffer = groups[argument.place][argument.index]
        if buffer.kind == "arena":
            return int(self.arena.ctypes.data) + buffer.offset + argument.offset
        if buffer.kind == "constant":
            array = np.ascontiguousarray(buffer.source)
            array = self._constants.setdefault(id(buffer), array)
            return int(array.ctypes.data) + argument.offset
        if buffer.kind == "feed":
            self._feed_words.append((position, buffer.source, argument.offset))
            return 0
        self._variable_words.append((position, buffer, argument.offset))
        return 0

    def _rebind(self) -> None:
        """Looks up the addresses of the variables again."""
        self.generation = -1
        generation = self.store.generation
        # Lives as long as there are addresses of it, whatever happens to the store.
        self._bound: list[Array] = []
        if self._is_shared:
            pool.start(self.store)
        for position, buffer, offset in self._variable_words:
            array = self.store.array_for(buffer.source, self.late)
            self._words[position] = array.ctypes.data + offset
        for buffer in self.schedule.buffers:
            if buffer.kind == "variable":
                array = self.store.array_for(buffer.source, self.late)
                # Of an eager variable references are counted, to see who looks at it;
                # nobody replaces or frees its array while a run is going on.
                if not self.store.shares_arrays:
                    self._bound.append(array)
        self.generation = generation

    # ---- running

    def run(self, feeds: Sequence[Array]) -> list[Array]:
        """Runs the step; the caller holds the lock of the store.

        Args:
          feeds: Contiguous arrays of the dtypes and shapes that were planned for.

        Returns:
          A fresh array for each fetch.

        Raises:
          OpError: A check failed; no variable was written.
        """
        self._bind_run(feeds)
        # Allocated before anything is changed: without memory for it, nothing is.
        results = self._allocate_fetched()
        if self._communicator is not None:
            return self._run_exchanging(feeds, results)
        return self._run_with_hosts(feeds, results)

    def _run_exchanging(
        self, feeds: Sequence[Array], results: list[Array | None]
    ) -> list[Array]:
        """Runs a step that others wait for: if it is left, they are told."""
        posted = self._communicator.begin_run()
        late = self.late
        try:
            if late is not None:
                late.is_running = True
            found = self._run_with_hosts(feeds, results)
        except BaseException as error:
            self._communicator.leave_step(error, self, posted)
            raise
        finally:
            if late is not None:
                late.is_running = False
        self._communicator.end_step(self)
        return found

    @cached_property
    def jobs(self) -> tuple[tuple[Any, ...], ...]:
        """What a run exchanges, in order, as its header has it."""
        headers = (s.op for s in self.schedule.steps if s.op.spec is STEP_HEADER)
        found: tuple[tuple[Any, ...], ...] = next(headers).attrs["jobs"]
        return found

    @cached_property
    def alike(self) -> list[Any]:
        """The variables that the step gives the same values on all ranks."""
        return find_alike(self.schedule.program)

    def _run_with_hosts(
        self, feeds: Sequence[Array], results: list[Array | None]
    ) -> list[Array]:
        if self._has_hosts:
            try:
                return self._run_bound(feeds, results)
            finally:
                self._host_values.clear()
        return self._run_bound(feeds, results)

    def _run_bound(
        self, feeds: Sequence[Array], results: list[Array | None]
    ) -> list[Array]:
        """Runs what `_bind_run` has bound."""
        undo = self._undo
        if undo is None:
            code = self._entry() if self._parts else 0
            if code:
                raise self._error(code)
            return self._fetched(feeds, results)
        store = self.store
        undo.save()
        try:
            store.undo = undo
            code = self._entry() if self._parts else 0
            if code:
                raise self._error(code)
            return self._fetched(feeds, results)
        except BaseException:
            undo.restore()
            raise
        finally:
            store.undo = None

    def _bind_run(self, feeds: Sequence[Array]) -> None:
        """Writes down where the variables and the feeds of a run are."""
        if self.store.shares_arrays:
            self.store.prepare_writes(self._written)
        if self.generation != self.store.generation:
            self._rebind()
        if self.late is not None and not self.late.is_out:
            self.late.take_out()
            self.generation = self.store.generation
        words = self._words
        for position, index, offset in self._feed_words:
            words[position] = feeds[index].ctypes.data + offset
        self._host_feeds = feeds

    def _allocate_fetched(self) -> list[Array | None]:
        return [
            None if kind is None else np.empty(*kind) for kind in self._fetched_kinds
        ]

    def _fetched(
        self, feeds: Sequence[Array], results: list[Array | None]
    ) -> list[Array]:
        locations = self.schedule.locations
        given: list[Array] = []
        for tensor, result in zip(self.schedule.program.fetches, results, strict=True):
            view = self._view(locations[tensor], tensor, feeds)
            if result is None:
                result = np.array(view, order="C")
            else:
                result[...] = view
            given.append(result)
        return given

    @property
    def can_repeat(self) -> bool:
        """Whether several steps can be one native call: no host step in between."""
        return (
            len(self._parts) == 1
            and not self._has_hosts
            and not self.store.shares_arrays
            and (self._undo is None or self._draws_once)
        )

    def run_repeated(
        self, feeds: Sequence[Array], rows: Sequence[Array], count: int
    ) -> list[Array]:
        """Runs the step several times in one native call; as `run` otherwise.

        Args:
          feeds: The values of the first feeds, the same for every step.
          rows: For each of the other feeds an array `[count, ...]`, contiguous, of
            which step i takes row i.
          count: The number of steps, at least 1.

        Raises:
          OpError: A step failed; the steps before it are done, it changed nothing.
        """
        if self.generation != self.store.generation:
            self._rebind()
        if self._loops and not rows:
            try:
                self._rows[0, 3] = count
                return self.run(feeds)
            finally:
                self._rows[0, 3] = 1
        fixed = len(feeds)
        block, tape = self._blocks[0], self._tape
        counter = self._counter
        if counter is None:
            counter = aligned_zeros(8 * (4 + 2 * len(self._feed_words))).view(np.int64)
            # Loaded with the first plan, as all that writes kernels.
            from graphopt.codegen.tape.jumps import request_repetition

            kernel = self._kernel_of(request_repetition())
            counter[2] = block.ctypes.data + 8 * tape.BLOCK_STATUS
            self._rows[-1] = (kernel.address, counter.ctypes.data, 0, 1)
            # Last, for an interrupt may come anywhere above.
            self._counter = counter
        moved = [
            (self._words.ctypes.data + 8 * position, rows[index - fixed].strides[0])
            for position, index, _ in self._feed_words
            if index >= fixed
        ]
        counter[0], counter[1] = 0, count
        counter[3] = len(moved)
        counter[4 : 4 + 2 * len(moved)] = np.array(moved, np.int64).reshape(-1)
        whole = len(self._rows)
        try:
            block[tape.BLOCK_COUNT] = whole
            return self.run([*feeds, *(array[0, ...] for array in rows)])
        except BaseException:
            if self._undo is not None:
                self._undo.restore_draws(int(counter[0]))
            raise
        finally:
            # Not one less than it was: interrupted in between, it would be wrong.
            block[tape.BLOCK_COUNT] = whole - 1

    def run_unfed(self) -> Callable[[], None]:
        """Returns the shortest way to run a step that takes and gives nothing."""
        assert not self.store.shares_arrays, "eager variables have no such runs"
        store, lock, rebind = self.store, self.store.lock, self._rebind
        entry = self._entry if self._parts else lambda: 0

        in_pieces = len(self._parts) > 1 or self._has_hosts
        exchanges = self._communicator is not None
        is_long = in_pieces or self.schedule.has_loops or exchanges
        if self._undo is not None or is_long:
            # Python that runs in between must find the store busy.
            def run_with_care() -> None:
                with store.running():
                    self.run(())

            return run_with_care

        acquire, release = lock.acquire, lock.release
        # To ask first takes 40 ns; only a run that calls Python can wait for another one.
        is_patient = store.calls_python

        def run() -> None:
            # Not `with`, which takes 60 ns more. `acquire()` is inside of the block, for
            # between the two an interrupt would leave the lock held.
            #
            # A signal handler that runs here may run other steps: one native call comes
            # before or after all of them, and addresses stay right.
            try:
                if not is_patient:
                    acquire()
                elif not acquire(False):
                    store.wait()
                if store.busy:
                    raise nested_run()
                if self.generation != store.generation:
                    rebind()
                code = entry()
            finally:
                try:  # noqa: SIM105 (another context manager)
                    release()
                except RuntimeError:
                    pass  # Interrupted while it waited for the lock.
            if code:
                raise self._error(code)

        return run

    def _run_with_pauses(self, entry: Callable[[], int], block: Array) -> int:
        """Runs a native part with loops: between two calls Python looks for signals."""
        tape = self._tape
        try:
            while True:
                self._budget[0] = self._rounds
                start = time.perf_counter()
                code = entry()
                if code == Status.GROW:
                    value = tape.BLOCK_STATUS + StatusWord.VALUE
                    self._grow_stack(int(block[value]))
                elif code != Status.PAUSE:
                    return code
                seconds = time.perf_counter() - start
                if code == Status.GROW:
                    pass
                elif seconds > LONGEST_CALL:
                    self._rounds = max(1, self._rounds // 4)
                elif seconds < LONGEST_CALL / 4:
                    self._rounds *= 4
                position = tape.BLOCK_STATUS + StatusWord.INDEX
                block[tape.BLOCK_START] = block[position]
        finally:
            block[tape.BLOCK_START] = 0

    def _grow_stack(self, number: int) -> None:
        """Doubles the room of a stack."""
        frames = max(16, 2 * int(self._stacks[2 * number + 1]))
        before = self._stack_memory[number]
        memory = aligned_zeros(frames * self.schedule.stacks[number])
        memory[: len(before)] = before
        self._stack_memory[number] = memory
        self._stacks[2 * number : 2 * number + 2] = memory.ctypes.data, frames

    def _run_parts(self) -> int:
        for part in self._parts:
            code = part()
            if code:
                return code
        return 0

    def _run_on_host(self, step: Step) -> int:
        op = step.op
        views = [
            self._view(buffer, tensor, self._host_feeds)
            for buffer, tensor in zip(step.inputs, op.inputs, strict=True)
        ]
        results = self.compute_on_host(op, views)
        if op.spec.effect is Effect.WRITE:
            target = self._view(step.inputs[0], op.inputs[0], ())
            self._check_shape(op, results, target.shape)
            target[...] = results
            return 0
        if len(op.outputs) == 1:
            results = (results,)
        for tensor, buffer, result in zip(
            op.outputs, step.outputs, results, strict=True
        ):
            if buffer.kind == "host":
                array = to_array(result)
                if not tensor.shape.is_compatible_with(array.shape):
                    self._check_shape(op, array, tensor.shape)
                # A view may be one of memory that is used again.
                self._host_values[id(buffer)] = (
                    array if array.base is None else array.copy()
                )
                continue
            view = self._view(buffer, tensor, ())
            self._check_shape(op, result, view.shape)
            view[...] = result
        return 0

    def _check_shape(self, op: Operation, result: Any, expected: Any) -> None:
        if np.shape(result) != expected:
            raise fail(
                InvalidArgumentError,
                f"{op.type} returned another shape than was declared",
                got=str(np.shape(result)),
                expected=str(expected),
                op=op,
            )

    def compute_on_host(self, op: Operation, arrays: Sequence[Array]) -> Any:
        """Runs an op that has no kernel."""
        store = self.store
        if op.spec.effect is Effect.HOST:
            # A tuple of its own for each call: other threads see how long one takes.
            store.calling = (op,)
        before, current.store = current.store, store
        try:
            return draws.compute(op, arrays, store.draws)
        except OpError as error:
            raise locate(error, op) from error.__cause__
        finally:
            store.calling, current.store = None, before

    def _view(
        self, buffer: Buffer, tensor: GraphTensor, feeds: Sequence[Array]
    ) -> Array:
        """Returns the memory of a buffer as an array."""
        if buffer.kind == "host":
            return self._host_values[id(buffer)]
        shape = tuple(int(dim) for dim in tensor.shape if dim is not None)
        view: Array
        if buffer.kind == "arena":
            raw = self.arena[buffer.offset : buffer.offset + buffer.nbytes]
            view = raw.view(tensor.dtype.numpy).reshape(shape)
            return view
        if buffer.kind == "feed":
            view = feeds[buffer.source].reshape(shape)
            return view
        if buffer.kind == "constant":
            return np.asarray(buffer.source).reshape(shape)
        return self.store.read(buffer.source).reshape(shape)

    def view_of(self, buffer: Buffer, tensor: GraphTensor) -> Array:
        """Returns the memory of a tensor in the arena."""
        return self._view(buffer, tensor, ())

    @property
    def words_address(self) -> int:
        """Where the arguments of the calls begin."""
        return int(self._words.ctypes.data)

    def _status(self) -> Array:
        """Returns the status words of the part that reported an error."""
        at = self._tape.BLOCK_STATUS
        for block in self._blocks:
            if block[at + StatusWord.CODE]:
                break
        return block[at:]

    def reporting_operation(self) -> Operation | None:
        """Returns the operation that reported the last error."""
        index = int(self._status()[StatusWord.OPERATION])
        return self.operations.get(index)

    def _error(self, code: int) -> OpError:
        status, op = self._status(), self.reporting_operation()
        if op is None or op.spec.explain is None:
            return fail(OpError, f"A kernel failed with the unknown code {code}", op=op)
        return op.spec.explain(
            Report(
                op,
                Status(code),
                int(status[StatusWord.INDEX]),
                int(status[StatusWord.VALUE]),
                self._read,
            )
        )

    def _read(self, tensor: GraphTensor) -> Array:
        """Returns the memory of a tensor as the last run has left it."""
        return self._view(self.schedule.locations[tensor], tensor, self._host_feeds)


def _find_communicator(schedule: Schedule) -> Any:
    """What a step exchanges values through; None if it does not."""
    for step in schedule.steps:
        if step.op.spec is STEP_HEADER and step.op.attrs["size"] > 1:
            communicator = hooks.communicator(step.op.attrs["group"])
            communicator.begin_plan(step.op)
            return communicator
    return None


def _find_streams(program: Program) -> tuple[list[Any], bool]:
    """The streams that a program draws from, and whether from each once a run."""
    streams: list[Any] = []
    is_plain = True
    stack = [(op, False) for op in program.operations]
    while stack:
        op, is_inside = stack.pop()
        if op.spec.effect is Effect.RANDOM:
            streams.append(op.attrs["stream"])
            is_plain &= not is_inside
        for value in op.attrs.values():
            if isinstance(value, Body):
                stack += [(inner, True) for inner in value.operations]
    return streams, is_plain and len(set(streams)) == len(streams)
