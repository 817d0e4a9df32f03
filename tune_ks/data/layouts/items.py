"""What a folder and its sheets ask for: one Item a file, and a Listing of them."""

import math
from collections import Counter
from dataclasses import dataclass, field

LEFT_OUT = -1  # label of a slice that is neither positive nor negative
SPLITS = ("train", "val", "test")


@dataclass
class Item:
    """One file that was asked for. A label of None is unknown, of LEFT_OUT too close to call."""

    path: str  # relative to the root, with /
    patient_id: str
    series: str = ""
    label: int | None = None
    slice: float = math.nan  # counted from 1
    slices: float = math.nan  # of the patient's series as it was scanned
    split: str = ""
    sheet_vendor: str = ""  # what a sheet says of the maker, to be checked against the file


@dataclass
class Listing:
    """What is to be read, what cannot be (path, reason), and how many were left aside on purpose."""

    items: list[Item]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
