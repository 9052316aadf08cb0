"""What a `fit.json` must hold, and one line on what is wrong with it where it does not."""

from __future__ import annotations

import json
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from sim.explanation import KINDS, Example as Explanation
from sim.fitting import BOUNDS, LEVEL
from sim.phases import PATTERNS
from theory import SALIENCE

KEYS = ("checkpoints", "phases", "curves", "settings")

LARGEST = sys.float_info.max  # a bound that leaves out infinity, NaN and integers beyond floats
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST, description="a finite number")]
OptionalNumber = Annotated[Number | None, Meta(description="null or a finite number")]
Pair = Annotated[list[Number], Meta(min_length=2, max_length=2)]
OptionalPair = Annotated[Pair | None, Meta(description="null or two finite numbers")]
Share = Annotated[float, Meta(ge=0, le=LARGEST)]
Shares = Annotated[
    list[Share], Meta(min_length=1, description="a list of finite, nonnegative numbers")
]
SharesInterval = Annotated[
    Annotated[list[Shares], Meta(min_length=2, max_length=2)] | None,
    Meta(description="null or two lists of finite, nonnegative numbers"),
]
Series = Annotated[  # how many numbers there must be, and of what kind, `_check_series` knows
    list[Any] | None, Meta(description="null or finite numbers, one a checkpoint")
]
Rows = Annotated[list[list[Number | None]], Meta(description="lists of finite numbers")]
RowsInterval = Annotated[
    Annotated[list[Rows], Meta(min_length=2, max_length=2)] | None,
    Meta(description="null or two lists of lists of finite numbers"),
]
Text = Annotated[str, Meta(description="a text")]
OptionalText = Annotated[str | None, Meta(description="null or a text")]
Count = Annotated[
    Annotated[int, Meta(ge=1)] | None, Meta(description="null or a positive whole number")
]
Content = Annotated[dict[str, Any], Meta(description="a mapping")]


class Null(Struct, frozen=True, kw_only=True):
    """A null model at one checkpoint.

    Attributes:
        total_variation: between the measured distribution and the model's.
        parameter: fitted, or None for a model without one.
        predicted: shares of the orders 1..n.
        difference_interval: of the theory's total variation minus the model's.
        verdict: whether the theory is better or worse than the model.
    """

    total_variation: Number
    parameter: OptionalNumber = None
    predicted: Annotated[
        Shares | None, Meta(description="null or a list of finite, nonnegative numbers")
    ] = None
    difference_interval: OptionalPair = None
    verdict: OptionalText = None


NullModels = Annotated[
    dict[Annotated[str, Meta(pattern="^[^$]*$")], Null],  # figures would take $…$ for formulas
    Meta(
        description="a mapping of names, without $, to mappings with a number `total_variation`",
    ),
]
Bound = Annotated[
    Annotated[str, Meta(pattern=f"^({'|'.join(BOUNDS)})$")] | None,
    Meta(description=f"null or one of {', '.join(BOUNDS)}"),
]


class OtherEnd(Struct, frozen=True, kw_only=True):
    """The same checkpoint at the other end of `prefer`; see `Checkpoint`.

    The verdicts on its null models are those of this end by itself.
    """

    sigma2: Annotated[float, Meta(gt=0, le=LARGEST, description="a finite, positive number")]
    measured: Shares
    predicted: Shares
    total_variation: Number
    mean_order: Number
    bound: Bound = None
    nulls: NullModels = msgspec.field(default_factory=dict)


class Checkpoint(Struct, frozen=True, kw_only=True):
    """The record of one checkpoint, by `NoiseFit.records`.

    Attributes:
        epoch: of the checkpoint.
        sigma2: the noise variance that fits best.
        measured: shares of the orders 1..n.
        predicted: the same by the theory.
        total_variation: between the two.
        nulls: the null models by name.
        bound: what `sigma2` is where the data do not determine it; see `NoiseFit.bound`.
        mean_order: of the measured distribution.
        sigma2_interval: over inputs, from bootstrap resamples.
        total_variation_interval: of the theory's, from the same resamples.
        measured_interval: lower and upper ends of `measured`.
        run_sigma2_interval: over training runs, as are the other two; None with a single run.
        gap: largest certified gap of a sample's extraction.
        scale: how large the learned interactions are beside what the theory predicts.
        tested: whether it says something: neither the target nor a start that is predicted with.
        other: the same at the other end of `prefer`, or None.
    """

    epoch: Annotated[float, Meta(ge=0, le=LARGEST, description="a finite, nonnegative number")]
    sigma2: Annotated[float, Meta(gt=0, le=LARGEST, description="a finite, positive number")]
    measured: Shares
    predicted: Shares
    total_variation: Number
    nulls: NullModels
    bound: Bound = None
    mean_order: OptionalNumber = None
    sigma2_interval: OptionalPair = None
    total_variation_interval: OptionalPair = None
    measured_interval: SharesInterval = None
    run_sigma2_interval: OptionalPair = None
    run_total_variation_interval: OptionalPair = None
    run_measured_interval: SharesInterval = None
    gap: OptionalNumber = None
    scale: OptionalNumber = None
    tested: Annotated[bool, Meta(description="true or false")] = True
    other: Annotated[OtherEnd | None, Meta(description="null or a mapping")] = None


RECORD_KEYS = tuple(field.name for field in msgspec.structs.fields(Checkpoint) if field.required)
"""What every record of `checkpoints` must have."""


class Standing(Struct, frozen=True, kw_only=True):
    """The theory beside one null model over several checkpoints, by `NoiseFit.overall`."""

    low: Number
    high: Number
    verdict: Text


class FoundPhases(Struct, frozen=True, kw_only=True):
    """The phases, by `Phases.record`; the boundary and its interval are None where there are none.

    Where phases were not looked for, `p_value` is None.
    """

    boundary: OptionalNumber
    pattern: Annotated[
        Annotated[str, Meta(pattern=f"^({'|'.join(PATTERNS)})$")] | None,
        Meta(description=f"null or one of {', '.join(PATTERNS)}"),
    ] = None
    reason: OptionalText = None
    low: OptionalNumber = None
    high: OptionalNumber = None
    without: OptionalNumber = None
    p_value: OptionalNumber = 1.0
    trend_p_value: OptionalNumber = None
    level: OptionalNumber = None
    found_at: OptionalNumber = None
    fall: OptionalNumber = None
    rise: OptionalNumber = None
    mean_order: Series = None
    spread: Series = None
    noise: Series = None
    run_mean_order: Annotated[
        list[list[Number]] | None, Meta(description="null or lists of finite numbers")
    ] = None
    run_boundaries: Annotated[list[Number] | None, Meta(description="null or a list of epochs")] = (
        None
    )
    run_low: OptionalNumber = None
    run_high: OptionalNumber = None
    least_test_loss: OptionalNumber = None
    overfits: Annotated[bool | None, Meta(description="null, true or false")] = None
    loss_gap: Series = None
    gap_onset: OptionalNumber = None
    verdict: OptionalText = None
    losses: OptionalText = None


class Kept(Struct, frozen=True, kw_only=True):
    """What becomes of the initial interactions, by `Retention.record`; see `Retention`.

    Infinite sizes are None. Intervals are a list of lower and one of upper ends, or None.
    """

    verdict: Text
    answer: Text
    size: Rows
    overlap: Rows
    effect: Annotated[list[Number | None], Meta(description="a list of finite numbers")]
    size_interval: RowsInterval = None
    overlap_interval: RowsInterval = None
    kept_interval: RowsInterval = None


class Example(Struct, frozen=True, kw_only=True):
    """One of the measured inputs.

    Attributes:
        output: v(N) at the last checkpoint, the log-odds of the true class with nothing masked.
        name: of the input.
        label: its true class, by name where that is known.
        players: names of its players, from the first to the n-th.
    """

    output: Number
    name: OptionalText = None
    label: Annotated[int | str | None, Meta(description="null, a text or a whole number")] = None
    players: Annotated[list[str] | None, Meta(description="null or a list of texts")] = None


class Samples(Struct, frozen=True, kw_only=True):
    """Every sample, over the checkpoints.

    Attributes:
        names: of the samples.
        mean_order: (checkpoints, samples), None where a sample has no salient interaction.
    """

    names: Annotated[list[str], Meta(min_length=1, description="a list of texts")]
    mean_order: Rows


class Settings(Struct, frozen=True, kw_only=True):
    """Those of the settings that are read by name; there may be any others beside them."""

    players: Count = None
    samples: Count = None
    runs: Count = None
    measurement: Annotated[dict[str, Any] | None, Meta(description="null or a mapping")] = None
    versions: Annotated[dict[str, str], Meta(description="a mapping of packages to texts")] = (
        msgspec.field(default_factory=dict)
    )


class Options(Struct, frozen=True, kw_only=True):
    """Those of the options of a fit that are read by name."""

    level: Number = LEVEL
    prefer: OptionalText = None
    through: Text = "direct"
    salience: Annotated[float, Meta(ge=0, le=LARGEST, description="a nonnegative number")] = (
        SALIENCE
    )
    start: Annotated[bool, Meta(description="true or false")] = False


class Document(Struct, frozen=True, kw_only=True):
    """The content of a `fit.json` with its keys as attributes, by `as_document`.

    Attributes:
        checkpoints: one record each.
        phases: what was found of them.
        other_phases: the same at the other end of `prefer`, or None where that was not looked at.
        curves: losses and accuracies by name, each None or one number a checkpoint.
        settings: of the measurement, the extraction and the noise, and the versions.
        fit: options of the fit.
        parameters: free parameters that each model spends on each checkpoint.
        overall: the theory beside each null model, or None without bootstrap intervals.
        retention: what becomes of the initial interactions in absolute size, or None.
        examples: some of the measured inputs.
        dummies: a sentence on players that hardly matter, or None.
        explained: some of them with their largest interactions, as `sim.explanation` gives them.
        samples: the mean order of every sample, or None.
    """

    checkpoints: Annotated[
        list[Checkpoint], Meta(min_length=2, description="a list of at least two records")
    ]
    phases: Annotated[FoundPhases, Meta(description="a mapping")]
    curves: Content = msgspec.field(default_factory=dict)
    settings: Content = msgspec.field(default_factory=dict)
    fit: Content = msgspec.field(default_factory=dict)
    parameters: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(description="a mapping of names to whole numbers"),
    ] = msgspec.field(default_factory=dict)
    overall: Annotated[dict[str, Standing] | None, Meta(description="null or a mapping")] = None
    retention: Annotated[Kept | None, Meta(description="null or a mapping")] = None
    other_phases: Annotated[FoundPhases | None, Meta(description="null or a mapping")] = None
    examples: Annotated[
        list[Example], Meta(description="a list of inputs with an `output` each")
    ] = msgspec.field(default_factory=list)
    explained: Annotated[
        list[Explanation], Meta(description="a list of inputs with their interactions")
    ] = msgspec.field(default_factory=list)
    dummies: OptionalText = None
    samples: Annotated[Samples | None, Meta(description="null or a mapping")] = None

    @property
    def known_settings(self) -> Settings:
        """The settings that are read by name."""
        return msgspec.convert(self.settings, Settings)

    @property
    def options(self) -> Options:
        """The options of the fit that are read by name."""
        return msgspec.convert(self.fit, Options)


def as_document(content: Document | Mapping[str, Any]) -> Document:
    """The content of a `fit.json`, or of `findings`, with its keys as attributes.

    Raises:
        ValueError: it is no fit; see `check_document`, which says more.

    Example:
        >>> record = {"epoch": 0, "sigma2": 0.1, "measured": [0.5, 0.5], "predicted": [0.4, 0.6],
        ...           "total_variation": 0.1, "nulls": {}}
        >>> document = as_document({"checkpoints": [record, record | {"epoch": 4}],
        ...                         "phases": {"boundary": None}})
        >>> document.checkpoints[1].epoch, document.phases.boundary
        (4.0, None)
    """
    if isinstance(content, Document):
        return content
    return msgspec.convert(_plain(content), Document)


def check_document(
    document: Any, path: str | Path, keys: Iterable[str] = RECORD_KEYS
) -> Mapping[str, Any]:
    """Returns the content of a `fit.json` if it is what the report and figures can be made of.

    Args:
        document: the content.
        path: where it comes from, for the error.
        keys: that every record of `checkpoints` must have.

    Raises:
        ValueError: it is not a fit; names the file, the entry, what it must be, and what it is.

    Example:
        >>> record = {"epoch": 0, "sigma2": 0.1, "measured": [0.5, 0.5], "predicted": [0.4, 0.6],
        ...           "total_variation": 0.1, "nulls": {}}
        >>> content = {"checkpoints": [record, record | {"epoch": 4, "sigma2": -1}], "curves": {},
        ...            "phases": {"boundary": None}, "settings": {}}
        >>> check_document(content, "fit.json")
        Traceback (most recent call last):
        ValueError: fit.json: checkpoint 1: `sigma2` must be a finite, positive number, but is -1.
    """
    if not isinstance(document, Mapping) or not set(KEYS) <= set(document):
        held = (
            ", ".join(map(str, document))
            if isinstance(document, Mapping)
            else type(document).__name__
        )
        raise ValueError(
            f"{path}: must be a fit, with the keys {', '.join(KEYS)} (`interdyn fit` and "
            f"sim.fit_document make one), but holds {held or 'nothing'}."
        )
    plain = _plain(document)
    _check_texts(plain, path)
    _check_entries(plain, Document, str(path))
    _check_entries(plain["settings"], Settings, f"{path}: settings")
    _check_entries(plain.get("fit", {}), Options, f"{path}: fit")
    _check_records(plain["checkpoints"], path, keys)
    _check_series(plain, path)
    _check_phases(plain, path)
    _check_retention(plain, path)
    _check_explained(plain, path)
    _check_models(as_document(plain), path)
    _check_finite(plain, path)
    return document


def _plain(document: Mapping[str, Any]) -> Any:
    """The same with Python's own numbers, as they come from a file, in place of numpy's."""
    return msgspec.to_builtins(document, enc_hook=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return dict(value) if isinstance(value, Mapping) else str(value)


def _check_entries(content: Any, kind: type[Struct], where: str) -> None:
    """Raises where a mapping lacks a key, or holds an entry that is not of its type."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} must be a mapping, but is {reprlib.repr(content)}.")
    fields = msgspec.structs.fields(kind)
    if missing := sorted({field.name for field in fields if field.required} - set(content)):
        raise ValueError(f"{where} lacks {', '.join(missing)}.")
    for field in fields:
        if field.name in content:
            _check_entry(content[field.name], field.name, field.type, where)


def _check_entry(value: Any, name: str, kind: Any, where: str) -> None:
    """Raises where an entry is not of its type; names what in it is not, where it can."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        for place, content, inner in _inside(name, value):
            _check_entries(content, inner, f"{where}: {place}")
        raise _fault(where, name, kind.__metadata__[-1].description, value) from None


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any, type[Struct]]]:
    """The mappings with keys of their own in an entry, each with its name."""
    match name, value:
        case "checkpoints", [_, _, *_]:
            yield from ((f"checkpoint {at}", one, Checkpoint) for at, one in enumerate(value))
        case "phases" | "other_phases", dict():
            yield name, value, FoundPhases
        case "other", dict():
            yield name, value, OtherEnd
        case "retention", dict():
            yield name, value, Kept
        case "samples", dict():
            yield name, value, Samples
        case "examples", [dict(), *_]:
            yield from ((f"input {at}", one, Example) for at, one in enumerate(value))
        case "nulls" | "overall", dict() if all(isinstance(x, dict) for x in value.values()):
            kind = Null if name == "nulls" else Standing
            yield from ((f"{name}: {key}", one, kind) for key, one in value.items())


def _check_records(records: list[Any], path: str | Path, keys: Iterable[str]) -> None:
    """Raises where records do not agree with one another, or lack one of the keys."""
    first, before = records[0], -1.0
    orders, models = len(first["measured"]), first["nulls"].keys()
    for at, record in enumerate(records):
        where = f"{path}: checkpoint {at}"
        if missing := sorted(key for key in keys if record.get(key) is None):
            raise ValueError(
                f"{where} lacks {', '.join(missing)}; make the fit again, by `interdyn fit`."
            )
        if not record["epoch"] > before:
            raise _fault(where, "epoch", f"later than {before}", record["epoch"])
        ends = [(where, record)]
        if record.get("other") is not None:
            ends.append((f"{where}: other", record["other"]))
        for end, held in ends:
            for name in ("measured", "predicted"):
                if len(held[name]) != orders:
                    must = f"{orders} numbers, one for each order"
                    raise _fault(end, name, must, held[name])
        if not models <= record["nulls"].keys():
            must = f"of the models {', '.join(sorted(models))}"
            raise _fault(where, "nulls", must, record["nulls"])
        before = record["epoch"]


def _check_series(plain: Mapping[str, Any], path: str | Path) -> None:
    """Raises where something known at every checkpoint is not one finite number for each."""
    count = len(plain["checkpoints"])
    each = Annotated[list[Number], Meta(min_length=count, max_length=count)] | None
    kind = Annotated[each, Meta(description=f"null or {count} finite numbers, one a checkpoint")]
    for name, curve in plain["curves"].items():
        _check_entry(curve, name, kind, f"{path}: curves")
    for of_end, phases in _of_phases(plain):
        for name in ("mean_order", "spread", "noise", "loss_gap"):
            _check_entry(phases.get(name), name, kind, f"{path}: {of_end}")


def _check_phases(plain: Mapping[str, Any], path: str | Path) -> None:
    """Raises where a boundary has no interval, or a mark of the losses lies between checkpoints."""
    epochs = [record["epoch"] for record in plain["checkpoints"]]
    for of_end, phases in _of_phases(plain):
        where = f"{path}: {of_end}"
        for name in ("least_test_loss", "gap_onset"):
            if (epoch := phases.get(name)) is not None and epoch not in epochs:
                raise _fault(where, name, "null or one of the epochs", epoch)
        if phases["boundary"] is None:
            continue
        if missing := sorted({"low", "high"} - set(phases)):
            raise ValueError(f"{where} lacks {', '.join(missing)}.")
        for end in ("low", "high"):
            _check_entry(phases[end], end, Number, where)


def _check_explained(plain: Mapping[str, Any], path: str | Path) -> None:
    """Raises where an interaction has no such players, or a picture is none."""
    forms = set()
    for at, one in enumerate(plain.get("explained", [])):
        where, n = f"{path}: explained {at}", len(one["players"])
        forms.add((one.get("pixels") is None, one.get("words") is None))
        _check_places(one, where, n)
        if not one["explained"]:
            raise _fault(where, "explained", "at least one checkpoint", [])
        for checkpoint in one["explained"]:
            for shown in checkpoint["top"]:
                if shown["kind"] not in KINDS:
                    raise _fault(where, "kind", f"of {', '.join(KINDS)}", shown["kind"])
                members = shown["members"]
                if not members or not set(members) <= set(range(n)):
                    raise _fault(where, "members", f"numbers from 0 to {n - 1}", members)
    if len(forms) > 1 or (False, False) in forms:
        raise ValueError(f"{path}: explained must be images, sentences or neither, all alike.")
    if (samples := plain.get("samples")) is not None:
        rows, count = samples["mean_order"], len(samples["names"])
        if len(rows) != len(plain["checkpoints"]) or {len(row) for row in rows} != {count}:
            must = f"{len(plain['checkpoints'])} lists of {count} numbers, one a sample"
            raise _fault(f"{path}: samples", "mean_order", must, rows)


def _check_places(one: Mapping[str, Any], where: str, n: int) -> None:
    """Raises unless the picture or the words, and the regions, are what can be drawn."""
    pixels, words, regions = (one.get(name) for name in ("pixels", "words", "regions"))
    if pixels is None and words is None:
        return
    if pixels is not None:
        image = _rectangle(pixels)
        if image is None or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise _fault(where, "pixels", "rows of numbers, or of three numbers", pixels)
        if not image.size or image.min() < 0 or image.max() > 255:
            raise _fault(where, "pixels", "whole numbers from 0 to 255", pixels)
    places = None if regions is None else _rectangle(regions)
    wanted = 3 if words is None else 2
    if places is None or places.ndim != wanted or len(places) != n or not places.size:
        raise _fault(where, "regions", f"{n} lists of places, one for each player", regions)
    if words is not None and places.shape[1] != len(words):
        raise _fault(where, "regions", f"lists of {len(words)} places, one a word", regions)


def _rectangle(rows: list[Any]) -> np.ndarray | None:
    """Nested lists as an array; None where they are of different lengths."""
    try:
        return np.array(rows)
    except ValueError:
        return None


def _of_phases(plain: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The phases at each end of `prefer` at which they were looked for, by their key."""
    for name in ("phases", "other_phases"):
        if plain.get(name) is not None:
            yield name, plain[name]


def _check_retention(plain: Mapping[str, Any], path: str | Path) -> None:
    """Raises where a size, an overlap or an effect is not known at every checkpoint and order."""
    kept, records = plain.get("retention"), plain["checkpoints"]
    if kept is None:
        return
    where, orders = f"{path}: retention", len(records[0]["measured"])
    if len(kept["effect"]) != len(records):
        must = f"{len(records)} numbers, one a checkpoint"
        raise _fault(where, "effect", must, kept["effect"])
    must = f"{len(records)} lists of {orders} numbers, one for each order"
    for name in ("size", "overlap", "size_interval", "overlap_interval", "kept_interval"):
        held = kept.get(name) or ()
        for rows in held if name.endswith("interval") else (held,):
            if [len(row) for row in rows] != [orders] * len(records):
                raise _fault(where, name, must, rows)


def _check_models(document: Document, path: str | Path) -> None:
    """Raises where the verdict is on a model that no record holds, or at an impossible level."""
    models = document.checkpoints[0].nulls.keys()
    if document.overall and not document.overall.keys() <= models:
        must = f"of the models {', '.join(sorted(models)) or '(none)'}"
        raise _fault(path, "overall", must, sorted(document.overall))
    if not 0 < document.options.level < 1:
        raise _fault(f"{path}: fit", "level", "between 0 and 1", document.options.level)


def _check_texts(plain: Any, path: str | Path) -> None:
    """Raises where a text is none: JSON can hold half of a character, which no page can."""
    held = [plain]
    while held:
        value = held.pop()
        if isinstance(value, dict):
            held += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            held += value
        elif isinstance(value, str) and value.encode(errors="replace").decode() != value:
            shown = ascii(value[:40])
            raise ValueError(f"{path}: must hold texts of whole characters, but holds {shown}.")


def _check_finite(plain: Mapping[str, Any], path: str | Path) -> None:
    """Raises where an entry of any name holds NaN or infinity, which JSON does not know."""
    for name, value in flat(plain):
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise _fault(path, name, "of finite numbers", value) from None


def flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings as (name.of.entry, value)."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _fault(where: str | Path, name: str, must: str, value: Any) -> ValueError:
    try:
        held = reprlib.repr(value)
    except ValueError:  # Python does not write integers of thousands of digits
        held = "too long a number"
    return ValueError(f"{where}: `{name}` must be {must}, but is {held}.")
