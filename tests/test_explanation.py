"""Single outputs explained: the largest interactions, their past, their range, their pictures."""

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from typer.testing import CliRunner

from sim import Interactions, Measurement, extract_interactions, image_patches, top_interactions
from sim.cli import app
from sim.explanation import example, explain_samples, spread_checkpoints
from sim.figures import explained_figure, figure_bytes
from sim.figures.explained import HATCH, NEGATIVE, POSITIVE
from theory import salience_threshold

SETS = np.arange(16)


def output(kind, members, value):
    """v(S) of one interaction, by its definition."""
    shown = [{i for i in range(4) if s >> i & 1} for s in SETS]
    meets = (lambda s: set(members) <= s) if kind == "AND" else (lambda s: bool(set(members) & s))
    return np.array([value if meets(s) else 0.0 for s in shown])


PLANTED = [("AND", (0, 1, 3), 4.0), ("OR", (1, 2, 3), -2.5), ("AND", (2,), 1.0)]
WORDS = ["not", "a", "bad", "film"]


@pytest.fixture(scope="module")
def planted():
    """Two samples; in the second the interactions come one after the other, the OR with a turn."""
    parts = [output(*one) for one in PLANTED]
    weights = [(1, 0, 0), (1, -0.2, 0.001), (1, 1, 0.5)]
    grows = np.array([np.tensordot(w, parts, 1) for w in weights])
    outputs = np.stack([np.broadcast_to(parts[2], (3, 16)), grows], axis=1)
    measurement = Measurement(
        outputs, [0, 4, 16], labels=[3, 5], player_names=WORDS, sample_names=["one", "two"]
    )
    found = extract_interactions(outputs, noise_bound=0, tolerance=1e-6)
    return Interactions(measurement, found, {"prefer": "low", "noise_bound": 0, "tolerance": 1e-6})


def test_the_planted_interactions_are_named_with_value_share_and_past(planted):
    top = top_interactions(planted, sample=1)
    assert [(one.kind, one.members) for one in top] == [(k, m) for k, m, _ in PLANTED]
    np.testing.assert_allclose([one.value for one in top], [4.0, -2.5, 0.5], atol=1e-4)
    np.testing.assert_allclose([one.share for one in top], np.array([4, 2.5, 0.5]) / 7, atol=1e-4)
    assert top[0].players == ("not", "a", "film")
    np.testing.assert_allclose(top[1].history, [0, 0.5, -2.5], atol=1e-4)
    # the OR was salient at epoch 4 too, but with the other sign; the last one only at the end
    assert [one.since for one in top] == [0, 16, 16]
    np.testing.assert_allclose([one.other for one in top], [4.0, -2.5, 0.5], atol=1e-3)
    assert json.loads(json.dumps(top[1].as_dict()))["order"] == 3


def test_what_is_too_small_is_not_salient(planted):
    top = top_interactions(planted, checkpoint=1, sample=1, both_ends=False)
    outputs = planted.measurement.outputs[1]
    threshold = float(salience_threshold(outputs[:, -1], outputs[:, 0])[0])
    assert [one.salient for one in top] == [abs(one.value) >= threshold for one in top]
    assert [one.salient for one in top] == [True, True, False]
    assert [one.other for one in top] == [None] * 3
    assert top[2].since is None


def test_the_range_of_a_pair_that_splits_either_way():
    """AND{i,j} + OR{i,j} = {i} + {j}: the two singles at one end, the pairs at the other."""
    outputs = (output("AND", (0,), 1.0) + output("AND", (1,), 1.0))[None, None]
    found = extract_interactions(outputs, noise_bound=0, prefer="low")
    settings = {"prefer": "low", "noise_bound": 0}
    low = top_interactions(Interactions(Measurement(outputs, [0]), found, settings))
    assert [(one.kind, one.members) for one in low] == [("AND", (0,)), ("AND", (1,))]
    np.testing.assert_allclose([one.other for one in low], 0, atol=0.02)
    high = extract_interactions(outputs, noise_bound=0, prefer="high")
    settings = {"prefer": "high", "noise_bound": 0}
    top = top_interactions(Interactions(Measurement(outputs, [0]), high, settings))
    assert {(one.kind, one.members) for one in top[:2]} == {("AND", (0, 1)), ("OR", (0, 1))}
    unknown = top_interactions(Interactions(Measurement(outputs, [0]), found, {}))
    assert {one.other for one in unknown} == {None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": 3}, "`checkpoint` must be a whole number from 0 to 2, but is 3"),
        ({"sample": -3}, "`sample` must be a whole number from 0 to 1, but is -3"),
        ({"count": 0}, "`count` must be at least 1, but is 0"),
    ],
)
def test_places_that_are_not_there(planted, change, message):
    with pytest.raises(ValueError, match=message):
        top_interactions(planted, **change)


def test_checkpoints_are_spread_over_the_course():
    assert spread_checkpoints(3, 4) == [0, 1, 2]
    assert spread_checkpoints(1, 4) == [0]
    assert spread_checkpoints(16, 4, boundary=15) == [0, 15]
    assert spread_checkpoints(20, 5)[-1] == 19


def image_of(planted, channels):
    """The planted interactions with images of patches that the network is said to have seen."""
    masking = image_patches((4, 6), 2, 4)
    shown = masking.keys(np.random.default_rng(0).uniform(size=(2, 4, 6)))
    if channels:
        shown["inputs"] = np.repeat(shown["inputs"][:, None], 3, axis=1)
        shown["regions"] = np.repeat(shown["regions"][:, :, None], 8, axis=2)  # a feature map's
    measurement = dataclasses.replace(planted.measurement, **shown)
    return dataclasses.replace(planted, measurement=measurement)


@pytest.mark.parametrize("channels", [False, True])
def test_images_and_their_patches_are_kept_as_they_were(planted, channels):
    drawn = image_of(planted, channels)
    one = example(drawn, 1, both_ends=False)
    pixels = np.array(one.pixels)
    assert pixels.shape == ((4, 6, 3) if channels else (4, 6))
    seen = drawn.measurement.inputs[1]
    seen = np.moveaxis(seen, 0, -1) if channels else seen
    np.testing.assert_allclose(pixels / 255, (seen - seen.min()) / np.ptp(seen), atol=0.002)
    own = image_patches((4, 6), 2, 4).regions
    np.testing.assert_array_equal(np.array(one.regions), own)


def test_large_images_are_averaged_and_odd_ones_left_out(planted):
    masking = image_patches((2, 3), 1, 4)
    shown = masking.keys(np.kron(np.arange(12.0).reshape(2, 2, 3), np.ones((1, 64, 64))))
    wide = dataclasses.replace(planted.measurement, **shown)
    one = example(dataclasses.replace(planted, measurement=wide), both_ends=False)
    assert np.shape(one.pixels) == (42, 64)
    assert one.pixels[0][0] == 0
    flat = dataclasses.replace(planted.measurement, inputs=np.ones((2, 5)), regions=masking.regions)
    assert example(dataclasses.replace(planted, measurement=flat), both_ends=False).pixels is None
    other = dataclasses.replace(wide, regions=np.ones((4, 2, 2), bool))  # no map of this image
    assert example(dataclasses.replace(planted, measurement=other), both_ends=False).pixels is None


def test_words_are_found_by_the_players_names_where_each_is_there_once(planted):
    for words, places in (
        (["a", "film", "not", "that", "bad"], [2, 0, 4, 1]),
        ([*WORDS, "a"], None),
    ):
        measurement = dataclasses.replace(planted.measurement, inputs=np.array([words] * 2))
        one = example(dataclasses.replace(planted, measurement=measurement), both_ends=False)
        assert (one.words is None) == (places is None)
        if places is not None:
            assert [row.index(True) for row in one.regions] == places


def test_the_interactions_that_are_largest_at_last_are_followed(planted):
    one = example(planted, 1, [2, 0, 1], both_ends=False)
    assert [at.epoch for at in one.explained] == [0, 4, 16]
    for at in one.explained:
        assert [(shown.kind, tuple(shown.members)) for shown in at.top] == [p[:2] for p in PLANTED]
    values = [[shown.value for shown in at.top] for at in one.explained]
    np.testing.assert_allclose(values, [[4, 0, 0], [4, 0.5, 0.001], [4, -2.5, 0.5]], atol=1e-4)
    assert [shown.salient for shown in one.explained[1].top] == [True, True, False]
    shares = [shown.share for shown in one.explained[1].top]
    np.testing.assert_allclose(shares, np.array([4, 0.5, 0.001]) / 4.501, atol=1e-4)


def edges_drawn(ax):
    """The coloured edges in a panel: with their colour, whether dotted, as pairs of points."""
    return {
        (to_rgb(line.get_color()), line.is_dashed(), tuple(map(tuple, line.get_xydata().tolist())))
        for line in ax.lines
        if line.get_color() != "white"
    }


def test_the_players_of_an_interaction_are_outlined_on_the_image(planted):
    drawn = image_of(planted, channels=False)
    one = example(drawn, 1, both_ends=False)
    figure = explained_figure(one)
    panels = figure.axes[1:]
    own = image_patches((4, 6), 2, 4).regions
    for ax, (kind, members, value) in zip(panels, PLANTED, strict=False):
        expected = set()
        for player in members:
            (top, left), (bottom, right) = (
                f(np.argwhere(own[player]), axis=0) for f in (np.min, np.max)
            )
            corners = [(left, top), (right + 1, top), (right + 1, bottom + 1), (left, bottom + 1)]
            for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
                for k in range(2):  # each edge of a pixel is a line of its own
                    a = (x0 + (x1 - x0) * k / 2, y0 + (y1 - y0) * k / 2)
                    b = (x0 + (x1 - x0) * (k + 1) / 2, y0 + (y1 - y0) * (k + 1) / 2)
                    expected.add(tuple(sorted([a, b])))
        edges = edges_drawn(ax)
        assert {tuple(sorted(points)) for _, _, points in edges} == expected
        assert {color for color, _, _ in edges} == {to_rgb(POSITIVE if value > 0 else NEGATIVE)}
        assert {dotted for _, dotted, _ in edges} == {kind == "OR"}
    assert figure_bytes(figure, "png").startswith(b"\x89PNG")


def test_sentences_and_bars_tell_and_from_or_without_colour(planted):
    regions = np.eye(4, 5, dtype=bool)  # the fifth word is nobody's
    words = np.array([[*WORDS, "$5"]] * 2)
    measurement = dataclasses.replace(planted.measurement, inputs=words, regions=regions)
    one = example(dataclasses.replace(planted, measurement=measurement), 1)
    assert one.words[-1] == "$5"
    figure = explained_figure(one)
    boxes = [(box.get_linestyle(), box.get_y()) for box in figure.axes[0].patches]
    assert len(boxes) == 3 + 3 + 1  # one for each player of each interaction
    assert len({style for style, y in boxes if round(y) == 0}) == 1
    assert {style for style, y in boxes if round(y) == 1} != {boxes[0][0]}
    figure_bytes(figure)
    bars = explained_figure(example(planted, 1)).axes[0]
    assert [bar.get_hatch() for bar in bars.patches] == [None, HATCH, None]
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], [4, -2.5, 0.5], atol=1e-4)
    assert bars.get_yticklabels()[1].get_text() == "a | bad | film"


def test_several_examples_are_as_each_alone(planted):
    both = explain_samples(planted, [(0, [2]), (1, [0, 2])])
    assert [len(one.explained) for one in both] == [1, 2]
    alone = example(planted, 1, [0, 2])
    assert alone.name == both[1].name == "two"
    for one, other in zip(alone.explained, both[1].explained, strict=True):
        assert [s.members for s in one.top] == [s.members for s in other.top]
        values = [[(s.value, s.other) for s in each.top] for each in (one, other)]
        np.testing.assert_allclose(*values, atol=1e-3)


def interdyn(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def file(planted, tmp_path_factory):
    path = tmp_path_factory.mktemp("explained") / "interactions.npz"
    planted.save(path)
    return path


def test_the_command_shows_names_values_and_the_past(file, tmp_path):
    result = interdyn("explain", file, "--sample", "two", "--top", 2, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("two, class 5, epoch 16: v(N) = +2.00, v(∅) = +0.00")
    rows = {line.split()[0]: line for line in lines if line.startswith(("AND", "OR"))}
    assert rows["AND"].split()[1:] == [
        "not,",
        "a,",
        "film",
        "+4.00",
        "+4.00",
        "+4.00",
        "57.1",
        "%",
        "0",
    ]
    assert rows["OR"].split()[4:] == ["0", "+0.50", "−2.50", "35.7", "%", "16"]
    assert "The 2 largest hold 93 % of all strength" in result.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"explanation_sample1_epoch16.{suffix}" for suffix in ("png", "svg")}
    again = interdyn("explain", file, "--sample", 1, "--out", tmp_path)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_the_command_answers_in_json(file):
    arguments = ("--sample", 1, "--epoch", 4, "--no-both-ends", "--json")
    document = json.loads(interdyn("explain", file, *arguments).stdout)
    assert (document["epoch"], document["name"], document["label"]) == (4, "two", 5)
    assert [one["kind"] for one in document["top"]] == ["AND", "OR", "AND"]
    assert document["top"][1]["players"] == ["a", "bad", "film"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sample", 2), "--sample must be a number from 0 to 1, or a name, but is 2."),
        (("--sample", "three"), "or a name such as 'one', 'two', but is 'three'."),
        (("--epoch", 5), "--epoch must be of 0, 4, 16, but is 5."),
        (("--out", "{file}"), "must be a folder, but is a file."),
    ],
)
def test_the_command_says_what_there_is(file, arguments, message):
    result = interdyn("explain", file, *(str(one).format(file=file) for one in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_name_of_several_samples_names_none(planted, tmp_path):
    measurement = dataclasses.replace(planted.measurement, sample_names=["one", "one"])
    dataclasses.replace(planted, measurement=measurement).save(tmp_path / "interactions.npz")
    result = interdyn("explain", tmp_path / "interactions.npz", "--sample", "one")
    assert "--sample must be one sample, but 'one' names the samples 0, 1." in result.stderr
