"""Recording a training run: killed and resumed, refused, and against direct evaluation."""

import dataclasses
import errno
import functools
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from sim import machine
from sim.checks import ArgumentError
from sim.cli import app
from sim.experiments import (
    Checkpoint,
    Experiment,
    Settings,
    State,
    forget_saved,
    prepare,
    save_recording,
)
from sim.experiments._recording import record
from sim.experiments._unfinished import Checkpoints
from sim.files import only_writer
from sim.measurement.measurement import Measurement
from sim.measurement.players import tabular_features

EPOCHS = (0, 2, 3, 7)


class Run:
    """A linear "network" whose weights wander; counts its epochs, and stops where it is told to."""

    def __init__(self, stop_after=None, states=True, label_noise=0.05):
        self.stop_after, self.states, self.label_noise = stop_after, states, label_noise
        self.trained = []

    def train(self, progress, state):
        start = 0 if state is None else state.epoch + 1
        weights = np.zeros((4, 3)) if state is None else state.arrays[0]
        for epoch in range(start, EPOCHS[-1] + 1):
            if epoch:
                weights = weights + np.random.default_rng(epoch).normal(size=(4, 3))
                self.trained.append(epoch)
                progress(epoch, EPOCHS[-1])
            if epoch in EPOCHS:
                kept = State(epoch, (weights,)) if self.states else None
                yield Checkpoint(
                    epoch, lambda x, w=weights: x @ w, epoch + 0.5, 2.0, 0.1, 0.2, state=kept
                )
                if epoch == self.stop_after:
                    raise KeyboardInterrupt

    @property
    def experiment(self):
        inputs = np.random.default_rng(0).normal(size=(3, 4))
        return Experiment(
            inputs,
            np.array([0, 2, 1]),
            tabular_features(4, 3),
            EPOCHS,
            self.train,
            {"label_noise": self.label_noise},
        )


class Runs(Run):
    """The same from several seeds; the run that is to stop is that of the seed `stop_seed`."""

    def __init__(self, stop_seed=None, stop_after=None, states=True):
        super().__init__(states=states)
        self.stop = (stop_seed, stop_after)

    def seeded(self, seed):
        def train(progress, state):
            start = 0 if state is None else state.epoch + 1
            weights = np.full((4, 3), float(seed)) if state is None else state.arrays[0]
            for epoch in range(start, EPOCHS[-1] + 1):
                if epoch:
                    weights = weights + np.random.default_rng((epoch, seed)).normal(size=(4, 3))
                    self.trained.append((seed, epoch))
                    progress(epoch, EPOCHS[-1])
                if epoch in EPOCHS:
                    kept = State(epoch, (weights,)) if self.states else None
                    yield Checkpoint(
                        epoch, lambda x, w=weights: x @ w, epoch + seed, 2.0, 0.1, 0.2, state=kept
                    )
                    if (seed, epoch) == self.stop:
                        raise KeyboardInterrupt

        return train

    @property
    def experiment(self):
        return dataclasses.replace(super().experiment, seeded=self.seeded)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of an uninterrupted run."""
    path = tmp_path_factory.mktemp("whole") / "m.npz"
    record(Run().experiment, {"seed": 3}).save(path)
    return path.read_bytes()


def saved(measurement, folder):
    measurement.save(folder / "m.npz", overwrite=True)
    return (folder / "m.npz").read_bytes()


def test_a_recording_holds_what_the_network_says():
    steps = []
    got = record(Run().experiment, {"seed": 3}, lambda *step: steps.append(step))
    weights = np.cumsum(
        [np.random.default_rng(e).normal(size=(4, 3)) if e else np.zeros((4, 3)) for e in range(8)],
        axis=0,
    )
    experiment = Run().experiment
    regions = experiment.masking.regions
    for c, epoch in enumerate(EPOCHS):
        for sample, label in enumerate([0, 2, 1]):
            for s in range(8):
                x = experiment.inputs[sample].copy()
                for player in range(3):
                    if not (s >> player) & 1:
                        x[regions[player]] = 0
                odds = np.exp(x @ weights[epoch])
                expected = np.log(odds[label] / (odds.sum() - odds[label]))
                np.testing.assert_allclose(got.outputs[c, sample, s], expected, atol=1e-12)
    assert got.train_loss.tolist() == [0.5, 2.5, 3.5, 7.5]
    assert got.metadata == {"label_noise": 0.05, "seed": 3}
    assert [s for s in steps if s[0] == "measure"] == [("measure", i, 12) for i in range(1, 13)]


@pytest.mark.parametrize("stop_after", EPOCHS)
@pytest.mark.parametrize("states", [True, False])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, whole, stop_after, states):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Run(stop_after, states).experiment, {"seed": 3}, folder=folder)
    again, steps = Run(states=states), []
    done = record(again.experiment, {"seed": 3}, lambda *step: steps.append(step), folder=folder)
    assert saved(done, tmp_path) == whole
    if states:  # what was trained before the last checkpoint is not trained again
        assert again.trained == list(range(stop_after + 1, 8))
    measured = [s[1] for s in steps if s[0] == "measure"]
    assert measured == sorted(set(measured))
    assert measured[-1] == 12


def test_several_runs_are_those_of_their_seeds_one_after_the_other():
    steps = []
    got = record(
        Runs().experiment, {"seed": 5}, lambda *step: steps.append(step), seeds=range(5, 8)
    )
    assert (got.runs, got.input_count) == (3, 3)
    assert got.metadata == {"label_noise": 0.05, "seed": 5, "seeds": [5, 6, 7]}
    assert got.labels.tolist() == [0, 2, 1] * 3
    alone = [
        record(dataclasses.replace(Runs().experiment, train=Runs().seeded(seed)), {})
        for seed in (5, 6, 7)
    ]
    np.testing.assert_array_equal(got.outputs, np.hstack([one.outputs for one in alone]))
    np.testing.assert_array_equal(got.train_loss, np.add.outer([5, 6, 7], EPOCHS))
    names = list(dict.fromkeys(step[0] for step in steps))
    assert names == [f"run {i} of 3: {what}" for i in (1, 2, 3) for what in ("measure", "train")]
    measured = [step for step in steps if step[0] == "run 2 of 3: measure"]
    assert measured == [("run 2 of 3: measure", i, 12) for i in range(1, 13)]


@pytest.mark.parametrize("stop_after", EPOCHS)
@pytest.mark.parametrize("states", [True, False])
def test_several_runs_that_were_killed_go_on_in_the_run_they_had_come_to(
    tmp_path, stop_after, states
):
    folder, seeds = tmp_path / "parts", [5, 6, 7]
    never = saved(record(Runs().experiment, {}, seeds=seeds), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        record(Runs(6, stop_after, states).experiment, {}, seeds=seeds, folder=folder)
    again = Runs(states=states)
    done = record(again.experiment, {}, seeds=seeds, folder=folder)
    assert saved(done, tmp_path) == never
    left = range(stop_after + 1 if states else 1, EPOCHS[-1] + 1)
    second = [] if stop_after == EPOCHS[-1] else [(6, epoch) for epoch in left]
    assert [at for at in again.trained if at[0] != 7] == second  # nothing of the first run
    assert [at for at in again.trained if at[0] == 7] == [(7, epoch) for epoch in range(1, 8)]


def test_checkpoints_of_other_seeds_are_never_used(tmp_path):
    folder = tmp_path / "out" / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Runs(6, 3).experiment, {}, seeds=[5, 6], folder=folder)
    for seeds in ([6, 5], [5, 6, 7], None):
        with pytest.raises(ValueError, match="holds an unfinished measurement with other settings"):
            record(Runs().experiment, {}, seeds=seeds, folder=folder)
    done = record(Runs().experiment, {}, seeds=[6, 5], folder=folder, discard=True)
    fresh = record(Runs().experiment, {}, seeds=[6, 5])
    np.testing.assert_array_equal(done.outputs, fresh.outputs)


@pytest.mark.parametrize(
    ("run", "seeds", "message"),
    [
        (Run, [0, 1], r"`seeds` must be left out for an experiment .* but is \[0, 1\]"),
        (Runs, [], r"`seeds` must be at least one, and each another, but is \[\]"),
        (Runs, [3, 4, 3], r"each another, but is \[3, 4, 3\]"),
        (Runs, [-1, 0], "`seeds` must be a whole number from 0 to .* but is -1"),
        (Runs, [2**63, 0], "`seeds` must be a whole number from 0 to .* but is 9"),
        (Runs, [0.5], "`seeds` must be a whole number"),
    ],
)
def test_seeds_that_nothing_can_be_trained_from(tmp_path, run, seeds, message):
    one = run()
    with pytest.raises(ArgumentError, match=message):
        record(one.experiment, {}, seeds=seeds, folder=tmp_path / "parts")
    assert one.trained == []
    assert not (tmp_path / "parts").exists()


def test_runs_that_make_no_use_of_their_seed_are_refused():
    """They would pass for networks that agree."""
    run = Runs()
    same = dataclasses.replace(run.experiment, seeded=lambda seed: run.seeded(4))
    with pytest.raises(
        ValueError, match=r"seeds 0 and 1 gave the same outputs at every checkpoint"
    ):
        record(same, {}, seeds=range(3))


def test_several_runs_that_would_not_fit_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(machine, "host_memory", lambda: 4000)  # room for one run
    run = Runs()
    record(run.experiment, {})
    with pytest.raises(ValueError, match=r"Measuring 4 × 6 × 2\^3 outputs needs"):
        record(run.experiment, {}, seeds=[0, 1])
    assert all(isinstance(epoch, int) for epoch in run.trained)


def test_a_state_older_than_the_last_checkpoint_will_do(tmp_path, whole):
    """Killed between writing a checkpoint and writing the state that belongs to it."""
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Run(2).experiment, {"seed": 3}, folder=folder)
    old = (folder / "state.npz").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        record(Run(7).experiment, {"seed": 3}, folder=folder)
    (folder / "state.npz").write_bytes(old)
    assert saved(record(Run().experiment, {"seed": 3}, folder=folder), tmp_path) == whole
    (folder / "state.npz").unlink()
    (folder / "epoch-3.npz").unlink()
    assert saved(record(Run().experiment, {"seed": 3}, folder=folder), tmp_path) == whole


def test_a_run_that_only_had_to_be_saved_is_not_trained_again(tmp_path, whole):
    record(Run().experiment, {"seed": 3}, folder=tmp_path / "parts")
    again = Run()
    assert (
        saved(record(again.experiment, {"seed": 3}, folder=tmp_path / "parts"), tmp_path) == whole
    )
    assert again.trained == []


@pytest.mark.parametrize(
    ("change", "metadata"),
    [
        (lambda e: e, {"seed": 4}),
        (lambda e: dataclasses.replace(e, inputs=e.inputs * 2), {"seed": 3}),
        (lambda e: dataclasses.replace(e, labels=e.labels[::-1]), {"seed": 3}),
        (
            lambda e: dataclasses.replace(e, masking=tabular_features(4, 3, baseline=1.0)),
            {"seed": 3},
        ),
        (lambda e: dataclasses.replace(e, masking=tabular_features(4, [1, 2, 3])), {"seed": 3}),
        (lambda e: dataclasses.replace(e, metadata={"label_noise": 0.1}), {"seed": 3}),
        (lambda e: dataclasses.replace(e, epochs=EPOCHS[:3]), {"seed": 3}),
    ],
)
def test_stale_checkpoints_are_never_used(tmp_path, change, metadata):
    folder = tmp_path / "out" / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Run(3).experiment, {"seed": 3}, folder=folder)
    run = Run()
    changed = change(run.experiment)
    with pytest.raises(ValueError, match=r"out: holds an unfinished measurement with other set"):
        record(changed, metadata, folder=folder)
    assert run.trained == []
    if len(changed.epochs) == len(EPOCHS):
        done = record(changed, metadata, folder=folder, discard=True)
        fresh = record(change(Run().experiment), metadata)
        np.testing.assert_array_equal(done.outputs, fresh.outputs)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def other_shape(path):
    with np.load(path) as arrays:
        np.savez(path, **{name: arrays[name][..., None] for name in arrays.files})


DAMAGE = {
    "truncated": truncate,
    "emptied": lambda path: path.write_bytes(b""),
    "of another shape": other_shape,
    "missing": lambda path: path.unlink(),
}


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("stop_after", [3, 7])
@pytest.mark.parametrize("name", ["epoch-0.npz", "epoch-2.npz", "epoch-3.npz", "state.npz"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_measured_again(tmp_path, whole, damage, name, stop_after):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Run(stop_after).experiment, {"seed": 3}, folder=folder)
    damage(folder / name)
    noted = (folder / name).exists() and not (name == "state.npz" and stop_after == 7)
    with warnings.catch_warnings(record=True) as notes:
        again = record(Run().experiment, {"seed": 3}, folder=folder)
    assert saved(again, tmp_path) == whole
    said = [str(note.message) for note in notes]
    assert [text.startswith(f"{folder / name}: is damaged; ") for text in said] == [True] * noted


@pytest.mark.parametrize("content", ["[]", "", "{", '"run"', '{"run": 3}', '{"other": 1}', None])
@pytest.mark.parametrize("discard", [False, True])
def test_checkpoints_of_nobody_knows_which_run_are_measured_again(
    tmp_path, whole, content, discard
):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        record(Run(3, label_noise=0.1).experiment, {"seed": 3}, folder=folder)
    if content is None:
        (folder / "run.json").unlink()
    else:
        (folder / "run.json").write_text(content)
    again = functools.partial(record, Run().experiment, {"seed": 3}, folder=folder, discard=discard)
    if discard:
        measurement = again()
    else:
        with pytest.warns(UserWarning, match=r"run\.json: is damaged; every checkpoint"):
            measurement = again()
    assert saved(measurement, tmp_path) == whole


def test_two_recordings_in_one_folder_are_refused(tmp_path, whole):
    """The second would delete the first one's checkpoints, and both go on writing."""
    run, second = Run(), Run()

    def progress(what, done, total):
        for discard in (False, True):
            with pytest.raises(ValueError, match="parts: another run is writing there"):
                record(second.experiment, {"seed": 4}, folder=tmp_path / "parts", discard=discard)

    first = record(run.experiment, {"seed": 3}, progress, folder=tmp_path / "parts")
    assert saved(first, tmp_path) == whole
    assert second.trained == []


def test_only_what_a_run_keeps_is_deleted(tmp_path):
    """Whatever folder it was given."""
    folder = tmp_path / "home"
    (folder / "seed-1").mkdir(parents=True)
    for name in ("thesis.tex", ".profile", "seed-1/notes.txt"):
        (folder / name).write_text("of a user")
    measurement = record(Runs().experiment, {}, seeds=[1, 2], folder=folder)
    save_recording(measurement, tmp_path / "m.npz", folder)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == {"thesis.tex", ".profile", "seed-1/notes.txt"}


def test_checkpoints_go_where_the_measurement_is_saved_and_nowhere_else(tmp_path, monkeypatch):
    path, folder = tmp_path / "m.npz", tmp_path / "parts"

    def killed(_):
        raise SystemExit

    measurement = record(Run().experiment, {"seed": 3}, folder=folder)
    forget_saved(path, folder)  # nothing is saved
    assert len(list(folder.glob("epoch-*.npz"))) == 4
    record(Run(label_noise=0.1).experiment, {}).save(path)
    forget_saved(path, folder)  # something else is
    assert len(list(folder.glob("epoch-*.npz"))) == 4
    monkeypatch.setattr(Checkpoints, "clear", killed)
    with pytest.raises(SystemExit):
        save_recording(measurement, path, folder)
    monkeypatch.undo()
    assert len(list(folder.glob("epoch-*.npz"))) == 4
    forget_saved(path, folder)
    assert [file.name for file in tmp_path.iterdir()] == ["m.npz"]


def test_what_training_yields_must_be_the_epochs():
    experiment = dataclasses.replace(Run().experiment, epochs=(0, 2, 5))
    with pytest.raises(ValueError, match=r"each of the epochs \[0, 2, 5\], but yielded \[0, 2, 3"):
        record(experiment, {})


def test_a_checkpoint_can_bring_its_own_inputs():
    """Masked on a feature map: what is masked changes from checkpoint to checkpoint."""
    features = {0: np.ones((3, 4)), 2: np.arange(12.0).reshape(3, 4)}

    def train(progress, state):
        for epoch, inputs in features.items():
            yield Checkpoint(epoch, lambda x: x.sum(axis=1), 0.0, 0.0, 0.0, 0.0, inputs=inputs)

    experiment = Experiment(
        np.full((3, 4), np.nan), np.array([1, 1, 0]), tabular_features(4, 4), (0, 2), train, {}
    )
    got = record(experiment, {})
    np.testing.assert_array_equal(got.outputs[:, :, -1], [[4, 4, -4], [6, 22, -38]])


def test_nan_logits_name_checkpoint_and_sample():
    def train(progress, state):
        for epoch in EPOCHS:
            yield Checkpoint(
                epoch,
                lambda x, e=epoch: np.where(x[:, :1] * (e == 3) > 0.9, np.nan, x[:, :2]),
                0.0,
                0.0,
                0.0,
                0.0,
            )

    inputs = np.zeros((3, 4))
    inputs[1, 0] = 1.0
    experiment = dataclasses.replace(
        Run().experiment, inputs=inputs, train=train, labels=np.array([0, 1, 1])
    )
    with pytest.raises(ValueError, match=r"At epoch 3: .* sample 1 has a NaN"):
        record(experiment, {})


def test_outputs_that_would_not_fit_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(machine, "host_memory", lambda: 1000)
    run = Run()
    with pytest.raises(
        ValueError,
        match=r"Measuring 4 × 3 × 2\^3 outputs needs about 2.4 KiB .*"
        r"only 0.977 KiB",
    ):
        record(run.experiment, {})
    assert run.trained == []


SCRIPT = """
import os, signal
import numpy as np
from sim.experiments import Checkpoint, Experiment, State, register
from sim import tabular_features

@register("wandering")
def wandering(settings):
    def seeded(seed):
        return lambda progress, state: train(seed, state)

    def train(seed, state):
        weights = np.ones(4) if state is None else state.arrays[0]
        start = 0 if state is None else state.epoch + 1
        for epoch in range(start, settings.epochs[-1] + 1):
            weights = weights + np.random.default_rng((epoch, seed)).normal(size=4)
            if epoch in settings.epochs:
                def score(x, weights=weights, epoch=epoch):
                    if epoch == 4 and os.environ.get("KILLED") == str(seed):
                        os.kill(os.getpid(), signal.SIGKILL)
                    return np.tanh(x @ weights)
                yield Checkpoint(epoch, score, 1.0, 1.0, 0.5, 0.5, state=State(epoch, (weights,)))

    inputs = np.random.default_rng(settings.seed).normal(size=(settings.samples, 4))
    labels = np.ones(settings.samples, dtype=int)
    masking = tabular_features(4, settings.players)
    run = seeded(settings.seed)
    metadata = {"network": "none"}
    return Experiment(inputs, labels, masking, settings.epochs, run, metadata, seeded=seeded)
"""


def wandering(folder, epochs, out, *more):
    """The command that measures the script's experiment, which is written into the folder."""
    script = folder / "mine.py"
    script.write_text(SCRIPT)
    small = ["--samples", "2", "--players", "3", "--epochs", epochs]
    begin = ["measure", "--experiment", "wandering", "--script", str(script)]
    return [*begin, *small, "--out", str(out), *more]


def test_a_killed_command_resumes_with_a_users_own_experiment(tmp_path):
    arguments = functools.partial(wandering, tmp_path, "0,1,4,6")

    killed = subprocess.run(
        [sys.executable, "-m", "sim", *arguments(tmp_path / "killed")],
        env=os.environ | {"KILLED": "0"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    parts = tmp_path / "killed" / ".measurement-parts"
    assert sorted(p.name for p in parts.glob("epoch*")) == ["epoch-0.npz", "epoch-1.npz"]
    assert not (tmp_path / "killed" / "measurement.npz").exists()

    other = CliRunner().invoke(
        app, arguments(tmp_path / "killed", "--label-noise", "0.2", "--players", "2")
    )
    assert other.exit_code == 2
    assert "holds an unfinished measurement with other settings" in other.stderr
    for folder in ("killed", "whole"):
        result = CliRunner().invoke(app, arguments(tmp_path / folder))
        assert result.exit_code == 0, result.stderr
        assert [p.name for p in (tmp_path / folder).iterdir()] == ["measurement.npz"]
    resumed, whole = (tmp_path / f / "measurement.npz" for f in ("killed", "whole"))
    assert resumed.read_bytes() == whole.read_bytes()

    half = CliRunner().invoke(app, arguments(tmp_path / "half", "--float32"))
    assert half.exit_code == 0
    small = tmp_path / "half" / "measurement.npz"
    np.testing.assert_array_equal(
        Measurement.load(small).outputs, Measurement.load(whole).outputs.astype(np.float32)
    )
    with np.load(small) as arrays:
        assert arrays["outputs"].dtype == np.float32


@pytest.mark.parametrize(
    "other", [("--label-noise", "0.9"), ("--part", "train"), ("--seed", "1")], ids=lambda o: o[0]
)
def test_every_setting_belongs_to_a_run(tmp_path, monkeypatch, other):
    """Also those of which the experiment's metadata say nothing."""
    out = tmp_path / "out"
    command = wandering(tmp_path, "0,1,4,6", out)
    monkeypatch.setattr(np, "savez", killed_at(np.savez, 5))
    assert CliRunner().invoke(app, command).exit_code == 130
    monkeypatch.undo()
    assert len(list((out / ".measurement-parts").glob("epoch-*"))) == 2
    refused = CliRunner().invoke(app, [*command, *other])
    assert refused.exit_code == 2
    assert f"{out}: holds an unfinished measurement with other settings" in refused.stderr
    assert CliRunner().invoke(app, [*command, *other, "--overwrite"]).exit_code == 0
    assert CliRunner().invoke(app, [*command[:-1], str(tmp_path / "new"), *other]).exit_code == 0
    first, new = (folder / "measurement.npz" for folder in (out, tmp_path / "new"))
    assert first.read_bytes() == new.read_bytes()


def killed_at(function, call):
    """The function, in whose call of that number Ctrl-C comes."""
    calls = []

    def counted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*arguments, **named)

    return counted


def test_a_measurement_under_way_is_left_alone(tmp_path):
    """By one with other settings, by the same, and with --overwrite."""
    out = tmp_path / "out"
    command = wandering(tmp_path, "0,1", out)
    with only_writer(out):  # the first one
        for more in ([], ["--seed", "1"], ["--seed", "1", "--overwrite"]):
            result = CliRunner().invoke(app, [*command, *more])
            assert result.exit_code == 2
            assert result.stderr.strip().splitlines() == [
                f"interdyn: {out}: another run is writing there; wait until it has ended, or "
                f"choose another folder."
            ]
    assert CliRunner().invoke(app, command).exit_code == 0


@pytest.mark.filterwarnings("default")
def test_what_is_damaged_is_told_by_the_command_and_overwrite_always_works(tmp_path, monkeypatch):
    out = tmp_path / "out"
    parts = out / ".measurement-parts"
    command = wandering(tmp_path, "0,1,4", out)
    monkeypatch.setattr(np, "savez", killed_at(np.savez, 5))
    assert CliRunner().invoke(app, command).exit_code == 130
    monkeypatch.undo()
    (parts / "epoch-1.npz").write_bytes(b"")
    kept = {path.name: path.read_bytes() for path in parts.iterdir()}
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    note = f"interdyn: note: {parts}/epoch-1.npz: is damaged; its checkpoint is measured again."
    assert result.stderr.strip().splitlines() == [note]
    whole = (out / "measurement.npz").read_bytes()
    parts.mkdir()
    for name, content in kept.items():
        (parts / name).write_bytes(content)
    (parts / "run.json").write_text("[]")
    assert CliRunner().invoke(app, [*command, "--overwrite"]).exit_code == 0
    assert [path.name for path in out.iterdir()] == ["measurement.npz"]
    assert (out / "measurement.npz").read_bytes() == whole


def test_a_command_killed_in_its_second_run_goes_on_there(tmp_path):
    arguments = functools.partial(wandering, tmp_path, "0,1,4,6")
    several = ("--seed", "2", "--seeds", "3")
    killed = subprocess.run(
        [sys.executable, "-m", "sim", *arguments(tmp_path / "killed", *several)],
        env=os.environ | {"KILLED": "3"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    parts = tmp_path / "killed" / ".measurement-parts"
    kept = sorted(str(path.relative_to(parts)) for path in parts.rglob("epoch*"))
    assert kept == [
        *(f"seed-2/epoch-{epoch}.npz" for epoch in (0, 1, 4, 6)),
        *(f"seed-3/epoch-{epoch}.npz" for epoch in (0, 1)),
    ]
    for folder in ("killed", "whole"):
        result = CliRunner().invoke(app, arguments(tmp_path / folder, *several))
        assert result.exit_code == 0, result.stderr
        assert "4 checkpoints × 3 runs × 2 inputs × 2^3 masked inputs" in result.stdout
        assert [p.name for p in (tmp_path / folder).iterdir()] == ["measurement.npz"]
    resumed, whole = (tmp_path / f / "measurement.npz" for f in ("killed", "whole"))
    assert resumed.read_bytes() == whole.read_bytes()

    found = Measurement.load(whole)
    assert found.metadata["seeds"] == [2, 3, 4]
    assert found.metadata["seed"] == 2
    assert CliRunner().invoke(app, arguments(tmp_path / "one", "--seed", "2")).exit_code == 0
    one = Measurement.load(tmp_path / "one" / "measurement.npz")
    np.testing.assert_array_equal(found.outputs[:, :2], one.outputs)
    inputs = np.random.default_rng(2).normal(size=(2, 4))  # of --seed, in every run
    for run, seed in enumerate((2, 3, 4)):
        drawn = [np.random.default_rng((epoch, seed)).normal(size=4) for epoch in range(7)]
        weights = 1 + np.cumsum(drawn, axis=0)[[0, 1, 4, 6]]
        shown = found.outputs[:, 2 * run : 2 * run + 2, -1]
        np.testing.assert_allclose(shown, np.tanh(weights @ inputs.T), atol=1e-12)


def test_a_script_that_knows_no_seeds_is_trained_once(tmp_path):
    arguments = wandering(tmp_path, "0,1", tmp_path / "out", "--seeds", "2")
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT.replace(", seeded=seeded", ""))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines() == [
        "interdyn: --seeds must be left out for an experiment that does not say how to train from "
        "another seed (its `seeded` is None), but is [0, 1]."
    ]
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(app, [*arguments[:-2], "--seeds", "1"]).exit_code == 0


def test_a_full_disk_is_one_plain_line_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    write, calls = np.savez, []

    def full(file, **arrays):
        calls.append(file)
        if len(calls) == 3:  # the second checkpoint
            file.write(b"PK half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    out = tmp_path / "out"
    command = wandering(tmp_path, "0,1,2", out)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("interdyn: ")
    assert line.endswith("epoch-1.npz: No space left on device.")
    names = {p.name for p in out.rglob("*") if p.is_file()}
    assert names == {"run.json", "epoch-0.npz", "state.npz"}
    monkeypatch.setattr(np, "savez", write)  # somebody makes room
    assert CliRunner().invoke(app, command).exit_code == 0
    assert [p.name for p in out.iterdir()] == ["measurement.npz"]


def test_a_real_network_resumes_in_the_middle_of_its_training(tmp_path):
    settings = Settings(epochs=(0, 1, 3), samples=2, players=4)
    whole = record(prepare("digits-mlp", settings), {})

    def killed(what, done, total):
        if (what, done) == ("train", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(prepare("digits-mlp", settings), {}, killed, folder=tmp_path / "parts")
    assert (tmp_path / "parts" / "epoch-1.npz").exists()
    steps = []
    resumed = record(
        prepare("digits-mlp", settings),
        {},
        lambda *step: steps.append(step),
        folder=tmp_path / "parts",
    )
    assert [s[1] for s in steps if s[0] == "train"] == [2, 3]
    assert saved(resumed, tmp_path) == saved(whole, tmp_path)


def test_a_script_that_is_not_there(tmp_path):
    result = CliRunner().invoke(
        app, ["measure", "--script", str(tmp_path / "no.py"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "--script must be a Python file" in result.stderr
