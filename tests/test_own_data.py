"""A user's own data: read as they are, refused in one line, trained on and measured."""

import csv
import hashlib
import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sim.checks import ArgumentError
from sim.cli import app
from sim.experiments import (
    STANDARD,
    DataSettings,
    PlayerSettings,
    Settings,
    TrainingSettings,
    _players,
    prepare,
    record,
)
from sim.experiments.data import (
    digest,
    is_content,
    read_images,
    read_points,
    read_sentences,
    read_table,
)
from sim.explanation import Example, Explained, Shown
from sim.figures import explained
from sim.measurement import Measurement

RNG = np.random.default_rng(0)
TWO = np.arange(12) % 2


def interdyn(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def npz(folder, **arrays):
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def table(folder, text, name="data.csv", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def pictures(folder, classes=("cat", "dog"), count=2, size=(8, 6), mode="RGB", ending="png"):
    """Class folders with random images; returns what was drawn, by name."""
    drawn = {}
    for name in classes:
        (folder / name).mkdir(parents=True)
        for at in range(count):
            shape = (size[1], size[0], 3) if mode == "RGB" else size[::-1]
            drawn[f"{name}/{at}.{ending}"] = RNG.integers(0, 256, shape, np.uint8)
            Image.fromarray(drawn[f"{name}/{at}.{ending}"]).save(folder / name / f"{at}.{ending}")
    return drawn


# What is read


def test_images_of_eight_bits_are_scaled_and_their_channels_come_first(tmp_path):
    images = RNG.integers(0, 256, (4, 5, 6, 3), np.uint8)
    found = read_images(npz(tmp_path, images=images, labels=[3, 10, 3, 10]))
    for at, row, column, channel in [(0, 1, 2, 0), (3, 4, 5, 2)]:
        value = images[at, row, column, channel] / 255
        np.testing.assert_allclose(found.inputs[at, channel, row, column], value, rtol=1e-6)
    assert found.inputs.dtype == np.float32
    assert found.classes == ("3", "10")  # in the order of numbers
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.titles[1] == "10, image 1"
    grey = read_images(npz(tmp_path, images=np.full((4, 5, 6), 2.5), labels=list("abab")))
    assert grey.inputs.shape == (4, 1, 5, 6)
    assert grey.inputs.max() == 2.5


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_folder_of_class_folders_is_read(tmp_path, mode):
    drawn = pictures(tmp_path, mode=mode)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    found = read_images(tmp_path)
    assert found.titles == tuple(drawn)
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1, 1]
    for image, pixels in zip(found.inputs, drawn.values(), strict=True):
        pixels = pixels[..., None] if mode == "L" else pixels
        np.testing.assert_allclose(np.moveaxis(image, 0, -1), pixels / 255, rtol=1e-6)


def test_grey_images_among_colour_ones_are_grey_in_colour(tmp_path):
    pictures(tmp_path)
    grey = RNG.integers(0, 256, (6, 8), np.uint8)
    Image.fromarray(grey).save(tmp_path / "cat" / "grey.png")
    found = read_images(tmp_path)
    np.testing.assert_allclose(found.inputs[2], np.stack([grey] * 3) / 255, rtol=1e-6)


def test_numbers_and_texts_of_a_table(tmp_path):
    text = """height,colour,label
1.5,red,no
2e1,blue,yes
-3,red,no

4,green,yes
5,red,no
6,blue,no
"""
    found = read_table(table(tmp_path, text))
    assert found.columns == ("height", "colour")
    assert found.groups == ((0,), (1, 2, 3))
    assert found.inputs.tolist() == [
        [1.5, 0, 0, 1],
        [20, 1, 0, 0],
        [-3, 0, 0, 1],
        [4, 0, 1, 0],
        [5, 0, 0, 1],
        [6, 1, 0, 0],
    ]
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 0]
    assert found.titles[3] == "yes, line 6"


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_found_and_told(tmp_path, separator):
    rows = [["a", "b", "label"], ["1", "2", "x"], ["3", "4", "y"], ["5", "6", "x"], ["7", "8", "y"]]
    text = "\n".join(separator.join(row) for row in rows)
    found = read_table(table(tmp_path, text, encoding="utf-8-sig"))
    assert found.inputs.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert re.search(r"columns separated by (semicolons|tabs|bars)", found.words)


def test_a_decimal_comma_is_read_where_semicolons_separate(tmp_path):
    text = "a;label\n1,5;x\n-2,25;y\n3;x\n4;y\n"
    assert read_table(table(tmp_path, text)).inputs.ravel().tolist() == [1.5, -2.25, 3, 4]


def test_words_of_sentences(tmp_path):
    path = tmp_path / "s.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "text"])
        writer.writerow(["good", 'It’s a "FINE",\nfine film_noir!'])
        writer.writerow(["bad", "Don't watch 2 of them"])
        writer.writerow(["bad", "no"])
        writer.writerow(["good", "été"])
    found = read_sentences(path, length=4)
    assert found.inputs.tolist() == [
        ["it's", "a", "fine", "fine"],
        ["don't", "watch", "2", "of"],
        ["no", "", "", ""],
        ["été", "", "", ""],
    ]
    assert found.labels.tolist() == [1, 0, 0, 1]
    assert found.titles[0] == 'good: It’s a "FINE", fine film_noir!'
    assert "(2 have more)" in found.words
    assert read_sentences(path).inputs.shape == (4, 6)
    players = is_content(found.inputs)
    assert players.tolist()[:3] == [
        [False, False, True, True],
        [True, True, True, False],
        [True, False, False, False],
    ]


def test_negations_can_be_players():
    words = np.array(
        ["not", "no", "never", "nor", "don't", "isn't", "cannot", "nothing", "without"]
    )
    assert is_content(words).all()


def test_ids_of_words():
    """A word is known that two sentences to learn from hold; padding, mask, unknown are 0, 1, 2."""
    words = np.array([["a", "b", "b"], ["b", "a", ""], ["c", "a", ""], ["c", "", ""]])
    ids, count = _players.as_ids(words)
    assert ids.tolist() == [[3, 4, 4], [4, 3, 0], [5, 3, 0], [5, 0, 0]]
    assert count == 6
    ids, count = _players.only_frequent(ids, seen=np.array([1, 2]))
    assert ids.tolist() == [[3, 2, 2], [2, 3, 0], [2, 3, 0], [2, 0, 0]]
    assert count == 4


def test_a_folder_is_known_by_names_and_contents(tmp_path):
    pictures(tmp_path)
    before = digest(tmp_path)
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / "9.png")
    renamed = digest(tmp_path)
    (tmp_path / "cat" / "9.png").rename(tmp_path / "cat" / "0.png")
    assert digest(tmp_path) == before != renamed
    (tmp_path / "dog" / "1.png").write_bytes(b"else")
    assert digest(tmp_path) not in (before, renamed)


# What is refused, and how

IMAGES = RNG.normal(size=(12, 8, 8))
CLOUDS = RNG.normal(size=(12, 40, 3))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "data.npz: has no array labels, but holds images."),
        ({"x": IMAGES, "y": TWO}, "has no array images and labels|has no array images, labels"),
        ({"images": IMAGES.astype(object), "labels": TWO}, "'images' must be plain numbers"),
        ({"images": IMAGES.astype(str), "labels": TWO}, "`images` must be numbers, but has dtype"),
        ({"images": IMAGES.astype(complex), "labels": TWO}, "must be numbers, but has dtype comp"),
        (
            {"images": np.where(np.arange(8) == 3, np.nan, IMAGES), "labels": TWO},
            r"`images` must be finite, but images\[0, 0, 3\] is nan",
        ),
        ({"images": IMAGES[:0], "labels": TWO[:0]}, "with at least one sample, but has shape"),
        ({"images": IMAGES.reshape(12, 64), "labels": TWO}, r"with 1 to 4 channels, but .*12, 64"),
        ({"images": IMAGES[:, None], "labels": TWO}, r"channels first, it seems; save numpy\.move"),
        ({"images": np.ones((12, 8, 8, 7)), "labels": TWO}, "with 1 to 4 channels"),
        ({"images": IMAGES[:, :3], "labels": TWO}, "npz: images .* least 4×4 pixels, but are 3×8"),
        ({"images": IMAGES, "labels": TWO[:11]}, r"each of the 12 samples, but has shape \(11,\)"),
        ({"images": IMAGES, "labels": np.eye(12)}, r"each of the 12 samples, but has .*\(12, 12\)"),
        ({"images": IMAGES, "labels": TWO / 2}, r"whole numbers or text, but labels\[1\] is 0.5"),
        ({"images": IMAGES, "labels": np.where(TWO, np.nan, 1)}, r"labels\[1\] is nan"),
        ({"images": IMAGES, "labels": TWO.astype(complex)}, "or text, but has dtype complex128"),
        ({"images": IMAGES, "labels": 0 * TWO}, "at least two classes, but all are '0'"),
        ({"images": IMAGES, "labels": [*[0] * 6, *[1] * 5, 7]}, "two samples, .* but '7' has one"),
        ({"images": IMAGES, "labels": np.arange(12)}, "has 12 different values for 12 samples"),
        ({"images": IMAGES, "labels": ["a", ""] * 6}, r"labels\[1\] is empty"),
    ],
)
def test_arrays_that_are_no_labelled_images(tmp_path, arrays, message):
    path = npz(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message) as refused:
        read_images(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"points": CLOUDS[..., :2], "labels": TWO},
            r"shape \(m, points, 3\), but has .*40, 2\)\.",
        ),
        (
            {"points": np.moveaxis(CLOUDS, 1, 2), "labels": TWO},
            r"save numpy.moveaxis\(points, 1, 2",
        ),
        ({"points": CLOUDS * np.inf, "labels": TWO}, r"`points` must be finite"),
        ({"images": CLOUDS, "labels": TWO}, "has no array points"),
    ],
)
def test_arrays_that_are_no_labelled_clouds(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        read_points(npz(tmp_path, **arrays))


def no_class_folders(folder):
    (folder / "a.png").write_bytes(b"")


def one_class(folder):
    pictures(folder, ("cat",))


def empty_class(folder):
    pictures(folder)
    (folder / "emu").mkdir()


def nested(folder):
    pictures(folder / "train")


def nested_twice(folder):
    pictures(folder / "train")
    pictures(folder / "test")


def no_images(folder):
    pictures(folder)
    (folder / "emu").mkdir()
    (folder / "emu" / "notes.txt").write_text("x")


def lonely(folder):
    pictures(folder)
    pictures(folder, ("emu",), 1)


def other_size(folder):
    pictures(folder)
    pictures(folder, ("emu",), 2, size=(9, 6))


def corrupt(folder):
    pictures(folder)
    whole = (folder / "dog" / "1.png").read_bytes()
    (folder / "dog" / "1.png").write_bytes(whole[: len(whole) // 2])


def no_image_at_all(folder):
    pictures(folder)
    (folder / "dog" / "1.png").write_text("hello")


def deep(folder):
    pictures(folder)
    Image.fromarray(np.ones((6, 8), np.uint16)).save(folder / "dog" / "2.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_class_folders, "for each of at least two classes, but holds no folder"),
        (one_class, "at least two classes, but holds the single folder 'cat'"),
        (nested, r"the single folder 'train'; give .*train\.$"),
        (nested_twice, "test: must .* holds the folder 'cat'; give the folder whose folders are t"),
        (empty_class, r"emu: must hold image files \(.png, .*\), but holds no file"),
        (no_images, "emu: must hold image files .* but holds notes.txt"),
        (lonely, "two samples, one to learn from and one to test, but 'emu' has one"),
        (other_size, r"emu.0\.png: must be 8×6 pixels like 0\.png, but is 9×6; all images must"),
        (corrupt, r"dog.1\.png: must be an image, but cannot be read: "),
        (no_image_at_all, r"dog.1\.png: must be an image, but cannot be read: "),
        (deep, r"dog.2\.png: must be an image of 8 bits a channel, but has mode I"),
    ],
)
def test_folders_that_are_no_images_by_class(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        read_images(tmp_path)
    assert "\n" not in str(refused.value)


GOOD = "a,b,label\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "with the columns 'label', but is empty"),
        ("\n \n", "but is empty"),
        ("a,b,label\n", "must have a line for each sample, but has only column names"),
        ("a,b\n1,2\n", "has no column 'label', but has a, b; the first line must name the columns"),
        ("1,2,x\n3,4,y\n", "has no column 'label', but has 1, 2, x; the first line"),
        (f"{'so ' * 20},x\n", f"has no column 'label', but has {'so ' * 13}s…, x; the first line"),
        ("a,a,label\n1,2,x\n", "a name of its own, but the name 'a' is there twice"),
        ("a,,label\n1,2,x\n", "a name of its own, but the name '' is empty"),
        ("label\nx\ny\nx\ny\n", "must have columns beside 'label', but has none"),
        (GOOD + "9,10\n", "line 6 must have 3 fields like the first, but has 2; a field that hol"),
        (GOOD + "9,,x\n", "line 6, column 'b' must have a value, but is empty; fill it in"),
        (GOOD + "NA,1,x\n", "line 6, column 'a' must have a value, but is 'NA'"),
        (GOOD + "1,two,x\n", "line 6, column 'b' must be a finite number .*, but is 'two'"),
        (GOOD + "1,inf,x\n", "line 6, column 'b' must be a finite number .*, but is 'inf'"),
        (GOOD + '1,"2,x\n', "line 6 must be CSV, but: unexpected end of data"),
        (GOOD + "1,2,\n", "line 6, column 'label' must name a class, but is empty"),
        (GOOD + "1,2,z\n", "two samples, one to learn from and one to test, but 'z' has one"),
        (GOOD.replace("y", "x"), "`label` must hold at least two classes, but all are 'x'"),
        ("n,label\nann,x\nbob,y\ncy,x\ndi,y\n", "column 'n' must be numbers, or texts that rows"),
        ("a,label\n1,.1\n2,.2\n3,.3\n4,.4\n", "that samples share, but has 4 different values"),
    ],
)
def test_tables_that_cannot_be_learned(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_table(table(tmp_path, text))
    assert str(tmp_path / "data.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_texts_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="line 3, column 'text' must hold words, but is '!!!'"):
        read_sentences(table(tmp_path, "text,label\nso good,x\n!!!,y\nbad,x\nso,y\n"))
    with pytest.raises(ValueError, match="has no column 'text', but has words, label"):
        read_sentences(table(tmp_path, "words,label\nso good,x\n"))
    with pytest.raises(ValueError, match="line 2 must be text in UTF-8, but is in another enc"):
        read_sentences(table(tmp_path, "text,label\nété,x\n", encoding="latin-1"))


@pytest.mark.parametrize(
    ("read", "name", "message"),
    [
        (read_images, "none.npz", "no such file or folder"),
        (read_points, "none.npz", "no such file"),
        (read_table, "none.csv", "no such file"),
        (read_images, "there.csv", "must be an .npz file with `images` "),
        (read_images, "there.png", "with a folder of image files for each class, but is a single"),
        (read_points, "there.csv", "must be an .npz file with `points` "),
        (read_sentences, "there.npz", "must be a .csv file with the columns 'text' and 'label'"),
        (read_images, "there.npz", "must be a complete .npz file, but is truncated"),
        (read_table, "folder.csv", "must be a file, but is a folder"),
    ],
)
def test_files_that_are_not_there_or_something_else(tmp_path, read, name, message):
    if name.startswith("there"):
        (tmp_path / name).write_text("something")
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=f"{name}: .*{re.escape(message)}"):
        read(tmp_path / name)


def test_a_long_sentence_is_drawn_by_its_players():
    """Without its padding, and with … for words that are no player's."""
    words = ["where", "the", "film", "sags", "", "in", "its", "longest", "part", "", ""]
    regions = np.zeros((2, 11), bool)
    regions[0, 2] = regions[1, 7] = True

    def drawn(repeated):
        shown = Shown("AND", [0, 1], 1.0, 1.0, True)
        sentence = words[:-2] * repeated + [""] * 2
        own = np.concatenate([regions[:, :-2]] * repeated + [regions[:, -2:]], axis=1)
        names = ["film", "longest"]
        example = Example(0, "s", names, [], words=sentence, regions=own.tolist())
        _, ax = plt.subplots()
        explained._sentence(ax, example, Explained(1, [shown]))
        texts = [text.get_text() for text in ax.texts[1:]]
        plt.close()
        return texts, len(ax.patches)

    assert drawn(1) == ([word for word in words if word], 2)
    assert drawn(3) == ([*["…", "film", "…", "longest"] * 3, "…"], 6)


# What is trained and measured


GOOD_WORDS = ["good", "great", "fine", "lovely"]
BAD_WORDS = ["bad", "awful", "dull", "poor"]
THINGS = ["film", "plot", "scene", "music"]


def own_file(folder, kind, count=40):
    """A small file of that kind, whose two classes can be told apart."""
    rng = np.random.default_rng(3)
    labels = np.arange(count) % 2
    if kind == "image":
        images = rng.normal(size=(count, 16, 16)) + labels[:, None, None]
        return npz(folder, images=images, labels=labels)
    if kind == "points":
        points = (
            rng.normal(size=(count, 40, 3))
            * np.stack([1 + labels, 0 * labels + 1] * 2)[:3].T[:, None]
        )
        return npz(folder, points=points, labels=labels)
    if kind == "text":
        lines = ["text,label"]
        for label in labels:
            words = [*rng.choice((BAD_WORDS, GOOD_WORDS)[label], 2), "and", *rng.choice(THINGS, 3)]
            lines.append(f"The {' '.join(words[: 4 + rng.integers(3)])},{('no', 'yes')[label]}")
        return table(folder, "\n".join(lines))
    lines = ["age,colour,height,label"]
    for label in labels:
        lines.append(
            f"{rng.normal() + 4 * label},{rng.choice(['red', 'blue'])},{rng.normal()},{label}"
        )
    return table(folder, "\n".join(lines))


def settings(path, *, players=3, samples=3, epochs=(0, 1, 2), **chosen):
    parts = {
        name: part(**{key: chosen.pop(key) for key in list(chosen) if key in part.__annotations__})
        for name, part in (("training", TrainingSettings), ("masking", PlayerSettings))
    }
    return Settings(epochs, samples, players, own=DataSettings(str(path), **chosen), **parts)


@pytest.mark.slow
@pytest.mark.parametrize("name", STANDARD)
def test_a_standard_experiment_learns_what_is_easy(tmp_path, name):
    path = own_file(tmp_path, name.partition("-")[0], 120)
    chosen = settings(path, epochs=(0, 1, 40), batch_size=16, width=8, optimiser="adam")
    measurement = record(prepare(name, chosen), {}, keep_inputs=True)
    assert measurement.outputs.shape == (3, 3, 8)
    assert measurement.test_accuracy[-1] > 0.8
    assert measurement.train_loss[-1] < measurement.train_loss[0]
    assert len(measurement.sample_names) == len(measurement.inputs) == 3
    assert measurement.metadata["settings"]["width"] == 8


def test_columns_are_players_and_a_text_is_one(tmp_path):
    path = own_file(tmp_path, "table")
    chosen = settings(path, width=8, depth=1, momentum=0.5, learning_rate=0.1)
    experiment = prepare("table-mlp", chosen)
    assert experiment.masking.names.tolist() == ["age", "colour", "height"]
    assert experiment.masking.regions.astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 1],
    ]
    # standardised by the training part, which is in the order of the seed
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    order = np.random.default_rng(0).permutation(40)
    ages = np.array([float(row["age"]) for row in rows])[order]
    expected = (ages[32:35] - ages[:32].mean()) / ages[:32].std()
    np.testing.assert_allclose(experiment.inputs[:, 0], expected, rtol=1e-5)
    assert experiment.labels.tolist() == [int(rows[row]["label"]) for row in order[32:35]]
    assert experiment.shown["sample_names"][0] == f"{order[32] % 2}, line {order[32] + 2}"
    told = experiment.metadata
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["classes"] == ["0", "1"]
    assert told["optimiser"] == "SGD, learning rate 0.1, momentum 0.5, batch 128"
    assert told["settings"]["data"] == "data.csv"
    assert str(tmp_path) not in str(told)
    assert {"width": 8, "standardise": "columns", "mask_at": "input"}.items() <= told[
        "settings"
    ].items()


def test_words_are_masked_by_the_mask_token_where_they_stand(tmp_path):
    path = own_file(tmp_path, "text")
    experiment = prepare("text-gru", settings(path, players=4, width=8))
    assert experiment.metadata["optimiser"] == "Adam, learning rate 0.001, batch 128"
    words, names = experiment.shown["inputs"], experiment.masking.names
    for sample, sentence in enumerate(words):
        before = experiment.inputs[sample]
        after = experiment.masking.masked(experiment.inputs, sample, np.array([0b0110]))[0]
        masked = names[sample][[0, 3]].tolist()
        assert sentence[before != after].tolist() == [name.split(" ")[0] for name in masked]
        assert after[before != after].tolist() == [1, 1]
        np.testing.assert_array_equal(before == 0, sentence == "")
        assert not {"the", "and", ""} & set(names[sample].tolist())
    lines = path.read_text("utf-8").splitlines()[1:]
    counts = np.array([len(re.sub("The |and |,.*", "", line).split()) for line in lines])
    test = counts[np.random.default_rng(0).permutation(40)[32:]]
    held = f"; {(test >= 4).sum()} of 8 test sentences have as many"
    assert experiment.metadata["masking"].endswith(held)
    assert 3 <= (test >= 4).sum() < 8


def test_a_word_that_comes_again_is_told_apart():
    words = np.array([["so", "good", "good", "so", "good"], ["good", "", "", "", ""]])
    masking, _ = _players.players_of_sentence(words[:1], Settings(players=3))
    assert masking.names.tolist() == [["good", "good (2)", "good (3)"]]


def test_embeddings_are_masked_by_zero(tmp_path):
    path = own_file(tmp_path, "text")
    experiment = prepare("text-gru", settings(path, mask_at="embedding", width=8))
    assert experiment.masking.regions.shape[:3] == (3, 3, experiment.inputs.shape[1])
    np.testing.assert_array_equal(
        experiment.shown["regions"], experiment.masking.regions.any(axis=-1)
    )
    first = next(experiment.train(None, None))
    assert first.inputs.shape == (3, *experiment.masking.shape)
    hidden = experiment.masking.masked(first.inputs, 1, np.array([0]))[0]
    places = experiment.shown["regions"][1].any(axis=0)
    assert not hidden[places].any()
    np.testing.assert_array_equal(hidden[~places], first.inputs[1][~places])


@pytest.mark.parametrize(
    ("shape", "players", "told"),
    [
        ((3, 32, 32), 10, "10 of the central 6×6 of 8×8 patches of the image, baseline 0"),
        ((1, 28, 28), 10, "10 of the central 5×5 of 7×7 patches of the image, baseline 0; [Ren24]"),
        ((6, 14, 14), 10, "10 of the central 5×5 of 7×7 patches of the image, baseline 0; [Ren24]"),
        ((4, 8, 8), 10, "10 of the central 6×6 of 8×8 patches of the image, baseline 0"),
        ((4, 4, 4), 10, "10 of the central 4×4 of 4×4 patches of the image, baseline 0; [Ren24]"),
        ((4, 4, 4), 4, "4 of the central 2×2 of 4×4 patches of the image, baseline 0; [Ren24]"),
        ((3, 30, 45), 10, "10 of the central 4×7 of 6×9 patches of the image, baseline 0; [Ren24]"),
        ((3, 15, 15), 9, "9 of the central 3×3 of 5×5 patches of the image, baseline 0; [Ren24]"),
    ],
)
def test_the_grid_is_as_near_to_the_papers_as_the_image_allows(shape, players, told):
    chosen = Settings(players=players)
    masking, words = _players.players_of_image(shape, chosen)
    assert re.fullmatch(re.escape(told) + r"( takes .* 6×6 of 8×8)?", words)
    assert masking.n == players
    assert masking.shape == shape


def test_the_side_of_a_patch_can_be_chosen():
    masking, words = _players.players_of_image(
        (1, 28, 28), Settings(players=4, masking=PlayerSettings(patch=7, baseline=-1.5))
    )
    assert words == (
        "4 of the central 2×2 of 4×4 patches of the image, baseline -1.5; [Ren24] takes the "
        "central 6×6 of 8×8"
    )
    assert masking.masked(np.ones((1, 1, 28, 28)), 0, np.array([0]))[0, 0, 14, 14] == -1.5


def test_images_that_no_patch_tiles():
    with pytest.raises(ValueError, match=r"tiles 31×37; crop or pad .* such as 24×32"):
        _players.players_of_image((3, 31, 37), Settings())


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("text-gru", {"standardise": "all"}, "`standardise` must be left out for text-gru, but is"),
        ("text-gru", {"baseline": 0.0}, "`baseline` must be left out for text-gru"),
        ("text-gru", {"patch": 2}, "`patch` must be left out for text-gru"),
        ("text-gru", {"players": 6, "samples": 1}, "`players` must be at most 5, as many words"),
        ("text-gru", {"samples": 8, "players": 5}, r"at most \d, as many words as 8 test sente.* "),
        ("text-gru", {"samples": 9, "players": 10}, "`samples` must be at most the 8 test inputs"),
        ("text-gru", {"mask_at": "relu7"}, "`mask_at` must be one of input, embedding"),
        (
            "text-gru",
            {"optimiser": "adam", "momentum": 0.9},
            "`momentum` must be left out for adam",
        ),
        ("table-mlp", {"players": 4}, "`players` must be at most 3, one for each column, but is 4"),
        ("table-mlp", {"length": 4}, "`length` must be left out for table-mlp"),
        ("table-mlp", {"test_fraction": 0.01}, "`test_fraction` must leave some of the 40 samples"),
        ("table-mlp", {"samples": 9}, "`samples` must be at most the 8 test inputs"),
        ("image-mlp", {"clusters": 3}, "`clusters` must be left out for image-mlp"),
        ("image-mlp", {"patch": 3}, "`patch` must be a whole number that divides"),
        ("image-mlp", {"patch": 40}, "`patch` must be at most the lesser side of .* but is 40"),
        (
            "image-mlp",
            {"players": 20, "patch": 4},
            "`n` must be a whole number between 1 and the 16",
        ),
        ("points-pointnet", {"clusters": 41}, "`clusters` must be between 1 and the 40 distinct"),
        (
            "points-pointnet",
            {"clusters": 2},
            "`n` must be a whole number between 1 and the 2 clust",
        ),
        ("points-pointnet", {"mask_at": "relu1"}, "`mask_at` must be input for points-pointnet"),
        ("points-pointnet", {"baseline": 1.0}, "`baseline` must be left out for points-pointnet"),
        ("digits-mlp", {}, "`data` must be left out for digits-mlp, and is for image-cnn, "),
    ],
)
def test_choices_that_do_not_fit_the_data(tmp_path, name, chosen, message):
    kind = "table" if name == "digits-mlp" else name.partition("-")[0]
    with pytest.raises(ArgumentError, match=message):
        prepare(name, settings(own_file(tmp_path, kind), **chosen))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"test_fraction": 1.0}, "`test_fraction` must lie between 0 and 1"),
        ({"standardise": "rows"}, "`standardise` must be one of all, columns, none"),
        ({"length": 0}, "`length` must be at least 1"),
        ({"width": 0}, "`width` must be at least 1"),
        ({"depth": -1}, "`depth` must be at least 1"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"optimiser": "lion"}, "`optimiser` must be one of sgd, adam"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\)"),
        ({"baseline": np.nan}, "`baseline` must be finite"),
        ({"patch": 0}, "`patch` must be at least 1"),
        ({"clusters": 0}, "`clusters` must be at least 1"),
    ],
)
def test_choices_that_never_fit(chosen, message):
    with pytest.raises(ArgumentError, match=message):
        settings("data.csv", **chosen)


def test_inputs_that_are_all_alike_are_refused(tmp_path):
    path = npz(tmp_path, images=np.full((12, 8, 8), 0.25), labels=TWO)
    with pytest.raises(ValueError, match=r"data\.npz: inputs must differ, but every value is 0.25"):
        prepare("image-mlp", settings(path))


def test_a_class_that_falls_to_the_test_set_alone_is_named(tmp_path):
    order = np.random.default_rng(0).permutation(10)
    labels = np.zeros(10, int)
    labels[order[-2:]] = 1  # both samples of the class are the last, which are for the test
    rows = "\n".join(f"{at},{label}" for at, label in enumerate(labels))
    path = table(tmp_path, f"a,label\n{rows}")
    with pytest.raises(ValueError, match="all of class '1' fell to the test set; choose another"):
        prepare("table-mlp", settings(path, players=1, samples=1))


@pytest.mark.parametrize("kind", ["image-cnn", "text-gru", "table-mlp", "points-pointnet"])
def test_a_command_without_data_says_which(tmp_path, kind):
    result = interdyn("measure", "--experiment", kind, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert re.fullmatch(
        rf"interdyn: --data must be the path of an? .*, for {kind}, but is not given\.\n",
        result.stderr,
    )


OPTIONS = {"--width": 8, "--depth": 1, "--epochs": "0,1,2", "--samples": 3, "--players": 3}


def test_an_interrupted_command_ends_with_the_same_bytes(tmp_path, monkeypatch):
    path = own_file(tmp_path, "table")
    command = ("measure", "--experiment", "table-mlp", *itertools.chain(*OPTIONS.items()))
    whole = interdyn(*command, "--data", path, "--out", tmp_path / "whole", "--keep-inputs")
    assert whole.exit_code == 0, whole.stderr
    assert "\nData: data.csv: 40 rows of 3 columns, 2 classes; 32 to train, 8 to te" in whole.stdout
    assert "\nMasking: 3 of 3 columns, baseline 0.\n" in whole.stdout
    savez, saved = np.savez, []

    def until_the_third_file(*arguments, **named):
        saved.append(named)
        if len(saved) == 3:
            raise KeyboardInterrupt
        savez(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", until_the_third_file)
        stopped = interdyn(*command, "--data", path, "--out", tmp_path / "a", "--keep-inputs")
    assert "1 of 3 checkpoints are kept" in stopped.stderr
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("red", "green"), encoding="utf-8")  # other data of the same name
    for changed in ((), ("--momentum", 0.5)):
        again = interdyn(
            *command, "--data", path, "--out", tmp_path / "a", "--keep-inputs", *changed
        )
        assert "holds an unfinished measurement with other settings" in again.stderr
        path.write_text(text, encoding="utf-8")
    moved = path.rename(tmp_path / "a" / "data.csv")  # the same file at another place
    again = interdyn(*command, "--data", moved, "--out", tmp_path / "a", "--keep-inputs")
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "a" / "measurement.npz").read_bytes() == (
        tmp_path / "whole" / "measurement.npz"
    ).read_bytes()
    kept = Measurement.load(tmp_path / "a" / "measurement.npz")
    assert kept.players(0) == ["age", "colour", "height"]
    assert kept.inputs.shape == (3, 4)
