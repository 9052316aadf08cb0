"""The bundled networks: they train, they are scored as they say, and they can be added to."""

import dataclasses
import functools
import itertools
import pkgutil
import subprocess
import sys

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from scipy.signal import correlate2d
from scipy.special import softmax
from sklearn.datasets import load_digits

import sim.experiments
from sim.experiments import Experiment, Settings, State, experiment_names, prepare, register
from sim.experiments._digits import digits
from sim.experiments._training import Data, split, train
from sim.measurement.players import tabular_features
from sim.measurement.scoring import measure_outputs

BUNDLED = ("breast-cancer-mlp", "digits-cnn", "digits-mlp", "digits-transformer")
SETTINGS = Settings(epochs=(0, 1, 3), samples=3, players=4, seed=2)


def dense(layers, x):
    """A perceptron from its weights and biases, ReLU between the layers."""
    for weight, bias in layers[:-1]:
        x = np.maximum(weight @ x + bias, 0)
    return layers[-1][0] @ x + layers[-1][1]


def mlp(arrays, x):
    """Eight arrays: weight and bias of each layer."""
    return dense(list(zip(arrays[0:8:2], arrays[1:8:2], strict=True)), x.ravel())


def convolved(x, weight, bias):
    """3×3 convolution with zero padding; weight (out, 9·in) runs over places, then channels."""
    kernels = weight.reshape(len(weight), 3, 3, len(x))
    return np.array(
        [
            b + sum(correlate2d(x[c], k[:, :, c], mode="same") for c in range(len(x)))
            for k, b in zip(kernels, bias, strict=True)
        ]
    )


def pooled(x):
    return np.array(
        [
            [
                [m[i : i + 2, j : j + 2].max() for j in range(0, m.shape[1], 2)]
                for i in range(0, m.shape[0], 2)
            ]
            for m in x
        ]
    )


def first_map(arrays, x):
    return np.maximum(convolved(x[None], *arrays[:2]), 0)


def after_first_map(arrays, x):
    x = pooled(np.maximum(convolved(pooled(x), *arrays[2:4]), 0))
    return dense(list(zip(arrays[4:8:2], arrays[5:8:2], strict=True)), x.ravel())


def normalised(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def gelu(x):
    """JAX's, the tanh form."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def transformer(arrays, x):
    """Token by token, head by head."""
    embedding, positions, *blocks, head, bias = arrays[:12]
    x = x @ embedding + positions
    for to_heads, from_heads, up, down in (blocks[:4], blocks[4:]):
        seen, added = normalised(x), np.zeros_like(x)
        for h in range(4):
            query, key, value = (seen @ to_heads[i, h] for i in range(3))
            added += softmax(query @ key.T / np.sqrt(8), axis=1) @ value @ from_heads[h]
        x = x + added
        hidden = normalised(x) @ up
        x = x + gelu(hidden) @ down
    return normalised(x).mean(axis=0) @ head + bias


FORWARD = {
    "breast-cancer-mlp": mlp,
    "digits-mlp": mlp,
    "digits-cnn": after_first_map,
    "digits-transformer": transformer,
}


@pytest.fixture(scope="module")
def trained():
    """Each bundled experiment with its checkpoints."""
    experiments = {name: prepare(name, SETTINGS) for name in BUNDLED}
    return {name: (e, list(e.train(None, None))) for name, e in experiments.items()}


@pytest.mark.parametrize("name", BUNDLED)
def test_outputs_equal_a_forward_pass_written_by_hand(trained, name):
    experiment, checkpoints = trained[name]
    last = checkpoints[-1]
    arrays = [np.asarray(a, np.float64) for a in last.state.arrays]
    inputs = experiment.inputs if last.inputs is None else last.inputs
    if name == "digits-cnn":
        for image, feature_map in zip(experiment.inputs, inputs, strict=True):
            np.testing.assert_allclose(first_map(arrays, image), feature_map, atol=1e-5)
    got = measure_outputs(last.score, inputs, experiment.masking, experiment.labels)
    for sample, label in enumerate(experiment.labels):
        versions = experiment.masking.masked(inputs, sample, np.arange(16)).astype(np.float64)
        for s, version in enumerate(versions):
            p = softmax(FORWARD[name](arrays, version))[label]
            np.testing.assert_allclose(got[sample, s], np.log(p / (1 - p)), atol=1e-4)


def test_losses_and_accuracies_are_those_of_training_and_test_set(trained):
    """With the labels that the network sees, so with the noise in those of training."""
    _, checkpoints = trained["digits-mlp"]
    last, data = checkpoints[-1], digits(SETTINGS)
    assert (data.train_labels != data.true_labels).any()
    arrays = [np.asarray(a, np.float64) for a in last.state.arrays]
    for inputs, labels, loss, accuracy in (
        (data.train_inputs, data.train_labels, last.train_loss, last.train_accuracy),
        (data.test_inputs, data.test_labels, last.test_loss, last.test_accuracy),
    ):
        p = softmax([mlp(arrays, x) for x in inputs], axis=1)
        np.testing.assert_allclose(loss, -np.log(p[np.arange(len(p)), labels]).mean(), rtol=1e-5)
        np.testing.assert_allclose(accuracy, (p.argmax(axis=1) == labels).mean(), atol=2e-3)


@pytest.mark.parametrize("name", BUNDLED)
def test_training_learns_and_is_the_same_again(trained, name):
    experiment, checkpoints = trained[name]
    assert [c.epoch for c in checkpoints] == list(SETTINGS.epochs)
    assert checkpoints[-1].train_loss < checkpoints[0].train_loss
    assert experiment.metadata["experiment"] == name
    assert experiment.metadata["settings"]["seed"] == 2
    assert experiment.masking.n == 4
    resumed = next(experiment.train(None, checkpoints[1].state))
    assert resumed.epoch == 3
    for one, other in zip(resumed.state.arrays, checkpoints[2].state.arrays, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", BUNDLED)
def test_another_seed_changes_the_start_and_the_order_but_not_the_data(trained, name):
    experiment, own = trained[name]
    other = list(experiment.seeded(9)(None, None))
    theirs = next(prepare(name, dataclasses.replace(SETTINGS, seed=9)).train(None, None))
    for one, two in zip(other[0].state.arrays, theirs.state.arrays, strict=True):
        assert one.tobytes() == two.tobytes()  # starts as a network of that seed does
    assert other[0].train_loss != theirs.train_loss  # on other data than that one

    begun = State(-1, own[0].state.arrays)  # our start, and their data: the losses say which
    start = next(experiment.seeded(9)(None, begun))
    assert (start.train_loss, start.test_loss) == (own[0].train_loss, own[0].test_loss)

    reordered = next(experiment.seeded(9)(None, own[1].state))
    assert reordered.epoch == own[2].epoch
    assert any(
        (one != two).any()
        for one, two in zip(reordered.state.arrays, own[2].state.arrays, strict=True)
    )
    again = list(experiment.seeded(SETTINGS.seed)(None, None))
    for one, two in zip(again[-1].state.arrays, own[-1].state.arrays, strict=True):
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("name", BUNDLED)
def test_what_cannot_be_measured_is_refused(name):
    with pytest.raises(ValueError, match=r"`samples` must be at most the \d+ test inputs, but is"):
        prepare(name, Settings(samples=1001))
    with pytest.raises(ValueError, match=r"between 1 and the \d+ .* but is 17"):
        prepare(name, Settings(players=17))


def test_training_inputs_can_be_measured_by_their_true_labels():
    noisy = Settings(samples=200, label_noise=0.5, part="train")
    experiment = prepare("digits-mlp", noisy)
    digits = load_digits()
    pixels = experiment.inputs.reshape(200, -1)
    every = ((digits.data - digits.data.mean()) / digits.data.std()).astype(np.float32)
    for image, label in zip(pixels, experiment.labels, strict=True):
        assert label == digits.target[np.linalg.norm(every - image, axis=1).argmin()]
    assert not np.array_equal(experiment.inputs[:30], prepare("digits-mlp", Settings()).inputs)


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-transformer"])
def test_digits_are_shown_as_images_with_their_patches(name):
    """Whatever the network sees, people see pixels; masked ones change what it sees, others not."""
    experiment = prepare(name, Settings(samples=3, players=4))
    shown = experiment.masking.keys(experiment.inputs) | experiment.shown
    assert shown["inputs"].shape == (3, 8, 8)
    for player in range(4):
        places = np.argwhere(shown["regions"][0, player].reshape(-1, 8, 8).any(axis=0))
        row, column = (places.min(axis=0) // 2 + 1).tolist()
        assert len(places) == 4
        assert shown["player_names"][player] == f"r{row}c{column}"
        own = (
            experiment.masking.masked(experiment.inputs, 0, np.array([15 ^ 1 << player]))
            if (name != "digits-cnn")
            else None
        )
        if own is not None:
            gone = np.flatnonzero(own[0] != experiment.inputs[0])
            seen = shown["inputs"][0][tuple(places.T)]
            assert set(np.asarray(experiment.inputs[0]).ravel()[gone]) == set(seen[seen != 0])
    digits = load_digits()
    row = int(experiment.shown["sample_names"][2].split()[-1])
    assert digits.target[row] == experiment.labels[2]
    assert np.corrcoef(digits.images[row].ravel(), shown["inputs"][2].ravel())[0, 1] > 0.999


def test_false_labels_are_told_in_the_names():
    settings = Settings(samples=1000, players=2, part="train", label_noise=0.05)
    names = prepare("digits-mlp", settings).shown["sample_names"]
    assert sum("taught as" in name for name in names) == 50


def test_every_epoch_visits_every_sample_once_in_a_new_order():
    """Descent by hand in every possible order of five samples, in batches of 2, 2 and 1."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 2)).astype(np.float32), np.array([0, 1, 2, 1, 0])
    model = eqx.nn.Linear(2, 3, use_bias=False, key=jax.random.key(0))
    run = train(
        model,
        Data(x, y, y, x, y, np.arange(2 * len(x))),
        (0, 1, 2),
        optax.sgd(0.5),
        batch_size=2,
        seed=1,
    )
    weights = [checkpoint.state.arrays[0] for checkpoint in run]

    def step(w, rows):
        slope = softmax(x[rows] @ w.T, axis=1) - np.eye(3)[y[rows]]
        return w - 0.5 * slope.T @ x[rows] / len(rows)

    found = []
    for before, after in itertools.pairwise(weights):
        ends = {}
        for order in itertools.permutations(range(5)):
            batches = (tuple(sorted(order[:2])), tuple(sorted(order[2:4])), order[4:])
            ends[batches] = functools.reduce(step, map(list, batches), before.astype(float))
        nearest = sorted(ends, key=lambda batches: np.abs(ends[batches] - after).max())
        away = [np.abs(ends[batches] - after).max() for batches in nearest[:2]]
        assert away[0] < 1e-6 < 1e-4 < away[1]
        found.append(nearest[0])
    assert found[0] != found[1]


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5])
def test_label_noise_replaces_exactly_a_fraction_by_other_classes(fraction):
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(3, 2, size=(500, 4)), rng.integers(0, 5, 500)
    data = split(inputs, labels, 400, fraction, seed=1)
    assert (data.train_labels != data.true_labels).sum() == round(400 * fraction)
    assert sorted({*data.train_labels.tolist(), *data.true_labels.tolist()}) == [0, 1, 2, 3, 4]
    again = split(inputs, labels, 400, fraction, seed=1)
    assert (again.train_labels == data.train_labels).all()
    assert not (split(inputs, labels, 400, fraction, seed=2).true_labels == data.true_labels).all()


def test_inputs_are_standardised_by_the_training_set():
    rng = np.random.default_rng(1)
    inputs = rng.normal(3, 2, size=(500, 4)) * np.array([1, 10, 100, 1000])
    data = split(inputs, np.arange(500) % 2, 400, 0.0, seed=1, standardise="columns")
    np.testing.assert_allclose(data.train_inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train_inputs.std(axis=0), 1, rtol=1e-5)
    whole = split(inputs, np.arange(500) % 2, 400, 0.0, seed=1).train_inputs
    np.testing.assert_allclose([whole.mean(), whole.std()], [0, 1], atol=1e-5)


def test_the_names():
    assert set(BUNDLED) <= set(experiment_names())
    modules = {m.name for m in pkgutil.iter_modules(sim.experiments.__path__) if not m.ispkg}
    found = {name for name in modules if name[0] != "_"}
    assert {*sim.experiments.BUNDLED.values(), "standard"} == found
    with pytest.raises(ValueError, match="no experiment 'digits'; there are: breast-cancer-mlp, "):
        prepare("digits", SETTINGS)


def test_a_users_experiment_is_found_by_its_name():
    @register("mine")
    def mine(settings):
        return Experiment(
            np.ones((2, 3)),
            np.zeros(2, int),
            tabular_features(3, 2),
            settings.epochs,
            lambda progress, state: iter(()),
            {},
        )

    assert prepare("mine", SETTINGS).masking.n == 2
    assert "mine" in experiment_names()

    def other(settings):
        raise AssertionError

    other.__module__ = "elsewhere"
    with pytest.raises(ValueError, match=r"an experiment 'mine' already, in .*test_experiments"):
        register("mine")(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": (0,)}, "at least two increasing, nonnegative epochs"),
        ({"epochs": (2, 1)}, r"nonnegative epochs, but is \[2, 1\]"),
        ({"epochs": (-1, 1)}, "nonnegative epochs"),
        ({"samples": 0}, "`samples` must be at least 1"),
        ({"label_noise": 1.0}, r"`label_noise` must be in \[0, 1\)"),
        ({"part": "dev"}, "`part` must be 'test' or 'train', but is 'dev'"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        Settings(**change)


def test_without_the_extra_the_command_says_what_to_install(tmp_path):
    command = (
        "import sys; sys.modules['equinox'] = None; sys.modules['sklearn'] = None; "
        "from sim.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", command, "measure", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "pip install 'interaction-dynamics[experiments]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out" / "measurement.npz").exists()
