"""What classical methods reach at each rate."""

from analysis.read.load import Run
from analysis.results.yardsticks import plain, reached_by
from analysis.statistics.bootstrap import DRAWS
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import pair, rate_name
from docs.tables.differences import differences, score_cells
from docs.tables.table import Table
from tune_ks.core.record import TrialRecord, mean_of_defined


def classical(run: Run) -> list[Table]:
    """families.md: what every yardstick reaches, and what answers instead of a network (space classical).

    Or any RUN whose records hold yardsticks.
    """
    draws = trial_draws(run, DRAWS)
    answers = []
    reached = []
    names = sorted({name for record in run.records.values() for name in record.yardsticks or {}})
    for vendor, of_vendor in run.trials.groupby("vendor"):
        full = of_vendor.loc[of_vendor["full"], "key"].tolist()
        for (rate, mask), part in of_vendor.groupby(["sampling_rate", "mask"]):
            keys = part["key"].tolist()
            about = [vendor, "full" if rate == 1 else mask, rate_name(rate)]
            records = [run.records[key] for key in keys]
            reached.append(about + [_of_yardstick(records, name) for name in names])
            answered_by = [record.scored_by for record in records if record.scored_by]
            if answered_by:
                answer = [*about, ", ".join(map(plain, dict.fromkeys(answered_by)))]
                answer += score_cells(part, draws, vendor)[::2]  # without the seeds: nothing is drawn at random
                answers.append(answer + differences(keys, [] if rate == 1 else full, draws, vendor))
    heads = ["trained on", "mask", "rate"]
    of_answers = [*heads, "answered by", "in-domain", "cross-domain", "in - full", "cross - full"]
    tables = [Table(of_answers, answers)] if answers else []
    return [*tables, Table([*heads, *map(plain, names)], reached)]


def _of_yardstick(records: list[TrialRecord], name: str) -> str:
    """The mean test metric over the trials that hold this yardstick, in-domain / cross-domain; "" where none does."""
    scores = [reached_by(record, name, "test") for record in records if name in (record.yardsticks or {})]
    if not scores:
        return ""
    in_domain = mean_of_defined(record.in_domain("test") for record in scores)
    return pair(in_domain, mean_of_defined(record.cross_domain("test") for record in scores))
