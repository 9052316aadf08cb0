"""Images: arrays in an `.npz` file, or a folder with a folder of image files for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.experiments.data._arrays import read_arrays
from sim.experiments.data._classes import Samples, as_classes
from sim.machine import check_host_memory

LAYOUT = "(m, height, width) or (m, height, width, channels)"
CHANNELS = (1, 2, 3, 4)
SMALLEST = 4  # pixels of a side
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
COPIES = 5  # of the images in float32: read, standardised in 64 bits, and kept


def read_images(path: Path) -> Samples:
    """Images (m, channels, height, width) float32; those of 8 bits are scaled to [0, 1].

    Args:
        path: an `.npz` with `images` (m, height, width[, channels]) and `labels` (m,); or a folder
            whose folders are the classes, each with image files of the same size.

    Raises:
        ValueError: something else; names the key or the file in the folder.
        FileNotFoundError: nothing is there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder.")
    return _from_folder(path) if path.is_dir() else _from_arrays(path)


def _from_arrays(path: Path) -> Samples:
    if path.suffix.lower() in ENDINGS:
        raise ValueError(
            f"{path}: must be an .npz file, or a folder with a folder of image files for each "
            f"class, but is a single image."
        )
    images, given = read_arrays(path, "images", LAYOUT)
    shape = images.shape
    if images.ndim == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS:
        raise ValueError(
            f"{path}: `images` must have shape {LAYOUT}, but has shape {shape}, with the channels "
            f"first, it seems; save numpy.moveaxis(images, 1, -1)."
        )
    if images.ndim not in (3, 4) or (images.ndim == 4 and shape[3] not in CHANNELS):
        raise ValueError(
            f"{path}: `images` must have shape {LAYOUT}, with 1 to 4 channels, but has shape "
            f"{shape}."
        )
    check_host_memory(4.0 * COPIES * images.size, f"Preparing {path}", "fewer or smaller images")
    labels, classes = as_classes(given, len(images), path)
    titles = tuple(f"{classes[label]}, image {at}" for at, label in enumerate(labels))
    return _samples(
        path, images if images.ndim == 4 else images[..., None], labels, classes, titles
    )


def _from_folder(path: Path) -> Samples:
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    if len(folders) < 2:
        found = "no folder" if not folders else f"the single folder '{folders[0].name}'"
        hint = f"; give {folders[0]}" if folders and _inner_folder(folders[0]) else ""
        raise ValueError(
            f"{path}: must hold a folder of image files for each of at least two classes, but "
            f"holds {found}{hint}."
        )
    files = {folder.name: _image_files(folder) for folder in folders}
    named = [(name, file) for name in files for file in files[name]]
    labels, classes = as_classes([name for name, _ in named], len(named), path, "folders")
    first = _image(named[0][1])
    needed = 4.0 * COPIES * first.size * len(named)
    check_host_memory(needed, f"Reading {path}", "fewer or smaller images")
    images = []
    for _, file in named:
        image = _image(file)
        if image.shape[:2] != first.shape[:2]:
            (height, width), (rows, columns) = image.shape[:2], first.shape[:2]
            raise ValueError(
                f"{file}: must be {columns}×{rows} pixels like {named[0][1].name}, but is "
                f"{width}×{height}; all images must have one size."
            )
        images.append(image)
    if len({image.shape[2] for image in images}) > 1:  # grey among colour
        images = [np.repeat(i, 3, axis=2) if i.shape[2] == 1 else i for i in images]
    titles = tuple(f"{name}/{file.name}" for name, file in named)
    return _samples(path, np.array(images), labels, classes, titles)


def _image_files(folder: Path) -> list[Path]:
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    found = [file for file in files if file.suffix.lower() in ENDINGS]
    if not found:
        held = files[0].name if files else "no file"
        inner = _inner_folder(folder)
        if inner and not files:
            held = f"the folder '{inner}'; give the folder whose folders are the classes"
        raise ValueError(
            f"{folder}: must hold image files ({', '.join(ENDINGS[:4])}, …), but holds {held}."
        )
    return found


def _inner_folder(folder: Path) -> str | None:
    """The name of the first folder in a folder, as where classes lie in `train` and `test`."""
    names = (f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    return min(names, default=None)


def _image(file: Path) -> np.ndarray:
    """An image of 8 bits: grey (height, width, 1) or colour (height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(
                    f"{file}: must be an image of 8 bits a channel, but has mode {image.mode}."
                )
            grey = image.mode in ("1", "L")
            array = np.asarray(image.convert("L" if grey else "RGB"))
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file}: must be an image, but cannot be read: {error}.") from error
    return array[..., None] if grey else array


def _samples(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    titles: tuple[str, ...],
) -> Samples:
    _, height, width, channels = images.shape
    if min(height, width) < SMALLEST:
        raise ValueError(
            f"{path}: images must be at least {SMALLEST}×{SMALLEST} pixels, but are "
            f"{height}×{width}."
        )
    scale = np.float32(255 if images.dtype == np.uint8 else 1)
    inputs = np.moveaxis(images, -1, 1).astype(np.float32) / scale
    colours = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    words = f"{len(images)} {colours} images of {height}×{width}, {len(classes)} classes"
    return Samples(inputs, labels, classes, titles, words)
