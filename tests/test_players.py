"""Players that hardly matter, and players of sentences of different lengths."""

import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
import theory
from sim.cli import app
from sim.measurement import dummies_in_words


def by_definition(outputs, i):
    """Mean over the sets without player i of how far it moves a single input's output."""
    n = len(outputs).bit_length() - 1
    others = [j for j in range(n) if j != i]
    moves = [
        abs(outputs[sum(1 << j for j in s) + (1 << i)] - outputs[sum(1 << j for j in s)])
        for size in range(n)
        for s in itertools.combinations(others, size)
    ]
    return sum(moves) / len(moves)


def test_effects_are_mean_moves_at_the_scale_of_the_checkpoint():
    v = np.random.default_rng(0).normal(size=(2, 3, 16)) + 2
    found = sim.player_effects(v)
    for checkpoint, sample, i in np.ndindex(2, 3, 4):
        scale = np.mean([abs(one[-1] - one[0]) for one in v[checkpoint]])
        expected = by_definition(v[checkpoint, sample], i) / scale
        np.testing.assert_allclose(found[checkpoint, sample, i], expected)


def test_outputs_that_come_back_to_where_they_were():
    apart = sim.player_effects([[[0.0, 1.0, 1.0, 0.0]]])  # v(N) = v(∅), and yet both matter
    assert np.isinf(apart).all()
    assert (sim.player_effects(np.ones((1, 2, 8))) == 0).all()


class TestDummies:
    """A network that ignores some of its inputs exactly."""

    def measured(self, masking, inputs, **keys):
        def score(batch):  # the first input weakly, the second not at all
            return np.tanh(0.02 * batch[:, 0] + batch[:, 2] * batch[:, 3] + batch[:, 4])

        outputs = sim.measure_outputs(score, inputs, masking)
        early = np.random.default_rng(1).normal(size=outputs.shape)  # an untrained network
        return sim.Measurement([early, outputs], [0, 7], **masking.keys(), **keys)

    def test_shared_players(self):
        inputs = np.random.default_rng(2).uniform(0.5, 1, size=(4, 5))
        masking = sim.tabular_features(5, 5, names=["weak", "none", "c", "d", "e"])
        measurement = self.measured(masking, inputs)
        (first, nothing), (second, little) = sim.near_dummies(measurement)
        assert (first, second) == ("none", "weak")
        assert nothing == 0
        v = measurement.outputs[1]
        by_hand = np.mean([by_definition(one, 0) for one in v]) / np.abs(v[:, -1] - v[:, 0]).mean()
        np.testing.assert_allclose(little, by_hand)
        assert 0 < by_hand < 0.03
        assert [name for name, _ in sim.near_dummies(measurement, below=by_hand)] == ["none"]
        assert sim.near_dummies(measurement, checkpoint=0) == []

    def test_players_of_each_sample_are_gathered_by_name(self):
        """The word "none" stands in several sentences, "once" in one, each with a dummy's place."""
        inputs = np.random.default_rng(3).uniform(0.5, 1, size=(3, 5))
        words = [
            ["very", "none", "good", "old", "film"],
            ["not", "none", "good", "new", "film"],
            ["a", "once", "good", "none", "film"],
        ]
        masking = sim.tokens(5, 4, mask=0.0, words=words, allowed=[[0, 1, 1, 1, 1]] * 3)
        named = self.measured(masking, inputs)
        effects = sim.player_effects(named.outputs)[-1]
        assert sim.near_dummies(named) == [("once", 0.0)]
        gathered = dict(sim.near_dummies(named, below=10.0))
        np.testing.assert_allclose(gathered["none"], effects[2, 2] / 3)  # 0 in two of three
        np.testing.assert_allclose(gathered["film"], effects[:, 3].mean())
        nameless = sim.Measurement(
            named.outputs, [0, 7], regions=named.regions, sample_names=["x", "y", "z"]
        )
        expected = [(f"player 0 of {sample}", 0.0) for sample in "xyz"]
        assert sim.near_dummies(nameless) == expected

    def test_the_command_line_says_so(self, tmp_path):
        def run(*options):
            return CliRunner().invoke(app, ["extract", str(path), "--overwrite", *options]).stdout

        path, names = tmp_path / "measurement.npz", ["good", "[PAD]"]
        sim.Measurement([[[0.0, 2.0, 0.0, 2.0]]], [7], player_names=names).save(path)
        note = "Note: 1 of 2 players hardly matters at epoch 7: [PAD] (0 % of |v(N) − v(∅)|); "
        assert note in " ".join(run().split())
        assert json.loads(run("--json"))["near_dummies"] == [["[PAD]", 0.0]]
        sim.Measurement([[[0.0, 2.0, 1.0, 3.0]]], [7]).save(path, overwrite=True)
        assert "hardly" not in run()
        assert json.loads(run("--json"))["near_dummies"] == []

    def test_so_it_does_after_training(self, tmp_path, monkeypatch):
        trained = sim.Measurement([[[0.0, 2.0, 0.0, 2.0]]], [7], player_names=["good", "[PAD]"])
        monkeypatch.setattr("sim.cli.measure.run_measure", lambda *_, **__: trained)
        said = CliRunner().invoke(app, ["measure", "--out", str(tmp_path)]).stdout
        assert "Note: 1 of 2 players hardly matters at epoch 7: [PAD] " in " ".join(said.split())
        given = CliRunner().invoke(app, ["measure", "--out", str(tmp_path), "--json"]).stdout
        assert json.loads(given)["near_dummies"] == [["[PAD]", 0.0]]

    def test_a_sentence_names_a_few(self):
        """Seven players of which one acts, and six change nothing."""
        outputs = np.where(np.arange(128) & 1, 3.0, 1.0)[None, None]
        told = dummies_in_words(sim.Measurement(outputs, [2]))
        names = ", ".join(f"player {i} (0 %)" for i in range(2, 6))
        expected = (
            f"6 of 7 players hardly matter at epoch 2: player 1 (0 % of |v(N) − v(∅)|), {names}"
        )
        assert told.startswith(f"{expected}, 1 more; ")
        assert dummies_in_words(sim.Measurement([[[0.0, 2.0, 1.0, 3.0]]], [7])) is None

    @pytest.mark.parametrize(
        ("network", "least"),
        [
            ("breast-cancer-mlp", 0.12),
            ("digits-cnn", 0.10),
            ("digits-mlp", 0.10),
            ("digits-transformer", 0.11),
            ("image-vgg", 0.10),
            ("image-vit", 0.15),
        ],
    )
    def test_networks_of_images_and_of_a_table_use_all_their_players(self, network, least):
        """As far from the bar as is said."""
        measurement = sim.Measurement.load(MEASUREMENTS / f"{network}.npz")
        assert sim.near_dummies(measurement) == []
        (_, effect), *_ = sim.near_dummies(measurement, below=1.0)
        assert round(effect, 2) == least

    def test_a_checkpoint_that_is_not_there(self):
        measurement = sim.Measurement([[[0.0, 1.0, 2.0, 5.0]]], [0])
        with pytest.raises(ValueError, match="`checkpoint` must be a whole number from 0 to 0"):
            sim.near_dummies(measurement, checkpoint=1)


class TestSentences:
    """Five sentences of 1, 2, 3, 4 and 2 words, in frames of separators and padding."""

    IDS = np.array(
        [
            [1, 9, 2, 0, 0, 0],
            [1, 7, 6, 2, 0, 0],
            [1, 5, 8, 4, 2, 0],
            [1, 9, 4, 5, 6, 2],
            [1, 8, 9, 2, 0, 0],
        ]
    )
    ALLOWED = IDS > 2

    def test_each_has_as_many_players_as_words_up_to_n(self):
        groups = sim.tokens_by_length(
            6, 3, mask=3, allowed=self.ALLOWED, words=self.IDS.astype(str)
        )
        assert [(samples.tolist(), m.n) for samples, m in groups] == [
            ([0], 1),
            ([1, 4], 2),
            ([2, 3], 3),
        ]
        for samples, masking in groups:
            hidden = [masking.masked(self.IDS[samples], i, [0])[0] for i in range(len(samples))]
            for sample, seen, names in zip(samples, hidden, masking.names, strict=True):
                words = self.IDS[sample, self.ALLOWED[sample]]
                assert (seen == 3).sum() == min(len(words), 3)
                assert (
                    seen[~self.ALLOWED[sample]] == self.IDS[sample, ~self.ALLOWED[sample]]
                ).all()
                assert set(names) <= set(words.astype(str))


MEASUREMENTS = Path(__file__).parent.parent / "notebooks/measurements"


@pytest.mark.slow
def test_the_black_frame_of_digits():
    """Masked by black its patches are dummies; by grey they are not, though they show nothing."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    images = np.pad(images.reshape(-1, 8, 8), ((0, 0), (2, 2), (2, 2)))
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    frame = {f"r{row}c{column}" for row in range(1, 7) for column in range(1, 7)} - {
        f"r{row}c{column}" for row in range(2, 6) for column in range(2, 6)
    }

    def measured(data, **options):
        network = MLPClassifier(64, random_state=0)
        for _ in range(40):
            network.partial_fit(data[:1000].reshape(1000, -1), labels[:1000], classes=range(10))
        assert network.score(data[1000:].reshape(-1, 144), labels[1000:]) > 0.9
        masking = sim.image_patches((12, 12), 2, 9, **options)
        outputs = sim.measure_outputs(
            lambda batch: network.predict_log_proba(batch.reshape(len(batch), -1)),
            data[1000:1020],
            masking,
            labels[1000:1020],
        )
        return sim.Measurement(outputs[None], [40], **masking.keys())

    effects = dict(sim.near_dummies(measured(images / 16), below=np.inf))
    assert {name for name, effect in effects.items() if effect < 1e-9} == frame & set(effects)
    assert len(frame & set(effects)) > 2
    grey = measured((images - images.mean()) / images.std())
    seen = [effect for name, effect in sim.near_dummies(grey, below=np.inf) if name in frame]
    assert 0.001 < min(seen) < max(seen) < 0.2
    effects = dict(sim.near_dummies(measured(images / 16, content=images > 0), below=np.inf))
    assert not frame & set(effects)
    assert min(effects.values()) > 0.001


NORMAL = np.random.default_rng(4).normal
GROUPS = [
    tuple(NORMAL(size=(3, 2 * samples, 2**n)) for _ in range(3)) for samples, n in ((2, 1), (1, 3))
]


class TestPooledStrength:
    """Two training runs, three checkpoints; two samples of one player and one of three."""

    def by_definition(self, parts, salience):
        """Sample by sample and set by set, in the order run, group, sample."""
        expected = np.zeros((3, 6, 3))
        for checkpoint in range(3):
            effects = [abs(v[checkpoint, :, -1] - v[checkpoint, :, 0]) for _, _, v in GROUPS]
            least = salience * np.mean(np.concatenate(effects))
            for at, (run, group, sample) in enumerate(
                [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0)]
            ):
                i_and, i_or, v = GROUPS[group]
                row = run * v.shape[1] // 2 + sample
                for half in {"both": (i_and, i_or), "and": (i_and,), "or": (i_or,)}[parts]:
                    for s in range(1, half.shape[-1]):
                        value = abs(half[checkpoint, row, s])
                        expected[checkpoint, at, s.bit_count() - 1] += value * (value >= least)
        return expected

    @pytest.mark.parametrize("parts", ["both", "and", "or"])
    def test_by_definition(self, parts):
        found = sim.pooled_strength(GROUPS, runs=2, parts=parts, salience=0.5)
        np.testing.assert_allclose(found, self.by_definition(parts, 0.5))

    def test_a_single_group_is_itself(self):
        group = GROUPS[1]
        fit_like = theory.strength_by_order(
            group[0], theory.salience_threshold(group[2][..., -1], group[2][..., 0])
        )
        np.testing.assert_allclose(sim.pooled_strength([group], parts="and"), fit_like)

    @pytest.mark.parametrize(
        ("groups", "options", "message"),
        [
            ([], {}, "`groups` must be at least one"),
            ([GROUPS[0], 3.0], {}, r"hold tuples \(i_and, i_or, outputs\), but holds .* at 1"),
            ([GROUPS[0], [a[:2] for a in GROUPS[1]]], {}, "hold tuples"),
            (
                [GROUPS[0], tuple(a[:2] for a in GROUPS[1])],
                {},
                r"`groups\[1\]\[0\]` must have shape \(3, 2, 8\), but has shape \(2, 2, 8\)",
            ),
            (
                [(*GROUPS[0][:2], GROUPS[1][2])],
                {},
                r"`groups\[0\]\[0\]` must have shape \(3, 2, 8\), but has shape \(3, 4, 2\)",
            ),
            (GROUPS, {"runs": 4}, "`runs` must divide the 2 samples, but is 4"),
            (GROUPS, {"parts": "all"}, "`parts`"),
        ],
    )
    def test_what_cannot_be_pooled(self, groups, options, message):
        with pytest.raises(ValueError, match=message):
            sim.pooled_strength(groups, **options)

    def test_dummies_are_no_way_to_one_number_of_players(self):
        """The theory's optimum gives a dummy's sets a strength that no extraction would find."""
        with_dummies = np.zeros(64)
        with_dummies[:4] = [0, 1, 2, 3]  # a function of two of six players
        learned = theory.strength_by_order(theory.optimal_interactions(with_dummies, 1.0))
        assert learned[2:].sum() > 0.1 * learned.sum()


@pytest.mark.slow
def test_a_classifier_of_sentences_of_different_lengths():
    """A network that learned "not" has it as an interaction with the word that is turned.

    Words 3 and 4 speak for, 5 and 6 against, 7 turns what follows, 8 says nothing and is the mask.
    Of "7 3", v = a·[3 shown] − 2a·[both shown] costs 3a in any explanation, 2a of it in order 2.
    """
    import jax
    import optax

    def score(parameters, ids):
        embedded = parameters["words"][ids].reshape(*ids.shape[:-1], -1)
        return jax.nn.relu(embedded @ parameters["in"]) @ parameters["out"]

    def loss(parameters):
        return optax.sigmoid_binary_cross_entropy(score(parameters, ids), target).mean()

    @jax.jit
    def step(parameters, state):
        updates, state = optimiser.update(jax.grad(loss)(parameters), state)
        return optax.apply_updates(parameters, updates), state

    rng = np.random.default_rng(0)
    ids = rng.integers(3, 9, size=(4000, 3)) * (np.arange(3) < rng.integers(1, 4, size=(4000, 1)))
    votes = np.select([np.isin(ids, [3, 4]), np.isin(ids, [5, 6])], [1, -1], 0)
    total = (votes * (1 - 2 * (np.cumsum(ids == 7, axis=1) % 2))).sum(axis=1)
    target = (np.sign(total) + 1) / 2  # one half where nothing is said
    keys = jax.random.split(jax.random.key(0), 3)
    parameters = {
        "words": jax.random.normal(keys[0], (9, 8)),
        "in": jax.random.normal(keys[1], (24, 64)) / 4,
        "out": jax.random.normal(keys[2], (64,)) / 8,
    }
    optimiser = optax.adam(0.01)
    state = optimiser.init(parameters)

    shown = np.array([[3, 0, 0], [7, 3, 0], [7, 5, 0], [3, 4, 8], [7, 4, 0], [6, 0, 0], [7, 6, 0]])
    labels = np.array([1, 0, 1, 1, 0, 0, 1])
    groups = sim.tokens_by_length(3, 3, mask=8, allowed=shown != 0)
    assert [masking.n for _, masking in groups] == [1, 2, 3]
    epochs, outputs = [0, 30, 300], [[] for _ in groups]
    for epoch in range(epochs[-1] + 1):
        if epoch in epochs:
            here = functools.partial(score, parameters)
            for kept, (samples, masking) in zip(outputs, groups, strict=True):
                kept.append(sim.measure_outputs(here, shown[samples], masking, labels[samples]))
        parameters, state = step(parameters, state)
    outputs = [np.array(kept) for kept in outputs]  # (checkpoints, samples, 2^n) of each group
    assert min(v[-1, :, -1].min() for v in outputs) > 0  # all are told right
    found = [sim.extract_interactions(v) for v in outputs]
    strength = sim.pooled_strength(
        [(f.i_and, f.i_or, v) for f, v in zip(found, outputs, strict=True)]
    )
    assert strength.shape == (3, 7, 3)
    assert (strength[:, :2, 1:] == 0).all()
    assert (strength[:, 2:6, 2] == 0).all()
    turned = strength[-1, 2:6]
    np.testing.assert_allclose(turned[:, 1] / turned.sum(axis=1), 2 / 3, atol=0.1)
    assert sim.find_phases(epochs, strength).mean_order.shape == (3,)
