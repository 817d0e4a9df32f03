"""python -m analysis RUN: which sampling rate, and how sure."""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from analysis import RULES, RunError, analyse, print_analysis
from analysis.selection import EPSILON, TOLERANCE


class Arguments(NamedTuple):
    """The command line, typed."""

    run: Path
    rule: str
    epsilon: float
    tolerance: float
    images: bool
    report: bool


def parse(arguments: list[str] | None = None) -> Arguments:
    """Words of the command line -> Arguments; bad ones end the program with code 2 and one message."""
    rules = "\n".join(f"  {name:14}{(rule.__doc__ or '').splitlines()[0]}" for name, rule in RULES.items())
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Choose the k-space sampling rate of a finished search, and write RUN/report.html (opens offline)\n"
        "and RUN/selection.json. Needs neither torch nor ray.",
        epilog=f"rules:\n{rules}\n\nexample:\n  python -m analysis examples/lu_table1 --rule epsilon --epsilon 0.03",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder that run_search.py printed")
    parser.add_argument("--rule", choices=list(RULES), default="epsilon", help="what chooses (default: %(default)s)")
    parser.add_argument(
        "--epsilon",
        type=float,
        default=EPSILON,
        help="in-domain AUC that may be lost for a smaller rate (default: %(default)s)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="in-domain AUC that may be lost for a better cross-domain one (default: %(default)s)",
    )
    parser.add_argument("--no-images", action="store_true", help="keep patients' images out of the report")
    parser.add_argument("--no-report", action="store_true", help="write selection.json only")
    found = parser.parse_args(arguments)
    return Arguments(found.run, found.rule, found.epsilon, found.tolerance, not found.no_images, not found.no_report)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 2 after one message on standard error."""
    given = parse(arguments)
    try:
        print_analysis(analyse(**given._asdict()))
    except (RunError, OSError) as error:  # OSError: a folder that can't be read or written
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
