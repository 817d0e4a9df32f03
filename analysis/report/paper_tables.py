"""The main tables as LaTeX (booktabs) and CSV."""

import pandas as pd

from analysis.report.sections import rules, versus_lowpass
from analysis.results.compute import Analysis
from analysis.results.read_by_rules import read_table
from analysis.results.source_table import source_table
from analysis.results.versus_lowpass import CHANCE
from tune_ks.core.rate_words import rate_words

NEEDS = "% needs \\usepackage{booktabs}\n"


def paper_tables(analysis: Analysis) -> dict[str, str]:
    """Name of a file -> its text; a table without rows has none."""
    if not analysis.vendors:
        return {}
    title = analysis.measure.title
    versus = f"Mask minus low-pass at equal rate, test {title}; 90 % intervals; Holm-adjusted p below {CHANCE:g} holds"
    tables = {
        "table-rates": (source_table(analysis), f"Test {title} by rate, mean over seeds [90 % interval]"),
        "table-choices": (rules.choices(analysis), "The choice of each rule, and the labels that it saw"),
        "table-versus-low-pass": (versus_lowpass.rows_table(analysis), versus),
        "table-versus-low-pass-means": (versus_lowpass.means_table(analysis), f"{versus}; mean over rates"),
        "table-read-by-rules": (_read(analysis), f"What the rules read: fitted and observed mean {title}"),
    }
    texts = {}
    for name, (frame, caption) in tables.items():
        if len(frame):
            texts[f"{name}.csv"] = frame.to_csv(index=False)
            texts[f"{name}.tex"] = latex(frame, caption, name.removeprefix("table-"))
    return texts


def latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A table for LaTeX: three rules, rates as in the report, other numbers to three decimals, every text escaped."""
    in_words = {}
    for name in frame.select_dtypes("number"):
        if str(name).split()[-1] == "rate":  # rate, nominal rate, GE rate
            in_words[name] = frame[name].map(rate_words, na_action="ignore")
    frame = frame.assign(**in_words)
    escaped = caption.replace("%", "\\%").replace("_", "\\_").replace("&", "\\&")
    drawn = frame.to_latex(
        index=False,
        escape=True,
        na_rep="--",
        float_format="%.3f",
        caption=escaped,
        label=f"tab:{label}",
        position="tbp",
    )
    return NEEDS + drawn


def _read(analysis: Analysis) -> pd.DataFrame:
    frames = []
    for vendor, computed in analysis.vendors.items():
        frame = read_table(computed).drop(columns="configuration")
        frame.insert(0, "trained on", vendor)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True).rename(columns=lambda name: name.replace("_", " "))
