"""The direct comparison of the paper: an independent oracle, recovery, invariance, intervals."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from theory_oracles import learning_matrix, permuted_indices

from sim.extraction import extract_interactions
from sim.fitting.bootstrap import DEPENDS, bootstrap_weights
from sim.fitting.distances import DISTANCES, total_variation
from sim.fitting.noise_fit import fit_noise
from sim.fitting.prediction import (
    noise_range,
    predicted_distribution,
    predicted_strength,
    salient_target,
)
from sim.strength import measured_strength
from theory import NoiseModel, optimal_interactions, orders, reconstruct, zeta

N, SAMPLES = 5, 8
fit_directly = functools.partial(fit_noise, through="direct", both_ends=False)
SIGMA2 = np.array([8e-2, 3.3e-3, 2.1e-4])
NOISES = [NoiseModel(), NoiseModel(correlation=-(0.5**0.5)), NoiseModel(3.0, 0.3)]


def _target(seed=0, n=N, samples=SAMPLES):
    """Sparse AND and OR interactions, generic: v(∅) ≠ 0, orders and samples unlike."""
    rng = np.random.default_rng(seed)
    decay = 0.8 ** np.asarray(orders(n))
    kept = rng.uniform(size=(2, samples, 2**n)) < 0.35
    halves = rng.normal(size=(2, samples, 2**n)) * rng.lognormal(0, 0.4, (2, samples, 1)) * decay
    halves = halves * kept
    halves[0, :, 0] = rng.normal(size=samples)
    halves[1, :, 0] = 0.0
    return halves


def _learned(halves, sigma2, noise=NoiseModel()):
    """What the theory learns of a target at each noise level, the target itself last."""
    levels = np.append(sigma2, 0.0)
    learned = np.array(optimal_interactions(halves, levels, noise))  # (checkpoints, 2, …)
    learned[:, 1, :, 0] = 0.0
    return learned[:, 0], learned[:, 1], np.asarray(reconstruct(learned[:, 0], learned[:, 1]))


def _fit(halves, sigma2, data_noise=NoiseModel(), **options):
    i_and, i_or, outputs = _learned(halves, sigma2, data_noise)
    return fit_directly(i_and, i_or, outputs, range(len(outputs)), resamples=0, **options)


def _dense_prediction(w_and, w_or, sigma2, noise, fraction=0.03, per_sample=False):
    """(samples, n) from Theorem 3 as printed, with dense matrices and loops over the sets."""
    learn = learning_matrix(N, sigma2, noise.growth, noise.correlation)
    learned = [w @ learn.T for w in (w_and, w_or)]
    effect = np.abs(learned[0][:, 1:].sum(axis=1) + learned[1][:, 1:].sum(axis=1))
    threshold = fraction * (effect if per_sample else np.full_like(effect, effect.mean()))
    strength = np.zeros((len(w_and), N))
    for half, x, s in itertools.product(learned, range(len(w_and)), range(2**N)):
        if s and abs(half[x, s]) >= threshold[x]:
            strength[x, s.bit_count() - 1] += abs(half[x, s])
    return strength


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("per_sample", [False, True])
def test_prediction_against_dense_linear_algebra(noise, per_sample):
    w_and, w_or = _target()
    target = salient_target(
        jnp.asarray(w_and),
        jnp.asarray(w_or),
        jnp.zeros(SAMPLES),
        fraction=0.05,
        per_sample=per_sample,
    )
    levels = np.array([1e-6, 1e-3, 0.3])
    strength = predicted_strength(target, levels, noise)
    for sigma2, found in zip(levels, strength, strict=True):
        expected = _dense_prediction(w_and, w_or, sigma2, noise, 0.05, per_sample)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        shares = expected.mean(axis=0) / expected.mean(axis=0).sum()
        distribution = predicted_distribution(target, np.array([sigma2]), noise)
        np.testing.assert_allclose(distribution[0], shares, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_beyond_the_range_of_the_search_nothing_changes(noise):
    w_and, w_or = _target()
    target = salient_target(jnp.asarray(w_and), jnp.asarray(w_or), jnp.zeros(SAMPLES), fraction=0.0)
    low, high = noise_range(N, noise)
    shares = predicted_distribution(target, np.exp([low - 5, low, high, high + 5]), noise)
    assert np.abs(shares[0] - shares[1]).sum() < 1e-6
    assert np.abs(shares[2] - shares[3]).sum() < 1e-3


def test_parts_are_counted_apart_and_add_up():
    w_and, w_or = _target(1)
    target = salient_target(jnp.asarray(w_and), jnp.asarray(w_or), jnp.zeros(SAMPLES))
    both, only_and, only_or = (
        predicted_strength(target, np.array([1e-3]), NoiseModel(), parts)
        for parts in ("both", "and", "or")
    )
    np.testing.assert_allclose(only_and + only_or, both, rtol=1e-12)
    silent = salient_target(jnp.asarray(w_and), jnp.asarray(0 * w_or), jnp.zeros(SAMPLES))
    assert not np.any(predicted_strength(silent, np.array([1e-3]), NoiseModel(), "or"))


def test_salient_target_keeps_what_exceeds_each_samples_threshold():
    i_and = jnp.array([[5.0, 1.0, -0.2, 0.0], [7.0, 0.1, 0.3, -2.0]])
    i_or = jnp.array([[9.0, 0.1, -0.6, 0.5], [9.0, 0.3, 0.2, 0.0]])
    target = salient_target(i_and, i_or, jnp.array([0.5, 0.3]))
    np.testing.assert_array_equal(target.w_and, [[5.0, 1.0, 0.0, 0.0], [7.0, 0.0, 0.3, -2.0]])
    np.testing.assert_array_equal(target.w_or, [[0.0, 0.0, -0.6, 0.5], [0.0, 0.3, 0.0, 0.0]])
    centred = salient_target(i_and, i_or, jnp.array([0.5, 0.3]), centred=True)
    np.testing.assert_array_equal(centred.w_and[:, 0], [0.0, 0.0])


def test_the_target_is_what_is_salient_at_the_last_checkpoint():
    rng = np.random.default_rng(10)
    i_and, i_or, outputs = rng.normal(size=(3, 4, SAMPLES, 2**N))
    outputs *= np.array([30.0, 3.0, 20.0, 10.0])[:, None, None]
    target = fit_directly(i_and, i_or, outputs, range(4), resamples=0).target
    threshold = 0.03 * np.mean([abs(v[-1] - v[0]) for v in outputs[-1]])
    for got, part in ((target.w_and, i_and[-1]), (target.w_or, i_or[-1])):
        expected = np.where(np.abs(part) >= threshold, part, 0.0)
        np.testing.assert_array_equal(got[:, 1:], expected[:, 1:])
    np.testing.assert_array_equal(target.w_and[:, 0], i_and[-1, :, 0])
    assert not np.any(target.w_or[:, 0])


def test_measured_strength_by_definition():
    rng = np.random.default_rng(2)
    i_and, i_or, outputs = rng.normal(size=(3, 4, 8))
    strength, threshold = measured_strength(i_and[None], i_or[None], outputs[None], salience=0.3)
    effect = np.mean([abs(v[7] - v[0]) for v in outputs])
    np.testing.assert_allclose(threshold, np.full((1, 4), 0.3 * effect))
    for x, k in itertools.product(range(4), (1, 2, 3)):
        expected = sum(
            abs(i[x, s])
            for i in (i_and, i_or)
            for s in range(8)
            if s.bit_count() == k and abs(i[x, s]) >= 0.3 * effect
        )
        assert float(strength[0, x, k - 1]) == pytest.approx(expected)


@pytest.mark.parametrize("distance", DISTANCES)
def test_recovers_the_noise_of_the_theorys_own_data(distance):
    fit = _fit(_target(), SIGMA2, distance=distance, salience=0.0)
    # Squared distances are flat at their minimum: rounding hides a relative 1e-6 from them.
    tolerance = 1e-6 if distance == "total_variation" else 1e-4
    np.testing.assert_allclose(fit.sigma2[:-1], SIGMA2, rtol=tolerance)
    assert fit.total_variation[:-1].max() < 1e-6
    assert fit.total_variation[-1] < 1e-6
    assert fit.inside[:-1].all()
    assert not fit.inside[-1]


@pytest.mark.parametrize(
    ("strengths", "bound"),
    [
        ((0.70, 0.25, 0.0, 0.05), "at_most"),  # orders 1 and 2 too strong at σ² = 0 and elsewhere
        ((0.0, 0.0, 0.0, 1.0), "any"),  # and here at every σ²
        ((1.0, 0.4, 0.0, 0.0), "zero"),  # the target itself
    ],
)
def test_a_noise_level_that_the_data_leave_open_is_called_a_bound(strengths, bound):
    early, final = np.zeros((2, 2, 16))
    early[:, [1, 3, 7, 15]] = strengths
    final[:, [1, 2, 3]] = 1.0, 1.0, 0.8
    i_and = np.stack([early, final])
    fit = fit_directly(i_and, 0 * i_and, zeta(i_and), [0, 1], resamples=0)
    assert fit.bound.tolist() == [bound, "zero"]
    assert not fit.inside.any()
    ends = np.asarray(predicted_distribution(fit.target, np.array([1e-12, 1e6]), fit.noise))
    none, endless = 0.5 * np.abs(ends - fit.measured[0]).sum(axis=1)
    assert none == pytest.approx(fit.total_variation[0], abs=1e-6)
    assert (endless == pytest.approx(fit.total_variation[0], abs=1e-6)) == (bound == "any")
    assert np.allclose(fit.predicted[0], ends[0], atol=1e-4) == (bound == "zero")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"parts": "and"},
        {"parts": "or"},
        {"per_sample": True},
        {"target": "all"},
    ],
)
def test_recovers_under_every_convention(options):
    halves = _target(3)
    if options.get("target", "salient") == "salient":  # so that w* is the data's own target
        sums = np.abs(halves[..., 1:].sum(axis=(0, 2)))
        limit = 0.03 * (sums if options.get("per_sample") else np.full_like(sums, sums.mean()))
        small = np.abs(halves) < limit[None, :, None]
        small[0, :, 0] = False
        halves = np.where(small, 0.0, halves)
    fit = _fit(halves, SIGMA2, **options)
    np.testing.assert_allclose(fit.sigma2[:-1], SIGMA2, rtol=1e-6)


def test_centred_target_recovers_centred_data():
    halves = _target(4)
    empty = halves[0, :, 0].copy()
    halves[0, :, 0] = 0.0
    i_and, i_or, outputs = (np.array(a) for a in _learned(halves, SIGMA2))
    i_and[..., 0] += empty  # an offset that the network learned, but not from interactions
    outputs += empty[:, None]
    options = {"salience": 0.0, "resamples": 0}
    fit = fit_directly(i_and, i_or, outputs, range(4), centred=True, **options)
    np.testing.assert_allclose(fit.sigma2[:-1], SIGMA2, rtol=1e-6)
    other = fit_directly(i_and, i_or, outputs, range(4), **options)
    assert other.total_variation[:-1].min() > 1e-4


def test_a_wrong_noise_law_fits_visibly_worse():
    halves = _target(5)
    right = _fit(halves, SIGMA2, NOISES[1], noise=NOISES[1], salience=0.0)
    wrong = _fit(halves, SIGMA2, NOISES[1], salience=0.0)
    np.testing.assert_allclose(right.sigma2[:-1], SIGMA2, rtol=1e-6)
    assert wrong.total_variation[:2].min() > 0.01 > 1e-6 > right.total_variation.max()


def test_the_fit_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(6)
    halves = _target(6)
    i_and, i_or, outputs = _learned(halves, SIGMA2)
    i_and = i_and + 0.05 * rng.normal(size=i_and.shape)  # nothing fits exactly any more
    fit = fit_directly(i_and, i_or, outputs, range(4), resamples=0)
    fine = np.exp(np.linspace(-25, 12, 4097))
    members = predicted_distribution(fit.target, fine, NoiseModel())
    away = np.asarray(total_variation(members[None], fit.measured[:, None]))
    assert (fit.total_variation <= away.min(axis=1) + 1e-9).all()
    assert (fit.total_variation >= away.min(axis=1) - 1e-3).all()
    assert fit.total_variation[:-1].min() > 1e-3


def test_permuting_players_changes_nothing():
    halves = _target(7)
    i_and, i_or, outputs = _learned(halves, SIGMA2)
    moved = permuted_indices(N, (3, 0, 4, 1, 2))
    first = fit_directly(i_and, i_or, outputs, range(4), resamples=20)
    permuted = [array[..., np.argsort(moved)] for array in (i_and, i_or, outputs)]
    second = fit_directly(*permuted, range(4), resamples=20)
    np.testing.assert_allclose(second.sigma2[:-1], first.sigma2[:-1], rtol=1e-6)
    np.testing.assert_allclose(second.predicted, first.predicted, atol=1e-9)
    assert second.verdicts == first.verdicts
    assert "better (at one end only)" in first.verdicts["shares_frozen"]


def test_without_spread_between_samples_intervals_close_on_the_truth():
    halves = np.repeat(_target(8, samples=1), SAMPLES, axis=1)
    i_and, i_or, outputs = _learned(halves, SIGMA2)
    fit = fit_directly(i_and, i_or, outputs, range(4), resamples=20, salience=0.0)
    low, high = fit.comparison.sigma2_interval
    np.testing.assert_allclose(low[:-1], SIGMA2, rtol=0.02)  # interpolated in steps of 0.1
    np.testing.assert_allclose(high[:-1], SIGMA2, rtol=0.02)
    for null in ("shares_frozen", "shares_tilt", "shares_binomial"):
        assert fit.comparison.verdicts[null] == ["better", "better", "better", None]
        assert fit.comparison.overall()[null]["verdict"] == "better"


def test_resamples_are_fits_to_samples_drawn_anew():
    """Every draw against `fit_noise` of the drawn samples; the table of σ² costs some accuracy."""
    i_and, i_or, outputs = _learned(_target(9), SIGMA2)
    i_and = i_and + 0.05 * np.random.default_rng(9).normal(size=i_and.shape)
    options = {"salience": 0.0, "distance": "least_squares"}
    fit = fit_directly(i_and, i_or, outputs, range(4), resamples=4, level=0.8, seed=5, **options)
    found = fit.comparison
    counts = np.rint(SAMPLES * bootstrap_weights(SAMPLES, 4, seed=5)).astype(int)
    for draw, count in enumerate(counts):
        drawn = np.repeat(np.arange(SAMPLES), count)
        again = fit_directly(
            *(a[:, drawn] for a in (i_and, i_or, outputs)), range(4), resamples=0, **options
        )
        np.testing.assert_allclose(found.measured[draw], again.measured, atol=1e-12)
        np.testing.assert_allclose(found.total_variation[draw], again.total_variation, atol=2e-3)
        np.testing.assert_allclose(found.log_sigma2[draw, :3], np.log(again.sigma2[:3]), atol=0.02)
        for name, null in again.nulls.items():
            expected = again.total_variation - null.total_variation
            np.testing.assert_allclose(found.differences[name].draws[draw], expected, atol=2e-3)
    inside = np.clip(_by_students_t(np.log(fit.sigma2), found.log_sigma2, 0.8), *found.range)
    np.testing.assert_allclose(np.log(found.sigma2_interval), inside)
    for difference in found.differences.values():
        ends = _by_students_t(difference.observed, difference.draws, 0.8)
        np.testing.assert_allclose([difference.low, difference.high], ends)


def _by_students_t(observed, draws, level):
    """About the observed value, with the standard error that the mean of SAMPLES would have."""
    error = np.std(draws, axis=0) * np.sqrt(len(draws) / (len(draws) - 1))
    error = error * np.sqrt(SAMPLES / (SAMPLES - 1))
    return observed + np.array([[-1], [1]]) * scipy.stats.t.ppf((1 + level) / 2, 7) * error


def test_records_are_plain_and_complete():
    fit = fit_directly(*_learned(_target(), SIGMA2), range(4), resamples=20)
    record = fit.records()[1]
    low, high = record["sigma2_interval"]
    assert low <= record["sigma2"] <= high
    free = {"shares_frozen": 0, "shares_tilt": 1, "shares_binomial": 1, "shares_cut_off": 1}
    assert set(record["nulls"]) == set(free)
    assert len(record["measured"]) == len(record["predicted"]) == N
    ends = _by_students_t(fit.measured[1], fit.comparison.measured[:, 1], 0.95)
    np.testing.assert_allclose(record["measured_interval"], np.clip(ends, 0, 1))
    ends = _by_students_t(fit.total_variation[1], fit.comparison.total_variation[:, 1], 0.95)
    np.testing.assert_allclose(record["total_variation_interval"], np.clip(ends[:, 0], 0, 1))
    for name, null in fit.nulls.items():
        assert record["nulls"][name]["predicted"] == null.predicted[1].tolist()
        assert record["nulls"][name]["total_variation"] == null.total_variation[1]
        verdict = fit.comparison.verdicts[name][1]
        assert record["nulls"][name]["verdict"] == f"{verdict} (at one end only)"
    assert fit.parameters == {"theory": 1} | free
    single = fit_directly(*(a[:, :1] for a in _learned(_target(), SIGMA2)), range(4))
    assert single.comparison is None


def test_several_runs_have_intervals_of_their_own():
    """Runs that differ less than inputs do: the intervals over runs are the narrower ones."""
    rng = np.random.default_rng(4)
    own = 0.05 * rng.normal(size=(4, SAMPLES, 2**N))  # of each input, the same in all runs
    learned = [_learned(_target(9), s * SIGMA2) for s in (0.98, 1.0, 1.02)]
    runs = [(i_and + own, i_or, outputs) for i_and, i_or, outputs in learned]
    one = runs[1]
    three = [np.concatenate(parts, axis=1) for parts in zip(*runs, strict=True)]
    options = {"salience": 0.0, "resamples": 200}
    fit = fit_directly(*three, range(4), runs=3, **options)
    alone = fit_directly(*one, range(4), **options)
    assert (fit.comparison.units, fit.over_runs.units) == (SAMPLES, 3)
    width, beside, of_runs = (
        np.ptp(np.log(found.sigma2_interval), axis=0)[:3]
        for found in (fit.comparison, alone.comparison, fit.over_runs)
    )
    np.testing.assert_allclose(width, beside, rtol=0.2)  # three times the samples, no more inputs
    assert (of_runs < width).all()
    assert (of_runs > 0).all()
    record = fit.records()[0]
    low, high = record["run_sigma2_interval"]
    assert low < record["sigma2"] < high
    assert alone.over_runs is None
    assert "run_sigma2_interval" not in alone.records()[0]
    order = rng.permutation(SAMPLES)
    shuffled = [a.reshape(4, 3, SAMPLES, -1)[:, :, order].reshape(a.shape) for a in three]
    again = fit_directly(*shuffled, range(4), runs=3, salience=0.0, resamples=0)
    np.testing.assert_allclose(again.sigma2, fit.sigma2)
    with pytest.raises(ValueError, match="`runs` must divide the 24 samples, but is 5"):
        fit_directly(*three, range(4), runs=5)


def test_a_direct_comparison_has_two_ends_as_well():
    """Beside the AND interactions given, the outputs' explanation of the highest orders."""
    i_and, i_or, outputs = _learned(_target() * np.array([1, 0])[:, None, None], SIGMA2)
    fit = fit_noise(i_and, i_or, outputs, range(4), through="direct", resamples=20)
    assert fit.other.settings == fit.settings | {"prefer": "high"}
    found = extract_interactions(outputs, prefer="high")
    alone = fit_directly(found.i_and, found.i_or, outputs, range(4), resamples=20, prefer="high")
    np.testing.assert_allclose(fit.other.sigma2, alone.sigma2)
    assert np.abs(fit.other.measured - fit.measured).max() > 0.05
    for name, said in fit.verdicts.items():
        both = zip(fit.comparison.verdicts[name], alone.comparison.verdicts[name], strict=True)
        expected = [one if one in (two, None) else DEPENDS for one, two in both]
        assert said == expected
    assert any(DEPENDS in said for said in fit.verdicts.values())
    beside = fit.records()[1]["other"]["nulls"]
    for name, null in alone.nulls.items():
        away, verdict = null.total_variation[1], alone.comparison.verdicts[name][1]
        assert beside[name] == {"total_variation": away, "verdict": verdict}


def test_results_are_pytrees():
    fit = fit_directly(*_learned(_target(), SIGMA2), range(4), resamples=3)
    for result in (fit.comparison.differences, fit.nulls):
        doubled = jax.jit(lambda tree: jax.tree.map(lambda leaf: 2 * leaf, tree))(result)
        for one, two in zip(jax.tree.leaves(result), jax.tree.leaves(doubled), strict=True):
            np.testing.assert_array_equal(two, 2 * one)


def test_bad_input_is_refused_by_name():
    i_and, i_or, outputs = _learned(_target(), SIGMA2)
    epochs = range(4)
    with pytest.raises(ValueError, match=r"`i_or` must have the shape \(4, 8, 32\)"):
        fit_directly(i_and, i_or[:, :3], outputs, epochs)
    with pytest.raises(ValueError, match="`epochs` must increase"):
        fit_directly(i_and, i_or, outputs, [0, 2, 2, 3])
    with pytest.raises(ValueError, match=r"`parts` must be one of both, and, or.*'xor'"):
        fit_directly(i_and, i_or, outputs, epochs, parts="xor")
    with pytest.raises(ValueError, match="`target` must be `salient` or `all`"):
        fit_directly(i_and, i_or, outputs, epochs, target="some")
    with pytest.raises(ValueError, match="`level` must lie between"):
        fit_directly(i_and, i_or, outputs, epochs, level=95)
    with pytest.raises(ValueError, match="checkpoint 3 of 4 has none"):
        fit_directly(
            i_and * np.array([1, 1, 1, 0])[:, None, None],
            i_or * np.array([1, 1, 1, 0])[:, None, None],
            outputs,
            epochs,
        )


@pytest.mark.slow
def test_intervals_cover_the_population_in_about_95_percent():
    levels = np.array([3e-2, 3e-3, 3e-4])

    def draw(rng, samples):
        """Samples that differ in target and in noise level, as drawn from one population."""
        halves = _target(rng.integers(2**31), samples=samples)
        sigma2 = levels[:, None] * np.exp(rng.normal(size=(3, samples)))
        learn = jax.vmap(jax.vmap(optimal_interactions), (None, 0))
        learned = [np.array(learn(half, sigma2)) for half in halves]
        learned = [np.concatenate([l, half[None]]) for l, half in zip(learned, halves, strict=True)]  # noqa: E741
        learned[1][..., 0] = 0.0
        return *learned, np.asarray(reconstruct(*learned))

    population = fit_directly(*draw(np.random.default_rng(1), 4000), range(4), resamples=0)
    covered = []
    for seed in range(200):
        fit = fit_directly(*draw(np.random.default_rng(100 + seed), 30), range(4), seed=seed)
        low, high = fit.comparison.sigma2_interval
        covered.append((low <= population.sigma2) & (population.sigma2 <= high))
    rate = np.mean(covered, axis=0)[:-1]
    assert (np.abs(rate - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)).all(), rate
