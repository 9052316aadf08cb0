"""Sparse AND/OR interactions of measured outputs, by convex optimisation with a certificate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    as_number,
    check_finite,
    check_nonnegative,
    check_positive,
    check_whole,
)
from sim.cores import cores
from sim.extraction._certificate import Costs
from sim.extraction._schur import on_device
from sim.extraction._stages import Method, Problem, Solution, at_once, cost_of, lanes_wide, solve
from sim.machine import check_memory, over_sets
from sim.processes import SharedWork
from sim.progress import Progress
from theory.checks import as_sets
from theory.lattice import orders

NOISE_BOUND = 0.02
"""What interactions may leave unexplained, as a share of |v(N) − v(∅)|."""

TOLERANCE = 1e-3
"""The certified relative gap at which a sample counts as solved."""

HELD, STEPPED = 12, 110
"""Numbers over sets for each sample from begin to end, and for each while it is worked on."""

PREFERENCES = ("low", "high")
LEAN = 0.02
"""By how much an order's unit costs more than the one before, at the default tolerance."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Extraction:
    """AND and OR interactions of a batch of samples, and how good they are.

    Returned by `extract_interactions`, whose example shows it in use.

    Attributes:
        i_and: (..., 2^n), AND interactions; entry ∅ is v(∅).
        i_or: (..., 2^n), OR interactions; zero at ∅ and for single players, whose AND and OR
            interactions are the same function and are reported under AND.
        objective: (...), the cost Σ |i_and| + |i_or| over S ≠ ∅, in units of the outputs.
        gap: (...), certified relative duality gap: `objective` exceeds the optimum by at most
            `gap · objective`.
        iterations: (...), int32.
        converged: (...), bool, whether `gap` is within the tolerance.
        multipliers: (..., 2^n), the dual point m behind the certificate; zero at ∅.
    """

    i_and: jax.Array
    i_or: jax.Array
    objective: jax.Array
    gap: jax.Array
    iterations: jax.Array
    converged: jax.Array
    multipliers: jax.Array

    def __repr__(self) -> str:
        *batch, size = jnp.shape(self.i_and)
        return f"Extraction({' × '.join([*map(str, batch), f'2^{size.bit_length() - 1}'])} sets)"


def extract_interactions(
    outputs: ArrayLike,
    noise_bound: float = NOISE_BOUND,
    tolerance: float = TOLERANCE,
    *,
    prefer: str | None = "low",
    max_iterations: int = 20_000,
    and_weights: ArrayLike | None = None,
    or_weights: ArrayLike | None = None,
    warm_start: Extraction | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    work: SharedWork | None = None,
) -> Extraction:
    """Explains outputs by the sparsest AND and OR interactions  [Ren24 App. C], with a proof.

    Solves, for every sample, the convex programme that the paper approaches by gradient descent:

        minimise   Σ_{S≠∅} |I_and(S)| + |I_or(S)|
        such that  |v(S) − Σ_{T⊆S} I_and(T) − Σ_{T∩S≠∅} I_or(T)| ≤ ζ   for every S ≠ ∅,

    with I_and(∅) = v(∅) and ζ = noise_bound·|v(N) − v(∅)|. The answer satisfies the constraint to
    rounding. Its distance from the optimum is certified by a feasible point m of the dual,

        maximise   Σ m(S)·(v(S) − v(∅)) − ζ|m(S)|
        such that  |Σ_{S⊇T} m(S)| ≤ 1,  |Σ_{S∩T≠∅} m(S)| ≤ 1   for every T ≠ ∅

    (with weights, these replace the ones).

    The optimum is far from unique: AND and OR of two players are together the same function as the
    two alone, at the same cost, so that strength moves freely between the orders 1 and 2 (see
    `sim.split_uncertainty`). Which of the equally sparse explanations is given is therefore said by
    `prefer`: the one that minimises Σ (1 + ε(|S|−1))·|I(S)|, with a small ε > 0 for the lowest
    orders (the canonical one) or ε < 0 for the highest. What is certified stays the distance from
    the paper's own objective. (Ours.)

    Args:
        outputs: (..., 2^n), v(S) of every sample, for instance in log-odds.
        noise_bound: bound on what the interactions may leave unexplained, as a fraction of
            |v(N) − v(∅)|; 0 for an exact explanation.
        tolerance: relative duality gap at which a sample counts as solved.
        prefer: which of the equally sparse explanations: of the lowest orders (`low`), of the
            highest (`high`), or None for whichever the iteration comes upon. ε is 0.02 at the
            default tolerance, and goes with its root (at most 0.03, and 1/(2n)). Where the answer
            cannot be proven to be within the tolerance by the paper's objective, that sample's ε is
            halved, twice at most: in none of 336 outputs of each of the four bundled networks.
            Where outputs are float32 (as they all become without `jax_enable_x64`), leaning ends
            early, and of 10 players' some are proven to no more than 0.01.
        max_iterations: iterations after which a sample is returned as it is, not converged.
        and_weights: (n+1,), cost of a unit of AND interaction by order, 1 by default; that of
            order 0 is not used.
        or_weights: the same for OR. Order 1 takes the weight of AND.
        warm_start: answers to start from, for the same outputs (with other weights, or a looser
            tolerance) or similar ones. It never changes what is certified. It saves many
            iterations for the same outputs, few where they differ by a fraction of ζ, and none
            beyond ζ. Neighbouring checkpoints differ by more: the command line solves each from
            nothing.
        batch_size: samples solved side by side; bounds the memory, about 25·2^n numbers each.
        progress: called as progress(done, total) whenever samples are finished.
        work: of several processes that extract the same: each solves some of the samples, and all
            return the whole, to the bit what one alone returns.

    Returns:
        The interactions, shaped like `outputs`, with their objective, gap and convergence.

    Raises:
        ValueError: an argument is out of range, an output is not finite, or there is not enough
            memory.

    Example:
        >>> found = extract_interactions([0.0, 1.0, 1.0, 1.0], noise_bound=0.0)
        >>> print(found.i_or.round(2) + 0.0, bool(found.converged))
        [0. 0. 0. 1.] True
    """
    if hasattr(outputs, "outputs"):
        raise TypeError(
            f"Argument `outputs` must be an array, but is of type "
            f"{type(outputs).__name__}; give its "
            f"`.outputs`."
        )
    outputs, n = as_sets(outputs, "outputs")
    if jnp.finfo(outputs.dtype).bits < 32:
        raise ArgumentError(
            "outputs",
            "be float32 or float64",
            f"is {outputs.dtype}: interactions are differences of many outputs, and so few digits "
            "do not survive that",
        )
    check_finite(outputs, "outputs")
    noise_bound = check_noise_bound(noise_bound)
    tolerance = as_number(tolerance, "tolerance")
    check_positive(tolerance, "tolerance")
    check_whole(max_iterations, "max_iterations", 1)
    if batch_size is not None:
        check_whole(batch_size, "batch_size", 1)
    check_preference(prefer)
    costs = _costs(n, and_weights, or_weights, outputs.dtype)
    leaning = None if prefer is None else leaning_costs(costs, n, prefer, tolerance)
    if warm_start is not None and warm_start.i_and.shape != outputs.shape:
        raise ArgumentError(
            "warm_start",
            f"hold interactions of the shape of `outputs`, {outputs.shape}",
            f"they have shape {warm_start.i_and.shape}",
        )
    total = int(np.prod(outputs.shape[:-1], dtype=int))
    if total == 0:
        raise ArgumentError("outputs", "hold a sample", f"has shape {outputs.shape}")
    width = min(batch_size or lanes_wide(2**n), max(total, lanes_wide(2**n)))
    _check_room(total, n, width, outputs.dtype.itemsize)
    empty, v, scale = normalised(np.asarray(outputs).reshape(total, -1))
    bound = (noise_bound * np.abs(v[:, -1])).astype(v.dtype)
    problem = Problem(v, bound, *_near(warm_start, v, scale))
    method = Method(costs, leaning, tolerance, max_iterations, width, warm_start is None)
    found = solve(problem, method, progress, work, f"extract-{prefer}")
    result = _extraction(found, empty, scale, costs, tolerance)
    batch = outputs.shape[:-1]
    return jax.tree.map(lambda x: x.reshape(batch + x.shape[1:]), result)


def _check_room(samples: int, n: int, width: int, itemsize: int) -> None:
    """Asks for the memory of an extraction: what every sample holds, and what a step takes."""
    working = min(samples, cores() * at_once(samples, width, cores()))
    numbers = over_sets(n) * (HELD * samples + STEPPED * max(working, width))
    what = f"Extracting interactions of {samples} samples and {n} players"
    reduce = "fewer players, fewer samples at a time, or a smaller batch size"
    check_memory(itemsize * numbers, what, reduce)


def check_noise_bound(noise_bound: float) -> float:
    """The bound as a number; raises unless it is a share."""
    noise_bound = as_number(noise_bound, "noise_bound")
    check_nonnegative(noise_bound, "noise_bound")
    if noise_bound > 1:
        raise ArgumentError(
            "noise_bound",
            "be a share of |v(N) − v(∅)|, at most 1 (0.02 for 2 %)",
            f"is {noise_bound:g}",
        )
    return noise_bound


def check_preference(prefer: str | None) -> None:
    """Raises unless it names an end of the equally sparse explanations, or is None."""
    if prefer is not None and prefer not in PREFERENCES:
        choices = f"be one of {', '.join(PREFERENCES)} and none (None in Python)"
        raise ArgumentError("prefer", choices, f"is {prefer!r}")


def normalised(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits v into v(∅), a scale, and outputs with v(∅) = 0 and max |v| = 1."""
    empty = outputs[:, 0]
    v = outputs - empty[:, None]
    scale = np.abs(v).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0).astype(v.dtype)
    return empty, v / scale[:, None], scale


def _near(warm_start: Extraction | None, v: np.ndarray, scale: np.ndarray) -> list[np.ndarray]:
    """Interactions and multipliers to start from, normalised."""
    if warm_start is None:
        return [np.zeros_like(v)] * 3
    fields = (warm_start.i_and, warm_start.i_or, warm_start.multipliers)
    i_and, i_or, m = (np.array(x, v.dtype).reshape(v.shape) for x in fields)
    i_and[:, 0] = i_or.sum(axis=1)  # −E o lacks this constant of the OR interactions
    return [i_and / scale[:, None], i_or / scale[:, None], m]


def _extraction(
    found: Solution,
    empty: np.ndarray,
    scale: np.ndarray,
    costs: Costs,
    tolerance: float,
) -> Extraction:
    """Back to the units of the outputs, single players under AND, everything counted again."""
    answers, steps = found
    i_and, i_or = (np.asarray(part) for part in (answers.i_and, answers.i_or))
    i_and, i_or = singles_under_and(i_and, i_or, empty, scale)
    objective = cost_of(costs, i_and, i_or)
    lower = answers.lower * scale
    gap = np.maximum(objective - lower, 0.0) / np.where(objective > 0, objective, 1.0)
    return Extraction(
        i_and=jnp.asarray(i_and),
        i_or=jnp.asarray(i_or),
        objective=jnp.asarray(objective),
        gap=jnp.asarray(gap),
        iterations=jnp.asarray(steps),
        converged=jnp.asarray(gap <= tolerance),
        multipliers=jnp.asarray(answers.multipliers),
    )


def singles_under_and(
    i_and: np.ndarray, i_or: np.ndarray, empty: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised interactions in the units of the outputs, single players under AND, v(∅) at ∅."""
    singles = 2 ** np.arange(i_and.shape[1].bit_length() - 1)
    i_and, i_or = i_and * scale[:, None], i_or * scale[:, None]
    i_and[:, singles] += i_or[:, singles]
    i_or[:, singles] = 0.0
    i_and[:, 0], i_or[:, 0] = empty, 0.0
    return i_and, i_or


def even_costs(n: int, dtype: jnp.dtype) -> Costs:
    """The paper's: 1 for every interaction."""
    return _costs(n, None, None, dtype)


def lean_per_order(n: int, tolerance: float) -> float:
    """ε > 0, by how much more each further order costs.

    What leaning costs by the true costs goes with ε², so ε goes with the root of the tolerance. The
    costs of the highest orders stay above a half.
    """
    return min(LEAN * math.sqrt(tolerance / TOLERANCE), 0.03, 0.5 / n)


def leaning_costs(costs: Costs, n: int, prefer: str, tolerance: float) -> Costs:
    """Costs that lean by ε a unit of order towards low or high orders."""
    lean = lean_per_order(n, tolerance)
    more = np.maximum(np.asarray(orders(n)) - 1, 0) * (lean if prefer == "low" else -lean)
    return _costs_of((np.asarray(cost) * (1 + more) for cost in costs), costs.i_and.dtype)


def _costs(
    n: int, and_weights: ArrayLike | None, or_weights: ArrayLike | None, dtype: jnp.dtype
) -> Costs:
    by_order = []
    for weights, name in ((and_weights, "and_weights"), (or_weights, "or_weights")):
        array = np.ones(n + 1) if weights is None else np.asarray(weights, float)
        if array.shape != (n + 1,):
            raise ArgumentError(
                name,
                f"have shape ({n + 1},), one weight for each order from 0 to {n}",
                f"has shape {array.shape}",
            )
        if not np.all(np.isfinite(array[1:]) & (array[1:] > 0)):
            raise ArgumentError(name, "be positive", f"is {weights}")
        by_order.append(array.copy())
    by_order[1][1] = by_order[0][1]
    index = np.asarray(orders(n))
    return _costs_of((np.where(index > 0, w[index], 0.0) for w in by_order), dtype)


def _costs_of(by_set: Iterable[np.ndarray], dtype: jnp.dtype) -> Costs:
    return Costs(*(on_device(cost, dtype) for cost in by_set))
