"""Extraction from sampled masks beside SPEX and ProxySPEX (shapiq), given as many outputs.

SPEX and ProxySPEX choose their own masks and explain by a sparse Fourier transform; their sums are
judged on the same fresh masks. Process time, because the machine's cores may be shared.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from extraction import digits_outputs
from rich.table import Table

from sim import extract_interactions, extract_sampled, sample_masks
from theory import strength_by_order

FRESH = 2000  # masks that the explanations are judged on


def tables(quick: bool) -> list[Table]:
    if quick:
        return [against_others(quick), shares(8, (16, 64, 128), 4)]
    few = (1024, 2048, 4096)  # of 2^16; time grows faster than they do
    return [against_others(quick), shares(12, (256, 512, 1024, 2048), 4), shares(16, few, 2)]


def planted(n: int) -> Callable[[np.ndarray], np.ndarray]:
    """10 AND and 5 OR interactions of orders 1 to 6."""
    rng = np.random.default_rng(0)
    count, least = (10, 5), (1, 2)
    terms = [
        (kind, int((1 << rng.choice(n, rng.integers(low, 7), replace=False)).sum()))
        for kind, (many, low) in enumerate(zip(count, least, strict=True))
        for _ in range(many)
    ]
    sizes = rng.choice([-1, 1], len(terms)) * rng.uniform(0.5, 1.5, len(terms))

    def v(masks: np.ndarray) -> np.ndarray:
        met = [masks & key for _, key in terms]
        held = [m > 0 if kind else m == key for (kind, key), m in zip(terms, met, strict=True)]
        return sizes @ np.array(held)

    return v


def against_others(quick: bool) -> Table:
    table = Table(title="R² on fresh masks, from as many outputs (process time)")
    for heading in ["what", "outputs", "ours", "SPEX", "ProxySPEX", "ours took", "SPEX", "Proxy…"]:
        table.add_column(heading, justify="right")
    n = 10 if quick else 20
    outputs = digits_outputs(10, 60)[0]
    games = {f"planted, n = {n}": (planted(n), n), "digits MLP, n = 10": (outputs.__getitem__, 10)}
    for name, (v, players) in games.items():
        for count in (512,) if quick or players == 10 else (2048, 4096):
            found = [ours(v, players, count), *(spex(kind, v, players, count) for kind in (0, 1))]
            fits = [f"{fit:.3f}" for fit, _ in found]
            table.add_row(name, str(count), *fits, *(f"{taken:.1f} s" for _, taken in found))
    return table


def judged(v: Callable, n: int, predict: Callable[[np.ndarray], np.ndarray]) -> float:
    masks = np.random.default_rng(9).integers(0, 2**n, FRESH)
    true = v(masks)
    return 1 - ((true - predict(masks)) ** 2).sum() / ((true - true.mean()) ** 2).sum()


def ours(v: Callable, n: int, count: int) -> tuple[float, float]:
    masks = sample_masks(n, count, by="uniform")
    start = time.process_time()
    found = extract_sampled(masks, v(masks), n, aside=0)
    taken = time.process_time() - start
    return judged(v, n, found.predict), taken


def spex(proxy: bool, v: Callable, n: int, count: int) -> tuple[float, float]:
    """Their interactions of all orders are those of Möbius, whose sum over subsets is v."""
    import shapiq

    powers = 2 ** np.arange(n)

    def game(present: np.ndarray) -> np.ndarray:
        return v(np.asarray(present, int) @ powers)

    kind = shapiq.ProxySPEX if proxy else shapiq.SPEX
    start = time.process_time()
    try:
        values = kind(n=n, index="FBII", max_order=n, random_state=0).approximate(count, game)
    except ValueError:  # too few outputs for it
        return np.nan, time.process_time() - start
    taken = time.process_time() - start
    sets = np.array([sum(1 << int(i) for i in key) for key in values.interaction_lookup])
    sizes = np.array([values[key] for key in values.interaction_lookup])

    def predict(masks: np.ndarray) -> np.ndarray:
        return ((masks[:, None] & sets) == sets) @ sizes

    return judged(v, n, predict), taken


def shares(n: int, counts: Sequence[int], images: int) -> Table:
    """How far shares of the orders are from those of all 2^n masks, and what either costs."""
    table = Table(title=f"Digits MLP, n = {n}: shares of orders from some masks, {images} images")
    headings = ["epochs", "masks of 2^n", "largest error", "R² kept aside", "gap", "CPU a sample"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for epochs in (1, 60):
        v = digits_outputs(n, epochs)[:images]
        salient = 0.03 * np.abs(v[:, -1] - v[:, 0])
        start = time.process_time()
        whole = extract_interactions(v)
        taken = (time.process_time() - start) / images
        truth = strength_by_order(whole.i_and, salient) + strength_by_order(whole.i_or, salient)
        gap = float(whole.gap.max())
        table.add_row(str(epochs), "all", "–", "–", f"{gap:.0e}", f"{taken:.1f} s")
        for count in counts:
            masks = sample_masks(n, count, by="uniform")
            start = time.process_time()
            found = extract_sampled(masks, v[:, masks], n)
            taken = (time.process_time() - start) / images
            strength = found.strength_by_order(salient)
            away = strength.sum(axis=0) / strength.sum() - truth.sum(axis=0) / truth.sum()
            fit, gap = found.held_out.min(), found.gap.max()
            cells = [f"{np.abs(away).max():.3f}", f"{fit:.3f}", f"{gap:.0e}", f"{taken:.1f} s"]
            table.add_row(str(epochs), f"{count} (1/{2**n // count})", *cells)
    return table
