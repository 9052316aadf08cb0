"""σ² of interactions that are given sparsely, beside the fit over all 2^n sets."""

import numpy as np
import pytest

import sim
import theory

N, SAMPLES, TRUE = 5, 3, [0.05, 1e-2, 1e-3, 0.0]


@pytest.fixture(scope="module")
def learned():
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
def fit(learned):
    sets = np.arange(2**N)
    return sim.fit_sparse_noise(sets, learned[0], sets, learned[1], N, range(4))


def test_it_is_the_direct_fit_without_enumeration(learned, fit):
    outputs = np.asarray(theory.reconstruct(*learned))
    options = {"through": "direct", "both_ends": False, "resamples": 0}
    dense = sim.fit_noise(*learned, outputs, range(4), **options)
    np.testing.assert_allclose(fit.measured, dense.measured, atol=1e-12)
    away = 0.5 * abs(fit.predicted - dense.predicted).sum(axis=1)
    assert np.all(away < 3 * fit.error + 0.01)  # straight lines over the grid's steps
    assert np.all(fit.error < 0.02)
    np.testing.assert_allclose(fit.total_variation, away, atol=0.01)  # the dense fit is exact


def test_the_planted_noise_is_found(fit):
    np.testing.assert_allclose(fit.sigma2[:3], TRUE[:3], rtol=0.25)
    assert fit.sigma2[3] < 1e-5


def test_sets_that_nobody_has_and_the_empty_one_change_nothing(learned, fit):
    """Not the order of sets either; the last checkpoint's v(∅) is no interaction."""
    order = np.random.default_rng(0).permutation(2**N)
    padded = np.concatenate([learned[0], np.zeros((4, SAMPLES, 1))], axis=-1)[..., [*order, -1]]
    padded[..., np.flatnonzero(order == 0)] = 7.0
    sets = [*(int(s) for s in order), 5]
    other = sim.fit_sparse_noise(sets, padded, np.arange(2**N), learned[1], N, range(4))
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
