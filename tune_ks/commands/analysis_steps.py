"""What commands ask of the analysis. run_search.py names it before it knows the command, so it imports little."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tune_ks.core.storage import StoragePath


class AnalysisSteps(NamedTuple):
    """The analysis as commands use it. run_search.py hands it in, so that tune_ks never imports the analysis."""

    require_rule: Callable[[str, float], None]  # ValueError for a rule or an epsilon that it would refuse later
    analyse: Callable[[StoragePath, str, float, bool], None]  # run folder, rule, epsilon, images: report and terminal
    finalists: Callable[[StoragePath, str, float], dict[str, list[dict[str, Any]]]]  # vendor -> configs without seeds
    # run folder, name of an evaluated cohort to print (or None) -> the report, written again
    show_evaluation: Callable[[StoragePath, str | None], StoragePath]
