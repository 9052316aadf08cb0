"""What a fit says, in a table's rows and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.document.schema import Checkpoint, Document, FoundPhases, OtherEnd, as_document
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


def judged(document: Document | Mapping[str, Any]) -> list[Checkpoint]:
    """Checkpoints at which the fit says something: in both phases where the start is part of the
    prediction, else in the second, or in all where there are no two; never the target.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    records = document.checkpoints[:-1] if document.options.start else second_phase(document)
    return [record for record in records if record.tested]


def conclusion(document: Document | Mapping[str, Any]) -> str:
    """What a fit says, in a few sentences: phases, the noise level, the theory, and its rivals.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    if document.options.through == "direct":
        return _direct_conclusion(document)
    records = judged(document)
    sentences = [_phases_sentence(document.phases)]
    if document.retention is not None:
        sentences.append(document.retention.verdict)
    if not records:
        return " ".join(
            [
                *sentences,
                "There is nothing to compare, since the start and the target "
                "are part of every prediction.",
            ]
        )
    sentences.append(_theory_sentence(records))
    sentences.append(_nulls_sentence(document, records))
    sentences.append(_ends_sentence(records))
    return " ".join(filter(None, sentences))


def _phases_sentence(phases: FoundPhases) -> str:
    if phases.boundary is not None:
        return (
            f"The mean order falls until epoch {phases.boundary:g} ({boundary_interval(phases)}) "
            f"and rises after it."
        )
    known = phases.p_value is not None
    return "No two-phase pattern was found." if known else "Phases were not looked for."


def _theory_sentence(records: Sequence[Checkpoint]) -> str:
    """How σ² moves, how far the theory is off, and how far it is off in size."""
    away = [r.total_variation for r in records]
    worst = records[int(np.argmax(away))]
    path = _noise_path(records).rstrip(",")
    sentence = (
        f"One noise level for each checkpoint, {path}, brings the theory to a total variation of "
        f"{np.median(away):.3f} in the median and {max(away):.3f} at most (epoch "
        f"{worst.epoch:g}), over epochs {records[0].epoch:g} to {records[-1].epoch:g}."
    )
    scales = [r.scale for r in records if r.scale]
    if scales:
        sentence += (
            f" It predicts shares, not size: what is learned is {min(scales):.2g} to "
            f"{max(scales):.2g} times as large as it says."
        )
    return sentence


def _nulls_sentence(document: Document, records: Sequence[Checkpoint]) -> str:
    """The null models' distances, with the theory's standing beside each."""
    parts = []
    for name in records[0].nulls:
        away = np.median([r.nulls[name].total_variation for r in records])
        standing = (document.overall or {}).get(name)
        verdict = "" if standing is None else f", theory {standing.verdict}"
        parts.append(f"{away:.3f} ({label(name)}{verdict})")
    return f"Null models, in the median: {'; '.join(parts)}." if parts else ""


def _ends_sentence(records: Sequence[Checkpoint]) -> str:
    """What depends on which of the equally sparse explanations is taken."""
    both = [(r, r.other) for r in records if r.other is not None]
    if not both:
        return ""
    shares = [sorted((r.measured[0], other.measured[0])) for r, other in both]
    widest = max(range(len(both)), key=lambda i: shares[i][1] - shares[i][0])
    (low, high), epoch = shares[widest], both[widest][0].epoch
    factors = [
        max(r.sigma2 / other.sigma2, other.sigma2 / r.sigma2)
        for r, other in both
        if not r.bound and not other.bound
    ]
    away = [other.total_variation for _, other in both]
    text = (
        f"The outputs leave the orders 1 and 2 open: between the ends of what explains them "
        f"equally well, the share of order 1 is {low:.2f} to {high:.2f} at epoch {epoch:g}; at the "
        f"other end the theory is off by {np.median(away):.3f} in the median and {max(away):.3f} "
        f"at most"
    )
    if factors:
        text += f", and σ² differs by a factor of {max(factors):.2g} at most"
    return f"{text}."


def _direct_conclusion(document: Document) -> str:
    """One sentence on a direct comparison."""
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


def noise_text(fitted: Checkpoint | OtherEnd) -> str:
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
    if name.startswith("shares_"):
        return f"{short_label(name.removeprefix('shares_'))} of shares"
    return {"frozen": "frozen final state", "tilt": "exponential tilt"}.get(name, short_label(name))
