"""What do trainings cost as one network, and what in processes side by side? (benchmarks/fused.py)"""

import argparse

from benchmarks import fused


def run(args: argparse.Namespace) -> None:
    """One row for each number of trainings, at the smaller side."""
    processes = [1, 4] if args.device == "cuda" else [2]
    sizes = fused.Sizes([args.sides[0]], [args.width], args.packs, processes, 20 if args.device == "cuda" else 1)
    fused.print_table_heads()
    fused.print_size(args.sides[0], args.width, sizes, args.device, args.repeats)
    print("\nms a training and step. Aim: a third of the time of processes side by side on one GPU.")
