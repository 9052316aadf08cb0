"""Two networks side by side, from the definitions, and `interdyn compare` on their files."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sim import Extraction, Interactions, Measurement, compare_interactions
from sim.cli import app
from sim.generalization import CHANGES

N, SAMPLES = 3, 4


def drawn(seed, kept=None):
    """AND, OR and outputs (samples, 2^n); of a related network if one is given."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(2, SAMPLES, 2**N)) * rng.choice([0, 0.01, 1], (2, SAMPLES, 2**N))
    if kept is not None:
        scales = rng.choice([1.2, 1.6, 3.0, 0.2, -1.0, 0.0], kinds.shape)
        kinds = np.where(rng.random(kinds.shape) < 0.8, scales * kept[:2], kinds)
    kinds[..., 0] = 0.7  # of order 0, which counts for nothing
    outputs = rng.normal(size=(SAMPLES, 2**N)) * 3 + 1
    return (*kinds, outputs)


def by_definition(first, second, factor, runs):
    """Class of every interaction, in loops; None where it is salient in neither."""
    found = {}
    for sample in range(SAMPLES):
        run = sample // (SAMPLES // runs)
        own = slice(run * SAMPLES // runs, (run + 1) * SAMPLES // runs)
        thresholds = [0.03 * np.abs(v[own, -1] - v[own, 0]).mean() for *_, v in (first, second)]
        for kind in range(2):
            for s in range(1, 2**N):
                a, b = first[kind][sample, s], second[kind][sample, s]
                here, there = abs(a) >= thresholds[0], abs(b) >= thresholds[1]
                name = None
                if here and there and a * b < 0:
                    name = "turned"
                elif here and there:
                    ratio = abs(b / a)
                    bounds = ratio > factor, ratio < 1 / factor
                    name = {(True, False): "grown", (False, True): "shrunk"}.get(bounds, "shared")
                elif here or there:
                    name = "gone" if here else "new"
                found[kind, sample, s] = name
    return found


@pytest.mark.parametrize(("factor", "runs"), [(2.0, 1), (1.5, 2)])
def test_every_interaction_is_in_the_class_of_its_definition(factor, runs):
    first = drawn(0)
    second = drawn(1, first)
    found = compare_interactions(first, second, factor=factor, runs=runs)
    expected = by_definition(first, second, factor, runs)
    assert {*CHANGES, None} == set(expected.values())
    assert not found.member[..., 0].any()
    count, strength = np.zeros((6, N)), np.zeros((2, 6, N))
    for (kind, sample, s), name in expected.items():
        members = found.member[:, kind, sample, s]
        assert members.tolist() == [name == change for change in CHANGES]
        if name is not None:
            at = CHANGES.index(name), s.bit_count() - 1
            count[at] += 1 / SAMPLES
            for network, halves in enumerate((first, second)):
                strength[(network, *at)] += abs(halves[kind][sample, s]) / SAMPLES
    np.testing.assert_allclose(found.count, count)
    np.testing.assert_allclose(found.strength, strength)
    np.testing.assert_allclose(found.sample_counts.mean(axis=0), count.sum(axis=1))
    differences = sorted(
        (-abs(second[kind][1, s] - first[kind][1, s]), name, kind, s)
        for (kind, sample, s), name in expected.items()
        if sample == 1 and name is not None
    )
    assert found.largest(1, 4) == [tuple(rest) for _, *rest in differences[:4]]
    assert len(found.largest(1, 99)) == len(differences)


def test_the_other_way_round_growth_is_shrinking_and_what_is_gone_is_new():
    first = drawn(2)
    second = drawn(3, first)
    there, back = compare_interactions(first, second), compare_interactions(second, first)
    swapped = [CHANGES.index(n) for n in ("shared", "shrunk", "grown", "turned", "new", "gone")]
    np.testing.assert_array_equal(there.member, back.member[swapped])
    np.testing.assert_array_equal(there.strength, back.strength[::-1, swapped])
    same = compare_interactions(first, first)
    assert same.count[1:].sum() == 0 < same.count[0].sum()


def test_what_is_salient_in_neither_is_not_listed_however_much_it_differs():
    outputs, none = np.array([[0, 0, 0, 2.0]]), np.zeros((1, 4))  # a threshold of 1
    first, second = np.array([[0, 1, 0.9, 0]]), np.array([[0, 1, -0.9, 0]])
    found = compare_interactions((first, none, outputs), (second, none, outputs), salience=0.5)
    assert found.largest(0, 5) == [("shared", 0, 1)]


def test_what_cannot_be_compared():
    first = drawn(0)
    with pytest.raises(ValueError, match="`factor` must be above 1, but is 1"):
        compare_interactions(first, first, factor=1)
    with pytest.raises(ValueError, match="must have the same shape"):
        compare_interactions(first, tuple(array[:2] for array in first))


def saved(folder, halves, epochs=(0, 7), prefer="low", **keys):
    """Interactions of two checkpoints, the first of which has none."""
    folder.mkdir()
    empty = np.zeros((1, SAMPLES, 2**N))
    i_and, i_or, outputs = (np.concatenate([empty, np.asarray(x)[None]]) for x in halves)
    found = np.zeros((2, SAMPLES))
    extraction = Extraction(
        i_and=i_and,
        i_or=i_or,
        multipliers=0 * i_and,
        objective=found,
        gap=found,
        iterations=found.astype(int),
        converged=found == 0,
    )
    named = {"labels": np.arange(SAMPLES), "player_names": ["not", "very", "good"]} | keys
    measurement = Measurement(outputs, np.array(epochs), **named)
    Interactions(measurement, extraction, {"prefer": prefer}).save(folder / "interactions.npz")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "200"})


def test_the_command_says_what_became_of_interactions_by_name(tmp_path):
    first = drawn(0)
    second = drawn(1, first)
    one, other = saved(tmp_path / "a", first), saved(tmp_path / "b", second, epochs=(3, 9))
    shown = run(one, other / "interactions.npz", "--json", "--top", 3)
    assert shown.exit_code == 0, shown.output
    result = json.loads(shown.stdout)
    expected = compare_interactions(first, second)
    assert result["epochs"] == [7, 9]
    for at, name in enumerate(CHANGES):
        np.testing.assert_allclose(result["changes"][name]["count"], expected.count[at])
    change, kind, subset = expected.largest(2, 1)[0]
    best = result["samples"][2]["top"][0]
    names = [n for i, n in enumerate(("not", "very", "good")) if subset >> i & 1]
    assert (best["change"], best["kind"], best["players"]) == (change, ("AND", "OR")[kind], names)
    assert best["values"] == [float(halves[kind][2, subset]) for halves in (first, second)]
    assert [len(sample["top"]) for sample in result["samples"]] == [3] * SAMPLES

    table = run(one, other).stdout
    totals = next(line for line in table.splitlines() if line.strip().startswith("all"))
    cells = [float(cell) for cell in totals.split()[1:]]
    np.testing.assert_allclose(cells[:6], expected.count.sum(axis=1), atol=0.051)
    np.testing.assert_allclose(cells[6:], expected.strength.sum(axis=(1, 2)), atol=0.0051)
    assert "very, good" in table


def test_the_command_tells_the_runs_of_an_input_apart(tmp_path):
    runs = {"runs": 2, "labels": np.tile(np.arange(SAMPLES // 2), 2)}
    one, other = (saved(tmp_path / name, drawn(at), **runs) for at, name in enumerate("ab"))
    found = json.loads(run(one, other, "--json").stdout)["samples"]
    half = [f"sample {at}" for at in range(SAMPLES // 2)]
    assert [(s["name"], s["run"]) for s in found] == [(s, at) for at in (0, 1) for s in half]
    table = run(one, other).stdout
    listed = [line for line in table.splitlines() if line.startswith("sample 0, run 1 ")]
    assert "sample 0, run 0 " in table
    assert listed
    with_value = f"{found[SAMPLES // 2]['top'][0]['values'][0]:+.2f}".replace("-", "−")
    assert with_value in listed[0]


def test_the_command_takes_a_checkpoint_of_both(tmp_path):
    halves = drawn(0)
    one, other = saved(tmp_path / "a", halves), saved(tmp_path / "b", halves)
    found = json.loads(run(one, other, "--epoch", 0, "--json").stdout)
    assert sum(sum(change["count"]) for change in found["changes"].values()) == 0
    assert "Those that differ most" not in run(one, other).stdout  # the same halves in both
    apart = json.loads(run(one, one, "--epoch", 0, "--second-epoch", 7, "--json").stdout)
    assert apart["epochs"] == [0, 7]
    nothing = tuple(np.zeros_like(half) for half in halves)
    expected = compare_interactions(nothing, halves).count
    got = [apart["changes"][name]["count"] for name in CHANGES]
    np.testing.assert_allclose(got, expected)
    shown = run(one, other, "--epoch", 5)
    assert (shown.exit_code, shown.stderr.count("\n")) == (2, 1)
    assert "--epoch must be of 0, 7, but is 5" in " ".join(shown.stderr.split())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"labels": np.zeros(SAMPLES, int)}, "its labels are not those of"),
        ({"player_names": ["not", "so", "good"]}, "its names of players are not those of"),
        ({"prefer": "high"}, "its preference of the extraction is high, but that of"),
        ({"labels": np.array([0, 1, 0, 1]), "runs": 2}, "its number of inputs is 2, but that of"),
    ],
)
def test_the_command_refuses_what_was_measured_otherwise(tmp_path, keys, words):
    halves = drawn(0)
    one, other = saved(tmp_path / "a", halves), saved(tmp_path / "b", halves, **keys)
    shown = run(one, other)
    assert (shown.exit_code, shown.stderr.count("\n")) == (2, 1)
    assert words in shown.stderr
    assert str(other / "interactions.npz") in shown.stderr
