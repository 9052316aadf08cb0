"""Networks that trained elsewhere: checkpoints that lie on disk, read and measured one by one."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array
from sim.experiments._registry import Checkpoint, Experiment, Settings, State, Train
from sim.measurement import Masking, PartialScore
from sim.progress import Progress
from sim.unfinished import content_of

WILD = "*?["
"""What may stand for any text in a pattern of paths."""


@dataclasses.dataclass(frozen=True)
class SavedNetwork:
    """What is measured of a network whose checkpoints lie on disk, and how one of them is read.

    Attributes:
        inputs: (samples, *shape); or, for a score of `huggingface_score`, what the tokenizer
            returns: arrays (samples, …) by name.
        masking: the players, of the inputs or of what the score's own `inputs` makes of them.
        load: from the path of a checkpoint to its score; or to a `Checkpoint`, which may hold
            losses and accuracies, and the epoch of which is not looked at. A score from
            `torch_score(at=)`, `keras_score(at=)` or `huggingface_score` is given the inputs.
        labels: (samples,), the class of each input; None takes single outputs as they are.
        metadata: what was trained on what, for the record.
        shown: what a measurement keeps to show people, as of an `Experiment`.
    """

    inputs: ArrayLike | Mapping[str, Any]
    masking: Masking
    load: Callable[[Path], Callable[[np.ndarray], ArrayLike] | Checkpoint]
    labels: ArrayLike | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shown: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


Build = Callable[[Settings], SavedNetwork]
_SAVED: dict[str, Build] = {}


def register_saved(name: str) -> Callable[[Build], Build]:
    """Decorator that adds a network with checkpoints on disk under a name.

    The function makes a `SavedNetwork` from `Settings`, of which it takes what it has a use for:
    the numbers of samples and players, and the seed. In a file of your own, it is found by
    `interdyn measure --script file.py --experiment name --checkpoints 'run/step-*'`.

    Args:
        name: for `prepare_saved` and `--experiment`; what had it before is replaced.

    Example:
        >>> import tempfile
        >>> from sim.experiments import record
        >>> from sim.measurement import tabular_features
        >>> @register_saved("saved-line")
        ... def saved_line(settings):
        ...     def load(path):
        ...         slope = float(path.read_text())
        ...         return lambda x: slope * x.sum(axis=1)
        ...
        ...     inputs = np.ones((settings.samples, 2))
        ...     return SavedNetwork(inputs, tabular_features(2, settings.players), load)
        >>> with tempfile.TemporaryDirectory() as run:
        ...     for step in (0, 5, 40):
        ...         _ = Path(run, f"step-{step}").write_text(str(step / 10))
        ...     found = find_checkpoints(f"{run}/step-*")
        ...     settings = Settings(tuple(found), samples=1, players=2)
        ...     measurement = record(prepare_saved("saved-line", settings, found), {})
        >>> measurement.epochs, measurement.outputs[:, 0]
        (array([ 0.,  5., 40.]), array([[0. , 0. , 0. , 0. ],
               [0. , 0.5, 0.5, 1. ],
               [0. , 4. , 4. , 8. ]]))
    """

    def add(build: Build) -> Build:
        _SAVED[name] = build
        return build

    return add


def find_checkpoints(pattern: str, steps: Sequence[int] | None = None) -> dict[int, Path]:
    """The checkpoints on disk that a pattern matches, by the number in their names, in order.

    The number is looked for where the pattern leaves the name open: `run/step-*` finds 1000 in
    `run/step-1000` and in `run/step-01000`, and `run2/*/model.pt` in `run2/epoch_1000/model.pt`.
    Numbers count as numbers: 9 comes before 10.

    Args:
        pattern: a path with `*` in place of the number, of files or of folders.
        steps: those that are wanted; None for all.

    Raises:
        ValueError: no `*`; fewer than two checkpoints; a name without a number, or with several;
            two names with the same number; a step that is wanted and not there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as run:
        ...     for name in ("step-9", "step-10", "step-0"):
        ...         Path(run, name).mkdir()
        ...     [(step, path.name) for step, path in find_checkpoints(f"{run}/step-*").items()]
        [(0, 'step-0'), (9, 'step-9'), (10, 'step-10')]
    """
    whole = str(Path(pattern).expanduser())
    wild = [at for at, letter in enumerate(whole) if letter in WILD]
    if not wild:
        raise ArgumentError(
            "checkpoints",
            "have a * in place of the step's number, such as 'run/step-*'",
            f"is '{pattern}'",
            opening="",
        )
    start, rest = wild[0], len(whole) - max(wild[-1], whole.rfind("]")) - 1
    found: dict[int, Path] = {}
    for path in sorted(glob.glob(whole)):
        numbers = re.findall(r"\d+", path[start : len(path) - rest])
        if len(numbers) != 1:
            raise ValueError(
                f"{path}: must have one number where '{pattern}' leaves its name open, but has "
                f"{' and '.join(numbers) or 'none'}."
            )
        step = int(numbers[0])
        if step in found:
            raise ValueError(
                f"{path}: must have a number of its own, but {found[step]} has {step} too."
            )
        found[step] = Path(path)
    if steps is not None and (missing := [step for step in steps if step not in found]):
        there = ", ".join(map(str, sorted(found)[:6])) + (", …" if len(found) > 6 else "")
        raise ValueError(
            f"There is no checkpoint of step {missing[0]} at '{pattern}'; there are: "
            f"{there or 'none'}."
        )
    wanted = sorted(found) if steps is None else sorted(set(steps))
    if len(wanted) < 2:
        raise ValueError(
            f"There must be two checkpoints at least at '{pattern}', but there "
            f"{f'is one, {found[wanted[0]]}' if wanted else 'is none'}."
        )
    return {step: found[step] for step in wanted}


def prepare_saved(name: str, settings: Settings, checkpoints: Mapping[int, Path]) -> Experiment:
    """An experiment, for `record`, that reads checkpoints in place of training.

    Args:
        name: under which `register_saved` has what is measured.
        settings: for the function there; the epochs are those of the checkpoints.
        checkpoints: paths by step, as `find_checkpoints` returns them.

    Raises:
        ValueError: there is no saved network of that name, or settings of training were chosen;
            while it is recorded: a checkpoint that cannot be loaded (names it), or named inputs
            for a score that takes one array.
        TypeError: what is registered under the name builds something else than a `SavedNetwork`.
    """
    if name not in _SAVED:
        known = ", ".join(sorted(_SAVED)) or "none (a --script adds them by register_saved)"
        raise ValueError(f"There is no saved network '{name}'; there are: {known}.")
    if settings.chosen:
        option, value = next(iter(settings.chosen.items()))
        raise ArgumentError(option, "be left out for checkpoints on disk", f"is {value}")
    network = _SAVED[name](settings)
    if not isinstance(network, SavedNetwork):
        raise TypeError(
            f"The saved network '{name}' must be built as a SavedNetwork, but its function "
            f"returned {type(network).__name__}."
        )
    given = network.inputs
    arrays = dict(given) if isinstance(given, Mapping) else {"inputs": given}
    read = {key: as_array(value, key) for key, value in arrays.items()}
    names = {str(step): path.name for step, path in checkpoints.items()}
    return Experiment(
        inputs=next(iter(read.values())),
        labels=None if network.labels is None else np.asarray(network.labels),
        masking=network.masking,
        epochs=tuple(checkpoints),
        train=_reading(network, checkpoints),
        metadata={"experiment": name} | dict(network.metadata) | {"checkpoints": names},
        shown=network.shown,
        sets=settings.sets(network.masking.n),
        saved=True,
        origin={
            "experiment": name,
            "settings": settings.record(),
            "inputs": {
                key: hashlib.sha256(content_of(value)).hexdigest() for key, value in read.items()
            },
        },
    )


def _reading(network: SavedNetwork, checkpoints: Mapping[int, Path]) -> Train:
    """What stands in the place of training: reads the checkpoints after a state's, in order."""

    def train(progress: Progress | None, state: State | None) -> Iterator[Checkpoint]:
        for step, path in checkpoints.items():
            if state is None or step > state.epoch:
                yield _loaded(network, step, path)

    return train


def _loaded(network: SavedNetwork, step: int, path: Path) -> Checkpoint:
    try:
        loaded = network.load(path)
    except Exception as error:  # a loader can raise anything
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
    if not isinstance(loaded, Checkpoint):
        loaded = Checkpoint(step, loaded)
    shown = loaded.inputs
    if shown is None and isinstance(loaded.score, PartialScore):
        shown = loaded.score.inputs(network.inputs)
    elif shown is None and isinstance(network.inputs, Mapping):
        must = "be an array, or the score one of `huggingface_score`"
        raise ArgumentError("inputs", must, f"holds {', '.join(network.inputs)} by name")
    return dataclasses.replace(loaded, epoch=step, inputs=shown, state=State(step, ()))
