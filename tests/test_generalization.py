"""Generalization: definitions by loops over sets, and known answers."""

import itertools
import json
import math

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from typer.testing import CliRunner

from sim.cli import app
from sim.experiments import train_network
from sim.extraction import Extraction, Interactions
from sim.figures import group_strengths, overfitting_curves
from sim.generalization import (
    GROUPS,
    generalizable_strength,
    interaction_groups,
    overfitting_level,
    similarity_by_order,
)
from sim.generalization.overfitting import _mean_and_intervals
from sim.measurement import Measurement
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


def _networks(seed, count, samples, size=8):
    """AND and OR interactions and outputs of a network's checkpoints, or of several networks."""
    return (
        *_interactions(seed, 2, count, samples, size),
        9 * _interactions(-seed % 97, count, samples, size),
    )


def _salient(arrays, at, sample, peers, salience=0.03):
    """Python sets {(kind, set, sign)} of the salient interactions; `peers` set the threshold."""
    outputs = arrays[2][at]
    tau = salience * np.mean([abs(outputs[x, -1] - outputs[x, 0]) for x in peers])
    return {
        (kind, s, 1 if arrays[kind][at, sample, s] > 0 else -1)
        for kind in (0, 1)
        for s in range(1, outputs.shape[-1])
        if abs(arrays[kind][at, sample, s]) >= tau and arrays[kind][at, sample, s] != 0
    }


@pytest.mark.parametrize(("rule", "needed"), [("any", 1), ("majority", 2), ("all", 3)])
def test_overfitting_level_by_sets(rule, needed):
    """Two runs of three inputs; each run of each network has its own threshold."""
    mine, theirs = _networks(11, 4, 6, 16), _networks(12, 3, 6, 16)
    found = overfitting_level(*mine, *theirs, rule=rule, runs=2, salience=0.1, resamples=0)
    for c, x in itertools.product(range(4), range(6)):
        peers = range(3 * (x // 3), 3 * (x // 3) + 3)
        salient = _salient(mine, c, x, peers, 0.1)
        held = [_salient(theirs, r, x, peers, 0.1) for r in range(3)]
        own = {one for one in salient if sum(one in others for others in held) < needed}
        weight = {(kind, s): abs(mine[kind][c, x, s]) for kind, s, _ in salient}
        expected = sum(weight[one[:2]] for one in own) / sum(weight.values())
        assert found.levels[c, x] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found.mean, found.levels.mean(axis=1))
    assert (found.rule, found.runs, found.interval, found.run_interval) == (rule, 2, None, None)


def test_overfitting_level_is_what_generalizable_strength_leaves_of_a_sample():
    mine, theirs = _networks(13, 3, 2), _networks(14, 4, 2)
    found = overfitting_level(*mine, *theirs, runs=2)
    for run in range(2):
        alone = [[part[:, run : run + 1] for part in parts] for parts in (mine, theirs)]
        split = generalizable_strength(*alone[0], *alone[1])
        np.testing.assert_allclose(found.levels[:, run], 1 - split.total_share)
        assert found.interval is None  # of one input
    both = generalizable_strength(*mine, *theirs, runs=2)
    strength = np.stack(
        [
            generalizable_strength(*(part[:, [run]] for part in (*mine, *theirs))).own
            for run in range(2)
        ]
    )
    np.testing.assert_allclose(both.own, strength.mean(axis=0))


def test_samples_that_a_network_says_nothing_of_have_no_level():
    mine, theirs = _networks(15, 2, 3), _networks(16, 1, 3)
    mine[0][1, 1:] = mine[1][1, 1:] = 0
    mine[0][0, 2] = mine[1][0, 2] = 0
    found = overfitting_level(*mine, *theirs, rule="any", resamples=20)
    assert np.isnan(found.levels).tolist() == [[False, False, True], [False, True, True]]
    np.testing.assert_allclose(found.mean, [found.levels[0, :2].mean(), found.levels[1, 0]])
    zero = overfitting_level(*(0 * part for part in mine), *theirs)
    assert np.isnan(zero.mean).all()
    assert np.isnan(zero.interval).all()


def test_intervals_cover_what_they_say():
    """Levels of fresh inputs and runs with known means: 0.25 at one checkpoint, 0.5 at another."""
    rng, reps, level = np.random.default_rng(17), 300, 0.9
    covered = {"inputs": 0, "runs": 0}
    for _ in range(reps):
        inputs = rng.beta([[2.0], [2.0]], [[6.0], [2.0]], size=(2, 16))
        _, interval, none = _mean_and_intervals(inputs, 1, 100, level, 0)
        assert none is None
        covered["inputs"] += (interval[0] <= [0.25, 0.5]) & (interval[1] >= [0.25, 0.5])
        runs = np.repeat(
            rng.normal(0.5, 0.1, size=(2, 4)), 3, axis=1
        )  # nothing but the runs differs
        _, _, interval = _mean_and_intervals(runs, 4, 100, level, 0)
        covered["runs"] += (interval[0] <= 0.5) & (interval[1] >= 0.5)
    for name, count in covered.items():
        assert np.abs(count / reps - level).max() < 4 * np.sqrt(level * (1 - level) / reps), name


def test_a_difference_is_welchs():
    mine, theirs = _networks(18, 3, 14), _networks(19, 2, 14)
    found = overfitting_level(*mine, *theirs, rule="any", runs=2, resamples=0)
    chosen = np.array([True, False, False, True, True, False, False])
    about, (low, high) = found.difference(chosen, 0.9)
    each = (found.levels[:, :7] + found.levels[:, 7:]) / 2
    welch = scipy.stats.ttest_ind(each[:, chosen], each[:, ~chosen], axis=1, equal_var=False)
    expected = welch.confidence_interval(0.9)
    np.testing.assert_allclose(about, each[:, chosen].mean(1) - each[:, ~chosen].mean(1))
    np.testing.assert_allclose([low, high], [expected.low, expected.high])
    assert np.isnan(found.difference(np.arange(7) == 3)[0]).all()  # one against six: no interval


def _group(course):
    """The group of a course of signs, from its stretches, written as text."""
    text = "".join("-0+"[sign + 1] for sign in course)
    stretches = [(key, len(list(group))) for key, group in itertools.groupby(text) if key != "0"]
    if not stretches:
        return None
    if len(stretches) == 1:
        if text[-1] != "0":
            return "reliable"
        return "withdrawn" if text[0] != "0" else "forgotten"
    if len(stretches) == 2 and stretches[0][0] != stretches[1][0]:
        return "betraying"
    return "fluctuating"


@pytest.mark.parametrize("fixed", [False, True])
def test_every_course_is_in_its_group(fixed):
    """All 3^5 courses of an interaction over five checkpoints, as AND and reversed as OR."""
    courses = list(itertools.product((-1, 0, 1), repeat=5))
    kinds = np.zeros((2, 5, len(courses), 4))
    kinds[0, :, :, 1] = np.transpose(courses)
    kinds[1, :, :, 3] = np.transpose(courses)[::-1]
    kinds *= np.array([1.0, 2, 4, 8, 16])[:, None, None]
    outputs = np.zeros((5, len(courses), 4))
    outputs[..., 3] = np.array([1.0, 2, 4, 8, 16])[:, None] if not fixed else 1.0
    found = interaction_groups(*kinds, outputs, salience=1.0, fixed=fixed)
    expected = np.zeros((5, 2, len(courses), 4), dtype=bool)
    for x, course in enumerate(courses):
        for kind, s, order in ((0, 1, course), (1, 3, course[::-1])):
            if name := _group(order):
                expected[GROUPS.index(name), kind, x, s] = True
    np.testing.assert_array_equal(found.member, expected)
    assert (found.member.sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(found.member.sum(axis=0) == 1, (kinds != 0).any(axis=1))
    assert found.fixed is fixed


def test_groups_weigh_what_is_salient():
    networks = _networks(20, 5, 6, 16)
    found = interaction_groups(*networks, salience=0.1, runs=2)
    count, strength = np.zeros((2, 5, 5, 4))
    members = np.zeros((5, 4))
    for x in range(6):
        peers = range(3 * (x // 3), 3 * (x // 3) + 3)
        salient = [_salient(networks, c, x, peers, 0.1) for c in range(5)]
        signs = [{(kind, s): sign for kind, s, sign in one} for one in salient]
        for kind, s in set().union(*signs):
            g = GROUPS.index(_group([sign.get((kind, s), 0) for sign in signs]))
            order = s.bit_count() - 1
            assert found.member[g, kind, x, s]
            members[g, order] += 1 / 6
            for c in range(5):
                if (kind, s) in signs[c]:
                    count[c, g, order] += 1 / 6
                    strength[c, g, order] += abs(networks[kind][c, x, s]) / 6
    np.testing.assert_allclose(found.count, count)
    np.testing.assert_allclose(found.strength, strength)
    np.testing.assert_allclose(found.members, members)
    np.testing.assert_allclose(found.share.sum(axis=1), 1.0)
    assert (members.sum(axis=1) > 0.5).all()  # every group is there to be told


def test_a_fixed_threshold_keeps_what_is_only_outgrown():
    """An interaction of size 1 beside outputs that grow from 1 to 100."""
    i_and = np.zeros((3, 1, 4))
    i_and[:, 0, 1], i_and[:, 0, 3] = 1.0, [0.5, 9.0, 99.0]
    outputs = i_and.cumsum(axis=-1)
    by_threshold = [
        interaction_groups(i_and, 0 * i_and, outputs, salience=salience, fixed=fixed).member[
            :, 0, 0, 1
        ]
        for salience, fixed in ((0.03, False), (0.03, True), (0.005, True))
    ]
    names = [[GROUPS[g] for g in np.flatnonzero(member)] for member in by_threshold]
    assert names == [["withdrawn"], [], ["reliable"]]


def test_groups_as_a_table_and_as_a_record():
    found = interaction_groups(*_networks(21, 3, 2), salience=0.2)
    lines = found.table([0, 1, 5]).splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "0", "1", "5", "members"]
    assert lines[0].split()[1:] == list(GROUPS)
    shown = [float(cell) for cell in lines[2].split()[1::2]]
    np.testing.assert_allclose(shown, found.strength[1].sum(axis=-1), atol=0.005)
    record = json.loads(json.dumps(found.record([0, 1, 5])))
    assert list(record["groups"]) == list(GROUPS)
    assert record["groups"]["betraying"]["count"] == found.count[:, 3].tolist()
    with pytest.raises(ValueError, match="one entry for each of the 3 checkpoints"):
        found.table([0, 1])


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()  # whatever cannot be drawn fails here
    plt.close(figure)


@pytest.mark.parametrize("share", [False, True])
def test_groups_are_stacked_in_their_order(ax, share):
    networks = _networks(20, 5, 6, 16)
    networks[0][0] = networks[1][0] = 0  # nothing is salient at first
    found = interaction_groups(*networks, salience=0.1)
    group_strengths(ax, [0, 1, 2, 4, 9], found, share=share)
    assert [area.get_label() for area in ax.collections] == list(GROUPS)
    heights = found.strength.sum(axis=2)
    if share:
        heights = heights[1:] / heights[1:].sum(axis=1, keepdims=True)  # blank at first
    for g, area in enumerate(ax.collections):
        drawn = {tuple(point) for point in area.get_paths()[0].vertices.round(9)}
        epochs = [1, 2, 4, 9] if share else [0, 1, 2, 4, 9]
        for upto in (g, g + 1):  # from the top of those below to its own
            edge = heights[:, :upto].sum(axis=1).round(9)
            assert drawn >= set(zip(epochs, edge, strict=True))
        assert share is not any(x == 0 for x, _ in drawn)
    looks = {(area.get_facecolor().tobytes(), area.get_hatch()) for area in ax.collections}
    assert len(looks) == len(GROUPS)


def test_over_fitting_levels_are_drawn_input_by_input(ax):
    mine, theirs = _networks(18, 3, 8), _networks(19, 2, 8)
    mine[0][2, [1, 5]] = mine[1][2, [1, 5]] = 0  # input 1 has no level at the end, in neither run
    found = overfitting_level(*mine, *theirs, rule="any", runs=2, resamples=20)
    each = np.nanmean(found.levels[:2].reshape(2, 2, 4), axis=1)
    overfitting_curves(ax, [0, 1, 5], found)
    lines = np.array([line.get_ydata() for line in ax.lines])
    np.testing.assert_allclose(lines[:4, :2], each.T)
    np.testing.assert_allclose(lines[4, :2], each.mean(axis=1))
    assert np.isnan(lines[:, 2]).tolist() == [False, True, False, False, False]
    assert len(ax.collections) == 1
    ax.clear()
    overfitting_curves(ax, [0, 1, 5], found, np.array([True, True, False, False]))
    means = {line.get_label(): line.get_ydata()[0] for line in ax.lines if line.get_lw() > 1}
    assert means == pytest.approx({"chosen": each[0, :2].mean(), "others": each[0, 2:].mean()})


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
    with pytest.raises(ValueError, match="measured on the same samples"):
        overfitting_level(ok, ok, ok, ok[..., :4], ok[..., :4], ok[..., :4])
    with pytest.raises(ValueError, match="`runs` must divide the 3 samples"):
        overfitting_level(ok, ok, ok, ok, ok, ok, runs=2)
    with pytest.raises(ValueError, match="one truth value for each of the 3 inputs"):
        overfitting_level(ok, ok, ok, ok, ok, ok).difference([1, 0, 1])
    with pytest.raises(ValueError, match="must have the same shape"):
        interaction_groups(ok, ok[:1], ok)
    with pytest.raises(ValueError, match="`salience` must be positive"):
        interaction_groups(ok, ok, ok, salience=-0.1)
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


def _saved(path, seed, *, runs=1, inputs=3, prefer="low", checkpoints=3, size=8, **fields):
    """Interactions in a file, and the arrays in it."""
    i_and, i_or, outputs = _networks(seed, checkpoints, runs * inputs, size)
    none = np.zeros(outputs.shape[:2])
    extraction = Extraction(
        i_and=i_and,
        i_or=i_or,
        multipliers=0 * i_and,
        objective=none,
        gap=none,
        iterations=none,
        converged=none == 0,
    )
    measurement = Measurement(outputs, np.arange(checkpoints) ** 2, runs=runs, **fields)
    Interactions(measurement, extraction, {"prefer": prefer}).save(path)
    return i_and, i_or, outputs


def _interdyn(*arguments):
    return CliRunner().invoke(app, ["generalization", *map(str, arguments)])


def test_the_command_holds_a_network_against_each_run_of_its_references(tmp_path):
    path, one, several = (tmp_path / name / "interactions.npz" for name in "abc")
    for file in (path, one, several):
        file.parent.mkdir()
    names = {"sample_names": ["x", "y", "z"]}
    mine = _saved(path, 31, runs=2, **names)
    first = _saved(one, 32, checkpoints=2, **names)
    others = _saved(several, 33, runs=2)  # tells no names: nothing speaks against it
    references = ["--reference", one, "--reference", several]
    result = _interdyn(path, *references, "--rule", "any")
    assert result.exit_code == 0, result.stderr
    found = json.loads((path.parent / "generalization.json").read_text())
    nets = [
        np.stack([a[-1], b[-1, :3], b[-1, 3:]])  # three reference networks of three inputs
        for a, b in zip(first, others, strict=True)
    ]
    tiled = [np.concatenate([part, part], axis=1) for part in nets]  # for both runs
    expected = overfitting_level(*mine, *tiled, rule="any", runs=2)
    np.testing.assert_allclose(found["overfitting_level"]["levels"], expected.levels)
    np.testing.assert_allclose(found["overfitting_level"]["interval"], expected.interval)
    assert found["groups"] == interaction_groups(*mine, runs=2).record([0, 1, 4])
    assert found["reference_networks"] == 3
    assert found["samples"] == ["x", "y", "z"] * 2
    made = {"generalization.json", "generalization.png", "generalization.svg"}
    assert {file.name for file in path.parent.iterdir()} == made | {"interactions.npz"}
    again = _interdyn(path, *references)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    highest = np.argmax(expected.levels[-1].reshape(2, 3).mean(axis=0))
    assert f"Highest at the last checkpoint: {'xyz'[highest]} (" in result.stdout


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 16}, "number of players is 4, but that of the network is 3"),
        ({"inputs": 2}, "number of inputs is 2, but that of the network is 3"),
        ({"prefer": "high"}, "preference of the extraction is high"),
        ({"labels": [0, 1, 3]}, "its labels are not those of the network"),
        ({"player_names": ["a", "c", "b"]}, "its names of players are not those"),
        ({"sample_names": ["x", "z", "y"]}, "its names of inputs are not those"),
    ],
)
def test_references_on_other_inputs_or_players_are_refused(tmp_path, fields, words):
    path, other = tmp_path / "mine.npz", tmp_path / "other.npz"
    names = {"player_names": ["a", "b", "c"], "sample_names": ["x", "y", "z"]}
    _saved(path, 34, labels=[0, 1, 2], **names)
    _saved(other, 35, **fields)
    result = _interdyn(path, "--reference", other)
    assert result.exit_code == 2
    assert words in result.stderr
    assert str(other) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert {file.name for file in tmp_path.glob("generalization*")} == set()
