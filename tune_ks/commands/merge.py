"""Merge: several run folders of one cohort into one."""

import argparse
import shlex

from tune_ks.commands.output import OK, require_folder, require_reachable, say
from tune_ks.core.front import call_of
from tune_ks.core.run_folder import RunFolder


def merge_command(args: argparse.Namespace) -> int:
    """Merge the run folders of the command line, and print what to do next."""
    from tune_ks.core.lock import driver_lock
    from tune_ks.planning.merge import merge_runs, require_mergeable

    require_reachable(args.into, *args.runs)
    target = RunFolder(args.into)
    sources = [RunFolder(root) for root in args.runs]
    require_folder("--into", args.into)
    require_mergeable(sources, target)
    with driver_lock(target.root, say, lambda reason: None):
        counts = merge_runs(sources, target)
    say(f"{target.root}: {counts.finished} finished trials and {counts.unfinished} others taken over")
    say(f"next:\n  {call_of('analyse')} {shlex.quote(str(target.root))}")
    return OK
