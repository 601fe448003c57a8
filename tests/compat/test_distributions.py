"""`tf.distributions`: values recorded from TensorFlow, samples, derivatives, shapes."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest

import graphopt as tf
from graphopt.compat.v1.distributions import discrete, multivariate
from graphopt.config import config
from tests.golden import record_distributions_v1 as recorded

v1 = tf.compat.v1
module = v1.distributions
GOLDEN = pathlib.Path(recorded.__file__).parent
SHAPES = json.loads((GOLDEN / "distributions_v1.json").read_text())
JIT = pytest.mark.parametrize("jit", ["never", "always"])


@pytest.fixture(scope="module")
def arrays():
    with np.load(GOLDEN / "distributions_v1.npz") as file:
        return dict(file)


@pytest.mark.parametrize("key", list(recorded.CASES))
def test_values_are_those_of_tensorflow(key, arrays):
    kind, *rest = recorded.CASES[key]
    made, found = recorded.results(module, kind, *rest)
    batch, event, dtype = SHAPES[key]
    assert made.batch_shape == batch and made.event_shape == event
    assert made.dtype.name == dtype
    wanted = {
        k.partition("/")[2]: v for k, v in arrays.items() if k.startswith(key + "/")
    }
    assert set(wanted) <= set(found), set(wanted) - set(found)
    for name, want in wanted.items():
        got = found[name].numpy()
        assert got.dtype == want.dtype, name
        np.testing.assert_allclose(
            np.broadcast_to(got, want.shape), want, rtol=2e-6, atol=1e-9, err_msg=name
        )


SAMPLED = {
    "normal": (module.Normal([0.0, 3.0], [1.0, 0.5]), [0, 3], [1, 0.25]),
    "uniform": (module.Uniform([0.0, 2.0], [1.0, 6.0]), [0.5, 4], [1 / 12, 16 / 12]),
    "gamma": (module.Gamma([2.0, 0.5], [1.0, 2.0]), [2, 0.25], [2, 0.125]),
    "exponential": (module.Exponential([2.0, 0.5]), [0.5, 2], [0.25, 4]),
    "beta": (module.Beta([1.0, 2.0], [1.0, 4.0]), [0.5, 1 / 3], [1 / 12, 0.031746]),
    "laplace": (module.Laplace([0.0, 1.0], [1.0, 0.5]), [0, 1], [2, 0.5]),
    "student": (
        module.StudentT([9.0, 9.0], [0.0, 1.0], [1.0, 2.0]),
        [0, 1],
        [9 / 7, 36 / 7],
    ),
    "bernoulli": (module.Bernoulli(probs=[0.2, 0.9]), [0.2, 0.9], [0.16, 0.09]),
    "categorical": (
        module.Categorical(probs=[[0.5, 0.0, 0.5], [0.1, 0.9, 0.0]]),
        [1, 0.9],
        [1, 0.09],
    ),
    "poisson": (discrete.Poisson([2.0, 0.5]), [2, 0.5], [2, 0.5]),
}


@JIT
@pytest.mark.parametrize("key", list(SAMPLED))
def test_samples_have_mean_and_variance(key, jit):
    _, mean, variance = SAMPLED[key]
    kind = type(SAMPLED[key][0])
    given = SAMPLED[key][0].parameters
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        drawn = kind(**given).sample([40, 100], seed=5)
        assert drawn.shape == (40, 100, 2)
        first, second = session.run(drawn), session.run(drawn)
    assert not np.array_equal(first, second)
    values = np.asarray(first, np.float64).reshape(4000, 2)
    spread = np.sqrt(variance)
    np.testing.assert_allclose(values.mean(0), mean, atol=0.08 * spread.max())
    np.testing.assert_allclose(values.var(0), variance, rtol=0.2)


def test_samples_of_vectors():
    tf.random.set_seed(1)
    counts = module.Multinomial(5.0, probs=[[0.2, 0.8], [1.0, 0.0]]).sample(300).numpy()
    assert counts.shape == (300, 2, 2) and np.all(counts.sum(-1) == 5)
    np.testing.assert_allclose(counts.mean(0), [[1, 4], [5, 0]], atol=0.2)
    chances = module.Dirichlet([1.0, 2.0, 3.0]).sample(400).numpy()
    np.testing.assert_allclose(chances.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(chances.mean(0), [1 / 6, 1 / 3, 1 / 2], atol=0.04)
    hot = discrete.OneHotCategorical(probs=[0.25, 0.75]).sample(400)
    assert hot.dtype is tf.int32 and np.all(hot.numpy().sum(-1) == 1)
    np.testing.assert_allclose(hot.numpy().mean(0), [0.25, 0.75], atol=0.08)
    soft = (
        discrete.RelaxedOneHotCategorical(0.1, probs=[0.25, 0.75]).sample(400).numpy()
    )
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(soft.mean(0), [0.25, 0.75], atol=0.1)


@JIT
def test_samples_have_derivatives_and_unknown_batches(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        loc = v1.placeholder(tf.float32, [None, 2])
        scale = v1.placeholder(tf.float32, [2])
        normal = module.Normal(loc, scale)
        assert normal.batch_shape.as_list() == [None, 2]
        drawn = normal.sample(3, seed=2)
        grads = tf.gradients(drawn, [loc, scale])
        feed = {loc: np.zeros((5, 2)), scale: [1, 2]}
        plan = session.plan([drawn, *grads], feed)
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
        values, by_loc, by_scale = session.run([drawn, *grads], feed)
        batch = session.run(normal.batch_shape_tensor(), feed)
    assert values.shape == (3, 5, 2)
    np.testing.assert_array_equal(batch, [5, 2])
    np.testing.assert_array_equal(by_loc, np.full((5, 2), 3))
    np.testing.assert_allclose(by_scale, (values / [1, 2]).sum((0, 1)), rtol=1e-4)


def test_policy_gradient_and_variational_terms_have_derivatives():
    logits = tf.constant([[0.1, 0.4, -0.3]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        policy = module.Categorical(logits)
        score, entropy = policy.log_prob([1]), policy.entropy()
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum()
    np.testing.assert_allclose(
        tape.gradient(score, logits).numpy(), np.eye(3)[[1]] - p, rtol=1e-5
    )
    want = -p * (np.log(p) - (p * np.log(p)).sum())
    np.testing.assert_allclose(tape.gradient(entropy, logits).numpy(), want, rtol=1e-4)
    mean = tf.constant([0.5, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(mean)
        kl = module.kl_divergence(module.Normal(mean, 1.0), module.Normal(0.0, 2.0))
    np.testing.assert_allclose(tape.gradient(kl, mean).numpy(), mean.numpy() / 4)


def test_vectors_of_normal_numbers():
    loc, scale = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1.0, 2.0])
    vectors = multivariate.MultivariateNormalDiag(loc, scale)
    assert vectors.batch_shape == [2] and vectors.event_shape == [2]
    x = np.array([0.5, -1.0])
    want = module.Normal(loc, scale).log_prob(x).numpy().sum(-1)
    np.testing.assert_allclose(vectors.log_prob(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(
        vectors.entropy().numpy(), 2 * [1 + math.log(2 * math.pi) + math.log(2)]
    )
    np.testing.assert_array_equal(vectors.covariance().numpy(), [[[1, 0], [0, 4]]] * 2)
    other = multivariate.MultivariateNormalDiag(scale_diag=np.ones(2))
    kl = vectors.kl_divergence(other).numpy()
    np.testing.assert_allclose(kl, 0.5 * ((loc**2).sum(1) + 5 - 2 - math.log(4)))
    assert vectors.sample(7).shape == (7, 2, 2)
    both = multivariate.MultivariateNormalDiag(loc, scale, 0.5)
    np.testing.assert_array_equal(both.stddev().numpy(), [[1.5, 2.5]] * 2)
    with pytest.raises(ValueError, match="at least one of loc and scale_diag"):
        multivariate.MultivariateNormalDiag()


def test_more_kinds_of_contrib():
    hot = discrete.OneHotCategorical(probs=[0.25, 0.75])
    np.testing.assert_allclose(
        hot.prob([[0, 1], [1, 0]]).numpy(), [0.75, 0.25], rtol=1e-6
    )
    np.testing.assert_array_equal(hot.mode().numpy(), [0, 1])
    poisson = discrete.Poisson(np.array([0.5, 3.0]))
    k = np.array([2.0, 4.0])
    terms = [
        sum(math.exp(-r) * r**i / math.factorial(i) for i in range(int(n) + 1))
        for r, n in ((0.5, 2), (3.0, 4))
    ]
    np.testing.assert_allclose(poisson.cdf(k).numpy(), terms, rtol=1e-9)
    np.testing.assert_allclose(
        poisson.prob(k).numpy(),
        [math.exp(-0.5) * 0.125, math.exp(-3) * 81 / 24],
        rtol=1e-9,
    )
    relaxed = discrete.RelaxedOneHotCategorical(np.float64(0.5), logits=np.zeros(2))
    # Of two classes it is the density of a logistic distribution, transformed.
    x = np.array([0.3, 0.7])
    t = 0.5
    want = t * (x[0] * x[1]) ** (-t - 1) / (x[0] ** -t + x[1] ** -t) ** 2
    np.testing.assert_allclose(relaxed.prob(x).numpy(), want, rtol=1e-9)


def test_registering_divergences():
    class Own(module.Normal):
        pass

    own = Own(0.0, 1.0)
    # That of the base class stands in for it.
    assert module.kl_divergence(own, module.Normal(0.0, 1.0)).numpy() == 0

    @module.RegisterKL(Own, Own)
    def divergence(a, b):
        return tf.constant(7.0)

    assert own.kl_divergence(own).numpy() == 7
    with pytest.raises(ValueError, match="already been registered"):
        module.RegisterKL(Own, Own)(divergence)
    with pytest.raises(TypeError, match="must be callable"):
        module.RegisterKL(Own, module.Beta)(3)
    with pytest.raises(
        NotImplementedError, match="type Normal and distribution_b type B"
    ):
        module.kl_divergence(module.Normal(0.0, 1.0), module.Bernoulli(0.5))


def test_parameters_and_errors():
    normal = module.Normal(1.0, 2.0, name="mine")
    assert normal.name == "mine" and normal.copy(loc=3.0).mean().numpy() == 3
    assert normal.parameters["scale"] == 2.0
    assert normal.reparameterization_type is module.FULLY_REPARAMETERIZED
    assert normal.is_scalar_batch().numpy() and normal.is_scalar_event().numpy()
    with pytest.raises(ValueError, match="but not both"):
        module.Bernoulli()
    with pytest.raises(NotImplementedError, match="quantile is not implemented: Beta"):
        module.Beta(1.0, 1.0).quantile(0.5)
    assert "Normal" in repr(normal)
