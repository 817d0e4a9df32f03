"""Metrics of a task beside the one that chooses: one function a task, of what the run folder keeps of each image."""

from collections.abc import Callable, Mapping

import numpy as np

from tune_ks.data.dataset import Images
from tune_ks.evaluation import froc

Details = Mapping[str, Mapping[str, np.ndarray]]  # vendor -> what Task.details gives of its images; {} of no images
# a name in TASKS -> the function: (n,) labels and one vendor's details -> metric in words -> value
FURTHER: dict[str, Callable[[np.ndarray, Mapping[str, np.ndarray]], dict[str, float]]] = {
    "detection": froc.sensitivities,
}


def further_metrics(task: str, test: Mapping[str, Images], details: Details) -> dict[str, dict[str, float]]:
    """Metric in words -> vendor -> its value on test images; vendors without images are left out."""
    metrics: dict[str, dict[str, float]] = {}
    if task not in FURTHER:
        return metrics
    for vendor, images in test.items():
        if len(images) == 0:
            continue
        for name, value in FURTHER[task](images.label.numpy(), details[vendor]).items():
            metrics.setdefault(name, {})[vendor] = value
    return metrics
