"""Complex numbers, in every mode, beside NumPy; their gradients beside differences."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.dtypes import COMPLEX
from graphopt.graph.opspec import REGISTRY, Effect
from tests.helpers import assert_everywhere

# Complex numbers have no kernels, and a step that writes says that it is slow.
pytestmark = pytest.mark.filterwarnings("ignore:The step")

v1 = tf.compat.v1
RNG = np.random.default_rng(4)
KINDS = [(np.complex64, 2e-5), (np.complex128, 1e-12)]
each_kind = pytest.mark.parametrize(("dtype", "rtol"), KINDS)


def random(*shape, dtype=np.complex128, seed=None):
    rng = RNG if seed is None else np.random.default_rng(seed)
    parts = rng.uniform(0.2, 1.5, (2, *shape))
    return (parts[0] + 1j * parts[1]).astype(dtype)


UNARY = {
    "negative": np.negative,
    "square": np.square,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": np.reciprocal,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "conj": np.conj,
    "cumsum": lambda x: np.cumsum(x, 0),
    "cumprod": lambda x: np.cumprod(x, 0),
}
TO_REAL = {"real": np.real, "imag": np.imag, "abs": np.abs, "angle": np.angle}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.true_divide,
    "pow": np.power,
}
REDUCTIONS = {"reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_prod": np.prod}


@each_kind
def test_functions(dtype, rtol):
    x, y = random(3, 4, dtype=dtype), random(3, 4, dtype=dtype)
    for name, numpy in {**UNARY, **TO_REAL}.items():
        want = numpy(x)
        assert_everywhere(getattr(tf.math, name), [x], want, rtol=rtol)
    for name, numpy in BINARY.items():
        want = numpy(x, y).astype(dtype)
        assert_everywhere(getattr(tf.math, name), [x, y], want, rtol=rtol)
        assert_everywhere(
            getattr(tf.math, name), [x, y[0]], numpy(x, y[0]).astype(dtype), rtol=rtol
        )
    for name, numpy in REDUCTIONS.items():
        for axis in (None, 0, 1):
            assert_everywhere(
                lambda t, n=name, a=axis: getattr(tf.math, n)(t, a),
                [x],
                np.asarray(numpy(x, axis), dtype),
                rtol=rtol,
            )
    assert_everywhere(tf.equal, [x, np.where(x.real > 1, x, y)], x.real > 1)


@each_kind
def test_products_and_shapes(dtype, rtol):
    a, b = random(2, 3, 4, dtype=dtype), random(2, 4, 5, dtype=dtype)
    assert_everywhere(tf.matmul, [a, b], a @ b, rtol=rtol)
    turned = np.conj(np.swapaxes(a, -1, -2))
    assert_everywhere(
        lambda x, y: tf.matmul(x, y, adjoint_a=True), [a, a], turned @ a, rtol=rtol
    )
    assert_everywhere(tf.linalg.adjoint, [a], turned)
    assert_everywhere(
        lambda x: tf.concat([x[:, 1:], tf.reverse(x, [1])], 1)[..., ::2],
        [a],
        np.concatenate([a[:, 1:], a[:, ::-1]], 1)[..., ::2],
    )
    assert_everywhere(
        lambda x: tf.transpose(tf.reshape(x, [3, 8])), [a], a.reshape(3, 8).T
    )
    assert_everywhere(lambda x: tf.gather(x, [1, 0, 1]), [a], a[[1, 0, 1]])
    assert_everywhere(
        lambda x: tf.einsum("bij,bkj->bik", x, x),
        [a],
        np.einsum("bij,bkj->bik", a, a),
        rtol=rtol,
    )
    assert_everywhere(
        lambda x: tf.where(tf.math.real(x) > 1.0, x, tf.zeros_like(x)),
        [a],
        np.where(a.real > 1, a, 0).astype(dtype),
    )


@each_kind
def test_conversions(dtype, rtol):
    x = random(3, dtype=dtype)
    real = x.real.dtype.type
    assert_everywhere(lambda t: tf.cast(t, real), [x], x.real)
    assert_everywhere(lambda t: tf.cast(t, tf.int32), [x], x.real.astype(np.int32))
    assert_everywhere(lambda t: tf.cast(t, dtype), [x.real], x.real.astype(dtype))
    assert_everywhere(tf.complex, [x.real, x.imag], x)
    assert tf.constant([1 + 2j]).dtype == tf.complex128
    assert tf.constant([1, 2.5], dtype).dtype == dtype
    assert tf.as_dtype("complex64") is tf.complex64
    assert tf.complex64.is_complex
    assert tf.complex64.real_dtype is tf.float32
    assert not tf.complex64.is_floating


def test_real_numbers_have_parts_too():
    x = tf.constant([-1.5, 2.0])
    assert tf.math.real(x).numpy().tolist() == [-1.5, 2.0]
    assert tf.math.imag(x).numpy().tolist() == [0.0, 0.0]
    assert tf.math.conj(x).numpy().tolist() == [-1.5, 2.0]
    np.testing.assert_allclose(tf.math.angle(x), [np.pi, 0.0], rtol=1e-6)


@each_kind
@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 3, 4)])
def test_fourier_transforms(dtype, rtol, shape):
    x = random(*shape, dtype=dtype)
    signal, r = tf.signal, x.real.dtype
    assert_everywhere(signal.fft, [x], np.fft.fft(x), rtol=rtol)
    assert_everywhere(signal.ifft, [x], np.fft.ifft(x), rtol=rtol)
    assert_everywhere(
        signal.rfft, [x.real], np.fft.rfft(x.real).astype(dtype), rtol=rtol
    )
    assert_everywhere(signal.irfft, [x], np.fft.irfft(x).astype(r), rtol=rtol)
    for n in (4, 7, 9):
        want = np.fft.rfft(x.real, n).astype(dtype)
        assert_everywhere(lambda t, n=n: signal.rfft(t, [n]), [x.real], want, rtol=rtol)
        want = np.fft.irfft(x, n).astype(r)
        assert_everywhere(lambda t, n=n: signal.irfft(t, [n]), [x], want, rtol=rtol)
    if len(shape) > 1:
        assert_everywhere(signal.fft2d, [x], np.fft.fft2(x), rtol=rtol)
        assert_everywhere(signal.ifft2d, [x], np.fft.ifft2(x), rtol=rtol)
        want = np.fft.rfft2(x.real).astype(dtype)
        assert_everywhere(signal.rfft2d, [x.real], want, rtol=rtol)
        want = np.fft.irfft2(x, (3, 6)).astype(r)
        assert_everywhere(
            lambda t: signal.irfft2d(t, [3, 6]), [x], want, rtol=10 * rtol
        )


def test_transforms_of_real_numbers_are_refused():
    with pytest.raises(TypeError, match="transforms complex numbers"):
        tf.signal.fft([1.0, 2.0])
    with pytest.raises(ValueError, match="1 positive numbers"):
        tf.signal.rfft([1.0, 2.0], [0])


# ---- gradients: of a real loss by z = x + iy, dL/dx + i dL/dy

A = random(3, 3, seed=1) + 2 * np.eye(3)
W = random(3, 3, seed=2)
DIFFERENTIATED = {
    **{name: getattr(tf.math, name) for name in (*UNARY, *TO_REAL)},
    "sum": lambda z: tf.reduce_sum(z, 0),
    "mean": tf.reduce_mean,
    "prod": lambda z: tf.reduce_prod(z, 1),
    "z * conj": lambda z: z * tf.math.conj(z),
    "divide": lambda z: W / z,
    "pow": lambda z: z ** (1.5 + 0.5j),
    "exponent": lambda z: tf.constant(W) ** z,
    "matmul": lambda z: tf.matmul(W, z),
    "matmul adjoint": lambda z: tf.matmul(z, z, adjoint_b=True),
    "cast": lambda z: tf.cast(z, tf.float64) ** 2,
    "cast back": lambda z: tf.cast(tf.math.imag(z), tf.complex128) * W,
    "complex": lambda z: tf.complex(tf.math.imag(z), tf.math.real(z) ** 2) * W,
    "where": lambda z: tf.where(tf.math.real(z) > 1.0, z * z, W),
    "slice": lambda z: z[1:, ::2] * W[1:, ::2],
    "gather": lambda z: tf.gather(z, [0, 2, 0]) * W,
    "concat": lambda z: tf.concat([z, z * z], 0),
    "fft": lambda z: tf.signal.fft(z) * W,
    "ifft": lambda z: tf.signal.ifft(z) ** 2,
    "fft2d": tf.signal.fft2d,
    "rfft": lambda z: tf.signal.rfft(tf.math.real(z)),
    "rfft long": lambda z: tf.signal.rfft(tf.abs(z), [5]),
    "rfft short": lambda z: tf.signal.rfft(tf.math.imag(z), [2]),
    "irfft": tf.signal.irfft,
    "irfft odd": lambda z: tf.signal.irfft(z, [5]),
    "irfft short": lambda z: tf.signal.irfft(z, [2]),
    "rfft2d": lambda z: tf.signal.rfft2d(tf.math.real(z)),
    "irfft2d": lambda z: tf.signal.irfft2d(z, [3, 4]),
    "inv": tf.linalg.inv,
    "det": tf.linalg.det,
    "solve": lambda z: tf.linalg.solve(z, W),
    "solve adjoint": lambda z: tf.linalg.solve(z, W, adjoint=True),
    "triangular": lambda z: tf.linalg.triangular_solve(z, W, lower=False),
    "triangular adjoint": lambda z: tf.linalg.triangular_solve(z, W, adjoint=True),
    "slogdet": lambda z: tf.math.real(tf.linalg.slogdet(z)[1]),
    "cholesky": lambda z: tf.linalg.cholesky(tf.matmul(z, z, adjoint_a=True)),
    "eigvalsh": lambda z: tf.linalg.eigvalsh(tf.matmul(z, z, adjoint_a=True)),
    "singular values": lambda z: tf.linalg.svd(z, compute_uv=False),
    "qr": lambda z: tf.math.abs(tf.linalg.qr(z)[1]),
    "cond": lambda z: tf.cond(tf.math.real(z[0, 0]) > 0, lambda: z * z, lambda: z),
    "stop": lambda z: tf.stop_gradient(z) * z,
}


def loss_of(function):
    def loss(z):
        y = function(z)
        if y.dtype.is_complex:
            weights = np.random.default_rng(5).normal(size=(2, *y.shape))
            return tf.reduce_sum(
                tf.math.real(y) * weights[0] + tf.math.imag(y) * weights[1]
            )
        return tf.reduce_sum(y * np.random.default_rng(5).normal(size=tuple(y.shape)))

    return loss


def numeric(loss, z, step=1e-6):
    grad = np.zeros_like(z)
    for index in np.ndindex(z.shape):
        for unit in (1, 1j):
            moved = np.zeros_like(z)
            moved[index] = step * unit
            slope = float(loss(tf.constant(z + moved)) - loss(tf.constant(z - moved)))
            grad[index] += unit * slope / (2 * step)
    return grad


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_gradients(name):
    function = DIFFERENTIATED[name]
    loss = loss_of(function)
    want = numeric(loss_of(lambda z: W * z) if name == "stop" else loss, A)
    if name == "stop":
        frozen = tf.constant(A)
        want = numeric(loss_of(lambda z: frozen * z), A)
    z = tf.constant(A)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(z)
    eager = tf.convert_to_tensor(tape.gradient(value, z)).numpy()
    np.testing.assert_allclose(eager, want, rtol=2e-6, atol=1e-7)
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.complex128, [3, 3])
        grad = tf.convert_to_tensor(tf.gradients(loss(x), [x])[0])
        graph = session.run(grad, {x: A})
    np.testing.assert_allclose(graph, eager, rtol=1e-12, atol=1e-13)

    @tf.function
    def traced(x):
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = loss(x)
        return tf.convert_to_tensor(inner.gradient(y, x))

    np.testing.assert_allclose(traced(z), eager, rtol=1e-12, atol=1e-13)


def test_gradient_through_a_function():
    f = tf.function(lambda z: z * z * W)
    z = tf.constant(A)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = tf.reduce_sum(tf.math.real(f(z)))
    np.testing.assert_allclose(tape.gradient(value, z), np.conj(2 * A * W), rtol=1e-12)


def test_gradient_through_a_loop():
    with tf.Graph().as_default(), v1.Session() as session:
        z = v1.placeholder(tf.complex128, [])
        y = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * z), (0, z))[1]
        (grad,) = tf.gradients(tf.math.real(y), [z])
        got = session.run(grad, {z: 0.5 + 1j})
    np.testing.assert_allclose(got, np.conj(4 * (0.5 + 1j) ** 3))


def test_second_derivative():
    z = tf.constant(0.5 + 1j)
    with tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            y = tf.math.real(z * z * z)
        g = inner.gradient(y, z)
        value = tf.math.real(g)
    # real(conj(3 z^2)) has the gradient conj(6 z).
    np.testing.assert_allclose(outer.gradient(value, z), np.conj(6 * (0.5 + 1j)))


def test_gradient_of_the_absolute_value_at_zero():
    z = tf.constant([0j, 3 + 4j])
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = tf.abs(z)
    np.testing.assert_allclose(tape.gradient(y, z), [0, 0.6 + 0.8j])


# ---- no kernel ever sees them


def test_programs_with_complex_numbers_are_interpreted():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        x = v1.placeholder(tf.float32, [3])
        z = tf.cast(x, tf.complex64) * (1 + 2j)
        y = tf.math.real(z) + x * x
        np.testing.assert_allclose(session.run(y, {x: [1, 2, 3]}), [2, 6, 12])
        (runner,) = session._runners.values()
        (plan,) = runner.plans.values()
        assert plan.executable is None
        assert "complex" in plan.schedule.interpreted


REAL_ONLY = [
    spec
    for spec in REGISTRY.values()
    if COMPLEX[0] not in spec.dtypes
    and spec.effect is Effect.NONE
    and spec.types[0] in ("T", "T*", "any")
]


@pytest.mark.parametrize("spec", REAL_ONLY, ids=lambda spec: spec.name)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_ops_of_real_numbers_refuse_complex_ones(spec, mode):
    from graphopt.graph.dispatch import call

    sample = next((s for s in spec.samples() if s.inputs), None)
    if sample is None:
        pytest.skip("It has no inputs.")
    arrays = [np.asarray(x) for x in sample.inputs]
    if not any(a.dtype.kind == "f" for a in arrays):
        pytest.skip("Its inputs are no floats.")
    arrays = [a.astype(np.complex128) if a.dtype.kind == "f" else a for a in arrays]
    with pytest.raises((TypeError, ValueError)):
        if mode == "eager":
            call(spec, *arrays, **sample.attrs)
        else:
            with tf.Graph().as_default():
                call(spec, *map(tf.constant, arrays), **sample.attrs)


def test_complex_values_for_real_tensors_are_refused():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2])
        with pytest.raises(TypeError, match="Cannot feed"):
            session.run(x + 1, {x: [1j, 0]})
    with pytest.raises(TypeError, match="complex"):
        tf.constant([1.0]) + np.array([1j])
    with pytest.raises(TypeError):
        tf.constant(1j, tf.float32)


# ---- variables and optimizers

OPTIMIZERS = {
    "SGD": lambda m: m.SGD(0.1),
    "momentum": lambda m: m.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda m: m.Adam(0.1),
    "AdamW": lambda m: m.AdamW(0.1),
    "Adagrad": lambda m: m.Adagrad(0.1),
    "Adadelta": lambda m: m.Adadelta(1.0),
    "RMSprop": lambda m: m.RMSprop(0.1, centered=True, momentum=0.5),
    "Nadam": lambda m: m.Nadam(0.1),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@each_kind
def test_optimizers_of_real_values_go_the_same_way(make, dtype, rtol):
    start, grads = RNG.uniform(1, 2, 3), RNG.normal(size=(4, 3))
    real = np.zeros(0, dtype).real.dtype
    w, z = tf.Variable(start.astype(real)), tf.Variable(start.astype(dtype))
    first, second = make(tf.keras.optimizers), make(tf.keras.optimizers)
    for g in grads:
        first.apply_gradients([(tf.constant(g.astype(real)), w)])
        second.apply_gradients([(tf.constant(g.astype(dtype)), z)])
    assert z.numpy().dtype == dtype
    np.testing.assert_allclose(z.numpy(), w.numpy(), rtol=10 * rtol)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_agree_in_all_modes(make):
    start = random(3, seed=8)
    target = random(3, seed=9)

    def loss_at(z):
        return tf.reduce_sum(tf.abs(z - target) ** 2.0)

    eager = tf.Variable(start)
    optimizer = make(tf.keras.optimizers)
    for _ in range(5):
        optimizer.minimize(lambda: loss_at(eager), [eager])
    assert float(loss_at(eager)) < float(loss_at(tf.constant(start)))
    traced, inside = tf.Variable(start), make(tf.keras.optimizers)
    step = tf.function(lambda: inside.minimize(lambda: loss_at(traced), [traced]))
    for _ in range(5):
        step()
    np.testing.assert_allclose(traced.numpy(), eager.numpy(), rtol=1e-12)
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        z = tf.Variable(start)
        train = make(tf.keras.optimizers).minimize(loss_at(z), [z])
        session.run(v1.global_variables_initializer())
        for _ in range(5):
            session.run(train)
        np.testing.assert_allclose(session.run(z), eager.numpy(), rtol=1e-12)


def test_sparse_gradients_and_assignments():
    z = tf.Variable(random(3, 2, seed=1))
    before = z.numpy()
    rows = tf.IndexedSlices(
        tf.constant(random(2, 2, seed=2)), tf.constant([2, 2]), (3, 2)
    )
    tf.keras.optimizers.SGD(0.5).apply_gradients([(rows, z)])
    want = before.copy()
    want[2] -= 0.5 * rows.values.numpy().sum(0)
    np.testing.assert_allclose(z.numpy(), want)
    z.assign_add(np.full((3, 2), 1j))
    np.testing.assert_allclose(z.numpy(), want + 1j)


def test_optimizers_of_version_1():
    with tf.Graph().as_default(), v1.Session() as session:
        z = tf.Variable(np.array([1 + 1j, 2 - 1j]))
        train = v1.train.GradientDescentOptimizer(0.25).minimize(
            tf.reduce_sum(tf.abs(z) ** 2.0)
        )
        session.run(v1.global_variables_initializer())
        session.run(train)
        np.testing.assert_allclose(session.run(z), [0.5 + 0.5j, 1 - 0.5j])


def test_valid_dtypes():
    optimizer = tf.keras.optimizers.SGD(0.1)
    assert {tf.complex64, tf.complex128, tf.float16} <= optimizer._valid_dtypes()
    with pytest.raises(ValueError, match="Invalid dtype int32"):
        optimizer.minimize(lambda: tf.constant(1.0), [tf.Variable(1)])
