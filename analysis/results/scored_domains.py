"""Which vendors among scored images a model's domains are: the one trained on, and the others that count."""

import math
from typing import Protocol

import numpy as np
import pandas as pd

from analysis.read.class_patients import count_patients
from tune_ks.core.domains import is_source, other_vendors
from tune_ks.core.metrics import METRICS


class ScoredImages(Protocol):
    """n images that models were scored on."""

    metric: str  # a name in METRICS
    label: np.ndarray  # (n,)
    patient: np.ndarray  # (n,)
    vendor: np.ndarray  # (n,)


def scored_domains(images: ScoredImages, vendor: str) -> dict[str, list[str]]:
    """Domain -> its vendors among the images, for models trained on ``vendor``; without a domain that has none."""
    scores, patients = {}, {}
    for name in np.unique(images.vendor).tolist():
        here = images.vendor == name
        labels = set(np.unique(images.label[here]).tolist())
        has_value = labels >= set(METRICS[images.metric].classes)
        scores[name] = 1.0 if has_value else math.nan  # any number: it has a value
        patients[name] = count_patients(pd.Series(images.label[here]), pd.Series(images.patient[here]))
    domains = {
        "in_domain": [name for name in scores if is_source(name, vendor)],
        "cross_domain": list(other_vendors(scores, vendor, patients, METRICS[images.metric].classes).counted),
    }
    return {domain: names for domain, names in domains.items() if names}
