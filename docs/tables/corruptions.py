"""The chosen rate against full sampling on corrupted images."""

from analysis.choice.options import Options
from analysis.read.corrupted import load_corruptions
from analysis.read.load import Run
from analysis.report.sections.image_quality import comparisons
from analysis.results.compute import compute
from analysis.results.robustness import verdict
from docs.tables.cells import pair
from docs.tables.table import Table
from tune_ks.core.rate_words import rate_words


def corruptions(run: Run) -> list[Table]:
    """families.md: the rate that `epsilon` chooses against full sampling, on clean and on corrupted images.

    For a RUN that `run_search.py evaluate RUN --data DIR --corruptions` has scored. Metrics of corrupted images are
    means over five severities.
    """
    analysis, tables = compute(run, "epsilon", Options()), []
    heads = ["corruption", "domain", "low rate, clean / corrupted", "full, clean / corrupted", "full loses more by"]
    for _, vendor, compared in comparisons(analysis, load_corruptions(run.root)[0]):
        if compared is None:
            continue
        rows = []
        for row in compared.table.to_dict("records"):
            more = f"{row['loses less by']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            rows.append(
                [
                    row["corruption"].replace("_", " "),
                    row["domain"].replace("_", "-"),
                    pair(row["chosen, clean"], row["chosen, corrupted"]),
                    pair(row["full, clean"], row["full, corrupted"]),
                    f"**{more}**" if row["low"] > 0 or row["high"] < 0 else more,
                ]
            )
        title = f"Trained on {vendor}: rate {rate_words(compared.rate)} against full sampling"
        tables.append(Table(heads, rows, title, verdict(compared)))
    return tables
