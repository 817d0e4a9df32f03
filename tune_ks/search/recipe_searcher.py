"""Ray's searcher of a tuning: hands out the trainings of a tournament, one at a time."""

from typing import Any

from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.budget import Budget
from tune_ks.planning.candidates import Candidates
from tune_ks.search.tournament import Tournament
from tune_ks.worker.work import TrialWork

MANY = 10**6  # trials that may still come: a tuning is ended by its time


class RecipeSearcher(Searcher):
    """Translates between Ray, whose trials have ids, and the tournament, which knows trainings."""

    def __init__(self, candidates: Candidates, folder: RunFolder, work: TrialWork, budget: Budget) -> None:
        super().__init__(metric="val_in_domain", mode="max")
        self.work = work
        self.budget = budget
        distributions = OptunaSearch.convert_search_space(candidates.drawn)
        self.tournament = Tournament(candidates, folder, budget, distributions)
        self.queue = self.tournament.queue  # a search puts jobs back that were lost with a node
        self.done = False

    @property
    def left(self) -> int:
        """Whether another training may come."""
        return 0 if self.done else MANY

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # as JobSearcher
        """None while the next training depends on one that still runs."""
        job = self.tournament.next_job()
        if job is not None:
            self.budget.start(trial_id, job[0])
            return self.work.with_jobs([job]).plain()
        if self.budget.running:
            return None
        self.done = True
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self.budget.running:
            config = self.budget.end(trial_id)
            self.tournament.end(config, failed=(result or {}).get("failed", ""))

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its searcher into a state that nobody reads

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a tuning does not resume from Ray's snapshots."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as ``save``."""
