"""Why files of a folder were left out, in words; and classes that are missing because of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from tune_ks.data.layouts.sheets import InputError, counted

SHOWN_REASONS = 5  # in a message


@dataclass
class Account:
    """What a reading of a folder tells beside its images."""

    skipped: list[tuple[str, str]] = field(default_factory=list)  # path and reason of files that cannot serve
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> files left out on purpose
    notes: list[str] = field(default_factory=list)  # what the user must know before believing a number

    def reasons(self) -> str:
        """Why files were left out, as reasons_of says it."""
        return reasons_of(Counter(reason for _, reason in self.skipped) + self.left_out)


def require_both_classes(table: pd.DataFrame, reasons: str) -> None:
    """InputError where a vendor has images of one class only; ``reasons`` say what was left out, as reasons_of does."""
    for vendor, labels in table.groupby("vendor")["label"]:
        positive = int((labels == 1).sum())
        negative = int((labels == 0).sum())
        if positive == 0 or negative == 0:
            lacks = "negative" if positive else "positive"
            raise InputError(
                f"{vendor} has {positive} positive and {negative} negative images, so nothing"
                f" can be measured on it; add {lacks} ones, or remove its files."
                f"{reasons}"
            )


def reasons_of(reasons: Iterable[str] | Counter[str]) -> str:
    """Many files' reasons, or their counts, in words: ' Left out: 12 files (truncated), 3 files (not MR).', or ""."""
    counts = Counter(reasons)
    if not counts:
        return ""
    most = ", ".join(f"{counted(count, 'file')} ({reason})" for reason, count in counts.most_common(SHOWN_REASONS))
    hidden = len(counts) - SHOWN_REASONS
    more = f" and {hidden} more reasons" if hidden > 0 else ""
    return f" Left out: {most}{more}."
