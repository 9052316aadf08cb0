"""Following a network while it trains: the same inputs, masked alike, at every look."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array, as_number, check_fraction, check_labels
from sim.extraction import check_preference
from sim.files import read_npz, refuse_existing, write_npz
from sim.measurement import (
    CURVES,
    Masking,
    Measurement,
    PartialScore,
    as_samples,
    measure_outputs,
    torch_score,
)
from sim.monitor import adapters
from sim.monitor.looks import OF_A_LOOK, Looks
from sim.monitor.report import LookReport

Score = Callable[[np.ndarray], ArrayLike]

STATE = (*OF_A_LOOK, "probe")
PROBE = ("inputs", "regions", "baseline", "settings")
GIVEN = "given/"
"""Before the names, in a file, of what the network is given."""


class Monitor:
    """A network followed while it trains: a look whenever `update` is called, and what it says.

    A look measures a fixed set of inputs with all 2^n masks (`measure_outputs`), extracts the
    interactions (`extract_interactions`) and says what all looks so far have shown: the mean order,
    whether the second of two phases has begun (`find_phases(..., watching=True)`, whose false
    alarms over all looks together are bounded by `level`), how many interactions are salient, the
    strength of every order, and the noise level. See `LookReport`.

    The price of that bound is time: two phases are never found with fewer than 7 looks, and later
    than by a test of the finished run. The mean order is that of one end of `prefer`; nothing is
    said of the other end, nor of another training run.

    A look leaves the training as it was: the modes of the network's modules, and the random states
    of Python, numpy and PyTorch are restored, and no logger's step is advanced. The random states
    are restored after an error too; a failed look is not kept.

    Attributes:
        score: the network's, or None where it comes with each `update`.
        inputs: (samples, *shape), what is masked at every look; of a layer, as of the last look.
        given: what the network is given, by name, where that is more than what is masked; or None.
        players: their players.
        labels: (samples,), or None.
        level: rate of false alarms over all looks.

    Args:
        score: from a batch of masked inputs to logits, as in `measure_outputs`, reading the network
            as it is when it is called; or a `torch.nn.Module`. None where each `update` brings it.
        inputs: (samples, *shape); 20 are a good number. For a score that masks a layer's outputs or
            embeddings, what its own `inputs` returned: every look makes them anew, by the network
            as it is then. For `huggingface_score` and `for_transformers` also what the tokenizer
            returns, arrays (samples, …) by name, attention masks among them; without a score the
            first of them is masked.
        players: the masking.
        labels: (samples,), the class of each input; None takes single outputs as they are.
        level: the share of training runs without two phases for which they may ever be found.
        prefer: which of the equally sparse explanations is taken; see `extract_interactions`.
        batch_size: most masked inputs at a time; see `measure_outputs`.

    Raises:
        ValueError: inputs, players and labels that do not fit together, or an unknown option.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> from sim import tabular_features
        >>> weights = np.zeros(3)  # a network that learns the product of its features last
        >>> def score(x):
        ...     return np.c_[x, x.prod(axis=1)] @ [2.0, 1.0, 1.0, weights[0]]
        >>> monitor = Monitor(score, rng.normal(size=(4, 3)), tabular_features(3, 3))
        >>> print(monitor.update(0))
        epoch 0: mean order 1.00, 3 salient interactions an input; two phases are not found so far
        (at most 5 % false alarms over all looks)
        >>> weights[0] = 3.0
        >>> report = monitor.update(1)
        >>> sorted(report.as_dict())[:3]
        ['epoch', 'interactions/mean_order', 'interactions/phase']
        >>> monitor.measurement()
        Measurement(2 checkpoints × 4 samples × 2^3 masked inputs, epochs 0 to 1)
    """

    def __init__(
        self,
        score: Score | Any | None,
        inputs: ArrayLike | Mapping[str, ArrayLike],
        players: Masking,
        labels: ArrayLike | None = None,
        *,
        level: float = 0.05,
        prefer: str | None = "low",
        batch_size: int | None = None,
    ) -> None:
        self.score = None if score is None else _as_score(score)
        self.given: dict[str, np.ndarray] | None = None
        if isinstance(inputs, Mapping):
            self.given = as_samples(inputs)
            self.inputs = next(iter(self.given.values()))
            if isinstance(self.score, PartialScore):
                self.inputs = self.score.inputs(self.given)
        else:
            self.inputs = as_array(inputs, "inputs")
        if not isinstance(players, Masking):
            raise TypeError(
                f"Argument `players` must be a Masking, such as sim.tabular_features(features, "
                f"players), but is of type {type(players).__name__}."
            )
        players.check(self.inputs)
        check_fraction(as_number(level, "level"), "level")
        check_preference(prefer)
        self.players, self.level, self._batch_size = players, float(level), batch_size
        self.labels = None if labels is None else check_labels(labels, len(self.inputs))
        self._looks = Looks(prefer, self.level)

    def __repr__(self) -> str:
        return (
            f"Monitor({len(self._looks)} looks, {len(self.inputs)} samples, n = {self.players.n})"
        )

    def update(
        self,
        epoch: float,
        train_loss: float | None = None,
        test_loss: float | None = None,
        train_accuracy: float | None = None,
        test_accuracy: float | None = None,
        *,
        score: Score | Any | None = None,
    ) -> LookReport:
        """Looks at the network as it is now.

        Args:
            epoch: of the look, after that of the last one. Steps will do as well, if always.
            train_loss: kept for the report and the measurement, as are the next three.
            test_loss: see `train_loss`.
            train_accuracy: a fraction.
            test_accuracy: a fraction.
            score: the network's at this look, instead of that of the monitor.

        Returns:
            What is known after this look.

        Raises:
            ValueError: an epoch out of order, or no score; and whatever `measure_outputs` raises of
                scores, such as of a network that has diverged.
        """
        epoch = as_number(epoch, "epoch")
        self._looks.check_epoch(epoch)
        given = (train_loss, test_loss, train_accuracy, test_accuracy)
        curves = dict(zip(CURVES, given, strict=True))
        for name, value in curves.items():
            if value is not None and not np.isfinite(as_number(value, name)):
                raise ArgumentError(name, "be finite", f"is {value}")
        used = self.score if score is None else _as_score(score)
        if used is None:
            raise ArgumentError("score", "be given here or to the monitor", "is None")
        with _random_states_kept():
            self.inputs = self._masked(used)
            outputs = measure_outputs(
                used, self.inputs, self.players, self.labels, batch_size=self._batch_size
            )
            self._looks.add(epoch, outputs, curves)
        return self._looks.report(len(self._looks) - 1)

    def _masked(self, score: Score) -> np.ndarray:
        """What is masked at a look: what the network as it is now makes of the same inputs."""
        if not isinstance(score, PartialScore):
            if self.given is not None:
                raise ArgumentError(
                    "score", "be a `huggingface_score`, where inputs have names", f"is {score!r}"
                )
            return self.inputs
        return score.again() if self.given is None else score.inputs(self.given)

    @property
    def epochs(self) -> np.ndarray:
        """Epochs of the looks so far, (looks,)."""
        return self._looks["epochs"]

    @property
    def reports(self) -> list[LookReport]:
        """What was known after each look so far."""
        return [self._looks.report(look) for look in range(len(self._looks))]

    def measurement(self, *, inputs: bool = False) -> Measurement:
        """All looks as a measurement, for `Measurement.save` and `interdyn extract`.

        Losses and accuracies are part of it where every look was given them, and the players'
        regions and names always.

        Args:
            inputs: whether the inputs go with it, for pictures.

        Raises:
            ValueError: there has been no look.
        """
        if not len(self._looks):
            raise ValueError("A measurement needs a look at least, but there has been none.")
        curves = {name: self._looks[name] for name in CURVES}
        kept: dict[str, Any] = {name: c for name, c in curves.items() if not np.isnan(c).any()}
        kept |= self.players.keys(self.inputs if inputs else None)
        return Measurement(self._looks["outputs"], self.epochs, self.labels, **kept)

    @classmethod
    def replay(
        cls, measurement: Measurement, *, level: float = 0.05, prefer: str | None = "low"
    ) -> list[LookReport]:
        """What a monitor would have said at each checkpoint of a run that was measured already.

        Args:
            measurement: of one training run.
            level: as of the monitor.
            prefer: as of the monitor.

        Raises:
            ValueError: several training runs, or an unknown option.
        """
        if measurement.runs > 1:
            raise ArgumentError("measurement", "hold one training run", f"has {measurement.runs}")
        check_fraction(as_number(level, "level"), "level")
        looks = Looks(prefer, float(level))
        for at, epoch in enumerate(measurement.epochs):
            given = {name: getattr(measurement, name) for name in CURVES}
            curves = {name: None if c is None else float(c[at]) for name, c in given.items()}
            looks.add(float(epoch), measurement.outputs[at], curves)
        return [looks.report(look) for look in range(len(looks))]

    def state_dict(self) -> dict[str, np.ndarray]:
        """All looks so far as named arrays, for a checkpoint of the training run."""
        return {name: self._looks[name] for name in OF_A_LOOK} | {"probe": self._probe()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Goes on after the looks of a `state_dict`, instead of those so far.

        Raises:
            ValueError: the state is no monitor's, or of other inputs, players, labels or options.
        """
        if missing := [name for name in STATE if name not in state]:
            raise ArgumentError("state", "be of a monitor's `state_dict`", f"lacks {missing[0]}")
        if not np.array_equal(np.asarray(state["probe"]), self._probe()):
            raise ArgumentError(
                "state",
                "be of a monitor with the same inputs, players, labels and options",
                "is of another",
            )
        looks = Looks(self._looks.prefer, self.level)
        for name in OF_A_LOOK:
            looks.found[name] = list(np.array(state[name], dtype=np.float64))
        if len({len(column) for column in looks.found.values()}) > 1:
            raise ArgumentError("state", "hold the same number of looks throughout", "does not")
        self._looks = looks

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes all looks, and what is looked at, as one `.npz`; see `Monitor.load`.

        Raises:
            FileExistsError: the file is there, and is to be kept.
        """
        refuse_existing(path, overwrite)
        probe = {
            "inputs": self.inputs,
            "regions": self.players.regions,
            "baseline": np.asarray(self.players.baseline),
            "settings": np.array(json.dumps(self._settings())),
        }
        if self.labels is not None:
            probe["labels"] = self.labels
        if self.players.names is not None:
            probe["names"] = np.asarray(self.players.names)
        if self.given is not None:
            probe |= {GIVEN + name: array for name, array in self.given.items()}
        write_npz(path, self.state_dict() | probe)

    @classmethod
    def load(cls, path: str | Path, score: Score | Any | None = None) -> Monitor:
        """Reads what `save` wrote; nothing in the file is executed.

        Args:
            path: of the file.
            score: of the network that trains on; it is not in the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or is no monitor's; names the file.
        """
        arrays = read_npz(path, (*STATE, *PROBE))
        given = {n.removeprefix(GIVEN): a for n, a in arrays.items() if n.startswith(GIVEN)}
        try:
            settings = json.loads(str(arrays["settings"]))
            shape = arrays["inputs"].shape[1:]
            players = Masking(arrays["regions"], arrays["baseline"], shape, arrays.get("names"))
            seen, labels = given or arrays["inputs"], arrays.get("labels")
            monitor = cls(score, seen, players, labels, **settings)
            monitor.load_state_dict(arrays)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
        return monitor

    def resume(self, path: str | Path) -> None:
        """Goes on after the looks in a file of `save`, instead of those so far.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: see `load_state_dict`.
        """
        self.load_state_dict(read_npz(path, STATE))

    def _settings(self) -> dict[str, Any]:
        return {"level": self.level, "prefer": self._looks.prefer, "batch_size": self._batch_size}

    def _probe(self) -> np.ndarray:
        """A fingerprint of what is looked at, and how, (32,)."""
        digest = hashlib.sha256(json.dumps([self.level, self._looks.prefer]).encode())
        for part in (*self._fixed(), self.players.regions, self.players.baseline, self.labels):
            array = np.ascontiguousarray(() if part is None else part)
            digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return np.frombuffer(digest.digest(), np.uint8)

    def _fixed(self) -> list[ArrayLike]:
        """What the network is given at every look, which does not change while it trains."""
        if self.given is not None:
            return list(self.given.values())
        if isinstance(self.score, PartialScore):
            given = self.score.given
            return list(given.values()) if isinstance(given, Mapping) else [given]
        return [self.inputs]

    def for_lightning(
        self, *, every: int = 1, train_loss: str = "train_loss", test_loss: str = "val_loss"
    ) -> Any:
        """A callback for `lightning.Trainer(callbacks=[…])`.

        It looks before the first epoch and after every `every`-th one, sends each report to the
        trainer's loggers at the step that they have reached, and keeps its looks in the trainer's
        checkpoints. Without a score of its own, the monitor takes the LightningModule itself, whose
        `forward` must then return logits.

        Args:
            every: epochs from a look to the next.
            train_loss: name under which the module logs it, if it does.
            test_loss: likewise.

        Raises:
            ImportError: Lightning is not installed.
        """
        return adapters.lightning_callback(self, every, train_loss, test_loss)

    def for_transformers(
        self, *, every: int = 1, log: Callable[[dict[str, float]], None] | None = None
    ) -> Any:
        """A callback for `transformers.Trainer`: `trainer.add_callback(…)`.

        It looks before the first epoch and after every `every`-th one, and saves its looks beside
        every checkpoint, as `monitor.npz`, from where a resumed run goes on. Without a score of its
        own, the monitor takes `huggingface_score` of the model. Sentences that are padded need
        their attention mask: give the monitor all that the tokenizer returns.

        Args:
            every: epochs from a look to the next.
            log: called with each report's numbers; `trainer.log` sends them where others go.

        Raises:
            ImportError: Transformers is not installed.
        """
        return adapters.transformers_callback(self, every, log)

    def for_keras(self, *, every: int = 1) -> Any:
        """A callback for Keras 3: `model.fit(…, callbacks=[…])`.

        It looks before the first epoch and after every `every`-th one, and adds each report's
        numbers to the epoch's logs, where `History` and callbacks after it find them. Without a
        score of its own, the monitor takes the model, which must return logits.

        Args:
            every: epochs from a look to the next.

        Raises:
            ImportError: Keras is not installed.
        """
        return adapters.keras_callback(self, every)


def _as_score(score: Any) -> Score:
    """The score itself, or that of a PyTorch module."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(score, torch.nn.Module):
        return torch_score(score)
    if not callable(score):
        raise TypeError(
            f"Argument `score` must be a function from masked inputs to logits, but is {score!r}."
        )
    checked: Score = score
    return checked


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    """Gives the generators that training may draw from back as they were."""
    torch = sys.modules.get("torch")
    state, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    of_torch = None if torch is None else torch.get_rng_state()
    cuda = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    of_cuda = torch.cuda.get_rng_state_all() if torch is not None and cuda else []
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(of_numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(of_torch)
            if cuda:
                torch.cuda.set_rng_state_all(of_cuda)
