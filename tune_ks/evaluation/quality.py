"""How close reconstructed images are to the fully sampled ones, beside zero-filling; and maps to the true ones."""

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Images
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.scoring import rates_of
from tune_ks.training.tasks.mapping import squared_nrmse

BATCH = 256
WINDOW = 11  # pixels of the SSIM's Gaussian window, whose standard deviation is 1.5


@torch.no_grad()
def reconstruction_quality(
    pipeline: KSpaceClassifier, images: Images, rate: float, device: str = "cpu", parts: int = 1
) -> dict[str, float]:
    """Means over ``images`` with the binary mask: ``psnr`` (dB), ``ssim``, and of zero-filling with the same mask.

    They compare magnitudes with a range of 1 (Wang et al., IEEE TIP 2004; MONAI's). An image that is restored exactly
    has no PSNR and is left out of that mean; NaN where no image is left.
    """
    from monai.metrics.regression import PSNRMetric, SSIMMetric  # takes seconds to import

    metrics = {"psnr": PSNRMetric(1.0, "none"), "ssim": SSIMMetric(2, win_size=min(WINDOW, images.side))}
    pipeline.eval()
    batches: dict[str, list[torch.Tensor]] = {}
    for index in torch.arange(len(images)).split(BATCH // parts):
        image = images.gather(index, device).image
        restored = pipeline.restore(image, torch.full((len(index),), rate, device=device))
        assert restored.measurement is not None  # a network that samples
        full = restored.measurement.full
        estimates = {"": restored.image, "_zero_filled": restored.measurement.zero_filled}
        for suffix, estimate in estimates.items():
            for name, metric in metrics.items():
                batches.setdefault(name + suffix, []).append(torch.as_tensor(metric(estimate, full)).flatten().cpu())
    means = {}
    for name, values in batches.items():
        per_image = torch.cat(values)
        means[name] = per_image[per_image.isfinite()].mean().item()
    return means


@torch.no_grad()
def map_quality(
    pipeline: KSpaceClassifier, images: Images, config: TrialConfig, device: str = "cpu", parts: int = 1
) -> dict[str, float]:
    """Means over ``images`` with the binary mask: ``map_nrmse``, ``map_psnr`` (dB) and ``map_ssim``.

    An NRMSE of 1 is as far off as 0 everywhere. PSNR and SSIM are for a range of 1, which is the window of maps.
    """
    from monai.metrics.regression import PSNRMetric, SSIMMetric  # takes seconds to import

    metrics = {"map_psnr": PSNRMetric(1.0, "none"), "map_ssim": SSIMMetric(2, win_size=min(WINDOW, images.side))}
    pipeline.eval()
    values: dict[str, list[torch.Tensor]] = {}
    for index in torch.arange(len(images)).split(BATCH // parts):
        batch = images.gather(index, device)
        output = pipeline(batch.image, rates_of(config, batch), batch.acquisition)
        values.setdefault("map_nrmse", []).append(squared_nrmse(output, batch.target).sqrt().cpu())
        for name, metric in metrics.items():
            values.setdefault(name, []).append(torch.as_tensor(metric(output, batch.target)).flatten().cpu())
    means = {}
    for name, chunks in values.items():
        per_image = torch.cat(chunks)
        means[name] = per_image[per_image.isfinite()].mean().item()
    return means
