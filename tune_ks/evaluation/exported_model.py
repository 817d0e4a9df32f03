"""A finished trial as one network with its mask inside: magnitude images -> logits, without this program.

It is saved as a program of torch.export (``.pt2``), which needs torch alone: torch.jit is deprecated since torch 2.9.
The file is a zip of raw weights and JSON; nothing in it is pickled, and it names no path of this machine.
"""

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from tune_ks.core.arrays import read_array
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.dataset import ACQUISITION
from tune_ks.evaluation.other_cohort import load_model, side_of
from tune_ks.model.masks.base import Mask
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.model.transforms.base import Transform
from tune_ks.training.tasks import slices_of
from tune_ks.training.views import VIEWS, views_of

WITHOUT_ONNX = {  # member -> why it can not be written as ONNX
    "hqs_net": "it passes complex images through its network, which ONNX does not have",
    "alexnet_hyper": "torch's own exporter to ONNX fails on layers whose kernels are computed",
}


class ExportedMask(NamedTuple):
    """The mask of a trial: (W,) for lines, (H, W) for points."""

    kept: np.ndarray  # bool
    probability: np.ndarray  # float32; of a family that is not learned 0 and 1
    dc: tuple[int, ...]  # the index of DC along each axis of ``kept``


class ExportedModel(nn.Module):
    """(B, 1, S, S) images in [0, 1] and (B, A) acquisition parameters -> (B,) logits, or (B, 1, S, S) of a segmenter.

    Of a task of volumes the images are whole volumes, and the logits (B, parts, S, S): a part is a view of a stage. The
    rate, the temperature and the binary mask are those of the config; nothing is drawn.
    """

    mask: Tensor
    rate: Tensor

    def __init__(self, pipeline: KSpaceClassifier, config: TrialConfig, side: int) -> None:
        super().__init__()
        mask = pipeline.sampling.mask
        temperature = config.options.get("temperature", mask.temperature)
        rate = torch.tensor([config.sampling_rate])
        self.register_buffer("mask", mask.eval().binary(rate).detach().clone())
        self.register_buffer("rate", rate)
        pipeline.sampling.mask = cast(Mask, _Temperature(float(temperature)))  # its parameters are of no use any more
        self.pipeline = pipeline
        self.averages_views = views_of(config) > 1
        self.side = side
        self.slices = slices_of(config)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, acquisition: Tensor) -> Tensor:
        rate = self.rate.expand(image.shape[0])
        restored = self.pipeline.restore(image, rate, self.mask).image
        logit = self.pipeline.classify(restored, rate, acquisition)
        if not self.averages_views:
            return logit
        for axes in VIEWS:
            of_view = self.pipeline.classify(restored.flip(axes), rate, acquisition)
            logit = logit + (of_view.flip(axes) if of_view.dim() == 4 else of_view)
        return logit / (1 + len(VIEWS))


class _Temperature(nn.Module):
    """What the network still asks of its mask."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature


class ByMatrices(Transform):
    """A transform whose masked magnitude is computed by real matrix products, which ONNX has: it has no complex FFT.

    F and F^-1 along an axis are the matrices of what they make of each unit vector. Only ``magnitude`` is there.
    """

    def __init__(self, transform: Transform, side: int) -> None:
        super().__init__(transform.axes)
        along_one = type(transform)()
        unit = torch.eye(side, dtype=torch.float64)
        forward = along_one.forward(unit)
        inverse = along_one.inverse(unit)
        self.forward_parts = _real_and_imaginary(forward)
        self.inverse_parts = _real_and_imaginary(inverse)

    def magnitude(self, image: Tensor, mask: Tensor) -> Tensor:
        real, imaginary = self._along_axes(image, torch.zeros_like(image), self.forward_parts)
        real, imaginary = self._along_axes(mask * real, mask * imaginary, self.inverse_parts)
        return (real * real + imaginary * imaginary).sqrt()

    def _along_axes(self, real: Tensor, imaginary: Tensor, matrix: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of (..., H, W) values after the transform along every axis."""
        of_real, of_imaginary = matrix
        for axis in self.axes:
            real = real.transpose(axis, -1)
            imaginary = imaginary.transpose(axis, -1)
            new_real = real @ of_real - imaginary @ of_imaginary
            new_imaginary = real @ of_imaginary + imaginary @ of_real
            real = new_real.transpose(axis, -1)
            imaginary = new_imaginary.transpose(axis, -1)
        return real, imaginary

    def forward(self, image: Tensor) -> Tensor:
        raise NotImplementedError("an ONNX file holds no k-space, only the magnitude of what the mask leaves")

    def inverse(self, kspace: Tensor) -> Tensor:
        return self.forward(kspace)

    def dc(self, size: int) -> int:
        raise NotImplementedError("an ONNX file holds no index of k-space")


def _real_and_imaginary(values: Tensor) -> tuple[Tensor, Tensor]:
    """Both parts as float32."""
    if values.is_complex():
        return values.real.float(), values.imag.float()
    return values.float(), torch.zeros_like(values).float()


def exported_model(folder: RunFolder, record: TrialRecord) -> ExportedModel:
    """The network of one finished trial.

    ValueError where it was trained on raw k-space, or another package harmonises its images.
    """
    if record.facts.get("coils"):
        raise ValueError(
            f"trial {record.config.key()} was trained on complex images of coils (raw k-space); an exported network "
            "takes magnitude images, so it cannot be exported"
        )
    pipeline = load_model(folder, record)
    if pipeline.harmonisation.beforehand:
        raise ValueError(
            f"trial {record.config.key()} harmonises its images by {record.config.harmonise!r}, which another package "
            "computes: an exported network cannot hold it. Score images with run_search.py evaluate or predict, which "
            "compute it, or export a trial with another harmonise"
        )
    return ExportedModel(pipeline, record.config, side_of(record))


def write_program(model: ExportedModel, path: Path) -> None:
    """Write the network as a program of torch.export, for batches of any size."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about itself
        program = torch.export.export(model, _example(model), dynamic_shapes=_any_batch(model.slices))
        program.example_inputs = None  # they would be pickled
        graphs = [module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
        for graph in graphs:
            for node in graph.nodes:
                node.meta.pop("stack_trace", None)  # it holds paths of this machine
        content = io.BytesIO()
        torch.export.save(program, content)
    write_whole(path, content.getvalue())  # by Python: where the disk is full, torch's own writer aborts the process


def require_onnx(config: TrialConfig) -> None:
    """ValueError where the network can not be written as ONNX, or the packages for it are absent."""
    from importlib.util import find_spec

    used = [config.classifier] if config.is_full else [config.reconstruction, config.classifier]
    for member in used:
        if member in WITHOUT_ONNX:
            raise ValueError(f"--onnx can not hold {member!r}: {WITHOUT_ONNX[member]}. Leave it out, the .pt2 file can")
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ValueError(f"--onnx needs {' and '.join(missing)}: pip install 'tune_ks[onnx]'")


def write_onnx(model: ExportedModel, path: Path) -> None:
    """Write the network as an ONNX file, its transform as matrix products. Changes the model: write it last."""
    sampling = model.pipeline.sampling
    sampling.transform = ByMatrices(sampling.transform, model.side)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            _example(model),
            dynamo=True,
            dynamic_shapes=_any_batch(model.slices),
            input_names=["image", "acquisition"],
            output_names=["logit"],
            verbose=False,
        )
        assert program is not None  # dynamo gives one
        program.save(str(path))


def exported_mask_of(folder: RunFolder, record: TrialRecord, model: ExportedModel) -> ExportedMask:
    """The mask that the model applies, and the probabilities of a learned one as its trial wrote them."""
    kept = model.mask[0].bool().numpy()
    transform = model.pipeline.sampling.transform
    axes = kept.shape if len(kept) > 1 else kept.shape[1:]
    kept = kept.reshape(axes)
    probability = kept.astype(np.float32)
    path = folder.trial(record.config.key(), "probability.npy")
    if record.has_learned_mask() and path.exists():
        probability = read_array(path)
        if probability.shape != kept.shape:
            raise ValueError(f"{path} holds {probability.shape} probabilities, the mask has {kept.shape}")
    return ExportedMask(kept, probability, tuple(transform.dc(size) for size in axes))


def _any_batch(slices: int) -> tuple[dict[int, Any], dict[int, Any]]:
    """torch.export's dynamic shapes of both inputs: one batch size, any multiple of the slices of a volume."""
    batch = torch.export.Dim("batch") if slices == 1 else slices * torch.export.Dim("volumes")
    return {0: batch}, {0: batch}


def _example(model: ExportedModel) -> tuple[Tensor, Tensor]:
    """Two images, as a batch of any size: a single one would be taken for a fixed size."""
    count = 2 * model.slices
    image = torch.zeros(count, 1, model.side, model.side)
    return image, torch.full((count, len(ACQUISITION)), float("nan"))
