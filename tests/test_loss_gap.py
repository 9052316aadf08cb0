"""Where the loss gap leaves its own noise: the rule on noise of known size."""

import numpy as np
import pytest

from sim.phases.loss_gap import gap_onset


@pytest.mark.parametrize("seed", range(3))
def test_a_difference_of_two_noisy_gaps_has_root_two_times_the_noise(seed):
    """Three deviations of it are 3·√2·σ = 4.24 σ; three of a single gap would be 3 σ.

    The last gap stands above the smallest by a size between the two, or well above both. (The noise
    near the smallest gap is estimated from three, and counts where it is larger.)
    """
    sigma = 0.02
    gap = sigma * np.random.default_rng(seed).normal(size=2000)
    gap[-2] = gap.min()  # nothing stays above before the last
    between, beyond = 3 * 2**0.25 * sigma, 3 * 2**2.5 * sigma
    gap[-1] = gap.min() + between
    assert gap_onset(np.arange(2000), gap) is None
    gap[-1] = gap.min() + beyond
    assert gap_onset(np.arange(2000), gap) == 1999
