"""Row norms, recovery and Proposition 1, against dense matrices and high-precision arithmetic."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from theory_oracles import by_order, learning_matrix

from theory import (
    NoiseModel,
    expected_strength,
    half_recovery_levels,
    learning_thresholds,
    limiting_norm_ratio,
    norm_ratio_violations,
    norm_ratios,
    recovery,
    row_norms,
)

FAMILY = [(2.0, 0.0), (1.0, 0.0), (2.0, -(0.5**0.5)), (3.0, 0.6), (0.3, 0.9)]
BITS = 600  # of the fixed-point arithmetic
# Functions are compiled for each n and each number of variances: tests share both where they can.
VARIANCES = [0.0, 1e-60, 1e-45, 1e-30, 1e-20, 1e-12, 1e-8, 1e-5, 1e-3, 0.03, 1.0, 1e3, 1e6]


@functools.cache
def exact_polynomials(n, order, growth, correlation):
    """Coefficients of p₀^{n−t} p₁^t of the row norms, in fixed point, and the two eigenvalues."""
    mpmath.mp.prec = BITS + 50
    g = mpmath.mpf(growth)
    s = mpmath.mpf(correlation) * mpmath.sqrt(g)
    noise = mpmath.matrix([[1, s], [s, g]])
    # det(A − μD) = (g−s²)μ² − (2g+1−2s)μ + 1
    half = (2 * g + 1 - 2 * s) / (2 * (g - s * s))
    root = mpmath.sqrt(half**2 - 1 / (g - s * s))
    values = (half + root, half - root)
    vectors = mpmath.matrix(2, 2)
    for a, value in enumerate(values):
        vector = mpmath.matrix([value * s - 1, 2 - value])
        size = mpmath.sqrt((vector.T * noise * vector)[0])
        vectors[0, a], vectors[1, a] = vector[0] / size, vector[1] / size
    p = vectors.T * noise * noise * vectors
    product = np.array([[1 << BITS]], dtype=object)
    for player in range(n):
        t = int(player < order)
        grown = np.zeros((player + 2, player + 2), dtype=object)
        for a in (0, 1):
            for b in (0, 1):
                factor = int(mpmath.nint(vectors[t, a] * p[a, b] * vectors[t, b] * 2**BITS))
                grown[a : a + player + 1, b : b + player + 1] += product * factor
        product = grown >> BITS
    return product, values


def exact_row_norm(n, order, sigma2, growth=2.0, correlation=0.0):
    """Σ_{a,b} g_a g_b [x^a y^b] p₀^{n−t} p₁^t in 600-bit arithmetic: alternating, but exact."""
    coefficients, (upper, lower) = exact_polynomials(n, order, growth, correlation)
    mpmath.mp.prec = BITS + 50
    theta = [(upper / 2) ** (n - k) * (lower / 2) ** k for k in range(n + 1)]
    gains = [x / (x + mpmath.mpf(sigma2)) for x in theta]
    fixed = np.array([int(mpmath.nint(x * 2**BITS)) for x in gains], dtype=object)
    return mpmath.sqrt(mpmath.mpf(int(fixed @ coefficients @ fixed)) / mpmath.mpf(2) ** (3 * BITS))


@pytest.mark.parametrize(("growth", "correlation"), FAMILY)
def test_rows_and_recovery_of_the_dense_matrix(growth, correlation):
    """Theorem 4 (the norm depends on |T| only) is checked by `by_order` on the way."""
    noise = NoiseModel(growth, correlation)
    for n in [4] if (growth, correlation) != (2.0, 0.0) else [1, 4, 8]:
        norms, diagonal = row_norms(n, VARIANCES, noise), recovery(n, VARIANCES, noise)
        ratios = norm_ratios(n, VARIANCES, noise)
        for i, sigma2 in enumerate(VARIANCES):
            matrix = learning_matrix(n, sigma2, growth, correlation)
            expected = by_order(np.linalg.norm(matrix, axis=1))
            np.testing.assert_allclose(norms[i], expected, rtol=1e-9)
            np.testing.assert_allclose(ratios[i], expected[:-1] / expected[1:], rtol=1e-9)
            np.testing.assert_allclose(
                diagonal[i], by_order(np.diag(matrix)), rtol=1e-6, atol=1e-13
            )


@pytest.mark.parametrize(
    ("n", "growth", "correlation", "orders"),
    [
        (32, 2.0, 0.0, (0, 32)),
        (64, 2.0, 0.0, (0, 1, 64)),
        (64, 1.0, 0.0, (40,)),
        (64, 2.0, -(0.5**0.5), (64,)),
        (32, 2.0, 0.5, (16, 32)),
    ],
)
def test_row_norms_and_ratios_in_high_precision(n, growth, correlation, orders):
    noise = NoiseModel(growth, correlation)
    norms, ratios = row_norms(n, VARIANCES, noise), norm_ratios(n, VARIANCES, noise)
    for i, sigma2 in enumerate(VARIANCES):
        exact = {k: exact_row_norm(n, k, sigma2, growth, correlation) for k in orders}
        for k in orders:
            assert abs(mpmath.mpf(float(norms[i, k])) / exact[k] - 1) < 1e-8
            if k + 1 in exact:
                assert abs(mpmath.mpf(float(ratios[i, k])) * exact[k + 1] / exact[k] - 1) < 1e-8


@pytest.mark.parametrize("n", [4, 64])
def test_limit_of_large_noise(n):
    for growth, correlation in FAMILY[::2]:
        noise = NoiseModel(growth, correlation)
        d = np.array([[1, correlation * growth**0.5], [correlation * growth**0.5, growth]])
        rows = np.linalg.norm(np.linalg.inv(d) @ [[2, 1], [1, 1]], axis=1)
        np.testing.assert_allclose(limiting_norm_ratio(noise), rows[0] / rows[1], rtol=1e-12)
        # σ² is counted from the largest threshold: 1e12 of it leave a deviation of about 1e-12.
        far = np.append(np.geomspace(1e12, 1e18, len(VARIANCES) - 1), np.inf)
        ratios = norm_ratios(n, far * float(learning_thresholds(n, noise)[0]), noise)
        np.testing.assert_allclose(ratios, rows[0] / rows[1], rtol=1e-7)
    np.testing.assert_allclose(limiting_norm_ratio(), math.sqrt(10), rtol=1e-12)
    far *= float(learning_thresholds(n)[0])
    assert np.all(np.asarray(row_norms(n, far)[-1]) == 0)
    r = np.asarray(recovery(n, far)[:-1])
    np.testing.assert_allclose(r[:, :-1] / r[:, 1:], 4, rtol=1e-7)


def test_limit_of_small_noise():
    """1 − ‖m̂_k‖ → 2ⁿσ²4^k, the diagonal of 2ⁿσ² (JᵀJ)⁻¹D^{⊗n}; also as the slope at 0."""
    n, sigma2 = 8, np.geomspace(1e-13, 1e-12, len(VARIANCES))
    expected = 2.0**n * 4.0 ** np.arange(n + 1)
    for i, lost in enumerate(1 - np.asarray(row_norms(n, sigma2))):
        np.testing.assert_allclose(lost / sigma2[i], expected, rtol=5e-4, atol=1e-2)
    slope = jax.jacfwd(lambda s: row_norms(n, s))
    np.testing.assert_allclose(slope(0.0), -expected, rtol=1e-12)
    np.testing.assert_allclose(slope(1e-30), -expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jacfwd(lambda s: recovery(n, s))(0.0), -expected, rtol=1e-12)


def test_expected_strength_of_random_targets():
    n, sigma2, rho = 4, 0.03, 1.3
    at = VARIANCES.index(sigma2)
    matrix = learning_matrix(n, sigma2)
    sizes = np.array([bin(s).count("1") for s in range(2**n)])
    deviation = np.sqrt(matrix**2 @ rho ** (2.0 * sizes)) * math.sqrt(2 / math.pi)
    expected = [deviation[sizes == k].sum() for k in range(1, n + 1)]
    np.testing.assert_allclose(expected_strength(n, VARIANCES, rho)[at], expected, rtol=1e-9)
    counts = [math.comb(n, k) for k in range(1, n + 1)]
    product = math.sqrt(2 / math.pi) * np.array([counts]) * row_norms(n, VARIANCES)[:, 1:]
    np.testing.assert_allclose(expected_strength(n, VARIANCES), product, rtol=1e-12)
    rng = np.random.default_rng(8)
    true = rng.normal(size=(20_000, 2**n)) * rho**sizes
    learned = np.abs(true @ matrix.T)
    sampled = np.stack([learned[:, sizes == k].sum(axis=1) for k in range(1, n + 1)])
    error = sampled.std(axis=1) / math.sqrt(20_000)
    assert np.all(error < 0.01 * sampled.mean(axis=1))
    assert np.all(np.abs(sampled.mean(axis=1) - expected) < 4 * error)


def test_recovery_of_a_thousand_players_in_high_precision():
    """E g_K over two binomials, summed term by term with 60 digits."""
    mpmath.mp.dps = 60
    n, order, sigma2 = 1000, 200, mpmath.mpf("1e-229")
    inside = (1 + 3 / mpmath.sqrt(17)) / 2
    root = mpmath.sqrt(17)

    def law(count, p):
        return [mpmath.binomial(count, j) * p**j * (1 - p) ** (count - j) for j in range(count + 1)]

    first, second = law(order, inside), law(n - order, 1 - inside)
    theta = [(5 - root) ** (k - n) * (5 + root) ** -k for k in range(n + 1)]
    # The terms left out have a probability below 1e-20.
    total = sum(
        first[i] * second[j] * theta[i + j] / (theta[i + j] + sigma2)
        for i in range(100, 201)
        for j in range(20, 241)
    )
    got = float(recovery(n, float(sigma2))[order])
    assert 0.1 < got < 0.9
    assert abs(got / float(total) - 1) < 1e-11


@pytest.mark.parametrize("n", [1, 2, 9, 10, 30, 100])
def test_recovery_falls_with_order_and_its_ratios_rise_with_noise(n):
    """Both clauses of Proposition 1, for recovery; differences below rounding are let pass."""
    for growth in [0.8, 2.0, 5.0]:
        noise = NoiseModel(growth)
        theta = np.asarray(learning_thresholds(n, noise))
        grid = np.geomspace(theta[-1] * 1e-3, theta[0] * 1e3, 161)
        rho = np.asarray(recovery(n, grid, noise))
        assert np.all(np.diff(rho, axis=1) < 4e-15)
        resolved = rho[:, 1:] < 1 - 1e-9
        assert np.all(np.diff(rho, axis=1)[resolved] < 0)
        ratios = rho[:, :-1] / rho[:, 1:]
        assert np.all(np.diff(ratios, axis=0) > -1e-12 * ratios[1:])
        far = ratios[:, 0] > 1 + 1e-6
        assert far.any()
        assert np.all(np.diff(ratios[far, 0]) > -1e-12)


def test_growth_below_one_half_reverses_recovery():
    rho = recovery(8, VARIANCES, NoiseModel(0.2))
    assert np.all(np.diff(rho[7:]) > 0)


def test_half_recovery_levels():
    levels = half_recovery_levels(10)
    np.testing.assert_allclose(np.diag(recovery(10, levels)), 0.5, rtol=1e-12)
    published = [1.9e-1, 3.3e-2, 5.8e-3, 1.0e-3, 1.8e-4, 3.1e-5]
    np.testing.assert_allclose(levels[:6], published, rtol=0.05)


def test_half_recovery_levels_follow_the_mean_mode():
    """ln level − ln θ at E K stays bounded: in the end each order costs 10.404^{3/√17}."""
    for n in [10, 100, 300]:
        k, inside = np.arange(n + 1), (1 + 3 / 17**0.5) / 2
        mean = k * inside + (n - k) * (1 - inside)
        log_theta = -(n - mean) * math.log(5 - 17**0.5) - mean * math.log(5 + 17**0.5)
        assert np.max(np.abs(np.log(half_recovery_levels(n)) - log_theta)) < 0.3


def test_proposition_1_holds_up_to_nine_players():
    assert norm_ratio_violations(9).holds  # and 6 in the docstring


@pytest.mark.slow
def test_proposition_1_first_fails_at_these_sizes():
    """The smallest n at which r^(k) ≤ 1, and at which r^(k) does not increase, k = 0, 1, 2, 3."""
    found = {n: norm_ratio_violations(n) for n in [10, 11, 12, 13, 14]}
    below = {n: v.orders_below_one for n, v in found.items()}
    assert below == {10: (0,), 11: (0, 1), 12: (0, 1), 13: (0, 1, 2), 14: (0, 1, 2, 3)}
    falling = {n: v.orders_not_increasing for n, v in found.items()}
    assert falling == {10: (0,), 11: (0, 1), 12: (0, 1, 2), 13: (0, 1, 2, 3), 14: (0, 1, 2, 3)}
    for n, violations in found.items():
        for k, intervals in enumerate(violations.not_above_one):
            for end in [x for interval in intervals for x in interval]:
                before, after = (
                    exact_row_norm(n, k, x) / exact_row_norm(n, k + 1, x) > 1
                    for x in (0.999 * end, 1.001 * end)
                )
                opens = any(end == low for low, _ in intervals)
                assert (before, after) == (opens, not opens)
    [(low, high)] = found[10].not_above_one[0]
    assert low < 4.2e-7 < high
    dip = exact_row_norm(10, 0, 4.2e-7) / exact_row_norm(10, 1, 4.2e-7)
    assert 0.99995 < dip < 0.99997


def test_intervals_of_falling_ratios_end_where_the_ratio_turns():
    [*_, (low, high)] = norm_ratio_violations(10).not_increasing[0]
    for sigma2, rises in [(0.98 * low, True), (1.02 * low, False), (0.98 * high, False)]:
        after, before = (
            exact_row_norm(10, 0, x) / exact_row_norm(10, 1, x)
            for x in (sigma2 * 1.0001, sigma2 * 0.9999)
        )
        assert (after > before) == rises


def test_intervals_reach_to_no_noise_and_to_endless_noise():
    """Growth below ½ has the higher order ahead at once, and below √(2/5) at least in the end."""
    always = norm_ratio_violations(4, NoiseModel(0.4))
    assert always.not_above_one == (((0.0, math.inf),),) * 4
    late = norm_ratio_violations(4, NoiseModel(0.55))
    assert float(limiting_norm_ratio(NoiseModel(0.55))) < 1
    for k, ((low, high),) in enumerate(late.not_above_one):
        assert 0 < low < high == math.inf
        for sigma2, above in [(0.99 * low, True), (1.01 * low, False), (1e3 * low, False)]:
            norms = by_order(np.linalg.norm(learning_matrix(4, sigma2, 0.55), axis=1))
            assert (norms[k] > norms[k + 1]) == above


def test_jit_vmap_float32_and_derivatives():
    sigma2 = jnp.array(VARIANCES)
    for function in (norm_ratios, recovery):
        whole = function(8, sigma2)
        mapped = jax.jit(jax.vmap(functools.partial(function, 8)))(sigma2)
        np.testing.assert_allclose(mapped, whole, rtol=1e-12)
        single = function(8, sigma2.astype(jnp.float32))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, whole, rtol=1e-5)
    gradient = jax.grad(lambda g: row_norms(4, 0.01, NoiseModel(g, -0.2))[2])(1.7)
    norm = lambda g: by_order(np.linalg.norm(learning_matrix(4, 0.01, g, -0.2), axis=1))[2]  # noqa: E731
    np.testing.assert_allclose(gradient, (norm(1.7001) - norm(1.6999)) / 2e-4, rtol=1e-5)


def test_faulty_arguments_are_named():
    with pytest.raises(ValueError, match="`n` must be at least 1, but is 0"):
        row_norms(0, 0.1)
    with pytest.raises(ValueError, match="`sigma2` must be nonnegative"):
        recovery(3, [-0.1])
    with pytest.raises(ValueError, match="`n` must be at most 64 for this noise"):
        norm_ratio_violations(65)
    with pytest.raises(ValueError, match="`n` must be at most 32 for this noise"):
        norm_ratio_violations(33, NoiseModel(2.0, 0.5))
    with pytest.raises(ValueError, match="`noise` must have correlation 0"):
        half_recovery_levels(5, NoiseModel(2.0, -0.1))
    with pytest.raises(ValueError, match="`rho` must be positive and finite, but is 0"):
        expected_strength(5, 0.1, rho=0)
