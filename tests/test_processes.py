"""Several processes, one result: who does what, what a killed one leaves, and the same bytes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from test_recording import EPOCHS, Run, Runs, wandering
from typer.testing import CliRunner

import theory
from sim.cli import app
from sim.cli._folder import results
from sim.cli._processes import chosen_share
from sim.experiments import Checkpoints, record, recording_identity
from sim.files import only_writer
from sim.fitting.distances import Table
from sim.fitting.forward import ForwardModel, tables
from sim.processes import Share, SharedWork
from sim.unfinished import Finished, Unfinished


def interdyn(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def begun(folder, share, run="a run"):
    unfinished = Unfinished(folder)
    with unfinished.alone():
        unfinished.open(run)
    return SharedWork(unfinished, run, share)


class Tasks:
    """Squares of 0, 1, 2, …; keeps which of them were worked on."""

    def __init__(self, count, before=lambda number: None):
        self.done, self.count, self.before = [], count, before

    def results(self, work):
        steps = [1] * self.count
        found = work.results("square", [self.task(i) for i in range(self.count)], steps, None)
        return [int(arrays["square"]) for arrays in found]

    def task(self, number):
        def work(errand):
            self.before(number)
            self.done.append(number)
            errand.finished(1)
            return {"square": np.array(number**2)}

        return work


SQUARES = [0, 1, 4, 9, 16, 25, 36]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_task_is_somebodys_own(count):
    shares = [Share(i, 3) for i in range(3)]
    own = [share.order(count)[: share.own(count)] for share in shares]
    assert sorted(task for tasks in own for task in tasks) == list(range(count))
    assert max(map(len, own)) - min(map(len, own)) <= 1
    for share in shares:
        assert sorted(share.order(count)) == list(range(count))


def test_one_process_finishes_what_the_others_never_begin(tmp_path):
    tasks = Tasks(7)
    assert tasks.results(begun(tmp_path, Share(2, 3))) == SQUARES
    assert sorted(tasks.done) == list(range(7))
    late = Tasks(7)
    assert late.results(begun(tmp_path, Share(0, 3))) == SQUARES
    assert late.done == []  # what is done is not done again


def test_what_another_process_is_at_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("sim.processes.PAUSE", 0.01)
    at_it, go_on = threading.Event(), threading.Event()

    def before(number):
        if number == 0:
            at_it.set()
            assert go_on.wait(20)

    slow, fast, found = Tasks(4, before), Tasks(4), []
    works = [begun(tmp_path, Share(i, 2)) for i in range(2)]
    first = threading.Thread(target=lambda: found.append(slow.results(works[0])))
    second = threading.Thread(target=lambda: found.append(fast.results(works[1])))
    first.start()
    assert at_it.wait(20)
    second.start()
    while {1, 2, 3} - set(fast.done + slow.done):
        time.sleep(0.01)
    assert found == []
    go_on.set()
    for thread in (first, second):
        thread.join(20)
    assert found == [SQUARES[:4]] * 2
    assert sorted(slow.done + fast.done) == [0, 1, 2, 3]  # each once


def test_a_process_that_dies_at_a_task_lets_go_of_it(tmp_path):
    dies = (
        "import os, sys\nfrom pathlib import Path\nfrom sim.unfinished import Unfinished\n"
        "with Unfinished(Path(sys.argv[1])).claim('square-1') as free:\n"
        "    print(free, flush=True)\n    sys.stdin.read()"
    )
    work = begun(tmp_path, Share(0, 2))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", dies, tmp_path], **pipes) as other:
        assert other.stdout.readline() == "True\n"
        with work.unfinished.claim("square-1") as free:
            assert not free
        other.kill()
    assert Tasks(3).results(work) == SQUARES[:3]


def test_a_damaged_part_is_done_again(tmp_path):
    Tasks(3).results(begun(tmp_path, Share(0, 2)))
    (tmp_path / "square-1.npz").write_bytes(b"half")
    again = Tasks(3)
    with pytest.warns(UserWarning, match=r"square-1\.npz: is damaged; it is done again"):
        assert again.results(begun(tmp_path, Share(1, 2))) == SQUARES[:3]
    assert again.done == [1]


def test_a_disk_without_locks_costs_work_and_no_result(tmp_path, monkeypatch):
    def none(*_, **__):
        raise OSError(38, "no locks")

    monkeypatch.setattr("sim.unfinished.lock_descriptor", none)
    for i in range(2):
        assert Tasks(3).results(begun(tmp_path, Share(i, 2))) == SQUARES[:3]


def test_a_late_process_is_told_that_all_is_done_and_one_of_another_run_that_it_is_not_its(
    tmp_path,
):
    folder, result = tmp_path / "parts", tmp_path / "result"
    work = begun(folder, Share(1, 2))
    Tasks(2).results(work)
    result.write_text("joined")
    work.unfinished.note_saved([result])
    work.unfinished.clear()
    with pytest.raises(Finished):
        Tasks(2).results(work)
    with pytest.raises(Finished):
        work.unfinished.open("a run", [result])
    result.write_text("by hand")
    work.unfinished.open("a run", [result])  # begins again
    assert Tasks(2).results(work) == SQUARES[:2]
    with pytest.raises(ValueError, match="holds an unfinished work with other settings"):
        begun(folder, Share(0, 2), "another")
    work.unfinished.open("another", discard=True)
    with pytest.raises(ValueError, match="another run has begun there meanwhile"):
        Tasks(2).results(work)


def test_others_wait_only_as_long_as_the_first_is_there_to_save(tmp_path, monkeypatch):
    work = begun(tmp_path / "parts", Share(1, 2))
    with pytest.raises(Finished):
        work.leave_saving()
    waits = []

    def saves(_):
        waits.append(1)
        if len(waits) == 3:
            work.unfinished.note_saved([])

    monkeypatch.setattr(time, "sleep", saves)
    with only_writer(tmp_path), pytest.raises(Finished):
        work.leave_saving()
    assert len(waits) == 3
    SharedWork(work.unfinished, "a run", Share(0, 2)).leave_saving()


@pytest.mark.parametrize(
    ("given", "environment", "share"),
    [
        ((None, None), {}, None),
        ((4, 3), {}, Share(3, 4)),
        ((1, None), {}, Share(0, 1)),
        (
            (None, None),
            {"SLURM_PROCID": "1", "SLURM_NTASKS": "3", "SLURM_STEP_NODELIST": "n[1-3]"},
            Share(1, 3),
        ),
        ((None, None), {"SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, None),  # no step of srun's
        ((None, None), {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ((None, None), {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Share(1, 2)),
        ((None, None), {"JOB_COMPLETION_INDEX": "2"}, None),
        ((3, None), {"JOB_COMPLETION_INDEX": "2"}, Share(2, 3)),
        ((5, 4), {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, Share(4, 5)),
    ],
)
def test_options_come_before_what_a_launcher_says(given, environment, share):
    assert chosen_share(*given, environment) == share


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--num-processes", 2), "--process-id must be given with --num-processes 2"),
        (("--process-id", 1), "--num-processes must be given with --process-id 1"),
        (("--num-processes", 2, "--process-id", 2), "--process-id must be from 0 to 1"),
        (("--num-processes", 2, "--process-id", -1), "--process-id must be"),
        (("--num-processes", 0, "--process-id", 0), "--num-processes must be"),
    ],
)
@pytest.mark.parametrize("command", ["measure", "extract", "fit"])
def test_half_a_share_and_one_that_is_not_there_are_refused(
    measured, tmp_path, monkeypatch, command, options, message
):
    for name in list(os.environ):
        if name.startswith(("SLURM", "OMPI", "JOB_COMPLETION")):
            monkeypatch.delenv(name)
    source = () if command == "measure" else (measured,)
    result = interdyn(command, *source, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"interdyn: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A measurement of three players, learned under falling noise upon other outputs."""
    path = tmp_path_factory.mktemp("measured") / "measurement.npz"
    rng = np.random.default_rng(3)
    true = rng.normal(size=(5, 8)) * (rng.uniform(size=(5, 8)) < 0.5) + np.eye(8)[1]
    levels = np.array([3.0, 0.1, 0.01, 0.0])
    learned = np.asarray(theory.zeta(theory.optimal_interactions(true, levels)))
    np.savez(path, outputs=learned + 0.05 * rng.normal(size=(5, 8)), epochs=[0, 1, 4, 9])
    return path


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_extraction_by_several_has_the_bytes_of_one(measured, tmp_path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert interdyn("extract", measured, "--out", alone).exit_code == 0
    command = ("extract", measured, "--out", shared, "--num-processes", 3, "--process-id")
    for i in (2, 1):  # none of which can save
        done = interdyn(*command, i, "--json")
        assert done.exit_code == 0
        assert f"Process {i} of 3: nothing is left to do" in json.loads(done.stdout)["finished"]
    assert files(shared) == {}
    parts = shared / ".interactions-parts"
    there = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert len(there) > 3

    other = interdyn(*command, 1, "--tolerance", 0.01)
    assert other.exit_code == 2
    assert f"{shared}: holds an unfinished extraction with other settings" in other.stderr
    single = interdyn("extract", measured, "--out", shared)
    assert single.exit_code == 2
    assert f"{shared}: holds an unfinished extraction of several processes" in single.stderr

    (parts / "extract-low-1.npz").unlink()
    assert interdyn(*command, 1).exit_code == 0
    assert {path for path in there if path.stat().st_mtime_ns != there[path]} == {
        parts / "extract-low-1.npz"
    }
    assert interdyn(*command, 0).exit_code == 0
    assert files(shared) == files(alone)
    assert list(parts.glob("*.npz")) == []
    for i in (0, 2):  # late, or started again
        assert f"Process {i} of 3: nothing is left" in interdyn(*command, i, "--overwrite").stdout
    other = interdyn(*command, 1, "--tolerance", 0.01)
    assert other.exit_code == 2
    assert "already holds a run (interactions.npz)" in other.stderr
    assert files(shared) == files(alone)
    assert interdyn("extract", measured, "--out", shared, "--overwrite").exit_code == 0
    assert files(shared) == files(alone)
    assert not parts.exists()


def test_tables_are_shared(tmp_path, monkeypatch):
    """Each family's at each checkpoint by one process, and none by both."""
    made = []

    class Family:
        def grid(self, *_):
            return np.arange(3.0)

    def table(self, family, observed, *_):
        made.append((families[family], observed))
        return Table(np.arange(3.0) + observed, np.full((3, 2, 4), observed))

    families = {Family(): "theory", Family(): "tilt"}
    by_name = {name: family for family, name in families.items()}
    monkeypatch.setattr(ForwardModel, "table", table)
    monkeypatch.setattr(ForwardModel, "matters", lambda self, observed: observed < 3)
    monkeypatch.setattr("sim.fitting.forward.FINE", 2)
    model = ForwardModel.__new__(ForwardModel)
    tool = type("Tool", (), {"prefer": "low"})()
    object.__setattr__(model, "instrument", tool)
    object.__setattr__(model, "target", type("Target", (), {"n": 2})())
    object.__setattr__(model, "noise", None)
    observed = np.array([1.0, 2.0, 3.0, 4.0])
    alone = tables(model, by_name, observed, np.ones((4, 2)), None)
    assert len(made) == 6
    for i in range(2):
        found = tables(
            model, by_name, observed, np.ones((4, 2)), None, work=begun(tmp_path, Share(i, 2))
        )
        for name in by_name:
            for one, other in zip(found[name], alone[name], strict=True):
                np.testing.assert_array_equal(one.parameters, other.parameters)
                np.testing.assert_array_equal(one.strength, other.strength)
            assert found[name][2] is found[name][3]  # one table for both, as alone
    assert len(made) == 12
    assert set(made[6:]) == set(made[:6])


def recorded(experiment, folder, share, seeds=None):
    work = begun(folder, share, recording_identity(experiment, {"seed": 3}, seeds))
    return record(experiment, {"seed": 3}, seeds=seeds, work=work)


def test_a_recording_is_shared_by_runs_checkpoints_and_samples(tmp_path):
    folder = tmp_path / "parts"
    whole = record(Runs().experiment, {"seed": 3}, seeds=[5, 6])
    stopped = Runs(stop_seed=6, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        recorded(stopped.experiment, folder, Share(1, 2), [5, 6])
    assert {seed for seed, _ in stopped.trained} == {6}  # its own run only
    kept = sorted(str(path.relative_to(folder)) for path in folder.rglob("epoch-*.npz"))
    each = [f"seed-6/epoch-{epoch}-part-{part}.npz" for epoch in EPOCHS[:3] for part in range(3)]
    assert kept == each  # one for each of three samples
    rest = Runs()
    got = recorded(rest.experiment, folder, Share(0, 2), [5, 6])
    assert [epoch for seed, epoch in rest.trained if seed == 6] == [4, 5, 6, 7]
    np.testing.assert_array_equal(got.outputs, whole.outputs)
    np.testing.assert_array_equal(got.train_loss, whole.train_loss)
    last = Runs()
    assert (recorded(last.experiment, folder, Share(1, 2), [5, 6]).outputs == got.outputs).all()
    assert last.trained == []


@pytest.mark.parametrize(
    ("parts", "measured"),
    [
        (4, [(3, [0, 1, 2]), (7, [0, 1, 2]), (0, [0, 1, 2]), (2, [0, 1, 2])]),
        (8, [(3, [0, 1]), (3, [2]), (7, [0, 1]), (7, [2]), (0, [0, 1]), (0, [2])]),
    ],
)
def test_of_one_run_a_process_measures_its_own_first(tmp_path, monkeypatch, parts, measured):
    from sim.experiments import _shared

    worked = []

    def piece(experiment, checkpoint, progress, samples):
        worked.append((checkpoint.epoch, samples))
        return original(experiment, checkpoint, progress, samples)

    original = _shared.measured_piece
    monkeypatch.setattr(_shared, "measured_piece", piece)
    monkeypatch.setattr(_shared, "PARTS", parts)
    got = recorded(Run().experiment, tmp_path, Share(1, 2))
    assert worked[: len(measured)] == measured
    assert len(worked) == len(EPOCHS) * len({len(samples) for _, samples in measured})
    np.testing.assert_array_equal(got.outputs, record(Run().experiment, {"seed": 3}).outputs)
    with Checkpoints(tmp_path).claim_part(2, 0) as free:
        assert free
        assert recorded(Run().experiment, tmp_path, Share(0, 2)).epochs.tolist() == list(EPOCHS)


def test_what_one_alone_has_measured_is_not_measured_again(tmp_path):
    run = Run(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        record(run.experiment, {"seed": 3}, folder=tmp_path)
    rest = Run()
    got = recorded(rest.experiment, tmp_path, Share(0, 2))
    assert rest.trained == [4, 5, 6, 7]
    np.testing.assert_array_equal(got.outputs, record(Run().experiment, {"seed": 3}).outputs)


def test_a_measurement_by_several_has_the_bytes_of_one(tmp_path, monkeypatch):
    """And a late process knows it, whatever else has been written into the folder since."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert interdyn(*wandering(tmp_path, "0,1,4", alone, "--seeds", 2)).exit_code == 0
    command = wandering(tmp_path, "0,1,4", shared, "--seeds", 2, "--num-processes", 2)
    with monkeypatch.context() as patched:
        patched.setattr("sim.experiments._shared.measured_piece", interrupted)
        stopped = interdyn(*command, "--process-id", 0)
    assert stopped.exit_code == 130
    assert stopped.stderr.strip() == (
        "interdyn: interrupted; what is done is kept, and the same command goes on from there."
    )
    for i in (1, 0):
        assert interdyn(*command, "--process-id", i).exit_code == 0
    assert files(shared) == files(alone)
    with results([shared / "another"], False):
        pass
    for i in (0, 1):
        assert "nothing is left to do" in interdyn(*command, "--process-id", i).stdout
    again = (*wandering(tmp_path, "0,1,4", shared, "--seeds", 2), "--overwrite")
    assert interdyn(*again).exit_code == 0
    assert files(shared) == files(alone)
    assert [path.name for path in shared.iterdir()] == ["measurement.npz"]


def interrupted(*_):
    raise KeyboardInterrupt


def test_training_that_never_comes_to_a_checkpoint_is_refused(tmp_path):
    experiment = Run().experiment
    object.__setattr__(experiment, "epochs", (0, 2, 9))
    with pytest.raises(ValueError, match=r"each of the epochs \[0, 2, 9\], but yielded none at 9"):
        recorded(experiment, tmp_path, Share(0, 2))


def run_all(words, out, count, environment=()):
    """Real processes, all at once; their exit codes and what they said."""
    program = [sys.executable, "-m", "sim", *map(str, words), "--out", str(out)]
    share = [("--num-processes", str(count), "--process-id", str(i)) for i in range(count)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = [
        subprocess.Popen([*program, *one], env=os.environ | dict(environment), **pipes)
        for one in share
    ]
    said = [process.communicate(timeout=600)[0] for process in running]
    return [process.returncode for process in running], said


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_real_processes_give_the_bytes_of_one(measured, tmp_path, count):
    """In the measurement all are killed at first, and then started again."""
    steps = {
        "measurement.npz": wandering(tmp_path, "0,1,4,6", tmp_path)[:-2],
        "interactions.npz": ("extract", measured),
    }
    if count == 2:  # dear, because every process compiles for itself
        steps["fit.json"] = ("fit", "INTERACTIONS", "--resamples", 20)
    for name, words in steps.items():
        alone, shared = (tmp_path / folder / name for folder in ("alone", "shared"))
        words = [
            tmp_path / "alone" / "interactions.npz" if w == "INTERACTIONS" else w for w in words
        ]
        done = interdyn(*words, "--out", alone.parent)
        assert done.exit_code == 0, done.output
        if name == "measurement.npz":
            codes, _ = run_all(words, shared.parent, count, {"KILLED": "0"}.items())
            assert set(codes) == {-signal.SIGKILL}  # at epoch 4, one after the other
            assert not shared.exists()
        codes, said = run_all(words, shared.parent, count)
        assert codes == [0] * count, said
        assert sum("nothing is left to do" in text for text in said) == count - 1
        assert shared.read_bytes() == alone.read_bytes()
    assert files(tmp_path / "alone") == files(tmp_path / "shared")


@pytest.mark.slow
def test_a_process_that_is_killed_takes_no_other_down(measured, tmp_path):
    """Process 0, while it extracts; process 1 does the rest, and process 0 saves it."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert interdyn("extract", measured, "--out", alone).exit_code == 0
    kill = (
        "import os, signal, sys\nimport sim.processes as p\nwrite, done = p.write_npz, []\n"
        "def killed(path, arrays):\n"
        "    write(path, arrays)\n    done.append(path)\n"
        "    if len(done) == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "p.write_npz = killed\nfrom sim.cli import main\nmain()"
    )
    words = ["extract", measured, "--out", shared, "--num-processes", 2, "--process-id"]
    command = [str(word) for word in words]
    first = subprocess.run([sys.executable, "-c", kill, *command, "0"], check=False)
    assert first.returncode == -signal.SIGKILL
    parts = shared / ".interactions-parts"
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert len(kept) >= 3
    assert interdyn(*command, 1).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not (shared / "interactions.npz").exists()
    assert interdyn(*command, 0).exit_code == 0
    assert files(shared) == files(alone)
