"""A report of any metric and kind of domain holds its own words: no other metric's, no vendor where there is none."""

import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

import synthetic_run
from analysis.analyse import analyse
from analysis.results import terminal
from analysis.results.methods import methods
from analysis.statistics import measures
from analysis.statistics.bootstrap import interval, t_p_value
from analysis.statistics.measures import MEASURES
from analysis.statistics.scale import from_scale, slope, to_scale
from tune_ks.core import metrics
from tune_ks.core.metrics import METRICS, Metric
from tune_ks.core.record import ONE_FIXED_MASK
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.terminal import SafeConsole
from whole_run import occluded_arrays, pointed_arrays

OPEN = "map_score"  # a made-up metric of maps: no classes, and no least value
DOMAINS = ("Alpha", "Beta Hospital", "Gamma")
# what only some reports may say -> whether this one may
FOREIGN = {
    **{
        rf"\b{METRICS[name].title}s?\b": (lambda measure, name=name: measure.title == METRICS[name].title)
        for name in METRICS
    },
    r"(?i)tumour": lambda measure: measure.finding == "tumour",
    r"[Vv]endor": lambda measure: False,
    r"DeLong|Brier": lambda measure: measure.of_classes,
    r"of a class": lambda measure: bool(measure.finding),
    r"logit": lambda measure: math.isfinite(measure.floor),
}


def mean_of_maps(label, score):
    return metrics.mean_dice(label, score)


@pytest.fixture
def with_open_metric(monkeypatch):
    monkeypatch.setitem(METRICS, OPEN, Metric("map score", mean_of_maps, metrics.within_patient_dice, classes=(1,)))
    dice = MEASURES["dice"]
    measure = dice._replace(
        title="map score",
        plural="map scores",
        floor=-math.inf,
        finding="",
        resampled=measures.unbounded_mean,
        rests_on="is a mean over images",
    )
    monkeypatch.setitem(MEASURES, OPEN, measure)
    monkeypatch.setitem(synthetic_run.TASKS, OPEN, "segmentation")
    monkeypatch.setitem(synthetic_run.ANSWERS, OPEN, ONE_FIXED_MASK)


def texts_of(page):
    """What a reader or a screen reader meets: texts, and the figures and tables that scripts draw."""
    page = re.sub(
        r"(?s)<style.*?</style>|<script(?! type=\"application/json\").*?</script>|data:image/[^\"]*", "", page
    )
    return re.sub(r' (?:data-[\w-]+|class|id|href|name|for)="[^"]*"', "", page)


def write_explained(root, metric):
    """Scores without each line, and where a classifier looks, of a trial and of images named as a domain is."""
    if metric != "auc":
        return
    keys = RunFolder(root).keys()
    folder = root / "explained"
    folder.mkdir()
    for name, arrays in (("images", occluded_arrays(keys, 16)), ("images_pointing", pointed_arrays(keys, 16))):
        arrays["vendor"] = np.resize(np.array(DOMAINS[:2]), 16)
        arrays["patient"] = np.arange(16) // 2
        np.savez_compressed(folder / f"{name}.npz", **arrays)


@pytest.mark.parametrize("metric", [*METRICS, OPEN])
def test_a_report_says_the_words_of_its_metric_and_of_its_domains_alone(tmp_path, with_open_metric, metric):
    def truth(rate, in_domain, mask):
        return (0.8 if in_domain else 0.7) - (1.5 if metric == OPEN and rate < 0.3 else 0.0)

    sizes = {"rates": (0.125, 0.5, 1.0), "seeds": (0, 1), "masks": ("gumbel", "lowpass")}
    synthetic_run.write_run(
        tmp_path,
        DOMAINS,
        patients=32,
        images=2,
        metric=metric,
        domain="centre",
        true_auc=truth,
        source=DOMAINS[:1],
        coils=4,
        **sizes,
    )
    write_explained(tmp_path, metric)
    analysis = analyse(tmp_path)
    measure = analysis.measure
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    terminal.print_summary(analysis, console)
    terminal.print_analysis(analysis, console)
    chosen = json.loads(analysis.selection_json.read_text())
    said = [
        chosen["warnings"],
        [choice["whose_labels"] for choice in chosen["choices"]],
        chosen["versus_lowpass"]["sentences"],
    ]
    sources = {
        "report": texts_of(analysis.report.read_text()),
        "terminal": shown.getvalue(),
        "selection.json": json.dumps(said),
        "methods": methods(analysis)["methods.md"],
    }
    for place, text in sources.items():
        for word, may_say in FOREIGN.items():
            found = re.search(word, text)
            if not may_say(measure):
                assert found is None, f"{place}: {text[max(0, found.start() - 200) : found.end() + 100]}"
    assert chosen["domain"] == "centre"
    assert "Domains are the centres that the cohort&#39;s sheet names." in sources["report"]
    assert "source domain" in sources["report"]
    assert measure.title in sources["report"]
    assert "no magnitudes but raw k-space" in sources["methods"]
    assert ("findings are found" in sources["report"]) == measure.of_classes
    assert measure.finding in ("finding", "")


def test_a_score_without_a_floor_has_intervals_below_0_and_no_limit_of_its_differences():
    label = np.ones(40)
    patient = np.arange(40) // 2
    weights = np.random.default_rng(0).multinomial(20, np.full(20, 1 / 20), 2000).astype(float)
    score = 1 - np.exp(np.random.default_rng(1).normal(0.4, 0.3, 40))
    value, far = (
        measures.unbounded_mean(label, values, patient, np.arange(20), weights) for values in (score, 9 * score - 8)
    )
    low, high = interval(value)
    assert low < value.point < high < 0
    half = stdtrit(19, 0.95) * value.error / (1 - value.point)  # by hand: Student's t on -log(1 - value)
    ends = [1 - (1 - value.point) * math.exp(way) for way in (half, -half)]
    assert (low, high) == pytest.approx(ends)
    difference = far - value
    assert (difference.floor, difference.ceiling) == (-math.inf, math.inf)
    half = stdtrit(19, 0.95) * difference.error
    assert interval(difference) == pytest.approx((difference.point - half, difference.point + half))
    assert interval(difference).high < -1
    near = replace(difference, point=-2 * difference.error)
    p_value = t_p_value(near.point, near.error, 19, -math.inf)
    assert p_value == pytest.approx(2 * stdtr(19, -2))
    assert interval(near, level=1 - p_value).high == pytest.approx(0, abs=1e-6)
    perfect = measures.unbounded_mean(label, np.ones(40), patient, np.arange(20), weights)
    assert np.isnan(interval(perfect)).all()


@pytest.mark.parametrize(("floor", "ceiling"), [(0.0, 1.0), (-1.0, 1.0), (-math.inf, 1.0), (-math.inf, math.inf)])
def test_the_scale_comes_back_and_its_slope_is_its_derivative(floor, ceiling):
    for value in (-0.7, 0.2, 0.9):
        if value > floor:
            place = to_scale(value, floor, ceiling)
            assert from_scale(place, floor, ceiling) == pytest.approx(value)
            moved = from_scale(place + np.array([-1e-5, 1e-5]), floor, ceiling)
            assert slope(value, floor, ceiling) == pytest.approx((moved[1] - moved[0]) / 2e-5, rel=1e-6)
    assert np.isfinite(to_scale([-5.0, 0.0, 1.0], floor, ceiling)).all()
