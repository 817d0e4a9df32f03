"""The recipes that a tuning may try, and the trainings that judge one.

A recipe is a value for each drawn field of a space. It is judged by one training for each source vendor, at full
sampling and at the one low rate of the space.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.planning.space import Space
from tune_ks.training.members import config_from, members_of, owners, settings_of
from tune_ks.training.tasks.base import TARGETS

NOT_OF_A_RECIPE = ("vendor", "sampling_rate", "seed", "epochs")  # in which trainings of one recipe may differ


class Candidates(NamedTuple):
    """What may be drawn, and what all trainings share."""

    fixed: dict[str, Any]  # values of the fields that are not drawn, without vendor, sampling_rate and epochs
    drawn: dict[str, Any]  # field -> domain of ray.tune
    vendors: list[str]  # the source vendors
    low_rate: float
    epochs: int  # of a whole training
    starts: list[dict[str, Any]]  # the recipes that are tried first; the first one is the default

    @property
    def default(self) -> dict[str, Any]:
        return self.starts[0]

    def trainings(self, recipe: Mapping[str, Any], epochs: int, seed: int = 0) -> list[TrialConfig]:
        """The trainings that judge a recipe: every vendor, first at full sampling, then at the low rate."""
        configs = []
        for rate in (1.0, self.low_rate):
            for vendor in self.vendors:
                changing = {"vendor": vendor, "sampling_rate": rate, "epochs": epochs, "seed": seed}
                values = {**self.fixed, **recipe, **changing}
                configs.append(_with_own_options(tuple(sorted(values.items()))))
        return configs

    def recipe_of(self, config: TrialConfig) -> dict[str, Any]:
        """The values of the drawn fields; those of the default for an option that no member of this config has."""
        settings = settings_of(config)
        return {name: settings.get(name, self.default[name]) for name in self.drawn}

    def key(self, recipe: Mapping[str, Any]) -> str:
        """The name of a recipe, which all its trainings share."""
        return recipe_key(self.trainings(recipe, self.epochs)[0])

    def differences(self, recipe: Mapping[str, Any]) -> str:
        """In what a recipe differs from the default: "lr 0.001, schedule one_cycle"."""
        changed = [f"{name} {_short(recipe[name])}" for name in self.drawn if recipe[name] != self.default[name]]
        return ", ".join(changed) or "the default"

    def values(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Every value of a recipe, the fixed ones included: what a person writes down to train by it."""
        settings = settings_of(self.trainings(recipe, self.epochs)[0])
        names = [*self.fixed, *(name for name in self.drawn if name not in self.fixed), "epochs"]
        return {name: settings[name] for name in names if name in settings and name != "mask"}


def candidates_of(space: Space, vendors: list[str]) -> Candidates:
    """The candidates of a space that a tuning can use. ValueError that names the space and says what it lacks."""
    try:
        return _candidates(space, vendors)
    except ValueError as error:
        raise ValueError(f"tune cannot use the space {space.name!r}: {error}") from error


def _candidates(space: Space, vendors: list[str]) -> Candidates:
    if len(space.blocks) != 1 or space.search["sampler"] == "grid":
        raise ValueError("its SPACE must be one dict with domains of ray.tune, as in recipe_candidates")
    points = space.grid(vendors)
    drawn = points[0].drawn
    unusable = sorted({*NOT_OF_A_RECIPE, "image_size", "task", "mask", "rate_from", "init_from"} & {*drawn})
    if unusable:
        raise ValueError(f"{unusable[0]} is no part of a recipe and cannot be drawn")
    for name in points[0].fixed:
        several = {str(point.fixed[name]) for point in points}
        if len(several) > 1 and name not in ("vendor", "sampling_rate"):
            raise ValueError(f"a recipe has one {name}, and SPACE lists {', '.join(sorted(several))}")
    rates = sorted({float(point.fixed["sampling_rate"]) for point in points})
    if len(rates) != 2 or rates[1] != 1:
        raise ValueError(f"sampling_rate must list full sampling, 1.0, and one low rate; got {rates}")
    if space.task().reads_masks():
        words = TARGETS[space.task().target].words
        raise ValueError(f"it is for classification; the task of this space {words}")
    if not space.start:
        raise ValueError("it has no START, the list of the recipes that are tried first, the default at its head")
    fixed = {name: value for name, value in points[0].fixed.items() if name not in NOT_OF_A_RECIPE}
    return Candidates(
        fixed=fixed,
        drawn=drawn,
        vendors=sorted({point.fixed["vendor"] for point in points}),
        low_rate=rates[0],
        epochs=config_from(points[0].fixed).epochs,
        starts=_starts(space.start, drawn),
    )


def _starts(given: Sequence[dict[str, Any]], drawn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every recipe of START with a value for each drawn field: its own, else the first one's, else the default."""
    defaults = _defaults(drawn)
    first = {**defaults, **given[0]}
    starts = []
    for values in given:
        whole = {**first, **values}
        recipe = {name: whole[name] for name in drawn}
        for name, value in recipe.items():
            if not drawn[name].is_valid(value):
                raise ValueError(f"START has {name} {value!r}, which its domain {drawn[name].domain_str} cannot draw")
        starts.append(recipe)
    return starts


def _defaults(names: Mapping[str, Any]) -> dict[str, Any]:
    of_members = {name: having[0][2] for name, having in owners().items()}
    return {name: {**OWN_FIELDS, **of_members}[name].default for name in names}


def recipe_key(config: TrialConfig) -> str:
    """The name of the recipe that a training belongs to."""
    return config.key(*NOT_OF_A_RECIPE)


def rounded(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with two digits of every drawn number, which is all that a person would write down."""
    return {name: float(f"{value:.1e}") if isinstance(value, float) else value for name, value in recipe.items()}


@functools.lru_cache(maxsize=10_000)  # a tuning asks for the same trainings again and again
def _with_own_options(items: tuple[tuple[str, Any], ...]) -> TrialConfig:
    """The config of these fields and values, without the options that none of its members has."""
    values = dict(items)
    config = config_from(values)
    having = {option.name for member in members_of(config).values() for option in member.options}
    return config_from({name: value for name, value in values.items() if name in OWN_FIELDS or name in having})


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
