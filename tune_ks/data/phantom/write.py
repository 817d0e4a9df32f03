"""The default cohort: synthetic two-vendor breast MRI, as DICOM files in the layout of Duke-Breast-Cancer-MRI.

It shows that the tool works, never that k-sampling does. ``anatomy`` draws the breasts, ``scanner`` scans them.
"""

import contextlib
import dataclasses
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tune_ks.core.system import usable_cores
from tune_ks.data.child_process import ChildPool, Report, Task
from tune_ks.data.phantom.description import DESCRIPTION, holds
from tune_ks.data.phantom.files import WrittenPatient, write_masks, write_sheets
from tune_ks.data.phantom.patient import write_patient
from tune_ks.data.phantom.plan import PlannedPatient, plan_vendor
from tune_ks.data.phantom.scanner import PROTOCOLS
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.progress import Progress, silent
from tune_ks.data.whole_folder import whole_folder

VERSION = 2  # of the generator: raised whenever the same settings give other files


def write_phantom(
    root: Path,
    settings: PhantomSettings,
    workers: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the cohort under ``root``, or return at once when it is there. Returns ``root``.

    Everything is written beside ``root`` and renamed when whole. ``workers`` processes (None: one for each core, 8 at
    most); ``progress("phantom", done, patients)`` after each patient. ValueError when ``root`` holds anything else.
    """
    root = Path(root)
    description = json.dumps({"version": VERSION, **dataclasses.asdict(settings)}, indent=1)
    if holds(root, description):
        return root
    with whole_folder(root, lambda: holds(root, description)) as scratch:
        plans = [plan for vendor in PROTOCOLS for plan in plan_vendor(vendor, settings)]
        patients = []
        with contextlib.closing(_write_patients(plans, settings, scratch, workers)) as written:
            for patient in written:  # closed at once when a signal comes, and its processes with it
                patients.append(patient)
                progress("phantom", len(patients), len(plans))
        if len(patients) < len(plans):
            raise OSError(f"{root} cannot be written: a process that drew a patient died. Is there too little memory?")
        patients.sort(key=lambda patient: patient.patient_id)
        write_sheets(scratch, patients)
        write_masks(scratch, patients)
        (scratch / DESCRIPTION).write_text(description)
    return root


def _write_patients(
    plans: list[PlannedPatient], settings: PhantomSettings, scratch: Path, workers: int | None
) -> Generator[WrittenPatient, None, None]:
    """Every patient as soon as it is written."""
    count = min(workers or min(usable_cores(), 8), len(plans))
    if count == 1:
        yield from (write_patient(plan, settings, scratch) for plan in plans)
        return
    tasks = [{"plan": plan, "settings": settings, "scratch": scratch} for plan in plans]
    with ChildPool(count) as pool:
        yield from pool.run("tune_ks.data.phantom.write:write_patient_in_child", tasks, _give_up)


def write_patient_in_child(
    report: Report, plan: PlannedPatient, settings: PhantomSettings, scratch: Path
) -> WrittenPatient:
    """What a child process does."""
    return write_patient(plan, settings, scratch)


def _give_up(task: Task, last_report: Any) -> None:
    """A child that died over a patient dies over it again: the phantom cannot be written."""
    return None
