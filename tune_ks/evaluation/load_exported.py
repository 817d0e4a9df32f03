"""Score magnitude images with the model in this folder. It needs torch, and nothing else.

    python load_exported.py SERIES.npy            a line an image: logit, probability, whether above the threshold
    python load_exported.py SERIES.npy --scaled   the images are scaled already: S x S pixels in [0, 1]

SERIES.npy holds the magnitude images of ONE series of one patient, (n, H, W) or (H, W), all slices of it: they are
scaled together by their percentiles. Rows and columns must run as in the images that the model was trained on (axial:
the patient's left to the right of the image, back below; DICOM's ImageOrientationPatient 1, 0, 0, 0, 1, 0), and pixels
must be as wide as high. For research only: this is no medical device.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

DTYPES = {
    "<f4": torch.float32,
    "<f8": torch.float64,
    "<u2": torch.uint16,
    "<i2": torch.int16,
    "<i4": torch.int32,
    "<i8": torch.int64,
    "|u1": torch.uint8,
}
LOW, HIGH = 1.0, 99.0  # percentiles of a series that become 0 and 1
MOST_PIXELS = 2**24  # that the percentiles are taken from; of more, a regular subset is
BATCH = 64


class Exported(NamedTuple):
    """The network, and what metadata.json says of it."""

    network: Any  # (B, 1, S, S) images and (B, A) acquisition parameters -> (B,) logits
    side: int  # S
    intensity: str  # series: percentiles of all images together; image: of each image alone
    acquisition: list[str]  # the names of the A parameters
    threshold: float | None  # a logit
    notice: str


def load_exported(folder: Path) -> Exported:
    """The model of a folder that ``run_search.py export`` wrote."""
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    facts = metadata["tune_ks"]
    program = torch.export.load(folder / "models" / "model.pt2")
    return Exported(
        network=program.module(),
        side=facts["image_side"],
        intensity=facts["intensity"],
        acquisition=facts["acquisition"],
        threshold=facts["operating_point"]["threshold_logit"],
        notice=metadata["notice"],
    )


def scaled(series: Tensor, side: int, intensity: str = "series") -> Tensor:
    """(n, H, W) magnitude images of one series -> (n, 1, S, S) in [0, 1], as the model's cohort was made.

    Each is padded with zeros to a square and shrunk by a central crop of its k-space; then the 1st percentile of all
    pixels becomes 0 and the 99th becomes 1. ValueError where an image is too small or has no contrast.
    """
    small = torch.stack([cropped(padded(image.float()), side) for image in series])
    if intensity == "image":
        limits = [percentiles(image[None]) for image in small]
    else:
        limits = [percentiles(small)] * len(small)
    images = []
    for image, (low, high) in zip(small, limits):
        if not high > low:
            raise ValueError("an image has the same value everywhere")
        images.append(((image.double() - low) / (high - low)).clamp(0, 1).float())
    return torch.stack(images)[:, None]


def padded(image: Tensor) -> Tensor:
    """(H, W) -> (N, N), N = max(H, W), zeros around the centred image."""
    height, width = image.shape
    side = max(height, width)
    square = torch.zeros(side, side)
    top = (side - height) // 2
    left = (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def cropped(image: Tensor, side: int) -> Tensor:
    """(N, N) -> (S, S): the magnitude of the centre of k-space, scaled so that the mean is kept."""
    size = len(image)
    if side > size:
        raise ValueError(f"an image of {size} pixels a side cannot be enlarged to {side}")
    if side == size:
        return image
    kspace = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(image.double()), norm="ortho"))
    start = size // 2 - side // 2
    centre = torch.fft.ifftshift(kspace[start : start + side, start : start + side])
    small = torch.fft.fftshift(torch.fft.ifft2(centre, norm="ortho"))
    return (small.abs() * (side / size)).float()


def percentiles(images: Tensor) -> tuple[float, float]:
    """The values at LOW and HIGH percent of all pixels, interpolated between the two nearest ranks."""
    stride = -(-images.numel() // MOST_PIXELS) | 1
    pixels = torch.cat([image.flatten()[::stride] for image in images]).double().sort().values
    values = []
    for percent in (LOW, HIGH):
        position = percent / 100 * (len(pixels) - 1)
        below = int(position)
        above = min(below + 1, len(pixels) - 1)
        values.append(float(pixels[below] + (pixels[above] - pixels[below]) * (position - below)))
    return values[0], values[1]


@torch.no_grad()
def logits(model: Exported, images: Tensor, acquisition: Tensor | None = None) -> Tensor:
    """(n, 1, S, S) images in [0, 1] -> (n,) logits. ``acquisition`` (n, A), NaN where a parameter is not known."""
    if acquisition is None:
        acquisition = torch.full((len(images), len(model.acquisition)), float("nan"))
    pairs = zip(images.split(BATCH), acquisition.split(BATCH))
    return torch.cat([model.network(*pair) for pair in pairs])


def read_npy(path: Path) -> Tensor:
    """The array of a .npy file of numbers, as NumPy writes it. ValueError for any other file."""
    content = path.read_bytes()
    if content[:6] != b"\x93NUMPY":
        raise ValueError(f"{path} is no .npy file")
    start = 10 if content[6] == 1 else 12
    end = start + int.from_bytes(content[8:start], "little")
    header = ast.literal_eval(content[start:end].decode("latin1"))
    if header["descr"] not in DTYPES or header["fortran_order"]:
        raise ValueError(f"{path} must hold numbers in C order, got {header['descr']}")
    values = torch.frombuffer(bytearray(content[end:]), dtype=DTYPES[header["descr"]])
    return values.reshape(header["shape"])


def main(words: list[str]) -> int:
    """Print a table of the images of one file."""
    files = [word for word in words if not word.startswith("--")]
    if len(files) != 1 or not set(words) <= {*files, "--scaled"}:
        print(__doc__)
        return 2
    model = load_exported(Path(__file__).resolve().parent)
    series = read_npy(Path(files[0]))
    series = series[None] if series.dim() == 2 else series
    images = series.float()[:, None] if "--scaled" in words else scaled(series, model.side, model.intensity)
    print(f"# {model.notice}")
    print("image,logit,probability,above_threshold")
    for number, logit in enumerate(logits(model, images).tolist()):
        above = "unknown" if model.threshold is None else str(logit > model.threshold).lower()
        print(f"{number},{logit:.9g},{torch.sigmoid(torch.tensor(logit)):.6f},{above}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
