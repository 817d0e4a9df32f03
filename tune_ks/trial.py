"""The Ray side of one job: resume, train, write the record, report.

A job is a list of configs that end in one record each: the seeds of one suggestion, or a single point of a grid.
"""

import io
import math
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from safetensors.torch import save as safetensors_bytes

from tune_ks.data.dataset import Splits, open_splits
from tune_ks.record import RunFolder, TrialConfig, TrialRecord, write_whole
from tune_ks.train import Outcome, TrainingFailed, aucs, finish, train

SPLIT_CODES = {"val": 0, "test": 1}  # of scores.npz


def trial(job: dict[str, Any]) -> None:
    """What Ray runs: ``configs`` (a list of plain dicts), ``run`` (a path), ``images`` (size -> path), ``threads``.

    Reports a line an epoch, and at last the means over the job's configs that the searcher learns from. A failure of
    the training is written and reported, not raised: the search goes on.
    """
    torch.set_num_threads(job["threads"])  # more threads than CPUs were given made trials ten times slower
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    folder = RunFolder(job["run"])
    records, reasons = [], []
    for position, values in enumerate(job["configs"]):
        config = TrialConfig.from_dict(values)
        report = _reporter(config, position, len(job["configs"]))
        try:
            images = Path(job["images"][str(config.image_size)])
            records.append(run_config(config, folder, images, device, report))
        except Exception as error:  # any failure: named in failure.json and in the report, and the others go on
            reason = str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"
            folder.write_failure(config, reason)
            reasons.append(reason)
    tune.report(
        {
            "finished": True,
            "failed": "; ".join(reasons),
            "val_in_domain": _mean([record.in_domain("val") for record in records]),
            "val_cross_domain": _mean([record.cross_domain("val") for record in records]),
            "realised_rate": _mean([record.realised_rate for record in records]),
            "epoch_share": 1.0,
        }
    )


def run_config(
    config: TrialConfig, folder: RunFolder, images_npy: Path, device: str, report: Callable[[int, float, float], None]
) -> TrialRecord:
    """One key from wherever it stands to its record. A finished one is read, not run again."""
    key = config.key()
    if folder.is_finished(key):
        return folder.read_record(key)
    started = time.monotonic()
    folder.write_config(config)
    splits = open_splits(folder.cohort_csv, images_npy, config.vendor)
    checkpoint = folder.trial(key, "checkpoint.pt")
    saved = load_checkpoint(checkpoint)
    state = saved.get("state")
    spent = saved.get("seconds", 0.0)
    for epoch in train(config, splits, state, device):
        state = epoch.state
        save_checkpoint(checkpoint, {"state": state, "seconds": spent + time.monotonic() - started})
        report(epoch.number, epoch.loss, epoch.val)
    outcome = finish(config, splits, state, device)
    cohort = folder.read_search().get("cohort", {}).get("fingerprint")
    record = make_record(config, splits, outcome, spent + time.monotonic() - started, device, cohort)
    write_outcome(folder, record, splits, outcome, device)
    checkpoint.unlink(missing_ok=True)
    return record


def make_record(
    config: TrialConfig, splits: Splits, outcome: Outcome, seconds: float, device: str, cohort: str | None
) -> TrialRecord:
    """The facts of one finished training; nothing here identifies a patient."""
    draws = [aucs(splits.val, {v: d[i] for v, d in outcome.draws.items()}) for i in range(_draw_count(outcome))]
    counts = {f"train {config.vendor}": len(splits.train)}
    for split in SPLIT_CODES:
        counts |= {f"{split} {vendor}": len(images) for vendor, images in getattr(splits, split).items()}
    return TrialRecord(
        config=config,
        val=aucs(splits.val, outcome.scores["val"]),
        test=aucs(splits.test, outcome.scores["test"]),
        realised_rate=float(outcome.mask.mean()),
        mean_probability=float(outcome.probability.mean()),
        distinct_rate=distinct_rate(outcome.mask) if config.transform == "fourier" else float(outcome.mask.mean()),
        val_over_draws={vendor: _mean([one[vendor] for one in draws]) for vendor in splits.val},
        val_within=aucs(splits.val, outcome.scores["val"], within=True),
        test_within=aucs(splits.test, outcome.scores["test"], within=True),
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
    if any(True for _ in outcome.pipeline.sampling.mask.parameters()):
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
                sampled.append(_eight_bit(outcome.pipeline.restore(image, rate)))
    return {"row": np.int32(rows), "sampled": np.stack(sampled), "full": np.stack(full)} if rows else {}


def save_checkpoint(path: Path, values: dict[str, Any]) -> None:
    """Replace the checkpoint whole."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_whole(path, buffer.getvalue(), sync=False)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote; {} where there is none or it is torn: the trial then starts from its beginning.

    Only tensors and plain values are read (``weights_only``): a run folder may come from anywhere.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return {}
    except Exception as error:  # torch names torn files in many ways
        print(f"{path}: this checkpoint cannot be read ({type(error).__name__}), starting the trial anew")
        return {}


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """A compressed .npz, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def write_npy(path: Path, array: np.ndarray) -> None:
    """A .npy without pickle, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def _reporter(config: TrialConfig, position: int, count: int) -> Callable[[int, float, float], None]:
    def report(number: int, loss: float, val: float) -> None:
        share = (position + number / config.epochs) / count
        tune.report({"epoch_share": share, "loss": loss, "val_in_domain": val, "val_cross_domain": math.nan})

    return report


def _draw_count(outcome: Outcome) -> int:
    return min((len(d) for d in outcome.draws.values()), default=0)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _eight_bit(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0].clamp(0, 1) * 255).round().byte().cpu().numpy()
