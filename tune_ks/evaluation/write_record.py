"""A finished training as the run folder keeps it: the record, and the files beside it."""

import platform
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

from tune_ks.core.arrays import write_npy, write_npz
from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import ClassPatients
from tune_ks.core.mask_share import distinct_rate
from tune_ks.core.record import SCORED_BY, SPLIT_CODES, TrialRecord, mean_of_defined, yardstick_column
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.core.system import peak_memory_mib
from tune_ks.data.dataset import Images, Splits
from tune_ks.evaluation.finish import ScoredTraining
from tune_ks.evaluation.further import further_metrics
from tune_ks.evaluation.occupied import occupied_band
from tune_ks.evaluation.yardstick_scores import YardstickScores
from tune_ks.model.masks.by_distance import sum_by_distance
from tune_ks.model.sampling import combined
from tune_ks.training.members import option_values
from tune_ks.training.precision import ON_A_GPU
from tune_ks.training.tasks import task_of
from tune_ks.training.tasks.base import Task


def make_record(
    config: TrialConfig, splits: Splits, training: ScoredTraining, seconds: float, device: str, cohort: str | None
) -> TrialRecord:
    """The record of one finished training. It holds nothing that identifies a patient."""
    task = task_of(config)
    realised_rate = float(training.mask.mean())
    # k and -k are conjugates where images are real, which those of coils are not
    has_mirrors = training.pipeline.sampling.transform.has_conjugate_symmetry and not splits.train.coils
    return TrialRecord(
        config=config,
        metric=task.metric,
        val=task.measure_each(splits.val, training.scores["val"]),
        test=task.measure_each(splits.test, training.scores["test"]),
        realised_rate=realised_rate,
        mean_probability=float(training.probability.mean()),
        distinct_rate=distinct_rate(training.mask) if has_mirrors else realised_rate,
        val_over_draws=_over_random_masks(task, splits.val, training.random_mask_scores),
        val_within=task.measure_each(splits.val, training.scores["val"], within=True),
        test_within=task.measure_each(splits.test, training.scores["test"], within=True),
        quality=training.quality,
        further=further_metrics(config.task, splits.test, training.details.get("test", {})),
        trivial=task.trivial(splits),
        yardsticks=_yardstick_metrics(task, splits, training.yardsticks),
        epoch=training.epoch or None,
        history=training.history,
        seconds=round(seconds, 3),
        facts=_facts(splits, device, cohort) | _about_the_band(training) | _about_the_answer(training),
        images=_image_counts(config, splits),
        patients=_patient_counts(splits),
        options=option_values(config),
        mask_is_learned=training.pipeline.sampling.mask.learned,
    )


def write_trial(folder: RunFolder, record: TrialRecord, splits: Splits, training: ScoredTraining, device: str) -> None:
    """Write all files of one trial, the record last: it exists only when the other files are whole."""
    key = record.config.key()
    write_npz(folder.trial(key, "scores.npz"), **_score_table(splits, training))
    if training.details:
        write_npz(folder.trial(key, task_of(record.config).details_file), **_detail_table(splits, training))
    write_npy(folder.trial(key, "mask.npy"), training.mask)
    if record.mask_is_learned:
        write_npy(folder.trial(key, "probability.npy"), training.probability)
    if training.mask_history is not None:
        write_npz(folder.trial(key, "mask_history.npz"), **mask_history(training))
    weights = {name: value.detach().cpu().contiguous() for name, value in training.pipeline.state_dict().items()}
    write_whole(folder.trial(key, "model.safetensors"), safetensors_bytes(weights))
    preview = preview_images(record.config, splits, training, device)
    if preview:
        write_npz(folder.trial(key, "preview.npz"), **preview)
    folder.write_record(record)


def mask_history(training: ScoredTraining) -> dict[str, np.ndarray]:
    """How the mask was learned, by whole distance from DC: ``probability`` (E, D), ``count`` and ``energy`` (D,).

    ``count`` is the number of coefficients at a distance, ``energy`` their share of the training images' energy beyond
    DC (0 at DC itself).
    """
    assert training.mask_history is not None  # the mask is learned
    radius = training.pipeline.sampling.mask.radius
    energy = sum_by_distance(torch.from_numpy(training.energy), radius)
    energy[0] = 0
    return {
        "probability": training.mask_history,
        "count": sum_by_distance(torch.ones_like(radius), radius).int().numpy(),
        "energy": (energy / energy.sum().clamp(min=1e-12)).float().numpy(),
    }


@torch.no_grad()
def preview_images(config: TrialConfig, splits: Splits, training: ScoredTraining, device: str) -> dict[str, np.ndarray]:
    """One validation image with a tumour and one without, of every vendor: as reconstructed and in full, in 8 bits.

    ``row`` (P,) int32, ``sampled`` and ``full`` (P, H, W) uint8; {} where there is no such image.
    """
    rows, full, sampled = [], [], []
    training.pipeline.eval()
    for images in splits.val.values():
        for label in (1, 0):
            positions = torch.nonzero(images.label == label).flatten()
            if len(positions):
                index = positions[len(positions) // 2][None]
                image = images.gather(index, device).image
                rate = torch.full((1,), config.sampling_rate, device=image.device)
                rows.append(int(images.rows[int(index)]))
                full.append(_eight_bit(combined(image)))
                sampled.append(_eight_bit(training.pipeline.restore(image, rate).image))
    if not rows:
        return {}
    return {"row": np.array(rows, np.int32), "sampled": np.stack(sampled), "full": np.stack(full)}


def _over_random_masks(
    task: type[Task], val: dict[str, Images], random_mask_scores: dict[str, np.ndarray]
) -> dict[str, float]:
    """vendor -> mean of the metric over the random masks. Its difference to the exported mask's is the export gap."""
    means = {}
    for vendor, images in val.items():
        means[vendor] = mean_of_defined(task.measure(images, scores) for scores in random_mask_scores[vendor])
    return means


def _facts(splits: Splits, device: str, cohort: str | None) -> dict[str, Any]:
    """What the numbers may depend on beside the config."""
    return {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cohort": cohort,
        "side": splits.train.side,
        **({"coils": splits.train.coils} if splits.train.coils else {}),
        "train_patients": len(splits.train.patient.unique()),
        "peak_mib": peak_memory_mib(),
        **_about_the_gpu(device),
    }


def _about_the_gpu(device: str) -> dict[str, Any]:
    """Its name, the peak of this process's tensors there in MiB, and the precision; {} for a CPU."""
    if torch.device(device).type != "cuda":
        return {}
    return {
        "device": torch.cuda.get_device_name(device),
        "gpu_peak_mib": torch.cuda.max_memory_allocated(device) // 2**20,
        "precision": ON_A_GPU,
    }


def _about_the_band(training: ScoredTraining) -> dict[str, Any]:
    """The share of stored k-space that holds something, and how many of the kept coefficients lie outside it."""
    band = occupied_band(training.energy, training.pipeline.sampling.mask.radius, training.mask)
    return {"occupied_share": round(band.share, 6), "kept_outside": band.kept_outside}


def _about_the_answer(training: ScoredTraining) -> dict[str, Any]:
    """Which yardstick the scores are of; {} where they are a network's."""
    return {SCORED_BY: training.scored_by} if training.scored_by else {}


def _image_counts(config: TrialConfig, splits: Splits) -> dict[str, int]:
    """Number of images by "train GE", "val GE", "test SIEMENS" and so on."""
    counts = {f"train {source}": int((splits.train.vendor == source).sum()) for source in config.sources}
    for split in SPLIT_CODES:
        for vendor, images in getattr(splits, split).items():
            counts[f"{split} {vendor}"] = len(images)
    return counts


def _patient_counts(splits: Splits) -> dict[str, ClassPatients]:
    """Patients of each class by "val GE", "test SIEMENS" and so on."""
    counts = {}
    for split in SPLIT_CODES:
        for vendor, images in getattr(splits, split).items():
            counts[f"{split} {vendor}"] = images.class_patients()
    return counts


def _yardstick_metrics(
    task: type[Task], splits: Splits, scores: YardstickScores
) -> dict[str, dict[str, dict[str, float]]]:
    """yardstick -> split -> vendor -> metric."""
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for name, by_split in scores.items():
        metrics[name] = {}
        for split, by_vendor in by_split.items():
            metrics[name][split] = task.measure_each(getattr(splits, split), by_vendor)
    return metrics


def _score_table(splits: Splits, training: ScoredTraining) -> dict[str, np.ndarray]:
    """The columns of scores.npz: row of cohort.csv, code of the split, score of the image, scores by yardsticks."""
    rows, codes, scores = [], [], []
    by_yardstick: dict[str, list[np.ndarray]] = {name: [] for name in training.yardsticks}
    for split, code in SPLIT_CODES.items():
        for vendor, images in getattr(splits, split).items():
            rows.append(images.rows.numpy())
            codes.append(np.full(len(images), code, np.int8))
            scores.append(training.scores[split][vendor])
            for name, of_yardstick in by_yardstick.items():
                of_yardstick.append(training.yardsticks[name][split][vendor])
    table: dict[str, np.ndarray] = {
        "row": np.concatenate(rows).astype(np.int32),
        "split": np.concatenate(codes),
        "score": np.concatenate(scores).astype(np.float32),
    }
    for name, of_yardstick in by_yardstick.items():
        table[yardstick_column(name)] = np.concatenate(of_yardstick)
    return table


def _detail_table(splits: Splits, training: ScoredTraining) -> dict[str, np.ndarray]:
    """What the task keeps of each image, in the order of scores.npz: ``row``, ``split``, and the task's names."""
    columns: dict[str, list[np.ndarray]] = {"row": [], "split": []}
    for split, code in SPLIT_CODES.items():
        for vendor, images in getattr(splits, split).items():
            columns["row"].append(images.rows.numpy().astype(np.int32))
            columns["split"].append(np.full(len(images), code, np.int8))
            for name, values in training.details[split][vendor].items():
                columns.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in columns.items()}


def _eight_bit(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0].clamp(0, 1) * 255).round().byte().cpu().numpy()
