"""A cohort's table -> tensors: the rows of one split and vendor, with pixels read from a memory-mapped array."""

import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from tune_ks.core.domains import ClassPatients, require_others, sources_of
from tune_ks.core.storage import StoragePath, storage_path
from tune_ks.data.cohort.table import read_table, training_patients, words_of_table
from tune_ks.data.dipole import GEOMETRY
from tune_ks.data.layouts.items import SPLITS
from tune_ks.data.volumes import LESION, ORGAN, require_cube, volume_rows

ACQUISITION = ("field_t", "tr_ms", "te_ms", "flip_deg", "acquired_ratio", "spacing_mm", "thickness_mm")
RESIDENT_SHARE = 1 / 4  # of a GPU's free memory: the images of a split and vendor up to this size are kept there
CHUNK = 256  # images that are processed, or copied to a GPU, at once


class Batch(NamedTuple):
    """The images that the network is given at once, and what is known of them."""

    image: torch.Tensor  # (B, 1, S, S) float32 in [0, 1]; of raw k-space (B, coils, S, S) complex64
    label: torch.Tensor  # (B,) float32: 0, 1; NaN unknown
    # (B, A) float32, A = len(ACQUISITION), of maps with GEOMETRY behind them; NaN where the file does not say
    acquisition: torch.Tensor
    patient: torch.Tensor  # (B,) int64, the patient's number in the cohort
    target: torch.Tensor  # (B, 1, S, S) float32: 1 where the tumour is, or the true map; (B, 0, S, S) without either;
    # (B, 2, S, S) of volumes: 1 where the organ is, and 1 where its lesion is


class Images:
    """Some rows of a cohort. Labels and acquisition are in memory; pixels stay in the file that all processes share.

    ``rows`` (n,) int64 are row numbers of the cohort's table, ``label`` (n,) float32, ``patient`` (n,) int64 counts the
    cohort's patients in order of their id, ``acquisition`` (n, A) float32 has the columns of ACQUISITION, then those of
    GEOMETRY where the table has them.

    ``pixels`` are (N, S, S) float32, of raw k-space (N, coils, S, S) complex64, and ``masks`` (N, S, S) uint8, of maps
    float32: all N rows of the cohort. ``chosen`` (n,) are the places that are taken. Where ``slices`` is above 1, so
    many consecutive images are a volume, and targets hold the organ and its lesion.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        pixels: np.ndarray,
        chosen: np.ndarray,
        masks: np.ndarray | None = None,
        slices: int = 1,
    ) -> None:
        self._pixels = pixels
        self._masks = masks
        self._bits = (LESION,) if slices == 1 else (ORGAN, LESION)  # of the mask's pixels: the channels of a target
        if slices > 1:
            require_cube(pixels.shape[-1], slices)
            chosen = volume_rows(table, chosen, slices)
        self._resident: dict[torch.device, Batch | None] = {}  # all images on a GPU, target as uint8; None: no room
        patient = np.unique(table["patient_id"].to_numpy(dtype=str), return_inverse=True)[1]
        geometry = [name for name in GEOMETRY if name in table]
        ratio = table["acquired_width"] / table["width"]
        acquisition = table.assign(acquired_ratio=ratio)[[*ACQUISITION, *geometry]]
        self.rows = torch.from_numpy(table["row"].to_numpy(dtype=np.int64)[chosen])
        self._at = self.rows  # index of each image in the pixels
        self.label = torch.from_numpy(table["label"].to_numpy(dtype=np.float32)[chosen])
        self.patient = torch.from_numpy(patient.astype(np.int64)[chosen])
        self.vendor = table["vendor"].to_numpy(dtype=str)[chosen]  # (n,), on the host alone
        self.acquisition = torch.from_numpy(acquisition.to_numpy(dtype=np.float32)[chosen])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """S, pixels a side."""
        return int(self._pixels.shape[-1])

    @property
    def coils(self) -> int:
        """Channels of complex coil images; 0 of magnitude images."""
        return int(self._pixels.shape[1]) if self._pixels.ndim == 4 else 0

    def class_patients(self) -> ClassPatients:
        """The patients with an image of each class."""
        with_tumour = len(self.patient[self.label == 1].unique())
        return ClassPatients(with_tumour, len(self.patient[self.label == 0].unique()))

    @property
    def identity(self) -> tuple[str, int, bytes] | None:
        """Equal for the same images of the same file, in any object; None where the pixels are not those of a file."""
        if self.file is None:
            return None
        return str(self.file), self.file.stat().st_mtime_ns, self.rows.numpy().tobytes()

    @property
    def file(self) -> Path | None:
        """The file that the pixels are read from; None where they were computed (``seen_through``)."""
        path = getattr(self._pixels, "filename", None)
        return None if path is None else Path(path)

    @property
    def of_file(self) -> np.ndarray:
        """(N, S, S) all images of the file, those of other rows too."""
        return self._pixels

    def gather(self, index: torch.Tensor, device: torch.device | str = "cpu") -> Batch:
        """The images at positions ``index`` (B,) int64 of this object, in that order, on ``device``.

        Does not wait for the GPU where the images are kept there and ``index`` lies there too (at ``home(device)``).
        """
        device = torch.device(device)
        index = index.to(self.home(device))
        resident = self._resident[device]
        if resident is None:
            batch = _on_device(self._batch(index), device)
        else:
            batch = Batch(*(values[index] for values in resident))
        return batch._replace(target=batch.target.float())

    def home(self, device: torch.device | str) -> torch.device:
        """Where ``gather`` takes the images for ``device`` from: that GPU if they fit there, else the CPU."""
        device = torch.device(device)
        if device not in self._resident:
            fits = device.type == "cuda" and self._bytes() <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
            self._resident = {device: self._copy_all(device) if fits else None}
        return torch.device("cpu") if self._resident[device] is None else device

    def _bytes(self) -> int:
        """Bytes of all images as they are stored, and of their targets as ``gather`` keeps them."""
        bytes_per_pixel = self._pixels.itemsize * max(1, self.coils)
        if self._masks is not None:
            bytes_per_pixel += self._masks.itemsize * len(self._bits)
        return len(self) * self.side**2 * bytes_per_pixel

    def _copy_all(self, device: torch.device) -> Batch:
        chunks = [_on_device(self._batch(index), device) for index in torch.arange(len(self)).split(CHUNK)]
        return Batch(*(torch.cat(values) for values in zip(*chunks)))

    def _batch(self, index: torch.Tensor) -> Batch:
        """The images at positions ``index`` on the CPU, with the target as uint8."""
        return Batch(
            image=self._image(index),
            label=self.label[index],
            acquisition=self.acquisition[index],
            patient=self.patient[index],
            target=self.target(index),
        )

    def seen_through(self, lens: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> "Images":
        """The same images after ``lens``, computed now and kept in memory: 4 n S^2 bytes.

        ``lens`` maps images as ``gather`` gives them and their row numbers (B,) to images (B, 1, S, S).
        """
        seen = copy.copy(self)
        seen._pixels = np.empty((len(self), self.side, self.side), dtype=np.float32)
        for index in torch.arange(len(self)).split(CHUNK):
            seen._pixels[index.numpy()] = lens(self._image(index), self.rows[index]).cpu()[:, 0].numpy()
        seen._at = torch.arange(len(self))
        seen._resident = {}
        return seen

    def and_those_of(self, others: "list[Images]") -> "Images":
        """These images and then those of ``others``, which are rows of the same cohort; itself where there are none."""
        if not others:
            return self
        all_of_them = copy.copy(self)
        parts = [self, *others]
        for name in ("rows", "_at", "label", "patient", "acquisition"):
            setattr(all_of_them, name, torch.cat([getattr(part, name) for part in parts]))
        all_of_them.vendor = np.concatenate([part.vendor for part in parts])
        all_of_them._resident = {}
        return all_of_them

    def in_chunks(self) -> Iterator[torch.Tensor]:
        """All images in their order, in tensors of at most CHUNK, as ``gather`` gives them."""
        for index in torch.arange(len(self)).split(CHUNK):
            yield self._image(index)

    def target(self, index: torch.Tensor) -> torch.Tensor:
        """The targets at positions ``index`` (B,) with the shape of Batch.target: uint8, or float32 of maps."""
        if self._masks is None:
            return torch.empty(len(index), 0, self.side, self.side, dtype=torch.uint8)
        masks = torch.from_numpy(np.asarray(self._masks[self.rows[index].numpy()]))
        if masks.is_floating_point():  # maps
            return masks[:, None]
        return torch.stack([(masks & bit != 0).to(torch.uint8) for bit in self._bits], dim=1)

    def _image(self, index: torch.Tensor) -> torch.Tensor:
        pixels = self._pixels[self._at[index].numpy()]
        if self.coils:
            return torch.from_numpy(np.asarray(pixels, dtype=np.complex64))
        return torch.from_numpy(np.asarray(pixels, dtype=np.float32))[:, None]


def _on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device. For a GPU it goes through pinned memory, so that the host does not wait for the copy."""
    if device.type != "cuda":
        return Batch(*(values.to(device) for values in batch))
    return Batch(*(values.pin_memory().to(device, non_blocking=True) for values in batch))


class Splits(NamedTuple):
    """The images of one trial. Test patients are the same whichever vendor is the source."""

    train: Images  # of the source vendor, or of all that are trained on
    # a source vendor's val rows; of every other vendor all train and val rows, but for patients of ``train``
    val: dict[str, Images]
    test: dict[str, Images]  # every vendor's test rows


def open_splits(
    cohort_csv: StoragePath,
    images_npy: Path,
    vendor: str,
    masks_npy: Path | None = None,
    train_share: float = 1.0,
    slices: int = 1,
) -> Splits:
    """The splits of a trial whose source is ``vendor``, or several (GE+SIEMENS).

    ValueError for an unknown vendor, for no other vendor than several sources, and for a table without splits.

    Where ``slices`` is above 1, the images are those of whole volumes, each of so many slices (``volume_rows``).
    ``train_share`` of its training patients are trained on; the others are left out of the trial. A training patient
    who was also scanned by another vendor validates nothing, whatever the share.
    """
    table = _table(str(cohort_csv), cohort_csv.stat().st_mtime_ns)
    pixels = _pixels(images_npy, table)
    masks = _masks(masks_npy, table)
    known = sorted(table["vendor"].unique())
    sources = sources_of(vendor)
    for source in sources:
        if source not in known:
            raise ValueError(f"the cohort has no {words_of_table(table).one} {source!r}; it has {', '.join(known)}")
    require_others(vendor, known)
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        raise ValueError(f"{cohort_csv}: split must be one of {', '.join(SPLITS)}; it also holds {unknown[0]!r}")

    def images(name: str, *splits: str, without: frozenset[str] = frozenset()) -> Images:
        wanted = (table["vendor"] == name) & table["split"].isin(splits) & ~table["patient_id"].isin(without)
        return Images(table, pixels, np.flatnonzero(wanted), masks, slices)

    is_trained = table["vendor"].isin(sources) & (table["split"] == "train")
    trained = frozenset(table.loc[is_trained, "patient_id"])
    val = {}
    for name in known:
        val[name] = images(name, "val") if name in sources else images(name, "train", "val", without=trained)
    return Splits(
        train=Images(table, pixels, _trained_on(table, sources, train_share), masks, slices),
        val=val,
        test={name: images(name, "test") for name in known},
    )


def _trained_on(table: pd.DataFrame, sources: tuple[str, ...], share: float) -> np.ndarray:
    """(n,) rows of the training images: of each source those of this share of its training patients."""
    chosen = pd.Series(False, index=table.index)
    for source in sources:
        of_source = (table["vendor"] == source) & (table["split"] == "train")
        if share < 1:
            of_source &= table["patient_id"].isin(training_patients(table, source, share))
        chosen |= of_source
    return np.flatnonzero(chosen)


def all_images(table: pd.DataFrame, images: Path, masks: Path | None = None, slices: int = 1) -> Images:
    """Every image of a cohort, in the order of its table. ValueError when the files do not belong together.

    Where ``slices`` is above 1, the images of every volume of so many slices.
    """
    return Images(table, _pixels(images, table), np.arange(len(table)), _masks(masks, table), slices)


def _masks(path: Path | None, table: pd.DataFrame) -> np.ndarray | None:
    if path is None:
        return None
    return _pixels(path, table, np.float32 if GEOMETRY[0] in table else np.uint8)  # of a cohort of maps the maps


def _pixels(path: Path, table: pd.DataFrame, dtype: type = np.float32) -> np.ndarray:
    pixels = _memmap(str(path), path.stat().st_mtime_ns)
    are_coils = dtype is np.float32 and pixels.ndim == 4 and pixels.dtype == np.complex64
    has_shape = (pixels.ndim == 3 and pixels.dtype == dtype) or are_coils
    if not has_shape or pixels.shape[-2] != pixels.shape[-1]:
        raise ValueError(f"{path} must hold {dtype.__name__} (n, S, S), got {pixels.dtype} {pixels.shape}")
    if len(table) and table["row"].max() >= len(pixels):
        raise ValueError(f"{path} holds {len(pixels)} images, the table names image {table['row'].max()}")
    return pixels


@lru_cache(maxsize=4)  # the trials of a worker open the same files one after another
def _table(path: str, mtime_ns: int) -> pd.DataFrame:
    return read_table(storage_path(path))


@lru_cache(maxsize=4)
def _memmap(path: str, mtime_ns: int) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)
