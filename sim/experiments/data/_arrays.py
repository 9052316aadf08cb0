"""Arrays of an `.npz` file that are inputs and their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.files import read_npz


def read_arrays(path: Path, name: str, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """The inputs under a key, as numbers, and what is under `labels`.

    Args:
        path: of the file.
        name: key of the inputs.
        layout: the shape that they must have, for errors.

    Raises:
        ValueError: no `.npz` with both keys, or inputs that are not finite numbers; names the
            first that is not.
    """
    if path.suffix.lower() != ".npz":
        raise ValueError(f"{path}: must be an .npz file with `{name}` {layout} and `labels` (m,).")
    hint = f" The data are `{name}` {layout} and `labels` (m,)."
    arrays = read_npz(path, (name, "labels"), hint, optional=())
    inputs = arrays[name]
    if inputs.dtype.kind not in "fiub":
        raise ValueError(f"{path}: `{name}` must be numbers, but has dtype {inputs.dtype}.")
    if inputs.ndim == 0 or 0 in inputs.shape:
        raise ValueError(
            f"{path}: `{name}` must have shape {layout} with at least one sample, but has shape "
            f"{inputs.shape}."
        )
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        at = np.argwhere(~np.isfinite(inputs))[0].tolist()
        raise ValueError(f"{path}: `{name}` must be finite, but {name}{at} is {inputs[tuple(at)]}.")
    return inputs, arrays["labels"]
