"""A folder of DICOM files without labels: one folder for each patient, and in it folders named after the series."""

from pathlib import Path, PurePosixPath

from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.sheets import UnknownSeries


class PatientFolders(Layout):
    """Any folder has this layout. Files that lie in the root itself belong to the patient "unknown"."""

    has_labels = False

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """None are needed."""
        return {}

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """Every file, or those below a folder called ``series``."""
        listing = Listing()
        for file in files:
            folders = PurePosixPath(file.path).parts[:-1]
            patient = folders[0] if folders else "unknown"
            if series is None or series in folders[1:]:
                listing.items.append(Item(file.path, patient, series="/".join(folders[1:]), is_chosen=False))
            else:
                listing.left_out["another series"] += 1
        if files and not listing.items:
            raise UnknownSeries(f"no folder of a patient holds a folder {series!r}, so no file belongs to that series")
        return listing
