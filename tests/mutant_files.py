"""Mutants of real and of written files, read by the project's own readers in a child process, one verdict each."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

import mutation
from dicom_files import BOXES, MAKERS, PHI, anatomy, write_dicom, write_duke, write_table_cohort
from tune_ks.data import child_process

SHARED = Path(__file__).parents[2] / "shared" / "data"
LIMIT_S = 60.0  # for one mutant; a reader that is silent for longer hangs


class Verdict(NamedTuple):
    """What became of one mutant. ``fault`` is "" unless the reader broke its promise."""

    kind: str  # dicom | sheets | run
    source: str
    said: str
    seconds: float
    fault: str


class Reader:
    """A child that reads mutants; a dead one is replaced, and its peak memory kept."""

    def __init__(self) -> None:
        self.child: child_process.Child | None = None
        self.peak_mib = 0

    def call(self, function: str, **task: Any) -> tuple[Any, str]:
        """(answer, fault) of one call."""
        self.child = self.child or child_process.Child(LIMIT_S)
        try:
            answer, peak_mib = self.child.call(f"mutant_work:{function}", task)
            self.peak_mib = max(self.peak_mib, peak_mib)
            return answer, ""
        except child_process.ChildDied as death:
            self.child = None
            return None, f"crashed or hung over {death.last_report}"
        except RuntimeError as error:
            return None, str(error).strip().splitlines()[-1]

    def close(self) -> None:
        if self.child:
            self.child.close()


# ------------------------------------------------------------------------------------------------ DICOM


def dicom_sources(folder: Path) -> dict[str, bytes]:
    """Files written here, and the real ones where they are."""
    contents = {vendor: write_dicom(folder / vendor, vendor=vendor, phi=True).read_bytes() for vendor in MAKERS}
    file = write_dicom(folder / "large", anatomy(256, 256), PixelSpacing=[0.5, 0.7])
    contents["large"] = file.read_bytes()
    import pydicom

    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(folder / "deflated")
    contents["deflated"] = (folder / "deflated").read_bytes()
    real = [
        *sorted((SHARED / "dicom_syntaxes").glob("*.dcm")),
        *sorted((SHARED / "dicom_vendors").glob("*/*1.dcm"))[:4],
    ]
    return contents | {f"real {path.stem[-12:]}": path.read_bytes() for path in real}


def write_dicom_mutants(folder: Path, count: int, seed: int) -> list[tuple[str, Path]]:
    """``count`` mutants in ``folder``/mutants: the name of the source of each, and its file."""
    sources = dicom_sources(folder)
    names = list(sources)
    written = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        path = folder / "mutants" / f"p{number % 7}" / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutation.mutant(sources[name], mutation.DICOM, rng))
        written.append((name, path))
    return written


def dicom_mutants(folder: Path, count: int, seed: int, reader: Reader) -> Iterator[Verdict]:
    """``count`` mutants, written to ``folder``/mutants and read one by one."""
    for name, path in write_dicom_mutants(folder, count, seed):
        started = time.perf_counter()
        said, fault = reader.call("read_dicom", path=str(path))
        if fault.startswith("crashed") and name.startswith("real"):  # a native decoder: the scan must name the file
            said, fault = "the decoder crashed", ""
        if any(word in (said or "") for word in (*PHI, "PLANTED")):
            fault = f"tells an identifying value: {said}"
        yield Verdict("dicom", name, said or "", time.perf_counter() - started, fault)


# ------------------------------------------------------------------------------------------------ sheets


def sheet_sources(folder: Path) -> list[tuple[Path, Path]]:
    """(folder, sheet to damage), with the rest of the folder whole."""
    write_duke(folder / "xlsx", patients=2, slices=12)
    write_duke(folder / "csv", patients=2, slices=12, csv=True)
    write_table_cohort(folder / "table", patients=2, split=lambda row: "", series=lambda row: "pre")
    roots = ["xlsx", "csv", "table"]
    if (SHARED / "duke_sheets").is_dir():
        shutil.copytree(folder / "xlsx", folder / "real")
        shutil.copyfile(SHARED / "duke_sheets" / BOXES, folder / "real" / BOXES)
        roots.append("real")
    sheets = [(folder / root, sheet) for root in roots for sheet in sorted((folder / root).glob("*.*"))]
    return [(root, sheet) for root, sheet in sheets if root.name != "real" or sheet.name == BOXES]


def sheet_mutants(folder: Path, count: int, seed: int, reader: Reader) -> Iterator[Verdict]:
    """One sheet of a cohort damaged at a time; the listing is read, or refused by a message that names the sheet."""
    sources = sheet_sources(folder)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        root, sheet = sources[number % len(sources)]
        whole = sheet.read_bytes()
        damages = mutation.WORKBOOK if sheet.suffix == ".xlsx" else mutation.CSV
        sheet.write_bytes(mutation.mutant(whole, damages, rng))
        started = time.perf_counter()
        said, fault = reader.call("read_folder", root=str(root))
        if not fault and not said.startswith("read") and sheet.stem not in said:
            fault = f"does not name {sheet.name}: {said}"
        sheet.write_bytes(whole)
        yield Verdict("sheets", f"{root.name}/{sheet.name}", said or "", time.perf_counter() - started, fault)


# ------------------------------------------------------------------------------------------------ run folders


def run_mutants(run: Path, count: int, seed: int, reader: Reader) -> Iterator[Verdict]:
    """One file of a run folder damaged at a time: analysed, resumed, evaluated and exported without a traceback.

    Not the JSON files: tests/core/test_schema_fuzz.py changes them by their schemas. Of each other name one file, since
    the files of a name are read in the same way.
    """
    found = {path.name: path for path in run.rglob("*") if path.is_file() and path.suffix != ".json"}
    files = [found[name] for name in sorted(found) if "images" not in name]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        file = files[number % len(files)]
        before = file.read_bytes()
        damages = {".csv": mutation.CSV, ".npz": mutation.WORKBOOK, ".pt": mutation.WORKBOOK}
        file.write_bytes(mutation.mutant(before, damages.get(file.suffix, mutation.BYTES), rng))
        started = time.perf_counter()
        said, fault = reader.call("read_run", root=str(run), file=file.name)
        file.write_bytes(before)
        outcome = "; ".join(f"{name}: {text}" for name, text in (said or {}).items() if text != "read") or "read"
        yield Verdict("run", file.name, outcome, time.perf_counter() - started, fault)
