"""The extraction against SciPy's LP solver, and its certificate against plain enumeration."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog
from theory_oracles import permuted_indices

from sim.extraction import _stages, programme
from sim.extraction._schur import SumInverse, schur_basis, sectors
from sim.extraction.interactions import Interactions
from sim.extraction.programme import Extraction, extract_interactions
from sim.measurement import Measurement
from theory import reconstruct

N = 5  # players of most tests, so that they share compiled code


def atoms(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The AND and OR functions of every T ≠ ∅ (columns) on every S ≠ ∅ (rows), by definition."""
    sets = np.arange(1, 2**n)
    return (sets[:, None] & sets) == sets, (sets[:, None] & sets) > 0


def programme_optimum(v: np.ndarray, bound: float, weights: np.ndarray | None = None) -> float:
    n = len(v).bit_length() - 1
    functions = np.hstack([*atoms(n)]).astype(float)
    cost = np.ones(functions.shape[1]) if weights is None else weights
    both = np.hstack([functions, -functions])
    centred = v[1:] - v[0]
    result = linprog(
        np.concatenate([cost, cost]),
        A_ub=np.vstack([both, -both]),
        b_ub=np.concatenate([centred + bound, bound - centred]),
        method="highs",
    )
    assert result.status == 0
    return result.fun


def sparse_outputs(samples: int, n: int, seed: int, noise: float = 0.03) -> np.ndarray:
    """A few AND and OR interactions of either sign, some noise, and a nonzero v(∅)."""
    rng = np.random.default_rng(seed)
    i_and, i_or = rng.normal(size=(2, samples, 2**n)) * (rng.random((2, samples, 2**n)) < 0.2)
    functions = [f.astype(float) for f in atoms(n)]
    v = i_and[:, 1:] @ functions[0].T + i_or[:, 1:] @ functions[1].T
    v = np.hstack([np.zeros((samples, 1)), v])
    return 0.7 + v + noise * rng.normal(size=v.shape)


def network_outputs(samples: int, n: int, seed: int) -> np.ndarray:
    """A small random network on masked random inputs."""
    rng = np.random.default_rng(seed)
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    first, bias, last = rng.normal(size=(n, 16)), rng.normal(size=16), rng.normal(size=16)
    inputs = rng.normal(size=(samples, 1, n)) * masks
    return np.tanh(inputs @ first + bias) @ last


def leftover(found: Extraction, v: np.ndarray) -> np.ndarray:
    """|v(S) − what the interactions explain| on S ≠ ∅, by enumeration."""
    both = [f.astype(float) for f in atoms(v.shape[-1].bit_length() - 1)]
    explained = np.asarray(found.i_and)[..., 1:] @ both[0].T
    explained = explained + np.asarray(found.i_or)[..., 1:] @ both[1].T
    return np.abs(v[..., 1:] - v[..., :1] - explained)


def test_without_a_bound_exactly_sparse_outputs_are_explained_at_their_cost():
    """At n = 10 an iteration without room for δ is lost to rounding."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 3, 2**10)) * (rng.uniform(size=(2, 3, 2**10)) < 0.005)
    w[..., 0] = 0
    v = np.asarray(reconstruct(*w))
    found = extract_interactions(v, noise_bound=0.0)
    assert found.converged.all()
    np.testing.assert_allclose(found.objective, np.abs(w).sum(axis=(0, 2)), rtol=1e-3)
    np.testing.assert_allclose(reconstruct(found.i_and, found.i_or), v, atol=1e-9)


@pytest.mark.parametrize("noise_bound", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("outputs", [sparse_outputs, network_outputs])
def test_objective_is_the_lp_optimum_within_the_gap(outputs, noise_bound):
    v = outputs(4, N, seed=1)
    found = extract_interactions(v, noise_bound, tolerance=1e-5)
    assert found.converged.all()
    optimum = np.array([programme_optimum(x, noise_bound * abs(x[-1] - x[0])) for x in v])
    objective, gap = np.asarray(found.objective), np.asarray(found.gap)
    assert np.all(gap <= 1e-5)
    np.testing.assert_array_less(optimum * (1 - 1e-9), objective)
    # 1e-9: HiGHS' own tolerance. The certificate must hold: the true excess is below the gap.
    np.testing.assert_array_less((objective - optimum) / objective, gap + 1e-9)


@pytest.mark.parametrize("n", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4)), 6])
def test_every_number_of_players_has_its_lp_optimum(n):
    v = sparse_outputs(2, n, seed=n)
    found = extract_interactions(v, 0.1, tolerance=1e-4)
    optimum = [programme_optimum(x, 0.1 * abs(x[-1] - x[0])) for x in v]
    np.testing.assert_allclose(found.objective, optimum, rtol=1.01e-4)


@pytest.mark.parametrize("noise_bound", [0.0, 0.02])
def test_the_constraint_holds_to_rounding_and_the_objective_is_counted(noise_bound):
    v = np.concatenate([1e3 * sparse_outputs(2, N, seed=2), 1e-3 * network_outputs(2, N, seed=3)])
    found = extract_interactions(v, noise_bound)
    bound = noise_bound * np.abs(v[:, -1:] - v[:, :1])
    scale = np.abs(v - v[:, :1]).max(axis=1, keepdims=True)
    assert np.all(leftover(found, v) <= bound + 1e-9 * scale)
    cost = np.abs(found.i_and)[:, 1:].sum(axis=1) + np.abs(found.i_or).sum(axis=1)
    np.testing.assert_allclose(found.objective, cost, rtol=1e-12)
    np.testing.assert_array_equal(found.i_and[:, 0], v[:, 0])
    singles = 2 ** np.arange(N)
    assert np.all(found.i_or[:, singles] == 0)
    assert np.all(found.i_or[:, 0] == 0)
    if noise_bound == 0:
        np.testing.assert_allclose(
            reconstruct(found.i_and, found.i_or), v, atol=1e-12 * np.abs(v).max()
        )


def test_the_multipliers_certify_the_gap():
    v = network_outputs(4, N, seed=4)
    found = extract_interactions(v, 0.05)
    m = np.asarray(found.multipliers)
    assert np.all(m[:, 0] == 0)
    for functions in atoms(N):
        assert np.abs(m[:, 1:] @ functions).max() <= 1 + 1e-12
    bound = 0.05 * np.abs(v[:, -1] - v[:, 0])
    lower = np.sum(m * (v - v[:, :1]), axis=1) - bound * np.abs(m).sum(axis=1)
    certified = 1 - lower / np.asarray(found.objective)
    np.testing.assert_allclose(found.gap, certified, rtol=1e-9, atol=1e-12)


def test_an_unfinished_answer_says_so_and_is_still_certified():
    v = network_outputs(4, N, seed=5)
    found = extract_interactions(v, 0.02, tolerance=1e-12, max_iterations=30, prefer=None)
    assert not found.converged.any()
    assert np.all(found.iterations == 50)  # whole checks of 25
    optimum = np.array([programme_optimum(x, 0.02 * abs(x[-1] - x[0])) for x in v])
    excess = (np.asarray(found.objective) - optimum) / np.asarray(found.objective)
    assert np.all(excess <= np.asarray(found.gap) + 1e-9)
    nearly = 0.7 * float(found.gap.min())
    again = extract_interactions(v, 0.02, tolerance=nearly, max_iterations=30, prefer=None)
    np.testing.assert_array_equal(again.gap, found.gap)
    assert not again.converged.any()


def test_weights_by_order_price_the_interactions():
    v = sparse_outputs(4, N, seed=6)
    w_and, w_or = np.linspace(1.0, 2.0, N + 1), np.linspace(3.0, 0.5, N + 1)
    w_or[1] = 0.1  # does not count: single players are priced as AND
    found = extract_interactions(v, 0.02, 1e-5, and_weights=w_and, or_weights=w_or)
    assert found.converged.all()
    order = np.array([s.bit_count() for s in range(1, 2**N)])
    w_or[1] = w_and[1]
    weights = np.concatenate([w_and[order], w_or[order]])
    optimum = [programme_optimum(x, 0.02 * abs(x[-1] - x[0]), weights) for x in v]
    np.testing.assert_allclose(found.objective, optimum, rtol=1.01e-5)


def test_the_cost_of_a_sample_does_not_depend_on_the_others_to_the_bit():
    rng = np.random.default_rng(8)
    i_and, i_or = rng.normal(size=(2, 11, 2**N))
    costs = programme.leaning_costs(programme.even_costs(N, jnp.dtype(float)), N, "low", 1e-3)
    together = _stages.cost_of(costs, i_and, i_or)
    apart = [_stages.cost_of(costs, i_and[[s]], i_or[[s]])[0] for s in range(11)]
    np.testing.assert_array_equal(together, apart)


def test_a_batch_is_its_samples_whatever_the_lanes():
    v = sparse_outputs(6, N, seed=7).reshape(2, 3, -1)
    together = extract_interactions(v, batch_size=4)  # two wait for a lane
    assert together.i_and.shape == v.shape
    assert together.gap.shape == (2, 3)
    apart = extract_interactions(v, batch_size=1)
    np.testing.assert_allclose(apart.i_and, together.i_and, atol=1e-6)  # rounding of 2,000 steps
    np.testing.assert_array_equal(apart.iterations, together.iterations)
    one = extract_interactions(v[1, 2])
    assert one.gap.shape == ()
    np.testing.assert_allclose(one.i_and, together.i_and[1, 2], atol=1e-6)


def test_permuting_the_players_keeps_the_objective():
    v = network_outputs(4, N, seed=8)
    moved = permuted_indices(N, (3, 0, 4, 1, 2))
    found = extract_interactions(v, tolerance=1e-7)
    permuted = extract_interactions(v[:, moved], tolerance=1e-7)
    np.testing.assert_allclose(permuted.objective, found.objective, rtol=2e-7)


def test_exchanging_masked_and_present_exchanges_and_with_or():
    """Without noise bound the programme of −v(N∖S) is that of v with AND and OR exchanged."""
    v = sparse_outputs(4, N, seed=9)
    w_and, w_or = np.linspace(1.0, 2.0, N + 1), np.linspace(1.0, 3.0, N + 1)
    w_or[1] = w_and[1]
    found = extract_interactions(v, 0.0, 1e-6, and_weights=w_and, or_weights=w_or)
    mirrored = extract_interactions(-v[:, ::-1], 0.0, 1e-6, and_weights=w_or, or_weights=w_and)
    np.testing.assert_allclose(mirrored.objective, found.objective, rtol=2e-6)


def test_degenerate_samples():
    rng = np.random.default_rng(10)
    v = rng.normal(size=(4, 2**N))
    v[0] = 2.5  # nothing to explain
    v[1, -1] = v[1, 0]  # no noise allowed, but the others have some
    found = extract_interactions(v, 0.02)
    assert found.converged.all()
    assert found.objective[0] == 0
    assert found.gap[0] == 0
    np.testing.assert_array_equal(found.i_and[0], np.eye(2**N)[0] * 2.5)
    np.testing.assert_allclose(found.objective[1], programme_optimum(v[1], 0.0), rtol=1e-3)
    assert leftover(found, v)[1].max() < 1e-9


def test_a_bound_above_every_output_leaves_nothing():
    v = np.tile(np.linspace(0.0, 1.0, 2**N), (4, 1))
    found = extract_interactions(v, 1.0)
    assert found.converged.all()
    np.testing.assert_array_equal(found.objective, 0.0)


def test_warm_start_from_its_own_answer_is_finished_at_once():
    v = network_outputs(4, N, seed=11)
    cold = extract_interactions(v, prefer=None)
    warm = extract_interactions(v, warm_start=cold, prefer=None)
    assert np.all(warm.iterations == 0)
    assert np.all(np.asarray(warm.objective) <= np.asarray(cold.objective) * (1 + 1e-12))
    tight = extract_interactions(v, tolerance=1e-6, warm_start=warm, prefer=None)
    assert tight.converged.all()


def test_float32_stays_float32():
    v = sparse_outputs(4, N, seed=12).astype(np.float32)
    found = extract_interactions(v)
    for field in ("i_and", "i_or", "objective", "gap", "multipliers"):
        assert getattr(found, field).dtype == jnp.float32
    assert found.converged.all()
    double = extract_interactions(v.astype(float))
    np.testing.assert_allclose(found.objective, double.objective, rtol=2e-3)
    bound = 0.02 * np.abs(v[:, -1:] - v[:, :1])
    scale = np.abs(v - v[:, :1]).max(axis=1, keepdims=True)
    assert np.all(leftover(found, v) <= bound + 1e-5 * scale)


def test_progress_counts_up_to_the_total():
    seen = []
    v = sparse_outputs(6, N, seed=13)
    extract_interactions(v, batch_size=4, progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [6] * len(seen)
    done = [d for d, _ in seen]
    assert done == sorted(set(done))
    assert done[-1] == 6


def test_extraction_is_a_pytree():
    found = extract_interactions(sparse_outputs(4, N, seed=12))
    assert len(jax.tree.leaves(found)) == len(dataclasses.fields(Extraction))
    assert jax.tree.map(lambda x: x[0], found).i_and.shape == (2**N,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": np.zeros(6)}, "`outputs`"),
        ({"outputs": np.zeros((0, 8))}, "`outputs` must hold a sample"),
        ({"outputs": [[0.0, 1.0], [0.0, np.nan]]}, r"outputs\[1, 1\] is nan"),
        ({"noise_bound": -0.1}, "`noise_bound`"),
        ({"noise_bound": np.inf}, "`noise_bound`"),
        ({"noise_bound": "little"}, "`noise_bound`"),
        ({"tolerance": 0.0}, "`tolerance`"),
        ({"max_iterations": 0}, "`max_iterations`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"and_weights": [1.0, 1.0]}, r"`and_weights` must have shape \(3,\)"),
        ({"or_weights": [1.0, 1.0, 0.0]}, "`or_weights` must be positive"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        extract_interactions(**({"outputs": np.zeros((1, 4))} | arguments))


def test_a_warm_start_of_another_shape_is_refused():
    found = extract_interactions(sparse_outputs(4, N, seed=12))
    with pytest.raises(ValueError, match="`warm_start`"):
        extract_interactions(np.zeros((1, 2**N)), warm_start=found)


@pytest.mark.parametrize("n", [*range(1, 8), 13])
def test_the_schur_basis_solves_sums_of_kronecker_powers(n):
    rng = np.random.default_rng(n)
    roots = rng.normal(size=(3, 2, 2))
    squares = [root @ root.T for root in roots]
    matrices = [np.eye(2) + square / np.trace(square) for square in squares]  # of condition 2
    x = rng.normal(size=(3, 2**n))
    right = np.zeros_like(x)
    for matrix in matrices:
        power = x
        for player in range(n):
            pairs = power.reshape(3, -1, 2, 2**player)
            power = np.einsum("ij,lajb->laib", matrix, pairs).reshape(x.shape)
        right += power
    solved = SumInverse.of(matrices, n, jnp.float64)(jnp.asarray(right))
    np.testing.assert_allclose(solved, x, atol=1e-14 * 2**n)
    if n > 7:
        return
    basis = schur_basis(n)
    np.testing.assert_allclose(basis @ basis.T, np.eye(2**n), atol=1e-14)
    assert sum(copies * dimension for copies, dimension in sectors(n)) == 2**n


@pytest.mark.slow
def test_networks_of_ten_players_are_solved_to_tolerance():
    v = np.concatenate([network_outputs(4, 10, seed=14), sparse_outputs(4, 10, seed=15)])
    found = extract_interactions(v)
    assert found.converged.all()
    assert leftover(found, v).max() <= 0.02 * np.abs(v[:, -1] - v[:, 0]).max() * (1 + 1e-9)


def test_interactions_of_several_runs_keep_them_apart(tmp_path):
    """Two runs of two inputs: the file's part of a run is what that run alone gives."""
    runs = [
        Measurement(
            sparse_outputs(4, 3, seed).reshape(2, 2, 8), [0, 4], train_loss=[seed, seed / 2]
        )
        for seed in (1, 2)
    ]
    both = Measurement.of_runs(runs)
    Interactions(both, extract_interactions(both.outputs), {"prefer": "low"}).save(tmp_path / "i")
    loaded = Interactions.load(tmp_path / "i")
    assert (loaded.measurement.runs, loaded.measurement.input_count) == (2, 2)
    assert loaded.measurement.train_loss.tolist() == [[1, 0.5], [2, 1]]
    for run, one in enumerate(runs):
        alone = extract_interactions(one.outputs)
        of_run = loaded.extraction.i_and.reshape(2, 2, 2, 8)[:, run]
        np.testing.assert_allclose(of_run, alone.i_and, atol=1e-9)


def test_a_leaning_that_costs_too_much_is_halved_until_it_is_proven(monkeypatch):
    """And what a sample's proof takes in vain leaves iterations for that."""
    v = network_outputs(4, N, seed=4)
    monkeypatch.setattr(programme, "lean_per_order", lambda n, tolerance: 0.3)
    assert extract_interactions(v, tolerance=4e-4).converged.all()
    monkeypatch.setattr(_stages, "ATTEMPTS", 1)
    assert not extract_interactions(v, tolerance=4e-4).converged.all()
