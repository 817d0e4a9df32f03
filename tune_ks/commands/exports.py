"""A run for other people's viewers: an Optuna journal for optuna-dashboard, event files for TensorBoard.

Both are made from the records, whole, each time: the run folder stays the only truth.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from tensorboardX import SummaryWriter

from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import put_folder, write_whole

# names of objectives are a recent addition to Optuna; the version is pinned and the tests read them back
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # every new study would be a line on the screen

OBJECTIVES = ("val_in_domain", "val_cross_domain")


def export_run(folder: RunFolder) -> None:
    """Write RUN/optuna_journal.log and RUN/tensorboard/KEY/ of every finished trial."""
    records = list(folder.records())
    with tempfile.TemporaryDirectory() as scratch:  # both libraries write local files only
        journal, events = Path(scratch) / "optuna_journal.log", Path(scratch) / "tensorboard"
        export_optuna(records, journal)
        export_tensorboard(records, events)
        write_whole(folder.root / journal.name, journal.read_bytes())
        put_folder(events, folder.root / events.name)


def export_optuna(records: list[TrialRecord], path: Path) -> None:
    """One study a source vendor, two objectives to maximise; its parameters are the fields that differ between trials.

    A study names the metric of its values. A trial without both is entered as failed: Optuna knows no undefined value.
    """
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    for vendor in sorted({record.config.vendor for record in records}):
        mine = [record for record in records if record.config.vendor == vendor]
        study = optuna.create_study(storage=storage, study_name=f"trained on {vendor}", directions=["maximize"] * 2)
        study.set_metric_names(list(OBJECTIVES))
        study.set_user_attr("metric", METRICS[mine[0].metric].title)
        distributions = _distributions(mine)
        study.add_trials([_optuna_trial(record, distributions) for record in mine])
    path.touch()


def export_tensorboard(records: list[TrialRecord], root: Path) -> None:
    """One run of TensorBoard a trial: loss and in-domain metric by epoch, each vendor's at the best."""
    for record in records:
        with SummaryWriter(str(root / record.config.key()), write_to_disk=True) as writer:
            for number, line in enumerate(record.history, start=1):
                for name in {"loss", "val_in_domain"} & set(line):
                    writer.add_scalar(name, line[name], number)
            for split in ("val", "test"):
                for vendor, value in getattr(record, split).items():
                    writer.add_scalar(f"{split}_{record.metric}/{vendor}", value, record.epoch)
            writer.add_text("config", str(record.config.non_default()))


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
    found: dict[str, optuna.distributions.BaseDistribution] = {}
    every = [record.settings() for record in records]
    for name in dict.fromkeys(name for of_record in every for name in of_record):
        values = {of_record.get(name) for of_record in every}
        if len(values) > 1:
            numbers = all(isinstance(value, float) for value in values)
            choices = sorted(values, key=lambda value: (value is not None, value if value is not None else 0))
            found[name] = (
                optuna.distributions.FloatDistribution(min(values), max(values))
                if numbers
                else optuna.distributions.CategoricalDistribution(choices)
            )
    return found
