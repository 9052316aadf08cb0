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
    """Players as regions of an input, and what takes the place of an absent player.

    What belongs to no player is never masked; where players overlap, one absent player is enough to
    mask the place. Whatever can be said as regions and a replacement is a masking of its own; the
    example makes the rows of an image players.

    Attributes:
        regions: bool (n, *shape), or (samples, n, *shape) where every sample has its own players.
        baseline: what an absent player's region shows. Broadcasts against (*shape), or has shape
            (samples, *shape) where every sample has its own.
        shape: the shape of one input.

    Raises:
        ValueError: no player, an empty region, or a baseline that does not fit the input.

    Example:
        >>> def rows(shape, baseline=0.0):
        ...     regions = np.zeros((shape[0], *shape), dtype=bool)  # (players, *shape)
        ...     for player in range(shape[0]):
        ...         regions[player, player] = True
        ...     return Masking(regions, baseline, shape)
        >>> rows((3, 2), baseline=9.0).masked(np.ones((1, 3, 2)), sample=0, sets=np.array([0b101]))
        array([[[1., 1.],
                [9., 9.],
                [1., 1.]]])
    """

    regions: np.ndarray
    baseline: ArrayLike
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        regions, shape = np.asarray(self.regions, dtype=bool), tuple(self.shape)
        axes = regions.ndim - len(shape)
        if not shape or axes not in (1, 2) or regions.shape[axes:] != shape:
            wanted = ", ".join(map(str, shape))
            raise ValueError(
                f"Argument `regions` must have shape (n, {wanted}) or (samples, n, {wanted}), but "
                f"has shape {regions.shape}."
            )
        n = regions.shape[axes - 1]
        if not 1 <= n <= MAX_PLAYERS:
            raise ValueError(f"There must be 1 to {MAX_PLAYERS} players, but there are {n}.")
        sizes = regions.reshape(*regions.shape[:axes], -1).sum(axis=-1)
        if not sizes.all():
            empty = np.argwhere(sizes == 0)[0].tolist()
            raise ValueError(f"Every player must cover some of the input, but {empty} covers none.")
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "baseline", _checked_baseline(self.baseline, shape))
        object.__setattr__(self, "shape", shape)
        if len({self._own_regions, self._own_baselines} - {None}) > 1:
            raise ValueError(
                f"`regions` and `baseline` must be for the same number of samples, but are for "
                f"{self._own_regions} and {self._own_baselines}."
            )

    @property
    def n(self) -> int:
        """Number of players."""
        return self.regions.shape[-len(self.shape) - 1]

    @property
    def samples(self) -> int | None:
        """Number of samples that the masking is for, or None where it is the same for all."""
        return self._own_regions or self._own_baselines

    @property
    def _own_regions(self) -> int | None:
        """For how many samples there are regions, or None where they are the same for all."""
        return len(self.regions) if self.regions.ndim == len(self.shape) + 2 else None

    @property
    def _own_baselines(self) -> int | None:
        baseline = np.asarray(self.baseline)
        return len(baseline) if baseline.ndim == len(self.shape) + 1 else None

    def check(self, inputs: np.ndarray) -> None:
        """Raises ValueError unless the masking can be applied to `inputs` and changes them."""
        if inputs.ndim == 0 or inputs.shape[1:] != self.shape or len(inputs) == 0:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(
                f"Argument `inputs` must have shape (samples, {wanted}) with at least one sample, "
                f"but has shape {inputs.shape}."
            )
        if self.samples not in (None, len(inputs)):
            raise ValueError(
                f"Argument `inputs` must hold the {self.samples} samples that the masking is for, "
                f"but holds {len(inputs)}."
            )
        baseline = np.asarray(self.baseline)
        if not np.array_equal(baseline, baseline.astype(inputs.dtype)) and not np.issubdtype(
            inputs.dtype, np.floating
        ):
            raise ValueError(
                f"The baseline must be representable in the inputs' type {inputs.dtype}, but is "
                f"of type {baseline.dtype}."
            )
        hidden = (self.masked(inputs, sample, np.array([0]))[0] for sample in range(len(inputs)))
        if all(np.array_equal(seen, masked) for seen, masked in zip(inputs, hidden, strict=True)):
            raise ValueError(
                "Masking every player must change the inputs, but changes none of them: is the "
                "baseline made of the inputs themselves? See sim.mean_baseline."
            )

    def masked(self, inputs: np.ndarray, sample: int, sets: np.ndarray) -> np.ndarray:
        """The masked versions of one input.

        Args:
            inputs: (samples, *shape).
            sample: which of them.
            sets: (m,) indices of the sets of players that stay.

        Returns:
            (m, *shape), of the type of `inputs`.
        """
        regions = self.regions if self._own_regions is None else self.regions[sample]
        baseline = np.asarray(self.baseline)
        if self._own_baselines is not None:
            baseline = baseline[sample]
        absent = ~present_players(sets, self.n)
        hidden = np.tensordot(absent.astype(np.float32), regions.astype(np.float32), 1) > 0
        return np.where(hidden, baseline.astype(inputs.dtype), inputs[sample])


def _checked_baseline(baseline: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    baseline = np.asarray(baseline)
    one = baseline[0] if baseline.ndim > len(shape) and len(baseline) else baseline
    try:
        if baseline.ndim > len(shape) + 1:
            raise ValueError
        np.broadcast_to(one, shape)
    except ValueError:
        raise ValueError(
            f"Argument `baseline` must broadcast to the input shape {shape}, but has shape "
            f"{baseline.shape}."
        ) from None
    if not (np.issubdtype(baseline.dtype, np.number) and np.isfinite(baseline).all()):
        raise ValueError("Argument `baseline` must be finite numbers.")
    return baseline


def mean_baseline(inputs: ArrayLike) -> np.ndarray:
    """The mean input, as a baseline: what an absent player shows is the average over samples.

    For one mean value everywhere, use `inputs.mean()`; for each sample's own mean value,
    `inputs.mean(axis=(1, 2), keepdims=True)`.

    Args:
        inputs: (samples, *shape), such as the training set.

    Returns:
        (*shape).

    Example:
        >>> mean_baseline([[0.0, 4.0], [2.0, 6.0]])
        array([1., 5.])
    """
    return np.mean(np.asarray(inputs), axis=0)


def image_patches(
    shape: Sequence[int],
    patch: int,
    n: int,
    *,
    baseline: ArrayLike = 0.0,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    samples: int | None = None,
) -> Masking:
    """Players are n square patches of an image or of a feature map, chosen at random.

    Args:
        shape: (height, width) or (channels, height, width) of one input.
        patch: side of a patch; must divide height and width.
        n: number of players; the other patches are always shown.
        baseline: value of a masked pixel: a number, one for each channel (channels, 1, 1), or an
            array that fits `shape`.
        seed: of the choice of patches.
        allowed: bool (height, width); only patches that lie wholly inside can be players.
        samples: choose other patches for each of so many samples; None takes the same for all.

    Raises:
        ValueError: the patches do not tile the image, or there are fewer than n.

    Example:
        >>> masking = image_patches((8, 8), patch=2, n=10)
        >>> masking.masked(np.ones((1, 8, 8)), 0, np.array([0, 2**10 - 1])).sum(axis=(1, 2))
        array([24., 64.])
    """
    shape = tuple(np.atleast_1d(shape).tolist())
    if len(shape) not in (2, 3):
        raise ValueError(
            f"Argument `shape` must be (height, width) or (channels, height, width), the shape of "
            f"one input, but is {shape if len(shape) < 9 else 'an array'}."
        )
    height, width = shape[-2:]
    is_size = isinstance(patch, int | np.integer) and patch >= 1
    if not is_size or height % patch or width % patch:
        raise ValueError(
            f"Argument `patch` must be a whole number that divides the height and width "
            f"{height}×{width}, but is {patch!r}."
        )
    rows, columns = height // patch, width // patch
    inside = np.ones((height, width), bool) if allowed is None else np.asarray(allowed, dtype=bool)
    if inside.shape != (height, width):
        raise ValueError(
            f"Argument `allowed` must have shape {(height, width)}, but has shape {inside.shape}."
        )
    whole = inside.reshape(rows, patch, columns, patch).all(axis=(1, 3))
    chosen = choose(np.flatnonzero(whole), n, seed, samples, "patches")
    index = np.arange(rows)[:, None] * columns + np.arange(columns)
    pixels = np.kron(index, np.ones((patch, patch), dtype=int))  # patch number of every pixel
    regions = np.broadcast_to(pixels, shape) == chosen.reshape(*chosen.shape, *[1] * len(shape))
    return Masking(regions, baseline, shape)


def tabular_features(
    features: int,
    players: int | Sequence[int | Sequence[int]],
    *,
    baseline: ArrayLike = 0.0,
    seed: int = 0,
    samples: int | None = None,
) -> Masking:
    """Players are features of a table's row, or groups of them.

    Args:
        features: number of features of one input.
        players: how many features to choose at random; or which, each player an index or several,
            such as the columns of a one-hot code.
        baseline: value of a masked feature: a number, or one for each feature.
        seed: of the choice of features.
        samples: choose other features for each of so many samples; None takes the same for all.

    Raises:
        ValueError: more players than features, or a feature that is not there.

    Example:
        >>> masking = tabular_features(4, players=[0, (2, 3)], baseline=-1.0)
        >>> masking.masked(np.array([[5.0, 6.0, 7.0, 8.0]]), 0, np.array([0b00, 0b10])).tolist()
        [[-1.0, 6.0, -1.0, -1.0], [-1.0, 6.0, 7.0, 8.0]]
    """
    if not isinstance(features, int | np.integer) or features < 1:
        raise ValueError(
            f"Argument `features` must be the number of features of one input, but is "
            f"{features if np.ndim(features) == 0 else 'an array'}."
        )
    if not isinstance(players, Sequence | np.ndarray):
        chosen = choose(np.arange(features), players, seed, samples, "features", "players")
        return Masking(chosen[..., None] == np.arange(features), baseline, (features,))
    groups = [np.atleast_1d(np.asarray(group)) for group in players]
    for group in groups:
        numbers = np.issubdtype(group.dtype, np.integer)
        if not numbers or ((group < 0) | (group >= features)).any():
            raise ValueError(
                f"Argument `players` must name features by numbers from 0 to {features - 1}, but "
                f"names {group.tolist()}."
            )
    regions = np.array([np.isin(np.arange(features), group) for group in groups])
    if len(np.unique(regions, axis=0)) < len(regions):
        raise ValueError("Argument `players` must name different features for every player.")
    return Masking(regions.reshape(-1, features), baseline, (features,))


def tokens(
    shape: int | Sequence[int],
    n: int,
    *,
    mask: ArrayLike,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    samples: int | None = None,
) -> Masking:
    """Players are n tokens of a sequence, chosen at random.

    Args:
        shape: number of tokens, for inputs of token ids; or (tokens, width), for embeddings.
        n: number of players; the other tokens are always shown.
        mask: what takes a token's place: the mask token's id, or its embedding (width,).
        seed: of the choice of tokens.
        allowed: bool (tokens,), which tokens can be players: no padding, no separators. Or
            (samples, tokens), where this differs from sample to sample.
        samples: choose other tokens for each of so many samples; None takes the same for all.

    Raises:
        ValueError: fewer than n tokens can be players.

    Example:
        >>> masking = tokens(5, 2, mask=103, allowed=[False, True, True, False, False])
        >>> masking.masked(np.array([[1, 7, 8, 9, 2]]), 0, np.array([0b00, 0b10])).tolist()
        [[1, 103, 103, 9, 2], [1, 103, 8, 9, 2]]
    """
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if len(shape) not in (1, 2):
        raise ValueError(f"Argument `shape` must be (tokens,) or (tokens, width), but is {shape}.")
    inside = np.ones(shape[0], bool) if allowed is None else np.asarray(allowed, dtype=bool)
    if inside.ndim not in (1, 2) or inside.shape[-1] != shape[0]:
        raise ValueError(
            f"Argument `allowed` must have one entry for each of the {shape[0]} tokens, but has "
            f"shape {inside.shape}."
        )
    if inside.ndim == 1:
        chosen = choose(np.flatnonzero(inside), n, seed, samples, "tokens")
    else:
        rng = np.random.default_rng(seed)
        chosen = np.array([_draw(np.flatnonzero(row), n, rng, "tokens") for row in inside])
    if not np.issubdtype(np.asarray(mask).dtype, np.number):
        raise ValueError(
            f"Argument `mask` must be the mask token's number or its embedding, but is {mask!r}."
        )
    regions = chosen[..., None] == np.arange(shape[0])
    if len(shape) == 2:
        regions = np.repeat(regions[..., None], shape[1], axis=-1)
    return Masking(regions, mask, shape)


def choose(
    candidates: np.ndarray, n: int, seed: int, samples: int | None, what: str, name: str = "n"
) -> np.ndarray:
    """n of the candidates at random, sorted: (n,), or (samples, n), drawn anew for each sample."""
    rng = np.random.default_rng(seed)
    if samples is None:
        return _draw(candidates, n, rng, what, name)
    return np.array([_draw(candidates, n, rng, what, name) for _ in range(samples)])


def _draw(
    candidates: np.ndarray, n: int, rng: np.random.Generator, what: str, name: str = "n"
) -> np.ndarray:
    if not isinstance(n, int | np.integer) or not 1 <= n <= len(candidates):
        raise ValueError(
            f"Argument `{name}` must be a whole number between 1 and the {len(candidates)} {what} "
            f"of the input that can be players, but is {n!r}."
        )
    return np.sort(rng.permutation(candidates)[:n])
