"""Any folder of NIfTI volumes with labels.csv: a row for a volume, or for one slice of it."""

import re
from pathlib import Path

from tune_ks.data.layouts.base import FileStatus
from tune_ks.data.layouts.folder_tree import FolderTree
from tune_ks.data.layouts.items import Listing
from tune_ks.data.layouts.labels import ABSENT, COLUMNS, LabelTable

NAMES_VOLUME = re.compile(rb"\.nii(\.gz)?[\"',;\s]", re.IGNORECASE)  # a file's name in a table
LOOKED_AT = 2**16  # bytes of the table


class VolumeTable(LabelTable):
    """A folder with ``labels.csv`` that names .nii or .nii.gz files: the columns of LabelTable, and ``mask``.

    ``mask`` is the path of a volume of the same grid that is not zero where the tumour is. Then a slice is positive by
    its mask, and ``label`` may be absent; where it is there it says of the volume whether it holds a tumour. Without a
    mask all slices have the label of their volume. A row with ``slice`` stands for that slice alone, counted from 1 as
    docs/guide.md says, and its label is that of the slice.
    """

    holds_volumes = True
    columns = (*COLUMNS, "mask")
    texts = (*LabelTable.texts, "mask")
    saying_labels = ("label", "mask")
    naming_files = ("path", "mask")
    of_one_image = ("path", "slice")

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """``labels.csv`` under the name "labels", where it names a volume."""
        sheets = super().find_sheets(root)
        if sheets is None:
            return None
        with sheets["labels"].open("rb") as file:
            start = file.read(LOOKED_AT)
        return sheets if NAMES_VOLUME.search(start) else None

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The rows of one series. A row whose mask is not there is skipped."""
        listing = super().listing(series, labels_required, files)
        tree = FolderTree(self.root)
        items = []
        for item in listing.items:
            if item.mask and not tree.exists(item.mask):
                listing.skipped.append((item.path, f"its mask: {ABSENT}"))
            else:
                items.append(item)
        listing.items = items
        return listing
