"""Checkpoints on disk: found by number, read by a user's loader, measured, resumed, refused."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.experiments import Experiment, Settings, find_checkpoints
from sim.experiments._unfinished import identity
from sim.measurement import Measurement, tabular_features

PAGE = Path(__file__).parent.parent / "docs/howto/checkpoints.md"
STEPS = {0: 0.0, 9: 0.5, 10: -1.0, 200: 2.0}
SCRIPT = """
import numpy as np, os
from sim import tabular_features
from sim.experiments import Checkpoint, SavedNetwork, register_saved

@register_saved("slopes")
def slopes(settings):
    def load(path):
        with open("log", "a") as log:
            print(path.name, file=log)
        if os.environ.get("STOP") == path.name:
            raise KeyboardInterrupt
        slope = float(path.read_text())
        return Checkpoint(-1, lambda x: slope * (x @ [1.0, 2.0, 4.0, 8.0]) ** 2, test_loss=-slope)

    inputs = np.random.default_rng(settings.seed).normal(size=(settings.samples, 4))
    return SavedNetwork(inputs, tabular_features(4, [0, 1, 3]), load, metadata={"network": "none"})
"""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with a script and a few checkpoints, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STOP", raising=False)
    Path("mine.py").write_text(SCRIPT)
    Path("run").mkdir()
    for step, slope in STEPS.items():
        Path(f"run/step-{step:05d}").write_text(str(slope))
    return tmp_path


def measure(*more, name="slopes", pattern="run/step-*", out="out"):
    command = ["measure", "--checkpoints", pattern, "--script", "mine.py", "--experiment", name]
    return CliRunner().invoke(app, [*command, "--samples", "2", "--out", out, *more])


def loaded():
    return re.findall(r"step-\d+", Path("log").read_text())


def test_each_checkpoint_is_measured_at_its_step(there):
    result = measure()
    assert result.exit_code == 0, result.stderr
    got = Measurement.load("out/measurement.npz")
    inputs = np.random.default_rng(0).normal(size=(2, 4))
    at = np.array([[s & 1, s >> 1 & 1, 1, s >> 2] for s in range(8)])
    expected = [
        [slope * ((x * at) @ [1, 2, 4, 8]) ** 2 for x in inputs] for slope in STEPS.values()
    ]
    np.testing.assert_allclose(got.outputs, expected, atol=1e-12)
    np.testing.assert_array_equal(got.epochs, list(STEPS))
    np.testing.assert_array_equal(got.test_loss, -np.array(list(STEPS.values())))
    assert got.train_loss is None
    assert got.metadata["checkpoints"] == {str(step): f"step-{step:05d}" for step in STEPS}
    assert got.metadata["network"] == "none"
    assert measure("--epochs", "9,200", out="few").exit_code == 0
    few = Measurement.load("few/measurement.npz")
    np.testing.assert_array_equal(few.epochs, [9, 200])
    np.testing.assert_array_equal(few.outputs, got.outputs[[1, 3]])


def test_an_interrupted_command_loads_only_what_is_left(there, monkeypatch):
    assert measure(out="whole").exit_code == 0
    Path("log").unlink()
    monkeypatch.setenv("STOP", "step-00010")
    stopped = measure()
    assert stopped.exit_code == 130
    assert "2 of 4 checkpoints are kept" in stopped.stderr
    monkeypatch.delenv("STOP")
    other = measure("--epochs", "0,9,10")
    assert other.exit_code == 2
    assert "holds an unfinished measurement with other settings" in other.stderr
    Path("log").unlink()
    assert measure().exit_code == 0
    assert loaded() == ["step-00010", "step-00200"]
    resumed, whole = (Path(out, "measurement.npz").read_bytes() for out in ("out", "whole"))
    assert resumed == whole


def test_a_run_without_labels_is_known_again_in_another_process():
    """An address in memory, as that of None, is no part of it."""
    parts = (np.ones((1, 2)), None, tabular_features(2, 2), (0, 1), None, {})
    without = Experiment(*parts)
    of_none = dataclasses.replace(without, labels=np.array(()))
    assert identity(without, {}) == identity(of_none, {})


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ((), {"pattern": "run/step-"}, "--checkpoints must have a * in place of the step's"),
        ((), {"pattern": "no/step-*"}, "two checkpoints at least at 'no/step-*', but there is non"),
        ((), {"pattern": "run/*9"}, "at least at 'run/*9', but there is one, run/step-00009."),
        (("run/step-last",), {}, "run/step-last: must have one number where 'run/step-*' leaves "),
        (("run/step-1-of-2",), {}, "its name open, but has 1 and 2."),
        (("run/step-9",), {}, "step-9: must have a number of its own, but run/step-00009 has 9 to"),
        ((), {"name": "slope"}, "There is no saved network 'slope'; there are: "),
        (("run/step-7",), {}, "run/step-7: ValueError: could not convert string to float: ''"),
    ],
)
def test_what_a_user_does_wrong_is_told_in_one_line(there, changed, options, message):
    for name in changed:
        Path(name).touch()
    result = measure(**options)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1, result.stderr
    assert message in result.stderr
    assert not Path("out/measurement.npz").exists()


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("test_loss=-slope", "test_accuracy=97.0", "At epoch 0: `test_accuracy` must be fractions"),
        ("test_loss=-slope", "train_loss=np.nan", "At epoch 0: `train_loss` must be finite"),
        ("SavedNetwork(inputs", "SavedNetwork({'a': inputs}", "but holds a by name."),
        ('"none"}', "np.ones(2)}", "`metadata` must be what JSON can hold (Object of type ndarray"),
        ("return SavedNetwork", "SavedNetwork", "function returned NoneType"),
    ],
)
def test_what_a_script_does_wrong_is_told_before_all_is_measured(there, right, wrong, message):
    Path("mine.py").write_text(SCRIPT.replace(right, wrong))
    result = measure()
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert message in result.stderr
    assert not Path("log").exists() or loaded() == ["step-00000"]


def test_steps_that_are_not_there_and_runs_that_cannot_be_are_told(there):
    result = measure("--epochs", "0,11")
    assert "There is no checkpoint of step 11 at 'run/step-*'; there are: 0, 9, 10, 200." in (
        result.stderr
    )
    result = measure("--width", "7")
    assert "--width must be left out for checkpoints on disk, but is 7." in result.stderr
    result = measure("--seeds", "2")
    assert result.exit_code == 2
    assert "seeds must be left out" in result.stderr


@pytest.mark.parametrize(
    ("names", "pattern", "steps"),
    [
        (("a7/step_2/model.pt", "a7/step_11/model.pt"), "a7/*/model.pt", [2, 11]),
        (("x/ckpt1.pt", "x/ckpt20.pt"), "x/ckpt[0-9]*.pt", [1, 20]),
        (("x/3", "x/.4", "x/0003x5", "x/12"), "x/*[0-9]", None),
        (("x/e1.pt", "x/e2.pt", "x/e10.pt"), "x/e?.pt", [1, 2]),
    ],
)
def test_the_number_is_where_the_pattern_leaves_the_name_open(there, names, pattern, steps):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    if steps is None:
        with pytest.raises(ValueError, match="0003x5: must have one number"):
            find_checkpoints(pattern)
    else:
        found = find_checkpoints(pattern)
        assert list(found) == steps
        assert {str(path) for path in found.values()} <= set(names)


@pytest.mark.slow
def test_the_pages_pythia_is_measured_as_it_says(tmp_path, monkeypatch):
    """The page's own script, by the command line, against the models asked directly."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    series, script = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)[
        :2
    ]
    monkeypatch.chdir(tmp_path)
    exec(series, {})
    Path("mine.py").write_text(script)
    result = measure("--players", "4", name="pythia")
    assert result.exit_code == 0, result.stderr
    got = Measurement.load("out/measurement.npz")
    np.testing.assert_array_equal(got.epochs, [0, 1, 2, 16])
    names = {}
    exec(script, names)  # registers the same again
    words, targets = names["ids"], names["NEXT"]
    chosen = names["pythia"](Settings(players=4)).masking
    for checkpoint, step in enumerate((0, 1, 2, 16)):
        model = transformers.GPTNeoXForCausalLM.from_pretrained(f"run/step-{step}").eval()
        for sample, length in enumerate((6, 4)):
            shown = chosen.masked(words, sample, np.arange(16))[:, :length]
            with torch.no_grad():
                last = model(torch.from_numpy(shown)).logits[:, -1].double()
            p = last.softmax(dim=1)[:, targets[sample]].numpy()
            np.testing.assert_allclose(
                got.outputs[checkpoint, sample], np.log(p / (1 - p)), atol=1e-4
            )
    assert np.ptp(got.outputs, axis=-1).min() > 0.01
