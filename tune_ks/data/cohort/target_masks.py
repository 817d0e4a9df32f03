"""Masks of the tumour in each image of a cohort, made when a task needs them, with the geometry of the images.

Drawn masks are used where the folder has them (``masks.npz``, as the phantom writes it); else masks that are NIfTI
volumes, where the images are; else Duke's Annotation_Boxes, the same rectangle in every slice of the box. An image of
label 0 has no tumour: its mask is empty. Drawn masks may also say where the organ is that holds the tumour
(``PATIENT_organ``): a pixel of a mask is the sum of LESION and ORGAN.
"""

import dataclasses
from pathlib import Path

import numpy as np

from tune_ks.core.config import digest
from tune_ks.core.storage import replacement
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.kspace_scan import MASKS as BOX_MASKS
from tune_ks.data.cohort.map_scan import TARGETS
from tune_ks.data.cohort.mask_source import mask_source
from tune_ks.data.cohort.prepare import pad_to_square
from tune_ks.data.cohort.stored_masks import Row, StoredMasks
from tune_ks.data.cohort.table import manufacturer_of
from tune_ks.data.dicom.geometry import Geometry, apply
from tune_ks.data.layouts.labels import without_site
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.new_array import new_array
from tune_ks.data.nifti.slices import slice_geometry, volume_and_number
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import VendorNames
from tune_ks.data.whole_folder import remove_abandoned

VERSION = 1  # of what is cached; a change that moves any pixel raises it


def with_target_masks(cohort: Cohort, root: Path, organs: bool = False) -> Cohort:
    """The cohort of the folder ``root`` with its ``masks``, which are written beside its images the first time.

    The fingerprint then covers the source of the masks: with other masks it is another cohort.
    InputError where the folder does not say where its tumours lie, or not for every image of label 1; with ``organs``
    also where it does not say where the organs are.
    """
    if cohort.holds_maps:
        return naming_masks(cohort, root)
    if cohort.holds_kspace:
        mask_source(root, organs)
        return naming_masks(cohort, root)
    source = mask_source(root, organs, cohort.settings.series)
    with_masks = naming_masks(cohort, root)
    assert with_masks.masks is not None
    if not with_masks.masks.exists():
        _write(with_masks.masks, cohort, Path(root), source.opened(cohort))
    return with_masks


def naming_masks(cohort: Cohort, root: Path) -> Cohort:
    """The cohort as ``with_target_masks`` gives it, but its masks may not be written yet."""
    if cohort.holds_maps:  # maps and the masks of boxes were written with the images
        return dataclasses.replace(cohort, masks=cohort.images.with_name(TARGETS))
    if cohort.holds_kspace:
        return dataclasses.replace(cohort, masks=cohort.images.with_name(BOX_MASKS))
    content = digest(f"{VERSION}".encode() + mask_source(root, series=cohort.settings.series).content())[:8]
    masks = cohort.images.with_name(f"masks-{content}.npy")
    if not cohort.is_decoded:
        return dataclasses.replace(cohort, masks=masks)
    fingerprint = digest(f"{cohort.fingerprint}/{content}".encode())
    fingerprint_1 = digest(f"{cohort.fingerprint_1}/{content}".encode())
    return dataclasses.replace(cohort, masks=masks, fingerprint=fingerprint, fingerprint_1=fingerprint_1)


def shrink_by_area(mask: np.ndarray, side: int) -> np.ndarray:
    """(N, N) shares -> (side, side) bool: true where more than half of a pixel is covered.

    The new pixels lie where a central crop of k-space puts them: pixel side // 2 stays at the place of pixel N // 2, so
    that pixel j covers N / side of the old pixels about N // 2 + (j - side // 2) N / side.
    """
    size = len(mask)
    ratio = size / side
    old = np.arange(size)
    centre = size // 2 + (np.arange(side)[:, None] - side // 2) * ratio
    covered = np.minimum(centre + ratio / 2, old + 0.5) - np.maximum(centre - ratio / 2, old - 0.5)
    share = covered.clip(min=0) / ratio
    return share @ mask @ share.T > 0.5


def _write(path: Path, cohort: Cohort, root: Path, stored: StoredMasks) -> None:
    """The masks of a cohort's table, whole or not at all."""
    remove_abandoned(path.parent, lambda name: name == path.name)
    with replacement(path) as temporary:
        shape = (len(cohort.table), cohort.image_side, cohort.image_side)
        masks = new_array(temporary, np.uint8, shape)
        has_mask = (cohort.table["label"] == 1) | stored.has_organs
        for row in cohort.table[has_mask].to_dict("records"):
            row["patient_id"] = without_site(cohort.settings.site, row["patient_id"])
            masks[row["row"]] = _mask_of_image(row, cohort, root, stored)
        masks.flush()


def _mask_of_image(row: Row, cohort: Cohort, root: Path, stored: StoredMasks) -> np.ndarray:
    """(S, S) uint8, sums of LESION and ORGAN: the mask of one image, turned, padded and shrunk as the image was."""
    try:
        plan = _geometry(row, cohort, root)
    except UnusableFile as unusable:
        raise InputError(f"{row['path']} was read before and cannot be now: {unusable.reason}") from None
    pixels = np.zeros((cohort.image_side, cohort.image_side), np.uint8)
    for bit, mask in stored.of_row(row, plan.stored).items():
        if mask.shape != plan.stored:
            raise InputError(
                f"the mask of {row['path']} must be {plan.stored} as its image is stored, got {mask.shape}"
            )
        pixels |= np.uint8(bit) * shrink_by_area(pad_to_square(apply(mask.astype(np.float32), plan)), cohort.image_side)
    return pixels


def _geometry(row: Row, cohort: Cohort, root: Path) -> Geometry:
    """How the stored image became the one of the cohort. Raises UnusableFile."""
    if cohort.holds_volumes:
        return slice_geometry(root / volume_and_number(row["path"])[0], cohort.settings.orientation)
    from tune_ks.data.dicom.reader import read_geometry  # here, because most cohorts need no masks

    names = VendorNames(cohort.settings.vendor_of, manufacturer_of(row))
    return read_geometry(root / row["path"], cohort.settings.orientation, names)
