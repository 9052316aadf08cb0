"""How much each player matters, and which hardly do."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_outputs
from sim.measurement.measurement import Measurement
from theory import SALIENCE


def player_effects(outputs: ArrayLike) -> np.ndarray:
    """How much each player moves the output, on average over the sets that it can join.

    e_i = mean over S ⊆ N∖{i} of |v(S ∪ {i}) − v(S)|, relative to the mean of |v(N) − v(∅)| over a
    checkpoint's samples, as the threshold of salience is. (Ours; without the absolute values this
    would be Banzhaf's value, in which effects of both signs cancel.) Players without interactions
    of others have e_i = |I_i|; the effect of an AND of k players comes to 2^(1−k) of its value on
    each of them.

    Args:
        outputs: (checkpoints, samples, 2^n), v(S), such as `Measurement.outputs`.

    Returns:
        (checkpoints, samples, n), float64: 0 for a player that changes no output. Where v(N) = v(∅)
        in every sample, an effect is 0 or infinite.

    Raises:
        ValueError: outputs of another shape, or not finite.

    Example:
        >>> outputs = np.array([[[0.0, 1.0, 0.0, 3.0]]])  # the second player acts with the first
        >>> player_effects(outputs).round(3).tolist()
        [[[0.667, 0.333]]]
    """
    v = check_outputs(outputs)
    n = v.shape[-1].bit_length() - 1
    moved = np.empty((*v.shape[:-1], n))
    for i in range(n):
        pairs = v.reshape(*v.shape[:-1], 2 ** (n - 1 - i), 2, 2**i)  # absent and present in axis −2
        moved[..., i] = np.abs(pairs[..., 1, :] - pairs[..., 0, :]).mean(axis=(-2, -1))
    scale = np.abs(v[..., -1] - v[..., 0]).mean(axis=-1)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(moved > 0, moved / scale, 0.0)


def near_dummies(
    measurement: Measurement, *, checkpoint: int = -1, below: float = SALIENCE
) -> list[tuple[str, float]]:
    """The players that hardly matter, by name, with their mean effects, the least first.

    A dummy is a player whose presence changes no output: a patch of the border that is black
    whether masked or not, a padding token. It doubles the masked inputs and has no interactions.
    Effects are those of `player_effects`, averaged over all samples that have the player. Where
    every input has players of its own, players of one name are one player: the patch `r1c1` of
    every image that shows it, a word in every sentence. Without names they are told apart by input.

    The default of `below` is the factor of the threshold of salience, 3 %: on average, such a
    player does less than a single interaction must do to be counted. In the notebooks'
    measurements on images and on a table the least effect of a player is 10 to 15 % at the last
    checkpoint; a black frame around digits, masked by black, has 0. The bar is a rule and no test:
    what shows something in half of the digits can come to 2 or 3 %, and the same frame masked by
    grey to some percent, as a place that looks the same in every input can still move the output
    when it is masked.

    Args:
        measurement: outputs, with the names of the players if there are any.
        checkpoint: from 0 on, or from the end below 0; the last one, where training is done.
        below: the effect that a player must have to matter.

    Returns:
        (name, effect) of each, with the effect as a share of |v(N) − v(∅)|.

    Raises:
        ValueError: no such checkpoint; a measurement of some of the sets alone, few of which differ
            by one player.

    Example:
        >>> outputs = np.array([[[0.0, 2.0, 0.0, 2.0]]])  # the second player changes nothing
        >>> near_dummies(Measurement(outputs, [0], player_names=["good", "[PAD]"]))
        [('[PAD]', 0.0)]
    """
    if measurement.sets is not None:
        must, holds = "hold the outputs of all 2^n sets", f"holds {len(measurement.sets)} of them"
        raise ArgumentError("measurement", must, holds)
    if not -measurement.checkpoints <= checkpoint < measurement.checkpoints:
        raise ArgumentError(
            "checkpoint",
            f"be a whole number from 0 to {measurement.checkpoints - 1}",
            f"is {checkpoint}",
        )
    means = _by_player(measurement, checkpoint)
    return sorted((pair for pair in means if pair[1] < below), key=lambda pair: pair[1])


def dummies_in_words(measurement: Measurement, most: int = 5) -> str | None:
    """A sentence on the players that hardly matter at the last checkpoint; None if all do.

    None too where some of the sets alone were measured, which do not tell.

    Args:
        measurement: outputs, with the names of the players if there are any.
        most: how many players are named.

    Example:
        >>> outputs = np.array([[[0.0, 2.0, 0.0, 2.0]]])
        >>> dummies_in_words(Measurement(outputs, [4], player_names=["good", "[PAD]"]))[:70]
        '1 of 2 players hardly matters at epoch 4: [PAD] (0 % of |v(N) − v(∅)|)'
    """
    found = near_dummies(measurement) if measurement.sets is None else []
    if not found:
        return None
    total = len(_by_player(measurement, -1))
    shown = [f"{name} ({100 * effect:.2g} %)" for name, effect in found[:most]]
    shown[0] = shown[0].replace(" %)", " % of |v(N) − v(∅)|)")
    if len(found) > most:
        shown.append(f"{len(found) - most} more")
    verb = "matters" if len(found) == 1 else "matter"
    return (
        f"{len(found)} of {total} players hardly {verb} at epoch {measurement.epochs[-1]:g}: "
        f"{', '.join(shown)}; choose others, by another --seed of interdyn measure or in Python by "
        "`content` for patches, `allowed` for tokens."
    )


def _by_player(measurement: Measurement, checkpoint: int) -> list[tuple[str, float]]:
    """Name and mean effect of every player."""
    effects = player_effects(measurement.outputs[checkpoint][None])[0]  # (samples, n)
    names, regions = measurement.player_names, measurement.regions
    own = names.ndim == 2 if names is not None else regions is not None and len(regions) > 1
    if not own:
        return list(zip(measurement.players(0), effects.mean(axis=0).tolist(), strict=True))
    gathered: dict[str, list[float]] = defaultdict(list)
    for sample, row in enumerate(effects.tolist()):
        for name, effect in zip(measurement.players(sample), row, strict=True):
            if names is None:
                name = f"{name} of {measurement.sample_name(sample)}"
            gathered[name].append(effect)
    return [(name, float(np.mean(each))) for name, each in gathered.items()]
