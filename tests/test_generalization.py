"""Generalization: definitions by loops over sets, and known answers."""

import itertools
import math

import jax
import numpy as np
import pytest
import scipy.optimize

from sim.experiments import train_network
from sim.generalization import generalizable_strength, similarity_by_order
from sim.separation import separate
from theory import optimal_interactions, orders


def _interactions(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * (rng.uniform(size=shape) < 0.6)


def test_similarity_by_definition():
    train, test = _interactions(0, 5, 16), _interactions(1, 3, 16)
    found = similarity_by_order(train, test)
    a, b = train.mean(axis=0), test.mean(axis=0)
    for k in range(1, 5):
        top = bottom = 0.0
        for s in range(16):
            if s.bit_count() == k:
                for sign in (1, -1):
                    x, y = max(sign * a[s], 0), max(sign * b[s], 0)
                    top, bottom = top + min(x, y), bottom + max(x, y)
        assert found[k - 1] == pytest.approx(top / bottom, rel=1e-12)


def test_similarity_limits():
    train = _interactions(2, 4, 32) + 0.1
    np.testing.assert_allclose(similarity_by_order(train, train[::-1]), 1.0)
    np.testing.assert_allclose(similarity_by_order(train, -train), 0.0)
    np.testing.assert_allclose(similarity_by_order(train, 2 * train), 0.5)
    assert np.isnan(similarity_by_order(np.eye(8)[[1]], np.eye(8)[[1]])[1:]).all()
    batch = similarity_by_order(np.stack([train, train]), np.stack([train, 2 * train]))
    np.testing.assert_allclose(batch, np.array([[1.0] * 5, [0.5] * 5]))


@pytest.mark.parametrize("rule", ["any", "majority", "all"])
def test_generalizable_strength_by_definition(rule):
    mine, theirs = _interactions(3, 2, 4, 6, 8), _interactions(4, 2, 3, 6, 8)  # (AND and OR, …)
    outputs, reference = 9 * _interactions(5, 4, 6, 8), 9 * _interactions(6, 3, 6, 8)
    found = generalizable_strength(*mine, outputs, *theirs, reference, rule=rule, salience=0.05)
    needed = {"any": 1, "majority": 2, "all": 3}[rule]
    tau = 0.05 * np.abs(outputs[..., -1] - outputs[..., 0]).mean(axis=1)
    other = 0.05 * np.abs(reference[..., -1] - reference[..., 0]).mean(axis=1)
    expected = {(shared, sign): np.zeros((4, 3)) for shared in (True, False) for sign in (1, -1)}
    for part, c, x, s in itertools.product(range(2), range(4), range(6), range(1, 8)):
        value = mine[part, c, x, s]
        if abs(value) < tau[c] or value == 0:
            continue
        sign = int(np.sign(value))
        votes = sum(
            abs(theirs[part, r, x, s]) >= other[r] and theirs[part, r, x, s] * value > 0
            for r in range(3)
        )
        expected[votes >= needed, sign][c, s.bit_count() - 1] += abs(value) / 6
    np.testing.assert_allclose(found.shared_positive, expected[True, 1], rtol=1e-12)
    np.testing.assert_allclose(found.shared_negative, expected[True, -1], rtol=1e-12)
    np.testing.assert_allclose(found.own_positive, expected[False, 1], rtol=1e-12)
    np.testing.assert_allclose(found.own_negative, expected[False, -1], rtol=1e-12)


def test_half_of_an_even_number_of_references_is_no_majority():
    mine = np.array([[[0.0, 2.0, 0.0, 3.0]]])
    with_one, with_both = np.array([[0.0, 1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0, 1.0]])
    for references, shared in (
        ([with_one, with_both], [2.0, 0.0]),  # order 2: one of two
        ([with_one, with_one, with_both, with_both], [2.0, 0.0]),  # two of four
        ([with_one, with_both, with_both, with_both], [2.0, 3.0]),  # three of four
    ):
        theirs = np.stack(references)
        none, outputs = np.zeros_like(theirs), np.cumsum(theirs, axis=-1)
        found = generalizable_strength(
            mine, np.zeros_like(mine), mine, theirs, none, outputs, rule="majority"
        )
        np.testing.assert_array_equal(found.shared, [shared])


def test_stricter_rules_share_less_and_oneself_shares_everything():
    mine, theirs = _interactions(3, 2, 1, 6, 8), _interactions(4, 2, 3, 6, 8)
    outputs, reference = 9 * _interactions(5, 1, 6, 8), 9 * _interactions(6, 3, 6, 8)
    shares = [
        generalizable_strength(*mine, outputs, *theirs, reference, rule=rule).shared.sum()
        for rule in ("any", "majority", "all")
    ]
    assert shares[0] > shares[1] > shares[2]
    alone = generalizable_strength(*mine, outputs, *mine, outputs, rule="all")
    np.testing.assert_allclose(alone.share, 1.0)
    np.testing.assert_allclose(alone.total_share, 1.0)


def test_a_decay_and_a_spindle_are_separated():
    n, k = 7, np.arange(1, 8)
    true = _interactions(7, 5, 2**n) * 0.6 ** np.asarray(orders(n))
    sigma2 = np.array([1e-4, 1e-2])
    learned = np.abs(np.asarray(optimal_interactions(true, sigma2)))
    decay = np.stack([learned[..., np.asarray(orders(n)) == j].sum(axis=(1, 2)) for j in k], 1)
    spindle = np.array([math.comb(n, j) * 1.3**j for j in k])
    spindle = spindle / spindle.sum() * np.array([[3.0], [20.0]])
    found = separate(decay + spindle, true, sigma2=[1e-5, 1e-4, 1e-3, 1e-2], rho=[1.0, 1.3, 1.6])
    np.testing.assert_allclose(found.sigma2, sigma2)
    np.testing.assert_allclose(found.rho, 1.3)
    np.testing.assert_allclose(found.decay, decay, rtol=1e-6)
    np.testing.assert_allclose(found.spindle, spindle, rtol=1e-6)
    assert (found.residual < 1e-8).all()


def test_networks_that_say_nothing_share_nothing():
    mine, outputs = _interactions(3, 2, 1, 6, 8), 9 * _interactions(5, 1, 6, 8)
    found = generalizable_strength(*mine, outputs, *(0 * mine), 0 * outputs, rule="any")
    assert found.own.sum() > 1
    assert not found.shared.any()


def test_parts_are_nonnegative_least_squares():
    true, k = _interactions(10, 4, 32), np.arange(1, 6)
    learned = np.abs(np.asarray(optimal_interactions(true, 1e-2)))
    decay = np.array([learned[:, np.asarray(orders(5)) == j].sum() for j in k])
    spindle = np.array([math.comb(5, j) * 1.4**j for j in k])
    measured = np.random.default_rng(10).exponential(size=(30, 5))
    found = separate(measured, true, sigma2=[1e-2], rho=[1.4])
    empty = 0
    for strength, got_decay, got_spindle in zip(measured, found.decay, found.spindle, strict=True):
        (a, b), _ = scipy.optimize.nnls(np.stack([decay, spindle], axis=1), strength)
        np.testing.assert_allclose(got_decay, a * decay, atol=1e-9)
        np.testing.assert_allclose(got_spindle, b * spindle, atol=1e-9)
        empty += a == 0 or b == 0
    assert 0 < empty < 30


@pytest.mark.parametrize("alone", ["decay", "spindle"])
def test_one_part_alone_leaves_the_other_empty(alone):
    true = np.stack([_interactions(8, 4, 32), _interactions(9, 4, 32)])  # AND and OR
    k = np.arange(1, 6)
    spindle = np.array([math.comb(5, j) * 1.5**j for j in k])
    learned = np.abs(np.asarray(optimal_interactions(true, 1e-3)))
    decay = np.array([learned[..., np.asarray(orders(5)) == j].sum() for j in k])
    found = separate(
        {"decay": decay, "spindle": spindle}[alone][None], true, sigma2=[1e-4, 1e-3], rho=[1.0, 1.5]
    )
    assert found.share[0] == pytest.approx(float(alone == "decay"), abs=1e-9)


def test_bad_input_is_refused_by_name():
    ok = np.ones((2, 3, 8))
    with pytest.raises(ValueError, match="`train` and `test` must have shapes"):
        similarity_by_order(ok, ok[..., :4])
    with pytest.raises(ValueError, match=r"must be one of any, majority, all, but is 'most'"):
        generalizable_strength(ok, ok, ok, ok, ok, ok, rule="most")
    with pytest.raises(ValueError, match="measured on the same samples"):
        generalizable_strength(ok, ok, ok, ok[:, :2], ok[:, :2], ok[:, :2])
    with pytest.raises(ValueError, match="must have the same shape"):
        generalizable_strength(ok, ok[:1], ok, ok, ok, ok)
    with pytest.raises(ValueError, match=r"`strength` must have shape \(checkpoints, 3\)"):
        separate(np.ones((2, 4)), ok[0])
    with pytest.raises(ValueError, match="finite and nonnegative"):
        separate(-np.ones((2, 3)), ok[0])


def test_results_are_pytrees_that_keep_their_rule():
    ok = _interactions(2, 2, 3, 8)
    split = generalizable_strength(ok, ok, ok, ok, ok, ok, rule="any")
    first = jax.tree.map(lambda values: values[0], split)
    assert first.rule == "any"
    np.testing.assert_array_equal(first.share, split.share[0])
    found = separate(np.abs(ok[0, :, 1:4]), ok[0])
    np.testing.assert_array_equal(jax.tree.map(lambda x: x[1:], found).share, found.share[1:])


def test_networks_train_on_what_they_are_given_and_repeat():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 2, 3))
    labels = (inputs[:, 0, 0] > 0).astype(int) + (inputs[:, 1, 2] > 0)
    options = {"hidden": [24], "learning_rate": 0.1}
    start, end = train_network(inputs, labels, [0, 60], **options)
    right = [(net(inputs).argmax(axis=1) == labels).mean() for net in (start, end)]
    assert right[0] < 0.7 < 0.95 < right[1]
    again = train_network(inputs, labels, [60], **options)[0]
    np.testing.assert_array_equal(again(inputs), end(inputs))
    other = train_network(inputs, labels, [60], seed=1, **options)[0]
    assert np.abs(other(inputs) - end(inputs)).max() > 0.1
    (weight, bias), (weight_2, bias_2) = [map(np.asarray, layer) for layer in end.layers]
    hidden = np.maximum(inputs.reshape(200, 6) @ weight + bias, 0)
    np.testing.assert_allclose(end(inputs), hidden @ weight_2 + bias_2, atol=1e-4)
    with pytest.raises(ValueError, match="`labels` must be one integer"):
        train_network(inputs, labels[:-1], [1])
    with pytest.raises(ValueError, match="`epochs` must increase"):
        train_network(inputs, labels, [3, 3])
