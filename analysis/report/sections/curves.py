"""The source study's two curves: metric against the realised rate, and its table."""

from collections.abc import Sequence

import pandas as pd

from analysis.plots.common import DOMAINS, SPLIT_WORDS, to_json
from analysis.plots.curves import plot_curves
from analysis.read.configurations import settings_of
from analysis.report.parts import Details, Figure, Heading, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.curves_info import curves_info
from analysis.results.rate_units import rate_units
from analysis.results.read_by_rules import read_table
from analysis.results.source_table import CHOSEN_FOR, source_table
from analysis.results.yardsticks import shown

HEIGHT = 440  # pixels
NOTE = (
    '"A tested on B": trained on A, scored on test patients of B; mean over seeds [90 % interval]. '
    "The nominal rate was asked for; where exported masks keep another, it stands beside it. The table of "
    "configurations below has every number in a column of its own."
)

READ = (
    "A rule reads the fitted mean (the thick line) of a rate that lies on a curve of three rates or more: it pools "
    "neighbouring rates, so one lucky training does not choose. Full sampling lies on no curve and is read as "
    "observed. Below the best: how far the value that is read lies below the best one; epsilon and tolerance are "
    "compared with it."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """The curves on the patients that the first screen does not show, and the source study's table."""
    if not analysis.vendors:
        return []
    shown: list[Part] = []
    for split in ("test", "val"):
        if split != split_on_front(analysis):
            shown += _curves(analysis, split)
    shown += _read_by_rules(analysis)
    return [*shown, Paragraph(about_units(analysis), "small"), *_source_table(analysis)]


def _read_by_rules(analysis: Analysis) -> list[Part]:
    """The fitted and the observed means of the candidates, and which of them a rule reads."""
    frames = [_read_of_vendor(computed) for computed in analysis.vendors.values()]
    rows = pd.concat(frames, ignore_index=True)
    split = SPLIT_WORDS.get(rows["split"].iloc[0], "") if len(rows) else ""
    title = f"{split} {analysis.measure.title}"
    columns = {"trained on": rows["vendor"], "mask": rows["family"], "settings": rows["settings"], "rate": rows["rate"]}
    for domain, (word, _) in DOMAINS.items():
        columns[f"{word}, fitted mean"] = rows[f"{domain}_fitted"]
        columns[f"{word}, observed mean"] = rows[f"{domain}_observed"]
        columns[f"{word}, read"] = rows[f"{domain}_read"].where(rows[f"{domain}_below_best"].notna())
        columns[f"{word}, below the best"] = rows[f"{domain}_below_best"]
    frame = pd.DataFrame(columns).dropna(axis="columns", how="all")
    table_of_rates = table(frame, "read-by-rules", f"What the rules read: {title} of each candidate", rows["chosen"])
    return [Details("What the rules read, as numbers", [table_of_rates, Paragraph(READ, "small")])]


def _read_of_vendor(computed: VendorAnalysis) -> pd.DataFrame:
    """read_table() with the vendor, the settings in words (None: none) and whether the rule chose the row."""
    rows = read_table(computed).assign(vendor=computed.vendor)
    settings = settings_of(computed.configurations)
    keys = dict(zip(computed.configurations["configuration"], computed.configurations["keys"]))
    chosen = set(computed.selection.keys)
    rows["settings"] = [settings[name] or None for name in rows["configuration"]]
    rows["chosen"] = [not chosen.isdisjoint(keys[name]) for name in rows["configuration"]]
    return rows


def about_units(analysis: Analysis) -> str:
    """What the buttons below the axes switch to, and what is not known."""
    of_vendors = [rate_units(analysis.run, vendor) for vendor in analysis.vendors]
    words = [note for found in of_vendors for note in found.notes]
    if any(found.units for found in of_vendors):
        words.insert(0, "The buttons below an axis show the rate in other units; no point moves.")
    return " ".join(words)


def split_on_front(analysis: Analysis) -> str:
    """The split whose curves are on the first screen: test where there is any such score, else val."""
    return "val" if analysis.configurations["test_in_domain"].isna().all() else "test"


def _curves(analysis: Analysis, split: str) -> list[Part]:
    """A figure a vendor; one sentence where the split was not scored."""
    word = SPLIT_WORDS[split]
    if analysis.configurations[f"{split}_in_domain"].isna().all():
        return [Paragraph(f"No {word} {analysis.measure.title} in these records: that curve is left out.", "small")]
    panels = [[figure(analysis, vendor, split, f"Trained on {vendor}")] for vendor in analysis.vendors]
    return [Heading(f"On {word} patients"), Panels(panels)]


def figure(analysis: Analysis, vendor: str, split: str, title: str) -> Figure:
    """One vendor's curves on one split."""
    alt = (
        f"{SPLIT_WORDS[split].capitalize()} {analysis.measure.title} against the realised rate, trained on "
        f"{vendor}: "
        f"blue in-domain, orange cross-domain (a hair to the right); small points are single "
        f"trials{_extras(analysis, split)}."
    )
    drawn = to_json(plot_curves(curves_info(analysis, vendor, split)))
    return Figure(f"curves-{split}-{slug(vendor)}", drawn, alt, HEIGHT, title)


def _extras(analysis: Analysis, split: str) -> str:
    """What else the figure holds."""
    yardsticks = ""
    if len(shown(analysis.yardsticks)):
        yardsticks = ", dotted lines with crosses the yardstick that validation chooses at each rate"
    if split == "val":
        return f"{yardsticks}; these are the scores that a rule may read"
    bars = analysis.configurations["test_in_domain_low"].notna().any()
    words = (", bars are 90 % intervals" if bars else ", no interval can be computed") + yardsticks
    if len(analysis.baselines):
        words += f", dotted lines the {analysis.measure.yardstick.name}"
    return words


def _source_table(analysis: Analysis) -> list[Part]:
    """The source study's Table 1; nothing where no record has a test metric."""
    frame: pd.DataFrame = source_table(analysis)
    if frame.empty:
        return []
    word = analysis.measure.domains.one
    title = (
        f"Test {analysis.measure.title} by rate: trained on each {word}, tested on each (the shape of the source "
        "study's Table 1)"
    )
    chosen = frame[CHOSEN_FOR].notna() if CHOSEN_FOR in frame else None
    return [table(frame, "source-table", title, chosen), Paragraph(NOTE, "small"), labels_seen(analysis)]


SECTION = Section("metric against the rate", parts)
