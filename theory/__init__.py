"""The analytic model of a network that learns AND/OR interactions under noise, in closed form.

Sources, cited by key in the docstrings:

- [Ren24] Ren, Zhang, Xu, Xin, Liu, Zhang: Towards the Dynamics of a DNN Learning Symbolic
  Interactions. NeurIPS 2024, arXiv 2407.19198.
- [Zhang24] Zhang, Li, Lin, Zhang: Two-Phase Dynamics of Interactions Explains the Starting Point
  of a DNN Learning Over-Fitted Features. arXiv 2405.10262.
- [Cheng25] Cheng, Zhang, Ren, Zhang: Revisiting Generalization Power of a DNN in Terms of
  Symbolic Interactions. arXiv 2502.10162.

A set of players is the integer whose bit i is set iff player i belongs to it. Every array over
sets has its last axis of size 2^n in that order, and leading axes are batch axes. Functions work in
the dtype they are given (switch on `jax_enable_x64` for 64-bit), are pure, and can be transformed
by `jax.jit`, `jax.vmap` and `jax.grad`.

Where each numbered statement of [Ren24] is, whether it holds, and which test shows it
(theory/README.md has the tests' names, what is added here, and the paper's slips):

    Eq. 1, 2, axioms  and_interactions, or_interactions        hold; test_theory_interactions
    Theorem 2         reconstruct                              holds; test_theory_interactions
    Eq. 8             strength_by_order, salience_threshold    definition; test_theory_strength
    Lemma 1           interaction_variance, estimate_noise     holds; test_theory_fluctuation
    Assumption 1      NoiseModel                               not what Lemma 1 implies
    Lemma 2           zeta, reconstruct                        holds on masked inputs
    Theorem 5         and_interactions                         for analytic functions only
    Theorem 3         optimal_interactions, noisy_loss         holds; test_theory_learning
    Theorem 4         row_norms                                holds; test_theory_rows
    Proposition 1     norm_ratios, norm_ratio_violations       false from n = 10; test_theory_rows
    (corrected)       recovery, half_recovery_levels           proven; test_theory_rows
    first phase       relax                                    exact flow; test_relaxation
    (64 players)      optimal_at, order_transfer               exact; test_theory_sparse
                      estimate_strength                        unbiased; test_theory_sparse
    (ours)            superpose, superposition_scale           definition; test_superposition
"""

from theory._fluctuation import NoiseEstimate, estimate_noise, interaction_variance
from theory._initial import initial_strength, random_interactions
from theory._interactions import and_interactions, or_interactions, reconstruct
from theory._learning import (
    learning_thresholds,
    mode_gains,
    noisy_loss,
    noisy_loss_gradient,
    optimal_interactions,
)
from theory._recovery import half_recovery_levels, recovery
from theory._relaxation import relax, relaxation_gains
from theory._rows import expected_strength, limiting_norm_ratio, norm_ratios, row_norms
from theory._sparse import StrengthEstimate, estimate_strength, optimal_at, order_transfer
from theory._strength import (
    SALIENCE,
    mean_order,
    order_distribution,
    salience_threshold,
    strength_by_order,
    sum_by_order,
)
from theory._superposition import superpose, superposition_scale
from theory._violations import RatioViolations, norm_ratio_violations
from theory.lattice import moebius, orders, zeta
from theory.noise import NoiseModel

__all__ = [
    "SALIENCE",
    "NoiseEstimate",
    "NoiseModel",
    "RatioViolations",
    "StrengthEstimate",
    "and_interactions",
    "estimate_noise",
    "estimate_strength",
    "expected_strength",
    "half_recovery_levels",
    "initial_strength",
    "interaction_variance",
    "learning_thresholds",
    "limiting_norm_ratio",
    "mean_order",
    "mode_gains",
    "moebius",
    "noisy_loss",
    "noisy_loss_gradient",
    "norm_ratio_violations",
    "norm_ratios",
    "optimal_at",
    "optimal_interactions",
    "or_interactions",
    "order_distribution",
    "order_transfer",
    "orders",
    "random_interactions",
    "reconstruct",
    "recovery",
    "relax",
    "relaxation_gains",
    "row_norms",
    "salience_threshold",
    "strength_by_order",
    "sum_by_order",
    "superpose",
    "superposition_scale",
    "zeta",
]
