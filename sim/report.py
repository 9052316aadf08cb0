"""A fit as one self-contained HTML page: findings, figures, tables, settings, versions."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from sim.document import (
    Checkpoint,
    Document,
    as_document,
    check_document,
    flat,
    judged,
    label,
    noise_text,
    paragraphs,
    short_label,
    size_text,
)
from sim.files import atomic_path
from sim.fitting import BETTER, SAME, WORSE

CAPTIONS = {
    "dynamics": "How strength is distributed over the orders of interaction while the network "
    "trains, with its losses and the mean order; in brackets and shaded the interval of the "
    "boundary over inputs.",
    "theory_vs_network": "Measured distribution beside the theory's, at the fitted σ².",
    "noise_level": "Fitted noise variance σ² of each checkpoint, and how far the theory and the "
    "null models are from the measured distribution. Crosses and the dashed line, where there are "
    "any, are fits at the other end of the preference. A hollow mark of a null model is one that "
    "the theory is not told apart from, or not at both ends.",
    "size": "Shares, and what they do not show. Left: the measured share of each order, with its "
    "interval over inputs. Middle: size of the interactions of each order since the start, and of "
    "the mean effect |v(N) − v(∅)|. Right: size of what is learned beside the theory's.",
}
CLASSES = {BETTER: "better", WORSE: "worse", SAME: "same"}


def write_report(
    path: str | Path,
    document: Mapping[str, Any],
    figures: Mapping[str, bytes | str | Path] | None = None,
    title: str = "Interactions and their dynamics",
) -> None:
    """Writes the content of a `fit.json` as one HTML page that needs nothing else.

    Figures are embedded, no script is used, and nothing is loaded from a network. The same content
    gives the same bytes.

    Args:
        path: the HTML file.
        document: content of `fit.json`, by `fit_document`.
        figures: by name, PNG or SVG: bytes, or the path of a file.
        title: heading of the page.

    Raises:
        ValueError: a document that is no fit, or a figure that is neither PNG nor SVG.
        OSError: a figure's file cannot be read.

    Example:
        >>> import tempfile
        >>> record = {"epoch": 0.0, "sigma2": 0.1, "measured": [0.5, 0.5], "predicted": [0.4, 0.6],
        ...           "total_variation": 0.1, "mean_order": 1.5, "nulls": {}}
        >>> document = {"checkpoints": [record, record | {"epoch": 1.0}], "curves": {},
        ...             "phases": {"boundary": None}, "settings": {"seed": 1}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(Path(folder, "report.html"), document)
        ...     text = Path(folder, "report.html").read_text(encoding="utf-8")
        >>> text.startswith("<!DOCTYPE html>"), "epoch" in text
        (True, True)
    """
    check_document(document, "Argument `document`")
    page = _template().render(
        title=title,
        classes=CLASSES,
        figures=[_figure(name, content) for name, content in (figures or {}).items()],
        **_content(as_document(document)),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sim", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja")


def _content(document: Document) -> dict[str, Any]:
    """What the template shows, as texts."""
    records, versions = document.checkpoints, document.known_settings.versions
    losses = document.phases.losses
    return {
        "subtitle": _subtitle(document),
        "runs": document.known_settings.runs or 1,
        "findings": [paragraphs(document), [losses] if losses else []],
        "comparison": _comparison(document),
        "nulls": [short_label(name) for name in records[0].nulls],
        "both_ends": records[0].other is not None,
        "starts": document.options.start,
        "sized": any(record.scale is not None for record in records),
        "checkpoints": [_checkpoint(document, record) for record in records],
        "orders": list(range(1, len(records[0].measured) + 1)),
        "distributions": [
            [f"{record.epoch:g}", name, *(f"{share:.3f}" for share in shares)]
            for record in records
            for name, shares in (("measured", record.measured), ("predicted", record.predicted))
        ],
        "settings": _settings(document),
        "versions": list(versions.items()),
    }


def _subtitle(document: Document) -> str:
    settings = document.known_settings
    measured = settings.measurement or {}
    facts = [str(measured[key]) for key in ("network", "data") if measured.get(key)]
    runs = settings.runs or 1
    if settings.samples is not None:
        inputs = settings.samples // runs
        facts.append(
            f"{inputs} inputs" if runs == 1 else f"{runs} training runs of {inputs} inputs"
        )
    if settings.players is not None:
        facts.append(f"{settings.players} players")
    return " · ".join([*facts, f"{len(document.checkpoints)} checkpoints"])


def _comparison(document: Document) -> dict[str, Any] | None:
    """The theory beside the null models over what is tested; None without intervals."""
    records = judged(document)
    if not document.overall or not records:
        return None
    return {
        "first": f"{records[0].epoch:g}",
        "last": f"{records[-1].epoch:g}",
        "theory": _middles([r.total_variation for r in records], ", mean "),
        "parameters": document.parameters.get("theory", 1),
        "rows": [
            {
                "model": label(name),
                "parameters": document.parameters.get(name, ""),
                "distance": _middles([r.nulls[name].total_variation for r in records], ", "),
                "interval": f"{standing.low:+.3f} to {standing.high:+.3f}",
                "verdict": standing.verdict,
            }
            for name, standing in document.overall.items()
        ],
    }


def _middles(distances: Sequence[float], between: str) -> str:
    """Median and mean: the conclusion speaks of the one, differences are of the other."""
    return f"{np.median(distances):.3f}{between}{np.mean(distances):.3f}"


def _checkpoint(document: Document, record: Checkpoint) -> dict[str, Any]:
    """A row of the table of checkpoints."""
    beside = ""
    if record.bound:
        beside = "a bound only"
    elif record.sigma2_interval:
        beside = "{:.1e} to {:.1e}".format(*record.sigma2_interval)
        if record.run_sigma2_interval:
            beside += "; over runs {:.1e} to {:.1e}".format(*record.run_sigma2_interval)
    nulls = [record.nulls[name] for name in document.checkpoints[0].nulls]
    other = record.other
    return {
        "marked": record.epoch == document.phases.boundary,
        "epoch": f"{record.epoch:g}",
        "sigma2": noise_text(record),
        "beside": beside,
        "mean_order": "" if record.mean_order is None else f"{record.mean_order:.2f}",
        "theory": f"{record.total_variation:.3f}",
        "size": size_text(record),
        "other": None
        if other is None
        else {
            "sigma2": noise_text(other),
            "mean_order": f"{other.mean_order:.2f}",
            "theory": f"{other.total_variation:.3f}",
        },
        "nulls": [
            {"distance": f"{null.total_variation:.3f}", "verdict": null.verdict} for null in nulls
        ],
    }


def _settings(document: Document) -> list[tuple[str, str]]:
    """Names and values of all settings but the versions."""
    settings = {name: value for name, value in document.settings.items() if name != "versions"}
    if document.fit:
        settings["fit"] = document.fit
    return [
        (name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for name, value in flat(settings)
    ]


def _figure(name: str, content: bytes | str | Path) -> dict[str, str]:
    data = content if isinstance(content, bytes) else Path(content).read_bytes()
    if data.startswith(b"\x89PNG"):
        kind = "png"
    elif b"<svg" in data[:2000]:
        kind = "svg+xml"
    else:
        raise ValueError(f"Figure '{name}' must be PNG or SVG, but begins with {data[:8]!r}.")
    return {
        "source": f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}",
        "caption": CAPTIONS.get(name, name.replace("_", " ")),
    }
