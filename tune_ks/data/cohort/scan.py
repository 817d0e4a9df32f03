"""One reading of a folder: what its files say -> arrays, table and texts of a cache, whole or not at all."""

from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd

from tune_ks.data.cohort.cache_texts import Decoded, write_texts
from tune_ks.data.cohort.reasons import Account, require_both_classes
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.whole_folder import whole_folder

Plan = TypeVar("Plan")  # what a scan knows of its files before it decodes them


class Scan(Protocol[Plan]):
    """Reads one kind of folder: ``plan`` once, and of its result ``undecoded`` or ``decode``."""

    settings: CohortSettings
    image_size: int  # that was asked for
    account: Account  # of all that was read so far

    @property
    def layout(self) -> Layout: ...

    def plan(self, files: list[FileStatus], labels_required: bool) -> Plan:
        """The files that count, from the sheets and the headers. InputError where none does."""

    def undecoded(self, plan: Plan) -> tuple[pd.DataFrame, int]:
        """The table as far as sheets and headers tell it, and the side of its images. Writes nothing.

        What the pixels say (low, high, mean, p75, p90, digest) is NaN or "", and a file whose pixels turn out to be
        unusable is still in it.
        """

    def decode(self, plan: Plan, folder: Path) -> Decoded:
        """Write ``images.npy`` to ``folder``, and the targets where the files hold some."""


def write_cache(
    scan: Scan[Plan], cache_dir: Path, signature: str, files: list[FileStatus], labels_required: bool
) -> None:
    """Fill ``cache_dir/signature``, whole or not at all."""
    plan = scan.plan(files, labels_required)
    target = cache_dir / signature
    with whole_folder(target, (target / "settings.json").exists) as scratch:
        decoded = scan.decode(plan, scratch)
        if labels_required and not scan.layout.holds_maps:
            require_both_classes(decoded.table, scan.account.reasons())
        write_texts(scratch, scan.settings, scan.image_size, scan.account, decoded)
