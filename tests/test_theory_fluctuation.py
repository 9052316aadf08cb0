"""Lemma 1 on simulated data: variances of interactions, and the estimator of the noise."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from theory_oracles import noise_covariance, order, subsets, triggering

from theory import (
    NoiseModel,
    and_interactions,
    estimate_noise,
    initial_strength,
    interaction_variance,
    or_interactions,
    order_distribution,
    random_interactions,
    strength_by_order,
)
from theory._fluctuation import _estimate

N = 4


def test_variance_is_summed_over_subsets():
    variance = np.random.default_rng(0).uniform(0.1, 2.0, 2**N)
    expected = [sum(variance[t] for t in subsets(s)) for s in range(2**N)]
    np.testing.assert_allclose(interaction_variance(variance), expected, rtol=1e-12)


def test_lemma_1_on_sampled_outputs():
    """Unequal variances, so that every output's share is seen; AND, and OR by complements."""
    rng = np.random.default_rng(1)
    variance, draws = rng.uniform(0.1, 2.0, 2**N), 40_000
    outputs = rng.normal(size=(draws, 2**N)) * np.sqrt(variance)
    error = np.sqrt(2 / draws)  # relative, of a normal sample's variance
    sampled = np.var(and_interactions(outputs), axis=0)
    assert np.all(np.abs(sampled / interaction_variance(variance) - 1) < 5 * error)
    sampled = np.var(or_interactions(outputs), axis=0)[1:]
    assert np.all(np.abs(sampled / interaction_variance(variance[::-1])[1:] - 1) < 5 * error)


def test_interactions_of_independent_outputs_are_correlated():
    rng = np.random.default_rng(2)
    draws = 40_000
    sampled = np.cov(and_interactions(rng.normal(size=(draws, 2**N))).T)
    expected = noise_covariance(N, 2.0, -(0.5**0.5))
    sizes = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.all(np.abs(sampled - expected) < 5.5 * sizes * np.sqrt(2 / draws))


def simulated(key, datasets, repeats, growth, correlation, sigma2):
    """Outputs whose interactions have the family's covariance."""
    root = np.linalg.cholesky(sigma2 * noise_covariance(N, growth, correlation))
    noise = jax.random.normal(key, (datasets, repeats, 2, 2**N)) @ root.T
    means = jax.random.normal(jax.random.fold_in(key, 1), (datasets, 1, 2, 2**N))
    return (means + noise) @ triggering(N).T


@pytest.mark.parametrize(
    ("growth", "correlation"), [(2.0, 0.0), (2.0, -(0.5**0.5)), (1.3, 0.3), (0.6, 0.0)]
)
def test_estimates_scatter_about_the_truth_as_much_as_they_say(growth, correlation):
    sigma2 = 0.07
    outputs = simulated(jax.random.key(4), 400, 40, growth, correlation, sigma2)
    estimates = jax.vmap(lambda x: _estimate(x, N))(outputs)
    for value, error, truth in [
        (estimates.growth, estimates.growth_error, growth),
        (estimates.sigma2, estimates.sigma2_error, sigma2),
    ]:
        relative = np.log(np.asarray(value) / truth)
        stated = np.asarray(error / value)
        # Logarithms of variances are biased by about their squared error.
        assert abs(relative.mean()) < 4 * relative.std() / 20 + stated.mean() ** 2
        assert 0.9 < stated.mean() / relative.std() < 1.15
        assert np.mean(np.abs(np.asarray(value) - truth) < 2 * np.asarray(error)) > 0.9


def test_estimate_by_plain_numpy():
    outputs = np.random.default_rng(5).normal(size=(6, 3, 2**N)) + 1.0
    got = estimate_noise(outputs)
    sizes = np.array([order(s) for s in range(2**N)])

    def line(outputs):
        variance = np.var(and_interactions(outputs), axis=0, ddof=1).mean(axis=0)
        by_order = [variance[sizes == k].mean() for k in range(N + 1)]
        counts = [np.sum(sizes == k) for k in range(N + 1)]
        slope, start = np.polyfit(np.arange(N + 1), np.log(by_order), 1, w=np.sqrt(counts))
        return np.array([start, slope]), by_order

    (start, slope), by_order = line(outputs)
    left_out = np.array([line(np.delete(outputs, r, axis=0))[0] for r in range(6)])
    errors = np.sqrt(5 / 6 * np.sum((left_out - left_out.mean(axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(got.variance_by_order, by_order, rtol=1e-10)
    np.testing.assert_allclose([got.sigma2, got.growth], np.exp([start, slope]), rtol=1e-10)
    np.testing.assert_allclose(got.sigma2_error, got.sigma2 * errors[0], rtol=1e-9)
    np.testing.assert_allclose(got.growth_error, got.growth * errors[1], rtol=1e-9)
    assert isinstance(got.model, NoiseModel)


def test_initial_strength_is_binomial_times_a_power():
    for n, rho in [(1, 0.3), (7, 2**0.5), (30, 1.7)]:
        weights = [math.comb(n, k) * rho**k for k in range(1, n + 1)]
        expected = np.array(weights) / sum(weights)
        np.testing.assert_allclose(initial_strength(n, rho), expected, rtol=1e-11)


def test_random_interactions_have_the_chosen_spindle():
    draws, n, rho = 4000, 6, 1.4
    i = random_interactions(jax.random.key(0), n, rho, shape=(draws,))
    strength = np.asarray(strength_by_order(i))
    expected = [math.sqrt(2 / math.pi) * math.comb(n, k) * rho**k for k in range(1, n + 1)]
    np.testing.assert_allclose(order_distribution(expected), initial_strength(n, rho), rtol=1e-12)
    error = strength.std(axis=0) / np.sqrt(draws)
    assert np.all(error < 0.02 * np.array(expected))
    assert np.all(np.abs(strength.mean(axis=0) - expected) < 4 * error)
    single = random_interactions(jax.random.key(0), 3, jnp.float32(1.4))
    assert single.dtype == jnp.float32


def test_noisy_outputs_have_the_spindle_of_an_untrained_network():
    """C(n,k)·2^{k/2}: [Zhang24]'s bars before training."""
    draws, n = 4000, 6
    outputs = jax.random.normal(jax.random.key(1), (draws, 2**n))
    strength = np.asarray(strength_by_order(and_interactions(outputs)))
    got = order_distribution(strength.mean(axis=0))
    np.testing.assert_allclose(got, initial_strength(n), rtol=0.05)


def test_faulty_arguments_are_named():
    with pytest.raises(ValueError, match=r"`outputs` must have shape \(repeats, \.\.\., 2\^n\)"):
        estimate_noise(np.zeros((2, 8)))
    with pytest.raises(ValueError, match=r"`outputs` must have shape \(repeats, \.\.\., 2\^n\)"):
        estimate_noise(np.zeros(8))
    with pytest.raises(ValueError, match=r"`output_variance` must be nonnegative, but its least"):
        interaction_variance([1.0, -0.5])
    with pytest.raises(ValueError, match="`outputs` must vary between repeats at every order"):
        estimate_noise(np.ones((5, 8)))
    with pytest.raises(ValueError, match=r"`rho` must be positive and finite, but is -1\.0"):
        random_interactions(jax.random.key(0), 3, -1.0)
    with pytest.raises(ValueError, match=r"`rho` must be positive and finite, but is 0"):
        initial_strength(3, jnp.array(0))
    with pytest.raises(ValueError, match=r"`rho` must be a number, but has shape \(2,\)"):
        initial_strength(3, [1.0, 2.0])
