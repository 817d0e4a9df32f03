"""The proof of one vendor of a run: which rates there are to test, and by which test."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from analysis.choice.difference import ALPHA
from analysis.choice.noninferior import MIN_SEEDS, Proof, noninferior, noninferior_curve
from analysis.read.configurations import curves
from analysis.read.load import Run
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.measures import MEASURES
from analysis.statistics.uncertain_front import Curves
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder

NOT_YET, FAILED = "is not trained yet", "failed"


class Asked(NamedTuple):
    """The trainings of a run as one vendor's curves see them; a kind is what makes a curve."""

    kinds: dict[str, str]  # key of a record -> its kind
    elsewhere: dict[str, set[float]]  # kind -> the rates that were trained on other vendors
    here: list[tuple[float, str, str]]  # rate, kind and why there is no record, of this vendor's


def prove(
    run: Run, table: pd.DataFrame, draws: Mapping[str, TrialDraws], fitted: Curves, vendor: str, margin: float
) -> Proof:
    """``table``: the vendor's configurations that may be chosen; ``fitted``: the curves of its validation metric.

    Rates that a sampler drew: the fitted curve at fixed rates. A grid: the trained rates. Of a grid with several curves
    (temperatures ...) each is tested at 5 % divided by their number (Bonferroni), since several curves are several
    chances to succeed: pooling them instead would prove a mean over curves, and no curve that one can use.
    """
    patients = validation_patients(run.cohort, vendor)
    if (run.search.get("search") or {}).get("sampler", "grid") != "grid":
        plural = MEASURES[run.metric].plural
        return noninferior_curve(fitted, table, draws, patients, vendor, margin, plural)
    found = curves(table) or {"": table}
    alpha, asked = ALPHA / len(found), asked_of(run, vendor)
    proofs = []
    for name, curve in found.items():
        missing = missing_rates(asked, curve)
        shown = name if len(found) > 1 else ""
        proofs.append(noninferior(curve, draws, patients, vendor, margin, missing, alpha, shown))
    tested = [proof for proof in proofs if not proof.refused]
    if len(proofs) == 1 or not tested:
        return proofs[0]
    best = min(tested, key=lambda proof: (proof.rate, proof.resolvable))
    how = f"{len(proofs)} curves, each at one-sided {100 * (1 - alpha):.3g} % (5 % divided by their number)"
    return best._replace(steps=pd.concat([proof.steps for proof in tested], ignore_index=True), how=how)


def validation_patients(cohort: pd.DataFrame, vendor: str) -> dict[str, int]:
    """Endpoint -> patients that it is validated on: all of another vendor's that are not test patients."""
    held_out = set(cohort.loc[cohort["split"] == "test", "patient_id"])
    inside = cohort[(cohort["split"] == "val") & (cohort["vendor"] == vendor)]
    others = cohort[(cohort["vendor"] != vendor) & ~cohort["patient_id"].isin(held_out)]
    return {"in_domain": inside["patient_id"].nunique(), "cross_domain": others["patient_id"].nunique()}


def asked_of(run: Run, vendor: str) -> Asked:
    """Every training that the run folder names; each is looked at once, however many curves there are."""
    kinds = {key: _kind(record.config) for key, record in run.records.items()}
    elsewhere: dict[str, set[float]] = {}
    for key, record in run.records.items():
        if record.config.vendor != vendor:
            elsewhere.setdefault(kinds[key], set()).add(record.config.sampling_rate)
    here = []
    failed, folder = set(run.failures["key"]), RunFolder(run.root)
    for key in (*failed, *run.pending):
        try:
            config = folder.read_config(key)
        except (ValueError, TypeError, AttributeError, OSError):
            continue  # torn: the report names it among the trials without a record
        if config.vendor == vendor:
            here.append((config.sampling_rate, _kind(config), FAILED if key in failed else NOT_YET))
    return Asked(kinds, elsewhere, here)


def missing_rates(asked: Asked, curve: pd.DataFrame) -> dict[float, str]:
    """Nominal rate -> why, for each rate of a curve that its vendor has not, or not all of its trainings.

    Asked for and failed, asked for and not finished, or trained on another vendor only: the same grid is meant for
    both. Rates that no trial folder names yet are not known here.
    """
    kinds = {asked.kinds[key] for keys, full in zip(curve["keys"], curve["full"]) if not full for key in keys}
    reasons = dict.fromkeys(set().union(*(asked.elsewhere.get(kind, ()) for kind in kinds)), NOT_YET)
    here: dict[float, set[str]] = {}
    for rate, kind, why in asked.here:
        if rate == 1 or not kinds or kind in kinds:
            here.setdefault(rate, set()).add(why)
    reasons |= {rate: NOT_YET if NOT_YET in why else FAILED for rate, why in here.items()}
    complete = set(curve.loc[curve["seeds"] >= MIN_SEEDS, "sampling_rate"])
    return {rate: why for rate, why in reasons.items() if rate not in complete}


def _kind(config: TrialConfig) -> str:
    """What makes a curve: all but the rate, the seed and the vendor."""
    return config.key("sampling_rate", "seed", "vendor")
