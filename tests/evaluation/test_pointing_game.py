"""The pointing game: a network that looks at the tumour hits it, one that looks elsewhere does not."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from analysis.read.explained import Pointed, load_pointed
from analysis.report.sections.explained import SHOWN_SIDE, outlined
from analysis.results.pointing import of_chosen, pointing_table, verdict
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.evaluation import pointing_game as game
from tune_ks.evaluation.saliency import saliency, with_random_weights
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.pipeline import build_pipeline

SIDE = 64
FIELDS = {"image_size": 64, "width": 0.1, "dropout": 0.0}
CONFIG = TrialConfig("GE", 1.0, mask="lowpass", **FIELDS)


class Bright(nn.Module):
    """Sees evidence where the image is bright, as in the disc of a tumour; or where it lies on the left."""

    def __init__(self, everywhere):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(SIDE))
        if not everywhere:
            self.weight.data[8:] = 0

    def forward(self, image, acquisition, condition):
        return (image.clamp(min=0) ** 4 * self.weight).sum((1, 2, 3))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    cohort_csv, images_npy = write_tiny(tmp_path_factory.mktemp("tiny"), patients=6, per_patient=4, side=SIDE)
    return pd.read_csv(cohort_csv), images_npy, images_npy.with_name("masks.npy")


def test_at_most_so_many_positive_images_spread_over_the_patients_are_taken(tiny, monkeypatch):
    monkeypatch.setattr(game, "MOST", 4)
    table, images_npy, masks_npy = tiny
    chosen = game.chosen_images(table, images_npy, masks_npy)
    rows = table.iloc[chosen.place]
    assert rows["vendor"].value_counts().to_dict() == {"GE": 4, "SIEMENS": 4}
    assert set(rows["label"]) == {1}
    assert rows["patient_id"].nunique() == 8
    assert chosen.available == {"GE": 12, "SIEMENS": 12}
    assert np.array_equal(chosen.masks, np.load(masks_npy)[rows["row"]] != 0)
    best = game.fixed_hits(chosen.masks, chosen.vendor)
    for vendor in ("GE", "SIEMENS"):
        masks = chosen.masks[chosen.vendor == vendor]
        counts = [masks[:, row, column].sum() for row in range(SIDE) for column in range(SIDE)]
        assert best[chosen.vendor == vendor].sum() == max(counts)


def play(tiny, folder, everywhere, monkeypatch):
    """The game with one network, written and read again."""
    monkeypatch.setattr(game, "MOST", 3)
    model = build_pipeline(CONFIG, SIDE).eval()
    model.classifier = Bright(everywhere)
    blind = build_pipeline(CONFIG, SIDE).eval()
    blind.classifier = Bright(everywhere=False)
    record = type("Record", (), {"config": CONFIG, "facts": {"side": SIDE}})
    monkeypatch.setattr(RunFolder, "read_record", lambda *_: record)
    monkeypatch.setattr(game, "load_model", lambda *_: model)
    monkeypatch.setattr(game, "with_random_weights", lambda *_: blind)
    played = game.pointing_game(RunFolder(folder), [CONFIG.key()], *tiny)
    assert played.said()[0] == "saliency of 3 of the 12 test images of GE that show a tumour"
    game.write_pointing(RunFolder(folder), "tiny", played)
    (read,), warnings = load_pointed(folder)
    assert warnings == []
    return read


def test_who_looks_at_the_tumour_hits_it_and_who_does_not_misses(tiny, tmp_path, monkeypatch):
    looks = play(tiny, tmp_path, True, monkeypatch)
    assert looks.hit.shape == (1, 6)
    assert looks.hit.mean() > 0.9
    assert looks.random_hit.mean() < 0.2
    assert looks.image.shape == looks.saliency.shape == (1, 2, SIDE, SIDE)
    assert looks.outline[0].any()
    for saliency_of_image, tumour in zip(looks.saliency[0], looks.outline):
        assert tumour.flat[saliency_of_image.argmax()]
    assert b"GE_" not in (tmp_path / "explained/tiny_pointing.npz").read_bytes()  # no patient's id
    away = play(tiny, tmp_path, False, monkeypatch)
    assert away.hit.mean() < 0.2


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_has_a_saliency_and_one_with_random_weights(name):
    config = TrialConfig("GE", 0.25, temperature=1.0, **{**FIELDS, "classifier": name})
    pipeline = build_pipeline(config, SIDE).eval()
    image, rate, acquisition = torch.rand(1, 1, SIDE, SIDE), torch.tensor([0.25]), torch.full((1, 7), torch.nan)
    before = saliency(pipeline, image, rate, acquisition)
    assert before.shape == (SIDE, SIDE)
    assert before.isfinite().all()
    assert before.std() > 0
    fresh = with_random_weights(pipeline, config)
    again = with_random_weights(pipeline, config)
    states = [network.state_dict() for network in (pipeline, fresh, again)]
    changed = [part for part in states[0] if not torch.equal(states[0][part], states[1][part])]
    assert changed
    assert all(part.startswith("classifier.") for part in changed)
    assert all(torch.equal(states[1][part], states[2][part]) for part in states[1])


def made_game(hits, random):
    """Thirty images of ten patients a vendor, of which the shares are hit."""
    count = 30
    of_vendor = np.arange(count) % 10
    place = np.arange(count)
    hit = np.concatenate([place < hits[vendor] * count for vendor in ("GE", "SIEMENS")])[None]
    random_hit = np.concatenate([place < random * count] * 2)[None]
    return Pointed(
        name="made", keys=["k"], vendor=np.repeat(["GE", "SIEMENS"], count), patient=np.tile(of_vendor, 2),
        available=np.full(2 * count, 50), hit=hit, random_hit=random_hit, area=np.full(2 * count, 0.1),
        fixed_hit=np.tile(place < 0.2 * count, 2), image=np.zeros((1, 0, 8, 8), np.uint8),
        saliency=np.zeros((1, 0, 8, 8), np.uint8), outline=np.zeros((0, 8, 8), bool),
    )  # fmt: skip


def test_the_table_gives_shares_by_vendor_and_the_sentence_says_what_is_shown():
    row = {"vendor": "GE", "family": "full", "sampling_rate": 1.0, "realised_rate": 1.0, "keys": ["k"], "full": True}
    table = pointing_table([made_game({"GE": 0.9, "SIEMENS": 0.2}, random=0.1)], pd.DataFrame([row]))
    by_vendor = table.set_index("scored_on")
    assert by_vendor["hits"].to_dict() == pytest.approx({"GE": 0.9, "SIEMENS": 0.2})
    assert by_vendor["random"].tolist() == pytest.approx([0.1, 0.1])
    assert by_vendor["fixed"].tolist() == pytest.approx([0.2, 0.2])
    assert by_vendor.loc["GE", "above_fixed"] == pytest.approx(0.7)
    assert 0.7 < by_vendor.loc["GE", "hits_low"] < 0.9 < by_vendor.loc["GE", "hits_high"] <= 1
    in_domain, cross_domain = verdict(of_chosen(table, "GE", ["k"]), "GE", "made").split("; ")
    assert in_domain.endswith("it is shown to look at the tumour, and to have learned it")
    assert "not shown to be more often than the best fixed position" in cross_domain
    assert of_chosen(table, "SIEMENS", ["k"]).empty


def test_an_outline_is_drawn_around_the_mask_and_nowhere_else():
    mask = np.zeros((16, 16), bool)
    mask[4:8, 5:9] = True
    drawn = outlined(np.full((16, 16), 90, np.uint8), mask)
    assert drawn.shape == (SHOWN_SIDE, SHOWN_SIDE)
    rows, columns = np.nonzero(drawn != 90)
    times = SHOWN_SIDE // 16
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (
        4 * times,
        8 * times - 1,
        5 * times,
        9 * times - 1,
    )
    assert (drawn[5 * times : 7 * times, 6 * times : 8 * times] == 90).all()
    assert set(np.unique(drawn)) == {0, 90, 255}
