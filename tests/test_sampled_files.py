"""Measurements of some of the masked inputs, and what every command makes of them."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from test_recording import SCRIPT, killed_at
from typer.testing import CliRunner

import sim
from sim.cli import app
from sim.figures import sampled_figure
from sim.measurement import Measurement

N, EPOCHS = 8, [0, 1, 2, 4, 8, 16, 32]
SETS = sim.sample_masks(N, 72)
BOUND = 1e-3


def interdyn(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def planted(epoch, scale):
    """Single players that stay and an AND of three that grows, v on the sets."""

    def held(key):
        return np.where((SETS & key) == key, 1.0, 0.0)

    return scale * (held(1) + held(4) - (SETS & 192 > 0)) + 0.1 * epoch * held(0b111000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Measured and extracted: noise at epoch 0, and sparse interactions after it."""
    path = tmp_path_factory.mktemp("sampled")
    noise = np.random.default_rng(0).normal(size=(2, len(SETS)))
    later = [[planted(epoch, 1.0), planted(epoch, 1.2)] for epoch in EPOCHS[1:]]
    shuffled = np.random.default_rng(1).permutation(len(SETS))
    np.savez(  # in no order, as anyone may write it
        path / "measurement.npz",
        outputs=np.array([noise, *later])[..., shuffled],
        epochs=EPOCHS,
        sets=SETS[shuffled],
        player_names=list("abcdefgh"),
    )
    done = interdyn("extract", path / "measurement.npz", "--noise-bound", BOUND, "--json")
    assert done.exit_code == 0, done.stderr
    (path / "extract.json").write_text(done.stdout)
    return path


def test_sets_are_kept_in_order_and_tell_the_number_of_players():
    outputs = np.arange(8.0).reshape(2, 1, 4) - 1
    found = Measurement(outputs, [0, 1], sets=[31, 0, 5, 16])
    assert (found.n, found.sets.tolist()) == (5, [0, 5, 16, 31])
    assert found.outputs[0, 0].tolist() == [0, 1, 2, -1]
    assert found.at(np.array([1])).outputs[0, 0].tolist() == [4, 5, 6, 3]
    whole = Measurement(outputs, [0, 1], sets=[3, 0, 1, 2])  # all there are
    assert whole.sets is None
    assert whole.outputs[0, 0].tolist() == [0, 1, 2, -1]


WRONG = {
    "no N": ([0, 1, 2, 6], "`sets` must hold that of all players, 7, but does not"),
    "no empty set": ([1, 2, 3, 7], "`sets` must hold the empty set, 0, but does not"),
    "twice": ([0, 1, 1, 7], "`sets` must be different from each other"),
    "negative": ([0, -1, 2, 7], "`sets` must lie from 0"),
    "floats": ([0.0, 1.0, 2.0, 7.0], "`sets` must be integers"),
    "another number": ([0, 1, 7], "`outputs` must have a last axis of size 3, one entry for each"),
    "too many players": ([0, 1, 2, 2**25 - 1], "`sets` must be of at most 24 players"),
}


@pytest.mark.parametrize("case", WRONG)
def test_sets_that_cannot_be(case, tmp_path):
    sets, words = WRONG[case]
    path = tmp_path / "m.npz"
    np.savez(path, outputs=np.zeros((1, 1, 4)), epochs=[0], sets=sets)
    with pytest.raises(ValueError, match=words) as error:
        Measurement.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_measurement_of_some_sets_comes_back_as_it_was(tmp_path):
    sets = sim.sample_masks(6, 20)
    one = Measurement(np.random.default_rng(0).normal(size=(2, 3, 20)), [0, 4], sets=sets)
    one.save(tmp_path / "m.npz")
    again = Measurement.load(tmp_path / "m.npz")
    assert again.sets.tolist() == sets.tolist()
    np.testing.assert_array_equal(again.outputs, one.outputs)
    both = Measurement.of_runs([one, again])
    assert (both.runs, both.n, both.sets.tolist()) == (2, 6, sets.tolist())
    other = Measurement(one.outputs, [0, 4], sets=sim.sample_masks(6, 20, seed=1))
    with pytest.raises(ValueError, match="have the same sets"):
        Measurement.of_runs([one, other])
    with pytest.raises(ValueError, match="holds 20 of them"):
        sim.near_dummies(one)
    np.savez(tmp_path / "slip.npz", outputs=one.outputs, epochs=[0, 4], set=sets)
    with pytest.raises(ValueError, match="`sets` is meant"):
        Measurement.load(tmp_path / "slip.npz")


def measured(tmp_path, out, *more):
    (tmp_path / "mine.py").write_text(SCRIPT)
    script = ("--script", tmp_path / "mine.py", "--experiment", "wandering", "--epochs", "0,1,4")
    given = (*script, "--samples", 2, "--players", 4, "--out", tmp_path / out)
    return interdyn("measure", *given, *more)


def test_the_command_measures_chosen_masks_of_every_checkpoint_run_and_sample(tmp_path):
    assert measured(tmp_path, "all", "--seeds", 2).exit_code == 0
    done = measured(tmp_path, "some", "--seeds", 2, "--masks", 7, "--masks-by", "uniform")
    assert "× 7 of 2^4 masked inputs" in done.stdout
    whole, some = (Measurement.load(tmp_path / f / "measurement.npz") for f in ("all", "some"))
    assert some.sets.tolist() == sim.sample_masks(4, 7, seed=0, by="uniform").tolist()
    np.testing.assert_array_equal(some.outputs, whole.outputs[..., some.sets])
    assert measured(tmp_path, "sizes", "--masks", 9, "--seed", 3).exit_code == 0
    sizes = Measurement.load(tmp_path / "sizes" / "measurement.npz")
    assert sizes.sets.tolist() == sim.sample_masks(4, 9, seed=3, by="size").tolist()
    for more, words in (
        (("--masks", 17), "--masks must be at most 2^4 = 16, as many as 4 players have"),
        (("--masks", 1), "--masks must be at least 2"),
        (("--masks", 8, "--masks-by", "order"), "--masks-by must be one of size, uniform"),
        (("--masks-by", "size"), "--masks-by must be left out where all masked inputs"),
    ):
        refused = measured(tmp_path, "wrong", *more)
        assert refused.exit_code == 2
        assert words in refused.stderr


def test_a_killed_measurement_of_some_masks_goes_on(tmp_path, monkeypatch):
    assert measured(tmp_path, "whole", "--masks", 7).exit_code == 0
    monkeypatch.setattr(np, "savez", killed_at(np.savez, 5))
    assert measured(tmp_path, "out", "--masks", 7).exit_code == 130
    monkeypatch.undo()
    assert len(list((tmp_path / "out/.measurement-parts").glob("epoch-*"))) == 2
    for other in (("--masks", 8), ("--masks", 7, "--masks-by", "uniform"), ()):
        refused = measured(tmp_path, "out", *other)
        assert "holds an unfinished measurement with other settings" in refused.stderr
    assert measured(tmp_path, "out", "--masks", 7).exit_code == 0
    first, resumed = (tmp_path / name / "measurement.npz" for name in ("whole", "out"))
    assert first.read_bytes() == resumed.read_bytes()


def test_saved_checkpoints_are_measured_on_chosen_masks_too(tmp_path):
    script = tmp_path / "saved.py"
    script.write_text("""
from sim import tabular_features
from sim.experiments import SavedNetwork, register_saved

@register_saved("lines")
def lines(settings):
    def load(path):
        slope = float(path.read_text())
        return lambda x: slope * x.sum(axis=1) ** 2

    return SavedNetwork([[1.0] * 20] * settings.samples, tabular_features(20, 20), load)
""")
    for step in (1, 2):
        (tmp_path / f"step-{step}").write_text(str(step))
    given = ("--script", script, "--experiment", "lines", "--samples", 1, "--out", tmp_path)
    done = interdyn("measure", "--checkpoints", f"{tmp_path}/step-*", *given, "--masks", 300)
    assert done.exit_code == 0, done.stderr
    found = Measurement.load(tmp_path / "measurement.npz")
    assert found.n == 20
    sizes = np.bitwise_count(found.sets).astype(float)
    np.testing.assert_allclose(found.outputs[:, 0], [sizes**2, 2 * sizes**2])


def test_extract_tells_orders_where_the_masks_are_enough_and_nothing_elsewhere(folder):
    result = json.loads((folder / "extract.json").read_text())
    first, *later = result["checkpoints"]
    assert first["enough"] == 0
    assert first["mean_order"] is None
    assert set(first["distribution"]) == {None}
    assert max(first["held_out"]) < 0.5
    for checkpoint in later:
        assert checkpoint["enough"] == 2
        assert min(checkpoint["held_out"]) > 0.99
        third = 2 * 0.1 * checkpoint["epoch"]  # of both samples, beside 1 and 1.2 times three
        shares = np.array([4.4, 2.2, third]) / (6.6 + third)
        np.testing.assert_allclose(checkpoint["distribution"][:3], shares, atol=0.01)
        np.testing.assert_allclose(checkpoint["mean_order"], shares @ [1, 2, 3], atol=0.02)
    assert result["phases"]["pattern"] in ("undetermined", "rises")
    assert len(result["phases"]["mean_order"]) == len(later)
    found = sim.load_interactions(folder / "interactions.npz")
    assert isinstance(found, sim.SampledInteractions)
    assert found.known.tolist() == [False] + [True] * len(later)
    said = found.extraction.predict(SETS)[1:, 0]
    np.testing.assert_allclose(said, [planted(epoch, 1.0) for epoch in EPOCHS[1:]], atol=0.05)
    np.testing.assert_array_equal(
        found.extraction.held_out, [c["held_out"] for c in result["checkpoints"]]
    )


def test_several_processes_share_extraction_from_some_masks(folder, tmp_path):
    """The same bytes as of one, and nothing done twice by a process that comes again."""
    command = ("extract", folder / "measurement.npz", "--noise-bound", BOUND, "--out", tmp_path)
    command += ("--num-processes", 2, "--process-id")
    parts = tmp_path / ".interactions-parts"
    done = interdyn(*command, 1)
    assert "nothing is left to do" in done.stdout, done.stderr
    assert not (tmp_path / "interactions.npz").exists()
    there = sorted(parts.glob("extract-sampled-low-*.npz"))
    assert len(there) == 2 * len(EPOCHS)
    there[3].unlink()
    before = {path: path.stat().st_mtime_ns for path in there[:3] + there[4:]}
    assert interdyn(*command, 1).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert interdyn(*command, 0).exit_code == 0
    alone, shared = (path / "interactions.npz" for path in (folder, tmp_path))
    assert shared.read_bytes() == alone.read_bytes()


def test_figures_show_and_say_where_the_masks_were_enough(folder, tmp_path):
    done = interdyn("figures", folder / "interactions.npz", "--out", tmp_path, "--format", "png")
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "orders.png",
        "interactions_over_epochs.png",
    }
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["0", "–", "–", "–", "–", "–"] in [row[:6] for row in rows]
    text = " ".join(done.stdout.split())
    assert "Shares of strength by order, from 72 of 2^8 masks" in text
    assert "The masks are not enough at epoch 0" in text
    assert "orders are left out" in text
    assert "a phase at those left out is not seen: " in text
    refused = interdyn(
        "figures", folder / "interactions.npz", "--out", tmp_path, "--epochs", 0, "--overwrite"
    )
    assert refused.exit_code == 2
    assert "--epochs must be of 1, 2, 4, 8, 16, 32, where the masks were enough" in refused.stderr


def test_the_figure_has_bars_where_shares_are_known():
    shares = np.array([[np.nan, np.nan], [0.25, 0.75], [0.5, 0.5]])
    figure = sampled_figure([0, 1, 2], shares, [[-3.0], [0.95], [np.nan]], 0.9)
    left, right = figure.subfigs
    bars = [[bar.get_height() for bar in ax.patches] for ax in left.axes if ax.get_visible()]
    assert bars == [[0.25, 0.75], [0.5, 0.5]]
    assert right.axes[0].lines[1].get_ydata().tolist() == [0, 0.95, 0]
    np.testing.assert_array_equal(right.axes[1].lines[0].get_ydata(), [np.nan, 1.75, 1.5])


def test_nothing_is_said_of_orders_where_the_masks_are_nowhere_enough(tmp_path):
    outputs = np.random.default_rng(0).normal(size=(3, 1, 40))
    sets = sim.sample_masks(7, 40)
    Measurement(outputs, [0, 1, 2], sets=sets).save(tmp_path / "measurement.npz")
    done = interdyn("extract", tmp_path / "measurement.npz")
    text = " ".join(done.stdout.split())
    assert "The masks are not enough at any checkpoint" in text
    assert "nothing is said of orders" in text
    assert "phase" not in text
    drawn = interdyn("figures", tmp_path / "interactions.npz", "--format", "svg")
    assert drawn.exit_code == 0, drawn.stderr
    assert [path.name for path in tmp_path.glob("*.svg")] == ["orders.svg"]


def test_explain_names_interactions_their_past_and_both_ends(folder):
    path = folder / "interactions.npz"
    result = json.loads(interdyn("explain", path, "--sample", 1, "--json").stdout)
    assert result["held_out"] > 0.99
    first = result["top"][0]
    assert (first["kind"], first["players"]) == ("AND", ["d", "e", "f"])
    np.testing.assert_allclose(first["history"][1:], 0.1 * np.array(EPOCHS[1:]), atol=0.02)
    ors = {tuple(one["players"]): one for one in result["top"] if one["kind"] == "OR"}
    np.testing.assert_allclose(ors["g", "h"]["value"], -1.2, atol=0.02)
    alone = next(one for one in result["top"] if one["players"] == ["a"])
    other = planted(EPOCHS[-1], 1.2)
    high = sim.extract_sampled(SETS, other, N, BOUND, prefer="high")
    expected = dict(zip(high.and_sets.tolist(), high.i_and.tolist(), strict=True)).get(1, 0.0)
    np.testing.assert_allclose(alone["other"], expected, atol=1e-6)
    said = interdyn("explain", path, "--epoch", 0, "--no-both-ends").stdout
    assert "The masks are not enough for this sample" in said
    assert "The masks were enough for this sample" in interdyn("explain", path).stdout


def test_export_leaves_out_what_is_not_known(folder, tmp_path):
    done = interdyn("export", folder / "interactions.npz", "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    with open(tmp_path / "strengths.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted({float(row["epoch"]) for row in rows}) == EPOCHS[1:]
    at_last = {(row["part"], row["order"]): float(row["strength"]) for row in rows}
    np.testing.assert_allclose(at_last["or", "2"], 1.1, atol=0.02)
    np.testing.assert_allclose(at_last["and", "3"], 3.2, atol=0.02)
    np.testing.assert_allclose(
        at_last["both", "2"], at_last["and", "2"] + at_last["or", "2"], rtol=1e-12
    )


@pytest.mark.parametrize(
    "command",
    [
        ("fit", "FILE"),
        ("compare", "FILE", "FILE"),
        ("generalization", "FILE", "--reference", "FILE"),
        ("simulate", "--interactions", "FILE"),
    ],
    ids=lambda command: command[0],
)
def test_what_needs_all_masked_inputs_says_so_in_a_line(folder, tmp_path, command):
    path = folder / "interactions.npz"
    words = [path if word == "FILE" else word for word in command]
    refused = interdyn(*words, *(() if command[0] == "compare" else ("--out", tmp_path / "out")))
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "comes from some of the masked inputs, and this needs all 2^n" in refused.stderr
    assert "interdyn figures (orders and phases), explain and export" in refused.stderr


def test_figures_of_a_file_that_has_none(folder, tmp_path):
    np.savez(tmp_path / "whole.npz", outputs=np.zeros((1, 1, 4)), epochs=[0])
    refused = interdyn("figures", tmp_path / "whole.npz")
    assert "has no figures of its own; those of its fit need a fit.json" in refused.stderr
    refused = interdyn("figures", folder / "measurement.npz")
    assert "A measurement becomes interactions by `interdyn extract`" in refused.stderr


def test_split_needs_all_masked_inputs(folder, tmp_path):
    given = ("extract", folder / "measurement.npz", "--out", tmp_path, "--split", 1)
    assert "--split needs all 2^n masked inputs" in interdyn(*given).stderr


def test_interactions_come_back_as_they_were(folder, tmp_path):
    found = sim.SampledInteractions.load(folder / "interactions.npz")
    found.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (folder / "interactions.npz").read_bytes()
    with pytest.raises(TypeError, match="of type Measurement"):
        sim.SampledInteractions(None, found.extraction, {})
    whole = Measurement(np.zeros((7, 2, 2**N)), EPOCHS)
    with pytest.raises(ValueError, match="holds all 2"):
        sim.SampledInteractions(whole, found.extraction, {})
    dense = sim.Extraction(*[np.zeros((7, 2, 72)) for _ in dataclasses.fields(sim.Extraction)])
    with pytest.raises(ValueError, match="holds 72 of 2"):
        sim.Interactions(found.measurement, dense, {})


BROKEN = {
    "sets beyond": ({"and_sets": lambda sets: sets + 2**N}, "`and_sets` must lie from 1 to"),
    "no sets": ({"or_sets": lambda sets: sets + 0.5}, "`or_sets` must be integers"),
    "values": ({"i_and": lambda values: values[..., 1:]}, "`i_and` must have shape"),
    "not finite": ({"i_or": lambda values: values * np.nan}, "`i_or` must be finite"),
    "fits": ({"held_out": lambda fits: fits[0]}, "`held_out` must have shape"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_do_not_fit_together(folder, tmp_path, case):
    changes, words = BROKEN[case]
    with np.load(folder / "interactions.npz") as held:
        arrays = dict(held)
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    path = Path(tmp_path, "interactions.npz")
    np.savez(path, **arrays)
    refused = interdyn("explain", path)
    assert refused.exit_code == 2
    assert f"{path}: {words}" in refused.stderr


@pytest.mark.slow
def test_the_page_shows_what_the_command_prints(tmp_path, monkeypatch):
    page = (Path(__file__).parent.parent / "docs/howto/many-players.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    exec(page.split("```python\n")[1].split("```")[0], {})
    printed = [line.split() for line in interdyn("extract", "measurement.npz").stdout.splitlines()]
    shown = [line.split() for line in page.split("Shares of strength")[1].splitlines()]
    rows = [line[:-1] for line in shown if line and line[0] in ("0", "1", "4", "16")]  # but the gap
    assert len(rows) == 4
    for row in rows:
        assert row in [line[:-1] for line in printed]
