"""The first screen in words: what the cohort is, and of each source vendor one sentence that can be believed.

The sentence holds the numbers and what takes them back: how many patients they rest on, what is proven, whether the
network is underfit or no better than a yardstick, and whether test scores chose.
"""

import math
from datetime import UTC, datetime
from typing import NamedTuple

from analysis.choice.selection import Selection
from analysis.choice.verdict import Basis, Kind, is_proven
from analysis.read.configurations import families, settings_of
from analysis.read.load import Run
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.fitness import NO_NETWORK, UNDERFIT
from analysis.results.sentences import DOMAINS, SPLITS, difference, split_shown
from analysis.results.warnings import is_synthetic, yardstick_not_beaten
from tune_ks.core.domain_words import about_domains
from tune_ks.core.rate_words import acceleration, rate_tick

SHARES = {"1/2": "a half", "1/3": "a third", "1/4": "a quarter", "1/8": "an eighth", "1/16": "a sixteenth"}
AGAINST_ALL = {  # kind of verdict -> what the rate does; where, and as far as whom
    Kind.BETTER: "does better than all of them on {where}, as far as {people} can tell",
    Kind.NOT_WORSE: "does as well as all of them on {where} (at most {margin:g} worse), as far as {people} can tell",
    Kind.WORSE: "does worse than all of them on {where}, as {people} show",
    Kind.NOT_SEPARATED: "may do better or worse than all of them on {where}: {people} cannot tell",
    Kind.UNKNOWN: "may do better or worse than all of them on {where}: without an interval nothing can tell",
}


AGAINST_FULL = {  # kind of verdict, worst first -> the same in a few words
    Kind.WORSE: "worse than full sampling",
    Kind.UNKNOWN: "nothing known against full sampling",
    Kind.NOT_SEPARATED: "not told apart from full sampling",
    Kind.NOT_WORSE: "not worse than full sampling",
    Kind.BETTER: "better than full sampling",
}


class Doubt(NamedTuple):
    """What takes a choice back: in a few words, and as a clause of the sentence."""

    brief: str
    clause: str


def cohort_line(analysis: Analysis) -> str:
    """Patients and images by vendor, series, masks, trials, and the date of search.json."""
    run = analysis.run
    words = [_patients_and_images(run), _series(run)]
    masks: dict[str, None] = {}  # a dict, as a set would lose their order
    for computed in analysis.vendors.values():
        masks |= dict.fromkeys(families(computed.configurations))
    if masks:
        words.append(f"masks {', '.join(masks)}")
    words += [_trials(run), _dated(run)]
    about = about_domains(run.domain)
    return f"{'; '.join(filter(None, words))}.{f' {about}' if about else ''}"


def _patients_and_images(run: Run) -> str:
    cohort = run.cohort
    if cohort.empty:
        return "Cohort: patients and images unknown (no cohort.csv)"
    counts = cohort.groupby("vendor").agg(patients=("patient_id", "nunique"), images=("patient_id", "size"))
    by_vendor = ", ".join(f"{row.Index} {row.patients} and {row.images:,}" for row in counts.itertuples())
    return f"Cohort: {cohort['patient_id'].nunique()} patients, {len(cohort):,} images ({by_vendor})"


def _trials(run: Run) -> str:
    """``108 trials``, ``2 of 20 trials finished, 1 failed``; what is 0 is left out."""
    number = len(run.trials)
    words = [f"{number} of {run.asked} trials finished" if run.left else f"{number} trial{'' if number == 1 else 's'}"]
    for word, rows in {"stopped early": run.stopped, "failed": run.failures}.items():
        if len(rows):
            words.append(f"{len(rows)} {word}")
    return ", ".join(words)


def _series(run: Run) -> str:
    """The series of the cohort; "" where the table has none."""
    if "series" not in run.cohort:
        return ""
    names = sorted(run.cohort["series"].dropna().astype(str).unique())
    return f"series {', '.join(names)}" if names else ""


def _dated(run: Run) -> str:
    """The day on which search.json was written, by its file; "" without one."""
    try:
        written = (run.root / "search.json").stat().st_mtime_ns
    except OSError:
        return ""
    return f"search.json of {datetime.fromtimestamp(written / 1e9, UTC):%Y-%m-%d}"


def headline(analysis: Analysis, vendor: str) -> str:
    """The choice for one source vendor in one sentence, with all that takes it back."""
    computed = analysis.vendors[vendor]
    selection = computed.selection
    doubts = [doubt.clause for doubt in doubts_of(computed, analysis)]
    if math.isnan(selection.rate):
        clauses = [f"Nothing is chosen for {vendor}: {selection.note}", *doubts]
    elif selection.rate == 1:
        clauses = [_all_of_them(analysis, computed), *doubts]
    else:
        clauses = [_against_all(analysis, computed), _proof(computed, _unit(analysis.run, selection)), *doubts]
    return f"{'; '.join(clauses)}."


def _all_of_them(analysis: Analysis, computed: VendorAnalysis) -> str:
    """Where full sampling itself was chosen."""
    unit = _unit(analysis.run, computed.selection)
    rule = computed.selection.rule
    settings = chosen_settings(computed)
    beside = f" (with {settings})" if settings else ""
    return f"All {unit} are kept for {computed.vendor}{beside}: the rule {rule} chooses no rate below 1"


def chosen_settings(computed: VendorAnalysis) -> str:
    """What the choice has set, beside its mask, that other configurations do not have; "" for nothing."""
    keys = set(computed.selection.keys)
    settings = settings_of(computed.configurations)
    rows = zip(computed.configurations["configuration"], computed.configurations["keys"])
    return next((settings[name] for name, of_row in rows if not keys.isdisjoint(of_row)), "")


def _against_all(analysis: Analysis, computed: VendorAnalysis) -> str:
    """The chosen rate against full sampling, in both domains."""
    selection = computed.selection
    kept = share_of(selection.rate, _unit(analysis.run, selection))
    if not selection.full_sampling:
        source = computed.vendor
        return f"{_capital(kept)} is chosen for {source}, but full sampling is not there to compare with"
    if all(verdict.kind is Kind.UNKNOWN for verdict in selection.verdicts.values()):
        return f"{_capital(kept)} may do better or worse than all of them: without an interval nothing can tell"
    split = split_shown(selection)
    word = analysis.measure.domains.one
    clauses = []
    for domain in DOMAINS:
        if math.isnan(selection.values.get(f"{split}_{domain}", math.nan)):
            clauses.append(f"was scored on no other {word}" if domain == "cross_domain" else "was not scored")
        else:
            clauses.append(_heard(analysis, computed, domain))
    return f"{_capital(kept)} {', and '.join(clauses)}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def numbers(analysis: Analysis, vendor: str) -> str:
    """The scores that the sentence is about: ``Test AUC on GE 0.881, full sampling 0.882, difference -0.001 [...]``."""
    selection = analysis.vendors[vendor].selection
    if math.isnan(selection.rate):
        return ""
    scores = []
    for domain in DOMAINS:
        score = score_words(selection, domain)
        if score:
            scores.append(f"on {patients_of(analysis.run, selection, domain)[0]} {score}")
    if not scores:
        return ""
    return f"{SPLITS[split_shown(selection)].capitalize()} {analysis.measure.title} {'; '.join(scores)}."


def share_of(rate: float, unit: str) -> str:
    """``an eighth of the k-space lines (R = 8)``, ``13/128 of the k-space lines (R = 9.8)``."""
    share = rate_tick(rate)
    return f"{SHARES.get(share, share)} of the {unit} (R = {acceleration(rate)})"


def _unit(run: Run, selection: Selection) -> str:
    """What a mask keeps or leaves out."""
    return f"k-space {run.records[selection.keys[0]].config.pattern}"


def _heard(analysis: Analysis, computed: VendorAnalysis, domain: str) -> str:
    """What the verdict says of one domain, in plain words."""
    selection = computed.selection
    where, count = patients_of(analysis.run, selection, domain)
    verdict = selection.verdicts[domain]
    whose = f"{count} " if count else "the "
    noun = "phantoms" if is_synthetic(analysis.run) else "patients"
    people = f"{whose}{SPLITS[split_shown(selection)]} {noun}"
    if verdict.basis is Basis.PROOF:
        people = f"the proof on validation {noun}"
    said = AGAINST_ALL[verdict.kind].format(where=where, people=people, margin=verdict.margin)
    return said


def patients_of(run: Run, selection: Selection, domain: str) -> tuple[str, int]:
    """The vendors of a domain in words, and how many patients of them the scores shown are of (0: unknown)."""
    split = split_shown(selection)
    record = run.records[selection.keys[0]]
    names = list(record.config.sources) if domain == "in_domain" else list(record.others(split).counted)
    cohort = run.cohort
    of_split = cohort[(cohort["split"] == split) & cohort["vendor"].isin(names)]
    return " and ".join(names), int(of_split["patient_id"].nunique())


def score_words(selection: Selection, domain: str) -> str:
    """``0.881, full sampling 0.882, difference -0.001 [-0.013, +0.012]``; "" where it was not measured."""
    name = f"{split_shown(selection)}_{domain}"
    value = selection.values.get(name, math.nan)
    if math.isnan(value):
        return ""
    words = [f"{value:.3f}"]
    full = selection.full_sampling.get(name, math.nan)
    if not math.isnan(full) and selection.rate < 1:
        words.append(f"full sampling {full:.3f}")
        apart = difference(selection.values, domain) if name.startswith("test_") else ""
        if apart:
            words.append(f"difference {apart}")
    return ", ".join(words)


def _proof(computed: VendorAnalysis, unit: str) -> str:
    """What is proven on validation patients."""
    if is_proven(computed.selection.verdicts):
        return "this is proven on validation patients"
    proof = computed.proof
    if proof.refused:
        return "nothing is proven, as nothing could be tested"
    return f"proven is only {share_of(proof.rate, unit)}" if proof.rate < 1 else "nothing is proven"


def doubts_of(computed: VendorAnalysis, analysis: Analysis) -> list[Doubt]:
    """What takes the numbers back, most serious first."""
    selection = computed.selection
    doubts = []
    if selection.oracle:
        doubts.append(
            Doubt("chosen on TEST scores", "TEST scores chose it (an oracle's choice), so its numbers are too high")
        )
    has_network = computed.fitness.verdict != NO_NETWORK
    if not has_network:
        doubts.append(Doubt("no network trained", "no network was trained: a classical method answers"))
    if has_network and selection.values.get("seeds", math.nan) == 1:
        doubts.append(Doubt("trained once", "it was trained once, and a second training may differ"))
    yardstick = yardstick_not_beaten(selection, analysis.configurations)
    if yardstick:
        learner = "network" if has_network else "method"
        clause = f"nothing shows that the {learner} learned more than the {yardstick}"
        doubts.append(Doubt(f"{learner} not shown to beat the {yardstick}", clause))
    if computed.fitness.verdict == UNDERFIT:
        clause = "and the network is underfit, so a rate judged by it is a lower bound of what k-space is worth"
        doubts.append(Doubt("network underfit: the rate is a lower bound", clause))
    return doubts


def verdict_in_brief(selection: Selection) -> tuple[str, bool]:
    """What is known of the choice against full sampling, by the less favourable endpoint; and whether it is proven."""
    if math.isnan(selection.rate):
        return "nothing chosen", False
    if selection.rate == 1:
        return "full sampling itself: no lower rate was chosen", False
    if not selection.full_sampling:
        return "no finished full sampling: nothing to compare with", False
    kinds = {of_endpoint.kind for of_endpoint in selection.verdicts.values()}
    worst = next((kind for kind in AGAINST_FULL if kind in kinds), Kind.UNKNOWN)
    proven = is_proven(selection.verdicts)
    return f"{AGAINST_FULL[worst]}; {'proven' if proven else 'not proven'}", proven


def whose_patients(analysis: Analysis, selection: Selection, domain: str) -> str:
    """``GE, 36 patients``: whose scores are shown of one domain."""
    names, count = patients_of(analysis.run, selection, domain)
    noun = "phantom" if is_synthetic(analysis.run) else "patient"
    return f"{names}, {count} {noun}{'' if count == 1 else 's'}" if count else names
