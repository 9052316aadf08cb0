"""Theorem 3 against dense linear algebra, simulated noise, limits and derivatives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from theory_oracles import learning_matrix, noise_covariance, order, permuted_indices, triggering

from theory import (
    NoiseModel,
    learning_thresholds,
    mode_gains,
    noisy_loss,
    noisy_loss_gradient,
    optimal_interactions,
)
from theory._learning import _optimal

FAMILY = [(2.0, 0.0), (1.0, 0.0), (2.0, -(0.5**0.5)), (3.0, 0.6), (0.3, -0.8)]
N = 5


def true_interactions(*batch, n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(*batch, 2**n)) + 0.4


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_optimum_is_the_dense_solution_of_theorem_3(n):
    true = true_interactions(n=n)
    for sigma2 in [1e-8, 1e-5, 1e-2, 1.0, 10.0]:
        expected = learning_matrix(n, sigma2) @ true
        np.testing.assert_allclose(optimal_interactions(true, sigma2), expected, atol=1e-9)


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_optimum_is_the_dense_solution_for_the_noise_family(growth, correlation):
    true = true_interactions()
    noise = NoiseModel(growth, correlation)
    for sigma2 in [1e-8, 1e-2, 10.0]:
        expected = learning_matrix(N, sigma2, growth, correlation) @ true
        np.testing.assert_allclose(optimal_interactions(true, sigma2, noise), expected, atol=1e-9)


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_eigenbasis_solves_the_generalised_problem(growth, correlation):
    noise = NoiseModel(growth, correlation)
    v, dual, values = noise.eigenbasis()
    d = noise_covariance(1, growth, correlation)
    np.testing.assert_allclose(noise.matrix(), d, atol=1e-15)
    np.testing.assert_allclose(v.T @ d @ v, np.eye(2), atol=1e-13)
    np.testing.assert_allclose(v.T @ np.array([[2.0, 1], [1, 1]]) @ v, np.diag(values), atol=1e-12)
    np.testing.assert_allclose(dual @ v, np.eye(2), atol=1e-13)
    assert values[0] > values[1] > 0


def test_thresholds_of_the_papers_noise():
    """θ_k = 1/((5−√17)^{n−k}(5+√17)^k), also as eigenvalues of the dense problem."""
    low, high = 5 - math.sqrt(17), 5 + math.sqrt(17)
    expected = [1 / (low ** (N - k) * high**k) for k in range(N + 1)]
    np.testing.assert_allclose(learning_thresholds(N), expected, rtol=1e-12)
    j = triggering(N)
    eigenvalues = np.linalg.eigvals(np.linalg.solve(noise_covariance(N), j.T @ j)).real / 2**N
    repeated = np.repeat(expected, [math.comb(N, k) for k in range(N + 1)])
    np.testing.assert_allclose(np.sort(eigenvalues), np.sort(repeated), rtol=1e-9)


def test_gains_are_half_at_the_threshold_and_fall_with_order():
    theta = learning_thresholds(N)
    np.testing.assert_allclose(np.diag(mode_gains(N, theta)), 0.5, rtol=1e-12)
    gains = mode_gains(N, np.logspace(-8, 2, 7))
    assert np.all(np.diff(gains, axis=1) < 0)
    assert np.all(np.diff(gains, axis=0) < 0)


def test_gains_stay_accurate_for_a_thousand_players():
    theta = (5 - math.sqrt(17)) ** -1000.0
    np.testing.assert_allclose(mode_gains(1000, theta)[0], 0.5, rtol=1e-10)
    gains = mode_gains(1000, [0.0, 1e-300, 1e300, float("inf")])
    assert np.all((gains >= 0) & (gains <= 1))


def test_no_noise_gives_the_truth_and_infinite_noise_nothing():
    true = true_interactions()
    np.testing.assert_allclose(optimal_interactions(true, 0.0), true, atol=1e-12)
    assert np.all(np.asarray(optimal_interactions(true, float("inf"))) == 0)
    inverse = np.linalg.inv(triggering(N).T @ triggering(N))
    slope = -(2**N) * inverse @ noise_covariance(N) @ true
    difference = (np.asarray(optimal_interactions(true, 1e-9)) - true) / 1e-9
    np.testing.assert_allclose(difference, slope, rtol=1e-3)


@pytest.mark.parametrize("between", [2, 6])  # fewer variances than orders, and more
def test_a_vector_of_variances_and_a_batch_equal_loops(between):
    true = true_interactions(2, 3)
    variances = np.array([0.0, *np.geomspace(1e-4, 0.3, between), np.inf])
    got = optimal_interactions(true, variances)
    assert got.shape == (between + 2, 2, 3, 2**N)
    for m, a, b in np.ndindex(got.shape[:-1]):
        alone = optimal_interactions(true[a, b], variances[m])
        np.testing.assert_allclose(got[m, a, b], alone, atol=1e-12)
    assert np.all(np.asarray(got[-1]) == 0)


def test_players_may_be_renamed():
    image = permuted_indices(N, (3, 0, 4, 1, 2))
    true = true_interactions()
    renamed = np.empty_like(true)
    renamed[image] = true
    got = optimal_interactions(renamed, 1e-3)[image]
    np.testing.assert_allclose(got, optimal_interactions(true, 1e-3), atol=1e-12)


@pytest.mark.parametrize(("growth", "correlation"), FAMILY[:3])
def test_loss_is_the_mean_over_masks_and_simulated_noise(growth, correlation):
    rng = np.random.default_rng(5)
    n, draws = 3, 20_000
    w, true = rng.normal(size=8), rng.normal(size=8)
    sigma2 = 0.2
    root = np.linalg.cholesky(sigma2 * noise_covariance(n, growth, correlation))
    noise = rng.normal(size=(draws, 8, 8)) @ root.T  # one draw for each mask
    residual = (triggering(n) @ true) - (triggering(n) + noise) @ w
    samples = np.mean(residual**2, axis=1)
    got = noisy_loss(w, true, sigma2, NoiseModel(growth, correlation))
    error = samples.std() / math.sqrt(draws)
    assert error < 0.01 * samples.mean()
    assert abs(got - samples.mean()) < 4 * error


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_gradient_of_the_loss(growth, correlation):
    noise = NoiseModel(growth, correlation)
    w, true = jnp.array(true_interactions(seed=1)), jnp.array(true_interactions(2))
    by_jax = jax.grad(lambda w: jnp.sum(noisy_loss(w, true, 0.03, noise)))(w)
    closed = noisy_loss_gradient(w, true, 0.03, noise)
    assert closed.shape == (2, 2**N)
    np.testing.assert_allclose(closed.sum(axis=0), by_jax, atol=1e-10)
    at_optimum = noisy_loss_gradient(optimal_interactions(true, 0.03, noise), true, 0.03, noise)
    np.testing.assert_allclose(at_optimum, 0, atol=1e-11)


def test_derivative_by_the_variance_is_right_down_to_zero():
    true = jnp.array(true_interactions())
    derivative = jax.jacfwd(lambda s: optimal_interactions(true, s))
    gram = triggering(N).T @ triggering(N)
    cost = 2**N * noise_covariance(N)
    for sigma2 in [0.0, 1e-30, 1e-12, 1e-3, 1.0]:
        inverse = np.linalg.inv(gram + sigma2 * cost)
        expected = -inverse @ cost @ inverse @ gram @ np.asarray(true)
        np.testing.assert_allclose(derivative(sigma2), expected, rtol=1e-8, atol=1e-10)
    assert np.all(np.isfinite(derivative(float("inf"))))


@pytest.mark.parametrize(("growth", "correlation"), [(2.0, 0.0), (1.7, -0.4)])
def test_derivative_by_the_noise_model(growth, correlation):
    true = jnp.array(true_interactions())

    def learned(parameters):
        return optimal_interactions(true, 1e-2, NoiseModel(parameters[0], parameters[1]))

    jacobian = jax.jacobian(learned)(jnp.array([growth, correlation]))
    step = 1e-5
    for i, moved in enumerate([(step, 0), (0, step)]):
        after = learning_matrix(N, 1e-2, growth + moved[0], correlation + moved[1]) @ true
        before = learning_matrix(N, 1e-2, growth - moved[0], correlation - moved[1]) @ true
        np.testing.assert_allclose(jacobian[:, i], (after - before) / (2 * step), atol=1e-7)


def test_jit_and_vmap_over_the_noise_model():
    true = jnp.array(true_interactions())
    growths = jnp.array([1.0, 2.0, 3.0])
    got = jax.jit(jax.vmap(lambda g: optimal_interactions(true, 1e-2, NoiseModel(g, 0.1))))(growths)
    for i, growth in enumerate(growths):
        expected = learning_matrix(N, 1e-2, float(growth), 0.1) @ true
        np.testing.assert_allclose(got[i], expected, atol=1e-10)


def test_float32_has_its_own_tolerance():
    true = true_interactions(n=10)
    got = optimal_interactions(true.astype(np.float32), [0.0, 1e-3, 1.0])
    assert got.dtype == jnp.float32
    error = np.abs(np.asarray(got) - optimal_interactions(true, [0.0, 1e-3, 1.0]))
    assert error.max() < 3e-5


def test_another_variance_compiles_nothing():
    true = true_interactions()
    optimal_interactions(true, 0.1)
    compiled = _optimal._cache_size()
    optimal_interactions(true, 0.2, NoiseModel(1.5, 0.1))
    assert _optimal._cache_size() == compiled


def test_faulty_arguments_are_named():
    true = true_interactions()
    with pytest.raises(ValueError, match=r"`sigma2` must be nonnegative, but is -1\.0"):
        optimal_interactions(true, -1.0)
    with pytest.raises(ValueError, match="`sigma2` must be nonnegative, but is nan"):
        mode_gains(3, float("nan"))
    with pytest.raises(
        ValueError, match=r"`sigma2` must be a number or have shape \(m,\), but has"
    ):
        optimal_interactions(true, np.ones((2, 2)))
    with pytest.raises(ValueError, match="`true` must have a last axis of size"):
        optimal_interactions(np.zeros(6), 0.1)
    with pytest.raises(ValueError, match="`sigma2` must be a number, but has shape"):
        noisy_loss(true, true, np.ones(2))
    with pytest.raises(ValueError, match="`w` and `true` must have the same last axis"):
        noisy_loss_gradient(true, np.zeros(4), 0.1)


@pytest.mark.parametrize(
    ("growth", "correlation", "name"),
    [
        (0.0, 0.0, "growth"),
        (-1.0, 0.0, "growth"),
        (float("inf"), 0.0, "growth"),
        (float("nan"), 0.0, "growth"),
        (2.0, 1.0, "correlation"),
        (2.0, -1.5, "correlation"),
    ],
)
def test_noise_that_is_not_positive_definite_is_refused(growth, correlation, name):
    with pytest.raises(ValueError, match=f"Argument `{name}` must .*positive definite"):
        NoiseModel(growth, correlation)
    with pytest.raises(ValueError, match=f"Argument `{name}` must .*positive definite"):
        mode_gains(3, 0.1, NoiseModel(jnp.array(growth), jnp.array(correlation)))


def test_a_batch_of_noise_models_is_refused_unless_mapped():
    with pytest.raises(ValueError, match=r"`growth` must be a number .* but has shape \(2,\)"):
        mode_gains(3, 0.1, NoiseModel(jnp.array([1.0, 2.0])))


def test_lemma_1s_noise_is_the_correlated_member_of_the_family():
    """Cov of the Möbius transform of independent output noise, by the definition."""
    inverse = np.linalg.inv(triggering(3))
    got = noise_covariance(3, 2.0, -(0.5**0.5))
    np.testing.assert_allclose(got, inverse @ inverse.T, atol=1e-12)
    assert [round(got[s, s]) for s in range(8)] == [2 ** order(s) for s in range(8)]
