"""How a batch of programmes is solved: in three stages, a few lanes wide, on every core.

    coarse   single precision, a fixed number of steps, by the costs that choose among equals
    exact    the outputs' own precision, by the same costs, until the gap is small enough
    proof    where those costs are not the ones that the certificate is about: by the latter, from
             the state that was reached, until the multipliers certify the answer; first in single
             precision again, whose multipliers are good enough for most samples

A lane whose sample is done makes room for the next one. Samples never see one another, and batches
in single precision, whose rounding shows, always have the same width; so it does not matter which
samples share a batch, or how many threads there are.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sim.cores import Errand, cores, on_every_core
from sim.extraction._certificate import (
    Answers,
    Costs,
    cheaper,
    no_answers,
    objective,
    tighter,
)
from sim.extraction._geometry import Geometry, geometry
from sim.extraction._splitting import Lanes, box_of, recast, run, start
from sim.progress import Progress

STEPS = 25  # iterations between two looks at the gap
COARSE = 12  # times as many in single precision at first
# Of the tolerance, the gap by the leaning costs before the proof: with 2e-4 at ε = 0.02 a share is
# left open by 0.01. On the digits MLP and transformer, shares were within 0.001 of those at a tenth
# of it (0.004 where a sample leans less in one of the two), for 28 % more time than with 0.6, which
# leaves 0.03 open and was within 0.0035.
EXACT = 0.2
ROUGH = 3e-4  # the smallest tolerance that multipliers of single precision are used for
SINGLE_PROOF, PROOF = 1000, 3000  # iterations after which a proof is held to be out of reach
ATTEMPTS = 3  # each leans half as much as the one before
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
        coarse: looks at the gap that are left out in single precision at first.
    """

    costs: Costs
    leaning: Costs | None
    tolerance: float
    max_iterations: int
    lanes: int
    coarse: int = COARSE


class Solution(NamedTuple):
    """The answers by the costs of the certificate, and the iterations that they took."""

    answers: Answers
    steps: np.ndarray  # (samples,)


def solve(problem: Problem, method: Method, progress: Progress | None) -> Solution:
    """Solves all samples, every core its share of them."""
    total = len(problem.v)
    threads = min(cores(), -(-total // method.lanes))
    shares = [np.arange(total)[first::threads] for first in range(threads)]

    def task(share: np.ndarray) -> Callable[[Errand], Solution]:
        return lambda errand: _solve(jax.tree.map(lambda x: x[share], problem), method, errand)

    parts = on_every_core([task(share) for share in shares], total, progress)
    back = np.argsort(np.concatenate(shares))
    return jax.tree.map(lambda *pieces: np.concatenate(pieces)[back], *parts)


def lanes_wide(size: int) -> int:
    """As many as fit a core's cache; wider batches are slower, not faster."""
    return max(4, min(64, 2**13 // size))


def _solve(problem: Problem, method: Method, errand: Errand) -> Solution:
    """All three stages for some of the samples."""
    size = problem.v.shape[1]
    geo = functools.partial(geometry, size.bit_length() - 1)
    samples = _Samples(problem, method, errand)
    exact, costs, leaning = samples.exact, method.costs, method.leaning
    samples.begin(geo(SINGLE), geo(exact), costs if leaning is None else leaning)
    rest = np.ones(len(problem.v), bool)
    if leaning is None:
        samples.work(_primal(geo(exact), costs), exact, rest, method.tolerance)
        return samples.solution()
    rough = method.tolerance >= ROUGH and exact != SINGLE
    for attempt in range(ATTEMPTS):
        if attempt > 0:
            leaning = Costs(*((x + y) / 2 for x, y in zip(costs, leaning, strict=True)))
            samples.judge_by(geo(exact), leaning, rest)
        samples.work(_primal(geo(exact), leaning), exact, rest, EXACT * method.tolerance)
        samples.judge_by(geo(exact), costs, rest)
        for dtype, limit in ((SINGLE, SINGLE_PROOF), (exact, PROOF)):
            if dtype == exact or rough:
                proof = _proof(geo(dtype), geo(exact), costs)
                samples.work(proof, dtype, rest, method.tolerance, limit)
        rest &= ~samples.within(method.tolerance)
        if not rest.any():
            break
    return samples.solution()


Block = Callable[[Lanes, Answers, jax.Array, jax.Array], tuple[Lanes, Answers]]
"""Some steps of some lanes, and what they add to the answers for v and its box."""


def _primal(geo: Geometry, costs: Costs) -> Block:
    def block(
        lanes: Lanes, answers: Answers, v: jax.Array, box: jax.Array
    ) -> tuple[Lanes, Answers]:
        lanes, i_and, i_or, m = run(geo, costs, lanes, 1, STEPS)
        answers = _cheaper(geo, costs, answers, v, box, i_and, i_or)
        return lanes, _tighter(geo, costs, answers, v, box, m)

    return block


def _proof(single: Geometry, geo: Geometry, costs: Costs) -> Block:
    rounded = _as(single, costs)

    def block(
        lanes: Lanes, answers: Answers, v: jax.Array, box: jax.Array
    ) -> tuple[Lanes, Answers]:
        lanes, _, _, m = run(single, rounded, lanes, 1, STEPS)
        return lanes, _tighter(geo, costs, answers, v, box, m.astype(v.dtype))

    return block


def _as(geo: Geometry, costs: Costs) -> Costs:
    """The costs in a geometry's precision."""
    return Costs(*(x.astype(geo.weight.dtype) for x in costs))


# Compiled apart from the iteration: every stage has another iteration, and the same two bounds.
_cheaper, _tighter = jax.jit(cheaper), jax.jit(tighter)
_objective, _box_of, _no_answers = jax.jit(objective), jax.jit(box_of), jax.jit(no_answers)


def _first_answers(
    geo: Geometry,
    costs: Costs,
    v: jax.Array,
    box: jax.Array,
    i_and: jax.Array,
    i_or: jax.Array,
    m: jax.Array,
) -> Answers:
    nought = np.zeros_like(v)
    answers = _cheaper(geo, costs, _no_answers(v), v, box, nought, nought)
    answers = _cheaper(geo, costs, answers, v, box, i_and, i_or)
    return _tighter(geo, costs, _tighter(geo, costs, answers, v, box, v), v, box, m)


class _Samples:
    """The samples of one thread between two stages: their lanes and their answers so far."""

    def __init__(self, problem: Problem, method: Method, errand: Errand) -> None:
        self.problem, self.method, self.errand = problem, method, errand
        self.exact = jnp.dtype(problem.v.dtype)
        self.box = np.asarray(_box_of(problem.v, problem.bound))
        self.lanes: Lanes
        self.answers: Answers
        self.reported = 0

    def begin(self, single: Geometry, geo: Geometry, costs: Costs) -> None:
        """Starts every sample, and takes the coarse steps."""
        blocks = min(self.method.coarse, self.method.max_iterations // STEPS - 1)
        coarse = self.exact != SINGLE and blocks > 0
        pieces = []
        for index, count in self._batches(np.arange(len(self.problem.v)), SINGLE):
            self.errand.check()
            v, bound, *near = (part[index] for part in self.problem)
            box = self.box[index]
            answers = _first_answers(geo, costs, v, box, *near)
            lanes = start(single if coarse else geo, v, bound, *near)
            if coarse:
                lanes = run(single, _as(single, costs), lanes, blocks, STEPS)[0]
            piece = jax.tree.map(lambda x, c=count: np.asarray(x)[:c], (lanes, answers))
            pieces.append(piece)
        self.lanes, self.answers = jax.tree.map(lambda *x: np.concatenate(x), *pieces)

    def work(
        self,
        block: Block,
        dtype: jnp.dtype,
        chosen: np.ndarray,
        tolerance: float,
        limit: int | None = None,
    ) -> None:
        """Goes on with the chosen samples until each is within the tolerance, or its time is up.

        Args:
            block: what to do.
            dtype: precision of the lanes in it.
            chosen: bool (samples,).
            tolerance: relative gap.
            limit: iterations from here on, beside those of the method.
        """
        most = np.full(len(chosen), self.method.max_iterations)
        if limit is not None:
            most = np.minimum(most, self.lanes.steps + limit)
        while True:
            rest = np.flatnonzero(chosen & ~self.within(tolerance) & (self.lanes.steps < most))
            if not rest.size:
                return
            index, count = next(self._batches(rest, dtype))
            self._until_one_is_done(block, dtype, index, count, tolerance, most[index])

    def _until_one_is_done(
        self,
        block: Block,
        dtype: jnp.dtype,
        index: np.ndarray,
        count: int,
        tolerance: float,
        most: np.ndarray,
    ) -> None:
        v, box = self.problem.v[index], self.box[index]
        lanes, answers = jax.tree.map(lambda x: x[index], (self.lanes, self.answers))
        lanes = recast(lanes, v, box, dtype)
        ended = np.zeros(len(index), bool)
        while not ended.any():
            self.errand.check()
            lanes, answers = block(lanes, answers, v, box)
            upper, lower, steps = map(np.asarray, (answers.upper, answers.lower, lanes.steps))
            ended = (upper - lower <= tolerance * upper) | (steps >= most)
        for whole, part in zip(
            jax.tree.leaves((self.lanes, self.answers)),
            jax.tree.leaves((lanes, answers)),
            strict=True,
        ):
            whole[index[:count]] = np.asarray(part)[:count]
        self._report()

    def judge_by(self, geo: Geometry, costs: Costs, chosen: np.ndarray) -> None:
        """Counts the chosen samples' answers by other costs, by which less is proven as yet."""
        for index, count in self._batches(np.flatnonzero(chosen), self.exact):
            v, box, answers = jax.tree.map(
                lambda x, at=index: x[at], (self.problem.v, self.box, self.answers)
            )
            upper = _objective(costs, answers.i_and, answers.i_or)
            nothing = Answers(answers.i_and, answers.i_or, upper, 0 * v, 0 * answers.lower)
            judged = _tighter(geo, costs, nothing, v, box, answers.multipliers)
            for whole, part in zip(self.answers, judged, strict=True):
                whole[index[:count]] = np.asarray(part)[:count]
        self.lanes.first[chosen] = np.inf

    def within(self, tolerance: float) -> np.ndarray:
        """Which samples have an answer with a gap within the tolerance."""
        upper, lower = (np.asarray(x) for x in (self.answers.upper, self.answers.lower))
        return upper - lower <= tolerance * upper

    def solution(self) -> Solution:
        """The answers as they are; says that all samples are finished."""
        self.errand.finished(len(self.problem.v) - self.reported)
        return Solution(self.answers, np.asarray(self.lanes.steps))

    def _batches(self, samples: np.ndarray, dtype: jnp.dtype) -> Iterator[tuple[np.ndarray, int]]:
        """Batches of one width, the last filled up; and how many samples of each count."""
        width = lanes_wide(self.problem.v.shape[1]) if dtype == SINGLE else self.method.lanes
        for first in range(0, len(samples), width):
            batch = samples[first : first + width]
            yield np.resize(batch, width), len(batch)

    def _report(self) -> None:
        done = int(self.within(self.method.tolerance).sum())
        if done > self.reported:
            self.errand.finished(done - self.reported)
            self.reported = done
