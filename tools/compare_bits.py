"""Compares the bits of all results with those of another revision, for all vector widths.

python3 tools/compare_bits.py [--base REVISION] [--bits 128,256,512] [--only WORD]

For work that must not change a result. Every op on its samples, matrix products,
convolutions, poolings, reductions, movements and random numbers of many sizes and dtypes,
every optimizer (dense, and with sparse gradients), whole training steps and random graphs
are compiled and run in a checkout of the base and in this one, each in processes of their
own, and the hashes of what came out are compared. The base is checked out into a temporary
folder. Differences are listed by name; the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTHS: Final = ("128", "256", "512")
FLOATS: Final = (np.float32, np.float64)
Arrays = list[np.ndarray[Any, Any]]
Case = tuple[str, Callable[[], Arrays]]


def main() -> int:
    """Runs both revisions and prints what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default="HEAD", help="what to compare with")
    parser.add_argument("--bits", default=",".join(WIDTHS), help="widths of vectors")
    parser.add_argument("--only", default="", help="only cases with this word")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        hashes = {name: _hash(run) for name, run in _cases() if options.only in name}
        Path(options.child).write_text(json.dumps(hashes))
        return 0
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        add = ["git", "worktree", "add", "--detach", str(base), options.base]
        subprocess.run(add, cwd=ROOT, check=True, capture_output=True)
        try:
            for bits in options.bits.split(","):
                old, new = (
                    _run_child(tree, bits, options.only, Path(folder) / name)
                    for tree, name in ((base, "old.json"), (ROOT, "new.json"))
                )
                names = [n for n in old if n in new and old[n] != new[n]]
                print(f"{bits} bits: {len(names)} of {len(old)} cases differ")
                print("".join(f"  {n}: {old[n]} {new[n]}\n" for n in names), end="")
                lost = sorted(set(old) ^ set(new))
                print("".join(f"  only on one side: {n}\n" for n in lost), end="")
                bad += len(names)
        finally:
            remove = ["git", "worktree", "remove", "--force", str(base)]
            subprocess.run(remove, cwd=ROOT, check=True)
    return 1 if bad else 0


def _run_child(tree: Path, bits: str, only: str, file: Path) -> dict[str, str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "GRAPHOPT_VECTOR_BITS": bits,
        "GRAPHOPT_CACHE": "off",
    }
    command = [sys.executable, str(Path(__file__).resolve()), "--child", str(file)]
    command += ["--only", only]
    subprocess.run(command, cwd=tree, env=environment, check=True)
    hashes: dict[str, str] = json.loads(file.read_text())
    return hashes


def _hash(run: Callable[[], Arrays]) -> str:
    """Returns a hash of results, or the error in their place."""
    try:
        arrays = run()
    except Exception as error:
        return f"{type(error).__name__}"
    whole = hashlib.sha256()
    for array in map(np.asarray, arrays):
        whole.update(f"{array.dtype}{array.shape}".encode())
        data = repr(array.tolist()) if array.dtype == object else array.tobytes()
        whole.update(data if isinstance(data, bytes) else data.encode())
    return whole.hexdigest()[:16]


def _cases() -> Iterator[Case]:
    yield from _ops()
    yield from _products()
    yield from _images()
    yield from _functions()
    yield from _optimizers()
    yield from _steps()
    yield from _graphs()


def _compile(function: Callable[..., Any], *arrays: Any) -> Arrays:
    """Runs a function of tensors in a session, compiled at once."""
    import graphopt as tf
    from graphopt.config import config

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, config(jit="always"):
        graph.seed = 7
        feeds = {v1.placeholder(tf.as_dtype(a.dtype), a.shape): a for a in arrays}
        result = function(*feeds)
        fetches = list(result) if isinstance(result, (list, tuple)) else [result]
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            values: Arrays = session.run(fetches, feed_dict=feeds)
            return values


def _ops() -> Iterator[Case]:
    from graphopt.graph.dispatch import call
    from graphopt.graph.opspec import REGISTRY
    from graphopt.ops import every  # noqa: F401 (registers all families)

    for spec in sorted(REGISTRY.values(), key=lambda spec: spec.name):
        for number, sample in enumerate(spec.samples()):
            inputs = [np.asarray(x) for x in sample.inputs]
            # Bodies say their dtypes themselves.
            for dtype in (None,) if "body" in sample.attrs else (None, *FLOATS):
                arrays = [
                    x.astype(dtype) if dtype and x.dtype.kind == "f" else x
                    for x in inputs
                ]
                name = f"op {spec.name} {number} {np.dtype(dtype) if dtype else ''}"

                def run(
                    spec: Any = spec, sample: Any = sample, arrays: Any = arrays
                ) -> Arrays:
                    return _compile(lambda *x: call(spec, *x, **sample.attrs), *arrays)

                yield name, run


def _draw(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).standard_normal(shape)
    return values.astype(dtype)


def _products() -> Iterator[Case]:
    import graphopt as tf

    sizes = [1, 2, 3, 7, 10, 16, 17, 33, 64, 70, 129]
    shapes = list(itertools.product(sizes[::2], sizes[1::2], [1, 5, 16, 70, 255, 600]))
    shapes += [(300, 20, 784), (20, 300, 784), (64, 513, 257), (1, 700, 900)]
    shapes += [(700, 1, 900), (2000, 10, 256)]
    for number, (m, n, k) in enumerate(shapes):
        for dtype in FLOATS:
            ta, tb = bool(number & 1), bool(number & 2)
            a = _draw((k, m) if ta else (m, k), dtype, 1)
            b = _draw((n, k) if tb else (k, n), dtype, 2)

            def multiply(x: Any, y: Any, ta: bool = ta, tb: bool = tb) -> Any:
                return tf.matmul(x, y, transpose_a=ta, transpose_b=tb)

            def layer(x: Any, y: Any, z: Any, ta: bool = ta, tb: bool = tb) -> Any:
                h = tf.matmul(x, y, transpose_a=ta, transpose_b=tb)
                return tf.nn.relu(h + z) * 0.5

            name = f"{m} {n} {k} {ta:d}{tb:d} {np.dtype(dtype)}"
            yield f"matmul {name}", lambda a=a, b=b, f=multiply: _compile(f, a, b)
            bias = _draw((n,), dtype, 3)
            yield (
                f"layer {name}",
                lambda a=a, b=b, c=bias, f=layer: _compile(f, a, b, c),
            )
    a, b = _draw((3, 17, 40), np.float32), _draw((3, 40, 9), np.float32)
    yield "matmul batches", lambda: _compile(tf.matmul, a, b)


def _images() -> Iterator[Case]:
    import graphopt as tf

    cases = [
        ((3, 9, 8, 4), (3, 3, 4, 5), 1, 1, "SAME"),
        ((3, 9, 8, 4), (3, 3, 4, 5), 2, 1, "VALID"),
        ((2, 12, 12, 1), (5, 5, 1, 8), 1, 1, "SAME"),
        ((2, 13, 11, 1), (3, 3, 1, 33), 2, 1, "VALID"),
        ((2, 12, 12, 1), (3, 3, 1, 4), 1, 2, "SAME"),
        ((4, 14, 14, 16), (3, 3, 16, 32), 1, 1, "SAME"),
        ((20, 7, 7, 32), (3, 3, 32, 64), 1, 1, "SAME"),
        ((2, 10, 10, 7), (1, 1, 7, 20), 1, 1, "VALID"),
        ((2, 10, 10, 7), (1, 1, 7, 20), 2, 1, "VALID"),
        ((2, 10, 10, 3), (3, 2, 3, 17), 1, 2, "SAME"),
        ((1, 40, 40, 64), (3, 3, 64, 10), 1, 1, "SAME"),
        ((2, 300, 9, 3), (7, 7, 3, 6), 2, 1, "SAME"),
    ]
    for (image, filters, stride, dilation, padding), dtype in itertools.product(
        cases, FLOATS
    ):
        x, w = _draw(image, dtype, 1), _draw(filters, dtype, 2)

        def convolve(
            x: Any, w: Any, s: int = stride, d: int = dilation, p: str = padding
        ) -> Any:
            y = tf.nn.conv2d(x, w, s, p, dilations=d)
            loss = tf.reduce_sum(tf.nn.relu(y) * 0.37)
            return [y, *tf.gradients(loss, [x, w])]

        name = f"conv {image} {filters} {stride} {dilation} {padding} {np.dtype(dtype)}"
        yield name, lambda x=x, w=w, f=convolve: _compile(f, x, w)
    depthwise = _draw((3, 3, 4, 2), np.float32, 4)
    image = _draw((3, 9, 8, 4), np.float32, 1)

    def convolve_depthwise(x: Any, w: Any) -> Any:
        y = tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME")
        return [y, *tf.gradients(tf.square(y), [x, w])]

    yield "depthwise", lambda: _compile(convolve_depthwise, image, depthwise)
    pools = [(2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME"), (2, 3, "VALID")]
    for (size, stride, padding), dtype, channels in itertools.product(
        pools, FLOATS, (1, 3, 16, 33)
    ):
        x = _draw((3, 12, 10, channels), dtype, 5)
        x[0, 0, 0, 0] = np.nan
        for kind in ("max_pool2d", "avg_pool2d"):

            def pool(
                x: Any, k: str = kind, a: tuple[Any, ...] = (size, stride, padding)
            ) -> Any:
                y = getattr(tf.nn, k)(x, *a)
                return [y, *tf.gradients(tf.exp(y), [x])]

            name = f"{kind} {size} {stride} {padding} {channels} {np.dtype(dtype)}"
            yield name, lambda x=x, f=pool: _compile(f, x)


def _functions() -> Iterator[Case]:
    import graphopt as tf

    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, 1.0, -1.0, 0.5]
    names = "exp log tanh sigmoid sin cos sqrt abs sign floor round square"
    others = "erf erfc lgamma digamma expm1 log1p asinh acosh atan softplus"
    for dtype in FLOATS:
        x = np.concatenate([special, _draw((70_000,), np.float64, 3) * 5]).astype(dtype)
        for name in [*names.split(), *others.split()]:
            function = getattr(tf.math, name)
            yield (
                f"math {name} {np.dtype(dtype)}",
                lambda x=x, f=function: _compile(f, x),
            )
    shapes = [(7,), (1000,), (40_000,), (33, 65), (700, 10), (10, 700), (3, 4, 500)]
    kinds = "sum mean max min prod"
    for shape, dtype in itertools.product(shapes, (*FLOATS, np.int32, np.int64)):
        x = (_draw(shape, np.float64, 6) * 3).astype(dtype)
        if x.dtype.kind == "f":
            x.ravel()[5] = -0.0
        axes = [None, *range(len(shape))]
        for kind, axis in itertools.product(kinds.split(), axes):
            reduce = getattr(tf, f"reduce_{kind}")

            def run(x: Any, f: Any = reduce, axis: Any = axis) -> Any:
                return [f(x, axis), f(tf.square(x) - x, axis), f(tf.abs(x), axis)]

            yield (
                f"reduce {kind} {shape} {axis} {np.dtype(dtype)}",
                lambda x=x, f=run: _compile(f, x),
            )
        for axis in range(len(shape)):

            def scan(x: Any, axis: int = axis) -> Any:
                return [
                    tf.cumsum(x, axis),
                    tf.math.cumprod(x, axis, exclusive=True, reverse=True),
                    tf.argmax(x, axis),
                    tf.argmin(x, axis),
                    tf.sort(x, axis),
                    tf.reverse(x, [axis]),
                    tf.roll(x, 3, axis),
                ]

            yield (
                f"scan {shape} {axis} {np.dtype(dtype)}",
                lambda x=x, f=scan: _compile(f, x),
            )
    for shape, dtype in itertools.product([(64, 10), (9, 3000), (100, 64)], FLOATS):
        x = _draw(shape, dtype, 8) * 4
        labels = np.arange(shape[0], dtype=np.int32) % shape[1]

        def classify(x: Any, y: Any) -> Any:
            sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(y, x)
            dense = tf.nn.softmax_cross_entropy_with_logits(
                tf.one_hot(y, x.shape[1], dtype=x.dtype), x
            )
            loss = tf.reduce_sum(sparse * sparse + dense)
            gradients = tf.gradients(loss, [x])
            return [sparse, dense, tf.nn.softmax(x), tf.nn.log_softmax(x), *gradients]

        yield (
            f"softmax {shape} {np.dtype(dtype)}",
            lambda x=x, y=labels, f=classify: _compile(f, x, y),
        )
    rows = np.random.default_rng(3).integers(0, 50, 300)
    for dtype, index in itertools.product(FLOATS, (np.int32, np.int64)):
        x, i = _draw((50, 33), dtype, 9), rows.astype(index)

        def gather(x: Any, i: Any) -> Any:
            y = tf.gather(x, i)
            return [
                y,
                tf.math.unsorted_segment_sum(y, i, 50),
                tf.math.unsorted_segment_max(y, i, 50),
                tf.tensor_scatter_nd_add(x, i[:, None], y),
                tf.tensor_scatter_nd_min(x, i[:, None], y),
                tf.transpose(y),
                tf.concat([y, y * 2], 1),
                tf.pad(y, [[1, 2], [3, 4]], constant_values=7),
                tf.tile(x, [2, 3]),
                tf.convert_to_tensor(tf.gradients(tf.square(tf.gather(x, i)), [x])[0]),
            ]

        yield (
            f"gather {np.dtype(dtype)} {np.dtype(index)}",
            lambda x=x, i=i, f=gather: _compile(f, x, i),
        )

    def draw_numbers() -> Any:
        return [
            tf.random.uniform([1001], seed=1),
            tf.random.normal([1001], seed=2, dtype=tf.float64),
            tf.random.truncated_normal([999], seed=3),
            tf.random.uniform([777], 3, 1000, tf.int32, seed=4),
            tf.random.uniform([777], 3, 1 << 40, tf.int64, seed=5),
            tf.nn.dropout(tf.ones([400]), 0.3, seed=6),
        ]

    yield "random", lambda: _compile(draw_numbers)


def _optimizers() -> Iterator[Case]:
    import graphopt as tf
    from tests.keras.optimizer_table import CASES

    v1 = tf.compat.v1
    options: list[dict[str, Any]] = [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.3}]
    for case, extra, dtype in itertools.product(CASES, options, FLOATS):
        name = f"optimizer {case.label} {extra} {np.dtype(dtype)}"

        def train(case: Any = case, extra: Any = extra, dtype: Any = dtype) -> Arrays:
            from graphopt.config import config

            with tf.Graph().as_default(), config(jit="always"):
                ws = [tf.Variable(_draw(s, dtype, 3)) for s in [(33, 5), (7,), ()]]
                table = tf.Variable(_draw((20, 6), dtype, 4))
                rows = tf.gather(table, tf.constant([3, 5, 3, 19]))
                loss = tf.add_n([tf.reduce_sum(w * w * w + w) for w in ws])
                loss += tf.reduce_sum(tf.square(rows))
                step = case.make(**extra).minimize(loss, [*ws, table])
                with v1.Session() as session:
                    session.run(v1.global_variables_initializer())
                    for _ in range(4):
                        session.run(step)
                    values: Arrays = session.run(v1.global_variables())
                    return values

        yield name, train


def _steps() -> Iterator[Case]:
    """Whole steps of the tools' models, smaller: losses and variables after three."""
    import graphopt as tf

    tools = ROOT / "tools"
    sys.path.insert(0, str(tools))
    import training_steps

    v1 = tf.compat.v1
    makers: dict[str, Callable[[], Any]] = {
        "perceptron": lambda: training_steps.perceptron(64, (100, 65, 33, 10)),
        "wide": lambda: training_steps.perceptron(17, (300, 512, 10)),
        "convolutions": lambda: training_steps.convolutions(8),
    }
    for name, make in makers.items():

        def train(make: Any = make) -> Arrays:
            with tf.Graph().as_default():
                step = make()
                with v1.Session() as session:
                    session.run(v1.global_variables_initializer())
                    for _ in range(3):
                        session.run(step)
                    values: Arrays = session.run(v1.global_variables())
                    return values

        yield f"step {name}", train


def _graphs() -> Iterator[Case]:
    from tests.properties.graphs import make_recipe, run_in_graph

    for seed in range(150):

        def run(seed: int = seed) -> Arrays:
            rng = np.random.default_rng(seed)
            recipe = make_recipe(lambda a, b: int(rng.integers(a, b + 1)), 25)
            return run_in_graph(recipe, "always", gradients=seed % 2 == 1)

        yield f"graph {seed}", run


if __name__ == "__main__":
    sys.exit(main())
