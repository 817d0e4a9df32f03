"""What reads a file of a run folder: each reader gives typed values, or one message that names the file."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import schema_mutants
from analysis.analyse import last_settings
from analysis.read.load import load
from tiny_space import DRAWN, GRID, VENDORS, WORK
from tune_ks.commands.evaluate import chosen_keys, selected_keys, settings_for, with_references
from tune_ks.core.lock import LockFile
from tune_ks.core.plain_json import DEEPEST
from tune_ks.core.printable import printable
from tune_ks.core.record import SPLITS, TrialRecord
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.schemas import SCHEMAS
from tune_ks.planning.merge import merge_runs, require_mergeable
from tune_ks.planning.plan import plan_finalists, plan_search
from tune_ks.planning.pretrained import Pretrained, notes_of, require_unchanged
from tune_ks.planning.start_run import extend_run, note, other_processor
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker.attempts import largest_pack, parts_of_a_batch, read_attempts

LONGEST_MESSAGE = 600  # letters, without the path
Reader = Callable[[RunFolder, str], Any]  # the run folder, and the key of the trial whose file it is


def record_of(folder: RunFolder, key: str) -> TrialRecord:
    """A record; everything that is asked of one has an answer, and it is the same after it was written again."""
    record = folder.read_record(key)
    for split in SPLITS:
        assert isinstance(record.in_domain(split), float)
        assert isinstance(record.cross_domain(split), float)
    assert isinstance(record.settings(), dict)
    assert isinstance(record.has_learned_mask(), bool)
    text = record.to_json()
    assert TrialRecord.from_json(text).to_json() == text
    return record


def config_of(folder: RunFolder, key: str) -> dict[str, Any]:
    """A config, and why it was asked for."""
    return {**folder.read_config(key).non_default(), "start_point": folder.start_point(key)}


def attempts_of(folder: RunFolder, key: str) -> float:
    """How the attempts of a trial decide on the next one."""
    attempts = read_attempts(folder, key)
    return parts_of_a_batch(attempts, "s", ["n"]) * largest_pack(attempts, "s", ["n"])


def holder_of(folder: RunFolder, key: str) -> str:
    """What a second driver would be told of the first."""
    lock = LockFile(folder.root)
    try:
        return str(lock.busy(lock.read()))
    finally:
        lock.release()


READERS: dict[str, tuple[Reader, ...]] = {
    "search.json": (lambda folder, key: folder.read_search(),),
    "record.json": (record_of,),
    "config.json": (config_of,),
    "failure.json": (lambda folder, key: folder.failures()[key],),
    "stopped.json": (lambda folder, key: folder.stops()[key],),
    "attempts.json": (attempts_of,),
    "driver.lock": (holder_of,),
    "selection.json": (
        lambda folder, key: selected_keys(folder, "--all"),
        lambda folder, key: last_settings(folder.root),
    ),
}
NO_SETTINGS = argparse.Namespace(
    series="", intensity="", orientation="", negatives="", site="", vendor_of=None, domain="", finding=""
)


def whole_readers(folder: RunFolder) -> Iterator[Callable[[], Any]]:
    """What reads many files of a run folder at once: a resumed or extended search, a merge, an export, the analysis."""
    absent = RunFolder(folder.root.parent / "absent")
    yield lambda: load(folder.root)
    yield lambda: other_processor(folder)
    yield lambda: notes_of(folder, "runs/other", {})
    yield lambda: require_unchanged(folder, "runs/other", {})
    yield lambda: settings_for(folder, NO_SETTINGS)
    yield lambda: Pretrained(str(folder.root))
    yield lambda: require_mergeable([folder], absent)
    yield lambda: plan_search(GRID, folder, VENDORS)
    yield lambda: JobSearcher(plan_search(DRAWN, folder, VENDORS), DRAWN, folder, VENDORS, WORK)
    yield lambda: plan_finalists(folder, folder.read_search().get("finalists", {}).get("configs", []), 1)
    yield lambda: with_references(folder, chosen_keys(folder, every=False))
    yield lambda: merge_runs([folder], folder)
    yield lambda: extend_run(folder, GRID, "python")
    yield lambda: note(folder, "noted", {})


def message_of(read: Callable[[], Any], name: str, folder: RunFolder) -> str:
    """The message that reading ends in, "" where there are values. AssertionError where it is none that helps a user.

    Any exception but ValueError and OSError goes through: it would be a traceback.
    """
    try:
        values = read()
    except (ValueError, OSError) as error:
        message = str(error).replace(str(folder.root), "RUN")
        assert name in message or "RUN" in message, f"does not name {name}: {message}"
        assert len(message) < LONGEST_MESSAGE, message
        assert printable(message) == message, message
        assert "Traceback" not in message
        return message
    require_typed(values)
    return ""


def require_typed(values: Any, depth: int = 0) -> None:
    """AssertionError where values are not bounded: too deep, a number without end, a text that a terminal obeys."""
    assert depth <= DEEPEST + 2
    if isinstance(values, str):
        assert printable(values) == values, values[:100]
    elif isinstance(values, int):
        assert -(2**63) <= values < 2**63, str(values)[:100]
    elif isinstance(values, dict):
        for name, value in values.items():
            require_typed(name, depth)
            require_typed(value, depth + 1)
    elif isinstance(values, list | tuple):
        for value in values:
            require_typed(value, depth + 1)


class Damaged:
    """A run folder in which one file at a time is changed."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.paths: dict[str, Path] = {}
        for name in SCHEMAS:
            self.paths[name] = min(path for path in folder.root.rglob(name))
        self.whole = {name: path.read_bytes() for name, path in self.paths.items()}

    def mutants(self, name: str, count: int, seed: int) -> Iterator[schema_mutants.Mutant]:
        """Mutants of one file; while each is handled, it stands in the file's place. At the end the file is whole."""
        values = read_json(self.paths[name])
        schema = TypeAdapter(SCHEMAS[name]).json_schema()
        try:
            for mutant in schema_mutants.mutants(name, values, schema, count, seed):
                self.paths[name].write_text(mutant.text)
                yield mutant
        finally:
            self.paths[name].write_bytes(self.whole[name])

    def messages(self, name: str) -> list[str]:
        """What the readers of a file say of it; "" of each that read it."""
        key = self.paths[name].parent.name
        readers = [partial(reader, self.folder, key) for reader in READERS[name]]
        return [message_of(read, name, self.folder) for read in readers]

    def whole_messages(self, name: str) -> list[str]:
        """What the readers of a whole run folder say while one file of it is changed."""
        said = []
        for read in whole_readers(self.folder):
            said.append(message_of(read, name, self.folder))
            for other, path in self.paths.items():
                if other != name and path.read_bytes() != self.whole[other]:
                    path.write_bytes(self.whole[other])
        return said
