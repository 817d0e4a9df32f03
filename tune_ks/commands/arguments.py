"""The arguments of every command."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tune_ks import __version__
from tune_ks.core.config import is_key
from tune_ks.core.front import call_of
from tune_ks.core.number import RATE, SAMPLES, SEEDS, SPLIT_SEED, Number
from tune_ks.core.parser import Parser

OTHER_COMMANDS = ("check", "tune", "evaluate", "predict", "export", "analyse", "merge")
CONCURRENT = Number(int, 1, 100_000)
FINALIST_SEEDS = 5
FUSED = Number(int, 1, 1024, why=" (1: each alone), or auto")
YEAR = 365 * 24 * 3600  # seconds
EXIT_CODES = (
    "0 all done; 1 some trials failed; 2 it could not continue, because the input, the run folder or the storage is "
    "wrong (one message says how); 130 interrupted, or trials are left: the same command continues."
)


def search_parser() -> argparse.ArgumentParser:
    """The arguments of a search; those that most searches need come first."""
    parser = Parser(
        prog=call_of(),
        usage="%(prog)s [search] [--data DIR] [--space SPACE] [--run RUN] [--dry-run] [more options]",
        description="Search for the share of k-space that a classifier should see, then analyse and choose the rate. "
        f"The same command again continues where it ended. Other commands: {', '.join(OTHER_COMMANDS)} (each with "
        "--help).",
        epilog=f"exit codes: {EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=f"tune_ks {__version__}")
    common = parser.add_argument_group("used most")
    common.add_argument(
        "--data", type=Path, help="a folder of images: DICOM, NIfTI or raw k-space (docs/guide.md lists the "
        "forms); without it a phantom is written",
    )  # fmt: skip
    common.add_argument("--space", default="quick", help="a name in search_spaces/, or the path of your file")
    common.add_argument(
        "--run", help="the run folder, or s3://BUCKET/PREFIX; otherwise runs/SPACE-<hash of the space and the cohort>"
    )
    common.add_argument(
        "--dry-run", action="store_true", help="print the plan and an estimate of its time; start nothing"
    )
    common.add_argument("--seeds", type=SEEDS, help="seeds of each configuration, in place of the space's number")
    common.add_argument(
        "--finalists", action="store_true", help="train the chosen rates and their neighbours with more seeds"
    )
    common.add_argument(
        "--concurrent", type=CONCURRENT, help="at most so many trials at once; otherwise as many as fit"
    )
    question = parser.add_argument_group("what is searched")
    question.add_argument(
        "--split-seed", type=SPLIT_SEED, default=0, help="decides which patients train, validate and test"
    )
    question.add_argument("--samples", type=SAMPLES, help="suggestions for each point, in place of the space's number")
    question.add_argument(
        "--rates", type=RATE, nargs="+", help="sampling rates to add to every list of them in the space"
    )
    question.add_argument(
        "--from-scratch",
        action="store_true",
        help="finalists that a conditional training screened do not start from its weights",
    )
    question.add_argument(
        "--finalist-seeds", type=SEEDS, default=FINALIST_SEEDS, help="number of seeds of every finalist"
    )
    question.add_argument(
        "--init-from",
        metavar="RUN",
        help="weights for the word 'pretrained' in a space: a run folder, of which each config gets those of the trial "
        "that fits it, or RUN/trials/KEY for all configs",
    )
    add_members_argument(question)
    add_reading_arguments(parser.add_argument_group("how the data is read"))
    place = parser.add_argument_group("a run folder that exists")
    place.add_argument("--fresh", action="store_true", help="start anew; an earlier run folder is renamed, not deleted")
    place.add_argument(
        "--extend", action="store_true", help="add a changed space to an existing run folder, which keeps its trials"
    )
    place.add_argument("--retry-failed", action="store_true", help="run the failed trials again")
    resources = add_resource_arguments(parser)
    resources.add_argument(
        "--fused",
        type=auto_or_number,
        metavar="N",
        default="auto",
        help="how many points of a grid, or seeds of a suggestion, train together; auto: on a GPU as many as fit into "
        "its memory, up to 16; on a CPU 1 (docs/performance.md)",
    )
    resources.add_argument(
        "--record-steps",
        action="store_true",
        help="on a GPU, replay the steps of a training that is alone (--fused 1) as one CUDA graph; not yet "
        "measured on a card",
    )
    viewers = parser.add_argument_group(
        "other programs that show the search (RUN/tensorboard is written at the end in any case)"
    )
    viewers.add_argument("--mlflow", metavar="URI", help="an MLflow server, or sqlite:///FILE; needs tune_ks[mlflow]")
    viewers.add_argument("--tensorboard", action="store_true", help="write RUN/tensorboard while the search runs")
    choice = parser.add_argument_group(f"how the rate is chosen ({call_of('analyse')} RUN --help has more)")
    choice.add_argument("--rule", default="epsilon", help="the selection rule")
    choice.add_argument(
        "--epsilon", type=Number(float, 0, 1), default=0.02, help="tolerated loss of the in-domain metric"
    )
    choice.add_argument("--no-images", action="store_true", help="leave images of patients out of the report")
    parser.add_argument(
        "--help-fields", action="store_true", help="print the fields that a space may set, and whose they are"
    )
    return parser


def tune_parser() -> argparse.ArgumentParser:
    """The arguments of ``tune``."""
    parser = Parser(
        prog=call_of("tune"),
        description="Compare training recipes at full sampling and at one low rate, on the source vendor's validation "
        "images alone, and write a space file that searches the rates with the best one. The same command again goes "
        "on where it ended; with more minutes it adds to what is there.",
        epilog=f"exit codes: {EXIT_CODES}",
    )
    question = parser.add_argument_group("what is tuned")
    question.add_argument(
        "--minutes",
        type=Number(float, 0, YEAR // 60, above=True, why=" minutes"),
        required=True,
        help="it ends within so many minutes, reading the data included",
    )
    question.add_argument(
        "--space",
        default="recipe_candidates",
        help="what may be tried: a space whose SPACE draws the fields of a recipe, with START (docs/recipe.md)",
    )
    question.add_argument(
        "--split-seed", type=SPLIT_SEED, default=0, help="decides which patients train, validate and test"
    )
    add_members_argument(question)
    add_data_arguments(
        parser, "a folder of images: DICOM, NIfTI or raw k-space, as for a search; without it a phantom is written"
    )
    place = parser.add_argument_group("where the results go")
    place.add_argument("--space-out", type=Path, metavar="FILE", help="the space file; otherwise RUN.py")
    place.add_argument(
        "--run", help="the run folder, or s3://BUCKET/PREFIX; otherwise runs/tune-<hash of the space and the cohort>"
    )
    place.add_argument("--fresh", action="store_true", help="start anew; an earlier run folder is renamed, not deleted")
    place.add_argument("--dry-run", action="store_true", help="print what fits into the minutes; start nothing")
    resources = add_resource_arguments(parser)
    resources.add_argument(
        "--concurrent", type=CONCURRENT, help="at most so many trials at once; otherwise as many as fit"
    )
    parser.set_defaults(fused="1", record_steps=False)
    return parser


def auto_or_number(text: str) -> str:
    """ "auto", or the text of a whole number: how many trainings may run as one."""
    return text if text == "auto" else str(FUSED(text))


def evaluate_parser(name: str) -> argparse.ArgumentParser:
    """The arguments of ``evaluate`` and ``predict``."""
    parser = Parser(
        prog=call_of(name),
        description={
            "evaluate": "Score another cohort with the chosen models, with full sampling and with the low-pass at the "
            "same rates: prints them by rate, writes RUN/external/NAME.csv, the scores, and the report again.",
            "predict": "Score the images of any folder (DICOM, NIfTI, raw k-space; no labels needed) with the chosen "
            "models: writes the probability, threshold and call of each image (RUN/external/NAME_predictions.csv) and "
            "of each patient (NAME_patient_predictions.csv). For research only: this is no medical device.",
        }[name],
    )
    parser.set_defaults(task=name, corruptions=False, explain=False)
    if name == "evaluate":
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument(
            "--explain",
            action="store_true",
            help="take each line of k-space out of the masks, and ask where in positive images classifiers look; "
            "nothing retrained: writes RUN/explained/NAME.csv",
        )
        instead.add_argument(
            "--corruptions",
            action="store_true",
            help="score corrupted images (ghosting, motion, noise ...) at five severities with the same models, "
            "nothing retrained: writes RUN/corruptions/NAME.csv",
        )
    parser.add_argument("run", help="the run folder (or s3:// URL) of a search")
    add_data_arguments(parser, "the other cohort's folder", required=True)
    add_members_argument(parser)
    parser.add_argument("--all", action="store_true", help="every finished trial, not only the chosen ones")
    parser.add_argument("--name", help="name of the output; otherwise the data folder's name")
    parser.set_defaults(key=None, json=False)
    if name == "predict":
        parser.add_argument("--key", type=trial_key, help="one finished trial, in place of the chosen ones")
        parser.add_argument("--json", action="store_true", help="write NAME_predictions.json too, with all of it")
    return parser


def trial_key(text: str) -> str:
    """The key of a trial: 12 hexadecimal digits."""
    if not is_key(text):
        raise argparse.ArgumentTypeError(f"a trial's key has 12 hexadecimal digits, got {text[:40]!r}")
    return text


def export_parser() -> argparse.ArgumentParser:
    """The arguments of ``export``."""
    parser = Parser(
        prog=call_of("export"),
        description="Write one trained model with its mask to a folder that needs torch alone: the network "
        "(torch.export), a script that loads it, the mask as CSV and as a list of lines, and metadata as in a MONAI "
        "bundle. For research only: this is no medical device.",
    )
    parser.add_argument("run", help="the run folder (or s3:// URL) of a search")
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="the folder to write; new or empty")
    parser.add_argument("--key", type=trial_key, help="a finished trial; otherwise the chosen one, if it is only one")
    add_members_argument(parser)
    parser.add_argument("--onnx", action="store_true", help="write models/model.onnx too; needs tune_ks[onnx]")
    return parser


def check_parser() -> argparse.ArgumentParser:
    """The arguments of ``check``."""
    parser = Parser(
        prog=call_of("check"),
        description="Say what a search would understand of a folder: layout, series, vendors or other domains, "
        "patients, classes, splits, sizes, what is left out and why, and what would be refused. Reads sheets and "
        "headers, decodes a few images for the occupied band of k-space, and writes nothing.",
        epilog="exit codes: 0 a search would take the folder; 2 it would refuse it, with the message that it gives",
    )
    add_data_arguments(parser, "the folder; without it the phantom, where one was written")
    question = parser.add_argument_group("for which search")
    question.add_argument("--space", default="quick", help="a name in search_spaces/, or the path of your file")
    add_members_argument(question)
    question.add_argument(
        "--split-seed", type=SPLIT_SEED, default=0, help="decides which patients train, validate and test"
    )
    return parser


def merge_parser() -> argparse.ArgumentParser:
    """The arguments of ``merge``."""
    parser = Parser(
        prog=call_of("merge"),
        description="Bring the trials of several run folders of one cohort and one split into one. The sources stay as "
        "they are. Two run folders with different records of the same trial are refused, with its name.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders of searches")
    parser.add_argument("--into", required=True, help="the run folder to write; new, or one of them")
    return parser


def add_resource_arguments(parser: argparse.ArgumentParser) -> Any:
    """The arguments that say where trials run, the same for every command that trains; returns their group."""
    resources = parser.add_argument_group("what it may use")
    resources.add_argument(
        "--address",
        help="a running Ray cluster (auto, or HOST:PORT); local: this machine; otherwise as RAY_ADDRESS says, or local",
    )
    resources.add_argument(
        "--cpus-per-trial",
        type=Number(float, 0.01, 1024),
        default=1,
        help="CPUs of a trial, and so its torch threads",
    )
    resources.add_argument(
        "--gpus-per-trial",
        type=Number(float, 0.01, 1, or_zero=True, why=", because a training runs on one GPU"),
        help="0.25 lets four trials share a GPU; otherwise 1 if there is a GPU",
    )
    resources.add_argument(
        "--hang-after",
        type=Number(float, 0, YEAR, above=True, why=" seconds"),
        default=3600,
        help="seconds without an epoch after which a trial is ended",
    )
    return resources


def add_data_arguments(parser: argparse.ArgumentParser, meaning: str, required: bool = False) -> None:
    """The arguments that say where the images are and how they are read."""
    data = parser.add_argument_group("the data")
    data.add_argument("--data", type=Path, required=required, help=meaning)
    add_reading_arguments(data)


def add_reading_arguments(data: Any) -> None:
    """The arguments that say how images are read, the same for every command, in the group ``data``."""
    data.add_argument("--series", help="pre, post_1 ...; otherwise pre for Duke, post_1 for the phantom")
    data.add_argument(
        "--intensity", choices=["series", "image"], help="scale by percentiles of the series or of the image"
    )
    data.add_argument(
        "--orientation",
        choices=["canonical", "raw"],
        help="raw keeps the images of GE upside down, to measure the effect",
    )
    data.add_argument("--negatives", choices=["all", "position_matched"], help="which slices without a tumour are used")
    data.add_argument(
        "--vendor-of",
        metavar="MAKER=VENDOR",
        action="append",
        help="the vendor of files whose Manufacturer says MAKER (nothing before '=': files that name none); repeatable",
    )
    data.add_argument(
        "--domain",
        metavar="vendor|centre|field_strength|COLUMN",
        help="what in-domain and cross-domain mean: the scanner's maker, the column centre of the sheet, the field "
        "strength in the header, or any column of labels.csv or of Duke's clinical sheet; otherwise vendor",
    )
    data.add_argument(
        "--finding",
        metavar="LABEL",
        help="of raw k-space with boxes of fastMRI+: the label of a box that makes a slice positive; otherwise any",
    )
    data.add_argument("--site", help="a name that goes before every patient's id, where two folders count them alike")
    data.add_argument("--cache", type=Path, help="folder of decoded images; otherwise 'cache' beside the run folder")
    data.add_argument(
        "--workers", type=Number(int, 1, 1024), help="processes that decode images; otherwise one per CPU"
    )


def add_members_argument(group: Any) -> None:
    """The argument that names files with members of the user's own."""
    group.add_argument(
        "--members",
        type=Path,
        action="append",
        metavar="FILE",
        help="a .py file with masks or other members of your own (docs/members.md); it is executed; repeatable",
    )


# command -> what makes its parser; analyse, which is python -m analysis, has its own
PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "search": search_parser,
    "check": check_parser,
    "tune": tune_parser,
    "evaluate": partial(evaluate_parser, "evaluate"),
    "predict": partial(evaluate_parser, "predict"),
    "export": export_parser,
    "merge": merge_parser,
}
