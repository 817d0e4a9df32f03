"""The Python API: start a search, read a run folder, choose a rate, load a model.

    from tune_ks.api import choose, load_model, load_run, search

    run = search("quick", data="DIR", run="runs/mine")      # as the command does; or load_run("runs/mine")
    run.trials()                                            # one row a finished trial
    choice = choose(run, "epsilon", epsilon=0.02)["GE"]     # the rate for models that were trained on GE
    model = load_model(run, choice.keys[0])                 # network and mask, as PyTorch has them

Importing this module imports neither torch nor Ray nor pandas; a function imports what it needs. ``load_run`` and
``choose`` need no torch and no Ray. Bad input is a ValueError with one message. Beside run_search.py this is the only
place where search and analysis meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.early_signals import INTERRUPTED
from tune_ks.core.front import call_of, put_front_first
from tune_ks.core.own_members import full_name

if TYPE_CHECKING:
    import argparse

    import pandas as pd
    from torch import Tensor

    from analysis.choice.selection import Selection
    from analysis.read.load import Run as RunContents
    from tune_ks.core.config import TrialConfig
    from tune_ks.model.pipeline import KSpaceClassifier

__all__ = ["Model", "Run", "choose", "load_model", "load_run", "search"]

NOT_HERE = ("dry_run", "help_fields", "help", "version")  # options of the command that end it without a run
REPEATED = ("members", "vendor_of")  # options that are given once for each value
ONE_CALL = "the same call of tune_ks.api.search"  # in place of a command line, where the space is no file


@dataclass(frozen=True, eq=False)
class Run:
    """What a run folder held when ``load_run`` read it. Tables are pandas DataFrames."""

    contents: RunContents

    @property
    def path(self) -> str:
        """The run folder, or its URL."""
        return str(self.contents.root)

    def trials(self) -> pd.DataFrame:
        """One row a finished trial: ``key``, its fields and options, and its metrics by split and domain.

        ``val_in_domain``, ``val_cross_domain`` ... are metrics in [0, 1]; ``sampling_rate`` is the nominal and
        ``realised_rate`` the measured share of k-space; an option of a member is called FIELD.OPTION.
        """
        return self.contents.trials.copy()

    def cohort(self) -> pd.DataFrame:
        """One row an image: row number, patient, vendor, label, split ..."""
        return self.contents.cohort.copy()

    def failed(self) -> pd.DataFrame:
        """The trials that ended without a result, with the reason."""
        return self.contents.failures.copy()

    def pending(self) -> list[str]:
        """The keys of trials that were asked for and have neither finished nor failed."""
        return list(self.contents.pending)

    def warnings(self) -> list[str]:
        """What could not be read."""
        return list(self.contents.warnings)


@dataclass(frozen=True, eq=False)
class Model:
    """One finished trial as PyTorch has it, in evaluation mode on the CPU.

    ``network(image, rate, acquisition)`` maps (B, 1, N, N) images, (B,) rates and (B, A) acquisition parameters to (B,)
    logits. ``mask`` is (1, N) for lines and (N, N) for points, 1 where a coefficient is kept and 0 elsewhere, DC at
    index N // 2.
    """

    key: str
    config: TrialConfig
    side: int  # N, pixels a side of the images that it takes
    network: KSpaceClassifier
    mask: Tensor

    def logits(self, images: Tensor, acquisition: Tensor | None = None) -> Tensor:
        """(B, N, N) or (B, 1, N, N) float images, scaled as the search scales them -> (B,) logits.

        ``acquisition`` (B, A) are the parameters of ACQUISITION in tune_ks.data.dataset; NaN, the default, is unknown.
        Only networks that read them use them.
        """
        import torch

        from tune_ks.data.dataset import ACQUISITION

        images = images[:, None] if images.dim() == 3 else images
        rate = torch.full((len(images),), self.config.sampling_rate)
        if acquisition is None:
            acquisition = torch.full((len(images), len(ACQUISITION)), torch.nan)
        with torch.no_grad():
            return self.network(images, rate, acquisition)


def search(
    space: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    data: str | Path | None = None,
    *,
    run: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    members: Iterable[str | Path] = (),
    **options: Any,
) -> Run:
    """Run a search as the command does, until it has ended, and return its run. The same call again continues it.

    ``space`` is a name in search_spaces/, the path of a .py file, or SPACE itself: a dict, or a list of dicts. For such
    a dict ``settings`` is SEARCH. ``data`` is a folder of DICOM files; None is the phantom. ``run`` is the run folder.
    ``members`` are files with members of your own. ``options`` are those of the command, with _ for -: ``seeds=3``,
    ``concurrent=2``, ``rule="knee"``, ``no_images=True``. TypeError for an option that the command does not have,
    ValueError for a value that it refuses, RuntimeError where the search was interrupted.
    """
    put_front_first()
    from run_search import ANALYSIS, give_members
    from tune_ks.commands.search import search_and_analyse
    from tune_ks.core.interrupts import signals_of_a_command

    places: dict[str, Any] = {"data": data, "run": run, "members": list(members)}
    is_file = isinstance(space, (str, Path))
    if is_file:
        places["space"] = space
    if is_file and settings is not None:
        raise TypeError("settings belong to a space that is given as a dict; a space file has its own SEARCH")
    args = _arguments({**places, **options})
    with signals_of_a_command():
        give_members(args)
        if not is_file:
            args.space = _space(space, settings)
        code, folder = search_and_analyse(args, ANALYSIS)
    if code == INTERRUPTED:
        raise RuntimeError(f"the search was interrupted; nothing finished is lost, and {args.command_line} goes on")
    return load_run(folder.root)


def load_run(path: Any) -> Run:
    """Read a run folder; ``path`` may be an s3:// URL. ValueError where there is none. Needs neither torch nor Ray."""
    put_front_first()
    from analysis.read.load import load

    return Run(load(path if hasattr(path, "exists") else str(path)))


def choose(
    run: Run | str | Path, rule: str = "epsilon", *, members: Iterable[str | Path] = (), **options: float
) -> dict[str, Selection]:
    """Vendor trained on -> the rate that the rule chooses for it, and how sure it is. Writes nothing.

    ``rule`` is a key of analysis.RULES; ``options`` are those that the rules declare: ``epsilon=0.02``. ``members`` are
    files with rules of your own. It is the choice that ``python -m analysis`` writes into selection.json. ValueError
    for an unknown rule or option.
    """
    put_front_first()
    from analysis.choice.own_rules import add_own_rules

    add_own_rules(members)
    rule = full_name("rule", rule)
    from analysis.choice.options import Options, declared
    from analysis.results.compute import compute, require_settings

    unknown = sorted(set(options) - set(declared()))
    if unknown:
        raise ValueError(f"the rules have the options {', '.join(declared())}; got {unknown[0]!r}")
    values = Options(**options)  # type: ignore[arg-type]
    require_settings(rule, values)
    contents = run.contents if isinstance(run, Run) else load_run(run).contents
    computed = compute(contents, rule, values)
    return {vendor: of_vendor.selection for vendor, of_vendor in computed.vendors.items()}


def load_model(run: Run | str | Path, key: str, members: Iterable[str | Path] = ()) -> Model:
    """The network and the mask of one finished trial, from model.safetensors: no code of a run folder is executed.

    ``members`` are the files with members of your own that the trial was trained with. ValueError where the trial is
    not finished, or its weights are absent, damaged or of another network.
    """
    import torch

    from tune_ks.core.run_folder import RunFolder
    from tune_ks.evaluation import other_cohort

    put_front_first()
    from run_search import take_members

    take_members(members)
    folder = RunFolder(run.path if isinstance(run, Run) else str(run))
    folder.require_own_folders()
    if key not in folder.finished():
        raise ValueError(f"{folder.root} has no finished trial {key!r}")
    record = folder.read_record(key)
    network = other_cohort.load_model(folder, record).eval()
    with torch.no_grad():
        mask = network.sampling.mask(torch.full((1,), record.config.sampling_rate))[0, 0]
    return Model(key, record.config, other_cohort.side_of(record), network, mask)


def _arguments(options: Mapping[str, Any]) -> argparse.Namespace:
    """The arguments of the command with these options. TypeError for an unknown one, ValueError for a wrong value."""
    import shlex

    from tune_ks.commands.arguments import search_parser

    parser = search_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    known = sorted(set(vars(parser.parse_args([]))) - set(NOT_HERE))
    words: list[str] = []
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"search() has no option {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}")
        words += _words(name, value)
    args = parser.parse_args(words)
    resumed = [word for word in words if word != "--fresh"]
    args.command_line = f"{call_of()} {shlex.join(resumed)}" if "space" in options else ONE_CALL
    return args


def _words(name: str, value: Any) -> list[str]:
    """The words of the command line that give an option this value; none for None, False and an empty list."""
    option = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    if name not in REPEATED:
        return [option, *values] if values else []
    words = []
    for text in values:
        words += [option, text]
    return words


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


def _space(space: Any, settings: Mapping[str, Any] | None) -> Any:
    """The Space of a SPACE that was given as a dict or a list of dicts."""
    from tune_ks.planning.space import space_of

    return space_of("api", {"SPACE": space if isinstance(space, Mapping) else list(space), "SEARCH": settings or {}})
