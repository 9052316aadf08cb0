"""Both phases from one noise level: `superpose` by dense algebra, its scale by searching for it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from theory_oracles import learning_matrix, permuted_indices

from theory import NoiseModel, optimal_interactions, superpose, superposition_scale

NOISES = [(2.0, 0.0), (1.4, 0.3), (3.0, -0.2)]


def _two(n, seed=0, batch=()):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*batch, 2**n)), rng.normal(size=(*batch, 2**n)) + 0.3


@pytest.mark.parametrize(("growth", "correlation"), NOISES)
@pytest.mark.parametrize("n", [1, 3, 5])
def test_superposition_is_the_start_and_the_scaled_optimum(n, growth, correlation):
    initial, true = _two(n, seed=n)
    for sigma2, scale in [(0.0, 1.0), (0.02, 0.3), (5.0, 40.0)]:
        learned = learning_matrix(n, sigma2, growth, correlation) @ true
        found = superpose(initial, true, sigma2, scale, NoiseModel(growth, correlation))
        np.testing.assert_allclose(found, initial + scale * learned, rtol=1e-9, atol=1e-10)


def test_limits():
    initial, true = _two(6, seed=1)
    np.testing.assert_array_equal(superpose(initial, true, np.inf, 7.0), initial)
    np.testing.assert_array_equal(superpose(initial, true, 0.3, 0.0), initial)
    np.testing.assert_allclose(superpose(initial, true, 0.0), initial + true, rtol=1e-10)
    alone = superpose(0 * initial, true, 0.03)  # at the theory's own size
    np.testing.assert_allclose(alone, optimal_interactions(true, 0.03), rtol=1e-12)
    single = superpose(initial.astype(np.float32), true.astype(np.float32), 0.03, 2.0)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, superpose(initial, true, 0.03, 2.0), rtol=2e-4, atol=2e-5)


def test_a_vector_is_a_loop_and_a_batch_is_its_members():
    initial, true = _two(5, seed=2, batch=(3, 2))
    sigma2, scales = np.array([0.0, 0.1, 4.0, np.inf]), np.array([1.0, 0.5, 0.0, 3.0])
    found = superpose(initial, true, sigma2, scales)
    assert found.shape == (4, 3, 2, 32)
    for i, j, k in itertools.product(range(4), range(3), range(2)):
        one = superpose(initial[j, k], true[j, k], sigma2[i], scales[i])
        np.testing.assert_allclose(found[i, j, k], one, rtol=1e-11, atol=1e-12)
    for i in range(4):  # one scale for all σ²
        one = superpose(initial, true, sigma2[i], 2.5)
        np.testing.assert_allclose(superpose(initial, true, sigma2, 2.5)[i], one, rtol=1e-11)
    broadcast = superpose(initial[:, :1], true[:1], sigma2, scales)
    np.testing.assert_allclose(
        broadcast[1, 2, 1], superpose(initial[2, 0], true[0, 1], 0.1, 0.5), rtol=1e-11, atol=1e-12
    )


def test_transforms_of_jax_and_permutations_of_players():
    initial, true = _two(4, seed=3)
    plain = superpose(initial, true, 0.07, 1.7)
    np.testing.assert_allclose(jax.jit(superpose)(initial, true, 0.07, 1.7), plain, rtol=1e-12)
    mapped = jax.vmap(superpose, in_axes=(None, None, 0, 0))(
        initial, true, jnp.array([0.07, 0.5]), jnp.array([1.7, 0.2])
    )
    np.testing.assert_allclose(mapped[0], plain, rtol=1e-12)
    slope = jax.grad(lambda s: superpose(initial, true, 0.07, s)[5])(1.7)
    assert float(slope) == pytest.approx(float(optimal_interactions(true, 0.07)[5]))
    places = permuted_indices(4, (2, 0, 3, 1))
    moved = [np.empty_like(initial), np.empty_like(true)]
    moved[0][places], moved[1][places] = initial, true
    np.testing.assert_allclose(superpose(*moved, 0.07, 1.7)[places], plain, rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(8), np.ones(16), 0.1), "must have .* last axis"),
        ((np.ones(7), np.ones(7), 0.1), "must have a last axis of size 2"),
        ((np.ones((2, 8)), np.ones((3, 8)), 0.1), "broadcast"),
        ((np.ones(8), np.ones(8), -0.1), "sigma2"),
        ((np.ones(8), np.ones(8), [0.1, 1.0], np.ones(3)), r"`scale` must be a number or have"),
        ((np.ones(8), np.ones(8), 0.1, np.ones(2)), r"shape \(\) of `sigma2`, but has shape \(2,"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        superpose(*arguments)


def _searched(start, slope, observed):
    """The largest s ≥ 0 that meets the observed effect, or else that of the smallest effect."""

    def effect(scale):
        return float(np.mean([abs(a + scale * b) for a, b in zip(start, slope, strict=True)]))

    kinks = [0.0, *(-a / b for a, b in zip(start, slope, strict=True) if a / b < 0)]
    lowest = min(kinks, key=effect)  # a convex function that is straight between its kinks
    if effect(lowest) > observed:
        return lowest, False
    beyond = 1.0 + lowest
    while effect(beyond) <= observed:
        beyond *= 2
    return brentq(lambda scale: effect(scale) - observed, lowest, beyond, xtol=1e-14), True


def test_the_scale_meets_the_observed_effect():
    rng = np.random.default_rng(5)
    met = two = 0
    for draw in range(300):
        samples = 1 + draw % 8
        start, slope = rng.normal(size=samples), rng.normal(size=samples) + 0.3 * (draw % 3)
        observed = float(np.abs(start).mean() * rng.uniform(0.2, 3.0))
        expected, found = _searched(start, slope, observed)
        scale = float(superposition_scale(start, slope, observed))
        assert scale == pytest.approx(expected, rel=1e-9, abs=1e-9)
        if found:
            assert np.mean(np.abs(start + scale * slope)) == pytest.approx(observed)
        met += found
        two += found and scale > 0 and observed < np.abs(start).mean()
    assert 50 < met < 300  # both kinds have been looked at,
    assert two > 10  # and cases with a smaller solution too


def test_the_larger_of_two_scales_the_nearest_of_none_and_nothing_learned():
    # |1 − s|: 0.5 at s = 0.5 and at 1.5.
    assert float(superposition_scale([1.0], [-1.0], 0.5)) == pytest.approx(1.5)
    # (|1 − s| + |2 + s|)/2 is 1.5 until s = 1, and never less.
    assert float(superposition_scale([1.0, 2.0], [-1.0, 1.0], 2.0)) == pytest.approx(1.5)
    # (|3 − 2s| + |4 + s|)/2 is least at s = 1.5, with 2.75.
    assert float(superposition_scale([3.0, 4.0], [-2.0, 1.0], 1.0)) == pytest.approx(1.5)
    # What is learned pushes the effect up from the start on: nothing of it is best.
    assert float(superposition_scale([3.0, 4.0], [2.0, 1.0], 1.0)) == 0
    assert float(superposition_scale([3.0, 4.0], [0.0, 0.0], 9.0)) == 0
    # A sample that learns nothing leaves the others to reach the mean.
    assert float(superposition_scale([0.0, 1.0], [2.0, 0.0], 3.0)) == pytest.approx(2.5)
    # From nothing, the scale is the ratio of the effects.
    assert float(superposition_scale([0.0, 0.0], [2.0, -4.0], 1.5)) == pytest.approx(0.5)


def test_scales_follow_the_units_and_are_checked():
    rng = np.random.default_rng(6)
    start, slope = rng.normal(size=7), rng.normal(size=7) + 1
    scale = float(superposition_scale(start, slope, 4.0))
    assert float(superposition_scale(3 * start, slope, 12.0)) == pytest.approx(3 * scale)
    assert float(superposition_scale(start, 3 * slope, 4.0)) == pytest.approx(scale / 3)
    order = rng.permutation(7)
    assert float(superposition_scale(start[order], slope[order], 4.0)) == pytest.approx(scale)
    assert float(jax.jit(superposition_scale)(start, slope, 4.0)) == pytest.approx(scale)
    for wrong in ((np.ones(3), np.ones(2)), (np.ones((2, 2)), np.ones((2, 2)))):
        with pytest.raises(ValueError, match=r"_effect` must have .*shape \(samples,\)"):
            superposition_scale(*wrong, 1.0)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([1.0], ["x"], 1.0), TypeError, "`learned_effect` must be an array of numbers"),
        (([1.0, np.nan], [1.0, 1.0], 1.0), ValueError, "`initial_effect` must be finite"),
        (([1.0], [np.inf], 1.0), ValueError, "`learned_effect` must be finite"),
        (([1.0], [1.0], np.nan), ValueError, "`observed` must be finite"),
        (([1.0], [1.0], -1.0), ValueError, "`observed` must be nonnegative, but is -1"),
        (([1.0], [1.0], [1.0, 2.0]), ValueError, r"`observed` must be a number, but has shape"),
        (([], [], 1.0), ValueError, "`initial_effect` must have shape"),
    ],
)
def test_a_scale_of_bad_arguments_is_refused_by_name(arguments, kind, message):
    with pytest.raises(kind, match=message):
        superposition_scale(*arguments)
