"""Queues of TensorFlow 1: `tf.queue`, by which threads hand elements to a training loop.

Each queue has its elements in each session, or in the Python object in eager mode. An op
that adds waits for room after the step which computes what it adds, one that takes waits
before the step that needs it, and neither holds the lock of the session: so threads that
run `session.run(enqueue)` and a loop that trains go on side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.arguments import make_stream
from graphopt.data.queue_states import (
    PriorityState,
    QueueState,
    ShuffleState,
    stack_elements,
)
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor
from graphopt.ops.creation import constant_value
from graphopt.ops.outside import CLOSE, DEQUEUE, ENQUEUE, SIZE, add_outside


class QueueBase:
    """What all queues have.

    Args:
      dtypes: Of the components of an element.
      shapes: Their shapes; None if they are not known.
      names: Their names, where elements are dicts.
      queue_ref: Another queue whose elements these are; its name by default.

    Source: `tf.queue.QueueBase`.
    """

    _kind = "FIFOQueue"
    _pads = False

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Any) -> None:
        given = dtypes if isinstance(dtypes, (list, tuple)) else [dtypes]
        self._dtypes = [as_dtype(dtype) for dtype in given]
        self._shapes = self._as_shapes(shapes)
        if names is not None and not isinstance(names, (list, tuple)):
            names = [names]
        if names is not None and len(names) != len(self._dtypes):
            raise fail(
                ValueError,
                "List of queue names must have the same length as its dtypes",
                got=f"{len(names)} names",
                expected=f"{len(self._dtypes)}",
                site=str(user_site()),
            )
        self._names = None if names is None else list(names)
        self._name = queue_ref
        self._shared_name: str | None = None
        self._graph = building_graph()
        self._eager_state = None if self._graph is not None else self._make_state()

    def _as_shapes(self, shapes: Any) -> list[TensorShape] | None:
        if shapes is None:
            return None
        several = isinstance(shapes, (list, tuple)) and not isinstance(
            shapes, TensorShape
        )
        if several and all(isinstance(s, (int, type(None))) for s in shapes):
            several = False
        found = [TensorShape(s) for s in (shapes if several else [shapes])]
        if len(found) != len(self._dtypes):
            raise fail(
                ValueError,
                "Queue shapes must have the same length as dtypes",
                got=f"{len(found)} shapes",
                expected=f"{len(self._dtypes)}",
                site=str(user_site()),
            )
        return found

    def _make_state(self) -> QueueState:
        raise NotImplementedError

    def _state(self, store: Any) -> QueueState:
        if self._eager_state is not None:
            return self._eager_state
        key = self if self._shared_name is None else (self._kind, self._shared_name)
        state = store.resource(key, self._make_state)
        assert isinstance(state, QueueState)
        return state

    # ---- what it is

    @property
    def dtypes(self) -> list[DType]:
        """The dtypes of the components."""
        return list(self._dtypes)

    @property
    def shapes(self) -> list[TensorShape]:
        """Their shapes."""
        return self._known_shapes()

    def _known_shapes(self) -> list[TensorShape]:
        if self._shapes is None:
            return [TensorShape(None)] * len(self._dtypes)
        return list(self._shapes)

    @property
    def names(self) -> list[str] | None:
        """Their names."""
        return self._names

    @property
    def name(self) -> str:
        """The name of the queue."""
        return str(self._name)

    @property
    def _plain(self) -> str:
        """The name without the scope, in which its ops are too."""
        return self.name.rpartition("/")[2] or "queue"

    @property
    def queue_ref(self) -> Any:
        """What stands for the queue."""
        return self

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """Returns one of several queues.

        Args:
          index: Which, known now.
          queues: Of one kind.

        Raises:
          NotImplementedError: Only the run knows which.
        """
        known = constant_value(hooks.convert(index))
        if known is None:
            raise NotImplementedError(
                "QueueBase.from_list with an index that only the run knows; choose "
                "between the results of dequeue() with tf.cond."
            )
        return queues[int(known)]

    # ---- adding

    def _components(self, vals: Any, rows: bool) -> list[Any]:
        """Returns the components of an element, or of several, as tensors."""
        if self._names is not None:
            if not isinstance(vals, dict) or sorted(vals) != sorted(self._names):
                raise fail(
                    ValueError,
                    "Keys in dictionary to enqueue do not match names of Queue",
                    got=repr(vals)[:80],
                    expected=f"a dict with the keys {sorted(self._names)}",
                    site=str(user_site()),
                )
            vals = [vals[name] for name in self._names]
        elif isinstance(vals, dict):
            raise fail(
                ValueError,
                "Queue must have names to enqueue a dictionary",
                site=str(user_site()),
            )
        elif not isinstance(vals, (list, tuple)) or (
            len(self._dtypes) == 1 and len(vals) != 1
        ):
            vals = [vals]
        if len(vals) != len(self._dtypes):
            raise fail(
                ValueError,
                "An element has another number of components than the queue",
                got=f"{len(vals)}",
                expected=f"{len(self._dtypes)}",
                site=str(user_site()),
            )
        pairs = zip(vals, self._dtypes, strict=True)
        tensors = [hooks.convert(v, dtype=d) for v, d in pairs]
        for tensor, shape in zip(tensors, self._known_shapes(), strict=True):
            own = tensor.shape
            if rows:
                own = TensorShape(own[1:]) if own.rank else own
            if not own.is_compatible_with(shape):
                raise fail(
                    ValueError,
                    f"Shapes {own} and {shape} are incompatible: an element does not "
                    f"fit {self.name!r}",
                    got=f"shape {own}",
                    expected=f"shape {shape}",
                    site=str(user_site()),
                )
        return tensors

    def _check(self, arrays: Sequence[Any], rows: bool) -> None:
        for array, shape in zip(arrays, self._known_shapes(), strict=True):
            own = array.shape[1:] if rows else array.shape
            if not shape.is_compatible_with(own):
                raise fail(
                    InvalidArgumentError,
                    f"Shape mismatch in tuple component: an element does not fit "
                    f"{self.name!r}",
                    got=f"shape {list(own)}",
                    expected=f"shape {shape}",
                )

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """Adds an element, as soon as there is room for it.

        Args:
          vals: A tensor, a list of them, or a dict if the queue has names.
          name: Name of the op.

        Raises:
          CancelledError: When it runs: the queue is closed.
        """
        return self._add(vals, False, None, name)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """Adds the rows of tensors, one after the other, as there is room.

        Args:
          vals: As in `enqueue`, with a dimension for the elements in front.
          name: Name of the op.
        """
        return self._add(vals, True, None, name)

    def enqueue_if(self, vals: Any, keep: Any, rows: bool = False) -> Any:
        """Adds an element if a condition holds, or the rows for which it does.

        Args:
          vals: As in `enqueue` or `enqueue_many`.
          keep: A bool scalar, or one bool for each row.
          rows: Whether the rows are the elements.
        """
        return self._add(vals, rows, hooks.convert(keep, dtype=dtypes.bool_), None)

    def _add(self, vals: Any, rows: bool, keep: Any, name: str | None) -> Any:
        tensors = self._components(vals, rows)

        def handler(store: Any, *arrays: Any) -> tuple[()]:
            which = None
            if keep is not None:
                *arrays, which = arrays  # type: ignore[assignment]
            self._check(arrays, rows)
            self._state(store).put(_elements(arrays, rows, which))
            return ()

        if keep is not None:
            tensors.append(keep)
        if building_graph() is None:
            handler(None, *(np.array(t.array) for t in tensors))
            return None
        kind = "enqueue_many" if rows else "enqueue"
        return add_outside(
            ENQUEUE, handler, tensors, name=name or f"{self._plain}_{kind}"
        )

    # ---- taking

    def dequeue(self, name: str | None = None) -> Any:
        """Takes an element, as soon as there is one.

        Returns:
          A tensor; a list of them if elements have several components, a dict if they
          have names.

        Raises:
          OutOfRangeError: When it runs: the queue is closed and empty.
        """

        def handler(store: Any) -> list[Any]:
            return self._state(store).take(1)[0]

        def peek(store: Any) -> list[Any]:
            return self._state(store).look()

        return self._take(handler, (), self._known_shapes(), peek, name or "dequeue")

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Takes n elements and puts them together along a new first dimension.

        Args:
          n: How many.
          name: Name of the op.

        Raises:
          ValueError: The queue has elements of unknown shapes.
          OutOfRangeError: When it runs: the queue is closed and has fewer.
        """
        return self._take_many(n, False, name)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """As `dequeue_many`, but fewer, at least one, when the queue is closed."""
        return self._take_many(n, True, name)

    def _take_many(self, n: Any, fewer: bool, name: str | None) -> Any:
        kind = "dequeue_up_to" if fewer else "dequeue_many"
        if self._shapes is None or not (
            self._pads or all(s.is_fully_defined() for s in self._shapes)
        ):
            raise fail(
                ValueError,
                f"{kind} requires the components to have specified shapes",
                got=f"a {self._kind} without them",
                expected="shapes=[...]",
                site=str(user_site()),
            )
        count = hooks.convert(n, dtype_hint=dtypes.int32)
        known = constant_value(count)
        rows = None if fewer or known is None else int(known)

        def handler(store: Any, wanted: Any) -> list[Any]:
            taken = self._state(store).take(int(wanted), fewer)
            if not taken:
                dims = [[d or 0 for d in s] for s in self._known_shapes()]
                pairs = zip(dims, self._dtypes, strict=True)
                return [np.zeros((0, *d), t.numpy) for d, t in pairs]
            return stack_elements(taken, self._pads)

        def peek(_store: Any, wanted: Any) -> list[Any]:
            # What a full batch is like; nobody waits for one.
            dims = [[d or 0 for d in s] for s in self._known_shapes()]
            pairs = zip(dims, self._dtypes, strict=True)
            return [np.zeros((int(wanted), *d), t.numpy) for d, t in pairs]

        shapes = [TensorShape([rows, *shape]) for shape in self._shapes]
        return self._take(handler, (count,), shapes, peek, name or kind)

    def _take(
        self,
        handler: Callable[..., list[Any]],
        inputs: Sequence[Any],
        shapes: Sequence[TensorShape],
        peek: Any,
        name: str,
    ) -> Any:
        if building_graph() is None:
            found = handler(None, *(t.array for t in inputs))
            tensors: Sequence[Any] = [EagerTensor(np.asarray(a)) for a in found]
        else:
            tensors = add_outside(
                DEQUEUE,
                handler,
                inputs,
                self._dtypes,
                shapes,
                peek=peek,
                name=f"{self._plain}_{name}",
            )
        if self._names is not None:
            return dict(zip(self._names, tensors, strict=True))
        return tensors[0] if len(tensors) == 1 else list(tensors)

    # ---- its state

    def close(self, cancel_pending_enqueues: bool = False, name: Any = None) -> Any:
        """Lets nobody add anything any more; what is in the queue can be taken.

        Args:
          cancel_pending_enqueues: Whether those who wait for room get an error.
          name: Name of the op.
        """

        def handler(store: Any) -> tuple[()]:
            self._state(store).close(cancel_pending_enqueues)
            return ()

        if building_graph() is None:
            handler(None)
            return None
        return add_outside(CLOSE, handler, name=name or f"{self._plain}_Close")

    def size(self, name: str | None = None) -> Any:
        """Returns the number of elements, an int32."""
        return self._ask(lambda state: np.int32(state.size()), dtypes.int32, name)

    def is_closed(self, name: str | None = None) -> Any:
        """Returns whether the queue is closed."""
        return self._ask(lambda state: np.bool_(state.is_closed), dtypes.bool_, name)

    def _ask(self, question: Any, dtype: DType, name: str | None) -> Any:
        def handler(store: Any) -> list[Any]:
            return [np.asarray(question(self._state(store)))]

        if building_graph() is None:
            return EagerTensor(handler(None)[0])
        (answer,) = add_outside(
            SIZE, handler, (), [dtype], [()], name=name or f"{self._plain}_Size"
        )
        return answer

    def __repr__(self) -> str:
        return f"<tf.queue.{type(self).__name__} {self._name!r}>"


def _elements(arrays: Sequence[Any], rows: bool, which: Any) -> list[list[Any]]:
    """Returns the elements to add, as arrays of their own."""
    if not rows:
        if which is not None and not which:
            return []
        return [[a.copy() for a in arrays]]
    sizes = {len(a) if a.ndim else -1 for a in arrays}
    if len(sizes) != 1 or -1 in sizes:
        raise fail(
            InvalidArgumentError,
            "All components of enqueue_many must have the same number of rows",
            got=", ".join(str(list(a.shape)) for a in arrays),
        )
    count = sizes.pop()
    chosen = np.arange(count)
    if which is not None:
        chosen = np.flatnonzero(np.broadcast_to(which, count))
    return [[a[i, ...].copy() for a in arrays] for i in chosen.tolist()]


class FIFOQueue(QueueBase):
    """A queue that gives elements in the order in which they came.

    Args:
      capacity: How many it holds.
      dtypes: Of the components of an element.
      shapes: Their shapes, which `dequeue_many` needs.
      names: Their names, where elements are dicts.
      shared_name: Queues of a session with one such name are one.
      name: Name of the queue.

    >>> queue = FIFOQueue(3, "int32")
    >>> queue.enqueue(5)
    >>> queue.size().numpy(), queue.dequeue().numpy()
    (np.int32(1), np.int32(5))

    Source: `tf.queue.FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        self._capacity = int(capacity)
        super().__init__(dtypes, shapes, names, _unique(name))
        self._shared_name = shared_name

    def _make_state(self) -> QueueState:
        return QueueState(self.name, self._kind, self._capacity)


def _unique(name: str) -> str:
    graph = building_graph()
    return name if graph is None else graph.unique_name(name)


class PaddingFIFOQueue(FIFOQueue):
    """A queue whose elements may differ in the dimensions that are None.

    Source: `tf.queue.PaddingFIFOQueue`.
    """

    _kind = "PaddingFIFOQueue"
    _pads = True

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        super().__init__(capacity, dtypes, shapes, names, shared_name, name)


class RandomShuffleQueue(QueueBase):
    """A queue that gives elements in random order.

    Args:
      capacity: How many it holds.
      min_after_dequeue: How many stay in it as long as it is open.
      dtypes: Of the components of an element.
      shapes: Their shapes, which `dequeue_many` needs.
      names: Their names, where elements are dicts.
      seed: Of the order; elements that come in the same order leave in the same order.
      shared_name: Queues of a session with one such name are one.
      name: Name of the queue.

    Source: `tf.queue.RandomShuffleQueue`.
    """

    _kind = "RandomShuffleQueue"

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        self._capacity, self._least = int(capacity), int(min_after_dequeue)
        self._stream = make_stream(seed)
        self._made = 0
        super().__init__(dtypes, shapes, names, _unique(name))
        self._shared_name = shared_name

    def _make_state(self) -> QueueState:
        draw = 0
        if not self._stream.is_seeded:
            draw, self._made = self._made, self._made + 1
        return ShuffleState(
            self.name,
            self._kind,
            self._capacity,
            self._least,
            self._stream.generator(draw),
        )


class PriorityQueue(QueueBase):
    """A queue that gives the element with the smallest number first.

    Args:
      capacity: How many it holds.
      types: Of the components of an element behind its number, an int64.
      shapes: Their shapes.
      names: Names of the components, the number first, where elements are dicts.
      shared_name: Queues of a session with one such name are one.
      name: Name of the queue.

    Source: `tf.queue.PriorityQueue`.
    """

    _kind = "PriorityQueue"

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        given = list(types) if isinstance(types, (list, tuple)) else [types]
        known = None
        if shapes is not None:
            several = isinstance(shapes, list)
            known = [(), *(shapes if several else [shapes])]
        self._capacity = int(capacity)
        super().__init__([dtypes.int64, *given], known, names, _unique(name))
        self._shared_name = shared_name

    def _make_state(self) -> QueueState:
        return PriorityState(self.name, self._kind, self._capacity)
