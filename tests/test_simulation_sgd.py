"""Really trained interactions: the law of the gradient, Theorem 3, and the limit of small steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from theory_oracles import noise_covariance, triggering

from sim.simulation.descent import Descent
from sim.simulation.methods import simulate
from sim.simulation.sampled_loss import (
    coordinates,
    expected_gradient,
    sampled_gradient,
    stable_rate,
)
from sim.simulation.scenarios import random_start, sparse_target
from sim.simulation.schedules import Schedule
from theory import NoiseModel, noisy_loss, optimal_interactions, relax, zeta

N = 3
NOISE = NoiseModel(1.7, -0.3)
RNG = np.random.default_rng(0)
SAMPLED = Descent(batch_size=8, steps_per_epoch=50)
START, TARGET = RNG.normal(size=2**N), RNG.normal(size=2**N) + 0.5


def _literal_gradients(x, sigma2, white, batch, draws, key):
    """The batch gradient by autodiff, every row and every noise vector written out."""
    axes = coordinates(NOISE, white, jnp.float64)
    big = lambda m: np.kron(np.kron(m, m), m)  # noqa: E731
    to_w = big(np.asarray(axes.to_interactions))
    cholesky = np.sqrt(sigma2) * big(np.linalg.cholesky(np.asarray(NOISE.matrix())))
    rows = jnp.array(triggering(N))
    masks, normals = jax.random.split(key)
    chosen = jax.random.randint(masks, (draws, batch), 0, 2**N)
    noise = jax.random.normal(normals, (draws, batch, 2**N)) @ cholesky.T

    def loss(x, chosen, noise):
        error = (rows @ TARGET)[chosen] - (rows[chosen] + noise) @ (to_w @ x)
        return jnp.mean(error**2)

    return jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0, 0)))(x, chosen, noise)


@pytest.mark.parametrize("white", [True, False])
def test_gradient_has_the_law_of_the_sampled_loss(white):
    sigma2, batch, draws = 0.4, 5, 40_000
    axes = coordinates(NOISE, white, jnp.float64)
    outputs = zeta(TARGET)
    x = jnp.asarray(START)
    keys = jax.random.split(jax.random.key(0), draws)
    sampled = jax.jit(jax.vmap(lambda key: sampled_gradient(x, outputs, sigma2, axes, key, batch)))(
        keys
    )
    literal = _literal_gradients(x, sigma2, white, batch, draws, jax.random.key(1))
    expected = expected_gradient(x, outputs, sigma2, axes)
    sampled, literal, expected = map(np.asarray, (sampled, literal, expected))
    for gradients in (sampled, literal):
        error = np.std(gradients, axis=0) / draws**0.5
        assert np.all(np.abs(gradients.mean(0) - expected) < 5 * error)
    # All second moments, and the fourth of each coordinate: bounded by the error of their means.
    i, j = np.triu_indices(2**N)
    for power in (1, 2):
        moments = [(g[:, i] * g[:, j]) ** power for g in (sampled, literal)]
        if power == 2:
            moments = [m[:, i == j] for m in moments]
        error = np.sqrt(sum(np.var(m, axis=0) / draws for m in moments))
        assert np.all(np.abs(moments[0].mean(0) - moments[1].mean(0)) < 5 * error)
        assert np.all(error < 0.25 * np.sqrt(np.mean(moments[1] ** 2, axis=0)))


@pytest.mark.parametrize("white", [True, False])
def test_expected_gradient_is_that_of_the_noisy_loss(white):
    axes = coordinates(NOISE, white, jnp.float64)
    m = np.asarray(axes.to_interactions)
    to_w = np.kron(np.kron(m, m), m)
    exact = jax.grad(lambda x: noisy_loss(to_w @ x, TARGET, 0.3, NOISE))(jnp.asarray(START))
    found = expected_gradient(jnp.asarray(START), zeta(TARGET), 0.3, axes)
    np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    "descent",
    [
        SAMPLED,
        pytest.param(
            Descent(batch_size=8, steps_per_epoch=50, momentum=0.9, white=False),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Descent(optax.sgd(0.01, momentum=0.5, nesterov=True), batch_size=4, steps_per_epoch=50),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["default", "momentum in w", "optax"],
)
def test_settles_on_theorem_3(descent):
    sigma2 = 0.2
    start = np.broadcast_to(START, (24, 2**N))
    run = simulate(
        (start, start),
        (TARGET, TARGET),
        Schedule.constant(sigma2),
        120,
        "sgd",
        NOISE,
        descent=descent,
        key=3,
        keep_interactions=True,
    )
    # The process is linear, so that its mean settles on the optimum without bias.
    averages = np.mean(np.concatenate([run.i_and[60:], run.i_or[60:]], axis=1), axis=0)
    error = np.std(averages, axis=0, ddof=1) / len(averages) ** 0.5
    optimum = np.asarray(optimal_interactions(TARGET, sigma2, NOISE))
    assert np.all(np.abs(averages.mean(0) - optimum) < 5 * error)
    assert np.all(error < 0.02 * np.linalg.norm(optimum))
    assert np.linalg.norm(START - optimum) > 0.5 * np.linalg.norm(optimum)


def test_full_batches_are_exact_descent_and_small_steps_the_flow():
    # The loss is quadratic, so that steps are powers of a matrix, written out here.
    rate, sigma2 = 0.4, 0.3
    hessian = np.asarray(jax.hessian(lambda w: noisy_loss(w, TARGET, sigma2, NOISE))(TARGET))
    d = np.asarray(NOISE.matrix())
    slope = np.linalg.solve(np.kron(np.kron(d, d), d), hessian)
    optimum = np.asarray(optimal_interactions(TARGET, sigma2, NOISE))

    def descended(count, epoch):
        step = np.eye(2**N) - rate / count * slope
        return optimum + np.linalg.matrix_power(step, count * epoch) @ (START - optimum)

    descent = Descent(optax.sgd(rate / 20), batch_size=None, steps_per_epoch=20)
    run = simulate(
        START,
        TARGET,
        Schedule.constant(sigma2),
        4,
        "sgd",
        NOISE,
        descent=descent,
        keep_interactions=True,
    )
    for epoch in range(4):
        np.testing.assert_allclose(run.i_and[epoch], descended(20, epoch), rtol=1e-9, atol=1e-11)
    exact = relax(START, TARGET, sigma2, [0.4, 0.8, 1.2], NOISE)
    errors = [
        max(np.max(np.abs(descended(count, i + 1) - exact[i])) for i in range(3))
        for count in (20, 40, 80, 160)
    ]
    assert errors[-1] < 0.01
    # Of first order in the step: half the step, half the error.
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.1)
    flow = simulate(
        START,
        TARGET,
        Schedule.constant(sigma2),
        4,
        "relaxation",
        NOISE,
        rate=rate,
        clock="flow",
        keep_interactions=True,
    )
    np.testing.assert_allclose(flow.i_and[1:], exact, rtol=1e-9, atol=1e-10)


def test_default_steps_by_hand():
    """Heavy balls at the rate step·(1 − momentum)/(θ₀ + σ²), σ² being that of the step's middle."""
    falling = Schedule.exponential(2.0, 0.02, 4)
    descent = Descent(batch_size=None, steps_per_epoch=2, step=0.3, momentum=0.4)
    run = simulate(
        START, TARGET, falling, [0, 1, 2.5], "sgd", NOISE, descent=descent, keep_interactions=True
    )
    covariance = noise_covariance(N, NOISE.growth, NOISE.correlation)
    gram = triggering(N).T @ triggering(N) / 2**N
    largest = np.linalg.eigvals(np.linalg.solve(covariance, gram)).real.max()  # θ₀
    w, velocity, at = START, 0.0, [START]
    for step in range(5):
        sigma2 = float(falling(0.5 * step + 0.25))
        gradient = 2 * (gram @ (w - TARGET) + sigma2 * covariance @ w)
        velocity = 0.4 * velocity + np.linalg.solve(covariance, gradient)
        w = w - 0.3 * 0.6 / (largest + sigma2) * velocity
        at += [w] if step in (1, 4) else []
    np.testing.assert_allclose(run.i_and, at, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("white", [True, False])
def test_the_stable_rate_counts_the_noise_of_batches(white):
    """1/(λ + 3 E‖x‖²/B) of a noisy row x = J_S + ε, λ the largest it can see in the mean."""
    covariance, j = noise_covariance(N, NOISE.growth, NOISE.correlation), triggering(N)
    if white:
        inverse = np.linalg.inv(np.linalg.cholesky(covariance))
        covariance, j = np.eye(2**N), j @ inverse.T
    largest = np.linalg.eigvalsh(j.T @ j / 2**N).max() + 0.3 * np.linalg.eigvalsh(covariance).max()
    square = np.mean(np.sum(j**2, axis=1)) + 0.3 * np.trace(covariance)
    axes = coordinates(NOISE, white, jnp.float64)
    for batch, noisy in ((None, 0.0), (8, 3 * square / 8)):
        found = float(stable_rate(N, jnp.asarray(0.3), axes, batch))
        assert found == pytest.approx(1 / (largest + noisy), rel=1e-12)


def test_the_schedule_is_followed_within_an_epoch():
    falling = Schedule.exponential(2.0, 0.02, 4)
    descent = Descent(optax.sgd(4e-4), batch_size=None, steps_per_epoch=1000)
    run = simulate(START, TARGET, falling, [0, 0.5, 3, 4], "sgd", NOISE, descent=descent)
    flow = simulate(
        START,
        TARGET,
        falling,
        [0, 0.5, 3, 4],
        "relaxation",
        NOISE,
        rate=0.4,
        clock="flow",
        substeps=50,
    )
    np.testing.assert_allclose(run.strength, flow.strength, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(run.loss, flow.loss, rtol=5e-3)


def test_members_and_kinds_train_apart_and_keys_decide():
    start = random_start(N, jax.random.key(0), members=24)
    target = sparse_target(N, jax.random.key(1), 4)
    falling = Schedule.exponential(1.0, 0.01, 119)
    arguments = ((start, start), (target, target), falling, 120, "sgd")  # shapes compiled above
    settings = {"descent": SAMPLED, "keep_interactions": True}
    first = simulate(*arguments, key=5, **settings)
    again = simulate(*arguments, key=np.int64(5), progress=lambda *at: None, **settings)
    np.testing.assert_array_equal(first.strength, again.strength)
    other = simulate(*arguments, key=jax.random.key(6), **settings)
    assert np.max(np.abs(other.strength - first.strength)) > 1e-3
    assert np.max(np.abs(first.i_and[-1] - first.i_or[-1])) > 1e-3
    assert np.max(np.abs(first.members[-1, 0] - first.members[-1, 1])) > 1e-3
    np.testing.assert_allclose(first.i_and[0], start, atol=1e-12)


@pytest.mark.slow
def test_two_phases_of_real_training():
    n = 7
    start = random_start(n, jax.random.key(0), scale=0.3, members=3)
    target = sparse_target(n, jax.random.key(1), [7, 12, 12, 8, 4, 2, 1])
    run = simulate(
        start,
        target,
        Schedule.exponential(3.0, 1e-4, 60),
        61,
        "sgd",
        descent=Descent(steps_per_epoch=100, step=0.3),
    )
    order = np.asarray(run.mean_order)
    low = int(order.argmin())
    assert 3 < low < 50
    assert order[0] - order[low] > 1
    assert order[-1] - order[low] > 0.3
    assert float(run.loss[-1]) < float(run.loss[low])


@pytest.mark.slow
def test_twelve_players_learn_in_twenty_thousand_steps():
    start = random_start(12, jax.random.key(0))
    target = sparse_target(12, jax.random.key(1), 100)
    run = simulate(start, target, Schedule.exponential(10.0, 1e-4, 200), 201, "sgd")
    assert np.all(np.isfinite(run.loss))
    assert float(run.mean_order.min()) < float(run.mean_order[0]) - 2


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"optimizer": 0.1}, TypeError, "`optimizer` must be an optax optimiser"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"steps_per_epoch": 0}, ValueError, "`steps_per_epoch` must be at least 1"),
        ({"step": 1.5}, ValueError, "`step` must lie between 0 and 1"),
        ({"momentum": 1.0}, ValueError, "`momentum` must lie in"),
    ],
)
def test_bad_settings_are_named(change, kind, message):
    with pytest.raises(kind, match=message):
        Descent(**change)


def test_training_that_runs_away_says_so():
    with pytest.raises(ValueError, match="has diverged: the loss is not finite at epoch 1"):
        simulate(
            START,
            TARGET,
            Schedule.constant(1.0),
            4,
            "sgd",
            descent=Descent(optax.sgd(100.0), batch_size=None, steps_per_epoch=100),
        )
    with pytest.raises(TypeError, match="`descent` must be a Descent, such as"):
        simulate(START, TARGET, Schedule.constant(1.0), 4, "sgd", descent=optax.sgd(0.1))
