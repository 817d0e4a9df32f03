"""Replace the word "pretrained" of a space by KEY@HASH of a finished trial, and copy that trial's files.

The trial is chosen in the run folder given as ``--init-from``. It must have the config's vendor (or the one that SEARCH
names as ``pretrained_vendor``) and sampling rate, and the same values of everything that shapes the network. Where
trials of several questions fit, those with the config's mask family come first, then those whose seeds have the highest
mean in-domain validation metric. Of that question's seeds the config's own seed is taken; if it is missing, the seeds
are taken in turn. Test scores are not used.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

from tune_ks.core.config import TrialConfig, digest, is_key, is_weights
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import LARGEST_JSON, RunFolder
from tune_ks.core.storage import read_whole, storage_path, write_whole
from tune_ks.model.members import shaping_values
from tune_ks.planning.plan import Plan, config_at, in_turn
from tune_ks.planning.space import PRETRAINED, Space

WEIGHTS, RECORD = "model.safetensors", "record.json"  # the files of a trial that are copied


class Pretrained:
    """The finished trials of a run folder. If ``place`` is RUN/trials/KEY, that trial serves every config.

    ValueError where there is no finished trial.
    """

    def __init__(self, place: str) -> None:
        root = storage_path(place)
        is_single_trial = is_key(root.name) and root.parent.name == "trials"
        self.folder = RunFolder(root.parent.parent if is_single_trial else root)
        self.folder.require_own_folders()
        self.place = place
        self.names: dict[str, str] = {}
        keys = [root.name] if is_single_trial else self.folder.finished()
        if not keys or not all(map(self.folder.is_finished, keys)):
            raise ValueError(f"--init-from: {place} is no run folder with finished trials, nor RUN/trials/KEY of one")
        self.records = [self.folder.read_record(key) for key in keys]
        self.same_rate_too = not is_single_trial

    def choose(self, config: TrialConfig) -> str:
        """KEY@HASH of the trial that this config begins from. ValueError names what is needed and what there is."""
        wanted = self._matched(config.training())
        fitting = [record for record in self.records if self._matched(record.config) == wanted]
        if not fitting:
            raise ValueError(
                f"--init-from: {self.place} has no finished trial with {_listed(wanted)}; it has "
                f"{_listed(self._others(wanted)) or 'them in other combinations'}"
            )
        questions: dict[str, list[TrialRecord]] = {}
        for record in fitting:
            questions.setdefault(_question(record), []).append(record)
        ranks = {name: _rank(records, config) for name, records in questions.items()}
        best = [name for name, rank in ranks.items() if rank == max(ranks.values())]
        if len(best) > 1:
            keys = ", ".join(questions[name][0].config.key() for name in best)
            raise ValueError(
                f"--init-from: several trials of {self.place} fit {_listed(wanted)} equally well ({keys}): name one as "
                f"{self.folder.root}/trials/KEY"
            )
        of_seed = {str(record.config.seed): record.config.key() for record in questions[best[0]]}
        return self.named(in_turn(of_seed, config.seed))

    def _matched(self, config: TrialConfig) -> dict[str, Any]:
        """Name -> value of the fields and options in which two configs must agree to share weights."""
        shaping = shaping_values(config)
        if not self.same_rate_too:
            return shaping
        return {"vendor": config.vendor, "sampling_rate": config.sampling_rate} | shaping

    def _others(self, wanted: dict[str, Any]) -> dict[str, list[Any]]:
        """Field -> its values in the records, for the fields in which a record differs from ``wanted``."""
        settings = [self._matched(record.config) for record in self.records]
        others = {}
        for name, value in wanted.items():
            values = sorted({of_record[name] for of_record in settings if name in of_record})
            if values != [value]:
                others[name] = values
        return others

    def named(self, key: str) -> str:
        """KEY@HASH of one of its trials, with the hash of its present weights."""
        if key not in self.names:  # many configs may begin from the same trial
            self.names[key] = named(self.folder, key)
        return self.names[key]


def named(folder: RunFolder, key: str) -> str:
    """KEY@HASH of a finished trial, with the hash of its present weights. ValueError where it has no weights."""
    path = folder.trial(key, WEIGHTS)
    try:
        return f"{key}@{digest(read_whole(path))}"
    except FileNotFoundError as error:
        raise ValueError(f"there is no {path}: nothing can begin from the trial {key}") from error


def as_pretrained(space: Space, config: TrialConfig) -> TrialConfig:
    """The config whose finished trial this one begins from: of the vendor that SEARCH names, else of its own."""
    vendor = space.search["pretrained_vendor"]
    return config if vendor is None else dataclasses.replace(config, vendor=vendor)


def names_pretrained(space: Space) -> bool:
    """Whether a block of the space has init_from "pretrained"."""
    return any(PRETRAINED in _init_from(block) for block in space.blocks)


def resolve(space: Space, vendors: list[str], choose: Callable[[TrialConfig], str]) -> tuple[Space, dict[str, str]]:
    """The space with ``choose(config)`` in place of "pretrained", and the choices: key from scratch -> KEY@HASH.

    The key is that of the config without init_from. Every such config and seed becomes a block, since the choice
    depends on both.
    """
    blocks = []
    chosen = {}
    for block in space.blocks:
        others = [value for value in _init_from(block) if value != PRETRAINED]
        if len(others) == len(_init_from(block)):
            blocks.append(block)
            continue
        if others:
            blocks.append({**block, "init_from": others})
        points = space._replace(blocks=[{**block, "init_from": None}]).grid(vendors)
        for seed in range(space.search["seeds"]):  # outermost, as in a plan
            for config in (config_at(point, {}, seed) for point in points):
                chosen[config.key()] = choose(config)
                blocks.append({**config.non_default(), "seed": config.seed, "init_from": chosen[config.key()]})
    return space._replace(blocks=blocks), chosen


def notes_of(folder: RunFolder, place: str, chosen: dict[str, str]) -> dict[str, dict[str, str]]:
    """The entry ``init_from`` for search.json: place -> key of the config from scratch -> KEY@HASH.

    It holds the choices of earlier commands and those in ``chosen``.
    """
    noted = folder.read_search().get("init_from", {})
    return {**noted, place: {**_noted(folder, place), **chosen}}


def resolve_as_noted(
    space: Space, vendors: list[str], place: str, folder: RunFolder
) -> tuple[Space, dict[str, str]] | None:
    """``resolve`` with the choices in ``place`` that search.json holds; None where it does not hold all of them."""
    chosen = _noted(folder, place)
    try:
        return resolve(space, vendors, lambda config: chosen[config.key()])
    except KeyError:
        return None


def require_unchanged(folder: RunFolder, place: str, chosen: dict[str, str]) -> None:
    """ValueError where the weights of a trial in ``place`` changed since trials of ``folder`` began from them."""
    before = _noted(folder, place)
    for key, now in chosen.items():
        was = before.get(key, now)
        if was != now and was.partition("@")[0] == now.partition("@")[0]:
            raise ValueError(
                f"the weights of a trial in {place} changed since {folder.root} began from them: {was}, now {now}. "
                "Give another --run, or --fresh to set the old one aside"
            )


def weights_of(space: Space, plan: Plan) -> set[str]:
    """Every KEY@HASH that trials of the plan begin from; all of the space where a sampler still draws configs."""
    weights = {config.init_from for job in plan.jobs for config in job if config.init_from is not None}
    if plan.suggestions:
        weights |= {value for block in space.blocks for value in _init_from(block)}
    return weights - {None}


def absent_weights(folder: RunFolder, wanted: Iterable[str], sources: list[RunFolder]) -> dict[str, RunFolder]:
    """KEY@HASH -> the run folder to copy it from, for the weights that ``folder`` lacks. Writes nothing.

    ValueError where no source has the trial, or where the trial's weights have another hash now.
    """
    absent = {}
    for init_from in sorted(wanted):
        if folder.weights(init_from, RECORD).exists():
            continue
        key = init_from.partition("@")[0]
        have = {named(source, key): source for source in sources if source.is_finished(key)}
        if init_from not in have:
            why = f"the trial has others now: {', '.join(have)}" if have else "no run folder here has that trial"
            raise ValueError(
                f"the weights {init_from} are not in this run folder, and {why}. Give the run folder that has them as "
                "--init-from"
            )
        absent[init_from] = have[init_from]
    return absent


def bring_weights(folder: RunFolder, absent: dict[str, RunFolder]) -> None:
    """Copy the weights that ``absent_weights`` lists, so that the run folder needs no other. The record comes last.

    ValueError where the weights changed in between.
    """
    for init_from, source in absent.items():
        key, _, expected = init_from.partition("@")
        weights = read_whole(source.trial(key, WEIGHTS))
        record = read_whole(source.trial(key, RECORD), LARGEST_JSON)
        if digest(weights) != expected:
            raise ValueError(f"{source.trial(key, WEIGHTS)} has changed since this command began: give it again")
        write_whole(folder.weights(init_from, WEIGHTS), weights)
        write_whole(folder.weights(init_from, RECORD), record)


def _init_from(block: dict[str, Any]) -> list[Any]:
    """The values of init_from in a block, as a list."""
    value = block.get("init_from")
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _noted(folder: RunFolder, place: str) -> dict[str, str]:
    """The choices in ``place`` that search.json holds: key of the config from scratch -> KEY@HASH."""
    by_place = folder.read_search().get("init_from")
    choices = by_place.get(place) if isinstance(by_place, dict) else None
    if not isinstance(choices, dict):
        return {}
    return {key: value for key, value in choices.items() if is_weights(value)}


def _question(record: TrialRecord) -> str:
    """A name that all seeds of the record's config share. Of its initial weights only their question enters."""
    return f"{record.config.key('seed', 'init_from')}/{record.pretraining()}"


def _rank(records: list[TrialRecord], config: TrialConfig) -> tuple[bool, float]:
    """Sort key of a question: the config's mask family first, then the mean in-domain validation metric."""
    values = [record.in_domain("val") for record in records]
    known = [value for value in values if not math.isnan(value)]
    return records[0].config.mask == config.mask, fmean(known) if known else -math.inf


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {_words(value)}" for name, value in values.items())


def _words(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(_words, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
