"""What a fit says, in a table's cells and in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.document.schema import Checkpoint, Document, OtherEnd, as_document
from sim.fitting import BETTER, DEPENDS, ONE_END, SAME, SHARES, WORSE
from sim.phases import listed

STANDINGS = {
    BETTER: "nearer than",
    WORSE: "farther off than",
    SAME: "not told apart from",
    DEPENDS: "nearer or not, depending on the split of the orders 1 and 2, than",
    None: "beside",
}
"""Verdicts on the theory before the null models that they are about."""

COURSES = {
    "rises": "The mean order rises throughout: there is no phase in which it falls.",
    "falls": "The mean order falls throughout: there is no phase in which it rises.",
    "flat": "The mean order stays where it is: there are no phases.",
    "undetermined": "Whether the network learns in two phases is not determined.",
}
FATES = {
    "removes": "It removes initial interactions of medium or high order.",
    "outgrows": "It does not remove its initial interactions of high order, it outgrows them.",
    "undetermined": "Whether it removes its initial interactions or outgrows them is open.",
}

ROUNDING = 1e-9  # of a scale: at the start nothing is learned
OPEN = 0.02  # a share that two explanations agree on to this is not called open


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
    return " ".join(paragraphs(document))


def paragraphs(document: Document | Mapping[str, Any]) -> list[str]:
    """The same, one paragraph for each thing that it says.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    said = [_phases_sentence(document)]
    if document.retention is not None:
        said.append(document.retention.verdict)
    records = judged(document)
    if not records:
        nothing = (
            "There is nothing to compare: start and target are part of every prediction."
            if document.options.start
            else "There is nothing to compare, since the last checkpoint is the target."
        )
        return [*said, nothing]
    said += [_theory_sentence(document, records), _nulls_sentence(document, records)]
    said += [_size_sentence(records), _split_sentence(records)]
    return [sentence for sentence in said if sentence]


def summary(document: Document | Mapping[str, Any]) -> list[str]:
    """What a fit says on the whole, in short sentences that need no number but the main ones.

    Args:
        document: content of `fit.json`.
    """
    document = as_document(document)
    said = [_course(document), _fate(document), _standing_on_the_whole(document), _losses(document)]
    return [sentence for sentence in said if sentence]


def _course(document: Document) -> str:
    phases, other = document.phases, document.other_phases
    if phases.boundary is not None:
        said = (
            f"The network learns in two phases: its mean order falls until epoch "
            f"{phases.boundary:g} (95 % interval {phases.low:g} to {phases.high:g}), then rises."
        )
    else:
        said = COURSES.get(phases.pattern or "", "Phases were not looked for.")
    if other is not None and other.pattern not in (None, phases.pattern):
        said += f" Other, equally sparse explanations say otherwise ({other.pattern})."
    return said


def _fate(document: Document) -> str:
    return "" if document.retention is None else FATES.get(document.retention.answer, "")


def _standing_on_the_whole(document: Document) -> str:
    """How far the theory is off, and whether anything simpler is as near."""
    records = judged(document)
    if not records:
        return ""
    away = np.mean([r.total_variation for r in records])
    said = (
        f"One noise level for each checkpoint predicts the distribution over orders to a total "
        f"variation of {away:.2f} on average (0 is exact, 1 is as far as can be)"
    )
    verdicts = [
        standing.verdict.removesuffix(ONE_END) for standing in (document.overall or {}).values()
    ]
    if not verdicts:
        return f"{said}."
    parts = [
        f"{words} {count} of {len(verdicts)}"
        for verdict, words in (
            (BETTER, "nearer than"),
            (WORSE, "farther off than"),
            (SAME, "not told apart from"),
        )
        if (count := verdicts.count(verdict))
    ]
    if rest := sum(verdict not in (BETTER, WORSE, SAME) for verdict in verdicts):
        parts.append(f"undecided about {rest} of {len(verdicts)}")
    end = (
        "So the theory fits better than every rival tried."
        if verdicts.count(BETTER) == len(verdicts)
        else "So the data do not single out the theory: a rival is at least as near, or may be."
    )
    if any(one.verdict.endswith(ONE_END) for one in (document.overall or {}).values()):
        end += " Equally sparse explanations of the other kind were not fitted."
    return f"{said}; of simpler rivals (null models) it is {listed(parts)}. {end}"


def _losses(document: Document) -> str:
    phases = document.phases
    if phases.least_test_loss is None or phases.overfits is None:
        return ""
    follows = "over-fitting follows" if phases.overfits else "what follows is within its noise"
    return f"The test loss is least at epoch {phases.least_test_loss:g}; {follows}."


def _phases_sentence(document: Document) -> str:
    """What the mean order does, and whether it does the same at the other end of the preference."""
    phases, other = document.phases, document.other_phases
    if phases.pattern is None:
        return phases.verdict or "Phases were not looked for."
    said = phases.verdict or ""
    if other is None or other.pattern is None:
        return said
    if other.pattern != phases.pattern:
        return f"{said} With the other end of the preference: {other.pattern}."
    if phases.boundary is None or other.boundary is None:
        return f"{said} So it is with the other end of the preference."
    beside = "the same" if other.boundary == phases.boundary else f"epoch {other.boundary:g}"
    return f"{said} With the other end of the preference the minimum is {beside}."


def _theory_sentence(document: Document, records: Sequence[Checkpoint]) -> str:
    """How σ² moves, and how far the theory is off, at both ends of the preference."""
    away = [r.total_variation for r in records]
    worst = records[int(np.argmax(away))]
    how = ", compared with the measured interactions directly" * (
        document.options.through == "direct"
    )
    sentence = (
        f"With one noise level for each checkpoint{how}, the theory is off by a total variation of "
        f"{np.mean(away):.3f} on average and {max(away):.3f} at most (epoch {worst.epoch:g}), "
        f"over epochs {records[0].epoch:g} to {records[-1].epoch:g}; "
        f"{_noise_path(records)}."
    )
    both = [(r, r.other) for r in records if r.other is not None]
    if not both:
        return sentence
    others = [other.total_variation for _, other in both]
    sentence += (
        f" At the other end of the preference it is off by {np.mean(others):.3f} on average "
        f"and {max(others):.3f} at most"
    )
    factors = [
        max(r.sigma2 / other.sigma2, other.sigma2 / r.sigma2)
        for r, other in both
        if not r.bound and not other.bound
    ]
    if factors:
        sentence += (
            f", and σ² differs by a factor of {max(factors):.2g} at most where both ends determine "
            f"it ({len(factors)} of {len(both)} checkpoints)"
        )
    return f"{sentence}."


def _nulls_sentence(document: Document, records: Sequence[Checkpoint]) -> str:
    """Where the theory stands beside the null models, those of one verdict together."""
    standings = document.overall or {}
    groups: dict[str | None, list[str]] = {}
    for name in records[0].nulls:
        away = np.mean([r.nulls[name].total_variation for r in records])
        verdict = standings[name].verdict if name in standings else None
        groups.setdefault(verdict, []).append(f"{label(name)} ({away:.3f})")
    parts = [
        f"{_standing(verdict)} {listed(groups[verdict])}"
        for verdict in sorted(groups, key=lambda verdict: [*STANDINGS, verdict].index(verdict))
    ]
    return f"Null models, with their average: the theory is {'; '.join(parts)}." if parts else ""


def _standing(verdict: str | None) -> str:
    """A verdict before the null models that it is about; of one end only, it says so."""
    both = (verdict or "").removesuffix(ONE_END)
    said = STANDINGS.get(both or None, both)
    return said if both == (verdict or "") else f"{ONE_END.strip(' ()')}, {said}"


def _size_sentence(records: Sequence[Checkpoint]) -> str:
    """How large the network's learned interactions are beside those of the theory."""
    scales = [r.scale for r in records if r.scale is not None]
    if not scales:
        return ""
    return (
        f"The theory predicts shares, not size: what the network has learned is "
        f"{min(scales):.2g} to {max(scales):.2g} times as large as predicted."
    )


def _split_sentence(records: Sequence[Checkpoint]) -> str:
    """How far the share of order 1 depends on which of the sparsest explanations is taken."""
    shares = {
        r.epoch: sorted((r.measured[0], r.other.measured[0]))
        for r in records
        if r.other is not None
    }
    if not shares:
        return (
            "Only one of the equally sparse explanations was fitted; how far the shares of the "
            "orders 1 and 2 hang on that choice is not known."
        )
    epoch = max(shares, key=lambda epoch: shares[epoch][1] - shares[epoch][0])
    low, high = shares[epoch]
    if high - low < OPEN:
        return (
            f"Both ends of the equally sparse explanations give order 1 the same share to within "
            f"{OPEN:g}."
        )
    return (
        f"The outputs do not determine the split of the orders 1 and 2: equally sparse "
        f"explanations give order 1 a share of {low:.2f} or of {high:.2f} at epoch {epoch:g}, "
        f"where they differ most."
    )


def _noise_path(records: Sequence[Checkpoint]) -> str:
    """Where the fitted σ² starts, is largest and ends, of the checkpoints that determine it."""
    inside = [r for r in records if not r.bound]
    if not inside:
        return "no checkpoint determines σ²"
    first, last = inside[0], inside[-1]
    largest = max(inside, key=lambda r: r.sigma2)
    if first is last:
        path = f"the fitted σ² is {first.sigma2:.1e} at epoch {first.epoch:g} alone"
        return f"{path}; {len(records) - 1} of {len(records)} checkpoints leave it a bound"
    path = f"the fitted σ² goes from {first.sigma2:.1e} (epoch {first.epoch:g})"
    if first is not records[0]:
        path = (
            f"the fitted σ² goes from {noise_text(records[0])} (epoch {records[0].epoch:g}) over "
        )
        path += f"{first.sigma2:.1e} (epoch {first.epoch:g})"
    if largest not in (first, last):
        path += f" through {largest.sigma2:.1e} (epoch {largest.epoch:g}, the largest)"
    path += f" to {last.sigma2:.1e} (epoch {last.epoch:g})"
    if last is not records[-1]:
        path += f", then {noise_text(records[-1])}"
    if len(inside) < len(records):
        path += f"; {len(records) - len(inside)} of {len(records)} checkpoints leave it a bound"
    return path


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


def role(document: Document, record: Checkpoint) -> str:
    """What a checkpoint is to the theory, where it is no test of it: target or start."""
    if record is document.checkpoints[-1]:
        return "target"
    return "" if record.tested else "start"


def size_text(fitted: Checkpoint) -> str:
    """How large the learned interactions are beside the theory's; nothing where none can be."""
    if fitted.scale is None:
        return ""
    learned = abs(fitted.scale) > ROUNDING
    return f"{fitted.scale:.2g}" if learned else "0"


def short_label(name: str) -> str:
    """A null model's name as the head of a column."""
    return name.replace("_", "-")


def label(name: str) -> str:
    """A null model's name for a reader."""
    if name.startswith(SHARES):
        return f"{short_label(name.removeprefix(SHARES))} of shares"
    return {"frozen": "frozen final state", "tilt": "exponential tilt"}.get(name, short_label(name))
