"""Does the learned mask beat low-pass? Differences at equal rate: in words, as a figure, as a table."""

from collections.abc import Sequence

import pandas as pd

from analysis.plots.common import to_json
from analysis.plots.versus import plot_versus
from analysis.read.configurations import plain_name, varied_fields
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis
from analysis.results.sentences import DOMAINS
from analysis.results.versus_info import versus_info
from analysis.results.versus_lowpass import CHANCE
from analysis.results.versus_lowpass_words import headline, single_rates

HEIGHT = 420  # pixels
HOW = (
    "Each mask is compared with the low-pass that agrees in all but the mask and has the same realised rate (to 1 % of "
    "it), on the same test patients. Differences are paired by patient; seeds are averaged on either side, and the 90 "
    "% intervals hold the error of patients and, where it is known, of trainings. Test labels are read here and choose "
    "nothing: where a family has several settings at one rate, in-domain validation chose which stands for it. p: "
    "two-sided, of no difference. p, Holm: adjusted for all learned masks, rates, domains and vendors of this run (of "
    "the means: for all means); below {level:g} a difference holds though so many were looked at. Fixed masks stand "
    "beside the learned ones and are in no correction."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A sentence and a figure a vendor, then the numbers."""
    versus = analysis.versus_lowpass
    if not analysis.vendors:
        return []
    title = analysis.measure.title
    shown: list[Part] = []
    for vendor in analysis.vendors:
        shown += [Paragraph(headline(versus, vendor, title)), Paragraph(single_rates(versus, vendor), "small")]
    if versus.rows.empty:
        return shown
    shown += [Panels([_figure(analysis, vendor) for vendor in analysis.vendors]), labels_seen(analysis)]
    if (versus.means["rates"] > 1).any():
        shown.append(table(means_table(analysis), "versus-means", "Learned mask minus low-pass, mean over rates"))
    shown.append(table(rows_table(analysis), "versus-low-pass", f"Mask minus low-pass at equal rate, test {title}"))
    return [*shown, Paragraph(analysis.measure.domains.of(HOW.format(level=CHANCE)), "small")]


def _figure(analysis: Analysis, vendor: str) -> list[Part]:
    info = versus_info(analysis, vendor)
    if info is None:
        return []
    alt = (
        f"Mask minus low-pass at equal rate, test {analysis.measure.title}, trained on {vendor}: above "
        "0 the mask is "
        "better; blue in-domain, orange cross-domain; bars are 90 % intervals, filled symbols hold after Holm's "
        "correction."
    )
    drawn = to_json(plot_versus(info))
    return [Figure(f"versus-{slug(vendor)}", drawn, alt, HEIGHT, f"Trained on {vendor}")]


def rows_table(analysis: Analysis) -> pd.DataFrame:
    """A row a vendor, family, rate and domain, with the settings that vary."""
    rows = analysis.versus_lowpass.rows
    title = analysis.measure.title
    settings = analysis.configurations.set_index("configuration").loc[rows["configuration"]]
    columns = {"trained on": rows["vendor"].tolist(), "mask": rows["family"].tolist()}
    for name in varied_fields(analysis.configurations):
        if name != "mask" and settings[name].notna().any():
            columns[plain_name(name)] = settings[name].tolist()
    columns |= {
        "rate": rows["rate"].tolist(),
        "low-pass rate": rows["low_pass_rate"].tolist(),
        "domain": [DOMAINS[domain] for domain in rows["domain"]],
        title: rows["value"].tolist(),
        f"{title}, low-pass": rows["low_pass_value"].tolist(),
        **_differences(rows),
        "seeds": rows["seeds"].tolist(),
    }
    return pd.DataFrame(columns)


def means_table(analysis: Analysis) -> pd.DataFrame:
    """A row a vendor, learned family and domain."""
    means = analysis.versus_lowpass.means
    columns = {
        "trained on": means["vendor"].tolist(),
        "mask": means["family"].tolist(),
        "domain": [DOMAINS[domain] for domain in means["domain"]],
        "rates": means["rates"].tolist(),
        "lowest rate": means["lowest"].tolist(),
        "highest rate": means["highest"].tolist(),
        **_differences(means),
        "seeds": means["seeds"].tolist(),
    }
    return pd.DataFrame(columns)


def _differences(rows: pd.DataFrame) -> dict[str, list]:
    return {
        "difference": rows["difference"].tolist(),
        "low": rows["low"].tolist(),
        "high": rows["high"].tolist(),
        "p": rows["p_value"].astype(float).tolist(),
        "p, Holm": rows["holm"].astype(float).tolist(),
    }


SECTION = Section("Does the learned mask beat low-pass?", parts)
