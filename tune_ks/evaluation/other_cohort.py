"""Exported models on another cohort, without training: an external hospital, a third vendor, images without labels.

Knows no Ray. Reads only the record and the weights of each trial from the run folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import read_whole
from tune_ks.core.way_out import damaged, fault_of
from tune_ks.data.dataset import Images, all_images
from tune_ks.data.limits import MAX_SIDE
from tune_ks.data.progress import Progress, silent
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline, network_shapes
from tune_ks.training.precision import scoring_device
from tune_ks.training.scoring import score
from tune_ks.training.stored_fits import recalled_fits
from tune_ks.training.tasks import slices_of


class ExternalScores(NamedTuple):
    """Scores on another cohort, as a table of vendors and a table of images."""

    summary: pd.DataFrame  # key, vendor, images, patients, and the metric by its name
    scores: pd.DataFrame  # key, and for every image its score by the task (a logit, a Dice coefficient)


def load_model(folder: RunFolder, record: TrialRecord, device: str = "cpu") -> KSpaceClassifier:
    """The network of one finished trial.

    ValueError when it has none, or its weights are missing, damaged, or of another network.
    """
    path = folder.trial(record.config.key(), "model.safetensors")
    if record.scored_by is not None:
        raise ValueError(
            f"the trial {record.config.key()} has no network: it was scored by the yardstick {record.scored_by}, and a "
            "fitted yardstick is not kept, because some hold pixels of patients"
        )
    try:
        weights = load(read_whole(path))
        learned = ("reconstruction.", "classifier.")
        shapes = {name: tuple(value.shape) for name, value in weights.items() if name.startswith(learned)}
        if shapes != network_shapes(record.config):  # checked first: a config may ask for a network of gigabytes
            raise ValueError("they are of another network")
        pipeline = build_pipeline(record.config, side_of(record))
        pipeline.load_state_dict(weights)
    except (FileNotFoundError, SafetensorError, RuntimeError, ValueError) as error:
        raise ValueError(damaged(path, f"the exported weights cannot be used ({fault_of(error)})")) from error
    return pipeline.to(device)


def side_of(record: TrialRecord) -> int:
    """Side in pixels of the images that a trial was trained on. ValueError where its record does not say."""
    side = record.facts.get("side")
    if not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
        raise ValueError(f"the record of {record.config.key()} says that its images have {side!r} pixels a side")
    return side


def evaluate(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    progress: Progress = silent,
    masks_npy: Path | None = None,
) -> ExternalScores:
    """Score every image of a cohort with the models of ``keys``.

    ``table``, ``images_npy`` and ``masks_npy`` are those of a Cohort, decoded at the side that the models were trained
    at. The metric is NaN where a vendor has no image that it is defined for (no labels, only one class, no tumour).
    """
    device = scoring_device()
    lines, scored = [], []
    for done, record in enumerate(records_of(folder, keys)):
        progress("models", done, len(keys))
        images, places = images_of_task(record.config, table, images_npy, masks_npy)
        require_fits(record, images)
        model = load_model(folder, record, device)
        fit_images(record.config, model, images, progress)
        scores = np.full(len(table), np.nan, np.float32)  # NaN of images that are in no volume
        scores[places] = score(model, images, record.config, device)
        names = ["row", "path", "patient_id", "vendor", "label", *table.columns.intersection(["breast"])]
        columns = table[names]
        per_image = columns.assign(key=record.config.key(), score=scores)
        scored.append(per_image)
        for vendor, of_vendor in per_image.groupby("vendor"):
            lines.append(_summary_line(record, vendor, of_vendor))
    progress("models", len(keys), len(keys))
    return ExternalScores(pd.DataFrame(lines), pd.concat(scored, ignore_index=True))


def fit_images(config: TrialConfig, model: KSpaceClassifier, images: Images, progress: Progress) -> None:
    """Fit the model's harmonisation to each image, where it does so; it may take minutes, which the caller shows."""
    for fitted in recalled_fits(config.harmonise, model.harmonisation, images):
        progress("harmonising images", fitted.done, fitted.total)


def images_of_task(
    config: TrialConfig, table: pd.DataFrame, images_npy: Path, masks_npy: Path | None = None
) -> tuple[Images, np.ndarray]:
    """The images of ``table`` in the order in which the config's task reads them, and their places in the table."""
    images = all_images(table, images_npy, masks_npy, slices_of(config))
    place_of_row = pd.Series(np.arange(len(table)), index=table["row"])
    return images, place_of_row[images.rows.numpy()].to_numpy()


def require_fits(record: TrialRecord, images: Images) -> None:
    """ValueError where images have another side in pixels than those that the trial was trained on, or another kind.

    The kinds are coil images of raw k-space, and magnitudes.
    """
    if images.side != side_of(record):
        raise ValueError(
            f"trial {record.config.key()} was trained on images of {side_of(record)} px, "
            f"and the smallest image here has {images.side} px: an image is never enlarged before sampling"
        )
    kinds = {True: "complex images of coils, from raw k-space", False: "magnitude images"}
    trained = bool(record.facts.get("coils"))
    if trained != bool(images.coils):
        raise ValueError(
            f"trial {record.config.key()} was trained on {kinds[trained]}, and these are {kinds[not trained]}: give a"
            " cohort of the same kind"
        )


def _summary_line(record: TrialRecord, vendor: str, per_image: pd.DataFrame) -> dict[str, Any]:
    """One vendor's images as scored by one model; the metric counts those that have a label."""
    labelled = per_image.dropna(subset="label")
    metric = METRICS[record.metric].overall(labelled["label"].to_numpy(), labelled["score"].to_numpy())
    return {
        "key": record.config.key(),
        "vendor": vendor,
        "images": len(per_image),
        "patients": per_image["patient_id"].nunique(),
        record.metric: metric,
    }


def records_of(folder: RunFolder, keys: list[str]) -> Iterator[TrialRecord]:
    """The records of finished trials. ValueError where one is not finished."""
    for key in keys:
        if not folder.is_finished(key):
            raise ValueError(f"{folder.root} has no finished trial {key}")
        yield folder.read_record(key)
