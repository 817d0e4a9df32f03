"""Where in an image a classifier sees its evidence: occlusion sensitivity (Zeiler and Fergus, ECCV 2014), by MONAI.

MONAI's GradCAM needs the name of a layer of each network, and its map has that layer's few cells (3 x 3 of an AlexNet
at 64 pixels), too coarse to say where a small tumour is. Occlusion asks the network alone, so that it is the same for
every classifier, those of the user too, and its detail is that of the window.
"""

import warnings

import torch
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import seed_for
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline

WINDOW = 4  # windows an image's side has
OVERLAP = 0.5  # of neighbouring windows
TOGETHER = 64  # occluded images that are scored at once


class _Logit(nn.Module):
    """(B, 1, S, S) restored images of one acquisition -> (B, 1) logits; the views of test-time flips are left out."""

    def __init__(self, pipeline: KSpaceClassifier, rate: Tensor, acquisition: Tensor) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.rate = rate
        self.acquisition = acquisition

    def forward(self, image: Tensor) -> Tensor:
        count = len(image)
        logit = self.pipeline.classify(image, self.rate.expand(count), self.acquisition.expand(count, -1))
        return logit[:, None]


@torch.no_grad()
def saliency(pipeline: KSpaceClassifier, restored: Tensor, rate: Tensor, acquisition: Tensor) -> Tensor:
    """(1, 1, S, S) restored image, (1,) rate, (1, A) acquisition -> (S, S): how much the logit falls without each part.

    A window of a quarter of the side is darkened (a Gaussian) and moved by half its width; maps of windows that overlap
    are averaged.
    """
    from monai.visualize.occlusion_sensitivity import OcclusionSensitivity  # takes seconds to import

    logit = _Logit(pipeline, rate, acquisition)
    window = max(1, restored.shape[-1] // WINDOW)
    occlude = OcclusionSensitivity(
        logit, mask_size=window, n_batch=TOGETHER, verbose=False, overlap=OVERLAP, activate=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using a non-tuple sequence")  # of MONAI 1.6 itself
        occluded, _ = occlude(restored)
    return logit(restored)[0, 0] - torch.as_tensor(occluded)[0, 0]


def with_random_weights(pipeline: KSpaceClassifier, config: TrialConfig) -> KSpaceClassifier:
    """The pipeline of the same mask and reconstruction, with a classifier that has learned nothing.

    A saliency that shows the same for it does not tell what was learned (Adebayo et al., NeurIPS 2018).
    """
    device = next(pipeline.classifier.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.seed, "randomised weights"))
        fresh = build_pipeline(config, pipeline.sampling.mask.radius.shape[-1])
    fresh.load_state_dict(pipeline.state_dict() | _of_classifier(fresh))
    fresh.nothing_to_sample = pipeline.nothing_to_sample
    return fresh.to(device).eval()


def _of_classifier(pipeline: KSpaceClassifier) -> dict[str, Tensor]:
    """The classifier's part of the state."""
    return {name: value for name, value in pipeline.state_dict().items() if name.startswith("classifier.")}
