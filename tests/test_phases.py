"""The two phases: known boundaries are found, and nothing is found where there is nothing."""

import jax
import numpy as np
import pytest

from sim.phases.phases import find_phases

ORDERS = np.arange(1, 9)


def _shares(centre, rng, samples=20, noise=0.4):
    """Order distributions about a mean order that moves as `centre`, with noise in each sample."""
    centre = np.asarray(centre)[:, None, None]
    own = rng.normal(size=(1, samples, 1)) + noise * rng.normal(size=(len(centre), samples, 1))
    shares = np.exp(-((ORDERS - centre - own) ** 2) / 3 + 0.2 * rng.normal(size=own.shape))
    return shares / shares.sum(axis=-1, keepdims=True)


def _valley(depth=1.5, lowest=5, checkpoints=14):
    t = np.arange(checkpoints)
    falling = depth * (1 - t / lowest)
    rising = depth * (t - lowest) / (checkpoints - 1 - lowest)
    return 3.0 + np.where(t < lowest, falling, rising)


def test_a_known_boundary_lies_in_its_interval():
    epochs = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256])
    inside, width = 0, []
    for seed in range(20):
        phases = find_phases(epochs, _shares(_valley(), np.random.default_rng(seed)), resamples=300)
        assert phases.boundary is not None
        assert phases.low < phases.boundary < phases.high
        inside += phases.low <= 6 <= phases.high
        width.append(np.count_nonzero((epochs > phases.low) & (epochs <= phases.high)))
    assert inside >= 17
    assert np.mean(width) < 3.5  # a neighbour on either side, and seldom more than one between


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
    found = [find_phases(range(3), strength, resamples=50) for strength in repeats]
    actual = np.std([phases.mean_order for phases in found], axis=0)
    np.testing.assert_allclose(np.mean([p.spread for p in found], axis=0), actual, rtol=0.15)


def test_a_smooth_valley_without_noise_is_found():
    exact = np.exp(-((ORDERS - _valley()[:, None, None]) ** 2) / 3)
    phases = find_phases(range(14), exact)  # a single sample: only its jitter is unknown
    assert (phases.boundary, phases.low, phases.high) == (5, 4, 6)
    assert "Two phases" in phases.verdict()


WITHOUT_VALLEY = {
    "falling": np.linspace(5, 3, 14),
    "rising": np.linspace(3, 5, 14),
    "constant": np.full(14, 4.0),
    "hill": 8 - _valley(),
    "rise to a plateau": np.minimum(5, np.linspace(2, 6, 14)),
    "fall to a plateau": np.maximum(4, np.linspace(6, 2, 14)),
}


@pytest.mark.parametrize("kind", WITHOUT_VALLEY)
def test_exact_trajectories_without_a_valley_have_no_phases(kind):
    centre = WITHOUT_VALLEY[kind]
    phases = find_phases(range(14), np.exp(-((ORDERS - centre[:, None, None]) ** 2) / 3))
    assert (phases.boundary, phases.low, phases.high, phases.lag) == (None, None, None, None)
    assert phases.p_value == 1.0
    assert phases.verdict().startswith("No two-phase pattern")


_T = np.arange(12)
NOTHING = {
    "noise": lambda rng: np.full(12, 4.0),
    "jitter shared by all samples": lambda rng: 4 + 0.4 * rng.normal(size=12),
    "falling": lambda rng: np.linspace(5.5, 4, 12),
    "rising": lambda rng: np.linspace(3, 4.5, 12),
    "constant, then rising": lambda rng: 4 + 0.4 * np.maximum(_T - 8, 0),
    "falling, then constant": lambda rng: 4 + 0.4 * np.maximum(3 - _T, 0),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_false_alarms_are_rare(kind):
    repeats = 400
    alarms = 0
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        shares = _shares(NOTHING[kind](rng), rng, samples=12)
        alarms += find_phases(_T, shares, resamples=199).boundary is not None
    assert alarms / repeats <= 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5
    if kind == "noise":
        assert alarms / repeats <= 0.05


def test_whole_samples_carry_their_noise_through_all_checkpoints():
    rng = np.random.default_rng(3)
    shares = _shares(_valley(depth=0.6), rng, samples=25, noise=0.02)
    paired = find_phases(range(14), shares)
    shuffled = np.stack([rng.permutation(row) for row in shares])
    apart = find_phases(range(14), shuffled)
    np.testing.assert_allclose(paired.mean_order, apart.mean_order)
    assert paired.boundary == 5
    assert paired.p_value < apart.p_value


def test_the_loss_gap_opens_when_it_leaves_its_noise():
    rng = np.random.default_rng(4)
    epochs = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256])
    train = 2.0 * np.exp(-np.arange(14) / 3.0)
    gap = 0.4 * np.maximum(np.arange(14) - 7, 0) + 0.01 * rng.normal(size=14)
    phases = find_phases(epochs, _shares(_valley(), rng), train_loss=train, test_loss=train + gap)
    assert phases.onset == 16
    assert phases.lag == 16 - phases.boundary
    blip = gap.copy()
    blip[:2] = gap.min() - 1e-3, 1.0  # no onset: the gap comes back to its smallest value
    phases = find_phases(epochs, _shares(_valley(), rng), train_loss=train, test_loss=train + blip)
    assert phases.onset >= 16
    flat = train + 0.01 * rng.normal(size=14)
    phases = find_phases(epochs, _shares(_valley(), rng), train_loss=train, test_loss=flat)
    assert phases.onset is None
    assert phases.lag is None
    assert "never rises" in phases.verdict()


def test_phases_are_a_tree_of_arrays():
    phases = find_phases(range(14), _shares(_valley(), np.random.default_rng(5)), resamples=99)
    doubled = jax.tree.map(lambda x: 2 * x, phases)
    np.testing.assert_array_equal(doubled.mean_order, 2 * phases.mean_order)
    assert doubled.boundary == 2 * phases.boundary
    assert (doubled.level, doubled.onset) == (phases.level, None)


def test_records_are_plain():
    phases = find_phases(range(14), _shares(_valley(), np.random.default_rng(5)), resamples=99)
    record = phases.record()
    assert record["boundary"] == phases.boundary
    assert record["p_value"] == 1 / (1 + 99)  # never 0: the measurement itself is one draw
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
