"""The configurations of one vendor that may be chosen, with all that the rules read of them."""

from dataclasses import dataclass

import pandas as pd

from analysis.choice.labels import readers
from analysis.choice.noninferior import Proof
from analysis.choice.noninferior_run import proof_of_vendor
from analysis.choice.options import Options
from analysis.choice.selection import Selection, select, split_of
from analysis.read.configurations import choosable
from analysis.read.load import Run
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.fitted import Fitted, fit_vendor


@dataclass(frozen=True)
class Candidates:
    """What a rule chooses from."""

    vendor: str
    table: pd.DataFrame  # one row a configuration
    split: str  # whose scores choose: val, or test where there is no validation score
    fitted: dict[str, Fitted]  # split -> the smoothed metric
    proof: Proof
    options: Options
    also_read: str  # what of the search read the validation scores of every vendor

    def choose(self, rule: str) -> Selection:
        """The choice of a rule."""
        fitted = self.fitted[self.split]
        selection = select(
            self.table, self.vendor, rule, self.options, split=self.split, fitted=fitted, proof=self.proof
        )
        return selection._replace(also_read=self.also_read)

    def among(self, table: pd.DataFrame, rule: str, family: str) -> Selection:
        """The choice of a rule among the configurations of one mask family."""
        return select(table, self.vendor, rule, self.options, family=family)._replace(also_read=self.also_read)

    def oracle(self, rule: str) -> Selection:
        """What a rule would choose on test scores."""
        return select(self.table, self.vendor, rule, self.options, split="test", fitted=self.fitted["test"])


def candidates_of(
    run: Run, table: pd.DataFrame, draws: dict[str, TrialDraws], vendor: str, options: Options
) -> Candidates:
    """``table``: all configurations of the vendor. Curves are fitted, and rates tested against full sampling."""
    table = choosable(table)
    trials = run.trials[run.trials["configuration"].isin(table["configuration"])]
    fitted = {split: fit_vendor(table, trials, draws, vendor, split) for split in ("val", "test")}
    proof = proof_of_vendor(run, table, draws, fitted["val"], vendor, options.margin)
    return Candidates(vendor, table, split_of(table), fitted, proof, options, readers(run.search))
