"""What is left to do in RUN: the space's questions less what the run folder holds."""

from typing import Any, NamedTuple

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import read_each
from tune_ks.planning.space import Block, Space
from tune_ks.training.members import config_from


class Plan(NamedTuple):
    """``jobs`` with a known list of configs, ``draws`` still to be asked of Optuna, and what RUN holds already."""

    jobs: list[list[TrialConfig]]
    draws: int
    finished: int
    failed: int
    stopped: int = 0  # early, by a scheduler

    @property
    def left(self) -> int:
        return len(self.jobs) + self.draws

    def __str__(self) -> str:
        stopped = f", {self.stopped} stopped early" if self.stopped else ""
        return f"{self.left} trials to run, {self.finished} already done, {self.failed} failed before{stopped}"


def plan_search(space: Space, folder: RunFolder, vendors: list[str], retry_failed: bool = False) -> Plan:
    """What RUN does not hold yet. What was begun comes first, to go on from its checkpoint.

    A failed trial counts as answered unless ``retry_failed``: the same configuration would fail again. A trial that was
    stopped early counts as answered for as long as the space names a scheduler; without one it is trained after all.
    """
    held = folder.listing()
    failures = {} if retry_failed else folder.failures()
    stops = folder.stops() if space.search["scheduler"] != "none" else {}

    def is_finished(config: TrialConfig) -> bool:
        return "record.json" in held.get(config.key(), ())

    def is_open(config: TrialConfig) -> bool:
        return not is_finished(config) and config.key() not in failures and config.key() not in stops

    points = space.grid(vendors)
    seeds = range(space.search["seeds"])
    if space.search["sampler"] == "grid":
        # seeds outermost: a search that is stopped early has every rate once
        asked = {(c := config_at(point, {}, seed)).key(): c for seed in seeds for point in points}
        together: dict[str, list[TrialConfig]] = {}  # the rates that one conditional training is scored at
        for config in asked.values():
            if is_open(config):
                together.setdefault(config.training().key(), []).append(config)
        jobs = list(together.values())
        jobs.sort(key=lambda job: "config.json" not in held.get(job[0].key(), ()))
        failed, stopped = (sum(key in ended for key in asked) for ended in (failures, stops))
        left = sum(map(len, jobs))
        return Plan(jobs, 0, len(asked) - left - failed - stopped, failed, stopped)
    jobs, draws, finished = [], 0, 0
    suggestions = [all_seeds(configs, len(seeds)) for configs in suggestions_in(folder)]
    for point in points:
        mine = [configs for configs in suggestions if belongs(configs[0], point)]
        jobs += [configs for configs in mine if any(is_open(config) for config in configs)]
        finished += sum(is_finished(config) for configs in mine for config in configs)
        draws += max(0, int(min(space.search["samples"], point.size())) - len(mine))
    return Plan(jobs, draws, finished, len(failures), len(stops))


def plan_finalists(folder: RunFolder, configs: list[dict[str, Any]], seeds: int) -> Plan:
    """The given configs (without a seed) with seeds 0 ... ``seeds`` - 1, less what RUN holds.

    Where one says from which weights it begins, ``init_from`` is a dict of seed -> KEY@HASH.
    """
    asked = [_finalist(values, seed) for seed in range(seeds) for values in configs]
    jobs = [[config] for config in asked if not folder.is_finished(config.key())]
    return Plan(jobs, 0, len(asked) - len(jobs), 0)


def _finalist(values: dict[str, Any], seed: int) -> TrialConfig:
    begins = values.get("init_from")
    return TrialConfig.from_dict({**values, "seed": seed, "init_from": in_turn(begins, seed) if begins else None})


def in_turn(by_seed: dict[str, str], seed: int) -> str:
    """What stands for this seed; where nothing does, what stands for the others serves in turn."""
    return by_seed.get(str(seed)) or by_seed[sorted(by_seed, key=int)[seed % len(by_seed)]]


def suggestions_in(folder: RunFolder) -> list[list[TrialConfig]]:
    """The configs of RUN, the seeds of one suggestion together."""
    together: dict[str, list[TrialConfig]] = {}
    asked = [key for key, names in folder.listing().items() if "config.json" in names]
    for config in read_each(folder.root, folder.read_config, asked):
        together.setdefault(config.key("seed"), []).append(config)
    return list(together.values())


def config_at(point: Block, drawn: dict[str, Any], seed: int) -> TrialConfig:
    """One config: a point of the grid, the values drawn around it, a seed."""
    return config_from({"seed": seed, **point.fixed, **drawn})


def belongs(config: TrialConfig, point: Block) -> bool:
    """Whether the config has this point's fixed values."""
    fixed = config_from({"sampling_rate": 1, **point.fixed})  # as a config has them: 1 is 1.0
    return all(config.get(name) == fixed.get(name) for name in point.fixed)


def all_seeds(configs: list[TrialConfig], seeds: int) -> list[TrialConfig]:
    """A suggestion whole: the first config's values with seeds 0 ... ``seeds`` - 1."""
    values = configs[0].non_default()
    return [TrialConfig.from_dict({**values, "seed": seed}) for seed in range(seeds)]
