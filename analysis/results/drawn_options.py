"""Options that one training drew for each image: what its network does at every value, beside separate trainings."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.read.configurations import plain_name, varied_fields
from analysis.results.compute import Analysis
from analysis.results.gallery import Exhibit, exhibit_of
from analysis.results.reconstruction import mean_quality
from tune_ks.core.config import DRAWN, UNIFORM
from tune_ks.core.rate_words import rate_words

TOGETHER = "one training for all"
APART = "a training for each"


class Stop(NamedTuple):
    """One configuration: its value of the option, its mask and images, and how near its images are to the full ones."""

    value: float
    exhibit: Exhibit
    quality: dict[str, dict[str, float]]  # test vendor -> mean psnr, ssim ... over the seeds; {} where nothing learns


class Series(NamedTuple):
    """Configurations of one vendor that differ in the option alone, by its value."""

    name: str
    stops: list[Stop]


def drawn_columns(configurations: pd.DataFrame) -> list[str]:
    """The columns of options that some training drew: FIELD.NAME, where FIELD.NAME_drawn says so."""
    switches = [column for column in configurations.columns if column.endswith(DRAWN)]
    return [column.removesuffix(DRAWN) for column in switches if (configurations[column] == UNIFORM).any()]


def series_of(analysis: Analysis, vendor: str, column: str, with_images: bool = True) -> list[Series]:
    """One vendor's series of two and more values of the option, those of a single training first."""
    table = analysis.vendors[vendor].configurations
    table = table[~table["full"].astype(bool) & table[column].notna()]
    if table.empty:
        return []
    others = [name for name in varied_fields(table) if name not in (column, "mask", column + DRAWN)]
    by = [column + DRAWN, "mask", "sampling_rate", *others]
    every_series = []
    for values, rows in table.groupby(by, dropna=False, sort=True):
        if rows[column].nunique() > 1:
            stops = _stops(analysis, vendor, rows.sort_values(column), column, with_images)
            every_series.append(Series(_name(dict(zip(by, values, strict=True)), column, others), stops))
    return sorted(every_series, key=lambda series: not series.name.startswith(TOGETHER))


def _stops(analysis: Analysis, vendor: str, rows: pd.DataFrame, column: str, with_images: bool) -> list[Stop]:
    chosen = set(analysis.vendors[vendor].selection.keys)
    stops = []
    for row in rows.to_dict("records"):
        row["chosen"] = not chosen.isdisjoint(row["keys"])
        records = [analysis.run.records[key] for key in row["keys"]]
        stops.append(Stop(float(row[column]), exhibit_of(analysis, row, with_images), mean_quality(records)))
    return stops


def _name(values: dict[str, Any], column: str, others: Sequence[str]) -> str:
    """How it was trained, its mask and rate, and the values of the other settings that vary."""
    trained = TOGETHER if values[column + DRAWN] == UNIFORM else APART
    about = [f"{plain_name(name)} {values[name]}" for name in others if not pd.isna(values[name])]
    return ", ".join([trained, str(values["mask"]), f"rate {rate_words(float(values['sampling_rate']))}", *about])
