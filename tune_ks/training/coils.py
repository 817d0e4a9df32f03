"""What a training on complex images of coils (raw k-space) can use: what says so of itself, in its own declaration.

A member that is given the training images says it in its registry (``Member.takes_coils``), an option in its own file
(``Option.takes_coils``). Every mask, network, schedule and invariance fits: none of them sees an image before the coils
are combined.
"""

from collections.abc import Mapping
from typing import Any

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.options import Option
from tune_ks.core.printable import shown
from tune_ks.training.members import owners, registries

# the fields whose members are given the images of the coils
GIVEN_IMAGES = ("transform", "harmonise", "style", "augment", "reconstruction", "task")


def fitting_values() -> dict[str, list[Any]]:
    """Field or option -> its values that can be used on raw k-space, of those of which not every value can."""
    fitting: dict[str, list[Any]] = {}
    for option in _every_option():
        if not option.takes_coils:
            fitting[option.name] = [option.default]
    for field in GIVEN_IMAGES:
        fitting[field] = [name for name, member in registries()[field].items() if member.takes_coils]
    return fitting


def _every_option() -> list[Option]:
    """The fields of a config, and each option of its members once."""
    of_members = [declared[0][2] for declared in owners().values()]
    return [*OWN_FIELDS.values(), *of_members]


def require_serves_coils(config: TrialConfig) -> None:
    """ValueError where a config names a member, or sets an option, that cannot be used on raw k-space."""
    for name, fitting in fitting_values().items():
        if name in OWN_FIELDS or name in config.options:
            _require_fit(name, config.get(name), fitting)


def require_values_serve_coils(fixed: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
    """ValueError as above, for the fixed values of a block of a space and those that a sampler can draw."""
    for name, fitting in fitting_values().items():
        for value in _values(name, fixed, drawn):
            _require_fit(name, value, fitting)


def _values(name: str, fixed: Mapping[str, Any], drawn: Mapping[str, Any]) -> list[Any]:
    """The fixed value; the categories of a domain, or the ends of its range; [] where the block does not name it."""
    if name in fixed:
        return [fixed[name]]
    if name not in drawn:
        return []
    domain = drawn[name]
    return list(getattr(domain, "categories", None) or (domain.lower, domain.upper))


def _require_fit(name: str, value: Any, fitting: list[Any]) -> None:
    if value not in fitting:
        words = " or ".join(shown(fit) for fit in fitting)
        raise ValueError(
            f"{name} must be {words} on raw k-space, whose images are complex images of several coils, "
            f"got {shown(value)}"
        )
