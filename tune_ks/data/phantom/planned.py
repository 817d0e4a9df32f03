"""The table of a phantom that is not written yet: patients, slices, labels and sizes, as a survey finds them."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.image_table import NO_FACTS
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.dipole import GEOMETRY, b0_in_image_axes
from tune_ks.data.phantom.files import SERIES
from tune_ks.data.phantom.lge import LgeSettings, planned_hearts
from tune_ks.data.phantom.plan import plan_vendor
from tune_ks.data.phantom.qsm import QsmSettings, planned_slices
from tune_ks.data.phantom.scanner import PROTOCOLS
from tune_ks.data.phantom.settings import PhantomSettings

TEXTS = {"series": "", "split": "", "orientation": "canonical", "model": "", "phase": ""}  # where a row says nothing


def planned_cohort(root: Path, phantom: PhantomSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_phantom`` would write into ``root``, undecoded; sequence parameters are NaN."""
    rows = []
    for vendor in PROTOCOLS:
        for plan in plan_vendor(vendor, phantom):
            for number in (*plan.positive, *plan.negative):
                row = {
                    "path": f"{plan.patient_id}/{number}",
                    "patient_id": plan.patient_id,
                    "vendor": vendor,
                    "series": settings.series or next(iter(SERIES)),
                    "label": int(number in plan.positive),
                    "slice": float(number),
                }
                rows.append(row)
    return _undecoded(rows, root, settings, image_size, phantom.matrix, "duke")


def planned_hearts_cohort(root: Path, phantom: LgeSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_lge`` would write into ``root``, undecoded.

    Which slices will show scar is not known before they are drawn: every other one is said to.
    """
    rows = []
    for heart in planned_hearts(phantom):
        for number in range(1, phantom.slices + 1):
            row = {
                "path": f"{heart.patient_id}/{number:03d}.dcm",
                "patient_id": heart.patient_id,
                "vendor": heart.vendor,
                "label": number % 2,
                "slice": float(number),
                "split": heart.split,
            }
            rows.append(row)
    return _undecoded(rows, root, settings, image_size, phantom.matrix, "table")


def planned_maps(root: Path, phantom: QsmSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_qsm_phantom`` would write into ``root``, undecoded."""
    rows = []
    for domain, patient, geometry in planned_slices(phantom):
        row = {
            "path": f"{domain}/{patient}.npz",
            "patient_id": patient,
            "vendor": domain,
            "label": 1,
            "orientation": "raw",
            "field_t": geometry.field_t,
            **dict(zip(GEOMETRY, (*geometry.voxel_mm, *b0_in_image_axes(geometry.orientation)))),
        }
        rows.append(row)
    return _undecoded(rows, root, settings, image_size, phantom.side, "maps")


def _undecoded(
    rows: list[dict[str, Any]], root: Path, settings: CohortSettings, image_size: int, side: int, layout: str
) -> Cohort:
    """The cohort of ``rows``, which say what is known of each image of ``side`` pixels; the rest is not known."""
    unknown = {**dict.fromkeys(COLUMNS, math.nan), **NO_FACTS, **TEXTS, "height": side, "width": side}
    table = pd.DataFrame([unknown | row for row in rows]).sort_values("path", ignore_index=True)
    return Cohort(
        table=table.assign(row=range(len(table))),
        skipped=pd.DataFrame(columns=["path", "reason"]),
        settings=settings,
        images=root / "not written",
        fingerprint="",
        image_side=min(image_size, side),
        layout=layout,
    )
