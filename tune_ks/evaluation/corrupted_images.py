"""Exported models on corrupted images, without training: the metric against severity for each kind of corruption."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from tune_ks.core.metrics import METRICS
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath
from tune_ks.data.progress import Progress, silent
from tune_ks.evaluation.other_cohort import images_of_task, load_model, require_fits
from tune_ks.evaluation.scored_table import write_scores
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.corruptions.base import SEVERITIES, Corruption, corrupted
from tune_ks.training.precision import scoring_device
from tune_ks.training.scoring import score


class Robustness(NamedTuple):
    """The metric of every model under every corruption, and the scores behind it."""

    metric: str  # a name in METRICS
    summary: pd.DataFrame  # key, corruption, severity, vendor, images, patients, and the metric by its name
    keys: list[str]  # K
    scores: np.ndarray  # (K, C, 6, n) float32, C corruptions in the order of CORRUPTIONS, severity 0 to 5
    table: pd.DataFrame  # the n rows of the cohort that were scored


def robustness(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    progress: Progress = silent,
    masks_npy: Path | None = None,
) -> Robustness:
    """Score the images of ``table`` (rows of a cohort's table that have a label) with the models of ``keys``.

    All models have the same metric. ``masks_npy`` are needed where it is computed from masks.

    The random part of a corruption depends only on the image's row: it is the same for every model and severity.
    """
    device = scoring_device()
    records = [folder.read_record(key) for key in keys]
    images, places = images_of_task(records[0].config, table, images_npy, masks_npy)
    if images.coils:
        raise ValueError("corruptions change magnitude images; this cohort is raw k-space, whose images are complex")
    for record in records:
        require_fits(record, images)
    models = [load_model(folder, record, device) for record in records]
    scores = np.full((len(keys), len(CORRUPTIONS), SEVERITIES + 1, len(table)), np.nan, np.float32)
    for k, (model, record) in enumerate(zip(models, records)):
        uncorrupted = score(model, images, record.config, device)
        scores[k][:, 0, places] = uncorrupted  # the same for every corruption
    for c, corruption in enumerate(CORRUPTIONS.values()):
        for severity in range(1, SEVERITIES + 1):
            worse = images.seen_through(partial(_corrupted, corruption, severity))
            for k, (model, record) in enumerate(zip(models, records)):
                scores[k, c, severity, places] = score(model, worse, record.config, device)
            progress("corruptions", c * SEVERITIES + severity, len(CORRUPTIONS) * SEVERITIES)
    metric = records[0].metric
    return Robustness(metric, _summary(metric, keys, table, scores), keys, scores, table)


def _corrupted(corruption: Corruption, severity: int, image: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return corrupted(corruption, severity, image, rows.tolist())


def write_robustness(folder: RunFolder, name: str, result: Robustness) -> list[StoragePath]:
    """Write RUN/corruptions/NAME.csv and NAME.npz, as write_scores does; returns the paths."""
    versions = [corruption.version for corruption in CORRUPTIONS.values()]
    return write_scores(
        folder.root / "corruptions",
        name,
        result.table,
        result.summary,
        metric=np.array([result.metric]),
        keys=np.array(result.keys),
        corruptions=np.array(list(CORRUPTIONS)),
        versions=np.array(versions, np.int16),
        score=result.scores,
    )


def _summary(metric: str, keys: list[str], table: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    lines = []
    for vendor in sorted(table["vendor"].unique()):
        of_vendor = (table["vendor"] == vendor).to_numpy()
        label = table["label"].to_numpy()[of_vendor]
        patients = table["patient_id"][of_vendor].nunique()
        count = int(of_vendor.sum())
        for k, key in enumerate(keys):
            for c, corruption in enumerate(CORRUPTIONS):
                for severity in range(SEVERITIES + 1):
                    value = METRICS[metric].overall(label, scores[k, c, severity, of_vendor])
                    lines.append((key, corruption, severity, vendor, count, patients, value))
    return pd.DataFrame(lines, columns=["key", "corruption", "severity", "vendor", "images", "patients", metric])
