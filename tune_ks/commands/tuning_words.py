"""What a tuning compared and found, as lines of text: for the terminal, and for the space file that it writes."""

import math
import textwrap
from collections.abc import Iterable

from tune_ks.planning.candidates import Candidates
from tune_ks.planning.scoreboard import Comparison, Row, Score

WIDTH = 116  # of a line, without the indent


def rate_name(rate: float) -> str:
    """4/64 for a rate of whole lines of 64, else the number; "full" for 1."""
    if rate == 1:
        return "full"
    return f"{round(64 * rate)}/64" if (64 * rate).is_integer() else f"{rate:.3g}"


def table_lines(comparison: Comparison, candidates: Candidates) -> list[str]:
    """The recipes that were trained to the last epoch, then the others: a head, and one or more lines for each."""
    low = rate_name(candidates.low_rate)
    wide = max(len("at full sampling"), 6 * comparison.seeds)
    lines = [f"mean   {'at full sampling':<{wide}} {'at ' + low:<{wide}} epochs  recipe"]
    for row in comparison.rows:
        numbers = [_numbers(score.full for score in row.scores), _numbers(score.low for score in row.scores)]
        head = f"{row.mean:.3f}  {numbers[0]:<{wide}} {numbers[1]:<{wide}} {candidates.epochs:6d}  "
        lines += _folded(head, candidates.differences(row.recipe))
    for recipe, epochs, score in comparison.others:
        head = f"{score.value:.3f}  {score.full:<{wide}.3f} {score.low:<{wide}.3f} {epochs:6d}  "
        lines += _folded(head, candidates.differences(recipe))
    return lines


def conclusions(comparison: Comparison, candidates: Candidates) -> list[str]:
    """What the comparison shows, and what it does not, in sentences."""
    winner = comparison.winner
    default = next(row for row in comparison.rows if row.is_default)
    second = next((row for row in comparison.rows if row is not winner), None)
    if second is None:
        return [
            "Only the default was trained to the last epoch. No better recipe was found, because none was compared."
        ]
    if winner.is_default:
        said = "No better recipe than the default was found."
        return [f"{said} {_next_best(comparison, winner, second, candidates)}", _about_scatter(comparison)]
    said = f"The best is {candidates.differences(winner.recipe)} (the rest as the default), above the default by"
    lines = [f"{said} {winner.mean - default.mean:.3f}. {_is_larger(comparison, winner.mean - default.mean)}"]
    if second is not default:
        lines.append(_next_best(comparison, winner, second, candidates))
    return [*lines, _about_scatter(comparison)]


def _next_best(comparison: Comparison, winner: Row, second: Row, candidates: Candidates) -> str:
    difference = winner.mean - second.mean
    name = candidates.differences(second.recipe)
    return f"The next one ({name}) is lower by {difference:.3f}. {_is_larger(comparison, difference)}"


def _is_larger(comparison: Comparison, difference: float) -> str:
    """Whether a difference of two means is larger than what seeds alone make of it."""
    if math.isnan(comparison.by_chance):
        return "With one seed each it is unknown whether that is more than another seed would change."
    if difference > comparison.by_chance:
        return f"That is more than seeds alone would make of it ({comparison.by_chance:.3f})."
    return f"That is no more than seeds alone would make of it ({comparison.by_chance:.3f}): it proves nothing."


def _about_scatter(comparison: Comparison) -> str:
    if math.isnan(comparison.scatter):
        return "There was no time for more seeds: give more minutes to know how much of a difference is chance."
    return (
        f"The seeds of one recipe scatter by {comparison.scatter:.3f} (standard deviation). The means over "
        f"{comparison.seeds} seeds of two equally good recipes would often differ by up to {comparison.by_chance:.3f} "
        "(two standard errors). Other validation patients would change more than other seeds do."
    )


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _folded(head: str, text: str) -> list[str]:
    """The head and the text, whose later lines begin where its first one does."""
    return textwrap.wrap(head + text, WIDTH, subsequent_indent=" " * len(head), drop_whitespace=True)


def best_so_far(ranked: list[tuple[dict, Score]], candidates: Candidates) -> str:
    """The best recipe of a rung in a few words; "" where none has a score."""
    if not ranked:
        return ""
    recipe, score = ranked[0]
    return f"best {score.value:.3f}: {candidates.differences(recipe)}"
