"""Salience and strength by order, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from theory_oracles import order

from theory import mean_order, order_distribution, salience_threshold, strength_by_order

N = 5


def interactions(*batch, seed=0):
    return np.random.default_rng(seed).normal(size=(*batch, 2**N))


def by_definition(i, threshold):
    strength = np.zeros(N)
    for s in range(1, 2**N):
        if abs(i[s]) >= threshold:
            strength[order(s) - 1] += abs(i[s])
    return strength


def test_strength_counts_salient_interactions_of_each_order():
    i = interactions(2, 3)
    threshold = np.array([0.2, 0.9, 1.7])
    got = strength_by_order(i, threshold)
    assert got.shape == (2, 3, N)
    for a, b in np.ndindex(2, 3):
        np.testing.assert_allclose(got[a, b], by_definition(i[a, b], threshold[b]), atol=1e-12)


def test_an_interaction_at_the_threshold_is_salient_and_order_0_never_counts():
    i = np.zeros(2**N)
    i[0], i[3] = 9.0, 0.5
    np.testing.assert_array_equal(strength_by_order(i, 0.5), [0, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(strength_by_order(i, np.nextafter(0.5, 1)), np.zeros(N))


def test_threshold_is_the_mean_effect_unless_per_sample():
    full, empty = np.array([1.0, -3.0, 2.0]), np.array([0.0, 1.0, 1.0])
    np.testing.assert_allclose(salience_threshold(full, empty), [0.06] * 3, rtol=1e-12)
    np.testing.assert_allclose(
        salience_threshold(full, empty, fraction=0.1, per_sample=True), [0.1, 0.4, 0.1], rtol=1e-12
    )


def test_distribution_sums_to_one_or_is_zero():
    strength = np.array([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0]])
    got = order_distribution(strength)
    np.testing.assert_allclose(got, [[0.125, 0.25, 0.625], [0, 0, 0]], rtol=1e-12)
    np.testing.assert_allclose(mean_order(got), [2.5, 0.0], rtol=1e-12)
    gradient = jax.grad(lambda s: order_distribution(s)[1, 0])(jnp.array(strength))
    assert np.all(np.isfinite(gradient))


def test_batch_equals_loop_under_vmap_in_float32():
    i = interactions(4).astype(np.float32)
    got = jax.jit(jax.vmap(strength_by_order))(i)
    assert got.dtype == jnp.float32
    expected = [by_definition(sample, 0.0) for sample in i.astype(float)]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_threshold_that_does_not_fit_the_batch_is_refused():
    with pytest.raises(ValueError, match=r"Argument `threshold` must broadcast to the batch axes"):
        strength_by_order(interactions(3), np.zeros(2))
