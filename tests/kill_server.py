"""A warm process that runs commands in forks of itself, and kills them at a step of their writing.

A start-up costs more than all that a command writes. Here the packages are imported once, and what
a command computes is put in its place beforehand; how it locks, resumes, writes and cleans up is
its own. No JAX backend is started before the forks, which would lose its threads.

Reads one JSON object a line, {"arguments", "folder", "number", "at"}, and answers with one:
{"status", "steps", "said"}.
"""

import dataclasses
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

import sim.cli
from sim.files import atomic_path, write_npz

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "fcntl.flock"}
"""What Python says before it touches a file; `os.fsync` is added by hand."""

CURVE = np.linspace(3.0, 1.0, 5)
TRAJECTORY = SimpleNamespace(
    mean_order=CURVE,
    epochs=np.arange(5.0),
    lowest=4,
    save=lambda path, **_: write_npz(path, {"o": CURVE}),
)
EXTRACTION = SimpleNamespace(converged=np.ones(3, bool), gap=np.zeros(3))
MEASUREMENT = SimpleNamespace(
    checkpoints=5,
    runs=1,
    input_count=3,
    samples=3,
    labels=None,
    sets=None,
    class_of=lambda _: None,
    outputs=np.zeros((5, 3, 2)),
    sample_name=str,
    shape_in_words=lambda: "5 checkpoints",
)


class Stored:
    """Stands for `Interactions`."""

    settings: dict = {}  # noqa: RUF012
    extraction, measurement = EXTRACTION, MEASUREMENT
    extraction.i_and = extraction.i_or = CURVE
    measurement.epochs = CURVE

    def __init__(self, *_):
        pass

    @classmethod
    def load(cls, path):
        return cls()

    def without(self, _):
        return self

    def save(self, path, **_):
        write_npz(path, {"i_and": np.arange(5000.0)})


def write_report(path, *_):
    with atomic_path(path) as temporary:
        temporary.write_text("<p>" * 9999)


def draw(figure, file, suffix):
    file.write_bytes(suffix.encode() * 9999)


def prepare(name, settings):
    return EXPERIMENTS.prepare("wandering", dataclasses.replace(settings, players=3))


def put_in_place(script):
    """Puts results where the commands would compute them."""
    document = {"checkpoints": [1.0, 2.0] * 99}
    replacements = {
        "sim.cli.export": {"load_interactions": Stored.load},
        "sim.export": {"strength_rows": lambda _: [dict.fromkeys(STRENGTHS, 1)] * 99},
        "sim.cli.extract": {
            "Measurement": SimpleNamespace(load=lambda path: MEASUREMENT),
            "Interactions": Stored,
            "extract_interactions": lambda *_, **__: EXTRACTION,
            "near_dummies": lambda _: [],
            "dummies_in_words": lambda _: None,
        },
        "sim.cli.explain": {
            "load_interactions": Stored.load,
            "top_interactions": lambda *_, **__: [],
            "example": lambda *_, **__: None,
            "explained_figure": lambda _: Figure(),
            "_words": lambda *_: "",
        },
        "sim.cli.generalization": {
            "Interactions": Stored,
            "_arrays": lambda _: np.zeros((3, 5, 3, 2)),
            "_reference": lambda *_: np.zeros((3, 1, 3, 2)),
            "overfitting_level": lambda *_, **__: SimpleNamespace(record=lambda _: document),
            "interaction_groups": lambda *_, **__: SimpleNamespace(record=lambda _: document),
            "generalization_figure": lambda *_: Figure(),
        },
        "sim.cli.figures": {"check_document": lambda document, *_: document},
        "sim.cli.fit": {
            "Interactions": Stored,
            "fit_noise": lambda *_, **__: SimpleNamespace(other=None, strength=CURVE),
            "phases_of": lambda *_: None,
            "fit_document": lambda *_: document,
            "figure_bytes": lambda _: b"",
            "write_report": write_report,
        },
        "sim.cli.measure": {"prepare": prepare},
        "sim.cli.simulate": {
            "_prepared": lambda *_: (lambda **_: TRAJECTORY, np.zeros((1, 2))),
        },
        "sim.figures.style": {"_draw": draw},
    }
    for name, values in replacements.items():
        module = importlib.import_module(name)
        for key, value in values.items():
            assert hasattr(module, key), (name, key)
            setattr(module, key, value)
    drawings = [sys.modules["sim.figures"].FIGURES, sys.modules["sim.cli.simulate"].DRAWINGS]
    for figures in drawings:
        figures.update(dict.fromkeys(figures, lambda *_: Figure()))
    runpy.run_path(script)


def run(arguments, folder, number, at):
    """Runs a command in a fork; returns its exit code, or minus the signal that ended it."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.close(reading)
            _command(arguments, folder, number, at, writing, said)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            steps = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return {"status": status, "steps": int(steps or 0), "said": said.read().decode()}


def _command(arguments, folder, number, at, pipe, said):
    null = os.open(os.devnull, os.O_RDWR)
    for stream, target in ((0, null), (1, null), (2, said.fileno())):
        os.dup2(target, stream)
    steps, sync, code = 0, os.fsync, 1

    def step(event, details):
        nonlocal steps
        if event in STEPS and (event == "fcntl.flock" or str(details[0]).startswith(folder)):
            steps += 1
            if steps == at:
                os.kill(os.getpid(), number)

    def fsync(handle):
        step("fcntl.flock", ())
        sync(handle)

    os.fsync = fsync
    sys.addaudithook(step)
    sys.argv = ["interdyn", *arguments]
    try:
        sim.cli.main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        os.write(pipe, str(steps).encode())
        os._exit(code)


if __name__ == "__main__":
    # what a shell runs behind it ignores Ctrl-C, and so would the commands
    signal.signal(signal.SIGINT, signal.default_int_handler)
    EXPERIMENTS = importlib.import_module("sim.experiments")
    STRENGTHS = importlib.import_module("sim.export").COLUMNS
    put_in_place(sys.argv[1])
    gc.freeze()  # what nobody touches need not be copied for a fork
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
