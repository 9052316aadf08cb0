"""What the mean order does over training, and the marks of the losses beside it."""

import itertools

import jax
import numpy as np
import pytest

from sim.phases.loss_gap import gap_onset
from sim.phases.pattern import PATTERNS
from sim.phases.phases import find_phases
from sim.phases.wandering import (
    fewest_checkpoints,
    first_valley,
    trend_chance,
    valley_chance,
)

ORDERS = np.arange(1, 9)
EPOCHS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256])


def _shares(centre, rng, samples=20, noise=0.4):
    """Order distributions about a mean order that moves as `centre`, with noise in each sample."""
    centre = np.asarray(centre)[:, None, None]
    own = rng.normal(size=(1, samples, 1)) + noise * rng.normal(size=(len(centre), samples, 1))
    shares = np.exp(-((ORDERS - centre - own) ** 2) / 3 + 0.2 * rng.normal(size=own.shape))
    return shares / shares.sum(axis=-1, keepdims=True)


def _exact(centre):
    """One sample without noise."""
    return np.exp(-((ORDERS - np.asarray(centre)[:, None, None]) ** 2) / 3)


def _valley(depth=1.5, lowest=5, checkpoints=14):
    t = np.arange(checkpoints)
    falling = depth * (1 - t / lowest)
    rising = depth * (t - lowest) / (checkpoints - 1 - lowest)
    return 3.0 + np.where(t < lowest, falling, rising)


def test_a_known_boundary_lies_in_its_interval():
    inside, width = 0, []
    for seed in range(40):
        phases = find_phases(EPOCHS, _shares(_valley(), np.random.default_rng(seed)))
        assert phases.pattern == "two-phase"
        assert phases.low < phases.boundary < phases.high
        inside += phases.low <= 6 <= phases.high
        width.append(np.diff(np.searchsorted(EPOCHS, [phases.low, phases.high])))
    assert inside >= 38
    assert np.mean(width) < 5.0  # a neighbour on either side, what is beside it, seldom more


def test_the_interval_holds_what_is_within_one_standard_error():
    """Without noise between samples, the strays from cubics are all that the error is made of."""
    centre = _valley()
    centre[[4, 5, 7]] = 3.05, 3.0, 3.04  # as good as the lowest, but for one between them
    phases = find_phases(range(14), _exact(centre))
    assert phases.boundary == 5
    steps = np.diff(phases.mean_order) ** 2
    walked = [1.3 * np.sqrt(steps[min(t, 5) : max(t, 5)].sum()) for t in range(14)]
    error = np.maximum(np.hypot(phases.noise, phases.noise[5]), walked)
    near = np.flatnonzero(phases.mean_order - phases.mean_order[5] <= error)
    assert (phases.low, phases.high) == (near.min() - 1, near.max() + 1)
    assert near.size > 1


def test_mean_order_is_that_of_the_averaged_strength():
    rng = np.random.default_rng(0)
    strength = rng.gamma(1.0, size=(8, 5, 4))
    phases = find_phases(range(8), strength)
    total = strength.mean(axis=1)
    expected = [np.average([1, 2, 3, 4], weights=row) for row in total]
    np.testing.assert_allclose(phases.mean_order, expected)


def test_the_spread_is_that_of_repeated_measurements():
    rng = np.random.default_rng(1)
    repeats = [rng.gamma(0.8, [1.0, 2.0, 0.5], size=(3, 40, 3)) for _ in range(300)]
    found = [find_phases(range(3), strength) for strength in repeats]
    actual = np.std([phases.mean_order for phases in found], axis=0)
    np.testing.assert_allclose(np.mean([p.spread for p in found], axis=0), actual, rtol=0.15)


def test_a_smooth_valley_without_noise_is_found():
    phases = find_phases(range(14), _exact(_valley()))  # a single sample: nothing of others is said
    assert (phases.pattern, phases.boundary, phases.low, phases.high) == ("two-phase", 5, 3, 7)
    assert "Two phases" in phases.verdict()


WITHOUT_VALLEY = {
    "falling": (np.linspace(5, 3, 14), "falls"),
    "rising": (np.linspace(3, 5, 14), "rises"),
    "constant": (np.full(14, 4.0), "flat"),
    "hill": (8 - _valley(), "undetermined"),
    "rise to a plateau": (np.minimum(5, np.linspace(2, 6, 14)), "rises"),
    "fall to a plateau": (np.maximum(4, np.linspace(6, 2, 14)), "falls"),
}


@pytest.mark.parametrize("kind", WITHOUT_VALLEY)
def test_exact_courses_without_a_valley_are_called_by_their_names(kind):
    centre, pattern = WITHOUT_VALLEY[kind]
    phases = find_phases(range(14), _exact(centre))
    assert (phases.boundary, phases.low, phases.high, phases.without) == (None,) * 4
    assert phases.p_value == 1.0
    assert phases.pattern == pattern
    said = {"falls": "no second phase", "rises": "no first phase", "flat": "no phases"}
    assert said.get(pattern, "undetermined") in phases.verdict()


# Chance by counting, in the plainest words: every pattern of signs, one after the other.


def _depths_by_hand(mean):
    steps = np.diff(mean)
    for signs in itertools.product((1, -1), repeat=len(steps)):
        x = [0.0]
        for sign, step in zip(signs, steps, strict=True):
            x.append(x[-1] + sign * abs(step) ** 0.5)
        yield min(x[0], x[-1]) - min(x[1:-1]), x[-1], signs == tuple(np.sign(steps))


@pytest.mark.parametrize("seed", range(5))
def test_chances_are_shares_of_all_patterns_of_signs(seed):
    rng = np.random.default_rng(seed)
    mean = np.array([4.0, 3.1, 2.5, 2.0, 2.2, 2.9, 3.1, 3.8]) + 0.3 * rng.normal(size=8)
    depths, ends, own = map(np.array, zip(*_depths_by_hand(mean), strict=True))
    assert own.sum() == 1
    share = np.mean(depths >= depths[own] - 1e-9)
    assert valley_chance(mean, 10_000, rng) == pytest.approx(min(1.0, 2 * share))
    drawn = [valley_chance(mean, 100, np.random.default_rng(i)) for i in range(200)]
    assert np.mean(drawn) == pytest.approx(2 * (1 + 100 * share) / 101, rel=0.15)

    rising = np.cumsum(np.abs(np.diff(mean)) * np.array([1, 1, -0.2, 1, 1, -0.1, 1]))
    rising = np.concatenate([[0.0], rising])
    _, ends, own = map(np.array, zip(*_depths_by_hand(rising), strict=True))
    share = np.mean(np.abs(ends) >= abs(ends[own][0]) - 1e-9)
    assert trend_chance(rising, 10_000, rng) == pytest.approx(share)


@pytest.mark.parametrize(("level", "fewest"), [(0.05, 7), (0.01, 9), (0.04, 7), (0.03, 8)])
def test_with_fewer_checkpoints_nothing_can_be_told(level, fewest):
    assert fewest_checkpoints(level) == fewest
    for checkpoints in (fewest - 1, fewest):
        middle = (checkpoints - 1) // 2
        steps = np.where(np.arange(checkpoints - 1) < middle, -0.5, 0.3)
        centre = 5.0 + np.concatenate([[0.0], np.cumsum(steps)])
        phases = find_phases(range(checkpoints), _exact(centre), level=level)
        assert (phases.pattern == "two-phase") == (checkpoints == fewest)
    phases = find_phases(range(fewest - 1), _exact(centre[:-1]), level=level)
    assert f"at least {fewest}" in phases.verdict()


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_inputs_that_fall_and_rise_each_as_they_like_are_no_two_phases(samples):
    """Every sample has a smooth valley or hill of its own, and their population has none."""
    alarms, repeats = 0, 300
    shape = (_valley(1.5, 6) - 3.0) / 3
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        centre = 4.5 + shape[:, None] * rng.normal(size=samples)
        shares = np.exp(-((ORDERS - centre[..., None]) ** 2) / 3)
        alarms += find_phases(range(14), shares).pattern == "two-phase"
    assert alarms / repeats <= 0.05 + 2.5 * (0.05 * 0.95 / repeats) ** 0.5
    if samples == 10:
        assert alarms > 0


def test_whole_samples_carry_their_noise_through_all_checkpoints():
    rng = np.random.default_rng(3)
    shares = _shares(_valley(depth=0.25), rng, samples=4, noise=0.02)
    paired = find_phases(range(14), shares)
    shuffled = np.stack([rng.permutation(row) for row in shares])
    apart = find_phases(range(14), shuffled)
    np.testing.assert_allclose(paired.mean_order, apart.mean_order)
    assert paired.boundary == 5
    assert apart.boundary is None
    assert "inputs differ too much" in apart.reason


def test_a_minimum_that_rests_on_one_checkpoint_is_said_to():
    dip = _valley(1.5, 9)
    dip[3] = 2.6  # lower than the bottom of the rest, once
    phases = find_phases(range(14), _exact(dip))
    assert phases.boundary == 3
    assert phases.without == 9
    assert "rests on this one checkpoint, without which the boundary would be epoch 9" in (
        phases.verdict()
    )
    smooth = find_phases(range(14), _exact(_valley()))
    assert smooth.without is None
    assert "rests" not in smooth.verdict()
    alone = np.full(9, 3.0) + 0.01 * np.array([0, -1, -2, -3, -90, -3, -2, -1, 0])
    phases = find_phases(range(9), _exact(alone))
    assert (phases.boundary, phases.without) == (4, None)  # its neighbours make a valley too


def test_of_three_checkpoints_none_can_be_left_out():
    phases = find_phases(range(3), _exact([4.0, 3.0, 4.0]), level=0.9)
    assert (phases.boundary, phases.without) == (1, -1)
    assert "no two phases could be told" in phases.verdict()


def test_a_deep_valley_at_an_end_is_not_called_a_course_that_goes_one_way():
    """Its one step down, or up, is told from nothing; but there is one."""
    early = np.concatenate([[7.0], np.linspace(2.0, 7.9, 13)])
    late = early[::-1]
    for centre, said in ((early, "fall at its start"), (late, "rise at its end")):
        phases = find_phases(range(14), _exact(centre))
        assert phases.pattern in ("two-phase", "undetermined")
        if phases.pattern == "undetermined" and phases.trend_p_value <= 0.05:
            assert said in phases.verdict()
    growing = np.concatenate([[3.0], np.linspace(2.5, 7.5, 13)])  # on the whole it rises
    phases = find_phases(range(14), _exact(growing))
    assert phases.trend_p_value <= 0.05
    assert phases.pattern == "undetermined"
    assert "rises on the whole, but the fall at its start" in phases.verdict()


def test_over_fitting_is_said_of_a_test_loss_that_leaves_its_noise():
    shares, rng = _shares(_valley(), np.random.default_rng(4)), np.random.default_rng(5)
    plateau = np.exp(-np.arange(14.0)) + 0.01 * rng.normal(size=14)
    plateau[9] = plateau.min() - 0.001
    phases = find_phases(EPOCHS, shares, train_loss=np.zeros(14), test_loss=plateau)
    assert phases.least_test_loss == EPOCHS[9]
    assert not phases.overfits
    assert "what follows is within its noise" in phases.losses()
    rising = plateau + 0.3 * np.maximum(np.arange(14) - 9, 0)
    phases = find_phases(EPOCHS, shares, train_loss=np.zeros(14), test_loss=rising)
    assert phases.overfits
    assert "over-fitting follows it" in phases.losses()


def test_several_runs_have_an_interval_of_their_own():
    rng = np.random.default_rng(8)
    courses = [_valley(1.5, lowest) for lowest in (4, 5, 7)]
    shares = np.concatenate([_shares(one, rng, samples=12, noise=0.1) for one in courses], axis=1)
    phases = find_phases(range(14), shares, runs=3)
    assert phases.run_boundaries.tolist() == [4, 5, 7]
    assert phases.run_low <= phases.boundary <= phases.run_high
    assert phases.run_low <= 4
    assert phases.run_high >= 7
    assert "3 training runs the minimum is at epochs 4, 5 and 7" in phases.verdict()
    alone = find_phases(range(14), shares[:, :12])
    assert alone.run_boundaries is None
    assert "one was measured" in alone.verdict()
    # Runs that agree to the last digit leave only the neighbours.
    agreeing = find_phases(range(14), np.concatenate(3 * [shares[:, :12]], axis=1), runs=3)
    assert (agreeing.run_low, agreeing.run_high) == (3, 5)
    np.testing.assert_allclose(agreeing.spread, alone.spread)  # no more inputs than there were
    with pytest.raises(ValueError, match="`runs` must divide the 36 samples"):
        find_phases(range(14), shares, runs=5)


def test_looks_spend_the_level_once():
    """Every pattern of signs of ten steps, watched: at most the level is ever found, by counting,
    and what early looks cannot spend later ones do.
    """
    steps = np.array([1.0, 0.8, 1.3, 0.7, 1.1, 0.9, 0.6, 1.2, 1.05, 0.85])
    level, found = 0.1, []
    for signs in itertools.product((1, -1), repeat=10):
        mean = np.concatenate([[0.0], np.cumsum(np.array(signs) * steps)])
        at = first_valley(mean, np.ones(11, bool), level, 4_000, np.random.default_rng(0))
        found.append(0 if at is None else at)
    shares = np.bincount(found, minlength=11)[1:] / 2**10
    assert shares[: fewest_checkpoints(level) - 2].sum() == 0
    looks = np.arange(1, 12 - fewest_checkpoints(level) + 1)
    spent = 2 * np.cumsum(shares)[fewest_checkpoints(level) - 2 :]
    error = 3 * np.sqrt(2 * spent.max() / 4_000)  # the patterns are drawn
    assert (spent <= level * looks / (looks + 5) + error).all()
    assert spent[-1] > 0.7 * level * looks[-1] / (looks[-1] + 5)


def test_a_run_that_is_watched_is_found_once_and_for_all():
    centre, rng = _valley(3.0, 5, 20), np.random.default_rng(5)
    shares = _shares(centre, rng, noise=0.1)
    found = [find_phases(range(c), shares[:c], watching=True) for c in range(7, 21)]
    patterns = [phases.pattern for phases in found]
    first = patterns.index("two-phase")
    assert 0 < first < 10
    assert set(patterns[:first]) == {"undetermined"}
    assert set(patterns[first:]) == {"two-phase"}
    assert {phases.found_at for phases in found[first:]} == {6.0 + first}
    walk = 3.0 + np.cumsum(0.3 * np.random.default_rng(31).normal(size=60))
    seen = [find_phases(range(c), _exact(walk[:c]), watching=True).found_at for c in range(7, 61)]
    asked = [at for at in seen if at is not None]
    assert set(asked) <= {next(iter(asked), None)}  # whatever is found stays found
    assert seen == sorted(seen, key=lambda at: at is not None)
    assert found[-1].boundary == 5
    assert f"found at epoch {6 + first}" in found[-1].verdict()
    assert "so far" in found[0].verdict()
    assert found[-1].p_value is None
    # Inputs that disagree keep it from being found.
    few = _shares(centre, rng, samples=2, noise=2.0)
    assert find_phases(range(20), few, watching=True).found_at is None


# The losses


def test_the_loss_gap_leaves_its_noise_and_the_test_loss_is_least():
    rng = np.random.default_rng(4)
    train = 2.0 * np.exp(-np.arange(14) / 3.0)
    gap = 0.4 * np.maximum(np.arange(14) - 7, 0) + 0.01 * rng.normal(size=14)
    shares = _shares(_valley(), rng)
    phases = find_phases(EPOCHS, shares, train_loss=train, test_loss=train + gap)
    assert phases.gap_onset == 16
    assert phases.least_test_loss == EPOCHS[np.argmin(train + gap)] == 12
    assert phases.boundary not in (phases.gap_onset, phases.least_test_loss)
    assert "Test loss is least at epoch 12" in phases.losses()
    assert "leaves its own noise at epoch 16" in phases.losses()
    blip = gap.copy()
    blip[:2] = gap.min() - 1e-3, 1.0  # no onset: the gap comes back to its smallest value
    phases = find_phases(EPOCHS, shares, train_loss=train, test_loss=train + blip)
    assert phases.gap_onset >= 16
    flat = train + 0.01 * rng.normal(size=14)
    phases = find_phases(EPOCHS, shares, train_loss=train, test_loss=flat)
    assert phases.gap_onset is None
    assert "never leaves" in phases.losses()
    assert find_phases(EPOCHS, shares).losses() == ""


def test_a_gap_below_zero_is_not_called_over_fitting():
    train = np.linspace(2.0, 1.0, 14)
    gap = -0.6 + 0.05 * np.maximum(np.arange(14) - 6, 0)
    phases = find_phases(
        EPOCHS,
        _shares(_valley(), np.random.default_rng(4)),
        train_loss=train,
        test_loss=train + gap,
    )
    assert gap[np.searchsorted(EPOCHS, phases.gap_onset)] < 0
    assert "where it is still negative" in phases.losses()
    assert "no over-fitting" in phases.losses()  # the test loss falls to the end


def test_the_gap_must_rise_by_three_deviations_of_a_difference():
    """Noise with a known median size s: the limit is 3·√2·s above the smallest value."""
    epochs = np.expm1(np.arange(40.0))
    sign = np.where(np.arange(40) % 2, 1.0, -1.0)
    noise = 0.01 * sign
    # Alternating noise of size a strays from the cubic through its neighbours, (−1, 4, ·, 4, −1)/6,
    # by a(1 + 10/6) / √(1 + 34/36), and 1.4826 times that is taken for its deviation.
    deviation = 1.482602218505602 * 0.01 * (1 + 10 / 6) / np.sqrt(1 + 34 / 36)
    limit = 3 * np.sqrt(2) * deviation
    for rise, found in ((0.98 * limit, None), (1.02 * limit, epochs[37])):
        gap = noise.copy()
        gap[37:] = noise.min() + rise
        assert gap_onset(epochs, gap) == found


def test_losses_of_several_runs_are_averaged():
    train, test = np.ones((3, 14)), np.linspace(1, 2, 14) * np.array([[1.0], [2.0], [3.0]])
    shares = _shares(_valley(), np.random.default_rng(4), samples=12)
    phases = find_phases(range(14), shares, runs=3, train_loss=train, test_loss=test)
    np.testing.assert_allclose(phases.loss_gap, 2 * np.linspace(1, 2, 14) - 1)


# Records


def test_phases_are_a_tree_of_arrays():
    phases = find_phases(range(14), _shares(_valley(), np.random.default_rng(5)))
    doubled = jax.tree.map(lambda x: 2 * x, phases)
    np.testing.assert_array_equal(doubled.mean_order, 2 * phases.mean_order)
    assert doubled.boundary == 2 * phases.boundary
    assert (doubled.level, doubled.gap_onset) == (phases.level, None)
    assert phases.pattern in PATTERNS


def test_records_are_plain():
    phases = find_phases(EPOCHS, _shares(_valley(), np.random.default_rng(5)))
    record = phases.record()
    assert record["boundary"] == phases.boundary
    assert record["p_value"] == phases.p_value > 0  # the measurement itself is one pattern of signs
    assert all(isinstance(v, (float, str, list, type(None))) for v in record.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"distributions": d[0]}, r"must have shape \(checkpoints, samples, orders\)"),
        (lambda d: {"distributions": -d}, "finite and nonnegative"),
        (
            lambda d: {"distributions": d * (np.arange(14) != 3)[:, None, None]},
            "checkpoint 3 has none",
        ),
        (lambda d: {"epochs": [*range(13), 12]}, "must increase strictly"),
        (lambda d: {"train_loss": np.ones(14)}, "must be given together"),
        (
            lambda d: {"train_loss": np.ones(14), "test_loss": np.ones(9)},
            r"`test_loss` must be one",
        ),
        (lambda d: {"level": 5}, "`level` must lie between 0 and 1"),
        (lambda d: {"distributions": d[:2], "epochs": [0, 1]}, "at least 3 checkpoints"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    good = _shares(_valley(), np.random.default_rng(6))
    with pytest.raises(ValueError, match=message):
        find_phases(**({"epochs": range(14), "distributions": good} | change(good)))
