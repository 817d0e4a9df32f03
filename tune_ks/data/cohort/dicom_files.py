"""The DICOM files of a folder, each of which is one image: their headers, and their pixels series by series."""

from pathlib import Path
from typing import Any

from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort.asking import DICOM_WORK, LOCAL_FILES, Asking
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.dicom.header import Header
from tune_ks.data.layouts.items import LEFT_OUT, Item
from tune_ks.data.progress import Progress
from tune_ks.data.vendors import VENDORS, VendorNames

HEADERS_PER_TASK = 64


class DicomReader:
    """Reads DICOM files for an ``ImageScan``."""

    needs = (
        "Files must be single-frame MR images in DICOM format, of a known maker (or name it: --vendor-of"
        " 'MAKER=VENDOR', or a column vendor in labels.csv)"
    )

    def __init__(self, root: Path, settings: CohortSettings, pool: ChildPool, progress: Progress) -> None:
        self.root = root
        self.settings = settings
        self.asking = Asking(pool, DICOM_WORK, progress)
        self.makers: set[str] = set()

    def headers(self, items: list[Item]) -> list[tuple[Item, list[Candidate] | str]]:
        """Each item as a candidate, or why it cannot serve."""
        chunks = [items[i : i + HEADERS_PER_TASK] for i in range(0, len(items), HEADERS_PER_TASK)]
        tasks = [self._task(chunk) for chunk in chunks]
        local = len(items) <= LOCAL_FILES
        found: list[tuple[Item, list[Candidate] | str]] = []
        for item, answer in self.asking.answers("headers", "read_headers", chunks, tasks, local):
            if not isinstance(answer, str):
                self.makers.add(answer.maker)
            reason = answer if isinstance(answer, str) else _why_unusable(item, answer)
            found.append((item, reason or [Candidate(item, answer, is_image=item.label != LEFT_OUT)]))
        return found

    def pixels(self, candidates: list[Candidate], images: Path) -> list[tuple[Candidate, dict[str, Any] | str]]:
        """Write the image of each candidate that has a row to ``images``. Its facts, or why it cannot serve."""
        groups = _by_series(candidates)
        common = {"intensity": self.settings.intensity, "images": str(images)}
        tasks = []
        for group in groups:
            rows = [candidate.row for candidate in group]
            headers = [candidate.header for candidate in group]
            tasks.append(self._task([candidate.item for candidate in group], rows=rows, headers=headers, **common))
        is_plain = not any(candidate.header.compressed for candidate in candidates)
        local = is_plain and len(candidates) <= LOCAL_FILES
        return self.asking.answers("images", "write_group", groups, tasks, local)

    def named(self, skipped: list[tuple[str, str]], kept: list[Candidate]) -> list[tuple[str, str]]:
        """The same paths and reasons: a file is an image."""
        return skipped

    def _task(self, items: list[Item], **more: Any) -> dict[str, Any]:
        """The keyword arguments that ``read_headers`` and ``write_group`` share, and ``more``."""
        return {
            "paths": [str(self.root / item.path) for item in items],
            "names": [VendorNames(self.settings.vendor_of, item.sheet_vendor) for item in items],
            "crashed": [],
            "orientation": self.settings.orientation,
            **more,
        }


def _by_series(candidates: list[Candidate]) -> list[list[Candidate]]:
    """The files of each patient's series.

    Files that nobody chose lie in folders that say little: their own series and planes stay apart too.
    """
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in candidates:
        series: tuple[str, ...] = (candidate.item.patient_id, candidate.item.series)
        if not candidate.item.is_chosen:
            series += (candidate.header.series_hash, candidate.header.plane)
        groups.setdefault(series, []).append(candidate)
    return list(groups.values())


def _why_unusable(item: Item, header: Header) -> str:
    """Why a file that can be read does not serve; "" where it does."""
    if header.is_localizer and not item.is_chosen:
        return "a localizer (ImageType)"
    return _vendor_conflict(item, header)


def _vendor_conflict(item: Item, header: Header) -> str:
    """The reason to skip a file whose maker is not the one that the sheet says; "" where they agree."""
    if item.sheet_vendor not in VENDORS or item.sheet_vendor == header.vendor:
        return ""  # where the sheet's name is of the user's own making, the maker that the file names goes before it
    return f"the sheet says {item.sheet_vendor}, the file says {header.vendor}"
