"""Sparse AND and OR interactions from some of the masked inputs, where 2^n are too many."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from sim.checks import (
    ArgumentError,
    as_number,
    as_numbers,
    check_finite,
    check_positive,
    check_whole,
)
from sim.cores import Errand, cores
from sim.extraction._columns import (
    Columns,
    Programme,
    generate,
    lowest,
    polished,
)
from sim.extraction._on_lattice import (
    FEASIBLE,
    are_many,
    beyond,
    chosen,
    likely,
    on_lattice,
    worth_a_start,
)
from sim.extraction.programme import (
    HELD,
    NOISE_BOUND,
    STEPPED,
    TOLERANCE,
    check_noise_bound,
    check_preference,
    lean_per_order,
)
from sim.machine import check_host_memory
from sim.measurement import MAX_PLAYERS, check_sets
from sim.processes import Arrays, SharedWork, on_every_process
from sim.progress import Progress
from theory.checks import check_players

ENOUGH = 0.9
"""R² on held-out masks from which on the sampled masks are held to be enough."""

LEAST_BOUND = 1e-6  # of max |v|: the interior-point method needs room


@dataclasses.dataclass(frozen=True)
class SampledExtraction:
    """Sparse interactions of a batch of samples, extracted from some of their masked inputs.

    Returned by `extract_sampled`, whose example shows it in use. Sets are given once, for all
    samples together; a sample that lacks one of them has the value 0 there.

    Attributes:
        n: number of players.
        and_sets: (k,) sets of AND interactions, increasing, without ∅.
        i_and: (..., k) their values.
        or_sets: (l,) sets of OR interactions, of two players or more.
        i_or: (..., l) their values.
        empty: (...), v(∅).
        objective: (...), the cost Σ |i_and| + |i_or|.
        gap: (...), certified: no interactions of any of the 2^n sets explain the fitted masks for
            less than (1 − gap)·objective.
        converged: (...), bool, whether `gap` is within the tolerance and every fitted mask is
            explained within ζ.
        held_out: (...), R² of the interactions on the masks that were kept aside; NaN where fewer
            than two were. It is negative where the mean would have done better.
        fitted: how many masks the interactions were fitted to.
    """

    n: int
    and_sets: np.ndarray
    i_and: np.ndarray
    or_sets: np.ndarray
    i_or: np.ndarray
    empty: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    converged: np.ndarray
    held_out: np.ndarray
    fitted: int

    def __repr__(self) -> str:
        batch = " × ".join(map(str, self.empty.shape)) or "1"
        return f"SampledExtraction({batch} samples, {self.fitted} of 2^{self.n} sets)"

    @property
    def enough(self) -> np.ndarray:
        """Whether the masks were enough for each sample, bool (...): R² kept aside is 0.9 or more.

        Where they were not, the interactions explain the masks that were measured and no others:
        either there are too few masks, or the network's interactions are not sparse, as before
        training. Their orders then say little. Held-out R² of 0.9 does not vouch for the highest
        orders either, which touch few masks.
        """
        return self.held_out >= ENOUGH

    def predict(self, sets: ArrayLike) -> np.ndarray:
        """What the interactions add up to, v(∅) with them, on any sets (m,): (..., m)."""
        sets = np.asarray(sets)
        explained = self.i_and @ _columns(self.and_sets, False).on(sets).T
        explained = explained + self.i_or @ _columns(self.or_sets, True).on(sets).T
        return self.empty[..., None] + explained

    def strength_by_order(self, threshold: ArrayLike = 0.0) -> np.ndarray:
        """Σ |I(S)| by order of what is at least the threshold (...), AND and OR: (..., n)."""
        strength: np.ndarray = self.halves_by_order(threshold).sum(axis=0)
        return strength

    def halves_by_order(self, threshold: ArrayLike = 0.0) -> np.ndarray:
        """The same of AND and of OR interactions, (2, ..., n)."""
        least = np.asarray(threshold)[..., None]
        halves = []
        for sets, values in ((self.and_sets, self.i_and), (self.or_sets, self.i_or)):
            size = np.where(np.abs(values) >= least, np.abs(values), 0.0)
            of_order = np.bitwise_count(sets)[:, None] == np.arange(1, self.n + 1)
            halves.append(size @ of_order)
        return np.stack(halves)


def extract_sampled(
    sets: ArrayLike,
    values: ArrayLike,
    n: int,
    noise_bound: float = NOISE_BOUND,
    tolerance: float = TOLERANCE,
    *,
    prefer: str | None = "low",
    aside: float = 0.1,
    seed: int = 0,
    max_columns: int = 2000,
    progress: Progress | None = None,
    work: SharedWork | None = None,
) -> SampledExtraction:
    """Explains outputs on some masks by the sparsest AND and OR interactions, with a proof.

    The programme of `extract_interactions` with only the rows that were measured, over the same
    interactions of all 2^n sets:

        minimise   Σ_{S≠∅} |I_and(S)| + |I_or(S)|
        such that  |v(S) − Σ_{T⊆S} I_and(T) − Σ_{T∩S≠∅} I_or(T)| ≤ ζ   for every measured S ≠ ∅

    with ζ = noise_bound·|v(N) − v(∅)|, at least 1e-6 of max |v − v(∅)|. Interactions enter it as
    they are needed; that no other would lower the cost is certified over all of them. How well
    they say what was not measured is told by masks that are kept aside. (Ours.)

    Sets that no measured mask tells apart have the same function there: of such, the smallest are
    reported (with `prefer="high"` those of the highest order).

    Args:
        sets: (m,) integers, the masks that were measured, each once, ∅ and N = 2^n − 1 among them;
            see `sim.sample_masks`.
        values: (..., m), v on them, for instance from `measure_outputs(…, masks=sets)`.
        n: number of players, at most 24.
        noise_bound: bound on what the interactions may leave unexplained, as a share of
            |v(N) − v(∅)|.
        tolerance: relative duality gap at which a sample counts as solved.
        prefer: which of the equally sparse explanations, as in `extract_interactions`: of the
            lowest orders, of the highest (`high`), or None for whichever is found.
        aside: share of the masks that is kept aside, below 1; ∅ and N never are.
        seed: of the choice of those.
        max_columns: most interactions that are weighed at a time. A sample that needs more is
            returned as it is, not converged. Time goes with its square, times the masks. Where so
            many matter among 11 to 16 players that this takes longest, and `jax_enable_x64` is set,
            all 2^n are weighed at once instead, and this says nothing.
        progress: called as progress(done, total) whenever a sample is finished.
        work: of several processes that extract the same: each takes some of the samples, and all
            return the whole, to the bit what one alone returns.

    Returns:
        The interactions that are not zero, with their objective, gap and R² on the masks kept
        aside.

    Raises:
        ValueError: an argument is out of range, or does not fit the others; not enough memory.

    Example:
        >>> from sim import sample_masks
        >>> sets = sample_masks(10, 200)
        >>> inside = np.bitwise_count(sets & 0b111) == 3  # the players 0, 1, 2
        >>> touched = (sets & 0b11000) != 0  # player 3 or 4
        >>> found = extract_sampled(sets, 2.0 * inside - touched, 10, noise_bound=0.001)
        >>> found.and_sets, found.i_and.round(2), found.or_sets, found.i_or.round(2)
        (array([7]), array([2.]), array([24]), array([-1.]))
        >>> print(bool(found.converged), f"{found.held_out:.3f}", bool(found.enough))
        True 1.000 True
    """
    n = check_players(n)
    if n > MAX_PLAYERS:
        raise ArgumentError("n", f"be at most {MAX_PLAYERS}", f"is {n}")
    sets = check_sets(sets, n)
    outputs = as_numbers(values, "values").astype(np.float64)
    if outputs.ndim == 0 or outputs.shape[-1] != len(sets) or not outputs.size:
        must = f"have a last axis of size {len(sets)}, one entry for each of `sets`"
        raise ArgumentError("values", must, f"has shape {outputs.shape}")
    check_finite(outputs, "values")
    noise_bound = check_noise_bound(noise_bound)
    tolerance = as_number(tolerance, "tolerance")
    check_positive(tolerance, "tolerance")
    check_preference(prefer)
    aside = as_number(aside, "aside")
    if not 0 <= aside < 1:
        raise ArgumentError("aside", "be a share from 0 to below 1", f"is {aside:g}")
    check_whole(seed, "seed", 0)
    check_whole(max_columns, "max_columns", 1)
    samples = int(np.prod(outputs.shape[:-1], dtype=int))
    most = max(int(max_columns), len(lowest(n).sets))
    lattice = 14 + (HELD + STEPPED if worth_a_start(n, len(sets)) else 0)
    check_host_memory(
        8 * min(cores(), samples) * (lattice * 2**n + 3 * len(sets) * most + 2 * most**2),
        f"Extracting interactions of {n} players from {len(sets)} masks",
        "fewer masks or a smaller max_columns",
    )
    kept = _kept_aside(sets, n, aside, int(seed))
    batch = outputs.shape[:-1]
    rows = outputs.reshape(-1, len(sets))
    first = int(np.flatnonzero(sets == 0)[0])
    last = int(np.flatnonzero(sets == 2**n - 1)[0])
    costs = np.ones((2, 2**n))
    fit = ~kept & (sets != 0)

    def task(v: np.ndarray) -> Callable[[Errand], _Answer]:
        def work(errand: Errand) -> _Answer:
            scale = float(np.abs(v[fit]).max()) or 1.0
            bound = max(noise_bound * abs(v[last]) / scale, LEAST_BOUND)
            programme = Programme(n, sets[fit], v[fit] / scale, bound, most)
            answer = _explained(programme, costs, scale, prefer, tolerance, errand)
            errand.finished(1)
            return answer

        return work

    tasks = [task(v) for v in rows - rows[:, first : first + 1]]
    with threadpool_limits(1, user_api="blas"):  # matrices as small as these only wait for more
        answers = on_every_process(
            tasks,
            [1] * len(tasks),
            progress,
            work,
            f"extract-sampled-{prefer}",
            pack=_packed,
            unpack=_unpacked,
        )
    empty = rows[:, first].reshape(batch)
    found = _gathered(n, answers, empty, batch, tolerance, int((~kept).sum()))
    if kept.sum() > 1:  # R² needs a spread
        rest = outputs[..., kept]
        left = ((rest - found.predict(sets[kept])) ** 2).sum(axis=-1)
        spread = ((rest - rest.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
        none = np.where(left > 0, -np.inf, 1.0)  # where all are equal
        share = np.where(spread > 0, 1.0 - left / np.where(spread > 0, spread, 1.0), none)
        found = dataclasses.replace(found, held_out=share)
    return found


@dataclasses.dataclass(frozen=True)
class _Answer:
    """One sample's interactions, in units of the outputs."""

    columns: Columns
    x: np.ndarray
    lower: float  # of the cost
    feasible: bool


def _packed(answer: _Answer) -> Arrays:
    scalars = {"lower": np.array(answer.lower), "feasible": np.array(answer.feasible)}
    return {**answer.columns._asdict(), "x": answer.x, **scalars}


def _unpacked(kept: Arrays) -> _Answer:
    columns = Columns(kept["sets"], kept["is_or"])
    return _Answer(columns, kept["x"], float(kept["lower"]), bool(kept["feasible"]))


def _explained(
    programme: Programme,
    costs: np.ndarray,
    scale: float,
    prefer: str | None,
    tolerance: float,
    errand: Errand,
) -> _Answer:
    """By leaning costs first, which choose; then by even ones, which the certificate is about.

    By prices, or where many interactions matter and single precision is not all there is, on the
    lattice.
    """
    leaning, begin = costs, lowest(programme.n)
    if prefer is not None:
        lean = lean_per_order(programme.n, tolerance) * (1 if prefer == "low" else -1)
        more = np.maximum(np.bitwise_count(np.arange(costs.shape[1])) - 1.0, 0.0)
        leaning = costs * (1.0 + lean * more)
    dense = False
    if worth_a_start(programme.n, len(programme.masks)):
        places = likely(programme, leaning, errand)
        whole = jax.dtypes.canonicalize_dtype(np.float64) == np.float64
        dense = whole and are_many(programme, len(places))
        if not dense:
            begin = begin.join(chosen(programme, leaning, places))
    if dense:
        choosing = None if prefer is None else leaning
        columns, x, _, lower = on_lattice(programme, costs, choosing, tolerance, errand)
    else:
        outcome = generate(programme, leaning, begin, 0.2 * tolerance, errand)
        columns, x = polished(programme, leaning, outcome)
        lower = outcome.lower
        if prefer is not None:
            lower = generate(programme, costs, outcome.columns, 0.3 * tolerance, errand).lower
    feasible = beyond(programme, columns, x) <= FEASIBLE
    single = np.bitwise_count(columns.sets) == 1
    return _Answer(
        Columns(columns.sets, columns.is_or & ~single), scale * x, scale * lower, feasible
    )


def _gathered(
    n: int,
    answers: list[_Answer],
    empty: np.ndarray,
    batch: tuple[int, ...],
    tolerance: float,
    fitted: int,
) -> SampledExtraction:
    """All samples' interactions over the sets of any of them."""
    parts = []
    for is_or in (False, True):
        own = [answer.columns.is_or == is_or for answer in answers]
        pairs = list(zip(answers, own, strict=True))
        union = np.unique(np.concatenate([answer.columns.sets[mine] for answer, mine in pairs]))
        table = np.zeros((len(answers), len(union)))
        for row, (answer, mine) in zip(table, pairs, strict=True):
            np.add.at(row, np.searchsorted(union, answer.columns.sets[mine]), answer.x[mine])
        parts += [union, table]
    and_sets, i_and, or_sets, i_or = parts
    objective = np.abs(i_and).sum(axis=1) + np.abs(i_or).sum(axis=1)
    lower = np.array([answer.lower for answer in answers])
    gap = np.maximum(objective - lower, 0.0) / np.where(objective > 0, objective, 1.0)
    feasible = np.array([answer.feasible for answer in answers])
    gap = np.where(feasible, gap, 1.0)  # the cost of what does not explain the masks says nothing
    return SampledExtraction(
        n=n,
        and_sets=and_sets,
        i_and=i_and.reshape(*batch, -1),
        or_sets=or_sets,
        i_or=i_or.reshape(*batch, -1),
        empty=empty,
        objective=objective.reshape(batch),
        gap=gap.reshape(batch),
        converged=(feasible & (gap <= tolerance)).reshape(batch),
        held_out=np.full(batch, np.nan),
        fitted=fitted,
    )


def _columns(sets: np.ndarray, is_or: bool) -> Columns:
    return Columns(sets, np.full(len(sets), is_or))


def _kept_aside(sets: np.ndarray, n: int, share: float, seed: int) -> np.ndarray:
    """Which masks are not fitted, bool (m,)."""
    free = np.flatnonzero((sets != 0) & (sets != 2**n - 1))
    kept = np.zeros(len(sets), bool)
    count = int(share * len(free))
    kept[np.random.default_rng(seed).choice(free, count, replace=False)] = True
    return kept
