"""How fast is a cohort read, against a plain pydicom loop, and what does a second start cost?

    python -m benchmarks.decode                           phantom files of 512 and 256 px, plain and compressed
    python -m benchmarks.decode --data DIR                the files below DIR instead, one folder for each patient
                                --series NAME             where it holds several series
    python -m benchmarks.decode --second-start 10000      only the second start, of so many small files

Both sides read the same files to the same array of images, which is compared. They take turns, ``--repeats`` times, and
medians are printed. The plain loop is pydicom in one process: dcmread, pixel_array, rescale, orientation, k-space crop,
percentiles of the series. Ours also checks the headers first, hashes the pixels, measures each image and writes the
cache. The aim is the loop's speed times the number of cores. The fair limit is what as many loops at once reach, in
processes that have already started. Milliseconds of CPU for each slice, over all processes, do not depend on other work
on the machine: their ratio is what a quiet machine would give.
"""

import argparse
import dataclasses
import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gdcm
import numpy as np
import pydicom

from benchmarks.tools import parser, print_heads, print_row, timed
from tune_ks.core.system import usable_cores
from tune_ks.data.cohort.cohort import Cohort, open_cohort
from tune_ks.data.cohort.prepare import PERCENTILES, crop_kspace, pad_to_square
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.phantom.write import PhantomSettings, write_phantom

PER_PATIENT = 20  # slices of a patient in the folders written here
PER_SERIES = 4  # different ones among them
SMALL = 32  # pixels a side of the files of the second start
HEADS = [
    *("files", "slices", "plain, a second", "loops at once", "ours", "of cores x plain", "of loops at once"),
    "CPU ms a slice: plain, at once, ours",
]


def main() -> None:
    """Print a table of the decode, and then the second start."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, help="a folder of DICOM files, one folder for each patient")
    arguments.add_argument("--series", help="of that folder")
    arguments.add_argument("--slices", type=int, default=600, help="of the phantom folders")
    arguments.add_argument("--image-size", type=int, default=256, help="working size in pixels")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--second-start", type=int, metavar="SLICES", help="only this, with so many slices")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tune_ks_decode_") as place:
        if args.second_start is None:
            print_decode(Path(place), args)
        print_second_start(Path(place), args.second_start or 10_000, args.repeats)


def print_decode(place: Path, args: argparse.Namespace) -> None:
    """One row for each folder of files."""
    cores = usable_cores()
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}")
    print_heads(HEADS)
    folders = {"given": args.data} if args.data else phantom_folders(place, args.slices)
    for name, folder in folders.items():
        print_row([name, *compare(folder, args, cores)])


def compare(folder: Path, args: argparse.Namespace, cores: int) -> list[str]:
    """The cells of one row. Raises ValueError where the two ways do not give the same images."""
    seconds: dict[str, list[tuple[float, float]]] = {"plain": [], "at once": [], "ours": []}
    for _ in range(args.repeats):
        ours = timed(build, folder, args.image_size, args.series)
        cohort = ours.result
        plain = timed(plain_loop, folder, cohort)
        seconds["ours"].append(ours[:2])
        seconds["plain"].append(plain[:2])
        seconds["at once"].append(loops_at_once(folder, cohort, cores))
        if not np.array_equal(plain.result, np.load(cohort.images, allow_pickle=False)):
            raise ValueError(f"{folder}: the two ways do not give the same images")
        shutil.rmtree(cohort.images.parents[1])
    count = len(cohort.table)
    wall, cpu = {}, {}
    for way, both in seconds.items():
        wall[way], cpu[way] = np.median(both, axis=0) / count
    return [
        f"{count}",
        *(f"{1 / of_slice:.0f}" for of_slice in wall.values()),
        f"{wall['plain'] / wall['ours'] / cores:.0%}",
        f"{wall['at once'] / wall['ours']:.0%}",
        ", ".join(f"{1e3 * of_slice:.1f}" for of_slice in cpu.values()),
    ]


def loops_at_once(folder: Path, cohort: Cohort, cores: int) -> tuple[float, float]:
    """(seconds, seconds of CPU) of as many plain loops at once as there are cores, which share the patients."""
    parts = []
    for patients in np.array_split(cohort.table["patient_id"].unique(), cores):
        table = cohort.table[cohort.table["patient_id"].isin(patients)]
        parts.append(dataclasses.replace(cohort, table=table))
    nothing = dataclasses.replace(cohort, table=cohort.table[:0])
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(loop_cpu, [folder] * cores, [nothing] * cores))  # until every process has started
        loops = timed(lambda: sum(pool.map(loop_cpu, [folder] * cores, parts)))
    return loops.wall, loops.result


def loop_cpu(folder: Path, cohort: Cohort) -> float:
    """Seconds of CPU of a plain loop."""
    return timed(plain_loop, folder, cohort).cpu


def build(folder: Path, image_size: int, series: str | None) -> Cohort:
    """Our whole reading of a folder into a new cache."""
    cache = Path(tempfile.mkdtemp(prefix="tune_ks_cache_"))
    return open_cohort(folder, CohortSettings(series=series), image_size, cache, labels_required=False)


def plain_loop(folder: Path, cohort: Cohort) -> np.ndarray:
    """(n, S, S): what a script with pydicom would do in one process, series by series."""
    count = cohort.table["row"].max() + 1 if len(cohort.table) else 0
    images = np.empty((count, cohort.image_side, cohort.image_side), np.float32)
    for _, series in cohort.table.groupby(["patient_id", "series"]):
        for row, path in zip(series["row"], series["path"]):
            file = pydicom.dcmread(folder / path)
            file.pixel_array_options(decoding_plugin="gdcm" if file.file_meta.TransferSyntaxUID.is_encapsulated else "")
            image = file.pixel_array.astype(np.float64)
            image = image * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))
            if list(file.get("ImageOrientationPatient", [])) == [-1, 0, 0, 0, -1, 0]:
                image = image[::-1, ::-1]
            images[row] = crop_kspace(pad_to_square(image.astype(np.float32)), cohort.image_side)
        rows = series["row"].to_numpy()
        low, high = map(float, np.percentile(images[rows], PERCENTILES))
        images[rows] = np.clip((images[rows] - low) / (high - low), 0, 1)
    return images


def phantom_folders(place: Path, slices: int) -> dict[str, Path]:
    """Folders of the same phantom images, copied until there are enough: of two sizes, uncompressed and compressed."""
    folders = {}
    for side in (512, 256):
        root = write_phantom(place / f"phantom{side}", PhantomSettings(patients=3, slices=PER_SERIES, matrix=side))
        files = sorted(root.rglob("*.dcm"))
        folders[f"{side} px"] = copies(files, place / f"{side}", slices)
        compressed = [jpeg_lossless(file, place / f"jpeg{side}" / f"{i}.dcm") for i, file in enumerate(files)]
        folders[f"{side} px, JPEG lossless"] = copies(compressed, place / f"{side}jpeg", slices)
    return folders


def copies(files: list[Path], folder: Path, slices: int) -> Path:
    """``slices`` files that are copies of ``files``, PER_PATIENT of them in each patient's folder.

    ``files`` hold PER_SERIES of each series one after another; those of a patient are copies of one series.
    """
    for number in range(slices):
        patient = number // PER_PATIENT
        path = folder / f"patient{patient:04d}" / f"{number % PER_PATIENT:03d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[(patient * PER_SERIES + number % PER_SERIES) % len(files)], path)
    return folder


def jpeg_lossless(source: Path, target: Path) -> Path:
    """The same file in JPEG lossless, process 14, selection value 1."""
    target.parent.mkdir(exist_ok=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise OSError(f"{target} was not written")
    return target


def print_second_start(place: Path, slices: int, repeats: int) -> None:
    """What opening a cohort costs when its images are in the cache."""
    root = write_phantom(place / "small", PhantomSettings(patients=3, slices=PER_SERIES, matrix=SMALL))
    folder = copies(sorted(root.rglob("*.dcm")), place / "many", slices)
    cache = place / "cache"

    def start() -> Cohort:
        return open_cohort(folder, CohortSettings(), SMALL, cache, labels_required=False)

    first = timed(start).wall
    again = np.median([timed(start).wall for _ in range(repeats)])
    print(f"\n{slices} slices of {SMALL} px: first start {first:.1f} s, second start {again:.2f} s (goal: below 1 s)")


if __name__ == "__main__":
    main()
