"""Every finished trial: all seeds, not the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from analysis.read.configurations import FULL, varied_fields
from analysis.report.parts import Part, table
from analysis.report.sections.base import Section, known_columns, labels_seen
from analysis.results.compute import Analysis
from analysis.results.trial_details import trial_details


@dataclass(frozen=True)
class TrialPanel:
    """What a click on a point opens."""

    details: dict[str, Any]  # see trial_details
    command: str  # of the search; empty where it is not known
    template: ClassVar[str] = "trial_panel.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a trial, with the config fields that vary; without a finished trial there is nothing to show."""
    frame = analysis.run.trials
    if frame.empty:
        return []
    varied = [name for name in varied_fields(frame) if name != "mask"]
    names = ["key", "vendor", "mask", *varied, "seed", "sampling_rate", "mean_probability", "realised_rate"]
    names += ["distinct_rate", "val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain", "epoch"]
    names += ["seconds", "start_point"]
    names += [name for name in ("at_chance", "begun_again") if frame[name].any()]
    return [
        labels_seen(analysis),
        table(
            known_columns(frame, names, analysis.measure),
            "trials",
            "Every seed, not the best",
            filtered=_filtered(frame),
        ),
        TrialPanel(trial_details(analysis), str(analysis.run.search.get("command") or "")),
    ]


def _filtered(frame: pd.DataFrame) -> pd.DataFrame:
    family = frame["mask"].where(~frame["full"].astype(bool), FULL)
    return pd.DataFrame({"vendor": frame["vendor"], "family": family, "temperature": frame["temperature"]})


SECTION = Section("All trials", parts)
