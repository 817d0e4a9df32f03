"""AUC under corruption: known truth in made scores, and the page that shows it."""

import numpy as np
import pandas as pd
import pytest

from analysis.choice.options import Options
from analysis.plots.robustness import plot_robustness
from analysis.read.corrupted import load_corruptions
from analysis.read.load import load
from analysis.report.page import render
from analysis.report.sections import image_quality
from analysis.results.compute import compute
from analysis.results.robustness import robust, verdict
from tests.synthetic_run import write_run
from tune_ks.core.arrays import write_npz
from tune_ks.core.metrics import auc

NAMES = ("blur", "motion")


def write_scores(path, keys, fall, vendors=("GE", "SIEMENS"), patients=30, images=6):
    """Scores whose separation falls with the severity of blur by ``fall[key]`` and not at all with motion."""
    rng = np.random.default_rng(0)
    vendor = np.repeat(vendors, patients * images)
    patient = np.repeat(np.arange(len(vendors) * patients), images)
    label = np.tile([0, 1], len(vendor) // 2)
    noise = rng.normal(size=len(vendor))
    score = np.empty((len(keys), 2, 6, len(vendor)), np.float32)
    for k, key in enumerate(keys):
        for severity in range(6):
            score[k, 0, severity] = noise + label * (2 - fall[key] * severity)
            score[k, 1, severity] = noise + label * 2
    write_npz(
        path,
        keys=np.array(keys),
        corruptions=np.array(NAMES),
        score=score,
        label=label.astype(np.int8),
        patient=patient.astype(np.int32),
        vendor=vendor,
    )
    return label, score, vendor


def test_the_more_robust_rate_is_found_and_only_where_it_is(tmp_path):
    label, score, vendor = write_scores(tmp_path / "corruptions/x.npz", ["low", "full"], {"low": 0.0, "full": 0.4})
    (worse,), warnings = load_corruptions(tmp_path)
    assert warnings == []  # blur and motion are what they always were
    compared = robust(worse, "GE", ["low"], ["full"], 0.25)
    table = compared.table.set_index(["corruption", "domain"])
    for domain in ("in_domain", "cross_domain"):
        assert table.loc[("blur", domain), "low"] > 0
        assert table.loc[("motion", domain), "loses less by"] == 0
    ge = vendor == "GE"
    expected = [auc(label[ge], score[1, 0, severity, ge]) for severity in range(6)]
    curves = compared.curves.query("sampling == 'full sampling' and domain == 'in_domain' and corruption == 'blur'")
    np.testing.assert_allclose(curves["value"], expected)
    assert table.loc[("blur", "in_domain"), "full, corrupted"] == pytest.approx(np.mean(expected[1:]))
    assert (curves["low"] < curves["value"]).all()
    assert "loses less AUC than full sampling in 2 and more in 0" in verdict(compared)
    figure = plot_robustness(compared)
    assert len(figure.data) == 2 * 4  # corruptions; samplings and domains
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}
    assert figure.layout.yaxis2.matches == "y"  # a loss is as high in every panel
    assert figure.layout.xaxis.title.text == figure.layout.xaxis2.title.text == "severity"
    looks = {(trace.line.dash, trace.marker.symbol, tuple(trace.x)) for trace in figure.data}
    assert len(looks) == 4  # told apart without colours, and no bar hides another
    other_way = robust(worse, "SIEMENS", ["full"], ["low"], 0.25)
    assert "in 0 and more in 2" in verdict(other_way)


def test_dice_is_the_mean_over_images_with_a_tumour(tmp_path):
    path = tmp_path / "corruptions/x.npz"
    label, score, vendor = write_scores(path, ["low", "full"], {"low": 0.0, "full": 0.1})
    dice = np.where(label == 1, 1 / (1 + np.exp(-score)), np.nan).astype(np.float32)
    with np.load(path) as archive:
        arrays = dict(archive)
    write_npz(path, **arrays | {"score": dice, "metric": np.array(["dice"])})
    (worse,), _ = load_corruptions(tmp_path)
    compared = robust(worse, "GE", ["low"], ["full"], 0.25)
    curves = compared.curves.query("sampling == 'full sampling' and domain == 'in_domain' and corruption == 'blur'")
    with_tumour = (vendor == "GE") & (label == 1)
    np.testing.assert_allclose(curves["value"], dice[1, 0][:, with_tumour].mean(1), rtol=1e-6)
    assert "loses less Dice than full sampling in 2 and more in 0" in verdict(compared)
    write_npz(path, **arrays | {"metric": np.array(["unknown"])})
    assert load_corruptions(tmp_path)[0] == []


def test_seeds_are_averaged_and_what_was_not_scored_gives_nothing(tmp_path):
    keys = ["low0", "low1", "full"]
    write_scores(tmp_path / "corruptions/x.npz", keys, {"low0": 0.0, "low1": 0.2, "full": 0.4})
    (worse,), _ = load_corruptions(tmp_path)
    both = robust(worse, "GE", ["low0", "low1"], ["full"], 0.25).table
    tables = [robust(worse, "GE", [key], ["full"], 0.25).table for key in keys[:2]]
    np.testing.assert_allclose(both["loses less by"], np.mean([of_seed["loses less by"] for of_seed in tables], axis=0))
    assert robust(worse, "GE", ["absent"], ["full"], 0.25) is None
    assert robust(worse, "GE", ["full"], ["full"], 1.0) is None
    only = robust(worse, "PHILIPS", ["low0"], ["full"], 0.25).table
    assert set(only["domain"]) == {"cross_domain"}


def test_a_file_scored_with_earlier_corruptions_says_so(tmp_path):
    write_scores(tmp_path / "corruptions/x.npz", ["low", "full"], {"low": 0.0, "full": 0.4})
    values = dict(np.load(tmp_path / "corruptions/x.npz"))
    values["corruptions"] = np.array(["blur", "bias_field"])
    write_npz(tmp_path / "corruptions/x.npz", **values)
    (_,), (warning,) = load_corruptions(tmp_path)
    assert "x.npz was scored with the first version of bias field (the field had a constant term" in warning
    write_npz(tmp_path / "corruptions/x.npz", **values, versions=np.array([1, 2]))
    assert load_corruptions(tmp_path)[1] == []
    write_npz(tmp_path / "corruptions/x.npz", **values, versions=np.array([1, 1]))
    assert load_corruptions(tmp_path)[1] == [warning]


def test_the_page_shows_the_figures_or_says_what_to_type(tmp_path):
    folder = write_run(
        tmp_path / "run", rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, true_auc=lambda *_: 0.8
    )
    analysis = compute(load(folder.root), "epsilon", Options(epsilon=0.2))
    assert "--corruptions scores the exported models" in render(image_quality.parts(analysis))
    keys = [record.config.key() for record in folder.records()]
    write_scores(folder.root / "corruptions/hospital.npz", keys, dict.fromkeys(keys, 0.2))
    (folder.root / "corruptions/torn.npz").write_bytes(b"PK torn")
    text = render(image_quality.parts(analysis))
    assert 'id="robustness-hospital-GE"' in text
    assert "loses less AUC than full sampling in 0 and more in 0" in text  # all models fall alike: nothing to tell
    assert "corruptions/torn.npz is truncated" in text


def test_corruptions_that_a_training_saw_are_named():
    table = pd.DataFrame({"style": ["none", "corruption", "gamma"], "style.corruption": [None, "bias_field", None]})
    assert image_quality.corruptions_trained_for(table) == {"bias field"}
    assert image_quality.corruptions_trained_for(table[["style"]]) == set()
    assert image_quality.corruptions_trained_for(pd.DataFrame()) == set()
