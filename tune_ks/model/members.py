"""The registry of every field of a config that names a part of the model, and the member that it names."""

from typing import Any

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.options import Member
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, NO_NETWORK, SEGMENTERS
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.masks import MASKS
from tune_ks.model.reconstructions import RECONSTRUCTIONS
from tune_ks.model.transforms import TRANSFORMS

FIELDS = (
    "harmonise",
    "transform",
    "mask",
    "reconstruction",
    "classifier",
)  # of a config, each naming a part of the model


def registry_of(field: str) -> dict[str, Member]:
    """The members that ``field`` of a config can name."""
    return {
        "harmonise": HARMONISATIONS,
        "transform": TRANSFORMS,
        "mask": MASKS,
        "reconstruction": RECONSTRUCTIONS,
        # the task checks whether it can use the network
        "classifier": CLASSIFIERS | SEGMENTERS | DETECTORS | NO_NETWORK,
    }[field]


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


def named(registry: dict, field: str, name: str):
    """registry[name]. ValueError that lists the known names where there is none of this name."""
    if name in registry:
        return registry[name]
    member, separator, file_hash = str(name).partition("@")
    if separator:
        raise ValueError(
            f"the {field} {member} is of a file of your own with the content {file_hash}: name that file again with "
            "--members FILE; a changed file is another member"
        )
    known = sorted(registry)
    hint = did_you_mean(str(name), known) or "; one of your own needs --members FILE"
    raise ValueError(f"{field} must be one of {', '.join(known)}; got {name!r}{hint}")
