"""A score of a part of what a network is given, with the rest of each sample kept beside it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sim.checks import ArgumentError, as_array

UNGIVEN = "Call `score.inputs(…)` first: it makes what is to be masked."
BYPASSED = (
    "Part of the input passes the layer '{at}' by, on a skip connection say; there each sample is "
    "seen as it is, and never masked. A layer after the connection has joined has no such part."
)
REST_BYTES = 2**26  # of what is kept beside a batch: an image may be far larger than its maps


@dataclasses.dataclass
class PartialScore:
    """A score whose inputs are made of a network's: the outputs of a layer, say.

    Returned by `torch_score(at=)`, `keras_score(at=)` and `huggingface_score`, whose examples show
    it in use. What is not masked, such as an attention mask, or the image itself that a skip
    connection leads around the layer, stays that of the sample that is measured.

    Attributes:
        split: from a network's inputs to the part that is masked (samples, *shape), and the rest
            by name, each (samples, …).
        run: from a batch of such parts and the rest, one row for each, to logits.
        kept: the rest of the samples of the last call of `inputs`.
        given: what the network was given in that call.
    """

    split: Callable[[Any], tuple[np.ndarray, dict[str, np.ndarray]]]
    run: Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]
    kept: dict[str, np.ndarray] | None = None
    given: Any = None

    def inputs(self, given: Any) -> np.ndarray:
        """What is masked, (samples, *shape), for `measure_outputs`; the rest is kept.

        A layer's outputs change while the network trains: call this anew at every checkpoint, or
        let a `Monitor` do so.

        Args:
            given: inputs of the network, (samples, …), or a mapping from names to such arrays.
        """
        masked, self.kept = self.split(given)
        self.given = given
        return masked

    def again(self) -> np.ndarray:
        """What is masked as the network makes it now, of what it was given last.

        Raises:
            ValueError: `inputs` has not been called.
        """
        if self.kept is None:
            raise ValueError(UNGIVEN)
        return self.inputs(self.given)

    def of_sample(self, sample: int, samples: int) -> Callable[[np.ndarray], np.ndarray]:
        """The score of masked versions of one of the samples of the last call of `inputs`.

        Raises:
            ValueError: that call was not about so many samples, or has not been made.
        """
        rest = self._rest(samples)

        row = sum(value[0].nbytes for _, value in rest)
        step = max(1, REST_BYTES // max(1, row))

        def score(batch: np.ndarray) -> np.ndarray:
            scores = []
            for start in range(0, len(batch), step):
                part = batch[start : start + step]
                same = {name: np.repeat(value[[sample]], len(part), 0) for name, value in rest}
                scores.append(self.run(part, same))
            return np.concatenate(scores)

        return score

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits of one version of each of the samples, in their order."""
        return self.run(batch, dict(self._rest(len(batch))))

    def _rest(self, samples: int) -> Any:
        if self.kept is None:
            raise ValueError(UNGIVEN)
        for value in self.kept.values():
            if len(value) != samples:
                raise ArgumentError(
                    "inputs",
                    f"be those of the {len(value)} samples of the last call of `score.inputs`",
                    f"holds {samples}",
                )
        return self.kept.items()


def as_samples(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name, for equally many samples each; tensors are read.

    Raises:
        ValueError: there are none, or ragged ones, or they are for different numbers of samples.
    """
    arrays = {name: as_array(value, name) for name, value in given.items()}
    if len({value.shape[:1] for value in arrays.values()} - {()}) != 1 or not all(
        value.ndim for value in arrays.values()
    ):
        shapes = ", ".join(f"'{name}' {value.shape}" for name, value in arrays.items())
        raise ArgumentError(
            "given", "hold arrays (samples, …) by name", f"holds {shapes or 'none'}"
        )
    return arrays


def chosen_layer(layers: Mapping[str, Any], at: str) -> Any:
    """The layer of a name.

    Raises:
        ArgumentError: there is none; tells the nearest that there are.
    """
    if at in layers:
        return layers[at]
    likely = ", ".join(difflib.get_close_matches(str(at), layers, 4, 0))
    must = "be left out for a model of a single layer"
    if likely:
        must = f"name a layer of the model, such as {likely}"
    raise ArgumentError("at", must, f"is {at!r}")


def check_once(runs: int, at: str) -> None:
    """Raises unless a layer ran once while the network did: else no output is the layer's own."""
    if runs != 1:
        raise ArgumentError(
            "at", "name a layer that runs once in a pass", f"'{at}' runs {runs} times"
        )


def passes_by(score: Callable[[np.ndarray], np.ndarray], shown: np.ndarray) -> bool:
    """Whether a score hangs on the inputs themselves: it is not the same of zeros."""
    return not np.array_equal(score(shown), score(np.zeros_like(shown)))
