"""Every layout by name, and which of them a folder has."""

from pathlib import Path

from tune_ks.core.did_you_mean import closest
from tune_ks.core.regular_files import without_links
from tune_ks.data.layouts.base import Layout, shown
from tune_ks.data.layouts.breast_dcedl import BreastDCEDL
from tune_ks.data.layouts.duke import Duke
from tune_ks.data.layouts.fastmri import FastMRI
from tune_ks.data.layouts.folder import PatientFolders
from tune_ks.data.layouts.labels import LABELS, LabelTable
from tune_ks.data.layouts.mama_mia import MamaMia
from tune_ks.data.layouts.maps import Maps
from tune_ks.data.layouts.odelia import Odelia
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.layouts.unlabelled import UnlabelledRaw, UnlabelledVolumes
from tune_ks.data.layouts.volume_table import VolumeTable

LAYOUTS: dict[str, type[Layout]] = {  # the first that recognises a folder reads it; the last recognises every folder
    "volumes": VolumeTable,
    "table": LabelTable,
    "maps": Maps,
    "duke": Duke,
    "mama_mia": MamaMia,
    "odelia": Odelia,
    "breast_dcedl": BreastDCEDL,
    "fastmri": FastMRI,
    "raw": UnlabelledRaw,
    "nifti": UnlabelledVolumes,
    "folder": PatientFolders,
}
SHOWN_NAMES = 5  # of what lies in a folder, in a message


def detect(root: Path, labels_required: bool, ignore: Path | None = None) -> Layout:
    """The layout of ``root``. InputError when it is no folder, or has none that serves."""
    root = Path(root)
    _require_folder(root)
    ignore = without_links(ignore) if ignore else None
    for kind, layout in LAYOUTS.items():
        sheets = layout.find_sheets(root)
        if sheets is not None and (layout.has_labels or not labels_required):
            return layout(kind, root, sheets, ignore)
    raise InputError(_why_no_labels(root))


def holds_maps(root: Path) -> bool:
    """Whether ``root`` is a folder of field maps with their true answers. InputError when it is no folder."""
    return detect(root, labels_required=False).holds_maps


def _require_folder(root: Path) -> None:
    if not root.exists():
        raise InputError(f"{root}: there is no such folder; give the folder that holds the images and their labels")
    if not root.is_dir():
        raise InputError(f"{root} is a file, not a folder; give the folder that holds the images and their labels")


def _why_no_labels(root: Path) -> str:
    for layout in LAYOUTS.values():
        message = layout.message_if_incomplete(root)
        if message:
            return message
    names = sorted(shown(path.name) for path in root.iterdir())
    if not names:
        return f"{root} is empty; give the folder that holds the images and their labels"
    with_labels = [layout for layout in LAYOUTS.values() if layout.has_labels and not layout.holds_maps]
    known = " nor ".join(dict.fromkeys(layout.recognised_by for layout in with_labels))  # two read a labels.csv
    some = ", ".join(names[:SHOWN_NAMES])
    if len(names) > SHOWN_NAMES:
        some += " ..."
    near = closest(LABELS, names)
    hint = f". {near!r} is not read: the sheet must be a CSV file with the name {LABELS!r}" if near else ""
    return f"{root} has no labels: neither {known}. It holds {some}{hint}"
