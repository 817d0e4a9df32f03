"""The table of a cohort of images: a row for each, from its file's header and its sheet."""

import math
from typing import Any

import numpy as np
import pandas as pd

from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.cohort.table import COLUMNS, WHERE_GIVEN

NO_FACTS = {**dict.fromkeys(("low", "high", "mean", "p75", "p90"), math.nan), "digest": ""}  # of undecoded pixels


def image_table(images: list[Candidate], side: int, is_vendor: bool) -> pd.DataFrame:
    """The cohort's table, a row for each image; ``is_vendor``: a domain is the scanner's maker."""
    table = pd.DataFrame([_table_row(candidate, side, is_vendor) for candidate in images])
    table.insert(0, "row", np.arange(len(table)))
    if table["label"].notna().all():
        table["label"] = table["label"].astype(int)
    given = [name for name in WHERE_GIVEN if (table[name] != "").any()]
    return table[[*COLUMNS, *given]]


def _table_row(candidate: Candidate, side: int, is_vendor: bool) -> dict[str, Any]:
    item = candidate.item
    header = candidate.header
    row = {name: value for name, value in vars(header).items() if name in COLUMNS}
    row |= {name: getattr(item, name) for name in ("path", "patient_id", "series", "slice", "split", "breast")}
    row["vendor"] = candidate.domain
    row["manufacturer"] = "" if is_vendor else header.vendor
    row["label"] = math.nan if item.label is None else item.label
    row["position"] = candidate.position
    row["spacing_mm"] = header.spacing_mm * max(header.height, header.width) / side
    assert candidate.facts is not None  # its image is finished
    return row | candidate.facts
