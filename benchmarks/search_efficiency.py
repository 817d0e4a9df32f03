"""Which way of searching gets most from its epochs? Hypervolume against epochs spent, on recorded trainings.

    python -m benchmarks.search_efficiency --data phantom/version-2 --out table
    python -m benchmarks.search_efficiency --data phantom/version-2 --out table --live 32
    python -m benchmarks.search_efficiency --data phantom/version-2 --out table --constrained
    python -m benchmarks.search_efficiency --simulated --constrained

The question is that of the space ``quick``, shortened: 16 rates, 3 learning rates and 2 of the mask, each configuration
trained with ``TRAININGS`` seeds. ``--out`` is a run folder that keeps these trainings, so a second call only replays
them. Every method is replayed ``--searches`` times with the project's own searcher and schedulers; in each search a
configuration stands for one of its trainings, drawn at random. For comparison there are conditional trainings as in the
space ``one_training``, each scored at all rates.

Tables: the hypervolume that a search reaches, in per cent of what training the whole table reaches in the same search;
the mean, and in brackets the 10th and 90th percentile over searches. Validation: of the front itself. Test: of the
points that validation put on the front. "+" and "-" mark means that differ from random's by more than three standard
errors of the paired difference. ``--live`` trains what random and TPE ask for in a continuous space, and needs no
table. ``--constrained`` asks another question: the best cross-domain AUC that loses little in-domain
(benchmarks/constrained.py), by trainings of the table or by ``--simulated`` ones.
"""

from pathlib import Path

import numpy as np

from analysis.report.export import DPI, HEIGHT, PIXELS, WIDTH
from benchmarks import constrained
from benchmarks.conditional_trainings import CONDITIONAL, conditional_records, one_training
from benchmarks.efficiency_tables import SHOWN, draw, print_tables
from benchmarks.live_searches import print_live
from benchmarks.recorded import prepare
from benchmarks.replayed_searches import DRAWN, FIXED, TRAININGS, one_of_each, play_all, table_configs, train_table
from benchmarks.tools import parser
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.space import SEARCH_DEFAULTS, Space


def print_constrained(trained: dict[str, list[TrialRecord]], searches: int) -> None:
    """Searches for the best cross-domain AUC that keeps the in-domain one, with and without the constraint."""
    tables = [one_of_each(trained, seed) for seed in range(searches)]
    below = {}
    for method, asked in constrained.METHODS.items():
        space = Space("", "", [{**FIXED, **DRAWN}], {**SEARCH_DEFAULTS, **asked, "samples": 10**6})
        below[method] = constrained.play(space, tables, np.array(SHOWN))
    print(f"{len(trained)} configurations, {searches} searches a method")
    constrained.print_tables(below, SHOWN)


def main() -> None:
    """Train the trainings that are missing, print the tables, and draw the figures if asked."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, help="the phantom that run_search.py wrote")
    arguments.add_argument("--out", type=Path, help="folder of the recorded trainings")
    arguments.add_argument("--searches", type=int, default=50, help="of each method")
    arguments.add_argument("--figures", type=Path, help="folder for search_efficiency_2.png and _3.png (needs kaleido)")
    arguments.add_argument("--live", type=int, metavar="TRIALS", help="instead: train what random and TPE ask for")
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--constrained", action="store_true", help="instead: constrained against unconstrained TPE")
    arguments.add_argument("--simulated", action="store_true", help="of --constrained: nothing is trained")
    args = arguments.parse_args()
    if args.simulated and args.constrained:
        print_constrained(constrained.simulated_table(table_configs()), args.searches)
        return
    if args.simulated or args.data is None or args.out is None:
        arguments.error("give --data and --out, or --simulated --constrained")
    folder = RunFolder(args.out)
    images = prepare(args.data, FIXED["image_size"], folder)
    if args.live:
        print_live(args.live, folder, images, args.workers)
        return
    trained = train_table(folder, images, args.workers)
    if args.constrained:
        print_constrained(trained, args.searches)
        return
    conditional = {name: conditional_records(kind, folder, images, args.workers) for name, kind in CONDITIONAL.items()}
    print(f"{len(trained)} configurations, {TRAININGS} trainings of each, {args.searches} searches a method")
    for objectives, shares in play_all(trained, args.searches, args.workers).items():
        ends = {
            name: one_training(records, trained, args.searches, objectives) for name, records in conditional.items()
        }
        print_tables(objectives, shares, ends)
        if args.figures:
            path = args.figures / f"search_efficiency_{len(objectives)}.png"
            draw(shares, ends).write_image(path, width=WIDTH, height=HEIGHT, scale=DPI / PIXELS)


if __name__ == "__main__":
    main()
