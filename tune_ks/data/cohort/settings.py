"""What is read of a folder, and how: one object, whose facts are part of a cohort's fingerprint."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from tune_ks.core.domain_words import VENDOR, require_domain
from tune_ks.data.dicom.geometry import ORIENTATIONS

FIRST_SETTINGS = ("series", "intensity", "orientation", "negatives")


@dataclass(frozen=True)
class CohortSettings:
    """What is read of a folder, and how. Raises ValueError naming the field, what came and what would do."""

    series: str | None = None  # None: the only one there is; for Duke, "pre"
    intensity: str = "series"  # series: percentiles over all files of a (patient, series); image: of each image alone
    orientation: str = "canonical"  # canonical | raw
    negatives: str = "all"  # all | position_matched: as many along the patient's axis as the positives have there
    site: str = ""  # goes before every patient's id
    finding: str = ""  # of raw k-space with boxes: the label that makes a slice positive; "": any
    vendor_of: dict[str, str] = field(default_factory=dict)  # what Manufacturer says, "" for nothing -> vendor
    domain: str = VENDOR  # vendor | centre | field_strength | a column of a sheet: what a domain is

    def __post_init__(self) -> None:
        allowed = {
            "intensity": ("series", "image"),
            "orientation": ORIENTATIONS,
            "negatives": ("all", "position_matched"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, got {getattr(self, name)!r}")
        require_domain(self.domain)

    def facts(self) -> dict[str, Any]:
        """The settings as JSON values, without later fields that are not set: so earlier fingerprints stay."""
        values = dataclasses.asdict(self)
        if self.domain == VENDOR:
            del values["domain"]
        return {name: value for name, value in values.items() if name in FIRST_SETTINGS or value}
