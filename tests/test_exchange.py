"""Interactions in other programs' hands, against shapiq's own transforms and sums by hand."""

import csv
import dataclasses

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_readme import blocks
from theory_oracles import shapiq_values
from typer.testing import CliRunner

import sim
from sim import Extraction, Interactions, Measurement, to_shapiq, write_strengths
from sim.cli import app
from theory import and_interactions, or_interactions

N = 5


@pytest.mark.parametrize("kind", ["and", "or"])
def test_shapiq_finds_the_same_interactions(kind):
    v = np.random.default_rng(0).normal(size=2**N)
    if kind == "and":
        ours, theirs = to_shapiq(and_interactions(v)), shapiq_values(v, "Moebius")
    else:  # the dual game
        ours, theirs = to_shapiq(or_interactions(v)), shapiq_values(v[-1] - v[::-1], "Moebius")
    assert (ours.index, ours.n_players, ours.max_order, ours.min_order) == ("Moebius", N, N, 0)
    for s in range(1, 2**N):
        name = tuple(i for i in range(N) if s >> i & 1)
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-12)
    np.testing.assert_allclose(ours.baseline_value, v[0] if kind == "and" else 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=8, max_size=8), st.floats(0, 10))
def test_only_what_reaches_the_threshold_is_handed_over(values, threshold):
    got = to_shapiq(values, threshold)
    for s in range(1, 8):
        name = tuple(i for i in range(3) if s >> i & 1)
        kept = abs(values[s]) >= threshold and values[s] != 0
        assert got[name] == (values[s] if kept else 0.0)
        assert (name in got.interaction_lookup) == kept
    assert got.baseline_value == values[0]


def test_an_interaction_at_the_threshold_is_salient():
    got = to_shapiq([0.0, 2.0, -2.0, 1.9], threshold=2.0)
    assert (got[(0,)], got[(1,)], got[(0, 1)]) == (2.0, -2.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 8)),), r"those of one sample, \(2\^n,\), but has shape \(2, 8\)"),
        ((np.zeros(6),), "last axis of size 2"),
        ((np.zeros(8), -1.0), "`threshold` must be nonnegative, but is -1"),
        ((np.zeros(8), np.nan), "`threshold` must be nonnegative, but is nan"),
    ],
)
def test_what_is_not_one_samples_interactions(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_shapiq(*arguments)


def test_and_and_or_together_are_those_of_twice_the_players():
    rng = np.random.default_rng(3)
    i_and, i_or = rng.normal(size=(2, 2**N))
    got = to_shapiq(i_and, 0.5, i_or=i_or)
    assert (got.n_players, got.baseline_value) == (2 * N, i_and[0] + i_or[0])
    kept = {(): i_and[0] + i_or[0]}
    for s in range(1, 2**N):
        players = [i for i in range(N) if s >> i & 1]
        for first, values in ((0, i_and), (N, i_or)):
            if abs(values[s]) >= 0.5:
                kept[tuple(first + i for i in players)] = values[s]
    assert {name: got[name] for name in got.interaction_lookup} == kept
    with pytest.raises(ValueError, match="`i_or` must be for 5 players too, but is for 3"):
        to_shapiq(i_and, i_or=i_or[:8])


def test_the_plot_of_the_readme_names_the_players(interactions, tmp_path, monkeypatch):
    shapiq = pytest.importorskip("shapiq")
    snippet = next(block for block in blocks("python") if "upset_plot" in block)
    names = ["age", "height", "weight"]
    measured = dataclasses.replace(interactions.measurement, player_names=names)
    i_and = interactions.extraction.i_and.copy()
    i_or = np.zeros_like(i_and)
    i_and[-1, 0] = 0.0
    i_and[-1, 0, [0b011, 0b100]], i_or[-1, 0, [0b110, 0b001]] = (2.0, -1.0), (1.5, 0.1)
    extraction = dataclasses.replace(interactions.extraction, i_and=i_and, i_or=i_or)
    Interactions(measured, extraction, {}).save(tmp_path / "interactions.npz")
    monkeypatch.chdir(tmp_path)
    drawn = []
    upset = shapiq.upset_plot
    monkeypatch.setattr(
        shapiq, "upset_plot", lambda *a, **k: drawn.append(upset(*a, **k)) or drawn[-1]
    )
    exec(snippet, {"sim": sim, "shapiq": shapiq})
    assert (tmp_path / "upset.png").stat().st_size > 5000
    bars, rows = drawn[0].axes
    assert [tick.get_text() for tick in rows.get_yticklabels()][::-1] == [
        "age",
        "height",
        "weight",
        "or: height",
        "or: weight",
    ]
    assert [bar.get_height() for bar in bars.patches[:3]] == [2.0, 1.5, -1.0]
    plt.close("all")


@pytest.fixture(scope="module")
def interactions():
    """Drawn, not extracted: a table does not ask where its interactions come from."""
    rng = np.random.default_rng(1)
    outputs = rng.normal(size=(2, 3, 8)).cumsum(axis=2)
    i_and, i_or = rng.normal(size=(2, 2, 3, 8)) * 10.0 ** rng.uniform(-3, 0, (2, 2, 3, 8))
    nought = np.zeros((2, 3))
    extraction = Extraction(
        i_and,
        i_or,
        objective=nought,
        gap=nought,
        iterations=nought,
        converged=nought == 0,
        multipliers=np.zeros((2, 3, 8)),
    )
    return Interactions(Measurement(outputs, [0, 4]), extraction, {})


def test_a_table_of_strengths(interactions, tmp_path):
    write_strengths(interactions, tmp_path / "strengths.csv")
    with (tmp_path / "strengths.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 3  # checkpoints, parts, orders
    assert [float(row["epoch"]) for row in rows] == [0.0] * 9 + [4.0] * 9
    outputs = interactions.measurement.outputs
    for c, epoch in enumerate([0, 4]):
        threshold = 0.03 * np.mean([abs(v[7] - v[0]) for v in outputs[c]])
        totals = {}
        for part, names in (("and", ["i_and"]), ("or", ["i_or"]), ("both", ["i_and", "i_or"])):
            for order in (1, 2, 3):
                each = [
                    sum(
                        abs(float(getattr(interactions.extraction, name)[c, sample, s]))
                        for name in names
                        for s in range(8)
                        if s.bit_count() == order
                        and abs(getattr(interactions.extraction, name)[c, sample, s]) >= threshold
                    )
                    for sample in range(3)
                ]
                totals[part, order] = each
        for (part, order), each in totals.items():
            (row,) = (
                r
                for r in rows
                if (float(r["epoch"]), r["part"], int(r["order"])) == (epoch, part, order)
            )
            total = sum(np.mean(totals[part, k]) for k in (1, 2, 3))
            np.testing.assert_allclose(float(row["strength"]), np.mean(each), atol=1e-12)
            error = np.std(each, ddof=1) / np.sqrt(3)
            np.testing.assert_allclose(float(row["standard_error"]), error, atol=1e-12)
            share = np.mean(each) / total if total else 0.0
            np.testing.assert_allclose(float(row["share"]), share, atol=1e-12)


def test_the_command(interactions, tmp_path):
    interactions.save(tmp_path / "interactions.npz")
    result = CliRunner().invoke(app, ["export", str(tmp_path / "interactions.npz")])
    assert result.exit_code == 0, result.stderr
    write_strengths(interactions, tmp_path / "again.csv")
    written = (tmp_path / "strengths.csv").read_bytes()
    assert written == (tmp_path / "again.csv").read_bytes()
    again = CliRunner().invoke(app, ["export", str(tmp_path / "interactions.npz")])
    assert again.exit_code == 2
    assert "already holds a run (strengths.csv)" in again.stderr


def test_a_single_sample_has_no_standard_error(interactions, tmp_path):
    measurement = Measurement(interactions.measurement.outputs[:1, :1], [0])
    extraction = jax.tree.map(lambda array: array[:1, :1], interactions.extraction)
    write_strengths(Interactions(measurement, extraction, {}), tmp_path / "one.csv")
    with (tmp_path / "one.csv").open(newline="", encoding="utf-8") as file:
        assert {row["standard_error"] for row in csv.DictReader(file)} == {""}
