"""The global search over one parameter, and the distances that it minimises."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance

from sim.fitting.bootstrap import bootstrap_weights, input_weights, run_weights
from sim.fitting.distances import (
    DISTANCES,
    distance_named,
    nearest_member,
    nearest_on_grid,
    total_variation,
)


def _simplex(rng, *shape):
    return rng.dirichlet(np.full(shape[-1], 0.7), size=shape[:-1])


def _wavy(parameter):
    """A family with many basins: the nearest member is easily missed by a local search."""
    k = np.arange(1, 7)
    logs = np.sin(3 * parameter[:, None] * k**0.5) + 0.1 * parameter[:, None] * k
    shares = np.exp(logs)
    return shares / shares.sum(axis=-1, keepdims=True)


def test_distances_against_scipy_and_definitions():
    rng = np.random.default_rng(0)
    p, q = _simplex(rng, 20, 7), _simplex(rng, 20, 7)
    p[:3, 2] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    expected = [scipy.spatial.distance.jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q)]  # noqa: B905
    np.testing.assert_allclose(DISTANCES["jensen_shannon"](p, q), expected, rtol=1e-12)
    largest = [  # total variation is the largest difference that any set of orders shows
        max(abs((a - b)[[bool(s >> i & 1) for i in range(7)]].sum()) for s in range(128))
        for a, b in zip(p, q, strict=True)
    ]
    np.testing.assert_allclose(DISTANCES["total_variation"](p, q), largest, rtol=1e-12)
    expected = [scipy.spatial.distance.sqeuclidean(a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(DISTANCES["least_squares"](p, q), expected, rtol=1e-12)


def test_disjoint_distributions_are_at_distance_one():
    p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    assert float(DISTANCES["total_variation"](p, q)) == 1.0
    assert float(DISTANCES["jensen_shannon"](p, q)) == 1.0


def test_an_unknown_distance_is_refused_by_name():
    with pytest.raises(ValueError, match=r"total_variation, jensen_shannon, least_squares.*'l1'"):
        distance_named("l1")


@pytest.mark.parametrize("name", DISTANCES)
def test_search_finds_the_global_minimum_of_a_wavy_family(name):
    rng = np.random.default_rng(1)
    measured = _simplex(rng, 12, 6)
    match = nearest_member(measured, _wavy, np.linspace(-6, 6, 241), DISTANCES[name])
    fine = np.linspace(-6, 6, 60_001)
    brute = np.asarray(DISTANCES[name](_wavy(fine)[None], measured[:, None]))
    assert (match.distance <= brute.min(axis=1) + 1e-12).all()
    assert (match.distance >= brute.min(axis=1) - 2e-3).all()
    np.testing.assert_allclose(match.predicted, _wavy(match.parameter), rtol=1e-12)
    np.testing.assert_allclose(
        match.distance, DISTANCES[name](match.predicted, measured), rtol=1e-12, atol=1e-15
    )


def test_search_recovers_the_parameter_of_a_member():
    true = np.array([-4.321, -0.7, 0.123456, 5.4321])
    match = nearest_member(_wavy(true), _wavy, np.linspace(-6, 6, 241), total_variation)
    np.testing.assert_allclose(match.parameter, true, atol=1e-7)


def test_a_level_stretch_is_followed_to_its_end_between_grid_points():
    grid = np.linspace(-4, 4, 81)
    match = nearest_member(
        _wavy(np.array([2.07])), lambda x: _wavy(np.maximum(x, 2.07)), grid, total_variation
    )
    assert match.parameter[0] == pytest.approx(2.07, abs=1e-6)


def test_of_equally_near_members_the_largest_parameter_is_taken():
    def flat(parameter):
        return _wavy(np.clip(parameter, 1.0, 2.0))

    grid = np.linspace(-4, 4, 81)
    match = nearest_member(_wavy(np.array([2.0])), flat, grid, total_variation)
    assert match.parameter[0] == 4.0
    parameter, _, away = nearest_on_grid(
        jnp.asarray(_wavy(np.array([2.0]))),
        jnp.asarray(flat(grid)),
        jnp.asarray(grid),
        total_variation,
    )
    assert float(parameter[0]) == 4.0
    assert float(away[0]) < 1e-12


def test_the_table_search_agrees_with_the_exact_one():
    rng = np.random.default_rng(2)
    measured = _simplex(rng, 8, 6)
    grid = np.linspace(-6, 6, 961)
    exact = nearest_member(measured, _wavy, grid, total_variation)
    parameter, members, away = nearest_on_grid(
        jnp.asarray(measured), jnp.asarray(_wavy(grid)), jnp.asarray(grid), total_variation
    )
    np.testing.assert_allclose(away, exact.distance, atol=2e-3)
    np.testing.assert_allclose(total_variation(members, measured), away, rtol=1e-12)
    np.testing.assert_allclose(members, _wavy(np.asarray(parameter)), atol=1e-3)


def test_bootstrap_weights_are_draws_with_replacement():
    weights = bootstrap_weights(7, 4000, seed=3)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    # Var of a binomial(7, 1/7) count over 7², and its Monte-Carlo error.
    assert abs(weights.var(axis=0).mean() * 49 - 6 / 7) < 0.05


def test_inputs_are_drawn_with_all_their_runs_and_runs_with_all_their_inputs():
    inputs, runs = input_weights(12, 3, 50, seed=3), run_weights(12, 3, 50, seed=3)
    for weights in (inputs, runs):
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    by_run, by_input = inputs.reshape(50, 3, 4), runs.reshape(50, 3, 4)
    np.testing.assert_array_equal(by_run, np.broadcast_to(by_run[:, :1], by_run.shape))
    np.testing.assert_array_equal(by_input, np.broadcast_to(by_input[..., :1], by_input.shape))
    np.testing.assert_allclose(3 * by_run[:, 0], bootstrap_weights(4, 50, seed=3))
    np.testing.assert_allclose(4 * by_input[..., 0], bootstrap_weights(3, 50, seed=3))
