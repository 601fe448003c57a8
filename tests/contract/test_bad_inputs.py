"""What users get wrong, and what they are told: exception, got, expected, line, remedy.

Each row gives the exception of TensorFlow (or the builtin that it derives from here) and
words of the message. `parts` says which of the five parts of a message must be there:
`g`ot, `e`xpected, the user's `l`ine, a `r`emedy; what failed comes first in every one.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.errors import GraphoptWarning

v1 = tf.compat.v1
Invalid = tf.errors.InvalidArgumentError


class Bad(NamedTuple):
    """A mistake: its name, what is raised, words of the message, how to make it."""

    name: str
    error: Any
    words: str
    make: Callable[[], Any]
    parts: str = "gelr"
    modes: str = "both"


def feed(value, dtype=tf.float32, shape=(2,), key=None):
    """Feeds a value to a placeholder."""
    x = v1.placeholder(dtype, shape, name="x")
    y = x * tf.constant(1, dtype)
    with v1.Session() as session:
        return session.run(y, {x if key is None else key: value})


def fetch(what, feed_dict=None):
    """Fetches something from a graph with a constant in it."""
    tf.constant(1.0, name="one")
    with v1.Session() as session:
        return session.run(what, feed_dict)


def run(tensor):
    """Computes a tensor of either mode."""
    return (
        tensor
        if isinstance(tensor, (float, int)) or tf.executing_eagerly()
        else tensor.eval()
    )


def other_graph(make):
    """Makes something in a graph of its own."""
    with tf.Graph().as_default():
        return make()


def strict_eval():
    x = tf.constant(1.0)
    with config(strict=True):
        x.eval()


def closed():
    session = v1.Session()
    x = tf.constant(1.0)
    session.close()
    session.run(x)


def finalized():
    v1.get_default_graph().finalize()
    tf.constant(1.0)


def sgd(**arguments):
    return lambda: tf.keras.optimizers.SGD(**arguments)


def minimized(loss, variables=None, optimizer=None):
    """Minimizes with a variable at hand; callables get it."""

    def make():
        w = tf.Variable([1.0, 2.0], name="w")
        opt = optimizer or tf.keras.optimizers.SGD(0.1)
        return opt.minimize(
            (lambda: loss(w)) if callable(loss) else loss,
            [w] if variables is None else variables(w),
        )

    return make


def applied(gradient):
    def make():
        w = tf.Variable([1.0, 2.0], name="w")
        return run(tf.keras.optimizers.SGD(0.1).apply_gradients(gradient(w)))

    return make


def set_item():
    x = tf.constant([1.0])
    x[0] = 1.0


def weights_of_wrong_shape():
    w = tf.Variable([1.0, 2.0])
    opt = tf.keras.optimizers.Adam()
    opt.minimize(lambda: tf.reduce_sum(w * w), [w])
    opt.set_weights([0, np.zeros(3), np.zeros(2)])


def loss_that_runs():
    v = tf.Variable(1.0)
    with v1.Session() as session:
        session.run(v.initializer)
        opt = tf.keras.optimizers.SGD(lambda: float(session.run(v)) if ready else 0.1)
        ready = []
        train = opt.minimize(lambda: v * v, [v])
        session.run(v1.global_variables_initializer())
        ready.append(1)
        train.run()


def missing_feed():
    return (v1.placeholder(tf.float32, [2], name="x") * 1.0).eval()


def uninitialized():
    v = tf.Variable(1.0, name="v")
    with v1.Session() as session:
        session.run(v + 1.0)


F = tf.constant
Zeros = tf.zeros
TypeOrValue = (TypeError, ValueError)
TABLE = [
    # ---- feeds
    Bad(
        "feed-shape",
        ValueError,
        "Cannot feed value of shape",
        lambda: feed([1, 2, 3]),
        modes="graph",
    ),
    Bad(
        "feed-rank",
        ValueError,
        "Cannot feed value of shape",
        lambda: feed([[1, 2]]),
        modes="graph",
    ),
    Bad(
        "feed-string",
        ValueError,
        "could not convert string",
        lambda: feed("text"),
        modes="graph",
    ),
    Bad("feed-ragged", ValueError, "x:0", lambda: feed([[1], [2, 3]]), modes="graph"),
    Bad("feed-none", ValueError, "None", lambda: feed(None), modes="graph"),
    Bad(
        "feed-tensor",
        TypeError,
        "cannot be a symbolic tensor",
        lambda: feed(F([1.0, 2.0])),
        modes="graph",
    ),
    Bad(
        "feed-fraction-to-int",
        TypeError,
        "x:0",
        lambda: feed([1.5, 2.0], tf.int32),
        modes="graph",
    ),
    Bad(
        "feed-too-large",
        TypeError,
        "x:0",
        lambda: feed([2**40, 1], tf.int32),
        modes="graph",
    ),
    Bad("feed-complex", TypeError, "x:0", lambda: feed([1j, 0]), modes="graph"),
    Bad(
        "feed-objects",
        TypeError,
        "x:0",
        lambda: feed(np.array([object(), 1])),
        modes="graph",
    ),
    Bad(
        "feed-masked",
        TypeError,
        "masked",
        lambda: feed(np.ma.masked_array([1.0, 2.0], [1, 0])),
        modes="graph",
    ),
    Bad(
        "feed-missing",
        Invalid,
        "must feed a value for placeholder tensor 'x'",
        missing_feed,
        modes="graph",
    ),
    Bad(
        "feed-unknown-name",
        TypeError,
        "Cannot interpret feed_dict key",
        lambda: feed([1, 2], key="nope:0"),
        modes="graph",
    ),
    Bad(
        "feed-op-name",
        TypeError,
        "Cannot interpret feed_dict key",
        lambda: feed([1, 2], key="x"),
        modes="graph",
    ),
    Bad(
        "feed-int-key",
        TypeError,
        "Cannot interpret feed_dict key",
        lambda: feed([1, 2], key=3),
        modes="graph",
    ),
    # ---- fetches
    Bad(
        "fetch-none",
        TypeError,
        "Fetch argument None",
        lambda: fetch(None),
        modes="graph",
    ),
    Bad("fetch-number", TypeError, "Fetch argument 3", lambda: fetch(3), modes="graph"),
    Bad(
        "fetch-unknown",
        ValueError,
        "'nope:0' cannot be interpreted",
        lambda: fetch("nope:0"),
        modes="graph",
    ),
    Bad(
        "fetch-other-graph",
        ValueError,
        "cannot be interpreted",
        lambda: fetch(other_graph(lambda: F(1.0))),
        modes="graph",
    ),
    Bad("fetch-set", TypeError, "Fetch argument", lambda: fetch({1, 2}), modes="graph"),
    # ---- state
    Bad(
        "uninitialized",
        tf.errors.FailedPreconditionError,
        "uninitialized value v",
        uninitialized,
        modes="graph",
    ),
    Bad("closed-session", RuntimeError, "closed Session", closed, modes="graph"),
    Bad("finalized", RuntimeError, "finalized", finalized, modes="graph"),
    Bad(
        "tensor-of-other-graph",
        ValueError,
        "not from the graph",
        lambda: F(1.0) + other_graph(lambda: F(1.0)),
        modes="graph",
    ),
    Bad(
        "variable-of-other-graph",
        ValueError,
        "cannot be used",
        lambda: other_graph(lambda: tf.Variable(1.0)) * 2.0,
    ),
    Bad("no-session", ValueError, "No default session", strict_eval, modes="graph"),
    Bad(
        "run-inside-a-run",
        RuntimeError,
        "inside another run",
        loss_that_runs,
        modes="graph",
    ),
    Bad(
        "placeholder-eagerly",
        RuntimeError,
        "not compatible with eager",
        lambda: v1.placeholder(tf.float32),
        modes="eager",
    ),
    # ---- shapes
    Bad(
        "matmul",
        ValueError,
        "MatMul|matmul",
        lambda: run(tf.matmul(Zeros([2, 3]), Zeros([2, 3]))),
    ),
    Bad(
        "broadcast",
        ValueError,
        "Incompatible shapes",
        lambda: run(Zeros([2, 3]) + Zeros([4])),
    ),
    Bad("reshape", ValueError, "reshape", lambda: run(tf.reshape(Zeros([4]), [3]))),
    Bad(
        "reshape-two-unknown",
        ValueError,
        "-1|unknown",
        lambda: run(tf.reshape(Zeros([4]), [-1, -1])),
    ),
    Bad(
        "axis",
        ValueError,
        "axis|dimension",
        lambda: run(tf.reduce_sum(Zeros([2, 3]), axis=2)),
    ),
    Bad("gather", Invalid, "is not in", lambda: run(tf.gather(F([1.0, 2.0]), F([2])))),
    Bad("negative-size", ValueError, "-1", lambda: run(tf.zeros([-1]))),
    Bad(
        "zeros-4-billion",
        tf.errors.ResourceExhaustedError,
        "OOM|memory",
        lambda: run(tf.zeros([2**31, 2**31])),
    ),
    Bad(
        "zeros-10-13",
        tf.errors.ResourceExhaustedError,
        "OOM|memory",
        lambda: run(tf.zeros([10**13])),
    ),
    Bad(
        "zeros-overflow",
        (*TypeOrValue, MemoryError),
        "2|memory|OOM",
        lambda: run(tf.zeros([2**62, 8])),
    ),
    Bad("rank-300", Invalid, "300|rank|dimension", lambda: run(tf.zeros([1] * 300))),
    Bad(
        "argmax-of-nothing",
        Invalid,
        "empty|ArgMax",
        lambda: run(tf.argmax(tf.zeros([0]), 0)),
    ),
    Bad("integer-division", Invalid, "division by zero", lambda: run(F(3) // F(0))),
    Bad(
        "concat",
        ValueError,
        "concat",
        lambda: run(tf.concat([Zeros([2, 3]), Zeros([3, 2])], 0)),
    ),
    Bad("stack", ValueError, "stack", lambda: run(tf.stack([Zeros([2]), Zeros([3])]))),
    Bad(
        "transpose",
        ValueError,
        "perm",
        lambda: run(tf.transpose(Zeros([2, 3]), [0, 0])),
    ),
    Bad("squeeze", ValueError, "squeeze", lambda: run(tf.squeeze(Zeros([2, 3]), 0))),
    Bad(
        "expand-dims",
        ValueError,
        "ExpandDims|out of range",
        lambda: run(tf.expand_dims(Zeros([2]), 5)),
    ),
    Bad(
        "label",
        Invalid,
        "label",
        lambda: run(
            tf.nn.sparse_softmax_cross_entropy_with_logits(F([3]), Zeros([1, 3]))
        ),
    ),
    Bad(
        "labels-shape",
        ValueError,
        "shape|Rank|rank",
        lambda: run(
            tf.nn.sparse_softmax_cross_entropy_with_logits(F([1, 1]), Zeros([1, 3]))
        ),
    ),
    Bad(
        "conv-depth",
        ValueError,
        "depth|channels",
        lambda: run(tf.nn.conv2d(Zeros([1, 4, 4, 3]), Zeros([2, 2, 2, 1]), 1, "VALID")),
    ),
    Bad(
        "einsum",
        ValueError,
        "einsum",
        lambda: run(tf.einsum("ij,jk->ik", Zeros([2, 3]), Zeros([2, 3]))),
    ),
    Bad(
        "slice",
        ValueError,
        "slice|index|out of",
        lambda: run(tf.slice(Zeros([3]), [2], [5])),
    ),
    Bad("index", (IndexError, ValueError), "index|out of", lambda: run(Zeros([3])[5])),
    Bad("split", ValueError, "split|divide", lambda: run(tf.split(Zeros([5]), 2)[0])),
    # ---- types
    Bad("mixed-dtypes", TypeError, "AddV2", lambda: run(F(1.0) + F(1.0, tf.float64))),
    Bad("huge-integer", TypeError, "1180591620717411303424|convert", lambda: F(2**70)),
    Bad("ragged", ValueError, "non-rectangular", lambda: F([[1.0], [1.0, 2.0]])),
    Bad("mixed-list", TypeOrValue, "convert", lambda: F([1, "a"])),
    Bad("float-to-int", TypeError, "convert", lambda: F(1.5, tf.int32)),
    Bad(
        "logical-of-floats",
        TypeError,
        "bool",
        lambda: run(tf.logical_and(F(1.0), F(2.0))),
    ),
    Bad("sqrt-of-integers", TypeError, "Sqrt", lambda: run(tf.sqrt(F(4)))),
    Bad(
        "unknown-dtype", TypeError, "dtype", lambda: tf.cast(F(1.0), "nope"), parts="e"
    ),
    Bad(
        "bool",
        tf.errors.OperatorNotAllowedInGraphError,
        "not allowed",
        lambda: bool(F(True)),
        modes="graph",
    ),
    Bad(
        "iter",
        tf.errors.OperatorNotAllowedInGraphError,
        "not allowed",
        lambda: list(F([1.0])),
        modes="graph",
    ),
    Bad("len", TypeError, "not allowed", lambda: len(F([1.0])), modes="graph"),
    Bad("float", TypeError, "not allowed", lambda: float(F(1.0)), modes="graph"),
    Bad(
        "np.array",
        NotImplementedError,
        "array",
        lambda: np.array(F([1.0])),
        modes="graph",
    ),
    Bad(
        "len-of-scalar", TypeError, "len", lambda: len(F(1.0)), modes="eager", parts=""
    ),
    Bad("set-item", TypeError, "item assignment", set_item, parts=""),
    Bad(
        "pickle",
        TypeError,
        "pickled",
        lambda: pickle.dumps(F(1.0)),
        modes="graph",
        parts="",
    ),
    Bad("hash", TypeError, "unhashable", lambda: hash(F(1.0)), modes="eager", parts=""),
    *(
        Bad(
            f"name-{i}",
            ValueError,
            "not a valid",
            lambda name=name: tf.constant(1.0, name=name),
            modes="graph",
            parts="e",
        )
        for i, name in enumerate(
            ["a b<script>", "é", "_x", "../x", "x" * 1_000_000, "a\0b", "\x1b[31m"]
        )
    ),
    # ---- optimizers
    Bad("lr-nan", ValueError, "NaN", sgd(learning_rate=float("nan")), parts=""),
    Bad("decay-negative", ValueError, ">= 0", sgd(decay=-1.0), parts=""),
    Bad("lr-text", ValueError, "must be a number", sgd(learning_rate="a"), parts=""),
    Bad("lr-none", ValueError, "must be a number", sgd(learning_rate=None), parts=""),
    Bad("lr-vector", ValueError, "scalar", sgd(learning_rate=[0.1, 0.2]), parts=""),
    Bad("momentum", ValueError, "momentum", sgd(momentum=2.0), parts=""),
    Bad(
        "beta",
        ValueError,
        "beta_1",
        lambda: tf.keras.optimizers.Adam(beta_1=1.5),
        parts="",
    ),
    Bad("clipnorm-negative", ValueError, "clipnorm", sgd(clipnorm=-1.0), parts=""),
    Bad(
        "two-clips",
        ValueError,
        "both",
        sgd(clipnorm=1.0, global_clipnorm=1.0),
        parts="",
    ),
    Bad("keyword", TypeError, "did you mean 'clipnorm'", sgd(clipnom=1.0), parts=""),
    Bad("decay-negative", ValueError, "decay", sgd(decay=-1.0), parts=""),
    Bad(
        "no-gradients",
        ValueError,
        "No gradients provided",
        applied(lambda w: [(None, w)]),
        parts="",
    ),
    Bad(
        "not-connected",
        ValueError,
        "not connected",
        minimized(lambda w: F(1.0)),
        parts="",
    ),
    Bad("not-pairs", TypeError, "pairs", applied(lambda w: [1.0]), parts=""),
    Bad(
        "tensor-loss",
        ValueError,
        "`tape` is required",
        minimized(1.0),
        modes="eager",
        parts="",
    ),
    Bad(
        "integer-loss",
        ValueError,
        "floating-point",
        minimized(lambda w: F(1)),
        parts="gr",
    ),
    Bad(
        "integer-variable",
        ValueError,
        "Invalid dtype int32",
        minimized(lambda w: tf.reduce_sum(w), lambda w: [tf.Variable(1)]),
        parts="gel",
    ),
    Bad(
        "gradient-shape",
        ValueError,
        "'w:0' does not fit",
        applied(lambda w: [(F([1.0]), w)]),
        parts="gel",
    ),
    Bad(
        "gradient-dtype",
        TypeOrValue,
        "'w:0' does not fit",
        applied(lambda w: [(F([1.0, 2.0], tf.float64), w)]),
        parts="gel",
    ),
    Bad(
        "constant-in-var-list",
        TypeError,
        "must hold variables",
        minimized(lambda w: tf.reduce_sum(w), lambda w: [F(1.0)]),
        parts="",
    ),
    Bad(
        "loss-none",
        TypeError,
        "must return a tensor",
        minimized(lambda w: None),
        parts="",
    ),
    Bad(
        "loss-text",
        TypeError,
        "must return a tensor",
        minimized(lambda w: "loss"),
        parts="",
    ),
    Bad(
        "weights-shape",
        ValueError,
        "shape",
        weights_of_wrong_shape,
        modes="eager",
        parts="",
    ),
    Bad(
        "config-key",
        TypeError,
        "Unexpected keyword",
        lambda: tf.keras.optimizers.SGD.from_config({"nope": 1}),
        parts="",
    ),
    Bad(
        "tensor-as-target",
        NotImplementedError,
        "Tensor",
        applied(lambda w: [(F(1.0), F(1.0))]),
        parts="",
    ),
    Bad(
        "assign-shape",
        ValueError,
        "assign",
        lambda: tf.Variable([1.0, 2.0]).assign([1.0]),
        parts="gel",
    ),
]
ROWS = [
    pytest.param(bad, mode, id=f"{bad.name}-{mode}")
    for bad in TABLE
    for mode in ("eager", "graph")
    if bad.modes in ("both", mode)
]
PARTS = {
    "g": "got ",
    "e": "expected",
    "l": "test_bad_inputs.py:",
    "r": ("try ", "use "),
}


def caught(bad, mode):
    """Makes the mistake and returns what was raised."""
    with pytest.raises(bad.error, match=f"(?s){bad.words}") as info:
        if mode == "eager":
            bad.make()
        else:
            with tf.Graph().as_default():
                bad.make()
    return str(info.value)


@pytest.mark.parametrize(("bad", "mode"), ROWS)
def test_mistake_is_explained(bad, mode):
    message = caught(bad, mode)
    missing = [
        part
        for part in bad.parts
        if not any(
            words in message
            for words in (
                [PARTS[part]] if isinstance(PARTS[part], str) else PARTS[part]
            )
        )
    ]
    assert not missing, f"lacks {missing}: {message}"
    # A good run still works.
    with tf.Graph().as_default():
        assert (tf.constant(1.0) + 1.0).eval() == 2.0
    assert float(tf.constant(1.0) + 1.0) == 2.0


def test_the_table_is_as_long_as_the_list():
    assert len(TABLE) >= 98


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_some_gradients_missing_is_a_warning(mode):
    def check():
        w, unused = tf.Variable(1.0), tf.Variable(1.0, name="unused")
        with pytest.warns(GraphoptWarning, match="unused:0"):
            tf.keras.optimizers.SGD(0.1).minimize(lambda: w * w, [w, unused])
        with pytest.warns(GraphoptWarning, match="empty|nothing"):
            tf.keras.optimizers.SGD(0.1).minimize(lambda: w * w, [])

    if mode == "eager":
        check()
    else:
        with tf.Graph().as_default():
            check()


def test_mean_of_nothing_is_nan():
    assert np.isnan(float(tf.reduce_mean(tf.zeros([0]))))
