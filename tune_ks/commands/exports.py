"""A run in the formats of other programs: an Optuna journal for optuna-dashboard, event files for TensorBoard.

Both are written from the records, completely and every time: only the run folder holds results. A trial ended when its
record was written, and began as many seconds before as it says that it took.
"""

import datetime
import itertools
import math
import re
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend

from tune_ks.commands.tensorboard import TensorBoardRun, seconds_of
from tune_ks.core.arrays import read_array
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RECORD, RunFolder
from tune_ks.core.storage import copy_whole, put_folder, read_each
from tune_ks.core.trial_name import trial_name

# Optuna calls names of objectives experimental; the version is pinned, and the tests read them back
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line

LONGEST_NAME = 80  # letters of a trial's name in the name of a folder
OBJECTIVES = ("val_in_domain", "val_cross_domain")


def export_run(folder: RunFolder) -> None:
    """Write RUN/optuna_journal.log and, for every finished trial, RUN/tensorboard/NAME KEY/."""
    records = list(folder.readable_records())
    keys = [record.config.key() for record in records]
    ends = dict(zip(keys, read_each(folder.root, partial(_end_of, folder), keys)))
    masks = dict(zip(keys, read_each(folder.root, partial(_masks, folder), keys)))
    fields = sorted(set(itertools.chain.from_iterable(record.config.non_default() for record in records)))
    with tempfile.TemporaryDirectory() as scratch:  # both libraries write local files only
        journal = Path(scratch) / "optuna_journal.log"
        events = Path(scratch) / "tensorboard"
        export_optuna(records, journal, ends)
        for record in records:
            key = record.config.key()
            with TensorBoardRun(events / _folder_name(record)) as run:
                run.add_record(record, ends[key])
                run.add_fields(record, fields)
                for name, values in masks[key].items():
                    run.add_mask(name, values, record.epoch)
        copy_whole(journal, folder.root / journal.name)
        put_folder(events, folder.root / events.name)


def export_optuna(records: list[TrialRecord], path: Path, ends: dict[str, float]) -> None:
    """One study per source vendor with two objectives; its parameters are the fields that differ between trials.

    A study names the metric of its values. A trial that lacks one of them is entered as failed, because Optuna has no
    undefined values. ``ends``: key -> seconds since 1970 at which the trial ended.
    """
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    for vendor in sorted({record.config.vendor for record in records}):
        of_vendor = [record for record in records if record.config.vendor == vendor]
        study = optuna.create_study(storage=storage, study_name=f"trained on {vendor}", directions=["maximize"] * 2)
        study.set_metric_names(list(OBJECTIVES))
        study.set_user_attr("metric", METRICS[of_vendor[0].metric].title)
        distributions = _distributions(of_vendor)
        study.add_trials([_optuna_trial(record, distributions, ends[record.config.key()]) for record in of_vendor])
    path.touch()


def _optuna_trial(record: TrialRecord, distributions: dict[str, Any], end: float) -> optuna.trial.FrozenTrial:
    values = [record.in_domain("val"), record.cross_domain("val")]
    defined = all(value == value for value in values)
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if defined else optuna.trial.TrialState.FAIL,
        values=values if defined else None,
        params={name: record.settings().get(name) for name in distributions},
        distributions=distributions,
        user_attrs={
            "name": trial_name(record),
            "key": record.config.key(),
            "realised_rate": record.realised_rate,
            "best_epoch": record.epoch,
        },
        intermediate_values=_by_epoch(record),
    )
    trial.datetime_start = datetime.datetime.fromtimestamp(end - seconds_of(record, end))
    trial.datetime_complete = datetime.datetime.fromtimestamp(end)
    return trial


def _by_epoch(record: TrialRecord) -> dict[int, float]:
    """Epoch, from 1 -> the validation metric of the source vendor, where it is defined."""
    values = {}
    for epoch, line in enumerate(record.history, start=1):
        value = line.get("val_in_domain", math.nan)
        if math.isfinite(value):
            values[epoch] = value
    return values


def _end_of(folder: RunFolder, key: str) -> float:
    """When the record was written, in seconds since 1970."""
    return folder.trial(key, RECORD).stat().st_mtime_ns / 1e9


def _folder_name(record: TrialRecord) -> str:
    """What TensorBoard shows as the name of a trial: its name, then its key, because names may be alike."""
    name = re.sub(r"[^\w .-]", "_", trial_name(record).replace("/", "of"))
    return f"{name[:LONGEST_NAME]} {record.config.key()}"


def _masks(folder: RunFolder, key: str) -> dict[str, Any]:
    """ "mask", and "probability" of a learned one, as arrays in [0, 1]; without those that are absent or torn."""
    masks = {}
    for name in ("mask", "probability"):
        try:
            values = read_array(folder.trial(key, f"{name}.npy"))
        except (ValueError, OSError):
            continue
        if values.dtype.kind in "bf" and values.ndim in (1, 2) and ((values >= 0) & (values <= 1)).all():
            masks[name] = values
    return masks


def _distributions(records: list[TrialRecord]) -> dict[str, optuna.distributions.BaseDistribution]:
    """Field -> the distribution of its values, for the fields that differ between the records."""
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    settings = [record.settings() for record in records]
    for name in dict.fromkeys(itertools.chain.from_iterable(settings)):
        values = {of_record.get(name) for of_record in settings}
        if len(values) == 1:
            continue
        floats = [value for value in values if isinstance(value, float)]
        if len(floats) == len(values):
            distributions[name] = optuna.distributions.FloatDistribution(min(floats), max(floats))
        else:
            choices = sorted(values, key=lambda value: (value is not None, value if value is not None else 0))
            distributions[name] = optuna.distributions.CategoricalDistribution(choices)
    return distributions
