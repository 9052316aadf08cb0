"""The range of the AND/OR split, on programmes whose whole set of optima is known."""

import json

import numpy as np
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

from sim.cli import app
from sim.extraction.identifiability import split_uncertainty
from sim.extraction.programme import extract_interactions

AND, OR, TOTAL = 0, 1, 2
CHOICE = [0.0, 1.0, 2.0, 4.0] * 2  # whatever player 2 does
EXACT = np.array(
    [[[1, 3], [1, 2], [0, 0]], [[0, 0], [0, 1], [0, 0]], [[1, 3], [1, 3], [0, 0]]], float
)
"""All optima of `CHOICE`: any OR strength o from 0 to 1, with AND strengths |1−o|+|2−o| and 1+o."""


def test_the_whole_interval_of_optima_is_found():
    found = split_uncertainty(CHOICE, slack=1e-4, noise_bound=0.0)
    # Within the slack OR may move on by slack·4/2; everything else by at most twice that.
    np.testing.assert_allclose(found.attained, EXACT, atol=5e-4)
    np.testing.assert_allclose(found.bound, EXACT, atol=2e-2)  # (slack + tolerance)·4 / 0.1
    assert np.all(np.asarray(found.bound)[..., 0] <= EXACT[..., 0])
    assert np.all(np.asarray(found.bound)[..., 1] >= EXACT[..., 1])


def test_the_command_studies_the_last_checkpoint(tmp_path):
    measurement = tmp_path / "measurement.npz"
    outputs = [[CHOICE[::-1]], [CHOICE]]
    np.savez(measurement, outputs=outputs, epochs=[0, 3])

    def extract(*more):
        arguments = ["extract", str(measurement), "--noise-bound", "0", "--overwrite", *more]
        return CliRunner().invoke(app, arguments)

    found = json.loads(extract("--split", "1", "--json").stdout)["split"]
    assert (found["epoch"], found["samples"], found["slack"]) == (3, 1, 1e-3)
    assert [row["order"] for row in found["orders"]] == [1, 2, 3]
    for name, tolerance in (("attained", 5e-3), ("bound", 1e-1)):  # slack·4, (slack + 2e-4)·4/0.1
        ranges = [[row[kind][name] for row in found["orders"]] for kind in ("and", "or", "total")]
        np.testing.assert_allclose(ranges, EXACT, atol=tolerance)

    printed = extract("--split", "1").stdout
    assert "at epoch 3, mean of 1 sample(s)" in printed
    row = printed[printed.index("\norder") :].splitlines()[3].split()
    assert row[0] == "2"
    shown = np.array([[row[i], row[i + 2]] for i in (2, 6, 10)], float)  # "2 1.5 1 to 2 0.5 0 to 1"
    np.testing.assert_allclose(shown, EXACT[:, 1], atol=1e-2)

    refused = extract("--split", "2")
    assert refused.exit_code == 2
    assert "--split must be between 0 and the 1 inputs, but is 2." in refused.stderr


def test_the_command_studies_the_first_inputs_of_every_run(tmp_path):
    """Two runs of two inputs: one leaves a choice in the first run, the other in none."""
    measurement = tmp_path / "measurement.npz"
    flat = np.array([0.0, 1.0] * 4)  # player 0 alone
    np.savez(measurement, outputs=[[CHOICE, 9 * flat, flat, 9 * flat]], epochs=[0], runs=2)

    def extract(*more):
        arguments = ["extract", str(measurement), "--noise-bound", "0", "--overwrite", *more]
        return CliRunner().invoke(app, arguments)

    found = json.loads(extract("--split", "1", "--json").stdout)["split"]
    assert found["samples"] == 2
    total = [row["total"]["attained"] for row in found["orders"]]
    np.testing.assert_allclose(total, (EXACT[TOTAL] + [[1, 1], [0, 0], [0, 0]]) / 2, atol=5e-3)
    refused = extract("--split", "3")
    assert "--split must be between 0 and the 2 inputs, but is 3." in refused.stderr


@pytest.mark.parametrize("kind", [AND, OR])
def test_a_single_interaction_of_high_order_leaves_no_choice(kind):
    """One AND (or one OR) of all players costs 1; any other explanation costs far more."""
    v = np.zeros(8) if kind == AND else np.ones(8)
    v[0], v[-1] = 0.0, 1.0
    found = split_uncertainty(v, slack=1e-3, noise_bound=0.0)
    strength = np.zeros((3, 3))
    strength[[kind, TOTAL], 2] = 1.0
    np.testing.assert_allclose(found.strength, strength, atol=1e-6)
    for ends in (found.attained, found.bound):
        width = np.asarray(ends)[..., 1] - np.asarray(ends)[..., 0]
        assert width.max() < 0.03  # 2·(slack + tolerance)/0.1, with room


def programme_ranges(v: np.ndarray, slack: float) -> np.ndarray:
    """Smallest strength of (kind, order) among almost optimal explanations, by SciPy's LP."""
    n = len(v).bit_length() - 1
    sets = np.arange(1, 2**n)
    order = np.array([s.bit_count() for s in sets])
    both = np.hstack([(sets[:, None] & sets) == sets, (sets[:, None] & sets) > 0]).astype(float)
    functions = np.hstack([both, -both])
    cost = np.ones(functions.shape[1])
    upper = np.where(np.tile(np.concatenate([order > 0, order > 1]), 2), None, 0.0)
    limits = [(0.0, u) for u in upper]  # no OR of a single player
    match = {"A_eq": functions, "b_eq": v[1:] - v[0], "bounds": limits, "method": "highs"}
    optimum = linprog(cost, **match).fun
    smallest = np.zeros((3, n))
    for k in range(1, n + 1):
        for kind, here in enumerate(([1, 0], [0, 1], [1, 1])):
            chosen = np.tile(np.concatenate([(order == k) * here[0], (order == k) * here[1]]), 2)
            result = linprog(chosen, A_ub=cost[None], b_ub=[optimum * (1 + slack)], **match)
            assert result.status == 0
            smallest[kind, k - 1] = result.fun
    return smallest


def test_lower_ends_enclose_the_exact_minimum():
    rng = np.random.default_rng(3)
    v = rng.normal(size=(2, 16)).cumsum(axis=1)
    slack = 1e-3
    extraction = extract_interactions(v, 0.0, tolerance=1e-7)
    found = split_uncertainty(
        v, extraction, slack=slack, noise_bound=0.0, tolerance=1e-6, tilts=(0.1, 0.5)
    )
    attained, bound = np.asarray(found.attained), np.asarray(found.bound)
    for sample in range(2):
        exact = programme_ranges(v[sample], slack)
        assert np.all(bound[sample, ..., 0] <= exact + 1e-5)
        assert np.all(attained[sample, ..., 0] >= exact - 1e-5)
    assert np.all(bound[..., 0] <= attained[..., 0] + 1e-9)
    assert np.all(bound[..., 1] >= attained[..., 1] - 1e-9)
    strength = np.asarray(found.strength)
    assert np.all((attained[..., 0] <= strength) & (strength <= attained[..., 1]))
    assert (attained[..., 1] - attained[..., 0]).max() > 0.1  # the case has a choice


def test_progress_counts_the_programmes():
    seen = []
    split_uncertainty(
        CHOICE,
        noise_bound=0.0,
        progress=lambda done, total: seen.append(done / total),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slack": -1.0}, "`slack`"),
        ({"tilts": ()}, "`tilts`"),
        ({"tilts": (1.0,)}, "`tilts`"),
        ({"outputs": np.zeros((2, 8))}, "`extraction` must hold"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    extraction = extract_interactions(CHOICE, 0.0)
    arguments = {"outputs": np.zeros(8), "extraction": extraction} | arguments
    with pytest.raises(ValueError, match=message):
        split_uncertainty(**arguments)
