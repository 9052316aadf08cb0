"""What the experiments on scikit-learn's 8×8 digits have in common."""

from __future__ import annotations

from sklearn.datasets import load_digits

from sim.experiments._registry import Settings
from sim.experiments._training import Data, split

TRAINING_IMAGES = 1000
DIGITS = f"scikit-learn digits, {TRAINING_IMAGES} training images"


def digits(settings: Settings) -> Data:
    """1,000 training images, the rest for testing; standardised, so that 0 is mean grey."""
    bunch = load_digits()
    return split(bunch.images, bunch.target, TRAINING_IMAGES, settings.label_noise, settings.seed)
