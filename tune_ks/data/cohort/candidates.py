"""The files of a cohort that can be read: what the sheets and the headers say of each, and which become images."""

import math
from dataclasses import dataclass
from typing import Any

from tune_ks.data.dicom.header import Header
from tune_ks.data.layouts.items import Item


@dataclass
class Candidate:
    """One readable file. One that becomes no image still counts in the percentiles of its series."""

    item: Item
    header: Header
    is_image: bool
    left_out: str = ""  # why it is no image, where its file says so
    domain: str = ""  # its domain's name; the vendor, unless the settings say otherwise
    row: int = -1  # of its image in the array; -1: none
    facts: dict[str, Any] | None = None  # of its finished image: digest, low, high, mean, p75, p90

    @property
    def position(self) -> float:
        """Slice number over the slices of the scan: 0 to 1, NaN where unknown."""
        return self.item.slice / self.item.slices


def fill_slices(candidates: list[Candidate]) -> None:
    """Where no sheet says how many slices a scan has, take it from the file, else from the vendor's other patients.

    The second is the largest slice number that is listed for any patient of the vendor. The patient's own largest would
    not do: where only some slices are listed, the last of them depends on the label.
    """
    largest: dict[str, float] = {}
    for candidate in candidates:
        number = candidate.item.slice
        vendor = candidate.header.vendor
        if not math.isnan(number):
            largest[vendor] = max(largest.get(vendor, 0), number)
    for candidate in candidates:
        item = candidate.item
        in_file = candidate.header.scan_slices
        if math.isnan(item.slices) and not math.isnan(item.slice):
            item.slices = in_file if in_file >= item.slice else largest[candidate.header.vendor]
