"""The README's example prints what the README says."""

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import sim
import theory
from sim.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_prints_what_is_shown():
    example, printed = blocks("python")[0], blocks("text")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(example, {})
    assert out.getvalue() == printed


def test_a_network_is_followed_as_is_shown():
    """With a small network of the reader's own."""
    torch = pytest.importorskip("torch")
    names = {
        "sim": sim,
        "network": torch.nn.Linear(3, 2),
        "images": np.random.default_rng(0).normal(size=(5, 3)),
        "players": sim.tabular_features(3, 3),
        "labels": np.array([0, 1, 0, 1, 0]),
        "epoch": 0,
        "train_loss": 1.5,
        "test_loss": 1.6,
    }
    example = next(block for block in blocks("python") if "sim.Monitor(" in block)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(example, names)
    assert out.getvalue().startswith("epoch 0: mean order ")
    assert out.getvalue().count("\n") == 1
    assert names["report"].as_dict()["test_loss"] == 1.6


def test_the_length_and_the_pictures():
    assert len(README.splitlines()) <= 150
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size > 10_000


def test_the_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    shell = "\n".join(blocks("sh"))
    targets = set(re.findall(r"\bmake ([a-z-]+)", shell))
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    commands = set(re.findall(r"^interdyn (\w+)", shell, flags=re.MULTILINE))
    assert commands >= {"measure", "extract", "fit", "figures"}
    assert commands <= {command.name for command in app.registered_commands}


def numbers(pattern):
    """The numbers in the README's sentence that fits a pattern, line ends folded."""
    found = re.search(pattern, " ".join(README.split()))
    assert found, pattern
    return [float(x) for x in re.findall(r"\d+(?:\.\d+)?", found.group(1))]


@pytest.mark.slow
def test_where_proposition_1_fails():
    fails = {n: theory.norm_ratio_violations(n) for n in range(9, 15)}
    below = [min(n for n, f in fails.items() if k in f.orders_below_one) for k in range(4)]
    bent = [min(n for n, f in fails.items() if k in f.orders_not_increasing) for k in range(4)]
    assert numbers(r"k = 0, 1, 2, 3 from n = ([\d, ]+), and") == below
    assert numbers(r"stops increasing from n = ([\d, ]+);") == bent


NULLS = ("frozen", "tilt", "cut_off")
NETWORKS = ("digits-mlp", "digits-cnn", "digits-transformer", "breast-cancer-mlp")


def committed(network):
    path = ROOT / f"notebooks/measurements/{network}.fit.json"
    return json.loads(path.read_text(encoding="utf-8"))


def distances(network, end=None):
    """Total variation of the theory at every checkpoint that is tested."""
    tested = [r for r in committed(network)["checkpoints"] if r["tested"]]
    return np.array([(r if end is None else r[end])["total_variation"] for r in tested])


def test_the_theory_is_as_far_off_as_is_said():
    shown = numbers(r"the total variation (is [\d.]+ in the median .+ with the highest)")
    away = [distances("digits-mlp", end) for end in (None, "other")]
    expected = [f(end) for end in away for f in (np.median, np.max)]
    np.testing.assert_allclose(shown, expected, atol=6e-4)
    shown = numbers(r"on the CNN, the transformer and the table's MLP (.+?)\)\.")
    ends = (None, "other")
    away = [distances(network, end) for end in ends for network in NETWORKS[1:]]
    expected = [f(one) for one in away for f in (np.median, np.max)]
    np.testing.assert_allclose(shown, expected, atol=6e-3)


def test_null_models_are_as_near_as_is_said():
    shown = numbers(r"the interactions has a median (of [\d.]+ on .+ frozen target [\d.]+)")
    tested = [r for r in committed("digits-mlp")["checkpoints"] if r["tested"]]
    medians = [
        np.median([r["nulls"][name]["total_variation"] for r in tested])
        for name in ("tilt", "cut_off", "frozen")
    ]
    np.testing.assert_allclose(shown, medians, atol=6e-4)


def test_the_frozen_target_alone_is_worse_at_both_ends():
    paths = (ROOT / "notebooks/measurements").glob("*.fit.json")
    verdicts = [committed(path.name.removesuffix(".fit.json"))["overall"] for path in paths]
    worse = [sum(v[name]["verdict"] == "better" for v in verdicts) for name in NULLS]
    shown = numbers(r"whichever end is taken, on (\d of \d) networks")
    assert [worse[0], len(verdicts)] == shown
    assert worse[1:] == [0, 0]


def test_patterns_and_boundaries_are_as_is_said():
    found = [committed(network)["phases"] for network in NETWORKS]
    assert [phases["pattern"] for phases in found] == ["two-phase"] * 2 + ["rises", "two-phase"]
    for network in ("image-vit", "text-transformer", "text-gru"):
        assert committed(network)["phases"]["pattern"] == "rises"
    for network in ("image-vgg", "points-pointnet"):
        assert committed(network)["phases"]["pattern"] == "undetermined"
    shown = numbers(r"minimum at the epochs? (.+?) of its three training runs")
    assert shown == found[0]["run_boundaries"]


@pytest.mark.slow
def test_committed_fits_are_what_the_package_finds():
    """At a few checkpoints, of all inputs in all runs; none hangs on the others."""
    measured = sim.Measurement.load(ROOT / "notebooks/measurements/digits-mlp.npz")
    records = committed("digits-mlp")["checkpoints"]
    at = np.array([0, 5, 10, len(records) - 1])
    outputs = measured.outputs[at]
    found = sim.extract_interactions(outputs)
    assert found.converged.all()
    options = {"runs": measured.runs, "both_ends": False, "resamples": 0}
    fit = sim.fit_noise(found.i_and, found.i_or, outputs, measured.epochs[at], **options)
    away = [records[i]["total_variation"] for i in at]
    np.testing.assert_allclose(fit.total_variation, away, atol=0.01)  # the instrument's own error
    shares = [records[i]["measured"] for i in at]
    np.testing.assert_allclose(fit.measured, shares, atol=0.01)


@pytest.mark.slow
def test_what_the_outputs_leave_open():
    measured = sim.Measurement.load(ROOT / "notebooks/measurements/digits-mlp.npz")
    found = sim.split_uncertainty(measured.outputs[-1, :2])
    strength = np.asarray(found.strength).mean(axis=0)[2]  # AND and OR together
    low, high = np.asarray(found.attained).mean(axis=0)[2].T
    shown = numbers(
        r"the strength of order 1, ([\d.]+, could be anything from [\d.]+ to [\d.]+) at"
    )
    np.testing.assert_allclose(shown, [strength[0], low[0], high[0]], atol=0.1)
    width = (high - low) / strength
    assert np.all(width[2:6] < 0.35)
    assert np.all(width[:2] > 1)
