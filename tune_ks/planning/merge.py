"""Several run folders of one cohort and one split become one. No result is lost, and a conflict is an error."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from tune_ks.core.config import is_weights
from tune_ks.core.cut_short import require_whole_table
from tune_ks.core.domain_words import domain_of
from tune_ks.core.record import TrialRecord
from tune_ks.core.regular_files import require_regular
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.core.storage import copy_whole, read_whole
from tune_ks.core.tables import LARGEST_TABLE
from tune_ks.planning.pretrained import RECORD, WEIGHTS
from tune_ks.planning.start_run import SPACE_FIELDS, note

NOT_COPIED = ("attempts.json",)  # files of a trial that mean nothing in another run folder
OF_UNFINISHED = ("failure.json", "stopped.json", "checkpoint.pt")  # files that go when a trial has its record


class Merged(NamedTuple):
    """How many trials came into the target that it did not hold yet."""

    finished: int
    unfinished: int


def require_mergeable(sources: list[RunFolder], target: RunFolder) -> None:
    """ValueError that names what differs: the cohort, the split, or two records of one trial. Writes nothing."""
    _require_run_folders(sources, target)
    for folder in sources:
        _require_files_only(folder)
    folders = [*sources, target] if target.search_json.exists() else sources
    _require_same_cohort(folders)
    _require_no_conflict(folders)


def _require_run_folders(sources: list[RunFolder], target: RunFolder) -> None:
    for folder in (*sources, target):
        folder.require_own_folders()
    for folder in sources:
        if not folder.search_json.exists():
            raise ValueError(f"{folder.root} is not a run folder: it has no search.json")
        folder.require_whole()
        require_whole_table(folder)
    if target.is_other_folder():
        raise ValueError(f"{target.root} exists and is not a run folder: give a new one as --into")


def _require_files_only(folder: RunFolder) -> None:
    """ValueError where a trial or a copy of weights holds anything but files, which could not be copied."""
    if not isinstance(folder.root, Path):  # a store holds objects only
        return
    for kind in ("trials", "weights"):
        for path in (folder.root / kind).glob("*/*"):
            if not path.name.startswith("."):
                require_regular(path)


def _require_same_cohort(folders: list[RunFolder]) -> None:
    first = folders[0]
    wanted = _identity(first)
    for folder in folders[1:]:
        for name, value in _identity(folder).items():
            if value != wanted[name]:
                shown = "" if name == "cohort.csv" else f": {wanted[name]} and {value}"
                raise ValueError(f"{first.root} and {folder.root} differ in their {name}{shown}; they cannot be merged")


def _require_no_conflict(folders: list[RunFolder]) -> None:
    first: dict[str, tuple[RunFolder, TrialRecord]] = {}  # key -> the first folder that has a record of it
    conflicts = []
    for folder in folders:
        for record in folder.records():
            key = record.config.key()
            first_folder, known = first.setdefault(key, (folder, record))
            if answer(known) != answer(record):
                conflicts.append(f"{key} ({first_folder.root} and {folder.root})")
    if conflicts:
        raise ValueError(
            f"{len(conflicts)} trials were answered differently, as other hardware or versions do: "
            f"{', '.join(conflicts[:3])}. Remove those of the run that you trust less, then merge"
        )


def _identity(folder: RunFolder) -> dict[str, Any]:
    """What must be the same in runs that become one, by the name that a message uses for it."""
    search = folder.read_search()
    cohort = search.get("cohort", {})
    noted = "fingerprint_2" in cohort  # a folder of an older version that was continued with this one
    form = 2 if noted else cohort.get("fingerprint_format", 1)
    return {
        "fingerprint format (one is of an older version: continue that one with its own command first)": form,
        "kind of domain (--domain)": domain_of(search),
        "cohort": cohort.get("fingerprint_2", cohort.get("fingerprint")),
        "split_seed": search.get("split_seed"),
        "cohort.csv": read_whole(folder.cohort_csv, LARGEST_TABLE),
    }


def answer(record: TrialRecord) -> str:
    """A record as JSON, without its time and the facts of its machine."""
    return dataclasses.replace(record, seconds=None, facts={}).to_json()


def merge_runs(sources: list[RunFolder], target: RunFolder) -> Merged:
    """Copy what the target lacks; ``require_mergeable`` must have passed. A record comes after its other files."""
    if not target.search_json.exists():
        _copy_cohort(sources[0], target)
    finished = unfinished = 0
    for folder in sources:
        _name_spaces(folder, target)
        _copy_weights(folder, target)
        for key in folder.keys():
            if not _is_wanted(folder, target, key):
                continue
            _copy_trial(folder, target, key)
            if folder.is_finished(key):
                finished += 1
            else:
                unfinished += 1
    return Merged(finished, unfinished)


def _copy_cohort(source: RunFolder, target: RunFolder) -> None:
    copy_whole(source.cohort_csv, target.cohort_csv, LARGEST_TABLE)
    if source.skipped_csv.exists():
        copy_whole(source.skipped_csv, target.skipped_csv, LARGEST_TABLE)
    copy_whole(source.search_json, target.search_json)


def _is_wanted(source: RunFolder, target: RunFolder, key: str) -> bool:
    """Whether the target lacks the trial, or lacks its record while the source has it."""
    if target.is_finished(key):
        return False
    return source.is_finished(key) or not target.trial(key).exists()


def _copy_trial(source: RunFolder, target: RunFolder, key: str) -> None:
    paths = [path for path in source.trial(key).iterdir() if not path.name.startswith(".")]
    for path in sorted(paths, key=lambda path: path.name == RECORD):
        if path.name not in NOT_COPIED:
            copy_whole(path, target.trial(key, path.name))
    if target.is_finished(key):
        for name in OF_UNFINISHED:
            target.trial(key, name).unlink(missing_ok=True)


def _copy_weights(source: RunFolder, target: RunFolder) -> None:
    """Copy the weights that trials start from, and what search.json says of them.

    The name of a copy contains the hash of its content, so one that the target has already is the same.
    """
    for record in (source.root / "weights").glob(f"*/{RECORD}"):
        init_from = record.parent.name
        if is_weights(init_from) and not target.weights(init_from, RECORD).exists():
            for name in (WEIGHTS, RECORD):
                copy_whole(source.weights(init_from, name), target.weights(init_from, name))
    merged = target.read_search().get("init_from", {})
    for place, chosen in source.read_search().get("init_from", {}).items():
        merged[place] = {**chosen, **merged.get(place, {})}
    if merged:
        note(target, "init_from", merged)


def _name_spaces(source: RunFolder, target: RunFolder) -> None:
    """List the search spaces of ``source`` under ``earlier`` of the target: their commands may continue in it too."""
    search = target.read_search()
    of_source = source.read_search()
    earlier = list(search.get("earlier", []))
    known = {lines.get("space_fingerprint") for lines in (search, *earlier)}
    added = []
    for lines in (of_source, *of_source.get("earlier", [])):
        fields = {name: lines.get(name) for name in SPACE_FIELDS}
        if fields["space_fingerprint"] not in known:
            added.append(fields)
    if added:
        write_json(target.search_json, {**search, "earlier": [*earlier, *added]})
