"""Elements that are made before they are wanted, or kept after they were."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from typing import Any

from graphopt.data.blocks import Block, Rows, join
from graphopt.data.context import Context
from graphopt.data.node import Cursor, Node, Queue
from graphopt.data.sources import BlocksCursor
from graphopt.errors import CancelledError, InvalidArgumentError, fail
from graphopt.graph.provenance import user_site

# The elements that are kept ready where the program leaves that open.
_AHEAD = 2
# The most elements that are made at once.
_BLOCK = 64


class Prefetch(Node):
    """The elements, made by a thread before they are wanted."""

    def __init__(self, node: Node, size: Any) -> None:
        super().__init__(node.element_spec, [node], [size])
        self.buffer = size
        known = self.known(size)
        if known is not None and known < -1:
            raise fail(
                InvalidArgumentError,
                "buffer_size must be >= 0 or set buffer_size to be tf.data.AUTOTUNE",
                got=str(known),
                site=str(user_site()),
            )

    def cursor(self, context: Context) -> Cursor:
        """Starts a thread when the first element is wanted."""
        source = self.inputs[0].cursor(context.child())
        size = context.count(self.buffer)
        if not size:
            return source
        return _PrefetchCursor(source, _AHEAD if size < 0 else size)

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class _Shared:
    """What the thread and the cursor share; the thread does not keep the cursor."""

    def __init__(self, source: Cursor, size: int) -> None:
        self.source, self.size = source, size
        self.changed = threading.Condition()
        self.ready: deque[Block | BaseException | None] = deque()
        self.count = 0
        self.is_stopped = False

    def stop(self) -> None:
        """Ends the thread."""
        with self.changed:
            self.is_stopped = True
            self.changed.notify_all()

    def fill(self) -> None:
        """What the thread does."""
        while True:
            with self.changed:
                while self.count >= self.size and not self.is_stopped:
                    self.changed.wait()
                if self.is_stopped:
                    return
                room = min(self.size - self.count, _BLOCK)
            item: Block | BaseException | None
            try:
                item = self.source.pull(room)
                if item is not None:
                    # The rows that were chosen are copied here, beside the step.
                    item = Block(item.count, item.read())
            except BaseException as error:
                item = error
            with self.changed:
                self.ready.append(item)
                self.count += item.count if isinstance(item, Block) else 1
                self.changed.notify_all()
            if item is None:
                return


class _PrefetchCursor(Cursor):
    def __init__(self, source: Cursor, size: int) -> None:
        super().__init__(source)
        self.shared = _Shared(source, size)
        self.thread: threading.Thread | None = None
        self.process = os.getpid()
        self.rest = Queue()
        self.is_over = False
        weakref.finalize(self, self.shared.stop)

    def pull(self, count: int) -> Block | None:
        if self.rest:
            return self.rest.pull(count)
        if self.is_over:
            return None
        self._start()
        shared = self.shared
        with shared.changed:
            while not shared.ready:
                if shared.is_stopped:
                    raise fail(CancelledError, "The iterator was cancelled")
                shared.changed.wait()
            item = shared.ready.popleft()
            shared.count -= item.count if isinstance(item, Block) else 1
            shared.changed.notify_all()
        if item is None:
            self.is_over = True
            return None
        self.rest.add(item)
        return self.rest.pull(count)

    def _start(self) -> None:
        if self.process != os.getpid():
            raise fail(
                RuntimeError,
                "An iterator with `prefetch` was taken over a fork, without its thread",
                got="an iterator of the parent process",
                expected="one that was made in this process",
                site=str(user_site()),
                remedy="iter(dataset) in the child",
            )
        if self.thread is None:
            self.thread = threading.Thread(
                target=self.shared.fill, name="tf.data prefetch", daemon=True
            )
            self.thread.start()

    def cancel(self) -> None:
        self.shared.stop()
        super().cancel()


class Cache(Node):
    """The elements, kept in memory when they have come for the first time."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.element_spec, [node])
        self.kept: list[Block] | None = None

    def cursor(self, context: Context) -> Cursor:
        """Gives what is kept, or keeps what comes."""
        # What depends on tensors of a graph belongs to the iterator, else to the data.
        owner = self if context.store is None and not self.symbols() else context
        kept = getattr(owner, "kept", None)
        if kept is not None:
            return BlocksCursor(kept)
        return _CacheCursor(self.inputs[0].cursor(context.child()), owner)

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class _CacheCursor(Cursor):
    def __init__(self, source: Cursor, owner: Any) -> None:
        super().__init__(source)
        self.source, self.owner = source, owner
        self.blocks: list[Block] = []

    def pull(self, count: int) -> Block | None:
        block = self.source.pull(count)
        if block is not None:
            block = Block(block.count, block.read())
            self.blocks.append(block)
            return block
        if self.owner.kept is None:
            self.owner.kept = _join(self.blocks)
        return None


def _join(blocks: list[Block]) -> list[Block]:
    """Puts blocks of the same shapes together, so that a shuffle moves row numbers."""
    groups: list[list[Block]] = []
    for block in blocks:
        if groups and groups[-1][-1].shapes == block.shapes:
            groups[-1].append(block)
        else:
            groups.append([block])
    return [_as_rows(join(group)) for group in groups]


def _as_rows(block: Block) -> Block:
    columns = [Rows(a, slice(0, block.count)) for a in block.read()]
    return Block(block.count, columns)
