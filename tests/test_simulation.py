"""Simulated trajectories: each level of the process against the next, and against the theory."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.simulation.methods import simulate
from sim.simulation.scenarios import keep_salient, random_start, sparse_target
from sim.simulation.schedules import Schedule
from sim.simulation.trajectory import Trajectory
from theory import (
    NoiseModel,
    initial_strength,
    noisy_loss,
    optimal_interactions,
    order_distribution,
    orders,
    relax,
    superpose,
)

N = 6
FALLING = Schedule.exponential(5.0, 1e-4, 12)
EPOCHS = np.array([0.0, 1.0, 2.5, 4.0, 7.0, 11.0, 12.0])
# The tests ask for the same shapes wherever they can, so that they share compilations.
KEEP = {"keep_interactions": True}


def _pair(members=3, seed=0):
    """AND and OR interactions, start and target, generic."""
    rng = np.random.default_rng(seed)
    draw = lambda: rng.normal(size=(members, 2**N)) + 0.2  # noqa: E731
    return (draw(), draw()), (draw(), draw())


@pytest.mark.parametrize("noise", [NoiseModel(1.5, -0.3)])
def test_equilibrium_is_theorem_3_at_every_epoch(noise):
    start, target = _pair()
    run = simulate(
        start, target, FALLING, EPOCHS, noise=noise, salience=0.05, keep_interactions=True
    )
    sigma2 = 5.0 * (2e-5) ** (EPOCHS / 12)
    np.testing.assert_allclose(run.sigma2, sigma2, rtol=1e-12)
    for i, level in enumerate(sigma2):
        w = [np.asarray(optimal_interactions(kind, level, noise)) for kind in target]
        np.testing.assert_allclose(run.i_and[i], w[0], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(run.i_or[i], w[1], rtol=1e-9, atol=1e-10)
        threshold = 0.05 * np.mean(np.abs((w[0] + w[1])[:, 1:].sum(-1)))
        strengths = [_strengths(kind, threshold) for kind in w]
        np.testing.assert_allclose(run.strength_and[i], strengths[0].mean(0), rtol=1e-9)
        np.testing.assert_allclose(run.strength_or[i], strengths[1].mean(0), rtol=1e-9)
        np.testing.assert_allclose(run.members[i], sum(strengths), rtol=1e-9)
        np.testing.assert_allclose(run.strength[i], sum(strengths).mean(0), rtol=1e-9)
        positive = sum(_strengths(np.maximum(kind, 0), threshold).mean(0) for kind in w)
        np.testing.assert_allclose(run.strength_positive[i], positive, rtol=1e-9)
        negative = sum(_strengths(np.maximum(-kind, 0), threshold).mean(0) for kind in w)
        np.testing.assert_allclose(run.strength_negative[i], negative, rtol=1e-9)
        loss = sum(np.mean(noisy_loss(a, t, level, noise)) for a, t in zip(w, target, strict=True))
        assert float(run.loss[i]) == pytest.approx(float(loss), rel=1e-9)


def _strengths(w, threshold):
    """By enumeration of the sets."""
    result = np.zeros((len(w), w.shape[-1].bit_length() - 1))
    for s in range(1, w.shape[-1]):
        size = np.abs(w[:, s])
        result[:, s.bit_count() - 1] += np.where(size >= threshold, size, 0)
    return result


@pytest.mark.parametrize("clock", ["noise", "flow"])
def test_relaxation_is_a_chain_of_relax(clock):
    (start, _), (target, _) = _pair(seed=1)
    run = simulate(
        start,
        target,
        FALLING,
        EPOCHS,
        "relaxation",
        rate=0.3,
        clock=clock,
        substeps=3,
        keep_interactions=True,
    )
    w = start
    np.testing.assert_allclose(run.i_and[0], start, rtol=1e-9, atol=1e-12)
    for i in range(1, EPOCHS.size):
        length = (EPOCHS[i] - EPOCHS[i - 1]) / 3
        for step in range(3):
            sigma2 = float(FALLING(EPOCHS[i - 1] + length * (step + 0.5)))
            w = relax(w, target, sigma2, 0.3 * length / (2 * sigma2 if clock == "noise" else 1))
        np.testing.assert_allclose(run.i_and[i], w, rtol=1e-8, atol=1e-10)
    assert run.i_or is None
    assert not np.any(run.strength_or)


SCALES = np.array([0.1, 0.0, 0.4, 1.0, 1.5, 2.0, 3.0])


@pytest.mark.parametrize("noise", [NoiseModel(1.5, -0.3)])
@pytest.mark.parametrize(
    ("scale", "expected", "text"),
    [
        (2.5, np.full(7, 2.5), 2.5),
        (SCALES, SCALES, "0.1/0/0.4/1/1.5/2/3"),
        (Schedule.exponential(0.2, 1.0, 12), 0.2 * 5.0 ** (EPOCHS / 12), None),
    ],
)
def test_superposition_is_the_start_and_the_scaled_optimum(noise, scale, expected, text):
    start, target = _pair(seed=9)
    run = simulate(
        start,
        target,
        FALLING,
        EPOCHS,
        "superposition",
        noise,
        scale=scale,
        salience=0.05,
        keep_interactions=True,
    )
    sigma2 = 5.0 * (2e-5) ** (EPOCHS / 12)
    for i, level in enumerate(sigma2):
        w = [
            np.asarray(superpose(*ends, level, expected[i], noise))
            for ends in zip(start, target, strict=True)
        ]
        np.testing.assert_allclose(run.i_and[i], w[0], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(run.i_or[i], w[1], rtol=1e-9, atol=1e-10)
        threshold = 0.05 * np.mean(np.abs((w[0] + w[1])[:, 1:].sum(-1)))
        strengths = sum(_strengths(kind, threshold) for kind in w)
        np.testing.assert_allclose(run.members[i], strengths, rtol=1e-9)
        loss = sum(np.mean(noisy_loss(a, t, level, noise)) for a, t in zip(w, target, strict=True))
        assert float(run.loss[i]) == pytest.approx(float(loss), rel=1e-9)
    metadata = dict(run.metadata)
    assert metadata["method"] == "superposition"
    assert metadata["scale"] == (str(scale) if text is None else text)


def test_superposition_keeps_its_start_and_without_one_is_equilibrium():
    start, target = _pair(seed=10)
    noisy = simulate(start, target, Schedule.constant(1e30), EPOCHS, "superposition", **KEEP)
    np.testing.assert_allclose(noisy.i_or[-1], start[1], rtol=1e-9, atol=1e-12)
    bare = simulate(None, target, FALLING, EPOCHS, "superposition", **KEEP)
    settled = simulate(None, target, FALLING, EPOCHS, **KEEP)
    for name in ("i_and", "i_or", "strength", "loss"):
        np.testing.assert_allclose(
            getattr(bare, name), getattr(settled, name), rtol=1e-9, atol=1e-12, err_msg=name
        )
    assert dict(bare.metadata)["scale"] == 1.0
    exact = simulate(start, target, Schedule.constant(0.0), EPOCHS, "superposition", **KEEP)
    np.testing.assert_allclose(exact.i_and[0], start[0] + target[0], rtol=1e-9, atol=1e-10)


def test_superposition_has_two_phases_without_removing_anything():
    n = 9
    # The start is as small beside the target as an untrained network's outputs beside a trained's.
    start = random_start(n, jax.random.key(0), scale=5e-4, members=6)
    target = sparse_target(n, jax.random.key(1), [9, 20, 20, 20, 20, 20, 10, 5, 1], members=6)
    arguments = (start, target, Schedule.exponential(1e4, 1e-7, 200), 201, "superposition")
    salient = np.asarray(simulate(*arguments, salience=0.03).mean_order)
    low = int(salient.argmin())
    assert 10 < low < 190
    assert salient[0] - salient[low] > 2
    assert salient[-1] - salient[low] > 1
    whole = np.asarray(simulate(*arguments).strength)
    assert np.all(whole[low] > 0.99 * whole[0])  # what salience hides is still there
    relaxed = np.asarray(simulate(*arguments[:-1], "relaxation").strength)
    assert np.all(relaxed[low, 4:] < 0.2 * relaxed[0, 4:])  # where relaxation erases it


def test_relaxation_ends_in_equilibrium_and_forgets_its_start():
    start, target = _pair(seed=2)
    still = Schedule.piecewise([4], [2.0, 0.01])
    epochs = [0, 4, 5, 6, 7, 8, 400]
    relaxed = simulate(start, target, still, epochs, "relaxation", **KEEP)
    settled = simulate(None, target, still, epochs, **KEEP)
    np.testing.assert_allclose(relaxed.i_or[-1], settled.i_or[-1], rtol=1e-9, atol=1e-10)
    assert np.max(np.abs(relaxed.i_or[1] - settled.i_or[1])) > 0.1
    frozen = simulate(start, target, Schedule.constant(0.0), EPOCHS, "relaxation", **KEEP)
    exact = _strengths(target[0], 0.0).mean(0)
    np.testing.assert_allclose(frozen.strength_and[1], exact, rtol=1e-8)


def test_more_substeps_converge():
    (start, _), (target, _) = _pair(seed=3)
    runs = [
        simulate(start, target, FALLING, EPOCHS, "relaxation", substeps=m, **KEEP).strength
        for m in (8, 16, 256)
    ]
    coarse, fine = (np.max(np.abs(run - runs[2])) for run in runs[:2])
    assert fine < 0.3 * coarse  # of second order, the middle of each step being its σ²
    assert coarse < 5e-3 * np.max(runs[2])


def test_two_phases_order_by_order():
    n = 9
    start = random_start(n, jax.random.key(0), scale=0.05, members=6)
    counts = [9, 20, 20, 20, 20, 20, 10, 5, 1]
    target = sparse_target(n, jax.random.key(1), counts, members=6)
    run = simulate(start, target, Schedule.exponential(10.0, 1e-7, 200), 201, "relaxation")
    order = np.asarray(run.mean_order)
    low = int(order.argmin())
    assert 10 < low < 100
    assert order[0] - order[low] > 2
    assert order[-1] - order[low] > 1
    # The first phase removes every medium and high order ...
    strength = np.asarray(run.strength)
    assert np.all(strength[low, 4:] < 0.05 * strength[0, 4:])
    # ... and the second brings them back one after the other: half of each order's final strength
    # is reached later, the higher the order.
    half = [
        np.argmax((strength[low:, k] > 0.5 * strength[-1, k]) & (strength[-1, k] > 0))
        for k in range(7)
    ]
    assert np.all(np.diff(half) > 0)


def test_progress_in_chunks_changes_nothing(monkeypatch):
    monkeypatch.setattr("sim.simulation.flow.CHUNKS", 3)  # of 3, 3 and 1 epochs
    (start, _), (target, _) = _pair(seed=4)
    seen = []
    report = lambda *at: seen.append(at)  # noqa: E731
    whole = simulate(start, target, FALLING, EPOCHS, "relaxation", **KEEP)
    pieces = simulate(start, target, FALLING, EPOCHS, "relaxation", progress=report, **KEEP)
    np.testing.assert_array_equal(pieces.strength, whole.strength)
    np.testing.assert_array_equal(pieces.i_and, whole.i_and)
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_ensembles_are_their_members():
    start = random_start(N, jax.random.key(0), members=3)
    target = sparse_target(N, jax.random.key(1), 12)
    run = simulate(start, target, FALLING, EPOCHS, "relaxation", **KEEP)
    alone = [simulate(s, target, FALLING, EPOCHS, "relaxation") for s in start]
    np.testing.assert_allclose(run.members[:, 2], alone[2].strength, rtol=1e-10)
    shares = np.stack([a.distribution for a in alone], axis=1)
    np.testing.assert_allclose(run.distribution_spread, shares.std(1), rtol=1e-6, atol=1e-9)
    mean_orders = np.stack([a.mean_order for a in alone])
    np.testing.assert_allclose(run.mean_order_spread, mean_orders.std(0), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["relaxation", "superposition"])
def test_gradient_in_the_schedule(method):
    (start, _), (target, _) = _pair(seed=5)

    def order_at_the_end(end):
        schedule = Schedule.exponential(5.0, end, 12)
        return simulate(start, target, schedule, EPOCHS, method).mean_order[-1]

    slope = jax.jit(jax.grad(order_at_the_end))(0.01)
    steps = [float(order_at_the_end(0.01 + h)) for h in (1e-6, -1e-6)]
    assert float(slope) == pytest.approx((steps[0] - steps[1]) / 2e-6, rel=1e-5)


def test_superposition_under_jit_grad_and_vmap(tmp_path):
    (start, _), (target, _) = _pair(seed=11)

    def strength(scale):
        run = simulate(start, target, FALLING, EPOCHS, "superposition", scale=scale)
        return run.strength

    apart = np.stack([strength(scale) for scale in (0.5, 2.0)])
    np.testing.assert_allclose(jax.jit(strength)(2.0), apart[1], rtol=1e-10)
    mapped = jax.vmap(strength)(jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(mapped, apart, rtol=1e-10)
    slope = jax.grad(lambda scale: strength(scale)[3].sum())(2.0)
    steps = [float(strength(2.0 + h)[3].sum()) for h in (1e-6, -1e-6)]
    assert float(slope) == pytest.approx((steps[0] - steps[1]) / 2e-6, rel=1e-5)
    for setting in ("scale", "rate"):  # a traced setting leaves no number in the metadata
        method = {"scale": "superposition", "rate": "relaxation"}[setting]
        run = jax.jit(
            lambda value, method=method, setting=setting: simulate(
                start, target, FALLING, EPOCHS, method, **{setting: value}
            )
        )(0.5)
        assert dict(run.metadata)[setting] == "..."
        run.save(tmp_path / f"{setting}.npz")


@pytest.mark.parametrize("method", ["relaxation", "superposition"])
def test_single_precision_stays_single(method):
    (start, _), (target, _) = _pair(seed=6)
    exact = simulate(start, target, FALLING, EPOCHS, method, **KEEP)
    single = simulate(start.astype(np.float32), target.astype(np.float32), FALLING, EPOCHS, method)
    assert single.strength.dtype == jnp.float32
    np.testing.assert_allclose(single.strength, exact.strength, rtol=1e-4)


def test_random_starts_are_the_spindle():
    start = random_start(8, jax.random.key(2), rho=1.3, scale=0.7, members=400)
    measured = order_distribution(_strengths(np.asarray(start), 0.0).mean(0))
    np.testing.assert_allclose(measured, initial_strength(8, 1.3), atol=0.005)
    size = np.asarray(start[:, np.asarray(orders(8)) == 2]).std()
    assert size == pytest.approx(0.7 * 1.3**2, rel=0.03)


def test_sparse_targets():
    target = np.asarray(sparse_target(7, jax.random.key(3), [3, 0, 9, 1, 0, 2, 1], 0.25, 2.0, 50))
    found = _strengths((target != 0) * 1.0, 0.0)
    np.testing.assert_array_equal(found, np.tile([3, 0, 9, 1, 0, 2, 1], (50, 1)))
    assert not np.any(target[:, 0])
    sizes = np.abs(target[target != 0])
    assert 1.0 <= sizes.min() < 1.1
    assert 2.9 < sizes.max() <= 3.0
    assert np.mean(target[target != 0] < 0) == pytest.approx(0.25, abs=0.05)
    assert len({tuple(np.flatnonzero(t)) for t in target}) == 50
    total = _strengths(
        np.asarray(sparse_target(7, jax.random.key(4), 60, members=1) != 0) * 1.0, 0.0
    )
    assert total.sum() == 60
    assert total[0, 6] == 1
    assert np.ptp(total[0, 1:5]) <= 1  # as even as the number of sets allows


def test_keep_salient_keeps_what_counts():
    (a, o), _ = _pair(seed=7)
    kept_and, kept_or = keep_salient((a, o), fraction=0.1)
    threshold = 0.1 * np.mean(np.abs((a + o)[:, 1:].sum(-1)))
    for kept, given in [(kept_and, a), (kept_or, o)]:
        expected = np.where(np.abs(given) >= threshold, given, 0)
        expected[:, 0] = given[:, 0]
        np.testing.assert_array_equal(kept, expected)
    assert 0 < np.count_nonzero(kept_and == 0) < kept_and.size


def test_save_and_load(tmp_path):
    start, target = _pair(seed=8)
    run = simulate(start, target, FALLING, EPOCHS, "relaxation", keep_interactions=True)
    run.save(tmp_path / "a.npz")
    again = Trajectory.load(tmp_path / "a.npz")
    assert again.metadata == run.metadata
    assert dict(again.metadata)["method"] == "relaxation"
    for name in ("epochs", "sigma2", "strength", "members", "loss", "i_and", "i_or"):
        np.testing.assert_array_equal(getattr(again, name), getattr(run, name))
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["strength"].shape == (7, N)
        np.testing.assert_allclose(archive["mean_order"], run.mean_order)


def test_the_noise_is_saved_with_its_trajectory(tmp_path):
    _, target = _pair()
    noise = NoiseModel(1.5, -0.3)
    run = simulate(None, target, FALLING, EPOCHS, noise=noise, **KEEP)
    assert run.noise == noise
    # Within jit, the metadata cannot name a noise that is traced.
    traced = jax.jit(lambda noise: simulate(None, target, FALLING, EPOCHS, noise=noise))(noise)
    assert dict(traced.metadata)["noise_growth"] == "..."
    for each in (run, traced, dataclasses.replace(run, metadata=())):
        each.save(tmp_path / "t.npz", overwrite=True)
        again = Trajectory.load(tmp_path / "t.npz")
        assert again.noise == noise
        assert dict(again.metadata)["noise_correlation"] == -0.3


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "t.npz"
    _, target = _pair()
    simulate(None, target, FALLING, EPOCHS, **KEEP).save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    for change, message in [
        ({"sigma2": np.ones(3)}, r"`sigma2` must have shape \(7,\), but has shape \(3,\)"),
        ({"members": np.ones((7, 2, 5))}, "`members` must have shape"),
        ({"strength": np.ones(7)}, "`strength`"),
        ({"metadata": np.array("[1")}, "`metadata` must be a JSON object"),
        ({"metadata": np.array('{"noise_growth": -1}')}, "`metadata` must give the noise"),
        ({"metadata": np.array('{"noise_growth": "..."}')}, "`metadata` must give the noise"),
    ]:
        np.savez(path, **(arrays | change))
        with pytest.raises(ValueError, match=message):
            Trajectory.load(path)


ON_TOP = {"method": "superposition"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.ones(16)}, "same number of players, but have 3 and 4"),
        ({"target": (np.ones(8), np.ones(8))}, "both be pairs"),
        ({"initial": np.ones((2, 8)), "target": np.ones((3, 8))}, "batch axes that broadcast"),
        ({"target": np.ones(7)}, "`target` must have a last axis of size 2"),
        ({"target": np.full(8, np.nan)}, "`target` must be finite"),
        ({"schedule": lambda e: 1.0 - e}, "sigma2 >= 0 at every epoch, but gives -1.0 at epoch 2"),
        ({"schedule": lambda e: 1.0 / (e * 0.0)}, "must give a finite sigma2"),
        ({"schedule": lambda e: 1.0}, "one variance for each epoch"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"epochs": [0, 5, 5]}, "finite and rising"),
        ({"epochs": [[0, 5]]}, r"must be a whole number or have shape \(E,\)"),
        (
            {"method": "newton"},
            "`method` must be one of equilibrium, relaxation, superposition, sgd",
        ),
        (
            {**ON_TOP, "scale": [1.0, 2.0]},
            r"or one for each epoch, shape \(4,\), but has shape \(2",
        ),
        ({**ON_TOP, "scale": lambda e: e[:2]}, r"`scale` must be or give a number"),
        ({**ON_TOP, "scale": -1.0}, "`scale` must be finite and nonnegative, but is -1"),
        ({**ON_TOP, "scale": [1, 2, np.inf, 3]}, r"nonnegative, but scale\[2\] is inf"),
        ({"clock": "wall"}, "`clock` must be one of"),
        ({"salience": -1}, "`salience` must be nonnegative"),
        ({"rate": 0.0}, "`rate` must be positive"),
        ({"substeps": 0}, "`substeps` must be a whole number of at least 1"),
        ({"substeps": 1.5}, "`substeps` must be a whole number"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_arguments_are_named(change, message):
    arguments = {
        "initial": np.ones(8),
        "target": np.ones(8),
        "schedule": lambda e: 0.1 + 0.0 * e,
        "epochs": 4,
    }
    with pytest.raises(ValueError, match=message):
        simulate(**(arguments | change))


def test_too_large_is_said_before_allocating(monkeypatch):
    with pytest.raises(
        ValueError, match=r"players needs about .* of memory, but only .* are avail"
    ):
        random_start(45, jax.random.key(0))
    with pytest.raises(ValueError, match="needs about"):
        sparse_target(45, jax.random.key(0), members=2)
    # 2 kinds × 3 members × 2^6 sets are 3 KiB: 10.5 of these and 1 for each of 7 epochs, and beside
    # them 4 strengths for each epoch, kind, member and order.
    _, target = _pair()
    monkeypatch.setattr("sim.machine.available_memory", lambda: 61 * 1024)
    simulate(None, target, FALLING, EPOCHS, **KEEP)
    monkeypatch.setattr("sim.machine.available_memory", lambda: 60 * 1024)
    with pytest.raises(ValueError, match=r"at 7 epochs, with interactions, needs about 60\.4 KiB"):
        simulate(None, target, FALLING, EPOCHS, **KEEP)


def test_a_start_from_nothing_has_no_mean_order_yet():
    _, target = _pair()
    nothing = (np.zeros((3, 2**N)),) * 2
    run = simulate(nothing, target, FALLING, EPOCHS, "relaxation", **KEEP)
    assert float(run.mean_order[0]) == 0
    assert run.lowest == 1 + int(np.argmin(run.mean_order[1:])) >= 1
