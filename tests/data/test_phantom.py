"""The phantom: laws of its layout, labels, physics and switches. Nothing here trains a network."""

import dataclasses
import itertools
import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pydicom
import pytest

from tune_ks.core.metrics import auc
from tune_ks.data import child_process
from tune_ks.data.kspace import centre
from tune_ks.data.phantom import write as phantom
from tune_ks.data.phantom.anatomy import FAR_OUT, Patient
from tune_ks.data.phantom.files import TOP
from tune_ks.data.phantom.patient import grid_mm
from tune_ks.data.phantom.plan import plan_vendor
from tune_ks.data.phantom.scanner import (
    GE,
    GLAND_T1_MS,
    PROTOCOLS,
    REFERENCE,
    SIEMENS,
    SWITCHES,
    Sequence,
    protocol,
    spoiled_gradient_echo,
    uptake_for,
)
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom

SMALL = PhantomSettings(patients=3, slices=2, matrix=64)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom") / "small", SMALL, workers=1)


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> Path:
    """The default matrix, few patients."""
    return write_phantom(
        tmp_path_factory.mktemp("phantom") / "native", PhantomSettings(patients=6, slices=2), workers=1
    )


def files(root: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((root / TOP).rglob("*.dcm"))]


def pixels(root: Path, vendor: str) -> dict[tuple[str, str, int], np.ndarray]:
    return {
        (file.PatientID, file.SeriesDescription, file.InstanceNumber): file.pixel_array
        for file in files(root)
        if file.Manufacturer == PROTOCOLS[vendor].manufacturer
    }


def kspace(image: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image.astype(float))))


def shell_energy(image: np.ndarray, inner: float, outer: float) -> float:
    """Mean |k|^2 where the larger of |kx|, |ky| lies between two shares of the stored matrix, over that without DC."""
    n = image.shape[0]
    k = np.abs(np.arange(n) - n // 2) / (n / 2)
    reach = np.maximum(k[:, None], k[None, :])
    energy = np.abs(kspace(image)) ** 2
    return float(energy[(reach >= inner) & (reach <= outer)].mean() / energy[reach > 0].mean())


# ---------------------------------------------------------------- the signal


def test_signal_equation_against_hand_computed_values():
    # S = sin a (1 - E1) / (1 - E1 cos a) exp(-TE / T2*) for TR 4.1 ms, TE 1.4 ms, 12 degrees, T2* 35 ms
    for t1_ms, expected in ((1680.0, 0.02009), (423.0, 0.06159)):
        assert spoiled_gradient_echo(np.array(t1_ms), 35.0, REFERENCE) == pytest.approx(expected, rel=5e-4)
        e1 = math.exp(-4.1 / t1_ms)
        flip = math.radians(12)
        again = math.sin(flip) * (1 - e1) / (1 - e1 * math.cos(flip)) * math.exp(-1.4 / 35)
        assert spoiled_gradient_echo(np.array(t1_ms), 35.0, REFERENCE) == pytest.approx(again, rel=1e-9)
    saturated = Sequence(tr_ms=1e6, te_ms=0.0, flip_deg=90.0, field_t=3.0)
    assert spoiled_gradient_echo(np.array(500.0), 35.0, saturated) == pytest.approx(1.0)


@pytest.mark.parametrize("enhancement", [0.0, 0.2, 1.0, 2.5])
def test_uptake_gives_the_enhancement_it_was_asked_for(enhancement):
    t10_ms = np.array([GLAND_T1_MS, 1100.0])
    uptake_mm = uptake_for(np.array(enhancement), t10_ms)
    t1_ms = 1 / (1 / t10_ms + 3.7e-3 * uptake_mm)  # r1 = 3.7 /s/mM at 3 T
    ratio = spoiled_gradient_echo(t1_ms, 35.0, REFERENCE) / spoiled_gradient_echo(t10_ms, 35.0, REFERENCE)
    assert ratio - 1 == pytest.approx(np.full(2, enhancement), abs=1e-9)


def test_impossible_enhancement_is_refused():
    with pytest.raises(ValueError, match="no T1 is short enough"):
        uptake_for(np.array(100.0), np.array(1680.0))


# ---------------------------------------------------------------- switches


def test_every_vendor_difference_has_exactly_one_switch():
    named = list(itertools.chain.from_iterable(SWITCHES.values()))
    assert len(named) == len(set(named))
    differ = {f.name for f in dataclasses.fields(GE) if getattr(GE, f.name) != getattr(SIEMENS, f.name)}
    assert differ - {"manufacturer", "models"} == set(named)
    switches = [f.name for f in dataclasses.fields(PhantomSettings) if f.type is bool]
    assert switches == list(SWITCHES)
    assert len(switches) == 9


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_moves_its_own_fields_of_ge_and_nothing_else(switch):
    off = protocol("GE", (switch,))
    for field in dataclasses.fields(GE):
        source = SIEMENS if field.name in SWITCHES[switch] else GE
        assert getattr(off, field.name) == getattr(source, field.name)
    assert protocol("SIEMENS", (switch,)) == SIEMENS


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_changes_the_images_of_ge_and_none_of_siemens(root, tmp_path, switch):
    other = write_phantom(tmp_path / switch, dataclasses.replace(SMALL, **{switch: False}), workers=1)
    before = pixels(root, "SIEMENS")
    siemens = pixels(other, "SIEMENS")
    assert len(before) == 12
    assert siemens.keys() == before.keys()
    assert all((siemens[key] == before[key]).all() for key in siemens)
    before = pixels(root, "GE")
    ge = pixels(other, "GE")
    assert len(before) == 12
    assert ge.keys() == before.keys()
    # of te_tr_b0 an examination at the same field still differs in TR and TE
    assert not any(np.array_equal(ge[key], before[key]) for key in ge)
    if switch == "orientation":
        assert all((ge[key] == before[key][::-1, ::-1]).all() for key in ge)
    if switch not in ("orientation", "pixel_spacing"):  # the anatomy does not depend on the scanner
        masks = np.load(root / "masks.npz")
        again = np.load(other / "masks.npz")
        assert all((again[name] == masks[name]).all() for name in masks)


def vendor_auc(root: Path) -> dict[str, float]:
    """One number of an image or header -> AUC with which it separates the vendors."""
    read = [file for file in files(root) if "1st" in file.SeriesDescription]
    vendor = np.array([file.Manufacturer == "SIEMENS" for file in read])
    rows = []
    for file in read:
        image = file.pixel_array.astype(float)
        rows.append(
            {
                "gain": np.percentile(image, 99),
                "fat": np.median(image[24:40, 20:44]) / np.percentile(image, 99),
                "edge": shell_energy(image, 0.78, 1.0),
                "spacing": float(file.PixelSpacing[0]),
                "echo": float(file.EchoTime),
                "turned": float(file.ImageOrientationPatient[0]),
            }
        )
    return {name: auc(vendor, column.to_numpy()) for name, column in pd.DataFrame(rows).items()}


def test_with_all_switches_off_the_vendors_cannot_be_told_apart(tmp_path):
    settings = PhantomSettings(patients=14, slices=2, matrix=64)
    alike = dataclasses.replace(settings, **dict.fromkeys(SWITCHES, False))
    different = vendor_auc(write_phantom(tmp_path / "on", settings, workers=1))
    same = vendor_auc(write_phantom(tmp_path / "off", alike, workers=1))
    assert all(0.2 < value < 0.8 for value in same.values()), same
    for name in ("gain", "edge", "spacing", "echo", "turned"):
        assert abs(different[name] - 0.5) > 0.45, different


# ---------------------------------------------------------------- k-space


def test_the_zero_filled_edge_is_ge_s(native):
    drop = {}
    for vendor in PROTOCOLS:
        images = pixels(native, vendor).values()
        drop[vendor] = np.median([shell_energy(i, 0.76, 1.0) / shell_energy(i, 0.52, 0.66) for i in images])
    assert drop["GE"] < 0.2  # nearly empty: the magnitude of noise in air leaves a little
    assert drop["SIEMENS"] > 0.3


def test_the_zero_filled_edge_does_not_survive_a_crop_to_half_the_matrix(native):
    """0.70 N > N / 2: the edge lies outside."""
    assert GE.acquired(192) == 134
    assert GE.acquired(512) == 358
    for vendor in PROTOCOLS:
        for image in list(pixels(native, vendor).values())[:6]:
            n = image.shape[0]
            half = np.abs(np.fft.ifft2(np.fft.ifftshift(centre(kspace(image), n // 2))))
            assert shell_energy(half, 0.9, 1.0) > 0.4 * shell_energy(half, 0.75, 0.85)


def test_siemens_noise_is_white_and_ge_noise_is_correlated(native):
    neighbour = {}
    for vendor in PROTOCOLS:
        correlations = []
        for image in pixels(native, vendor).values():
            upright = image[::-1, ::-1] if PROTOCOLS[vendor].rotated else image
            air = upright[:24, :40].astype(float)  # above the breast
            air -= air.mean()
            correlations.append((air[:, 1:] * air[:, :-1]).mean() / air.var())
        neighbour[vendor] = np.median(correlations)
    assert abs(neighbour["SIEMENS"]) < 0.06
    assert neighbour["GE"] > 0.12


@pytest.mark.parametrize(("n", "size"), [(8, 4), (8, 6), (4, 8), (6, 6)])
def test_cropping_and_zero_filling_keep_dc_at_the_middle(n, size):
    dc = np.zeros((n, n))
    dc[n // 2, n // 2] = 1
    moved = centre(dc, size)
    assert moved.shape == (size, size)
    assert moved[size // 2, size // 2] == 1


# ---------------------------------------------------------------- labels and positions


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("vendor", PROTOCOLS)
def test_every_planned_slice_obeys_the_label_rule_and_position_tells_nothing(vendor, seed):
    plans = plan_vendor(vendor, PhantomSettings(seed=seed))
    label = []
    position = []
    for plan in plans:
        assert len(plan.positive) == len(plan.negative) == 2
        assert len(set(plan.positive + plan.negative)) == 4
        assert all(1 <= s <= 60 for s in plan.positive + plan.negative)
        assert all(plan.start_slice <= s < plan.end_slice for s in plan.positive)
        assert all(s + 5 <= plan.start_slice or s - 5 > plan.end_slice for s in plan.negative)
        label += [1] * len(plan.positive) + [0] * len(plan.negative)
        position += [*plan.positive, *plan.negative]
    label = np.array(label)
    position = np.array(position)
    assert len(label) == 4 * 92
    assert auc(label, position) == 0.5  # the same slices in both classes
    # nor does any other function of the position, and each split of the patients stays near it on average
    assert sorted(position[label == 1]) == sorted(position[label == 0])
    diameters = [2 * plan.tumour_radius_mm for plan in plans]
    assert 17 < np.median(diameters) < 23


def test_too_few_patients_or_odd_slices_are_refused():
    for wrong, named in (
        ({"patients": 1}, "patients"),
        ({"slices": 3}, "slices"),
        ({"matrix": 30}, "matrix"),
        ({"fov_mm": 400.0}, "fov_mm"),
    ):
        with pytest.raises(ValueError, match=named):
            PhantomSettings(**wrong)


# ---------------------------------------------------------------- files


def test_files_lie_as_duke_s_and_say_that_they_are_synthetic(root):
    read = files(root)
    assert len(read) == 2 * SMALL.patients * SMALL.slices * 2
    assert len({file.SOPInstanceUID for file in read}) == len(read)
    assert {file.Manufacturer for file in read} == {"GE MEDICAL SYSTEMS", "SIEMENS"}
    for file in read:
        path = Path(file.filename).relative_to(root)
        assert path.parts[0] == TOP
        assert path.parts[1] == file.PatientID == str(file.PatientName)
        assert file.PatientID.startswith("PHANTOM_")
        assert "synthetic" in file.ImageComments
        assert path.name == f"1-{file.InstanceNumber:03d}.dcm"
        assert file.PatientBirthDate == ""
        assert pydicom.uid.UID(file.SOPInstanceUID).is_valid


def test_headers_are_those_of_the_scanner(root):
    for file in files(root):
        assert file.Modality == "MR"
        assert file.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        scanner = GE if file.Manufacturer.startswith("GE") else SIEMENS
        sign = -1 if scanner.rotated else 1
        assert list(file.ImageOrientationPatient) == [sign, 0, 0, 0, sign, 0]
        assert all(np.sign(file.ImagePositionPatient[:2]) == -sign)
        assert abs(file.EchoTime / scanner.te_ms - 1) < 0.08
        assert list(file.AcquisitionMatrix) == [scanner.acquired(64), 0, 0, scanner.acquired(64)]


def test_boxes_bound_the_masks_of_every_slice_as_they_are_stored(root):
    boxes = pd.read_excel(root / "Annotation_Boxes.xlsx").set_index("Patient ID")
    masks = np.load(root / "masks.npz")
    assert len(boxes) == 2 * SMALL.patients
    met = {True: 0, False: 0}
    for file in files(root):
        box = boxes.loc[file.PatientID]
        number = file.InstanceNumber
        positive = bool(box["Start Slice"] <= number < box["End Slice"])
        met[positive] += 1
        assert positive or number + 5 <= box["Start Slice"] or number - 5 > box["End Slice"]
        mask = masks[file.PatientID][list(masks[f"{file.PatientID}_slices"]).index(number)]
        assert mask.any() == positive
        if positive:
            rows = np.flatnonzero(mask.any(axis=1)) + 1
            columns = np.flatnonzero(mask.any(axis=0)) + 1
            assert box["Start Row"] <= rows[0] <= rows[-1] <= box["End Row"]
            assert box["Start Column"] <= columns[0] <= columns[-1] <= box["End Column"]
    assert met == {True: 12, False: 12}


def test_the_tumour_enhances_inside_its_mask(native):
    masks = np.load(native / "masks.npz")
    gained = []
    for vendor in PROTOCOLS:
        images = pixels(native, vendor)
        for (patient, series, s), post in images.items():
            mask = masks[patient][list(masks[f"{patient}_slices"]).index(s)]
            if "1st" in series and mask.any():
                pre = images[patient, "ax dyn pre", s]
                gained.append(post[mask].mean() / pre[mask].mean() - 1)
    assert len(gained) == 12
    assert 0.5 < np.median(gained) < 2.5


def test_a_lesion_looked_at_within_its_reach_is_the_same_to_the_last_bit():
    x, y = grid_mm(96, 160.0)
    seen = 0
    for seed in range(6):
        patient = Patient(np.random.default_rng(seed), tumour_z_mm=1.0, tumour_radius_mm=4.0 + seed)
        for lesion in [patient.tumour, *patient.benign, *patient.focal]:
            dz = 0.3
            z = lesion.centre[2] + dz * lesion.radius_mm
            dz = (z - lesion.centre[2]) / lesion.radius_mm
            share, radius = lesion.share(x, y, z)
            everywhere, radius_everywhere = lesion._share(x, y, dz)
            assert share.tobytes() == everywhere.tobytes()
            near = radius != FAR_OUT
            assert (radius[near] == radius_everywhere[near]).all()
            assert (everywhere[~near] < 1e-17).all()  # all of its pixels are near
            assert (lesion.mask(x, y, z) == (everywhere > 0.5)).all()
            seen += int(not near.all())
    assert seen > 5  # lesions that do not reach everywhere


def test_sheets_have_duke_s_shape(root):
    clinical = openpyxl.load_workbook(root / "Clinical_and_Other_Features.xlsx")["Data"]
    rows = list(clinical.iter_rows(values_only=True))
    assert rows[0][:2] == ("Patient Information", "MRI Technical Information")
    assert rows[1][:2] == ("Patient ID", "Manufacturer")
    assert rows[2][1].startswith("GE MEDICAL SYSTEMS=0")
    patients = rows[3:]
    assert [row[0] for row in patients] == [f"PHANTOM_{i:03d}" for i in range(1, 7)]
    assert [row[1] for row in patients] == [0, 2] * 3
    mapping = pd.read_excel(root / "Breast-Cancer-MRI-filepath_filename-mapping.xlsx")
    assert list(mapping.columns) == [
        "sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"
    ]  # fmt: skip
    by_uid = {file.SOPInstanceUID: file for file in files(root)}
    assert set(mapping["sop_instance_UID"]) == set(by_uid)
    for row in mapping.itertuples():
        assert (root / row.descriptive_path).is_file()
        file = by_uid[row.sop_instance_UID]
        series = {"ax dyn pre": "pre", "ax dyn 1st pass": "post_1"}[file.SeriesDescription]
        name = f"{file.PatientID}_{series}_{file.InstanceNumber:03d}.dcm"
        assert row.original_path_and_filename == f"DICOM_Images/{file.PatientID}/{series}/{name}"


def contents(root: Path) -> dict[Path, bytes]:
    """Every DICOM file below ``root``."""
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.dcm")}


def test_same_settings_same_bytes_whatever_the_workers_and_the_signals_they_get(root, tmp_path, monkeypatch):
    reported = []
    children = set()

    class Child(child_process.Child):
        def call(self, *args):
            answer = super().call(*args)
            children.add(self.process.pid)
            return answer

    def progress(*line):
        reported.append(line)
        for child in children:  # as Ctrl-C, `timeout` and a closed terminal send them to all processes
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(child, number)

    monkeypatch.setattr(child_process, "Child", Child)
    again = write_phantom(tmp_path / "a" / "again", SMALL, workers=2, progress=progress)
    assert 1 <= len(children) <= 2, "a signal ended a child"
    assert reported == [("phantom", i, 6) for i in range(1, 7)]
    ours = contents(root)
    assert ours == contents(again)
    assert len(ours) == 24
    for name in ("Annotation_Boxes.xlsx", "Clinical_and_Other_Features.xlsx"):
        assert pd.read_excel(root / name, header=None).equals(pd.read_excel(again / name, header=None))
    assert (root / "masks.npz").read_bytes() == (again / "masks.npz").read_bytes()
    other = write_phantom(tmp_path / "other", dataclasses.replace(SMALL, seed=1), workers=1)
    assert not set(contents(other).values()) & set(ours.values())


def test_written_once_and_never_over_something_else(root, tmp_path, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert write_phantom(root, SMALL) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert json.loads((root / "phantom.json").read_text())["seed"] == 0
    with pytest.raises(ValueError, match="other settings or of another version"):
        write_phantom(root, dataclasses.replace(SMALL, seed=5))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.docx").write_text("mine")
    with pytest.raises(ValueError, match="no phantom"):
        write_phantom(foreign, SMALL)
    assert [path.name for path in foreign.iterdir()] == ["thesis.docx"]

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(phantom, "write_sheets", fail)
    with pytest.raises(OSError, match="disk full"):
        write_phantom(tmp_path / "torn", SMALL, workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign"]  # nothing half-written stays


def test_an_interrupted_phantom_leaves_nothing_and_a_child_that_fails_is_one_message(tmp_path, monkeypatch):
    def interrupt(*_):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever other tests have left
    try:
        with pytest.raises(KeyboardInterrupt):
            write_phantom(tmp_path / "a", SMALL, workers=1, progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)

    def refuse(*_):
        raise OSError("disk full")

    runs = {"disk full": refuse, "a process that drew a patient died": lambda *_: iter(())}
    for reason, run in runs.items():
        monkeypatch.setattr(child_process.ChildPool, "run", run)
        with pytest.raises(OSError, match=reason):
            write_phantom(tmp_path / "b", SMALL, workers=2)
    assert list(tmp_path.iterdir()) == []
