"""The source study's Table 1: a row a rate, and for each vendor trained on, the test metric on every vendor."""

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import pandas as pd

from analysis.read.configurations import FULL, plain_name, varied_fields
from analysis.read.trial_rows import is_idle
from analysis.results import sentences
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import estimate
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.domains import is_source, sources_of
from tune_ks.core.rate_words import rate_tick
from tune_ks.core.record import TrialRecord, mean_of_defined

CHOSEN_FOR = "chosen for"  # the column that names the vendors whose choice a row is


def source_table(analysis: Analysis) -> pd.DataFrame:
    """A row a mask, its varied fields and nominal rate, full sampling last; empty where no record has a test metric.

    Metrics are text with their 90 % interval. What holds nothing anywhere has no column, nor have realised rates that
    are the nominal ones.
    """
    configurations = analysis.configurations
    if configurations.empty or configurations["test_in_domain"].isna().all():
        return pd.DataFrame()
    varied = [name for name in varied_fields(configurations) if name != "mask"]
    by = ["mask", *(plain_name(name) for name in varied), "nominal rate"]
    vendors = list(analysis.vendors)
    tables = [_of_vendor(computed, varied, analysis) for computed in analysis.vendors.values()]
    frame = reduce(lambda left, right: left.merge(right, on=by, how="outer"), tables)
    frame["full"] = frame["mask"] == FULL
    frame = frame.sort_values(["full", *by], kind="stable", ignore_index=True)
    frame["seeds"] = frame[[_seeds(vendor) for vendor in vendors]].apply(_numbers, axis="columns")
    chosen = frame[[_chosen(vendor) for vendor in vendors]].eq(True).set_axis(vendors, axis="columns")
    frame[CHOSEN_FOR] = chosen.apply(_names, axis="columns")
    as_asked = [_realised(vendor) for vendor in vendors if _is_as_asked(frame, vendor)]
    helpers = [*as_asked, "full", *(_seeds(vendor) for vendor in vendors), *(_chosen(vendor) for vendor in vendors)]
    return frame.drop(columns=helpers).dropna(axis="columns", how="all")


def _of_vendor(computed: VendorAnalysis, varied: list[str], analysis: Analysis) -> pd.DataFrame:
    """One source vendor's columns, a row a configuration."""
    records = analysis.run.records
    draws = analysis.draws
    vendor = computed.vendor
    table = computed.configurations
    columns: dict[str, list[Any]] = {"mask": table["family"].tolist()}
    for name in varied:
        columns[plain_name(name)] = _words(table, name)
    columns["nominal rate"] = table["sampling_rate"].tolist()
    columns[_realised(vendor)] = table["realised_rate"].tolist()
    others = _others(table, records, vendor)
    for name in (*sources_of(vendor), *others):
        means = [mean_of_defined(records[key].test.get(name, math.nan) for key in keys) for keys in table["keys"]]
        spreads = _spreads(table, draws, vendor, name, len(others))
        columns[f"{vendor} tested on {name}"] = [_scored(mean, spread) for mean, spread in zip(means, spreads)]
    columns[_seeds(vendor)] = table["seeds"].tolist()
    keys_of_choice = set(computed.selection.keys)
    columns[_chosen(vendor)] = [not keys_of_choice.isdisjoint(keys) for keys in table["keys"]]
    return pd.DataFrame(columns)


def _words(table: pd.DataFrame, name: str) -> list[str]:
    """A config field as text; empty at full sampling where the field is of the mask, which is not used there."""
    if not is_idle(name):
        return [_word(value) for value in table[name]]
    return ["" if full else _word(value) for value, full in zip(table[name], table["full"])]


def _others(table: pd.DataFrame, records: dict[str, TrialRecord], vendor: str) -> list[str]:
    """The other vendors that any of these trials was tested on."""
    names: set[str] = set()
    for key in table["keys"].explode():
        names.update(records[key].test)
    return sorted(names - set(sources_of(vendor)))


def _scored(mean: float, spread: str) -> str | None:
    return None if math.isnan(mean) else f"{mean:.3f}{spread}"


def _spreads(table: pd.DataFrame, draws: Mapping[str, TrialDraws], source: str, vendor: str, others: int) -> list[str]:
    """The interval of each row on the test patients of one vendor."""
    is_alone = vendor == source if is_source(vendor, source) else others == 1
    if is_alone:  # then it is in the table, also where it comes from counts of patients
        name = "test_in_domain" if vendor == source else "test_cross_domain"
        return [sentences.spread(row, name) for row in table.to_dict("records")]
    noise = training_noise(table, draws, vendor, "test", "in_domain")
    spreads = []
    for keys in table["keys"]:
        seeds = seeds_of(keys, draws, vendor, "test", "in_domain")
        ends = estimate(seeds, noise=noise).interval()
        spreads.append(sentences.spread({"on_low": ends.low, "on_high": ends.high}, "on"))
    return spreads


def _realised(vendor: str) -> str:
    return f"{vendor} rate"


def _is_as_asked(frame: pd.DataFrame, vendor: str) -> bool:
    """Whether each realised rate of a vendor reads like the nominal one; a row that it has not counts as such."""
    asked = frame["nominal rate"]
    realised = frame[_realised(vendor)].fillna(asked)
    return realised.map(rate_tick).equals(asked.map(rate_tick))


def _seeds(vendor: str) -> str:
    return f"seeds, {vendor}"


def _chosen(vendor: str) -> str:
    return f"chosen, {vendor}"


def _numbers(row: pd.Series) -> str:
    """The different numbers of seeds."""
    return ", ".join(f"{count:.0f}" for count in row.dropna().unique())


def _names(row: pd.Series) -> str | None:
    """The vendors whose choice the row is."""
    return ", ".join(row.index[row]) or None


def _word(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
