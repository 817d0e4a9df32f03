"""Which physical switch of the phantom does each comparator undo?

    nice -n 10 python -m benchmarks.comparator_switches --json switches.json    12 minutes of CPU time on one core
    python -m benchmarks.comparator_switches --json switches.json --print       the tables again, without training
    python -m benchmarks.comparator_switches --json switches.json --run RUN     5 minutes: the networks of a search of
                                                                                the space comparators on the phantom

The breast phantom has switches (docs/phantom.md): each is a way in which GE scans otherwise than Siemens. The same GE
patients are written with all switches off, with each switch on alone, and with all on; Siemens is changed by none. Each
comparator of the space `comparators` is trained on Siemens (its training patients; its validation patients choose the
epoch) and scores every variant of the GE images. What a switch does to the scores of a comparator is compared with what
it does to those of plain full sampling: benchmarks/switch_effects.py has the measures.

Chosen before any result was seen: phantom seed 0; 92 Siemens patients with the split of seed 0, 64 GE patients, four
slices each, post_1; training seeds 0, 1 and 2; RECIPE of search_spaces, 24 epochs at 64 px, the same for all and tuned
for none (it was found on other images); both tests (move, lost) with Holm over all pairs of a comparator and a switch,
all on being one of the switches. A switch after which the reader gives the same images bit for bit is not tested: the
reader has undone it. The draws of the scanner's noise are the same with a switch off and on, but for `matrix_ratio` and
all on: a smaller matrix takes other draws, so a part of what these move is another draw of the noise.

--json holds every score, and is written after each training: the same command goes on where it was stopped.
"""

import argparse
import dataclasses
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from analysis.statistics.estimate import Estimate
from benchmarks import phantoms
from benchmarks.alone import train_to_end
from benchmarks.switch_effects import CHANCE, OFF, PLAIN, Scored, aucs_on, compare, shown
from benchmarks.tools import parser, print_heads, print_row, timed
from search_spaces import FULL, LEARNED, RECIPE
from search_spaces.comparators import STYLES
from tune_ks import __version__
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.cohort.table import read_table, split_patients, write_table
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.training.scoring import score

SOURCE = "SIEMENS"
ALL_ON = "all on"
QUARTER = 16 / 64
SAME = ("patient_id", "slice", "label")  # of an image, in every variant
Settings = Mapping[str, Any]  # of a config


# ------------------------------------------------------------------------------------------------ images


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
        _progress("phantom", number, len(variants()), started, f"GE with {name}")
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


# ------------------------------------------------------------------------------------------------ trainings


def comparators() -> dict[str, Settings]:
    """Name -> the settings of every comparator, with the recipe that all share."""
    settings = {PLAIN: FULL}
    for name in HARMONISATIONS:
        if name != "none":
            settings[name.replace("_", " ")] = {**FULL, "harmonise": name}
    for name in STYLES:
        settings[f"style: {name.replace('_', ' ')}"] = {**FULL, "style": name}
    settings["MixStyle"] = {**FULL, "mixstyle": 0.5}
    settings["low-pass 1/4"] = {"mask": "lowpass", "sampling_rate": QUARTER}
    settings["learned mask 1/4"] = {**LEARNED, "sampling_rate": QUARTER}
    return {name: {**RECIPE, **of_name, "vendor": SOURCE} for name, of_name in settings.items()}


def why_absent(settings: Settings) -> str:
    """Why this comparator cannot be run here, in words; "" where it can: an optional package may be missing."""
    try:
        pipeline = build_pipeline(TrialConfig.from_dict({**settings, "seed": 0}), RECIPE["image_size"])
        pipeline.harmonisation(torch.rand(1, 1, RECIPE["image_size"], RECIPE["image_size"]))
    except (ImportError, InputError) as error:
        return str(error)
    return ""


def trained(settings: Settings, seed: int, splits: Splits, run: RunFolder | None) -> KSpaceClassifier:
    """The network of the epoch with the best validation AUC: trained here, or that of a finished search."""
    config = TrialConfig.from_dict({**settings, "seed": seed})
    if run is not None:
        return load_model(run, run.read_record(config.key()))
    state = train_to_end(config, splits)
    pipeline = build_pipeline(config, splits.train.side)
    pipeline.load_state_dict(state["best"]["weights"])
    return pipeline


def train_and_score(
    settings: Settings, seed: int, splits: Splits, names: list[str], run: RunFolder | None
) -> dict[str, Any]:
    """One training on the source: its AUC on the source's images, and its scores of every variant."""
    config = TrialConfig.from_dict({**settings, "seed": seed})
    pipeline = trained(settings, seed, splits, run)
    at_home = {}
    for split, images in (("val", splits.val[SOURCE]), ("test", splits.test[SOURCE])):
        at_home[f"{split}_source"] = auc(images.label.numpy(), score(pipeline, images, config))
    scores = {name: score(pipeline, splits.test[variant_vendor(name)], config).tolist() for name in names}
    if run is not None:
        require_same_source(run.read_record(config.key()), at_home["test_source"])
    return {"seed": seed, "key": config.key(), **at_home, "scores": scores}


def require_same_source(record: TrialRecord, test_source: float) -> None:
    """SystemExit unless the search scored the same test images of the source: those of the phantom, with this split."""
    of_search = record.test[SOURCE]
    if abs(of_search - test_source) > 1e-3:
        raise SystemExit(
            f"trial {record.config.key()} has a test AUC of {of_search:.4f} on {SOURCE}, and {test_source:.4f} on the "
            "images of this benchmark: --run must be a search of the space comparators on the breast phantom"
        )


def run_all(args: argparse.Namespace) -> dict[str, Any]:
    """Train what the file does not hold yet; the file is written after each training."""
    torch.set_num_threads(1)
    numbers = _begun(args)
    wanted = {}
    for name, settings in comparators().items():
        reason = "asked to be left out" if name in args.without else why_absent(settings)
        if reason:
            print(f"left out: {name}, {reason}", flush=True)
            numbers["left_out"][name] = reason
        else:
            wanted[name] = settings
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        images = open_images(args.images or Path(folder), args)
        numbers["label"] = images.label.tolist()
        numbers["patient"] = images.patient.tolist()
        numbers["changed"] = images.changed
        splits = open_splits(images.csv, images.npy, SOURCE)
        _train_all(wanted, splits, numbers, args)
    return numbers


def options_of(args: argparse.Namespace) -> dict[str, int]:
    """What the images depend on."""
    return {name: getattr(args, name) for name in ("patients", "source_patients", "phantom_seed")}


def _begun(args: argparse.Namespace) -> dict[str, Any]:
    """What the file holds of the same options, or nothing yet."""
    if args.json.exists():
        numbers = json.loads(args.json.read_text())
        if numbers["options"] != options_of(args):
            raise SystemExit(f"{args.json} holds numbers of {numbers['options']}: name another file")
        return numbers
    return {
        "version": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "options": options_of(args),
        "left_out": {},
        "trainings": [],
    }


def _train_all(
    wanted: Mapping[str, Settings], splits: Splits, numbers: dict[str, Any], args: argparse.Namespace
) -> None:
    """Every comparator with the first seed, then with the next: what is stopped early has whole rounds."""
    done = {(training["comparator"], training["seed"]) for training in numbers["trainings"]}
    jobs = [(name, seed) for seed in range(args.seeds) for name in wanted if (name, seed) not in done]
    run = None if args.run is None else RunFolder(args.run)
    started = time.monotonic()
    for number, (name, seed) in enumerate(jobs, start=1):
        training = timed(train_and_score, wanted[name], seed, splits, list(numbers["changed"]), run)
        numbers["trainings"].append({"comparator": name, "cpu_seconds": training.cpu, **training.result})
        write_whole(args.json, json.dumps(numbers).encode())
        words = f"{name}, seed {seed}: {training.cpu:.0f} s of CPU, validation {training.result['val_source']:.3f}"
        _progress("training", number, len(jobs), started, words)


def _progress(what: str, number: int, count: int, started: float, words: str) -> None:
    seconds = time.monotonic() - started
    left = seconds / number * (count - number)
    print(f"{what} {number} of {count}, {words}; {seconds / 60:.1f} min, {left / 60:.1f} min left", flush=True)


# ------------------------------------------------------------------------------------------------ tables


def scored_of(numbers: Mapping[str, Any]) -> Scored:
    """The scores of the file, of the seeds that every comparator has."""
    by_name: dict[str, dict[int, Mapping[str, Any]]] = {}
    for training in numbers["trainings"]:
        by_name.setdefault(training["comparator"], {})[training["seed"]] = training
    seeds = sorted(set.intersection(*(set(trainings) for trainings in by_name.values())))
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, trainings in by_name.items():
        scores[name] = {}
        for variant in numbers["changed"]:
            scores[name][variant] = np.array([trainings[seed]["scores"][variant] for seed in seeds])
    return Scored(np.array(numbers["label"]), np.array(numbers["patient"]), scores)


def print_result(numbers: Mapping[str, Any]) -> None:
    """The tables as Markdown, and a summary in sentences."""
    scored = scored_of(numbers)
    untouched = [name for name, change in numbers["changed"].items() if change == 0 and name != OFF]
    table = compare(scored, untouched)
    cpu = sum(training["cpu_seconds"] for training in numbers["trainings"])
    print(
        f"{len(scored.label)} GE images of {scored.patient.max() + 1} patients in {len(numbers['changed'])} variants; "
        f"{len(scored.scores[PLAIN][OFF])} trainings of each comparator on {SOURCE}, {cpu / 60:.1f} minutes of CPU; "
        f"version {numbers['version']}, torch {numbers['torch']}, {numbers['machine']}."
    )
    for name, reason in numbers["left_out"].items():
        print(f"Left out: {name}, {reason}")
    _print_aucs(scored, numbers)
    _print_changes(numbers["changed"])
    touched = table[~table["switch"].isin(untouched)]
    print("\nMove / shift, in % of the places (in bold: a move that is shown to be smaller than plain's; *: larger)\n")
    _print_effects(touched, "move", lambda row: _move_and_shift(row, table))
    print("\nAUC lost to the switch, with 90 % intervals (in bold: 0 lies outside)\n")
    _print_effects(touched, "lost", _loss)
    for line in summary(table, untouched):
        print(f"\n{line}")


def _print_aucs(scored: Scored, numbers: Mapping[str, Any]) -> None:
    """What each comparator is worth at all: one whose AUC is near 0.5 has nothing to lose."""
    print("\nTest AUC, with 90 % intervals\n")
    print_heads(["comparator", f"{SOURCE}, every seed", "GE, all off", "GE, all on"])
    off = aucs_on(scored, OFF)
    on = aucs_on(scored, ALL_ON)
    for name in scored.scores:
        of_source = [training for training in numbers["trainings"] if training["comparator"] == name]
        at_home = [f"{training['test_source']:.3f}" for training in sorted(of_source, key=lambda t: t["seed"])]
        print_row([name, ", ".join(at_home), _auc(off[name]), _auc(on[name])])


def _auc(known: Estimate) -> str:
    low, high = known.interval()
    return f"{known.point:.3f} [{low:.3f}, {high:.3f}]"


def _print_changes(changed: Mapping[str, float]) -> None:
    """How far each switch changes what a network is given."""
    switches = [name for name in changed if name != OFF]
    print("\nMean size of the change of a pixel (images lie in [0, 1])\n")
    print_heads(switches)
    print_row(f"{changed[name]:.4f}" for name in switches)


def _print_effects(table: pd.DataFrame, measure: str, cell: Callable[[Any], str]) -> None:
    """One row for each comparator and one column for each switch."""
    of_measure = table[table["measure"] == measure]
    print_heads(["comparator", *of_measure["switch"].unique()])
    for name, rows in of_measure.groupby("comparator", sort=False):
        print_row([name, *(cell(row) for row in rows.itertuples())])


def _move_and_shift(row: Any, table: pd.DataFrame) -> str:
    same_pair = (table["comparator"] == row.comparator) & (table["switch"] == row.switch)
    shift = table.loc[same_pair & (table["measure"] == "shift"), "value"].iloc[0]
    text = f"{100 * row.value:.1f} / {100 * shift:.1f}"
    if row.holm < CHANCE:
        return f"**{text}**" if row.less_value > 0 else f"{text} *"
    return text


def _loss(row: Any) -> str:
    text = f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
    return f"**{text}**" if row.low > 0 or row.high < 0 else text


WORDS = {"move": "the move of the scores", "lost": "the AUC lost"}


def summary(table: pd.DataFrame, untouched: list[str]) -> Iterator[str]:
    """Which pairs are shown to be better or worse than plain, after Holm, and which comparators never are."""
    if untouched:
        yield (
            f"{', '.join(untouched)}: the reader gives the same images with the switch off and on, bit for bit; no "
            "comparator has anything to undo."
        )
    for measure, words in WORDS.items():
        compared = table[(table["measure"] == measure) & table["p_value"].notna()]
        smaller = shown(table, measure, 1)
        larger = shown(table, measure, -1)
        yield (
            f"{words[0].upper()}{words[1:]}, against plain full sampling, {len(compared)} pairs of a comparator and a "
            f"switch, after Holm. Shown to be smaller: {_pairs(smaller)}. Shown to be larger: {_pairs(larger)}. "
            f"Shown to shrink it for no switch: {_names_without(compared, smaller)}."
        )


def _pairs(rows: pd.DataFrame) -> str:
    """style: noise (noise 12.0 to 5.0), ..."""
    if rows.empty:
        return "none"
    named = []
    for name, of_name in rows.groupby("comparator", sort=False):
        parts = [_pair(row) for row in of_name.itertuples()]
        named.append(f"{name} ({', '.join(parts)})")
    return "; ".join(named)


def _pair(row: Any) -> str:
    at_plain = row.value + row.less_value
    if row.measure == "move":
        return f"{row.switch}: {100 * row.value:.1f} % in place of {100 * at_plain:.1f} %"
    return f"{row.switch}: {row.value:+.3f} in place of {at_plain:+.3f}"


def _names_without(compared: pd.DataFrame, smaller: pd.DataFrame) -> str:
    names = [name for name in compared["comparator"].unique() if name not in set(smaller["comparator"])]
    return ", ".join(names) or "none of them"


def parse() -> argparse.Namespace:
    """The command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--json", type=Path, required=True, help="every score; begun, or gone on with")
    arguments.add_argument("--print", action="store_true", help="print what --json holds and train nothing")
    arguments.add_argument("--patients", type=int, default=64, help="of GE")
    arguments.add_argument("--source-patients", type=int, default=92, help="of Siemens")
    arguments.add_argument("--phantom-seed", type=int, default=0)
    arguments.add_argument("--seeds", type=int, default=3, help="trainings of each comparator")
    arguments.add_argument("--without", nargs="*", default=[], metavar="COMPARATOR", help="comparators to leave out")
    arguments.add_argument("--run", type=Path, help="take the networks of this search of the space on the phantom")
    arguments.add_argument("--images", type=Path, help="a folder where the images of every variant are kept")
    arguments.add_argument("--scratch", type=Path, help="where phantoms are written and removed; 60 MB")
    return arguments.parse_args()


def main() -> None:
    """Train what is missing, then print."""
    args = parse()
    numbers = json.loads(args.json.read_text()) if args.print else run_all(args)
    print_result(numbers)


if __name__ == "__main__":
    main()
