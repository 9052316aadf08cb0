"""Extraction from sampled masks beside SPEX and ProxySPEX (shapiq), given as many outputs.

SPEX and ProxySPEX choose their own masks and explain by a sparse Fourier transform; their sums are
judged on the same fresh masks. Process time, because the machine's cores may be shared.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from extraction import COMPILING, digits_outputs
from matplotlib.figure import Figure
from rich.table import Table

from sim import extract_interactions, extract_sampled, sample_masks
from sim.figures.style import BLUE, GREY, STYLE, VERMILLION
from theory import strength_by_order

FRESH = 2000  # masks that the explanations are judged on


STUDIES = ((12, (128, 256, 512, 1024, 2048)), (16, (1024, 2048, 4096, 16384)))
"""Players, and numbers of masks of theirs."""
QUICK = ((8, (16, 64, 128)),)
IMAGES = 2
MINUTES = 14  # players from which an extraction takes long
CLOSE = 0.03  # of a share, what is held to be near enough


def tables(quick: bool) -> Iterator[Table]:
    yield against_others(quick)
    for study in QUICK if quick else STUDIES:
        yield shares(*study)


def figures(quick: bool) -> dict[str, Figure]:
    """How far shares of the orders are off, over the masks that were measured."""
    studies = QUICK if quick else STUDIES
    with plt.style.context(STYLE):
        figure, ax = plt.subplots(figsize=(6.6, 3.2))
        for (n, counts), color in zip(studies, (BLUE, VERMILLION), strict=False):
            for epochs, line in ((60, "o-"), (1, "o:")):
                found = [error for count, error, *_ in studied(n, counts, epochs) if count]
                words = f"n = {n}, {epochs} epoch{'s' if epochs > 1 else ''}"
                ax.plot(counts, found, line, color=color, label=words)
        ax.axhline(CLOSE, color=GREY, linewidth=0.8)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("masks measured")
        ax.set_ylabel("largest error of an order's share")
        ax.legend(bbox_to_anchor=(1.0, 0.5), loc="center left", frameon=False)
    return {"shares": figure}


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
    subjects: list[tuple[str, int, tuple[int, ...], Callable]] = []
    if quick:
        subjects += [("planted", 10, (512,), planted(10))]
        subjects += [("digits MLP", 10, (512,), digits_outputs(10, 60)[0].__getitem__)]
    else:
        subjects += [("planted", 20, (2048, 4096), planted(20))]
        subjects += [("digits MLP", 16, (1024, 4096), digits_outputs(16, 60)[0].__getitem__)]
    for name, n, counts, v in subjects:
        for count in counts:
            found = [ours(v, n, count), *(spex(kind, v, n, count) for kind in (0, 1))]
            cells = [f"{fit:.3f}" for fit, _ in found] + [f"{taken:.1f} s" for _, taken in found]
            table.add_row(f"{name}, n = {n}", str(count), *cells)
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


class Studied(NamedTuple):
    """What some masks tell, beside all of them."""

    count: int | None  # of masks; None for all
    error: float  # the largest of an order's share
    fit: float  # R² on masks kept aside, the least
    gap: float  # the largest
    seconds: float  # of process time, a sample


@functools.cache
def studied(n: int, counts: tuple[int, ...], epochs: int) -> list[Studied]:
    v = digits_outputs(n, epochs)[:IMAGES]
    salient = 0.03 * np.abs(v[:, -1] - v[:, 0])
    extract_interactions(v[:1], max_iterations=COMPILING)
    start = time.process_time()
    whole = extract_interactions(v)
    taken = (time.process_time() - start) / len(v)
    strength = strength_by_order(whole.i_and, salient) + strength_by_order(whole.i_or, salient)
    truth = np.asarray(strength.sum(axis=0) / strength.sum())
    rows = [Studied(None, 0.0, np.nan, float(whole.gap.max()), taken)]
    for count in counts:
        masks = sample_masks(n, count, by="uniform")
        if n < MINUTES:  # of more, compilation is a small part
            extract_sampled(masks, v[:, masks], n)
        start = time.process_time()
        found = extract_sampled(masks, v[:, masks], n)
        taken = (time.process_time() - start) / len(v)
        strength = found.strength_by_order(salient)
        error = np.abs(strength.sum(axis=0) / strength.sum() - truth).max()
        rows.append(Studied(count, error, found.held_out.min(), found.gap.max(), taken))
    return rows


def shares(n: int, counts: tuple[int, ...]) -> Table:
    """How far shares of the orders are from those of all 2^n masks, and what either costs."""
    table = Table(title=f"Digits MLP, n = {n}: shares of orders from some masks, {IMAGES} images")
    headings = ["epochs", "masks of 2^n", "largest error", "R² kept aside", "gap", "CPU a sample"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for epochs in (1, 60):
        for count, error, fit, gap, seconds in studied(n, counts, epochs):
            cells = ["all", "–", "–"]
            if count:
                cells = [f"{count} (1/{2**n // count})", f"{error:.3f}", f"{fit:.3f}"]
            table.add_row(str(epochs), *cells, f"{gap:.0e}", f"{seconds:.1f} s")
    return table
