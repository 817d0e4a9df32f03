"""The benchmark of comparators and switches: does it find a comparator that undoes a switch, and only that one?"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks import comparator_switches
from benchmarks.comparator_switches import comparators, require_same_source
from benchmarks.phantoms import write_vendor
from benchmarks.switch_effects import OFF, PLAIN, Scored, compare, place_changes, places, shown
from benchmarks.switch_images import require_same, variants
from benchmarks.switch_tables import print_result
from search_spaces.comparators import STYLES
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings, write_phantom
from tune_ks.model.harmonisations import HARMONISATIONS

PATIENTS = 30
TRAININGS = 3


def scores_of(images, seed):
    """A made network without a comparator: a sum of pixels that grows where there is a tumour, and its noise."""
    weights = np.random.default_rng(seed).normal(0, 0.05, images.shape[1:])
    weights[:2] += 1
    return (images * weights).sum((1, 2))


def standardised(images):
    """Every image less its mean, over its standard deviation: what a gain of the image cannot change."""
    mean = images.mean((1, 2), keepdims=True)
    return (images - mean) / images.std((1, 2), keepdims=True)


@pytest.fixture(scope="module")
def scored():
    """Four images of each patient, with a gain of the scanner switched off and on, scored by four made comparators."""
    rng = np.random.default_rng(0)
    label = np.tile([0, 1, 0, 1], PATIENTS)
    patient = np.repeat(np.arange(PATIENTS), 4)
    images = rng.normal(10, 1, (len(label), 8, 8))
    images[:, :2] += 0.6 * label[:, None, None]
    gain = rng.lognormal(0.1, 0.05, PATIENTS)[patient][:, None, None]
    seen = {OFF: images, "gain": images * gain, "orientation": images}
    scores = {PLAIN: {}, "standardised": {}, "smaller scores": {}, "nothing": {}}
    for variant, of_variant in seen.items():
        seeds = range(TRAININGS)
        scores[PLAIN][variant] = np.stack([scores_of(of_variant, seed) for seed in seeds])
        alike = standardised(of_variant)
        scores["standardised"][variant] = np.stack([scores_of(alike, 10 + seed) for seed in seeds])
        scores["smaller scores"][variant] = 0.01 * scores[PLAIN][variant] - 3
        scores["nothing"][variant] = np.stack([scores_of(of_variant, 20 + seed) for seed in seeds])
    return Scored(label, patient, scores)


@pytest.fixture(scope="module")
def table(scored):
    return compare(scored, untouched=["orientation"])


def row_of(table, comparator, switch, measure):
    chosen = (table["comparator"] == comparator) & (table["switch"] == switch) & (table["measure"] == measure)
    (row,) = table[chosen].to_dict("records")
    return row


def test_a_comparator_that_undoes_the_switch_is_found_and_one_that_does_nothing_is_not(table):
    smaller = shown(table, "move", 1)
    assert list(zip(smaller["comparator"], smaller["switch"])) == [("standardised", "gain")]
    assert shown(table, "move", -1).empty
    assert row_of(table, "standardised", "gain", "move")["value"] < 1e-9
    assert row_of(table, PLAIN, "gain", "move")["value"] > 0.2
    assert row_of(table, PLAIN, "gain", "shift")["value"] > 0.2


def test_one_training_of_each_tests_nothing(scored):
    first = {}
    for name in (PLAIN, "standardised"):
        first[name] = {variant: values[:1] for variant, values in scored.scores[name].items()}
    table = compare(scored._replace(scores=first))
    assert len(table) == 12
    assert table["p_value"].isna().all()


def test_the_size_of_the_scores_does_not_count(table):
    for measure in ("move", "shift", "lost"):
        plain = row_of(table, PLAIN, "gain", measure)
        smaller = row_of(table, "smaller scores", "gain", measure)
        assert smaller["value"] == pytest.approx(plain["value"])
    assert row_of(table, "smaller scores", "gain", "move")["less_value"] == pytest.approx(0)


def test_an_untouched_switch_moves_nothing_and_is_not_tested(table):
    of_orientation = table[table["switch"] == "orientation"]
    assert len(of_orientation) == 12
    assert (of_orientation["value"] == 0).all()
    assert of_orientation["p_value"].isna().all()
    assert (table["p_value"].notna()).sum() == 6  # three comparators, one switch, two measures


def test_a_place_is_the_share_of_the_others_below_it():
    rng = np.random.default_rng(1)
    off = rng.integers(0, 5, 12).astype(float)
    scores = rng.integers(-1, 6, 12).astype(float)
    by_hand = []
    for image, score in enumerate(scores):
        others = np.delete(off, image)
        by_hand.append(((others < score).sum() + (others == score).sum() / 2) / len(others))
    np.testing.assert_allclose(places(scores, off), by_hand)


def test_the_mean_change_of_place_is_the_auc_of_on_against_off_less_a_half():
    rng = np.random.default_rng(2)
    off = rng.normal(0, 1, 20)
    on = rng.normal(0.5, 1, 20)
    other_images = ~np.eye(20, dtype=bool)
    auc = (on[:, None] > off[None, :])[other_images].mean()
    assert place_changes(off, on, np.zeros(20, int)).mean() == pytest.approx(auc - 0.5)


def test_places_are_taken_within_a_class():
    label = np.array([0, 0, 1, 1])
    off = np.array([0.0, 1.0, 10.0, 11.0])
    on = np.array([2.0, 1.0, 12.0, 11.0])
    np.testing.assert_allclose(place_changes(off, on, label), [1, 0, 1, 0])


def test_the_tables_are_printed_from_the_file_alone(scored, capsys):
    trainings = []
    for name, of_name in scored.scores.items():
        for seed in range(TRAININGS):
            scores = {variant: values[seed].tolist() for variant, values in of_name.items()}
            training = {"comparator": name, "seed": seed, "cpu_seconds": 1, "test_source": 0.8, "scores": scores}
            trainings.append(training)
    numbers = {
        **{"version": "0", "torch": "0", "machine": "none", "left_out": {"n4": "not installed"}},
        "label": scored.label.tolist(),
        "patient": scored.patient.tolist(),
        "changed": {OFF: 0.0, "gain": 0.5, "all on": 0.5, "orientation": 0.0},
        "trainings": [*trainings, {**trainings[-1], "seed": TRAININGS}],  # a round that is not whole
    }
    for training in numbers["trainings"]:
        training["scores"]["all on"] = training["scores"]["gain"]
    print_result(numbers)
    printed = capsys.readouterr().out
    assert "3 trainings of each comparator" in printed
    assert "Left out: n4, not installed" in printed
    assert "| standardised | **0.0 / 0.0** | **0.0 / 0.0** |\n" in printed
    assert "orientation: the reader gives the same images" in printed
    assert "Shown to shrink it for no switch: smaller scores, nothing." in printed


def test_every_comparator_and_every_switch_is_met():
    names = comparators()
    assert len(names) == 1 + len(HARMONISATIONS) - 1 + len(STYLES) + 3
    assert len({tuple(settings.items()) for settings in names.values()}) == len(names)
    off = variants()
    assert len(off) == len(SWITCHES) + 2
    for switch in SWITCHES:
        assert set(off[switch]) == set(SWITCHES) - {switch}


def test_one_vendor_written_alone_has_the_files_of_the_whole_phantom(tmp_path):
    settings = PhantomSettings(1, patients=4, slices=2, matrix=32)
    settings = dataclasses.replace(settings, noise=False)
    write_phantom(tmp_path / "both", settings, workers=1)
    (tmp_path / "alone").mkdir()
    write_vendor(tmp_path / "alone", "GE", settings)
    files = sorted(path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*.dcm"))
    assert len(files) == 4 * 2 * 2
    for file in files:
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "both" / file).read_bytes()


def test_images_of_other_patients_are_not_paired():
    first = pd.DataFrame({"patient_id": ["a", "b"], "slice": [1, 2], "label": [0, 1]})
    require_same(first, first.copy(), "noise")
    with pytest.raises(RuntimeError, match="GE with noise has other images"):
        require_same(first, first.assign(slice=[1, 3]), "noise")


def test_a_comparator_whose_package_is_missing_is_left_out_with_a_word(monkeypatch):
    def without_package(*_):
        raise ImportError("n4 needs the package SimpleITK")

    monkeypatch.setattr(comparator_switches, "build_pipeline", without_package)
    assert comparator_switches.why_absent(comparators()["nyul"]) == "n4 needs the package SimpleITK"


def test_networks_of_a_search_of_other_images_are_refused():
    config = TrialConfig.from_dict({**comparators()["plain"], "seed": 0})
    record = TrialRecord(config, val={}, test={"GE": 0.7, "SIEMENS": 0.8}, realised_rate=1.0)
    require_same_source(record, 0.8)
    with pytest.raises(SystemExit, match="must be a search of the space comparators on the breast phantom"):
        require_same_source(record, 0.75)
