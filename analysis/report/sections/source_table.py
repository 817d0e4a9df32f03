"""The source study's Table 1: a row a rate, and for each vendor trained on, the test metric on every vendor."""

import math
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.configurations import FULL, plain_name, varied_fields
from analysis.read.load import is_idle
from analysis.report.page import number, paragraph, table
from analysis.report.sections.tables import seen
from analysis.results import sentences
from analysis.results.compute import Analysis

NOTE = (
    '"A tested on B": trained on A, scored on test patients of B; mean over seeds [90 % interval]. '
    "The nominal rate was asked for, the other rates are those of the exported masks. The table of configurations "
    "below has every number in a column of its own."
)


def source_table(analysis: Analysis) -> str:
    """The table, under its heading; empty where no record has a test metric."""
    if not len(analysis.configurations) or analysis.configurations["test_in_domain"].isna().all():
        return ""
    varied = [name for name in varied_fields(analysis.configurations) if name != "mask"]
    by = ["mask", *(plain_name(name).replace("_", " ") for name in varied), "nominal rate"]
    parts = [_of_vendor(analysis, vendor, varied) for vendor in analysis.vendors]
    frame = reduce(lambda left, right: left.merge(right, on=by, how="outer"), parts)
    full = frame["mask"] == FULL
    frame = frame.assign(full=full).sort_values(["full", *by], kind="stable", ignore_index=True).drop(columns="full")
    vendors = list(analysis.vendors)
    chosen = frame[[f"chosen, {vendor}" for vendor in vendors]].fillna(False).astype(bool)
    whose = [", ".join(v for v, is_chosen in zip(vendors, row) if is_chosen) or None for row in chosen.to_numpy()]
    seeds = frame[[f"seeds, {vendor}" for vendor in vendors]]
    numbers = [", ".join(f"{n:.0f}" for n in dict.fromkeys(row[~np.isnan(row)])) for row in seeds.to_numpy(float)]
    frame = frame.drop(columns=[*chosen.columns, *seeds.columns]).assign(seeds=numbers, **{"chosen for": whose})
    frame = frame.dropna(axis="columns", how="all")
    title = f"Test {analysis.measure.title} by rate: trained on each vendor, tested on each (the shape of the source "
    title += "study's Table 1)"
    return table(frame, "source-table", title, pd.Series(whose).notna()) + paragraph(NOTE, "small") + seen(analysis)


def _of_vendor(analysis: Analysis, vendor: str, varied: list[str]) -> pd.DataFrame:
    """One source vendor's columns, a row a configuration; the mask's own fields mean nothing at full sampling."""
    own = analysis.vendors[vendor].configurations
    columns: dict[str, list[Any]] = {"mask": own["family"].tolist()}
    for name in varied:
        idle = own["full"].astype(bool) & is_idle(name)
        columns[plain_name(name).replace("_", " ")] = [
            _short(None if i else value) for i, value in zip(idle, own[name])
        ]
    columns["nominal rate"] = own["sampling_rate"].tolist()
    columns[f"{vendor} rate"] = own["realised_rate"].tolist()
    records = [[analysis.run.records[key].test for key in keys] for keys in own["keys"]]
    others = sorted({name for tests in records for test in tests for name in test} - {vendor})
    for name in (vendor, *others):
        mean = [_mean([test.get(name, math.nan) for test in tests]) for tests in records]
        domain = "in_domain" if name == vendor else "cross_domain"
        known = name == vendor or len(others) == 1  # with more vendors the interval is that of their mean
        ends = [sentences.spread(row, f"test_{domain}") if known else "" for row in own.to_dict("records")]
        texts = [None if math.isnan(value) else number(value) + end for value, end in zip(mean, ends)]
        columns[f"{vendor} tested on {name}"] = texts
    columns[f"seeds, {vendor}"] = own["seeds"].tolist()
    columns[f"chosen, {vendor}"] = [
        bool(set(keys) & set(analysis.vendors[vendor].selection.keys)) for keys in own["keys"]
    ]
    return pd.DataFrame(columns)


def _short(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
