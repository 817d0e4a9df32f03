"""The commands that print the tables of docs/: every table, over made-up records of the space that it is meant for."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from analysis.read.load import load
from dicom_files import write_dicom
from docs.few_patients import first_patients
from docs.tables import TABLES, lines
from docs.tables.__main__ import main
from docs.tables.cells import SCORES
from docs.tables.qsm import TKD
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.arrays import write_npz
from tune_ks.planning.plan import config_at
from tune_ks.planning.space import PRETRAINED, load_space

ROOT = Path(__file__).parents[2]
VENDORS = ("GE", "SIEMENS")
PATIENTS = 24
IMAGES = 4
WEIGHTS = "0" * 12 + "@" + "1" * 12
SPACES = {  # table -> (space, rows of each of its tables)
    "rates": ("real_patches", [26, 26, 8]),
    "recipes": ("recipes", [7]),
    "one_training": ("one_training", [6, 8, 10]),
    "pretraining": ("finetune", [10]),
    "reconstructions": ("reconstructions", [22, 28]),
    "hyper_recon": ("hyper_recon", [14, 4]),
    "members": ("patches_members", [14]),
    "networks": ("patches_networks", [16]),
    "comparators": ("comparators", [18, 18]),  # made records hold no option, so MixStyle is not told from plain
    "segmentation": ("segmentation", [8]),
    "detection": ("detection", [4, 4]),
    "lv_scar": ("lv_scar", [8, 14]),
    "qsm": ("qsm_pretrain", [3, 12]),
}


GEOMETRIES = ("CORONAL_ISO", "SYNTHETIC", "TILTED_ANISO")
METRIC_OF = {"segmentation": "dice", "lv_scar": "dice", "detection": "lroc", "qsm_pretrain": "r2"}


def write_space(root, name):
    """A made-up record for every config of a space."""
    space = load_space(name)
    metric = METRIC_OF.get(name, "auc")
    vendors = GEOMETRIES if metric == "r2" else VENDORS
    folder = write_run(root, vendors, rates=(), seeds=(), patients=PATIENTS, images=IMAGES, metric=metric)
    cohort = make_cohort(vendors, PATIENTS, IMAGES)
    for point in space.grid(list(vendors)):
        if point.fixed.get("init_from") == PRETRAINED:
            point.fixed["init_from"] = WEIGHTS
        for seed in range(space.search["seeds"]):
            record = write_trial(folder, cohort, config_at(point, {}, seed), metric=metric)
            if "reconstruction" in point.fixed:
                psnr = 21.0 + seed if "loss_mix_drawn" in point.fixed else 20.0
                quality = {"psnr": psnr, "psnr_zero_filled": 19.5, "ssim": 0.6, "ssim_zero_filled": 0.55}
                folder.write_record(dataclasses.replace(record, quality=dict.fromkeys(VENDORS, quality)))
            if name == "lv_scar":
                quality = {"volume_avd_ml": 2.0, "volume_hd_mm": 9.0, "volume_empty": 0.125}
                folder.write_record(dataclasses.replace(record, quality=dict.fromkeys(VENDORS, quality)))
            if metric == "r2":
                quality = {"map_nrmse": 0.6, "map_psnr": 25.0, "map_ssim": 0.7}
                tkd = {TKD: {"val": {}, "test": dict.fromkeys(vendors, 0.8)}}
                of_maps = {"quality": dict.fromkeys(vendors, quality), "yardsticks": tkd}
                folder.write_record(dataclasses.replace(record, **of_maps))
    return folder.root


def read_tables(text):
    """Markdown -> the tables in it, as lists of rows of cells, the head first."""
    tables, inside = [], False
    for line in text.splitlines():
        if line.startswith("| "):
            if not inside:
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return [[head, *rows] for head, _, *rows in tables]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Table -> (its run folder, what is printed of it)."""
    place = tmp_path_factory.mktemp("runs")
    texts = {}
    for table, (space, _) in SPACES.items():
        root = write_space(place / space, space)
        texts[table] = root, "\n\n".join(lines(table, [root]))
    return texts


@pytest.mark.parametrize("table", SPACES)
def test_a_table_has_a_row_for_every_group_and_a_cell_under_every_head(printed, table):
    tables = read_tables(printed[table][1])
    assert [len(rows) - 1 for rows in tables] == SPACES[table][1]
    for head, *rows in tables:
        assert {len(row) for row in rows} == {len(head)}
        assert not any("nan" in cell for row in rows for cell in row)


def test_rates_print_every_seed(printed):
    root, text = printed["rates"]
    scores = read_tables(text)[0]
    trials = load(root).trials
    for row in scores[1:]:
        mask, rate = ("lowpass" if row[1] == "full" else row[1]), float(row[2].split("/")[0]) / 64
        same = trials[(trials["vendor"] == row[0]) & (trials["mask"] == mask) & (trials["sampling_rate"] == rate)]
        assert len(same) == 3
        for value, seeds, score in zip(row[3::2], row[4::2], SCORES):
            assert sorted(seeds.split()) == sorted(f"{auc:.3f}" for auc in same[score])
            assert float(value.split()[0]) == pytest.approx(same[score].mean(), abs=6e-4)


def test_differences_are_bold_where_their_interval_leaves_out_0(printed):
    _, differences, _ = read_tables(printed["rates"][1])
    marked = 0
    for row in differences[1:]:
        for cell in filter(None, row[3:]):
            low, high = (float(end) for end in cell.strip("*").split("[")[1].rstrip("]").split(","))
            beyond = low > 0 or high < 0
            assert cell.startswith("**") == beyond or 0 in (low, high)
            marked += beyond
    assert marked > 10


def test_one_training_is_compared_with_separate_ones(printed):
    root, text = printed["one_training"]
    summary, curves, dense = read_tables(text)
    trials = load(root).trials
    alone = trials[trials["rate_from"].isna() & trials["rate_start"].isna()].set_index(["vendor", "sampling_rate"])
    film = trials[trials["classifier"] == "alexnet_film"].set_index(["vendor", "sampling_rate"])
    gaps = (film[SCORES] - alone[SCORES]).loc["GE"]
    (row,) = [row for row in summary if row[:2] == ["GE", "FiLM"]]
    assert row[2] == " / ".join(f"{gap:.3f}" for gap in gaps.abs().mean())
    assert row[3] == " / ".join(f"{gap:+.3f}" for gap in gaps.mean())
    assert row[-1] == "1.00"  # every made-up training took as long
    assert [row[1] for row in curves[1:5]] == [
        "a training a rate",
        "one training, rate not given",
        "one training, FiLM",
        "one training, hypernetwork",
    ]
    assert [row[1] for row in dense[1:]] == ["1/64", "2/64", "3/64", "4/64", "6/64"] * 2


def test_gains_are_paired_by_rate_and_seed(printed):
    root, text = printed["pretraining"]
    trials = load(root).trials.assign(loss=lambda t: t["test_in_domain"] - t["test_cross_domain"])
    trials = trials[trials["vendor"] == "GE"].set_index(["sampling_rate", "seed"])
    alike = trials["init_from"].notna() & (trials["slow"] == "")
    base = trials[trials["init_from"].isna() & (trials["classifier"] == "alexnet")]
    gains = trials.loc[alike, [*SCORES, "loss"]] - base[[*SCORES, "loss"]]
    assert len(gains) == 9
    cells = [f"{gains[column].mean():+.3f} ± {gains[column].sem():.3f}" for column in gains]
    name = ["GE", "alexnet", "pre-trained, all alike"]
    (row,) = [row for row in read_tables(text)[0] if row[:3] == name]
    assert row[-2:] == [" / ".join(cells[:2]), cells[2]]


def test_reconstructions_show_quality_beside_zero_filling(printed):
    aucs, quality = read_tables(printed["reconstructions"][1])
    assert {row[-2] for row in quality[1:]} == {"20.00 / 19.50"}
    assert {row[-1] for row in quality[1:]} == {"0.600 / 0.550"}
    gained = [row for row in aucs[1:] if row[-1]]
    assert {row[3] for row in gained} == {"unet", "unet, first alone (10 epochs)", "hqs_net"}
    assert len(gained) == 14


def test_detection_stands_beside_the_best_fixed_position(printed):
    lroc, sensitivity = read_tables(printed["detection"][1])
    assert lroc[0] == [*sensitivity[0], "best fixed position"]
    assert {row[-1] for row in lroc[1:]} == {"0.300 / 0.300"}
    shares = np.linspace(0.5, 1, 7)[3]  # of the metric, as the made-up records hold it
    for of_lroc, of_sensitivity in zip(lroc[1:], sensitivity[1:]):
        for all_, part in zip(numbers(of_lroc[2:-1]), numbers(of_sensitivity[2:])):
            assert part == pytest.approx(shares * all_, abs=0.002)


def numbers(cells):
    return [float(number) for cell in cells for number in re.findall(r"\d\.\d+", cell)]


def test_one_reconstruction_is_compared_with_separate_ones_by_seed(printed):
    root, text = printed["hyper_recon"]
    every, gaps = read_tables(text)
    assert {row[2] for row in every[1:]} == {"one training", "separate"}
    assert all(len(row[4].split(", ")) == 3 for row in every[1:])
    drawn = {row[4] for row in every[1:] if row[2] == "one training"}
    assert drawn == {"21.00, 22.00, 23.00"}  # of seeds 0, 1, 2; separate ones have 20
    assert {row[3] for row in gaps[1:]} == {"+2.000 ± 0.577"}
    assert {tuple(row[:3]) for row in gaps[1:]} == {(vendor, "8/64", mix) for vendor in VENDORS for mix in "01"}
    assert len(load(root).trials) == 42


def test_segmentation_stands_beside_one_mask_for_every_image(printed):
    ((head, *rows),) = read_tables(printed["segmentation"][1])
    assert head[2:-1] == ["2/64", "4/64", "8/64", "16/64", "64/64"]
    assert {row[-1] for row in rows} == {"0.300 / 0.300"}
    assert sum("adversary 0.05" in row[1] for row in rows) == 4


def test_scars_stand_beside_one_mask_and_with_the_errors_of_volume_and_surface(printed):
    dice, measured = read_tables(printed["lv_scar"][1])
    assert dice[0][2:-1] == ["8/64", "16/64", "64/64"]
    assert {row[1] for row in dice[1:]} == {
        "gumbel, 3 views, 2 stages",
        "lowpass, 1 view, 2 stages",
        "lowpass, 3 views, 1 stage",
        "lowpass, 3 views, 2 stages",
    }
    assert {tuple(row[3:]) for row in measured[1:]} == {("2.0 / 2.0", "9.0 / 9.0", "0.12 / 0.12", "")}


def test_maps_stand_beside_tkd_with_their_quality_in_every_domain(printed):
    (head, *rows), (_, *qualities) = read_tables(printed["qsm"][1])
    assert head[2:] == ["8/64", "64/64"]
    assert rows[-1][1:] == ["TKD 0.2", *["0.800 / 0.800"] * 2]
    assert {row[1] for row in rows[:-1]} == {"unet_adaptive, scratch", "unet_plain, scratch"}
    assert all(len(cell.split(", ")) == 3 for row in rows[:-1] for cell in row[2:])  # the seeds
    assert {row[3] for row in qualities} == set(GEOMETRIES)
    assert {tuple(row[4:]) for row in qualities} == {("0.600", "25.000", "0.700")}


def test_corruptions_are_compared_where_both_rates_were_scored(tmp_path):
    folder = write_run(tmp_path / "run", patients=PATIENTS, images=IMAGES)
    keys = [record.config.key() for record in folder.records()]
    vendor, patient = np.repeat(VENDORS, 120), np.repeat(np.arange(60), 4)
    label = np.tile([0, 1], 120)
    rng = np.random.default_rng(0)
    score = rng.normal(size=(len(keys), 1, 6, 240)) + 2 * label
    write_npz(
        folder.root / "corruptions/x.npz",
        keys=np.array(keys),
        corruptions=np.array(["bias_field"]),
        score=score.astype(np.float32),
        label=label.astype(np.int8),
        patient=patient.astype(np.int32),
        vendor=vendor,
    )
    text = "\n\n".join(lines("corruptions", [folder.root]))
    tables = read_tables(text)
    assert len(tables) == 2
    for rows in tables:
        assert [row[:2] for row in rows[1:]] == [["bias field", "in-domain"], ["bias field", "cross-domain"]]
    assert text.count("against full sampling\n") == text.count("Of 2 comparisons") == 2


def test_a_wrong_name_and_a_folder_that_is_no_run_end_in_one_message(tmp_path, capsys):
    for words, said in (
        (["rate", str(tmp_path)], "there is no table 'rate'; give one of rates, recipes, corruptions, "),
        (["rates", str(tmp_path)], "is not a run folder"),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
        assert said in capsys.readouterr().err


def test_the_help_names_the_page_of_every_table(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for name, make in TABLES.items():
        page = make.__doc__.partition(":")[0]
        assert (ROOT / "docs" / page).exists()
        assert re.search(rf"^    {name} +{page}: ", shown, re.MULTILINE)


def test_every_table_was_met():
    assert {*SPACES, "corruptions", "classical"} == set(TABLES)


def test_classical_methods_stand_beside_each_other_at_every_rate(printed):
    (head, *rows) = read_tables("\n".join(map(str, TABLES["classical"](load(printed["qsm"][0])))))[-1]
    assert head == ["trained on", "mask", "rate", "tkd 0.2"]
    assert {row[3] for row in rows} == {"0.800 / 0.800"}
    assert {row[2] for row in rows} == {"8/64", "64/64"}


def test_few_patients_are_the_lowest_ids_of_each_vendor(tmp_path):
    rows = []
    for patient, vendor in (("P3", "GE"), ("P1", "GE"), ("P2", "SIEMENS"), ("P4", "GE")):
        write_dicom(tmp_path / f"{patient}.dcm", vendor=vendor)
        rows.append({"patient_id": patient, "path": f"{patient}.dcm"})
    assert first_patients(tmp_path, rows, 2) == {"P1", "P2", "P3"}
