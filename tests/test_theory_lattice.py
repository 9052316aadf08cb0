"""The subset lattice: transforms against their definitions and against shapiq."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from theory_oracles import order, permuted_indices, shapiq_values, subsets, triggering

from theory import moebius, orders, sum_by_order, zeta
from theory.lattice import _add_subsets, apply_power, by_order

SIZES = [1, 2, 5, 6, 7, 11]  # one pass, two, three; even and uneven


def values(n, *batch, seed=0):
    return np.random.default_rng(seed + n).normal(size=(*batch, 2**n))


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_zeta_sums_over_subsets(n):
    f = values(n)
    expected = [sum(f[t] for t in subsets(s)) for s in range(2**n)]
    np.testing.assert_allclose(zeta(f), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_moebius_is_the_alternating_sum(n):
    f = values(n)
    expected = [sum((-1) ** (order(s) - order(t)) * f[t] for t in subsets(s)) for s in range(2**n)]
    np.testing.assert_allclose(moebius(f), expected, rtol=0, atol=1e-12)


def test_moebius_agrees_with_shapiq():
    n = 4
    f = values(n)
    coefficients = shapiq_values(f, "Moebius")
    expected = np.zeros(2**n)
    for players, position in coefficients.interaction_lookup.items():
        expected[sum(1 << p for p in players)] = coefficients.values[position]
    # shapiq puts v(∅) apart, as the baseline
    expected[0] = f[0]
    np.testing.assert_allclose(moebius(f), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_moebius_undoes_zeta_in_a_batch(n):
    f = values(n, 2, 3)
    np.testing.assert_allclose(moebius(zeta(f)), f, rtol=0, atol=1e-10)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(zeta(f)[i], zeta(f[i]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("n", [1, 3, 6, 7])
def test_power_of_an_asymmetric_matrix_is_the_kronecker_power(n):
    matrix = np.array([[0.3, -1.2], [0.7, 2.1]])
    dense = np.ones((1, 1))
    for _ in range(n):
        dense = np.kron(dense, matrix)
    f = values(n, 3)
    np.testing.assert_allclose(apply_power(jnp.array(matrix), jnp.array(f)), f @ dense.T, atol=1e-9)


def test_transforms_hold_few_copies_and_so_do_their_derivatives():
    n = 24
    f = jax.ShapeDtypeStruct((2**n,), jnp.float64)

    def pulled(f):
        return jax.vjp(moebius, f)[1](f)[0]

    for transform in (zeta, pulled):
        memory = jax.jit(transform).lower(f).compile().memory_analysis()
        arrays = memory.argument_size_in_bytes + memory.output_size_in_bytes
        assert arrays + memory.temp_size_in_bytes <= 6 * 8 * 2**n


def test_transforms_follow_a_permutation_of_the_players():
    image = permuted_indices(6, (3, 0, 5, 1, 4, 2))
    f = values(6)
    moved = np.empty_like(f)
    moved[image] = f
    np.testing.assert_allclose(moebius(moved)[image], moebius(f), atol=1e-12)


def test_transposed_derivative_is_the_transposed_matrix():
    n = 6
    f, cotangent = values(n), values(n, seed=1)
    _, pull = jax.vjp(zeta, jnp.array(f))
    np.testing.assert_allclose(
        pull(jnp.array(cotangent))[0], triggering(n).T @ cotangent, atol=1e-12
    )


def test_vmap_and_jit_change_nothing():
    f = jnp.array(values(7, 3))
    np.testing.assert_allclose(jax.jit(jax.vmap(zeta))(f), zeta(f), atol=1e-12)
    np.testing.assert_allclose(jax.vmap(zeta, in_axes=1, out_axes=1)(f.T), zeta(f).T, atol=1e-12)


def test_float32_stays_float32_and_integers_are_exact():
    f = values(11)
    single = zeta(f.astype(np.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, zeta(f), atol=2e-6 * 2**11)
    counts = np.arange(2**11, dtype=np.int64)
    assert np.array_equal(moebius(zeta(counts)), counts)


def test_a_second_call_compiles_nothing():
    zeta(values(5, 2))
    compiled = _add_subsets._cache_size()
    zeta(values(5, 2, seed=9))
    assert _add_subsets._cache_size() == compiled


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_orders_count_the_players(n):
    expected = [order(s) for s in range(2**n)]
    assert np.array_equal(orders(n), expected)
    table = np.random.default_rng(n).normal(size=(3, n + 1))
    np.testing.assert_array_equal(by_order(jnp.array(table), n), table[:, expected])


@pytest.mark.parametrize("n", [1, 2, 7])
def test_sum_by_order_groups_by_popcount(n):
    f = values(n, 2)
    counts = np.array([order(s) for s in range(2**n)])
    expected = np.stack([f[:, counts == k].sum(axis=1) for k in range(n + 1)], axis=-1)
    np.testing.assert_allclose(sum_by_order(f), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 6), (0,)])
def test_a_last_axis_that_is_not_over_sets_is_refused(shape):
    with pytest.raises(ValueError, match=r"Argument `f` must have a last axis of size 2\^n"):
        zeta(np.zeros(shape))


def test_wrong_types_are_refused_by_name():
    with pytest.raises(TypeError, match=r"Argument `f` must be real, but has dtype complex"):
        moebius(np.zeros(4, complex))
    with pytest.raises(TypeError, match=r"Argument `n` must be an integer, but is 2.5"):
        orders(2.5)
    with pytest.raises(TypeError, match=r"Argument `n` must be an integer, but is True"):
        orders(True)
    with pytest.raises(ValueError, match=r"Argument `n` must be at least 1, but is 0"):
        orders(0)
