"""What exported models say of images whose truth is unknown, for tasks that do not decide between two classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.progress import Progress, silent
from tune_ks.evaluation.decisions import NOTICE
from tune_ks.evaluation.other_cohort import fit_images, images_of_task, load_model, records_of, require_fits
from tune_ks.training.precision import scoring_device
from tune_ks.training.scoring import answers


class Answers(NamedTuple):
    """One model's answers for n images."""

    record: TrialRecord
    table: pd.DataFrame  # key, trained_on, sampling_rate, row, path, patient_id, vendor, the task's numbers, notice
    arrays: dict[str, np.ndarray]  # name -> (n, ...); {} where the task gives numbers only


def answers_of(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    progress: Progress = silent,
) -> Iterator[Answers]:
    """The answers of each model of ``keys`` for every image of a cohort, decoded at the models' side."""
    device = scoring_device()
    for done, record in enumerate(records_of(folder, keys)):
        progress("models", done, len(keys))
        images, places = images_of_task(record.config, table, images_npy)
        require_fits(record, images)
        model = load_model(folder, record, device)
        fit_images(record.config, model, images, progress)
        yield _of_model(record, table.iloc[places], answers(model, images, record.config, device))
    progress("models", len(keys), len(keys))


def _of_model(record: TrialRecord, table: pd.DataFrame, values: dict[str, np.ndarray]) -> Answers:
    """Numbers of an image become columns."""
    config = record.config
    columns = table[["row", "path", "patient_id", "vendor"]].copy()
    columns.insert(0, "sampling_rate", config.sampling_rate)
    columns.insert(0, "trained_on", config.vendor)
    columns.insert(0, "key", config.key())
    arrays = {}
    for name, of_images in values.items():
        if of_images.ndim == 1:
            columns[name] = of_images
        else:
            arrays[name] = of_images
    return Answers(record, columns.assign(notice=NOTICE), arrays)
