"""Memory: asked for before it is taken, in every place that makes arrays over sets."""

import functools
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from sim import machine
from sim.cli import app
from sim.dilution import retention
from sim.experiments import Experiment, record
from sim.extraction import (
    Extraction,
    Interactions,
    extract_interactions,
    programme,
    split_uncertainty,
)
from sim.files import read_npz, write_npz
from sim.fitting import fit_noise, fit_trajectory, noise_fit, profile_noise
from sim.measurement import Measurement, measure_outputs, tabular_features
from sim.phases import find_phases
from sim.simulation import Descent, Schedule, Trajectory, random_start, simulate, sparse_target
from theory import optimal_interactions, orders, random_interactions, zeta

HUGE = 10**22
ROOT = Path(__file__).parent.parent


@pytest.fixture
def small(monkeypatch):
    """A machine with 1 MiB of memory left."""
    monkeypatch.setattr(machine, "host_memory", lambda: 2**20)


@pytest.mark.parametrize("draw", [random_start, sparse_target])
def test_a_huge_number_of_players_is_refused_at_once(draw):
    message = r"10000000000000000000000 players needs over 1000 EiB .* take fewer players"
    with pytest.raises(ValueError, match=message):
        draw(HUGE, jax.random.key(0))
    with pytest.raises(ValueError, match="needs over 1000 EiB"):
        draw(3, jax.random.key(0), members=HUGE)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"epochs": HUGE}, "take fewer players, members or epochs"),
        ({"method": "relaxation", "substeps": 10**12}, "take fewer substeps"),
        ({"method": "sgd", "descent": Descent(batch_size=10**12)}, "take a smaller batch size"),
        ({"method": "sgd", "descent": Descent(steps_per_epoch=10**12)}, "take fewer steps per"),
        ({"keep_interactions": True, "epochs": 10**9}, "with interactions, needs about 149 GiB"),
    ],
)
def test_a_simulation_asks_before_it_takes(options, hint):
    with pytest.raises(ValueError, match=f"memory, but only .* {hint}" if "take" in hint else hint):
        simulate(
            None,
            np.arange(8.0),
            Schedule.constant(0.1),
            **({"epochs": 3} | options),
        )


def test_a_measurement_counts_its_batches(small):
    masking = tabular_features(100, 11)
    inputs = np.ones((2, 100))
    measure_outputs(lambda x: x.sum(axis=1), inputs, masking, batch_size=64)
    with pytest.raises(ValueError, match=r"Measuring 2 × 2\^11 outputs needs .* take fewer"):
        measure_outputs(lambda x: x.sum(axis=1), inputs, masking, batch_size=10**12)


def npz(path, compressed=False, **headers):
    """An archive whose members' headers claim shapes that only a few numbers follow."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, shape in headers.items():
            member = io.BytesIO()
            header = {"descr": "<f8", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            archive.writestr(f"{name}.npy", member.getvalue() + bytes(8 * 2**8))
    return path


@pytest.fixture
def no_array(monkeypatch):
    """Lets nobody read an array, whatever its size."""

    def read(*_, **__):
        raise AssertionError("an array was read")

    monkeypatch.setattr(np.lib.format, "read_array", read)


@pytest.mark.parametrize("load", [Measurement.load, Interactions.load, Trajectory.load])
def test_what_a_header_claims_is_held_against_the_file(tmp_path, no_array, load):
    names = "outputs epochs i_and i_or multipliers objective gap iterations converged sigma2 loss"
    names = [*names.split(), "members", "metadata", "strength"]
    names += [f"strength_{kind}" for kind in ("and", "or", "positive", "negative")]
    path = npz(tmp_path / "m.npz", **dict.fromkeys(names, (3, 2**32)))
    message = r"m\.npz: array '\w+' must hold all of its shape \(3, 4294967296\), 96 GiB, but holds"
    with pytest.raises(ValueError, match=message):
        load(path)


def test_a_key_that_nobody_asked_for_is_never_read(tmp_path):
    path = tmp_path / "m.npz"
    npz(path, remarks=(3, 2**32))
    with zipfile.ZipFile(path, "a") as archive:
        for name, array in {"outputs": np.zeros((1, 2, 4)), "epochs": np.zeros(1)}.items():
            member = io.BytesIO()
            np.save(member, array)
            archive.writestr(f"{name}.npy", member.getvalue())
    assert Measurement.load(path).samples == 2
    with pytest.raises(ValueError, match=r"'remarks' must hold .* 96 GiB"):
        read_npz(path, ("outputs",))


def test_a_bomb_is_held_against_the_memory(tmp_path, monkeypatch, no_array):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, outputs=np.zeros((4, 4, 2**12)), epochs=np.arange(4))
    assert path.stat().st_size < 4096  # of 512 KiB
    monkeypatch.setattr(machine, "host_memory", lambda: 2**19)
    with pytest.raises(ValueError, match=r"Reading .*zeros\.npz needs about 1 MiB .* take fewer"):
        Measurement.load(path)


@pytest.mark.parametrize("shape", [(-2, -4), (2**40, 2**40), (10**400,), (-1,)])
def test_shapes_that_are_none_are_damage(tmp_path, shape):
    path = npz(tmp_path / "m.npz", outputs=shape)
    with pytest.raises(ValueError, match=r"m\.npz: (must be a complete|array 'outputs' must hold)"):
        read_npz(path, ("outputs",))


def test_a_header_without_end_is_not_waited_for(tmp_path):
    path = tmp_path / "m.npz"
    start = b"\x93NUMPY\x02\x00" + (2**26).to_bytes(4, "little")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("outputs.npy", start + b" " * 2**26)
    with pytest.raises(ValueError, match=r"m\.npz: must be a complete \.npz file"):
        read_npz(path, ("outputs",))


def test_a_single_array_is_not_read_to_be_refused(tmp_path, no_array):
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (3, 2**32)}
    np.lib.format.write_array_header_1_0(header, claim)
    (tmp_path / "one.npy").write_bytes(header.getvalue())
    with pytest.raises(ValueError, match="single array"):
        read_npz(tmp_path / "one.npy", ("outputs",))


def test_empty_texts_and_arrays_are_whole(tmp_path):
    write_npz(tmp_path / "m.npz", {"text": np.array(""), "none": np.zeros((0, 3))})
    assert read_npz(tmp_path / "m.npz", ("text",))["none"].shape == (0, 3)


def test_limits_of_the_process_and_its_groups_count(tmp_path, monkeypatch):
    group = tmp_path / "a" / "b"
    for folder, limit, used, cache in ((tmp_path / "a", 9, 5, 2), (group, "max", 1, 0)):
        folder.mkdir()
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
    (tmp_path / "own").write_text("0::/a/b\n3:cpu:/elsewhere\n")
    assert machine.host_memory() == 9 - 5 + 2


def test_an_extraction_asks_before_it_takes(small, monkeypatch):
    outputs = np.random.default_rng(0).normal(size=(80, 2**6))
    message = r"interactions of 80 samples and 6 players needs about .* smaller batch size"
    with pytest.raises(ValueError, match=message):
        extract_interactions(outputs)
    widths = []
    monkeypatch.setattr(programme, "solve", lambda _, method, *rest: widths.append(method.lanes))
    with pytest.raises(TypeError):  # for want of a solution
        extract_interactions(outputs[:1], batch_size=10**12)
    assert widths == [16]  # a batch of one sample is no wider than it is by default


def test_a_fit_asks_for_its_outputs_first(small, monkeypatch):
    monkeypatch.setattr(noise_fit, "_fit", None)
    true = np.random.default_rng(0).normal(size=(3, 20, 2**9))
    with pytest.raises(ValueError, match=r"^Fitting 3 × 20 outputs of 9 players needs .* take few"):
        fit_noise(true, 0 * true, zeta(true), range(3), through="direct")


def test_a_split_asks_for_more_than_an_extraction(small):
    outputs = np.random.default_rng(0).normal(size=(30, 2**6))
    with pytest.raises(ValueError, match=r"^Bounding the split of 30 samples and 6 players needs "):
        split_uncertainty(outputs)


@pytest.mark.parametrize("through", ["direct", "extraction"])
def test_a_fit_asks_for_its_resamples_first(monkeypatch, through):
    true = np.random.default_rng(0).normal(size=(3, 6, 8))
    outputs = zeta(true)
    monkeypatch.setattr(noise_fit, "_fit", None)  # which would take its time
    with pytest.raises(ValueError, match=r"1000000000000 resamples needs .* take fewer resamples"):
        fit_noise(true, 0 * true, outputs, [1, 2, 3], through=through, resamples=10**12)


def fit_of(values):
    """Stands for a direct fit, as far as it is looked at before memory is asked for."""
    target = SimpleNamespace(n=values.shape[-1].bit_length() - 1, w_and=values[0])
    strength = values[..., 1:]
    settings = {"through": "direct"}
    return SimpleNamespace(
        epochs=np.arange(len(values)), settings=settings, strength=strength, target=target
    )


def test_every_bootstrap_and_every_draw_asks_first():
    rng = np.random.default_rng(0)
    for call, message in (
        (lambda: retention(rng.normal(size=(2, 4, 8)), resamples=10**12), "fewer resamples"),
        (lambda: find_phases(range(50), rng.random((50, 4, 3)), draws=10**12), "fewer draws"),
        (lambda: find_phases(range(50), rng.random((50, 4, 3)), level=1e-320), "larger level"),
        (lambda: profile_noise(fit_of(rng.random((3, 4, 8))), resamples=10**12), "fewer resamples"),
    ):
        with pytest.raises(ValueError, match=f"^Drawing [0-9]+ .*needs .* take .*{message}"):
            call()
    assert find_phases(range(5), rng.random((5, 4, 3)), draws=10**12)  # of 16 that there are


def test_a_trajectory_asks_for_its_substeps():
    true = np.random.default_rng(0).normal(size=(3, 4, 8))
    trace = fit_of(true), true, 0 * true, zeta(true), Schedule.constant(0.1)
    with pytest.raises(ValueError, match=r"1000000000000 substeps needs .* take fewer substeps"):
        fit_trajectory(*trace, substeps=10**12)


def test_a_retention_asks_for_its_interactions(small):
    with pytest.raises(ValueError, match=r"of 8 players in 8 × 20 outputs needs .* take fewer"):
        retention(np.random.default_rng(0).normal(size=(8, 20, 2**8)), resamples=0)


def test_more_runs_than_fit_are_refused_before_they_are_listed():
    masking = tabular_features(2, 2)
    experiment = Experiment(np.ones((1, 2)), np.zeros(1, int), masking, (0, 1), None, {})
    with pytest.raises(ValueError, match=r"Measuring 2 × 1000000000000 × 2\^2 outputs needs"):
        record(experiment, {}, seeds=range(10**12))


@pytest.mark.parametrize("list_sets", [orders, lambda n: random_interactions(jax.random.key(0), n)])
def test_sets_that_32_bits_do_not_number_are_not_listed(list_sets):
    with pytest.raises(ValueError, match="`n` must be at most 30 where all"):
        list_sets(HUGE)
    with pytest.raises(ValueError, match="`n` must be at most 30 where all"):
        list_sets(31)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ((f"--n={HUGE}",), "fewer players or members"),
        ((f"--members={HUGE}",), "fewer players or members"),
        ((f"--epochs={HUGE}",), "fewer players, members or epochs"),
        (("--substeps=1000000000000",), "fewer substeps or epochs"),
        (("--method=sgd", "--batch-size=1000000000000"), "a smaller batch size"),
    ],
)
def test_the_command_says_at_once_what_to_reduce(tmp_path, options, hint):
    wide = ("--n=4",) if not options[0].startswith("--n") else ()
    result = CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / "s"), *wide, *options])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"available; take {hint}" in result.stderr


def peak(call):
    """By how many bytes the process grows at most during a call, with what it has compiled."""
    Path("/proc/self/clear_refs").write_text("5")  # begins the highest mark anew
    before = memory_marks()["VmRSS"]
    call()
    return memory_marks()["VmHWM"] - before


def memory_marks():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if " kB" in line}


def cases(folder):
    """Calls that take some hundred MiB, by name, and a small one first that compiles the same."""
    rng = np.random.default_rng(0)
    key = jax.random.key(0)
    outputs = rng.normal(size=(2, 64, 2**15))
    measurement = Measurement(outputs, [0, 1])
    measurement.save(folder / "m.npz")
    few = np.zeros(outputs.shape[:2])
    extraction = Extraction(outputs, outputs, few, few, few, few, outputs)
    Interactions(measurement, extraction, {}).save(folder / "i.npz")
    true = rng.normal(size=(6, 16)) * (rng.uniform(size=(6, 16)) < 0.5)
    learned = np.stack([optimal_interactions(true, s) for s in (0.02, 0.001, 0.0)])
    rows = rng.normal(size=(4096, 2**10))
    # Larger than what the allocator keeps when it is freed, or a later call would find it there.
    targets = rng.normal(size=(40, 2**17))

    def simulated(method="relaxation", few=False, epochs=4, **options):
        target = targets[:1, : 2**8] if few else targets
        run = simulate(target, target, Schedule.constant(0.1), epochs, method, **options)
        jax.block_until_ready(run)

    def both(**options):
        return functools.partial(simulated, **options), functools.partial(
            simulated, few=True, **options
        )

    def fitted(resamples):
        options = {"through": "direct", "resamples": resamples, "both_ends": False}
        fit_noise(learned, 0 * learned, zeta(learned), [1, 2, 3], **options)

    plain = fit_noise(learned, 0 * learned, zeta(learned), [1, 2, 3], through="direct", resamples=0)
    wide, long = rng.normal(size=(8, 32, 2**15)), rng.normal(size=(30, 40, 2**6))
    distributions = rng.random((30, 20, 6))

    def traced(substeps):
        falling = Schedule.exponential(start=1.0, end=1e-3, epochs=3)
        trace = plain, learned, 0 * learned, zeta(learned), falling
        fit_trajectory(*trace, steps=1, substeps=substeps)

    def drawn(draws):
        find_phases(range(30), distributions, draws=draws)

    def profiled(resamples):
        profile_noise(plain, [2.0], [0.0], resamples=resamples)

    def extracted(samples):
        extract_interactions(rows[:samples], max_iterations=50)

    return {
        "measurement": (lambda: Measurement.load(folder / "m.npz"), None),
        "interactions": (lambda: Interactions.load(folder / "i.npz"), None),
        "start": (lambda: random_start(18, key, members=64).block_until_ready(), None),
        "relaxation": both(),
        "equilibrium": both(method="equilibrium"),
        "superposition": both(method="superposition"),
        "told": both(progress=lambda *_: None),
        "kept": both(keep_interactions=True),
        "sgd": both(method="sgd", epochs=2, descent=Descent(steps_per_epoch=1)),
        "resamples": (lambda: fitted(20_000), lambda: fitted(20)),
        "extract": (lambda: extracted(4096), lambda: extracted(16)),
        "retention": (lambda: retention(wide, resamples=0), None),
        "retained": (lambda: retention(long, resamples=60_000), lambda: retention(long)),
        "phases": (lambda: drawn(400_000), lambda: drawn(10)),
        "profile": (lambda: profiled(50_000), lambda: profiled(20)),
        "trajectory": (lambda: traced(700_000), lambda: traced(3)),
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own marks are read")
def test_what_is_asked_for_is_what_is_taken(tmp_path):
    """In a process of its own, whose memory nothing else has used before."""
    code = f"""
import jax, json, pathlib
jax.config.update("jax_enable_x64", True)
from sim import machine
from tests.test_machine import cases, peak
asked = []
machine._check = lambda needed, *_: asked.append(needed)
ratios = {{}}
for name, (call, warm) in cases(pathlib.Path({str(tmp_path)!r})).items():
    if warm is not None:
        warm()
    asked.clear()
    ratios[name] = peak(call) / max(asked)
print(json.dumps(ratios))
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    ratios = json.loads(run.stdout)
    assert len(ratios) == 16
    assert {name: r for name, r in ratios.items() if not 1 / 1.3 < r < 1.3} == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own marks are read")
@pytest.mark.parametrize("n", [22, 24])
def test_a_transform_takes_few_copies_of_its_array(n):
    """Its own among them, in a process whose memory nothing else has used before."""
    code = f"""
import jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
from tests.test_machine import peak
from theory import zeta
zeta(jnp.ones(2**12)).block_until_ready()
values = (0.5 * jnp.ones(2**{n})).block_until_ready()
print(1 + peak(lambda: zeta(values).block_until_ready()) / values.nbytes)
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert 2 < float(run.stdout) <= 6
