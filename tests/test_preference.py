"""Which of the equally sparse explanations: by rule, and the same however it is computed."""

import functools
import pathlib

import numpy as np
import pytest
from test_extraction import leftover, network_outputs, programme_optimum, sparse_outputs
from theory_oracles import permuted_indices

from sim.extraction import Extraction, extract_interactions, programme
from sim.measurement import Measurement
from sim.strength import averaged_distribution, measured_strength

MEASUREMENTS = pathlib.Path(__file__).parents[1] / "notebooks" / "measurements"
SAMPLES = 8
AGREE = 0.02  # shares of all orders, however they are computed
MOVED = (7, 2, 9, 0, 4, 8, 1, 5, 3, 6)  # another labelling of the ten players
NETWORKS = [
    "digits-mlp",
    pytest.param("digits-cnn", marks=pytest.mark.slow),
    pytest.param("digits-transformer", marks=pytest.mark.slow),
    pytest.param("breast-cancer-mlp", marks=pytest.mark.slow),
]


@functools.cache
def measured(network: str) -> np.ndarray:
    """Outputs before training, near the end of the first phase, and after training."""
    whole = Measurement.load(MEASUREMENTS / f"{network}.npz")
    return whole.outputs[np.isin(whole.epochs, (0, 8, 512)), :SAMPLES]


@functools.cache
def extracted(network: str, prefer: str | None) -> Extraction:
    return extract_interactions(measured(network), prefer=prefer)


def shares(found: Extraction, outputs: np.ndarray) -> np.ndarray:
    """Distribution over the orders (checkpoints, n) of salient strength, averaged over samples."""
    strength, _ = measured_strength(found.i_and, found.i_or, outputs)
    return np.asarray(averaged_distribution(strength))


def relabelled(network: str, prefer: str) -> np.ndarray:
    outputs = measured(network)[..., permuted_indices(10, MOVED)]
    return shares(extract_interactions(outputs, prefer=prefer), outputs)


def tighter(network: str, prefer: str | None) -> np.ndarray:
    """By the same ε, which would otherwise go with the root of the tolerance."""
    options = {"tolerance": 1e-4, "max_iterations": 40_000, "prefer": prefer}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programme, "LEAN", programme.LEAN * 10**0.5)
        found = extract_interactions(measured(network), **options)
    assert np.quantile(found.gap, 0.9) <= 1e-4  # leaning by ε can itself cost more, up to 4e-4
    return shares(found, measured(network))


def from_the_other_end(network: str, prefer: str | None) -> np.ndarray:
    start = extracted(network, "low" if prefer == "high" else "high")
    found = extract_interactions(measured(network), prefer=prefer, warm_start=start)
    return shares(found, measured(network))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("prefer", ["low", "high"])
@pytest.mark.parametrize(
    "again", [relabelled, pytest.param(tighter, marks=pytest.mark.slow), from_the_other_end]
)
def test_the_explanation_is_the_same_however_it_is_computed(network, prefer, again):
    expected = shares(extracted(network, prefer), measured(network))
    assert np.abs(again(network, prefer) - expected).max() <= AGREE


@pytest.mark.parametrize("prefer", ["low", "high"])
def test_single_precision_leaves_iterations_for_a_proof(prefer):
    """It never comes as near to the leaning costs' optimum as double precision does."""
    outputs = measured("digits-mlp")[:, :2]
    found = extract_interactions(outputs.astype(np.float32), prefer=prefer)
    assert found.i_and.dtype == np.float32
    assert np.asarray(found.gap).max() <= 0.01
    both = shares(found, outputs), shares(extract_interactions(outputs, prefer=prefer), outputs)
    assert np.abs(both[0] - both[1]).max() <= 2 * AGREE


@pytest.mark.parametrize("network", NETWORKS)
def test_without_a_preference_it_is_not(network):
    """The start tells: other labels and a tighter tolerance leave the iteration on its path."""
    expected = shares(extracted(network, None), measured(network))
    assert np.abs(from_the_other_end(network, None) - expected).max() > 2 * AGREE


@pytest.mark.parametrize("network", NETWORKS)
def test_both_ends_are_as_sparse_and_the_orders_1_and_2_lie_between_them(network):
    found = {prefer: extracted(network, prefer) for prefer in ("low", None, "high")}
    low, neither, high = (shares(found[prefer], measured(network)) for prefer in found)
    assert (low[:, 0] > neither[:, 0]).all()
    assert (neither[:, 0] > high[:, 0]).all()
    assert (low[:, 0] - high[:, 0]).max() > 10 * AGREE  # so that agreement says something
    for one in found.values():
        assert one.converged.all()
        assert np.all(one.gap <= 1e-3)
        for other in found.values():  # neither is dearer than the other by more than its gap
            dearest = np.asarray(other.objective) / (1 - np.asarray(one.gap))
            assert np.all(np.asarray(one.objective) <= dearest * (1 + 1e-12))


@pytest.mark.parametrize("prefer", ["low", "high"])
@pytest.mark.parametrize("outputs", [sparse_outputs, network_outputs])
def test_it_is_the_lp_optimum_of_the_leaning_costs(outputs, prefer):
    v = outputs(4, 5, seed=21)
    tolerance = 1e-4
    lean = 0.02 * np.sqrt(tolerance / 1e-3) * (1 if prefer == "low" else -1)
    order = np.array([s.bit_count() for s in range(1, 2**5)])
    costs = np.tile(1 + lean * (order - 1), 2)
    optimum = np.array([programme_optimum(x, 0.02 * abs(x[-1] - x[0]), costs) for x in v])

    def excess(found):
        both = np.hstack([np.abs(found.i_and)[:, 1:], np.abs(found.i_or)[:, 1:]])
        return both @ costs / optimum - 1

    found = extract_interactions(v, tolerance=tolerance, prefer=prefer)
    assert np.all(leftover(found, v) <= 0.02 * np.abs(v[:, -1:] - v[:, :1]) + 1e-9)
    assert np.all(np.abs(excess(found)) <= tolerance)
    other = extract_interactions(v, tolerance=tolerance, prefer="high" if lean > 0 else "low")
    assert excess(other).max() > 3 * tolerance


@pytest.mark.parametrize(("prefer", "strengths"), [("low", [4.0, 0.0]), ("high", [0.0, 4.0])])
def test_two_players_alone_are_their_and_and_or(prefer, strengths):
    """v = 2·x₁ + 2·x₂ = 2·AND + 2·OR, at the same cost."""
    v = np.array([0.3, 2.3, 2.3, 4.3])
    found = extract_interactions(v, 0.0, prefer=prefer)
    both = np.abs(found.i_and) + np.abs(found.i_or)
    np.testing.assert_allclose([both[1] + both[2], both[3]], strengths, atol=4e-3)
    assert float(found.objective) == pytest.approx(4.0, rel=1e-3)
    assert float(found.gap) <= 1e-3


def test_an_unknown_preference_is_refused():
    with pytest.raises(ValueError, match=r"`prefer` must be one of low, high and none.*'middle'"):
        extract_interactions(np.zeros((1, 4)), prefer="middle")
