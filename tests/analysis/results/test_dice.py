"""A run of Dice through the whole analysis: its numbers against plain loops, its words, and what only an AUC has."""

import io
import json
import math
import re
import shutil
import time

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from analysis import RULES, RunError, analyse, print_analysis
from analysis.__main__ import main
from analysis.analyse import watch
from analysis.read.load import load
from analysis.report import page
from analysis.report.export import figures
from analysis.report.sections import external, intervals_of_values, trivial
from analysis.statistics.bootstrap import interval, patient_weights
from analysis.statistics.hanley_mcneil import counts_of
from analysis.statistics.measures import MEASURES
from analysis.statistics.pareto import TWO
from synthetic_run import TRIVIAL, write_run
from tune_ks.core.metrics import METRICS

SMALL = {"rates": (0.25, 1.0), "seeds": (0,), "masks": ("gumbel",), "patients": 12, "metric": "dice"}
SMALL |= {"source": ("GE",)}
DRAWN = 40  # draws that the loops repeat


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("dice") / "run"
    write_run(root, rates=(0.0625, 0.25, 1.0), seeds=(0, 1, 2), patients=32, source=("GE",), metric="dice")
    return analyse(root, epsilon=0.06, cross_fit=1)


def test_every_metric_has_a_measure():
    assert set(MEASURES) == set(METRICS)
    assert all(MEASURES[name].title == METRICS[name].title for name in METRICS)


@pytest.mark.parametrize("name", MEASURES)
def test_a_draw_of_a_measure_is_the_metric_of_the_images_drawn(name):
    rng = np.random.default_rng(0)
    label, patient = rng.integers(0, 2, 60), rng.integers(0, 9, 60)
    score = rng.uniform(size=60)
    if name == "dice":
        score[(label == 0) | (patient == 4)] = np.nan
    weights = patient_weights(9, 30, "test")
    names = np.array([f"p{i}" for i in range(9)])
    order = rng.permutation(9)
    resampled = MEASURES[name].resampled(label, score, names[patient], names[order], weights[:, order])
    assert resampled.point == pytest.approx(METRICS[name].overall(label, score))
    for draw, value in zip(weights, resampled.draws):
        rows = [row for row in range(60) for _ in range(int(draw[patient[row]]))]
        assert value == pytest.approx(METRICS[name].overall(label[rows], score[rows]))


@pytest.mark.parametrize("patients", [8, 15])
def test_ninety_per_cent_intervals_of_dice_cover(patients):
    """300 cohorts of three or four images a patient, whose level differs between patients."""
    level = stats.beta(6, 2).ppf((np.arange(4000) + 0.5) / 4000)[:, None]  # mean 3 / 4
    truth = np.clip(level + np.linspace(-0.2, 0.2, 401), 0, 1).mean()
    hits, weights = 0, patient_weights(patients, 200, "law")
    patient = np.arange(7 * patients // 2) % patients
    for number in range(300):
        rng = np.random.default_rng([patients, number])
        level = rng.beta(6, 2, patients)[patient]
        score = np.clip(level + rng.uniform(-0.2, 0.2, len(patient)), 0, 1)
        ends = interval(MEASURES["dice"].resampled(score * 0, score, patient, np.arange(patients), weights))
        hits += ends.low <= truth <= ends.high
    assert 0.85 <= hits / 300 <= 0.96


def scores_of(folder, key):
    with np.load(folder / "trials" / key / "scores.npz") as file:
        return {int(r): float(s) for r, s, split in zip(file["row"], file["score"], file["split"]) if split == 1}


def slow_dice(score, images, drawn):
    """The mean by plain loops: ``drawn`` says how often each patient counts; NaN where an image has no tumour."""
    total = count = 0
    for row, patient in images:
        if not math.isnan(score[row]):
            total += drawn[patient] * score[row]
            count += drawn[patient]
    return total / count


def slow_variance(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def slow_trainings(seeds):
    """Variance of the mean over seeds that patients do not explain, and its freedom, by plain loops."""
    count = len(seeds)
    chance = 0
    for number in range(count):
        apart = [of_draw[number] - sum(of_draw) / count for of_draw in zip(*(seed.draws.tolist() for seed in seeds))]
        chance += slow_variance(apart) / (count - 1)
    scatter = slow_variance([seed.point for seed in seeds]) * count / (count - 1)
    return max(scatter - chance, 0) / count, count - 1


def slow_interval(point, draws, patients, floor, *trainings):
    """Standard errors of patients and trainings, Student's t on the logit of the share of the range."""
    parts = [(slow_variance(draws) * patients / (patients - 1), patients - 1), *trainings]
    whole = sum(variance for variance, _ in parts)
    error = math.sqrt(whole)
    freedom = whole**2 / sum(variance**2 / of_part for variance, of_part in parts)
    share = (point - floor) / (1 - floor)
    slope = (1 - floor) * share * (1 - share)
    reach = stats.t(freedom).ppf(0.95) * error / slope
    there = [math.log(share / (1 - share)) + sign * reach for sign in (-1, 1)]
    return [floor + (1 - floor) / (1 + math.exp(-end)) for end in there]


def test_points_intervals_and_differences_are_those_of_plain_loops(analysis):
    run, table = analysis.run, analysis.configurations.set_index("configuration")
    (full,) = table.index[table["full"] & (table["vendor"] == "GE")]
    (name,) = table.index[(table["vendor"] == "GE") & (table["family"] == "gumbel") & (table["sampling_rate"] == 0.25)]
    row = table.loc[name]
    score = {key: scores_of(run.root, key) for which in (name, full) for key in table.loc[which, "keys"]}
    for domain, vendor in zip(TWO, ("GE", "SIEMENS")):
        here = run.cohort[(run.cohort["split"] == "test") & (run.cohort["vendor"] == vendor)]
        images = list(zip(here["row"], here["patient_id"]))
        patients = sorted(set(here["patient_id"]))
        drawn_weights = (np.ones(len(patients)), *patient_weights(len(patients), 1000, vendor)[:DRAWN])
        weights = [dict(zip(patients, w)) for w in drawn_weights]
        mine, theirs = (
            [np.mean([slow_dice(score[key], images, w) for key in table.loc[which, "keys"]]) for w in weights]
            for which in (name, full)
        )
        seen = {patient for at, patient in images if not math.isnan(score[row["keys"][0]][at])}
        assert 2 < len(seen) < len(patients)
        assert row[f"test_{domain}"] == pytest.approx(mine[0])
        role = ("test", vendor)
        seeds = [analysis.draws[key][role] for key in row["keys"]]
        assert np.mean([resampled.draws[:DRAWN] for resampled in seeds], axis=0) == pytest.approx(mine[1:])
        assert {resampled.patients for resampled in seeds} == {len(seen)}
        drawn = np.mean([resampled.draws for resampled in seeds], axis=0)
        trainings = slow_trainings(seeds)
        of_full = [analysis.draws[key][role] for key in table.loc[full, "keys"]]
        ends = slow_interval(mine[0], drawn.tolist(), len(seen), 0.0, trainings)
        assert [row[f"test_{domain}_low"], row[f"test_{domain}_high"]] == pytest.approx(ends)
        apart = drawn - np.mean([resampled.draws for resampled in of_full], axis=0)
        assert apart[:DRAWN] == pytest.approx(np.subtract(mine, theirs)[1:])
        assert row[f"difference_{domain}"] == pytest.approx(mine[0] - theirs[0])
        ends = slow_interval(mine[0] - theirs[0], apart.tolist(), len(seen), -1.0, trainings, slow_trainings(of_full))
        assert [row[f"difference_{domain}_low"], row[f"difference_{domain}_high"]] == pytest.approx(ends)
        ends = slow_interval(mine[0] - TRIVIAL, (drawn - TRIVIAL).tolist(), len(seen), -1.0, trainings)
        assert row[f"above_baseline_{domain}_low"] == pytest.approx(ends[0])


def test_the_hypervolume_counts_from_zero(analysis):
    for vendor, computed in analysis.vendors.items():
        front = computed.fronts["two_objectives"]
        points = sorted(front.points[list(TWO)].itertuples(index=False), reverse=True)
        area, height = 0.0, 0.0
        for x, y in points:  # from the best in-domain on, each adds what lies above the last
            area, height = area + x * max(y - height, 0), max(y, height)
        assert front.hypervolume == pytest.approx(area), vendor


def words_of(html):
    """All that can be read on a page, what figures say included: neither style nor the scripts themselves."""
    return re.sub(r"<script>.*?</script>|<style>.*?</style>", " ", html, flags=re.DOTALL)


def test_nothing_of_a_dice_run_says_auc(analysis):
    html = words_of(analysis.report.read_text())
    console = Console(record=True, width=200, file=io.StringIO())
    print_analysis(analysis, console)
    printed = console.export_text()
    drawn = json.dumps([figure.to_plotly_json() for figure in figures(analysis).values()], default=str)
    for text in (html, printed, analysis.selection_json.read_text(), drawn):
        assert len(text) > 2000
        assert not re.search(r"\b(AUCs?|ROC|DeLong)\b|\"auc", text), re.search(
            r".{60}\b(AUCs?|ROC|DeLong)\b.{60}", text
        )
        assert not re.search(r"\bmetrics?\b", text.replace('"metric": "dice"', ""))
    assert "in-domain Dice is within epsilon of the best" in html
    assert "both Dice values" in html
    assert "scores Dice" in html
    assert "the scale 0 to 1." in html
    assert "in-domain test Dice" in printed
    assert json.loads(analysis.selection_json.read_text())["metric"] == "dice"


def test_sections_of_classes_give_way_to_what_dice_has(analysis):
    html = analysis.report.read_text()
    heads = re.findall(r"<section id=[^>]*>(?:<details class=\"folded\"><summary>)?<h2>(.*?)</h2>", html)
    assert "Dice against the rate" in heads
    assert not {"What a clinician asks", "Without a network"} & set(heads)
    assert heads.count("How the intervals were made") == 1
    cells = re.findall(r"<td[^>]*>(.*?)</td>", re.search(r'<table id="trivial">(.*?)</table>', html, re.DOTALL)[1])
    assert cells == [
        "GE",
        "GE",
        "one fixed mask",
        f"{TRIVIAL:.3f}",
        "GE",
        "SIEMENS",
        "one fixed mask",
        f"{TRIVIAL:.3f}",
    ]
    assert "answer that ignores the image" in html
    assert analysis.clinic.operating.empty


def test_every_rule_chooses_and_cross_fits(analysis):
    chosen = {s.rule: s for s in [analysis.vendors["GE"].selection, *analysis.vendors["GE"].others] if not s.oracle}
    assert set(chosen) == set(RULES)
    assert analysis.vendors["GE"].selection.rate == 0.25
    assert len(analysis.vendors["GE"].fitted["val"].in_domain.draws) == 3  # of the learned mask, and full sampling
    for fitted in (computed.cross_fit for computed in analysis.vendors.values()):
        assert not fitted.refused
        assert fitted.halves == 2
        assert 0.5 < fitted.value["in_domain"] < 1


def test_what_is_no_better_than_the_trivial_answer_is_said(tmp_path):
    folder = write_run(tmp_path, **SMALL, true_auc=lambda rate, inside, mask: TRIVIAL)
    analysis = analyse(tmp_path, report=False)
    (warning,) = [
        text for text in analysis.warnings if text.startswith("GE") and "no evidence that anything was learned" in text
    ]
    assert "is not above the answer that ignores the image (one fixed mask, 0.300) by its interval" in warning
    for key in folder.keys():
        path = folder.trial(key, "record.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"trivial": {}}))
    analysis = analyse(tmp_path, report=False)
    assert not [text for text in analysis.warnings if "learned" in text]
    assert "Not told by these records." in page.render(trivial.parts(analysis))


def test_nothing_found_and_everything_found_have_a_page(tmp_path):
    """Every Dice exactly 0 at the lowest rate, exactly 1 at full sampling."""
    far = {0.25: -4, 0.5: 0.6, 1.0: 5}
    write_run(tmp_path, **SMALL | {"rates": tuple(far), "patients": 24}, true_auc=lambda rate, *_: far[rate])
    analysis = analyse(tmp_path)
    none, some, all_ = (row for _, row in analysis.configurations.sort_values("sampling_rate").iterrows())
    for domain in TWO:
        name, apart = f"test_{domain}", f"difference_{domain}"
        assert (none[name], all_[name], none[apart]) == (0, 1, -1)
        assert none[f"{name}_low"] == 0 < 0.1 < none[f"{name}_high"] < 1  # a few patients are no certainty
        assert all_[f"{name}_high"] == 1 > 0.9 > all_[f"{name}_low"] > 0
        assert none[f"{apart}_low"] == -1 < none[f"{apart}_high"] < 0
        assert -1 < some[f"{apart}_low"] < some[apart] < some[f"{apart}_high"] < 0
    drawn = analysis.vendors["GE"].fitted["val"].in_domain.draws
    assert all(((draws >= 0) & (draws <= 1)).all() for draws in drawn.values())
    assert analysis.vendors["GE"].selection.rate == 1
    assert not re.search(
        r"\b(nan|NaN|inf|Traceback)\b",
        re.sub(r"<script.*?</script>", "", words_of(analysis.report.read_text()), flags=re.DOTALL),
    )


def test_without_scores_there_are_points_and_no_interval(tmp_path):
    folder = write_run(tmp_path, **SMALL)
    for key in folder.keys():
        folder.trial(key, "scores.npz").unlink()
    analysis = analyse(tmp_path, report=False)
    assert analysis.configurations["test_in_domain_low"].isna().all()
    assert analysis.vendors["GE"].selection.rate in (0.25, 1.0)
    assert "No per-image scores lie beside these records" in page.render(intervals_of_values.parts(analysis))


def interrupt(seconds):
    raise KeyboardInterrupt


def test_a_folder_of_two_metrics_asks_which(tmp_path, capsys, monkeypatch):
    write_run(tmp_path, **SMALL)
    write_run(tmp_path / "other", **SMALL | {"metric": "auc"})
    for trial in (tmp_path / "other" / "trials").iterdir():
        shutil.copytree(trial, tmp_path / "trials" / trial.name)
    with pytest.raises(RunError, match=r"2 metrics, auc and dice: say which, as in .* --metric auc"):
        load(tmp_path)
    assert main([str(tmp_path), "--no-report"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    for metric in ("auc", "dice"):
        loaded = load(tmp_path, metric)
        assert {record.metric for record in loaded.records.values()} == {loaded.metric} == {metric}
        assert len(loaded.trials) == 2
        assert loaded.pending == []
        assert f"2 record(s) of another metric than {metric} are left out." in loaded.warnings
    monkeypatch.setattr(time, "sleep", interrupt)
    assert watch(tmp_path, {"metric": "dice"}).run.metric == "dice"
    with pytest.raises(RunError, match="no record of the metric 'f1'; it has: auc, dice"):
        load(tmp_path, "f1")


def test_counts_of_patients_say_nothing_of_dice(tmp_path):
    write_run(tmp_path, **SMALL)
    with pytest.raises(RunError, match=r"--patients gives intervals of an AUC from counts; the metric of .* is Dice"):
        analyse(tmp_path, patients=counts_of("60+/60-"))


def test_another_cohorts_dice_are_shown_under_their_name(tmp_path):
    folder = write_run(tmp_path, **SMALL)
    (tmp_path / "external").mkdir()
    line = f"{folder.keys()[0]},PHILIPS,40,20,0.61\n"
    (tmp_path / "external" / "other.csv").write_text("key,vendor,images,patients,dice\n" + line)
    html = page.render(external.parts(analyse(tmp_path, report=False)))
    assert "Dice on other cohorts" in html
    assert "0.610" in html
