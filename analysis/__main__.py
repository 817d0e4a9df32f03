"""python -m analysis RUN: which sampling rate, and how sure."""

import argparse
import shlex
import sys
import time
from functools import partial
from typing import Any, NamedTuple

from analysis import RULES, Analysis, RunError, analyse, print_analysis
from analysis.analyse import SECONDS, watch
from analysis.choice.options import declared
from analysis.choice.own_rules import add_own_rules, plain_name
from analysis.choice.rules import DEFAULT
from analysis.report.no_browser import NoBrowser
from analysis.results.settings import OF_ALL_RULES
from analysis.statistics.hanley_mcneil import FORM, Counts, counts_of
from tune_ks.core.front import call_of
from tune_ks.core.interrupts import interruptible, run_process
from tune_ks.core.lasting_words import say_error, say_line
from tune_ks.core.metrics import METRICS
from tune_ks.core.number import Number
from tune_ks.core.own_members import full_name
from tune_ks.core.parser import Parser
from tune_ks.core.way_out import message_of


class Arguments(NamedTuple):
    """The command line, typed."""

    run: str
    settings: dict[str, Any]  # of analyse(): rule, patients, cross_fit, metric, prevalence, and the rules' options
    images: bool
    report: bool
    figures: bool
    watch: int | None  # seconds between two looks; None: analyse once
    serve: bool
    port: int | None
    are_defaults: bool  # no setting was given


def parse(arguments: list[str] | None = None) -> Arguments:
    """Words of the command line -> Arguments; bad ones end the program with code 2 and one message."""
    _take_rules(arguments)
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.watch is not None and not given.report:
        parser.error("--watch writes a page: leave --no-report out")
    _require_servable(parser, given)
    names = (*OF_ALL_RULES, *declared())
    given.rule = full_name("rule", given.rule)
    return Arguments(
        run=given.run,
        settings={name: getattr(given, name) for name in names},
        images=given.images,
        report=given.report,
        figures=given.figures,
        watch=given.watch,
        serve=given.serve,
        port=given.port,
        are_defaults=all(getattr(given, name) == parser.get_default(name) for name in names),
    )


def _require_servable(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """End with one message where the words do not go together with --serve, or need it."""
    if given.port is not None and not given.serve:
        parser.error("--port belongs to --serve")
    others = {"--watch": given.watch is not None, "--figures": given.figures, "--no-report": not given.report}
    wrong = [words for words, is_given in others.items() if is_given]
    if given.serve and wrong:
        parser.error(f"--serve shows the page and writes no files: leave {' and '.join(wrong)} out")


def _take_rules(arguments: list[str] | None) -> None:
    """Add the rules of the files that --members names, before the parser is made: it lists the rules' options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_members(parser)
    given, _ = parser.parse_known_args(arguments)
    try:
        add_own_rules(given.members or ())
    except ValueError as error:
        _parser().error(str(error))


def _add_members(parser: argparse.ArgumentParser) -> None:
    words = "a .py file with selection rules of your own (docs/members.md); it is executed; repeatable"
    parser.add_argument("--members", action="append", metavar="FILE", help=words)


def _parser() -> argparse.ArgumentParser:
    rules = "\n".join(f"  {plain_name(name):14}{rule.summary}" for name, rule in RULES.items())
    names = [plain_name(name) for name in RULES]
    parser = Parser(
        prog=call_of("analyse"),
        description="Choose the k-space sampling rate of a finished search, and write RUN/report.html (opens offline)\n"
        "and RUN/selection.json. Needs neither torch nor ray.",
        epilog=f"rules:\n{rules}\n\nexample:\n  {call_of('analyse')} examples/lu_table1 --rule epsilon --epsilon 0.03",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="the run folder (or s3:// URL) that run_search.py printed")
    parser.add_argument("--rule", choices=names, default=DEFAULT, help="what chooses (default: %(default)s)")
    _add_members(parser)
    for name, option in declared().items():
        words = f"{option.about} (default: %(default)s)"
        parser.add_argument(
            option.words, dest=name, type=Number(float, option.low, option.high), default=option.default, help=words
        )
    parser.add_argument(
        "--patients",
        type=_counts,
        metavar="60+/60-",
        help=f"test patients with (+) and without (-) a tumour, for results that came without per-image scores: {FORM}",
    )
    parser.add_argument(
        "--cross-fit",
        type=Number(int, 0, 10_000),
        default=0,
        metavar="REPEATS",
        help="for small cohorts: also choose on half of the validation and test patients and report on the other half, "
        "this often (50 is plenty); nothing is trained",
    )
    parser.add_argument(
        "--metric", choices=list(METRICS), help="which records to read, where a run folder holds those of several"
    )
    parser.add_argument(
        "--prevalence",
        type=Number(float, 0, 1, above=True, below=True, why=": for 1 % give 0.01"),
        metavar="SHARE",
        help="give PPV and NPV also at this share of images with a tumour, as 0.01",
    )
    parser.add_argument(
        "--no-images", dest="images", action="store_false", help="keep patients' images out of the report"
    )
    parser.add_argument("--no-report", dest="report", action="store_false", help="write selection.json only")
    parser.add_argument(
        "--figures",
        action="store_true",
        help="also write RUN/figures: each figure as PDF, SVG, PNG and TIFF (300 dpi) with its numbers as CSV, a joint "
        "figure a vendor, LaTeX tables and a methods text (needs kaleido and a browser)",
    )
    parser.add_argument(
        "--watch",
        type=Number(int, 1, 24 * 3600),
        nargs="?",
        const=SECONDS,
        metavar="SECONDS",
        help="write the page again whenever a record arrives, until Ctrl-C (looks every %(const)s seconds)",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="show the report in a browser and follow it, until Ctrl-C: on this machine only, at a secret address; "
        "RUN may also be a folder of runs, which are listed, compared two by two and can get notes",
    )
    parser.add_argument(
        "--port",
        type=Number(int, 0, 65535),
        metavar="PORT",
        help="of --serve (0: any); one in use gives the next free one",
    )
    return parser


def _counts(text: str) -> dict[str, Counts]:
    try:
        return counts_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None  # argparse shows only its own errors' words


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or after one message on standard error 2, or 130 where a signal ended it."""
    words = sys.argv[1:] if arguments is None else arguments
    command_line = " ".join([call_of("analyse"), *map(shlex.quote, words)])
    return interruptible(partial(_run, words), command_line)


def _run(words: list[str]) -> int:
    given = parse(words)
    try:
        if given.serve:
            _serve(given)
            return 0
        if given.figures:
            _require_browser()  # before minutes of analysis
        analysis = _once(given) if given.watch is None else _watch(given, given.watch)
        if given.figures:
            _figures(analysis)
    except (
        RunError,
        OSError,
        ArithmeticError,
        RecursionError,
        NoBrowser,
    ) as error:
        say_error(f"error: {message_of(error)}")
        return 2
    return 0


def _once(given: Arguments) -> Analysis:
    analysis = analyse(given.run, images=given.images, report=given.report, **given.settings)
    print_analysis(analysis)
    return analysis


def _serve(given: Arguments) -> None:
    from analysis.serve.server import PORT, serve  # plotly is a second to load

    port = PORT if given.port is None else given.port
    serve(given.run, given.settings, given.are_defaults, given.images, port)


def _watch(given: Arguments, seconds: int) -> Analysis:
    analysis = watch(given.run, given.settings, given.images, seconds, _tell)
    say_line(f"stopped; the page stays: {analysis.report}")
    return analysis


def _tell(analysis: Analysis) -> None:
    say_line(f"{time.strftime('%H:%M:%S')}  {analysis.run.counts()}  {analysis.report}")


def _require_browser() -> None:
    from analysis.report.export import require_browser  # plotly is a second to load

    require_browser()


def _figures(analysis: Analysis) -> None:
    from analysis.report.export import write_figures

    paths = write_figures(analysis)
    say_line(f"{len(paths)} files for a paper (figures, their numbers, tables, methods): {paths[0].parent}")


if __name__ == "__main__":
    run_process(main)
