"""The folder of a run: what is protected, what is noticed before the work, what a signal leaves."""

import os
import subprocess
import sys

import pytest
from test_recording import wandering
from typer.testing import CliRunner

from sim.cli import app
from sim.cli._folder import MARK, results

SIMULATE = ("simulate", "--n", "3", "--epochs", "3", "--members", "1", "--quiet")


def interdyn(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("name", ["config.toml", "two_phases.png", "phase_map.svg"])
def test_simulate_protects_whatever_it_would_write(tmp_path, name):
    (tmp_path / name).write_text("rate = 0.5  # by hand\n")
    result = interdyn(*SIMULATE, "--out", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path}: already holds a run ({name}); choose another --out" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "rate = 0.5  # by hand\n"


def test_figures_that_are_not_drawn_are_not_in_the_way(tmp_path):
    (tmp_path / "two_phases.png").write_text("of another run")
    assert interdyn(*SIMULATE, "--no-figures", "--out", tmp_path).exit_code == 0
    assert (tmp_path / "two_phases.png").read_text() == "of another run"
    names = {"two_phases.png", "config.toml", "trajectory.npz"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_folder_that_cannot_be_used_is_noticed_before_the_work(tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("it has begun")

    monkeypatch.setattr("sim.cli.measure.run_measure", work)
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "measurement.npz").mkdir(parents=True)
    for out, more, fault in (
        (tmp_path / "file", (), f"{tmp_path / 'file'}: must be a folder, but is a file."),
        (tmp_path / "file" / "deep", (), f"{tmp_path / 'file'}: must be a folder"),
        (tmp_path / "taken", ("--overwrite",), "measurement.npz: must be a file, but is a folder."),
        ("/proc/runs", (), "/proc/runs: "),
    ):
        result = interdyn("measure", "--out", out, *more)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert fault in result.stderr
        assert "it has begun" not in result.stderr


def killed(paths, written, overwrite):
    """A run that is interrupted after some of its files."""
    with pytest.raises(KeyboardInterrupt):
        _interrupted(paths, written, overwrite)


def _interrupted(paths, written, overwrite):
    with results(paths, overwrite):
        for path in written:
            path.write_text("half of it")
        raise KeyboardInterrupt


def test_files_of_a_killed_run_are_not_protected_and_those_of_others_are(tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    killed([first, second], [first], overwrite=False)
    with results([first, second], False):
        first.write_text("all")
        second.write_text("of it")
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}
    with pytest.raises(ValueError, match=r"already holds a run \(first\)"):
        results([first, second], False).__enter__()
    killed([first, second, third], [third, first], overwrite=True)
    with pytest.raises(ValueError, match="already holds a run"):
        results([first, second, third], False).__enter__()


@pytest.mark.parametrize("content", ["{", "3", "[1, {}]"])
def test_a_damaged_mark_protects_everything(tmp_path, content):
    (tmp_path / "a").write_text("")
    (tmp_path / MARK).write_text(content)
    with pytest.raises(ValueError, match="already holds a run"):
        results([tmp_path / "a", tmp_path / "b"], False).__enter__()


def test_a_failed_run_leaves_no_mark(tmp_path):
    with pytest.raises(ValueError, match="fault"), results([tmp_path / "a", tmp_path / "b"], False):
        raise ValueError("fault")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_a_run_as_ctrl_c_does(tmp_path):
    """In a whole process: the checkpoints are kept, and the same command goes on."""
    command = wandering(tmp_path, "0,1,4,6", tmp_path / "out")
    script = tmp_path / "mine.py"
    script.write_text(script.read_text().replace("SIGKILL", "SIGTERM"))
    ended = subprocess.run(
        [sys.executable, "-m", "sim", *command],
        env=os.environ | {"KILLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (
        130,
        "interdyn: interrupted; 2 of 4 checkpoints are kept, and the same command goes on from "
        "there.\n",
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".measurement-parts"]
    assert interdyn(*command).exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["measurement.npz"]


def test_a_signal_is_heard_although_it_comes_in_a_garbage_collection():
    """JAX works there, and Python drops what is raised there."""
    program = """
import gc, os, signal, time
from sim.cli._startup import begin, end_at_once
def callback(phase, _):
    if phase == "start":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
end_at_once()
begin()
gc.callbacks.append(callback)
try:
    gc.collect()
    time.sleep(9)
except KeyboardInterrupt:
    print("heard")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("heard\n", "")
