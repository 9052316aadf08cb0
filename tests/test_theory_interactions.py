"""AND and OR interactions: definitions, universal matching, the seven axioms, Taylor form."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from theory_oracles import order, permuted_indices, shapiq_values, subsets

from theory import and_interactions, or_interactions, reconstruct

N = 5
FULL = 2**N - 1


def outputs(seed=0, *batch):
    return np.random.default_rng(seed).normal(size=(*batch, 2**N)) + 0.7  # v(∅) is not 0


def test_and_interactions_by_definition():
    v = outputs()
    expected = [sum((-1) ** order(s ^ t) * v[t] for t in subsets(s)) for s in range(2**N)]
    np.testing.assert_allclose(and_interactions(v), expected, atol=1e-12)


def test_or_interactions_by_definition():
    v = outputs()
    expected = [-sum((-1) ** order(s ^ t) * v[FULL ^ t] for t in subsets(s)) for s in range(2**N)]
    expected[0] = 0.0
    np.testing.assert_allclose(or_interactions(v), expected, atol=1e-12)


def test_or_interactions_are_signed_co_moebius_coefficients_of_shapiq():
    v = outputs()
    coefficients = shapiq_values(v, "Co-Moebius")
    got = or_interactions(v)
    compared = 0
    for players, position in coefficients.interaction_lookup.items():
        if players:
            s = sum(1 << p for p in players)
            expected = (-1) ** (len(players) + 1) * coefficients.values[position]
            np.testing.assert_allclose(got[s], expected, atol=1e-12)
            compared += 1
    assert compared == FULL


def test_theorem_2_and_lemma_2_the_interactions_add_up_to_the_outputs():
    """Universal matching; on masked inputs the triggering function J_T is exactly 1(T ⊆ S)."""
    rng = np.random.default_rng(3)
    v, v_and = outputs(), outputs(1)
    v_or = v - v_and
    i_and, i_or = and_interactions(v_and), np.array(or_interactions(v_or))
    carried = np.array(i_and)
    carried[0] += v_or[0]  # v(∅) belongs to the AND part
    expected = [
        sum(carried[t] for t in subsets(s)) + sum(i_or[t] for t in range(2**N) if t & s)
        for s in range(2**N)
    ]
    np.testing.assert_allclose(expected, v, atol=1e-11)
    i_or[0] = rng.normal()  # must play no part
    np.testing.assert_allclose(reconstruct(carried, i_or), v, atol=1e-11)


def test_reconstruct_from_arbitrary_interactions_in_batches():
    i_and, i_or = outputs(4, 2), outputs(5, 2)
    got = reconstruct(i_and, i_or)
    for b, s in itertools.product(range(2), range(2**N)):
        expected = sum(i_and[b, t] for t in subsets(s))
        expected += sum(i_or[b, t] for t in range(2**N) if t & s)
        np.testing.assert_allclose(got[b, s], expected, atol=1e-11)


class TestAxioms:
    """The seven axioms that single out the Harsanyi interaction, as listed in [Ren24]."""

    def test_efficiency(self):
        v = outputs()
        np.testing.assert_allclose(and_interactions(v).sum(), v[FULL], atol=1e-12)

    def test_linearity(self):
        v, u = outputs(1), outputs(2)
        expected = 0.3 * and_interactions(v) - 2.0 * and_interactions(u)
        np.testing.assert_allclose(and_interactions(0.3 * v - 2.0 * u), expected, atol=1e-12)

    def test_dummy(self):
        """A player that adds the same to every set takes part in no interaction with others."""
        v = outputs()
        for s in range(2**N):
            if s >> 2 & 1:
                v[s] = v[s ^ 4] + 1.3
        interactions = and_interactions(v)
        assert abs(interactions[4] - 1.3) < 1e-12
        for s in range(2**N):
            if s >> 2 & 1 and s != 4:
                assert abs(interactions[s]) < 1e-12

    def test_symmetry(self):
        """Two players that add the same to every set of the others have equal interactions."""
        v = outputs()
        i, j = 1, 8
        others = [s for s in range(2**N) if not s & (i | j)]
        for s in others:
            v[s | j] = v[s | i]
        interactions = and_interactions(v)
        for s in others:
            np.testing.assert_allclose(interactions[s | i], interactions[s | j], atol=1e-12)

    def test_anonymity(self):
        image = permuted_indices(N, (3, 0, 4, 1, 2))
        v = outputs()
        renamed = np.empty_like(v)
        renamed[image] = v
        for transform in (and_interactions, or_interactions):
            np.testing.assert_allclose(transform(renamed)[image], transform(v), atol=1e-12)

    def test_recursion(self):
        """I(S ∪ i) is I(S) with i always present, less I(S) with i always absent."""
        v = outputs()
        i = 1 << (N - 1)  # the highest bit, so that the halves are games of the other players
        interactions = and_interactions(v)
        present, absent = and_interactions(v[i:]), and_interactions(v[:i])
        np.testing.assert_allclose(interactions[i:], present - absent, atol=1e-12)

    def test_interaction_distribution(self):
        """A pure AND of the players of T has one interaction, a pure OR likewise."""
        t = 0b10110
        conjunction = np.array([2.5 * float(t & s == t) for s in range(2**N)])
        disjunction = np.array([2.5 * float(t & s != 0) for s in range(2**N)])
        expected = 2.5 * np.eye(2**N)[t]
        np.testing.assert_allclose(and_interactions(conjunction), expected, atol=1e-12)
        np.testing.assert_allclose(or_interactions(disjunction), expected, atol=1e-12)


def masked(x, baseline):
    return np.array([[x[i] if s >> i & 1 else baseline[i] for i in range(N)] for s in range(2**N)])


def test_theorem_5_an_interaction_is_the_sum_of_the_taylor_terms_of_exactly_its_players():
    """Taylor's series about the baseline, for a polynomial, whose series is finite."""
    rng = np.random.default_rng(11)
    x, baseline = rng.normal(size=N), rng.normal(size=N)
    powers = rng.integers(0, 4, size=(60, N))
    coefficients = rng.normal(size=60)
    terms = coefficients * np.prod((x - baseline) ** powers, axis=1)
    support = (powers > 0) @ (1 << np.arange(N))
    expected = np.bincount(support, weights=terms, minlength=2**N)
    points = masked(x, baseline)
    v = [coefficients @ np.prod((p - baseline) ** powers, axis=1) for p in points]
    np.testing.assert_allclose(and_interactions(v), expected, atol=1e-10)


def test_theorem_5_needs_an_analytic_function():
    """About a baseline where a ReLU is off every Taylor term is 0, but the interaction is not."""
    points = masked(np.ones(N), np.zeros(N))
    v = np.maximum(points[:, 0] + points[:, 1] - 1.5, 0.0)
    np.testing.assert_allclose(and_interactions(v), 0.5 * np.eye(2**N)[3], atol=1e-12)


def test_derivatives_and_batching():
    v = jnp.array(outputs(0, 3))
    jacobian = jax.jacobian(or_interactions)(v[0])
    np.testing.assert_allclose(jacobian @ v[0], or_interactions(v[0]), atol=1e-11)
    got = jax.jit(jax.vmap(or_interactions))(v)
    np.testing.assert_allclose(got, or_interactions(v), atol=1e-12)
    assert or_interactions(v.astype(jnp.float32)).dtype == jnp.float32


def test_arguments_that_differ_in_shape_are_refused():
    with pytest.raises(ValueError, match=r"`i_and` and `i_or` must have the same shape, but have"):
        reconstruct(np.zeros(4), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"Argument `v_or` must have a last axis of size 2\^n"):
        or_interactions(np.zeros(5))
