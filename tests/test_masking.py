"""Masked inputs against masks built by hand."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sim.measurement.masking import Masking, mean_baseline, present_players
from sim.measurement.patches import image_patches
from sim.measurement.players import (
    point_clusters,
    tabular_features,
    tokens,
    tokens_by_length,
)


def by_hand(masking, inputs, sample, replacement):
    """Masked versions of one input, place by place; `replacement` is (*shape)."""
    regions = masking.regions if masking.regions.ndim == inputs.ndim else masking.regions[sample]
    versions = []
    for s in range(2**masking.n):
        version = inputs[sample].copy()
        for player in range(masking.n):
            if not (s >> player) & 1:
                for place in np.argwhere(regions[player]):
                    version[tuple(place)] = replacement[tuple(place)]
        versions.append(version)
    return np.array(versions)


def test_present_players_reads_bits():
    n = 5
    table = present_players(np.arange(2**n), n)
    assert table.tolist() == [[bool((s // 2**i) % 2) for i in range(n)] for s in range(2**n)]


def test_masked_images_equal_brute_force():
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 2, size=(3, 6, 4))
    baseline = rng.uniform(-2, -1, size=(6, 4))
    masking = image_patches((6, 4), patch=2, n=5, baseline=baseline, seed=3)
    assert masking.n == 5
    got = masking.masked(images, 1, np.arange(2**5))
    np.testing.assert_array_equal(got, by_hand(masking, images, 1, baseline))


def test_players_are_distinct_whole_patches():
    regions = image_patches((8, 8), patch=2, n=10, seed=1).regions
    assert regions.sum() == 40
    assert regions.any(axis=0).sum() == 40
    for region in regions:
        ys, xs = np.nonzero(region)
        assert ys.min() % 2 == xs.min() % 2 == 0
        assert (np.ptp(ys), np.ptp(xs)) == (1, 1)


def test_the_seed_decides_which_places_are_players():
    def drawn(seed):
        clouds = np.random.default_rng(0).normal(size=(1, 30, 2))
        maskings = (
            image_patches((8, 8), 2, 5, seed=seed),
            tabular_features(20, 5, seed=seed),
            tokens(20, 5, mask=0, seed=seed),
            tokens(20, 5, mask=0, seed=seed, allowed=np.ones((2, 20), bool)),
            point_clusters(clouds, 8, seed=seed),
        )
        return [masking.regions for masking in maskings]

    for one, again, other in zip(drawn(1), drawn(1), drawn(2), strict=True):
        np.testing.assert_array_equal(one, again)
        assert not np.array_equal(one, other)


def test_channels_share_their_patch():
    regions = image_patches((3, 4, 4), patch=2, n=4).regions
    assert (regions == regions[:, :1]).all()


def test_one_absent_player_masks_what_players_share():
    regions = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]], bool)
    inputs, baseline = np.arange(1.0, 5.0)[None], np.array(-1.0)
    masking = Masking(regions, baseline, (4,))
    got = masking.masked(inputs, 0, np.arange(8))
    np.testing.assert_array_equal(got, by_hand(masking, inputs, 0, np.full(4, -1.0)))
    assert got[0b110].tolist() == [-1, -1, 3, 4]


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
        (
            {"patch": 3, "n": 4},
            "that divides the height and width 8×8, but is 3",
        ),
        (
            {"patch": 2, "n": 17},
            "between 1 and the 16 patches of the input .* is 17",
        ),
        ({"patch": 2, "n": 0}, "`n` must be a whole number between 1 and the 16"),
        ({"patch": 2, "n": 4, "baseline": np.zeros(3)}, r"`baseline` must broadcast .* \(8, 8\)"),
    ],
)
def test_bad_patches(arguments, message):
    with pytest.raises(ValueError, match=message):
        image_patches((8, 8), **arguments)


def test_patches_are_named_by_row_and_column():
    """Each name says where the pixels of its player lie."""
    masking = image_patches((2, 6, 8), 2, 5, seed=3, samples=4)
    for sample, player in np.ndindex(4, 5):
        row, column = (int(part) for part in masking.names[sample, player][1:].split("c"))
        expected = np.zeros((2, 6, 8), bool)
        expected[:, 2 * row - 2 : 2 * row, 2 * column - 2 : 2 * column] = True
        np.testing.assert_array_equal(masking.regions[sample, player], expected)


def test_features_tokens_and_clusters_are_named():
    columns = ["age", "red", "green", "blue"]
    grouped = tabular_features(4, [0, (1, 2, 3)], names=columns)
    assert grouped.names.tolist() == ["age", "red … blue"]
    drawn = tabular_features(4, 2, names=columns, samples=3)
    for sample, player in np.ndindex(3, 2):
        assert drawn.names[sample, player] == columns[drawn.regions[sample, player].argmax()]
    words = np.array([["a", "very", "good", "film"], ["not", "my", "kind", "of"]])
    for masking in (
        tokens(4, 2, mask=0, words=words),
        tokens(4, 2, mask=0, words=words, samples=2),
    ):
        for sample, player in np.ndindex(2, 2):
            place = masking.regions[sample, player].argmax()
            assert masking.names[sample, player] == words[sample, place]
    assert tokens(4, 2, mask=0, words=words[0]).names.shape == (2,)
    assert tokens(3, 3, mask=0).names.tolist() == ["token 0", "token 1", "token 2"]
    with pytest.raises(ValueError, match="`words` must be for the 3 samples"):
        tokens(4, 2, mask=0, words=words, samples=3)
    with pytest.raises(ValueError, match=r"`names` must have shape \(n,\) = \(4,\)"):
        tabular_features(4, 2, names=["age"])
    cloud = np.random.default_rng(0).normal(size=(2, 9, 3))
    assert set(point_clusters(cloud, 3, 2).names.ravel()) <= {f"cluster {i}" for i in range(3)}


def test_a_player_that_covers_nothing():
    with pytest.raises(ValueError, match=r"Every player must cover some of the input, but \[1\]"):
        Masking(np.array([[True, False], [False, False]]), np.array(0.0), (2,))


def test_a_baseline_of_each_sample():
    rng = np.random.default_rng(4)
    inputs, baseline = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4, 4))
    masking = image_patches((4, 4), patch=2, n=3, baseline=baseline, seed=2, samples=3)
    assert masking.samples == 3
    assert len({region.tobytes() for region in masking.regions}) > 1  # other players
    for sample in range(3):
        got = masking.masked(inputs, sample, np.arange(8))
        np.testing.assert_array_equal(got, by_hand(masking, inputs, sample, baseline[sample]))


def test_patches_stay_in_the_allowed_region():
    allowed = np.zeros((8, 8), bool)
    allowed[1:7, 2:8] = True  # whole patches of it: rows 2..5, columns 2..7
    regions = image_patches((8, 8), 2, n=6, allowed=allowed, samples=5).regions
    expected = np.zeros((8, 8), bool)
    expected[2:6, 2:8] = True
    assert (regions.any(axis=1) == expected).all()
    with pytest.raises(ValueError, match=r"between 1 and the 6 patches .* but is 7"):
        image_patches((8, 8), 2, n=7, allowed=allowed)
    with pytest.raises(ValueError, match=r"`allowed` must have shape \(8, 8\)"):
        image_patches((8, 8), 2, n=3, allowed=np.ones((2, 8, 8)))


def test_central_patches():
    """[Ren24]'s choice: the central 6 × 6 of a grid of 8 × 8."""
    regions = image_patches((16, 16), 2, n=12, central=6, samples=30).regions
    expected = np.zeros((16, 16), bool)
    expected[2:14, 2:14] = True
    assert (regions.any(axis=(0, 1)) == expected).all()
    names = image_patches((6, 10), 2, n=3, central=(1, 3)).names
    assert names.tolist() == ["r2c2", "r2c3", "r2c4"]
    allowed = np.zeros((6, 10), bool)
    allowed[:, 4:] = True  # together with `central`
    assert image_patches((6, 10), 2, 2, central=(1, 3), allowed=allowed).names.tolist() == [
        "r2c3",
        "r2c4",
    ]


def test_patches_by_content():
    """Two channels, three inputs; the second row of patches shows something in two of them."""
    images = np.zeros((3, 2, 4, 6))
    images[0, 1, 2, 0] = images[1, 0, 3, 1] = 1  # r2c1 in inputs 0 and 1
    images[0, 0, 2, 4] = images[1, 1, 2, 5] = images[2, 0, 3, 4] = -1  # r2c3 in all
    images[2, 1, 0, 3] = 2  # r1c2 in input 2 only

    def chosen(n, **options):
        return image_patches((2, 4, 6), 2, n, content=images != 0, **options).names.tolist()

    assert chosen(2) == ["r2c1", "r2c3"]
    assert chosen(2, share=2 / 3) == ["r2c1", "r2c3"]
    assert chosen(1, share=1) == ["r2c3"]
    assert chosen(3, share=0.1) == ["r1c2", "r2c1", "r2c3"]
    assert chosen(2, samples=3) == [["r2c1", "r2c3"], ["r2c1", "r2c3"], ["r1c2", "r2c3"]]
    with pytest.raises(ValueError, match=r"and the 2 patches .* but is 3"):
        chosen(3)
    with pytest.raises(ValueError, match=r"fewer are in sample 0 \(2\), sample 1 \(2\), sample 2"):
        chosen(3, samples=3)


def test_feature_maps_are_masked_in_all_channels_by_their_own_values():
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(2, 3, 4, 4))
    means = mean_baseline(maps).mean(axis=(1, 2), keepdims=True)  # (3, 1, 1), one a channel
    masking = image_patches((3, 4, 4), 2, n=2, baseline=means)
    got = masking.masked(maps, 1, np.arange(4))
    replacement = np.broadcast_to(means, (3, 4, 4))
    np.testing.assert_array_equal(got, by_hand(masking, maps, 1, replacement))


def test_features_and_groups_of_features():
    rng = np.random.default_rng(6)
    rows, baseline = rng.normal(size=(2, 5)), rng.normal(size=5)
    for players in (4, [2, (0, 3), [4]]):
        masking = tabular_features(5, players, baseline=baseline, seed=1)
        got = masking.masked(rows, 1, np.arange(2**masking.n))
        np.testing.assert_array_equal(got, by_hand(masking, rows, 1, baseline))
    assert np.argwhere(masking.regions).tolist() == [[0, 2], [1, 0], [1, 3], [2, 4]]
    assert (tabular_features(5, 5).regions == np.eye(5, dtype=bool)).all()


def test_token_ids_stay_integers():
    ids = np.array([[101, 5, 6, 7, 102, 0], [101, 8, 9, 102, 0, 0]], dtype=np.int32)
    words = ~np.isin(ids, [0, 101, 102])
    masking = tokens(6, 2, mask=103, allowed=words, seed=3)
    for sample in range(2):
        got = masking.masked(ids, sample, np.arange(4))
        assert got.dtype == np.int32
        np.testing.assert_array_equal(got, by_hand(masking, ids, sample, np.full(6, 103)))
        assert (masking.regions[sample].any(axis=0) <= words[sample]).all()
    with pytest.raises(
        ValueError,
        match=r"and the 2 tokens .* but is 3, and fewer are in sample 1 \(2\); tokens_by",
    ):
        tokens(6, 3, mask=103, allowed=words)


def test_token_embeddings():
    rng = np.random.default_rng(7)
    embedded, mask = rng.normal(size=(2, 5, 3)), rng.normal(size=3)
    masking = tokens((5, 3), 4, mask=mask, seed=1)
    got = masking.masked(embedded, 0, np.arange(16))
    np.testing.assert_array_equal(got, by_hand(masking, embedded, 0, np.tile(mask, (5, 1))))


def test_absent_clusters_move_to_their_centre():
    rng = np.random.default_rng(8)
    points = rng.normal(size=(3, 12, 3)).astype(np.float32)
    members = np.array([rng.permutation(np.arange(12) % 4) for _ in range(3)])
    masking = point_clusters(points, members)
    assert masking.n == 4
    for sample in range(3):
        got = masking.masked(points, sample, np.arange(16))
        assert got.dtype == np.float32
        for s in range(16):
            expected = points[sample].copy()
            for cluster in range(4):
                if not (s >> cluster) & 1:
                    inside = members[sample] == cluster
                    expected[inside] = points[sample, inside].astype(np.float64).mean(axis=0)
            np.testing.assert_allclose(got[s], expected, atol=1e-6)


def test_clusters_are_found_where_they_are_plain():
    rng = np.random.default_rng(9)
    centres = 100 * rng.normal(size=(2, 5, 3))
    true = np.array([rng.permutation(np.arange(30) % 5) for _ in range(2)])
    points = np.take_along_axis(centres, true[..., None], axis=1) + rng.normal(size=(2, 30, 3))
    found = point_clusters(points, 5, n=3, seed=2)
    assert found.n == 3
    for sample in range(2):
        for region in found.regions[sample, :, :, 0]:
            assert len(set(true[sample][region])) == 1
            assert region.sum() == 6
    with pytest.raises(ValueError, match=r"between 1 and the 5 clusters .* but is 6"):
        point_clusters(points, 5, n=6)
    with pytest.raises(ValueError, match=r"between 1 and the 2 distinct points .* but is 3"):
        point_clusters(np.array([[[0.0], [1.0], [0.0]]]), 3)


def test_a_single_point_is_no_player_that_is_drawn():
    """It is its own centre, and nothing would change when it is masked."""
    cloud = np.array([[[0.0, 0.0], [9.0, 0.0], [1.0, 0.0], [5.0, 5.0], [9.0, 1.0]]] * 20)
    members = np.array([[0, 1, 0, 2, 1]] * 20)
    drawn = point_clusters(cloud, members, n=2)
    assert {tuple(names) for names in drawn.names} == {("cluster 0", "cluster 1")}
    with pytest.raises(ValueError, match="the 2 clusters of two points or more"):
        point_clusters(cloud, members, n=3)
    assert point_clusters(cloud, members).n == 3


def test_every_point_belongs_to_the_nearest_centre():
    """Where clusters are not plain, centres and members must still fit each other."""
    points = np.random.default_rng(10).normal(size=(2, 60, 2))
    found = point_clusters(points, 5, seed=3)
    for sample in range(2):
        members = found.regions[sample, :, :, 0]
        centres = np.array([points[sample, inside].mean(axis=0) for inside in members])
        away = np.linalg.norm(points[sample][:, None] - centres, axis=-1)
        np.testing.assert_array_equal(away.argmin(axis=1), members.argmax(axis=0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: tabular_features(4, 5),
            "between 1 and the 4 features .* is 5",
        ),
        (lambda: tabular_features(4, [0, 4]), r"by numbers from 0 to 3, but names \[4\]"),
        (lambda: tabular_features(4, []), "must be 1 to 24 players, but there are 0"),
        (lambda: tabular_features(4, 2, baseline=np.nan), "`baseline` must be finite"),
        (lambda: tabular_features(4, 2, baseline=np.zeros((2, 3, 4))), "`baseline` must broadcast"),
        (lambda: tokens((2, 3, 4), 2, mask=0), r"must be \(tokens,\) or \(tokens, width\)"),
        (lambda: tokens(4, 2, mask=0, allowed=[True]), "one entry for each of the 4 tokens"),
        (
            lambda: tokens_by_length(3, 2, mask=0, allowed=[[True] * 3, [False] * 3]),
            "leave every sample a token that can be a player, but leaves none to sample 1",
        ),
        (lambda: tokens_by_length(3, 2, mask=0, allowed=[True]), "shape .samples, tokens."),
        (
            lambda: tokens_by_length(2, 2, mask=0, allowed=np.ones((3, 2)), words=[["a", "b"]] * 2),
            r"`words` must have shape .* or \(3, 2\) .* has shape \(2, 2\)",
        ),
        (lambda: tokens_by_length(3, 0, mask=0, allowed=[[True] * 3]), "`n` must be"),
        (
            lambda: image_patches((4, 4), 2, 2, central=1),
            "leave as many on either side of the grid of 2×2 patches, but is 1",
        ),
        (lambda: image_patches((4, 4), 1, 2, central=(2, 4, 2)), "`central` must be"),
        (lambda: image_patches((4, 4), 1, 2, central=6), "grid of 4×4 patches, but is 6"),
        (lambda: image_patches((4, 4), 1, 2, central=2.0), "`central` must be"),
        (
            lambda: image_patches((4, 4), 2, 2, content=np.ones((3, 4, 4))),
            r"such as images > 0, of shape \(inputs, 4, 4\), but has .* dtype float64",
        ),
        (
            lambda: image_patches((4, 4), 2, 2, content=np.ones((3, 4, 4), bool), samples=2),
            "`content` must be for the 2 samples, but is for 3 inputs",
        ),
        (
            lambda: image_patches((4, 4), 2, 2, content=np.ones((3, 4, 4), bool), share=0),
            "`share` must be above 0 and at most 1, but is 0",
        ),
        (lambda: image_patches((4,), 2, 2), r"must be \(height, width\) or \(channels"),
        (
            lambda: image_patches((4, 4), 2, 2, baseline=np.zeros((5, 4, 4)), samples=3),
            "same number of samples, but are for 3 and 5",
        ),
        (lambda: point_clusters(np.zeros((2, 4)), 2), "`points` must be floating"),
        (lambda: point_clusters(np.zeros((1, 2, 2)), np.array([[0, 2]])), "cluster 1 is empty"),
        (lambda: point_clusters(np.zeros((1, 2, 2)), np.array([0, 1])), "integers of shape"),
        (lambda: Masking(np.ones((25, 30), bool), 0.0, (30,)), "there are 25"),
    ],
)
def test_what_is_not_a_masking(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("inputs", "baseline", "message"),
    [
        (np.ones((2, 5)), 0.0, r"`inputs` must have shape \(samples, 4\)"),
        (np.ones((0, 4)), 0.0, "`inputs` must have shape"),
        (np.ones((2, 4)), np.zeros((3, 4)), "must hold the 3 samples .* but holds 2"),
        (np.ones((2, 4), int), 0.5, "baseline must be representable .* int64"),
    ],
)
def test_inputs_that_a_masking_does_not_fit(inputs, baseline, message):
    with pytest.raises(ValueError, match=message):
        tabular_features(4, 2, baseline=baseline).check(inputs)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    patch=st.integers(1, 3),
    n=st.integers(-1, 18),
    seed=st.integers(0, 2**31),
)
def test_patches_are_disjoint_or_refused(rows, columns, patch, n, seed):
    shape = (rows * patch, columns * patch)
    if 1 <= n <= rows * columns:
        regions = image_patches(shape, patch, n, seed=seed).regions
        assert regions.sum() == regions.any(axis=0).sum() == n * patch**2
    else:
        with pytest.raises(ValueError, match="`n` must be a whole number between 1"):
            image_patches(shape, patch, n, seed=seed)
