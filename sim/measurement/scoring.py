"""A network's output on every masked version of some inputs, at one checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array, check_labels, check_whole
from sim.machine import check_host_memory
from sim.measurement.masking import Masking
from sim.measurement.partial_score import PartialScore
from sim.progress import Progress

BATCH, BATCH_BYTES = 4096, 2**26


def check_memory_for_outputs(shape: tuple[int, ...], copies: float, beside: int = 0) -> None:
    """Raises ValueError where outputs (checkpoints, samples, sets) would not fit into memory.

    Args:
        shape: of the outputs.
        copies: how many of them there are at a time.
        beside: bytes of what else there is then.
    """
    sets = shape[-1]
    power = f"2^{sets.bit_length() - 1}" if sets & (sets - 1) == 0 else f"{sets}"
    each = " × ".join([*map(str, shape[:-1]), power])
    needed = 8 * copies * math.prod(shape) + beside
    reduce = "fewer players or masks, samples, checkpoints or training runs"
    check_host_memory(needed, f"Measuring {each} outputs", reduce)


def log_odds(logits: ArrayLike, label: int | None) -> np.ndarray:
    """Log-odds log p/(1−p) of a class from logits, finite even where p rounds to 1.

    Args:
        logits: (batch, classes), or (batch,) for one output a sample.
        label: the class; None passes a single output through as it is. With a single logit the
            classes are 1 (the logit) and 0 (its negative).

    Returns:
        (batch,), float64.

    Example:
        >>> log_odds(np.array([[2.0, 0.0, 0.0], [1000.0, 0.0, 0.0]]), 0).round(4).tolist()
        [1.3069, 999.3069]
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits[:, 0]
    if logits.ndim == 1:
        return logits if label is None or label == 1 else -logits
    if label is None:
        raise ValueError(
            f"Scores with several classes, here of shape {logits.shape}, need `labels`: the class "
            f"whose log-odds are the output."
        )
    others = np.delete(logits, label, axis=1)
    top = others.max(axis=1)
    return logits[:, label] - top - np.log(np.exp(others - top[:, None]).sum(axis=1))


def measure_outputs(
    score: Callable[[np.ndarray], ArrayLike],
    inputs: ArrayLike,
    masking: Masking,
    labels: ArrayLike | None = None,
    *,
    masks: ArrayLike | None = None,
    samples: Sequence[int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """A network's output v(S) on every masked version of every input, for one checkpoint.

    Args:
        score: from a batch of masked inputs (m, *shape) to logits (m, classes), or to single
            outputs (m,) or (m, 1). Anything that `numpy.asarray` reads will do: a JAX function, a
            numpy one, or `torch_score(module)`.
        inputs: (samples, *shape).
        masking: the players and their baseline.
        labels: (samples,) the class of each input; None takes single outputs as they are.
        masks: (m,) sets of players, the only masked versions to be scored, in their order; None
            for all. See `sim.sample_masks` and `sim.extract_sampled`.
        samples: which of the inputs are measured, by their places; None for all.
        batch_size: most masked inputs at a time, whatever 2^n is; rounded down to a power of two.
            By default as many as fit into 64 MiB, and at most 4096.
        progress: called after every batch with (outputs done, outputs in all).

    Returns:
        (samples, 2^n), float64; (samples, m) with `masks`. What is measured of a sample is the same
        to the last bit, whichever others are.

    Raises:
        ValueError: `masks` that are no sets of the players, `samples` that are no places of inputs;
            scores of the wrong shape, or not finite (names the sample), or that look like
            probabilities or numbers of classes; inputs that the masking does not fit or does not
            change; outputs that do not fit into memory (says how much they need).

    Example:
        >>> from sim import tabular_features
        >>> measure_outputs(lambda x: x @ [2.0, 3.0], [[1.0, 1.0]], tabular_features(2, 2))
        array([[0., 2., 3., 5.]])
        >>> players = tabular_features(2, 2)
        >>> measure_outputs(lambda x: x @ [2.0, 3.0], [[1.0, 1.0]], players, masks=[0, 2, 3])
        array([[0., 3., 5.]])
    """
    inputs = as_array(inputs, "inputs")
    if not isinstance(masking, Masking):
        raise TypeError(
            f"Argument `masking` must be a Masking, such as sim.tabular_features(features, "
            f"players), but is of type {type(masking).__name__}."
        )
    masking.check(inputs)
    if labels is not None:
        labels = check_labels(labels, len(inputs))
    if not callable(score):
        raise TypeError(
            f"Argument `score` must be a function from masked inputs to logits, but is {score!r}."
        )
    if any(base.__module__.startswith("torch.nn") for base in type(score).__mro__):
        raise TypeError(
            "Argument `score` must be a function of numpy arrays, but is a torch module; wrap it: "
            "sim.torch_score(module)."
        )
    if batch_size is None:
        batch_size = min(BATCH, max(1, BATCH_BYTES // max(1, inputs[0].nbytes)))
    check_whole(batch_size, "batch_size", 1)
    chosen = None
    if masks is not None:
        last = f"2^n − 1 = {2**masking.n - 1}"
        chosen = _checked_whole(masks, "masks", "set", 2**masking.n, last)
    size = 2**masking.n if chosen is None else len(chosen)
    step = min(1 << (size - 1).bit_length(), 1 << int(batch_size).bit_length() - 1)
    masked = step * (inputs[0].nbytes + inputs[0].size)  # with a flag for each entry
    count = len(inputs)
    places: Sequence[int] = range(count)
    if samples is not None:
        last = f"{count - 1}, the last input"
        places = _checked_whole(samples, "samples", "input", count, last).tolist()
    check_memory_for_outputs((len(places), size), 1, masked)
    outputs = np.empty((len(places), size))
    for at, sample in enumerate(places):
        label = None if labels is None else int(labels[sample])
        own = score.of_sample(sample, len(inputs)) if isinstance(score, PartialScore) else score
        for start in range(0, size, step):
            end = min(start + step, size)
            sets = np.arange(start, end) if chosen is None else chosen[start:end]
            filled = np.resize(sets, step)  # batches of one shape, for networks that are compiled
            scores = own(masking.masked(inputs, sample, filled))
            scored = _checked_scores(scores, step, label, sample)
            outputs[at, start:end] = scored[: end - start]
            if progress is not None:
                progress(at * size + end, len(places) * size)
    return outputs


def _checked_whole(given: ArrayLike, name: str, each: str, count: int, last: str) -> np.ndarray:
    """Numbers of sets or of inputs, of which there are so many; `last` names the last."""
    array = as_array(given, name)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        got = f"has shape {array.shape} and dtype {array.dtype}"
        raise ArgumentError(name, f"be integers (m,), one for each {each} to be measured", got)
    if array.min() < 0 or array.max() >= count:
        got = f"goes from {array.min()} to {array.max()}"
        raise ArgumentError(name, f"lie from 0 to {last}", got)
    return array.astype(np.int64)


def _checked_scores(returned: ArrayLike, batch: int, label: int | None, sample: int) -> np.ndarray:
    scores = as_array(returned, "score(inputs)")
    if scores.ndim not in (1, 2) or len(scores) != batch or not scores.size:
        raise ArgumentError(
            "score",
            f"return logits of shape ({batch}, classes) or ({batch},) for a batch of {batch} "
            "masked inputs",
            f"returned shape {scores.shape}",
            opening="",
        )
    if scores.dtype.kind not in "fiub":
        try:
            scores = scores.astype(np.float64, casting="safe")  # bfloat16 and its like
        except TypeError:
            raise ArgumentError(
                "score", "return real numbers", f"returned dtype {scores.dtype}", opening=""
            ) from None
    classes = scores.shape[1] if scores.ndim == 2 else 1
    if label is not None and scores.dtype.kind != "f":
        raise ArgumentError(
            "score",
            "return logits",
            f"returned {scores.dtype}, like numbers of classes",
            opening="",
        )
    if label is not None and not 0 <= label < max(classes, 2):
        raise ValueError(
            f"The label of sample {sample} must be a class below {max(classes, 2)}, but is {label}."
        )
    if not np.isfinite(scores).all():
        kind = "a NaN" if np.isnan(scores).any() else "an infinite one"
        raise ArgumentError(
            "score", "return finite logits", f"sample {sample} has {kind} among them", opening=""
        )
    if classes > 1 and scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise ArgumentError(
            "score",
            "return logits",
            "its values are nonnegative and sum to 1, like probabilities; return what comes before "
            "the softmax, or the logarithms",
            opening="",
        )
    return log_odds(scores, label)
