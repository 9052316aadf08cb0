"""Removed or outgrown: absolute size by order against enumeration, and networks of either kind."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats
from theory_oracles import order, permuted_indices, subsets

from sim import Retention, retention
from sim.figures import retention_curves, retention_figure
from theory import strength_by_order, zeta

ORDER = np.array([order(s) for s in range(2**6)])
EPOCHS = [0, 1, 2, 4, 8]


def _outputs(n=4, checkpoints=3, samples=5, seed=0):
    return np.random.default_rng(seed).normal(size=(checkpoints, samples, 2**n)) + 0.4


def _enumerated(outputs):
    """Size, overlap, projection and effect straight from their definitions."""
    checkpoints, sets = len(outputs), outputs.shape[-1]
    n = sets.bit_length() - 1
    mobius = np.array(
        [
            [
                [sum((-1) ** (order(s) - order(t)) * v[t] for t in subsets(s)) for s in range(sets)]
                for v in one
            ]
            for one in outputs
        ]
    )
    size, overlap, kept = (np.zeros((checkpoints, n)) for _ in range(3))
    for k in range(1, n + 1):
        chosen = [s for s in range(sets) if order(s) == k]
        first = mobius[0][:, chosen].ravel()
        for t in range(checkpoints):
            now = mobius[t][:, chosen].ravel()
            size[t, k - 1] = np.sqrt(np.mean(now**2)) / np.sqrt(np.mean(first**2))
            overlap[t, k - 1] = now @ first / (np.linalg.norm(now) * np.linalg.norm(first))
            kept[t, k - 1] = now @ first / (first @ first)
    effect = [np.mean([abs(v[-1] - v[0]) for v in one]) for one in outputs]
    return size, overlap, kept, np.array(effect) / effect[0]


@pytest.mark.parametrize("n", [1, 4, 5])
def test_sizes_and_overlaps_by_enumeration(n):
    outputs = _outputs(n)
    found = retention(outputs)
    for name, expected in zip(
        ("size", "overlap", "kept", "effect"), _enumerated(outputs), strict=True
    ):
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-10, err_msg=name)
    np.testing.assert_allclose(found.size[0], 1)
    np.testing.assert_allclose(found.overlap[0], 1)


def test_units_players_and_samples_do_not_matter():
    outputs = _outputs(4)
    places = permuted_indices(4, (2, 0, 3, 1))
    moved = np.empty_like(outputs)
    moved[..., places] = outputs
    shifted = outputs + np.array([3.0, -2.0, 5.0])[:, None, None]  # v(∅) is of no order
    expected = retention(outputs)
    for same in (-7.5 * outputs, 1e-9 * outputs, moved, shifted, outputs[:, ::-1]):
        found = retention(same)
        for name in ("size", "overlap", "effect"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-8)


def _network(low, high, samples=12, seed=1):
    """Interactions of the orders 1, 2 and 3 to 6, times a factor at each checkpoint."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(samples, 2**6)) * 2 ** (ORDER / 2)  # a spindle
    factor = np.where(ORDER < 3, np.array(low)[:, None], np.array(high)[:, None])
    jitter = 1 + 0.02 * rng.normal(size=(len(low), samples, 2**6))
    jitter[0] = 1
    return start * factor[:, None] * jitter


def _found(interactions):
    return retention(np.asarray(zeta(interactions)))


def _shares(interactions):
    strength = np.asarray(strength_by_order(interactions)).mean(axis=1)
    return strength / strength.sum(axis=1, keepdims=True)


def test_removing_is_told_from_outgrowing_where_shares_are_the_same():
    removed = _network(low=[1, 1, 1.5, 2, 3], high=[1, 0.7, 0.3, 0.1, 0.1])
    outgrown = _network(low=[1, 1 / 0.7, 5, 20, 30], high=[1] * 5)
    shares = [_shares(removed), _shares(outgrown)]
    assert shares[0][0, 2:].sum() > 0.8  # medium and high orders go from most of the strength
    assert shares[0][-1, 2:].sum() < 0.3  # to little of it, in both alike
    assert np.abs(shares[0] - shares[1]).max() < 0.01

    found = [_found(w) for w in (removed, outgrown)]
    assert [each.fate().answer for each in found] == ["removes", "outgrows"]
    np.testing.assert_allclose(found[0].size[-1], [3, 3, 0.1, 0.1, 0.1, 0.1], rtol=0.03)
    np.testing.assert_allclose(found[1].size[-1], [30, 30, 1, 1, 1, 1], rtol=0.03)
    fate = found[0].fate()
    assert fate.checkpoint in (3, 4)
    assert 3 <= fate.order <= 6
    assert fate.size == found[0].size[fate.checkpoint, fate.order - 1] == found[0].size[:, 2:].min()

    text = found[0].verdict(EPOCHS)
    assert text.startswith("The network removes initial interactions of medium or high order")
    assert f"order {fate.order} at epoch {EPOCHS[fate.checkpoint]}, has {fate.size:.2g}" in text
    assert f"becomes {found[0].effect[-1]:.3g} times the initial one" in text
    assert f"has {np.median(found[0].kept[-1, 2:]):.2f} times what it had" in text
    text = found[1].verdict(EPOCHS)
    assert text.startswith("The network does not remove its medium and high orders")
    assert "until epoch 8 " in text


def test_only_the_first_phase_and_only_medium_and_high_orders_count():
    late = _found(_network(low=[1] + [0.1] * 4, high=[1, 1, 1, 0.1, 1]))
    assert [late.fate(until).answer for until in (None, 2, 3)] == ["removes", "outgrows", "removes"]
    assert "until epoch 2 " in late.verdict(EPOCHS, 2)
    assert late.fate(2).size > 0.9
    assert late.size[1, :2].max() < 0.2  # orders 1 and 2 have fallen from the start on


def test_one_order_is_enough_to_remove():
    w = _network(low=[1] * 5, high=[1] * 5)
    w[2][:, ORDER == 4] *= 0.2
    fate = _found(w).fate()
    assert (fate.answer, fate.order, fate.checkpoint) == ("removes", 4, 2)


def test_a_pattern_that_is_replaced_keeps_its_size_and_not_itself():
    start, other = (_network([1], [1], samples=100, seed=seed)[0] for seed in (2, 3))
    mixed = np.stack([start, 0.2 * start + (1 - 0.2**2) ** 0.5 * other])
    found = _found(mixed)
    # Two random patterns of m interactions overlap by about 1/√m.
    bound = 4 / np.sqrt(100 * np.bincount(ORDER)[1:])
    assert np.all(np.abs(found.size[1] - 1) < bound)
    assert np.all(np.abs(found.kept[1] - 0.2) < bound)
    assert found.fate().answer == "outgrows"  # in size
    assert found.fate().replaced
    text = found.verdict([0, 1])
    assert "it outgrows them" in text
    assert "But the initial pattern itself is replaced: along it, the median" in text
    on_top = _found(np.stack([start, start + 5 * other]))
    assert not on_top.fate().replaced
    assert ". Along the initial pattern itself, the median" in on_top.verdict([0, 1])
    half = _found(np.stack([start, 0.45 * start]))  # an interval of no width
    assert half.fate().replaced
    assert not _found(np.stack([start, 0.55 * start])).fate().replaced
    few = np.stack([start[:5], start[:5] * np.array([0, 1, 0, 1, 0])[:, None]])
    assert np.median(_found(few).kept[1]) < 0.5  # but by chance it could be above
    assert not _found(few).fate().replaced
    assert np.all(np.abs(on_top.kept[1] - 1) < 5 * bound)
    assert np.all(on_top.overlap[1] < 0.2 + bound)


def test_intervals_are_those_of_samples_drawn_anew():
    """Student's t about what was observed, in logarithms for the sizes."""
    outputs = _outputs(3, samples=6)
    found = retention(outputs, resamples=50, level=0.8, seed=4)
    counts = np.random.default_rng(4).multinomial(6, np.full(6, 1 / 6), size=50)
    drawn = [_enumerated(np.repeat(outputs, count, axis=1)) for count in counts]
    reach = scipy.stats.t.ppf(0.9, 5) * np.sqrt(6 / 5)
    sizes, overlaps, kept = (np.array([draw[i] for draw in drawn]) for i in range(3))
    ends = np.array([[[-1.0]], [[1.0]]])
    expected = np.log(found.size) + ends * reach * np.log(sizes).std(axis=0, ddof=1)
    np.testing.assert_allclose(np.log(found.size_interval), expected, atol=1e-9)
    expected = np.clip(found.overlap + ends * reach * overlaps.std(axis=0, ddof=1), -1, 1)
    np.testing.assert_allclose(found.overlap_interval, expected, atol=1e-9)
    expected = found.kept + ends * reach * kept.std(axis=0, ddof=1)
    np.testing.assert_allclose(found.kept_interval, expected, atol=1e-9)
    twice = np.concatenate([outputs, outputs], axis=1)  # the same inputs in two runs
    runs = retention(twice, runs=2, resamples=50, level=0.8, seed=4)
    np.testing.assert_allclose(runs.size_interval, found.size_interval, rtol=1e-9)
    again, other = retention(outputs, seed=4), retention(outputs, seed=5)
    np.testing.assert_array_equal(again.size_interval, retention(outputs, seed=4).size_interval)
    assert np.any(again.size_interval != other.size_interval)
    np.testing.assert_array_equal(again.size, other.size)


def test_intervals_narrow_with_samples():
    few, many = (_outputs(4, checkpoints=2, samples=samples, seed=7) for samples in (25, 400))
    widths = [np.diff(retention(each).size_interval, axis=0)[0, 1] for each in (few, many)]
    assert np.all(np.abs(np.log(widths[0] / widths[1] / 4)) < np.log(2))  # about as 1/√samples
    same = retention(np.repeat(_outputs(samples=1), 4, axis=1))
    np.testing.assert_allclose(np.diff(same.size_interval, axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(np.diff(retention(few).size_interval[:, 0], axis=0), 0)


def test_without_intervals_nothing_is_determined():
    w = _network([1] * 5, [1, 1, 0.1, 1, 1])
    for found in (
        retention(np.asarray(zeta(w))[:, :1]),
        retention(np.asarray(zeta(w)), resamples=0),
    ):
        assert found.size_interval is None
        assert found.overlap_interval is None
        assert found.fate().answer == "undetermined"
        assert "is not determined: until" in found.verdict(EPOCHS)
    # Half of the inputs lose all and half keep all: 0.7 in size, and nearly any number by chance.
    halves = np.stack([w[0][:4], w[0][:4] * np.array([0, 0, 1, 1])[:, None]])
    low, high = _found(halves).size_interval[:, 1, 2:]
    assert np.all(low < 0.5)
    assert np.all(high > 0.5)
    assert _found(halves).fate().answer == "undetermined"


def test_orders_that_are_not_there_at_the_start_are_not_removed():
    w = _network([1] * 5, [1] * 5)
    w[0][:, ORDER == 6] = 0
    w[:, :, ORDER == 5] = 0
    found = _found(w)
    assert np.all(found.size[:, 4] == 0)
    assert np.all(found.size[:, 5] == [0, *[np.inf] * 4])
    assert not np.isnan(found.size_interval).any()
    assert found.fate().answer == "outgrows"
    assert np.all(found.kept[:, 4:] == 0)
    w[0][:, ORDER > 2] = 0
    fate = _found(w).fate()
    assert (fate.answer, fate.order) == ("undetermined", 0)
    assert _found(w).verdict(EPOCHS).endswith("there is nothing to compare.")
    alone = _found(w[:1])  # a checkpoint has nothing beside itself
    assert alone.fate().answer == "undetermined"
    assert retention(_outputs(2)).fate().order == 0  # two players have no order 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": np.ones((3, 8))}, r"must have shape \(checkpoints, samples, 2\^n\)"),
        ({"outputs": np.full((2, 2, 8), np.nan)}, "must be finite"),
        ({"resamples": -1}, "`resamples` must be at least 0, but is -1"),
        ({"resamples": 1.5}, "`resamples` must be a whole number"),
        ({"level": 1.0}, "`level` must lie between 0 and 1"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        retention(**({"outputs": _outputs()} | change))


def test_checkpoints_and_epochs_are_checked():
    found = retention(_outputs())
    for until in (-1, 3):
        with pytest.raises(ValueError, match="`until` must be"):
            found.fate(until)
    with pytest.raises(ValueError, match="`epochs` must have one entry for each of the 3"):
        found.verdict([0, 1])


def test_the_figure_shows_the_values():
    found = _found(_network([1, 1, 2, 5, 30], [1] * 5))
    _, ax = plt.subplots()
    assert retention_curves(ax, EPOCHS, found) is ax
    assert ax.get_yscale() == "log"
    for k in range(6):
        np.testing.assert_allclose(ax.lines[k].get_ydata(), found.size[:, k])
    np.testing.assert_allclose(ax.lines[6].get_ydata(), found.effect)
    assert len(ax.collections) == 6  # a band for each order
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["1", "2"]
    bare = Retention(found.size, found.overlap, found.effect)
    _, ax = plt.subplots()
    retention_curves(ax, EPOCHS, bare, "overlap", legend=False)
    assert ax.get_yscale() == "linear"
    assert not ax.collections
    np.testing.assert_allclose(ax.lines[2].get_ydata(), found.overlap[:, 2])
    figure = retention_figure(EPOCHS, found)
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "size / initial size",
        "overlap with the start",
    ]
    plt.close("all")
