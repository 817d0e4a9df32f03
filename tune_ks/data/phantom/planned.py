"""The table of a phantom that is not written yet: patients, slices, labels and sizes, as a survey finds them."""

import math
from pathlib import Path

import pandas as pd

from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.scan import NO_FACTS
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.dipole import GEOMETRY, b0_in_image_axes
from tune_ks.data.phantom.files import SERIES
from tune_ks.data.phantom.lge import LgeSettings, planned_hearts
from tune_ks.data.phantom.qsm import QsmSettings, planned_slices
from tune_ks.data.phantom.scanner import PROTOCOLS
from tune_ks.data.phantom.write import PhantomSettings, plan_vendor


def planned_cohort(root: Path, phantom: PhantomSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_phantom`` would write into ``root``, undecoded; sequence parameters are NaN."""
    lines = []
    for vendor in PROTOCOLS:
        for plan in plan_vendor(vendor, phantom):
            for number in (*plan.positive, *plan.negative):
                known = {
                    "path": f"{plan.patient_id}/{number}",
                    "patient_id": plan.patient_id,
                    "vendor": vendor,
                    "series": settings.series or SERIES[0],
                    "label": int(number in plan.positive),
                    "slice": float(number),
                    "split": "",
                    "orientation": "canonical",
                    "height": phantom.matrix,
                    "width": phantom.matrix,
                    "model": "",
                    "phase": "",
                }
                lines.append({**dict.fromkeys(COLUMNS, math.nan), **NO_FACTS, **known})
    table = pd.DataFrame(lines, columns=list(COLUMNS)).sort_values(["path"], ignore_index=True)
    return Cohort(
        table=table.assign(row=range(len(table))),
        skipped=pd.DataFrame(columns=["path", "reason"]),
        settings=settings,
        images=root / "not written",
        fingerprint="",
        image_side=min(image_size, phantom.matrix),
        layout="duke",
    )


def planned_hearts_cohort(root: Path, phantom: LgeSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_lge`` would write into ``root``, undecoded.

    Which slices will show scar is not known before they are drawn: every other one is said to.
    """
    lines = []
    for heart in planned_hearts(phantom):
        for number in range(1, phantom.slices + 1):
            known = {
                "path": f"{heart.patient_id}/{number:03d}.dcm",
                "patient_id": heart.patient_id,
                "vendor": heart.vendor,
                "series": "",
                "label": number % 2,
                "slice": float(number),
                "split": heart.split,
                "orientation": "canonical",
                "height": phantom.matrix,
                "width": phantom.matrix,
                "model": "",
                "phase": "",
            }
            lines.append({**dict.fromkeys(COLUMNS, math.nan), **NO_FACTS, **known})
    table = pd.DataFrame(lines, columns=list(COLUMNS)).sort_values(["path"], ignore_index=True)
    return Cohort(
        table=table.assign(row=range(len(table))),
        skipped=pd.DataFrame(columns=["path", "reason"]),
        settings=settings,
        images=root / "not written",
        fingerprint="",
        image_side=min(image_size, phantom.matrix),
        layout="table",
    )


def planned_maps(root: Path, phantom: QsmSettings, settings: CohortSettings, image_size: int) -> Cohort:
    """The cohort that ``write_qsm_phantom`` would write into ``root``, undecoded."""
    lines = []
    for domain, patient, geometry in planned_slices(phantom):
        known = {
            "path": f"{domain}/{patient}.npz",
            "patient_id": patient,
            "vendor": domain,
            "series": "",
            "label": 1,
            "split": "",
            "orientation": "raw",
            "height": phantom.side,
            "width": phantom.side,
            "model": "",
            "phase": "",
            "field_t": geometry.field_t,
        }
        known |= zip(GEOMETRY, (*geometry.voxel_mm, *b0_in_image_axes(geometry.orientation)))
        lines.append({**dict.fromkeys(COLUMNS, math.nan), **NO_FACTS, **known})
    table = pd.DataFrame(lines, columns=[*COLUMNS, *GEOMETRY]).sort_values(["path"], ignore_index=True)
    return Cohort(
        table=table.assign(row=range(len(table))),
        skipped=pd.DataFrame(columns=["path", "reason"]),
        settings=settings,
        images=root / "not written",
        fingerprint="",
        image_side=min(image_size, phantom.side),
        layout="maps",
    )
