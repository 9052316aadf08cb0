"""Figures of single samples: their largest interactions where people look, and their orders."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from sim.checks import ArgumentError
from sim.document import Document, as_document
from sim.explanation import Example, Explained, Shown, is_open
from sim.figures.style import BLUE, GREY, STYLE, VERMILLION, epoch_axis

POSITIVE, NEGATIVE = VERMILLION, BLUE
AND, OR = "-", (0, (1.2, 1.2))  # lines around the players: solid, and dotted
HATCH = "////"  # of bars that are OR interactions
NOTHING = 0.01  # of a value: what is smaller at the other end is none
NAMED = 3  # samples that are named at most
LETTERS = 44  # of a line of a label; it has two
SMALL = 6.5  # points, of what stands above a small panel
ROOM = 70  # for a sentence, in units of which a letter takes 0.62


def interactions(document: Document | Mapping[str, Any]) -> Figure:
    """The example samples, a row each, with their largest interactions at the last checkpoint."""
    explained = _explained(document)
    shown = [(each, each.explained[-1], _named(each)) for each in explained]
    return _rows(shown, f"epoch {explained[0].explained[-1].epoch:g}")


def interactions_over_epochs(document: Document | Mapping[str, Any]) -> Figure:
    """What are the largest interactions of the first example at the end, over the epochs."""
    return explained_figure(_explained(document)[0])


def samples(document: Document | Mapping[str, Any]) -> Figure:
    """The mean order of every sample over the epochs, and of all of them.

    Samples that a network learns by interactions of high order stand out; those whose mean order
    is highest at the end are named, and drawn dashed.
    """
    document = as_document(document)
    if document.samples is None:
        raise ArgumentError("document", "hold `samples`", "is of an older fit")
    epochs = np.array([record.epoch for record in document.checkpoints])
    orders = np.array(document.samples.mean_order, dtype=float)
    named = max(1, min(NAMED, orders.shape[1] // 4))
    highest = np.argsort(-np.nan_to_num(orders[-1], nan=-1.0), kind="stable")[:named]
    with plt.style.context(STYLE):
        figure, ax = plt.subplots(figsize=(6.6, 3.4))
        for sample in range(orders.shape[1]):
            if sample not in highest:
                ax.plot(epochs, orders[:, sample], color=GREY, lw=0.6, alpha=0.5)
        for place, sample in enumerate(highest):
            line = ((0, (5, 1.5)), (0, (2, 1)), (0, (5, 1, 1, 1)))[place]
            name = document.samples.names[sample]
            ax.plot(
                epochs, orders[:, sample], color=VERMILLION, lw=1.3, ls=line, label=_plain(name)
            )
        mean = [record.mean_order for record in document.checkpoints]
        if None not in mean:
            ax.plot(epochs, np.array(mean, float), color="black", lw=2, label="all samples")
        ax.plot([], [], color=GREY, lw=0.6, label="the others")
        ax.set_ylabel("mean order of a sample")
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="highest at the end")
        epoch_axis(ax, epochs)
    return figure


def _explained(document: Document | Mapping[str, Any]) -> list[Example]:
    """The inputs of a fit with their largest interactions; raises where it keeps none."""
    explained = as_document(document).explained
    if not explained:
        raise ArgumentError("document", "hold `explained`", "is of an older fit")
    return explained


def explained_figure(example: Example) -> Figure:
    """A sample with its largest interactions at the last of its checkpoints, a row for each.

    An interaction keeps its column. Grey are those that are not salient yet.

    Args:
        example: by `sim.explanation.example`.
    """
    shown = [(example, at, f"epoch {at.epoch:g}") for at in example.explained]
    return _rows(shown, _named(example).replace("\n", ", "))


def _named(example: Example) -> str:
    """A sample's name, and its class."""
    name = _plain(example.name)
    return name if example.label is None else f"{name}\nclass {example.label}"


def _rows(rows: Sequence[tuple[Example, Explained, str]], heading: str) -> Figure:
    """A row for each (sample, its interactions at an epoch, title)."""
    drawn = rows[0][0]
    with plt.style.context(STYLE):
        if drawn.pixels is not None:
            figure = _image_rows(rows)
        else:
            figure = _list_rows(rows, _bars if drawn.words is None else _sentence)
        figure.suptitle(heading)
    return figure


def _image_rows(rows: Sequence[tuple[Example, Explained, str]]) -> Figure:
    """The image, and beside it a small one for each interaction with its players outlined."""
    columns = 1 + max(len(at.top) for _, at, _ in rows)
    size = (1.15 * columns, 1.5 * len(rows) + 0.7)
    figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
    for line, (example, at, title) in zip(axes, rows, strict=True):
        for ax in line:
            ax.set_axis_off()
        _picture(line[0], example)
        line[0].set_title(title, fontsize=7.5)
        for ax, shown in zip(line[1:], at.top, strict=False):
            _interaction(ax, example, shown)
    _key(figure, patches=True)
    return figure


def _picture(ax: Axes, example: Example) -> None:
    image = np.asarray(example.pixels)
    height, width = image.shape[:2]
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    ax.set_xlim(-0.06 * width, 1.06 * width)
    ax.set_ylim(1.06 * height, -0.06 * height)


def _interaction(ax: Axes, example: Example, shown: Shown) -> None:
    """The image, darker where it is not of the interaction's players, and their outlines."""
    _picture(ax, example)
    height, width = np.asarray(example.pixels).shape[:2]
    regions = np.asarray(example.regions, dtype=bool)[shown.members]
    own = np.logical_or.reduce(regions)
    veil = np.zeros((*own.shape, 4))
    veil[..., :3], veil[..., 3] = 0.5, np.where(own, 0.0, 0.75)
    ax.imshow(veil, extent=(0, width, height, 0), interpolation="nearest")
    ax.set_xlim(-0.06 * width, 1.06 * width)
    ax.set_ylim(1.06 * height, -0.06 * height)
    color = _color(shown)
    scale = np.array([width / own.shape[1], height / own.shape[0]])
    edges = [edge * scale for region in regions for edge in _edges(region)]
    for edge in edges:  # below all the lines, so that they are seen on any picture
        ax.plot(*edge.T, color="white", lw=2.8, solid_capstyle="round")
    for edge in edges:
        ax.plot(*edge.T, color=color, lw=1.6, ls=AND if shown.kind == "AND" else OR)
    value, *other = _value(shown).split(" or ")
    beside = "".join(f"or {end} · " for end in other)
    title = f"{_kind(shown)} {value}\n{beside}{100 * shown.share:.0f} %"
    ax.set_title(title, fontsize=SMALL)


def _edges(region: np.ndarray) -> list[np.ndarray]:
    """The border of a region as segments (2, 2) of points (x, y), each edge of a place once."""
    padded = np.pad(region, 1)
    edges = []
    for row, column in np.argwhere(padded[1:] != padded[:-1]):
        edges.append(np.array([[column - 1, row], [column, row]], dtype=float))
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        edges.append(np.array([[column, row - 1], [column, row]], dtype=float))
    return edges


def _list_rows(
    rows: Sequence[tuple[Example, Explained, str]],
    draw: Callable[[Axes, Example, Explained], None],
) -> Figure:
    """The samples or epochs one below the other, with a line for each interaction."""
    lines = [max(1, len(at.top)) for _, at, _ in rows]
    size = (6.8, 0.26 * sum(lines) + 0.55 * len(rows) + 0.8)
    figure, axes = plt.subplots(len(rows), 1, figsize=size, height_ratios=lines, squeeze=False)
    for ax, (example, at, title) in zip(axes[:, 0], rows, strict=True):
        ax.set_title(title.replace("\n", ", "), loc="left", fontsize=7.5)
        draw(ax, example, at)
    if draw is _bars:
        axes[-1, 0].set_xlabel("interaction (log-odds); a line leads to the other end's value")
    _key(figure, patches=draw is _sentence)
    return figure


def _bars(ax: Axes, example: Example, at: Explained) -> None:
    """A bar for each interaction, the largest on top; a thin line to the other end's value."""
    places = np.arange(len(at.top))
    for place, shown in zip(places, at.top, strict=True):
        color = _color(shown)
        face = "white" if shown.kind == "OR" and len(shown.members) > 1 else color
        ax.barh(
            place,
            shown.value,
            0.7,
            facecolor=face,
            edgecolor=color,
            hatch=HATCH if face == "white" else None,
        )
        if shown.other is not None and is_open(shown.value, shown.other):
            ax.plot([shown.value, shown.other], [place, place], color="black", lw=1)
            ax.plot(shown.other, place, color="black", marker="|", ms=7)
    ax.axvline(0, color=GREY, lw=0.8)
    ax.set_yticks(places, [_label(example, shown) for shown in at.top], fontsize=SMALL)
    ax.invert_yaxis()


def _sentence(ax: Axes, example: Example, at: Explained) -> None:
    """The sentence once for each interaction, with boxes around its players."""
    words = [word for word in example.words or [] if word]  # no padding
    regions = np.asarray(example.regions, dtype=bool)[:, np.array(example.words) != ""]
    ax.set_axis_off()
    if _widths(words).sum() > ROOM:
        words, regions = _abridged(words, regions)
    widths = _widths(words)
    starts = np.concatenate([[0.0], np.cumsum(widths)])
    lead = 21.0
    size = 7 * min(1.0, (lead + ROOM) / (lead + starts[-1]))
    ax.set_xlim(0, lead + max(starts[-1], 30))
    ax.set_ylim(max(1, len(at.top)) - 0.5, -0.5)
    for line, shown in enumerate(at.top):
        color = _color(shown)
        text = f"{_kind(shown)} {_value(shown)} · {100 * shown.share:.0f} %"
        ax.text(0, line, text, va="center", color=color, fontsize=7)
        own = np.logical_or.reduce(regions[shown.members])
        for word, start, width, marked in zip(words, starts, widths, own, strict=False):
            ax.text(
                lead + start + width / 2,
                line,
                _plain(word),
                va="center",
                ha="center",
                fontsize=size,
                color="black" if marked else GREY,
            )
            if marked:
                ax.add_patch(
                    FancyBboxPatch(
                        (lead + start + 0.1, line - 0.36),
                        width - 0.2,
                        0.72,
                        boxstyle="round,pad=0,rounding_size=0.25",
                        facecolor="none",
                        edgecolor=color,
                        linestyle=AND if shown.kind == "AND" else OR,
                        lw=1.2,
                    )
                )


def _widths(words: Sequence[str]) -> np.ndarray:
    """Of words in a line, in the units of its axis."""
    return np.array([0.62 * len(word) + 1.0 for word in words])


def _abridged(words: Sequence[str], regions: np.ndarray) -> tuple[list[str], np.ndarray]:
    """A long sentence with … in place of the words, one or many, that are no player's."""
    belongs = np.asarray(regions.any(axis=0))
    kept = [at for at in range(len(words)) if belongs[at] or at == 0 or belongs[at - 1]]
    return [words[at] if belongs[at] else "…" for at in kept], regions[:, kept]


def _key(figure: Figure, *, patches: bool) -> None:
    """What solid and dotted lines, hatches and colours say; below all panels."""
    if patches:
        handles = [
            Patch(facecolor="none", edgecolor="black", ls=AND, label="AND, or alone"),
            Patch(facecolor="none", edgecolor="black", ls=OR, label="OR"),
        ]
    else:
        handles = [
            Patch(facecolor=GREY, edgecolor=GREY, label="AND, or alone"),
            Patch(facecolor="white", edgecolor=GREY, hatch=HATCH, label="OR"),
        ]
    handles += [
        Patch(facecolor=POSITIVE, label="+ for its class"),
        Patch(facecolor=NEGATIVE, label="− against it"),
        Patch(facecolor=GREY, label="not salient"),
    ]
    if patches:
        open_range = Patch(facecolor="none", edgecolor="none", label="or x: at the other end")
        handles.append(open_range)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=7)


def _plain(text: str) -> str:
    """A text as it is; matplotlib would take what stands between dollar signs for a formula."""
    return text.replace("$", r"\$")


def _color(shown: Shown) -> str:
    if not shown.salient:
        return GREY
    return POSITIVE if shown.value > 0 else NEGATIVE


def _kind(shown: Shown) -> str:
    return shown.kind if len(shown.members) > 1 else "alone"


def _value(shown: Shown) -> str:
    """The value with its sign; with that of the other end where the two are far apart."""
    if shown.share < NOTHING * NOTHING:
        return "0"
    text = signed(shown.value)
    if shown.other is None or not is_open(shown.value, shown.other):
        return text
    other = 0.0 if abs(shown.other) < NOTHING * abs(shown.value) else shown.other
    return f"{text} or {signed(other)}"


def signed(value: float) -> str:
    """A value in two digits with its sign."""
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def _label(example: Example, shown: Shown) -> str:
    """The players' names, in two lines at most."""
    names = [example.players[member] for member in shown.members]
    lines = textwrap.wrap((" | " if shown.kind == "OR" else " & ").join(names), LETTERS)
    if len(lines) > 2:
        lines = [lines[0], lines[1][: LETTERS - 2] + " …"]
    return _plain("\n".join(lines))
