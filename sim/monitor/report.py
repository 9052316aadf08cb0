"""What one look at a network that trains has found, in numbers and in a line."""

from __future__ import annotations

import dataclasses

import numpy as np

PREFIX = "interactions/"


@dataclasses.dataclass(frozen=True)
class LookReport:
    """What is known of a network that trains, after one more look.

    Returned by `Monitor`, by its `update` and `replay`; the example there shows it in use.

    Attributes:
        epoch: of the look.
        mean_order: m = Σ_k k·s_k / Σ_k s_k of the strengths s_k, or None where no interaction is
            salient.
        spread: standard error of the mean order over inputs; None likewise, and for fewer than
            three looks.
        salient: number of salient interactions, AND and OR, of an input on average.
        strength: (n,), strength of the salient interactions of the orders 1..n, an input's on
            average, in units of the outputs (log-odds).
        sigma2: noise variance σ² of the *look before*, with the interactions of this one as the
            target, in the direct comparison: how far off this look's network the last one's was. A
            network that trains has no last checkpoint yet, so this is no σ² of the finished one.
            None at the first look, and where the data only bound it.
        phase: 2 once the second of two phases has been found to have begun, else 0, "not told": a
            first phase cannot be told from training without phases before orders rise again.
        boundary: epoch of the smallest mean order, where two phases were found, or None.
        low: lower end of the boundary's interval over inputs (epoch), or None.
        high: upper end of it, or None.
        found_at: epoch of the first look that found two phases, or None.
        level: the share of training runs without two phases for which they are found at any look.
        train_loss: as it was given, or None.
        test_loss: as it was given, or None.
    """

    epoch: float
    mean_order: float | None
    spread: float | None
    salient: float
    strength: np.ndarray
    sigma2: float | None
    phase: int
    boundary: float | None
    low: float | None
    high: float | None
    found_at: float | None
    level: float
    train_loss: float | None = None
    test_loss: float | None = None

    def __str__(self) -> str:
        """One line: the numbers, and the verdict so far."""
        if self.mean_order is None:
            return f"epoch {self.epoch:g}: no interaction is salient"
        spread = "" if self.spread is None else f" ± {self.spread:.2f}"
        rate = f"{100 * self.level:g} % false alarms over all looks"
        if self.phase == 2:
            verdict = (
                f"orders rise since epoch {self.boundary:g} ({self.low:g} to {self.high:g}), found "
                f"at epoch {self.found_at:g} (at most {rate})"
            )
        else:
            verdict = f"two phases are not found so far (at most {rate})"
        return (
            f"epoch {self.epoch:g}: mean order {self.mean_order:.2f}{spread}, {self.salient:.0f} "
            f"salient interactions an input; {verdict}"
        )

    def as_dict(self) -> dict[str, float]:
        """All numbers that there are, flat, for any logger; what is None is left out.

        The keys are `epoch`, `train_loss`, `test_loss`, and with `interactions/` before them
        `mean_order`, `spread`, `salient`, `strength_order_01` and so on, `sigma2`, `phase` (0 or
        2), `boundary`, `boundary_low`, `boundary_high` and `found_at`.
        """
        numbers = {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "test_loss": self.test_loss,
            PREFIX + "mean_order": self.mean_order,
            PREFIX + "spread": self.spread,
            PREFIX + "salient": self.salient,
            PREFIX + "sigma2": self.sigma2,
            PREFIX + "phase": self.phase,
            PREFIX + "boundary": self.boundary,
            PREFIX + "boundary_low": self.low,
            PREFIX + "boundary_high": self.high,
            PREFIX + "found_at": self.found_at,
        }
        for order, strength in enumerate(self.strength, start=1):
            numbers[f"{PREFIX}strength_order_{order:02d}"] = strength
        return {name: float(number) for name, number in numbers.items() if number is not None}
