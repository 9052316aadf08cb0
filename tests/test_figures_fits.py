"""Figures of fits and of generalization: they draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sim.checks import ArgumentError
from sim.document.content import findings
from sim.figures.curves import loss_gap_curve, mean_order_curve, misfit_curves, noise_curve
from sim.figures.generalization import separation_bars, signed_bars, similarity_map, split_bars
from sim.figures.noise_laws import law_scatter, profile_map
from sim.figures.schedules import held_out_bars
from sim.fitting.noise_fit import fit_noise
from sim.fitting.noise_law import NoiseLaw
from sim.fitting.noise_profile import NoiseProfile
from sim.generalization import Generalizable
from sim.phases.phases import find_phases
from sim.separation import Separation
from theory import NoiseModel, optimal_interactions, zeta

EPOCHS = np.array([0.0, 1.0, 4.0, 16.0, 64.0])


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(6, 16)) * (rng.uniform(size=(6, 16)) < 0.5)
    learned = np.array(optimal_interactions(true, [0.1, 0.05, 0.01, 1e-3, 0.0]))
    options = {"through": "direct", "resamples": 20}
    return fit_noise(learned, 0 * learned, zeta(learned), EPOCHS, **options)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()  # whatever cannot be drawn fails here
    plt.close(figure)


@pytest.fixture
def document(fit):
    """The fit, with a boundary at epoch 4, put there, and a loss gap from epoch 16 on."""
    strength = np.exp(-((np.arange(1, 5) - np.array([4, 3, 1, 2, 3])[:, None, None]) ** 2.0))
    strength = strength * np.linspace(0.9, 1.1, 8)[None, :, None]
    gap = np.array([0.0, 0.0, 0.0, 0.5, 1.0])
    found = findings(fit, find_phases(EPOCHS, strength, train_loss=0 * gap, test_loss=gap))
    found["phases"] |= {"pattern": "two-phase", "boundary": 4.0, "low": 1.0, "high": 16.0}
    return found


def labelled(ax, name):
    return next(line for line in ax.lines if line.get_label() == name)


def test_noise_levels_are_where_they_were_fitted_and_mere_bounds_at_the_edge(ax, document):
    records = [dict(record) for record in document["checkpoints"]]
    records[3] |= {"bound": "zero", "sigma2": 1e-9}
    noise_curve(ax, document | {"checkpoints": records})
    levels = [r["sigma2"] for r in records[:3]]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [*levels, np.nan])
    assert labelled(ax, "hollow: first phase").get_markerfacecolor() == "white"
    (edge,) = (line for line in ax.lines if list(line.get_xdata()) == [16])
    assert edge.get_ydata()[0] == ax.get_ylim()[0]
    assert edge.get_marker().vertices[:, 1].min() == 0  # an arrow, tip on the edge
    assert ax.get_yscale() == "log"
    low, high = ax.get_xlim()
    assert -1 < low < 0
    assert high > 64


def test_filled_marks_are_told_apart(ax, fit, document):
    verdicts = ["better", "not distinguishable", "worse", "not distinguishable", "better"]
    for record, verdict in zip(document["checkpoints"], verdicts, strict=True):
        record["nulls"] = {"tilt": record["nulls"]["shares_tilt"] | {"verdict": verdict}}
    misfit_curves(ax, document)
    theory = labelled(ax, "theory")
    np.testing.assert_array_equal(theory.get_ydata(), fit.total_variation[:-1])
    away = fit.nulls["shares_tilt"].total_variation
    marks = [line for line in ax.lines if line.get_marker() == "^" and len(line.get_xdata())]
    filled, hollow = (
        next(mark for mark in marks if (mark.get_markerfacecolor() == "white") == white)
        for white in (False, True)
    )
    np.testing.assert_array_equal(filled.get_ydata(), away[[0, 2]])
    np.testing.assert_array_equal(hollow.get_ydata(), away[[1, 3]])


def test_a_direct_comparison_has_its_families_of_shares_marked(ax, document):
    """Where there are families of interactions, those of shares are thin lines beside them."""
    misfit_curves(ax, document)
    names = {line.get_label() for line in ax.lines}
    assert {"shares-tilt", "shares-cut-off", "shares-frozen"} <= names
    assert "families of shares" not in names


def test_mean_order_and_loss_gap(ax, fit, document):
    assert document["phases"]["boundary"] == 4
    mean_order_curve(ax, document)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.mean_order)
    assert ax.lines[1].get_xdata()[0] == 4
    loss_gap_curve(ax, document)
    star = labelled(ax, "leaves its noise")
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (16, 0.5)


def test_profile_marks_lie_on_their_laws(ax):
    distance = np.array([[0.3, 0.2], [0.1, 0.4]])
    profile = NoiseProfile(
        np.array([1.0, 2.0]),
        np.array([-0.5, 0.0]),
        distance,
        NoiseModel(2.0, -0.5),
        (2, 2),
        (0, 0),
        {},
        np.arange(2),
    )
    profile_map(ax, profile)
    np.testing.assert_array_equal(ax.images[0].get_array(), distance)
    at = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    assert at["paper"] == (1, 1)
    assert at["best"] == (0, 1)


def test_observed_beside_fitted(ax, fit):
    one = np.ones(2)
    law = NoiseLaw(EPOCHS[1:3], one, one, np.array([0.2, 0.1]), 0.01 * one, np.ones((2, 5)))
    law_scatter(ax, law, fit)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.2, 0.1])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.sigma2[1:3])
    assert [text.get_text() for text in ax.texts] == ["1", "4"]


def test_held_out_bars(ax):
    held_out_bars(ax, {"power_law": (0.1, 0.2), "monotone": (0.05, 0.3)}, free=0.04)
    fitted, heights = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert (fitted, heights) == ([0.1, 0.05], [0.2, 0.3])
    assert ax.lines[0].get_ydata()[0] == 0.04
    assert [label.get_text() for label in ax.get_xticklabels()] == ["power law", "monotone"]


def test_similarity_runs_upwards_with_order(ax):
    similarity = np.array([[0.9, 0.1, np.nan], [0.8, 0.2, 0.0]])
    image = similarity_map(ax, [0, 8], similarity)
    np.testing.assert_array_equal(image.get_array().filled(np.nan), similarity.T)
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_split_strength_is_stacked_away_from_zero(ax):
    parts = np.array([[[1.0, 2.0]], [[0.5, 0.25]], [[3.0, 0.0]], [[0.1, 0.2]]])
    split_bars(ax, Generalizable(*parts, rule="any"), 0)
    tops = sorted(bar.get_y() + bar.get_height() for bar in ax.patches)
    assert tops == pytest.approx(sorted([1, 2, 4, 2, -0.5, -0.25, -0.6, -0.45]))


def test_signs_of_several_groups_stand_side_by_side():
    groups = {
        "right": ([3.0, 1.0, 0.5], [2.0, 0.0, 0.25]),
        "wrong": ([1.0, 4.0, 0.0], [5.0, 6.0, 7.0]),
    }
    ax = signed_bars(plt.figure().add_subplot(), groups)
    drawn = {(round(bar.get_x() + bar.get_width() / 2, 9), bar.get_height()) for bar in ax.patches}
    expected = {
        (round(k + shift, 9), sign * value)
        for shift, signs in zip((-0.2, 0.2), groups.values(), strict=True)
        for sign, values in zip((1, -1), signs, strict=True)
        for k, value in enumerate(values, start=1)
    }
    np.testing.assert_allclose(sorted(drawn), sorted(expected))
    low, high = ax.get_ylim()
    assert low < -7 < 4 < high
    handles, names = ax.get_legend_handles_labels()
    assert names == ["right", "wrong"]
    assert len({handle.patches[0].get_facecolor() for handle in handles}) == 2
    for wrong in ({}, {"a": ([1.0], [1.0, 2.0])}, {"a": ([[1.0]], [[1.0]])}):
        with pytest.raises(
            ArgumentError, match=r"`strengths` must hold arrays of one shape \(n,\)"
        ):
            signed_bars(ax, wrong)


def test_the_separation_is_stacked_below_the_measured_steps(ax):
    one = np.ones(1)
    found = Separation(np.array([[2.0, 1.0]]), np.array([[0.5, 0.5]]), one, one, one)
    separation_bars(ax, found, 0, np.array([[2.4, 1.6]]))
    heights = [bar.get_height() for bar in ax.patches if hasattr(bar, "get_height")]
    assert heights == [2.0, 1.0, 0.5, 0.5]
