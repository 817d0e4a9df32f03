"""Trials that differ in more than rate and mask are compared, shown and named by their settings."""

from itertools import product
from types import SimpleNamespace

import pytest

from analysis.choice.options import Options
from analysis.read.configurations import curves, settings_of
from analysis.read.load import load
from analysis.report.sections.front import scale
from analysis.results import transfer
from analysis.results.brief import caveats
from analysis.results.compute import compute
from analysis.results.gallery import gallery
from analysis.results.headline import chosen_settings, headline, verdict_in_brief, whose_patients
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig

VENDORS = ("GE", "SIEMENS")
PLAIN = {0.25: 0.85, 1.0: 0.65}  # on the other vendor, by rate
HARMONISED = {0.25: 0.6, 1.0: 0.95}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Two settings at two rates; at full sampling the harmonised trials are better than the plain ones."""
    root = tmp_path_factory.mktemp("settings") / "run"
    plain = {"rates": tuple(PLAIN), "seeds": (0,), "masks": ("gumbel",), "patients": 24}
    folder = write_run(root, true_auc=lambda rate, inside, mask: 0.9 if inside else PLAIN[rate], **plain)
    cohort = make_cohort(VENDORS, 24, 6)
    for vendor, rate in product(VENDORS, HARMONISED):
        config = TrialConfig(vendor, rate, mask="gumbel", seed=0, temperature=1.0, harmonise="nyul")
        write_trial(folder, cohort, config, lambda rate, inside, mask: 0.97 if inside else HARMONISED[rate])
    return compute(load(root), "epsilon", Options(epsilon=0.3))


def test_a_loss_is_compared_with_full_sampling_of_the_same_settings(analysis):
    losses = analysis.transfer
    assert len(losses) == 2 * 2 * 2
    full = (
        losses[losses["mask"] == "full sampling"].fillna({"settings": ""}).set_index(["tested on", "settings"])["loss"]
    )
    assert len(full) == full.index.nunique() == 4
    below = losses[losses["mask"] == "gumbel"].fillna({"settings": ""})
    assert sorted(set(below["settings"])) == ["", "harmonise nyul"]
    for row in below.to_dict("records"):
        apart = full[row["tested on"], row["settings"]] - row["loss"]
        assert row["less than at full sampling"] == pytest.approx(apart)
        assert (apart > 0.05) == (row["settings"] == "")  # at full sampling harmonised images lose least
    sentence = transfer.sentences(losses, "AUC")[0]
    plain = losses[(losses["mask"] == "full sampling") & losses["settings"].isna()]["loss"].iloc[0]
    assert f"at full sampling {plain:+.3f}" in sentence
    assert "of 2 masks and settings" in sentence


def test_the_gallery_shows_full_sampling_beside_the_choice(analysis):
    for vendor, computed in analysis.vendors.items():
        shown = gallery(analysis, vendor)
        chosen = next(exhibit for exhibit in shown if exhibit.chosen)
        full = next(exhibit for exhibit in shown if exhibit.rate == 1)
        configs = [analysis.run.records[exhibit.key].config.harmonise for exhibit in (chosen, full)]
        assert configs[0] == configs[1]
        if chosen.rate < 1:
            assert full.in_domain == computed.selection.full_sampling["test_in_domain"]
    assert any(computed.selection.rate < 1 for computed in analysis.vendors.values())


def test_a_setting_is_named_where_it_is_on(analysis):
    table = analysis.vendors["GE"].configurations
    assert set(curves(table)) == {"gumbel", "gumbel, harmonise nyul"}
    assert sorted(settings_of(table).values()) == ["", "", "harmonise nyul", "harmonise nyul"]
    for vendor, computed in analysis.vendors.items():
        config = analysis.run.records[computed.selection.keys[0]].config
        expected = "" if config.harmonise == "none" else f"harmonise {config.harmonise}"
        assert chosen_settings(computed) == expected
        assert [text for text in caveats(computed) if "harmonise" in text] == (
            [f"the choice has {expected}, which other trials have not"] if expected else []
        )
        is_full = computed.selection.rate == 1
        assert ("(with harmonise nyul)" in headline(analysis, vendor)) == (is_full and expected != "")


def test_the_first_screens_words_and_scale(analysis):
    low, high = scale(analysis)
    assert low < high <= 1
    perfect = {f"test_{domain}{end}": 1.0 for domain in ("in_domain", "cross_domain") for end in ("", "_low", "_high")}
    of_vendor = next(iter(analysis.vendors.values()))
    of_vendor = SimpleNamespace(selection=of_vendor.selection._replace(values=perfect, full_sampling={}))
    ends = scale(SimpleNamespace(vendors={"GE": of_vendor}, measure=analysis.measure))
    assert ends == pytest.approx((0.9, 1.0))
    for computed in analysis.vendors.values():
        selection = computed.selection
        assert low <= selection.values["test_in_domain_low"] <= selection.values["test_in_domain_high"] <= high
        assert whose_patients(analysis, selection, "in_domain") == f"{selection.vendor}, 6 patients"
        words, proven = verdict_in_brief(selection)
        assert not proven
        assert words.endswith("not proven") or selection.rate == 1
        assert verdict_in_brief(selection._replace(rate=float("nan")))[0] == "nothing chosen"
        assert verdict_in_brief(selection._replace(rate=1.0))[0].startswith("full sampling itself")
        assert "nothing to compare with" in verdict_in_brief(selection._replace(rate=0.5, full_sampling={}))[0]
