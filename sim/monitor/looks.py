"""The looks at a network so far: what each found, and what all of them say together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.checks import ArgumentError
from sim.extraction import extract_interactions
from sim.fitting import direct_noise
from sim.measurement import CURVES
from sim.monitor.report import LookReport
from sim.phases import find_phases, too_few_for_phases
from sim.strength import measured_strength

OF_A_LOOK = ("epochs", "outputs", "strength", "salient", "sigma2", *CURVES)
"""What is kept of each look; numbers that are not there are NaN."""


class Looks:
    """The looks so far, in order.

    Args:
        prefer: which of the equally sparse explanations is taken; see `extract_interactions`.
        level: of false alarms over all looks.
    """

    def __init__(self, prefer: str | None, level: float) -> None:
        self.prefer, self.level = prefer, level
        self.found: dict[str, list[np.ndarray]] = {name: [] for name in OF_A_LOOK}

    def __len__(self) -> int:
        return len(self.found["epochs"])

    def __getitem__(self, name: str) -> np.ndarray:
        """One of `OF_A_LOOK` at all looks."""
        return np.array(self.found[name])

    def check_epoch(self, epoch: float) -> None:
        """Raises unless a look at this epoch can follow."""
        if not np.isfinite(epoch) or epoch < 0:
            raise ArgumentError("epoch", "be finite and nonnegative", f"is {epoch}")
        if len(self) and epoch <= self.found["epochs"][-1]:
            must = f"be after {self.found['epochs'][-1]:g}, the epoch of the last look"
            raise ArgumentError("epoch", must, f"is {epoch:g}")

    def add(self, epoch: float, outputs: np.ndarray, curves: Mapping[str, float | None]) -> None:
        """Extracts and keeps one more look.

        Args:
            epoch: after the last one's.
            outputs: (samples, 2^n).
            curves: losses and accuracies, by name.
        """
        extraction = extract_interactions(outputs, prefer=self.prefer)
        i_and, i_or = np.asarray(extraction.i_and), np.asarray(extraction.i_or)
        by_sample, threshold = measured_strength(i_and[None], i_or[None], outputs[None])
        strength = np.asarray(by_sample)[0]  # (samples, n)
        sizes = np.abs(np.stack([i_and, i_or])[..., 1:])
        salient = np.sum((sizes >= np.asarray(threshold)[0][:, None]) & (sizes > 0)) / len(outputs)
        # The first look is its own target: the data then bound σ², and all is compiled.
        before = self.found["strength"][-1] if len(self) else strength
        sigma2 = np.nan
        if before.any() and strength.any():
            shares = before.sum(axis=0) / before.sum()
            value, bound = direct_noise(shares, i_and, i_or, outputs)
            sigma2 = np.nan if bound else value
        values = {name: np.nan if given is None else float(given) for name, given in curves.items()}
        values |= {"epochs": float(epoch), "salient": float(salient), "sigma2": sigma2}
        for name, value in {"outputs": outputs, "strength": strength, **values}.items():
            self.found[name].append(np.asarray(value))

    def report(self, look: int) -> LookReport:
        """What was known after a look, counted from 0."""
        strength = self["strength"][: look + 1]
        epochs = self["epochs"][: look + 1]
        by_order = strength[look].mean(axis=0)
        seen = np.asarray(strength.any(axis=(1, 2)))
        some = bool(seen[look])
        phases = None
        if too_few_for_phases(int(seen.sum())) is None:
            phases = find_phases(epochs[seen], strength[seen], level=self.level, watching=True)
        found = phases is not None and phases.pattern == "two-phase"
        orders = np.arange(1, len(by_order) + 1)
        sigma2, train, test = (
            _or_none(self.found[name][look]) for name in ("sigma2", "train_loss", "test_loss")
        )
        return LookReport(
            epoch=float(epochs[look]),
            mean_order=float(by_order @ orders / by_order.sum()) if some else None,
            spread=float(phases.spread[-1]) if some and phases is not None else None,
            salient=float(self.found["salient"][look]),
            strength=by_order,
            sigma2=sigma2,
            phase=2 if found else 0,
            boundary=phases.boundary if phases is not None else None,
            low=phases.low if phases is not None else None,
            high=phases.high if phases is not None else None,
            found_at=phases.found_at if phases is not None else None,
            level=self.level,
            train_loss=train,
            test_loss=test,
        )


def _or_none(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)
