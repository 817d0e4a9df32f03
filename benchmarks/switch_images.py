"""The images of comparator_switches: Siemens once, and the same GE patients with each switch off and on."""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import phantoms
from benchmarks.switch_effects import OFF
from search_spaces import RECIPE
from tune_ks.data.cohort.table import read_table, split_patients, write_table
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings

SOURCE = "SIEMENS"
ALL_ON = "all on"
SAME = ("patient_id", "slice", "label")  # of an image, in every variant


class Images(NamedTuple):
    """The images of Siemens and of every variant of GE in one file; a variant stands as a vendor: "GE fermi"."""

    csv: Path
    npy: Path
    label: np.ndarray  # (n,) of the GE images, the same in every variant
    patient: np.ndarray  # (n,) their patients, from 0
    changed: dict[str, float]  # variant -> mean size of the change of a pixel against all switches off


def open_images(folder: Path, args: argparse.Namespace) -> Images:
    """The images in ``folder``, which are made first where it holds none of these options."""
    csv = folder / "cohort.csv"
    npy = folder / "images.npy"
    description = folder / "options.json"
    if not description.exists() or json.loads(description.read_text()) != options_of(args):
        table, pixels = make_images(args)
        write_table(csv, table)
        np.save(npy, pixels)
        description.write_text(json.dumps(options_of(args)))
    table = read_table(csv)
    pixels = np.load(npy, allow_pickle=False)
    by_variant = {name: pixels[table["vendor"] == variant_vendor(name)] for name in variants()}
    changed = {name: float(np.abs(of_variant - by_variant[OFF]).mean()) for name, of_variant in by_variant.items()}
    of_off = table[table["vendor"] == variant_vendor(OFF)]
    patient = np.unique(of_off["patient_id"], return_inverse=True)[1]
    return Images(csv, npy, of_off["label"].to_numpy(int), patient, changed)


def variants() -> dict[str, tuple[str, ...]]:
    """Variant of GE -> the switches that are off."""
    off = {OFF: tuple(SWITCHES)}
    for switch in SWITCHES:
        off[switch] = tuple(name for name in SWITCHES if name != switch)
    return off | {ALL_ON: ()}


def make_images(args: argparse.Namespace) -> tuple[pd.DataFrame, np.ndarray]:
    """Write every variant and read it with the project's reader; the DICOM files are removed again."""
    print(f"writing {len(variants())} variants of GE, and {SOURCE} first", flush=True)
    table, pixels = _read_vendor(SOURCE, PhantomSettings(args.phantom_seed, patients=args.source_patients), args)
    tables = [table.assign(split=split_patients(table, 0))]
    arrays = [pixels]
    started = time.monotonic()
    for number, (name, off) in enumerate(variants().items(), start=1):
        settings = PhantomSettings(args.phantom_seed, patients=args.patients)
        settings = dataclasses.replace(settings, **dict.fromkeys(off, False))
        table, pixels = _read_vendor("GE", settings, args)
        require_same(tables[-1] if number > 1 else table, table, name)
        arrays.append(pixels)
        tables.append(table.assign(vendor=variant_vendor(name), split="test"))
        say_progress("phantom", number, len(variants()), started, f"GE with {name}")
    whole = pd.concat(tables, ignore_index=True)
    return whole.assign(row=range(len(whole))), np.concatenate(arrays)


def _read_vendor(vendor: str, settings: PhantomSettings, args: argparse.Namespace) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of one vendor, ordered by patient and slice, and its images (n, S, S) in that order."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        place = Path(scratch)
        (place / "phantom").mkdir()
        root = phantoms.write_vendor(place / "phantom", vendor, settings)
        cohort = phantoms.read(root, place / "cache", "post_1", RECIPE["image_size"])
        table = cohort.table.sort_values(["patient_id", "slice"])
        return table.reset_index(drop=True), np.load(cohort.images, allow_pickle=False)[table["row"]]


def variant_vendor(name: str) -> str:
    """What a variant of GE is called in the table."""
    return f"GE {name}"


def require_same(first: pd.DataFrame, table: pd.DataFrame, name: str) -> None:
    """RuntimeError unless both hold the same patients, slices and labels in the same order."""
    if not all(first[column].tolist() == table[column].tolist() for column in SAME):
        raise RuntimeError(f"GE with {name} has other images than with other switches: they cannot be paired")


def options_of(args: argparse.Namespace) -> dict[str, int]:
    """What the images depend on."""
    return {name: getattr(args, name) for name in ("patients", "source_patients", "phantom_seed")}


def say_progress(what: str, number: int, count: int, started: float, words: str) -> None:
    """``training 3 of 39, MixStyle, seed 0; 1.0 min, 12.0 min left``; ``started`` by the monotonic clock."""
    seconds = time.monotonic() - started
    left = seconds / number * (count - number)
    print(f"{what} {number} of {count}, {words}; {seconds / 60:.1f} min, {left / 60:.1f} min left", flush=True)
