"""Folders of NIfTI volumes, or of raw k-space, without any sheet: as ``predict`` is given them in a hospital."""

import itertools
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tune_ks.data.layouts.base import FileStatus
from tune_ks.data.layouts.fastmri import RAW, AnnotatedFile, FastMRI
from tune_ks.data.layouts.folder import PatientFolders
from tune_ks.data.layouts.items import Item, Listing

VOLUMES = (".nii", ".nii.gz")
NO_MAKER = "unknown"  # NIfTI does not say who made the scanner; --vendor-of unknown=GE says it of all
LOOKED_AT = 1000  # names of a folder


class UnlabelledVolumes(PatientFolders):
    """A folder with NIfTI volumes in it or in its folders. A volume in the root itself is a patient of its name."""

    holds_volumes = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """None are needed where it holds a volume."""
        return {} if _holds(root, VOLUMES) else None

    def files(self) -> list[FileStatus]:
        """Every volume, by the ending of its name."""
        return [file for file in self.files_below(self.root) if file.path.lower().endswith(VOLUMES)]

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """Every volume, or those below a folder called ``series``."""
        listing = super().listing(series, labels_required, files)
        listing.items = [_with_patient(item) for item in listing.items]
        return listing


class UnlabelledRaw(FastMRI):
    """A folder with raw files in it or in its folders, and no CSV of boxes."""

    has_labels = False
    recognised_by = ""

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """None are needed where it holds a raw file."""
        return {} if _holds(root, RAW) else None

    def annotated(self, finding: str, files: list[FileStatus]) -> tuple[list[AnnotatedFile], list[tuple[str, str]]]:
        """Every file, with a label for none of its slices."""
        return [AnnotatedFile(file.path, [], has_study_level=False, looked_at=False) for file in files], []


def _with_patient(item: Item) -> Item:
    name = PurePosixPath(item.path).name
    is_loose = name == item.path
    patient = name.partition(".")[0] if is_loose else item.patient_id
    return replace(item, patient_id=patient, sheet_vendor=NO_MAKER, is_chosen=True)


def _holds(root: Path, endings: Collection[str]) -> bool:
    """Whether a file with such an ending lies in ``root``, in a folder of it, or in one of that, and no DICOM file."""
    holds = False
    folders = [str(root)]
    for _ in range(3):
        below: list[str] = []
        for folder in folders:
            names, inside = _looked_at(folder)
            if any(_may_be_dicom(name) for name in names):
                return False
            holds = holds or any(name.lower().endswith(tuple(endings)) for name in names)
            below += inside
        folders = below[:LOOKED_AT]
    return holds


def _may_be_dicom(name: str) -> bool:
    """By its ending alone: DICOM files often have none."""
    return PurePosixPath(name.lower()).suffix in ("", ".dcm", ".ima")


def _looked_at(folder: str) -> tuple[list[str], list[str]]:
    """The names of the first files of a folder, and the paths of its first folders; hidden ones excepted."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, LOOKED_AT):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    files.append(entry.name)
    except OSError:  # whoever reads the folder says why
        return files, folders
    return files, folders
