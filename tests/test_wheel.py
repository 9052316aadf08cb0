"""The wheel alone, in a fresh virtual environment and an empty folder, does the whole job."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            folder,
            ROOT,
        ],
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} <= {
        "theory",
        "sim",
        f"interaction_dynamics-{wheel.name.split('-')[1]}.dist-info",
    }
    shown = {"sim/interdyn.mplstyle", "sim/report.css", "sim/report.html.jinja"}
    assert {"sim/py.typed", *shown} <= set(names)


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(wheel, tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [
            binaries / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-c",
            ROOT / "constraints.txt",
            f"{wheel}[experiments]",
        ],
        check=True,
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "JAX_ENABLE_X64")}
    done = subprocess.run(
        [binaries / "interdyn", "demo", "--quick", "--out", "run"],
        cwd=empty,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    fit = json.loads((empty / "run" / "fit.json").read_text())
    assert len(fit["checkpoints"]) == 8
    assert (empty / "run" / "dynamics.png").stat().st_size > 10_000
