"""What becomes of the initial interactions: removed, or outgrown.

Plain Möbius interactions are linear in the outputs, so neither an extraction nor a threshold of
salience has a say in them. Shares of strength can fall because the initial interactions shrink, or
because others grow beside them; absolute size tells the two apart. (Ours.)
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import check_fraction, check_nonnegative, check_outputs
from theory import and_interactions, sum_by_order

REMOVED = 0.5
"""Size, relative to the start, below which an order counts as removed."""

LOWEST = 3
"""The lowest order that is called medium or high."""

REMOVES, OUTGROWS, UNDETERMINED = "removes", "outgrows", "undetermined"


class Fate(NamedTuple):
    """What becomes of the initial interactions of medium and high order.

    Attributes:
        answer: `removes` where an order's interval lies wholly below `REMOVED` at some checkpoint;
            `outgrows` where none does, and every interval lies wholly above it; `undetermined`
            otherwise, or with a single sample.
        order: the order that fell most, and
        checkpoint: where it did.
        size: how much of it was left there, relative to the start.
        overlap: how alike its pattern was to the initial one there.
    """

    answer: str
    order: int
    checkpoint: int
    size: float
    overlap: float


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Retention:
    """Absolute size of the interactions of each order beside the first checkpoint's.

    Returned by `retention`, whose example shows it in use.

    Attributes:
        size: (checkpoints, n), for the orders 1..n: root mean square over samples and sets of the
            Möbius interactions, relative to the first checkpoint.
        overlap: (checkpoints, n), cosine between the interactions and the first checkpoint's, over
            samples and sets; size · overlap is how much of the initial pattern is left.
        effect: (checkpoints,), mean of |v(N) − v(∅)| relative to the first checkpoint.
        size_interval: (2, checkpoints, n), lower and upper ends from drawing the samples anew, or
            None for a single sample or without resamples.
        overlap_interval: (2, checkpoints, n), the same.
    """

    size: np.ndarray
    overlap: np.ndarray
    effect: np.ndarray
    size_interval: np.ndarray | None = None
    overlap_interval: np.ndarray | None = None

    def fate(self, until: int | None = None) -> Fate:
        """Whether the network removes its initial medium and high orders, or outgrows them.

        Args:
            until: the last checkpoint of the first phase; by default all checkpoints count.
        """
        stop = len(self.size) if until is None else until + 1
        medium = slice(LOWEST - 1, None)
        sizes = self.size[:stop, medium]
        if sizes.size == 0:
            return Fate(UNDETERMINED, self.size.shape[1], 0, 1.0, 1.0)
        at, order = np.unravel_index(np.argmin(sizes), sizes.shape)
        answer = UNDETERMINED
        if self.size_interval is not None:
            low, high = self.size_interval[:, :stop, medium]
            if (high < REMOVED).any():
                answer = REMOVES
            elif (low > REMOVED).all():
                answer = OUTGROWS
        place = int(at), int(order) + LOWEST - 1
        return Fate(
            answer, place[1] + 1, place[0], float(self.size[place]), float(self.overlap[place])
        )

    def verdict(self, epochs: ArrayLike, until: int | None = None) -> str:
        """The finding in words.

        Args:
            epochs: (checkpoints,).
            until: the last checkpoint of the first phase; by default all checkpoints count.
        """
        fate = self.fate(until)
        epoch = np.asarray(epochs, float)[fate.checkpoint]
        last = len(self.effect) - 1 if until is None else until
        end = f"epoch {np.asarray(epochs, float)[last]:g}"
        lead = {
            REMOVES: "The network removes initial interactions of medium or high order",
            OUTGROWS: "The network does not remove its initial interactions of medium and high "
            "order, it outgrows them",
            UNDETERMINED: "Whether the network removes its initial interactions of medium and high "
            "order or outgrows them is not determined",
        }[fate.answer]
        return (
            f"{lead}: until {end} the smallest of them, order {fate.order} at epoch {epoch:g}, "
            f"has {fate.size:.2g} times its initial size (its overlap with the initial pattern is "
            f"{fate.overlap:.2f}), while the mean effect |v(N) − v(∅)| becomes "
            f"{self.effect[last]:.3g} times the initial one."
        )


def retention(
    outputs: ArrayLike, *, resamples: int = 200, level: float = 0.95, seed: int = 0
) -> Retention:
    """Follows the size of plain Möbius interactions, order by order, from the first checkpoint on.

    Args:
        outputs: (checkpoints, samples, 2^n), v(S).
        resamples: bootstrap resamples of the samples; 0 for no intervals.
        level: coverage of the intervals.
        seed: of the resamples.

    Returns:
        Sizes and overlaps by order. An order without any interaction at the first checkpoint has
        size 0 there, and infinite size where it has some later.

    Raises:
        ValueError: outputs of the wrong shape or not finite, or an option out of range.

    Example:
        >>> start = np.array([[0.0, 0.1, 0.1, 0.5], [0.0, 0.2, 0.1, 0.7]])  # I({0, 1}) 0.3 and 0.4
        >>> later = start + np.array([0.0, 2.0, 2.0, 4.0])  # single players on top
        >>> found = retention(np.stack([start, later]))
        >>> print(found.size[1].round(1), found.overlap[1].round(2))
        [16.1  1. ] [0.95 1.  ]
    """
    outputs = check_outputs(outputs)
    check_nonnegative(resamples, "resamples")
    check_fraction(level, "level")
    squares, products, effect = (np.asarray(part) for part in _sums(jnp.asarray(outputs)))
    samples = outputs.shape[1]
    size, overlap = _relative(squares.mean(axis=1), products.mean(axis=1))
    intervals: list[np.ndarray | None] = [None, None]
    if resamples and samples > 1:
        rng = np.random.default_rng(seed)
        shares = rng.multinomial(samples, np.full(samples, 1 / samples), size=resamples) / samples
        drawn = _relative(*(np.einsum("rs,csn->rcn", shares, x) for x in (squares, products)))
        ends = [(1 - level) / 2, (1 + level) / 2]
        intervals = [np.quantile(part, ends, axis=0) for part in drawn]
    mean_effect = effect.mean(axis=1)
    return Retention(
        size=size,
        overlap=overlap,
        effect=_ratio(mean_effect, mean_effect[:1]),
        size_interval=intervals[0],
        overlap_interval=intervals[1],
    )


@jax.jit
def _sums(outputs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """By checkpoint, sample and order 1..n: Σ I_t², Σ I_t·I_0; and |v(N) − v(∅)|."""
    interactions = and_interactions(outputs)
    squares = sum_by_order(interactions**2)[..., 1:]
    products = sum_by_order(interactions * interactions[:1])[..., 1:]
    return squares, products, jnp.abs(outputs[..., -1] - outputs[..., 0])


def _relative(squares: np.ndarray, products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size and overlap (..., checkpoints, n) from sums of squares and of products."""
    first = squares[..., :1, :]
    return np.sqrt(_ratio(squares, first)), _ratio(products, np.sqrt(squares * first))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom; 0 for 0/0."""
    bottom = np.broadcast_to(bottom, top.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(top == 0, 0.0, top / bottom)
