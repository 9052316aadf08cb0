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
    "demo": ("demo", "--quick", "--json"),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Runs a command, killed where it is told to."""
    scratch = tmp_path_factory.mktemp("server")
    (scratch / "wandering.py").write_text(SCRIPT)
    (scratch / "fit.json").write_text("{}")
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
