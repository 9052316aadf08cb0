"""The first phase: `relax` against dense linear algebra, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from theory_oracles import noise_covariance, triggering

from theory import NoiseModel, noisy_loss, optimal_interactions, orders, relax, relaxation_gains

NOISES = [NoiseModel(), NoiseModel(1.0), NoiseModel(correlation=-(0.5**0.5)), NoiseModel(3.0, 0.4)]


def _two(n, seed=0, batch=()):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*batch, 2**n)), rng.normal(size=(*batch, 2**n)) + 0.3


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [1, 3, 5])
def test_matches_the_matrix_exponential_of_the_dense_flow(n, noise):
    j, covariance = triggering(n), noise_covariance(n, noise.growth, noise.correlation)
    initial, true = _two(n, seed=n)
    for sigma2, time in [(0.0, 0.7), (0.03, 5.0), (4.0, 0.2)]:
        hessian = 2 * (j.T @ j / 2**n + sigma2 * covariance)
        flow = np.linalg.solve(covariance, hessian)
        fixed = np.linalg.solve(hessian, 2 * j.T @ j @ true / 2**n)
        expected = fixed + scipy.linalg.expm(-time * flow) @ (initial - fixed)
        np.testing.assert_allclose(
            relax(initial, true, sigma2, time, noise), expected, rtol=1e-9, atol=1e-10
        )


def test_equals_a_fine_integration_of_the_preconditioned_gradient():
    n, noise = 4, NoiseModel(2.5, 0.2)
    covariance = noise_covariance(n, 2.5, 0.2)
    initial, true = _two(n, seed=7)
    gradient = jax.jit(jax.grad(noisy_loss))

    def flow(time, w):
        sigma2 = 2.0 if time < 0.5 else 0.1
        return -np.linalg.solve(covariance, np.asarray(gradient(w, true, sigma2, noise)))

    halves = []
    for span in [(0.0, 0.5), (0.5, 2.0)]:  # the solver must not step across the jump of σ²
        start = halves[-1] if halves else initial
        late = np.nextafter(span[1], 0)
        halves.append(
            scipy.integrate.solve_ivp(
                flow, (span[0], late), start, rtol=1e-10, atol=1e-12, method="DOP853"
            ).y[:, -1]
        )
    first = relax(initial, true, 2.0, 0.5, noise)
    np.testing.assert_allclose(first, halves[0], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(relax(first, true, 0.1, 1.5, noise), halves[1], rtol=1e-7, atol=1e-8)


def test_limits_in_time_and_noise():
    initial, true = _two(6, seed=1)
    assert np.array_equal(relax(initial, true, 0.3, 0.0), initial)
    assert np.array_equal(relax(initial, true, np.inf, 0.0), initial)
    np.testing.assert_allclose(
        relax(initial, true, 0.3, np.inf), optimal_interactions(true, 0.3), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(relax(initial, true, 0.0, np.inf), true, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(relax(initial, true, np.inf, 1e-3), 0 * true, atol=1e-15)
    # Without noise the target is reached late, and the optimum never left.
    np.testing.assert_allclose(relax(true, true, 0.0, 3.0), true, rtol=1e-10)
    late = relax(initial, true, 0.05, 1e3)
    np.testing.assert_allclose(late, optimal_interactions(true, 0.05), rtol=1e-10, atol=1e-12)


def test_composes_over_time_and_descends():
    initial, true = _two(7, seed=2)
    whole = relax(initial, true, 0.02, 1.7)
    halves = relax(relax(initial, true, 0.02, 0.9), true, 0.02, 0.8)
    np.testing.assert_allclose(halves, whole, rtol=1e-9, atol=1e-11)
    path = relax(initial, true, 0.02, np.geomspace(1e-3, 50.0, 25))
    losses = noisy_loss(path, true[None], 0.02)
    assert np.all(np.diff(losses) < 0)


def test_stiff_modes_keep_their_precision():
    # Modes of order 24 move by 1e-14 in unit time: the naive 1 − e^{−x} would lose all digits.
    n, time = 24, 0.5
    kept, learned = relaxation_gains(n, 0.0, time)
    theta = np.array([((5 + 17**0.5) / 8) ** (n - k) * ((5 - 17**0.5) / 8) ** k for k in range(25)])
    np.testing.assert_allclose(learned, -np.expm1(-2 * time * theta), rtol=1e-11)
    np.testing.assert_allclose(kept, np.exp(-2 * time * theta), rtol=1e-11, atol=1e-300)


def test_first_phase_erases_every_order_at_the_noise_rate():
    n, sigma2 = 8, 50.0
    initial, _ = _two(n, seed=3)
    for time in [0.0, 0.01, 0.05]:
        erased = relax(initial, np.zeros(2**n), sigma2, time)
        order = np.asarray(orders(n))
        share = np.linalg.norm(erased[order >= 4]) / np.linalg.norm(initial[order >= 4])
        assert share == pytest.approx(np.exp(-2 * sigma2 * time), rel=0.05)


def test_batches_vectors_and_players():
    n = 5
    initial, true = _two(n, seed=4, batch=(2, 3))
    batch = relax(initial, true, 0.2, 0.6)
    np.testing.assert_allclose(batch[1, 2], relax(initial[1, 2], true[1, 2], 0.2, 0.6), rtol=1e-12)
    shared = relax(initial, true[0, 0], 0.2, 0.6)
    np.testing.assert_allclose(shared[1, 1], relax(initial[1, 1], true[0, 0], 0.2, 0.6), rtol=1e-12)
    sigma2, times = np.array([0.0, 0.1, 2.0]), np.array([0.4, 0.0, np.inf])
    many = relax(initial, true, sigma2, times)
    loop = np.stack([relax(initial, true, s, t) for s, t in zip(sigma2, times, strict=True)])
    assert many.shape == (3, 2, 3, 2**n)
    np.testing.assert_allclose(many, loop, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(relax(initial, true, 0.1, times)[0], relax(initial, true, 0.1, 0.4))
    # Swapping two players swaps their bits, before or after.
    axes = (0, 1, 3, 2, 4)
    swap = np.arange(2**n).reshape((2,) * n).transpose(axes).ravel()
    np.testing.assert_allclose(
        relax(initial[..., swap], true[..., swap], 0.2, 0.6), batch[..., swap], rtol=1e-10
    )


def test_jit_vmap_and_gradients():
    initial, true = _two(4, seed=5)

    def total(sigma2, time):
        return jnp.sum(relax(initial, true, sigma2, time) ** 2)

    for sigma2, time in [(0.3, 0.5), (0.0, 0.5), (0.3, 0.0), (0.3, np.inf)]:
        slopes = jax.grad(total, argnums=(0, 1))(sigma2, time)
        assert np.all(np.isfinite(slopes))
    h = 1e-6
    slope = jax.grad(total, argnums=(0, 1))(0.3, 0.5)
    np.testing.assert_allclose(
        slope[0], (total(0.3 + h, 0.5) - total(0.3 - h, 0.5)) / (2 * h), rtol=1e-6
    )
    np.testing.assert_allclose(
        slope[1], (total(0.3, 0.5 + h) - total(0.3, 0.5 - h)) / (2 * h), rtol=1e-6
    )
    mapped = jax.jit(jax.vmap(lambda s: relax(initial, true, s, 0.5)))(jnp.array([0.1, 0.3]))
    np.testing.assert_allclose(mapped[1], relax(initial, true, 0.3, 0.5), rtol=1e-12)


def test_single_precision():
    initial, true = _two(10, seed=6)
    single = relax(initial.astype(np.float32), true.astype(np.float32), 0.01, 3.0)
    assert single.dtype == jnp.float32
    exact = np.asarray(relax(initial, true, 0.01, 3.0))
    assert np.max(np.abs(single - exact)) < 1e-4 * np.max(np.abs(exact))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"true": np.ones(16)}, r"same last axis, but have shapes \(8,\) and \(16,\)"),
        ({"initial": np.ones((2, 8)), "true": np.ones((3, 8))}, "batch axes that broadcast"),
        ({"sigma2": -1.0}, "`sigma2` must be nonnegative"),
        ({"time": -0.1}, "`time` must be nonnegative, but is -0.1"),
        ({"time": np.nan}, "`time` must be nonnegative"),
        ({"time": np.ones((2, 2))}, r"`time` must be a number or have shape \(m,\)"),
        ({"time": np.ones(3), "sigma2": np.ones(2)}, "must have the same length"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"initial": np.ones(8), "true": np.ones(8), "sigma2": 1.0, "time": 1.0}
    with pytest.raises(ValueError, match=message):
        relax(**(arguments | change))
