"""Rates with their standard errors, and the tables that they are shown in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Rate(NamedTuple):
    """How often something came out, in how many tries."""

    share: float
    tries: int

    @classmethod
    def of(cls, outcomes: Sequence[bool]) -> Rate:
        return cls(float(np.mean(outcomes)) if len(outcomes) else float("nan"), len(outcomes))

    @classmethod
    def pooled(cls, rates: Sequence[Rate | float]) -> Rate:
        """Of all tries together."""
        counted = [rate for rate in rates if isinstance(rate, Rate) and rate.tries]
        tries = sum(rate.tries for rate in counted)
        share = sum(rate.share * rate.tries for rate in counted) / tries if tries else float("nan")
        return cls(share, tries)

    @property
    def error(self) -> float:
        """Standard error; of a share of 0 or 1, what one outcome more would have made of it."""
        if not self.tries:
            return float("nan")
        return max(np.sqrt(self.share * (1 - self.share) / self.tries), 1 / self.tries)

    def __str__(self) -> str:
        if not self.tries:
            return "–"
        return f"{100 * self.share:.1f} ± {100 * self.error:.1f}"


class Section(NamedTuple):
    """One table: rows of rates (or of plain numbers), and what is promised of all of them."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Rate | float]]]
    at_most: float | None = None
    at_least: float | None = None

    def broken(self, slack: float = 0.02, errors: float = 3.0) -> list[str]:
        """Where a promise is missed by more than the slack and its own standard errors: at a rate,
        over a row together, or over all of them.
        """
        found = []
        every = [rate for _, rates in self.rows for rate in rates]
        for name, rates in [*self.rows, ("all rows", every)]:
            beside = zip([*self.columns, "together"], [*rates, Rate.pooled(rates)], strict=False)
            if name == "all rows":
                beside = [("together", Rate.pooled(every))]
            for column, rate in beside:
                if not isinstance(rate, Rate) or not rate.tries:
                    continue
                reach = slack + errors * rate.error
                over = self.at_most is not None and rate.share > self.at_most + reach
                under = self.at_least is not None and rate.share < self.at_least - reach
                if over or under:
                    found.append(f"{self.title}: {name}, {column}: {rate} %")
        return found

    def markdown(self) -> str:
        """The table in markdown; rates in per cent."""
        rates = [rate for _, row in self.rows for rate in row if isinstance(rate, Rate)]
        tries = sorted({rate.tries for rate in rates})
        note = self.note
        if tries:
            count = f"{tries[0]:,} to {tries[-1]:,}" if len(tries) > 1 else f"{tries[0]:,}"
            note += f" Per cent ± standard error, {count} runs each."
        head = " | ".join(["", *self.columns])
        lines = [
            f"### {self.title}",
            "",
            note,
            "",
            f"|{head} |",
            "|" + " --- |" * (1 + len(self.columns)),
        ]
        for name, rates in self.rows:
            cells = [str(r) if isinstance(r, Rate) else f"{r:.2g}" for r in rates]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)
