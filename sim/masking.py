"""Players, and the masked inputs that show only some of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

MAX_PLAYERS = 24


def present_players(sets: ArrayLike, n: int) -> np.ndarray:
    """Which of n players belong to each set: bit i of a set's index is player i.

    Args:
        sets: (...) integers from 0 to 2^n − 1.
        n: number of players.

    Returns:
        bool (..., n).

    Example:
        >>> present_players([0, 5], 3)
        array([[False, False, False],
               [ True, False,  True]])
    """
    return (np.asarray(sets)[..., None] >> np.arange(n)) & 1 == 1


@dataclasses.dataclass(frozen=True)
class Masking:
    """Players as regions of an input, and the value that replaces an absent player.

    What belongs to no player is never masked.

    Attributes:
        regions: bool (n, *shape), or (samples, n, *shape) where every sample has its own players.
        baseline: what an absent player's region shows; broadcasts against (*shape).
        shape: the shape of one input.

    Raises:
        ValueError: no player, an empty region, or a baseline that does not fit the input.
    """

    regions: np.ndarray
    baseline: np.ndarray
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        regions = np.asarray(self.regions, dtype=bool)
        shape = tuple(self.shape)
        if regions.ndim - len(shape) not in (1, 2) or regions.shape[-len(shape) :] != shape:
            raise ValueError(
                f"Argument `regions` must have shape (n, *{shape}) or (samples, n, *{shape}), but "
                f"has shape {regions.shape}."
            )
        n = regions.shape[-len(shape) - 1]
        if not 1 <= n <= MAX_PLAYERS:
            raise ValueError(f"There must be 1 to {MAX_PLAYERS} players, but there are {n}.")
        sizes = regions.reshape(*regions.shape[: -len(shape)], -1).sum(axis=-1)
        if not sizes.all():
            empty = np.argwhere(sizes == 0)[0].tolist()
            raise ValueError(f"Every player must cover some of the input, but {empty} covers none.")
        baseline = np.asarray(self.baseline)
        try:
            np.broadcast_to(baseline, shape)
        except ValueError:
            raise ValueError(
                f"Argument `baseline` must broadcast to the input shape {shape}, but has shape "
                f"{baseline.shape}."
            ) from None
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "baseline", baseline)
        object.__setattr__(self, "shape", shape)

    @property
    def n(self) -> int:
        """Number of players."""
        return self.regions.shape[-len(self.shape) - 1]

    def masked(self, inputs: np.ndarray, sample: int, sets: np.ndarray) -> np.ndarray:
        """The masked versions of one input.

        Args:
            inputs: (samples, *shape).
            sample: which of them.
            sets: (m,) indices of the sets of players that stay.

        Returns:
            (m, *shape).
        """
        regions = self.regions if self.regions.ndim == len(self.shape) + 1 else self.regions[sample]
        absent = ~present_players(sets, self.n)
        hidden = np.tensordot(absent.astype(np.float32), regions.astype(np.float32), 1) > 0
        return np.where(hidden, self.baseline.astype(inputs.dtype), inputs[sample])


def image_patches(
    shape: Sequence[int], patch: int, n: int, *, baseline: ArrayLike = 0.0, seed: int = 0
) -> Masking:
    """Players are n of the square patches of an image, chosen at random, the same for all samples.

    Args:
        shape: (height, width) or (channels, height, width) of one input.
        patch: side of a patch; must divide height and width.
        n: number of players; the other patches are always shown.
        baseline: value of a masked pixel, a number or an array that fits `shape`.
        seed: of the choice of patches.

    Raises:
        ValueError: the patches do not tile the image, or there are fewer than n.

    Example:
        >>> masking = image_patches((8, 8), patch=2, n=10)
        >>> masking.masked(np.ones((1, 8, 8)), 0, np.array([0, 2**10 - 1])).sum(axis=(1, 2))
        array([24., 64.])
    """
    shape = tuple(shape)
    if len(shape) not in (2, 3):
        raise ValueError(f"Argument `shape` must be (height, width) or (channels, height, width), "
                         f"but is {shape}.")  # fmt: skip
    height, width = shape[-2:]
    if patch < 1 or height % patch or width % patch:
        raise ValueError(
            f"Argument `patch` must divide the height and width {height}×{width}, but is {patch}."
        )
    rows, columns = height // patch, width // patch
    if not 1 <= n <= rows * columns:
        raise ValueError(
            f"Argument `n` must be between 1 and the {rows * columns} patches of the input, but is "
            f"{n}."
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(rows * columns)[:n])
    index = np.arange(rows)[:, None] * columns + np.arange(columns)
    pixels = np.kron(index, np.ones((patch, patch), dtype=int))  # patch number of every pixel
    regions = np.broadcast_to(pixels, shape) == chosen.reshape(-1, *([1] * len(shape)))
    return Masking(regions, np.asarray(baseline), shape)
