"""Which of several processes a command is: by its options, or by the launcher's variables."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.machine import versions
from sim.processes import Share
from sim.unfinished import content_digest

PANEL = "Several processes"

NumProcesses = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=PANEL,
        help="Share the work with other processes that are given the same command and see the same "
        "folder. Killed and given again, it goes on from what is done.",
        show_default="as SLURM or Open MPI say, else 1",
    ),
]
ProcessId = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=PANEL,
        help="Which of them this is, from 0 on; process 0 saves the result.",
        show_default="as SLURM, Open MPI or Kubernetes say",
    ),
]

LAUNCHERS = {
    "SLURM": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NODELIST"),
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "Kubernetes": ("JOB_COMPLETION_INDEX", None, "JOB_COMPLETION_INDEX"),
}
"""By launcher: the variables of a process's number and of how many there are, and one that is set
only where it has started this process. A Kubernetes job does not tell its pods how many they are.
"""


def chosen_share(
    num_processes: int | None,
    process_id: int | None,
    environment: Mapping[str, str] = os.environ,
) -> Share | None:
    """Which process this is; None for one alone, to which neither options nor launcher point.

    Raises:
        ValueError: only half of it is known, or there is no such process.

    Example:
        >>> chosen_share(None, None, {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"})
        Share(process_id=2, num_processes=4)
        >>> chosen_share(3, None, {"JOB_COMPLETION_INDEX": "1"})
        Share(process_id=1, num_processes=3)
    """
    asked = num_processes is not None or process_id is not None
    count, own = num_processes, process_id
    for number, total, sign in LAUNCHERS.values():
        if sign in environment:
            own = _whole(environment, number) if own is None else own
            count = _whole(environment, total) if count is None else count
            break
    if not asked and (own is None or count is None or count < 2):
        return None
    if count is None:
        raise ValueError(
            f"--num-processes must be given with --process-id {own}: no launcher says it."
        )
    if own is None and count > 1:
        raise ValueError(
            f"--process-id must be given with --num-processes {count}, another one in each process:"
            f" no launcher says it."
        )
    return Share(own or 0, count)


def _whole(environment: Mapping[str, str], name: str | None) -> int | None:
    text = "" if name is None else environment.get(name, "")
    return int(text) if text.isdecimal() else None


def run_identity(command: str, source: Path, settings: Mapping[str, Any]) -> str:
    """A digest of all that decides the result of a command that reads one file.

    Versions are part of it: other ones may give other bytes.
    """
    words = [command, content_digest([source]), dict(settings), versions()]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()
