"""A finished training as the run folder keeps it: the record, and the files beside it."""

import platform
import resource

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

from tune_ks.core.arrays import write_npy, write_npz
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord, mean_of_defined
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.dataset import Splits
from tune_ks.evaluation.finish import Outcome
from tune_ks.training.members import option_values
from tune_ks.training.tasks import task_of

SPLIT_CODES = {"val": 0, "test": 1}  # of scores.npz


def make_record(
    config: TrialConfig, splits: Splits, outcome: Outcome, seconds: float, device: str, cohort: str | None
) -> TrialRecord:
    """The facts of one finished training; nothing here identifies a patient."""
    task = task_of(config)
    transform = outcome.pipeline.sampling.transform
    draws = [
        task.measure_each(splits.val, {v: d[i] for v, d in outcome.draws.items()}) for i in range(_draw_count(outcome))
    ]
    counts = {f"train {config.vendor}": len(splits.train)}
    for split in SPLIT_CODES:
        counts |= {f"{split} {vendor}": len(images) for vendor, images in getattr(splits, split).items()}
    return TrialRecord(
        config=config,
        metric=task.metric,
        val=task.measure_each(splits.val, outcome.scores["val"]),
        test=task.measure_each(splits.test, outcome.scores["test"]),
        realised_rate=float(outcome.mask.mean()),
        mean_probability=float(outcome.probability.mean()),
        distinct_rate=distinct_rate(outcome.mask) if transform.has_conjugate_symmetry else float(outcome.mask.mean()),
        val_over_draws={vendor: mean_of_defined([one[vendor] for one in draws]) for vendor in splits.val},
        val_within=task.measure_each(splits.val, outcome.scores["val"], within=True),
        test_within=task.measure_each(splits.test, outcome.scores["test"], within=True),
        quality=outcome.quality,
        trivial=task.trivial(splits),
        epoch=outcome.epoch,
        history=outcome.history,
        seconds=round(seconds, 3),
        facts={
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cohort": cohort,
            "side": splits.train.side,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        images=counts,
        options=option_values(config),
        mask_is_learned=outcome.pipeline.sampling.mask.learned,
    )


def distinct_rate(mask: np.ndarray) -> float:
    """Share of the k-space of a real image that the kept coefficients determine: k and -k are conjugates.

    ``mask`` (W,) or (H, W) of bool, DC at N // 2. Mirroring an even axis about N // 2 leaves index 0, its own mirror.
    """
    mirrored = mask
    for axis, size in enumerate(mask.shape):
        mirrored = np.take(mirrored, (2 * (size // 2) - np.arange(size)) % size, axis=axis)
    return float((mask | mirrored).mean())


def write_outcome(folder: RunFolder, record: TrialRecord, splits: Splits, outcome: Outcome, device: str) -> None:
    """Everything of one trial, the record last: it exists only when the rest is whole."""
    config, key = record.config, record.config.key()
    rows, codes, scores = [], [], []
    for split, code in SPLIT_CODES.items():
        for vendor, images in getattr(splits, split).items():
            rows.append(images.rows.numpy())
            codes.append(np.full(len(images), code, np.int8))
            scores.append(outcome.scores[split][vendor])
    write_npz(
        folder.trial(key, "scores.npz"),
        row=np.concatenate(rows).astype(np.int32),
        split=np.concatenate(codes),
        score=np.concatenate(scores).astype(np.float32),
    )
    write_npy(folder.trial(key, "mask.npy"), outcome.mask)
    if record.mask_is_learned:
        write_npy(folder.trial(key, "probability.npy"), outcome.probability)
    weights = {name: value.detach().cpu().contiguous() for name, value in outcome.pipeline.state_dict().items()}
    write_whole(folder.trial(key, "model.safetensors"), safetensors_bytes(weights))
    preview = preview_images(config, splits, outcome, device)
    if preview:
        write_npz(folder.trial(key, "preview.npz"), **preview)
    folder.write_record(record)


@torch.no_grad()
def preview_images(config: TrialConfig, splits: Splits, outcome: Outcome, device: str) -> dict[str, np.ndarray]:
    """A tumour-present and an absent validation image of each vendor, as sampled and in full, in 8 bits."""
    rows, full, sampled = [], [], []
    outcome.pipeline.eval()
    for images in splits.val.values():
        for label in (1, 0):
            found = torch.nonzero(images.label == label).flatten()
            if len(found):
                index = found[len(found) // 2][None]
                image = images.gather(index, device).image
                rate = torch.full((1,), config.sampling_rate, device=image.device)
                rows.append(int(images.rows[index.item()]))
                full.append(_eight_bit(image))
                sampled.append(_eight_bit(outcome.pipeline.restore(image, rate).image))
    return {"row": np.int32(rows), "sampled": np.stack(sampled), "full": np.stack(full)} if rows else {}


def _draw_count(outcome: Outcome) -> int:
    return min((len(d) for d in outcome.draws.values()), default=0)


def _eight_bit(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0].clamp(0, 1) * 255).round().byte().cpu().numpy()
