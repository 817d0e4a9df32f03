"""How fast a cohort is read: slices a second against a plain pydicom loop, and what a second start costs.

    OMP_NUM_THREADS=1 python benchmarks/decode.py               phantom files of 512 and 256 px, plain and compressed
    OMP_NUM_THREADS=1 python benchmarks/decode.py --data DIR    the files below DIR instead, a folder a patient
                                 --series NAME      where it holds several series
    python benchmarks/decode.py --second-start 10000            only the second start, of so many small files

Both sides read the same files to the same array of images, which is compared; each in turn, ``--repeats`` times, and
the medians count. The loop is pydicom in one process: dcmread, pixel_array, rescale, orientation, k-space crop,
percentiles of the series. Ours also checks the headers first, hashes the pixels, measures each image and writes the
cache. The aim is the loop's speed times the number of cores; what so many loops at once reach, each in a process that
has begun, is what the machine allows. Milliseconds of CPU a slice, over all processes, do not depend on who else is at
work: their ratio is what a quiet machine would give.
"""

import argparse
import dataclasses
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).parent.parent))

from tune_ks.data.cohort.cohort import Cohort, open_cohort
from tune_ks.data.cohort.prepare import PERCENTILES, crop_kspace, pad_to_square
from tune_ks.data.cohort.scan import CohortSettings
from tune_ks.data.phantom.write import PhantomSettings, write_phantom

PER_PATIENT = 20  # slices of a patient in the folders written here
SMALL = 32  # pixels a side of the files of the second start


def main() -> None:
    """Print one table of the decode and one of the second start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of DICOM files, a folder a patient")
    parser.add_argument("--series", help="of that folder")
    parser.add_argument("--slices", type=int, default=600, help="of the phantom folders")
    parser.add_argument("--image-size", type=int, default=256, help="working size in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--second-start", type=int, metavar="SLICES", help="only this, with so many slices")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="tune_ks_decode_") as place:
        if options.second_start is None:
            print(f"{cores} cores, load {os.getloadavg()[0]:.1f}")
            print(
                "| files | slices | plain, a second | loops at once | ours | of cores x plain | of loops at once |"
                " CPU ms a slice: plain, at once, ours |"
            )
            print("|" + "---|" * 8)
            folders = {"given": options.data} if options.data else phantom_folders(Path(place), options.slices)
            for name, folder in folders.items():
                print(compared(name, folder, options, cores), flush=True)
        second_start(Path(place), options.second_start or 10_000, options.repeats)


def compared(name: str, folder: Path, options: argparse.Namespace, cores: int) -> str:
    """A line of the table: both ways in turn. Raises ValueError where they do not give the same images."""
    spent: dict[str, list[tuple[float, float]]] = {"plain": [], "at once": [], "ours": []}
    for _ in range(options.repeats):
        *took, cohort = timed(build, folder, options.image_size, options.series)
        spent["ours"].append(took)
        *took, images = timed(plain_loop, folder, cohort)
        spent["plain"].append(took)
        spent["at once"].append(loops_at_once(folder, cohort, cores))
        if not np.array_equal(images, np.load(cohort.images, allow_pickle=False)):
            raise ValueError(f"{folder}: the two ways do not give the same images")
        shutil.rmtree(cohort.images.parents[1])
    count = len(cohort.table)
    wall, cpu = zip(*(np.median(spent[way], axis=0) / count for way in ("plain", "at once", "ours")))
    speeds = " | ".join(f"{1 / seconds:.0f}" for seconds in wall)
    shares = f"{wall[0] / wall[2] / cores:.0%} | {wall[1] / wall[2]:.0%}"
    return f"| {name} | {count} | {speeds} | {shares} | {', '.join(f'{1e3 * seconds:.1f}' for seconds in cpu)} |"


def loops_at_once(folder: Path, cohort: Cohort, cores: int) -> tuple[float, float]:
    """(seconds, seconds of CPU) of as many plain loops at once as there are cores, which share the patients."""
    patients = np.array_split(cohort.table["patient_id"].unique(), cores)
    tables = [cohort.table[cohort.table["patient_id"].isin(some)] for some in patients]
    parts = [dataclasses.replace(cohort, table=table) for table in tables]
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        nothing = dataclasses.replace(cohort, table=cohort.table[:0])
        list(pool.map(loop_cpu, [folder] * cores, [nothing] * cores))  # every process has begun
        started = time.perf_counter()
        cpu = sum(pool.map(loop_cpu, [folder] * cores, parts))
        return time.perf_counter() - started, cpu


def loop_cpu(folder: Path, cohort: Cohort) -> float:
    """Seconds of CPU of a plain loop."""
    return timed(plain_loop, folder, cohort)[1]


def build(folder: Path, image_size: int, series: str | None) -> Cohort:
    """Our whole reading of a folder into a new cache."""
    cache = Path(tempfile.mkdtemp(prefix="tune_ks_cache_"))
    return open_cohort(folder, CohortSettings(series=series), image_size, cache, labels_required=False)


def plain_loop(folder: Path, cohort: Cohort) -> np.ndarray:
    """(n, S, S): what a script with pydicom would do in one process, series by series."""
    images = np.empty((cohort.table["row"].max() + 1 if len(cohort.table) else 0, *[cohort.image_side] * 2), np.float32)
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
        root = write_phantom(place / f"phantom{side}", PhantomSettings(patients=3, slices=4, matrix=side))
        files = sorted(root.rglob("*.dcm"))
        folders[f"{side} px"] = copies(files, place / f"{side}", slices)
        compressed = [jpeg_lossless(file, place / f"jpeg{side}" / f"{i}.dcm") for i, file in enumerate(files)]
        folders[f"{side} px, JPEG lossless"] = copies(compressed, place / f"{side}jpeg", slices)
    return folders


def copies(files: list[Path], folder: Path, slices: int) -> Path:
    """``slices`` files that are copies of ``files``, in turn, PER_PATIENT of them in each patient's folder."""
    for number in range(slices):
        path = folder / f"patient{number // PER_PATIENT:04d}" / f"{number % PER_PATIENT:03d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[number % len(files)], path)
    return folder


def jpeg_lossless(source: Path, target: Path) -> Path:
    """The same file in JPEG lossless, process 14, selection value 1."""
    target.parent.mkdir(exist_ok=True)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    change.Change()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise OSError(f"{target} was not written")
    return target


def second_start(place: Path, slices: int, repeats: int) -> None:
    """Print what opening a cohort costs when its images are in the cache."""
    root = write_phantom(place / "small", PhantomSettings(patients=3, slices=4, matrix=SMALL))
    folder, cache = copies(sorted(root.rglob("*.dcm")), place / "many", slices), place / "cache"

    def start() -> Cohort:
        return open_cohort(folder, CohortSettings(), SMALL, cache, labels_required=False)

    first = timed(start)[0]
    again = np.median([timed(start)[0] for _ in range(repeats)])
    print(f"\n{slices} slices of {SMALL} px: first start {first:.1f} s, second start {again:.2f} s (goal: below 1 s)")


def timed(action: Callable, *given: object) -> tuple[float, float, Any]:
    """(seconds of the clock, seconds of CPU with those of the children that ended, what it returned)."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    found = action(*given)
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu, found


if __name__ == "__main__":
    main()
