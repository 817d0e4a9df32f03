"""The pointing game: how often the point of most evidence lies in the tumour (Zhang et al., IJCV 2018).

It is played on positive test images only, at most MOST a vendor.

Beside it stand what needs no look at the image (the share of an image that a tumour covers; the position that lies in
more of these images' tumours than any other) and a network with random weights.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tune_ks.core.arrays import write_npz
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath
from tune_ks.data.dataset import Images, all_images
from tune_ks.data.progress import Progress, silent
from tune_ks.evaluation.line_occlusion import mask_at_test
from tune_ks.evaluation.other_cohort import load_model, require_fits
from tune_ks.evaluation.saliency import saliency, with_random_weights
from tune_ks.evaluation.scored_table import numbered_patients
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.precision import scoring_device

MOST = 60  # images a vendor, so that it stays seconds a model
SHOWN = 2  # images whose saliency is kept


class Chosen(NamedTuple):
    """The P images that the game is played on."""

    images: Images  # of the whole table
    place: np.ndarray  # (P,) in the table
    masks: np.ndarray  # (P, S, S) bool, the tumours
    vendor: np.ndarray  # (P,)
    patient: np.ndarray  # (P,) numbers
    available: dict[str, int]  # vendor -> its positive images with a mask, of which some were chosen


class Pictures(NamedTuple):
    """SHOWN images, or fewer, as K models get them, uint8."""

    image: np.ndarray  # (K, 2, S, S) after sampling
    saliency: np.ndarray  # (K, 2, S, S) 0: no evidence for a tumour; 255: the most in this image
    outline: np.ndarray  # (2, S, S) bool, the tumour


class Pointing(NamedTuple):
    """Whether each of K models hits the tumour in each of P images."""

    keys: list[str]
    chosen: Chosen
    hit: np.ndarray  # (K, P) bool
    random_hit: np.ndarray  # (K, P) bool, with random weights
    pictures: Pictures

    def said(self) -> list[str]:
        """One line a vendor: how many of its images."""
        lines = []
        for vendor, count in self.chosen.available.items():
            used = int((self.chosen.vendor == vendor).sum())
            lines.append(f"saliency of {used} of the {count} test images of {vendor} that show a tumour")
        return lines


def pointing_game(
    folder: RunFolder,
    keys: list[str],
    table: pd.DataFrame,
    images_npy: Path,
    masks_npy: Path,
    progress: Progress = silent,
) -> Pointing | None:
    """Play it with the classifiers of ``keys`` on positive images of ``table``; None where no image has a mask."""
    device = scoring_device()
    chosen = chosen_images(table, images_npy, masks_npy)
    if len(chosen.place) == 0:
        return None
    shown = _shown(chosen.vendor)
    hit = np.zeros((2, len(keys), len(chosen.place)), bool)
    side = chosen.images.side
    image = np.zeros((len(keys), len(shown), side, side), np.uint8)
    maps = np.zeros_like(image)
    for k, key in enumerate(keys):
        record = folder.read_record(key)
        require_fits(record, chosen.images)
        model = load_model(folder, record, device)
        models = (model, with_random_weights(model, record.config))
        for place, (restored, of_models) in enumerate(_saliencies(models, record.config, chosen, device)):
            for which, of_model in enumerate(of_models):
                hit[which, k, place] = chosen.masks[place].flat[int(of_model.argmax())]
            if place in shown:
                image[k, shown.index(place)] = _as_bytes(restored)
                maps[k, shown.index(place)] = _as_bytes(of_models[0] / max(float(of_models[0].max()), 1e-12))
            progress("saliency", k * len(chosen.place) + place + 1, len(keys) * len(chosen.place))
    return Pointing(keys, chosen, hit[0], hit[1], Pictures(image, maps, chosen.masks[shown]))


def chosen_images(table: pd.DataFrame, images_npy: Path, masks_npy: Path) -> Chosen:
    """At most MOST positive images a vendor that have a mask, spread evenly over the table, and so over patients."""
    images = all_images(table, images_npy, masks_npy)
    (positive,) = np.nonzero(table["label"].to_numpy() == 1)
    has_mask = [bool(images.target(torch.tensor([place])).any()) for place in positive.tolist()]
    positive = positive[np.array(has_mask, bool)]
    vendors = table["vendor"].to_numpy(str)
    places: list[int] = []
    counts = {}
    for vendor in np.unique(vendors).tolist():
        of_vendor = positive[vendors[positive] == vendor]
        counts[vendor] = len(of_vendor)
        spread = np.linspace(0, len(of_vendor) - 1, min(MOST, len(of_vendor))).round().astype(int)
        places += of_vendor[spread].tolist()
    masks = images.target(torch.tensor(places, dtype=torch.int64))[:, 0].numpy() != 0
    patient = numbered_patients(table)
    return Chosen(images, np.array(places, int), masks, vendors[places], patient[places], counts)


def _shown(vendor: np.ndarray) -> list[int]:
    """Places of SHOWN of the images: the middle one of each vendor, or two of a single vendor."""
    places = []
    for name in np.unique(vendor):
        (here,) = np.nonzero(vendor == name)
        places.append(int(here[len(here) // 2]))
    if len(places) == 1 and len(vendor) > 1:
        places.append(len(vendor) // 2 - 1)
    return sorted(places[:SHOWN])


def _saliencies(
    models: tuple[KSpaceClassifier, ...], config: TrialConfig, chosen: Chosen, device: str
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Each image after sampling (S, S), and its saliency (S, S) for each model; all have the same mask and R."""
    model = models[0]
    mask = mask_at_test(model, config, device)
    for other in models[1:]:
        mask_at_test(other, config, device)  # evaluation mode, and the temperature that conditions a classifier
    rate = torch.full((1,), config.sampling_rate, device=device)
    for place in chosen.place.tolist():
        batch = chosen.images.gather(torch.tensor([place]), device)
        with torch.no_grad():
            restored = model.restore(batch.image, rate, mask).image
        of_models = [saliency(other, restored, rate, batch.acquisition).cpu() for other in models]
        yield restored[0, 0].cpu(), of_models


def _as_bytes(values: Tensor) -> np.ndarray:
    """Values in [0, 1] (others are moved there) -> uint8."""
    return (255 * values.clamp(0, 1)).round().to(torch.uint8).numpy()


def write_pointing(folder: RunFolder, name: str, result: Pointing) -> StoragePath:
    """Write RUN/explained/NAME_pointing.npz; returns the path. Patients are numbered there, without their ids."""
    chosen = result.chosen
    npz = folder.root / "explained" / f"{name}_pointing.npz"
    write_npz(
        npz,
        keys=np.array(result.keys),
        vendor=chosen.vendor,
        patient=chosen.patient,
        available=np.array([chosen.available[vendor] for vendor in chosen.vendor.tolist()], np.int32),
        hit=result.hit,
        random_hit=result.random_hit,
        area=chosen.masks.mean((1, 2)).astype(np.float32),
        fixed_hit=fixed_hits(chosen.masks, chosen.vendor),
        image=result.pictures.image,
        saliency=result.pictures.saliency,
        outline=result.pictures.outline,
    )
    return npz


def fixed_hits(masks: np.ndarray, vendor: np.ndarray) -> np.ndarray:
    """(P,) whether the position that lies in the most masks of its vendor lies in each mask (P, S, S)."""
    hits = np.zeros(len(masks), bool)
    for name in np.unique(vendor):
        here = vendor == name
        best = masks[here].sum(0).argmax()
        hits[here] = masks[here].reshape(here.sum(), -1)[:, best]
    return hits
