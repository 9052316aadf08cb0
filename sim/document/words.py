"""What a fit says, in a table's rows and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.document.schema import Checkpoint, Document, FoundPhases, as_document
from sim.phases import COVERAGE


def second_phase(document: Document | Mapping[str, Any]) -> list[Checkpoint]:
    """Fitted checkpoints from the phase boundary on, without the last, which is the target itself.

    Without a boundary, all but the last.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    boundary = document.phases.boundary
    return [r for r in document.checkpoints[:-1] if boundary is None or r.epoch >= boundary]


def conclusion(document: Document | Mapping[str, Any]) -> str:
    """One sentence: the phases, how σ² moves, and how good theory and null models are.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    if document.phases.boundary is None:
        known = document.phases.p_value is not None
        finding = "No two-phase pattern was found" if known else "Phases were not looked for"
        opening = f"{finding}; over all checkpoints"
    else:
        opening = (
            f"The mean order falls until epoch {document.phases.boundary:g} "
            f"({boundary_interval(document.phases)}) and rises after it; in this second phase"
        )
    records = second_phase(document)
    if not records:
        return f"{opening} there is nothing to compare, since the last checkpoint is the target."
    away = float(np.median([r.total_variation for r in records]))
    sentence = (
        f"{opening} {_noise_path(records)} and the theory's distribution is off by a median total "
        f"variation of {away:.3f}"
    )
    nulls = {
        name: float(np.median([r.nulls[name].total_variation for r in records]))
        for name in records[0].nulls
    }
    beside = ", ".join(f"{value:.3f} ({label(name)})" for name, value in nulls.items())
    return f"{sentence}, beside {beside} for the null models."


def boundary_interval(phases: FoundPhases) -> str:
    """The interval of the boundary between the phases, where there is one."""
    return f"{COVERAGE} interval {phases.low:g}–{phases.high:g}"


def _noise_path(records: Sequence[Checkpoint]) -> str:
    """Where the fitted σ² starts and ends, of the checkpoints that determine it."""
    inside = [r for r in records if not r.bound]
    if not inside:
        return "no checkpoint determines σ²"
    first, last = inside[0], inside[-1]
    path = f"the fitted σ² goes from {first.sigma2:.1e} (epoch {first.epoch:g})"
    path += f" to {last.sigma2:.1e} (epoch {last.epoch:g})"
    return path if last is records[-1] else f"{path}, then {noise_text(records[-1])},"


def noise_text(fitted: Checkpoint) -> str:
    """A checkpoint's σ², or the bound that is all that the data give; see `NoiseFit.bound`."""
    value = f"{fitted.sigma2:.1e}"
    bounds = {
        "zero": "→ 0",
        "infinite": "→ ∞",
        "at_most": f"≤ {value}",
        "at_least": f"≥ {value}",
        "any": "any",
    }
    return bounds.get(fitted.bound or "", value)


def short_label(name: str) -> str:
    """A null model's name as the head of a column."""
    return name.replace("_", "-")


def label(name: str) -> str:
    """A null model's name for a reader."""
    return {"frozen": "frozen final distribution", "tilt": "exponential tilt"}.get(
        name, short_label(name)
    )
