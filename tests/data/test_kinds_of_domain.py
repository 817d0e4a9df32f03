"""What a domain is: a maker, a field strength, a centre or any column; each read, counted, refused and told apart."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from dicom_files import ROTATED, anatomy, save_labels, write_dicom, write_duke
from tune_ks.core.domain_words import DOMAIN_WORDS, VENDOR_WORDS, about_domains, domain_of, domain_words
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort, require_usable, survey_cohort
from tune_ks.data.cohort.domains import MOST, about_vendor_column, tesla, why_without
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS, manufacturer_of, read_table, with_splits, words_of_table, write_table
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.sheets import InputError
from tune_ks.planning.merge import require_mergeable
from tune_ks.planning.space import load_space
from tune_ks.planning.start_run import create_run, require_same, require_vendors

FIELDS = (1.494, 2.89362)  # of a patient, by its number: as files write 1.5 T and 3 T
CENTRES = ("Alpha", "Beta Hospital", "Alpha")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two makers with six patients each; GE is stored upside down. Returns the folder and the rows of labels.csv."""
    root = tmp_path_factory.mktemp("domains") / "data"
    rows = []
    for vendor, orientation in (("GE", ROTATED), ("SIEMENS", None)):
        turned = {"ImageOrientationPatient": orientation} if orientation else {}
        for number in range(6):
            for image in range(2):
                path = f"{vendor}{number}/{image}.dcm"
                tags = {"MagneticFieldStrength": FIELDS[number % 2], **turned}
                write_dicom(root / path, anatomy(seed=len(rows)), vendor, **tags)
                row = {"path": path, "patient_id": f"{vendor}{number}", "label": image}
                rows.append(row | {"centre": CENTRES[number % 3], "code": number % 2, "age": 40 + len(rows)})
    save_labels(root, rows)
    return root, rows


def settings(domain):
    return CohortSettings(domain=domain)


def surveyed(root, domain, labels_required=True):
    layout = detect(root, labels_required)
    return survey_cohort(layout, settings(domain), 16, workers=1, labels_required=labels_required)


def domains_of(cohort):
    """patient -> its domain."""
    return cohort.table.groupby("patient_id")["vendor"].unique().str.join("+").to_dict()


def test_each_kind_of_domain_names_every_image_and_the_pixels_stay_the_same(place, tmp_path):
    root, rows = place
    by_maker = open_cohort(root, CohortSettings(), 16, tmp_path, workers=1)
    assert list(by_maker.table.columns) == list(COLUMNS)  # as before there were other domains
    assert "domain" not in CohortSettings().facts()
    wanted = {
        "field_strength": {row["patient_id"]: ("1.5T", "3T")[int(row["patient_id"][-1]) % 2] for row in rows},
        "centre": {row["patient_id"]: row["centre"] for row in rows},
        "code": {row["patient_id"]: str(row["code"]) for row in rows},
    }
    fingerprints = {by_maker.fingerprint, by_maker.fingerprint_1}
    for domain, names in wanted.items():
        cohort = open_cohort(root, settings(domain), 16, tmp_path, workers=1, require_vendors=2)
        assert domains_of(cohort) == names
        assert cohort.table["manufacturer"].tolist() == by_maker.table["vendor"].tolist()
        assert [manufacturer_of(row) for row in cohort.table.to_dict("records")] == by_maker.table["vendor"].tolist()
        assert np.array_equal(np.load(cohort.images), np.load(by_maker.images))  # GE is turned by what its files say
        assert set(with_splits(cohort.table, 0).groupby("vendor")["split"].unique().map(len)) == {3}
        fingerprints |= {cohort.fingerprint, cohort.fingerprint_1}
        assert cohort.words == words_of_table(cohort.table) == DOMAIN_WORDS
    assert len(fingerprints) == 2 * (1 + len(wanted))
    assert by_maker.words == words_of_table(by_maker.table) == VENDOR_WORDS


def test_a_table_of_domains_is_read_back_as_it_was_written(place, tmp_path):
    table = surveyed(place[0], "code").table
    write_table(tmp_path / "cohort.csv", table)
    read = read_table(tmp_path / "cohort.csv")
    assert read["vendor"].tolist() == table["vendor"].tolist()
    assert set(read["vendor"]) == {"0", "1"}
    assert set(read["manufacturer"]) == {"GE", "SIEMENS"}


def test_images_without_a_domain_are_left_out_with_the_reason(place, tmp_path):
    root, rows = place
    rows = [dict(row) for row in rows]
    for row, text in zip(rows, ["", " ", "NA", "n/a"]):  # two patients of GE
        row["centre"] = text
    write_dicom(tmp_path / "more.dcm", anatomy(seed=99), "GE", MagneticFieldStrength=None)
    for path in {row["path"] for row in rows}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).hardlink_to(root / path)
    save_labels(tmp_path, [*rows, rows[0] | {"path": "more.dcm", "centre": "Alpha", "patient_id": "GE9"}])
    by_centre = surveyed(tmp_path, "centre")
    assert by_centre.skipped["reason"].tolist() == ["nothing in the column centre, which says the domain"] * 4
    assert {"GE0", "GE1"}.isdisjoint(by_centre.table["patient_id"])
    by_field = surveyed(tmp_path, "field_strength")
    assert by_field.skipped.to_numpy().tolist() == [
        ["more.dcm", "no field strength in the header, which says the domain"]
    ]
    assert by_field.notes[0].startswith("labels.csv: not used: the column 'centre', 'code', 'age'")
    assert by_centre.notes[0].startswith("labels.csv: not used: the column 'code', 'age'")


@pytest.mark.parametrize(("domain", "change", "message"), [
    ("hospital", {}, "labels.csv lacks the column 'hospital'; the columns found are 'path', 'patient_id', 'label', 'c"),
    ("age", {}, "--domain age: 12 patients .for example GE0. have several values in this column; a patient is in one"),
    ("many", {"many": range}, f"--domain many: this column has 40 values, and there may be {MOST} domains; give a"),
    ("centre", {"centre": lambda row: "A+B"}, "--domain centre: a domain's name begins with a letter or digit and has"),
    ("centre", {"centre": lambda row: "aA"[row["code"]]}, "'A' and 'a' differ in letter case or signs alone"),
    ("centre", {"centre": lambda row: ("A 1", "A-1")[row["code"]]}, "'A 1' and 'A-1' differ in letter case or signs"),
    ("centre", {"centre": lambda row: "one"}, "holds usable images of 1 domain .one., and this needs 2"),
    ("", {}, "domain must be vendor, centre, field_strength, or the name of a column of up to 60 letters, got ''"),
])  # fmt: skip
def test_what_can_be_no_domain_is_one_clear_message(place, tmp_path, domain, change, message):
    root, rows = place
    rows = [dict(row) for row in rows]
    for name, value_of in change.items():
        for number, row in enumerate(rows):
            row[name] = number if value_of is range else value_of(row)
    for path in {row["path"] for row in rows}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).hardlink_to(root / path)
    if "many" in change:
        more = [rows[0] | {"path": f"GE0/more{n}.dcm", "many": 100 + n} for n in range(16)]
        for row in more:
            (tmp_path / row["path"]).hardlink_to(root / "GE0/0.dcm")
        rows += more
    save_labels(tmp_path, rows)
    with pytest.raises(ValueError, match=message):
        require_usable(surveyed(tmp_path, domain), tmp_path, vendors=2)


def test_of_images_that_need_no_label_none_is_left_out_for_want_of_a_domain(place, tmp_path):
    root, rows = place
    for path in {row["path"] for row in rows}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).hardlink_to(root / path)
    unlabelled = surveyed(tmp_path, "centre", labels_required=False)
    assert set(unlabelled.table["vendor"]) == {"unknown"}
    assert set(unlabelled.table["manufacturer"]) == {"GE", "SIEMENS"}
    assert set(surveyed(tmp_path, "field_strength", labels_required=False).table["vendor"]) == {"1.5T", "3T"}


def test_a_column_of_duke_s_clinical_sheet(tmp_path):
    write_duke(tmp_path, csv=True, slices=16)
    sheet = tmp_path / "Clinical_and_Other_Features.csv"
    table = pd.read_csv(sheet, dtype=str)
    table["Menopause"] = [str(number // 3) for number in range(len(table))]
    table.to_csv(sheet, index=False)
    cohort = surveyed(tmp_path, "Menopause")
    assert domains_of(cohort) == dict(zip(table["Patient ID"], table["Menopause"]))
    with pytest.raises(InputError, match="lacks the column 'centre'; the columns found are 'Patient ID', 'Days to"):
        surveyed(tmp_path, "centre")


def test_a_column_that_would_say_the_domain_is_named():
    said = "no field strength in the header, which says the domain"
    assert why_without("field_strength") == why_without("field_strength", ["age", "fields"]) == said
    assert why_without("field_strength", ["age", "Tesla"]) == f"{said}; the sheet has a column Tesla: --domain Tesla"
    assert "column field_strength counts once it has" in why_without("field_strength", ["field_strength", "centre"])
    assert why_without("centre", ["field_t"]) == "nothing in the column centre, which says the domain"
    assert about_vendor_column(["age"]) == ""
    assert about_vendor_column(["age", "Maker"]) == ". The sheet has a column Maker: call it vendor"


def test_field_strengths_take_the_nominal_one():
    fields = {1.494: "1.5T", 1.5: "1.5T", 2.89362: "3T", 3.0: "3T", 0.064: "0.064T", 7: "7T", 1.16: "1.2T", 0.2: "0.2T"}
    assert {field: tesla(field) for field in fields} == fields
    assert tesla(float("nan")) == ""


def test_a_run_of_another_kind_of_domain_neither_continues_nor_merges(place, tmp_path):
    space = load_space("quick")
    runs = {}
    for domain in ("vendor", "centre"):
        cohort = open_cohort(place[0], settings(domain), 16, tmp_path, workers=1)
        runs[domain] = RunFolder(tmp_path / "runs" / domain)
        create_run(runs[domain], space, cohort, 0, "command", synthetic=False)
        assert domain_of(runs[domain].read_search()) == domain
        require_same(runs[domain], cohort, 0)
    other = "belongs to another kind of domain .--domain.: it has vendor, this command asks for centre"
    for undecoded in (cohort, dataclasses.replace(cohort, fingerprint="")):  # of a dry run too
        with pytest.raises(ValueError, match=other):
            require_same(runs["vendor"], undecoded, 0)
    with pytest.raises(ValueError, match=r"differ in their kind of domain .--domain.: vendor and centre"):
        require_mergeable(list(runs.values()), RunFolder(tmp_path / "into"))


def test_a_space_trains_on_the_domains_of_the_cohort(place):
    vendors = sorted(surveyed(place[0], "field_strength").table["vendor"].unique())
    space = load_space("quick")
    assert {point.fixed["vendor"] for point in space._replace(blocks=[{}]).grid(vendors)} == {"1.5T", "3T"}
    named = space._replace(blocks=[{"vendor": "GE"}])
    with pytest.raises(ValueError, match=r"trains on GE, and the cohort has 1.5T, 3T only"):
        require_vendors(named, vendors)


def test_words_of_a_domain():
    assert domain_words("vendor").counted(1) == "1 vendor"
    assert domain_words("centre").counted(2) == "2 domains"
    assert domain_words("site").of("Vendors: every vendor, a vendor's") == "Domains: every domain, a domain's"
    assert about_domains("vendor") == ""
    assert "column 'menopause'" in about_domains("menopause")
    for damaged in ({}, {"cohort": 3}, {"cohort": {"settings": []}}, {"cohort": {"settings": {"domain": "a\nb"}}}):
        assert domain_of(damaged) == "vendor"
