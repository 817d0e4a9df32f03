"""Exported models on another cohort, without training: an external hospital, a third vendor, images without labels.

Knows no Ray. Needs of the run folder only the record and the weights of each trial.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import all_images
from tune_ks.data.limits import MAX_SIDE
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline, network_shapes
from tune_ks.training.scoring import score


class External(NamedTuple):
    """``summary``: key, vendor, images, patients and the metric by its name; ``scores``: key and a line an image with
    what its task scores it (a logit, a Dice coefficient).
    """

    summary: pd.DataFrame
    scores: pd.DataFrame


def load_model(folder: RunFolder, record: TrialRecord, device: str = "cpu") -> KSpaceClassifier:
    """The network of one finished trial. ValueError when its weights are absent, torn, or of another network."""
    path = folder.trial(record.config.key(), "model.safetensors")
    try:
        weights = load(path.read_bytes())
        learned = ("reconstruction.", "classifier.")
        found = {name: tuple(value.shape) for name, value in weights.items() if name.startswith(learned)}
        if found != network_shapes(record.config):  # before the network that the config asks for is built
            raise ValueError("they are of another network")
        pipeline = build_pipeline(record.config, side_of(record))
        pipeline.load_state_dict(weights)
    except (FileNotFoundError, SafetensorError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: the exported weights cannot be used ({error})") from error
    return pipeline.to(device)


def side_of(record: TrialRecord) -> int:
    """Pixels a side of the images that a trial was trained on. ValueError where its record does not say."""
    side = record.facts.get("side")
    if not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
        raise ValueError(f"the record of {record.config.key()} says that its images have {side!r} pixels a side")
    return side


def evaluate(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    progress: Callable[[str, int, int], None] | None = None,
    masks_npy: Path | None = None,
) -> External:
    """Score every image of a cohort with the models of ``keys``.

    ``table``, ``images_npy`` and ``masks_npy`` are a Cohort's, decoded at the side that the models were trained at. The
    metric is NaN where a vendor has no image that it is defined for (no labels, one class only, no tumour).
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = all_images(table, images_npy, masks_npy)
    lines, scored = [], []
    for done, record in enumerate(_records(folder, keys)):
        if images.side != side_of(record):
            raise ValueError(
                f"trial {record.config.key()} was trained on images of {record.facts['side']} px, "
                f"and the smallest image here has {images.side} px: an image is never enlarged before sampling"
            )
        found = score(load_model(folder, record, device), images, record.config, device)
        key = record.config.key()
        per_image = table[["row", "path", "patient_id", "vendor", "label"]].assign(key=key, score=found)
        scored.append(per_image)
        for vendor, of_vendor in per_image.groupby("vendor"):
            labelled = of_vendor.dropna(subset="label")
            lines.append(
                {
                    "key": key,
                    "vendor": vendor,
                    "images": len(of_vendor),
                    "patients": of_vendor["patient_id"].nunique(),
                    record.metric: METRICS[record.metric].overall(
                        labelled["label"].to_numpy(), labelled["score"].to_numpy()
                    ),
                }
            )
        if progress:
            progress("scoring", done + 1, len(keys))
    return External(pd.DataFrame(lines), pd.concat(scored, ignore_index=True))


def probabilities(scores: pd.DataFrame) -> pd.DataFrame:
    """What ``predict`` writes: key, path, patient_id, vendor, and sigmoid(logit) as ``probability``."""
    found = scores[["key", "path", "patient_id", "vendor"]].copy()
    found["probability"] = 1 / (1 + np.exp(-scores["score"]))
    return found


def _records(folder: RunFolder, keys: list[str]) -> Iterator[TrialRecord]:
    for key in keys:
        if not folder.is_finished(key):
            raise ValueError(f"{folder.root} has no finished trial {key}")
        yield folder.read_record(key)
