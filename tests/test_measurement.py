"""Measurements: values against direct evaluation, and what is refused."""

import dataclasses

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sim.checks import ArgumentError
from sim.extraction import Interactions, extract_interactions
from sim.measurement.measurement import Measurement
from sim.measurement.patches import image_patches
from sim.measurement.players import tabular_features
from sim.measurement.scoring import log_odds, measure_outputs


@pytest.fixture
def measurement():
    rng = np.random.default_rng(0)
    return Measurement(
        outputs=rng.normal(size=(4, 3, 8)),
        epochs=[0, 2, 3, 10],
        labels=np.array([1, 0, 1]),
        train_loss=[3, 2, 1, 0.5],
        metadata={"network": "none", "seed": 3},
    )


def test_log_odds_is_log_p_over_not_p():
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=3, size=(20, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for label in range(5):
        expected = np.log(p[:, label] / (1 - p[:, label]))
        np.testing.assert_allclose(log_odds(logits, label), expected, rtol=1e-10)


def test_log_odds_is_exact_where_p_rounds_to_one():
    logits = [60.0, 1.0, -3.0]
    with mpmath.workdps(60):
        others = mpmath.exp(1) + mpmath.exp(-3)
        expected = float(60 - mpmath.log(others))
    np.testing.assert_allclose(log_odds(np.array([logits]), 0)[0], expected, rtol=1e-14)
    assert np.isfinite(log_odds(np.array([[5000.0, -5000.0]]), 0)[0])


def test_single_outputs_and_their_sign():
    out = np.array([[1.5], [-2.0]])
    assert log_odds(out, None).tolist() == log_odds(out, 1).tolist() == [1.5, -2.0]
    assert log_odds(out, 0).tolist() == [-1.5, 2.0]


@pytest.mark.parametrize("batch_size", [1, 7, 16, 4096])
def test_outputs_equal_direct_evaluation(batch_size):
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(16, 3))
    inputs = rng.normal(size=(2, 4, 4))
    masking = image_patches((4, 4), patch=2, n=3, baseline=0.3, seed=5)

    def score(batch):
        return np.tanh(batch.reshape(len(batch), -1)) @ weights

    got = measure_outputs(score, inputs, masking, np.array([2, 0]), batch_size=batch_size)
    for sample, label in ((0, 2), (1, 0)):
        for s in range(8):
            image = inputs[sample].copy()
            for player in range(3):
                if not s & (1 << player):
                    image[masking.regions[player]] = 0.3
            logits = np.tanh(image.ravel()) @ weights
            p = np.exp(logits)[label] / np.exp(logits).sum()
            np.testing.assert_allclose(got[sample, s], np.log(p / (1 - p)), rtol=1e-9)


def test_progress_ends_at_the_total():
    steps = []
    masking = image_patches((4, 4), patch=2, n=4)
    measure_outputs(
        lambda x: x.sum(axis=(1, 2)),
        np.ones((3, 4, 4)),
        masking,
        batch_size=4,
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1] == (48, 48)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})


@pytest.mark.parametrize(
    ("score", "labels", "message"),
    [
        (lambda x: np.zeros((3, 2)), [0, 0], r"shape \(16, classes\) or \(16,\).*shape \(3, 2\)"),
        (lambda x: np.zeros((16, 2)), None, "need `labels`"),
        (
            lambda x: np.zeros((16, 2)),
            [0, 5],
            "label of sample 1 must be a class below 2",
        ),
        (lambda x: np.full((16, 2), np.nan), [0, 0], "sample 0 has a NaN"),
        (lambda x: np.zeros((16, 2)), [0], r"has shape \(1,\)"),
    ],
)
def test_bad_scores(score, labels, message):
    labels = None if labels is None else np.array(labels)
    with pytest.raises(ValueError, match=message):
        measure_outputs(score, np.ones((2, 4, 4)), image_patches((4, 4), 2, 4), labels)


def test_inputs_of_another_shape():
    with pytest.raises(ValueError, match=r"`inputs` must have shape .* has shape \(2, 16\)"):
        measure_outputs(np.sum, np.ones((2, 16)), image_patches((4, 4), 2, 4))


def test_round_trip(measurement, tmp_path):
    path = tmp_path / "m.npz"
    measurement.save(path)
    loaded = Measurement.load(path)
    for name in ("outputs", "epochs", "labels", "train_loss"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(measurement, name))
    assert loaded.test_loss is None
    assert loaded.metadata == measurement.metadata
    assert (loaded.n, loaded.checkpoints, loaded.samples) == (3, 4, 3)


REGIONS = np.eye(3, dtype=bool)[:, :, None] & np.ones(2, bool)  # rows of a 3×2 image
SHOWN = {
    "player_names": ["top", "middle", "bottom"],
    "sample_names": ["one", "two", "three"],
    "regions": REGIONS,
    "inputs": np.arange(18.0).reshape(3, 3, 2),
}


def test_what_people_look_at_travels_through_every_file(tmp_path):
    outputs = np.random.default_rng(0).normal(size=(2, 3, 8))
    measurement = Measurement(outputs, [0, 1], **SHOWN)
    measurement.save(tmp_path / "m.npz")
    loaded = Measurement.load(tmp_path / "m.npz")
    found = Interactions(loaded, extract_interactions(outputs), {})
    found.save(tmp_path / "i.npz")
    last = Interactions.load(tmp_path / "i.npz").without([]).measurement.at(np.array([1]))
    for name, value in SHOWN.items():
        kept = getattr(last, name)
        np.testing.assert_array_equal(kept, np.asarray(value)[None] if name == "regions" else value)
    assert last.players(2) == last.players(-1) == SHOWN["player_names"]
    assert last.sample_name(1) == "two"


def test_names_of_each_input_are_the_same_in_every_run():
    names = [["a", "b", "c"], ["d", "e", "f"]]
    shown = {"player_names": names, "sample_names": ["one", "two"], "inputs": np.ones((2, 4))}
    runs = [Measurement(np.full((1, 2, 8), run), [0], **shown) for run in (1.0, 2.0)]
    both = Measurement.of_runs(runs)
    assert [both.players(sample) for sample in range(4)] == names * 2
    assert [both.sample_name(sample) for sample in range(4)] == ["one", "two"] * 2
    assert both.inputs.shape == (2, 4)
    with pytest.raises(ValueError, match="`sample` must be a whole number from 0 to 3, but is 4"):
        both.players(4)
    other = dataclasses.replace(runs[1], sample_names=["two", "one"])
    with pytest.raises(ValueError, match="the same names of inputs"):
        Measurement.of_runs([runs[0], other])
    with pytest.raises(ValueError, match=r"the same inputs, but"):
        Measurement.of_runs([runs[0], dataclasses.replace(runs[1], inputs=np.zeros((2, 4)))])


def test_regions_are_of_each_input_or_of_all():
    def kept(samples, **shown):
        return Measurement(np.zeros((1, samples, 8)), [0], **shown).regions

    assert kept(2, regions=REGIONS).shape == (1, 3, 3, 2)
    own = np.stack([REGIONS, REGIONS[::-1]])
    np.testing.assert_array_equal(kept(2, regions=own.astype(int)), own)
    # three samples of three players: a single shape would do for both
    assert kept(3, regions=np.ones((3, 3, 2), bool)).shape == (3, 3, 2)
    assert kept(3, regions=REGIONS, inputs=np.ones((3, 3, 2))).shape == (1, 3, 3, 2)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"player_names": ["a", "b"]}, r"`player_names` must have shape \(n,\) = \(3,\).* is"),
        ({"player_names": [1, 2, 3]}, "`player_names` must be text"),
        ({"sample_names": ["a"]}, "`sample_names` must be one text for each of the 2 inputs"),
        ({"sample_names": np.array([b"\xff", b"a"])}, "`sample_names` must be text in UTF-8"),
        ({"regions": np.ones((2, 4), bool)}, r"`regions` must have shape \(n, \*shape\)"),
        ({"regions": np.eye(3, 4) * [1, 1, 0, 0]}, "give every player a place, but has none for"),
        ({"regions": np.full((3, 4), 2)}, "`regions` must be true or false, or 0 and 1"),
        ({"inputs": np.ones((3, 4))}, "`inputs` must be an array of 2 inputs"),
    ],
)
def test_what_people_look_at_must_fit(shown, message):
    with pytest.raises(ValueError, match=message.replace(" is", " has shape")):
        Measurement(np.zeros((1, 2, 8)), [0], **shown)


@pytest.mark.parametrize("key", ["player_name", "players", "words", "region", "patches", "images"])
def test_keys_that_look_like_what_travels_are_refused(key, tmp_path):
    np.savez(tmp_path / "m.npz", outputs=np.zeros((1, 1, 4)), epochs=[0], **{key: ["a", "b"]})
    with pytest.raises(ValueError, match=f"no key `{key}`; `[a-z_]+` is meant"):
        Measurement.load(tmp_path / "m.npz")


def test_a_file_is_not_replaced_unasked(measurement, tmp_path):
    path = tmp_path / "m.npz"
    measurement.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"m\.npz: is there already; overwrite=True"):
        measurement.at(np.array([0])).save(path)
    assert path.read_bytes() == before
    measurement.at(np.array([0])).save(path, overwrite=True)
    assert Measurement.load(path).checkpoints == 1


def trained_again(seed, **change):
    """One training run: outputs that tell run, checkpoint, input and set apart."""
    outputs = 1000 * seed + np.arange(4 * 3 * 8.0).reshape(4, 3, 8)
    fields = {
        "labels": np.array([1, 0, 1], np.int32),
        "train_loss": np.arange(4.0) + seed,
        "test_accuracy": np.full(4, 0.1 * seed),
        "metadata": {"network": "none", "seed": seed},
    }
    return Measurement(**{"outputs": outputs, "epochs": [0, 2, 3, 10]} | fields | change)


def test_runs_follow_each_other_and_keep_their_inputs_and_losses():
    joined = Measurement.of_runs([trained_again(seed) for seed in (4, 2, 9)])
    assert (joined.runs, joined.input_count, joined.samples) == (3, 3, 9)
    for run, seed in enumerate((4, 2, 9)):
        for sample in range(3):
            np.testing.assert_array_equal(
                joined.outputs[:, run * joined.input_count + sample],
                trained_again(seed).outputs[:, sample],
            )
        assert joined.train_loss[run].tolist() == [seed, seed + 1, seed + 2, seed + 3]
    assert joined.train_loss.shape == joined.test_accuracy.shape == (3, 4)
    assert joined.test_loss is None
    assert joined.labels.tolist() == [1, 0, 1] * 3
    assert joined.metadata == {"network": "none", "joined": [{"seed": 4}, {"seed": 2}, {"seed": 9}]}
    assert "3 runs × 3 inputs × 2^3" in repr(joined)


def test_runs_can_be_joined_in_steps():
    a, b, c = (trained_again(seed, metadata={}) for seed in range(3))
    for steps in ([Measurement.of_runs([a, b]), c], [a, Measurement.of_runs([b, c])]):
        joined, whole = Measurement.of_runs(steps).arrays(), Measurement.of_runs([a, b, c]).arrays()
        assert joined.keys() == whole.keys()
        for name in whole:
            np.testing.assert_array_equal(joined[name], whole[name])
    alone = Measurement.of_runs([a])
    assert alone.runs == 1
    assert alone.train_loss.shape == (4,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"epochs": [0, 2, 3, 11]},
            r"the same epochs, but .*\[0\] has \[0.0, .* 10.0\] and .*11.0",
        ),
        ({"outputs": np.ones((4, 3, 4))}, r"number of players, but .* has 3 and .*\[1\] has 2"),
        (
            {"outputs": np.ones((4, 2, 8)), "labels": None},
            r"number of inputs, but measurements\[0\] has 3 and measurements\[1\] has 2",
        ),
        ({"labels": np.array([1, 1, 0])}, r"the same labels, but .*\[1, 0, 1\] and .*\[1, 1, 0\]"),
        ({"labels": None}, r"the same labels, .* has None"),
        ({"train_loss": None}, r"losses and accuracies, but .*\['test_accuracy'\]"),
    ],
)
def test_runs_that_do_not_belong_together(change, message):
    with pytest.raises(ArgumentError, match=rf"`measurements` must have .*{message}") as raised:
        Measurement.of_runs([trained_again(0), trained_again(1, **change)])
    assert "\n" not in str(raised.value)


def test_what_cannot_be_joined():
    with pytest.raises(ArgumentError, match="`measurements` must be at least one, but is empty"):
        Measurement.of_runs([])
    with pytest.raises(TypeError, match="must hold Measurements, but holds a str"):
        Measurement.of_runs([trained_again(0), "m.npz"])


def test_runs_in_the_file(tmp_path):
    joined = Measurement.of_runs([trained_again(seed) for seed in range(3)])
    joined.save(tmp_path / "m.npz", dtype=np.float32)
    loaded = Measurement.load(tmp_path / "m.npz")
    assert isinstance(loaded.runs, int)
    assert (loaded.runs, loaded.input_count) == (3, 3)
    assert loaded.labels.dtype == np.int32
    np.testing.assert_array_equal(loaded.outputs, joined.outputs)  # whole numbers
    np.testing.assert_array_equal(loaded.train_loss, joined.train_loss)
    assert loaded.metadata == joined.metadata


def test_a_file_of_one_run_has_the_keys_it_always_had(measurement, tmp_path):
    measurement.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as arrays:
        assert set(arrays) == {"outputs", "epochs", "labels", "train_loss", "metadata"}
    assert Measurement.load(tmp_path / "m.npz").runs == 1


def test_several_runs_written_with_numpy_alone(tmp_path):
    runs = [np.full((2, 3, 4), float(run)) for run in (5, 6)]
    np.savez(
        tmp_path / "m.npz",
        outputs=np.concatenate(runs, axis=1),
        epochs=[0, 1],
        runs=2,
        test_loss=[[3, 1], [4, 2]],
    )
    loaded = Measurement.load(tmp_path / "m.npz")
    assert loaded.outputs.reshape(2, loaded.runs, loaded.input_count, 4)[0, :, 0, 0].tolist() == [
        5,
        6,
    ]
    assert loaded.test_loss[1].tolist() == [4, 2]


def test_a_file_written_with_numpy_alone(tmp_path):
    np.savez(tmp_path / "m.npz", outputs=np.zeros((2, 1, 4), np.float32), epochs=[0, 1])
    assert Measurement.load(tmp_path / "m.npz").outputs.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": np.zeros((2, 3, 12))}, "last axis of size 2\\^n.*shape \\(2, 3, 12\\)"),
        ({"outputs": np.zeros((3, 8))}, "must have shape \\(checkpoints, samples, 2\\^n\\)"),
        ({"outputs": np.zeros((2, 0, 8))}, "must have shape"),
        ({"outputs": np.array([[["a", "b"]]])}, "must be an array of real numbers"),
        ({"outputs": np.full((2, 3, 8), np.inf)}, "finite, but holds 48 NaN or infinite"),
        ({"epochs": [5, 2]}, "must increase strictly, but goes from 5 to 2 at checkpoint 1"),
        ({"epochs": [2, 2]}, "must increase strictly"),
        ({"epochs": [0, 1, 2]}, "one entry for each of the 2 checkpoints"),
        ({"epochs": ["0", "1"]}, "`epochs` must be numbers"),
        ({"epochs": [0, np.nan]}, "must be finite and nonnegative"),
        ({"labels": np.array([0, 1])}, "one integer for each of the 3 samples"),
        ({"labels": np.array([0.0, 1.0, 2.0])}, "one integer for each"),
        ({"train_loss": [1.0]}, "`train_loss` must have one entry for each of the 2"),
        ({"test_loss": [1.0, np.nan]}, "`test_loss` must be finite"),
        ({"runs": 2}, "`outputs` must hold the same number of inputs in each of the 2 training"),
        ({"runs": 0}, "`runs` must be at least 1, but is 0"),
        ({"runs": 1.5}, "`runs` must be a whole number, but is"),
        ({"runs": [3]}, r"`runs` must be a whole number, but is .*\[3\]"),
        ({"runs": 3, "train_loss": [1.0, 2.0]}, r"\(runs, checkpoints\) = \(3, 2\), but has shape"),
        ({"runs": 3, "test_loss": [[1.0, 2.0, 3.0]] * 2}, r"must have shape .* shape \(2, 3\)"),
        ({"train_loss": [[1.0, 2.0]]}, r"one entry for each of the 2 .*has shape \(1, 2\)"),
        ({"runs": 3, "labels": np.array([4, 4, 5])}, "the same in every .*the runs 0 and 2"),
    ],
)
def test_what_is_not_a_measurement(change, message, tmp_path):
    arguments = {"outputs": np.zeros((2, 3, 8)), "epochs": np.array([0, 1])} | change
    with pytest.raises(ValueError, match=message):
        Measurement(**arguments)
    np.savez(tmp_path / "bad.npz", **arguments)
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        Measurement.load(tmp_path / "bad.npz")


@settings(max_examples=30, deadline=None)
@given(
    checkpoints=st.integers(1, 4),
    samples=st.integers(1, 4),
    size=st.integers(1, 20),
    offset=st.integers(-1, 1),
)
def test_only_consistent_shapes_pass(checkpoints, samples, size, offset):
    outputs, epochs = np.zeros((checkpoints, samples, size)), np.arange(checkpoints + offset)
    whole = size in (2, 4, 8, 16)
    if whole and offset == 0:
        assert Measurement(outputs, epochs).outputs.shape == outputs.shape
    else:
        message = "`epochs` must have one entry" if whole else "`outputs` must have a last axis"
        with pytest.raises(ValueError, match=message):
            Measurement(outputs, epochs)


def test_metadata_must_be_json():
    with pytest.raises(ValueError, match=r"`metadata`.*not JSON serializable"):
        Measurement(np.zeros((1, 1, 2)), [0], metadata={"a": object()})


def test_damaged_metadata_is_named(tmp_path):
    np.savez(tmp_path / "m.npz", outputs=np.zeros((1, 1, 2)), epochs=[0], metadata="[1]")
    with pytest.raises(ValueError, match=r"m\.npz: `metadata` must be a JSON object"):
        Measurement.load(tmp_path / "m.npz")


def test_memory_is_bounded_whatever_the_number_of_sets():
    largest = []

    def score(batch):
        largest.append(batch.nbytes)
        return batch[:, 0]

    inputs = np.ones((1, 600_000), dtype=np.float32)  # 2.4 MB; all 2^6 of them would be 154 MB
    measure_outputs(score, inputs, tabular_features(600_000, 6))
    assert max(largest) <= 2**26
    assert len(largest) == 4
    largest.clear()
    measure_outputs(score, np.ones((1, 13)), tabular_features(13, 13))
    assert largest == [4096 * 13 * 8] * 2  # inputs of any size come in batches of at most 4096
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, but is 0"):
        measure_outputs(score, inputs, tabular_features(600_000, 2), batch_size=0)


def test_outputs_too_large_for_memory_say_how_much(monkeypatch):
    monkeypatch.setattr("sim.machine.host_memory", lambda: 2**28)
    with pytest.raises(ValueError, match=r"Measuring 3 × 2\^24 outputs needs about 385 MiB") as e:
        measure_outputs(np.sum, np.ones((3, 24)), tabular_features(24, 24))
    assert "only 256 MiB are available" in str(e.value)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.full((16, 2), np.inf), "sample 0 has an infinite one"),
        (np.ones((16, 2), complex), "must return real numbers, but returned dtype complex128"),
        (np.array([["a", "b"]] * 16), "must return real numbers"),
        (np.ones((16, 0)), "must return logits of shape"),
        (np.ones((16, 2, 2)), "must return logits of shape"),
        (1.0, r"must return logits of shape \(16, classes\) or \(16,\).*shape \(\)"),
    ],
)
def test_more_bad_scores(returned, message):
    masking = image_patches((4, 4), 2, 4)
    with pytest.raises(ValueError, match=message):
        measure_outputs(lambda x: returned, np.ones((1, 4, 4)), masking, np.array([0]))


def test_scores_of_any_numeric_type_and_framework():
    inputs = np.array([[1.0, 2.0, 4.0]])
    masking = tabular_features(3, 3)
    expected = np.arange(8.0)[None]
    for cast in (np.float32, np.int64, jnp.float32, jnp.bfloat16):
        got = measure_outputs(lambda x, c=cast: x.sum(axis=1).astype(c), inputs, masking)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, expected)
    listed = measure_outputs(lambda x: x.sum(axis=1).tolist(), inputs.tolist(), masking)
    np.testing.assert_array_equal(listed, expected)


def test_certainty_is_finite():
    """Logits so far apart that p rounds to exactly 1, or to exactly 0."""
    masking = tabular_features(1, 1)
    logits = np.array([[0.0, 0.0, 0.0], [800.0, -800.0, -900.0]])
    score = lambda x: logits[x[:, 0].astype(int)]  # noqa: E731
    got = measure_outputs(score, np.ones((3, 1)), masking, np.array([0, 1, 2]))
    np.testing.assert_allclose(got[:, 1], [1600.0, -1600.0, -1700.0], rtol=1e-12)
    np.testing.assert_allclose(got[:, 0], -np.log(2))


def test_half_the_file_in_32_bits(measurement, tmp_path):
    measurement.save(tmp_path / "m.npz", dtype=np.float32)
    loaded = Measurement.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(loaded.outputs, measurement.outputs.astype(np.float32))
    large = Measurement(np.full((1, 1, 2), 1e300), [0])
    with pytest.raises(ValueError, match="`outputs` are too large for float32"):
        large.save(tmp_path / "large.npz", dtype=np.float32)
    assert not (tmp_path / "large.npz").exists()


@settings(max_examples=60, deadline=None)
@given(
    logits=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6),
    shift=st.floats(-1e6, 1e6),
    data=st.data(),
)
def test_log_odds_are_finite_and_see_only_differences(logits, shift, data):
    label = data.draw(st.integers(0, len(logits) - 1))
    logits = np.array([logits])
    got = log_odds(logits, label)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(log_odds(logits + shift, label), got, atol=1e-8)
    best = np.delete(logits, label).max()
    assert -1e-8 <= logits[0, label] - best - got[0] <= np.log(len(logits[0]) - 1) + 1e-8


@settings(max_examples=40, deadline=None)
@given(
    arrays=st.dictionaries(
        st.sampled_from(["outputs", "epochs", "labels", "train_loss", "metadata", "other"]),
        st.one_of(
            st.just(np.zeros((2, 1, 4))),
            st.just(np.arange(2)),
            st.just(np.zeros(1, int)),
            st.just(np.array("{}")),
            st.just(np.array("{")),
            st.just(np.array(b"\xff")),
            st.just(np.zeros((2, 1, 3), complex)),
            st.just(np.array([np.nan, 1.0])),
        ),
    )
)
def test_a_file_is_a_measurement_or_a_plain_refusal(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("file") / "any.npz"
    np.savez(path, **arrays)
    try:
        loaded = Measurement.load(path)
    except ValueError as error:
        message = str(error)
    else:
        message = None
        assert loaded.outputs.shape == (2, 1, 4)
        assert loaded.epochs.tolist() == [0, 1]
    assert message is None or message.startswith(str(path))
