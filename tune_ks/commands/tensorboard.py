"""The TensorBoard files of one trial, in RUN/tensorboard/KEY: written while it trains, and again from its record.

A value that is not finite is left out: TensorBoard draws no point for it, and tensorboardX prints a line for each.
"""

import math
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from tune_ks.core.record import TrialRecord

CURVES = ("loss", "val_in_domain")  # by epoch
FLUSH = 2  # seconds until TensorBoard can read what was written


class TensorBoardRun:
    """The event file of one trial in ``folder``. Close it at the end, or use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder), flush_secs=FLUSH)

    def __enter__(self) -> "TensorBoardRun":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def add_epoch(self, number: int, line: dict[str, Any]) -> None:
        """The point of every curve that a line of a history has; epochs count from 1."""
        for name in CURVES:
            if name in line:
                self._add(name, line[name], number)

    def add_record(self, record: TrialRecord) -> None:
        """The curves, the metric of every split and vendor at the best epoch, and the config."""
        for number, line in enumerate(record.history, start=1):
            self.add_epoch(number, line)
        for split in ("val", "test"):
            for vendor, value in getattr(record, split).items():
                self._add(f"{split}_{record.metric}/{vendor}", value, record.epoch)
        self.writer.add_text("config", str(record.config.non_default()))

    def _add(self, name: str, value: float | None, number: int) -> None:
        if value is not None and math.isfinite(value):
            self.writer.add_scalar(name, value, number)

    def close(self) -> None:
        self.writer.close()
