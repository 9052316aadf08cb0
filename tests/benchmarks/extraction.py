"""The extraction's solver against SciPy's HiGHS on the same programmes, and its cost as n grows."""

import functools

import numpy as np
from rich.table import Table
from scipy.optimize import linprog
from timing import duration, once

from sim import Extraction, extract_interactions
from sim.extraction import Follower
from theory import and_interactions, optimal_interactions, zeta

COMPILING = 800  # iterations after which all is compiled
SAMPLES = {6: 16, 8: 16, 10: 16, 12: 8, 14: 4}


def tables(quick: bool) -> list[Table]:
    table = Table(title="Extraction, tolerance 1e-3: outputs of a digits MLP, seconds a sample")
    headings = ["n", "ζ / |v(N)−v(∅)|", "epochs", "iterations", "extraction", "largest gap"]
    for heading in [*headings, "HiGHS", "HiGHS : extraction", "objective / HiGHS − 1"]:
        table.add_column(heading, justify="right")
    for n in (6, 8) if quick else (8, 10, 12, 14):
        for noise_bound in (0.02, 0.0):
            for epochs in (1, 60):
                table.add_row(*row(n, noise_bound, epochs, compare=n <= 10))
    return [table, rates(6 if quick else 10)]


def rates(n: int) -> Table:
    """Extractions a second: certified, and rough ones along σ² with and without a warm start."""
    table = Table(title=f"Extractions a second at n = {n}, ζ = 0.02, all cores; a row's first is 1")
    for heading in ["what", "a second", "ratio"]:
        table.add_column(heading, justify="right")
    v = digits_outputs(n, 60)
    true = and_interactions(v)
    course = [np.asarray(zeta(optimal_interactions(true, s))) for s in np.geomspace(1, 1e-6, 20)]

    def certified(prefer: str | None) -> None:
        extract_interactions(v, prefer=prefer)

    def rough(warm: bool) -> None:
        follow = Follower(len(v), n)
        for outputs in course:
            follow = follow if warm else Follower(len(v), n)
            follow(outputs)

    runs = {
        "certified, no preference": (lambda: certified(None), len(v)),
        "certified, lowest orders": (lambda: certified("low"), len(v)),
        "rough along σ², each from nothing": (lambda: rough(False), len(v) * len(course)),
        "rough along σ², each from the last": (lambda: rough(True), len(v) * len(course)),
    }
    first = None
    for name, (run, count) in runs.items():
        run()  # compiles
        rate = count / min(once(run) for _ in range(2))
        first = first or rate
        table.add_row(name, f"{rate:.0f}", f"{rate / first:.1f}")
    return table


def row(n: int, noise_bound: float, epochs: int, compare: bool) -> list[str]:
    v = digits_outputs(n, epochs)[: SAMPLES[n]]
    extract_interactions(v, noise_bound, max_iterations=COMPILING)
    answers: list[Extraction] = []
    repeats = 1 if n > 10 else 3
    times = [
        once(lambda: answers.append(extract_interactions(v, noise_bound))) for _ in range(repeats)
    ]
    seconds = min(times) / len(v)
    found = answers[-1]
    cells = [
        str(n),
        f"{noise_bound:g}",
        str(epochs),
        f"{float(np.mean(found.iterations)):.0f}",
        duration(seconds),
        f"{float(found.gap.max()):.1e}",
    ]
    if not compare:
        return [*cells, "–", "–", "–"]
    optimum: list[float] = []
    sample = 1  # one is enough: HiGHS takes tens of seconds for it at n = 10
    highs = once(lambda: optimum.append(highs_optimum(v[sample], noise_bound)))
    excess = float(found.objective[sample]) / optimum[0] - 1
    return [*cells, duration(highs), f"{highs / seconds:.0f}", f"{excess:.1e}"]


def highs_optimum(v: np.ndarray, noise_bound: float) -> float:
    """Optimum of the programme with positive parts, negative parts and δ as variables."""
    sets = np.arange(1, len(v))
    met = sets[:, None] & sets
    both = np.hstack([met == sets, met > 0]).astype(float)
    identity = np.eye(len(sets))
    zeta = noise_bound * abs(v[-1] - v[0])
    result = linprog(
        np.concatenate([np.ones(4 * len(sets)), np.zeros(len(sets))]),
        A_eq=np.hstack([both, -both, identity]),
        b_eq=v[1:] - v[0],
        bounds=[(0, None)] * (4 * len(sets)) + [(-zeta, zeta)] * len(sets),
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"HiGHS: {result.message}")
    return result.fun


@functools.cache
def digits_network(epochs: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases of an MLP 64-256-256-256-10 after some epochs on the bundled digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    network = MLPClassifier(
        (256, 256, 256),
        solver="sgd",
        learning_rate_init=0.01,
        momentum=0.9,
        batch_size=128,
        alpha=0.0,
        random_state=0,
    )
    for _ in range(epochs):
        network.partial_fit(images[:1000] / 16.0, labels[:1000], classes=np.arange(10))
    return network.coefs_, network.intercepts_


@functools.cache
def digits_outputs(n: int, epochs: int) -> np.ndarray:
    """Log-odds of the true class of 16 test images, with n of the 16 patches masked to zero."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    chosen = rng.choice(np.arange(1000, len(images)), 16, replace=False)
    present = np.ones((2**n, 16))
    present[:, rng.permutation(16)[:n]] = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    masks = np.kron(present.reshape(-1, 4, 4), np.ones((2, 2))).reshape(-1, 64)
    weights, biases = digits_network(epochs)
    outputs = []
    for image, label in zip(images[chosen] / 16.0, labels[chosen], strict=True):
        x = image * masks
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0.0)
        logits = x @ weights[-1] + biases[-1]
        others = np.delete(logits, label, axis=1)
        outputs.append(logits[:, label] - np.logaddexp.reduce(others, axis=1))
    return np.array(outputs)
