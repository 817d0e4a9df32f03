"""The members that a config names, and the check that its options belong to them."""

from collections.abc import Collection, Mapping
from typing import Any

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.options import Member, Option, listed, require
from tune_ks.model.classifiers import NO_NETWORK
from tune_ks.model.members import FIELDS, named, registry_of
from tune_ks.training.augmentations import AUGMENTATIONS
from tune_ks.training.schedules import SCHEDULES
from tune_ks.training.styles import STYLES
from tune_ks.training.tasks import TASKS


def members_of(config: TrialConfig) -> dict[str, Member]:
    """Field of the config -> the member that it names. ValueError where there is no such member."""
    return {field: named(registry, field, getattr(config, field)) for field, registry in registries().items()}


def registries() -> dict[str, dict[str, Member]]:
    """Field of a config -> the members that it can name."""
    of_model = {field: registry_of(field) for field in FIELDS}
    return of_model | {"task": TASKS, "augment": AUGMENTATIONS, "style": STYLES, "schedule": SCHEDULES}


def option_values(config: TrialConfig) -> dict[str, dict[str, Any]]:
    """Field of the config -> the options of the member that it names, with their values, defaults included."""
    return {field: member.values(config.options) for field, member in members_of(config).items()}


def settings_of(config: TrialConfig) -> dict[str, Any]:
    """Every field and option with its value, flat, defaults included; an option of another member is absent."""
    return config.settings(option_values(config))


def owners() -> dict[str, list[tuple[str, str, Option]]]:
    """Option -> (field, member, declaration) of every member of every registry that has it."""
    declarations: dict[str, list[tuple[str, str, Option]]] = {}
    for field, registry in registries().items():
        for name, member in registry.items():
            for option in member.options:
                declarations.setdefault(option.name, []).append((field, name, option))
    return declarations


def config_from(values: Mapping[str, Any]) -> TrialConfig:
    """A config from flat values as a user wrote them. Options get their plain type; a default value is left out.

    ValueError for an unknown field, and for a value that is not allowed.
    """
    declarations = owners()
    unknown = sorted(set(values) - {*OWN_FIELDS, *declarations})
    if unknown:
        names = ", ".join([*OWN_FIELDS, *sorted(declarations)])
        suggestion = did_you_mean(unknown[0], [*OWN_FIELDS, *declarations])
        raise ValueError(f"unknown field {', '.join(map(repr, unknown))}; the fields are: {names}{suggestion}")
    given = dict(values)
    for name in set(values) & set(declarations):
        _, _, option = declarations[name][0]
        value = option.checked(values[name])
        given[name] = None if value == option.default else value
    return TrialConfig.from_dict(given)


def require_own_options(config: TrialConfig, chosen: Collection[str] = ()) -> None:
    """ValueError where a member does not exist, its options do not fit, or an option belongs to none of the members.

    ``chosen`` are the options of all members in the same search space. They are allowed too, so that a space can state
    a value once for several members.
    """
    members = members_of(config)
    of_members = {option.name for member in members.values() for option in member.options}
    for name in config.options:
        if name not in of_members and name not in chosen:
            raise ValueError(_not_theirs(config, name))
    for member in members.values():
        member.checked_values(config)
    _require_what_trains(config, members)


def _require_what_trains(config: TrialConfig, members: Mapping[str, Member]) -> None:
    """ValueError where a member has parameters that nothing trains, or a network is given no epoch."""
    if config.classifier not in NO_NETWORK:
        require(config.epochs > 0, "epochs", f"1 or more to train the classifier {config.classifier!r}", config.epochs)
        return
    for field in ("mask", "reconstruction"):
        if members[field].learned:
            fitting = [name for name, member in registries()[field].items() if not member.learned]
            raise ValueError(
                f"the {field} {getattr(config, field)!r} learns, and nothing trains it where the classifier is "
                f"{config.classifier!r}: use {listed(fitting)}"
            )


def _not_theirs(config: TrialConfig, name: str) -> str:
    declarations = owners()[name]
    field, _, _ = declarations[0]
    members = ", ".join(sorted({member for _, member, _ in declarations}))
    return (
        f"{name} is an option of the {field} {members}, and this trial's {field} is {getattr(config, field)}: leave "
        f"{name} out, or choose another {field}"
    )
