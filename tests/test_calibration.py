"""A smaller `make calibrate`: no promise is broken, and the table is there for every one."""

import pathlib
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent / "calibration"
RUNS = 30


@pytest.fixture(scope="module")
def suite():
    """The calibration's modules, which are scripts beside one another."""
    sys.path.insert(0, str(FOLDER))
    import calibrate
    import fits
    import phases
    import rates

    yield {"fits": fits, "phases": phases, "rates": rates, "calibrate": calibrate}
    sys.path.remove(str(FOLDER))


@pytest.mark.slow
def test_no_promise_is_broken(suite):
    found = suite["calibrate"].sections(RUNS)
    broken = [line for section in found for line in section.broken()]
    assert not broken, "\n".join(broken)
    power = next(section for section in found if section.title.endswith("power"))
    demo = dict(power.rows)["5.6 → 1.4 → 3.6, jitter 0.1"]
    at = power.columns.index("14 × 30"), power.columns.index("16 × 30")
    assert min(demo[i].share for i in at) >= 0.8
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    for section in found:
        assert section.title in table
        for name, _ in section.rows:
            assert f"| {name} |" in table


def test_a_broken_promise_is_told(suite):
    """Three standard errors and 2 % beyond what is promised, and no sooner."""
    rate, section = suite["rates"].Rate, suite["rates"].Section
    for share, told in ((0.11, False), (0.14, True)):
        outcomes = [True] * round(share * 400) + [False] * round((1 - share) * 400)
        found = section("Alarms", "", ["a"], [("course", [rate.of(outcomes)])], at_most=0.05)
        assert bool(found.broken()) == told
        covered = section("Cover", "", ["a"], [("x", [rate.of(outcomes)])], at_least=1 - 0.05)
        assert covered.broken()
    assert str(rate.of([])) == "–"
    assert "| course | 14.0 ± 1.7 |" in found.markdown()


def test_a_test_that_cries_wolf_would_be_told(suite, monkeypatch):
    """Phases found wherever the mean order dips at all break the promise at once."""
    monkeypatch.setattr("sim.phases.phases.valley_chance", lambda *_: 0.0)
    monkeypatch.setattr("sim.phases.phases._valley_in_inputs", lambda *_: 0.0)
    monkeypatch.setattr(suite["phases"], "NOTHING", {"jitter": suite["phases"].jitter(0.1)})
    monkeypatch.setattr(suite["phases"], "DRIFTING", {})
    promised, _ = suite["phases"].false_alarms(20)
    assert promised.broken()
