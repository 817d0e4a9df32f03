"""A run folder with every JSON file that a search writes and every field of their schemas, small and untrained."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from synthetic_run import write_run
from tune_ks.core.record import SPLITS
from tune_ks.core.run_folder import RunFolder, read_json

COUNTS = [{"vendor": "GE", "split": "val", "label": 0, "images": 1, "patients": 1}]
SPACE = {"space": "s", "question": "?", "space_fingerprint": "0", "search": {"seeds": 1}, "command": "python"}
WEIGHTS = "0123456789ab@0123456789ab"
FINALIST = {"vendor": "GE", "sampling_rate": 1.0, "init_from": {"0": WEIGHTS}}
ATTEMPT = {"token": "t", "session": "s", "node": "n", "accumulate": 1, "together": 1, "ended": None, "detail": ""}
SELECTION = {"made_with": {"rule": "knee", "images": True, "patients": None, "cross_fit": 0, "epsilon": 0.02}}


def write_whole_run(root: Path) -> RunFolder:
    """Two finished trials on one vendor, a failed one, a stopped one, another cohort's scores, other images."""
    folder = write_run(root, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=8, images=2)
    keys = folder.keys()
    ends = {"failure.json": keys.pop(), "stopped.json": keys.pop()}
    for name, key in ends.items():
        config = folder.read_config(key).non_default()
        end = {"format": 1, "config": config, "reason": "it was too slow", "history": [{"epoch": 1, "loss": 0.5}]}
        folder.trial(key, "record.json").unlink()
        write(folder.trial(key, name), end)
    for key in keys:
        complete_record(folder, key)
    folder.write_config(folder.read_config(keys[0]), start_point="full")
    write(folder.trial(keys[0], "attempts.json"), {"attempts": [ATTEMPT]})
    write(root / "driver.lock", {"host": "h", "pid": 7, "token": "t", "since": "now", "beat": 3})
    complete_search(folder)
    choice = {"vendor": folder.read_config(keys[0]).vendor, "keys": keys}
    write(root / "selection.json", {**SELECTION, "choices": [choice]})
    write_other_images(root, keys)
    return folder


def complete_record(folder: RunFolder, key: str) -> None:
    """Give a record the fields that an untrained trial lacks."""
    path = folder.trial(key, "record.json")
    record = read_json(path)
    vendors = list(record["test"])
    record |= {
        "trivial": {"one fixed mask": dict.fromkeys(vendors, 0.5)},
        "further": {"sensitivity": dict.fromkeys(vendors, 0.5)},
        "quality": {vendor: {"psnr": 30.0} for vendor in vendors},
        "yardsticks": {"linear": {split: dict.fromkeys(vendors, 0.6) for split in SPLITS}},
        "facts": {"device": "cpu", "cohort": "0123456789ab", "begun_again": 0},
        "patients": {f"{split} {vendor}": [2, 2] for split in SPLITS for vendor in vendors},
        "options": {"mask": {"temperature": 1.0, "budget": "fixed"}, "classifier": {"width": 1.0}},
        "mask_is_learned": True,
    }
    write(path, record)


def complete_search(folder: RunFolder) -> None:
    """Give search.json the fields of a search that was extended and that began from another one's weights."""
    search = read_json(folder.search_json)
    search["cohort"] |= {"fingerprint_2": "ba9876543210", "fingerprint_format": 1, "layout": "table", "counts": COUNTS}
    more = {
        **SPACE,
        "earlier": [SPACE],
        "start_points": [{"sampling_rate": 1.0, "why": "full"}],
        "init_from": {"runs/other": {"0123456789ab": WEIGHTS}},
        "finalists": {"rule": "knee", "epsilon": 0.03, "from_scratch": False, "configs": [FINALIST]},
        "tuned_minutes": 30.0,
        "trials": 6,
    }
    write(folder.search_json, search | more)


def write_other_images(root: Path, keys: list[str]) -> None:
    """Scores of another cohort, and of corrupted images, as evaluate writes them."""
    rows = [f"{key},{patient},PHILIPS,{patient},{patient % 2},0.{patient}" for key in keys for patient in range(4)]
    (root / "external").mkdir()
    (root / "external/other_scores.csv").write_text("\n".join(["key,row,vendor,patient_id,label,score", *rows]))
    summary = [f"{key},PHILIPS,4,4,0.75" for key in keys]
    (root / "external/other.csv").write_text("\n".join(["key,vendor,images,patients,auc", *summary]))
    (root / "corruptions").mkdir()
    np.savez_compressed(root / "corruptions/other.npz", **corrupted_arrays(keys, 8))
    (root / "explained").mkdir()
    np.savez_compressed(root / "explained/other.npz", **occluded_arrays(keys, 8))
    np.savez_compressed(root / "explained/other_pointing.npz", **pointed_arrays(keys, 4))


def corrupted_arrays(keys: list[str], images: int) -> dict[str, np.ndarray]:
    """The arrays of a file of RUN/corruptions, for one corruption."""
    row = np.arange(images)
    return {
        "keys": np.array(keys),
        "corruptions": np.array(["blur"]),
        "versions": np.ones(1, np.int16),
        "score": np.resize(row.astype(np.float32), (len(keys), 1, 6, images)),
        "label": (row % 2).astype(np.int8),
        "patient": row.astype(np.int32),
        "vendor": np.array(["GE", "SIEMENS"])[row // 4 % 2],
    }


def occluded_arrays(keys: list[str], images: int) -> dict[str, np.ndarray]:
    """The arrays of a file of RUN/explained, for four lines of which three are kept."""
    about = corrupted_arrays(keys, images)
    lines = np.tile(np.arange(-2, 2, dtype=np.int32), (len(keys), 1))
    kept = np.tile(np.array([0, 1, 1, 1], np.int32), (len(keys), 1))
    score = np.resize(np.arange(images, dtype=np.float32), (len(keys), 4, images))
    of_groups = {"first": lines, "last": lines, "size": np.ones_like(lines), "kept": kept}
    of_images = {name: about[name] for name in ("keys", "label", "patient", "vendor")}
    of_models = {"points": np.zeros(len(keys), bool), "clean": score[:, 0], "score": score}
    return {"metric": np.array(["auc"]), **of_images, **of_groups, **of_models}


def pointed_arrays(keys: list[str], images: int) -> dict[str, np.ndarray]:
    """The arrays of a pointing game, with pictures of two images of 8 pixels a side."""
    hit = np.resize(np.array([True, True, False]), (len(keys), images))
    picture = np.resize(np.arange(64, dtype=np.uint8), (len(keys), 2, 8, 8))
    outline = np.zeros((2, 8, 8), bool)
    outline[:, 2:5, 3:6] = True
    return {
        "keys": np.array(keys),
        "vendor": np.resize(np.array(["GE", "GE", "SIEMENS", "SIEMENS"]), images),
        "patient": np.arange(images, dtype=np.int32),
        "available": np.full(images, 7, np.int32),
        "hit": hit,
        "random_hit": ~hit,
        "area": np.full(images, 0.1, np.float32),
        "fixed_hit": hit[0],
        "image": picture,
        "saliency": picture[:, :, ::-1],
        "outline": outline,
    }


def write(path: Path, values: dict[str, Any]) -> None:
    """One JSON file."""
    path.write_text(json.dumps(values))
