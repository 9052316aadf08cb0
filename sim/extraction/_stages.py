"""How a batch of programmes is solved: twice, a few lanes wide, on every core.

    leaning  by the costs that choose among equals: many steps in single precision, then steps in
             the outputs' own, until the gap is small enough; its interactions are the answer
    proof    by the costs that the certificate is about, from nothing again, until the multipliers
             certify that answer; as long as it goes in single precision, whose multipliers are
             good enough for most samples

(The leaning multipliers are farther from a proof than nothing is: they break the bounds of the true
costs by ε for every order.) A lane whose sample is done makes room for the next one. Samples never
see one another, and batches in single precision, whose rounding shows, always have the same width;
so it does not matter which samples share a batch, or how many threads there are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.cores import Errand, cores
from sim.extraction._certificate import Answers, Costs, cheaper, no_answers, tighter
from sim.extraction._geometry import geometry
from sim.extraction._schur import on_device
from sim.extraction._splitting import Lanes, box_of, recast, run, start
from sim.processes import Arrays, SharedWork, on_every_process
from sim.progress import Progress

STEPS = 25  # iterations between two looks at the gap
COARSE, COARSE_LEAN = 12, 30  # times as many in single precision at first
# Of the tolerance, the gap by the leaning costs: with 2e-4 at ε = 0.02 a share is left open by
# 0.01. On the digits MLP and transformer, shares were within 0.001 of those at a tenth of it (0.004
# where a sample leans less in one of the two), for 28 % more time than with 0.6, which leaves 0.03
# open and was within 0.0035.
EXACT = 0.2
ROUGH = 3e-4  # the smallest tolerance that multipliers of single precision are used for
SINGLE_MOST = 2000  # iterations after which single precision is held to have given what it can
ATTEMPTS = 3  # each leans half as much as the one before
SHARES = 32  # tasks at least that several processes share
SINGLE = jnp.dtype(np.float32)


class Problem(NamedTuple):
    """Samples in normalised units (v(∅) = 0, max |v| = 1), and where to start."""

    v: np.ndarray  # (samples, 2^n)
    bound: np.ndarray  # (samples,)
    i_and: np.ndarray  # (samples, 2^n)
    i_or: np.ndarray
    multipliers: np.ndarray


@dataclasses.dataclass(frozen=True)
class Method:
    """What to minimise, and how well.

    Attributes:
        costs: that the certificate is about.
        leaning: costs that choose among the answers which are equally good by `costs`; None for
            whichever is found first.
        tolerance: relative gap by `costs`.
        max_iterations: for each sample.
        lanes: samples side by side in a batch of the outputs' precision.
        cold: whether to begin in single precision, as is best from nothing.
        free: (2^n,) bool, sets whose outputs are not known; None where all are.
    """

    costs: Costs
    leaning: Costs | None
    tolerance: float
    max_iterations: int
    lanes: int
    cold: bool = True
    free: np.ndarray | None = None


class Solution(NamedTuple):
    """The answers by the costs of the certificate, and the iterations that they took."""

    answers: Answers
    steps: np.ndarray  # (samples,)


def solve(
    problem: Problem,
    method: Method,
    progress: Progress | None,
    work: SharedWork | None = None,
    name: str = "",
) -> Solution:
    """Solves all samples, some after some, on whichever core is free.

    Args:
        problem: the samples.
        method: see there.
        progress: called with (samples done, samples).
        work: of several processes that solve the same problem.
        name: of the problem in that work.
    """
    total = len(problem.v)
    size = at_once(total, method.lanes, cores() if work is None else SHARES)
    tasks = -(-total // size)
    shares = [np.arange(total)[first::tasks] for first in range(tasks)]

    def task(share: np.ndarray) -> Callable[[Errand], Solution]:
        def work(errand: Errand) -> Solution:
            found = solve_here(jax.tree.map(lambda x: x[share], problem), method, errand)
            errand.finished(len(share))
            return found

        return work

    parts = on_every_process(
        [task(share) for share in shares],
        [len(share) for share in shares],
        progress,
        work,
        name,
        pack=lambda found: {**found.answers._asdict(), "steps": found.steps},
        unpack=_solution,
    )
    back = np.argsort(np.concatenate(shares))
    return jax.tree.map(lambda *pieces: np.concatenate(pieces)[back], *parts)


def _solution(kept: Arrays) -> Solution:
    arrays: dict[str, Any] = {name: kept[name] for name in Answers._fields}
    return Solution(Answers(**arrays), kept["steps"])


def at_once(samples: int, lanes: int, tasks: int) -> int:
    """How many samples one core takes at a time: so many that few lanes wait for the last.

    Args:
        samples: in all.
        lanes: side by side.
        tasks: that there are to be at least.
    """
    return min(lanes**2, -(-samples // tasks))


def lanes_wide(size: int) -> int:
    """Fewer of many players: wider batches take less time a lane, and wait longer for the last."""
    return max(1, math.isqrt(2**14 // size))


def cost_of(costs: Costs, i_and: ArrayLike, i_or: ArrayLike) -> np.ndarray:
    """Cost of interactions (samples, 2^n), by numpy: no compilation for every number of samples.

    Not by a product of matrices, whose rounding goes with the number of samples.
    """
    both = zip((i_and, i_or), costs, strict=True)
    return sum((np.abs(np.asarray(x)) * np.asarray(cost)).sum(axis=1) for x, cost in both)


def solve_here(problem: Problem, method: Method, errand: Errand) -> Solution:
    """Leaning and proof for some of the samples, in this thread."""
    costs, leaning = method.costs, method.leaning
    tolerance, most = method.tolerance, method.max_iterations
    everything = np.ones(len(problem.v), bool)
    plain = _Descent(problem, costs, method, errand)
    if method.cold:
        plain.coarse(COARSE, most)
    if leaning is None:
        plain.descend(everything, tolerance, most)
        return Solution(plain.answers, plain.steps)
    lean = _Descent(problem, leaning, method, errand)
    if method.cold:
        lean.coarse(COARSE_LEAN, most // 2)

    def left() -> np.ndarray:
        return most - lean.steps - plain.steps

    rest = everything
    for attempt in range(ATTEMPTS):
        if attempt > 0:
            leaning = Costs(*((x + y) / 2 for x, y in zip(costs, leaning, strict=True)))
            lean.judge_by(leaning, rest)
        lean.descend(rest, EXACT * tolerance, lean.steps + np.minimum(left() // 2, lean.useful))
        plain.take(lean.answers, rest)
        last = attempt == ATTEMPTS - 1  # others leave half for an answer that leans less
        plain.prove(rest, tolerance, plain.steps + (left() if last else left() // 2))
        rest = rest & (plain.gap > tolerance)
        if not rest.any():
            break
    return Solution(plain.answers, plain.steps + lean.steps)


# Compiled apart, so that the iteration is compiled once for each precision, and these once.
_cheaper, _tighter, _no_answers = jax.jit(cheaper), jax.jit(tighter), jax.jit(no_answers)


class _Descent:
    """The samples of one thread under one choice of costs: their lanes and their answers so far."""

    def __init__(self, problem: Problem, costs: Costs, method: Method, errand: Errand) -> None:
        self.problem, self.width, self.errand = problem, method.lanes, errand
        self.exact = jnp.dtype(problem.v.dtype)
        self.n = problem.v.shape[1].bit_length() - 1
        self.box = box_of(problem.v, problem.bound, method.free)
        self._price_by(costs)
        geo, pieces = self.geometry[self.exact], []
        for index, count in self._batches(np.arange(len(problem.v)), self.exact):
            self.errand.check()
            v, _, *near = (part[index] for part in problem)
            box, nought = self.box[index], np.zeros_like(v)
            answers = _no_answers(v)
            for i_and, i_or, m in ((nought, nought, v), near):
                answers = _cheaper(geo, costs, answers, v, box, i_and, i_or)
                answers = _tighter(geo, costs, answers, v, box, m)
            begun = start(geo, v, box, *near), answers
            pieces.append(jax.tree.map(lambda x, c=count: np.asarray(x)[:c], begun))
        self.lanes: Lanes
        self.answers: Answers
        self.lanes, self.answers = jax.tree.map(lambda *x: np.concatenate(x), *pieces)

    @property
    def useful(self) -> float:
        """After how many iterations more the outputs' precision is held to have given all."""
        return SINGLE_MOST if self.exact == SINGLE else math.inf

    @property
    def steps(self) -> np.ndarray:
        """Iterations of every sample, (samples,)."""
        return np.asarray(self.lanes.steps)

    @property
    def gap(self) -> np.ndarray:
        """Relative, of every sample's answer; (samples,)."""
        upper, lower = (np.asarray(x) for x in (self.answers.upper, self.answers.lower))
        return (upper - lower) / np.where(upper > 0, upper, 1.0)

    def coarse(self, blocks: int, most: int) -> None:
        """Takes so many steps in single precision, without a look at the answers."""
        blocks = min(blocks, most // STEPS - 1)
        if self.exact == SINGLE or blocks < 1:
            return
        for index, count in self._batches(np.arange(len(self.problem.v)), SINGLE):
            self.errand.check()
            lanes, _ = self._loaded(index, SINGLE)
            lanes, *_ = run(self.geometry[SINGLE], self.costs[SINGLE], lanes, blocks, STEPS)
            self._store(self.lanes, lanes, index, count)

    def descend(self, chosen: np.ndarray, tolerance: float, most: int | np.ndarray) -> None:
        """Goes on with the chosen samples until each is within the tolerance, or its time is up.

        Args:
            chosen: bool (samples,).
            tolerance: relative gap.
            most: iterations in all, or (samples,).
        """
        self._work(self.exact, chosen, tolerance, most, better=True)

    def prove(self, chosen: np.ndarray, tolerance: float, most: int | np.ndarray) -> None:
        """The same with the answers as they are, whatever they cost: until that is proven."""
        if self.exact != SINGLE and tolerance >= ROUGH:
            self._work(SINGLE, chosen, tolerance, np.minimum(most, SINGLE_MOST), better=False)
        self._work(self.exact, chosen, tolerance, most, better=False)

    def _work(
        self,
        dtype: jnp.dtype,
        chosen: np.ndarray,
        tolerance: float,
        most: int | np.ndarray,
        better: bool,
    ) -> None:
        """Either in one precision, with or without better answers."""
        most = np.broadcast_to(most, chosen.shape)
        while True:
            rest = np.flatnonzero(chosen & (self.gap > tolerance) & (self.steps < most))
            if not rest.size:
                return
            index, count = next(self._batches(rest, dtype))
            self._until_one_is_done(dtype, index, count, tolerance, most[index], better)

    def _until_one_is_done(
        self,
        dtype: jnp.dtype,
        index: np.ndarray,
        count: int,
        tolerance: float,
        most: np.ndarray,
        better: bool,
    ) -> None:
        lanes, answers = self._loaded(index, dtype)
        v, box = self.problem.v[index], self.box[index]
        geo, costs = self.geometry[self.exact], self.costs[self.exact]
        ended = np.zeros(len(index), bool)
        while not ended.any():
            self.errand.check()
            lanes, i_and, i_or, m = run(self.geometry[dtype], self.costs[dtype], lanes, 1, STEPS)
            if better:
                answers = _cheaper(geo, costs, answers, v, box, i_and, i_or)
            answers = _tighter(geo, costs, answers, v, box, m.astype(self.exact))
            upper, lower, steps = map(np.asarray, (answers.upper, answers.lower, lanes.steps))
            ended = (upper - lower <= tolerance * upper) | (steps >= most)
        self._store((self.lanes, self.answers), (lanes, answers), index, count)

    def take(self, found: Answers, chosen: np.ndarray) -> None:
        """Makes another descent's answers the chosen samples' own."""
        upper = cost_of(self.costs[self.exact], found.i_and, found.i_or)
        for into, what in zip(self.answers[:3], (*found[:2], upper), strict=True):
            np.asarray(into)[chosen] = np.asarray(what)[chosen]

    def judge_by(self, costs: Costs, chosen: np.ndarray) -> None:
        """Counts the chosen samples' answers by other costs, by which less is proven as yet."""
        self._price_by(costs)
        for index, count in self._batches(np.flatnonzero(chosen), self.exact):
            v, box = self.problem.v[index], self.box[index]
            answers = jax.tree.map(lambda x, at=index: x[at], self.answers)
            upper = jnp.asarray(cost_of(costs, answers.i_and, answers.i_or))
            nothing = Answers(answers.i_and, answers.i_or, upper, 0 * v, 0 * answers.lower)
            geo = self.geometry[self.exact]
            judged = _tighter(geo, costs, nothing, v, box, answers.multipliers)
            self._store(self.answers, judged, index, count)
        self.lanes.first[chosen] = np.inf

    def _price_by(self, costs: Costs) -> None:
        """The costs, and the geometry, in both precisions."""
        kinds = (SINGLE, self.exact)
        self.geometry = {kind: geometry(self.n, kind) for kind in kinds}
        self.costs = {
            kind: Costs(*(on_device(np.asarray(x), kind) for x in costs)) for kind in kinds
        }

    def _loaded(self, index: np.ndarray, dtype: jnp.dtype) -> tuple[Lanes, Answers]:
        """Some samples' lanes, in a precision, and their answers."""
        lanes, answers = jax.tree.map(lambda x: x[index], (self.lanes, self.answers))
        return recast(lanes, self.problem.v[index], self.box[index], dtype), answers

    def _store(self, whole: Any, part: Any, index: np.ndarray, count: int) -> None:
        """Writes the first so many samples of a batch back to where they are kept."""
        for into, what in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
            into[index[:count]] = np.asarray(what)[:count]

    def _batches(self, samples: np.ndarray, dtype: jnp.dtype) -> Iterator[tuple[np.ndarray, int]]:
        """Batches of one width, the last filled up; and how many samples of each count."""
        width = lanes_wide(2**self.n) if dtype == SINGLE else self.width
        for first in range(0, len(samples), width):
            batch = samples[first : first + width]
            yield np.resize(batch, width), len(batch)
