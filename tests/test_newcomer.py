"""Plausible mistakes of a first hour: each gets one line that says what to do."""

import sys

import numpy as np
import pytest

import sim
import theory
from sim.measurement.measurement import ProbabilityWarning

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(3, 4, 16))
INPUTS = RNG.normal(size=(2, 4)).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 3))
EXACT = np.asarray(theory.and_interactions(OUTPUTS))
FOUR = sim.tabular_features(4, 4)


def logits(batch):
    return batch @ WEIGHTS


def softmax(batch):
    z = np.exp(logits(batch))
    return z / z.sum(axis=1, keepdims=True)


class Stubborn:
    """What a tensor with a gradient does when numpy asks for its values."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


MISTAKES = {
    "one checkpoint without its axis": (
        lambda: sim.Measurement(OUTPUTS[0], [0]),
        "outputs[None]",
    ),
    "checkpoints of one sample": (
        lambda: sim.Measurement(OUTPUTS[:, 0], [0, 1, 2]),
        "checkpoints of a single sample are outputs[:, None]",
    ),
    "lists of different lengths": (
        lambda: sim.Measurement([[[1.0, 2.0], [3.0]]], [0]),
        "`outputs` must have rows of equal length, but has rows of different lengths.",
    ),
    "lists of different lengths, for the theory": (
        lambda: theory.zeta([[1.0, 2.0], [3.0]]),
        "`f` must have rows of equal length, but has rows of different lengths.",
    ),
    "sets on the first axis": (
        lambda: sim.Measurement(np.moveaxis(OUTPUTS, 2, 0), [0, 1, 2]),
        "16 checkpoints (the first axis of the outputs)",
    ),
    "samples before checkpoints": (
        lambda: sim.Measurement(OUTPUTS.swapaxes(0, 1), [0, 1, 2]),
        "each of the 4 checkpoints (the first axis of the outputs)",
    ),
    "half precision": (
        lambda: sim.Measurement(OUTPUTS.astype(np.float16), [0, 1, 2]),
        "must be float32 or float64, but is float16",
    ),
    "epochs as text": (
        lambda: sim.Measurement(OUTPUTS, ["0", "1", "2"]),
        "`epochs` must be numbers",
    ),
    "a tensor that keeps its gradient": (
        lambda: sim.Measurement(Stubborn(), [0, 1, 2]),
        "tensor.detach().cpu().numpy()",
    ),
    "scores that keep their gradient": (
        lambda: sim.measure_outputs(lambda batch: Stubborn(), INPUTS, FOUR, [0, 1]),
        "tensor.detach().cpu().numpy()",
    ),
    "probabilities for logits": (
        lambda: sim.measure_outputs(softmax, INPUTS, FOUR, [0, 1]),
        "must return logits, but its values are nonnegative and sum to 1",
    ),
    "one-hot labels": (
        lambda: sim.measure_outputs(logits, INPUTS, FOUR, np.eye(3)[[0, 1]]),
        "must be one integer for each of the 2 samples",
    ),
    "no labels": (lambda: sim.measure_outputs(logits, INPUTS, FOUR), "need `labels`"),
    "inputs of another size": (
        lambda: sim.measure_outputs(logits, INPUTS[:, :3], FOUR, [0, 1]),
        "`inputs` must have shape (samples, 4)",
    ),
    "25 players": (lambda: sim.tabular_features(25, 25), "1 to 24 players, but there are 25"),
    "more players than features": (lambda: sim.tabular_features(4, 5), "the 4 features"),
    "a bound in per cent": (
        lambda: sim.extract_interactions(OUTPUTS, noise_bound=2),
        "0.02 for 2 %",
    ),
    "a set too few": (
        lambda: sim.extract_interactions(OUTPUTS[..., 1:]),
        "last axis of size 2^n",
    ),
    "a fit to one checkpoint": (
        lambda: sim.fit_noise(EXACT[:1], 0 * EXACT[:1], OUTPUTS[:1], [0]),
        "at least two checkpoints",
    ),
    "a distance by its initials": (
        lambda: sim.fit_noise(EXACT, 0 * EXACT, OUTPUTS, [0, 1, 2], distance="tv"),
        "must be one of total_variation, jensen_shannon, least_squares",
    ),
    "distributions already averaged": (
        lambda: sim.find_phases([0, 1, 2], np.ones((3, 4))),
        "(checkpoints, samples, orders)",
    ),
    "a schedule by its name": (
        lambda: sim.simulate(OUTPUTS[0], OUTPUTS[0], "exponential", 10),
        "Schedule.exponential(",
    ),
    "start and target of different size": (
        lambda: sim.simulate(OUTPUTS[0], OUTPUTS[0][:, :8], sim.Schedule.constant(1.0), 10),
        "the same number of players, but have 4 and 3",
    ),
    "noise as a number": (
        lambda: theory.optimal_interactions(OUTPUTS, 1.0, 2.0),
        "must be a NoiseModel, such as NoiseModel(growth=2.0), but is 2.0",
    ),
    "negative noise": (
        lambda: theory.optimal_interactions(OUTPUTS, -1.0),
        "`sigma2` must be nonnegative",
    ),
    "players as a float": (lambda: theory.learning_thresholds(10.0), "must be an integer"),
    "text for an array": (
        lambda: theory.zeta(np.array(["x", "y"])),
        "`f` must be an array of numbers",
    ),
    "a table for its number of columns": (
        lambda: sim.tabular_features(INPUTS, 3),
        "`features` must be the number of features of one input",
    ),
    "features by name": (
        lambda: sim.tabular_features(13, ["alcohol"]),
        "must name features by numbers from 0 to 12, but names ['alcohol']",
    ),
    "features by a mask": (
        lambda: sim.tabular_features(4, [True, False, True, True]),
        "must name features by numbers from 0 to 3, but names [True]",
    ),
    "the same feature twice": (
        lambda: sim.tabular_features(4, [0, 0, 1]),
        "different features for every player",
    ),
    "an image by its side": (
        lambda: sim.image_patches(28, 7, 10),
        "(height, width) or (channels, height, width), the shape of one input, but is (28,)",
    ),
    "the data as the baseline": (
        lambda: sim.measure_outputs(logits, INPUTS, sim.tabular_features(4, 4, baseline=INPUTS)),
        "but changes none of them: is the baseline made of the inputs themselves?",
    ),
    "the number of players for the players": (
        lambda: sim.measure_outputs(logits, INPUTS, 4, [0, 1]),
        "must be a Masking, such as sim.tabular_features(features, players), but is of type int",
    ),
    "classes for logits": (
        lambda: sim.measure_outputs(lambda x: logits(x).argmax(axis=1), INPUTS, FOUR, [0, 1]),
        "must return logits, but returned int64, like numbers of classes",
    ),
    "no inputs": (
        lambda: sim.measure_outputs(logits, INPUTS[:0], FOUR, []),
        "with at least one sample, but has shape (0, 4)",
    ),
    "a sentence for metadata": (
        lambda: sim.Measurement(OUTPUTS, [0, 1, 2], metadata="wine"),
        "`metadata` must be a dictionary",
    ),
    "an array in metadata": (
        lambda: sim.Measurement(OUTPUTS, [0, 1, 2], metadata={"mean": INPUTS}),
        "`metadata` must be what JSON can hold",
    ),
    "accuracies in per cent": (
        lambda: sim.Measurement(OUTPUTS, [0, 1, 2], test_accuracy=[10, 50, 90]),
        "`test_accuracy` must be fractions from 0 to 1",
    ),
    "whole numbers on disk": (
        lambda: sim.Measurement(OUTPUTS, [0, 1, 2]).save("never.npz", dtype=int),
        "`dtype` must be float32 or float64, but is int64",
    ),
    "a measurement for its outputs": (
        lambda: sim.extract_interactions(sim.Measurement(OUTPUTS, [0, 1, 2])),
        "must be an array, but is of type Measurement; give its `.outputs`",
    ),
    "a fit before the extraction": (
        lambda: sim.fit_noise(OUTPUTS, OUTPUTS, OUTPUTS, [0, 1, 2]),
        "must add up to `outputs` (theory.reconstruct), but miss",
    ),
    "outputs first": (
        lambda: sim.fit_noise(OUTPUTS, theory.and_interactions(OUTPUTS), 0 * OUTPUTS, [0, 1, 2]),
        "must add up to `outputs`",
    ),
    "too high a threshold": (
        lambda: sim.fit_noise(EXACT, 0 * EXACT, OUTPUTS, [0, 1, 2], salience=300),
        "all are weaker than 300 (`salience`) of the mean |v(N) − v(∅)|",
    ),
    "noise as a number, for a fit": (
        lambda: sim.fit_noise(EXACT, 0 * EXACT, OUTPUTS, [0, 1, 2], noise=2.0),
        "must be a NoiseModel, such as NoiseModel(growth=2.0), but is 2.0",
    ),
    "an extraction for its strengths": (
        lambda: sim.find_phases([0, 1, 2], sim.extract_interactions(OUTPUTS)),
        "such as `fit_noise(...).strength`, but is of type Extraction",
    ),
    "a negative threshold": (
        lambda: theory.strength_by_order(OUTPUTS, -1.0),
        "`threshold` must be nonnegative",
    ),
    "interactions from bare arrays": (
        lambda: sim.Interactions(OUTPUTS, OUTPUTS, {}),
        "`measurement` must be of type Measurement, but is of type ndarray",
    ),
    "a report of nothing": (
        lambda: sim.write_report("never.html", {}),
        "Argument `document`: must be a fit",
    ),
    "players by a float": (
        lambda: sim.image_patches((28, 28), 7, 10.0),
        "`n` must be a whole number between 1 and the 16 patches",
    ),
    "patches by a float": (
        lambda: sim.image_patches((28, 28), 7.0, 10),
        "`patch` must be a whole number that divides",
    ),
    "features by a float": (
        lambda: sim.tabular_features(4, 4.0),
        "`players` must be a whole number between 1 and the 4 features",
    ),
    "a mask token by its name": (
        lambda: sim.tokens(5, 2, mask="[MASK]"),
        "`mask` must be the mask token's number or its embedding, but is '[MASK]'",
    ),
    "a tensor with its gradient, for the extraction": (
        lambda: sim.extract_interactions(Stubborn()),
        "`outputs` must be an array of numbers, but is a Stubborn",
    ),
    "half precision for the extraction": (
        lambda: sim.extract_interactions(OUTPUTS.astype(np.float16)),
        "must be float32 or float64, but is float16",
    ),
    "no score": (
        lambda: sim.measure_outputs(None, INPUTS, FOUR, [0, 1]),
        "`score` must be a function from masked inputs to logits, but is None",
    ),
    "an extraction for a fit": (
        lambda: sim.fit_noise(sim.extract_interactions(OUTPUTS), OUTPUTS, OUTPUTS, [0, 1, 2]),
        "`i_and` must be an array of real numbers, but is of type Extraction",
    ),
    "nothing for an array": (lambda: theory.zeta(None), "array of numbers, but is a NoneType"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered(name):
    mistake, answer = MISTAKES[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    message = str(caught.value)
    assert answer in message
    assert "\n" not in message
    assert len(message) < 350


def test_a_torch_module_is_told_to_be_wrapped():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"sim\.torch_score\(module\)"):
        sim.measure_outputs(torch.nn.Linear(4, 3), INPUTS, FOUR, np.array([0, 1]))


def test_a_key_with_a_slip_is_named(tmp_path):
    np.savez(tmp_path / "m.npz", outputs=OUTPUTS, epochs=[0, 1, 2], train_los=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"m\.npz: There is no key `train_los`; `train_loss` is"):
        sim.Measurement.load(tmp_path / "m.npz")
    np.savez(tmp_path / "m.npz", outputs=OUTPUTS, epochs=[0, 1, 2], seed=3)
    assert sim.Measurement.load(tmp_path / "m.npz").checkpoints == 3


def test_metadata_that_is_no_json_is_named(tmp_path):
    np.savez(tmp_path / "m.npz", outputs=OUTPUTS, epochs=[0, 1, 2], metadata="wine")
    with pytest.raises(ValueError, match="`metadata` must be a JSON text"):
        sim.Measurement.load(tmp_path / "m.npz")


def test_probabilities_are_warned_of():
    with pytest.warns(ProbabilityWarning, match="like probabilities; the theory is about log-odds"):
        sim.Measurement(RNG.uniform(size=(2, 3, 8)), [0, 1])
    sim.Measurement(np.zeros((2, 3, 8)), [0, 1])  # an untrained network with zero weights


def test_results_show_themselves_in_a_line():
    found = sim.extract_interactions(OUTPUTS)
    assert repr(found) == "Extraction(3 × 4 × 2^4 sets)"
    fit = sim.fit_noise(found.i_and, found.i_or, OUTPUTS, [0, 1, 2], through="direct", resamples=0)
    assert repr(fit).startswith("NoiseFit(3 checkpoints, epochs 0 to 2, median total variation 0.")
    measurement = sim.Measurement(OUTPUTS, [0, 1, 2])
    assert repr(measurement) == (
        "Measurement(3 checkpoints × 4 samples × 2^4 masked inputs, epochs 0 to 2)"
    )


def test_a_missing_torch_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'interaction-dynamics\[torch\]'"):
        sim.torch_score(None)
