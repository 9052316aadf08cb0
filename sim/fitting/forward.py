"""The forward model: from true interactions to what the instrument would find of them.

A prediction is a set of outputs, and what is compared is what the extraction finds in them: the
interactions of a family's member are added at the observed scale to the initial outputs, their sum
is explained with the same noise bound and the same preference as the measurement was, and the
strength of its salient interactions is counted by the same rule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from sim.cores import Errand
from sim.extraction import Follower, extract_interactions
from sim.fitting.distances import Distance, Table
from sim.fitting.families import Family
from sim.fitting.prediction import Target
from sim.processes import SharedWork, on_every_process
from sim.progress import Progress
from sim.strength import averaged_distribution, measured_strength
from theory import NoiseModel, reconstruct, superposition_scale

FINE = 8  # parameters tried between the two neighbours of the nearest one on the grid
NEGLIGIBLE = 0.5  # of the noise bound: initial outputs of a smaller size do not matter


@dataclasses.dataclass(frozen=True)
class Instrument:
    """How interactions are read off outputs: the options of extraction and of strength.

    Attributes:
        noise_bound: of the extraction.
        tolerance: of the extraction.
        prefer: of the extraction.
        parts: whose strength is counted.
        salience: factor of the threshold of salience.
        per_sample: whether every sample has its own threshold.
    """

    noise_bound: float
    tolerance: float
    prefer: str | None
    parts: str
    salience: float
    per_sample: bool

    def strength(self, i_and: np.ndarray, i_or: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Strength by order (checkpoints, samples, n) of interactions in those outputs."""
        found, _ = measured_strength(
            i_and,
            i_or,
            outputs,
            parts=self.parts,
            salience=self.salience,
            per_sample=self.per_sample,
        )
        return np.asarray(found)

    def certified(
        self,
        outputs: np.ndarray,
        progress: Progress | None = None,
        work: SharedWork | None = None,
    ) -> np.ndarray:
        """Strength by order of outputs (checkpoints, samples, 2^n), certified as a measurement."""
        found = extract_interactions(
            outputs,
            self.noise_bound,
            self.tolerance,
            prefer=self.prefer,
            progress=progress,
            work=work,
        )
        return self.strength(np.asarray(found.i_and), np.asarray(found.i_or), outputs)


@dataclasses.dataclass(frozen=True)
class ForwardModel:
    """From a family's member to outputs, at the scale that was observed.

    Attributes:
        target: the true interactions w*.
        start: (samples, 2^n), the initial outputs less their v(∅); zeros where they are left out.
        noise: the noise's covariance.
        instrument: how interactions are read off outputs.
    """

    target: Target
    start: np.ndarray
    noise: NoiseModel
    instrument: Instrument

    def outputs(
        self, family: Family, parameter: float, observed: float
    ) -> tuple[np.ndarray, float]:
        """Outputs (samples, 2^n) of a member, less their v(∅), and their scale s.

        Args:
            family: the family.
            parameter: the member's.
            observed: the mean effect |v(N) − v(∅)| to reach.
        """
        w_and, w_or = family.member(self.target, jnp.asarray(float(parameter)), self.noise)
        outputs, scale = _superposed(w_and, w_or, jnp.asarray(self.start), observed)
        return np.asarray(outputs), float(scale)

    def matters(self, observed: np.ndarray) -> np.ndarray:
        """Where the initial outputs can be seen at all beside the noise bound, (checkpoints,)."""
        size = np.sqrt((self.start**2).mean())
        return size > NEGLIGIBLE * self.instrument.noise_bound * observed

    def table(
        self,
        family: Family,
        observed: float,
        measured: np.ndarray,
        distance: Distance,
        errand: Errand,
    ) -> Table:
        """A family's table at an observed scale, fine around what is nearest to each distribution.

        Args:
            family: the family.
            observed: mean effect |v(N) − v(∅)|.
            measured: (m, n), the distributions that it is for.
            distance: by which the nearest member is found.
            errand: told of every member that is done.
        """
        coarse = family.grid(self.target.n, self.noise)
        follow = self._follower()
        found: dict[float, np.ndarray] = {}
        best = [(np.inf, 0.0, follow)] * len(measured)
        for parameter in coarse[:: 1 if family.simplest == 0 else -1]:
            errand.check()
            found[parameter] = self._strength(family, parameter, observed, follow)
            shares = averaged_distribution(found[parameter][None])
            away = np.asarray(distance(shares, jnp.asarray(measured)))
            for row in np.flatnonzero(away < [one[0] for one in best]):
                best[row] = (away[row], parameter, follow.copy())
            errand.finished(1)
        if coarse.size > 1:
            offsets = np.linspace(-1, 1, FINE + 3)[1:-1] * (coarse[1] - coarse[0])
            for _, nearest, near in best:
                for parameter in np.clip(nearest + offsets, coarse[0], coarse[-1]):
                    errand.check()
                    found[parameter] = self._strength(family, parameter, observed, near, True)
                errand.finished(FINE)
        parameters = np.array(sorted(found))
        return Table(parameters, np.array([found[parameter] for parameter in parameters]))

    def _follower(self) -> Follower:
        tool = self.instrument
        count, n = len(self.start), self.target.n
        return Follower(count, n, tool.noise_bound, tool.tolerance, tool.prefer)

    def _strength(
        self,
        family: Family,
        parameter: float,
        observed: float,
        follow: Follower,
        careful: bool = False,
    ) -> np.ndarray:
        """Strength by order (samples, n) of a member, explained from where the follower stands."""
        outputs, _ = self.outputs(family, parameter, observed)
        i_and, i_or = follow(outputs, careful)
        return self.instrument.strength(i_and[None], i_or[None], outputs[None])[0]


@jax.jit
def _superposed(
    w_and: jax.Array, w_or: jax.Array, start: jax.Array, observed: jax.Array | float
) -> tuple[jax.Array, jax.Array]:
    """`theory.superpose` in outputs: the start has no split into AND and OR interactions."""
    learned = reconstruct(w_and, w_or)
    learned = learned - learned[:, :1]
    scale = superposition_scale(start[:, -1], learned[:, -1], observed)
    return start + scale * learned, scale


def tables(
    model: ForwardModel,
    families: Mapping[str, Family],
    observed: np.ndarray,
    measured: np.ndarray,
    distance: Distance,
    progress: Progress | None = None,
    work: SharedWork | None = None,
) -> dict[str, list[Table]]:
    """Each family's table at every checkpoint, one task a table, on every core.

    Extraction does not care for the scale of outputs, so all checkpoints at which the initial
    outputs are too small to be seen share one table.

    Args:
        model: the forward model.
        families: by name.
        observed: (checkpoints,), mean effect |v(N) − v(∅)|.
        measured: (checkpoints, n), distributions over orders.
        distance: by which the nearest members are found.
        progress: called with (members done, members in all).
        work: of several processes that make the same tables.

    Returns:
        By name, one table for each checkpoint.
    """
    alone = np.flatnonzero(model.matters(observed))
    groups = [[int(c)] for c in alone]
    if rest := [c for c in range(len(observed)) if c not in set(alone)]:
        groups.append(rest)

    steps, tasks = [], []
    for family in families.values():
        size = family.grid(model.target.n, model.noise).size
        for group in groups:
            steps.append(size + (FINE * len(group) if size > 1 else 0))
            tasks.append((family, group))

    def task(family: Family, group: list[int]) -> Callable[[Errand], Table]:
        last = float(observed[group[-1]])
        return lambda errand: model.table(family, last, measured[group], distance, errand)

    found = on_every_process(
        [task(*pair) for pair in tasks],
        steps,
        progress,
        work,
        f"predict-{model.instrument.prefer}",
        pack=lambda table: {"parameters": table.parameters, "strength": table.strength},
        unpack=lambda kept: Table(kept["parameters"], kept["strength"]),
    )
    result: dict[str, list[Table]] = {}
    for i, name in enumerate(families):
        of_group = found[i * len(groups) : (i + 1) * len(groups)]
        by_checkpoint = {c: t for group, t in zip(groups, of_group, strict=True) for c in group}
        result[name] = [by_checkpoint[c] for c in range(len(observed))]
    return result
