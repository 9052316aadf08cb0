"""A fit as one self-contained HTML page: findings, figures, tables, settings, versions."""

from __future__ import annotations

import base64
import html
import importlib.resources
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.document import check_fit, conclusion, label, noise_text, second_phase, short_label
from sim.files import atomic_path
from sim.fitting import BETTER, SAME, WORSE

CAPTIONS = {
    "dynamics": "How strength is distributed over the orders of interaction while the network "
    "trains, with its losses and the mean order.",
    "theory_vs_network": "Measured distribution beside the theory's, at the fitted σ².",
    "noise_level": "Fitted noise variance σ² of each checkpoint, and how far the theory and the "
    "null models are from the measured distribution. A hollow mark of a null model is one that the "
    "bootstrap does not tell apart from the theory.",
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
    check_fit(document, "Argument `document`")
    images = [_figure(name, content) for name, content in (figures or {}).items()]
    style = importlib.resources.files("sim").joinpath("report.css").read_text(encoding="utf-8")
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="sub">{html.escape(_subtitle(document))}</p>',
        *_finding_blocks(document),
        *(["<h2>Figures</h2>", *images] if images else []),
        "<h2>Checkpoints</h2>",
        _checkpoint_table(document),
        _distribution_tables(document["checkpoints"]),
        "<h2>Settings</h2>",
        _settings(document),
    ]
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _subtitle(document: Mapping[str, Any]) -> str:
    settings = document["settings"]
    measured = settings.get("measurement") or {}
    parts = [str(measured[key]) for key in ("network", "data") if measured.get(key)]
    for key in ("samples", "players"):
        if settings.get(key) is not None:
            parts.append(f"{settings[key]} {key}")
    return " · ".join([*parts, f"{len(document['checkpoints'])} checkpoints"])


def _finding_blocks(document: Mapping[str, Any]) -> Iterable[str]:
    yield f'<p class="finding">{html.escape(conclusion(document))}</p>'
    verdict = document["phases"].get("verdict")
    if verdict:
        yield f'<p class="finding">{html.escape(verdict)}</p>'
    overall = document.get("overall")
    if not overall:
        return
    parameters = document.get("parameters") or {}
    records = second_phase(document)
    head = ["null model", "free parameters", "mean distance", "theory − null", "the theory is"]
    rows = [
        [
            html.escape(label(name)),
            str(parameters.get(name, "")),
            f"{np.mean([r['nulls'][name]['total_variation'] for r in records]):.3f}",
            f"{entry['low']:+.3f} to {entry['high']:+.3f}",
            _verdict(entry["verdict"]),
        ]
        for name, entry in overall.items()
    ]
    theory = np.mean([r["total_variation"] for r in records])
    yield "<h2>The theory beside models that know nothing of it</h2>"
    yield (
        "<p>Distance is the total variation between the measured distribution over orders and the "
        f"fitted one, here over epochs {records[0]['epoch']:g} to {records[-1]['epoch']:g}; the "
        f"theory's mean is {theory:.3f} with {parameters.get('theory', 1)} free parameter per "
        "checkpoint. Intervals of the mean difference come from drawing the samples anew; the "
        "theory is better or worse only where the interval leaves 0 out.</p>"
    )
    yield _table(head, rows)


def _checkpoint_table(document: Mapping[str, Any]) -> str:
    records = document["checkpoints"]
    nulls = list(records[0]["nulls"])
    head = ["epoch", "σ²", "mean order", "theory", *map(short_label, nulls)]
    rows = []
    for record in records:
        sigma2 = noise_text(record)
        if record.get("bound"):
            sigma2 = f"{sigma2}<small>a bound only</small>"
        elif record.get("sigma2_interval"):
            low, high = record["sigma2_interval"]
            sigma2 = f"{sigma2}<small>{low:.1e} to {high:.1e}</small>"
        mean = record.get("mean_order")
        row = [
            f"{record['epoch']:g}",
            sigma2,
            "" if mean is None else f"{mean:.2f}",
            f"{record['total_variation']:.3f}",
        ]
        for name in nulls:
            null = record["nulls"][name]
            cell = f"{null['total_variation']:.3f}"
            if null.get("verdict"):
                cell += f"<small>{_verdict(null['verdict'])}</small>"
            row.append(cell)
        rows.append(row)
    boundary = document["phases"].get("boundary")
    marked = {i for i, r in enumerate(records) if boundary is not None and r["epoch"] == boundary}
    note = (
        "<p>Total variation between the measured distribution and the fitted one. Below each null "
        "model: whether the theory is better or worse than it there. The last checkpoint is the "
        "target of the fit."
        + (" The shaded row is the boundary between the phases." if marked else "")
        + "</p>"
    )
    return note + _table(head, rows, marked)


def _distribution_tables(records: Sequence[Mapping[str, Any]]) -> str:
    orders = range(1, len(records[0]["measured"]) + 1)
    head = ["epoch", "distribution", *map(str, orders)]
    rows = [
        [f"{r['epoch']:g}", name, *(f"{share:.3f}" for share in r[name])]
        for r in records
        for name in ("measured", "predicted")
    ]
    return (
        "<details><summary>Shares of strength by order</summary>"
        + _table(head, rows)
        + "</details>"
    )


def _settings(document: Mapping[str, Any]) -> str:
    settings = dict(document["settings"])
    versions = settings.pop("versions", {})
    if document.get("fit"):
        settings["fit"] = document["fit"]
    rows = [(html.escape(name), html.escape(value)) for name, value in _flat(settings)]
    table = _table(["setting", "value"], rows, kind="settings")
    rows = [(html.escape(name), html.escape(str(version))) for name, version in versions.items()]
    return table + (_table(["package", "version"], rows, kind="settings") if rows else "")


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    """Nested settings as (name.of.setting, value)."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{above}{name}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{above}{name}", str(value)


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    marked: Iterable[int] = (),
    kind: str = "numbers",
) -> str:
    marked = set(marked)
    lines = ["".join(f"<th>{html.escape(name)}</th>" for name in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    text = "\n".join(
        f'<tr class="boundary">{line}</tr>' if i - 1 in marked else f"<tr>{line}</tr>"
        for i, line in enumerate(lines)
    )
    return f'<div class="scroll"><table class="{kind}">\n{text}\n</table></div>'


def _verdict(verdict: str) -> str:
    return f'<span class="{CLASSES.get(verdict, "same")}">{html.escape(verdict)}</span>'


def _figure(name: str, content: bytes | str | Path) -> str:
    data = content if isinstance(content, bytes) else Path(content).read_bytes()
    if data.startswith(b"\x89PNG"):
        kind = "png"
    elif b"<svg" in data[:2000]:
        kind = "svg+xml"
    else:
        raise ValueError(f"Figure '{name}' must be PNG or SVG, but begins with {data[:8]!r}.")
    caption = CAPTIONS.get(name, name.replace("_", " "))
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f'<figure><img src="{source}" alt="{html.escape(caption, quote=True)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
