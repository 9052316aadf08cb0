"""What the experiments on scikit-learn's 8×8 digits have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

from sklearn.datasets import load_digits

from sim.experiments._registry import Settings
from sim.experiments._training import Data, split

TRAINING_IMAGES = 1000


def digits(settings: Settings) -> Data:
    """1,000 training images, the rest for testing; standardised, so that 0 is mean grey."""
    bunch = load_digits()
    return split(bunch.images, bunch.target, TRAINING_IMAGES, settings.label_noise, settings.seed)


def description(name: str, settings: Settings, **words: str) -> dict[str, Any]:
    """An experiment's metadata."""
    return {
        "experiment": name,
        "data": f"scikit-learn digits, {TRAINING_IMAGES} training images",
        **words,
        "settings": dataclasses.asdict(settings),
    }
