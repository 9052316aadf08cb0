"""Null models against their definitions, and fitted to members of themselves."""

import math

import numpy as np
import pytest

from sim.fitting.distances import DISTANCES, total_variation
from sim.fitting.nulls import NULLS, binomial, cut_off, fit_nulls, tilted

FINAL = np.array([0.35, 0.3, 0.2, 0.1, 0.04, 0.01])


def test_members_by_definition():
    n = len(FINAL)
    for beta in (-1.3, 0.0, 0.7):
        weights = [FINAL[k - 1] * math.exp(-beta * k) for k in range(1, n + 1)]
        np.testing.assert_allclose(tilted(FINAL, [beta])[0], np.array(weights) / sum(weights))
    for q in (0.1, 0.5, 0.83):
        weights = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(1, n + 1)]
        logit = math.log(q / (1 - q))
        np.testing.assert_allclose(binomial(n, [logit])[0], np.array(weights) / sum(weights))
    for order, share in ((2.25, [0.35, 0.3, 0.25 * 0.2]), (0.4, [1.0]), (4.0, FINAL[:4])):
        weights = np.zeros(n)
        weights[: len(share)] = share
        np.testing.assert_allclose(cut_off(FINAL, [order])[0], weights / weights.sum())


def test_orders_without_final_strength_stay_without():
    final = np.array([0.0, 0.0, 0.6, 0.4, 0.0])
    assert np.asarray(tilted(final, [2.0]))[0, [0, 1, 4]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(cut_off(final, [0.5, 1.9]), np.eye(5)[[2, 2]])


@pytest.mark.parametrize("name", [name for name in NULLS if name != "frozen"])
def test_each_family_finds_its_own_members(name):
    parameters = {
        "tilt": [-0.9, 0.21, 1.1],
        "binomial": [-2.2, 0.4, 1.7],
        "cut_off": [0.8, 2.31, 4.5],
    }
    measured = np.asarray(NULLS[name].member(FINAL, np.array(parameters[name])))
    fits = fit_nulls(measured, FINAL, total_variation, total_variation)
    expected = np.array(parameters[name])
    if name == "cut_off":
        expected[0] = 1.0  # below order 1 nothing changes: the largest equal parameter
    np.testing.assert_allclose(fits[name].parameter, expected, atol=1e-5)
    assert (fits[name].total_variation < 1e-6).all()
    others = [fit for other, fit in fits.items() if other != name]
    assert all((fit.total_variation[1:] > 0.01).all() for fit in others)


def test_one_distance_is_minimised_and_another_reported():
    measured = np.random.default_rng(0).dirichlet(np.ones(6), size=3)
    fits = fit_nulls(measured, FINAL, DISTANCES["least_squares"], total_variation)
    nearest = fit_nulls(measured, FINAL, total_variation, total_variation)
    for name, fit in fits.items():
        away = 0.5 * np.abs(measured - fit.predicted).sum(axis=1)
        np.testing.assert_allclose(fit.total_variation, away, rtol=1e-12)
        assert np.all(fit.total_variation >= nearest[name].total_variation - 1e-9)
    assert np.any(fits["tilt"].total_variation > nearest["tilt"].total_variation + 1e-3)


def test_free_parameters_are_counted():
    fits = fit_nulls(FINAL[None], FINAL, total_variation, total_variation)
    assert {name: fit.parameters for name, fit in fits.items()} == {
        "frozen": 0,
        "tilt": 1,
        "binomial": 1,
        "cut_off": 1,
    }
    assert fits["frozen"].total_variation[0] == 0
