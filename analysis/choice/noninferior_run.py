"""The proof of one vendor of a run: which rates there are to test, and by which test."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from analysis.choice.noninferior import MIN_SEEDS, Proof, Question, noninferior, noninferior_curve, refusal
from analysis.read.configurations import curves
from analysis.read.load import Run
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import ALPHA
from analysis.statistics.fitted import Fitted
from analysis.statistics.measures import measure_of
from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import sources_of
from tune_ks.core.run_folder import RunFolder

NOT_YET, FAILED = "is not trained yet", "failed"


class Unfinished(NamedTuple):
    """A training that has no record."""

    rate: float  # nominal
    question: str  # see question_of
    why: str  # NOT_YET or FAILED


class Place(NamedTuple):
    """Where a training stands in the grid of its question."""

    rate: float  # nominal
    seed: int


class Trainings(NamedTuple):
    """The trainings of a run as the curves of one vendor see them."""

    questions: dict[str, str]  # key of a record -> its question
    places: dict[str, Place]  # key of a record -> its nominal rate and seed
    elsewhere: dict[str, set[Place]]  # question -> what was trained on other vendors
    unfinished: list[Unfinished]  # of this vendor


def proof_of_vendor(
    run: Run, table: pd.DataFrame, draws: Mapping[str, TrialDraws], fitted: Fitted, vendor: str, margin: float
) -> Proof:
    """``table``: the vendor's configurations that may be chosen; ``fitted``: their validation metric.

    Rates that a sampler drew are tested on fitted curves, a grid at its trained rates. Of several curves (temperatures
    ...) each is tested at 5 % divided by their number (Bonferroni), since several curves are several chances to
    succeed. Pooled curves would prove a mean over curves, and no curve that can be used.
    """
    by_name = curves(table) or {"": table}
    alpha = ALPHA / len(by_name)
    question = Question(vendor, margin, validation_patients(run, vendor), alpha)
    if sampler_of(run) == "grid":
        proofs = _proofs_of_grid(run, by_name, draws, question)
    else:
        proofs = _proofs_of_drawn_rates(by_name, draws, fitted, question, measure_of(run).plural)
    tested = [proof for proof in proofs if not proof.refused]
    if len(proofs) == 1 or not tested:
        return proofs[0]
    best = min(tested, key=lambda proof: (proof.rate, proof.resolvable))
    how = f"{len(proofs)} curves, each at one-sided {100 * (1 - alpha):.3g} % (5 % divided by their number)"
    return best._replace(
        steps=pd.concat([proof.steps for proof in tested], ignore_index=True),
        how="; ".join(filter(None, [how, best.how])),
    )


def sampler_of(run: Run) -> str:
    """What chose the rates; "grid" where search.json does not say."""
    return (run.search.get("search") or {}).get("sampler", "grid")


def _proofs_of_grid(
    run: Run, by_name: dict[str, pd.DataFrame], draws: Mapping[str, TrialDraws], question: Question
) -> list[Proof]:
    """One for each curve."""
    trainings = trainings_of(run, question.vendor)
    proofs = []
    for name, curve in by_name.items():
        about = question._replace(curve=name if len(by_name) > 1 else "")
        proofs.append(noninferior(curve, draws, about, missing_rates(trainings, curve)))
    return proofs


def _proofs_of_drawn_rates(
    by_name: dict[str, pd.DataFrame],
    draws: Mapping[str, TrialDraws],
    fitted: Fitted,
    question: Question,
    plural: str,
) -> list[Proof]:
    """One for each curve; where settings were drawn with the rate, so that no curve has rates enough, a refusal."""
    if len(by_name) > 1 and not fitted.curves:
        why = (
            f"other settings were drawn together with the rate: {len(by_name)} curves, none of which has three rates. "
            "A proof is of one setting: search the rate alone, or a grid"
        )
        return [refusal(question.vendor, question.margin, why)]
    proofs = []
    for name, curve in by_name.items():
        about = question._replace(curve=name if len(by_name) > 1 else "")
        proofs.append(noninferior_curve(fitted.curves.get(name), curve, draws, about, plural))
    return proofs


def validation_patients(run: Run, vendor: str) -> dict[str, int]:
    """Endpoint -> patients that it is validated on: of the other vendors that count, all that are not test patients."""
    cohort = run.cohort
    counted: set[str] = set()
    for record in run.records.values():
        if record.config.vendor == vendor:
            counted.update(record.others("val").counted)
    held_out = set(cohort.loc[cohort["split"] == "test", "patient_id"])
    inside = cohort[(cohort["split"] == "val") & cohort["vendor"].isin(sources_of(vendor))]
    others = cohort[cohort["vendor"].isin(counted) & ~cohort["patient_id"].isin(held_out)]
    return {"in_domain": inside["patient_id"].nunique(), "cross_domain": others["patient_id"].nunique()}


def trainings_of(run: Run, vendor: str) -> Trainings:
    """Every training that the run folder names, read once for all curves of the vendor."""
    questions = {key: question_of(record.config) for key, record in run.records.items()}
    places = {key: Place(record.config.sampling_rate, record.config.seed) for key, record in run.records.items()}
    elsewhere: dict[str, set[Place]] = {}
    for key, record in run.records.items():
        if record.config.vendor != vendor:
            elsewhere.setdefault(questions[key], set()).add(places[key])
    unfinished = [training for training, of_vendor in _without_record(run) if of_vendor == vendor]
    return Trainings(questions, places, elsewhere, unfinished)


def _without_record(run: Run) -> Iterator[tuple[Unfinished, str]]:
    """The failed and pending trainings, each with its vendor."""
    folder = RunFolder(run.root)
    failed = set(run.failures["key"])
    for key in (*failed, *run.pending):
        try:
            config = folder.read_config(key)
        except (ValueError, TypeError, AttributeError, OSError):
            continue  # a truncated file: the report names it among the trials without a record
        why = FAILED if key in failed else NOT_YET
        yield Unfinished(config.sampling_rate, question_of(config), why), config.vendor


def missing_rates(trainings: Trainings, curve: pd.DataFrame) -> dict[float, str]:
    """Nominal rate -> why, for the rates of a curve that lack a finished training of this vendor.

    Such a training failed, is not finished, or was made with this seed for another vendor only: the same grid is meant
    for both. Rates that no trial folder names yet are not known here.
    """
    questions: set[str] = set()
    finished: set[Place] = set()
    for keys, full in zip(curve["keys"], curve["full"]):
        finished.update(trainings.places[key] for key in keys)
        if not full:
            questions.update(trainings.questions[key] for key in keys)
    reasons: dict[float, str] = {}
    for question in questions:
        awaited = trainings.elsewhere.get(question, set()) - finished
        reasons |= dict.fromkeys((place.rate for place in awaited), NOT_YET)
    reasons |= _reasons_here(trainings.unfinished, questions)
    if not reasons:
        return {}
    complete = set(curve.loc[curve["seeds"] >= MIN_SEEDS, "sampling_rate"])
    return {rate: why for rate, why in reasons.items() if rate not in complete}


def _reasons_here(unfinished: list[Unfinished], questions: set[str]) -> dict[float, str]:
    """Nominal rate -> why its trainings of these questions are unfinished; NOT_YET where only some of them failed."""
    reasons: dict[float, str] = {}
    for training in unfinished:
        concerned = training.rate == 1 or not questions or training.question in questions
        if concerned and reasons.get(training.rate) != NOT_YET:
            reasons[training.rate] = training.why
    return reasons


def question_of(config: TrialConfig) -> str:
    """What the trainings of one curve share: all but rate, seed and vendor."""
    return config.key("sampling_rate", "seed", "vendor")
