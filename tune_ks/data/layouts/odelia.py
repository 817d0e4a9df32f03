"""ODELIA's breast MRI as it is shared: one breast a volume, a label for the breast, a folder for each centre.

    CENTRE/data_unilateral/UID/Post_1.nii.gz        and Pre, Post_2 ..., Sub_1 (a difference), T2
    CENTRE/metadata_unilateral/annotation.csv       UID, Lesion (0 none, 1 benign, 2 malignant), at times PatientID
    CENTRE/metadata_unilateral/split.csv            UID, Fold, Split; at times absent

The centres lie in the folder itself or in its folder ``data``. A breast is positive where Lesion is 2: a benign lesion
counts as negative. Nothing says which slices show the lesion: those in the middle third of the volume get the label of
the breast, so that a positive slice may show nothing.
"""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tune_ks.data.layouts.base import FileStatus, Layout, visible_names
from tune_ks.data.layouts.items import SPLITS, Item, Listing
from tune_ks.data.layouts.sheet_tables import read_table
from tune_ks.data.layouts.sheets import InputError, UnknownSeries, require_columns

DATA = "data_unilateral"
META = "metadata_unilateral"
SERIES = "Post_1"
LABEL_OF = {"0": 0, "1": 0, "2": 1}  # Lesion -> label
SIDE = re.compile(r"_(left|right)$", re.IGNORECASE)  # of a UID
VOLUME = re.compile(r"(.+)\.nii(\.gz)?$", re.IGNORECASE)
SPLITS_UNUSED = (
    "split.csv is not used: it leaves out a breast, or puts two breasts of one patient into different splits;"
    " the patients are split anew"
)
CENTRES = ("centre", "center", "site")  # what --domain may call the folder
NOT_IN_NAMES = re.compile(r"[^A-Z0-9_-]+")


class Breast(NamedTuple):
    """A row of annotation.csv."""

    patient: str
    label: int | None
    split: str  # of the first fold; "" where nothing says it


class Odelia(Layout):
    """A folder whose folders hold ``metadata_unilateral/annotation.csv``. In place of vendors stand the centres."""

    recognised_by = f"ODELIA's CENTRE/{META}/annotation.csv beside CENTRE/{DATA}/"
    holds_volumes = True
    middle = 1 / 3

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """CENTRE/annotation and CENTRE/split for every centre, the path of CENTRE as in the folder."""
        sheets = {}
        for centre in _centres(root):
            for name in ("annotation", "split"):
                path = root / centre / META / f"{name}.csv"
                if path.is_file():
                    sheets[f"{centre}/{name}"] = path
        return sheets if any(name.endswith("/annotation") for name in sheets) else None

    @classmethod
    def message_if_incomplete(cls, root: Path) -> str:
        """The message where there are centres and none has labels; else ""."""
        centres = _centres(root)
        if not centres:
            return ""
        return f"{root} holds {centres[0]}/{DATA} as ODELIA does, but no centre has {META}/annotation.csv, the labels"

    def files(self) -> list[FileStatus]:
        """Every file below the centres' folders of images."""
        files: list[FileStatus] = []
        for centre in _centres(self.root):
            files += self.files_below(self.root / centre / DATA)
        return sorted(files)

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The volumes of one name (None: SERIES). UnknownSeries where no breast has it."""
        series = SERIES if series is None else series
        volumes = _volumes_by_series([file.path for file in files])
        if series not in volumes:
            known = ", ".join(f"{name!r} ({len(paths)} volumes)" for name, paths in sorted(volumes.items())) or "none"
            raise UnknownSeries(f"no breast has a volume {series!r}; there are {known}. --series takes one of them")
        breasts = {centre: self._breasts(centre) for centre in _centres(self.root)}
        listing = Listing()
        listing.left_out["another series"] = sum(map(len, volumes.values())) - len(volumes[series])
        for path in volumes[series]:
            centre, _, rest = path.partition(f"/{DATA}/")
            uid = rest.split("/")[0]
            breast = breasts[centre].get(uid)
            reason = _why_unusable(breast, labels_required)
            if reason:
                listing.skipped.append((path, reason))
                continue
            listing.items.append(self._item(path, series, centre, uid, breast or Breast(_patient(uid), None, "")))
        listing.use_whole_splits(SPLITS_UNUSED)
        listing.notes.append(
            "the label is that of the breast (malignant against benign or none), in the middle third of its slices"
        )
        if not self.domain_columns:
            listing.notes.append(
                "what is called a vendor is a centre: ODELIA does not say who made a scanner (--domain centre says so)"
            )
        return listing

    def _item(self, path: str, series: str, centre: str, uid: str, breast: Breast) -> Item:
        name = centre.rpartition("/")[2]
        side = SIDE.search(uid)
        is_domain = any(column in CENTRES for column in self.domain_columns)
        return Item(
            path=path,
            patient_id=f"{name}_{breast.patient}",
            series=series,
            label=breast.label,
            split=breast.split,
            breast=side[1].lower() if side else "",
            domain=name if is_domain else "",
            sheet_vendor=NOT_IN_NAMES.sub("_", name.upper())[:20],
        )

    def _breasts(self, centre: str) -> dict[str, Breast]:
        """UID -> its row; {} for a centre without labels."""
        sheet = self.sheets.get(f"{centre}/annotation")
        if sheet is None:
            return {}
        table = read_table(sheet)
        require_columns(sheet, table.columns, "UID", "Lesion")
        splits = self._splits(centre)
        breasts: dict[str, Breast] = {}
        for line, row in table.iterrows():
            uid = row["UID"]
            lesion = row["Lesion"].removesuffix(".0")
            if lesion not in (*LABEL_OF, ""):
                raise InputError(f"{centre}/{META}/{sheet.name}: line {line}: Lesion must be 0, 1 or 2, got {lesion!r}")
            if uid in breasts:
                raise InputError(f"{centre}/{META}/{sheet.name} has more than one row for {uid}")
            patient = row.get("PatientID", "") or _patient(uid)
            breasts[uid] = Breast(patient, LABEL_OF.get(lesion), splits.get(uid, ""))
        return breasts

    def _splits(self, centre: str) -> dict[str, str]:
        """UID -> split in the first fold."""
        sheet = self.sheets.get(f"{centre}/split")
        if sheet is None:
            return {}
        table = read_table(sheet)
        require_columns(sheet, table.columns, "UID", "Split")
        if "Fold" in table:
            table = table[pd.to_numeric(table["Fold"], errors="coerce").fillna(0) == 0]
        splits = [split if split in SPLITS else "" for split in table["Split"].str.lower()]
        return dict(zip(table["UID"], splits))


def _why_unusable(breast: Breast | None, labels_required: bool) -> str:
    """Why a volume cannot serve; "" when it can."""
    if not labels_required:
        return ""
    if breast is None:
        return "no row in annotation.csv"
    return "no label" if breast.label is None else ""


def _centres(root: Path) -> list[str]:
    """The folders of centres, relative to the root. A folder that cannot be looked at is none."""
    centres = []
    for start in ("", "data/"):
        folder = root / start
        centres += [start + name for name in visible_names(folder) if os.path.isdir(folder / name / DATA)]
    return centres


def _patient(uid: str) -> str:
    """A breast's UID without its side."""
    return SIDE.sub("", uid)


def _volumes_by_series(paths: list[str]) -> dict[str, list[str]]:
    """Name of a volume without its suffix -> files."""
    volumes: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        name = VOLUME.fullmatch(path.rpartition("/")[2])
        inside = path.partition(f"/{DATA}/")[2]
        if name and inside.count("/") == 1:
            volumes[name[1]].append(path)
    return volumes
