"""The report: one page that needs nothing else, and says what the fit says."""

import base64
import copy
import dataclasses
import html
import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import msgspec
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from sim import Measurement
from sim.document import schema
from sim.document.content import examples, findings
from sim.document.schema import as_document, check_document
from sim.document.words import conclusion, label, noise_text, second_phase, summary
from sim.figures.measured import FIGURES
from sim.figures.style import figure_bytes
from sim.fitting import BETTER, DEPENDS, ONE_END, SAME, WORSE
from sim.fitting.noise_fit import fit_noise
from sim.phases.phases import find_phases
from sim.report import write_report
from theory import optimal_interactions, orders, reconstruct

MEASUREMENTS = pathlib.Path(__file__).parents[1] / "notebooks" / "measurements"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"></svg>'


class _Page(html.parser.HTMLParser):
    """Checks that tags are balanced, and gathers text, attributes and tables."""

    EMPTY = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []
        self.rows, self.shaded = [], []  # of tables; which of them are shaded
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.shaded.append(("class", "boundary") in attributes)
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if "tr" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(10, 16)) * (rng.uniform(size=(10, 16)) < 0.6)
    start = rng.normal(size=(10, 16)) * 2.0 ** np.asarray(orders(4))
    sigma2 = [0.3, 0.1, 0.02, 4e-3, 1e-3, 1e-4, 0.0]
    learned = np.array([start, 0.3 * start + 0.7 * true, *optimal_interactions(true, sigma2)])
    i_or = np.zeros_like(learned)
    outputs = np.asarray(reconstruct(learned, i_or))
    epochs = [0, 1, 2, 4, 8, 16, 32, 64, 128]
    return fit_noise(learned, i_or, outputs, epochs, through="direct", resamples=50)


@pytest.fixture(scope="module")
def document(fit):
    curves = {"train_loss": np.geomspace(2, 0.01, 9), "test_loss": np.geomspace(2, 0.3, 9)}
    measurement = {"data": "digits <&> more", "epochs": fit.epochs.tolist()}
    settings = {
        "seed": 3,
        "samples": 10,
        "players": 4,
        "versions": {"numpy": np.__version__},
        "measurement": measurement,
    }
    content = {
        "checkpoints": fit.records(),
        "curves": {name: curve.tolist() for name, curve in curves.items()},
        "settings": settings,
    }
    return content | findings(fit, find_phases(fit.epochs, fit.strength, **curves))


def _written(tmp_path, document, **options):
    path = tmp_path / "report.html"
    write_report(path, document, **options)
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_loads_nothing(tmp_path, document):
    (tmp_path / "noise_level.svg").write_bytes(SVG)
    text = _written(
        tmp_path, document, figures={"dynamics": PNG, "noise_level": tmp_path / "noise_level.svg"}
    )
    page = _Page(text)
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.links)
    assert not re.search(r"url\(|@import|https?://", text)
    images = [link.split(",", 1) for link in page.links if link.startswith("data:image")]
    assert [head for head, _ in images] == [
        "data:image/png;base64",
        "data:image/svg+xml;base64",
    ]
    assert [base64.b64decode(data) for _, data in images] == [PNG, SVG]


def test_the_numbers_of_the_fit_are_on_the_page(tmp_path, document):
    page = _Page(_written(tmp_path, document))
    by_epoch = {row[0]: row for row in page.rows if len(row) == 9}
    fitted = as_document(document).checkpoints
    words = {SAME: "not told apart", DEPENDS: "depends"}
    for record, one in zip(document["checkpoints"][:-1], fitted, strict=False):
        row, other = by_epoch[f"{record['epoch']:g}"], record["other"]
        low, high = record["sigma2_interval"]
        beside = "a bound only" if record["bound"] else f"{low:.1e} to {high:.1e}"
        assert row[1] == f"{record['mean_order']:.2f}({other['mean_order']:.2f})"
        assert row[2] == f"{noise_text(one)}{beside}({noise_text(one.other)})"
        assert row[3] == f"{record['total_variation']:.3f}({other['total_variation']:.3f})"
        tilt = record["nulls"]["shares_tilt"]
        verdict = tilt["verdict"] or ""
        assert row[5] == f"{tilt['total_variation']:.3f}{words.get(verdict, verdict)}"
    for record in document["checkpoints"]:
        for name in ("measured", "predicted"):
            shares = [f"{share:.3f}" for share in record[name]]
            assert [f"{record['epoch']:g}", name, *shares] in page.rows
    assert {record["bound"] for record in document["checkpoints"]} == {None, "zero"}
    shaded = [row[0] for row, shaded in zip(page.rows, page.shaded, strict=True) if shaded]
    assert shaded == [f"{document['phases']['boundary']:g}"]
    words = "".join(page.text)
    assert document["phases"]["verdict"] in words
    for name, entry in document["overall"].items():
        row = next(row for row in page.rows if len(row) == 5 and row[0] == label(name))
        assert row[1] == str(document["parameters"][name])
        away = [r.nulls[name].total_variation for r in second_phase(document)]
        assert row[2] == f"{np.mean(away):.3f}"
        assert row[3] == f"{entry['low']:+.3f} to {entry['high']:+.3f}"
        assert row[4] == entry["verdict"]
    assert ["numpy", np.__version__] in page.rows
    assert ["seed", "3"] in page.rows
    assert ["measurement.data", "digits <&> more"] in page.rows  # escaped and read back


def test_start_and_target_are_judged_by_nothing(tmp_path, document):
    content = json.loads(json.dumps(document)) | {"fit": {"through": "extraction", "start": True}}
    content["checkpoints"][0]["tested"] = False
    rows = {row[0]: row for row in _Page(_written(tmp_path, content)).rows if len(row) in (3, 9)}
    for record, role in (
        (content["checkpoints"][0], "start"),
        (content["checkpoints"][-1], "target"),
    ):
        orders = f"{record['mean_order']:.2f}({record['other']['mean_order']:.2f})"
        assert rows[f"{record['epoch']:g}"] == [f"{record['epoch']:g}", orders, role]


def test_the_page_opens_with_what_was_measured(tmp_path, document):
    content = json.loads(json.dumps(document))
    content["settings"] |= {"samples": 72, "runs": 3, "players": 4}
    content["settings"]["measurement"] |= {"experiment": "digits-mlp", "network": "MLP 64-9"}
    content["curves"] |= {"train_accuracy": [0.5] * 8 + [1.0], "test_accuracy": [0.5] * 8 + [0.934]}
    page = _Page(_written(tmp_path, content))
    assert "Interactions and their dynamics: digits-mlp" in page.text
    assert page.rows[:6] == [
        ["network", "MLP 64-9"],
        ["data", "digits <&> more"],
        ["inputs", "24 inputs in each of 3 training runs"],
        ["players", "4, so 16 masked versions of each input"],
        ["checkpoints", "9, from epoch 0 to 128"],
        ["accuracy", "100.0 % in training, 93.4 % in test at the last checkpoint"],
    ]
    bare = {"checkpoints": content["checkpoints"], "phases": {"boundary": None}}
    page = _Page(_written(tmp_path, bare | {"curves": {}, "settings": {}}, title="Mine"))
    assert "Mine" in page.text
    assert page.rows[0] == ["checkpoints", "9, from epoch 0 to 128"]


def test_every_word_is_told_in_three_sentences_at_most(tmp_path, document):
    page = _written(tmp_path, document | {"fit": document["fit"] | {"salience": 0.125}})
    glossary = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert set(glossary) >= {"player", "order", "AND", "OR", "strength", "salient", "σ²"}
    for text in glossary.values():
        assert 1 <= len(re.findall(r"\.(?: |$)", text)) <= 3
    assert "0.125 of the mean effect" in glossary["salient"]


def test_inputs_are_shown_by_name_where_they_have_one(tmp_path, document):
    first = {"output": 3.2, "name": "a <good> film", "label": 1, "players": ["very", "good"]}
    other = {"output": -1.0, "name": None, "label": "poor", "players": ["so", "dull"]}
    page = _Page(_written(tmp_path, document | {"examples": [first, other]}))
    assert ["a <good> film", "1", "+3.20", "very · good"] in page.rows
    assert ["1", "poor", "-1.00", "so · dull"] in page.rows
    shared = document | {"examples": [first, other | {"players": ["very", "good"]}]}
    page = _Page(_written(tmp_path, shared))
    assert ["a <good> film", "1", "+3.20"] in page.rows
    assert "Players of each: very · good." in "".join(page.text)
    unknown = {"output": 3.2, "name": None, "label": None, "players": None}
    assert "Some of the inputs" not in _written(tmp_path, document | {"examples": [unknown]})


def test_examples_are_the_first_inputs_by_what_is_known_of_them():
    outputs = np.random.default_rng(0).normal(size=(2, 6, 8))
    names = {"player_names": ["a", "b", "c"], "sample_names": ["one", "two"], "labels": [4, 5] * 3}
    for known in (names, {}):
        found = examples(Measurement(outputs, [0, 1], runs=3, **known))
        assert [one["output"] for one in found] == outputs[-1, :2, -1].tolist()
        shown = {"name": ["one", "two"], "label": [4, 5], "players": [["a", "b", "c"]] * 2}
        for key, values in shown.items():
            assert [one[key] for one in found] == (values if known else [None] * 2)
    classes = {"metadata": {"classes": ["poor", "fair", "good"]}, "labels": [2, 7] * 3}
    found = examples(Measurement(outputs, [0, 1], runs=3, **classes))
    assert [one["label"] for one in found] == ["good", 7]
    assert len(examples(Measurement(outputs, [0, 1]))) == 6


def _summed_up(document, verdicts, **changes):
    content = json.loads(json.dumps(document)) | changes
    standing = {"low": -1.0, "high": 1.0}
    names = list(content["checkpoints"][0]["nulls"])[: len(verdicts)]
    content["overall"] = {
        name: standing | {"verdict": verdict} for name, verdict in zip(names, verdicts, strict=True)
    }
    return summary(content)


def test_one_verdict_sums_up(document):
    said = _summed_up(document, [BETTER, SAME, DEPENDS, WORSE])
    boundary = document["phases"]["boundary"]
    assert f"its mean order falls until epoch {boundary:g} (95 % interval" in said[0]
    away = np.mean([r.total_variation for r in second_phase(document)])
    assert f"to a total variation of {away:.2f} on average" in said[1]
    counted = (
        "nearer than 1 of 4, farther off than 1 of 4, not told apart from 1 of 4 and undecided"
    )
    assert counted in said[1]
    assert "do not single out the theory" in said[1]
    every = _summed_up(document, [f"{BETTER}{ONE_END}"] * 4)[1]
    assert "nearer than 4 of 4. So the theory fits better than every rival tried." in every
    assert every.endswith("were not fitted.")
    rises = {
        "phases": {"boundary": None, "pattern": "rises", "overfits": True, "least_test_loss": 4}
    }
    said = _summed_up(document, [SAME], **rises)
    assert said[0].startswith("The mean order rises throughout")
    assert said[-1] == "The test loss is least at epoch 4; over-fitting follows."
    other = rises["phases"] | {"pattern": "undetermined"}
    assert (
        "say otherwise (undetermined)"
        in _summed_up(document, [SAME], **rises, other_phases=other)[0]
    )


def test_the_document_is_plain_json(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_whatever_a_fit_writes_the_schema_knows(document):
    """By name: the fit and the phases write their own entries, and all others read the schema."""

    def known(kind):
        return {field.name for field in msgspec.structs.fields(kind)}

    of_measurement = {"retention", "examples", "dummies", "explained", "samples"}
    assert set(document) == known(schema.Document) - of_measurement
    assert set(document["phases"]) == known(schema.FoundPhases)
    for record in document["checkpoints"]:
        # The gap is the extraction's, and several runs are not here.
        absent = {"gap"} | {k for k in known(schema.Checkpoint) if k.startswith("run_")}
        assert set(record) == known(schema.Checkpoint) - absent
        for null in record["nulls"].values():
            assert set(null) == known(schema.Null)
    for standing in document["overall"].values():
        assert set(standing) == known(schema.Standing)


def test_verdicts_are_said_once_with_the_models_that_they_are_about(document):
    content = json.loads(json.dumps(document)) | {"fit": {"through": "extraction", "start": True}}
    names = list(content["checkpoints"][0]["nulls"])
    verdicts = ["better", "better", "depends on the split of orders 1 and 2", "worse"]
    standing = content["overall"][names[0]]
    content["overall"] = {
        name: standing | {"verdict": verdict} for name, verdict in zip(names, verdicts, strict=True)
    }
    for record in content["checkpoints"]:
        for at, name in enumerate(names):
            record["nulls"][name]["total_variation"] = 0.1 * (at + 1)
    first, second, third, last = map(label, names)
    assert (
        f"the theory is nearer than {first} (0.100) and {second} (0.200); farther off than {last} "
        f"(0.400); nearer or not, depending on the split of the orders 1 and 2, than {third} "
        f"(0.300)."
    ) in conclusion(content)
    content["overall"][names[0]] = standing | {"verdict": f"better{ONE_END}"}
    assert f"; at one end only, nearer than {first} (0.100)." in conclusion(content)


def test_equal_content_gives_equal_bytes(tmp_path, document):
    again = json.loads(json.dumps(document))
    assert _written(tmp_path, document) == _written(tmp_path, again)


def test_a_bare_fit_without_intervals_or_phases_is_enough(tmp_path, document):
    bare = {
        "checkpoints": [
            {
                k: v
                for k, v in r.items()
                if k in ("epoch", "sigma2", "measured", "predicted", "total_variation")
            }
            | {"nulls": {"tilt": {"total_variation": 0.2}}}
            for r in document["checkpoints"]
        ],
        "phases": {"boundary": None},
        "curves": {},
        "settings": {},
    }
    assert "Phases were not looked for" in _written(tmp_path, bare)


def _checked_overall(overall, fit, chosen):
    for name, entry in overall.items():
        draws = fit.comparison.differences[name].draws[:, chosen].mean(axis=1)
        observed = fit.comparison.differences[name].observed[chosen].mean()
        units = fit.strength.shape[1]
        reach = scipy.stats.t.ppf(0.975, units - 1) * draws.std(ddof=1)
        reach = reach * np.sqrt(units / (units - 1))
        low, high = observed - reach, observed + reach
        np.testing.assert_allclose([entry["low"], entry["high"]], [low, high], rtol=1e-9)
        # Corrected for their number, so a verdict needs more than an interval that leaves 0 out.
        verdict = fit.comparison.overall(chosen)[name]["verdict"]
        assert verdict in ("not distinguishable", "better" if high < 0 else "worse")
        assert entry["verdict"] in (verdict, DEPENDS)
        far = draws.std(ddof=1) * 5 < abs(observed)
        assert not far or verdict != "not distinguishable"


def test_with_one_end_alone_the_page_claims_no_agreement(tmp_path, fit, document):
    assert "only where the fits at both ends" in _written(tmp_path, document)
    alone = dataclasses.replace(fit, other=None)
    content = document | {"checkpoints": alone.records(), "overall": alone.overall()}
    text = _written(tmp_path, content)
    assert "They are at one end only" in text
    for claim in ("both ends", "In brackets", "other end of the preference among"):
        assert claim not in text
    verdicts = {row[4] for row in _Page(text).rows if len(row) == 5 and row[0] != "null model"}
    assert verdicts <= {f"{one} (at one end only)" for one in (BETTER, WORSE, SAME)}
    assert verdicts


def test_phases_at_the_other_end_are_held_and_checked(fit, document):
    assert document["other_phases"] is None
    phases, beside = (find_phases(end.epochs, end.strength) for end in (fit, fit.other))
    content = document | findings(fit, phases, beside)
    assert content["other_phases"] == beside.record()
    assert content["phases"] == phases.record()
    check_document(content, "fit.json")
    assert as_document(content).other_phases.boundary == beside.boundary
    content["other_phases"] = beside.record() | {"mean_order": [1.0]}
    with pytest.raises(ValueError, match="other_phases: `mean_order` must be null or 9 finite"):
        check_document(content, "fit.json")
    content["other_phases"] = beside.record() | {"boundary": 4.0, "low": None}
    with pytest.raises(ValueError, match="other_phases: `low` must be a finite number"):
        check_document(content, "fit.json")


def test_what_is_said_of_the_other_end_fits_the_checkpoint(document):
    content = copy.deepcopy(document)
    content["checkpoints"][3]["other"]["measured"] = [1.0]
    with pytest.raises(ValueError, match="checkpoint 3: other: `measured` must be 4 numbers"):
        check_document(content, "fit.json")
    content = copy.deepcopy(document)
    content["checkpoints"][3]["other"]["nulls"]["shares_tilt"] = {"verdict": "better"}
    with pytest.raises(ValueError, match="other: nulls: shares_tilt lacks total_variation"):
        check_document(content, "fit.json")


@pytest.mark.parametrize("network", ["digits-mlp", "digits-transformer"])
def test_fits_of_an_earlier_version_are_read(tmp_path, network):
    """They hold neither null models nor phases of the other end."""
    path = MEASUREMENTS / f"{network}.fit.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("other_phases", None)
    for record in content["checkpoints"]:
        record.pop("total_variation_interval", None)
        record["other"].pop("nulls", None)
    assert "In brackets: the other end" in _written(tmp_path, content)


def test_overall_verdicts_are_those_of_the_second_phase(fit, document):
    boundary = document["phases"]["boundary"]
    chosen = [c for c in range(8) if fit.epochs[c] >= boundary]  # the ninth is the target
    assert 1 < len(chosen) < 8
    assert [r.epoch for r in second_phase(document)] == fit.epochs[chosen].tolist()
    _checked_overall(document["overall"], fit, chosen)
    rising = find_phases(fit.epochs[:8], np.sort(fit.strength[:8], axis=0))
    assert rising.boundary is None
    _checked_overall(findings(fit, rising)["overall"], fit, range(8))


def test_what_is_no_figure_is_refused_and_nothing_is_written(tmp_path, document):
    with pytest.raises(ValueError, match="Figure 'dynamics' must be PNG or SVG"):
        write_report(tmp_path / "report.html", document, {"dynamics": b"GIF89a"})
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        write_report(tmp_path / "report.html", document, {"dynamics": tmp_path / "none.png"})
    assert not list(tmp_path.iterdir())


def test_nothing_of_the_document_is_taken_for_markup(tmp_path, document):
    mark = "<i>&'\""
    content = json.loads(json.dumps(document))
    content["settings"] |= {mark: mark, "versions": {mark: mark}}
    content["phases"]["verdict"] = mark
    content["parameters"] = {mark: 1}
    content["overall"] = {mark: content["overall"]["shares_tilt"] | {"verdict": mark}}
    for record in content["checkpoints"]:
        record["nulls"] = {mark: record["nulls"]["shares_tilt"] | {"verdict": mark}}
    page = _Page(_written(tmp_path, content, figures={mark: PNG}, title=mark))
    assert "i" not in page.tags
    assert [mark, mark] in page.rows
    assert page.text.count(mark) > 2 * len(document["checkpoints"])


FAULTS = [
    (("settings", "measurement"), 5, "settings: `measurement` must be null or a mapping"),
    (("settings", "versions"), {"jax": 1}, "settings: `versions` must be a mapping of packages"),
    (("settings", "samples"), "many", "settings: `samples` must be null or a positive whole"),
    (("settings", "noise"), {"growth": float("nan")}, "`settings.noise.growth` must be of finite"),
    (("settings", "seed"), [10**5000], "`settings.seed` must be of finite numbers"),
    (("parameters",), {"tilt": "<b>"}, "`parameters` must be a mapping of names to whole numbers"),
    (("fit", "level"), 95, "fit: `level` must be between 0 and 1, but is 95"),
    (("overall", "shares_tilt", "verdict"), None, "overall: shares_tilt: `verdict` must be a text"),
    (("overall", "own"), {"low": 0, "high": 1, "verdict": ""}, "`overall` must be of the models"),
    (("phases", "verdict"), 1, "phases: `verdict` must be null or a text, but is 1"),
    (("phases", "spread"), [[1]] * 9, "phases: `spread` must be null or 9 finite numbers"),
    (("checkpoints", 3, "gap"), float("inf"), "checkpoint 3: `gap` must be null or a finite"),
    (
        ("checkpoints", 3, "nulls", "shares_tilt", "verdict"),
        ["worse"],
        "checkpoint 3: nulls: shares_tilt: `verdict` must be null or a text, but is ['worse']",
    ),
]


def _changed(document, path, value):
    content = copy.deepcopy(document)
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return content


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_a_fault_deep_in_a_fit_is_named(document, path, value, message):
    with pytest.raises(ValueError, match=r"^a/fit\.json: ") as caught:
        check_document(_changed(document, path, value), "a/fit.json")
    assert message in str(caught.value)


def test_numbers_of_numpy_are_numbers(tmp_path, document):
    content = _changed(document, ("checkpoints", 0, "epoch"), 0.0)
    content["checkpoints"][0]["epoch"] = np.float32(0)
    content["settings"]["samples"] = np.int64(10)
    assert _written(tmp_path, content) == _written(tmp_path, document)


def _entries(content, above=()):
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _entries(value, (*above, key))


def _refusal(content):
    try:
        check_document(content, "fit.json")
    except ValueError as error:
        return str(error)
    return None


JUNK = st.sampled_from([None, True, "", "x", -1, 0, 1e400, 10**400, [], [1, "a"], {}, {"a": {}}])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_not_refused_can_be_written(tmp_path_factory, document, data):
    path = data.draw(st.sampled_from(sorted(_entries(document), key=str)))
    content = _changed(document, path, data.draw(JUNK))
    refusal = _refusal(content)
    if refusal is None:
        assert _Page(_written(tmp_path_factory.mktemp("page"), content)).rows
    else:
        assert refusal.startswith("fit.json: ")
        assert "\n" not in refusal


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PROBE = """<script>addEventListener("load", () => document.body.dataset.seen = JSON.stringify({
  images: [...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth]),
  wide: document.documentElement.scrollWidth - window.innerWidth,
  high: document.documentElement.scrollHeight,
  loaded: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).length,
}))</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs the browser chromium")
@pytest.mark.parametrize("width", [1000, 500])
def test_a_browser_shows_all_of_it_without_a_complaint(tmp_path, document, width):
    committed = (
        pathlib.Path(__file__).parents[1] / "notebooks" / "measurements" / "digits-mlp.fit.json"
    )
    whole = json.loads(committed.read_text("utf-8"))  # with the inputs that are explained
    figures = {name: figure_bytes(draw(whole)) for name, draw in FIGURES.items()}
    text = _written(tmp_path, document, figures=figures)
    (tmp_path / "probed.html").write_text(text.replace("</body>", f"{PROBE}</body>"), "utf-8")
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},800",
            "--virtual-time-budget=20000",
            "--dump-dom",
            (tmp_path / "probed.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr
    seen = json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', done.stdout)[1]))
    assert len(seen["images"]) == len(FIGURES)
    for complete, natural, shown in seen["images"]:
        assert complete
        assert natural > 300
        assert 300 < shown < max(width, natural + 1)  # a narrow page moves wide figures sideways
    assert seen["wide"] <= 0
    assert seen["high"] > 1500
    assert seen["loaded"] == 0
    assert len(text) < 2_000_000
