"""Hugging Face models as scores: named inputs, attention masks, embeddings, next tokens."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_labels
from sim.measurement.partial_score import BYPASSED, PartialScore, as_samples, passes_by
from sim.measurement.torch_adapter import (
    as_logits,
    as_tensor,
    check_module,
    evaluated,
    imported_torch,
    layer_of,
    output_of,
    output_replaced,
)

EMBEDDINGS = "inputs_embeds"
READ = ("targets", "positions")
"""What is kept of each sample for reading the logits, and not given to the model."""
ROWS = 32  # sentences at a time where every place of each has a logit for every token there is


def huggingface_score(
    model: Any,
    *,
    at: str | None = None,
    targets: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    device: Any = None,
) -> PartialScore:
    """A PyTorch model of Hugging Face's transformers as a score.

    The score's own `inputs` takes what the tokenizer or the image processor returns, and gives
    what is masked: the token ids, which [Ren24] replaces by the mask token, or pixels; with
    `at="inputs_embeds"` the word embeddings; or the output of any layer. The rest, attention masks
    above all, stays that of each sample. The model runs in evaluation mode without gradients, and
    its modes are restored.

    Masking embeddings leaves the ids as they are for a model that looks for its padding there.
    With masked layers, what leads around the layer is never masked; see `torch_score`.

    Args:
        model: such as `AutoModelForSequenceClassification` or `AutoModelForCausalLM` load.
        at: what is masked; None for the model's main input.
        targets: (samples,) token ids, for language models: the score is then the log-odds of
            each sample's token to come next, after the last one that its attention mask shows.
            Measure it without labels.
        positions: (samples,) places, from 0 on, whose logits are read in place of the last one's:
            for a masked language model those of the mask token, which are no players.
        device: where the batches go; by default to the model's own first parameter.

    Returns:
        The score, which reads the model's parameters as they are when it is called.

    Raises:
        TypeError: `model` is not a module.
        ValueError: there is no layer `at`; positions without targets, or a masked language model
            with targets alone; when called: no main input, no logits, or logits of every place
            without targets.
        ImportError: PyTorch is not installed.

    Example:
        >>> import torch, types
        >>> class Sums(torch.nn.Module):  # in place of a model with a head
        ...     main_input_name = "input_ids"
        ...     def forward(self, input_ids, attention_mask):
        ...         summed = (input_ids * attention_mask).sum(dim=1, keepdim=True)
        ...         return types.SimpleNamespace(logits=summed.double())
        >>> score = huggingface_score(Sums())
        >>> ids = score.inputs({"input_ids": [[4, 2, 9]], "attention_mask": [[1, 1, 0]]})
        >>> from sim import measure_outputs, tokens
        >>> measure_outputs(score, ids, tokens(3, 2, mask=1, allowed=[True, True, False]))
        array([[2., 5., 3., 6.]])
    """
    check_module(model)
    main = getattr(model, "main_input_name", "input_ids")
    layer = _layer(model, at)
    if positions is None and targets is not None and type(model).__name__.endswith("ForMaskedLM"):
        must = "be the places of the mask token, for a masked language model"
        raise ArgumentError("positions", must, "is None")
    if positions is not None and targets is None:
        must = "be the tokens whose log-odds are read at the positions"
        raise ArgumentError("targets", must, "is None")

    def placed(array: np.ndarray) -> Any:
        return as_tensor(array, model, device)

    def called(given: Mapping[str, np.ndarray]) -> Any:
        own = {name: placed(array) for name, array in given.items() if name not in READ}
        return model(**own)

    def split(given: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        arrays = as_samples(given if isinstance(given, Mapping) else {main: given})
        if main not in arrays:
            raise ArgumentError("given", f"hold '{main}'", f"holds {', '.join(arrays)}")
        if targets is not None:
            arrays["targets"] = check_labels(targets, len(arrays[main]), "targets")
        if positions is not None:
            arrays["positions"] = check_labels(positions, len(arrays[main]), "positions")
        if layer is None:
            return arrays.pop(main), arrays
        maps = output_of(model, layer, str(at), lambda: called(arrays))
        few = {name: array[:2] for name, array in arrays.items()}
        if at != EMBEDDINGS and passes_by(lambda x: run(maps[:2], few | {main: x}), few[main]):
            warnings.warn(BYPASSED.format(at=at), stacklevel=3)
        return maps, arrays

    def run(masked: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        step = len(masked) if targets is None else ROWS
        parts = []
        for start in range(0, len(masked), step):
            rows = slice(start, start + step)
            parts.append(_scored(masked[rows], {k: v[rows] for k, v in kept.items()}))
        return np.concatenate(parts)

    def _scored(masked: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        if layer is None:
            returned = evaluated(model, lambda: called(kept | {main: masked}))
        else:
            with output_replaced(layer, str(at), placed(masked)):
                returned = evaluated(model, lambda: called(kept))
        logits = _logits(returned)
        if targets is not None:
            return _token(logits, kept)
        if logits.ndim > 2:
            raise ArgumentError(
                "targets",
                "be the tokens whose log-odds are the score, for a model with logits "
                f"{tuple(logits.shape)} at every place",
                "is None",
            )
        return as_logits(logits)

    return PartialScore(split, run)


def _layer(model: Any, at: str | None) -> Any:
    """The layer whose output is masked, or None for the model's input."""
    if at is None:
        return None
    if at != EMBEDDINGS:
        return layer_of(model, at)
    if not hasattr(model, "get_input_embeddings"):
        raise ArgumentError("at", "name a layer, for a model without word embeddings", f"is {at!r}")
    return model.get_input_embeddings()


def _logits(returned: Any) -> Any:
    logits = getattr(returned, "logits", None)
    if logits is None:
        raise ArgumentError(
            "model",
            "return logits, as one of AutoModelForSequenceClassification does",
            f"returns a {type(returned).__name__} without",
        )
    return logits


def _token(logits: Any, kept: Mapping[str, np.ndarray]) -> np.ndarray:
    """Log-odds (m,) of each row's target, at its position or after the last token that is shown."""
    torch = imported_torch()
    if logits.ndim != 3:
        must = "be left out for a model without logits at every place"
        raise ArgumentError("targets", must, f"is given for logits {tuple(logits.shape)}")
    rows, places, known = logits.shape
    targets = kept["targets"]
    if (wrong := (targets >= known) | (targets < 0)).any():
        got = f"is {targets[wrong.argmax()]}"
        raise ArgumentError("targets", f"be token ids from 0 to {known - 1}", got)
    own = "decoder_attention_mask" if "decoder_input_ids" in kept else "attention_mask"
    shown = np.asarray(kept.get(own, np.ones((rows, places))), dtype=bool)
    at = kept.get("positions", places - 1 - shown[:, ::-1].argmax(axis=1))
    if (wrong := (at >= places) | (at < 0)).any():
        got = f"is {at[wrong.argmax()]}"
        raise ArgumentError("positions", f"be places from 0 to {places - 1}", got)
    with torch.no_grad():
        read = logits[torch.arange(rows), torch.from_numpy(at)].double()
        target = torch.from_numpy(targets).to(read.device)[:, None]
        others = read.scatter(1, target, -torch.inf).logsumexp(dim=1)
        return as_logits(read.gather(1, target)[:, 0] - others)
