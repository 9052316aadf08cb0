"""Players of images and feature maps: square patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array, as_number
from sim.measurement.choosing import choose, choose_own
from sim.measurement.masking import Masking


def image_patches(
    shape: Sequence[int],
    patch: int,
    n: int,
    *,
    baseline: ArrayLike = 0.0,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    central: int | Sequence[int] | None = None,
    content: ArrayLike | None = None,
    share: float = 0.5,
    samples: int | None = None,
) -> Masking:
    """Players are n square patches of an image or of a feature map, chosen at random.

    They are named by row and column, counted from 1: `r2c4` is the fourth patch of the second row.

    Args:
        shape: (height, width) or (channels, height, width) of one input.
        patch: side of a patch; must divide height and width.
        n: number of players; the other patches are always shown.
        baseline: value of a masked pixel: a number, one for each channel (channels, 1, 1), or an
            array that fits `shape`.
        seed: of the choice of patches.
        allowed: bool (height, width); only patches that lie wholly inside can be players.
        central: only the central patches can be players: so many rows and columns of the grid, or
            (rows, columns). [Ren24] chooses among the central 6 × 6 of a grid of 8 × 8.
        content: bool (inputs, *shape), where the inputs show something, such as `images > 0` over a
            black baseline. Only patches that show something, in any pixel, can be players: in at
            least a `share` of the inputs, or in each sample its own where `samples` is given.
        share: the least share of the inputs in which a patch shows something.
        samples: choose other patches for each of so many samples; None takes the same for all.

    Raises:
        ValueError: the patches do not tile the image, there are fewer than n, or the central ones
            cannot lie in the middle.

    Example:
        >>> masking = image_patches((8, 8), patch=2, n=10)
        >>> masking.masked(np.ones((1, 8, 8)), 0, np.array([0, 2**10 - 1])).sum(axis=(1, 2))
        array([24., 64.])
        >>> masking.names.tolist()[:3]
        ['r1c1', 'r1c3', 'r1c4']
        >>> image_patches((28, 28), patch=7, n=4, central=2).names.tolist()
        ['r2c2', 'r2c3', 'r3c2', 'r3c3']
        >>> ink = np.zeros((1, 4, 4), dtype=bool)
        >>> ink[0, 2] = True  # a stroke along the third row
        >>> image_patches((4, 4), patch=2, n=2, content=ink).names.tolist()
        ['r2c1', 'r2c2']
    """
    shape = tuple(np.atleast_1d(shape).tolist())
    if len(shape) not in (2, 3):
        raise ArgumentError(
            "shape",
            "be (height, width) or (channels, height, width), the shape of one input",
            f"is {(shape if len(shape) < 9 else 'an array')}",
        )
    height, width = shape[-2:]
    is_size = isinstance(patch, int | np.integer) and patch >= 1
    if not is_size or height % patch or width % patch:
        raise ArgumentError(
            "patch",
            f"be a whole number that divides the height and width {height}×{width}",
            f"is {patch!r}",
        )
    rows, columns = height // patch, width // patch
    inside = np.ones((height, width), bool) if allowed is None else np.asarray(allowed, dtype=bool)
    if inside.shape != (height, width):
        raise ArgumentError("allowed", f"have shape {(height, width)}", f"has shape {inside.shape}")
    whole = inside.reshape(rows, patch, columns, patch).all(axis=(1, 3))
    if central is not None:
        whole = whole & _central((rows, columns), central)
    if content is None:
        chosen = choose(np.flatnonzero(whole), n, seed, samples, "patches")
    else:
        if not 0 < as_number(share, "share") <= 1:
            raise ArgumentError("share", "be above 0 and at most 1", f"is {share}")
        shown = whole & _showing(content, shape, patch)  # (inputs, rows, columns)
        if samples is None:
            often = shown.mean(axis=0) >= share
            chosen = choose(np.flatnonzero(whole & often), n, seed, None, "patches")
        elif samples == len(shown):
            chosen = choose_own(shown.reshape(samples, -1), n, seed, "patches")
        else:
            raise ArgumentError(
                "content", f"be for the {samples} samples", f"is for {len(shown)} inputs"
            )
    index = np.arange(rows)[:, None] * columns + np.arange(columns)
    pixels = np.kron(index, np.ones((patch, patch), dtype=int))  # patch number of every pixel
    regions = np.broadcast_to(pixels, shape) == chosen.reshape(*chosen.shape, *[1] * len(shape))
    names = np.array([f"r{row + 1}c{column + 1}" for row, column in np.ndindex(rows, columns)])
    return Masking(regions, baseline, shape, names[chosen])


def _central(grid: tuple[int, int], central: int | Sequence[int]) -> np.ndarray:
    """Which patches of a grid lie in its middle, bool (rows, columns)."""
    wanted = np.broadcast_to(central, 2) if np.ndim(central) == 0 else np.asarray(central)
    whole = wanted.shape == (2,) and np.issubdtype(wanted.dtype, np.integer)
    if not whole or not all(
        1 <= size <= full and (full - size) % 2 == 0
        for size, full in zip(wanted, grid, strict=True)
    ):
        raise ArgumentError(
            "central",
            f"be whole numbers of rows and columns that leave as many on either side of the grid "
            f"of {grid[0]}×{grid[1]} patches",
            f"is {central!r}",
        )
    inside = np.zeros(grid, dtype=bool)
    margins = [(full - size) // 2 for size, full in zip(wanted, grid, strict=True)]
    inside[tuple(slice(m, full - m) for m, full in zip(margins, grid, strict=True))] = True
    return inside


def _showing(content: ArrayLike, shape: tuple[int, ...], patch: int) -> np.ndarray:
    """Which patches of every input show something, bool (inputs, rows, columns)."""
    pixels = as_array(content, "content")
    if pixels.dtype != bool or pixels.shape[1:] != shape or len(pixels) == 0:
        wanted = ", ".join(map(str, shape))
        raise ArgumentError(
            "content",
            f"be true where an input shows something, such as images > 0, of shape "
            f"(inputs, {wanted})",
            f"has shape {pixels.shape} and dtype {pixels.dtype}",
        )
    *channels, height, width = shape
    tiles = (-1, *channels, height // patch, patch, width // patch, patch)
    inner = (*range(1, 1 + len(channels)), -3, -1)
    return np.asarray(pixels.reshape(tiles).any(axis=inner))
