"""Which finished trial a config begins from: the word "pretrained" of a space becomes KEY@HASH, and its files come.

Of the trials of the run that ``--init-from`` names, those can serve that were trained on the same vendor at the same
rate and agree in everything that shapes the network. Among several questions the one with the mask family of the config
goes first, then the one whose seeds have the highest mean in-domain validation metric; among its seeds the same one,
or, where it has not that one, its seeds in turn. Test scores choose nothing.
"""

import math
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import Any

from tune_ks.core.config import TrialConfig, digest, is_key, is_weights
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import read_whole, storage_path, write_whole
from tune_ks.model.members import shaping_values
from tune_ks.planning.plan import Plan, config_at, in_turn
from tune_ks.planning.space import PRETRAINED, Space

WEIGHTS, RECORD = "model.safetensors", "record.json"  # what is copied of a trial


class Pretrained:
    """The finished trials of a run folder, or, of RUN/trials/KEY, that one for every config.

    ValueError where there is none.
    """

    def __init__(self, place: str) -> None:
        root = storage_path(place)
        alone = is_key(root.name) and root.parent.name == "trials"
        self.folder = RunFolder(root.parent.parent if alone else root)
        self.place = place
        self.names: dict[str, str] = {}
        keys = [root.name] if alone else self.folder.finished()
        if not keys or not all(map(self.folder.is_finished, keys)):
            raise ValueError(f"--init-from: {place} is no run folder with finished trials, nor RUN/trials/KEY of one")
        self.records = [self.folder.read_record(key) for key in keys]
        self.same_rate_too = not alone

    def choose(self, config: TrialConfig) -> str:
        """KEY@HASH of the trial that this config begins from. ValueError says what was looked for and what there is."""
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
        keys = {str(record.config.seed): record.config.key() for record in questions[best[0]]}
        return self.named(in_turn(keys, config.seed))

    def _matched(self, config: TrialConfig) -> dict[str, Any]:
        """What two configs must share so that one can begin from the other's weights."""
        where = {"vendor": config.vendor, "sampling_rate": config.sampling_rate} if self.same_rate_too else {}
        return where | shaping_values(config)

    def _others(self, wanted: dict[str, Any]) -> dict[str, list[Any]]:
        """Field -> its values in the records, of the fields in which they are not all as ``wanted``."""
        there = [self._matched(record.config) for record in self.records]
        values = {name: sorted({of_record[name] for of_record in there if name in of_record}) for name in wanted}
        return {name: of_field for name, of_field in values.items() if of_field != [wanted[name]]}

    def named(self, key: str) -> str:
        """KEY@HASH of one of its trials, as its weights are now."""
        if key not in self.names:  # many configs may begin from one
            self.names[key] = named(self.folder, key)
        return self.names[key]


def named(folder: RunFolder, key: str) -> str:
    """KEY@HASH of a finished trial, as its weights are now. ValueError where it has none."""
    path = folder.trial(key, WEIGHTS)
    try:
        return f"{key}@{digest(read_whole(path))}"
    except FileNotFoundError as error:
        raise ValueError(f"there is no {path}: nothing can begin from the trial {key}") from error


def asks(space: Space) -> bool:
    """Whether a block of the space holds the word."""
    return any(PRETRAINED in _init_from(block) for block in space.blocks)


def resolve(space: Space, vendors: list[str], choose: Callable[[TrialConfig], str]) -> tuple[Space, dict[str, str]]:
    """The space with ``choose(config)`` for the word, and what was chosen: key of the config from scratch -> KEY@HASH.

    Each config with the word becomes a block of its own, with its seed: its trial depends on both.
    """
    blocks, chosen = [], {}
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
                found = chosen[config.key()] = choose(config)
                blocks.append({**config.non_default(), "seed": config.seed, "init_from": found})
    return space._replace(blocks=blocks), chosen


def notes_of(folder: RunFolder, place: str, chosen: dict[str, str]) -> dict[str, dict[str, str]]:
    """What search.json will say of every place that trials of the run folder began from."""
    found = folder.read_search().get("init_from", {})
    return {**found, place: {**_noted(folder, place), **chosen}}


def remembered(space: Space, vendors: list[str], place: str, folder: RunFolder) -> tuple[Space, dict[str, str]] | None:
    """As ``resolve``, from what the run folder wrote down of an earlier choice in ``place``; None where it has not."""
    chosen = _noted(folder, place)
    try:
        return resolve(space, vendors, lambda config: chosen[config.key()])
    except KeyError:
        return None


def require_unchanged(folder: RunFolder, place: str, chosen: dict[str, str]) -> None:
    """ValueError where a trial that the run folder began from has other weights by now."""
    before = _noted(folder, place)
    for key, now in chosen.items():
        was = before.get(key, now)
        if was != now and was.partition("@")[0] == now.partition("@")[0]:
            raise ValueError(
                f"the weights of a trial in {place} changed since {folder.root} began from them: {was}, now {now}. "
                "Give another --run, or --fresh to set the old one aside"
            )


def weights_of(space: Space, plan: Plan) -> set[str]:
    """Every KEY@HASH that the trials of a plan begin from; where a sampler has yet to draw some, all of the space."""
    found = {config.init_from for job in plan.jobs for config in job}
    if plan.suggestions:
        found |= {value for block in space.blocks for value in _init_from(block)}
    return found - {None}


def absent_weights(folder: RunFolder, wanted: Iterable[str], sources: list[RunFolder]) -> dict[str, RunFolder]:
    """KEY@HASH -> the run folder to copy it from, of what ``folder`` does not hold yet. Writes nothing.

    ValueError where no source has the trial, or where its weights are others by now.
    """
    found = {}
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
        found[init_from] = have[init_from]
    return found


def bring_weights(folder: RunFolder, absent: dict[str, RunFolder]) -> None:
    """Copy what ``absent_weights`` found, so that the run folder stands alone. The record comes last.

    ValueError where the weights became others in between.
    """
    for init_from, source in absent.items():
        key, _, expected = init_from.partition("@")
        weights = read_whole(source.trial(key, WEIGHTS))
        record = read_whole(source.trial(key, RECORD))
        if digest(weights) != expected:
            raise ValueError(f"{source.trial(key, WEIGHTS)} has changed since this command began: give it again")
        write_whole(folder.weights(init_from, WEIGHTS), weights)
        write_whole(folder.weights(init_from, RECORD), record)


def _init_from(block: dict[str, Any]) -> list[Any]:
    value = block.get("init_from")
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _noted(folder: RunFolder, place: str) -> dict[str, str]:
    """What search.json says was chosen from ``place``: key of the config from scratch -> KEY@HASH."""
    found = folder.read_search().get("init_from")
    found = found.get(place) if isinstance(found, dict) else None
    return {key: value for key, value in found.items() if is_weights(value)} if isinstance(found, dict) else {}


def _question(record: TrialRecord) -> str:
    """What its seeds share; of what a trial began from, only the question: that too had a seed."""
    return f"{record.config.key('seed', 'init_from')}/{record.pretraining()}"


def _rank(records: list[TrialRecord], config: TrialConfig) -> tuple[bool, float]:
    values = [record.in_domain("val") for record in records]
    known = [value for value in values if not math.isnan(value)]
    return records[0].config.mask == config.mask, fmean(known) if known else -math.inf


def _listed(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {_words(value)}" for name, value in values.items())


def _words(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(_words, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
