"""Measures of volumes beside the Dice of the lesion: its volume, its surface, and the organ.

AVD = | |P| - |T| | in ml,   HD = max( max_p min_t |p - t|, max_t min_p |p - t| ) in mm over the surfaces of P and T
"""

import warnings

import numpy as np
import torch
from torch import Tensor

from tune_ks.data.dataset import ACQUISITION, Batch, Images
from tune_ks.training.pack import Network
from tune_ks.training.scoring import outputs_of
from tune_ks.training.tasks.segmentation import dice
from tune_ks.training.tasks.volume import LESION, ORGAN, by_volume, in_stages, voted, voted_lesion


def volume_measures(network: Network, images: Images, device: str = "cpu", parts: int = 1) -> dict[str, float]:
    """Means over the volumes of one vendor; {} where it has none.

    ``volume_avd_ml``; ``volume_hd_mm`` over the volumes for which a lesion was drawn and predicted; ``volume_empty``,
    the share of the volumes with a lesion for which none was predicted; ``volume_organ_dice`` where the network has a
    stage for the organ.
    """
    of_volumes: dict[str, list[Tensor]] = {}
    for batch, (output,) in outputs_of([network], images, device, parts=parts):
        for name, values in _of_batch(output, batch).items():
            of_volumes.setdefault(name, []).append(values.cpu())
    return {name: torch.cat(values).nanmean().item() for name, values in of_volumes.items()}


def _of_batch(output: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Name of a measure -> (V,) values, NaN where it is not defined."""
    truth = by_volume(batch.target)
    drawn = truth[:, LESION]
    predicted = voted_lesion(output)
    voxel_mm = voxel_mm_of(batch.acquisition, output.shape[-1])
    has_lesion = drawn.sum(1) > 0
    is_empty = (predicted.sum(1) == 0).float()
    measures = {
        "volume_avd_ml": (predicted.sum(1) - drawn.sum(1)).abs() * voxel_mm.prod(1) / 1000,
        "volume_hd_mm": hausdorff_mm(cubes(predicted), cubes(drawn), voxel_mm),
        "volume_empty": torch.where(has_lesion, is_empty, torch.nan),
    }
    stages = in_stages(by_volume(output))
    if len(stages) == 2:
        organ = voted(stages[0])
        known = truth[:, ORGAN]
        measures["volume_organ_dice"] = dice((organ * known).sum(1), organ.sum(1), known.sum(1))
    return measures


def voxel_mm_of(acquisition: Tensor, slices: int) -> Tensor:
    """(V S, A) acquisition parameters -> (V, 3) sides of a voxel: slice thickness, row, column; NaN if not known."""
    first = acquisition[::slices]
    spacing = first[:, ACQUISITION.index("spacing_mm")]
    thickness = first[:, ACQUISITION.index("thickness_mm")]
    return torch.stack([thickness, spacing, spacing], dim=1)


def cubes(volumes: Tensor) -> Tensor:
    """(V, S^3) -> (V, 1, S, S, S)."""
    side = round(volumes.shape[1] ** (1 / 3))
    return volumes.reshape(-1, 1, side, side, side)


def hausdorff_mm(predicted: Tensor, drawn: Tensor, voxel_mm: Tensor) -> Tensor:
    """(V, 1, S, S, S) masks of 0 and 1, (V, 3) voxels -> (V,); NaN where a mask is empty or the voxel is not known."""
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance  # takes seconds to import

    distances = np.full(len(drawn), np.nan)
    for number in range(len(drawn)):
        is_defined = bool(predicted[number].any() and drawn[number].any() and voxel_mm[number].isfinite().all())
        if is_defined:
            pair = predicted[number : number + 1].cpu(), drawn[number : number + 1].cpu()
            spacing = voxel_mm[number].tolist()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of MONAI, about itself
                distance = compute_hausdorff_distance(*pair, include_background=True, spacing=spacing)
            distances[number] = distance.item()
    return torch.from_numpy(distances)
