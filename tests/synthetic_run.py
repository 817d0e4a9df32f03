"""A run folder with known truth, written without training anything: what the analysis must find is put there."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from tune_ks.core.config import TrialConfig
from tune_ks.core.mask_share import distinct_rate
from tune_ks.core.metrics import FALSE_POSITIVES, METRICS, MISSED, auc, sensitivity_at
from tune_ks.core.record import BEST_POSITION, ONE_FIXED_MASK, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole

WIDTH = 32  # k-space lines; also the side of the previews
TASKS = {"auc": "classification", "dice": "segmentation", "lroc": "detection", "r2": "map"}  # metric -> its task
TRIVIAL = 0.3  # Dice or LROC of an answer that ignores the image
ANSWERS = {"dice": ONE_FIXED_MASK, "lroc": BEST_POSITION}  # metric -> that answer
LOST = 7  # every so many patients' tumours are too small to be seen, so that they have no Dice


def truth(rate: float, in_domain: bool, mask: str = "gumbel") -> float:
    """Expected metric: rising and level in-domain, falling across vendors; low-pass a little below."""
    level = 0.90 - 0.25 * 2 ** (-12 * rate) if in_domain else 0.75 - 0.10 * rate
    return level - (0.03 if mask == "lowpass" else 0.0)


def make_cohort(vendors: tuple[str, ...], patients: int, images: int, seed: int = 0) -> pd.DataFrame:
    """``patients`` a vendor, half in train, a quarter each in val and test; every patient has both classes."""
    rng = np.random.default_rng(seed)
    rows = []
    for vendor in vendors:
        for patient in range(patients):
            split = ("train", "train", "val", "test")[patient % 4]
            for image in range(images):
                label = image % 2
                rows.append(
                    {
                        "path": f"{vendor}_{patient:03}/{image}.dcm",
                        "patient_id": f"PHANTOM_{vendor}_{patient:03}",
                        "vendor": vendor,
                        "series": "post_1",
                        "label": label,
                        "slice": image,
                        "position": rng.uniform(),
                        "split": split,
                        "field_t": 1.5 if patient % 2 else 3.0,
                        "acquired_width": 256 if patient % 3 else 320,
                        "mean": rng.normal(0.3 * label, 1),
                        "p75": rng.normal(0.2 * label, 1),
                        "p90": rng.normal(-0.8 * label, 1),
                    }
                )
    cohort = pd.DataFrame(rows)
    cohort.insert(0, "row", np.arange(len(cohort)))
    return cohort


def write_run(
    root: Path,
    vendors: tuple[str, ...] = ("GE", "SIEMENS"),
    rates: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5, 1.0),
    seeds: tuple[int, ...] = (0, 1, 2),
    masks: tuple[str, ...] = ("gumbel", "lowpass"),
    patients: int = 40,
    images: int = 6,
    true_auc: Callable[[float, bool, str], float] = truth,
    source: tuple[str, ...] | None = None,
    metric: str = "auc",
    domain: str = "vendor",
    coils: int = 0,
    **fields,
) -> RunFolder:
    """Write the folder. ``source``: the vendors trained on (default all); ``fields``: further config fields.
    ``domain``: what the run calls its vendors; ``coils``: of raw k-space, 0 for magnitude images.

    ``true_auc`` is the truth of the metric, whichever it is.
    """
    fields["task"] = TASKS[metric]
    folder = RunFolder(root)
    cohort = make_cohort(vendors, patients, images)
    if coils:
        cohort["coils"] = coils
    write_whole(folder.cohort_csv, cohort.to_csv(index=False).encode())
    write_whole(folder.skipped_csv, b"path,reason\nbad/1.dcm,truncated\n")
    settings = {"series": "post_1"} if domain == "vendor" else {"series": "post_1", "domain": domain}
    search = {
        "format": 1,
        "space": "synthetic",
        "split_seed": 0,
        "cohort": {"fingerprint": "0123456789ab", "settings": settings, "synthetic": False},
        "versions": {"python": "3.11"},
        "command": "python run_search.py",
    }
    write_whole(folder.search_json, json.dumps(search).encode())
    for vendor in source or vendors:
        for mask in masks:
            for rate in rates:
                if rate == 1 and mask != masks[0]:
                    continue
                for seed in seeds:
                    temperature = 1.0 if mask == "gumbel" else None
                    config = TrialConfig(vendor, rate, mask=mask, temperature=temperature, seed=seed, **fields)
                    write_trial(folder, cohort, config, true_auc, metric)
    return folder


def write_trial(
    folder: RunFolder,
    cohort: pd.DataFrame,
    config: TrialConfig,
    true_auc: Callable[[float, bool, str], float] = truth,
    metric: str = "auc",
) -> TrialRecord:
    """One trial: scores with a patient effect whose expected metric is the truth, and everything beside them."""
    rng = np.random.default_rng([config.seed, int(1e6 * config.sampling_rate), len(config.mask), len(config.vendor)])
    columns = {name: cohort[name].to_numpy() for name in ("row", "vendor", "split", "label", "patient_id")}
    inside = np.isin(columns["vendor"], config.sources)
    tested = columns["split"] == "test"
    used = tested | (columns["split"] == "val") | (~inside & (columns["split"] == "train"))
    columns = {name: values[used] for name, values in columns.items()}
    label, vendors, inside, tested = columns["label"], columns["vendor"], inside[used], tested[used]
    wanted = np.where(inside, *(true_auc(config.sampling_rate, within, config.mask) for within in (True, False)))
    patient = pd.factorize(columns["patient_id"])[0]
    effect = np.random.default_rng(7).normal(0, np.sqrt(0.3), patient.max() + 1)[patient]  # shared by all trials
    noise = effect + rng.normal(0, np.sqrt(0.7), len(label))
    if METRICS[metric].overall is not auc:  # a value of each image by itself
        seen = (label == 1) & (patient % LOST > 0)
        value = wanted + 0.1 * noise
        value = np.clip(value, 0, 1) if metric == "dice" else value
        score = np.where(seen, value, np.nan).astype(np.float32)
    elif metric == "lroc":  # an AUC of 0.95, and so many tumours hit that the product is the truth
        hit = (label == 1) & (97 * np.arange(len(label)) % 100 < 100 * wanted / 0.95)
        score = (noise + np.sqrt(2) * norm.ppf(0.95) * label).astype(np.float32)
        score[(label == 1) & ~hit] = MISSED
    else:
        score = (noise + np.sqrt(2) * norm.ppf(wanted) * label).astype(np.float32)
    measured: dict[str, dict[str, float]] = {"val": {}, "test": {}, "val_within": {}, "test_within": {}}
    images = {}
    for name, of_split in (("val", ~tested), ("test", tested)):
        for vendor in pd.unique(vendors):
            here = of_split & (vendors == vendor)
            measured[name][vendor] = METRICS[metric].overall(label[here], score[here])
            measured[f"{name}_within"][vendor] = METRICS[metric].within(label[here], score[here], patient[here])
            images[f"{name} {vendor}"] = here.sum().item()
    row, split = columns["row"].astype(np.int32), tested.astype(np.int8)
    width = WIDTH
    kept = np.argsort(np.abs(np.arange(width) - width // 2), kind="stable")[
        : max(round(config.sampling_rate * width), 1)
    ]
    mask = np.isin(np.arange(width), kept)
    key = config.key()
    write_array(folder, key, "mask.npy", mask)
    if config.mask != "lowpass":
        write_array(folder, key, "probability.npy", np.where(mask, 0.9, 0.1).astype(np.float32))
        write_arrays(folder, key, "mask_history.npz", **mask_history(config.sampling_rate, width))
    write_arrays(folder, key, "scores.npz", row=row, split=split, score=score)
    picture = rng.integers(0, 255, (len(row[:4]), width, width), dtype=np.uint8)
    if metric == "lroc":
        write_arrays(folder, key, "candidates.npz", row=row, split=split, **candidates(score, label, rng))
    write_arrays(folder, key, "preview.npz", row=row[:4], sampled=picture // 2, full=picture)
    record = TrialRecord(
        config,
        metric=metric,
        trivial={ANSWERS[metric]: dict.fromkeys(measured["test"], TRIVIAL)} if metric in ANSWERS else {},
        further=sensitivities(measured["test"]) if metric == "lroc" else {},
        realised_rate=float(mask.mean()),
        mean_probability=config.sampling_rate,
        distinct_rate=distinct_rate(mask),
        epoch=3,
        seconds=1.5,
        history=[{"epoch": e, "loss": 1 / e, "val_in_domain": 0.5 + e / 10} for e in (1, 2, 3)],
        images={name: count for name, count in images.items() if name.startswith("test")},
        val_over_draws=measured["val"],
        **measured,
    )
    folder.write_config(config)
    folder.write_record(record)
    return record


def candidates(score: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two places an image: the first hits where the score says so; the true box is at the same place in all."""
    images = len(label)
    hit = (label == 1) & (score != np.float32(MISSED))
    centre = np.where(hit, 12, 25)[:, None] + [0, 3]
    logit = np.where(score == np.float32(MISSED), 0.25, score)[:, None] - [0, 2]
    true_box = np.where((label == 1)[:, None], [8, 8, 9, 7], np.nan)
    return {
        "row_centre": centre.astype(np.int16),
        "column_centre": np.where(hit, 11, 4)[:, None] + np.zeros((1, 2), np.int16),
        "height": rng.uniform(4, 9, (images, 2)),
        "width": rng.uniform(4, 9, (images, 2)),
        "logit": logit,
        "hit": np.stack([hit, np.zeros_like(hit)], axis=1),
        "true_box": true_box,
    }


def sensitivities(metrics: dict[str, float]) -> dict[str, dict[str, float]]:
    """Sensitivities that rise from half of each vendor's metric to all of it."""
    shares = np.linspace(0.5, 1, len(FALSE_POSITIVES))
    at = {}
    for words, share in zip(FALSE_POSITIVES, shares):
        at[sensitivity_at(words)] = {vendor: float(share * value) for vendor, value in metrics.items()}
    return at


def mask_history(rate: float, width: int) -> dict[str, np.ndarray]:
    """Five epochs of a mask that is thinned out from full to ``rate``, evenly."""
    count = np.bincount(np.abs(np.arange(width) - width // 2))
    kept = np.linspace(1, rate, 5)[:, None] * np.ones(len(count))
    energy = np.where(np.arange(len(count)) == 0, 0.0, 0.5 ** np.arange(len(count)))
    return {"probability": kept, "count": count, "energy": energy / energy.sum()}


def write_array(folder: RunFolder, key: str, name: str, array: np.ndarray) -> None:
    path = folder.trial(key, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def write_arrays(folder: RunFolder, key: str, name: str, **arrays: np.ndarray) -> None:
    path = folder.trial(key, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
