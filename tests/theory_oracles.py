"""Slow and plain counterparts of `theory`, straight from the definitions, for small n."""

import functools

import numpy as np


def subsets(s):
    """All subsets of the set with index s, as indices."""
    return [t for t in range(s + 1) if t & s == t]


def order(s):
    return bin(s).count("1")


def triggering(n):
    """J: J[S, T] = 1 iff T is a subset of S."""
    sets = np.arange(2**n)
    return (sets[None, :] & ~sets[:, None] == 0).astype(float)


def noise_covariance(n, growth=2.0, correlation=0.0):
    """Cov(ε_S, ε_T)/σ², entry by entry, from what players S and T have in common."""
    sets = np.arange(2**n)
    both = np.bitwise_count(sets[:, None] & sets[None, :])
    one = np.bitwise_count(sets[:, None] ^ sets[None, :])
    return float(growth) ** both * (correlation * growth**0.5) ** one


def learning_matrix(n, sigma2, growth=2.0, correlation=0.0):
    """M̂ of Theorem 3 by dense linear algebra."""
    j = triggering(n)
    gram = j.T @ j
    return np.linalg.solve(gram + 2**n * sigma2 * noise_covariance(n, growth, correlation), gram)


def by_order(values):
    """The value at the first set of each order, after checking that the order decides it."""
    n = len(values).bit_length() - 1
    groups = [[values[s] for s in range(2**n) if order(s) == k] for k in range(n + 1)]
    for group in groups:
        np.testing.assert_allclose(group, group[0], rtol=1e-6, atol=1e-13)
    return np.array([group[0] for group in groups])


def shapiq_values(values, index):
    """shapiq's own interactions of a table of values over sets."""
    from shapiq import ExactComputer, Game

    n = len(values).bit_length() - 1

    class Table(Game):
        def __init__(self):
            super().__init__(n_players=n, normalize=False)

        def value_function(self, coalitions):
            return values[coalitions @ (1 << np.arange(n))]

    return ExactComputer(game=Table(), n_players=n)(index, order=n)


@functools.cache
def permuted_indices(n, permutation):
    """Index of the image of each set when player i becomes player permutation[i]."""
    return np.array([sum(1 << permutation[i] for i in range(n) if s >> i & 1) for s in range(2**n)])
