"""`interdyn simulate`: files, settings, figures, and what it says of bad input."""

import importlib
import json
import tomllib

import matplotlib.pyplot as plt
import numpy as np
import pytest
from typer.testing import CliRunner

from sim import Interactions, Measurement, extract_interactions
from sim.cli import app
from sim.cli._config import read_config, write_config
from sim.figures.simulated import crossing, order_curves, phase_map, two_phases
from sim.simulation.descent import Descent
from sim.simulation.methods import simulate
from sim.simulation.schedules import Schedule
from sim.simulation.trajectory import Trajectory
from theory import NoiseModel, learning_thresholds

SMALL = ["--n", "5", "--epochs", "12", "--targets", "10", "--members", "2", "--quiet"]


def _run(*arguments):
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def test_a_run_leaves_everything_and_is_repeated_from_its_config(tmp_path):
    first = _run(*SMALL, "--seed", 3, "--out", tmp_path / "a", "--method", "sgd", "--json")
    assert first.exit_code == 0, first.output
    summary = json.loads(first.stdout)
    run = Trajectory.load(tmp_path / "a" / "trajectory.npz")
    order = np.asarray(run.mean_order)
    assert summary["epochs"] == 12
    assert summary["mean_order"] == {"first": order[0], "smallest": min(order), "last": order[-1]}
    assert summary["epoch_of_smallest"] == order.argmin()
    assert order[0] > min(order)
    names = {"trajectory.npz", "config.toml"} | {
        f"{figure}.{kind}" for figure in ("two_phases", "phase_map") for kind in ("png", "svg")
    }
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    with np.load(tmp_path / "a" / "trajectory.npz", allow_pickle=False) as archive:
        assert archive["epochs"].shape == archive["sigma2"].shape == (12,)
        assert archive["strength"].shape == (12, 5)
        assert np.all(np.diff(archive["sigma2"]) < 0)
    again = _run("--quiet", "--config", tmp_path / "a" / "config.toml", "--out", tmp_path / "b")
    assert again.exit_code == 0, again.output
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_superposition_runs_and_draws(tmp_path):
    options = ("--method", "superposition", "--learned-scale", 0.25, "--keep-interactions")
    done = _run(*SMALL, *options, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    run = Trajectory.load(tmp_path / "trajectory.npz")
    metadata = dict(run.metadata)
    assert (metadata["method"], metadata["scale"]) == ("superposition", 0.25)
    assert np.all(np.asarray(run.i_and[-1]) != 0)  # of the start, everything is still there
    written = (tmp_path / "config.toml").read_text()
    assert 'method = "superposition"' in written
    assert "learned_scale = 0.25" in written
    for figure in ("two_phases.png", "phase_map.svg"):
        assert (tmp_path / figure).stat().st_size > 5000
    shown = _run("--help")
    assert "superposition" in shown.output


def test_every_option_arrives(tmp_path, monkeypatch):
    seen = {}

    def drawn(*positional):
        seen[len(seen)] = positional
        return np.ones((positional[-1], 8))

    def stop(*positional, **named):
        seen.update(positional=positional, named=named)
        raise ValueError("enough")

    module = importlib.import_module("sim.cli.simulate")
    for name, replaced in (("random_start", drawn), ("sparse_target", drawn)):
        monkeypatch.setattr(module, name, replaced)
    monkeypatch.setattr(module, "run_simulation", stop)
    result = _run(
        "--n",
        3,
        "--epochs",
        9,
        "--schedule",
        "exponential:start=4,end=0.1",
        "--method",
        "sgd",
        "--members",
        5,
        "--rho",
        1.3,
        "--scale",
        0.2,
        "--targets",
        "1/2/0",
        "--negative",
        0.1,
        "--salience",
        0.04,
        "--rate",
        0.7,
        "--clock",
        "flow",
        "--substeps",
        3,
        "--learned-scale",
        0.6,
        "--batch-size",
        16,
        "--steps-per-epoch",
        11,
        "--step",
        0.3,
        "--momentum",
        0.6,
        "--no-white",
        "--growth",
        1.5,
        "--correlation",
        0.25,
        "--keep-interactions",
        "--quiet",
        "--out",
        tmp_path,
    )
    assert "enough" in result.stderr
    goal, start = seen[0], seen[1]
    assert (goal[0], *goal[2:]) == (3, [1, 2, 0], 0.1, 1.0, 5)
    assert (start[0], *start[2:]) == (3, 1.3, 0.2, 5)
    schedule, *rest = seen["positional"][2:]
    np.testing.assert_allclose(schedule([0, 8]), [4, 0.1])
    assert rest == [9, "sgd", NoiseModel(1.5, 0.25)]
    named = seen["named"]
    names = ("salience", "rate", "clock", "substeps", "scale", "keep_interactions", "progress")
    assert [named[name] for name in names] == [0.04, 0.7, "flow", 3, 0.6, True, None]
    assert named["descent"] == Descent(None, 16, 11, 0.3, 0.6, white=False)


def test_a_run_is_not_overwritten_unless_told(tmp_path):
    done = _run(*SMALL, "--no-figures", "--out", tmp_path)
    assert done.exit_code == 0
    order = np.asarray(Trajectory.load(tmp_path / "trajectory.npz").mean_order)
    low = int(order.argmin())
    sentence = (
        f"The mean order falls from {order[0]:.2f} to {order[low]:.2f} at epoch {low}, and rises "
        f"to {order[-1]:.2f} after it."
    )
    assert sentence in done.stdout
    before = (tmp_path / "trajectory.npz").read_bytes()
    refused = _run(*SMALL, "--no-figures", "--out", tmp_path, "--seed", 9)
    assert refused.exit_code == 2
    assert "already holds a run" in refused.stderr
    assert (tmp_path / "trajectory.npz").read_bytes() == before
    assert (
        _run(*SMALL, "--no-figures", "--out", tmp_path, "--seed", 9, "--overwrite").exit_code == 0
    )
    assert (tmp_path / "trajectory.npz").read_bytes() != before


def test_the_command_line_wins_over_the_config(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text('n = 4\nepochs = 7\nmethod = "equilibrium"\nsteps-per-epoch = 5\nrate = 1\n')
    done = _run(
        "--config",
        config,
        "--no-figures",
        "--epochs",
        9,
        "--targets",
        "4",
        "--out",
        tmp_path / "run",
    )
    assert done.exit_code == 0, done.output
    run = Trajectory.load(tmp_path / "run" / "trajectory.npz")
    assert run.strength.shape == (9, 4)
    assert dict(run.metadata)["method"] == "equilibrium"
    written = (tmp_path / "run" / "config.toml").read_text()
    assert "epochs = 9" in written
    assert "rate" not in written  # of another method


@pytest.mark.slow
def test_a_default_that_was_not_given_stays_open(tmp_path):
    """The number of targets follows from --n: a config with 10 players is good for 3 too."""
    wide, narrow = tmp_path / "wide", tmp_path / "narrow"
    assert _run("--epochs", 2, "--no-figures", "--quiet", "--out", wide).exit_code == 0
    assert "targets" not in (wide / "config.toml").read_text()
    config = ("--config", wide / "config.toml")
    done = _run(*config, "--n", 3, "--no-figures", "--quiet", "--out", narrow)
    assert done.exit_code == 0, done.output
    assert Trajectory.load(narrow / "trajectory.npz").n == 3


@pytest.mark.parametrize(
    ("arguments", "used", "unused"),
    [
        ([], {"rate", "clock", "substeps", "rho", "scale"}, {"batch_size", "momentum"}),
        (["--method", "sgd"], {"batch_size", "white", "momentum"}, {"rate", "clock"}),
        (["--start", "zero"], {"members", "negative"}, {"rho", "scale"}),
    ],
)
def test_the_config_holds_what_was_used(tmp_path, arguments, used, unused):
    assert _run(*SMALL, *arguments, "--no-figures", "--out", tmp_path).exit_code == 0
    held = set(tomllib.loads((tmp_path / "config.toml").read_text()))
    assert used <= held
    assert not unused & held


@pytest.fixture
def measured(tmp_path):
    """Measured interactions of three checkpoints, and their file."""
    outputs = np.random.default_rng(0).normal(size=(3, 2, 2**4)).cumsum(axis=-1)
    measurement = Measurement(outputs=outputs, epochs=np.array([0.0, 5.0, 9.0]))
    extraction = extract_interactions(outputs)
    path = tmp_path / "interactions.npz"
    Interactions(measurement, extraction, {}).save(path)
    return extraction, path


DRAWN = {
    "n": 4,
    "members": 2,
    "start": "zero",
    "rho": 1.5,
    "scale": 0.1,
    "targets": "5",
    "negative": 0.1,
}


@pytest.mark.parametrize("name", DRAWN)
def test_measured_interactions_leave_nothing_to_draw(tmp_path, measured, name):
    file, config = ("--interactions", measured[1]), tmp_path / "mine.toml"
    write_config(config, {"interactions": str(measured[1]), name: DRAWN[name]}, "both")
    for arguments in ((*file, f"--{name}", DRAWN[name]), ("--config", config)):
        result = _run(*arguments, "--quiet", "--out", tmp_path / "run")
        assert result.exit_code == 2
        assert f"--{name} must be left out where --interactions" in result.stderr
    write_config(config, {name: DRAWN[name]}, "for other runs")
    short = ("--epochs", 2, "--no-figures", "--quiet", "--out", tmp_path / "run")
    done = _run("--config", config, *file, *short)  # the command line wins
    assert done.exit_code == 0, done.output
    assert not set(DRAWN) & set(tomllib.loads((tmp_path / "run" / "config.toml").read_text()))


def test_measured_interactions_are_start_and_target(tmp_path, measured):
    extraction, path = measured
    assert "no such file" in _run("--interactions", "nowhere.npz", "--out", tmp_path).stderr
    done = _run(
        "--interactions",
        path,
        "--epochs",
        6,
        "--schedule",
        "0.0",
        "--no-figures",
        "--keep-interactions",
        "--quiet",
        "--out",
        tmp_path / "run",
    )
    assert done.exit_code == 0, done.output
    run = Trajectory.load(tmp_path / "run" / "trajectory.npz")
    np.testing.assert_allclose(run.i_or[0], extraction.i_or[0], rtol=1e-9, atol=1e-10)
    last_and, last_or = np.asarray(extraction.i_and[-1]), np.asarray(extraction.i_or[-1])
    threshold = 0.03 * np.mean(np.abs((last_and + last_or)[:, 1:].sum(-1)))
    salient = np.where(np.abs(last_or) >= threshold, last_or, 0)
    np.testing.assert_allclose(run.i_or[1], salient, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schedule", "constant:sigma2=-1"], "`sigma2` must be nonnegative, but is -1"),
        (["--schedule", "wave:height=1"], "start with one of constant"),
        (["--schedule", "exponential:start=1,end=1e999"], "`end` must be finite"),
        (["--method", "magic"], "--method must be one of equilibrium, relaxation, superposition"),
        (["--n", "50"], "50 players needs about"),
        (["--n", "0"], "--n must be at least 1"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--targets", "many"], "--targets must be a whole number"),
        (["--targets", "1/2"], "--targets must hold one number for each order 1..5"),
        (["--start", "cold"], "--start must be spindle or zero"),
        (["--config", "nowhere.toml"], "no such file"),
        (["--batch-size", "0", "--method", "sgd"], "--batch-size must be at least 1"),
        (["--growth", "-1"], "--growth must be positive"),
        (["--learned-scale", "-1"], "--learned-scale must be nonnegative"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, message):
    result = _run(*SMALL, *arguments, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_config_files(tmp_path):
    path = tmp_path / "config.toml"
    settings = {"text": 'a "b"\\ σ²', "size": 3, "share": 1e-6, "flag": True, "none": None}
    write_config(path, settings, "made by hand")
    types = {"text": str, "size": int, "share": float, "flag": bool, "none": str | None}
    assert read_config(path, {**types, "other": float}) == {
        name: value for name, value in settings.items() if value is not None
    }
    for text, message in [
        ("size = 1.5", "'size' must be a whole number, but is 1.5"),
        ("flag = 1", "'flag' must be true or false"),
        ("sise = 1", "unknown setting 'sise'; known are"),
        ("size = ", "must be a TOML file"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_config(path, types)


def test_thresholds_are_marked_where_the_noise_crosses_them():
    run = simulate(None, np.ones(2**4), Schedule.exponential(1.0, 1e-3, 10), 11)
    figure = phase_map(run)
    axis = figure.axes[2]
    marks = [line.get_xydata()[0] for line in axis.lines[1:]]
    crossed = [theta for theta in np.asarray(learning_thresholds(4)) if 1e-3 <= theta < 1.0]
    assert len(marks) == len(crossed) == len(axis.texts) > 1
    for (epoch, height), theta in zip(marks, crossed, strict=True):
        assert height == pytest.approx(theta)
        assert 10 ** (-3 * epoch / 10) == pytest.approx(theta)
    plt.close(figure)
    assert crossing([0, 1, 2], [1.0, 0.5, 0.0], 0.1) == 2.0
    assert crossing([0, 1], [0.1, 0.01], 0.5) is None
    assert crossing([0, 1, 2], [0.01, 0.01, 1.0], 0.1) == pytest.approx(1.5)


@pytest.mark.parametrize("epochs", [4, 6, 11, 120])
def test_epochs_are_whole_and_marks_are_not_cut(epochs):
    schedule = Schedule.exponential(1.0, 1e-3, epochs - 1)
    run = simulate(np.eye(2**4)[15], np.eye(2**4)[3], schedule, epochs)
    figure = phase_map(run)
    middle, lower = figure.axes[1], figure.axes[2]
    ticks = lower.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))
    assert sum(0 <= tick < epochs for tick in ticks) > 1
    assert not middle.lines[-1].get_clip_on()
    (entry,) = lower.get_legend().get_texts()
    assert entry.get_text().startswith("learning threshold θ$_k$")
    plt.close(figure)


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_constant_noise_level_lies_in_the_middle(epochs):
    run = simulate(None, np.ones(8), Schedule.constant(10.0), epochs)
    figure = phase_map(run)
    figure.canvas.draw()  # a warning of identical limits would fail here
    low, high = figure.axes[2].get_ylim()
    assert low * high == pytest.approx(100)
    plt.close(figure)


def test_panels_show_start_minimum_and_end():
    start = np.random.default_rng(0).normal(size=(3, 2**5))
    run = simulate(start, np.eye(2**5)[7], Schedule.exponential(5.0, 1e-4, 30), 31, "relaxation")
    figure = two_phases(run)
    titles = [axis.get_title() for axis in figure.axes]
    low = int(np.argmin(run.mean_order))
    for epoch in (0, low, 30):
        assert any(title.startswith(f"epoch {epoch}\n") for title in titles)
    assert len(titles) <= 5
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, run.distribution[0])
    chosen = two_phases(run, epochs=[0, 9.8])
    assert [axis.get_title().split("\n")[0] for axis in chosen.axes] == ["epoch 0", "epoch 10"]
    _, axis = plt.subplots()
    assert order_curves(axis, run, [1, 3]) is axis
    plt.close("all")
