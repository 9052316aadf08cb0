"""What a look of `sim.Monitor` costs: the first, which compiles, and those after it."""

import json
import subprocess
import sys

from rich.table import Table

LOOKS = """
import json, time
import jax
jax.config.update("jax_enable_x64", True)
from sim import Monitor
from sim.experiments import Settings, prepare
settings = Settings(epochs=(0, 1, 4, 16), samples={samples}, players={players})
experiment = prepare("digits-cnn", settings)
monitor, seconds = None, []
for at in experiment.train(None, None):
    if monitor is None:
        monitor = Monitor(None, at.inputs, experiment.masking, experiment.labels)
    before = time.process_time()
    monitor.update(at.epoch, at.train_loss, at.test_loss, score=at.score)
    seconds.append(time.process_time() - before)
print(json.dumps(seconds))
"""


def tables(quick: bool) -> list[Table]:
    samples, players = (5, 8) if quick else (20, 10)
    title = f"A look of the monitor at {samples} images × 2^{players}: seconds of CPU, digits CNN"
    table = Table(title=title)
    for heading in ["looks", "least", "most"]:
        table.add_column(heading, justify="right")
    runs = [looks(samples, players) for _ in range(1 if quick else 3)]
    for name, chosen in (("the first, in a new process", slice(0, 1)), ("later", slice(1, None))):
        seconds = [second for run in runs for second in run[chosen]]
        table.add_row(name, f"{min(seconds):.1f}", f"{max(seconds):.1f}")
    return [table]


def looks(samples: int, players: int) -> list[float]:
    code = LOOKS.format(samples=samples, players=players)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)
