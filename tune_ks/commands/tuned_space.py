"""The space file that a tuning writes: a search over the rates with the recipe that it chose."""

import shlex
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tune_ks.commands.output import require_folder
from tune_ks.commands.tuning_words import conclusions, rate_name, table_lines
from tune_ks.core.domain_words import VENDOR_WORDS, DomainWords
from tune_ks.core.front import call_of
from tune_ks.core.storage import write_whole
from tune_ks.planning.candidates import Candidates
from tune_ks.planning.scoreboard import RULE, Comparison
from tune_ks.planning.space import load_space

WRITTEN_BY = "Written by the command `tune`"  # by which a later tuning knows that it may replace the file
WIDTH = 120
SPACE = """RATES = of_64(1, 2, 4, 8, 16, 32)

SPACE = [
    {**RECIPE, **LEARNED, "sampling_rate": RATES},
    {**RECIPE, "mask": "lowpass", "sampling_rate": RATES},
    {**RECIPE, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
"""


def require_free(path: Path) -> None:
    """ValueError where the file cannot be written, or exists and was not written by a tuning."""
    require_folder("--space-out", path.parent)
    if path.suffix != ".py":
        raise ValueError(f"--space-out must be a .py file, because a space is one; got {path}")
    if path.is_dir() or (path.exists() and WRITTEN_BY not in path.read_text(errors="replace")):
        raise ValueError(f"{path} exists and was not written by tune: give another --space-out")


def write_space(path: Path, text: str) -> None:
    """Write the file, after the loader of spaces has accepted its text."""
    with TemporaryDirectory() as scratch:
        trial = Path(scratch) / path.name
        trial.write_text(text)
        load_space(str(trial))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def space_text(
    comparison: Comparison,
    candidates: Candidates,
    vendors: list[str],
    command: str,
    next_command: str,
    words: DomainWords = VENDOR_WORDS,
) -> str:
    """The text of the file. ``command`` is that of the tuning, ``vendors`` are all of the cohort."""
    recipe = candidates.values(comparison.winner.recipe)
    if candidates.vendors != vendors:
        recipe = {"vendor": candidates.vendors, **recipe}
    source = " and ".join(candidates.vendors)
    count = len(comparison.rows) + len(comparison.others)
    low = rate_name(candidates.low_rate)
    trials = len(candidates.vendors) * 13 * 3
    paragraphs = [
        "What does a sampling rate cost, with the recipe that was tuned on these images?",
        f"    {next_command}",
        f"Cost: {trials} trials.",
        f"{WRITTEN_BY}:",
        f"    {command}",
        _wrapped(
            f"It compared {count} recipes at full sampling and at {low}, trained on {source}, each on that "
            f"{words.one}'s validation images alone: no test label and no label of another {words.one} was read. "
            f"The rule: {RULE}."
        ),
        "Validation AUC, one number a seed; a recipe is named by its differences from the default:",
        textwrap.indent("\n".join(table_lines(comparison, candidates)), "    "),
        *[_wrapped(sentence) for sentence in conclusions(comparison, candidates)],
        _wrapped(
            "Expect lower AUCs on test patients: of several recipes the best one on these validation images was taken."
        ),
    ]
    docstring = _in_docstring("\n\n".join(paragraphs))
    code = f"from search_spaces import FULL, LEARNED, of_64\n\nRECIPE = {_dict_text(recipe)}\n{SPACE}"
    return f'"""{docstring}\n"""\n\n{code}'


def next_command(args: Any, path: Path) -> str:
    """The command that searches with the file: the same data, and how they are read, and the new space."""
    words = []
    for name in (
        "data",
        "series",
        "intensity",
        "orientation",
        "negatives",
        "site",
        "domain",
        "finding",
        "cache",
        "workers",
        "address",
    ):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    for path in args.members or []:
        words += ["--members", str(path)]
    for text in args.vendor_of or []:
        words += ["--vendor-of", text]
    if args.split_seed:
        words += ["--split-seed", str(args.split_seed)]
    if args.gpus_per_trial is not None:
        words += ["--gpus-per-trial", f"{args.gpus_per_trial:g}"]
    return f"{call_of()} {shlex.join([*words, '--space', str(path)])}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False)


def _in_docstring(text: str) -> str:
    """Text that a docstring can hold: a path may have backslashes and quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"') if '"""' in text or "\\" in text else text


def _dict_text(values: dict[str, Any]) -> str:
    lines = [f"    {_quoted(name)}: {_quoted(value)}," for name, value in values.items()]
    return "\n".join(["{", *lines, "}"])


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) and value.isprintable() and '"' not in value else repr(value)
