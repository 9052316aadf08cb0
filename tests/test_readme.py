"""The README's example prints what the README says."""

import contextlib
import io
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


@pytest.mark.slow
def test_the_theory_beside_null_models():
    measured = sim.Measurement.load(ROOT / "notebooks/measurements/digits-mlp.npz")
    found = sim.extract_interactions(measured.outputs)
    assert found.converged.all()
    fit = sim.fit_noise(found.i_and, found.i_or, measured.outputs, measured.epochs, resamples=0)
    away = [one.total_variation[fit.tested] for one in (fit, fit.other)]
    shown = numbers(r"the total variation (is [\d.]+ in the median .+ with the highest)")
    expected = [f(end) for end in away for f in (np.median, np.max)]
    np.testing.assert_allclose(shown, expected, atol=0.01)  # what the instrument may be off
    medians = [
        np.median(fit.nulls[name].total_variation[fit.tested])
        for name in ("tilt", "cut_off", "frozen")
    ]
    shown = numbers(r"the interactions has a median (of [\d.]+ on .+ frozen target [\d.]+)")
    np.testing.assert_allclose(shown, medians, atol=0.01)


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
