"""What arguments must be: one check and one wording for each."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(values: Any, name: str) -> np.ndarray:
    """Returns values as a numpy array; says what to do where a library refuses."""
    try:
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:  # a torch tensor with a gradient, say
        raise ValueError(
            f"`{name}` must be an array that numpy can read (for a torch tensor: "
            f"tensor.detach().cpu().numpy()), but {type(values).__name__} refused: {error}"
        ) from error


def check_outputs(outputs: Any, name: str = "outputs") -> np.ndarray:
    """Returns outputs as float64 (checkpoints, samples, 2^n); refuses any other shape or a NaN."""
    array = as_array(outputs, name)
    if array.dtype == np.float16:
        raise ValueError(
            f"`{name}` must be float32 or float64, but is float16: interactions are differences of "
            f"many outputs, and three digits do not survive that."
        )
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(
            f"`{name}` must be an array of real numbers, but is of type {type(outputs).__name__} "
            f"and dtype {array.dtype}."
        )
    size = array.shape[-1] if array.ndim else 0
    if array.ndim != 3 or 0 in array.shape:
        hint = f"; for a single checkpoint give {name}[None]" if array.ndim == 2 else ""
        raise ValueError(
            f"`{name}` must have shape (checkpoints, samples, 2^n), but has shape "
            f"{array.shape}{hint}."
        )
    if size < 2 or size & (size - 1):
        raise ValueError(
            f"`{name}` must have a last axis of size 2^n, one entry for each set of players, but "
            f"has shape {array.shape}."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        checkpoint, sample, index = np.argwhere(bad)[0].tolist()
        raise ValueError(
            f"`{name}` must be finite, but holds {int(bad.sum())} NaN or infinite value(s), the "
            f"first at checkpoint {checkpoint}, sample {sample}, set {index}."
        )
    return array.astype(np.float64)


def check_epochs(epochs: Any, checkpoints: int) -> np.ndarray:
    """Returns epochs as float64 (checkpoints,), strictly increasing and nonnegative."""
    array = as_array(epochs, "epochs")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"`epochs` must be numbers, but has dtype {array.dtype}.")
    if array.shape != (checkpoints,):
        raise ValueError(
            f"`epochs` must have one entry for each of the {checkpoints} checkpoints (the first "
            f"axis of the outputs), but has shape {array.shape}."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"`epochs` must be finite and nonnegative, but is {array.tolist()}.")
    steps = np.diff(array)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ValueError(
            f"`epochs` must increase strictly, but goes from {array[at]:g} to {array[at + 1]:g} at "
            f"checkpoint {at + 1}."
        )
    return array


def check_labels(labels: Any, samples: int) -> np.ndarray:
    """Returns labels as integers (samples,)."""
    array = as_array(labels, "labels")
    if array.shape != (samples,) or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`labels` must be one integer for each of the {samples} samples, but has shape "
            f"{array.shape} and dtype {array.dtype}."
        )
    return array
