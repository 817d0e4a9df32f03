"""The arguments of every command."""

import argparse
from pathlib import Path

EXIT_CODES = (
    "0 all done; 1 some trials failed; 2 it could not go on (what came, the run folder or the storage is not what it "
    "must be: one message says what); 130 interrupted, or trials are left: the same command goes on."
)


def search_parser() -> argparse.ArgumentParser:
    """The arguments of a search."""
    parser = argparse.ArgumentParser(
        prog="run_search.py",
        description="Search for the share of k-space that a classifier should see, then analyse and choose the rate. "
        "The same command again goes on where it was. Other commands: evaluate, predict, merge (with --help of their "
        "own).",
        epilog=f"exit codes: {EXIT_CODES}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    what = parser.add_argument_group("what is asked")
    what.add_argument("--space", default="quick", help="a name in search_spaces/, or the path of a file of your own")
    what.add_argument("--split-seed", type=int, default=0, help="which patients train, validate and test: of the run")
    add_data_arguments(
        parser, "a folder of DICOM in Duke's layout, or with labels.csv; without it a phantom is written"
    )
    what.add_argument("--samples", type=int, help="suggestions for each point, instead of what the space says")
    what.add_argument("--seeds", type=int, help="seeds of each configuration, instead of what the space says")
    what.add_argument("--rates", type=float, nargs="+", help="sampling rates, added to every list of them in the space")
    what.add_argument(
        "--finalists", action="store_true", help="train the chosen rates and their neighbours with more seeds"
    )
    what.add_argument(
        "--from-scratch", action="store_true", help="finalists that one training screened do not begin from its weights"
    )
    what.add_argument("--finalist-seeds", type=int, default=5, help="how many seeds the finalists get")
    what.add_argument(
        "--init-from",
        metavar="RUN",
        help="where a space says 'pretrained': a run folder, of whose trials each config begins from the one that "
        "fits, or RUN/trials/KEY for all",
    )
    where = parser.add_argument_group("where it goes")
    where.add_argument("--run", help="the run folder, or s3://BUCKET/PREFIX; otherwise runs/SPACE-<hash of both>")
    where.add_argument("--fresh", action="store_true", help="start anew; an earlier run folder is renamed, not deleted")
    where.add_argument(
        "--extend", action="store_true", help="let a run folder take a changed space; it keeps its trials"
    )
    where.add_argument("--retry-failed", action="store_true", help="run the failed trials again")
    where.add_argument("--dry-run", action="store_true", help="print the plan and an estimate of time; start nothing")
    how = parser.add_argument_group("what it may use")
    how.add_argument("--address", help="a running Ray cluster (auto, or host:port); otherwise this machine")
    how.add_argument("--cpus-per-trial", type=float, default=1, help="CPUs, and so torch threads, of a trial")
    how.add_argument("--gpus-per-trial", type=float, help="0.25 packs four trials on one; otherwise 1 if there is any")
    how.add_argument("--concurrent", type=int, help="at most so many trials at once; otherwise as many as fit")
    how.add_argument(
        "--fused",
        metavar="N",
        default="auto",
        help="so many points of a grid, or seeds of a suggestion, train as one; auto: on a GPU as many as its memory "
        "takes, up to 16, and each alone on a CPU (docs/performance.md)",
    )
    how.add_argument("--hang-after", type=float, default=3600, help="seconds without an epoch: the trial is ended")
    viewers = parser.add_argument_group("who else may watch (RUN/tensorboard is written at the end in any case)")
    viewers.add_argument("--mlflow", metavar="URI", help="an MLflow server, or sqlite:///FILE; needs tune_ks[mlflow]")
    viewers.add_argument("--tensorboard", action="store_true", help="write RUN/tensorboard while the search runs")
    choice = parser.add_argument_group("how the rate is chosen (python -m analysis RUN --help has more)")
    choice.add_argument("--rule", default="epsilon", help="the selection rule")
    choice.add_argument("--epsilon", type=float, default=0.02, help="tolerated loss of the in-domain metric")
    choice.add_argument("--no-images", action="store_true", help="leave images of patients out of the report")
    return parser


def evaluate_parser(name: str) -> argparse.ArgumentParser:
    """The arguments of ``evaluate`` and ``predict``."""
    parser = argparse.ArgumentParser(
        prog=f"run_search.py {name}",
        description={
            "evaluate": "Score another cohort with the exported models: writes RUN/external/NAME.csv and the scores.",
            "predict": "Score images that need no labels: writes RUN/external/NAME_predictions.csv.",
        }[name],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(task=name, corruptions=False)
    if name == "evaluate":
        parser.add_argument(
            "--corruptions",
            action="store_true",
            help="score corrupted images (ghosting, motion, noise ...) at five severities with the chosen models and "
            "full sampling, nothing retrained: writes RUN/corruptions/NAME.csv",
        )
    parser.add_argument("run", help="the run folder (or s3:// URL) of a search")
    add_data_arguments(parser, "the other cohort's folder", required=True)
    parser.add_argument("--all", action="store_true", help="every finished trial, not only the chosen ones")
    parser.add_argument("--name", help="name of the output; otherwise the data folder's name")
    return parser


def merge_parser() -> argparse.ArgumentParser:
    """The arguments of ``merge``."""
    parser = argparse.ArgumentParser(
        prog="run_search.py merge",
        description="Bring the trials of several run folders of one cohort and one split into one. The sources stay as "
        "they are. A question that two of them answered differently is refused, and named.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders of searches")
    parser.add_argument("--into", required=True, help="the run folder that takes them; new, or one of theirs")
    return parser


def add_data_arguments(parser: argparse.ArgumentParser, meaning: str, required: bool = False) -> None:
    """Where the images are and how they are read: the same for every command."""
    data = parser.add_argument_group("the data")
    data.add_argument("--data", type=Path, required=required, help=meaning)
    data.add_argument("--series", help="pre, post_1 ...; otherwise pre for Duke, post_1 for the phantom")
    data.add_argument("--intensity", choices=["series", "image"], help="scaled by percentiles of the series or image")
    data.add_argument("--orientation", choices=["canonical", "raw"], help="raw keeps GE upside down, to measure that")
    data.add_argument("--negatives", choices=["all", "position_matched"], help="which slices without a tumour")
    data.add_argument("--cache", type=Path, help="folder of decoded images; otherwise 'cache' beside the run folder")
    data.add_argument("--workers", type=int, help="processes that decode DICOM; otherwise one a CPU")
