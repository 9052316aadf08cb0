"""The command line: the whole job, what it leaves behind, and how it refuses bad input."""

import dataclasses
import importlib
import json
import shlex
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.cli._app import COMMANDS
from sim.cli.fit import print_fit
from sim.document.schema import Kept, OtherEnd
from sim.experiments import CHECKPOINT_EPOCHS, Settings
from sim.extraction.interactions import Interactions
from sim.figures import FIGURES as FIGURES_DRAWN
from theory import NoiseModel

PIPELINE_FILES = {"measurement.npz", "interactions.npz", "fit.json", "report.html"}
FIGURES = {f"{name}.{suffix}" for name in FIGURES_DRAWN for suffix in ("png", "svg")}


TINY = ("--epochs", "0,1,2,4,8,16", "--samples", 4, "--players", 4)


def interdyn(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def few_figures(monkeypatch):
    """Draws one figure for the report, where a test is about something else."""
    kept = {"size": FIGURES_DRAWN["size"]}
    monkeypatch.setattr(importlib.import_module("sim.cli.fit"), "FIGURES", kept)


def refused(result, *parts):
    """One plain line on stderr, exit code 2."""
    assert result.exit_code == 2, (result.output, result.exception)
    line = result.stderr.strip()
    assert line.startswith("interdyn: ")
    assert "\n" not in line
    assert "Traceback" not in line
    for part in parts:
        assert part in line, line


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A measurement of a really trained, tiny network, taken through every step by hand."""
    folder = tmp_path_factory.mktemp("run") / "steps"
    steps = [
        ("measure", *TINY, "--keep-inputs", "--out", folder),
        ("extract", folder / "measurement.npz"),
        ("fit", folder / "interactions.npz"),
        ("figures", folder / "fit.json"),
    ]
    results = [interdyn(*step) for step in steps]
    for result in results:
        assert result.exit_code == 0, (result.output, result.stderr)
    return folder, results


def test_the_steps_leave_the_files_and_name_the_next_command(run):
    folder, results = run
    assert {p.name for p in folder.iterdir()} >= PIPELINE_FILES | FIGURES
    for result, following in zip(results, ("extract", "fit", "figures"), strict=False):
        assert f"Next: interdyn {following} {folder}" in result.stdout
    assert "6 checkpoints × 4 samples × 2^4 masked inputs" in results[0].stdout
    assert "24 of 24 samples met the certified gap of 0.001, counted at every" in results[1].stdout
    assert "--noise-bound 0.02 --prefer low" in results[1].stdout


def test_the_fit_document_holds_what_it_promises(run):
    folder, _ = run
    document = json.loads((folder / "fit.json").read_text())
    gaps = np.asarray(Interactions.load(folder / "interactions.npz").extraction.gap)
    assert [r["gap"] for r in document["checkpoints"]] == gaps.max(axis=1).tolist()
    assert [r["epoch"] for r in document["checkpoints"]] == [0, 1, 2, 4, 8, 16]
    for record in document["checkpoints"]:
        measured, predicted = np.array(record["measured"]), np.array(record["predicted"])
        assert measured.shape == predicted.shape == (4,)
        np.testing.assert_allclose(measured.sum(), 1)
        away = 0.5 * np.abs(measured - predicted).sum()
        np.testing.assert_allclose(record["total_variation"], away, atol=1e-12)
        assert record["sigma2"] > 0
        assert {"frozen", "tilt"} <= set(record["nulls"])
        assert record["gap"] <= 1e-3
        other = record["other"]
        assert set(other) == {field.name for field in msgspec.structs.fields(OtherEnd)}
        away = 0.5 * np.abs(np.array(other["measured"]) - other["predicted"]).sum()
        np.testing.assert_allclose(other["total_variation"], away, atol=1e-12)
    assert [record["tested"] for record in document["checkpoints"]] == [False, *[True] * 4, False]
    outputs = Interactions.load(folder / "interactions.npz").measurement.outputs
    effect = np.abs(outputs[..., -1] - outputs[..., 0]).mean(axis=1)
    assert document["other_phases"].keys() == document["phases"].keys()
    beside = [record["other"]["mean_order"] for record in document["checkpoints"]]
    np.testing.assert_allclose(document["other_phases"]["mean_order"], beside)
    kept = document["retention"]
    np.testing.assert_allclose(kept["effect"], effect / effect[0])
    assert np.shape(kept["size_interval"]) == (2, *np.shape(kept["size"])) == (2, 6, 4)
    assert set(kept) == {field.name for field in msgspec.structs.fields(Kept)}
    measured = Interactions.load(folder / "interactions.npz").measurement
    named = [(one["players"], one["output"]) for one in document["examples"]]
    assert named == [(measured.players(at), outputs[-1, at, -1]) for at in range(4)]
    assert document["settings"]["seed"] == 0
    assert {"python", "jax", "interaction-dynamics"} <= set(document["settings"]["versions"])
    assert document["settings"]["measurement"]["settings"]["players"] == 4


def test_the_table_of_a_fit_tells_phases_and_bounds(run, capsys):
    folder, _ = run
    document = json.loads((folder / "fit.json").read_text())
    document["phases"] |= {"boundary": 4.0, "low": 2.0, "high": 8.0}
    levels = (7.0, 0.2, 0.1, 0.04, 0.03, 1e-9)
    bounds = ("infinite", "at_most", None, None, None, "zero")
    for record, sigma2, bound in zip(document["checkpoints"], levels, bounds, strict=True):
        record |= {"sigma2": sigma2, "bound": bound, "other": None}
    print_fit(document)
    shown = capsys.readouterr().out.replace("→ ", "→").replace("≤ ", "≤").splitlines()
    rows = [line.split() for line in shown if line[:5].strip().isdigit()]
    assert [row[:2] for row in rows] == [
        ["0", "1"],
        ["1", "1"],
        ["2", "1"],
        ["4", "2"],
        ["8", "2"],
        ["16", "2"],
    ]
    assert [row[3] for row in rows] == ["→∞", "≤2.0e-01", "1.0e-01", "4.0e-02", "3.0e-02", "→0"]
    assert ["*" in row[5] for row in rows] == [True] + [False] * 4 + [True]  # start and target
    sentence = " ".join(shown)
    away = [record["total_variation"] for record in document["checkpoints"][1:-1]]
    words = f"of {np.mean(away):.3f} on average and {max(away):.3f} at most (epoch"
    sentence = " ".join(sentence.split())
    assert words in sentence
    assert "from ≤2.0e-01 (epoch 1) over 1.0e-01 (epoch 2) to 3.0e-02 (epoch 8)" in sentence


def test_the_table_shows_both_ends_of_the_preference(run, capsys):
    folder, _ = run
    document = json.loads((folder / "fit.json").read_text())
    document["phases"] |= {"boundary": 4.0, "low": 2.0, "high": 8.0}
    for at, record in enumerate(document["checkpoints"]):
        record |= {"sigma2": 0.25, "bound": "at_most"}
        record["measured"][0], record["other"]["measured"][0] = 0.5, 0.5 - 0.1 * at
        record["other"] |= {"sigma2": 0.5, "bound": None, "total_variation": 0.1 * at}
        record["scale"] = 0.2 * at
    document["checkpoints"][1] |= {"bound": None}
    document["checkpoints"][2] |= {"bound": None, "sigma2": 0.1}
    document["checkpoints"][1]["mean_order"] = document["checkpoints"][1]["other"]["mean_order"]
    print_fit(document)
    shown = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(shown) if line.split()[:2] == ["1", "1"])
    assert "2.5e-01" in shown[at]
    assert shown[at + 1].split() == ["5.0e-01", "0.100"]  # the mean order is the same
    assert max(map(len, shown)) <= 80
    sentence = " ".join(" ".join(shown).split())
    assert "At the other end of the preference it is off by 0.250 on average" in sentence
    assert "and 0.400 at most, and σ² differs by a factor of 5 at most where both" in sentence
    assert "determine it (2 of 4 checkpoints)" in sentence
    assert "order 1 a share of 0.10 or of 0.50 at epoch 8" in sentence
    assert "has learned is 0.2 to 0.8 times as large as predicted" in sentence


def test_the_table_of_a_direct_fit_fits_a_terminal(run, tmp_path, few_figures):
    folder, _ = run
    options = ("--through", "direct", "--resamples", 0, "--out", tmp_path)
    result = interdyn("fit", folder / "interactions.npz", *options)
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.split("Fit: ")[0].splitlines())) <= 80
    assert "…" not in result.stdout
    heads = "size theory frozen tilt binomial cut-off"
    assert heads in " ".join(result.stdout.split())


def _with_settings(source, path, **settings):
    """The same interactions, with other settings of their extraction."""
    found = Interactions.load(source)
    dataclasses.replace(found, settings=settings).save(path)
    return path


def test_a_fit_takes_the_settings_of_its_file(run, tmp_path, monkeypatch):
    folder, _ = run
    settings = {"noise_bound": 0.05, "tolerance": 1e-3, "prefer": "high"}
    path = _with_settings(folder / "interactions.npz", tmp_path / "high.npz", **settings)
    seen = stopped(monkeypatch, "sim.cli.fit", "fit_noise")
    refused(interdyn("fit", path, "--out", tmp_path / "fit"), "enough")
    _, named = seen
    assert (named["noise_bound"], named["prefer"]) == (0.05, "high")


@pytest.mark.slow
def test_interactions_of_no_known_preference_are_fitted_by_themselves(run, tmp_path):
    """As files from before there was one: what their solver happened to find is no end."""
    folder, _ = run
    path = _with_settings(folder / "interactions.npz", tmp_path / "old.npz")
    options = ("--resamples", 0, "--figures", "pdf")
    result = interdyn("fit", path, "--out", tmp_path / "fit", *options)
    assert result.exit_code == 0, result.stderr
    drawn = {file.name for file in (tmp_path / "fit").glob("*.*") if file.suffix != ".lock"}
    pictures = {file.replace(".png", ".pdf") for file in FIGURES if file.endswith("png")}
    assert drawn >= pictures | {"fit.json", "report.html"}
    assert not drawn & FIGURES
    assert "Figures: " in result.stdout
    document = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert (document["fit"]["prefer"], document["fit"]["noise_bound"]) == (None, 0.02)
    assert not any("other" in record for record in document["checkpoints"])
    assert "Only one of the equally sparse explanations" in " ".join(result.stdout.split())


def test_a_fit_from_before_size_and_start_is_to_be_made_again(run, tmp_path):
    folder, _ = run
    document = json.loads((folder / "fit.json").read_text())
    for record in document["checkpoints"]:
        del record["scale"], record["tested"], record["other"]
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(document))
    refused(interdyn("figures", path), "checkpoint 0 lacks scale, tested; make the fit again")


@pytest.mark.slow
def test_the_demo_does_the_same_as_the_steps(run, tmp_path, monkeypatch):
    """Same settings, same seed: the same measurement, byte for byte, and the same fit."""
    folder, _ = run
    tiny = Settings(epochs=(0, 1, 2, 4, 8, 16), samples=4, players=4)
    monkeypatch.setattr(importlib.import_module("sim.cli.demo"), "QUICK", tiny)
    result = interdyn("demo", "--quick", "--out", tmp_path / "demo")
    assert result.exit_code == 0, (result.output, result.stderr)
    assert {p.name for p in (tmp_path / "demo").iterdir()} >= PIPELINE_FILES | FIGURES
    assert "epoch  phase" in result.stdout
    for name in ("measurement.npz", "interactions.npz", "fit.json", "report.html"):
        assert (tmp_path / "demo" / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_quick_demo_covers_the_whole_course():
    quick = importlib.import_module("sim.cli.demo").QUICK
    assert (quick.epochs[0], quick.epochs[-1]) == (CHECKPOINT_EPOCHS[0], CHECKPOINT_EPOCHS[-1])
    assert set(quick.epochs) <= set(CHECKPOINT_EPOCHS)


def test_a_run_is_not_replaced_unless_asked(run):
    folder, _ = run
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    for command in (
        ("demo", "--quick", "--out", folder),
        ("measure", "--out", folder),
        ("extract", folder / "measurement.npz"),
        ("fit", folder / "interactions.npz"),
        ("figures", folder / "fit.json"),
    ):
        refused(interdyn(*command), f"{folder}: already holds a run", "--overwrite")
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    assert interdyn("export", folder / "interactions.npz").exit_code == 0
    refused(interdyn("export", folder / "interactions.npz"), "already holds a run")
    assert interdyn("export", folder / "interactions.npz", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("interdyn ", set(COMMANDS)),
        ("interdyn fit --distance ", {"total_variation", "jensen_shannon", "least_squares"}),
        ("interdyn simulate --method re", {"relaxation"}),
        (
            "interdyn measure --experiment digits-",
            {"digits-mlp", "digits-cnn", "digits-transformer"},
        ),
    ],
)
def test_the_tab_key_completes_commands_and_names(words, offered):
    environment = {
        "_INTERDYN_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    result = CliRunner().invoke(app, [], env=environment, prog_name="interdyn")
    assert set(result.stdout.split()) == offered


def test_json_for_scripts(run, tmp_path, few_figures):
    folder, _ = run
    result = interdyn("extract", folder / "measurement.npz", "--out", tmp_path, "--json")
    content = json.loads(result.stdout)
    assert content["converged"] == content["total"] == 24
    result = interdyn("fit", tmp_path / "interactions.npz", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "fit.json").read_text())


@pytest.mark.parametrize(
    ("checkpoints", "samples", "said"),
    [
        (2, 3, "Phases need at least 3 checkpoints, but there are 2."),
        (4, 1, "Phases are undetermined: 4 checkpoints are too few"),
    ],
)
def test_a_fit_without_phases(tmp_path, checkpoints, samples, said, few_figures):
    """Too few checkpoints to look for phases or to tell, and one loss only: all else is there."""
    rng = np.random.default_rng(0)
    path = tmp_path / "measurement.npz"
    np.savez(
        path,
        outputs=rng.normal(size=(checkpoints, samples, 16)),  # as many as are compiled for anyway
        epochs=np.arange(checkpoints),
        train_loss=np.ones(checkpoints),
    )
    assert interdyn("extract", path).exit_code == 0
    direct = ("--through", "direct", "--resamples", 0)
    result = interdyn("fit", tmp_path / "interactions.npz", *direct)
    assert result.exit_code == 0
    assert said in result.stdout.replace("\n", " ")
    phases = json.loads((tmp_path / "fit.json").read_text())["phases"]
    assert phases["verdict"].startswith(said)
    assert phases["boundary"] is None
    assert (tmp_path / "report.html").exists()


def test_probabilities_are_noted_once(tmp_path):
    path = tmp_path / "measurement.npz"
    np.savez(path, outputs=np.random.default_rng(0).uniform(size=(2, 2, 8)), epochs=[0, 1])
    result = interdyn("extract", path, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["total"] == 4
    assert result.stderr.count("interdyn: note: All outputs lie between 0 and 1") == 1
    assert len(result.stderr.splitlines()) == 1


def bad_measurement(path, **change):
    content = {"outputs": np.zeros((3, 2, 8)), "epochs": np.array([0, 1, 2])} | change
    np.savez(path, **content)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": np.zeros((3, 2, 10))}, "last axis of size 2^n"),
        ({"outputs": np.full((3, 2, 8), np.nan)}, "must be finite"),
        ({"outputs": np.full((3, 2, 8), np.inf)}, "first at checkpoint 0, sample 0, set 0"),
        ({"epochs": np.array([0, 2, 1])}, "goes from 2 to 1 at checkpoint 2"),
        ({"epochs": np.array([0, 1, 1])}, "must increase strictly"),
        ({"epochs": np.array([0, 1])}, "one entry for each of the 3 checkpoints"),
        ({"epochs": np.array(["a", "b", "c"])}, "`epochs` must be numbers"),
        ({"outputs": np.array([{}], dtype=object)}, "pickled"),
        ({"labels": np.array([1])}, "`labels` must be one integer for each of the 2 samples"),
    ],
)
def test_a_bad_measurement_is_named(tmp_path, change, message):
    path = bad_measurement(tmp_path / "m.npz", **change)
    refused(interdyn("extract", path), str(path), message)
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_what_is_no_file_of_ours(tmp_path):
    missing = tmp_path / "nothing.npz"
    refused(interdyn("extract", missing), f"{missing}: no such file")
    refused(interdyn("extract", tmp_path), f"{tmp_path}: must be a file, but is a folder")
    cut = bad_measurement(tmp_path / "cut.npz")
    cut.write_bytes(cut.read_bytes()[:300])
    refused(interdyn("extract", cut), f"{cut}: must be a complete .npz file")
    whole = bad_measurement(tmp_path / "whole.npz")
    refused(interdyn("fit", whole), f"{whole}: has no array i_and", "interdyn extract")
    note = tmp_path / "fit.json"
    note.write_text("[]")
    refused(interdyn("figures", note), f"{note}: must be a fit", "holds list")
    note.write_text("{")
    refused(interdyn("figures", note), f"{note}: must be a JSON file")


def test_a_hand_edited_fit_is_refused_by_its_name(run, tmp_path):
    folder, _ = run
    path = tmp_path / "fit.json"
    text = (folder / "fit.json").read_text()
    for old, new, message in [
        ('"sigma2": ', '"sigma2": -', "`sigma2` must be a finite, positive number, but is -"),
        ('"total_variation": ', '"total_variation": NaN, "was": ', "must be a finite number, but"),
        ('"mean_order"', '"mean order"', "lacks mean_order"),
    ]:
        path.write_text(text.replace(old, new, 1))
        refused(interdyn("figures", path), f"{path}: checkpoint 0", message)
    assert [file.name for file in tmp_path.iterdir()] == ["fit.json"]


def test_interactions_that_do_not_fit_together(run, tmp_path):
    folder, _ = run
    with np.load(folder / "interactions.npz") as file:
        arrays = dict(file)
    path = tmp_path / "interactions.npz"
    for change, message in [
        ({"gap": np.zeros(3)}, "`gap` must have shape (checkpoints, samples) = (6, 4)"),
        ({"i_and": np.zeros((6, 4, 8))}, "`i_and` must have the shape (6, 4, 16) of `outputs`"),
        ({"i_or": np.full((6, 4, 16), np.nan)}, "`i_or` must be finite"),
    ]:
        np.savez(path, **(arrays | change))
        refused(interdyn("fit", path), f"{path}: ", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--experiment", "imagenet"], "There is no experiment 'imagenet'; there are: "),
        (["--epochs", "0,four"], "--epochs must be whole numbers separated by commas"),
        (["--epochs", "4,2"], "interdyn: --epochs must be at least two increasing"),
        (
            ["--players", "17"],
            "interdyn: --players must be a whole number between 1 and the 16",
        ),
        (["--samples", "0"], "interdyn: --samples must be at least 1"),
        (["--samples", "5000"], "interdyn: --samples must be at most the 797 test inputs"),
        (["--label-noise", "1.5"], "interdyn: --label-noise must be in [0, 1)"),
        (["--seeds", "0"], "interdyn: --seeds must be at least 1, but is 0"),
    ],
)
def test_bad_options_of_measure(tmp_path, arguments, message):
    refused(interdyn("measure", "--out", tmp_path / "run", *arguments), message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--growth", "-1"], "interdyn: --growth must be positive"),
        (["--correlation", "1"], "interdyn: --correlation must lie strictly between -1 and 1"),
        (["--distance", "euclid"], "interdyn: --distance must be one of total_variation"),
        (["--target", "some"], "interdyn: --target must be `salient` or `all`"),
        (["--through", "x"], "interdyn: --through must be one of extraction, direct"),
        (["--through", "direct", "--start"], "interdyn: --start must be False in the direct"),
    ],
)
def test_bad_options_of_fit(run, tmp_path, arguments, message):
    folder, _ = run
    target = tmp_path / "fit"
    refused(interdyn("fit", folder / "interactions.npz", "--out", target, *arguments), message)
    assert not target.exists()


def stopped(monkeypatch, module, name):
    """What a command hands on to a function, which then refuses to go on."""
    seen = []

    def stop(*positional, **named):
        seen.extend([positional, named])
        raise ValueError("enough")

    monkeypatch.setattr(importlib.import_module(module), name, stop)
    return seen


def test_every_option_of_fit_and_extract_arrives(run, tmp_path, monkeypatch):
    folder, _ = run
    seen = stopped(monkeypatch, "sim.cli.fit", "fit_noise")
    refused(
        interdyn(
            "fit",
            folder / "interactions.npz",
            "--out",
            tmp_path,
            "--growth",
            1.5,
            "--correlation",
            0.25,
            "--through",
            "direct",
            "--no-start",
            "--no-both-ends",
            "--distance",
            "least_squares",
            "--parts",
            "or",
            "--target",
            "all",
            "--centred",
            "--salience",
            0.1,
            "--per-sample",
            "--resamples",
            7,
            "--seed",
            3,
        ),
        "enough",
    )
    positional, named = seen
    assert positional[4] == NoiseModel(1.5, 0.25)
    assert callable(named.pop("progress"))
    assert named.pop("work") is None
    assert named == {
        "runs": 1,
        "through": "direct",
        "start": False,
        "both_ends": False,
        "noise_bound": 0.02,
        "tolerance": 0.001,
        "prefer": "low",
        "distance": "least_squares",
        "parts": "or",
        "target": "all",
        "centred": True,
        "salience": 0.1,
        "per_sample": True,
        "resamples": 7,
        "seed": 3,
    }
    seen = stopped(monkeypatch, "sim.cli.extract", "extract_interactions")
    command = ("extract", folder / "measurement.npz", "--out", tmp_path)
    options = ("--noise-bound", 0.1, "--tolerance", 0.01, "--prefer", "high")
    refused(interdyn(*command, *options), "enough")
    assert (seen[1]["noise_bound"], seen[1]["tolerance"]) == (0.1, 0.01)
    assert seen[1]["prefer"] == "high"
    refused(interdyn(*command, "--prefer", "none"), "enough")
    assert seen[3]["prefer"] is None


def test_an_interruption_leaves_nothing_half_written(run, tmp_path, monkeypatch):
    folder, _ = run
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    result = interdyn("extract", folder / "measurement.npz", "--out", tmp_path / "new")
    assert result.exit_code == 130
    assert not (tmp_path / "new").exists()  # made for the run, and empty


@pytest.mark.parametrize(("seeds", "total"), [(1, 3), (2, 6)])
def test_an_interrupted_measurement_goes_on_by_the_same_command(
    tmp_path, monkeypatch, seeds, total
):
    command = ("measure", "--out", tmp_path, "--epochs", "0,1,2", "--samples", 2, "--players", 2)
    command = (*command, "--seeds", seeds)
    savez, saved = np.savez, []

    def until_the_second_checkpoint(*arguments, **named):
        saved.append(named)
        if len(saved) == 3:  # the first checkpoint is two files, outputs and state
            raise KeyboardInterrupt
        savez(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", until_the_second_checkpoint)
        stopped = interdyn(*command)
    assert stopped.exit_code == 130
    assert stopped.stderr.strip() == (
        f"interdyn: interrupted; 1 of {total} checkpoints are kept, and the same command goes on "
        "from there."
    )
    assert interdyn(*command).exit_code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import math\n\nraise RuntimeError('boo\\nhoo')\n", ", line 3: RuntimeError: boo hoo"),
        ("def f():\n    return 1 / 0\nf()", ", line 2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", ", line 2: JSONDecodeError: Expecting property"),
        ("x = 1\nx = = 2\n", ", line 2: SyntaxError: invalid syntax"),
        ("raise SystemExit('no')", ", line 1: SystemExit: no"),
    ],
)
def test_a_script_that_fails_is_named_with_its_line(tmp_path, monkeypatch, content, message):
    script = tmp_path / "bad.py"
    script.write_text(content)
    command = ("measure", "--out", tmp_path / "run", "--script", script)
    refused(interdyn(*command), f"interdyn: {script}{message}")
    monkeypatch.setenv("INTERDYN_DEBUG", "1")
    assert interdyn(*command).exception.__cause__ is not None


def test_the_next_command_can_be_pasted(tmp_path):
    """Also with a space in the path; and a single checkpoint, too few for a fit, is exported."""
    source = tmp_path / "measurement.npz"
    for checkpoints, following in ((2, "fit"), (1, "export")):
        np.savez(source, outputs=np.ones((checkpoints, 1, 4)), epochs=np.arange(checkpoints))
        done = interdyn("extract", source, "--out", tmp_path / "with space", "--overwrite")
        command = done.stdout.partition("Next: ")[2]
        path = str(tmp_path / "with space" / "interactions.npz")
        assert shlex.split(command) == ["interdyn", following, path]
    assert interdyn(*shlex.split(command)[1:]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["measure"], "interdyn measure: Missing option '--out'. See interdyn measure --help."),
        (["extract"], "interdyn extract: Missing argument 'MEASUREMENT'."),
        (["measure", "--ou", "x"], "interdyn measure: No such option: --ou (Possible options: "),
        (["measur"], "interdyn: No such command 'measur'. Did you mean 'measure'? See interdyn "),
        (["measure", "--out", "x", "--seed", "y"], "Invalid value for '--seed': "),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, line):
    result = interdyn(*arguments)
    assert result.exit_code == 2
    assert line in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_whole_at_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = interdyn(command, "--help").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert not [line for line in text.splitlines() if line.rstrip(" │").endswith("…")]
    assert "<bool>" not in text
    assert "{" not in text


def test_no_command_is_answered_by_help():
    result = interdyn()
    assert result.exit_code == 2
    assert all(command in result.stdout for command in COMMANDS)
    assert "<bool>" not in result.stdout
    assert not result.stderr


def test_python_m_sim_is_interdyn():
    for arguments, expected in ((["--help"], "measure"), (["--version"], "0.")):
        done = subprocess.run(
            [sys.executable, "-m", "sim", *arguments], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
