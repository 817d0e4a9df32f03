"""Trials -> configurations: the seeds of one question averaged, their spread kept."""

from collections.abc import Sequence

import pandas as pd

from analysis.read.load import CONFIG_FIELDS, FACTS, IDLE_FIELDS, SCORES, WITHIN

# Masks that learn nothing: yardsticks for a learned mask, never what the rules choose while a learned one is there.
FIXED_FAMILIES = frozenset({"lowpass", "equispaced", "random_uniform", "variable_density", "poisson_disc"})
FULL = "full sampling"  # the family of sampling rate 1, which belongs to all
MEASURED = [*SCORES, *WITHIN, *FACTS]


def average_over_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration (everything but the seed): the mean of each measured column over its seeds.

    ``NAME_sd`` is the standard deviation over seeds (n - 1; NaN with one seed), ``seeds`` their number, ``keys`` the
    trials. Sampling rate 1 is one configuration whatever its mask fields say; when two families ran the same seed
    there, that seed counts once. ``family`` is the mask, or FULL at rate 1.
    """
    if trials.empty:
        return pd.DataFrame(columns=["configuration", "family", "keys", "seeds", *trials.columns.drop("key")])
    by_seed = trials.groupby(["configuration", "seed"], sort=False)[MEASURED].mean()
    groups = by_seed.groupby("configuration", sort=False)
    spread = groups[list(SCORES)].std(ddof=1).add_suffix("_sd")
    first = trials.groupby("configuration", sort=False)[["full", *(n for n in CONFIG_FIELDS if n != "seed")]].first()
    table = first.join(groups.mean()).join(spread)
    table["seeds"] = groups.size()
    table["keys"] = trials.groupby("configuration", sort=False)["key"].agg(list)
    table["family"] = table["mask"].where(~table["full"], FULL)
    return table.reset_index().sort_values(["vendor", "family", "realised_rate"], kind="stable", ignore_index=True)


def families(configurations: pd.DataFrame) -> list[str]:
    """The mask families that ran below rate 1, learned ones first."""
    found = configurations.loc[~configurations["full"].astype(bool), "family"].unique()
    return sorted(found, key=lambda name: (name in FIXED_FAMILIES, name))


def learned(configurations: pd.DataFrame) -> pd.Series:
    """True for the rows a rule may choose from: learned families, and full sampling."""
    return ~configurations["family"].isin(FIXED_FAMILIES)


def choosable(configurations: pd.DataFrame) -> pd.DataFrame:
    """One vendor's learned families and full sampling; everything, when no learned mask was run.

    Where rates were trained each by itself, those alone: what one conditional training says of many is a screening.
    """
    alone = configurations[configurations["rate_from"].isna()]
    if families(alone):
        configurations = alone
    some = any(name not in FIXED_FAMILIES for name in families(configurations))
    return configurations[learned(configurations)] if some else configurations


def full_sampling_of(configurations: pd.DataFrame) -> list[str | None]:
    """Per row, the configuration at rate 1 that agrees in all but rate, mask and seed; None where it was not run."""
    shared = [n for n in CONFIG_FIELDS if n not in ("sampling_rate", "seed", *IDLE_FIELDS)]
    groups = configurations.groupby(shared, dropna=False, sort=False).ngroup()
    full = configurations["full"].astype(bool)
    named = dict(zip(groups[full], configurations.loc[full, "configuration"]))
    return [named.get(group) for group in groups]


def keys_of_full(configurations: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """The trials of full sampling that a choice's are compared with; [] for itself, and where it was not run."""
    chosen = [bool(set(keys) & set(each)) for each in configurations["keys"]]
    wanted = [full for full, mine in zip(full_sampling_of(configurations), chosen) if mine]
    found = configurations.loc[configurations["configuration"].isin(wanted), "keys"]
    return [key for each in found for key in each if key not in keys]


def varied_fields(configurations: pd.DataFrame) -> list[str]:
    """Config fields other than vendor, rate and seed that take more than one value: what a curve's name must say.

    A field of the mask's counts when it varies within a family: that low-pass has no temperature is no second value.
    """
    names = [n for n in CONFIG_FIELDS if n not in ("vendor", "sampling_rate", "seed")]
    below = configurations[~configurations["full"].astype(bool)]
    varied = [n for n in names if n not in IDLE_FIELDS and configurations[n].nunique(dropna=False) > 1]
    of_family = below.groupby("mask")[[n for n in IDLE_FIELDS if n != "mask"]].nunique(dropna=False).max()
    varied += [n for n in of_family.index if of_family[n] > 1] + ["mask"] * (below["mask"].nunique() > 1)
    return [n for n in names if n in varied]


def curves(configurations: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Curve name -> its configurations by realised rate, one vendor's; full sampling joins every curve it can end.

    A curve is everything that varies but the rate: mask family, temperature, reconstruction ...
    """
    varied = varied_fields(configurations)
    full = configurations[configurations["full"].astype(bool)]
    below = configurations[~configurations["full"].astype(bool)]
    if below.empty:
        return {FULL: full} if len(full) else {}
    if not varied:
        return {str(below["mask"].iloc[0]): _by_rate(below, full)}
    shared = [n for n in varied if n not in IDLE_FIELDS]
    found = {}
    for values, part in below.groupby(varied, dropna=False, sort=True):
        chosen = dict(zip(varied, values))
        fits = pd.Series(True, index=full.index)
        for name in shared:
            fits &= full[name].eq(chosen[name]) | (full[name].isna() & pd.isna(chosen[name]))
        mask = chosen.pop("mask", part["mask"].iloc[0])
        rest = ", ".join(f"{name} {_short(value)}" for name, value in chosen.items() if not pd.isna(value))
        found[f"{mask}, {rest}" if rest else str(mask)] = _by_rate(part, full[fits])
    return found


def _by_rate(part: pd.DataFrame, full: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([part, full]).sort_values("realised_rate", kind="stable")


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
