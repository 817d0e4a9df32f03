"""A finished training -> scores of every image, the exported mask, and the quality of its reconstruction."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import seed_for
from tune_ks.data.dataset import Splits
from tune_ks.evaluation.quality import reconstruction_quality
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.training.noise import Noise
from tune_ks.training.pack import Network
from tune_ks.training.scoring import DRAWS, score_together


class Outcome(NamedTuple):
    """What a finished training is worth, scored with the weights of its best epoch and the mask that is exported."""

    pipeline: KSpaceClassifier
    epoch: int
    history: list[dict[str, float]]
    scores: dict[str, dict[str, np.ndarray]]  # split -> vendor -> (n,) of the task, in the order of the split's images
    draws: dict[str, np.ndarray]  # vendor -> (DRAWS, n) validation scores under random masks
    mask: np.ndarray  # (W,) or (H, W) bool
    probability: np.ndarray  # same shape, float32
    quality: dict[str, dict[str, float]]  # vendor -> reconstruction_quality on test images; {} where R learns nothing


def finish(config: TrialConfig, splits: Splits, state: dict[str, Any], device: str = "cpu", parts: int = 1) -> Outcome:
    """Score every validation and test image with the best weights of a training's last ``state``."""
    return finish_together([config], splits, [state], device, parts)[0]


def finish_together(
    configs: Sequence[TrialConfig],
    splits: Splits,
    states: Sequence[dict[str, Any]],
    device: str = "cpu",
    parts: int = 1,
) -> list[Outcome]:
    """``finish`` of several trainings that share their images."""
    networks = []
    for config, state in zip(configs, states, strict=True):
        pipeline = build_pipeline(config, splits.train.side).to(device)
        pipeline.load_state_dict(state["best"]["weights"])
        networks.append(Network(config, pipeline, Noise(seed_for(config.seed, "draws"), device)))
    scores = {
        split: {
            v: score_together(networks, images, device, parts=parts) for v, images in getattr(splits, split).items()
        }
        for split in ("val", "test")
    }
    by_chance = [one for one in networks if one.pipeline.sampling.mask.random and not one.pipeline.nothing_to_sample]
    draws = {
        vendor: np.stack([score_together(by_chance, images, device, True, parts) for _ in range(DRAWS)], axis=1)
        for vendor, images in (splits.val.items() if by_chance else ())
    }  # vendor -> (M, DRAWS, n)
    outcomes = []
    for position, (network, state) in enumerate(zip(networks, states, strict=True)):
        config, pipeline, _ = network
        mask, probability = exported_mask(pipeline, config.sampling_rate, device)
        quality = {}
        if not pipeline.nothing_to_sample and any(True for _ in pipeline.reconstruction.parameters()):
            for vendor, images in splits.test.items():
                quality[vendor] = reconstruction_quality(pipeline, images, config.sampling_rate, device, parts)
        own = {split: {v: each[position] for v, each in of_split.items()} for split, of_split in scores.items()}
        drawn = {vendor: np.stack([one] * DRAWS) for vendor, one in own["val"].items()}  # each draw is the same
        if network in by_chance:
            drawn = {vendor: each[by_chance.index(network)] for vendor, each in draws.items()}
        best, history = state["best"]["epoch"], state["history"]
        outcomes.append(Outcome(pipeline, best, history, own, drawn, mask, probability, quality))
    return outcomes


@torch.no_grad()
def exported_mask(pipeline: KSpaceClassifier, rate: float, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """The binary mask (bool) and the inclusion probabilities (float32), (W,) for lines and (H, W) for points."""
    mask = pipeline.sampling.mask
    rates = torch.tensor([rate], device=device)
    binary = mask.binary(rates)[0].bool().cpu().numpy()
    probability = mask.probability(rates)[0].float().cpu().numpy()
    return (binary[0], probability[0]) if len(binary) == 1 else (binary, probability)
