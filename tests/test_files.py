"""Files: whole or not there, never executed."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sim.files import (
    atomic_path,
    only_writer,
    read_json,
    read_npz,
    remove_leftovers,
    write_json,
    write_npz,
)


def test_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"a": np.arange(5.0), "text": np.array("{}")}
    write_npz(tmp_path / "one.npz", arrays)
    write_npz(tmp_path / "two.npz", arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.npz"
    write_npz(path, {"a": np.zeros(3)})
    before = path.read_bytes()

    def half_a_write():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_write()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_when_an_array_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(tmp_path / "x.npz", {"a": np.array([object()])})
    assert list(tmp_path.iterdir()) == []


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "pickled.npz"
    np.savez(path, a=np.array([{"code": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"pickled\.npz: array 'a' must be plain.*pickled"):
        read_npz(path, ("a",))


@settings(max_examples=40, deadline=None)
@given(cut=st.floats(0.0, 0.999), flip=st.booleans())
def test_a_truncated_file_is_named(tmp_path_factory, cut, flip):
    path = tmp_path_factory.mktemp("cut") / "cut.npz"
    write_npz(path, {"a": np.arange(100.0), "b": np.arange(7)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))][:: -1 if flip else 1])
    with pytest.raises(ValueError, match=r"cut\.npz: must be"):
        read_npz(path, ("a", "b"))


def test_a_single_array_a_folder_and_nothing_are_told_apart(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match="single array"):
        read_npz(tmp_path / "one.npy", ())
    with pytest.raises(ValueError, match="is a folder"):
        read_npz(tmp_path, ())
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_npz(tmp_path / "none.npz", ())


def test_a_missing_array_is_named_with_what_is_there(tmp_path):
    write_npz(tmp_path / "m.npz", {"output": np.zeros(2)})
    with pytest.raises(ValueError, match="has no array outputs, but holds output"):
        read_npz(tmp_path / "m.npz", ("outputs",))


def test_json_round_trip_and_damage(tmp_path):
    write_json(tmp_path / "a.json", {"σ²": [1.0, 2.5e-7]})
    assert read_json(tmp_path / "a.json") == {"σ²": [1.0, 2.5e-7]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", {"a": float("nan")})
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"bad\.json: must be a JSON file"):
        read_json(tmp_path / "bad.json")
    for number, text in enumerate(["[" * 100_000, "9" * 5000, "\xff"]):
        path = tmp_path / f"bad{number}.json"
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=rf"bad{number}\.json: must be a JSON file"):
            read_json(path)


def test_a_file_and_its_folder_are_on_the_disk_before_anyone_is_told(tmp_path, monkeypatch):
    """What a power failure leaves is what was synced; a name is given after the content is safe."""
    synced, sync, replace = [], os.fsync, os.replace

    def fsync(handle):
        synced.append(os.stat(handle).st_ino)
        sync(handle)

    def replaced(source, target):
        assert os.stat(source).st_ino in synced
        synced.clear()
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replaced)
    write_npz(tmp_path / "new" / "a.npz", {"a": np.zeros(3)})
    assert synced == [(tmp_path / "new").stat().st_ino]
    synced.clear()
    write_json(tmp_path / "other" / "deep" / "a.json", {})
    assert synced == [(tmp_path / "other" / "deep").stat().st_ino]


def test_new_folders_are_on_the_disk_too(tmp_path, monkeypatch):
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda h: (synced.append(os.stat(h).st_ino), sync(h)))
    write_json(tmp_path / "new" / "deep" / "a.json", {})
    for folder in (tmp_path, tmp_path / "new", tmp_path / "new" / "deep"):
        assert folder.stat().st_ino in synced


def test_a_folder_has_one_writer_and_a_killed_one_lets_go(tmp_path):
    out = tmp_path / "runs" / "out"
    holds = "import sys; from sim.files import only_writer\nwith only_writer(sys.argv[1]):"
    wait = [sys.executable, "-c", f"{holds} print('held', flush=True); sys.stdin.read()", str(out)]
    with subprocess.Popen(wait, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=r"out: another run is writing there"),
            only_writer(out),
        ):
            pass
        other.kill()
    assert [path.name for path in out.iterdir()] == [".interdyn.lock"]
    with only_writer(out):
        with pytest.raises(ValueError, match="another run"), only_writer(out):
            pass
        with pytest.raises(ValueError, match="another run"), only_writer(out):
            pass  # the one that was refused has not let go of it
        write_json(out / "a.json", {})
    assert [path.name for path in out.iterdir()] == ["a.json"]


def test_a_folder_where_nothing_was_written_goes_again(tmp_path):
    (tmp_path / "runs").mkdir()
    with only_writer(tmp_path / "runs" / "new" / "deep"):
        pass
    assert list((tmp_path / "runs").iterdir()) == []
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ValueError, match="file: must be a folder"),
        only_writer(tmp_path / "file" / "deep"),
    ):
        pass


def test_what_a_killed_run_had_begun_to_write_goes_and_nothing_else(tmp_path):
    killed = (
        "import os, sys; from sim.files import atomic_path\nwith atomic_path(sys.argv[1]) as p:"
    )
    run = [sys.executable, "-c", f"{killed}\n p.write_text('half'); os.kill(os.getpid(), 9)"]
    subprocess.run([*run, str(tmp_path / "a.npz")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".measurement-original.npz").write_text("of a user")
    with atomic_path(tmp_path / "b.npz") as being_written:
        remove_leftovers(tmp_path)
        assert being_written.exists()
        being_written.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {".measurement-original.npz", "b.npz"}
