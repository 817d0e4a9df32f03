"""A finished training -> scores of every image, the exported mask, and the quality of its reconstruction."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import SPLITS
from tune_ks.core.seeding import seed_for
from tune_ks.data.dataset import Images, Splits
from tune_ks.evaluation.occupied import mean_energy
from tune_ks.evaluation.quality import map_quality, reconstruction_quality
from tune_ks.evaluation.volumes import volume_measures
from tune_ks.evaluation.without_network import best_answer, is_without_network
from tune_ks.evaluation.yardstick_scores import YardstickScores, yardstick_scores
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.training.noise import Noise
from tune_ks.training.pack import Network
from tune_ks.training.scoring import DRAWS, details_together, score_together
from tune_ks.training.tasks import task_of


class ScoredTraining(NamedTuple):
    """A finished training, scored with the weights of its best epoch and the mask that is exported.

    The scores are those of its task, (n,) in the order of a split's images of one vendor.
    """

    pipeline: KSpaceClassifier
    epoch: int  # the best one, counted from 1; 0 where nothing was trained
    history: list[dict[str, float]]
    scores: dict[str, dict[str, np.ndarray]]  # split -> vendor -> (n,)
    details: dict[str, dict[str, dict[str, np.ndarray]]]  # split -> vendor -> Task.details; {} of a task without
    random_mask_scores: dict[str, np.ndarray]  # vendor -> (DRAWS, n) validation scores under random masks
    mask: np.ndarray  # (W,) or (H, W) bool
    probability: np.ndarray  # same shape, float32
    # vendor -> reconstruction_quality on test images, where R learns, and volume_measures, where the task has them
    quality: dict[str, dict[str, float]]
    yardsticks: YardstickScores
    energy: np.ndarray  # (1, W) or (H, W), mean energy of each coefficient of the training images
    mask_history: np.ndarray | None  # (E, D) float32, by epoch and distance from DC; None of no learned mask
    scored_by: str | None = None  # the yardstick whose scores these are; None where there is a network


def finish_trainings(
    configs: Sequence[TrialConfig],
    splits: Splits,
    states: Sequence[dict[str, Any]],
    device: str = "cpu",
    parts: int = 1,
    every_yardstick: bool = False,
) -> list[ScoredTraining]:
    """Score every validation and test image with the best weights of every training.

    ``states`` are the trainings' last ones. Several must share their ``pack_key``. Images go through the networks in
    ``parts`` of the usual batch, for less memory. ``every_yardstick``: the slow ones too.
    """
    if is_without_network(configs[0]):
        pairs = zip(configs, states, strict=True)
        return [_scored_without_network(config, splits, state, device) for config, state in pairs]
    networks = []
    for config, state in zip(configs, states, strict=True):
        networks.append(_best_network(config, splits.train.side, state, device))
    val = _scores(networks, splits.val, device, parts)
    test = _scores(networks, splits.test, device, parts)
    details = _details(networks, splits, device, parts)
    random_mask_scores = _random_mask_scores(networks, splits.val, val, device, parts)
    finished = []
    for position, (network, state) in enumerate(zip(networks, states, strict=True)):
        mask, probability = exported_mask(network.pipeline, network.config.sampling_rate, device)
        sampling = network.pipeline.sampling
        training = ScoredTraining(
            pipeline=network.pipeline,
            epoch=state["best"]["epoch"],
            history=state["history"],
            scores={"val": _of_network(position, val), "test": _of_network(position, test)},
            details=details[position],
            random_mask_scores=_of_network(position, random_mask_scores),
            mask=mask,
            probability=probability,
            quality=_quality(network, splits.test, device, parts),
            yardsticks=yardstick_scores(network.pipeline, network.config, splits, mask, device, every_yardstick),
            energy=mean_energy(splits.train, sampling.transform, rows=len(sampling.mask.radius)),
            mask_history=_mask_history(state),
        )
        finished.append(training)
    return finished


def _scored_without_network(config: TrialConfig, splits: Splits, state: dict[str, Any], device: str) -> ScoredTraining:
    """The scores of the best of all yardsticks; the mask is fixed, so it is no other one that is drawn at random."""
    pipeline = _best_network(config, splits.train.side, state, device).pipeline.eval()
    mask, probability = exported_mask(pipeline, config.sampling_rate, device)
    yardsticks = yardstick_scores(pipeline, config, splits, mask, device, every=True)
    answer = best_answer(config, splits, yardsticks)
    sampling = pipeline.sampling
    return ScoredTraining(
        pipeline=pipeline,
        epoch=0,
        history=[],
        scores=answer.scores,
        random_mask_scores={vendor: np.stack([scores] * DRAWS) for vendor, scores in answer.scores["val"].items()},
        mask=mask,
        probability=probability,
        quality={},
        yardsticks=yardsticks,
        energy=mean_energy(splits.train, sampling.transform, rows=len(sampling.mask.radius)),
        mask_history=None,
        details={},
        scored_by=answer.yardstick,
    )


@torch.no_grad()
def exported_mask(pipeline: KSpaceClassifier, rate: float, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """The binary mask (bool) and the inclusion probabilities (float32), (W,) for lines and (H, W) for points."""
    mask = pipeline.sampling.mask
    rates = torch.tensor([rate], device=device)
    binary = mask.binary(rates)[0].bool().cpu().numpy()
    probability = mask.probability(rates)[0].float().cpu().numpy()
    if len(binary) == 1:  # lines: (1, W)
        return binary[0], probability[0]
    return binary, probability


def _mask_history(state: dict[str, Any]) -> np.ndarray | None:
    """(E, D) of the state of a whole training; None where not every epoch has its mask."""
    by_epoch = state.get("mask_history", [])
    if not by_epoch or len(by_epoch) != len(state["history"]):
        return None
    return torch.stack(by_epoch).numpy()


def _best_network(config: TrialConfig, side: int, state: dict[str, Any], device: str) -> Network:
    """The network with the weights of the training's best epoch."""
    pipeline = build_pipeline(config, side).to(device)
    pipeline.load_state_dict(state["best"]["weights"])
    return Network(config, pipeline, Noise(seed_for(config.seed, "draws"), device))


def _scores(networks: list[Network], by_vendor: dict[str, Images], device: str, parts: int) -> dict[str, np.ndarray]:
    """vendor -> (M, n) scores of its images by M networks."""
    scores = {}
    for vendor, images in by_vendor.items():
        scores[vendor] = score_together(networks, images, device, parts=parts)
    return scores


def _details(
    networks: list[Network], splits: Splits, device: str, parts: int
) -> list[dict[str, dict[str, dict[str, np.ndarray]]]]:
    """For each network: split -> vendor -> what its task keeps of each image; {} where it keeps nothing."""
    of_networks: list[dict[str, dict[str, dict[str, np.ndarray]]]] = [{} for _ in networks]
    if not task_of(networks[0].config).details_file:
        return of_networks
    for split in SPLITS:
        for vendor, images in getattr(splits, split).items():
            details = details_together(networks, images, device, parts)
            for of_network, values in zip(of_networks, details, strict=True):
                of_network.setdefault(split, {})[vendor] = values
    return of_networks


def _random_mask_scores(
    networks: list[Network], val: dict[str, Images], scores: dict[str, np.ndarray], device: str, parts: int
) -> dict[str, np.ndarray]:
    """vendor -> (M, DRAWS, n) validation scores by M networks, each draw with other random masks.

    ``scores`` are those under the exported mask. Where a network's mask is not random, they are repeated.
    """
    positions = [position for position, network in enumerate(networks) if _samples_at_random(network)]
    chosen = [networks[position] for position in positions]
    drawn = {}
    for vendor, images in val.items():
        drawn[vendor] = np.stack([scores[vendor]] * DRAWS, axis=1)
        if chosen:
            draws = [score_together(chosen, images, device, random_mask=True, parts=parts) for _ in range(DRAWS)]
            drawn[vendor][positions] = np.stack(draws, axis=1)
    return drawn


def _samples_at_random(network: Network) -> bool:
    return network.pipeline.sampling.mask.random and not network.pipeline.nothing_to_sample


def _of_network(position: int, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """vendor -> the scores by the network at this position."""
    return {vendor: by_network[position] for vendor, by_network in scores.items()}


def _quality(network: Network, test: dict[str, Images], device: str, parts: int) -> dict[str, dict[str, float]]:
    """vendor -> quality of maps, of a learned reconstruction, and measures of volumes; {} where there is none."""
    pipeline = network.pipeline
    if task_of(network.config).target == "map":
        return {
            vendor: map_quality(pipeline, images, network.config, device, parts)
            for vendor, images in test.items()
            if len(images)
        }
    reconstructs = pipeline.reconstruction.has_parameters and not pipeline.nothing_to_sample
    is_of_volumes = task_of(network.config).group == "volume"
    quality: dict[str, dict[str, float]] = {}
    for vendor, images in test.items():
        if len(images) == 0 or not (reconstructs or is_of_volumes):
            continue
        quality[vendor] = {}
        if reconstructs:
            quality[vendor] |= reconstruction_quality(pipeline, images, network.config.sampling_rate, device, parts)
        if is_of_volumes:
            quality[vendor] |= volume_measures(network, images, device, parts)
    return quality
