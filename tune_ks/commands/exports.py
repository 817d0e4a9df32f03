"""A run in the formats of other programs: an Optuna journal for optuna-dashboard, event files for TensorBoard.

Both are written from the records, completely and every time: only the run folder holds results.
"""

import itertools
import tempfile
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend

from tune_ks.commands.tensorboard import TensorBoardRun
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import copy_whole, put_folder

# Optuna calls names of objectives experimental; the version is pinned, and the tests read them back
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line

OBJECTIVES = ("val_in_domain", "val_cross_domain")


def export_run(folder: RunFolder) -> None:
    """Write RUN/optuna_journal.log and RUN/tensorboard/KEY/ of every finished trial."""
    records = list(folder.readable_records())
    with tempfile.TemporaryDirectory() as scratch:  # both libraries write local files only
        journal = Path(scratch) / "optuna_journal.log"
        events = Path(scratch) / "tensorboard"
        export_optuna(records, journal)
        for record in records:
            with TensorBoardRun(events / record.config.key()) as run:
                run.add_record(record)
        copy_whole(journal, folder.root / journal.name)
        put_folder(events, folder.root / events.name)


def export_optuna(records: list[TrialRecord], path: Path) -> None:
    """One study per source vendor with two objectives; its parameters are the fields that differ between trials.

    A study names the metric of its values. A trial that lacks one of them is entered as failed, because Optuna has no
    undefined values.
    """
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    for vendor in sorted({record.config.vendor for record in records}):
        of_vendor = [record for record in records if record.config.vendor == vendor]
        study = optuna.create_study(storage=storage, study_name=f"trained on {vendor}", directions=["maximize"] * 2)
        study.set_metric_names(list(OBJECTIVES))
        study.set_user_attr("metric", METRICS[of_vendor[0].metric].title)
        distributions = _distributions(of_vendor)
        study.add_trials([_optuna_trial(record, distributions) for record in of_vendor])
    path.touch()


def _optuna_trial(record: TrialRecord, distributions: dict[str, Any]) -> optuna.trial.FrozenTrial:
    values = [record.in_domain("val"), record.cross_domain("val")]
    defined = all(value == value for value in values)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if defined else optuna.trial.TrialState.FAIL,
        values=values if defined else None,
        params={name: record.settings().get(name) for name in distributions},
        distributions=distributions,
        user_attrs={"key": record.config.key(), "realised_rate": record.realised_rate},
    )


def _distributions(records: list[TrialRecord]) -> dict[str, optuna.distributions.BaseDistribution]:
    """Field -> the distribution of its values, for the fields that differ between the records."""
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    settings = [record.settings() for record in records]
    for name in dict.fromkeys(itertools.chain.from_iterable(settings)):
        values = {of_record.get(name) for of_record in settings}
        if len(values) == 1:
            continue
        if all(isinstance(value, float) for value in values):
            distributions[name] = optuna.distributions.FloatDistribution(min(values), max(values))
        else:
            choices = sorted(values, key=lambda value: (value is not None, value if value is not None else 0))
            distributions[name] = optuna.distributions.CategoricalDistribution(choices)
    return distributions
