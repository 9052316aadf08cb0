"""Masked inputs against masks built by hand."""

import numpy as np
import pytest

from sim.masking import Masking, image_patches, present_players


def test_present_players_reads_bits():
    n = 5
    table = present_players(np.arange(2**n), n)
    by_hand = [[bool((s // 2**i) % 2) for i in range(n)] for s in range(2**n)]
    assert table.tolist() == by_hand


def test_masked_images_equal_brute_force():
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 2, size=(3, 6, 4))
    baseline = rng.uniform(-2, -1, size=(6, 4))
    masking = image_patches((6, 4), patch=2, n=5, baseline=baseline, seed=3)
    assert masking.n == 5
    sets = np.arange(2**5)
    got = masking.masked(images, 1, sets)
    for s in sets:
        expected = images[1].copy()
        for player in range(5):
            if not (s >> player) & 1:
                for y in range(6):
                    for x in range(4):
                        if masking.regions[player, y, x]:
                            expected[y, x] = baseline[y, x]
        np.testing.assert_array_equal(got[s], expected)


def test_players_are_distinct_whole_patches():
    regions = image_patches((8, 8), patch=2, n=10, seed=1).regions
    assert regions.sum() == 40
    assert regions.any(axis=0).sum() == 40
    for region in regions:
        ys, xs = np.nonzero(region)
        assert ys.min() % 2 == xs.min() % 2 == 0
        assert (np.ptp(ys), np.ptp(xs)) == (1, 1)


def test_channels_share_their_patch():
    regions = image_patches((3, 4, 4), patch=2, n=4).regions
    assert (regions == regions[:, :1]).all()


def test_players_of_each_sample():
    regions = np.zeros((2, 1, 3), bool)
    regions[0, 0, 0] = regions[1, 0, 2] = True
    masking = Masking(regions, np.array(0.0), (3,))
    inputs = np.ones((2, 3))
    assert masking.masked(inputs, 0, np.array([0])).tolist() == [[0, 1, 1]]
    assert masking.masked(inputs, 1, np.array([0])).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 3, "n": 4}, "`patch` must divide the height and width 8×8, but is 3"),
        ({"patch": 2, "n": 17}, "`n` must be between 1 and the 16 patches of the input .* is 17"),
        ({"patch": 2, "n": 0}, "`n` must be between 1 and the 16"),
        ({"patch": 2, "n": 4, "baseline": np.zeros(3)}, r"`baseline` must broadcast .* \(8, 8\)"),
    ],
)
def test_bad_patches(arguments, message):
    with pytest.raises(ValueError, match=message):
        image_patches((8, 8), **arguments)


def test_a_player_that_covers_nothing():
    with pytest.raises(ValueError, match=r"Every player must cover some of the input, but \[1\]"):
        Masking(np.array([[True, False], [False, False]]), np.array(0.0), (2,))
