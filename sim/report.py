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
    role,
    short_label,
    size_text,
    summary,
)
from sim.files import atomic_path
from sim.fitting import BETTER, DEPENDS, ONE_END, SAME, WORSE

CAPTIONS = {
    "dynamics": "How strength is distributed over the orders of interaction while the network "
    "trains, with its losses and the mean order; in brackets and shaded the interval of the "
    "boundary over inputs.",
    "theory_vs_network": "Measured distribution beside the theory's, at the fitted σ².",
    "noise_level": "Fitted noise variance σ² of each checkpoint, and how far the theory and the "
    "null models are from the measured distribution. Hollow marks of a null model: the theory is "
    "not told apart from it, or not at both ends of the preference.",
    "size": "Shares, and what they do not show. Left: the measured share of each order, with its "
    "interval over inputs. Middle: size of the interactions of each order since the start, and of "
    "the mean effect |v(N) − v(∅)|. Right: size of what is learned beside the theory's.",
    "interactions": "What single outputs rest on: the largest interactions of some inputs, with "
    "the share that each has of all. Solid: AND, or one player alone; dotted or hatched: OR. Two "
    "values are those at the two ends of the preference: the outputs leave open all between.",
    "interactions_over_epochs": "How the largest interactions of one input came about: each keeps "
    "its place; grey ones are not salient yet.",
    "samples": "Mean order of every input, and of all together. One that stands out is learned by "
    "interactions of higher order than the others; [Ren24] proposes to look for false labels "
    "there.",
}
GLOSSARY = {
    "player": "A part of the input that is shown or hidden as one: a patch of an image, a word, a "
    "column of a table. With the players of S shown and all others hidden, the network's output "
    "is v(S), the log-odds of the true class.",
    "AND": "An AND interaction of some players adds its value to the output only where all of them "
    "are shown.",
    "OR": "An OR interaction adds its value where at least one of its players is shown.",
    "order": "The number of players of an interaction. The mean order weighs the orders by their "
    "strength: it is low where the network looks at single players, high where it needs many "
    "together.",
    "salient": "Large enough to count: {salience:.3g} of the mean effect |v(N) − v(∅)|, by which "
    "showing everything moves the output, or more. The many small interactions below are left out.",
    "strength": "How much the salient interactions of an order add up to in absolute value, "
    "averaged over the inputs. A share is the strength of one order divided by that of all.",
    "σ²": "The variance of the noise that, in the theory, training puts on the interactions: more "
    "on those of high order. While it falls, a network can learn higher orders. It is fitted, one "
    "value for each checkpoint.",
    "total variation": "How far two distributions over orders are apart: half the sum of their "
    "absolute differences. It is 0 where they are equal and 1 where they share no order.",
    "null model": "A simpler rule that knows as much as the theory. Where it comes as near to the "
    "measured distribution, the data do not single out the theory.",
    "end of the preference": "Many explanations can be equally sparse, and differ in the orders 1 "
    "and 2. Two of them are fitted: the one of lowest orders and the one of highest.",
}
"""What the words of the page mean, for someone who reads only this."""

CLASSES = {BETTER: "better", WORSE: "worse", SAME: "same"}


def write_report(
    path: str | Path,
    document: Mapping[str, Any],
    figures: Mapping[str, bytes | str | Path] | None = None,
    title: str | None = None,
) -> None:
    """Writes the content of a `fit.json` as one HTML page that needs nothing else.

    Figures are embedded, no script is used, and nothing is loaded from a network. The same content
    gives the same bytes.

    Args:
        path: the HTML file.
        document: content of `fit.json`, by `fit_document`.
        figures: by name, PNG or SVG: bytes, or the path of a file.
        title: heading of the page; by default the name of the experiment, where it is known.

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
    content = as_document(check_document(document, "Argument `document`"))
    page = _template().render(
        title=title or _title(content),
        classes=CLASSES,
        figures=[_figure(name, drawn) for name, drawn in (figures or {}).items()],
        **_content(content),
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
    salience = document.options.salience
    return {
        "facts": _facts(document),
        "runs": document.known_settings.runs or 1,
        "summary": summary(document),
        "details": [*paragraphs(document), *([losses] if losses else [])],
        "glossary": [(word, text.format(salience=salience)) for word, text in GLOSSARY.items()],
        "examples": _examples(document),
        "dummies": document.dummies,
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


def _title(document: Document) -> str:
    name = (document.known_settings.measurement or {}).get("experiment")
    return "Interactions and their dynamics" + (f": {name}" if name else "")


def _facts(document: Document) -> list[tuple[str, str]]:
    """What was measured, as far as it is known: names and texts."""
    settings = document.known_settings
    measured = settings.measurement or {}
    names = ("network", "data", "optimiser", "masking")
    facts = [(name, str(measured[name])) for name in names if measured.get(name)]
    runs = settings.runs or 1
    if settings.samples is not None:
        inputs = f"{settings.samples // runs} inputs"
        facts.append(
            ("inputs", inputs if runs == 1 else f"{inputs} in each of {runs} training runs")
        )
    if settings.players is not None:
        facts.append(
            (
                "players",
                f"{settings.players}, so {2**settings.players} masked versions of each input",
            )
        )
    first, last = document.checkpoints[0], document.checkpoints[-1]
    span = f"{len(document.checkpoints)}, from epoch {first.epoch:g} to {last.epoch:g}"
    facts.append(("checkpoints", span))
    accuracies = [
        f"{100 * curve[-1]:.1f} % in {part}"
        for part in ("training", "test")
        if (curve := document.curves.get(f"{part.removesuffix('ing')}_accuracy"))
    ]
    if accuracies:
        facts.append(("accuracy", f"{', '.join(accuracies)} at the last checkpoint"))
    return facts


def _examples(document: Document) -> dict[str, Any] | None:
    """Some of the inputs and what their players are called; None where no more is known of them."""
    examples = document.examples
    known = {
        name: any(getattr(one, name) is not None for one in examples)
        for name in ("name", "label", "players")
    }
    if not any(known.values()):
        return None
    players = [one.players for one in examples]
    shared = known["players"] and all(one == players[0] for one in players)
    cells = {
        "input": [one.name or f"{at}" for at, one in enumerate(examples)],
        "class": ["" if one.label is None else str(one.label) for one in examples],
        "output": [f"{one.output:+.2f}" for one in examples],
        "players": [" · ".join(one.players or ()) for one in examples],
    }
    if not known["label"]:
        del cells["class"]
    if shared or not known["players"]:
        del cells["players"]
    return {
        "heads": list(cells),
        "rows": list(zip(*cells.values(), strict=True)),
        "players": " · ".join(players[0] or ()) if shared else "",
    }


def _comparison(document: Document) -> dict[str, Any] | None:
    """The theory beside the null models over what is tested; None without intervals."""
    records = judged(document)
    if not document.overall or not records:
        return None
    return {
        "first": f"{records[0].epoch:g}",
        "last": f"{records[-1].epoch:g}",
        "theory": _average([r.total_variation for r in records]),
        "parameters": document.parameters.get("theory", 1),
        "rows": [
            {
                "model": label(name),
                "parameters": document.parameters.get(name, ""),
                "distance": _average([r.nulls[name].total_variation for r in records]),
                "interval": f"{standing.low:+.3f} to {standing.high:+.3f}",
                "verdict": standing.verdict,
            }
            for name, standing in document.overall.items()
        ],
    }


def _average(distances: Sequence[float]) -> str:
    """The mean, since intervals and verdicts are those of mean differences."""
    return f"{np.mean(distances):.3f}"


def _checkpoint(document: Document, record: Checkpoint) -> dict[str, Any]:
    """A row of the table of checkpoints; of start and target, which nothing is to judge, little."""
    other = record.other
    row: dict[str, Any] = {
        "marked": record.epoch == document.phases.boundary,
        "epoch": f"{record.epoch:g}",
        "mean_order": "" if record.mean_order is None else f"{record.mean_order:.2f}",
        "other": None if other is None else {"mean_order": f"{other.mean_order:.2f}"},
        "role": role(document, record),
    }
    if row["role"]:
        return row
    beside: list[str] = []
    if record.bound:
        beside = ["a bound only"]
    elif record.sigma2_interval:
        beside = ["{:.1e} to {:.1e}".format(*record.sigma2_interval)]
        if record.run_sigma2_interval:
            beside.append("runs {:.1e} to {:.1e}".format(*record.run_sigma2_interval))
    nulls = [record.nulls[name] for name in document.checkpoints[0].nulls]
    if other is not None:
        row["other"] |= {"sigma2": noise_text(other), "theory": f"{other.total_variation:.3f}"}
    return row | {
        "sigma2": noise_text(record),
        "beside": beside,
        "theory": f"{record.total_variation:.3f}",
        "size": size_text(record),
        "nulls": [
            {"distance": f"{null.total_variation:.3f}", "verdict": _in_a_cell(null.verdict)}
            for null in nulls
        ],
    }


def _in_a_cell(verdict: str | None) -> str:
    """A verdict in few words; the text above the table says at which ends it stands."""
    word = (verdict or "").removesuffix(ONE_END)
    return {SAME: "not told apart", DEPENDS: "depends"}.get(word, word)


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
