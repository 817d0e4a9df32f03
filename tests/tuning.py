"""A tuning without Ray and without training: candidates, made records, and a machine that answers a searcher."""

from ray import tune

from tiny_space import WORK
from tune_ks.core.record import TrialRecord
from tune_ks.planning.budget import Budget
from tune_ks.planning.candidates import candidates_of
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search.recipe_searcher import RecipeSearcher
from tune_ks.worker.jobs import configs_of

VENDORS = ["GE", "SIEMENS"]
BLOCK = {"mask": "lowpass", "sampling_rate": [1.0, 0.25], "width": 0.05, "image_size": 64, "epochs": 9}
DRAWN = {
    "lr": tune.loguniform(1e-4, 1e-2),
    "schedule": tune.choice(["cosine", "constant"]),
    "warmup": tune.choice([0.1, 0.3]),  # an option of one schedule alone
}
START = [{"lr": 1e-3, "schedule": "cosine", "warmup": 0.1}, {"lr": 5e-3}, {"schedule": "constant"}]


def space(start=START, **block):
    return Space("tiny", "", [{**BLOCK, **DRAWN, **block}], {**SEARCH_DEFAULTS, "sampler": "tpe"}, start)


CANDIDATES = candidates_of(space(), VENDORS)


def record(config, auc, seconds=10.0):
    """The record of a training whose AUC was higher once, early, than in its last epochs."""
    history = [{"epoch": epoch, "loss": 0.7, "val_in_domain": auc} for epoch in range(1, config.epochs + 1)]
    if config.epochs > 2:
        history[0]["val_in_domain"] = 1.0
    return TrialRecord(
        config=config,
        val={"GE": 1.0, "SIEMENS": 1.0},
        test={"GE": 0.0, "SIEMENS": 0.0},
        realised_rate=config.sampling_rate,
        history=history,
        seconds=seconds,
        facts={"epoch_seconds": seconds / (config.epochs + 1)},  # what comes once takes as long as an epoch
    )


class Machine:
    """Trains in no time: ``auc(config)`` and ``seconds(config)`` say what a training gives, ``slots`` run at once."""

    def __init__(self, folder, auc, seconds=lambda config: config.epochs + 1.0, slots=2):
        self.folder = folder
        self.auc = auc
        self.seconds = seconds
        self.slots = slots
        self.now = 0.0
        self.trained = []  # configs, in the order in which they ended

    def searcher(self, minutes, candidates=CANDIDATES):
        before = sum(record.seconds for record in self.folder.records()) / self.slots
        self.now = before
        budget = Budget(60 * minutes, self.slots, begun=0.0, now=lambda: self.now)
        return RecipeSearcher(candidates, self.folder, WORK, budget)

    def run(self, searcher, most=10**6):
        """Until the searcher has no more, or ``most`` trainings have ended, as at a Ctrl-C; returns its tournament."""
        running = {}  # id -> (time of its end, config)
        number = 0
        while True:
            while len(running) < self.slots:
                work = searcher.suggest(f"trial{number}")
                if not isinstance(work, dict):
                    break
                ((config,),) = map(configs_of, work["jobs"])
                self.folder.write_config(config)
                running[f"trial{number}"] = (self.now + self.seconds(config), config)
                number += 1
            if not running:
                return searcher.tournament
            name = min(running, key=lambda name: running[name][0])
            self.now, config = running.pop(name)
            self.trained.append(config)
            auc = self.auc(config)
            if auc is None:
                self.folder.write_failure(config, "the loss became nan")
                searcher.on_trial_complete(name, {"finished": True, "failed": "the loss became nan"})
            else:
                self.folder.write_record(record(config, auc, self.seconds(config)))
                searcher.on_trial_complete(name, {"finished": True, "failed": ""})
            if len(self.trained) >= most:
                return searcher.tournament
