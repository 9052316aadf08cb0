"""Hostile files, streams and moments: each is answered with one line, and the right exit code."""

import copy
import csv
import functools
import importlib
import io
import json
import lzma
import os
import resource
import subprocess
import sys
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, settings, strategies as st
from test_cli import interdyn, refused

from sim.checks import (
    ArgumentError,
    check_fraction,
    check_nonnegative,
    check_positive,
    check_whole,
)
from sim.cli import _startup, main
from sim.cli._app import COMMANDS
from sim.cli._console import LONGEST, Seed, plain_errors
from sim.cli._streams import err
from sim.cli.figures import KEYS
from sim.dilution import retention
from sim.document import check_document
from sim.experiments import Settings
from sim.extraction import Extraction, Interactions
from sim.figures import FIGURES, figure_bytes
from sim.fitting import fit_noise
from sim.measurement import KEYS as MEASURED, Measurement, ProbabilityWarning, tabular_features
from sim.phases import find_phases
from sim.report import write_report
from sim.simulation import Trajectory
from sim.simulation.trajectory import STRENGTHS
from theory import and_interactions, zeta

MEASUREMENTS = Path(__file__).parents[1] / "notebooks" / "measurements"
OUTPUTS = np.random.default_rng(0).normal(size=(3, 2, 8))


@pytest.fixture
def interactions(tmp_path):
    """An interactions.npz in a folder whose name no ASCII stream can print."""
    return saved(tmp_path / "σ²" / "interactions.npz", OUTPUTS)


def saved(path, outputs):
    """A file of the AND interactions of some outputs."""
    zeros = np.zeros_like(outputs)
    each = zeros[..., 0]
    found = Extraction(and_interactions(outputs), zeros, each, each, each, each == 0, zeros)
    Interactions(Measurement(outputs, np.arange(len(outputs))), found, {}).save(path)
    return path


# Start-up


def test_help_takes_less_than_a_second_of_one_core():
    """Most of it would go into importing JAX, which help does without."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "sim", "--help"], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_the_list_of_commands_says_what_their_own_help_says():
    for name, text in COMMANDS.items():
        command = getattr(importlib.import_module(f"sim.cli.{name}"), name)
        assert " ".join(command.__doc__.split("\n\n")[0].split()) == text


@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM"])
def test_an_interruption_while_packages_are_imported_is_one_line(tmp_path, stop):
    (tmp_path / "jax.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{stop})\nraise SystemExit(9)\n"
    )
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "sys.argv = ['interdyn', 'export', 'x.npz']; sys.path.insert(0, {!r}); "
    program += "from sim.cli import main; main()"  # a shell lets what runs behind it ignore SIGINT
    done = subprocess.run(
        [sys.executable, "-c", program.format(str(tmp_path))], capture_output=True, text=True
    )
    assert done.stderr == "interdyn: interrupted; nothing was begun.\n"
    assert done.returncode == 130


@pytest.mark.parametrize(
    ("late", "code", "shown"),
    [("os.kill(os.getpid(), signal.SIGINT)", 0, "done"), ("print('late')", 130, "")],
)
def test_the_end_of_a_process_is_quiet(late, code, shown):
    """A stop after the command is done is none, and an interrupted one ends at once."""
    program = (
        "import atexit, os, signal, sys, sim.cli._app as here; from sim.cli import main; "
        f"atexit.register(lambda: {late}); here.app = lambda: (print({shown!r}), sys.exit({code}));"
        " main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (code, shown, "")


# Faults of any kind


class Odd(BaseException):
    """What a script may raise."""


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (MemoryError(), "there is not enough memory."),
        (MemoryError("Unable to allocate 96.0 GiB"), "Unable to allocate 96.0 GiB"),
        (RuntimeError("RESOURCE_EXHAUSTED:\n out of memory"), "RESOURCE_EXHAUSTED: out of memory"),
        (RecursionError("maximum recursion depth exceeded"), "maximum recursion depth exceeded"),
        (NotImplementedError("That compression method"), "That compression method"),
        (OverflowError("Python int too large"), "Python int too large"),
        (zipfile.BadZipFile("Bad CRC-32"), "BadZipFile: Bad CRC-32"),
        (zlib.error("Error -3"), "Error -3"),
        (lzma.LZMAError("Corrupt input data"), "LZMAError: Corrupt input data"),
        (csv.Error("field larger than field limit"), "field larger than field limit"),
        (tokenize.TokenError("EOF in multi-line statement"), "EOF in multi-line statement"),
        (KeyError("outputs"), "KeyError: 'outputs' (INTERDYN_DEBUG=1 shows where it comes from)"),
        (Odd("stop"), "Odd: stop (INTERDYN_DEBUG=1 shows"),
        (SystemExit(0), "SystemExit: 0"),
        (RuntimeError("x" * 10**5), "x" * LONGEST + "…"),
        (ArgumentError("seed", "be small", "is large"), "--seed must be small, but is large."),
    ],
)
def test_a_fault_is_one_line(capsys, monkeypatch, fault, line):
    def failing(seed: Seed = 0) -> None:
        raise fault

    with pytest.raises(typer.Exit) as left:
        plain_errors(failing)()
    assert left.value.exit_code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("interdyn: ")
    assert shown.err.count("\n") == 1
    assert line in shown.err
    monkeypatch.setenv("INTERDYN_DEBUG", "1")
    with pytest.raises(type(fault)):
        plain_errors(failing)()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Odd(BaseException): pass\nraise Odd('enough')", "mine.py, line 2: Odd: enough"),
        ("raise GeneratorExit", "mine.py, line 1: GeneratorExit"),
        ("import sys\nsys.exit(0)", "mine.py, line 2: SystemExit: 0"),
        ("\0", "mine.py: SyntaxError: "),
    ],
)
def test_a_script_may_raise_anything(tmp_path, text, said):
    (tmp_path / "mine.py").write_text(text)
    refused(interdyn("measure", "--script", tmp_path / "mine.py", "--out", tmp_path / "run"), said)


@pytest.mark.parametrize("seed", [2**63, 2**64, 10**30, -1])
def test_a_seed_beyond_what_generators_take_is_named(tmp_path, seed):
    with pytest.raises(ArgumentError, match="`seed` must be a whole number from 0 to 2"):
        Settings(seed=seed)
    for command in ("measure", "simulate", "demo"):
        result = interdyn(command, "--out", tmp_path / "run", "--seed", seed)
        refused(result, "--seed must be a whole number from 0 to 2^63 − 1", str(seed))
    (tmp_path / "mine.toml").write_text(f"seed = {seed}\n")
    result = interdyn("simulate", "--out", tmp_path / "run", "--config", tmp_path / "mine.toml")
    refused(result, "--seed must be")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_fit_takes_the_same_seeds(interactions, seed):
    refused(interdyn("fit", interactions, "--seed", seed), "--seed must be a whole number from 0")


def test_one_resample_has_no_spread(interactions):
    line = "--resamples must be 0, or at least 2 for a spread, but is 1."
    refused(interdyn("fit", interactions, "--resamples", 1), line)


NO_SEEDS = [-1, 2**63, True, 1.5, "3", None, [3]]
SEEDED = {
    "settings": lambda seed: Settings(seed=seed),
    "players": lambda seed: tabular_features(3, 2, seed=seed),
    "retention": lambda seed: retention(OUTPUTS, seed=seed),
    "phases": lambda seed: find_phases(range(3), OUTPUTS**2, seed=seed),
    "fit": lambda seed: fit_noise(OUTPUTS, 0 * OUTPUTS, zeta(OUTPUTS), range(3), seed=seed),
}


@pytest.mark.parametrize("name", SEEDED)
def test_every_function_takes_the_same_seeds(name):
    for seed in NO_SEEDS:
        with pytest.raises(ArgumentError, match="`seed` must be a whole number from 0 to 2"):
            SEEDED[name](seed)


NO_NUMBERS = [True, np.True_, "3", None, [3], np.array([3]), 1j]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    "check",
    [check_positive, check_nonnegative, check_fraction, functools.partial(check_whole, least=0)],
)
def test_what_is_no_number_is_named(check, value):
    with pytest.raises(TypeError, match="Argument `name` must be a number, but is"):
        check(value, name="name")


def test_a_number_that_no_float_holds_is_named():
    check_whole(10**400, "name", 0)
    with pytest.raises(ArgumentError, match="`name` must be a number below 1e308"):
        check_positive(10**400, "name")


# Files


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize("command", ["extract", "fit", "figures", "export", "config", "schedule"])
def test_pipes_devices_and_folders_are_no_inputs(tmp_path, pipe, command):
    for source in (pipe, Path("/dev/zero"), tmp_path):
        arguments = {
            "config": ("simulate", "--config", source),
            "schedule": ("simulate", "--schedule", f"table:file={source}"),
        }.get(command, (command, source))
        result = interdyn(*arguments, "--out", tmp_path / "run")
        refused(result, f"{source}: must be a file, but is a ")


@pytest.mark.parametrize("command", ["figures", "config", "schedule"])
def test_a_disk_that_does_not_read_a_text_is_named(tmp_path, monkeypatch, command):
    def read(*_, **__):
        raise OSError(5, "Input/output error")

    source = tmp_path / "text"
    source.write_text("")
    monkeypatch.setattr(Path, "read_text", read)
    arguments = {
        "figures": ("figures", source),
        "config": ("simulate", "--config", source),
        "schedule": ("simulate", "--schedule", f"table:file={source}"),
    }[command]
    result = interdyn(*arguments, "--out", tmp_path / "run")
    refused(result, f"{source}: Input/output error.")


def test_a_script_is_a_file(tmp_path, pipe):
    for source in (pipe, tmp_path):
        refused(interdyn("measure", "--out", tmp_path / "run", "--script", source), str(source))


NESTED = "[" * 10**5


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("figures", NESTED, "must be a JSON file"),
        ("figures", '{"a": ' * 10**5, "must be a JSON file"),
        ("figures", b"PK\x03\x04\xff", "must be a JSON file, but is no text in UTF-8. A fit.json"),
        ("config", f"a = {NESTED}", "must be a TOML file"),
        ("config", f"seed = {'9' * 5000}", "must be a TOML file"),
        ("config", b"\xff", "must be a TOML file, but is no text in UTF-8."),
        ("schedule", "", "must hold rows of two numbers, epoch and sigma2, but holds none."),
        ("schedule", "epoch,sigma2\n", "must hold rows of two numbers"),
        ("schedule", "0,1\n0,1\n", "`epochs` must be rising finite epochs"),
        ("schedule", "9" * 2 * 10**5, "must be a table of two columns in UTF-8"),
        ("schedule", b"\xff\xfe", "must be a table of two columns in UTF-8"),
    ],
)
def test_a_text_file_of_something_else_is_named(tmp_path, name, text, said):
    path = tmp_path / "mine.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = {
        "figures": ("figures", path),
        "config": ("simulate", "--config", path),
        "schedule": ("simulate", "--schedule", f"table:file={path}"),
    }[name]
    result = interdyn(*arguments, "--out", tmp_path / "run")
    refused(result, f"{path}: ", said)
    assert "codec" not in result.stderr
    assert "--epochs" not in result.stderr


@pytest.mark.parametrize("metadata", [NESTED, '{"a":' * 10**5, "wine", "[]", "9" * 5000])
def test_metadata_of_a_file_is_json(tmp_path, metadata):
    np.savez(tmp_path / "m.npz", outputs=OUTPUTS, epochs=[0, 1, 2], metadata=metadata)
    refused(interdyn("extract", tmp_path / "m.npz"), "m.npz: `metadata` must be a JSON ")


def test_a_dictionary_for_metadata_is_told_of_json(tmp_path):
    np.savez(tmp_path / "m.npz", outputs=OUTPUTS, epochs=[0, 1, 2], metadata={"data": "wine"})
    refused(interdyn("extract", tmp_path / "m.npz"), "'metadata'", "json.dumps(")


def npz(header, member=b"\0" * 64, compression=zipfile.ZIP_STORED):
    """The content of an `.npz` of one array, with a header of one's own."""
    held = io.BytesIO()
    text = header.encode("latin1")
    with zipfile.ZipFile(held, "w", compression) as archive:
        start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
        archive.writestr("outputs.npy", start + text + member)
        archive.writestr("epochs.npy", start + text + member)
    return bytearray(held.getvalue())


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (",  # TokenError
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999999999999,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (12884901888,)}",  # 96 GiB
        "{'descr': 'O', 'fortran_order': False, 'shape': (8,)}",
        "{'descr': '<f99', 'fortran_order': False, 'shape': (8,)}",
        "{'descr': [('a', '<f8', " + "(" * 500 + "), 'shape': (8,)}",
        "(" * 9000,  # MemoryError or RecursionError of the parser
        "\0",
        "",
    ],
)
def test_a_header_of_something_else_is_named(tmp_path, header):
    (tmp_path / "m.npz").write_bytes(npz(header))
    refused(interdyn("extract", tmp_path / "m.npz"), f"{tmp_path / 'm.npz'}: ")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (8, 99),  # a method of compression that there is not
        (8, 14),  # LZMA, of bytes that are none
        (8, 12),  # bzip2
        (8, 8),  # deflate
        (6, 1),  # a password
        (14, 7),  # another check sum
    ],
)
def test_faults_of_the_archive_are_named(tmp_path, at, value):
    content = npz("{'descr': '<f8', 'fortran_order': False, 'shape': (8,)}          \n")
    directory = content.index(b"PK\x01\x02")
    content[at] = content[directory + at + 2] = value
    (tmp_path / "m.npz").write_bytes(content)
    refused(interdyn("extract", tmp_path / "m.npz"), f"{tmp_path / 'm.npz'}: ")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A whole file of every kind, and what reads it."""
    folder = tmp_path_factory.mktemp("whole")
    Measurement(OUTPUTS, [0, 1, 2], metadata={"data": "wine"}).save(folder / "m.npz")
    saved(folder / "i.npz", OUTPUTS)
    rows, column = np.ones((3, 4)), np.arange(3.0)
    shares = dict.fromkeys(STRENGTHS, rows) | {"members": rows[:, None], "loss": column}
    Trajectory(epochs=column, sigma2=column, **shares).save(folder / "t.npz")
    loads = {"m": Measurement.load, "i": Interactions.load, "t": Trajectory.load}
    return {name: ((folder / f"{name}.npz").read_bytes(), load) for name, load in loads.items()}


def fault(function, *arguments):
    """What a function says is wrong with its arguments, or None."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    return None


def read_or_refused(load, path):
    """It is read as something else, or refused in one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = fault(load, path)
    if message is not None:
        assert message.startswith(f"{path}: ")
        assert "\n" not in message


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from("mit"))
def test_any_byte_of_a_file_may_be_wrong(tmp_path_factory, stored, data, name):
    whole, load = stored[name]
    content = bytearray(whole)
    start = data.draw(st.integers(0, len(content) - 1))
    end = start + data.draw(st.integers(1, 40))
    content[start:end] = data.draw(st.binary(max_size=40))
    path = tmp_path_factory.getbasetemp() / "attacked.npz"
    path.write_bytes(content)
    read_or_refused(load, path)


ODD = [
    *(np.array("text"), np.array(["a", "b"]), np.array(b"bytes"), np.array(True), np.array(1j)),
    *(np.array(np.nan), np.array(-1), np.array(2**63, np.uint64), np.zeros(0), np.zeros((3, 0))),
    *(np.zeros((3, 2, 6)), np.zeros((3, 2, 8), complex), np.full((3, 2, 8), np.inf)),
    *(np.zeros((3, 2, 8), np.float16), np.zeros((1,) * 9), np.zeros(3, "M8[s]"), np.arange(3) > 1),
    np.zeros(3, [("a", "f8"), ("b", "i4")]),
]


@pytest.mark.parametrize("name", "mit")
def test_any_array_of_a_file_may_be_something_else(tmp_path, stored, name):
    whole, load = stored[name]
    (tmp_path / "whole.npz").write_bytes(whole)
    with np.load(tmp_path / "whole.npz") as file:
        arrays = dict(file)
    for key in (*arrays, *({*MEASURED} - {*arrays} if name == "m" else ())):
        for odd in ODD:
            path = tmp_path / "attacked.npz"
            np.savez(path, **arrays | {key: odd})
            read_or_refused(load, path)


@pytest.fixture(scope="module")
def document():
    """What a fit of several runs holds: every kind of entry."""
    return json.loads((MEASUREMENTS / "digits-mlp.fit.json").read_text(encoding="utf-8"))


def entries(content, above=()):
    """The paths to all entries; of a list to the first and the last."""
    keys = list(content) if isinstance(content, dict) else sorted({0, len(content) - 1} - {-1})
    for key in keys:
        yield (*above, key)
        if isinstance(content[key], dict | list):
            yield from entries(content[key], (*above, key))


LONG = 10**5000
JUNK = [
    *(
        None,
        True,
        "",
        "x",
        "<script>",
        "$\\frac{$",
        "\ud800",
        "\x00",
        -1,
        0,
        0.5,
        1e300,
        1e400,
        LONG,
    ),
    *([], [1, "a"], [[1.0]], [1.0] * 14, {}, {"a": {}}, {"\ud800": 1}),
]


def attacked(document, data):
    """The document with another value for an entry, or without it."""
    content = part = copy.deepcopy(document)
    *above, last = data.draw(st.sampled_from(list(entries(document))))
    for key in above:
        part = part[key]
    if data.draw(st.integers(0, 19)) == 0:
        del part[last]
    else:
        part[last] = data.draw(st.sampled_from(JUNK))
    return content


def checked(content):
    """Whether a fit is one; refused in one line that names the file where it is none."""
    message = fault(check_document, content, "fit.json", KEYS)
    if message is not None:
        assert message.startswith("fit.json: ")
        assert "\n" not in message
        assert "codec" not in message
    return message is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_entry_of_a_fit_may_be_wrong(tmp_path_factory, document, data):
    """It is refused, or a page can be written of it."""
    content = attacked(document, data)
    if checked(content):
        write_report(tmp_path_factory.getbasetemp() / "attacked.html", content)


def test_no_text_of_a_fit_is_taken_for_markup(tmp_path, document):
    """All of those at once that the schema does not restrict."""
    content, replaced = copy.deepcopy(document), 0
    for *above, last in list(entries(content)):
        part = content
        for key in above:
            part = part[key]
        held = part[last]
        if isinstance(held, str):
            part[last] = "<script>"
            if checked(content):
                replaced += 1
            else:
                part[last] = held
    assert replaced > 20
    write_report(tmp_path / "report.html", content)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_not_refused_of_a_fit_can_be_drawn(document, data):
    """Or a figure says what an older fit lacks for it."""
    name, content = data.draw(st.sampled_from(list(FIGURES))), attacked(document, data)
    if checked(content):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if all(content.get(key) for key in ("explained", "samples")):
                assert figure_bytes(FIGURES[name](content))
            elif (said := fault(lambda: figure_bytes(FIGURES[name](content)))) is not None:
                assert said.endswith("but is of an older fit.")


def test_no_name_of_a_model_is_taken_for_a_formula(tmp_path, document):
    content = copy.deepcopy(document)
    for record in content["checkpoints"]:
        record["nulls"]["$\\frac{$"] = record["nulls"].pop("tilt")
    (tmp_path / "fit.json").write_text(json.dumps(content))
    result = interdyn("figures", tmp_path / "fit.json")
    refused(result, f"{tmp_path / 'fit.json'}: checkpoint 0: `nulls` must be a mapping of names, ")


# Streams


def run_main(monkeypatch, *arguments):
    """`interdyn` in this process, with its streams and environment as they are; its exit code."""
    monkeypatch.setattr(sys, "argv", ["interdyn", *map(str, arguments)])
    monkeypatch.setattr(_startup, "STOPS", ())
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code or 0


@pytest.fixture
def full():
    """A stream to a full disk."""
    with open("/dev/full", "wb") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8")


@pytest.fixture
def closed():
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8")


@pytest.fixture
def missing():
    """What Python has for a stream that was closed before it started."""


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("full", "No space left on device"),
        ("closed", "Broken pipe"),
        ("missing", "Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("asked", [(), ("--json",)])
def test_a_result_that_is_saved_counts_where_stdout_fails(
    request, monkeypatch, capsys, interactions, name, fault, asked
):
    monkeypatch.setattr(sys, "stdout", request.getfixturevalue(name))
    code = run_main(monkeypatch, "export", interactions, *asked)
    said = f"interdyn: files are saved, but stdout failed: {fault}.\n"
    assert capsys.readouterr().err == said
    assert code == (2 if asked else 0)
    assert (interactions.parent / "strengths.csv").stat().st_size > 0


def test_no_file_takes_the_place_of_a_closed_stream():
    """Where libraries would print into it."""
    program = (
        "import os; os.close(0); os.close(2); from sim.cli._streams import make_safe; make_safe(); "
        "print(os.open(os.devnull, os.O_RDONLY) > 2)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_notes_that_nobody_hears_stop_nothing(monkeypatch, full, tmp_path):
    with pytest.warns(ProbabilityWarning):
        path = saved(tmp_path / "interactions.npz", np.abs(OUTPUTS) / 9)
    monkeypatch.setattr(sys, "stderr", full)
    assert run_main(monkeypatch, "export", path) == 0
    assert (tmp_path / "strengths.csv").exists()


def test_what_a_full_stream_did_not_take_is_not_said_later(monkeypatch, full, capsys):
    with monkeypatch.context() as during:
        during.setattr(sys, "stderr", full)
        err.print("too much for the disk")
    err.print("what is said next")
    assert capsys.readouterr().err == "what is said next\n"


def test_a_full_stdout_of_a_whole_process(interactions):
    """Python itself tries once more at the end, and would say 120."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sim", "export", str(interactions)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=buffered,
        )
        assert done.returncode == 0
        assert done.stderr.count("\n") == 1
        assert "files are saved" in done.stderr
        help_ = [sys.executable, "-m", "sim", "--help"]
        done = subprocess.run(help_, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert done.returncode == 2
    assert done.stderr == "interdyn: stdout could not be written: No space left on device.\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"COLUMNS": "0", "LINES": "0"},
        {"COLUMNS": "10000000000"},
        {"COLUMNS": "-1", "TERMINAL_WIDTH": "wide"},
    ],
)
def test_a_terminal_of_any_kind_shows_help(environment):
    done = subprocess.run(
        [sys.executable, "-m", "sim", "--help"], capture_output=True, env=os.environ | environment
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(name.encode() in done.stdout for name in COMMANDS)
    assert len(done.stdout) < 10**4


@pytest.mark.parametrize("asked", [(), ("--json",)])
def test_a_stream_without_the_letters_gets_them_as_escapes(monkeypatch, interactions, asked):
    with io.TextIOWrapper(io.BytesIO(), encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run_main(monkeypatch, "export", interactions, *asked) == 0
        shown = stream.buffer.getvalue().decode("ascii")
    path = interactions.parent / "strengths.csv"
    if asked:
        assert json.loads(shown) == {"strengths": str(path)}
    else:
        assert str(path).replace("σ²", r"\u03c3\xb2") in shown
    assert path.exists()


def test_a_name_is_printed_as_it_is(tmp_path, interactions):
    """Neither as a smiley nor as markup."""
    folder = tmp_path / "a:smile:[b]"
    result = interdyn("export", interactions, "--out", folder)
    assert f"{folder}/strengths.csv" in result.stdout
