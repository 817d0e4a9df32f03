"""What is left to do in a run folder: the configs that a space asks for, less those that the folder holds."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import read_each
from tune_ks.planning.space import Block, Space
from tune_ks.training.members import config_from


class Plan(NamedTuple):
    """What is left to run, and how many configs the run folder holds already."""

    jobs: list[list[TrialConfig]]  # whose configs are known
    suggestions: int  # jobs that are still to come from Optuna
    finished: int
    failed: int
    stopped: int = 0  # early, by a scheduler
    trials: int = 0  # that the run folder holds when nothing is left, those of other search spaces among them

    @property
    def left(self) -> int:
        """Number of jobs that are still to be run."""
        return len(self.jobs) + self.suggestions

    def __str__(self) -> str:
        stopped = f", {self.stopped} stopped early" if self.stopped else ""
        return f"{self.left} trials to run, {self.finished} already done, {self.failed} failed before{stopped}"


class Held(NamedTuple):
    """What a run folder holds, by key."""

    files: dict[str, set[str]]  # key -> names of its .json files
    failures: Collection[str]  # keys that are not tried again
    stops: Collection[str]  # keys that a scheduler stopped, and that are not trained to their end

    def is_finished(self, config: TrialConfig) -> bool:
        return "record.json" in self.files.get(config.key(), ())

    def was_asked(self, config: TrialConfig) -> bool:
        return "config.json" in self.files.get(config.key(), ())

    def is_open(self, config: TrialConfig) -> bool:
        return not self.is_finished(config) and config.key() not in self.failures and config.key() not in self.stops


def plan_search(space: Space, folder: RunFolder, vendors: list[str], retry_failed: bool = False) -> Plan:
    """Everything that the run folder does not hold yet. Configs that were asked for before come first.

    A failed trial counts as done unless ``retry_failed``: the same configuration would fail again. A trial that was
    stopped early counts as done as long as the space names a scheduler; without one it is trained to its end.
    """
    held = Held(
        files=folder.listing(),
        failures={} if retry_failed else folder.failures(),
        stops=folder.stops() if space.search["scheduler"] != "none" else {},
    )
    if space.search["sampler"] == "grid":
        return _plan_grid(space, vendors, held)
    return _plan_suggestions(space, vendors, folder, held)


def _plan_grid(space: Space, vendors: list[str], held: Held) -> Plan:
    """Every point of the grid with every seed; the sampling rates of one conditional training are one job."""
    points = space.grid(vendors)
    asked: dict[str, TrialConfig] = {}  # by key: two points may be the same config
    for seed in range(space.search["seeds"]):  # outermost, so that a search that ends early has every point once
        for point in points:
            config = config_at(point, {}, seed)
            asked[config.key()] = config
    by_training: dict[str, list[TrialConfig]] = {}
    for config in asked.values():
        if held.is_open(config):
            by_training.setdefault(config.training().key(), []).append(config)
    jobs = sorted(by_training.values(), key=lambda job: not held.was_asked(job[0]))
    failed = sum(key in held.failures for key in asked)
    stopped = sum(key in held.stops for key in asked)
    left = sum(len(job) for job in jobs)
    trials = len(asked.keys() | held.files.keys())
    return Plan(jobs, 0, len(asked) - left - failed - stopped, failed, stopped, trials)


def _plan_suggestions(space: Space, vendors: list[str], folder: RunFolder, held: Held) -> Plan:
    """Around every point: the suggestions that miss a seed, and as many new ones as ``samples`` asks for."""
    seeds = space.search["seeds"]
    suggestions = [all_seeds(configs, seeds) for configs in suggestions_in(folder)]
    jobs: list[list[TrialConfig]] = []
    new_suggestions = finished = 0
    asked = set(held.files)
    for point in space.grid(vendors):
        of_point = [configs for configs in suggestions if belongs(configs[0], point)]
        for configs in of_point:
            finished += sum(held.is_finished(config) for config in configs)
            asked |= {config.key() for config in configs}
            if any(held.is_open(config) for config in configs):
                jobs.append(configs)
        wanted = int(min(space.search["samples"], point.size()))
        new_suggestions += max(0, wanted - len(of_point))
    trials = len(asked) + new_suggestions * seeds
    return Plan(jobs, new_suggestions, finished, len(held.failures), len(held.stops), trials)


def about_fitness(configs: Iterable[TrialConfig]) -> str:
    """What a search of these configs can tell of whether its network is fit to judge a rate; "" where it compares."""
    idle = [name for name, option in OWN_FIELDS.items() if option.part in ("mask", "reconstruction")]
    networks = {config.key("vendor", "seed", "init_from", "train_share", *idle) for config in configs if config.is_full}
    if not networks:
        return "no training at full sampling: whether the network is fit to judge a rate will stay unknown"
    if len(networks) == 1:
        return (
            "at full sampling this trains a single network, so only its training and the yardsticks can tell whether "
            "it is fit to judge a rate (a second classifier, or more epochs or width, would tell more)"
        )
    return ""


def plan_finalists(folder: RunFolder, configs: list[dict[str, Any]], seeds: int) -> Plan:
    """The given configs (without a seed) with seeds 0 ... ``seeds`` - 1, less those that have a record.

    Where a config names the weights that it starts from, ``init_from`` is a dict of seed -> KEY@HASH.
    """
    asked = []
    try:
        for seed in range(seeds):
            asked += [_finalist(values, seed) for values in configs]
    except ValueError as error:
        raise ValueError(f"{folder.search_json}: finalists: {error}") from error
    jobs = [[config] for config in asked if not folder.is_finished(config.key())]
    trials = len({config.key() for config in asked}.union(folder.listing()))
    return Plan(jobs, 0, len(asked) - len(jobs), 0, trials=trials)


def _finalist(values: dict[str, Any], seed: int) -> TrialConfig:
    by_seed = values.get("init_from")
    init_from = in_turn(by_seed, seed) if by_seed else None
    return TrialConfig.from_dict({**values, "seed": seed, "init_from": init_from})


def in_turn(by_seed: dict[str, str], seed: int) -> str:
    """The value of this seed. A seed without a value takes that of another one: they are taken in turn."""
    return by_seed.get(str(seed)) or by_seed[sorted(by_seed, key=int)[seed % len(by_seed)]]


def suggestions_in(folder: RunFolder) -> list[list[TrialConfig]]:
    """The configs of a run folder, the seeds of one suggestion in one list."""
    suggestions: dict[str, list[TrialConfig]] = {}
    asked = [key for key, names in folder.listing().items() if "config.json" in names]
    for config in read_each(folder.root, folder.read_config, asked):
        suggestions.setdefault(config.key("seed"), []).append(config)
    return list(suggestions.values())


def config_at(point: Block, drawn: dict[str, Any], seed: int) -> TrialConfig:
    """The config of a point of the grid, with the values drawn around it and a seed."""
    return config_from({"seed": seed, **point.fixed, **drawn})


def belongs(config: TrialConfig, point: Block) -> bool:
    """Whether the config has the fixed values of this point."""
    fixed = config_from({"sampling_rate": 1, **point.fixed})  # converts them as in a config: 1 is 1.0
    return all(config.get(name) == fixed.get(name) for name in point.fixed)


def all_seeds(configs: list[TrialConfig], seeds: int) -> list[TrialConfig]:
    """A whole suggestion: the values of its first config with seeds 0 ... ``seeds`` - 1."""
    values = configs[0].non_default()
    return [TrialConfig.from_dict({**values, "seed": seed}) for seed in range(seeds)]
