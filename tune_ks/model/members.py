"""The registry of every field of a config that names a part of the model, and the member that it names."""

from typing import Any, NamedTuple

from tune_ks.core.config import DRAWN, OWN_FIELDS, UNIFORM, Plain, TrialConfig, is_key
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.options import Member, Option, refusal
from tune_ks.core.own_members import full_name
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, MAPPERS, NO_NETWORK, SEGMENTERS, VOLUME_SEGMENTERS
from tune_ks.model.classifiers.base import Network
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.masks import MASKS
from tune_ks.model.reconstructions import RECONSTRUCTIONS
from tune_ks.model.transforms import TRANSFORMS

# of a config, each naming a part of the model
FIELDS = ("harmonise", "transform", "mask", "reconstruction", "classifier")


def registry_of(field: str) -> dict[str, Member]:
    """The members that ``field`` of a config can name."""
    registries: dict[str, dict[str, Member]] = {
        "harmonise": HARMONISATIONS,
        "transform": TRANSFORMS,
        "mask": MASKS,
        "reconstruction": RECONSTRUCTIONS,
        "classifier": {**networks()},
    }
    return registries[field]


def networks() -> dict[str, Network]:
    """Every network. The task checks which of them it can use."""
    return CLASSIFIERS | SEGMENTERS | DETECTORS | VOLUME_SEGMENTERS | MAPPERS | NO_NETWORK


def network_of(config: TrialConfig) -> Network:
    """The network that a config names. ValueError where there is none of this name."""
    return named(networks(), "classifier", config.classifier)


def member_of(config: TrialConfig, field: str) -> Member:
    """The member that ``field`` names. ValueError where its registry has no such member."""
    return named(registry_of(field), field, getattr(config, field))


def shaping_values(config: TrialConfig) -> dict[str, Any]:
    """Name -> value of every field and option that changes the shapes of the network's weights, except the mask's.

    Two configs with the same values can begin from each other's weights.
    """
    values = {name: getattr(config, name) for name, option in OWN_FIELDS.items() if option.shapes}
    for field in FIELDS:
        member = member_of(config, field)
        chosen = member.values(config.options)
        values |= {option.name: chosen[option.name] for option in member.options if option.shapes}
    return values


class Range(NamedTuple):
    """An option that training draws for each image, uniformly from ``least`` to ``most``."""

    name: str
    least: float
    most: float
    default: Any  # at which it is scored where the config gives no value


def drawn_options(config: TrialConfig) -> list[Range]:
    """The options of the network's parts that training draws for each image.

    ValueError where one has no lowest and highest value to draw between.
    """
    if not config.drawn_options:
        return []
    options = []
    for field in FIELDS:
        options += [option for option in member_of(config, field).options if option.name in config.drawn_options]
    return [_range_of(option) for option in options]


def _range_of(option: Option) -> Range:
    if option.least is None or option.most is None:
        wanted = f"of a number with a lowest and a highest value, not {option.allowed}"
        raise refusal(f"{option.name}{DRAWN}", wanted, UNIFORM)
    return Range(option.name, option.least, option.most, option.default)


def scored_values(config: TrialConfig) -> dict[str, Plain]:
    """Name -> the value at which a network is scored, of each option that its training may change: see ``tell``."""
    drawn = drawn_options(config)
    values = {option.name: config.options.get(option.name, option.default) for option in drawn}
    if "temperature" in config.options:
        values["temperature"] = config.options["temperature"]
    return values


def named(registry: dict[str, Any], field: str, name: str) -> Any:
    """registry[name]. ValueError that lists the known names where there is none of this name."""
    if name in registry:
        return registry[name]
    member, separator, tag = str(name).partition("@")
    is_there = separator and full_name(field, member) == name  # but cannot be used here, as a segmenter that classifies
    if separator and not is_there and is_key(tag):
        raise ValueError(
            f"the {field} {member} is of a file of your own with the content {tag}: name that file again with "
            "--members FILE; a changed file is another member"
        )
    if separator and not is_there:
        raise ValueError(f"the {field} {member} is of the installed package {tag}: install it again, in that version")
    known = sorted(registry)
    hint = "" if is_there else did_you_mean(str(name), known) or "; one of your own needs --members FILE"
    raise ValueError(f"{field} must be one of {', '.join(known)}; got {name!r}{hint}")
