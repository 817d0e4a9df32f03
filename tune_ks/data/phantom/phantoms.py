"""Every phantom by name: the cohort that stands in where a search of a space is given no data."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.phantom import lge, planned, qsm, write
from tune_ks.data.progress import Progress


class Phantom(NamedTuple):
    """How a phantom is written, and what can be said of it before."""

    folder: str  # below the folder of all phantoms; it names the version, so that an older one stays
    words: str  # what it would be, for ``check``
    size: str  # of its files
    series: str | None  # the one that is read unless another is asked for
    write: Callable[[Path, int | None, Progress], Path]  # folder, processes (None: one a core) -> folder
    plan: Callable[[Path, CohortSettings, int], Cohort]  # its cohort at an image size, before it is written


def _write_breast(root: Path, workers: int | None, progress: Progress) -> Path:
    return write.write_phantom(root, write.PhantomSettings(), workers=workers, progress=progress)


def _plan_breast(root: Path, settings: CohortSettings, image_size: int) -> Cohort:
    return planned.planned_cohort(root, write.PhantomSettings(), settings, image_size)


def _write_lge(root: Path, workers: int | None, progress: Progress) -> Path:
    return lge.write_lge(root, lge.LgeSettings(), progress)


def _plan_lge(root: Path, settings: CohortSettings, image_size: int) -> Cohort:
    return planned.planned_hearts_cohort(root, lge.LgeSettings(), settings, image_size)


def _write_qsm(root: Path, workers: int | None, progress: Progress) -> Path:
    return qsm.write_qsm_phantom(root, qsm.QsmSettings(), progress)


def _plan_qsm(root: Path, settings: CohortSettings, image_size: int) -> Cohort:
    return planned.planned_maps(root, qsm.QsmSettings(), settings, image_size)


PHANTOMS = {
    "breast": Phantom(
        folder=f"version-{write.VERSION}",
        words="one of 92 patients each of GE and SIEMENS",
        size="1,472 files, 114 MB",
        series="post_1",
        write=_write_breast,
        plan=_plan_breast,
    ),
    "lge": Phantom(
        folder=f"lge-version-{lge.VERSION}",
        words="one of 21 scarred hearts each of GE and SIEMENS, of 32 slices",
        size="1,344 files, 13 MB",
        series=None,
        write=_write_lge,
        plan=_plan_lge,
    ),
    "qsm": Phantom(
        folder=f"qsm-version-{qsm.VERSION}",
        words="field maps of 1,200 objects of SYNTHETIC and 90 each of CORONAL_ISO and TILTED_ANISO",
        size="1,381 files, 17 MB",
        series=None,
        write=_write_qsm,
        plan=_plan_qsm,
    ),
}
