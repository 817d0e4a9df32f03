"""Which sampling rate, and how sure: a run folder in, a chosen rate per vendor and a report out.

    analyse(run, rule="epsilon", images=True, report=True, **options) -> Analysis
                                              options are those of the rules: epsilon=0.02, tolerance=0.02, margin=0.02
    analyse_again(run) -> Analysis            with the settings of its last analysis
    print_summary(analysis, console=None)     print it on one screen: choices, fronts, where the report is
    print_analysis(analysis, console=None)    print all of it: warnings, choices, sentences

``analysis.vendors[vendor]`` holds all that was computed for the models trained on that vendor:
``selection``, and ``others``: the choice of the rule asked for, and those shown beside it;
``selection.verdicts[endpoint]``: the rate against full sampling: kind, basis, difference, interval;
``fitted[split]``: curves below rate 1 by name, and each configuration's metric with its draws;
``uncertain_front``: probability_optimal, attainment (10, 50, 90 %) and hypervolume draws, or None;
``proof``: what the data prove (noninferior): rate, steps, resolvable margin, patients needed, why refused.

Reads the run folder only: neither torch nor ray is needed. ``RunError`` (a ValueError) is one message for a person.
"""

import sys

from tune_ks.core.early_signals import end_while_imported

if sys.argv[:1] == ["-m"]:  # python -m analysis imports this before its __main__
    end_while_imported()

from analysis.analyse import analyse, analyse_again
from analysis.choice.rules import RULES
from analysis.choice.selection import Selection
from analysis.read.load import RunError
from analysis.results.compute import Analysis
from analysis.results.terminal import print_analysis, print_external, print_summary

__all__ = [
    "RULES",
    "Analysis",
    "RunError",
    "Selection",
    "analyse",
    "analyse_again",
    "print_analysis",
    "print_external",
    "print_summary",
]
