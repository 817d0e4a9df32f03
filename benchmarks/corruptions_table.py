"""Does a low rate make the model more robust to a worse image? The report's comparison as a markdown table.

    python benchmarks/corruptions_table.py RUN [RUN ...]

RUN was analysed, and its models were scored by `run_search.py evaluate RUN --data DIR --corruptions`. Chosen rate and
full sampling: AUC on the images as they are and mean over the five severities; then how much more full sampling loses,
with its 90 % patient-clustered interval, bold where 0 lies outside.
"""

import sys
from pathlib import Path

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.report.sections.robustness import comparisons
from analysis.results.compute import compute
from analysis.results.robustness import load_corruptions, verdict


def main(runs: list[str]) -> None:
    """Print a table a run, vendor and set of corrupted images."""
    for run in runs:
        analysis = compute(load(run), "epsilon", Options())
        for _, vendor, found in comparisons(analysis, load_corruptions(analysis.run.root)[0]):
            if found is None:
                continue
            print(f"\n{Path(run).name}, trained on {vendor}: rate {found.rate:.3g} against full sampling\n")
            print(
                "| corruption | domain | low rate, clean / corrupted | full, clean / corrupted | full loses more by |"
            )
            print("| --- | --- | --- | --- | --- |")
            for row in found.table.to_dict("records"):
                more = f"{row['loses less by']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
                bold = "**" if row["low"] > 0 or row["high"] < 0 else ""
                print(
                    f"| {row['corruption'].replace('_', ' ')} | {row['domain'].replace('_', '-')} "
                    f"| {row['chosen, clean']:.3f} / {row['chosen, corrupted']:.3f} "
                    f"| {row['full, clean']:.3f} / {row['full, corrupted']:.3f} | {bold}{more}{bold} |"
                )
            print(f"\n{verdict(found)}")


if __name__ == "__main__":
    main(sys.argv[1:])
