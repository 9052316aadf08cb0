"""Noise family, schedules, whole trajectories and the noise law itself, on data made by each."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from sim.fitting.noise_fit import fit_noise
from sim.fitting.noise_law import NoiseLaw, neighbour_residuals, observe_noise, perturb
from sim.fitting.noise_profile import profile_noise
from sim.fitting.prediction import predicted_distribution
from sim.fitting.schedule_fit import fit_schedules, isotonic
from sim.fitting.trajectory_fit import fit_trajectory
from sim.simulation.schedules import Schedule
from theory import (
    NoiseModel,
    estimate_noise,
    optimal_interactions,
    orders,
    reconstruct,
    relax,
    zeta,
)

N, SAMPLES = 5, 8
DIRECT = {"through": "direct", "both_ends": False, "resamples": 0, "salience": 0.0}
EPOCHS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])


def _target(seed=0):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(SAMPLES, 2**N)) * (rng.uniform(size=(SAMPLES, 2**N)) < 0.4)
    return true * 0.8 ** np.asarray(orders(N))


def _fit(sigma2, noise=NoiseModel(), seed=0):
    """A fit, under the paper's noise law, of data made under `noise`."""
    i_and = np.array(optimal_interactions(_target(seed), np.append(sigma2, 0.0), noise))
    epochs = np.append(EPOCHS, 2 * EPOCHS[-1])[-len(i_and) :]
    return fit_noise(i_and, 0 * i_and, zeta(i_and), epochs, **DIRECT)


def test_the_profile_finds_the_law_that_made_the_data():
    law = NoiseModel(3.0, -0.4)
    fit = _fit(np.geomspace(0.1, 1e-3, 4), law)
    calls = []
    profile = profile_noise(
        fit, [2.0, 3.0], [-0.4, 0.0], resamples=40, progress=lambda *at: calls.append(at)
    )
    assert (float(profile.best.growth), float(profile.best.correlation)) == (3.0, -0.4)
    assert profile.distance[1, 0] < 2e-3 < 5e-3 < np.delete(profile.distance.ravel(), 2).min()
    assert profile.growth_interval == (3.0, 3.0)
    assert profile.correlation_interval == (-0.4, -0.4)
    assert profile.references["paper"]["verdict"] == "better"
    assert profile.references["paper"]["distance"] == pytest.approx(profile.distance[0, 1])
    assert calls[-1] == (7, 7)
    np.testing.assert_array_equal(profile.checkpoints, range(4))


def test_choosing_among_many_laws_wins_nothing_by_itself():
    """Held against the samples that chose it, the best law could not lose to one of its rivals."""
    i_and = np.array(optimal_interactions(_target(3), [*np.geomspace(0.1, 1e-3, 4), 0.0]))
    i_and[:-1] += 0.05 * np.random.default_rng(3).normal(size=i_and[:-1].shape)
    fit = fit_noise(i_and, 0 * i_and, zeta(i_and), range(5), **DIRECT)
    profile = profile_noise(fit, [1.6, 2.0, 2.4], [0.0], resamples=40, level=0.9)
    paper = profile.references["paper"]
    assert paper["low"] < -1e-4 < 1e-4 < paper["high"]
    assert paper["verdict"] == "not distinguishable"
    assert profile.growth_interval[0] < profile.growth_interval[1]
    assert profile.best.growth == profile.growth[profile.distance.argmin()]


def test_training_runs_of_the_same_inputs_are_no_further_inputs():
    """Three copies of a run say nothing more than the run, and the intervals stay as wide."""
    i_and = np.array(optimal_interactions(_target(3), [*np.geomspace(0.1, 1e-3, 4), 0.0]))
    i_and[:-1] += 0.05 * np.random.default_rng(3).normal(size=i_and[:-1].shape)
    single, three = (
        profile_noise(
            fit_noise(i, 0 * i, zeta(i), range(5), runs=runs, **DIRECT), [1.6, 2.4], [0.0]
        )
        for i, runs in ((i_and, 1), (np.tile(i_and, (1, 3, 1)), 3))
    )
    np.testing.assert_allclose(three.distance, single.distance, rtol=1e-9)
    assert three.growth_interval == single.growth_interval
    for name, found in single.references.items():
        ends = [three.references[name][end] for end in ("low", "high")]
        np.testing.assert_allclose(ends, [found["low"], found["high"]], rtol=1e-9)


def test_the_profile_without_resamples_and_bad_choices():
    fit = _fit(np.geomspace(0.1, 1e-3, 4))
    profile = profile_noise(fit, [1.0, 2.0], [-(0.5**0.5), 0.0], resamples=0)
    (_, independent), (lemma1, paper) = profile.distance
    assert len({independent, lemma1, paper}) == 3
    assert profile.references == {
        "paper": {"distance": paper},
        "lemma1": {"distance": lemma1},
        "independent": {"distance": independent},
    }
    with pytest.raises(ValueError, match="at least one checkpoint"):
        profile_noise(fit, checkpoints=[])
    with pytest.raises(ValueError, match="positive definite"):
        profile_noise(fit, [2.0], [1.0])


def test_the_profile_counts_the_parts_that_were_fitted():
    i_and = np.array(optimal_interactions(_target(), [0.1, 0.01, 0.0]))
    i_or = np.random.default_rng(5).normal(size=i_and.shape) * (np.arange(2**N) > 0)
    fit = fit_noise(
        i_and,
        i_or,
        np.asarray(reconstruct(i_and, i_or)),
        range(3),
        parts="and",
        **DIRECT,
    )
    assert profile_noise(fit, [2.0], [0.0], resamples=0).distance < 2e-3


@pytest.fixture(scope="module")
def schedules():
    """A power law, which is neither an exponential nor a logistic."""
    true = Schedule.power_law(0.3, 2.0, 1.5)
    fit = _fit(np.asarray(true(EPOCHS)))
    return true, fit, fit_schedules(fit)


def test_the_right_schedule_is_recovered_and_predicts_what_was_left_out(schedules):
    true, _, found = schedules
    fitted = np.log(found["power_law"].schedule(EPOCHS) / true(EPOCHS))
    np.testing.assert_allclose(fitted, 0.0, atol=0.05)
    assert found["power_law"].distance < 2e-3
    assert found["power_law"].held_out.mean() < 5e-3
    assert found["exponential"].held_out.mean() > 5 * found["power_law"].held_out.mean()
    assert found["monotone"].distance < 2e-3  # it holds the power law
    assert found["monotone"].held_out.mean() > found["power_law"].held_out.mean()
    sizes = {name: fit.parameters for name, fit in found.items()}
    assert sizes == {"exponential": 2, "power_law": 3, "logistic": 4, "monotone": 7}


def test_monotone_schedules_never_rise(schedules):
    values = np.asarray(schedules[2]["monotone"].schedule(np.linspace(1, 64, 200)))
    assert (np.diff(values) <= 1e-15).all()


def test_a_monotone_schedule_is_read_off_between_its_neighbours(schedules):
    true, fit, found = schedules
    times, logs = np.log1p(EPOCHS), np.log(np.asarray(true(EPOCHS)))
    between = [
        np.interp(times[c], np.delete(times, c), np.delete(logs, c)) for c in range(1, len(times))
    ]
    predicted = predicted_distribution(fit.target, np.exp(between), NoiseModel())
    away = 0.5 * np.abs(predicted - fit.measured[1:-1]).sum(axis=1)
    assert away.max() > 0.01
    np.testing.assert_allclose(found["monotone"].held_out[1:], away, atol=2e-3)


def test_isotonic_is_the_nearest_falling_sequence():
    rng = np.random.default_rng(0)
    values = rng.normal(size=7)
    found = isotonic(values)
    assert (np.diff(found) <= 0).all()
    candidates = np.sort(rng.normal(size=(200_000, 7)), axis=1)[:, ::-1]
    assert ((found - values) ** 2).sum() <= ((candidates - values) ** 2).sum(axis=1).min()
    # The projection onto a cone: the residual is orthogonal to it, and no member does better.
    assert abs((values - found) @ found) < 1e-12
    assert ((candidates @ (values - found)) < 1e-12).all()


def test_schedules_need_checkpoints():
    with pytest.raises(ValueError, match="at least 4 checkpoints"):
        fit_schedules(_fit(np.geomspace(0.1, 1e-3, 4)), checkpoints=slice(0, 3))


@pytest.fixture(scope="module")
def course():
    """A relaxation composed by hand: one call of `relax` for each stretch of constant σ²."""
    rng = np.random.default_rng(1)
    true, start = _target(2), rng.normal(size=(SAMPLES, 2**N)) * 2 ** (np.asarray(orders(N)) / 2)
    values, edges = [0.3, 0.02, 1e-3], (3.0, 12.0)
    i_and, now, at = [start], start, 0.0
    for epoch in EPOCHS:
        for edge in [*(e for e in edges if at < e < epoch), epoch]:
            level = values[sum(e <= at for e in edges)]
            now, at = relax(now, true, level, 1.7 * (edge - at)), edge
        i_and.append(np.asarray(now))
    i_and = np.array([*i_and, true])
    outputs = np.asarray(zeta(i_and))
    fit = fit_noise(i_and, 0 * i_and, outputs, [0.0, *EPOCHS, 1e4], **DIRECT)
    return fit, (i_and, 0 * i_and, outputs), Schedule.piecewise(edges, values)


@pytest.mark.slow
def test_a_whole_trajectory_is_that_of_relax(course):
    fit, data, schedule = course
    exact = fit_trajectory(fit, *data, schedule, rate=1.7, clock="flow", steps=3, substeps=12)
    assert exact.history.argmin() == 0  # whatever the optimiser moves, the best is kept
    assert exact.history[1:].min() > exact.history[0] + 1e-3
    assert exact.total_variation[[0, 1]].max() < 1e-9
    assert exact.total_variation[:-1].max() < 0.02  # a substep may straddle an edge
    assert exact.parameters == 4
    assert exact.rate == pytest.approx(1.7)


@pytest.mark.slow
def test_a_whole_trajectory_is_recovered_from_its_start(course):
    fit, data, schedule = course
    wrong = Schedule.piecewise(dict(schedule.settings)["boundaries"], [1.0, 0.01, 1e-2])
    fitted = fit_trajectory(fit, *data, wrong, rate=1.0, clock="flow", steps=120)
    assert fitted.history[0] > 0.05
    assert fitted.history.min() < 0.2 * fitted.history[0]
    np.testing.assert_allclose(fitted.mean_order, fit.mean_order, atol=0.15)


def test_what_goes_on_from_closed_forms_needs_a_direct_fit():
    fit = _fit(np.geomspace(0.1, 1e-3, 4))
    fit = dataclasses.replace(fit, settings=fit.settings | {"through": "extraction"})
    data = np.zeros((5, SAMPLES, 2**N))
    for refused in (
        lambda: profile_noise(fit),
        lambda: fit_schedules(fit),
        lambda: fit_trajectory(fit, data, data, data, Schedule.constant(0.1)),
    ):
        with pytest.raises(ValueError, match="`fit` must be of the direct comparison"):
            refused()


def test_trajectory_arguments_are_checked():
    fit = _fit(np.geomspace(0.1, 1e-3, 4))
    data = np.zeros((5, SAMPLES, 2**N))
    with pytest.raises(ValueError, match="`clock` must be one of noise, flow"):
        fit_trajectory(fit, data, data, data, Schedule.constant(0.1), clock="wall")
    with pytest.raises(ValueError, match="as fitted"):
        fit_trajectory(fit, data[:3], data[:3], data[:3], Schedule.constant(0.1))


def test_independent_errors_of_the_outputs_obey_lemma_1():
    rng = np.random.default_rng(2)
    clean = np.asarray(reconstruct(_target(), np.zeros((SAMPLES, 2**N))))
    clean = clean * np.linspace(0.2, 2.0, SAMPLES)[:, None]  # effects of unequal size
    scale = np.array([0.5, 0.1, 0.02])
    repeats = clean + scale[:, None, None, None] * rng.normal(size=(3, 60, SAMPLES, 2**N))
    law = observe_noise(repeats, [1, 2, 3])
    np.testing.assert_array_less(np.abs(law.growth - 2), 4 * law.growth_error)
    assert (law.growth_error < 0.1).all()
    effect = ((clean[:, -1] - clean[:, 0]) ** 2).mean()
    np.testing.assert_allclose(law.sigma2 * effect, scale**2, rtol=0.2)
    np.testing.assert_allclose(law.variance[0] / 2.0 ** np.arange(N + 1), 0.25, rtol=0.3)
    direct = estimate_noise(repeats[1])
    relative = float(direct.sigma2_error / direct.sigma2)
    assert law.sigma2_error[1] / law.sigma2[1] == pytest.approx(relative)
    assert law.agreement([3.0, 2.0, 1.0]) == 1.0
    assert law.agreement([1.0, 2.0, 3.0]) == -1.0
    assert np.isnan(law.agreement([1.0, np.nan, 3.0]))


def test_agreement_is_a_rank_correlation_with_shared_ranks():
    one, observed = np.ones(6), np.array([0.5, 0.2, 0.2, 0.2, 0.1, 0.01])
    law = NoiseLaw(np.arange(6), one, one, observed, one, np.ones((6, 4)))
    for fitted in ([9, 4, 5, 5, 1, 1], [1, 2, 2, 2, 7, 0.5]):
        expected = scipy.stats.spearmanr(fitted, observed).statistic
        assert law.agreement(fitted) == pytest.approx(expected)


def test_neighbours_keep_independent_noise_and_drop_a_drift():
    rng = np.random.default_rng(3)
    drift = np.arange(400.0)[:, None, None] * rng.normal(size=(1, 2, 8))
    residuals = neighbour_residuals(drift + 0.3 * rng.normal(size=(400, 2, 8)))
    assert residuals.shape == (398, 2, 8)
    assert residuals.std() == pytest.approx(0.3, rel=0.05)
    with pytest.raises(ValueError, match="at least 3 checkpoints"):
        neighbour_residuals(np.ones((2, 2, 8)))


def test_perturbed_parameters_have_the_noise_asked_for():
    model = {"weight": 3 * jnp.ones((200, 200)), "steps": jnp.arange(4), "name": "net"}
    noisy = perturb(model, 0.1, jax.random.key(1))
    assert float(jnp.std(noisy["weight"] - model["weight"])) == pytest.approx(0.3, rel=0.02)
    np.testing.assert_array_equal(noisy["steps"], model["steps"])
    assert noisy["name"] == "net"
    with pytest.raises(ValueError, match="`scale` must be finite"):
        perturb(model, -1, jax.random.key(1))
