"""A folder with one trained model that needs none of this program: laid out as a MONAI bundle, without any pickle.

It is no whole bundle: MONAI asks for models/model.pt, a pickled state dictionary from which its own programs build the
network. metadata.json, which monai.bundle.ConfigParser reads, has every mandatory field of MONAI's specification.

DIR/configs/metadata.json    what it is, what goes in and comes out, what it was measured at (MONAI's names)
DIR/models/model.pt2         the network with its mask, a program of torch.export
DIR/models/model.onnx        the same as ONNX, where asked for
DIR/mask.csv, mask_lines.txt the mask by index, and in an order to acquire
DIR/load_exported.py         loads and runs it with torch alone
"""

import dataclasses
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import torch

import tune_ks
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import FORMAT, TrialRecord, nan_to_null
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.core.trial_name import trial_name
from tune_ks.data.dataset import ACQUISITION
from tune_ks.evaluation import load_exported
from tune_ks.evaluation.decisions import NOTICE
from tune_ks.evaluation.exported_model import (
    ExportedModel,
    exported_mask_of,
    exported_model,
    write_onnx,
    write_program,
)
from tune_ks.evaluation.mask_files import mask_csv, mask_lines
from tune_ks.evaluation.operating_point import OperatingPoint, operating_point
from tune_ks.training.members import option_values
from tune_ks.training.tasks import task_of
from tune_ks.training.tasks.base import TARGETS

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
INTENDED_USE = (
    "Research on how much of k-space a classifier needs. Not for diagnosis, screening or any decision about a patient. "
    "Valid, if at all, for the vendors, series and intensity scale that it was measured on."
)


def write_bundle(folder: RunFolder, record: TrialRecord, target: Path, choice: dict[str, Any], onnx: bool) -> None:
    """Write the folder of one finished trial. ``choice`` is that of selection.json which names it, {} for none."""
    model = exported_model(folder, record)
    for name in ("configs", "models"):
        (target / name).mkdir()
    mask = exported_mask_of(folder, record, model)
    is_fourier = record.config.transform == "fourier"
    texts = {
        "mask.csv": mask_csv(mask),
        "mask_lines.txt": mask_lines(mask, is_fourier),
        "load_exported.py": Path(load_exported.__file__).read_text(),
        "configs/metadata.json": json.dumps(nan_to_null(metadata(folder, record, model, choice)), indent=1) + "\n",
    }
    for name, text in texts.items():
        write_whole(target / name, text.encode())
    write_program(model, target / "models" / "model.pt2")
    if onnx:
        write_onnx(model, target / "models" / "model.onnx")


def metadata(folder: RunFolder, record: TrialRecord, model: ExportedModel, choice: dict[str, Any]) -> dict[str, Any]:
    """metadata.json: the fields of MONAI's schema, ``notice``, and what is this program's own under ``tune_ks``."""
    config = record.config
    point = operating_point(folder, record)
    settings = folder.read_search().get("cohort", {}).get("settings", {}) if folder.search_json.exists() else {}
    return {
        "schema": SCHEMA,
        "version": tune_ks.__version__,
        "changelog": {tune_ks.__version__: "exported by run_search.py export"},
        "monai_version": importlib.metadata.version("monai"),
        "pytorch_version": torch.__version__,
        "numpy_version": importlib.metadata.version("numpy"),
        "required_packages_version": {},
        "optional_packages_version": {},
        "name": trial_name(record),
        "task": f"Breast MRI: {config.task} of images from {config.sampling_rate:.6g} of k-space",
        "description": (
            f"s = C(R(M F x), a): {config.mask} mask of {config.pattern}, {config.transform} transform, "
            f"{config.reconstruction} reconstruction, {config.classifier} network, trained on "
            f"{config.vendor}"
        ),
        "authors": f"trained with tune_ks {tune_ks.__version__} by whoever exported it",
        "copyright": "of whoever trained it; the program is under BSD-3-Clause",
        "data_source": "the cohort of the search; its patients are in no file of this folder",
        "data_type": "DICOM",
        "image_classes": "one channel: magnitude image, scaled to [0, 1] by percentiles 1 and 99",
        "label_classes": "0: no tumour in the image, 1: tumour",
        "pred_classes": "one logit, above the threshold: tumour",
        "intended_use": INTENDED_USE,
        "notice": NOTICE,
        "eval_metrics": _measured(record, choice),
        "references": ["Bahadir et al., IEEE TCI 2020", "Lustig, Donoho and Pauly, Magn. Reson. Med. 58, 2007"],
        "network_data_format": _data_format(config, model.side),
        "tune_ks": {
            "format": FORMAT,
            "key": config.key(),
            "config": config.non_default(),
            "image_side": model.side,
            "intensity": settings.get("intensity", "series"),
            "orientation": settings.get("orientation", "canonical"),
            "series": settings.get("series"),
            "acquisition": list(ACQUISITION),
            "sampling_rate": config.sampling_rate,
            "realised_rate": record.realised_rate,
            "operating_point": _point(point),
            "trained_with": {name: record.facts.get(name) for name in ("torch", "python", "device", "cohort")},
            "exported_with": {"python": platform.python_version(), "torch": torch.__version__},
        },
    }


def _measured(record: TrialRecord, choice: dict[str, Any]) -> dict[str, Any]:
    """What this training reached, and the values of its choice: means over seeds, with 90 % intervals."""
    measured: dict[str, Any] = {
        "metric": METRICS[record.metric].title,
        "val": record.val,
        "test": record.test,
        "images": record.images,
        "patients": {role: tuple(pair) for role, pair in (record.patients or {}).items()},
    }
    if choice:
        names = ("rule", "seeds", "val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain")
        measured["of_its_choice"] = {name: choice.get(name) for name in (*names, "intervals", "whose_labels")}
    return measured


def _point(point: OperatingPoint) -> dict[str, Any]:
    values = dataclasses.asdict(point)
    return {"threshold_logit": values.pop("threshold"), **values}


def _data_format(config: TrialConfig, side: int) -> dict[str, Any]:
    """MONAI's description of the tensors; ``acquisition`` may be NaN where a parameter is not known."""
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": 1,
        "spatial_shape": [side, side],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {"0": "image"},
    }
    acquisition = {
        "type": "tuples",
        "format": "values",
        "modality": "n/a",
        "num_channels": len(ACQUISITION),
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(number): name for number, name in enumerate(ACQUISITION)},
    }
    task = task_of(config)
    channels = task.channels(option_values(config)["classifier"])
    is_map = TARGETS[task.target].of_masks
    logit = {
        "type": "image" if is_map else "probabilities",
        "format": "logit",
        "modality": "n/a",
        "num_channels": len(channels),
        "spatial_shape": [side, side] if is_map else [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(number): name for number, name in enumerate(channels)},
    }
    return {"inputs": {"image": image, "acquisition": acquisition}, "outputs": {"pred": logit}}
