"""Verdicts: Holm's rule, Student's t, and how often chance alone is taken for a difference."""

import numpy as np
import pytest

from sim.fitting.bootstrap import (
    BETTER,
    DEPENDS,
    SAME,
    WORSE,
    agreed,
    bootstrap_weights,
    holm,
    standing,
)

LEVEL = 0.95


def test_holm_by_hand():
    # In order: 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04, which may not be below the one before.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1.0, 1.0])
    np.testing.assert_allclose(holm(np.array([0.04])), [0.04])
    assert holm(np.array([])).size == 0


def test_holm_rejects_what_the_step_down_rule_rejects():
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(200):
        chance = rng.beta(0.3, 3.0, size=7)
        expected = np.zeros(7, bool)
        for rank, i in enumerate(np.argsort(chance)):
            if chance[i] > 0.05 / (7 - rank):
                break
            expected[i] = True
        np.testing.assert_array_equal(holm(chance) <= 0.05, expected)
        rejected += expected.sum()
    assert 100 < rejected < 1300


def test_verdicts_by_students_t():
    """Spread 1 in the mean of 5 samples: with 4 degrees of freedom ±2.776 is the limit at 5 %."""
    draws = np.random.default_rng(0).normal(size=(10, 1))
    draws = (draws - draws.mean()) / draws.std(ddof=1) * np.sqrt(4 / 5)
    for difference, said in ((-2.78, BETTER), (-2.77, SAME), (2.77, SAME), (2.78, WORSE)):
        assert standing(np.array([difference]), draws, 5, LEVEL, 0.1) == [said]
    # Two verdicts: 3.495 is the limit at 2.5 %, for the first to fall.
    pair = np.hstack([draws, draws])
    assert standing(np.array([3.49, 0.0]), pair, 5, LEVEL, 0.1) == [SAME, SAME]
    assert standing(np.array([3.50, 0.0]), pair, 5, LEVEL, 0.1) == [WORSE, SAME]
    assert standing(np.array([3.50, -2.78]), pair, 5, LEVEL, 0.1) == [WORSE, BETTER]


def test_of_a_difference_that_is_not_material_nothing_is_said():
    difference = np.array([-0.009, -0.011, 0.009, 0.011])
    draws = difference + 1e-6 * np.random.default_rng(0).normal(size=(50, 4))
    assert standing(difference, draws, 20, LEVEL, 0.01) == [SAME, BETTER, SAME, WORSE]


def test_identical_models_are_never_told_apart():
    nothing = np.zeros(3)
    draws = np.zeros((50, 3))
    assert standing(nothing, draws, 8, LEVEL, 0.0) == [SAME] * 3
    rounding = 1e-17 * np.random.default_rng(0).normal(size=(50, 3))
    assert standing(nothing + 1e-16, rounding, 8, LEVEL, 1e-4) == [SAME] * 3
    certain = np.array([-0.3, 0.3, 0.0])  # the same in every resample
    assert standing(certain, np.tile(certain, (50, 1)), 8, LEVEL, 1e-4) == [BETTER, WORSE, SAME]


def test_both_ends_must_agree():
    assert agreed(BETTER, BETTER) == BETTER
    assert agreed(SAME, SAME) == SAME
    assert {agreed(*two) for two in ((BETTER, SAME), (WORSE, SAME), (BETTER, WORSE))} == {DEPENDS}


def mean_of_differences(rng, samples, verdicts):
    """A difference that is an average over samples: normal, with a mean of 0."""
    each = rng.normal(size=(samples, verdicts))
    return lambda weights: weights @ each


def difference_of_distances(rng, samples, verdicts):
    """Total variation of one model less that of another that is as good: both err alike."""
    strength = rng.gamma(2.0, size=(verdicts, 1, 6))
    measured, one, two = strength * rng.lognormal(0, 0.5, size=(3, verdicts, samples, 6))

    def average(weights, strength):
        mean = np.einsum("rs,msn->rmn", weights, strength)
        return mean / mean.sum(axis=-1, keepdims=True)

    def difference(weights):
        at, first, second = (average(weights, each) for each in (measured, one, two))
        return 0.5 * (np.abs(first - at) - np.abs(second - at)).sum(axis=-1)

    return difference


@pytest.mark.parametrize("samples", [8, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("verdicts", [1, 12])
@pytest.mark.parametrize("model", [mean_of_differences, difference_of_distances])
def test_false_verdicts_are_as_rare_as_promised(model, verdicts, samples):
    """The share of repeats with any false verdict, at most 5 %, by three standard errors."""
    rng, repeats = np.random.default_rng(0), 1500
    whole, false = np.full((1, samples), 1 / samples), 0
    for _ in range(repeats):
        difference = model(rng, samples, verdicts)
        weights = bootstrap_weights(samples, 200, int(rng.integers(2**31)))
        said = standing(difference(whole)[0], difference(weights), samples, LEVEL, 0.0)
        false += any(one != SAME for one in said)
    error = np.sqrt(0.05 * 0.95 / repeats)
    assert false / repeats <= 0.05 + 3 * error
    if model is mean_of_differences:  # neither are they rarer, at the cost of true ones
        assert false / repeats >= 0.05 - 3 * error
