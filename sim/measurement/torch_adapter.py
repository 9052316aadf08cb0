"""PyTorch networks as scores: from a module to what `measure_outputs` calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def torch_score(module: Any, device: Any = None) -> Callable[[np.ndarray], np.ndarray]:
    """A PyTorch module as a function from a batch of inputs to logits, both numpy.

    Every call runs the module in evaluation mode without gradients, and leaves each of its layers
    in the mode that it was in, so that training can go on between two checkpoints. Floating inputs
    are cast to the type of the module's parameters; integers (token ids) stay as they are.

    Args:
        module: a `torch.nn.Module` from a batch (m, *shape) to logits (m, classes) or (m,).
        device: where the batches go; by default to the module's own first parameter. The module
            itself is never moved.

    Returns:
        The score, which reads the module's parameters as they are when it is called.

    Raises:
        TypeError: `module` is not a module, or returns something else than a tensor.
        ImportError: PyTorch is not installed.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1, bias=False).double()
        >>> _ = layer.load_state_dict({"weight": torch.tensor([[2.0, 3.0]])})
        >>> torch_score(layer)(np.ones((1, 2)))
        array([[5.]])
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            "This needs the package 'torch'; pip install 'interaction-dynamics[torch]'."
        ) from None

    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"Argument `module` must be a torch.nn.Module, but is a {type(module).__name__}."
        )

    def score(batch: np.ndarray) -> np.ndarray:
        tensor = torch.as_tensor(np.ascontiguousarray(batch))
        own = [*module.parameters(), *module.buffers()]
        floating = [parameter for parameter in own if parameter.is_floating_point()]
        if tensor.is_floating_point() and floating:
            tensor = tensor.to(floating[0].dtype)
        if device is not None or own:
            tensor = tensor.to(own[0].device if device is None else device)
        modes = [(layer, layer.training) for layer in module.modules()]
        module.eval()
        try:
            with torch.no_grad():
                logits = module(tensor)
        finally:
            for layer, mode in modes:
                layer.training = mode
        if not isinstance(logits, torch.Tensor):
            raise TypeError(
                f"The module must return a tensor of logits, but returned a "
                f"{type(logits).__name__}; wrap it in a module that picks the logits out."
            )
        return logits.to("cpu", torch.float64).numpy()

    return score
