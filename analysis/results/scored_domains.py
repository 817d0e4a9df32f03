"""Scored images by the domains of a model: the vendor trained on, the others that count, and the metric on each."""

import math
from typing import Protocol

import numpy as np
import pandas as pd

from analysis.read.class_patients import count_patients
from analysis.statistics.bootstrap import DRAWS, Resampled, patient_weights
from analysis.statistics.measures import MEASURES
from tune_ks.core.domains import is_source, other_vendors
from tune_ks.core.metrics import METRICS


class ScoredImages(Protocol):
    """n images that models were scored on."""

    @property
    def metric(self) -> str:
        """A name in METRICS."""

    @property
    def label(self) -> np.ndarray:
        """(n,) true classes."""

    @property
    def patient(self) -> np.ndarray:
        """(n,) whose each image is."""

    @property
    def vendor(self) -> np.ndarray:
        """(n,) whose scanner took each image."""


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


def resampled_metric(images: ScoredImages, score: np.ndarray, vendor: str) -> Resampled:
    """The metric of (n,) scores on one vendor's images, and on DRAWS draws of its patients.

    The draws are the same for every model and every change of the images, so that differences are paired. An image
    without a score, as one that is in no volume, is left out.
    """
    here = images.vendor == vendor
    patients = np.unique(images.patient[here])
    weights = patient_weights(len(patients), DRAWS, vendor)
    measure = MEASURES[images.metric]
    counted = np.flatnonzero(here)[measure.counts(images.label[here], score[here])]
    label = images.label[counted]
    return measure.resampled(label, score[counted], images.patient[counted], patients, weights)
