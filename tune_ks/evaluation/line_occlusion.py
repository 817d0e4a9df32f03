"""Which lines of k-space an exported model needs: each is taken out of its mask at test, and nothing is trained.

An image x enters the network as |F^-1 (M - M_g) F x|, with the mask M and its lines M_g of one group g. The same is
done at full sampling, where M is 1 everywhere; the whole image is then |F^-1 F x|, which is x but for rounding.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath
from tune_ks.data.dataset import Images
from tune_ks.data.progress import Progress, silent
from tune_ks.evaluation.line_groups import MOST, LineGroups, line_groups
from tune_ks.evaluation.other_cohort import images_of_task, load_model, require_fits
from tune_ks.evaluation.scored_table import write_scores
from tune_ks.model.members import scored_values
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.model.reconstructions.zero_filled import ZeroFilled
from tune_ks.training.pack import Network
from tune_ks.training.precision import scoring_device
from tune_ks.training.scoring import binary_mask, score_together

LARGEST_SCORES = 2**30  # bytes of the scores of one file: the analysis reads no more


class Occlusion(NamedTuple):
    """The scores of K models on n images, whole and without each of their lines."""

    metric: str  # a name in METRICS
    keys: list[str]
    groups: list[LineGroups]  # of each model
    clean: list[np.ndarray]  # of each model (n,) float32: nothing is taken out
    occluded: list[np.ndarray]  # of each model (G, n) float32: one group is taken out
    table: pd.DataFrame  # the n rows of the cohort


def line_occlusion(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    progress: Progress = silent,
    masks_npy: Path | None = None,
) -> Occlusion:
    """Score the images of ``table`` (rows of a cohort's table that have a label) with the models of ``keys``.

    All models have the same metric. ``masks_npy`` are needed where it is computed from masks of tumours. ValueError
    where there would be more than LARGEST_SCORES.
    """
    device = scoring_device()
    records = [folder.read_record(key) for key in keys]
    _require_room(len(keys), len(table))
    images, places = images_of_task(records[0].config, table, images_npy, masks_npy)
    clean, occluded, groups = [], [], []
    for done, record in enumerate(records):
        require_fits(record, images)
        model = always_sampling(load_model(folder, record, device), record.config)
        of_model, scores = _scores(model, record.config, images, device, _share_of(progress, done, len(keys)))
        in_table = np.full((len(scores), len(table)), np.nan, np.float32)  # NaN of images that are in no volume
        in_table[:, places] = scores
        groups.append(of_model)
        clean.append(in_table[0])
        occluded.append(in_table[1:])
    return Occlusion(records[0].metric, keys, groups, clean, occluded, table)


def always_sampling(pipeline: KSpaceClassifier, config: TrialConfig) -> KSpaceClassifier:
    """The pipeline, which then applies the mask that it is given at every rate, at rate 1 too.

    At rate 1 no reconstruction was trained: the image is the zero-filled one. A mask may leave k and keep -k.
    """
    pipeline.nothing_to_sample = False
    pipeline.rates_vary = False
    pipeline.sampling.transform.masks_are_symmetric = False
    if config.is_full:
        pipeline.reconstruction = ZeroFilled(pipeline.sampling.transform)
    return pipeline


def mask_at_test(pipeline: KSpaceClassifier, config: TrialConfig, device: str = "cpu") -> Tensor:
    """(1, H or 1, W) of 0 and 1: the mask that the model is scored with; at full sampling 1 everywhere."""
    pipeline.eval()
    mask = pipeline.sampling.mask
    if config.is_full:
        return torch.ones_like(mask.radius, device=device)[None]
    pipeline.tell(scored_values(config))
    return binary_mask(pipeline, config, device).to(device)


def _scores(
    pipeline: KSpaceClassifier,
    config: TrialConfig,
    images: Images,
    device: str,
    progress: Callable[[float], None],
) -> tuple[LineGroups, np.ndarray]:
    """The groups of the model's mask and (1 + G, n) scores: with the mask, and without each group.

    Where the mask keeps nothing of a group, the scores without the group are those with the mask.
    """
    mask = mask_at_test(pipeline, config, device)
    groups = line_groups(mask[0].cpu().numpy(), pipeline.sampling.transform)
    group_of = torch.from_numpy(groups.group_of).to(device)
    network = Network(config, pipeline, mask=mask)
    clean = score_together([network], images, device)[0]
    scores = np.tile(clean, (1 + len(groups.first), 1))
    (kept,) = np.nonzero(groups.kept)
    for done, group in enumerate(kept.tolist()):
        without = network._replace(mask=mask * (group_of != group))
        scores[1 + group] = score_together([without], images, device)[0]
        progress((done + 1) / len(kept))
    return groups, scores


def _share_of(progress: Progress, done: int, models: int) -> Callable[[float], None]:
    """Turns the share done of one model's work into progress over all models, of which ``done`` are finished."""

    def of_model(share: float) -> None:
        progress("lines", round((done + share) * MOST), models * MOST)

    return of_model


def _require_room(models: int, images: int) -> None:
    most = LARGEST_SCORES // (4 * (MOST + 1))
    if models * images > most:
        raise ValueError(
            f"--explain keeps a score of every line, model and image, and {models} models of {images:,} images are too "
            f"many (at most {most:,} pairs): leave out --all, or give a smaller folder"
        )


def write_occlusion(folder: RunFolder, name: str, result: Occlusion) -> list[StoragePath]:
    """Write RUN/explained/NAME.csv and NAME.npz, as write_scores does; returns the paths."""
    of_groups = {}
    for number in NUMBERS:
        of_groups[number] = _padded([getattr(groups, number) for groups in result.groups], np.int32)
    return write_scores(
        folder.root / "explained",
        name,
        result.table,
        _summary(result),
        metric=np.array([result.metric]),
        keys=np.array(result.keys),
        points=np.array([len(groups.group_of) > 1 for groups in result.groups]),
        **of_groups,
        clean=np.stack(result.clean),
        score=_padded(result.occluded, np.float32),
    )


NUMBERS = ("first", "last", "size", "kept")  # of LineGroups


def _padded(values: list[np.ndarray], dtype: type) -> np.ndarray:
    """Arrays (G, ...) of K models -> (K, largest G, ...), with zeros where a model has fewer groups."""
    most = max(len(of_model) for of_model in values)
    padded = np.zeros((len(values), most, *values[0].shape[1:]), dtype)
    for place, of_model in enumerate(values):
        padded[place, : len(of_model)] = of_model
    return padded


def _summary(result: Occlusion) -> pd.DataFrame:
    """One row a model, group that its mask keeps, and vendor: the metric with and without the group."""
    title = result.metric
    columns = ["key", "first", "last", "kept", "vendor", "images", "patients", title, f"{title}_without"]
    lines = []
    metric = METRICS[title].overall
    for vendor, of_vendor in result.table.groupby("vendor"):
        here = (result.table["vendor"] == vendor).to_numpy()
        label = of_vendor["label"].to_numpy()
        about = (vendor, len(of_vendor), of_vendor["patient_id"].nunique())
        for key, groups, clean, occluded in zip(result.keys, result.groups, result.clean, result.occluded, strict=True):
            whole = metric(label, clean[here])
            for group in np.flatnonzero(groups.kept).tolist():
                of_group = tuple(int(getattr(groups, name)[group]) for name in ("first", "last", "kept"))
                lines.append((key, *of_group, *about, whole, metric(label, occluded[group][here])))
    return pd.DataFrame(lines, columns=columns)
