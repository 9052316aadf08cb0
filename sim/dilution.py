"""What becomes of the initial interactions: removed, or outgrown.

Plain Möbius interactions are linear in the outputs, so neither an extraction nor a threshold of
salience has a say in them. Shares of strength can fall because the initial interactions shrink, or
because others grow beside them; absolute size tells the two apart. (Ours.)
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    check_epochs,
    check_fraction,
    check_outputs,
    check_resamples,
    check_runs,
    check_seed,
    check_whole,
)
from sim.fitting import input_weights, t_interval
from sim.machine import check_host_memory, check_memory
from theory import and_interactions, orders, sum_by_order

REMOVED = 0.5
"""Size, relative to the start, below which an order counts as removed."""

REPLACED = 0.5
"""What must be left along the initial pattern, as a share of it, for the pattern to be kept."""

LOWEST = 3
"""The lowest order that is called medium or high."""

COPIES = 8  # arrays of the outputs' size at a time, as measured
DRAWN = 6.5  # arrays of (resamples, checkpoints, orders) at a time, as measured

REMOVES, OUTGROWS, UNDETERMINED = "removes", "outgrows", "undetermined"


class Fate(NamedTuple):
    """What becomes, in absolute size, of the interactions of medium and high order.

    What counts are the orders from `LOWEST` on that have interactions at the start, at all
    checkpoints after it until the end of the first phase. The intervals are not corrected for
    their number: `removes` is said too easily rather than too rarely.

    Attributes:
        answer: `removes` where the interval of an order's size lies wholly below `REMOVED` at some
            checkpoint; `outgrows` where all of them lie wholly above it; `undetermined` otherwise,
            or without intervals, or where nothing counts. Of size alone: `outgrows` does not say
            that the initial pattern is still there.
        replaced: whether it is not: of `Retention.kept` at the end of the first phase, the upper
            ends of the intervals lie below `REPLACED` in the median of the orders that count.
        order: the order that fell most, and
        checkpoint: where it did; 0 for both where nothing counts.
        size: its size there, relative to the start.
        overlap: how alike its pattern was to the initial one there.
    """

    answer: str
    replaced: bool
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
            samples and sets.
        effect: (checkpoints,), mean of |v(N) − v(∅)| relative to the first checkpoint.
        size_interval: (2, checkpoints, n), lower and upper ends from drawing the inputs anew, or
            None for a single sample or without resamples. They say nothing of another training
            run; on heavy-tailed inputs they cover some 90 % instead of 95 %.
        overlap_interval: (2, checkpoints, n), the same.
        kept_interval: (2, checkpoints, n), the same for `kept`.
    """

    size: np.ndarray
    overlap: np.ndarray
    effect: np.ndarray
    size_interval: np.ndarray | None = None
    overlap_interval: np.ndarray | None = None
    kept_interval: np.ndarray | None = None

    @property
    def kept(self) -> np.ndarray:
        """(checkpoints, n), ⟨I_t, I_0⟩/⟨I_0, I_0⟩ = size · overlap: what is left of the start.

        The component of the interactions along the initial ones. Sizes do not show where initial
        interactions make room for others of the same size; this does.
        """
        return _kept(self.size, self.overlap)

    def fate(self, until: int | None = None) -> Fate:
        """Whether the network removes its initial medium and high orders, or outgrows them.

        Args:
            until: the last checkpoint of the first phase; by default all checkpoints count.

        Raises:
            ValueError: there is no such checkpoint.
        """
        last, counted = self._last(until), self._counted()
        sizes = self.size[1 : last + 1, counted]
        if sizes.size == 0:
            return Fate(UNDETERMINED, False, 0, 0, 1.0, 1.0)
        answer, replaced = UNDETERMINED, False
        if self.size_interval is not None:
            low, high = self.size_interval[:, 1 : last + 1, counted]
            if (high < REMOVED).any():
                answer = REMOVES
            elif (low > REMOVED).all():
                answer = OUTGROWS
        if self.kept_interval is not None:
            replaced = bool(np.median(self.kept_interval[1, last, counted]) < REPLACED)
        row, column = np.unravel_index(np.argmin(sizes), sizes.shape)
        at, k = int(row) + 1, int(counted[column])
        size, overlap = float(self.size[at, k]), float(self.overlap[at, k])
        return Fate(answer, replaced, k + 1, at, size, overlap)

    def _last(self, until: int | None) -> int:
        last = len(self.size) - 1
        if until is None:
            return last
        check_whole(until, "until", 0)
        if until > last:
            raise ArgumentError("until", f"be a checkpoint from 0 to {last}", f"is {until}")
        return int(until)

    def _counted(self) -> np.ndarray:
        """Positions of the medium and high orders that have interactions at the start."""
        return np.flatnonzero((self.size[0] > 0) & (np.arange(self.size.shape[1]) >= LOWEST - 1))

    def record(self, epochs: ArrayLike, until: int | None = None) -> dict[str, Any]:
        """A plain dictionary, as written to `fit.json`; None for what is infinite."""
        series = {
            "size": self.size,
            "overlap": self.overlap,
            "effect": self.effect,
            "size_interval": self.size_interval,
            "overlap_interval": self.overlap_interval,
            "kept_interval": self.kept_interval,
        }
        plain = {
            name: None if part is None else _finite(part.tolist()) for name, part in series.items()
        }
        return {"verdict": self.verdict(epochs, until), "answer": self.fate(until).answer, **plain}

    def verdict(self, epochs: ArrayLike, until: int | None = None) -> str:
        """The finding in words: the largest fall in size, the growth of the effect, what is kept.

        Args:
            epochs: (checkpoints,).
            until: the last checkpoint of the first phase; by default all checkpoints count.

        Raises:
            ValueError: epochs that do not fit, or no such checkpoint.
        """
        times = check_epochs(epochs, len(self.size))
        last, counted, fate = self._last(until), self._counted(), self.fate(until)
        lead = {
            REMOVES: "The network removes initial interactions of medium or high order",
            OUTGROWS: "The network does not remove its medium and high orders in absolute size "
            f"(none falls below {REMOVED:g} of what it was), it outgrows them",
            UNDETERMINED: "Whether the network removes its initial interactions of medium and high "
            "order or outgrows them is not determined",
        }[fate.answer]
        if fate.order == 0:
            return f"{lead}: there is nothing to compare."
        left = np.median(self.kept[last, counted])
        pattern = (
            "But the initial pattern itself is replaced: along it"
            if fate.replaced
            else "Along the initial pattern itself"
        )
        return (
            f"{lead}: until epoch {times[last]:g} the smallest of them, order {fate.order} at "
            f"epoch {times[fate.checkpoint]:g}, has {fate.size:.2g} times its initial size, while "
            f"the mean effect |v(N) − v(∅)| becomes {self.effect[last]:.3g} times the initial one. "
            f"{pattern}, the median of these orders then has {left:.2f} times what it had."
        )


def retention(
    outputs: ArrayLike,
    *,
    runs: int = 1,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Retention:
    """Follows the size of plain Möbius interactions, order by order, from the first checkpoint on.

    size_k(t)² = E Σ_{|S|=k} I_t(S)² / E Σ_{|S|=k} I_0(S)², the mean being over samples, and
    overlap_k(t) = E Σ I_t·I_0 / √(E Σ I_t² · E Σ I_0²), with the AND interactions I of
    [Ren24 Eq. 1] of the outputs themselves. Neither depends on the outputs' scale. (Ours.)

    Args:
        outputs: (checkpoints, samples, 2^n), v(S).
        runs: how many training runs the samples hold, one after the other, with the same inputs in
            each; what is drawn anew are the inputs.
        resamples: bootstrap resamples of the inputs; 0 for no intervals.
        level: coverage of the intervals.
        seed: of the resamples.

    Returns:
        Sizes and overlaps by order. An order without any interaction at the first checkpoint, to
        rounding, has size 0 there, and infinite size and no overlap where it has some later.

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
    check_resamples(resamples)
    seed = check_seed(seed)
    check_fraction(level, "level")
    samples = outputs.shape[1]
    runs = check_runs(runs, samples)
    _check_room(outputs, resamples if samples > runs else 0)
    squares, products, effect = (np.asarray(part) for part in _sums(jnp.asarray(outputs)))
    size, overlap = _relative(squares.mean(axis=1), products.mean(axis=1))
    intervals: list[np.ndarray | None] = [None, None, None]
    if resamples and samples > runs:
        shares = input_weights(samples, runs, resamples, seed)
        sums = (np.einsum("rs,csn->rcn", shares, x) for x in (squares, products))
        sizes, overlaps = _relative(*sums)
        drawn = sizes, overlaps, _kept(sizes, overlaps)
        units = samples // runs, level
        intervals = [
            _size_interval(size, sizes, *units),
            np.stack(t_interval(overlap, overlaps, *units, -1.0, 1.0)),
            np.stack(t_interval(_kept(size, overlap), drawn[2], *units)),
        ]
    mean_effect = effect.mean(axis=1)
    return Retention(
        size=size,
        overlap=overlap,
        effect=_ratio(mean_effect, mean_effect[:1]),
        size_interval=intervals[0],
        overlap_interval=intervals[1],
        kept_interval=intervals[2],
    )


def _check_room(outputs: np.ndarray, resamples: int) -> None:
    """Asks for the memory of the interactions, and for that of the resamples."""
    checkpoints, samples, size = outputs.shape
    n = size.bit_length() - 1
    what = f"Following the interactions of {n} players in {checkpoints} × {samples} outputs"
    check_memory(COPIES * outputs.nbytes, what, "fewer players, samples or checkpoints")
    drawn = resamples * (samples + DRAWN * checkpoints * n)
    check_host_memory(8 * drawn, f"Drawing {resamples} resamples", "fewer resamples")


@jax.jit
def _sums(outputs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """By checkpoint, sample and order 1..n: Σ I_t², Σ I_t·I_0; and |v(N) − v(∅)|."""
    interactions = and_interactions(outputs)
    order = orders(outputs.shape[-1].bit_length() - 1)
    # An interaction of order k adds up 2^k outputs: what rounding alone can make of them is none.
    largest = jnp.abs(outputs).max(axis=-1, keepdims=True)
    rounding = jnp.finfo(outputs.dtype).eps * largest * (2.0**order)[None, None]
    interactions = jnp.where(jnp.abs(interactions) <= rounding, 0.0, interactions)
    squares = sum_by_order(interactions**2)[..., 1:]
    products = sum_by_order(interactions * interactions[:1])[..., 1:]
    return squares, products, jnp.abs(outputs[..., -1] - outputs[..., 0])


def _relative(squares: np.ndarray, products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size and overlap (..., checkpoints, n) from sums of squares and of products."""
    first = squares[..., :1, :]
    return np.sqrt(_ratio(squares, first)), _ratio(products, np.sqrt(squares * first))


def _size_interval(size: np.ndarray, drawn: np.ndarray, units: int, level: float) -> np.ndarray:
    """Ends (2, checkpoints, n) of the interval of a size, in logarithms.

    Where a draw has none of an order, or infinitely much, the ends are those of the draws.
    """
    logs = (drawn > 0) & np.isfinite(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.exp(t_interval(np.log(size), np.log(drawn), units, level))
    return np.where(logs.all(axis=0), ends, [drawn.min(axis=0), drawn.max(axis=0)])


def _kept(size: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """size · overlap; 0 where nothing overlaps, also where the size is infinite."""
    with np.errstate(invalid="ignore"):
        return np.where(overlap == 0, 0.0, size * overlap)


def _finite(values: Any) -> Any:
    """Nested lists of numbers, None in place of what is infinite or no number."""
    if isinstance(values, list):
        return [_finite(value) for value in values]
    return values if math.isfinite(values) else None


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom; 0 for 0/0."""
    bottom = np.broadcast_to(bottom, top.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(top == 0, 0.0, top / bottom)
