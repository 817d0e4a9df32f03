"""Which files of a folder say where the lesions of its images lie."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.stored_masks import DRAWN, BoxMasks, DrawnMasks, StoredMasks, VolumeMasks
from tune_ks.data.layouts.base import Layout
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.sheets import InputError


class MaskSource(NamedTuple):
    """What says where the tumours of a folder lie."""

    files: list[Path]  # DRAWN, or Duke's boxes, or the masks of volumes
    mask_of: dict[str, str]  # volume -> its mask, relative to the root; {} where the files are no volumes
    root: Path

    def content(self) -> bytes:
        """What a fingerprint covers: the content of one file, or the hashes of many."""
        if not self.mask_of:
            return self.files[0].read_bytes()
        hashes = []
        for path in self.files:
            with path.open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").digest())
        return b"".join(hashes)

    def opened(self, cohort: Cohort) -> StoredMasks:
        """The masks, to be read."""
        if self.mask_of:
            return VolumeMasks(self.root, self.mask_of, cohort.settings.orientation)
        return DrawnMasks(self.files[0]) if self.files[0].name == DRAWN else BoxMasks(self.files[0])


def mask_source(root: Path, organs: bool = False, series: str | None = None) -> MaskSource:
    """What says where the tumours of the folder lie: DRAWN, masks of volumes, or Duke's boxes. InputError for nothing.

    With ``organs`` it must also say where the organs lie that hold them. ``series``: that of the cohort.
    """
    root = Path(root)
    drawn = root / DRAWN
    if organs and not (drawn.is_file() and DrawnMasks(drawn).has_organs):
        raise InputError(
            f"{root} does not say where the organs lie, which a task of volumes needs: no {DRAWN} with PATIENT_organ,"
            " (n, rows, columns) of bool as PATIENT; use task = 'segmentation', or add it"
        )
    layout = detect(root, labels_required=False)
    boxes = next(iter(layout.sheets.values()), None) if layout.holds_kspace else layout.sheets.get("boxes")
    if drawn.is_file():
        return MaskSource([drawn], {}, root)
    if layout.holds_volumes:
        return _masks_of_volumes(layout, series)
    if boxes is None:
        raise InputError(
            f"{root} does not say where its tumours lie, which segmentation and detection need: neither {DRAWN}"
            " (PATIENT: (n, rows, columns) of bool as the images are stored, PATIENT_slices: (n,) their slice numbers)"
            " nor Duke's Annotation_Boxes; use task = 'classification', or add one of them"
        )
    return MaskSource([boxes], {}, root)


def _masks_of_volumes(layout: Layout, series: str | None) -> MaskSource:
    """The masks that a layout of NIfTI volumes lists. InputError where it lists none."""
    mask_of = {}
    for item in layout.listing(series, True, layout.files()).items:
        if item.mask:
            mask_of[item.path] = item.mask
    if not mask_of:
        raise InputError(
            f"{layout.root} does not say where its tumours lie, which segmentation and detection need: no volume has a"
            " mask (the column mask of labels.csv); use task = 'classification', or add them"
        )
    files = [layout.root / mask for mask in sorted(set(mask_of.values()))]
    return MaskSource(files, mask_of, layout.root)
