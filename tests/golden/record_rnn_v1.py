"""Records what TensorFlow's `compat.v1` recurrent networks compute, for test_rnn.py.

Run with an interpreter that has TensorFlow and tf_keras:

    TF_USE_LEGACY_KERAS=1 python tests/golden/record_rnn_v1.py
"""

from __future__ import annotations

import json
import pathlib

import numpy as np

CELLS = {
    "basic_rnn": lambda r, n: r.BasicRNNCell(n),
    "gru": lambda r, n: r.GRUCell(n),
    "basic_lstm": lambda r, n: r.BasicLSTMCell(n),
    "basic_lstm_one_tensor": lambda r, n: r.BasicLSTMCell(n, state_is_tuple=False),
    "lstm": lambda r, n: r.LSTMCell(n, forget_bias=0.5),
    "lstm_all": lambda r, n: r.LSTMCell(
        n, use_peepholes=True, cell_clip=0.3, num_proj=2, proj_clip=0.2
    ),
    "lstm_all_one_tensor": lambda r, n: r.LSTMCell(
        n, use_peepholes=True, num_proj=2, state_is_tuple=False
    ),
    "stack": lambda r, n: r.MultiRNNCell(
        [r.GRUCell(n), r.BasicLSTMCell(n + 1), r.ResidualWrapper(r.GRUCell(n + 1))]
    ),
    "stack_one_tensor": lambda r, n: r.MultiRNNCell(
        [r.GRUCell(n), r.BasicRNNCell(n)], state_is_tuple=False
    ),
    "relu": lambda r, n: r.BasicRNNCell(n, activation="relu", name="mine"),
}
LENGTHS = [3, 5, 0]
UNITS, BATCH, TIME, WIDTH = 4, 3, 5, 3


def inputs():
    """The sequences, `[batch, time, width]`."""
    return np.random.default_rng(1).normal(size=(BATCH, TIME, WIDTH))


def value_of(name, shape):
    """The value of a variable, a function of its name and shape."""
    seed = sum(ord(c) * (i + 1) for i, c in enumerate(name))
    return 0.6 * np.random.default_rng(seed).normal(size=tuple(shape))


def networks(nn, cell_of):
    """Builders: sequences -> outputs and state, by name."""

    def two(x):
        return cell_of(nn.rnn_cell, UNITS), cell_of(nn.rnn_cell, UNITS)

    def steps(x):
        return [x[:, t] for t in range(TIME)]

    return {
        "dynamic": lambda x, n: nn.dynamic_rnn(
            cell_of(nn.rnn_cell, UNITS), x, n, dtype=x.dtype
        ),
        "whole": lambda x, n: nn.dynamic_rnn(
            cell_of(nn.rnn_cell, UNITS), x, dtype=x.dtype, scope="net"
        ),
        "static": lambda x, n: nn.static_rnn(
            cell_of(nn.rnn_cell, UNITS), steps(x), dtype=x.dtype, sequence_length=n
        ),
        "both": lambda x, n: nn.bidirectional_dynamic_rnn(*two(x), x, n, dtype=x.dtype),
        "static_both": lambda x, n: nn.static_bidirectional_rnn(
            *two(x), steps(x), dtype=x.dtype, sequence_length=n
        ),
    }


def results(tf, flatten, network):
    """Outputs, gradients and names of one network; fetches that a session can run."""
    x = tf.placeholder(tf.float64, [None, TIME, WIDTH])
    n = tf.placeholder(tf.int32, [None])
    found = flatten(network(x, n))
    loss = tf.add_n([tf.reduce_sum(f * f) for f in found])
    variables = tf.trainable_variables()
    gradients = tf.gradients(loss, [x, *variables])
    return x, n, variables, [*found, *gradients]


def main():
    """Writes rnn_v1.npz and rnn_v1.json beside this file."""
    import tensorflow

    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()
    arrays, names = {}, {}
    for kind, cell_of in CELLS.items():
        for way, network in networks(tf.nn, cell_of).items():
            with tf.Graph().as_default(), tf.Session() as session:
                x, n, variables, fetches = results(tf, tf.nest.flatten, network)
                session.run(tf.global_variables_initializer())
                for v in variables:
                    v.load(value_of(v.name, v.shape), session)
                values = session.run(fetches, {x: inputs(), n: LENGTHS})
                key = f"{kind}/{way}"
                names[key] = [v.name for v in variables]
                for i, value in enumerate(values):
                    arrays[f"{key}/{i}"] = value
    here = pathlib.Path(__file__).parent
    np.savez_compressed(here / "rnn_v1.npz", **arrays)
    (here / "rnn_v1.json").write_text(json.dumps(names, indent=1) + "\n")


if __name__ == "__main__":
    main()
