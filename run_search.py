"""The command line: start or resume a search, tune its recipe, evaluate its models on other data, merge run folders.

python run_search.py                                     the quick search on a phantom, nothing else needed
python run_search.py --data DIR --space paper            a search on your own DICOM files
python run_search.py --data DIR --space finetune --init-from RUN     from the weights of another search's trials
python run_search.py evaluate RUN --data DIR             the chosen models on another cohort
python run_search.py evaluate RUN --data DIR --corruptions      the same on corrupted images
python run_search.py evaluate RUN --data DIR --explain          which k-space lines they need, and where they look
python run_search.py predict RUN --data DIR              their calls of images and patients without labels
python run_search.py export RUN --key KEY --into DIR     one chosen model with its mask, which needs torch alone
python run_search.py tune --data DIR --minutes 30        which recipe trains a network that is fit to judge a rate
python run_search.py analyse RUN --rule cross_domain     another choice: as python -m analysis
python run_search.py check --data DIR                    what a search would understand of a folder; writes nothing
python run_search.py --help-fields                       what a search space may set
python run_search.py merge RUN_A RUN_B --into RUN        the trials of several run folders of one cohort in one folder

Where the package is installed, each begins with ``tune-ks``. The first two may also begin with the word ``search``.

Exit codes: 0 all done; 1 some trials failed; 2 it could not continue, because the input, the run folder or the storage
is wrong (one message says how); 130 interrupted, or trials are left: the same command continues.
"""

from tune_ks.core.early_signals import end_while_imported

if __name__ == "__main__":
    end_while_imported()

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tune_ks.commands.analysis_steps import AnalysisSteps
from tune_ks.commands.arguments import OTHER_COMMANDS, PARSERS
from tune_ks.commands.output import BAD_INPUT, OK, console
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.front import call_of
from tune_ks.core.interrupts import interruptible, run_process
from tune_ks.core.lasting_words import say_error
from tune_ks.core.own_members import add_installed_members, add_member_files, full_name, installed_members
from tune_ks.core.storage import StoragePath
from tune_ks.core.way_out import message_of


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code. An error that the user can correct is one message, no traceback."""
    argv = sys.argv[1:] if argv is None else argv
    # this line is printed as the one that resumes the search, which --fresh would set aside
    command_line = " ".join([call_of(), *(shlex.quote(word) for word in argv if word != "--fresh")])
    return interruptible(partial(run_command, argv, command_line), command_line)


def run_command(argv: list[str], command_line: str) -> int:
    """The exit code of a command, which a signal may interrupt."""
    args, run = parse(argv)
    args.command_line = command_line
    try:
        give_members(args)
        return run(args)
    except (ValueError, OSError, ArithmeticError, RecursionError) as error:
        say_error(f"error: {message_of(error)}")
        return BAD_INPUT


def parse(argv: list[str]) -> tuple[argparse.Namespace, Callable[[argparse.Namespace], int]]:
    """The arguments of a command line, and the command that takes them. Without a name it is a search."""
    name, words = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("search", argv)
    commands = {
        "check": check_command,
        "tune": tune_command,
        "evaluate": evaluate_command,
        "predict": evaluate_command,
        "export": export_command,
        "merge": merge_command,
    }
    if name in commands:
        return PARSERS[name]().parse_args(words), commands[name]
    if name == "analyse":
        return argparse.Namespace(words=words), analyse_command
    parser = PARSERS["search"]()
    if name != "search":
        known = ("search", *OTHER_COMMANDS)
        is_path = "/" in name or Path(name).exists()
        meant = f"; did you mean '--data {name}'?" if is_path else did_you_mean(name, known)
        parser.error(f"there is no command {name!r}; the commands are {', '.join(known)}{meant}")
    args = parser.parse_args(words)
    return args, fields_command if args.help_fields else search_command


def give_members(args: argparse.Namespace) -> None:
    """Take the members of the files that ``--members`` names, and of installed packages; a rule gets its full name."""
    if hasattr(args, "members"):
        take_members(args.members or ())
    if hasattr(args, "rule"):
        args.rule = full_name("rule", args.rule)


def take_members(files: Iterable[str | Path]) -> None:
    """Add the members of all kinds that are of these files, and of installed packages, to their registries."""
    files = list(files)
    if not files and not installed_members():
        return
    from analysis.choice.own_rules import rule_registry
    from tune_ks.evaluation.registries import open_registries  # torch takes seconds to import

    registries = open_registries() | {"rule": rule_registry()}
    add_member_files(files, registries)
    add_installed_members(registries)


# Each command is imported when it runs, so that the help and the answer to a wrong argument wait for none of them.


def search_command(args: argparse.Namespace) -> int:
    """As without a name: search, analyse, say what to do next."""
    from tune_ks.commands import search

    return search.search_command(args, ANALYSIS)


def evaluate_command(args: argparse.Namespace) -> int:
    """The chosen models on another cohort, with its labels or without."""
    from tune_ks.commands import evaluate

    return evaluate.evaluate_command(args, ANALYSIS)


def export_command(args: argparse.Namespace) -> int:
    """One chosen model with its mask, in a folder."""
    from tune_ks.commands import export

    return export.export_command(args)


def check_command(args: argparse.Namespace) -> int:
    """What a search would understand of a folder."""
    from tune_ks.commands import check

    return check.check_command(args)


def merge_command(args: argparse.Namespace) -> int:
    """The trials of several run folders in one."""
    from tune_ks.commands import merge

    return merge.merge_command(args)


def tune_command(args: argparse.Namespace) -> int:
    """The recipe that trains a network fit to judge a rate."""
    from tune_ks.commands import tune

    return tune.tune_command(args)


def analyse_command(args: argparse.Namespace) -> int:
    """As ``python -m analysis``."""
    from analysis.__main__ import main as analyse_main

    return analyse_main(args.words)


def fields_command(args: argparse.Namespace) -> int:
    """Print the fields of a search space."""
    from tune_ks.commands.fields import print_fields

    print_fields()
    return OK


def require_rule(rule: str, epsilon: float) -> None:
    """ValueError for a rule or an epsilon that the analysis would refuse, so that no search is run in vain."""
    from analysis.choice.options import Options
    from analysis.results.compute import require_settings

    require_settings(rule, Options(epsilon=epsilon))


def analyse_run(run: StoragePath, rule: str, epsilon: float, images: bool) -> None:
    """Analyse the run folder, and print what was chosen on one screen."""
    from analysis import analyse, print_summary

    print_summary(analyse(run, rule=rule, epsilon=epsilon, images=images), console)


def finalists(run: StoragePath, rule: str, epsilon: float) -> dict[str, list[dict[str, Any]]]:
    """vendor -> the configs, without seeds, of the rate that the rule chooses and of its neighbours."""
    from analysis.choice.options import Options
    from analysis.read.load import load
    from analysis.results.compute import compute, finalists_of

    return finalists_of(compute(load(run), rule, Options(epsilon=epsilon)))


def show_evaluation(run: StoragePath, cohort: str | None) -> StoragePath:
    """Write the report and selection.json again, and print the models on another cohort; returns the report."""
    from analysis import analyse_again, print_external

    analysis = analyse_again(run)
    if cohort is not None:
        print_external(analysis, cohort, console)
    assert analysis.report is not None  # analyse_again writes one
    return analysis.report


ANALYSIS = AnalysisSteps(
    require_rule, analyse_run, finalists, show_evaluation
)  # the only place where search and analysis meet


def run_command_line() -> None:
    """Run the words of this process, and end it with the exit code."""
    run_process(main)


if __name__ == "__main__":
    run_command_line()
