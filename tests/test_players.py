"""Players that hardly matter, and players of sentences of different lengths."""

import itertools
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim.cli import app


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
        inputs = np.random.default_rng(2).uniform(0.5, 1, size=(2, 5))
        masking = sim.tabular_features(5, 5, names=["weak", "none", "c", "d", "e"])
        path = tmp_path / "measurement.npz"
        self.measured(masking, inputs).save(path)
        said = CliRunner().invoke(app, ["extract", str(path)]).stdout
        assert "Note: 2 of 5 players hardly matter at epoch 7: none (0 % of |v(N) − v(∅)|), " in (
            " ".join(said.split())
        )
        given = CliRunner().invoke(app, ["extract", str(path), "--overwrite", "--json"]).stdout
        (first, nothing), (second, _) = json.loads(given)["near_dummies"]
        assert (first, second, nothing) == ("none", "weak", 0)

    def test_nothing_is_said_where_all_matter(self, tmp_path):
        path = tmp_path / "measurement.npz"
        sim.Measurement([[[0.0, 1.0, 2.0, 5.0]]], [0]).save(path)
        assert "hardly" not in CliRunner().invoke(app, ["extract", str(path)]).stdout

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
