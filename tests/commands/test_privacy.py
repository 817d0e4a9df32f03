"""Every identifying tag of the DICOM dictionary is planted, everything is run, and every output byte is searched."""

import gzip
import io
import os
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pydicom
import pytest
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from dicom_files import CLINICAL, anatomy, save_labels, write_dicom, write_duke
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.dicom.file import TAGS
from warm import Warm

ROOT = Path(__file__).parents[2]
MARK = "QZPLANTED"
PREFIX_UID, PREFIX_NUMBER = "1.2.826.0.777", "90417"
WORDS = (MARK, PREFIX_UID, "19020331", "047Y", "QZ^PLANTED", "qzplanted")
SPACE = """
SPACE = [
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": 0.25, "width": 0.05, "image_size": 64, "epochs": 2},
    {"mask": "lowpass", "sampling_rate": 1.0, "width": 0.05, "image_size": 64, "epochs": 2},
]
"""

PROGRAM = """
# every command of a user, one after another in one process
import sys
import analysis.__main__
import run_search

for code in (
    run_search.main(["--data", "../data/here", "--space", "space.py", "--run", "runs/one", "--concurrent", "1"]),
    analysis.__main__.main(["runs/one", "--no-report"]),  # the search has written the page, and evaluate does
    run_search.main(["evaluate", "runs/one", "--data", "../data/there", "--all"]),
    run_search.main(["predict", "runs/one", "--data", "../data/unlabelled", "--all"]),
):
    if code != 0:
        sys.exit(f"a command ended with {code}")
"""


def planted_value(kind, tag):
    """A value that can be found again, as long as the type allows; None for types that can hold none."""
    return {
        **dict.fromkeys(("LO", "SH", "LT", "ST", "UT", "UC", "PN", "AE", "CS"), f"{MARK}{tag & 0xFFFFFFF:07X}"),
        "UR": f"https://{MARK}.example/{tag:08x}",
        "UI": f"{PREFIX_UID}.{tag}",
        "DA": "19020331",
        "DT": "19020331112233",
        "TM": "112233.417417",
        "AS": "047Y",
        "DS": f"{PREFIX_NUMBER}{tag % 10**9:09d}"[:14] + ".5",
        "OB": f"{MARK} bytes".encode(),
        "UN": f"{MARK} bytes".encode(),
    }.get(kind)


def plant(path):
    """Fill every text, date, number and UID of the dictionary that is not read, sequences, private tags, file meta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that their types would not allow
        return _plant(pydicom.dcmread(path), path)


def _plant(data, path):
    met = 0
    for tag, (kind, multiplicity, _, retired, keyword) in DicomDictionary.items():
        value = planted_value(kind, tag)
        group = tag >> 16
        if keyword in TAGS or value is None or retired or group in (0, 2, 4) or group % 2 or group >= 0x5000:
            continue
        if keyword in ("SpecificCharacterSet", "SOPClassUID", "InconsistentSpecificCharacterSet") or not keyword:
            continue
        data.add_new(tag, kind, [value, value] if multiplicity.startswith("2") and isinstance(value, str) else value)
        met += 1
    for keyword in ("OtherPatientIDsSequence", "RequestAttributesSequence", "ReferencedPatientSequence"):
        item = Dataset()
        item.PatientName, item.PatientID, item.AccessionNumber = f"{MARK}^NESTED", f"{MARK}8", f"{MARK}9"
        setattr(data, keyword, [item])
    for group in (0x0009, 0x0019, 0x0029, 0x0051):
        block = data.private_block(group, f"{MARK} CREATOR", create=True)
        block.add_new(0x10, "OB", f"{MARK} CSA header name^of^patient".encode())
        block.add_new(0x11, "LO", f"{MARK} private")
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.SourceApplicationEntityTitle = f"{MARK}AET"
    data.file_meta.ImplementationVersionName = f"{MARK}VER"
    data.file_meta.PrivateInformationCreatorUID = f"{PREFIX_UID}.1"
    data.file_meta.PrivateInformation = f"{MARK} in the meta".encode()
    data.preamble = f"{MARK} in the preamble".encode().ljust(128, b"\0")
    data.add_new(0x60004000, "LT", f"{MARK} overlay")
    data.add_new(0xFFFCFFFC, "OB", f"{MARK} at the end".encode())
    data.save_as(path)
    return met


def write_hospital(root, vendors, patients=6, images=4):
    """A cohort whose files are full of identities and whose ids and folders are pseudonyms. Returns its rows."""
    rows = []
    for vendor in vendors:
        pixels = anatomy(64, 64)
        template = write_dicom(root / "template", pixels, vendor, ManufacturerModelName="Model 7")
        assert plant(template) > 1000
        before, after = template.read_bytes().split(pixels.tobytes())
        template.unlink()
        for patient in range(patients):
            for number in range(images):
                path = f"FOLDER_{vendor[:3]}{patient}/{number}.dcm"
                (root / path).parent.mkdir(exist_ok=True)
                (root / path).write_bytes(before + anatomy(64, 64, seed=len(rows)).tobytes() + after)
                rows.append({"path": path, "patient_id": f"PSEUDO_{vendor[:3]}{patient}", "label": number % 2})
                rows[-1] |= {"slice": number + 1, "name": f"{MARK}^ANNA", "born": "19020331", "mrn": f"{MARK}1"}
                rows[-1] |= {f"{MARK} column": "x", "comment": f"{MARK}, a comment"}
    return rows


def damage(root, rows):
    """Files that cannot serve must tell no more than others: cut, of another kind, with a length that runs on."""
    whole = (root / rows[0]["path"]).read_bytes()
    at = whole.index(b"\x08\x00\x70\x00LO")
    spoilt = {
        "cut.dcm": whole[:-50],
        "cut2.dcm": whole[: len(whole) // 3],
        "runs_on.dcm": whole[: at + 6] + (400).to_bytes(2, "little") + whole[at + 8 :],
        "text.dcm": f"{MARK} no image".encode() * 20,
    }
    for name, content in spoilt.items():
        (root / name).write_bytes(content)
    for name, tags in {"ct.dcm": {"Modality": "CT"}, "acme.dcm": {"Manufacturer": "ACME"}}.items():
        write_dicom(root / name, **tags)
        plant(root / name)
    rows += [
        {"path": name, "patient_id": "PSEUDO_X", "label": 1, "slice": 1} for name in (*spoilt, "ct.dcm", "acme.dcm")
    ]


def unpacked(content):
    """The bytes themselves, and what they pack: archives and gzip, in turn."""
    yield content
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name))
    elif content[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(content))


def holds(content, words):
    """The first of ``words`` that the bytes hold, in any of three encodings, and letter case aside; or None."""
    for part in unpacked(content):
        lowered = part.lower()
        for word in words:
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                if word.lower().encode(encoding) in lowered:
                    return word
    return None


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Everything that the program does, once, on planted data; all it writes and says lies below, but for the data."""
    folder = tmp_path_factory.mktemp("privacy")
    outputs, data = folder / "outputs", folder / "data"
    ray_logs = Path(tempfile.mkdtemp(prefix="pr", dir="/tmp"))  # a socket's path must be short
    rows = write_hospital(data / "here", ("GE", "SIEMENS"))
    damage(data / "here", rows)
    save_labels(data / "here", rows)
    save_labels(data / "there", write_hospital(data / "there", ("Philips Medical Systems",), patients=3))
    shutil.copytree(data / "there", data / "unlabelled", ignore=shutil.ignore_patterns("labels.csv"))
    outputs.mkdir()
    (outputs / "space.py").write_text(SPACE)
    (outputs / "scratch").mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RAY_TMPDIR": str(ray_logs),
        "TMPDIR": str(outputs / "scratch"),
    }
    program = folder / "program.py"
    program.write_text(PROGRAM)
    process = Warm([program], env=environment, cwd=outputs, output=outputs / "said.txt")
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    for log in ray_logs.rglob("*"):
        if log.is_file():
            shutil.copyfile(log, outputs / f"ray-{log.name}")
    shutil.rmtree(ray_logs)
    return folder


@pytest.fixture(scope="module")
def written(place):
    """relative path -> content, of everything that was written, Ray's logs included."""
    outputs = place / "outputs"
    return {path.relative_to(outputs).as_posix(): path.read_bytes() for path in outputs.rglob("*") if path.is_file()}


def test_planted_identities_are_in_the_files_and_in_no_output(place, written):
    source = (place / "data/here/FOLDER_GE0/0.dcm").read_bytes()
    for word in (f"{MARK}0100010", PREFIX_UID, "19020331", "047Y"):
        assert holds(source, [word]), word
    assert holds((place / "data/here/labels.csv").read_bytes(), [MARK])
    assert len(written) > 40
    kinds = {Path(name).suffix for name in written}
    assert {".json", ".csv", ".npz", ".npy", ".safetensors", ".html", ".log"} <= kinds
    assert any("tfevents" in name for name in written)
    assert any(name.startswith("ray-") for name in written)
    for name, content in written.items():
        assert not holds(content, [*WORDS, PREFIX_NUMBER + "0010"]), name


def test_ids_and_paths_are_only_where_they_are_documented(written):
    """Tables that must name an image hold patient_id and path as the user gave them; nothing that travels does."""
    words = [
        f"{what}_{vendor}{number}" for what in ("PSEUDO", "FOLDER") for vendor in ("GE", "SIE") for number in range(6)
    ]
    holders = {name for name, content in written.items() if holds(content, [*words, "PSEUDO_PHI", "FOLDER_PHI"])}
    tables = {name for name in holders if name.endswith(".csv")}
    assert holders == tables, "ids or paths outside tables"
    assert {Path(name).name for name in tables} == {
        "cohort.csv", "table.csv", "there_scores.csv", "unlabelled_predictions.csv",
        "unlabelled_patient_predictions.csv",
    }  # fmt: skip


def test_skipped_files_are_named_without_what_they_hold(written):
    skipped = pd.read_csv(io.BytesIO(written["runs/one/skipped.csv"]))
    assert dict(zip(skipped["path"], skipped["reason"])) == {
        "cut.dcm": "truncated",
        "cut2.dcm": "no pixel data",
        "runs_on.dcm": "unknown vendor (missing or unreadable)",
        "text.dcm": "not a DICOM file",
        "ct.dcm": "not MR (modality CT)",
        "acme.dcm": "unknown vendor (ACME)",
    }


def test_dukes_sheets_give_no_more_than_is_asked(tmp_path):
    """The clinical sheet has a hundred columns of a patient's history; one is read."""
    write_duke(tmp_path / "data", patients=3)
    book = openpyxl.load_workbook(tmp_path / "data" / CLINICAL)
    for row in book.active.iter_rows(min_row=1, max_row=book.active.max_row):
        book.active.cell(row[0].row, 9).value = f"{MARK} history"
    book.save(tmp_path / "data" / CLINICAL)
    cohort = open_cohort(tmp_path / "data", CohortSettings(), 16, tmp_path / "cache", 1)
    assert len(cohort.table) > 20
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not [path for path in files if holds(path.read_bytes(), [MARK])]


def test_the_search_finds_what_is_packed():
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.frombuffer(f"..{MARK}..".encode("utf-16-le"), np.uint8))
    assert holds(gzip.compress(packed.getvalue()), [MARK]) == MARK
    assert holds(b"nothing here", [MARK]) is None
