"""A search space as a file: one question, a SPACE of values for the fields of TrialConfig, and a SEARCH over it."""

import itertools
import json
import math
import runpy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tune_ks.core.config import OWN_FIELDS, digest
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.domains import joined, leave_one_out, sources_of
from tune_ks.core.front import front_folder
from tune_ks.core.number import SAMPLES, SEEDS, Number
from tune_ks.core.own_members import full_name
from tune_ks.model.members import named
from tune_ks.planning.space_domains import count_of, described, examples_of, is_domain
from tune_ks.planning.space_values import require_usable
from tune_ks.training.members import config_from, owners, registries, require_own_options
from tune_ks.training.tasks import task_named
from tune_ks.training.tasks.base import Task

FOLDER = front_folder() / "search_spaces"
MOST_TRIALS = 100_000  # of a search: its plan holds the config of every one of them, half a gigabyte in all
FACTOR = Number(int, 2, 1000)
ASKED = {"sampler": "grid", "samples": 1, "seeds": 1, "objectives": ["val_in_domain", "val_cross_domain"]}
STOPPING = {
    "scheduler": "none",  # none | asha | median | pareto_halving
    "grace": 0.25,  # share of the epochs at which trials are first compared; none is stopped earlier
    "reduction_factor": 3,  # r: 1 / r of the compared trials go on, to r times as many epochs; median ignores it
    "compare_within": ["vendor"],  # only trials with the same values in these fields are compared
}
CONSTRAINT = {"in_domain_loss": None}  # in-domain validation metric that may be lost against full sampling
DATA = {
    "phantom": "breast",  # what is written and read where no data are given: a name in PHANTOMS
    "pretrained_vendor": None,  # whose training a config begins from; None: that of its own vendor
}
BESIDE = {"yardsticks": "quick"}  # quick | all: which are computed beside every network
SEARCH_DEFAULTS = {**ASKED, **CONSTRAINT, **DATA, **STOPPING, **BESIDE}
YARDSTICKS = ("quick", "all")
SCHEDULERS = ("none", "asha", "median", "pareto_halving")
SAMPLERS = ("grid", "random", "tpe", "nsga2", "nsga3", "qmc", "gp")
PRETRAINED = "pretrained"  # as init_from: stands for the matching trial of the run folder given as --init-from
LEAVE_ONE_OUT = "leave-one-out"  # as vendor: all vendors of the cohort but one are trained on, each in turn is left out
OBJECTIVES: dict[str, Literal["maximize", "minimize"]] = {
    "val_in_domain": "maximize",
    "val_cross_domain": "maximize",
    "realised_rate": "minimize",
}


class Block(NamedTuple):
    """One point of the grid: ``fixed`` values by field, and Ray's ``drawn`` domains of the fields a sampler draws."""

    fixed: dict[str, Any]
    drawn: dict[str, Any]

    def size(self) -> float:
        """The number of different combinations that can be drawn; infinite where a domain is continuous."""
        return _combinations(self.drawn)


class Listed(NamedTuple):
    """One dict of SPACE: field -> its listed values, and field -> the domain that a sampler draws it from."""

    values: dict[str, list[Any]]
    drawn: dict[str, Any]


class Space(NamedTuple):
    """``blocks`` are the dicts of SPACE, ``search`` is SEARCH with its defaults filled in.

    ``start`` is START, which only the command ``tune`` reads: values of drawn fields that it tries first.
    """

    name: str
    question: str
    blocks: list[dict[str, Any]]
    search: dict[str, Any]
    start: Sequence[dict[str, Any]] = ()

    def grid(self, vendors: list[str]) -> list[Block]:
        """Every combination of the listed values. A SPACE without a vendor means each of the cohort's ``vendors``.

        ValueError for names of several source vendors that make no sense, where there are too few to leave one out, and
        for more trials than a search can have.
        """
        listed = [_listed(block, vendors) for block in self.blocks]
        self._require_countable(listed)
        points = []
        for values, drawn in listed:
            combinations = itertools.product(*values.values())
            points += [Block(dict(zip(values, combination)), drawn) for combination in combinations]
        return points

    def _require_countable(self, listed: Sequence["Listed"]) -> None:
        """ValueError for more trials than a search can have, before one of them is built."""
        samples = 1 if self.search["sampler"] == "grid" else self.search["samples"]
        counts = []
        for values, drawn in listed:
            points = math.prod(len(of_field) for of_field in values.values())
            counts.append(points * int(min(samples, _combinations(drawn))))
        count = sum(counts) * self.search["seeds"]
        if count <= MOST_TRIALS:
            return
        largest = listed[counts.index(max(counts))].values
        longest = sorted(largest, key=lambda name: -len(largest[name]))[:3]
        names = ", ".join(f"{name} {len(largest[name]):,}" for name in longest if len(largest[name]) > 1)
        raise ValueError(
            f"the space asks for {count:,} trials, and a search can have {MOST_TRIALS:,}: list fewer values"
            f"{f' ({names})' if names else ''}, ask for fewer seeds ({self.search['seeds']:,}) or samples "
            f"({samples:,}), or let a sampler draw fields from domains of ray.tune"
        )

    def examples(self) -> list[Block]:
        """The grid of a cohort that is not known yet, to check a SPACE by."""
        leaves_out = any(LEAVE_ONE_OUT in _as_list(block.get("vendor")) for block in self.blocks)
        return self.grid(["GE", "PHILIPS", "SIEMENS"] if leaves_out else ["GE"])

    def fingerprint(self) -> str:
        """12 hexadecimal digits of SPACE and SEARCH, without the docstring, the name, STOPPING and BESIDE."""
        blocks = [_described_block(block) for block in self.blocks]
        search = {name: self.search[name] for name in ASKED}
        for name, default in {**CONSTRAINT, **DATA}.items():
            if self.search[name] != default:  # so that spaces of before keep their fingerprint
                search[name] = self.search[name]
        return digest(json.dumps([blocks, search], sort_keys=True).encode())

    def without_scheduler(self) -> "Space":
        """The same space without early stopping."""
        return self._replace(search=self.search | {"scheduler": "none"})

    def epochs(self) -> int:
        """The number of epochs of every trial, for early stopping. ValueError where trials differ in it."""
        for name in ("epochs", "settle"):
            values = {json.dumps(described(block.get(name, OWN_FIELDS[name].default))) for block in self.blocks}
            first = self.blocks[0].get(name)
            if len(values) > 1 or isinstance(first, (list, tuple)) or is_domain(first):
                raise ValueError(
                    f"a scheduler compares trials after the same epoch, so {name} must be one number for the whole "
                    f"SPACE; got {' and '.join(sorted(values))}"
                )
        epochs: Any = self.blocks[0].get("epochs", OWN_FIELDS["epochs"].default)
        return int(epochs)

    def task(self) -> type[Task]:
        """The task of all trials. ValueError for an unknown task, and for more than one."""
        tasks = sorted(map(str, self._values("task")))
        if len(tasks) > 1:
            raise ValueError(
                f"a search is judged by one metric, so task must be the same in all of SPACE; got {' and '.join(tasks)}"
            )
        return task_named(tasks[0])

    def image_sizes(self) -> list[int]:
        """The image sizes of all trials: the cohort is decoded once for every size before the search."""
        return sorted(map(int, self._values("image_size")))

    def _values(self, name: str) -> set[Any]:
        """Every value of a config's own field in SPACE, its default where a block does not name it."""
        default = OWN_FIELDS[name].default
        return {value for block in self.blocks for value in _as_list(block.get(name, default))}


def known_spaces() -> list[str]:
    """The names that ``--space`` takes."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def load_space(name: str) -> Space:
    """Load a space of ``search_spaces/`` by name, or any .py file by its path. ValueError says what is wrong in it."""
    path = Path(name) if name.endswith(".py") else FOLDER / f"{name}.py"
    if not path.is_file() or not (name.endswith(".py") or name in known_spaces()):
        is_without_ending = Path(f"{name}.py").is_file()
        meant = f"; did you mean '{name}.py'?" if is_without_ending else did_you_mean(name, known_spaces())
        raise ValueError(
            f"there is no search space {name!r}; the shipped ones are {', '.join(known_spaces())}; "
            f"a space of your own is given by the path of its .py file{meant}"
        )
    try:
        module = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # the user's file may raise any exception; the message passes it on
        raise ValueError(f"{path} cannot be read as a search space: {type(error).__name__}: {error}") from error
    try:
        return space_of(path.stem, module)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def space_of(name: str, module: Mapping[str, Any]) -> Space:
    """The space of a dict with SPACE and, where they are given, SEARCH, START and a question as ``__doc__``."""
    space = Space(name, module.get("__doc__") or "", _blocks(module), _search(module), _start(module))
    _check(space)
    return space


def _blocks(module: Mapping[str, Any]) -> list[dict[str, Any]]:
    """SPACE of a space file, as a list of dicts."""
    blocks = module.get("SPACE")
    blocks = [blocks] if isinstance(blocks, Mapping) else blocks
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, Mapping) for block in blocks):
        raise ValueError("SPACE must be a dict of field -> values, or a list of such dicts")
    return [_with_full_names(block) for block in blocks]


def _with_full_names(block: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of SPACE, with the members of a user's own file called NAME@HASH, also in lists and choices."""
    named_in_full = dict(block)
    for field in registries():
        value = block.get(field)
        if isinstance(value, (list, tuple)):
            named_in_full[field] = [full_name(field, member) for member in value]
        elif is_domain(value, "Categorical"):
            from ray.tune.search.sample import choice

            drawn: Any = value  # a domain of ray.tune, which is imported only where one is used
            named_in_full[field] = choice([full_name(field, member) for member in drawn.categories])
        elif value is not None:
            named_in_full[field] = full_name(field, value)
    return named_in_full


def _search(module: Mapping[str, Any]) -> dict[str, Any]:
    """SEARCH of a space file with its defaults filled in."""
    given = module.get("SEARCH", {})
    if not isinstance(given, Mapping):
        raise ValueError(f"SEARCH must be a dict of {', '.join(SEARCH_DEFAULTS)}, got {given!r}")
    unknown = sorted(set(given) - set(SEARCH_DEFAULTS))
    if unknown:
        suggestion = did_you_mean(unknown[0], SEARCH_DEFAULTS)
        raise ValueError(f"SEARCH has no field {unknown[0]!r}; it takes {', '.join(SEARCH_DEFAULTS)}{suggestion}")
    return {**SEARCH_DEFAULTS, **given}


def _start(module: Mapping[str, Any]) -> list[dict[str, Any]]:
    """START of a space file; [] where it has none."""
    start = module.get("START", [])
    if not isinstance(start, list) or not all(isinstance(values, Mapping) for values in start):
        raise ValueError("START must be a list of dicts of field -> value")
    return [_with_full_names(values) for values in start]


def ask_more(space: Space, samples: int | None, seeds: int | None, rates: Iterable[float]) -> Space:
    """The space with other numbers of samples and seeds, and with ``rates`` in each of its lists of sampling rates."""
    search = dict(space.search)
    if samples is not None:
        search["samples"] = samples
    if seeds is not None:
        search["seeds"] = seeds
    blocks = [dict(block) for block in space.blocks]
    listed = [block for block in blocks if isinstance(block.get("sampling_rate"), (list, tuple))]
    rates = list(rates)
    if rates and not listed:
        raise ValueError(f"--rates: the space {space.name!r} has no list of sampling rates to add to")
    for block in listed:
        block["sampling_rate"] = sorted({*block["sampling_rate"], *rates})
    more = space._replace(blocks=blocks if rates else space.blocks, search=search)
    _check(more)
    return more


def _check(space: Space) -> None:
    """ValueError where SEARCH, or a config with the lowest or highest values of a block, is not allowed."""
    for block in space.blocks:
        require_usable(block)
    _check_search(space.search)
    space.task()
    _check_constraint(space)
    _check_stopping(space)
    chosen = _options_of_members(space)
    for point in space.examples():
        if bool(point.drawn) == (space.search["sampler"] == "grid"):
            raise ValueError(
                "a 'grid' takes lists of values only, and every other sampler needs a field with a domain of ray.tune "
                f"(tune.uniform(0.1, 1)); got the sampler {space.search['sampler']!r} and the domains "
                f"{sorted(point.drawn)}"
            )
        for drawn in examples_of(point.drawn):
            values = {**point.fixed, **drawn}
            if values.get("init_from") == PRETRAINED and not point.drawn:
                del values["init_from"]
            require_own_options(config_from(values), chosen)


def _check_search(search: Mapping[str, Any]) -> None:
    if search["sampler"] not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {search['sampler']!r}")
    SAMPLES.require("samples", search["samples"])
    SEEDS.require("seeds", search["seeds"])
    if search["yardsticks"] not in YARDSTICKS:
        raise ValueError(f"yardsticks must be one of {', '.join(YARDSTICKS)}, got {search['yardsticks']!r}")
    unknown = [name for name in search["objectives"] if name not in OBJECTIVES]
    if unknown or not search["objectives"]:
        raise ValueError(f"objectives must be among {', '.join(OBJECTIVES)}, got {search['objectives']!r}")


def _check_constraint(space: Space) -> None:
    loss = space.search["in_domain_loss"]
    if loss is None:
        return
    if isinstance(loss, bool) or not isinstance(loss, (int, float)) or not 0 <= loss < 1:
        raise ValueError(f"in_domain_loss is a part of the metric, from 0 to below 1, or None; got {loss!r}")
    if space.search["sampler"] == "grid":
        raise ValueError("in_domain_loss steers a sampler, and a 'grid' reads no result: name a sampler in SEARCH")
    for block in space.examples():
        rate = block.drawn.get("sampling_rate")
        highest = None if rate is None else max(getattr(rate, "categories", None) or [rate.upper])
        if highest != 1:
            raise ValueError(
                "in_domain_loss compares with full sampling, so every block must draw the sampling_rate up to 1 "
                f"(tune.uniform(0.1, 1)); the highest here is {highest or block.fixed.get('sampling_rate')!r}"
            )


def _options_of_members(space: Space) -> set[str]:
    """The options of all members that SPACE names. A block may set any of them, so that blocks can share values."""
    names = set()
    for block in space.examples():
        for field, registry in registries().items():
            for member in _named_in(block, field):
                names |= {option.name for option in named(registry, field, member).options}
    return names


def _named_in(block: Block, field: str) -> list[str]:
    """The members that a block names in ``field``: a fixed one, those that a sampler can draw, or the default."""
    if field in block.drawn:
        return list(getattr(block.drawn[field], "categories", ()))
    return [block.fixed[field] if field in block.fixed else str(OWN_FIELDS[field].default)]


def _check_stopping(space: Space) -> None:
    search = space.search
    if search["scheduler"] not in SCHEDULERS:
        raise ValueError(f"scheduler must be one of {', '.join(SCHEDULERS)}, got {search['scheduler']!r}")
    fields = search["compare_within"]
    if not isinstance(fields, (list, tuple)):
        raise ValueError(f"compare_within must be a list of fields of a trial, got {fields!r}")
    if not isinstance(search["grace"], (int, float)) or not 0 < search["grace"] < 1:
        raise ValueError(f"grace is a share of the epochs, above 0 and below 1, got {search['grace']!r}")
    FACTOR.require("reduction_factor", search["reduction_factor"])
    known = [*OWN_FIELDS, *sorted(owners())]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ValueError(f"compare_within takes fields of a trial: {', '.join(known)}; got {unknown[0]!r}")
    if search["scheduler"] != "none" and math.ceil(search["grace"] * space.epochs()) >= space.epochs():
        raise ValueError(
            f"with {space.epochs()} epochs and a grace of {search['grace']:g} there is no epoch left to stop at"
        )


def _combinations(drawn: Mapping[str, Any]) -> float:
    """The number of different combinations of values that can be drawn; infinite where a domain is continuous."""
    return math.prod(count_of(domain) for domain in drawn.values())


def _listed(block: Mapping[str, Any], vendors: list[str]) -> Listed:
    """What a dict of SPACE lists and draws; a dict without a vendor means each of ``vendors``."""
    whole = {"vendor": list(vendors), **block}
    whole["vendor"] = _sources(whole["vendor"], vendors)
    drawn = {name: value for name, value in whole.items() if is_domain(value)}
    return Listed({name: _as_list(value) for name, value in whole.items() if name not in drawn}, drawn)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _sources(asked: Any, vendors: list[str]) -> list[Any]:
    """What a block's trials are trained on: the names in order of the alphabet where there are several in one."""
    sources: list[Any] = []
    for value in _as_list(asked):
        if value == LEAVE_ONE_OUT:
            sources += leave_one_out(vendors)
        else:
            sources.append(joined(sources_of(value)) if isinstance(value, str) else value)
    return sources


def _described_block(block: dict[str, Any]) -> dict[str, Any]:
    return {name: described(value) for name, value in block.items()}
