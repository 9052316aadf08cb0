"""σ² of interactions that are given sparsely, beside the fit over all 2^n sets."""

import itertools

import numpy as np
import pytest

import sim
import theory

N, SAMPLES, TRUE = 5, 3, [0.05, 1e-2, 1e-3, 0.0]


@pytest.fixture(scope="module")
def dense():
    """ŵ(σ²) of sparse AND and OR targets at each of `TRUE`, (checkpoints, samples, 2^n) each."""
    rng = np.random.default_rng(1)
    true = np.zeros((2, SAMPLES, 2**N))
    some = [s for s in range(1, 2**N) if s.bit_count() < 5]
    for half in true:
        for row in half:
            row[rng.choice(some, 5, replace=False)] = 2 * rng.normal(size=5)
    halves = np.stack([theory.optimal_interactions(true, s) for s in TRUE], axis=1)
    halves[..., 0] = 0.0
    return halves


@pytest.fixture(scope="module")
def fit(dense):
    sets = np.arange(2**N)
    return sim.fit_sparse_noise(sets, dense[0], sets, dense[1], N, range(4))


def test_it_is_the_direct_fit_without_enumeration(dense, fit):
    outputs = np.asarray(theory.reconstruct(*dense))
    options = {"through": "direct", "both_ends": False, "resamples": 0}
    direct = sim.fit_noise(*dense, outputs, range(4), **options)
    np.testing.assert_allclose(fit.measured, direct.measured, atol=1e-12)
    away = 0.5 * abs(fit.predicted - direct.predicted).sum(axis=1)
    assert np.all(away < 3 * fit.error + 0.01)  # straight lines over the grid's steps
    assert np.all(fit.error < 0.02)
    np.testing.assert_allclose(fit.total_variation, away, atol=0.01)  # the dense fit is exact


def test_the_planted_noise_is_found(fit):
    np.testing.assert_allclose(fit.sigma2[:3], TRUE[:3], rtol=0.25)
    assert fit.sigma2[3] < 1e-5


def test_sets_that_nobody_has_and_the_empty_one_change_nothing(dense, fit):
    """Not the order of sets either; the last checkpoint's v(∅) is no interaction."""
    order = np.random.default_rng(0).permutation(2**N)
    padded = np.concatenate([dense[0], np.zeros((4, SAMPLES, 1))], axis=-1)[..., [*order, -1]]
    padded[..., np.flatnonzero(order == 0)] = 7.0
    sets = [*(int(s) for s in order), 5]
    other = sim.fit_sparse_noise(sets, padded, np.arange(2**N), dense[1], N, range(4))
    np.testing.assert_allclose(other.measured, fit.measured, atol=1e-12)
    np.testing.assert_allclose(other.sigma2[:3], fit.sigma2[:3], rtol=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"and_sets": [1]}, r"`and_sets` must have shape \(2,\), one for each value"),
        ({"i_and": np.zeros((2, 2))}, "`i_and` and `i_or` must have shapes"),
        ({"i_and": np.zeros((2, 1, 2))}, "last checkpoint must have a salient interaction"),
        ({"i_and": np.full((2, 1, 2), np.nan)}, "`i_and` must be finite"),
        ({"epochs": [1, 1]}, "`epochs`"),
        ({"n": 65}, "`n` must be at most 64"),
        ({"effect": 1.0}, r"`effect` must have shape \(2,\), one for each checkpoint"),
        ({"effect": [1.0, -1.0]}, "`effect` must be finite and not negative"),
        ({"and_sets": [1, 2**9]}, "`sets` must hold sets of 8 players"),
    ],
)
def test_faulty_arguments_are_named(change, message):
    arguments = {
        "and_sets": [3, 5],
        "i_and": np.ones((2, 1, 2)),
        "or_sets": [],
        "i_or": np.zeros((2, 1, 0)),
        "n": 8,
        "epochs": [0, 1],
    }
    with pytest.raises(ValueError, match=message):
        sim.fit_sparse_noise(**(arguments | change))


def targets(n):
    """Four interactions of 2 to 4 of n players, and every set near one of them."""
    rng = np.random.default_rng(n)
    draw = [rng.choice(n, size, replace=False).tolist() for size in (2, 3, 3, 4)]
    near = set()
    for players in draw:
        others = [player for player in range(n) if player not in players]
        inside = [c for k in range(len(players) + 1) for c in itertools.combinations(players, k)]
        outside = [c for k in range(3 if n < 64 else 2) for c in itertools.combinations(others, k)]
        near |= {as_set((*one, *other)) for one in inside for other in outside}
    return [as_set(players) for players in draw], [1.5, -1.0, 2.0, 1.2], sorted(near - {0})


def as_set(players):
    return sum(1 << player for player in players)


def learned(n, sigma2):
    """ŵ(σ²) near the targets, (levels, sets), what of it is salient, and |Σ_{S≠∅} ŵ_S| over all."""
    keys, true, near = targets(n)
    sums = np.asarray(theory.order_transfer(n, sigma2, of="sum"))[:, 1:].sum(axis=1)  # (m, n+1)
    effect = np.abs(sums[:, [key.bit_count() for key in keys]] @ true)
    values = np.stack([theory.optimal_at(near, keys, true, n, s) for s in sigma2])
    salient = np.abs(values) >= theory.SALIENCE * effect[:, None]
    return near, np.where(salient, values, 0.0), effect


@pytest.mark.slow
@pytest.mark.parametrize(("n", "levels"), [(20, (3.5, 5, 6)), (40, (5, 6))])
def test_planted_noise_is_found_where_nothing_can_be_listed(n, levels):
    """Half-way to learning interactions of so many players; the last checkpoint is the target.

    To a step of the ladder of thresholds, between which shares of four interactions hardly move.
    """
    ladder = np.log(theory.learning_thresholds(n))
    sigma2 = np.exp(np.interp(levels, np.arange(n + 1), ladder))
    near, salient, effect = learned(n, [*sigma2, 0.0])
    halves = near, salient[:, None], [], np.zeros((len(salient), 1, 0))
    found = sim.fit_sparse_noise(*halves, n, range(len(salient)), effect=effect, draws=400)
    assert np.all(np.abs(np.log(found.sigma2[:-1] / sigma2)) < ladder[0] - ladder[1])
    assert np.all(found.total_variation < 3 * found.error + 0.02)
    assert found.sigma2[-1] < 1e-3 * sigma2.min()


def test_among_very_many_players_learned_outputs_grow_beyond_what_is_salient():
    """ŵ says little of v(N), which is one of 2^64 masks: it adds up to far more than its target."""
    _, salient, effect = learned(64, [theory.learning_thresholds(64)[5], 0.0])
    assert effect[0] > 50 * effect[1]
    assert (salient != 0).sum(axis=1).tolist() == [0, 4]
