"""The runner for a harness that times the same training workloads in several frameworks.

Modes: `graph` builds a train op and runs it, `eager` calls `minimize` for each step,
`loop` takes many steps in one call.

The modules `harness` and `workloads` come with the harness, which calls this file.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from harness import main
from workloads import A, B

G: dict[str, Any] = {}


def load(mode: str, threads: int) -> None:
    """Imports graphopt, which is timed."""
    os.environ.setdefault("GRAPHOPT_THREADS", str(threads))
    import graphopt as tf

    G["tf"] = tf


def quad(w: Any, p: Any, d: Any) -> Any:
    """Two scalars."""
    return 3 * p[0] * p[0] + 2 * p[1] * p[1]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean cross entropy of integer labels."""
    tf = G["tf"]
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def mlp(w: Any, p: Any, d: Any) -> Any:
    """Layers of products, biases and relu."""
    tf = G["tf"]
    h, n = d["x"], len(p) // 2
    for i in range(n):
        h = tf.nn.bias_add(tf.matmul(h, p[2 * i]), p[2 * i + 1])
        if i < n - 1:
            h = tf.nn.relu(h)
    if w.loss == "xent":
        return cross_entropy(h, d["y"])
    return tf.reduce_mean(tf.math.squared_difference(h, d["y"]))


def chain(w: Any, p: Any, d: Any) -> Any:
    """Elementwise functions of one large tensor."""
    tf, x = G["tf"], p[0]
    value = tf.tanh(x) * tf.sigmoid(A * x + B) + tf.exp(-x * x) * (x * x + 0.5)
    return tf.reduce_mean(value - 0.1 * x)


def logreg(w: Any, p: Any, d: Any) -> Any:
    """Logistic regression."""
    tf = G["tf"]
    z = tf.linalg.matvec(d["x"], p[0]) + p[1]
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=d["y"], logits=z)
    return tf.reduce_mean(loss) + w.hyper["l2"] * tf.reduce_sum(p[0] * p[0])


def embed(w: Any, p: Any, d: Any) -> Any:
    """Rows of a table."""
    tf = G["tf"]
    return tf.reduce_mean(tf.math.squared_difference(tf.gather(p[0], d["ids"]), d["y"]))


def cnn(w: Any, p: Any, d: Any) -> Any:
    """Two convolutions with poolings, and a product."""
    tf = G["tf"]
    h = d["x"]
    for kernel, bias in ((p[0], p[1]), (p[2], p[3])):
        h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(h, kernel, 1, "SAME"), bias))
        h = tf.nn.max_pool2d(h, 2, 2, "VALID")
    h = tf.matmul(tf.reshape(h, (w.batch, -1)), p[4])
    return cross_entropy(tf.nn.bias_add(h, p[5]), d["y"])


def gru(w: Any, p: Any, d: Any) -> Any:
    """An unrolled gated recurrent unit."""
    tf = G["tf"]
    h = tf.zeros((w.batch, w.sizes[2]), w.dtype)
    for t in range(w.sizes[0]):
        x = tf.nn.bias_add(tf.matmul(d["x"][t], p[0]), p[2])
        xr, xz, xn = tf.split(x, 3, 1)
        hr, hz, hn = tf.split(tf.matmul(h, p[1]), 3, 1)
        r, z = tf.sigmoid(xr + hr), tf.sigmoid(xz + hz)
        n = tf.tanh(xn + r * hn)
        h = (1 - z) * n + z * h
    return cross_entropy(tf.nn.bias_add(tf.matmul(h, p[3]), p[4]), d["y"])


def linreg(w: Any, p: Any, d: Any) -> Any:
    """Linear regression."""
    tf = G["tf"]
    z = tf.linalg.matvec(d["x"], p[0]) + p[1]
    return tf.reduce_mean(tf.math.squared_difference(z, d["y"]))


LOSSES = {f.__name__: f for f in (quad, mlp, chain, logreg, embed, cnn, gru, linreg)}


def make_optimizer(w: Any) -> Any:
    """Returns the optimizer of a workload, None for those without one."""
    optimizers, hyper = G["tf"].keras.optimizers, w.hyper
    if w.opt == "sgd":
        return optimizers.SGD(hyper["lr"])
    if w.opt == "momentum":
        return optimizers.SGD(hyper["lr"], hyper["mu"])
    if w.opt == "adam":
        return optimizers.Adam(hyper["lr"], hyper["b1"], hyper["b2"], hyper["eps"])
    if w.opt == "adagrad":
        return optimizers.Adagrad(hyper["lr"], hyper["init"], epsilon=1e-7)
    return None


class Runner:
    """One workload, built."""

    def __init__(self, w: Any, params: Any, data: Any, mode: str) -> None:
        tf = G["tf"]
        self.w = w
        graph_mode = mode in ("graph", "loop")
        if w.inner > 1 and mode != "loop":
            raise NotImplementedError(f"{w.name} needs the mode loop.")
        if mode == "loop" and w.inner == 1:
            raise NotImplementedError("The mode loop is for many steps in one call.")
        if not graph_mode:
            self._build_eager(tf, params, data)
            return
        with tf.Graph().as_default():
            self._feeds: dict[Any, Any] = {}
            self.variables = [self._variable(a) for _, a in params]
            # Large data lives in variables, so that the graph does not hold a copy.
            held = {key: self._variable(a) for key, a in data.items()}
            opt = make_optimizer(w)
            train = self._train_op(tf, opt, held)
            init = tf.compat.v1.global_variables_initializer()
            self.session = tf.compat.v1.Session()
            self.session.run(init, self._feeds)
        if mode == "loop":
            self.step = lambda: self.session.run_steps(train, w.inner)
        else:
            self.step = lambda: train.run(session=self.session)

    def _variable(self, array: Any) -> Any:
        tf = G["tf"]
        value = tf.compat.v1.placeholder(tf.as_dtype(array.dtype), array.shape)
        self._feeds[value] = array
        return tf.Variable(value, trainable=False)

    def _train_op(self, tf: Any, opt: Any, data: Any) -> Any:
        w = self.w
        if w.model == "apply":
            grads = [data[f"g{i}"].read_value() for i in range(len(self.variables))]
            return opt.apply_gradients(list(zip(grads, self.variables, strict=True)))
        loss = LOSSES[w.model]
        if w.model == "chain":
            value = loss(w, self.variables, data)
            (slope,) = tf.gradients(value, self.variables)
            self.out = [
                tf.Variable(np.zeros(w.sizes, w.dtype)),
                tf.Variable(np.zeros((), w.dtype)),
            ]
            pairs = zip(self.out, (slope, value), strict=True)
            return tf.group(*(v.assign(x, read_value=False) for v, x in pairs))

        def minimize() -> Any:
            if not w.clip:
                return opt.minimize(
                    lambda: loss(w, self.variables, data), var_list=self.variables
                )
            grads = tf.gradients(loss(w, self.variables, data), self.variables)
            grads, _ = tf.clip_by_global_norm(grads, w.clip)
            return opt.apply_gradients(list(zip(grads, self.variables, strict=True)))

        return minimize()

    def _build_eager(self, tf: Any, params: Any, data: Any) -> None:
        w = self.w
        self.variables = [tf.Variable(a, trainable=False) for _, a in params]
        held = {key: tf.constant(a) for key, a in data.items()}
        opt = make_optimizer(w)
        loss = LOSSES.get(w.model)

        def step() -> None:
            if w.model == "apply":
                grads = [held[f"g{i}"] for i in range(len(self.variables))]
                opt.apply_gradients(list(zip(grads, self.variables, strict=True)))
            elif w.model == "chain" or w.clip:
                with tf.GradientTape() as tape:
                    tape.watch(self.variables)
                    value = loss(w, self.variables, held)
                grads = tape.gradient(value, self.variables)
                if w.model == "chain":
                    self.out = [*grads, value]
                else:
                    grads, _ = tf.clip_by_global_norm(grads, w.clip)
                    pairs = zip(grads, self.variables, strict=True)
                    opt.apply_gradients(list(pairs))
            else:
                opt.minimize(lambda: loss(w, self.variables, held), self.variables)

        self.session = None
        self.step = step

    def sync(self) -> None:
        """Nothing is left running."""

    def fetch(self) -> list[Any]:
        """Returns what the last step left."""
        wanted = self.out if self.w.model == "chain" else self.variables
        if self.session is not None:
            return self.session.run(list(wanted))
        return [x.numpy() for x in wanted]


if __name__ == "__main__":
    main(load, Runner)
