"""The table of trials: one row for each record, and the columns that say what was asked for."""

import dataclasses
import math
from typing import Any

import pandas as pd

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.domains import mean_of_sources
from tune_ks.core.record import TrialRecord

SCORES = ("val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain")
WITHIN = ("test_within_in_domain", "test_within_cross_domain")
FACTS = ("realised_rate", "mean_probability", "distinct_rate", "export_gap", "epoch", "seconds")
# columns of options, named FIELD.OPTION (mask.temperature), are inserted between OWN_FIELDS and SCORES
TRIAL_COLUMNS = [
    *("key", "configuration", "full", "learned", "temperature"),
    *OWN_FIELDS,
    *SCORES,
    *WITHIN,
    *FACTS,
    "start_point",
    "at_chance",
    "begun_again",
]


def tidy(records: dict[str, TrialRecord]) -> pd.DataFrame:
    """key -> record, as one row a trial; metrics in [0, 1], rates in (0, 1].

    The columns are TRIAL_COLUMNS, and one for each option that any record has; NaN where the member has no such option.
    """
    rows = [trial_row(key, record) for key, record in sorted(records.items())]
    options = list(dict.fromkeys(name for row in rows for name in row if "." in name))
    before = TRIAL_COLUMNS.index(SCORES[0])
    return pd.DataFrame(rows, columns=[*TRIAL_COLUMNS[:before], *options, *TRIAL_COLUMNS[before:]])


def trial_row(key: str, record: TrialRecord) -> dict[str, Any]:
    """TRIAL_COLUMNS of one record, and its options by column. TypeError or ValueError for a fact of the wrong type."""
    config = record.config
    within = dataclasses.replace(record, val=record.val_within, test=record.test_within)
    draws = mean_of_sources(record.val_over_draws, config.vendor)
    pretraining = record.pretraining()
    options = record.options_by_field()
    ignored = idle_at_full_sampling(config, options) if config.is_full else []
    configuration = config.key("seed", "init_from", *ignored)
    return {
        "key": key,
        "configuration": f"{configuration}-{pretraining}" if pretraining else configuration,
        "full": config.is_full,
        "learned": record.has_learned_mask() or config.is_full,
        "temperature": config.options.get("temperature"),
        **{name: getattr(config, name) for name in OWN_FIELDS},
        **_by_column(options),
        "init_from": pretraining,
        **{f"{split}_in_domain": record.in_domain(split) for split in ("val", "test")},
        **{f"{split}_cross_domain": record.cross_domain(split) for split in ("val", "test")},
        "test_within_in_domain": within.in_domain("test"),
        "test_within_cross_domain": within.cross_domain("test"),
        "realised_rate": float(record.realised_rate),
        "mean_probability": _number(record.mean_probability),
        "distinct_rate": _number(record.distinct_rate),
        "export_gap": record.in_domain("val") - draws,
        "epoch": _number(record.epoch),
        "seconds": _number(record.seconds),
        "start_point": record.facts.get("start_point"),  # why the search began with it; None where a sampler chose it
        "at_chance": bool(record.facts.get("at_chance", False)),  # its training learned nothing
        "begun_again": int(record.facts.get("begun_again", 0)),  # how often it began again because of that
    }


def _by_column(options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """FIELD.OPTION -> value of every option."""
    columns = {}
    for part, values in options.items():
        for name, value in values.items():
            columns[f"{part}.{name}"] = value
    return columns


def config_fields(table: pd.DataFrame) -> list[str]:
    """The columns of a table of trials or configurations that say what was asked: own fields, and FIELD.OPTION."""
    return [name for name in table.columns if name in OWN_FIELDS or "." in name]


def is_idle(name: str) -> bool:
    """Whether a column of ``config_fields`` means nothing at full sampling, where the image itself is classified.

    So it is for everything that belongs to the mask or to the reconstruction.
    """
    field = OWN_FIELDS[name].part if name in OWN_FIELDS else name.partition(".")[0]
    return field in ("mask", "reconstruction")


def idle_at_full_sampling(config: TrialConfig, options: dict[str, dict[str, Any]]) -> list[str]:
    """The fields and options of a config that mean nothing at full sampling; options of no named member included."""
    used = set()
    for part, values in options.items():
        if not is_idle(f"{part}."):
            used |= set(values)
    fields = [name for name in OWN_FIELDS if is_idle(name)]
    return fields + [name for name in config.options if name not in used]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
