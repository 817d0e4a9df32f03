"""The Ray side of one job: resume, train, write the record, report.

A job is a list of configs that end in one record each: the seeds of one suggestion, or a single point of a grid.
"""

import gc
import hashlib
import io
import math
import os
import platform
import resource
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from safetensors.torch import save as safetensors_bytes

from tune_ks.arrays import write_npy, write_npz
from tune_ks.attempts import DIED, MEMORY, Attempt, GivenUp, Superseded, begin_attempt, end_attempt, require_owner
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.faults import StorageError, is_lost_device, is_out_of_memory, patiently, watchdog
from tune_ks.node_files import masks_name, on_this_node
from tune_ks.record import RunFolder, TrialConfig, TrialRecord
from tune_ks.scoring import Outcome, finish
from tune_ks.storage import StoragePath, write_whole
from tune_ks.tasks import task_of
from tune_ks.train import TrainingFailed, train
from tune_ks.transfer import loaded_parts, read_weights

SPLIT_CODES = {"val": 0, "test": 1}  # of scores.npz
DIGEST_BYTES = hashlib.sha256().digest_size


def trial(job: dict[str, Any]) -> None:
    """What Ray runs: ``configs`` (a list of plain dicts), ``run`` (a path or URL), ``images`` (size, or the name of its
    masks -> the file, as node_files describes it), ``threads``, ``session`` (of the driver), ``hang_after`` (seconds),
    ``cross_domain_at`` (the epochs after which a scheduler compares cross-domain values) and ``start_point`` (why the
    search begins with this one, or None).

    Reports a line an epoch, and at last the means over the job's configs that the searcher learns from. A failure of
    the training is written and reported, not raised: the search goes on. Storage that fails is no trial's fault: it is
    reported as ``storage``, and the driver stops.
    """
    torch.set_num_threads(job["threads"])  # more threads than CPUs were given made trials ten times slower
    records, reasons, trouble = [], [], {}
    try:
        for position, values in enumerate(job["configs"]):
            found = run_attempts(TrialConfig.from_dict(values), job, position)
            (records if isinstance(found, TrialRecord) else reasons).append(found)
    except StorageError as error:
        trouble = {"storage": str(error)}
    except Superseded as error:
        trouble = {"superseded": str(error)}
    tune.report(
        {
            "finished": True,
            "failed": "; ".join(reasons),
            "val_in_domain": _mean([record.in_domain("val") for record in records]),
            "val_cross_domain": _mean([record.cross_domain("val") for record in records]),
            "realised_rate": _mean([record.realised_rate for record in records]),
            "epoch_share": 1.0,
            **trouble,
        }
    )


def run_attempts(config: TrialConfig, job: dict[str, Any], position: int) -> TrialRecord | str:
    """One key to its record, or to the reason of its failure, which is then written. Out of memory: once more, at half.

    StorageError and Superseded are the caller's.
    """
    folder, key = RunFolder(job["run"]), config.key()
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    try:
        images = on_this_node(job["images"][str(config.image_size)])
        masks = on_this_node(job["images"][masks_name(config.image_size)]) if task_of(config).reads_masks else None
        # waits here, so that a finished trial is then seen
        patiently(folder, folder.write_config, config, job["start_point"])
        while not folder.is_finished(key):
            release_memory()
            attempt = patiently(folder, begin_attempt, folder, key, job["session"], *_nodes())
            try:
                with watchdog(job["hang_after"]) as alive:
                    report = _reporter(config, position, len(job["configs"]), alive)
                    return run_config(config, folder, images, device, report, attempt, job["cross_domain_at"], masks)
            except (RuntimeError, MemoryError) as error:
                ended = MEMORY if is_out_of_memory(error) else DIED
                if ended == DIED and not is_lost_device(error):
                    raise
                detail = str(error).partition("\n")[0]
                patiently(folder, end_attempt, folder, key, job["session"], ended, detail)
                if ended == DIED:
                    os._exit(1)  # the GPU is lost to this process: Ray starts another one
        return folder.read_record(key)
    except (StorageError, Superseded):
        raise
    except Exception as error:  # any failure: named in failure.json and in the report, and the others go on
        named = isinstance(error, (TrainingFailed, GivenUp))
        reason = str(error) if named else f"{type(error).__name__}: {error}"
        patiently(folder, folder.write_failure, config, reason)
        return reason


def run_config(
    config: TrialConfig,
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Callable[[dict[str, float]], None],
    attempt: Attempt | None = None,
    cross_domain_at: Collection[int] = (),
    masks_npy: Path | None = None,
) -> TrialRecord:
    """One key from wherever it stands to its record. A finished one is read, not run again.

    ``report`` is called with each line of the history, those of an earlier process included: a scheduler may have
    lost them with its own process. It does not return where the scheduler stops the trial.
    With an ``attempt``, nothing is written once another process has begun the trial (Superseded).
    """
    key = config.key()
    if folder.is_finished(key):
        return folder.read_record(key)
    started = time.monotonic()
    folder.write_config(config)
    parts = attempt.accumulate if attempt else 1

    def write(action: Callable[..., None], *args: Any) -> None:
        if attempt:
            require_owner(folder, key, attempt)
        patiently(folder, action, *args)

    splits = open_splits(folder.cohort_csv, images_npy, config.vendor, masks_npy)
    checkpoint, shared = folder.checkpoint(config), config.rate_from is not None
    saved = load_checkpoint(checkpoint)
    state = saved.get("state")
    trained_before = state is not None and len(state["history"]) == config.epochs
    spent = 0.0 if shared and trained_before else saved.get("seconds", 0.0)  # counted once, by who trained it
    half_from = saved.get("half_batch_from_epoch", 0)  # counted from 1; 0: never
    if parts > 1 and not half_from:
        half_from = len(state["history"]) + 1 if state else 1
    weights = read_weights(folder, config.init_from) if config.init_from else None
    for line in state["history"] if state else []:
        report(line)
    for epoch in train(config, splits, state, device, parts, cross_domain_at, weights):
        state = epoch.state
        values = {"state": state, "seconds": spent + time.monotonic() - started, "half_batch_from_epoch": half_from}
        write(save_checkpoint, checkpoint, values)
        report(state["history"][-1])
    outcome = finish(config, splits, state, device, parts)
    cohort = folder.read_search().get("cohort", {}).get("fingerprint")
    record = make_record(config, splits, outcome, spent + time.monotonic() - started, device, cohort)
    if start_point := folder.start_point(key):
        record.facts["start_point"] = start_point
    if half_from:
        record.facts["half_batch_from_epoch"] = half_from
    if weights:
        loaded = loaded_parts(outcome.pipeline, config, weights)
        record.facts["init_from"] = {"question": weights.question(), "loaded": loaded}
    if shared:
        record.facts["training"] = config.training().key()
    write(write_outcome, folder, record, splits, outcome, device)
    leftovers = [*folder.trial(key).glob(".*"), *([] if shared else [checkpoint])]  # dotfiles: writes cut short
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return record


def make_record(
    config: TrialConfig, splits: Splits, outcome: Outcome, seconds: float, device: str, cohort: str | None
) -> TrialRecord:
    """The facts of one finished training; nothing here identifies a patient."""
    task = task_of(config)
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
        distinct_rate=distinct_rate(outcome.mask) if config.transform == "fourier" else float(outcome.mask.mean()),
        val_over_draws={vendor: _mean([one[vendor] for one in draws]) for vendor in splits.val},
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
                sampled.append(_eight_bit(outcome.pipeline.restore(image, rate).image))
    return {"row": np.int32(rows), "sampled": np.stack(sampled), "full": np.stack(full)} if rows else {}


def save_checkpoint(path: StoragePath, values: dict[str, Any]) -> None:
    """Replace the checkpoint whole. It ends in its own digest: torch takes a flipped bit in a tensor for a number."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_whole(path, buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest(), sync=False)


def load_checkpoint(path: StoragePath) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote; {} where there is none or a bit of it changed: the trial then begins anew.

    Only tensors and plain values are read (``weights_only``): a run folder may come from anywhere.
    """
    try:
        content = path.read_bytes()
        values, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(values).digest() != digest:
            raise ValueError("torn")
        return dict(torch.load(io.BytesIO(values), map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return {}
    except Exception as error:  # torch names torn files in many ways
        print(f"{path}: this checkpoint cannot be read ({type(error).__name__}), starting the trial anew")
        return {}


def release_memory() -> None:
    """Give back what an earlier trial of this process still holds."""
    gc.collect()
    torch.cuda.empty_cache()


def _nodes() -> tuple[str, set[str]]:
    """Ray's id of the node that this process runs on, and the ids of all nodes that live."""
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return ray.get_runtime_context().get_node_id(), alive


def _reporter(
    config: TrialConfig, position: int, count: int, alive: Callable[[], None]
) -> Callable[[dict[str, float]], None]:
    def report(line: dict[str, float]) -> None:
        share = (position + line["epoch"] / config.epochs) / count
        shown = {"val_cross_domain": math.nan, **line, "epoch_share": share}
        if position:  # a scheduler judges a suggestion by its first seed alone: it reads no line without an epoch
            del shown["epoch"]
        tune.report(shown)
        alive()

    return report


def _draw_count(outcome: Outcome) -> int:
    return min((len(d) for d in outcome.draws.values()), default=0)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _eight_bit(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0].clamp(0, 1) * 255).round().byte().cpu().numpy()
