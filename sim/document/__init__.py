"""A fit in plain values: what fit.json holds, what it must hold, and what it says."""

from sim.document.content import (
    findings as findings,
    fit_document as fit_document,
)
from sim.document.schema import (
    RECORD_KEYS as RECORD_KEYS,
    Checkpoint as Checkpoint,
    Document as Document,
    FoundPhases as FoundPhases,
    OtherEnd as OtherEnd,
    as_document as as_document,
    check_document as check_document,
    flat as flat,
)
from sim.document.words import (
    conclusion as conclusion,
    judged as judged,
    label as label,
    noise_text as noise_text,
    paragraphs as paragraphs,
    role as role,
    second_phase as second_phase,
    short_label as short_label,
    size_text as size_text,
    summary as summary,
)
