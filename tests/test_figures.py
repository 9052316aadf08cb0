"""Figures of a fit: what they show, and that equal fits give equal files."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from typer.testing import CliRunner

from sim.checks import ArgumentError
from sim.cli import app
from sim.document.schema import check_document
from sim.figures.measured import (
    FIGURES,
    dynamics,
    noise_level,
    size,
    theory_vs_network,
    theory_vs_networks,
)
from sim.figures.style import FORMATS, USUAL, save_figure


@pytest.fixture(autouse=True)
def _no_figure_is_left_to_the_next_test():
    yield
    plt.close("all")


def document(boundary, epochs=(0, 1, 2, 4, 8, 16, 64, 256), n=5):
    rng = np.random.default_rng(0)
    records = []
    for epoch in epochs:
        measured, predicted = rng.dirichlet(np.ones(n), size=2)
        records.append(
            {
                "epoch": epoch,
                "sigma2": 0.1 / (1 + epoch),
                "measured": measured.tolist(),
                "predicted": predicted.tolist(),
                "total_variation": 0.5 * float(np.abs(measured - predicted).sum()),
                "mean_order": float(measured @ np.arange(1, n + 1)),
                "nulls": {name: {"total_variation": 0.1} for name in ("frozen", "tilt")},
            }
        )
    interval = (None, None) if boundary is None else (boundary / 2, boundary * 2)
    top = [{"kind": "OR", "members": [0, 2], "value": -1.0, "share": 0.5, "salient": True}]
    explained = {"sample": 0, "name": "one", "players": [f"player {i}" for i in range(n)]}
    explained["explained"] = [{"epoch": epochs[0], "top": top}, {"epoch": epochs[-1], "top": top}]
    orders = rng.uniform(1, n, size=(len(epochs), 4)).tolist()
    return {
        "checkpoints": records,
        "explained": [explained],
        "samples": {"names": ["one", "two", "three", "four"], "mean_order": orders},
        "phases": {"boundary": boundary, "low": interval[0], "high": interval[1]},
        "curves": {"train_loss": [1.0] * len(epochs), "test_loss": [2.5] * len(epochs)},
        "settings": {},
    }


def test_the_fit_that_is_drawn_is_whole():
    assert check_document(fit := document(4), "fit.json") is fit
    bare = document(None) | {"curves": {}, "phases": {"boundary": None}}
    for record in bare["checkpoints"]:
        del record["mean_order"]
    assert check_document(bare, "fit.json") is bare


RECORD_FAULTS = [
    ("epoch", -1, "a finite, nonnegative number, but is -1"),
    ("epoch", "2", "a finite, nonnegative number, but is '2'"),
    ("epoch", 0.5, "later than 1, but is 0.5"),
    ("sigma2", 0, "a finite, positive number, but is 0"),
    ("sigma2", float("nan"), "a finite, positive number, but is nan"),
    ("sigma2", 10**400, "a finite, positive number, but is 1"),
    ("sigma2", True, "a finite, positive number, but is True"),
    ("bound", "low", "null or one of any, zero, infinite, at_most, at_least, but is 'low'"),
    ("measured", 0.5, "a list of finite, nonnegative numbers, but is 0.5"),
    ("measured", [0.5, None], "a list of finite, nonnegative numbers, but is [0.5, None]"),
    ("predicted", [1.0, -1.0], "a list of finite, nonnegative numbers, but is [1.0, -1.0]"),
    ("predicted", [0.5, 0.5], "5 numbers, one for each order, but is [0.5, 0.5]"),
    ("measured", [0.5, 0.5], "5 numbers, one for each order, but is [0.5, 0.5]"),
    ("total_variation", None, "a finite number, but is None"),
    ("mean_order", "2", "a finite number, but is '2'"),
    (
        "nulls",
        {"tilt": 1},
        "names, without $, to mappings with a number `total_variation`, but is {'tilt': 1}",
    ),
    ("nulls", {}, "of the models frozen, tilt, but is {}"),
    ("sigma2_interval", [0.1], "null or two finite numbers, but is [0.1]"),
]


@pytest.mark.parametrize(("key", "value", "message"), RECORD_FAULTS)
def test_a_fault_of_a_record_is_named(key, value, message):
    fit = document(4)
    fit["checkpoints"][2][key] = value
    for source in ("a/fit.json", "Argument `document`"):
        with pytest.raises(ValueError, match="checkpoint 2") as caught:
            check_document(fit, source)
        assert str(caught.value).startswith(f"{source}: checkpoint 2: `{key}` must be ")
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoints": [{}]}, "`checkpoints` must be a list of at least two records"),
        ({"checkpoints": [1, 2]}, "checkpoint 0 must be a mapping, but is 1"),
        ({"checkpoints": [{}, {}]}, "checkpoint 0 lacks epoch, measured, nulls, predicted"),
        ({"phases": None}, "`phases` must be a mapping, but is None"),
        ({"phases": {}}, "phases lacks boundary"),
        ({"phases": {"boundary": "4"}}, "phases: `boundary` must be null or a finite number"),
        ({"phases": {"boundary": 4, "low": 2}}, "phases lacks high"),
        ({"phases": {"boundary": 4, "low": 2, "high": None}}, "phases: `high` must be a finite"),
        ({"phases": {"boundary": None, "spread": [1]}}, "phases: `spread` must be null or 8"),
        ({"curves": {"train_loss": [1.0]}}, "curves: `train_loss` must be null or 8 finite"),
        ({"curves": {"test_loss": [None] * 8}}, "curves: `test_loss` must be null or 8 finite"),
        ({"settings": []}, "`settings` must be a mapping, but is []"),
        ({"overall": {"frozen": {}}}, "overall: frozen lacks high, low, verdict"),
        ({"overall": [1]}, "`overall` must be null or a mapping, but is [1]"),
        ({"fit": {"level": "x"}}, "fit: `level` must be a finite number, but is 'x'"),
        (
            {"phases": {"boundary": None, "gap_onset": 5}},
            "`gap_onset` must be null or one of the epochs, but is 5",
        ),
    ],
)
def test_a_fault_of_a_fit_is_named(change, message):
    with pytest.raises(ValueError, match=r"^fit\.json: ") as caught:
        check_document(document(4) | change, "fit.json")
    assert message in str(caught.value)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_visible() and ax.get_title().startswith("epoch")]


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


def test_dynamics_shows_first_last_and_the_boundary():
    fit = document(boundary=4)
    figure = dynamics(fit)
    shown = [float(ax.get_title().split()[1]) for ax in panels(figure)]
    assert shown[0] == 0
    assert shown[-1] == 256
    assert 4 in shown
    assert shown == sorted(shown)
    by_epoch = {r["epoch"]: r["measured"] for r in fit["checkpoints"]}
    for ax, epoch in zip(panels(figure), shown, strict=True):
        np.testing.assert_allclose(heights(ax)[:5], by_epoch[epoch])
        assert ax.get_ylim()[1] >= max(by_epoch[epoch])
    lines = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    for name, height in (("train", 1), ("test", 2.5), ("test − train", 1.5)):
        np.testing.assert_array_equal(lines[name].get_xdata(), list(by_epoch))
        np.testing.assert_array_equal(lines[name].get_ydata(), height)
    plt.close(figure)


def test_theory_vs_network_shows_the_second_phase_only():
    fit = document(boundary=4)
    figure = theory_vs_network(fit)
    shown = [float(ax.get_title().split()[1]) for ax in panels(figure)]
    assert shown == [4, 16, 64] or shown == [4, 8, 64]
    by_epoch = {r["epoch"]: r for r in fit["checkpoints"]}
    for ax, epoch in zip(panels(figure), shown, strict=True):
        record = by_epoch[epoch]
        np.testing.assert_allclose(heights(ax), record["measured"] + record["predicted"])
    plt.close(figure)


def test_networks_stand_below_each_other_at_their_own_epochs():
    fits = {"a net": document(boundary=4), "another": document(None, (0, 3, 9), n=7)}
    for record in fits["another"]["checkpoints"]:
        record["measured"], record["predicted"] = record["predicted"], record["measured"]
    figure = theory_vs_networks(fits, epochs={"a net": [64, 4, 8], "another": [3, 0]})
    rows = {"a net": (4, 8, 64), "another": (0, 3)}
    names = [ax.get_ylabel().split("\n")[0] for ax in panels(figure) if ax.get_ylabel()]
    assert names == list(rows)
    expected = [
        (record, f"epoch {epoch}")
        for name, epochs in rows.items()
        for epoch in epochs
        for record in fits[name]["checkpoints"]
        if record["epoch"] == epoch
    ]
    for ax, (record, title) in zip(panels(figure), expected, strict=True):
        np.testing.assert_array_equal(heights(ax), record["measured"])
        (dots,) = ax.lines
        np.testing.assert_array_equal(dots.get_ydata(), record["predicted"])
        assert ax.get_title().startswith(title)
        assert ax.get_title().endswith(f"TV = {record['total_variation']:.3f}")
        assert ax.get_ylim()[1] > max(record["measured"] + record["predicted"])
    by_default = [
        float(ax.get_title().split()[1].rstrip(",")) for ax in panels(theory_vs_networks(fits, 2))
    ]
    assert by_default == [4, 64, 0, 3]  # tested: the second phase, and never the target
    with pytest.raises(ArgumentError, match="be of 0, 3, 9, but holds 4"):
        theory_vs_networks(fits, epochs={"a net": [4], "another": [4]})
    with pytest.raises(ArgumentError, match="have an entry for 'another', but has none"):
        theory_vs_networks(fits, epochs={"a net": [4]})
    with pytest.raises(ArgumentError, match="at least one network"):
        theory_vs_networks({})


def test_where_the_start_is_kept_dynamics_predicts_both_phases():
    fit = document(boundary=16) | {"fit": {"through": "extraction", "start": True}}
    for at, record in enumerate(fit["checkpoints"]):
        record["tested"] = 0 < at < 7
    figure = dynamics(fit)
    by_epoch = {f"{r['epoch']:g}": r["predicted"] for r in fit["checkpoints"]}
    dots = {ax.get_title(): [line.get_ydata() for line in ax.lines] for ax in panels(figure)}
    assert dots.pop("epoch 0 (start)") == dots.pop("epoch 256 (target)") == []
    shown = [float(title.split()[1]) for title in dots]
    assert min(shown) < 16 < max(shown)
    for title, (drawn,) in dots.items():
        np.testing.assert_array_equal(drawn, by_epoch[title.split()[1]])


def test_what_is_far_off_leaves_the_axis_of_misfits():
    fit = document(boundary=4)
    for record in fit["checkpoints"]:
        record["total_variation"] = 0.05
        record["nulls"] = {
            name: {"total_variation": away}
            for name, away in (("frozen", 0.9), ("tilt", 0.1), ("shares_tilt", 0.8))
        }
    lower = noise_level(fit).axes[1]
    assert 0.1 < lower.get_ylim()[1] < 0.2
    names = lower.get_legend_handles_labels()[1]
    assert "families of shares" in names
    assert {"frozen", "↑ frozen up to 0.90"} <= set(names)
    assert not any(name.startswith("↑ tilt") for name in names)


def sized(fit):
    """With sizes since the start of 2^(checkpoint − order), and of what is learned."""
    records, n = fit["checkpoints"], len(fit["checkpoints"][0]["measured"])
    for at, record in enumerate(records):
        record |= {"scale": 0.1 * at, "tested": 0 < at < len(records) - 1}
    size = [[2.0 ** (at - order) for order in range(1, n + 1)] for at in range(len(records))]
    kept = {"size": size, "overlap": size, "effect": [3.0**at for at in range(len(records))]}
    return fit | {"retention": kept | {"verdict": "It grows.", "answer": "outgrows"}}


def test_size_shows_each_order_beside_the_mean_effect_and_the_theory():
    fit = sized(document(boundary=4))
    fit["retention"]["size"][3][1] = None  # infinite
    shares, left, right = size(fit).axes
    of_order = {line.get_label(): line for line in shares.lines}
    measured = [r["measured"][1] for r in fit["checkpoints"]]
    np.testing.assert_array_equal(of_order["2"].get_ydata(), measured)
    curves = {line.get_label(): line for line in left.lines}
    expected = [2.0 ** (at - 2) for at in range(8)]
    expected[3] = np.nan
    np.testing.assert_array_equal(curves["2"].get_ydata(), expected)
    np.testing.assert_array_equal(curves["|v(N) − v(∅)|"].get_ydata(), 3.0 ** np.arange(8))
    points = [(r["epoch"], r["scale"]) for r in fit["checkpoints"][1:]]  # none at the start
    np.testing.assert_array_equal(right.lines[0].get_xydata(), points)
    assert left.get_yscale() == right.get_yscale() == "log"


def test_size_says_what_it_does_not_know():
    _, left, right = size(document(boundary=4)).axes
    assert [text.get_text() for text in left.texts] == ["not followed"]
    assert not any(len(line.get_xdata()) > 2 for line in right.lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": None}, "retention: `verdict` must be a text, but is None"),
        ({"size": [[1.0] * 5] * 7}, "`size` must be 8 lists of 5 numbers, one for each order"),
        ({"overlap": [[1.0] * 4] * 8}, "`overlap` must be 8 lists of 5 numbers, one for each"),
        ({"effect": [1.0]}, "`effect` must be 8 numbers, one a checkpoint, but is [1.0]"),
        ({"size_interval": [[[1.0] * 5] * 8] * 3}, "`size_interval` must be null or two lists"),
        (
            {"size_interval": [[[1.0] * 5] * 8, [[1.0]]]},
            "`size_interval` must be 8 lists of 5 numbers",
        ),
    ],
)
def test_a_fault_of_what_became_of_the_start_is_named(change, message):
    fit = sized(document(4))
    assert check_document(fit, "fit.json") is fit
    fit["retention"] |= change
    with pytest.raises(ValueError, match=r"^fit\.json: ") as caught:
        check_document(fit, "fit.json")
    assert message in str(caught.value)


def test_noise_level_shows_what_was_fitted_and_what_is_only_a_bound():
    fit = document(boundary=4)
    records = fit["checkpoints"]
    for at, record in enumerate(records):
        record["bound"] = {0: "infinite", 6: "zero"}.get(at)
        record["nulls"]["tilt"]["total_variation"] = 0.2 + 0.01 * at
    records[0]["sigma2"], records[6]["sigma2"] = 9.0, 1e-9
    figure = noise_level(fit)
    upper, lower = figure.axes
    curve, *marks = upper.lines[: 1 + 7]
    expected = [  # the last checkpoint is the target itself
        (r["epoch"], np.nan if r["bound"] else r["sigma2"]) for r in records[:-1]
    ]
    np.testing.assert_array_equal(curve.get_xydata(), expected)
    shapes = {mark.get_xdata()[0]: mark.get_marker() for mark in marks}
    up, down = shapes.pop(0), shapes.pop(64)  # arrows with their tips on the edges
    assert shapes == {1: "o", 2: "o", 4: "o", 8: "o", 16: "o"}
    assert up.vertices[0].tolist() == down.vertices[0].tolist() == [0, 0]
    assert (up.vertices[:, 1].min(), down.vertices[:, 1].max()) == (-2, 2)
    faces = {mark.get_xdata()[0]: mark.get_markerfacecolor() for mark in marks}
    assert [epoch for epoch, face in sorted(faces.items()) if face == "white"] == [0, 1, 2]
    drawn = [list(line.get_ydata()) for line in lower.lines]
    assert [r["total_variation"] for r in records[:-1]] in drawn
    for name in ("tilt", "frozen"):
        assert [r["nulls"][name]["total_variation"] for r in records[:-1]] in drawn
    plt.close(figure)


@pytest.mark.parametrize(
    "bounds",
    [
        [None, "at_most", "zero", "zero", None, "at_least", None],
        ["zero", "zero", "at_most", "zero", "infinite", "infinite", "zero"],
        ["any"] * 7,
    ],
)
def test_every_mark_of_a_noise_level_lies_on_the_axis(bounds):
    fit = document(boundary=4)
    for record, bound in zip(fit["checkpoints"], bounds, strict=False):
        record["bound"] = bound
        record["sigma2"] *= {"at_most": 1e-5, "at_least": 1e5}.get(bound, 1.0)
    figure = noise_level(fit)
    figure.canvas.draw()
    upper = figure.axes[0]
    low, high = upper.get_ylim()
    line, *marks = upper.lines[: 1 + sum(bound != "any" for bound in bounds)]
    assert np.isnan(line.get_ydata()).tolist() == [bound is not None for bound in bounds]
    heights = {mark.get_xdata()[0]: mark.get_ydata()[0] for mark in marks}
    assert len(heights) == len(marks)
    for record, bound in zip(fit["checkpoints"], bounds, strict=False):
        if bound != "any":
            expected = {"zero": low, "infinite": high}.get(bound, record["sigma2"])
            assert heights[record["epoch"]] == pytest.approx(expected)
            assert low <= heights[record["epoch"]] <= high
    plt.close(figure)


def test_every_mark_of_a_noise_level_has_a_name_in_the_picture():
    fit = document(boundary=4)
    bounds = ["at_most", "zero", None, "any", "at_least", "infinite", None]
    for record, bound in zip(fit["checkpoints"], bounds, strict=False):
        record["bound"] = bound
    lines = noise_level(fit).axes[0].lines
    named = {line.get_label(): line.get_marker() for line in lines if len(line.get_xdata()) == 0}
    names = ["fitted σ²", *(f"σ² {name}" for name in ("at most", "at least", "→ 0", "→ ∞"))]
    assert list(named) == [*names, "hollow: first phase"]
    shapes = {str(getattr(mark, "vertices", mark)) for mark in named.values()}
    assert len(shapes) == 5  # hollow and fitted are both circles
    for record in fit["checkpoints"]:
        record["bound"] = None
    fit["phases"] = {"boundary": None}
    assert noise_level(fit).axes[0].get_legend_handles_labels()[1] == ["fitted σ²"]


def test_chosen_epochs_are_shown_in_the_order_of_training():
    fit = document(boundary=4)
    for draw in (dynamics, theory_vs_network):
        shown = panels(draw(fit, epochs=[64, 0, 4, 64]))
        assert [float(ax.get_title().split()[1]) for ax in shown] == [0, 4, 64]
        by_epoch = {r["epoch"]: r["measured"] for r in fit["checkpoints"]}
        for ax, epoch in zip(shown, (0, 4, 64), strict=True):
            np.testing.assert_allclose(heights(ax)[:5], by_epoch[epoch])
        with pytest.raises(ArgumentError, match="be of 0, 1, 2, 4, 8, 16, 64, 256, but holds 3"):
            draw(fit, epochs=[3, 4])
        with pytest.raises(ArgumentError, match="at least one checkpoint, but names none"):
            draw(fit, epochs=[])
    every = [r["epoch"] for r in fit["checkpoints"]]
    for draw in (dynamics, theory_vs_network):
        assert len(panels(draw(fit, epochs=every))) == 8
    five = panels(theory_vs_network(fit, epochs=every[:5]))  # four abreast, and one below
    assert [bool(ax.get_xlabel()) for ax in five] == [False, True, True, True, True]
    assert (
        panels(theory_vs_network(fit, epochs=[256]))[0].get_title().startswith("epoch 256 (target)")
    )


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize(
    ("boundary", "epochs"),
    [
        (None, (0, 1)),
        (4, (3, 5, 9)),
        pytest.param(4, (0, 1), marks=pytest.mark.slow),
        pytest.param(None, (3, 5, 9), marks=pytest.mark.slow),
        pytest.param(None, tuple(range(0, 400, 7)), marks=pytest.mark.slow),
        pytest.param(4, tuple(range(0, 400, 7)), marks=pytest.mark.slow),
    ],
)
def test_any_number_of_checkpoints_can_be_drawn(draw, boundary, epochs, tmp_path):
    boundary = None if boundary is None else epochs[len(epochs) // 2]
    fit = document(boundary, epochs)
    formats = FORMATS if len(epochs) == 3 else USUAL
    one = save_figure(draw(fit), tmp_path, "one", formats)
    two = save_figure(draw(fit), tmp_path, "two", formats)
    assert plt.get_fignums() == []
    for first, second in zip(one, two, strict=True):
        assert first.stat().st_size > 5000
        assert first.read_bytes() == second.read_bytes()


@pytest.fixture
def drawn_by_command(tmp_path):
    """Runs `interdyn figures` on a fit that was written by hand."""
    fit = document(4)
    for record in fit["checkpoints"]:
        record |= {"scale": 1.0, "tested": True}
    (tmp_path / "fit.json").write_text(json.dumps(fit), encoding="utf-8")
    return lambda *options: CliRunner().invoke(
        app, ["figures", str(tmp_path / "fit.json"), *options]
    )


def test_the_command_draws_the_epochs_and_formats_that_are_asked_for(drawn_by_command, tmp_path):
    result = drawn_by_command("--epochs", "0, 4,64", "--format", "SVG,pdf")
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()} - {"fit.json", ".interdyn.lock"}
    assert names == {f"{name}.{suffix}" for name in FIGURES for suffix in ("svg", "pdf")}
    for name in ("dynamics", "theory_vs_network"):
        text = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert re.findall(r">epoch (\d+)", text) == ["0", "4", "64"]
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
    assert "dynamics.svg" in result.stdout
    refused = drawn_by_command("--format", "pdf")
    assert refused.exit_code == 2
    assert "dynamics.pdf" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "3"), "--epochs must be of 0, 1, 2, 4, 8, 16, 64, 256, but holds 3."),
        (("--epochs", "four"), "--epochs must be numbers separated by commas, such as 0,4,64"),
        (("--epochs", ","), "--epochs must name at least one checkpoint, but names none."),
        (("--format", "gif"), "--format must be of png, svg, pdf, separated by commas, but is"),
        (("--format", ""), "--format must be of png, svg, pdf"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(drawn_by_command, tmp_path, options, message):
    result = drawn_by_command(*options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert " ".join(result.stderr.split()).startswith(f"interdyn: {message}")
    assert not list(tmp_path.glob("*.png"))


def test_no_loss_is_said_in_words():
    fit = document(4) | {"curves": {"train_loss": None, "test_loss": None}}
    figure = dynamics(fit)
    assert any(t.get_text() == "no loss was recorded" for ax in figure.axes for t in ax.texts)
    plt.close(figure)
