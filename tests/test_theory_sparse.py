"""Targets of few interactions, against dense matrices, high precision and counting by hand."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from theory_oracles import learning_matrix

from theory import (
    NoiseModel,
    estimate_strength,
    learning_thresholds,
    optimal_at,
    optimal_interactions,
    order_transfer,
    strength_by_order,
)

FAMILY = [(2.0, 0.0), (1.0, 0.0), (2.0, -(0.5**0.5)), (3.0, 0.6)]
VARIANCES = [0.0, 1e-7, 1e-4, 0.03, 1.0, 1e4, np.inf]
SETS = [0, 1, 0b101, 0b111, 0b1110, 0b110100, 0b111111]
VALUES = np.array([[0.4, 2.0, -1.0, 1.5, -0.7, 0.9, -1.2], [0.0, -1.0, 0.3, 0.8, 1.1, -2.0, 0.5]])
KEY = jax.random.key(3)


def dense(sets, values, n):
    """w* over all 2^n sets."""
    true = np.zeros((*np.shape(values)[:-1], 2**n))
    true[..., sets] = values
    return true


def exact_entry(n, order, size, shared, sigma2):
    """M̂_ST for the paper's noise in 600 bits: the players' factors multiplied out, mode by mode."""
    mpmath.mp.prec = 600
    root = mpmath.sqrt(17)
    upper, lower = (5 + root) / 4, (5 - root) / 4  # of 2μ² − 5μ + 1
    vectors, dual = mpmath.matrix(2, 2), mpmath.matrix(2, 2)
    for mode, value in enumerate((upper, lower)):
        first, second = 1, value - 2  # (A − μD) v = 0
        length = mpmath.sqrt(first**2 + 2 * second**2)
        vectors[0, mode], vectors[1, mode] = first / length, second / length
        dual[mode, 0], dual[mode, 1] = first / length, 2 * second / length
    kinds = [(1, 1)] * shared + [(1, 0)] * (order - shared) + [(0, 1)] * (size - shared)
    kinds += [(0, 0)] * (n - len(kinds))
    product = [mpmath.mpf(1)]
    for s, t in kinds:
        stay, rise = (vectors[s, mode] * dual[mode, t] for mode in (0, 1))
        product = [
            stay * low + rise * high for low, high in zip([*product, 0], [0, *product], strict=True)
        ]
    theta = [(upper / 2) ** (n - k) * (lower / 2) ** k for k in range(n + 1)]
    return sum(c * t / (t + mpmath.mpf(sigma2)) for c, t in zip(product, theta, strict=True))


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_transfer_adds_up_columns_of_the_dense_matrix(growth, correlation):
    n, noise = 5, NoiseModel(growth, correlation)
    size = np.bitwise_count(np.arange(2**n))
    of_order = size == np.arange(n + 1)[:, None]
    found = {
        of: order_transfer(n, VARIANCES[:-1], noise, of=of) for of in ("strength", "sum", "square")
    }
    for i, sigma2 in enumerate(VARIANCES[:-1]):
        matrix = learning_matrix(n, sigma2, growth, correlation)
        expected = {"strength": abs(matrix), "sum": matrix, "square": matrix**2}
        for of, columns in expected.items():
            for m in range(n + 1):
                one = columns[:, 2**m - 1]
                np.testing.assert_allclose(found[of][i, :, m], of_order @ one, atol=1e-12)
                other = columns[:, (2**m - 1) << (n - m)]  # any set of this order does
                np.testing.assert_allclose(found[of][i, :, m], of_order @ other, atol=1e-12)


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_chosen_sets_hold_what_the_dense_solution_holds(growth, correlation):
    n, noise = 6, NoiseModel(growth, correlation)
    found = optimal_at(np.arange(2**n), SETS, VALUES, n, VARIANCES, noise)
    for i, sigma2 in enumerate(VARIANCES[:-1]):
        expected = dense(SETS, VALUES, n) @ learning_matrix(n, sigma2, growth, correlation).T
        np.testing.assert_allclose(found[i], expected, atol=1e-12)
    assert not np.asarray(found[-1]).any()  # endless noise


@pytest.mark.parametrize("sigma2", [1e-44, 1e-30, 1e-10, 1e-3, 1e6])
def test_sixty_four_players_in_high_precision(sigma2):
    """One source of order 5; then the sum of |M̂_ST| over whole orders of up to 10^18 sets."""
    n, m = 64, 5
    source = 0b11111 << 59
    cases = [(5, 5), (4, 4), (5, 4), (6, 5), (3, 0), (7, 3), (40, 2), (64, 5), (0, 0)]
    sets = [(2**shared - 1) << 59 | 2 ** (order - shared) - 1 for order, shared in cases]
    found = optimal_at(sets, [source], [1.0], n, sigma2)
    exact = {case: exact_entry(n, case[0], m, case[1], sigma2) for case in cases}
    for got, case in zip(found, cases, strict=True):
        assert abs(mpmath.mpf(float(got)) / exact[case] - 1) < 1e-8, case
    transfer = order_transfer(n, sigma2)
    for k in (4, 6, 32):
        total = sum(
            math.comb(m, a) * math.comb(n - m, k - a) * abs(exact_entry(n, k, m, a, sigma2))
            for a in range(m + 1)
            if k >= a
        )
        assert abs(mpmath.mpf(float(transfer[k, m])) / total - 1) < 1e-8, k


@pytest.mark.parametrize(("growth", "correlation"), FAMILY[::2])
@pytest.mark.parametrize("threshold", [0.0, 0.03])
def test_estimates_scatter_about_the_dense_strength_as_much_as_they_say(
    growth, correlation, threshold
):
    n, noise = 6, NoiseModel(growth, correlation)
    expected = strength_by_order(
        optimal_interactions(dense(SETS, VALUES, n), VARIANCES, noise), threshold
    )
    found = estimate_strength(KEY, SETS, VALUES, n, VARIANCES, threshold, noise, draws=2000)
    away, error = abs(np.asarray(found.strength - expected)), np.asarray(found.error)
    # What comes up less than once in so many draws shows neither in the mean nor in the error.
    rare = 3 / 2000 * np.asarray(expected)
    assert np.all(away <= 4 * error + rare + 1e-11)
    drawn = error > rare
    assert drawn.sum() > 20
    assert np.sum(away[drawn] > error[drawn]) > 3  # and is not far too wide either
    # The error is small, and none where nothing is drawn: no noise.
    assert np.max(found.error / np.maximum(expected, 0.1)) < 0.05
    np.testing.assert_allclose(found.error[0], 0, atol=1e-12)


@pytest.mark.slow
def test_many_players_counted_by_hand():
    """Sources among 6 of 40 players: the other 34 are alike, and are counted instead of listed."""
    n, sigma2, threshold = 40, float(learning_thresholds(40)[9]), 0.02
    values = VALUES[0]
    inside, others = (x.ravel() for x in np.meshgrid(np.arange(2**6), np.arange(n - 5)))
    sets = [int(i) | (2 ** int(o) - 1) << 6 for i, o in zip(inside, others, strict=True)]
    size = abs(np.asarray(optimal_at(sets, SETS, values, n, sigma2)))
    number = np.array([math.comb(n - 6, int(o)) for o in others], float)
    order = np.bitwise_count(inside) + others
    strength, above = (
        np.bincount(order, number * part, n + 1)[1:] for part in (size, size * (size >= threshold))
    )
    sources = np.bincount(np.bitwise_count(SETS), abs(values), n + 1)
    most = np.asarray(order_transfer(n, sigma2))[1:] @ sources
    free, cut = (estimate_strength(KEY, SETS, values, n, sigma2, t) for t in (0.0, threshold))
    assert np.all(free.error <= most / (2 * math.sqrt(999)))
    assert np.all(abs(free.strength - strength) < 4 * free.error + 1e-9 * most)
    assert np.all(strength[5:] < 0.9 * most[5:])  # sources do cancel
    assert np.all(abs(cut.strength - above) < 4 * cut.error + 1e-9)
    assert above[:4].min() > 0.1
    assert np.all(cut.error[:4] < 0.05 * above[:4])


def test_one_interaction_is_exact_for_any_number_of_players():
    n, sigma2 = 64, [0.0, 1e-40, 1e-9]
    found = estimate_strength(KEY, [0b1011 << 60], [-2.5], n, sigma2, draws=20)
    expected = 2.5 * order_transfer(n, sigma2)[:, 1:, 3]
    np.testing.assert_allclose(found.strength, expected, rtol=1e-12)
    assert np.all(found.error <= 1e-12 * expected)


def test_a_set_given_twice_adds_up():
    twice = optimal_at([1, 3, 7], [3, 5, 3], [1.0, 2.0, 0.5], 20, 1e-3)
    np.testing.assert_allclose(twice, optimal_at([1, 3, 7], [3, 5, 0], [1.5, 2.0, 0.0], 20, 1e-3))


def test_targets_may_have_sets_of_their_own():
    n, own = 6, np.stack([SETS, SETS[::-1]])
    both = optimal_at(np.arange(2**n), own, VALUES, n, VARIANCES)
    for target in (0, 1):
        one = optimal_at(np.arange(2**n), own[target], VALUES[[target] * 2], n, VARIANCES)
        np.testing.assert_allclose(both[:, target], one[:, 0], rtol=1e-10)
    found = estimate_strength(KEY, own, VALUES, n, VARIANCES, draws=2000)
    expected = np.sum([abs(both[..., np.bitwise_count(np.arange(2**n)) == 2])], axis=(0, -1))
    away = abs(np.asarray(found.strength)[..., 1] - expected)
    assert np.all(away <= 4 * np.asarray(found.error)[..., 1] + 1e-9)


def test_variances_thresholds_and_targets_stand_by_themselves():
    """Each σ² with its own threshold, whatever stands beside it; each target with its own draws."""
    least = np.linspace(0, 0.3, 2 * len(VARIANCES)).reshape(-1, 2)
    found = estimate_strength(KEY, SETS, VALUES, 6, VARIANCES, least, draws=2000)
    turned = estimate_strength(KEY, SETS, VALUES, 6, VARIANCES[::-1], least[::-1], draws=2000)
    assert found.strength.shape == found.error.shape == (len(VARIANCES), 2, 6)
    np.testing.assert_allclose(turned.strength[::-1], found.strength, rtol=1e-10)
    np.testing.assert_allclose(turned.error[::-1], found.error, rtol=1e-10)
    same = estimate_strength(KEY, SETS, VALUES[[0, 0]], 6, VARIANCES, draws=2000)
    assert not np.allclose(same.strength[:, 0], same.strength[:, 1], rtol=1e-6)
    np.testing.assert_allclose(same.strength[:, 0], same.strength[:, 1], rtol=0.2, atol=1e-3)


def test_float32_jit_and_derivatives():
    n, sigma2 = 20, 1e-6
    single = optimal_at([1, 5, 0b1111], SETS, VALUES.astype(np.float32), n, sigma2)
    assert single.dtype == jnp.float32
    whole = optimal_at([1, 5, 0b1111], SETS, VALUES, n, sigma2)
    np.testing.assert_allclose(single, whole, rtol=1e-4, atol=1e-5)
    function = jax.jit(lambda s: optimal_at([1, 5, 0b1111], SETS, VALUES, n, s)[0, 1])
    step = 1e-4 * sigma2
    slope = (function(sigma2 + step) - function(sigma2 - step)) / (2 * step)
    np.testing.assert_allclose(jax.jacfwd(function)(sigma2), slope, rtol=1e-5)


@pytest.mark.slow
def test_estimates_in_float32():
    n, sigma2 = 20, 1e-6
    rough = estimate_strength(KEY, SETS, VALUES.astype(np.float32), n, sigma2, 0.02, draws=400)
    assert rough.strength.dtype == jnp.float32
    fine = estimate_strength(KEY, SETS, VALUES, n, sigma2, 0.02, draws=400)
    assert np.all(abs(rough.strength - fine.strength) < 4 * (rough.error + fine.error) + 1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: order_transfer(65, 0.1), "`n` must be at most 64, but is 65"),
        (lambda: order_transfer(4, 0.1, of="size"), "`of` must be one of strength, sum, square"),
        (lambda: optimal_at([1], [16], [1.0], 4, 0.1), r"`sets` must hold sets of 4 players"),
        (lambda: optimal_at([-1], [1], [1.0], 4, 0.1), r"`at` must hold sets of 4 players"),
        (lambda: optimal_at([1], [0.5], [1.0], 4, 0.1), "`sets` must hold integers"),
        (lambda: optimal_at([1], [1, 2], [1.0], 4, 0.1), "`sets` must have the shape of `values`"),
        (lambda: optimal_at([1], [1], 1.0, 4, 0.1), r"`values` must have shape \(..., sources\)"),
        (lambda: optimal_at([1], [1], [1.0], 4, -0.1), "`sigma2` must be nonnegative"),
        (lambda: estimate_strength(KEY, [1], [1.0], 4, 0.1, draws=1), "`draws` must be at least 2"),
        (lambda: estimate_strength(KEY, [1], [1.0], 4, 0.1, -1.0), "`threshold` must be nonneg"),
        (lambda: estimate_strength(KEY, [1], [1.0], 4, 0.1, [0, 0]), "`threshold` must broadcast"),
    ],
)
def test_faulty_arguments_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
