"""Commands killed at random steps of their writing, and given again."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_recording import SCRIPT
from typer.testing import CliRunner

from sim.cli import app

KILLS = 20  # of every command by every signal
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
MEASURE = ("measure", "--experiment", "wandering", "--samples", "2", "--players", "3")
COMMANDS = {
    "measure": (*MEASURE, "--epochs", "0,1,4", "--seeds", "2", "--json"),
    "extract": ("extract", "measurement.npz", "--json"),
    "fit": ("fit", "interactions.npz", "--json"),
    "simulate": ("simulate", "--n", "3", "--quiet", "--json"),
    "figures": ("figures", "SOURCE", "--json"),
    "export": ("export", "interactions.npz", "--json"),
    "explain": ("explain", "interactions.npz", "--json"),
    "generalization": ("generalization", "interactions.npz", "--reference", "b.npz", "--json"),
    "demo": ("demo", "--quick", "--json"),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Runs a command, killed where it is told to."""
    scratch = tmp_path_factory.mktemp("server")
    (scratch / "wandering.py").write_text(SCRIPT)
    (scratch / "fit.json").write_text('{"explained": [1], "samples": [1]}')
    server = Path(__file__).with_name("kill_server.py")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(server.parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    start = [sys.executable, server, scratch / "wandering.py"]
    with subprocess.Popen(start, env=environment, cwd=scratch, **pipes) as process:

        def run(name, folder, by=signal.SIGKILL, at=0):
            words = [str(scratch / "fit.json") if w == "SOURCE" else w for w in COMMANDS[name]]
            request = {
                "arguments": [*words, "--out", str(folder)],
                "folder": str(folder),
                "number": int(by),
                "at": at,
            }
            print(json.dumps(request), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def content(folder):
    """Bytes of the files by name; False for a folder."""
    found = folder.iterdir() if folder.exists() else []
    return {path.name: path.is_file() and path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("by", SIGNALS, ids=lambda by: by.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_given_again_ends_as_if_it_never_was(commands, tmp_path, name, by):
    done = commands(name, tmp_path / "whole")
    assert done["status"] == 0, done
    whole = content(tmp_path / "whole")
    assert not any(file.startswith(".") for file in whole)
    draw = random.Random(f"{name} {by}")
    for number in range(KILLS):
        folder, at = tmp_path / str(number), draw.randint(1, done["steps"])
        killed = commands(name, folder, by, at)
        where = (name, by, at, killed)
        assert killed["status"] == (-9 if by == signal.SIGKILL else 130), where
        if by != signal.SIGKILL:
            assert killed["said"].startswith("interdyn: interrupted; "), where
            assert killed["said"].count("\n") == 1, where
        left = content(folder)
        assert all(left[file] == whole[file] for file in left.keys() & whole.keys()), where
        again = commands(name, folder)
        if again["status"] == 2:  # killed after all was there
            assert "already holds a run" in again["said"], (where, again)
            assert left.items() >= whole.items(), where
        else:
            assert again["status"] == 0, (where, again)
        assert content(folder) == whole, where


WHOLE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have let it be ignored
folder, at, by = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
named = 0
def step(event, details):
    global named
    if event == "os.rename" and str(details[0]).startswith(folder):
        named += 1
        if named == at:
            os.kill(os.getpid(), by)
sys.addaudithook(step)
sys.argv = ["interdyn", *sys.argv[4:]]
from sim.cli import main
main()
"""
"""A whole process that is killed before its file number `at` gets its name."""

STEPS = {
    "measure": (5, signal.SIGKILL, (*MEASURE, "--epochs", "0,1,2,4", "--script", "mine.py")),
    "extract": (1, signal.SIGTERM, ("extract", "measure/measurement.npz")),
    "fit": (
        3,  # after the mark and fit.json
        signal.SIGKILL,
        ("fit", "extract/interactions.npz", "--through", "direct", "--no-both-ends"),
    ),
    "figures": (4, signal.SIGKILL, ("figures", "fit/fit.json")),
    "export": (1, signal.SIGINT, ("export", "extract/interactions.npz")),
    "simulate": (3, signal.SIGKILL, ("simulate", "--n", "3", "--epochs", "9", "--quiet")),
}


@pytest.mark.slow
def test_whole_processes_that_really_compute_are_killed_too(tmp_path, monkeypatch):
    """Once each, one command after the other, as a user would give them."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SCRIPT)
    for name, (at, by, words) in STEPS.items():
        folder, out = tmp_path / name, ("--out", str(tmp_path / name))
        program = [sys.executable, "-c", WHOLE, str(folder), str(at), str(int(by)), *words, *out]
        killed = subprocess.run(program, capture_output=True, text=True, check=False)
        assert killed.returncode == (-9 if by == signal.SIGKILL else 130), (name, killed)
        left = content(folder)
        for given in (out, ("--out", f"{name}-never-killed")):
            done = CliRunner().invoke(app, [*words, *given])
            assert done.exit_code == 0, (name, done.output)
        whole = content(Path(f"{name}-never-killed"))
        assert content(folder) == whole, name
        assert left != whole, name
        assert all(left[file] == whole[file] for file in left.keys() & whole.keys()), name
