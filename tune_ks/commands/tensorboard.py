"""The TensorBoard files of one trial: in RUN/tensorboard/KEY while it trains, and again from its record under its name.

A value that is not finite is left out: TensorBoard draws no point for it, and tensorboardX prints a line for each.
"""

import math
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from tune_ks.core.record import TrialRecord

CURVES = ("loss", "val_in_domain")  # by epoch
FINAL = ("in_domain", "cross_domain")  # of the validation at the best epoch: the columns of HPARAMS
BAND = 32  # rows of pixels that a mask of lines is drawn in
FLUSH = 2  # seconds until TensorBoard can read what was written


class TensorBoardRun:
    """The event file of one trial in ``folder``. Close it at the end, or use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder), flush_secs=FLUSH)

    def __enter__(self) -> "TensorBoardRun":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def add_epoch(self, number: int, line: dict[str, Any], at: float | None = None) -> None:
        """The point of every curve that a line of a history has; epochs count from 1. ``at``: seconds since 1970."""
        for name in CURVES:
            if name in line:
                self._add(name, line[name], number, at)

    def add_record(self, record: TrialRecord, end: float | None = None) -> None:
        """The curves, the metric of every split and vendor at the best epoch, and the config.

        ``end`` is when the trial ended, in seconds since 1970: its epochs are spread evenly over the time it took.
        """
        epochs = len(record.history)
        for number, line in enumerate(record.history, start=1):
            at = None if end is None else end - seconds_of(record, end) * (epochs - number) / epochs
            self.add_epoch(number, line, at)
        for split in ("val", "test"):
            for vendor, value in getattr(record, split).items():
                self._add(f"{split}_{record.metric}/{vendor}", value, record.epoch, end)
        self._add("seconds", record.seconds, record.epoch, end)
        self.writer.add_text("config", str(record.config.non_default()))

    def add_fields(self, record: TrialRecord, fields: list[str]) -> None:
        """The trial's line in HPARAMS: the named fields and options, and the final validation metrics.

        All trials of a run are given the same ``fields``, so that they stand in one table.
        """
        settings = record.settings()
        values = {name: settings[name] for name in fields if settings.get(name) is not None}
        metrics = {f"final/val_{domain}": getattr(record, domain)("val") for domain in FINAL}
        for summary in hparams(values, metrics):
            self.writer.file_writer.add_summary(summary)
        for name, value in metrics.items():
            self._add(name, value, record.epoch)

    def add_mask(self, name: str, values: Any, epoch: int | None) -> None:
        """An array (W,) or (H, W) in [0, 1] as an image; a mask of lines as a band."""
        drawn = values.reshape(1, -1).repeat(BAND, axis=0) if values.ndim == 1 else values
        self.writer.add_image(name, (drawn * 255).round().astype("uint8"), epoch, dataformats="HW")

    def _add(self, name: str, value: float | None, number: int | None, at: float | None = None) -> None:
        if value is not None and math.isfinite(value):
            self.writer.add_scalar(name, value, number, walltime=at)

    def close(self) -> None:
        self.writer.close()


def seconds_of(record: TrialRecord, end: float) -> float:
    """How long a trial took that ended at ``end``; 0 where its record does not say, or says what can not be."""
    seconds = record.seconds or 0
    return seconds if 0 <= seconds <= end else 0
