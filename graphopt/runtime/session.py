"""`Session`: the values of a graph's variables, and the running of fetches."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from numpy.typing import NDArray

from graphopt.config import on_change, settings
from graphopt.errors import GraphoptWarning, fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import building
from graphopt.graph.opspec import Effect
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime.feeds import Rows, feed_target, feed_value, nested_feeds
from graphopt.runtime.fetches import Composite, Fetch, key_of, parse_fetches
from graphopt.runtime.names import get_default_session, local
from graphopt.runtime.run_options import RunMetadata, RunOptions, is_traced
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import VariableStore, closed_session
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.runtime.plan import Plan
    from graphopt.runtime.profile import Profile

Array = NDArray[Any]
# So many runs in a row that each found new ops in the graph are a leak.
GROWTH_RUNS = 50


# So that a change of the settings reaches steps that go by the shortest way.
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


@on_change
def _forget_shortcuts() -> None:
    for session in list(_sessions):
        session.forget_shortcuts()


class SessionDevice(NamedTuple):
    """A device as `Session.list_devices` describes it."""

    name: str = "/job:localhost/replica:0/task:0/device:CPU:0"
    device_type: str = "CPU"
    memory_limit_bytes: int = 0
    incarnation: int = 0


class Session:
    """Runs operations of a graph and keeps the values of its variables.

    Args:
      target: Must be empty: there is only the local process.
      graph: The graph; by default the current one.
      config: A `ConfigProto`, of which `intra_op_parallelism_threads` counts.
      debug: Whether each run is done by the kernels and by NumPy, step by step, and
        compared; a difference raises InternalError, which names the kernel or the
        rewrite at fault, the op and its line, and changes no variable. It makes runs
        many times slower. By default what `tf.config` or `GRAPHOPT_DEBUG` says.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.compat.v1.placeholder(tf.float32, [None])
    ...     y = {"twice": x * 2, "sum": tf.reduce_sum(x)}
    ...     with tf.compat.v1.Session() as session:
    ...         print(session.run(y, feed_dict={x: [1, 2]}))
    {'twice': array([2., 4.], dtype=float32), 'sum': np.float32(3.0)}

    With `debug=True` a session trusts nothing that was compiled:

    >>> with tf.Graph().as_default(), tf.compat.v1.Session(debug=True) as session:
    ...     session.run(tf.reduce_sum(tf.sqrt([1.0, 4.0])))
    np.float32(3.0)

    Source: `tf.compat.v1.Session`.
    """

    def __init__(
        self,
        target: str = "",
        graph: Graph | None = None,
        config: Any = None,
        *,
        debug: bool | None = None,
    ) -> None:
        if target:
            raise NotImplementedError(
                f"Session(target={target!r}): there are no remote sessions; leave "
                "target empty."
            )
        self._graph = graph if graph is not None else get_default_graph()
        self.store = VariableStore()
        self.store.threads = getattr(config, "intra_op_parallelism_threads", 0)
        self.debug = settings.debug if debug is None else debug
        self._fetches: dict[Any, Fetch] = {}
        self._runners: dict[Any, Runner] = {}
        self._shortcuts: dict[Operation, Callable[[], None]] = {}
        self._contexts: list[contextlib.ExitStack] = []
        self._version = self._graph.version
        self._growths = 0
        _sessions.add(self)
        self.store.listeners.add(self)

    # ---- life

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph

    def list_devices(self) -> list[SessionDevice]:
        """Returns the devices that a run can use: the one CPU.

        Source: `tf.compat.v1.Session.list_devices`.
        """
        return [SessionDevice()]

    def close(self) -> None:
        """Frees the variables, when runs of other threads are over.

        Every later run raises RuntimeError.

        Raises:
          RuntimeError: It is called from inside of a run.
        """
        # Threads that wait for a queue get an error; they do not hold the lock.
        self.store.cancel_resources()
        with self.store.held():
            self.store.require_idle("A session was closed")
            self.store.is_closed = True
            self._shortcuts.clear()
            self._runners.clear()
            self._fetches.clear()
            self.store.values.clear()
            self.store.late.clear()
            self.store.draws.clear()
            self.store.generation += 1

    def forget_shortcuts(self) -> None:
        """Has the next runs find their way anew, when something has changed for all."""
        self._shortcuts.clear()
        for runner in list(self._runners.values()):
            runner.shortcut = None

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Session]:
        """Makes this the session that `op.run()` and `tensor.eval()` use."""
        local.sessions.append(self)
        try:
            yield self
        finally:
            local.sessions.remove(self)

    def __enter__(self) -> Session:
        stack = contextlib.ExitStack()
        stack.enter_context(self._graph.as_default())
        stack.enter_context(self.as_default())
        self._contexts.append(stack)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._contexts.pop().close()
        self.close()

    # ---- running

    def run(
        self,
        fetches: Any,
        feed_dict: Mapping[Any, Any] | None = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Runs what the fetches need and returns their values.

        A run behaves as if its ops were executed in the order in which they were
        created: a read made before an update sees the old value, a read made after it
        the new one. A variable that is fetched by itself has the value from before the
        run.

        Args:
          fetches: A tensor, operation, variable or name, or a nest of them.
          feed_dict: Values for placeholders or any other tensors.
          options: With `trace_level=RunOptions.FULL_TRACE` each step is timed.
          run_metadata: Is filled with these times; it must be given with `options`.

        Returns:
          The structure of `fetches`, with a fresh array for each tensor and None for
          each operation.

        Raises:
          TypeError, ValueError: Something cannot be fetched or fed.
          FailedPreconditionError: A variable was not initialized.
          InvalidArgumentError: A placeholder has no value, or an op failed.
          RuntimeError: The session is closed.

        Source: `tf.compat.v1.Session.run`.
        """
        fetch = self._fetch(fetches)
        feeds, values = self._feed(feed_dict)
        runner = self._runner(fetch, feeds)
        if options is not None or run_metadata is not None:
            return fetch.rebuild(_run_traced(runner, values, options, run_metadata))
        return fetch.rebuild(runner.run(values))

    def plan(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Plan:
        """Returns what a run would do, without doing it and without compiling.

        Args:
          fetches: As in `run`.
          feed_dict: As in `run`; only the shapes of the values matter.

        Returns:
          A `Plan`: print it, or ask it for steps, buffers, kernels and bytes.

        Raises:
          TypeError, ValueError: As in `run`.
          InvalidArgumentError: A placeholder has no value, or the shapes do not fit.

        >>> import graphopt as tf
        >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        ...     v = tf.Variable([1.0, 2.0], name="v")
        ...     plan = session.plan(v.assign_add(tf.exp(v), read_value=False))
        >>> for step in plan.steps:
        ...     print(step.kernel, step.fused, step.writes)
        elementwise ('Exp', 'AssignAddVariableOp') ('variable v',)
        >>> plan.peak_bytes
        64
        """
        # What looks into a step is loaded when somebody does, here and below.
        from graphopt.runtime.plan import make_plan

        fetch = self._fetch(fetches)
        feeds, values = self._feed(feed_dict)
        runner = self._runner(fetch, feeds)
        fed = runner.prepare(values, peek=True)
        shapes = tuple(array.shape for array in fed)
        with self.store.held():
            return make_plan(runner.plan(shapes))

    def profile(
        self,
        fetches: Any,
        feed_dict: Mapping[Any, Any] | None = None,
        *,
        runs: int = 20,
    ) -> Profile:
        """Runs the fetches and says where their time goes.

        The steps are those of real runs, one after the other with the same feeds. At the
        end variables and the streams of random ops are what they were; what ops print,
        or Python functions do, happens in every run.

        Args:
          fetches: As in `run`.
          feed_dict: As in `run`.
          runs: How often, for the medians.

        Returns:
          A `Profile`: print it, or ask it for its steps, JSON, or a Chrome trace.

        Raises:
          TypeError, ValueError, OpError: As in `run`.

        >>> import numpy as np
        >>> import graphopt as tf
        >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        ...     x = tf.compat.v1.placeholder(tf.float32, [None, 64], name="x")
        ...     y = tf.matmul(x, tf.ones([64, 32]), name="y")
        ...     profile = session.profile(y, {x: np.ones((16, 64))}, runs=5)
        >>> step = profile.steps[-1]
        >>> step.name, step.kernel, step.flops
        ('y', 'gemm', 65536)
        """
        fetch = self._fetch(fetches)
        feeds, values = self._feed(feed_dict)
        runner = self._runner(fetch, feeds)
        return profile_runner(runner, runner.prepare(values), runs)

    def _check_open(self) -> None:
        if self.store.is_closed:
            raise closed_session()

    def _fetch(self, fetches: Any) -> Fetch:
        self._check_open()
        key = key_of(fetches)
        found = self._fetches.get(key) if key is not None else None
        if found is None:
            found = parse_fetches(self._graph, fetches)
            if key is not None:
                self._fetches[key] = found
        return found

    def _runner(self, fetch: Fetch, feeds: tuple[GraphTensor, ...]) -> Runner:
        key = (fetch.fetches, fetch.targets, feeds)
        runner = self._runners.get(key)
        if runner is None:
            self._watch_growth()
            runner = Runner(
                self._graph,
                fetch.fetches,
                fetch.targets,
                feeds,
                self.store,
                debug=self.debug,
            )
            self._runners[key] = runner
        return runner

    def _watch_growth(self) -> None:
        """Warns of a training loop that builds ops in each round."""
        grown = self._graph.version > self._version
        self._version = self._graph.version
        self._growths = self._growths + 1 if grown else 0
        if self._growths == GROWTH_RUNS:
            last = self._graph.operations[-1]
            warnings.warn(
                f"The graph has grown before each of the last {GROWTH_RUNS} new "
                f"fetches; it has {self._graph.version} ops now, the last one made at "
                f"{last.site_text}. Build ops once, before the loop; graph.finalize() "
                "makes this an error.",
                GraphoptWarning,
                stacklevel=4,
            )

    def _feed(
        self, feed_dict: Mapping[Any, Any] | None
    ) -> tuple[tuple[GraphTensor, ...], list[Array]]:
        if not feed_dict:
            return (), []
        tensors, values = [], []
        for key, value in feed_dict.items():
            pairs: Any = ((key, value),)
            if isinstance(key, Composite):
                pairs = key.feed_parts(value)
            elif isinstance(key, tuple):
                pairs = nested_feeds(key, value)
            for each, part in pairs:
                tensor = feed_target(self._graph, each)
                tensors.append(tensor)
                values.append(feed_value(tensor, part))
        return tuple(tensors), values

    def run_operation(self, op: Operation) -> None:
        """Runs one operation without feeds, by the shortest way there is."""
        shortcut = self._shortcuts.get(op)
        if shortcut is not None:
            shortcut()
            return
        fetch = self._fetch(op)
        runner = self._runner(fetch, ())
        runner.run(())
        if runner.shortcut is not None:
            self._shortcuts[op] = runner.shortcut

    def run_steps(
        self,
        fetches: Any,
        n: int,
        feed_dict: Mapping[Any, Any] | None = None,
        feeds: Mapping[Any, Any] | None = None,
    ) -> Any:
        """Runs the fetches n times, in one native call where nothing is fed per step.

        Each step is all or nothing: if one fails, those before it are done.

        Args:
          fetches: As in `run`.
          n: The number of steps, at least 1.
          feed_dict: Values for all steps.
          feeds: For each tensor an array `[n, ...]`, of which step i takes row i, or an
            iterable that gives a value for each step.

        Returns:
          What the last step returns.

        Raises:
          ValueError: n is not positive, or an array has another number of rows.

        >>> import graphopt as tf
        >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        ...     v = tf.Variable(0.0)
        ...     x = tf.compat.v1.placeholder(tf.float32, [])
        ...     step = v.assign_add(x)
        ...     session.run(v.initializer)
        ...     session.run_steps(step, 100, feed_dict={x: 2.0})
        ...     session.run_steps(step, 3, feeds={x: [1.0, 10.0, 100.0]})
        np.float32(200.0)
        np.float32(311.0)
        """
        if n < 1:
            raise ValueError(f"run_steps needs a positive number of steps; got {n}.")
        fetch = self._fetch(fetches)
        tensors, values = self._feed(feed_dict)
        if not feeds:
            runner = self._runner(fetch, tensors)
            return fetch.rebuild(runner.run_steps(values, n))
        keys = [feed_target(self._graph, key) for key in feeds]
        rows = [Rows(k, v, n) for k, v in zip(keys, feeds.values(), strict=True)]
        runner = self._runner(fetch, (*tensors, *keys))
        results: list[Array] = []
        done = 0
        while done < n:
            count = min(each.count_ready(n - done) for each in rows)
            taken = [each.take(count) for each in rows]
            results = runner.run_steps(values, count, taken)
            done += count
        return fetch.rebuild(results)

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """Returns a function that runs a fixed fetch set, which is compiled at once.

        Args:
          fetches: As in `run`.
          feed_list: Tensors whose values are the positional arguments.
          accept_options: Must be False.

        Source: `tf.compat.v1.Session.make_callable`.
        """
        if accept_options:
            raise NotImplementedError("make_callable(accept_options=True).")
        fetch = self._fetch(fetches)
        feeds = tuple(feed_target(self._graph, key) for key in feed_list or ())
        runner = self._runner(fetch, feeds)
        is_alone = not feeds and runner.outside is None
        if is_alone and all(
            self.store.is_initialized(k) for k in runner.plan(()).written
        ):
            runner.plan(()).compile()

        def call(*values: Any) -> Any:
            if len(values) != len(feeds):
                raise ValueError(
                    f"This callable takes {len(feeds)} values, got {len(values)}."
                )
            self._check_open()
            shortcut = runner.shortcut
            if shortcut is not None:
                shortcut()
                return fetch.rebuild([])
            pairs = zip(feeds, values, strict=True)
            return fetch.rebuild(runner.run([feed_value(t, v) for t, v in pairs]))

        return call

    def load(self, variable: Variable, value: Any) -> None:
        """Sets a variable in this session."""
        self._check_open()
        array = feed_value(variable.handle, value)
        with self.store.held():
            self.store.require_idle(f"Variable {variable.name!r} was loaded")
            if self.store.is_closed:
                raise closed_session()
            self.store.commit({variable.key: array})

    def partial_run(self, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Not available; run the fetches in one call."""
        raise NotImplementedError("partial_run; fetch everything in one session.run.")

    partial_run_setup = partial_run

    def __repr__(self) -> str:
        return f"<tf.Session of {self._graph!r}>"


def profile_runner(
    runner: Runner,
    feeds: Sequence[Array],
    runs: int,
    on_run: Callable[[int], None] = lambda done: None,
) -> Profile:
    """Profiles a fetch set with arrays that it is fed; see `Session.profile`."""
    from graphopt.runtime.profiler import profile_plan

    with runner.store.running():
        shapes = tuple(array.shape for array in feeds)
        return profile_plan(runner.plan(shapes), feeds, runs, on_run)


def _run_traced(
    runner: Runner,
    feeds: Sequence[Array],
    options: RunOptions | None,
    metadata: RunMetadata | None,
) -> list[Array]:
    """Runs a fetch set, after a profile of it if one is wanted."""
    if is_traced(options, metadata):
        assert metadata is not None
        feeds = runner.prepare(feeds)
        metadata.profile = profile_runner(runner, feeds, 1)
        return runner.run_prepared(feeds)
    return runner.run(feeds)


class InteractiveSession(Session):
    """A session that is the default one from when it is made until it is closed.

    Source: `tf.compat.v1.InteractiveSession`.
    """

    def __init__(
        self,
        target: str = "",
        graph: Graph | None = None,
        config: Any = None,
        *,
        debug: bool | None = None,
    ) -> None:
        super().__init__(target, graph, config, debug=debug)
        local.sessions.append(self)

    def close(self) -> None:
        """Frees the variables and is no longer the default."""
        if self in local.sessions:
            local.sessions.remove(self)
        super().close()


# ---- op.run() and tensor.eval()


def session_for(graph: Graph, session: Any) -> Session:
    """Returns the session that `op.run()` uses.

    Where none is registered TensorFlow raises. Here, unless `strict` is set, a session
    is made for the graph once, and it initializes variables that never were.

    Raises:
      ValueError: There is no session and strict ones are asked for, or the default
        session is one of another graph.
    """
    session = session or get_default_session()
    if session is not None:
        if session.graph is not graph:
            raise ValueError(
                "Cannot use the default session to execute operation: the operation's "
                "graph is different from the session's graph."
            )
        default: Session = session
        return default
    if settings.strict:
        raise fail(
            ValueError,
            "Cannot execute operation using `run()`: No default session is registered",
            got=f"an element of {graph!r}",
            expected="a session entered on this thread",
            site=str(user_site()),
            remedy="`with sess.as_default():`, or `run(session=sess)`",
        )
    # Threads that come at the same time get one session, with its variables initialized.
    with building:
        found = graph.attachments.get("session")
        if found is None:
            found = graph.attachments["session"] = Session(graph=graph)
        assert isinstance(found, Session)
        initialize_missing(found)
        return found


def initialize_missing(session: Session) -> None:
    """Initializes the variables that have no value yet, in the order they were made.

    Those whose initial values need no other variable are initialized in one run.
    """
    variables = session.graph.variables
    done = session.graph.attachments.get("initialized", 0)
    if done == len(variables):
        return
    independent: set[Operation] = set()
    together: list[Operation] = []
    for variable in variables[done:]:
        if session.store.is_initialized(variable.key):
            continue
        if not _reads_no_variable(variable.initializer, independent):
            session.run(together)
            together = []
        together.append(variable.initializer)
    session.run(together)
    session.graph.attachments["initialized"] = len(variables)


def _reads_no_variable(op: Operation, independent: set[Operation]) -> bool:
    """Looks upstream of an op; adds what it finds to those that are independent."""
    stack, seen = [op], set[Operation]()
    while stack:
        op = stack.pop()
        if op in seen or op in independent:
            continue
        if op.spec.effect is Effect.READ:
            return False
        seen.add(op)
        stack += [tensor.op for tensor in op.inputs]
        stack += op.control_inputs
    independent |= seen
    return True


def run_operation(
    op: Operation, feed_dict: Mapping[Any, Any] | None, session: Any
) -> None:
    """Runs an operation, as `op.run()` does."""
    if session is None:
        sessions = local.sessions
        session = sessions[-1] if sessions else None
    if session is None or session.graph is not op.graph:
        session = session_for(op.graph, session)
    if feed_dict:
        session.run(op, feed_dict)
    else:
        session.run_operation(op)


def evaluate_tensor(
    tensor: GraphTensor, feed_dict: Mapping[Any, Any] | None, session: Any
) -> Array:
    """Returns the value of a tensor, as `tensor.eval()` does."""
    value: Array = session_for(tensor.graph, session).run(tensor, feed_dict)
    return value


hooks.run_operation = run_operation
hooks.evaluate_tensor = evaluate_tensor


def not_initialized(session: Session, variables: list[Variable]) -> list[Variable]:
    """Returns the variables without a value in a session."""
    return [v for v in variables if not session.store.is_initialized(v.key)]
