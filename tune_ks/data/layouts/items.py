"""What a layout lists: one Item for each file to read, and a Listing of them all."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

LEFT_OUT = -1  # label of a slice that is neither positive nor negative
SPLITS = ("train", "val", "test")


@dataclass
class Item:
    """One file to read, and what the sheets say of it.

    The file may be a volume. Its ``slice`` is then the only one to read, or NaN for all of them.
    """

    path: str  # relative to the root, with /
    patient_id: str
    series: str = ""
    label: int | None = None  # 0 or 1; None: unknown; LEFT_OUT: too close to the tumour's box to be either
    slice: float = math.nan  # counted from 1
    slices: float = math.nan  # of the patient's series as it was scanned
    split: str = ""
    breast: str = ""  # which of the patient's breasts it shows, in any words; "" where nothing says
    domain: str = ""  # what the column of the cohort's domains says of it; "" where nothing does
    sheet_vendor: str = ""  # the maker according to a sheet; it is compared with the file's own, or stands in for it
    is_chosen: bool = True  # False: it was found in a folder, where scouts and other series may lie beside it
    mask: str = ""  # a volume that marks the tumour in this one; relative to the root
    known: dict[str, float] = field(default_factory=dict)  # field_t, tr_ms, te_ms as a sheet says them of a volume


@dataclass
class Listing:
    """Files to read, files that cannot be read as (path, reason), and reason -> number of files left out on purpose.

    ``notes`` are sentences that the user must know before believing a number. ``columns`` are those of its sheet that
    are not used: one of them may say the domain.
    """

    items: list[Item] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()

    def use_whole_splits(self, note: str) -> None:
        """Take the splits away, and add the note, where some items have none or a patient lies in two."""
        splits: dict[str, set[str]] = defaultdict(set)
        for item in self.items:
            splits[item.patient_id].add(item.split)
        given = set().union(*splits.values())
        if given <= {""}:
            return
        if "" in given or any(len(names) > 1 for names in splits.values()):
            self.notes.append(note)
            for item in self.items:
                item.split = ""
