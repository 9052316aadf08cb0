"""An interior-point method for the master programmes of `extract_sampled`.

    minimise  Σ c|x| + penalty · Σ e   such that   |v − A x| ≤ bound + e,   e ≥ 0,

with the dual  max m·v − bound·‖m‖₁  such that  |Aᵀm| ≤ c,  |m| ≤ penalty. Its answers lie inside
the optimal face: of all good multipliers the central ones, which price columns that are not in A
well where those of a vertex do not. The positive and negative parts of x, of m = u − w and of e are
separate variables, each in a product with a slack that must vanish.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

STEP = 0.995  # of the way to the boundary
STEPS, STALLED = 100, 4  # at most; and so many without progress


class Master(NamedTuple):
    """An answer of a master programme."""

    x: np.ndarray  # (columns,)
    m: np.ndarray  # (rows,) multipliers, feasible to rounding
    value: float  # the cost, with that of what stays uncovered


def interior_point(
    a: np.ndarray, v: np.ndarray, bound: float, cost: np.ndarray, penalty: float, gap: float
) -> Master:
    """Mehrotra's predictor-corrector method (SIAM J. Optim. 2, 1992), from a feasible point.

    Args:
        a: (rows, columns).
        v: (rows,).
        bound: above 0.
        cost: (columns,), above 0.
        penalty: of what stays uncovered.
        gap: relative duality gap at which the answer is good enough. Rounding may end it before:
            then the best answer so far is returned.
    """
    rows, columns = a.shape
    at = np.ascontiguousarray(a.T)
    spread = max(float(np.abs(v).max()), bound)
    p, q = np.full((2, columns), 0.01 * spread / np.sqrt(columns))
    u, w = np.full((2, rows), min(0.5 * penalty, 1.0))
    over, under = (np.maximum(s * v - bound, 0.0) + 0.1 * spread for s in (1.0, -1.0))
    values = [p, q, u, w, over, under]
    slacks = [cost, cost, bound - v + over, bound + v + under, penalty - u, penalty - w]
    best, least, stalled = Master(0 * cost, 0 * v, np.inf), np.inf, 0
    for _ in range(STEPS):
        p, q, u, w, over, under = values
        rest, pull = v - a @ (p - q), at @ (u - w)
        meant = (cost - pull, cost + pull, bound - rest + over, bound + rest + under)
        # What rounding has left between the slacks and what they mean, to be taken back.
        off = [mean - slack for mean, slack in zip(meant, slacks, strict=False)]
        products = [x * s for x, s in zip(values, slacks, strict=True)]
        total = float(sum(product.sum() for product in products))
        stalled = stalled + 1 if total > 0.9 * least else 0
        if total < least:
            value = float(cost @ (p + q) + penalty * (over.sum() + under.sum()))
            best, least = Master(p - q, u - w, value), total
        if least <= gap * best.value or stalled == STALLED:
            break
        try:
            system = _System(a, at, values, slacks, off)
        except LinAlgError:
            break
        step, change = system.solve([-product for product in products])
        lengths = _lengths(values, slacks, step, change)
        after = sum(
            float((x + f * dx) @ (s + g * ds))
            for x, dx, s, ds, (f, g) in zip(values, step, slacks, change, lengths, strict=True)
        )
        aim = total / (2 * columns + 4 * rows) * min(1.0, max(after, 0.0) / total) ** 3
        step, change = system.solve(
            [aim - xs - dx * ds for xs, dx, ds in zip(products, step, change, strict=True)]
        )
        lengths = _lengths(values, slacks, step, change)
        values = [x + f * dx for x, dx, (f, _) in zip(values, step, lengths, strict=True)]
        slacks = [s + g * ds for s, ds, (_, g) in zip(slacks, change, lengths, strict=True)]
    return best


class _System:
    """The linear system of one step, reduced to one that is as large as there are columns."""

    def __init__(
        self,
        a: np.ndarray,
        at: np.ndarray,
        values: list[np.ndarray],
        slacks: list[np.ndarray],
        off: list[np.ndarray],
    ) -> None:
        self.a, self.at, self.values, self.slacks, self.off = a, at, values, slacks, off
        p, q, u, w, over, under = values
        z_p, z_q, t_over, t_under, k_over, k_under = slacks
        self.d = 1.0 / (p / z_p + q / z_q)
        self.s_over, self.s_under = t_over + u * over / k_over, t_under + w * under / k_under
        self.r = u / self.s_over + w / self.s_under
        scaled = at * np.sqrt(self.r)
        gram = scaled @ scaled.T  # of a matrix with itself, by half of the products
        gram[np.diag_indices_from(gram)] += self.d
        self.factor = cho_factor(gram, overwrite_a=True, check_finite=False)

    def solve(self, target: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Changes of the values and of their slacks by which each product gains its target."""
        p, q, u, w, over, under = self.values
        z_p, z_q, _, _, k_over, k_under = self.slacks
        t_p, t_q, t_u, t_w = (
            t - x * off for t, x, off in zip(target, self.values, self.off, strict=False)
        )
        t_u, t_w = t_u - u * target[4] / k_over, t_w - w * target[5] / k_under
        h = t_p / z_p - t_q / z_q
        dx = self.d * h + self.at @ (t_u / self.s_over - t_w / self.s_under)
        dx = cho_solve(self.factor, dx, overwrite_b=True, check_finite=False)
        lift = self.d * (dx - h)  # Aᵀ of the change of m
        dp, dq = (t_p + p * lift) / z_p, (t_q - q * lift) / z_q
        down = self.a @ (dp - dq)
        du, dw = (t_u - u * down) / self.s_over, (t_w + w * down) / self.s_under
        lift = self.at @ (du - dw)
        d_over, d_under = (target[4] + over * du) / k_over, (target[5] + under * dw) / k_under
        change = [-lift, lift, down + d_over, d_under - down]
        change = [c + off for c, off in zip(change, self.off, strict=True)]
        return [dp, dq, du, dw, d_over, d_under], [*change, -du, -dw]


def _lengths(
    values: list[np.ndarray],
    slacks: list[np.ndarray],
    step: list[np.ndarray],
    change: list[np.ndarray],
) -> list[tuple[float, float]]:
    """Which part of the changes of each value and of its slack leaves all of them positive.

    One part for what is primal (x, e and the slacks of the rows), and one for what is dual.
    """
    x = [_room(value, by) for value, by in zip(values, step, strict=True)]
    s = [_room(slack, by) for slack, by in zip(slacks, change, strict=True)]
    primal = min(1.0, STEP * min(x[0], x[1], x[4], x[5], s[2], s[3]))
    dual = min(1.0, STEP * min(s[0], s[1], s[4], s[5], x[2], x[3]))
    return [(primal, dual)] * 2 + [(dual, primal)] * 2 + [(primal, dual)] * 2


def _room(x: np.ndarray, dx: np.ndarray) -> float:
    """How often dx can be added to x > 0 before an entry is 0."""
    down = dx < 0
    return float(np.min(-x[down] / dx[down])) if down.any() else np.inf
