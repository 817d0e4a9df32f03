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
import json
import platform
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.alone import train_to_end
from benchmarks.switch_effects import PLAIN
from benchmarks.switch_images import SOURCE, open_images, options_of, say_progress, variant_vendor
from benchmarks.switch_tables import print_result
from benchmarks.tools import parser, timed
from search_spaces import FULL, LEARNED, RECIPE
from search_spaces.comparators import STYLES
from tune_ks import __version__
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.data.layouts.sheets import InputError
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.training.scoring import score

QUARTER = 16 / 64
Settings = Mapping[str, Any]  # of a config


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
        say_progress("training", number, len(jobs), started, words)


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
