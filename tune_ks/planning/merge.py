"""Several run folders of one cohort and one split become one; nothing that was found is lost or decided in silence."""

import dataclasses
import json
from typing import Any, NamedTuple

from tune_ks.core.config import is_weights
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.planning.pretrained import RECORD, WEIGHTS
from tune_ks.planning.start_run import ASKED, note

OF_ITS_OWN = ("attempts.json",)  # files of a trial that say nothing to another run folder


class Merged(NamedTuple):
    """How many trials came into the target that it did not hold yet."""

    finished: int
    unfinished: int


def require_mergeable(sources: list[RunFolder], target: RunFolder) -> None:
    """ValueError that names what differs: the cohort, the split, or two answers to one question. Writes nothing."""
    present = [*sources, *([target] if target.search_json.exists() else [])]
    for folder in sources:
        if not folder.search_json.exists():
            raise ValueError(f"{folder.root} is not a run folder: it has no search.json")
    if target.root.exists() and not target.search_json.exists() and any(target.root.iterdir()):
        raise ValueError(f"{target.root} exists and is not a run folder: give a new one as --into")
    first, wanted = present[0], _identity(present[0])
    for folder in present[1:]:
        for what, found in _identity(folder).items():
            if found != wanted[what]:
                values = "" if what == "cohort.csv" else f": {wanted[what]} and {found}"
                raise ValueError(
                    f"{first.root} and {folder.root} differ in their {what}{values}; they cannot be merged"
                )
    answers: dict[str, tuple[RunFolder, TrialRecord]] = {}
    conflicts = []
    for folder in present:
        for record in folder.records():
            before, known = answers.setdefault(record.config.key(), (folder, record))
            if answer(known) != answer(record):
                conflicts.append(f"{record.config.key()} ({before.root} and {folder.root})")
    if conflicts:
        raise ValueError(
            f"{len(conflicts)} trials were answered differently, as other hardware or versions do: "
            f"{', '.join(conflicts[:3])}. Remove those of the run that you trust less, then merge"
        )


def _identity(folder: RunFolder) -> dict[str, Any]:
    """What must be the same in runs that become one, by the name that a person knows it by."""
    search = folder.read_search()
    return {
        "cohort": search.get("cohort", {}).get("fingerprint"),
        "split_seed": search.get("split_seed"),
        "cohort.csv": folder.cohort_csv.read_bytes(),
    }


def answer(record: TrialRecord) -> str:
    """All of a record but what the clock and the machine say."""
    return dataclasses.replace(record, seconds=None, facts={}).to_json()


def merge_runs(sources: list[RunFolder], target: RunFolder) -> Merged:
    """Copy what the target lacks; ``require_mergeable`` must have passed. A record comes after its other files."""
    if not target.search_json.exists():
        for name in ("cohort_csv", "skipped_csv"):
            path = getattr(sources[0], name)
            if path.exists():
                write_whole(getattr(target, name), path.read_bytes())
        write_whole(target.search_json, sources[0].search_json.read_bytes())
    finished = unfinished = 0
    for folder in sources:
        _name_spaces(folder, target)
        _copy_weights(folder, target)
        for key in folder.keys():
            done = folder.is_finished(key)
            if target.is_finished(key) or (target.trial(key).exists() and not done):
                continue
            _copy_trial(folder, target, key)
            finished += done
            unfinished += not done
    return Merged(finished, unfinished)


def _copy_trial(source: RunFolder, target: RunFolder, key: str) -> None:
    paths = [path for path in source.trial(key).iterdir() if not path.name.startswith(".")]
    for path in sorted(paths, key=lambda path: path.name == RECORD):
        if path.name not in OF_ITS_OWN:
            write_whole(target.trial(key, path.name), path.read_bytes())
    if target.is_finished(key):
        for name in ("failure.json", "stopped.json", "checkpoint.pt"):
            target.trial(key, name).unlink(missing_ok=True)


def _copy_weights(source: RunFolder, target: RunFolder) -> None:
    """What trials begin from: the name says the content, so what is there is the same."""
    for record in (source.root / "weights").glob(f"*/{RECORD}"):
        init_from = record.parent.name
        if is_weights(init_from) and not target.weights(init_from, RECORD).exists():
            for name in (WEIGHTS, RECORD):
                write_whole(target.weights(init_from, name), source.weights(init_from, name).read_bytes())
    theirs, ours = (folder.read_search().get("init_from", {}) for folder in (source, target))
    for place, chosen in theirs.items():
        ours[place] = {**chosen, **ours.get(place, {})}
    if ours:
        note(target, "init_from", ours)


def _name_spaces(source: RunFolder, target: RunFolder) -> None:
    """The search spaces of ``source`` under ``earlier`` of the target: their commands go on in it too."""
    theirs, ours = source.read_search(), target.read_search()
    earlier = ours.get("earlier", [])
    known = {lines["space_fingerprint"] for lines in (ours, *earlier)}
    added = [{name: lines.get(name) for name in ASKED} for lines in (theirs, *theirs.get("earlier", []))]
    added = [lines for lines in added if lines["space_fingerprint"] not in known]
    if added:
        write_whole(target.search_json, json.dumps({**ours, "earlier": [*earlier, *added]}, indent=1).encode())
