"""What becomes of every interaction while a network trains: kept, lost, turned, or on and off."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import check_epochs
from sim.generalization.salient import by_order, salient_signs, same_shapes
from theory import SALIENCE

GROUPS = ("reliable", "withdrawn", "forgotten", "betraying", "fluctuating")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class InteractionGroups:
    """Every interaction that is ever salient, in one of five groups, and what each group weighs.

    Returned by `interaction_groups`, whose example shows it in use.

    Attributes:
        member: bool (5, 2, samples, 2^n), which interactions are in which of `GROUPS`; AND, then
            OR.
        count: (checkpoints, 5, n), how many of a group's interactions of the orders 1..n are
            salient at a checkpoint, mean over samples.
        strength: (checkpoints, 5, n), the sum of their |I|, mean over samples.
        fixed: whether the last checkpoint's threshold counted at all of them.
    """

    member: np.ndarray
    count: np.ndarray
    strength: np.ndarray
    fixed: bool = dataclasses.field(metadata={"static": True})

    @property
    def members(self) -> np.ndarray:
        """How many interactions each group has of each order, mean over samples, (5, n)."""
        return by_order(self.member.astype(float)).sum(axis=1).mean(axis=1)

    @property
    def share(self) -> np.ndarray:
        """Each group's part of the strength of all orders, (checkpoints, 5); NaN without any."""
        by_group = self.strength.sum(axis=-1)
        total = np.broadcast_to(by_group.sum(axis=-1, keepdims=True), by_group.shape)
        return np.divide(by_group, total, out=np.full_like(total, np.nan), where=total > 0)

    def table(self, epochs: ArrayLike) -> str:
        """Strength of every group at every checkpoint, and in brackets how many are salient.

        Both are means over samples, of all orders; the last line counts each group's members.

        Raises:
            ValueError: epochs that do not fit.
        """
        times = check_epochs(epochs, len(self.count))
        strengths, counts = self.strength.sum(axis=-1), self.count.sum(axis=-1)
        rows = [["epoch", *GROUPS]]
        for epoch, strength, count in zip(times, strengths, counts, strict=True):
            pairs = zip(strength, count, strict=True)
            rows.append([f"{epoch:g}", *(f"{total:.2f} ({number:.1f})" for total, number in pairs)])
        rows.append(["members", *(f"({number:.1f})" for number in self.members.sum(axis=-1))])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )

    def record(self, epochs: ArrayLike) -> dict[str, Any]:
        """A plain dictionary: for each group its strength and count (checkpoints, n), and members.

        Raises:
            ValueError: epochs that do not fit.
        """
        times = check_epochs(epochs, len(self.count))
        groups = {
            name: {
                "strength": self.strength[:, at].tolist(),
                "count": self.count[:, at].tolist(),
                "members": self.members[at].tolist(),
            }
            for at, name in enumerate(GROUPS)
        }
        return {"epochs": times.tolist(), "fixed_threshold": self.fixed, "groups": groups}


def interaction_groups(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    *,
    salience: float = SALIENCE,
    runs: int = 1,
    fixed: bool = False,
) -> InteractionGroups:
    """Sorts the interactions of a network by how they were learned and forgotten.

    RECONSTRUCTION: the five groups are named in [Ren25] (Ren, Zheng, Liu, Lizarraga, Wu, Lin,
    Zhang, *Monitoring Primitive Interactions During the Training of DNNs*, AAAI 2025,
    doi:10.1609/aaai.v39i19.34223) as types of dynamics of an interaction that is learned or
    forgotten; of that paper only the abstract was available to us. It has them for interactions of
    principal feature components of an intermediate layer, this function for those of the players
    of an input. The definitions are ours. A stretch is a run of consecutive checkpoints at which
    an interaction is salient with one sign.

    - reliable: one stretch, which lasts to the last checkpoint: learned once, and kept.
    - withdrawn: one stretch, from the first checkpoint on, which ends: there before training, and
      taken back.
    - forgotten: one stretch, which begins and ends in between: learned, and lost again.
    - betraying: two stretches, of opposite signs: it speaks for one side, and then for the other.
    - fluctuating: all others: gone and back with the same sign, or more than two stretches.

    The groups look back from the last checkpoint; what a monitor would have said at an earlier one
    are the groups of the checkpoints until then. An interaction near the threshold goes and comes
    with it: more checkpoints make more of them fluctuate. The thresholds grow with the network's
    outputs, so that an interaction may be withdrawn because others outgrew it; with `fixed` it
    keeps its absolute size in view.

    To ask which groups generalize, hand `generalizable_strength` the interactions of one group,
    `np.where(found.member[g, 0], i_and, 0)` and `np.where(found.member[g, 1], i_or, 0)`.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions.
        i_or: (checkpoints, samples, 2^n), OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S), for the thresholds of salience.
        salience: factor of the thresholds.
        runs: how many training runs the samples hold, one after the other; each has its own
            thresholds.
        fixed: hold every checkpoint against the last one's threshold instead of its own.

    Returns:
        Members, counts and strengths; every interaction that is salient at some checkpoint is in
        exactly one group.

    Raises:
        ValueError: shapes that do not match, or an option out of range.

    Example:
        >>> i_and = np.array([[[0, 2, -1, 0.5]], [[0, 2, 1, 0]], [[0, 3, 1, 0]]])
        >>> found = interaction_groups(i_and, 0 * i_and, i_and.cumsum(axis=-1))
        >>> print(found.table([0, 1, 5]))
          epoch    reliable   withdrawn   forgotten   betraying  fluctuating
              0  2.00 (1.0)  0.50 (1.0)  0.00 (0.0)  1.00 (1.0)   0.00 (0.0)
              1  2.00 (1.0)  0.00 (0.0)  0.00 (0.0)  1.00 (1.0)   0.00 (0.0)
              5  3.00 (1.0)  0.00 (0.0)  0.00 (0.0)  1.00 (1.0)   0.00 (0.0)
        members       (1.0)       (1.0)       (0.0)       (1.0)        (0.0)
    """
    arrays = same_shapes({"i_and": i_and, "i_or": i_or, "outputs": outputs})
    signs = salient_signs(arrays, salience, runs, fixed=fixed)
    member = _members(signs)
    checkpoints, samples, size = arrays[0].shape
    count, strength = np.zeros((2, checkpoints, len(GROUPS), size.bit_length() - 1))
    for at in range(len(GROUPS)):
        chosen = member[at][:, None] & (signs != 0)  # (2, checkpoints, samples, 2^n)
        count[:, at] = by_order(chosen.sum(axis=(0, 2)) / samples)
        for kind, which in zip(arrays[:2], chosen, strict=True):
            strength[:, at] += by_order(np.where(which, np.abs(kind), 0.0).mean(axis=1))
    return InteractionGroups(member, count, strength, fixed)


def _members(signs: np.ndarray) -> np.ndarray:
    """The groups (5, 2, samples, 2^n) from `salient_signs` (2, checkpoints, samples, 2^n)."""
    salient = signs != 0
    begins = salient[:, 1:] & (signs[:, 1:] != signs[:, :-1])
    first, last = salient[:, 0], salient[:, -1]
    stretches = first + begins.sum(axis=1)
    once, ended = stretches == 1, ~last
    betraying = (stretches == 2) & (signs == 1).any(axis=1) & (signs == -1).any(axis=1)
    return np.stack(
        [
            once & last,
            once & ended & first,
            once & ended & ~first,
            betraying,
            (stretches >= 2) & ~betraying,
        ]
    )
