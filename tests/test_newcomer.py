"""Plausible mistakes of a first hour: each gets one line that says what to do."""

import numpy as np
import pytest

import sim
import theory

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(3, 4, 16))
INPUTS = RNG.normal(size=(2, 4)).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 3))
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
        lambda: sim.fit_noise(OUTPUTS[:1], OUTPUTS[:1], OUTPUTS[:1], [0]),
        "at least two checkpoints",
    ),
    "a distance by its initials": (
        lambda: sim.fit_noise(OUTPUTS, OUTPUTS, OUTPUTS, [0, 1, 2], distance="tv"),
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
