"""A whole driver as a process: the search of a space file over the tiny cohort, locked and planned as run_search does.

python drive_search.py RUN SPACE.py [--hang-after S] [--retry-failed] [--address A] [--concurrent N] [--no-lock]
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from tiny import write_tiny
from tune_ks.commands.progress import TrialTable
from tune_ks.core.lock import driver_lock
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import load_space
from tune_ks.search.events import Halt
from tune_ks.search.resources import Resources
from tune_ks.search.search import run_search

VENDORS = ["GE", "SIEMENS"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("space")
    parser.add_argument("--hang-after", type=float, default=600)
    parser.add_argument("--retry-failed", action="store_true")
    parser.add_argument("--address")
    parser.add_argument("--concurrent", type=int)
    parser.add_argument("--no-lock", action="store_true", help="as a worker that outlives its driver")
    args = parser.parse_args()
    space, folder, console = load_space(args.space), RunFolder(args.run), Console()
    halt = Halt(print)
    try:
        with nullcontext() if args.no_lock else driver_lock(folder.root, print, halt.because):
            if not folder.cohort_csv.exists():
                write_tiny(folder.root)
            plan = plan_search(space, folder, VENDORS, args.retry_failed)
            if plan.left:
                resources = Resources(address=args.address, concurrent=args.concurrent, hang_after=args.hang_after)
                images = {64: folder.root / "images.npy"}
                for image_size in set(space.image_sizes()) - {64}:  # the same pixels under another name
                    images[image_size] = folder.root / f"images{image_size}.npy"
                    images[image_size].write_bytes(images[64].read_bytes())
                with TrialTable(console, plan) as table:
                    run_search(space, folder, images, VENDORS, plan, resources, table.show, halt)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if plan_search(space, folder, VENDORS).left:
        return 130
    return 1 if folder.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
