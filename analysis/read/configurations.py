"""Trials -> configurations: the seeds of one question averaged, their spread kept."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.read.trial_rows import FACTS, SCORES, WITHIN, config_fields, is_idle
from tune_ks.core.config import LOW_PASS, OWN_FIELDS

FULL = "full sampling"  # the family of rate 1, where all mask families are the same
SAME_RATE = 0.01  # share of a rate: two masks that keep equally many lines or points differ by rounding only
NOT_COMPARED = ("sampling_rate", "seed", "temperature_from", "temperature_to")  # the last two: how a mask is learned
MEASURED = [*SCORES, *WITHIN, *FACTS]


def average_over_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration (everything but the seed): the mean of each measured column over its seeds.

    ``NAME_sd`` is the standard deviation over seeds (n - 1; NaN with one seed), ``seeds`` their number, ``keys`` the
    trials. Sampling rate 1 is one configuration whatever its mask fields say; when two families ran the same seed
    there, that seed counts once. ``family`` is the mask, or FULL at rate 1.
    """
    if trials.empty:
        names = dict.fromkeys(["configuration", "family", "keys", "seeds", *trials.columns.drop("key")])
        return pd.DataFrame(columns=list(names))
    by_seed = trials.groupby(["configuration", "seed"], sort=False)[MEASURED].mean()
    groups = by_seed.groupby("configuration", sort=False)
    spread = groups[list(SCORES)].std(ddof=1).add_suffix("_sd")
    kept = ["full", "learned", "temperature", *(name for name in config_fields(trials) if name != "seed")]
    first = trials.groupby("configuration", sort=False)[kept].first()
    table = first.join(groups.mean()).join(spread)
    table["seeds"] = groups.size()
    table["keys"] = trials.groupby("configuration", sort=False)["key"].agg(list)
    table["family"] = table["mask"].where(~table["full"], FULL)
    return table.reset_index().sort_values(["vendor", "family", "realised_rate"], kind="stable", ignore_index=True)


def families(configurations: pd.DataFrame) -> list[str]:
    """The mask families that ran below rate 1, learned ones first."""
    below = configurations[~configurations["full"].astype(bool)]
    is_fixed = dict(zip(below["family"], ~below["learned"].astype(bool)))
    return sorted(is_fixed, key=lambda name: (is_fixed[name], name))


def learned(configurations: pd.DataFrame) -> pd.Series:
    """True for the rows a rule may choose from: learned families, and full sampling.

    Fixed families are yardsticks for a learned one; the rules choose them only where no learned one was run.
    """
    return configurations["learned"].astype(bool)


def of_most_patients(configurations: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest share of the training patients; of one source vendor."""
    return configurations[configurations["train_share"] == configurations["train_share"].max()]


def choosable(configurations: pd.DataFrame) -> pd.DataFrame:
    """One vendor's learned families and full sampling; everything, when no learned mask was run.

    Only what was trained on the most patients: the rest of a learning curve is not for choosing a rate.
    Where some rates were trained separately, only those: a conditional training of many rates is a screening.
    """
    configurations = of_most_patients(configurations)
    alone = configurations[configurations["rate_from"].isna()]
    if families(alone):
        configurations = alone
    below = configurations[~configurations["full"].astype(bool)]
    return configurations[learned(configurations)] if learned(below).any() else configurations


def beside_the_sampling(configurations: pd.DataFrame) -> list[str]:
    """The config fields that mean something at full sampling too: all but rate, seed, and those of mask and R."""
    names = [name for name in config_fields(configurations) if not is_idle(name)]
    return [name for name in names if name not in ("sampling_rate", "seed")]


def full_sampling_of(configurations: pd.DataFrame) -> list[str | None]:
    """Per row, the configuration at rate 1 that agrees in all but rate, mask and seed; None where it was not run."""
    groups = same_values(configurations, beside_the_sampling(configurations))
    rows = zip(groups, configurations["full"].tolist(), configurations["configuration"].tolist())
    named = {group: name for group, full, name in rows if full}
    return [named.get(group) for group in groups]


def same_values(configurations: pd.DataFrame, names: Sequence[str]) -> list[int]:
    """Per row, the number of the first row with the same values in all the columns ``names``; missing ones are equal.

    groupby() takes ten times as long where rows are few and columns many.
    """
    first: dict[tuple, int] = {}
    rows = zip(*(_comparable(configurations[name]) for name in names))
    return [first.setdefault(row, number) for number, row in enumerate(rows)]


def full_beside(configurations: pd.DataFrame, row: int | None) -> int | None:
    """The position of the full sampling that the row at a position is compared with; itself where it is full.

    Where none agrees with it in its other settings, and where there is no row, the only one; None of several or none.
    """
    full = np.flatnonzero(configurations["full"].to_numpy(bool))
    if row is not None:
        if row in full:
            return row
        name = full_sampling_of(configurations)[row]
        if name is not None:
            return configurations["configuration"].tolist().index(name)
    return int(full[0]) if len(full) == 1 else None


def low_pass_of(configurations: pd.DataFrame) -> list[str | None]:
    """Per row, the low-pass configuration at the same realised rate that agrees in all but the mask; None without one.

    Rates are the same where they differ by SAME_RATE of themselves or less; of several, the nearest, then the first.
    Full sampling has none: there every mask keeps the same.
    """
    group = np.array(same_values(configurations, beside_the_mask(configurations)))
    rate = configurations["realised_rate"].to_numpy(float)
    full = configurations["full"].to_numpy(bool)
    low_pass = np.flatnonzero((configurations["mask"] == LOW_PASS).to_numpy() & ~full)
    named = configurations["configuration"].tolist()
    names: list[str | None] = []
    for row in range(len(configurations)):
        distance = np.where(group[low_pass] == group[row], np.abs(rate[low_pass] / rate[row] - 1), np.inf)
        same = not full[row] and np.min(distance, initial=np.inf) <= SAME_RATE
        names.append(named[low_pass[distance.argmin()]] if same else None)
    return names


def beside_the_mask(configurations: pd.DataFrame) -> list[str]:
    """The config fields in which two mask families that are compared must agree: all but rate, seed and the mask's."""
    return [name for name in config_fields(configurations) if name not in NOT_COMPARED and not _is_of_the_mask(name)]


def _is_of_the_mask(name: str) -> bool:
    """Whether a column of ``config_fields`` says how a mask is made or learned; its pattern is no part of that."""
    part = OWN_FIELDS[name].part if name in OWN_FIELDS else name.partition(".")[0]
    return part == "mask" and name != "pattern"


def keys_of_full(configurations: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Keys of the full-sampling trials to compare the trials ``keys`` with; [] where there are none."""
    is_chosen = [not set(keys).isdisjoint(of_row) for of_row in configurations["keys"]]
    full_names = [name for name, chosen in zip(full_sampling_of(configurations), is_chosen) if chosen]
    full_keys = configurations.loc[configurations["configuration"].isin(full_names), "keys"].explode()
    return [key for key in full_keys if key not in keys]


def varied_fields(configurations: pd.DataFrame) -> list[str]:
    """Config fields other than vendor, rate and seed that take more than one value: what a curve's name must say.

    An option counts when it varies among rows of the same member, so that a mask without temperature adds no value.
    Fields of the mask are compared below full sampling only.
    """
    below = [row for row, full in enumerate(configurations["full"]) if not full]
    names = []
    for name in config_fields(configurations):
        if name in ("vendor", "sampling_rate", "seed"):
            continue
        values = _comparable(configurations[name])
        if len(set(values)) > 1:  # few columns
            members = _members_with(configurations, name)
            rows = below if is_idle(name) else range(len(values))
            if _varies_within([members[row] for row in rows], [values[row] for row in rows]):
                names.append(name)
    return names


def _members_with(configurations: pd.DataFrame, name: str) -> list:
    """Per row, the member that has the option ``name``, or the mask where it is a field of masks; else the same word.

    None where a row has no such member.
    """
    field = name.partition(".")[0] if "." in name else "mask"
    if name == field or not ("." in name or is_idle(name)):
        return [field] * len(configurations)
    return _comparable(configurations[field])


def _varies_within(members: Sequence[object], values: Sequence[object]) -> bool:
    """Whether two rows of one member, which is not None, have different values. Lists: groupby() takes longer."""
    first: dict[object, object] = {}
    known = [(member, value) for member, value in zip(members, values) if member is not None]
    return any(first.setdefault(member, value) != value for member, value in known)


def plain_name(name: str) -> str:
    """A column in words for a person, an option without its field: ``mask lr multiplier``, ``val in-domain``."""
    words = name.rpartition(".")[2].replace("_", " ")
    return words.replace("in domain", "in-domain").replace("cross domain", "cross-domain")


def curve_of(configurations: pd.DataFrame) -> np.ndarray:
    """(n,) the number of each row's curve: constant values of everything but the rate; -1 for full sampling."""
    below = ~configurations["full"].astype(bool).to_numpy()
    number = np.where(below, 0, -1)
    varied = varied_fields(configurations)
    if varied and below.any():
        number[below] = configurations[below].groupby(varied, dropna=False, sort=True).ngroup().to_numpy()
    return number


def curves(configurations: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Curve name -> its configurations by realised rate, for one vendor.

    Full sampling is added to every curve with the same settings. A curve has constant values of everything but the
    rate: mask family, temperature, reconstruction ...
    """
    return {name: configurations.iloc[rows] for name, rows in rows_of_curves(configurations).items()}


def rows_of_curves(configurations: pd.DataFrame) -> dict[str, np.ndarray]:
    """Curve name -> the positions of its rows, by realised rate."""
    is_full = configurations["full"].astype(bool).to_numpy()
    full = np.flatnonzero(is_full)
    if is_full.all():
        return {FULL: full} if len(full) else {}
    varied = varied_fields(configurations)
    number = curve_of(configurations)
    rate = configurations["realised_rate"].to_numpy(float)
    values = {name: _comparable(configurations[name]) for name in {*varied, "mask"}}
    shared = [name for name in varied if not is_idle(name)]
    order = np.argsort(number, kind="stable")
    below = order[number[order] >= 0]
    starts = np.flatnonzero(np.diff(number[below], prepend=-1))
    of_curves = []
    settings = []
    for part in np.split(below, starts[1:]):
        first = part[0]
        fits = [row for row in full if all(values[name][row] == values[name][first] for name in shared)]
        rows = np.array([*part, *fits])
        of_curves.append(rows[np.argsort(rate[rows], kind="stable")])
        settings.append({"mask": values["mask"][first], **{name: values[name][first] for name in varied}})
    return dict(zip(_names_of(settings), of_curves))


def _comparable(column: pd.Series) -> list:
    """The values of a column; None where one is missing, which equals itself."""
    return [None if pd.isna(value) else value for value in column.tolist()]


def _names_of(settings: list[dict[str, object]]) -> list[str]:
    """The name of each curve: its mask family, and the values that differ between curves.

    What is switched off is left out of the names, unless two curves would then have the same name.
    """
    brief = [_name_of({name: value for name, value in of_curve.items() if not _is_off(value)}) for of_curve in settings]
    return brief if len(set(brief)) == len(brief) else [_name_of(of_curve) for of_curve in settings]


def _name_of(settings: dict[str, object]) -> str:
    """``gumbel, temperature 1``: the mask family, then the others by name."""
    rest = {name: value for name, value in settings.items() if name != "mask"}
    return ", ".join([str(settings["mask"]), *_settings(rest)])


def settings_of(configurations: pd.DataFrame) -> dict[str, str]:
    """Configuration -> its settings that others do not have, in words: ``style amplitude_swap``.

    Without the mask family and what is switched off; "" where nothing else varies. ``configurations``: of one vendor.
    """
    varied = [name for name in varied_fields(configurations) if name != "mask"]
    words = {}
    for row in configurations.to_dict("records"):
        names = [name for name in varied if not (row["full"] and is_idle(name))]
        values = {name: row[name] for name in names if not pd.isna(row[name]) and not _is_off(row[name])}
        words[row["configuration"]] = ", ".join(_settings(values))
    return words


def _settings(values: dict[str, object]) -> list[str]:
    """Values of config fields in words, without those that are missing."""
    return [f"{plain_name(name)} {_short(value)}" for name, value in values.items() if value is not None]


def _is_off(value: object) -> bool:
    """Whether a setting says that something is not done, or names nothing (as of frozen layers)."""
    return value in ("none", "", 0)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
