"""Extraction from sampled masks against SciPy's LP solver, full enumeration and planted sets."""

import time

import numpy as np
import pytest
from scipy.optimize import linprog

import sim
from sim.extraction._columns import Columns, Programme, lowest, prices
from sim.extraction._interior import interior_point
from sim.extraction._on_lattice import cheapest_alike, worth_a_start
from theory import reconstruct, strength_by_order


def functions(masks, n):
    """All AND functions of sets, then all OR functions, on masks, by definition: (masks, 2^n)."""
    sets = np.arange(1, 2**n)
    met = masks[:, None] & sets
    return np.hstack([met == sets, met > 0]).astype(float)


def optimum(v, a, bound):
    """Least Σ|x| such that |v − a x| ≤ bound, by HiGHS."""
    both = np.hstack([a, -a])
    limits = np.concatenate([v + bound, bound - v])
    found = linprog(np.ones(both.shape[1]), np.vstack([both, -both]), limits, method="highs")
    assert found.status == 0
    return found.fun


def noisy(n, seed, share=0.15):
    """Outputs of a few interactions of either sign, with noise and a v(∅)."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(2, 2**n)) * (rng.random((2, 2**n)) < share)
    return np.asarray(reconstruct(*true)) + 0.7 + 0.02 * rng.normal(size=2**n)


def planted(n, count, seed=0):
    """10 AND and 5 OR interactions of orders 1 to 6, and v on sampled masks."""
    rng = np.random.default_rng(seed)
    drawn = {False: {}, True: {}}
    for is_or, many in ((False, 10), (True, 5)):
        while len(drawn[is_or]) < many:
            size = rng.integers(2 if is_or else 1, 7)
            key = int((1 << rng.choice(n, size, replace=False)).sum())
            drawn[is_or][key] = rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
    masks = sim.sample_masks(n, count, seed, by="uniform")
    v = np.full(len(masks), -0.4)
    for key, value in drawn[False].items():
        v += value * ((masks & key) == key)
    for key, value in drawn[True].items():
        v += value * ((masks & key) > 0)
    return masks, v, drawn


def test_a_master_programme_is_solved_and_its_multipliers_certify():
    """Where some of it is best left uncovered, and where nothing is."""
    rng = np.random.default_rng(0)
    a = (rng.random((40, 25)) < 0.4).astype(float)
    v, cost = rng.normal(size=40), rng.uniform(0.5, 2.0, 25)
    for penalty in (0.4, 50.0):
        x, m, value = interior_point(a, v, 0.05, cost, penalty, 1e-8)
        eye = np.eye(40)
        expected = linprog(
            np.concatenate([cost, cost, np.full(40, penalty)]),
            np.block([[a, -a, -eye], [-a, a, -eye]]),
            np.concatenate([v + 0.05, 0.05 - v]),
        ).fun
        beyond = np.maximum(np.abs(v - a @ x) - 0.05, 0.0)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_allclose(cost @ np.abs(x) + penalty * beyond.sum(), expected, rtol=1e-6)
        np.testing.assert_allclose(m @ v - 0.05 * np.abs(m).sum(), expected, rtol=1e-6)
        assert np.all(np.abs(a.T @ m) <= cost * (1 + 1e-9))


def test_prices_are_what_the_multipliers_pay_for_every_column():
    masks = np.array([1, 6, 9, 11, 15])
    m = np.array([0.5, -1.0, 2.0, 0.25, -3.0])
    paid = prices(4, masks, m)
    np.testing.assert_allclose(paid[:, 1:].ravel(), functions(masks, 4).T @ m, atol=1e-12)


@pytest.mark.parametrize("prefer", ["low", None, "high"])
def test_on_all_masks_it_is_the_extraction(prefer):
    v = noisy(6, 1)
    found = sim.extract_sampled(np.arange(64), v, 6, aside=0, prefer=prefer)
    exact = sim.extract_interactions(v, prefer=prefer)
    assert found.converged
    assert found.gap <= 1e-3
    np.testing.assert_allclose(found.objective, exact.objective, rtol=1.5e-3)
    assert np.isnan(found.held_out)
    assert not found.enough
    if prefer is not None:  # its own costs, by which both were chosen among equals
        more = 0.02 * (np.bitwise_count(np.arange(64)) - 1.0) * (1 if prefer == "low" else -1)
        least = (1 + more[1:]) @ (np.abs(exact.i_and) + np.abs(exact.i_or))[1:]
        pairs = ((found.and_sets, found.i_and), (found.or_sets, found.i_or))
        leaning = sum((1 + more[sets]) @ np.abs(values) for sets, values in pairs)
        np.testing.assert_allclose(leaning, least, rtol=4e-4)


def test_on_half_of_the_masks_the_gap_holds_against_the_whole_dictionary():
    n = 6
    v = noisy(n, 2)
    masks = sim.sample_masks(n, 32, seed=3)
    found = sim.extract_sampled(masks, v[masks], n, 0.05, aside=0)
    bound = 0.05 * abs(v[-1] - v[0])
    least = optimum(v[masks[1:]] - v[0], functions(masks[1:], n), bound)
    assert found.converged
    assert found.objective * (1 - found.gap) <= least * (1 + 1e-7)
    assert least <= found.objective * (1 + 1e-6) <= least * 1.001
    assert np.abs(v[masks] - found.predict(masks)).max() <= bound * (1 + 1e-5)
    np.testing.assert_allclose(
        found.objective, np.abs(found.i_and).sum() + np.abs(found.i_or).sum(), rtol=1e-12
    )


def test_planted_interactions_are_found_from_a_tenth_of_the_masks():
    masks, v, drawn = planted(12, 400)
    found = sim.extract_sampled(masks, v, 12, noise_bound=1e-4)
    for is_or, (sets, values) in enumerate(
        [(found.and_sets, found.i_and), (found.or_sets, found.i_or)]
    ):
        large = np.abs(values) > 0.01  # the bound leaves room for some that are next to nothing
        assert sets[large].tolist() == sorted(drawn[is_or])
        assert np.abs(values[~large]).sum() < 0.01
        expected = [drawn[is_or][key] for key in sets[large]]
        np.testing.assert_allclose(values[large], expected, atol=0.01)
    assert found.enough
    assert found.held_out > 0.999
    elsewhere = np.setdiff1d(np.arange(2**12), masks)[:50]
    whole = np.full(2**12, -0.4)
    for is_or, values in drawn.items():
        for key, value in values.items():
            met = np.arange(2**12) & key
            whole += value * (met > 0 if is_or else met == key)
    np.testing.assert_allclose(found.predict(elsewhere), whole[elsewhere], atol=0.02)


@pytest.mark.slow
def test_planted_interactions_of_twenty_players():
    """The salient ones are exactly those planted, in half a minute of two cores at most."""
    masks, v, drawn = planted(20, 4096)
    begin = time.process_time()
    found = sim.extract_sampled(masks, v, 20)
    assert time.process_time() - begin < 60
    salient = 0.03 * abs(v[-1] - v[0])
    assert found.and_sets[np.abs(found.i_and) >= salient].tolist() == sorted(drawn[False])
    assert found.or_sets[np.abs(found.i_or) >= salient].tolist() == sorted(drawn[True])
    assert found.converged
    assert found.held_out > 0.99


def test_what_is_not_sparse_is_said_not_to_be_known():
    v = np.random.default_rng(0).normal(size=2**9)
    masks = sim.sample_masks(9, 128)
    found = sim.extract_sampled(masks, v[masks], 9)
    assert found.held_out < 0.5
    assert not found.enough


@pytest.mark.parametrize("lean", [0.02, -0.02, 0.0])
def test_of_columns_that_no_mask_tells_apart_the_cheapest_is_found(lean):
    n = 5
    masks = np.array([3, 6, 12, 17, 24, 30, 31])
    programme = Programme(n, masks, np.ones(len(masks)), 0.1, 100)
    orders = np.bitwise_count(np.arange(2**n))
    costs = np.tile(1 + lean * (orders - 1.0), (2, 1))
    sets, is_or = np.tile(np.arange(2**n), 2), np.repeat([False, True], 2**n)
    functions = Columns(sets, is_or).on(masks).T
    asked = np.array([at for at in range(2 ** (n + 1)) if sets[at]])
    found = np.unique(cheapest_alike(programme, costs, asked))
    assert len(found) == len(np.unique(functions[asked], axis=0))
    for at in found:
        alike = [a for a in asked if (functions[a] == functions[at]).all()]
        rank = [(costs.ravel()[a], orders[sets[a]]) for a in alike]
        assert (costs.ravel()[at], orders[sets[at]]) == min(rank)


def of_a_network(n, masks, seed=0):
    """Outputs of random weights, of which many interactions are made, on masks."""
    rng = np.random.default_rng(seed)
    present = (masks[:, None] >> np.arange(n)) & 1
    hidden = np.maximum(present @ rng.normal(size=(n, 6)) - 1.0, 0.0)
    return hidden @ rng.normal(size=6)


@pytest.mark.parametrize("prefer", ["low", "high", None])
def test_the_answer_is_that_of_prices_alone(prefer, monkeypatch):
    """Where columns begin with what the lattice finds, and where the lattice solves all of it."""
    n = 7
    masks = sim.sample_masks(n, 80)
    v = of_a_network(n, masks)
    assert not worth_a_start(n, len(masks))
    assert worth_a_start(12, len(masks))
    found = {}
    for way in ("started", "on the lattice", "by prices"):
        with monkeypatch.context() as patched:
            begun, many = way != "by prices", way == "on the lattice"
            patched.setattr("sim.extraction.sampled.worth_a_start", lambda *_, is_=begun: is_)
            patched.setattr("sim.extraction.sampled.are_many", lambda *_, is_=many: is_)
            found[way] = sim.extract_sampled(masks, v, n, prefer=prefer)
    first = found.pop("by prices")
    assert first.converged
    for other in found.values():
        assert other.converged
        assert other.objective == pytest.approx(first.objective, rel=1e-3)
        assert other.objective * (1 - other.gap) <= first.objective * (1 + 1e-9)  # a true bound
        if prefer is not None:
            shares = [f.strength_by_order() / f.strength_by_order().sum() for f in (first, other)]
            np.testing.assert_allclose(*shares, atol=0.02)  # each is left open by 0.01
        bound = 0.02 * abs(v[masks == 2**n - 1] - other.empty)
        away = np.abs(other.predict(masks) - v) - bound
        assert (away <= 1.1e-6 * np.abs(v - other.empty).max()).sum() >= other.fitted


@pytest.mark.parametrize("many", [False, True])
def test_the_empty_set_is_no_interaction(many, monkeypatch):
    """Though an OR that every other mask meets is the same function there."""
    n = 7
    masks = sim.sample_masks(n, 80)
    v = of_a_network(n, masks) + 5.0 * (masks > 0)
    monkeypatch.setattr("sim.extraction.sampled.worth_a_start", lambda *_: True)
    monkeypatch.setattr("sim.extraction.sampled.are_many", lambda *_: many)
    found = sim.extract_sampled(masks, v, n, aside=0)
    assert found.converged
    assert 0 not in found.and_sets
    assert 0 not in found.or_sets
    assert found.predict([0]) == pytest.approx(v[masks == 0])


def test_too_few_columns_are_no_answer():
    v = np.random.default_rng(0).normal(size=2**8)
    found = sim.extract_sampled(np.arange(2**8), v, 8, max_columns=1)
    assert not found.converged
    assert found.gap == 1.0


def test_a_batch_is_its_samples():
    v = np.stack([[noisy(5, 3), noisy(5, 4)], [noisy(5, 5), np.full(32, 0.3)]])
    masks = sim.sample_masks(5, 20)
    together = sim.extract_sampled(masks, v[..., masks], 5, aside=0.2)
    assert together.i_and.shape == (2, 2, len(together.and_sets))
    for at in np.ndindex(2, 2):
        alone = sim.extract_sampled(masks, v[at][masks], 5, aside=0.2)
        assert set(alone.and_sets) <= set(together.and_sets)
        np.testing.assert_allclose(
            together.predict(np.arange(32))[at], alone.predict(np.arange(32)), atol=1e-12
        )
        np.testing.assert_allclose(together.gap[at], alone.gap, atol=1e-9)
        np.testing.assert_allclose(together.held_out[at], alone.held_out)
    assert together.objective[1, 1] == 0
    assert together.held_out[1, 1] == 1


def test_strength_by_order_is_that_of_the_dense_interactions():
    masks, v, _ = planted(8, 120, seed=5)
    found = sim.extract_sampled(masks, np.stack([v, 2 * v]), 8)
    dense = np.zeros((2, 2, 2**8))
    dense[0][:, found.and_sets], dense[1][:, found.or_sets] = found.i_and, found.i_or
    threshold = np.array([0.0, 0.6])
    expected = sum(strength_by_order(part, threshold) for part in dense)
    np.testing.assert_allclose(found.strength_by_order(threshold), expected, rtol=1e-12)


def test_single_players_are_under_and():
    found = sim.extract_sampled(np.arange(8), [0.0, 1, 2, 3, 3, 4, 5, 6], 3, 1e-5, aside=0)
    assert found.and_sets[found.i_and > 1e-3].tolist() == [1, 2, 4]
    assert np.all(np.bitwise_count(found.or_sets) > 1)
    assert lowest(3).sets.tolist() == [1, 2, 4, 3, 5, 6, 3, 5, 6]
    both = Columns(np.array([3, 3]), np.array([False, True])).join(lowest(2))
    assert len(both.sets) == 4


@pytest.mark.parametrize("by", ["size", "uniform"])
def test_masks_are_different_sets_with_the_empty_and_the_full_one(by):
    for n, count in ((7, 2), (7, 60), (7, 128), (12, 700)):
        masks = sim.sample_masks(n, count, seed=1, by=by)
        assert len(masks) == count
        assert np.all(np.diff(masks) > 0)
        assert masks[0] == 0
        assert masks[-1] == 2**n - 1
    again = sim.sample_masks(12, 700, seed=1, by=by)
    assert masks.tolist() == again.tolist()
    assert masks.tolist() != sim.sample_masks(12, 700, seed=2, by=by).tolist()
    sizes = np.bincount(np.bitwise_count(masks))
    if by == "size":
        assert sizes[:2].tolist() == [1, 12]
        assert sizes[[2, -3]].tolist() == [66, 66]  # all that there are
        assert np.ptp(sizes[3:-3]) <= 1
    else:
        assert sizes[6] > 3 * sizes[3]


def test_chosen_masks_are_measured_in_their_order():
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(6, 3)), rng.normal(size=(2, 6))
    players, batches, calls = sim.tabular_features(6, 5), [], []

    def score(x):
        batches.append(len(x))
        return np.tanh(x) @ weights

    whole = sim.measure_outputs(score, inputs, players, [0, 2])
    masks = np.array([31, 0, 7, 8, 30, 1, 2])
    batches.clear()
    some = sim.measure_outputs(
        score,
        inputs,
        players,
        [0, 2],
        masks=masks,
        batch_size=4,
        progress=lambda *done: calls.append(done),
    )
    np.testing.assert_array_equal(some, whole[:, masks])
    assert batches == [4] * 4
    assert calls == [(4, 14), (7, 14), (11, 14), (14, 14)]
    for wrong, words in (([0, 32], "from 0 to 32"), ([0.5], "float64"), ([-1], "from -1")):
        with pytest.raises(ValueError, match=words):
            sim.measure_outputs(score, inputs, players, [0, 2], masks=wrong)


def test_samples_are_measured_as_among_all():
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(6, 3)), rng.normal(size=(3, 6))
    regions = np.stack([np.roll(np.eye(6, dtype=bool)[:4], shift, axis=1) for shift in range(3)])
    players, calls = sim.Masking(regions, 0.0, (6,)), []  # each sample its own

    def measured(**some):
        return sim.measure_outputs(
            lambda x: np.tanh(x) @ weights,
            inputs,
            players,
            [0, 2, 1],
            progress=lambda *done: calls.append(done),
            **some,
        )

    whole = measured()
    calls.clear()
    np.testing.assert_array_equal(measured(samples=[2, 0]), whole[[2, 0]])
    assert calls == [(16, 32), (32, 32)]
    for wrong, words in (([0, 3], "last input, but goes from 0 to 3"), ([], "be integers")):
        with pytest.raises(ValueError, match=words):
            measured(samples=wrong)


WRONG = {
    "twice": (([0, 1, 1, 3], np.zeros(4), 2), {}, "different from each other"),
    "no empty set": (([1, 3], np.zeros(2), 2), {}, "hold the empty set"),
    "no full set": (([0, 1], np.zeros(2), 2), {}, "hold that of all players, 3"),
    "beyond": (([0, 4, 3], np.zeros(3), 2), {}, "holds 4"),
    "no integers": (([0.0, 3.0], np.zeros(2), 2), {}, "be integers"),
    "another size": (([0, 3], np.zeros(3), 2), {}, "last axis of size 2"),
    "not finite": (([0, 3], [0.0, np.nan], 2), {}, "finite"),
    "players": (([0, 3], np.zeros(2), 25), {}, "at most 24"),
    "aside": (([0, 3], np.zeros(2), 2), {"aside": 1}, "below 1"),
    "bound": (([0, 3], np.zeros(2), 2), {"noise_bound": 2}, "at most 1"),
    "prefer": (([0, 3], np.zeros(2), 2), {"prefer": "most"}, "one of low, high"),
    "columns": (([0, 3], np.zeros(2), 2), {"max_columns": 0}, "at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_named(case):
    positional, named, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        sim.extract_sampled(*positional, **named)


def test_wrong_wishes_for_masks_are_named():
    for wrong, words in (((25, 10), "at most 24"), ((3, 9), "2.n = 8"), ((3, 1), "at least 2")):
        with pytest.raises(ValueError, match=words):
            sim.sample_masks(*wrong)
    with pytest.raises(ValueError, match="one of size, uniform"):
        sim.sample_masks(3, 4, by="order")
