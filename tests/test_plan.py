"""What a run will take, told before it: in one line, and with --plan nothing else."""

import json
import time

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from sim.cli import _plan, app
from sim.cli._plan import Cost, duration, tell, trial
from sim.cli.extract import extraction_cost
from sim.machine import check_host_memory
from sim.measurement import Measurement


def interdyn(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A measurement and its interactions."""
    folder = tmp_path_factory.mktemp("plan")
    outputs = np.random.default_rng(2).normal(size=(3, 2, 16)).cumsum(axis=0)
    np.savez(folder / "measurement.npz", outputs=outputs, epochs=[0, 1, 4])
    assert interdyn("extract", folder / "measurement.npz").exit_code == 0
    return folder


TINY = ("--epochs", "0,1", "--samples", 2, "--players", 3)
COMMANDS = {
    "measure": (
        ("measure", *TINY),
        "Measuring 2 checkpoints × 2 samples × 2^3 masked inputs",
    ),
    "extract": (
        ("extract", "measurement.npz"),
        "Extracting from 3 checkpoints × 2 samples × 2^4 masked inputs",
    ),
    "fit": (
        ("fit", "interactions.npz", "--resamples", 0, "--no-both-ends"),
        "Fitting 3 checkpoints × 2 samples × 2^4 masked inputs",
    ),
    "simulate": (
        ("simulate", "--n", 3, "--members", 2, "--epochs", 5, "--quiet"),
        "Simulating 5 epochs × 2 members × 2^3 sets",
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_plan_is_one_line_and_leaves_nothing(command, folder, tmp_path):
    words, size = COMMANDS[command]
    words = [folder / word if str(word).endswith(".npz") else word for word in words]
    result = interdyn(*words, "--out", tmp_path / "new", "--plan", "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"interdyn: {size}: about ")
    assert line.endswith(" of memory.")
    assert not (tmp_path / "new").exists()


def test_a_plan_counts_the_split(folder, monkeypatch):
    """From a trial on as many inputs as there are cores, at the last checkpoint."""
    measurement, stages = Measurement.load(folder / "measurement.npz"), []

    def tried(work):
        work(lambda stage, *_: stages.append(stage))
        return Cost(3.0, 8.0)

    def split(interactions, inputs, progress):
        progress("split", interactions.measurement.samples, inputs)

    monkeypatch.setattr("sim.cli.extract.run_split", split)
    monkeypatch.setattr("sim.cli.extract.trial", tried)
    monkeypatch.setattr("sim.cli.extract.cores", lambda: 1)
    assert extraction_cost(measurement) == Cost(3.0, 8.0)
    assert set(stages) == {"extract"}
    assert extraction_cost(measurement, split=2) == Cost(3.0 + 2 * 3.0, 2 * 8.0)
    assert set(stages) == {"extract", "split"}


@pytest.mark.slow
def test_a_plan_of_the_demo(tmp_path):
    result = interdyn("demo", "--quick", "--out", tmp_path / "new", "--plan")
    assert result.exit_code == 0, (result.output, result.exception)
    (line,) = result.stderr.splitlines()
    assert line.startswith("interdyn: The demo, 8 checkpoints × 8 samples × 64 masked inputs: ab")
    assert not (tmp_path / "new").exists()


def test_a_long_run_is_told_of_before_it_and_goes_on(folder, tmp_path, monkeypatch):
    """On stderr, so that --json is one object; a short run says nothing of the kind."""
    words = ("extract", folder / "measurement.npz", "--out", tmp_path, "--json", "--overwrite")
    assert interdyn(*words).stderr == ""
    monkeypatch.setattr(_plan, "LONG", 96)  # 3 × 2 × 16
    result = interdyn(*words)
    assert json.loads(result.stdout)["total"] == 6
    assert result.stderr.startswith("interdyn: Extracting from 3 checkpoints × 2 samples")
    assert len(result.stderr.splitlines()) == 1
    monkeypatch.setattr(_plan, "LONG", 97)
    assert interdyn(*words).stderr == ""


def test_quiet_says_nothing_of_a_long_simulation(tmp_path, monkeypatch):
    monkeypatch.setattr(_plan, "LONG", 1)
    words = ("simulate", "--n", 3, "--members", 2, "--epochs", 5, "--no-figures")
    assert interdyn(*words, "--out", tmp_path / "quiet", "--quiet").stderr == ""
    told = interdyn(*words, "--out", tmp_path / "told").stderr
    assert "Simulating 5 epochs × 2 members × 2^3 sets: about" in told


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def spend(self, seconds):
        self.now += seconds


def test_a_trial_takes_no_notice_of_compilation_and_stops_early(monkeypatch):
    """Two stages in turn, 0.5 s and 0.25 s a step, the first step of each 3 s longer."""
    clock, done = Clock(monkeypatch), []

    def work(progress):
        for step in range(1, 1001):
            clock.spend(0.5 + 3 * (step == 1))
            progress("train", step, 1000)
            clock.spend(0.25 + 3 * (step == 1))
            progress("measure", 4 * step, 4000)
            done.append(step)

    assert trial(work).seconds == pytest.approx(750)
    assert len(done) < 5


def test_a_trial_goes_by_a_first_step_that_takes_long_itself(monkeypatch):
    clock, done = Clock(monkeypatch), []

    def work(progress):
        for step in (1, 2, 3):
            clock.spend(60)
            progress("extract", step, 3)
            done.append(step)

    assert trial(work).seconds == pytest.approx(180)
    assert len(done) < 3


def test_a_trial_of_silent_work_is_all_of_it(monkeypatch):
    clock = Clock(monkeypatch)
    assert trial(lambda progress: clock.spend(7)).seconds == 7


def test_memory_is_what_the_work_itself_asks_for():
    def work(progress):
        check_host_memory(5000, "This", "less")
        check_host_memory(700, "That", "less")

    assert trial(work).memory == 5000
    assert trial(lambda progress: None).memory == 0
    with pytest.raises(ValueError, match="needs over 1000 EiB of memory"):
        trial(lambda progress: check_host_memory(2**90, "This", "less"))


def test_costs_add_up():
    both = Cost(3.0, 10.0).times(2).then(Cost(1.0, 20.0))
    assert both == (7.0, 20.0)


def test_a_plan_ends_the_command(capsys):
    with pytest.raises(typer.Exit):
        tell("Work", 1, True, lambda: Cost(90.0, 2048.0))
    assert capsys.readouterr().err == "interdyn: Work: about 90 s and 2 KiB of memory.\n"
    tell("Work", 1, False, lambda: pytest.fail("short work is not tried"))


def test_durations_have_the_unit_that_suits_them():
    told = [duration(s) for s in (0.1, 75, 4000, 50 * 3600, 30 * 86400)]
    assert told == ["1 s", "75 s", "67 min", "50 h", "30 days"]
