"""What a search space may give a field: a value, a list of values, or a domain of ray.tune to draw from."""

from collections.abc import Iterable, Mapping
from typing import Any

from tune_ks.planning.space_domains import is_domain

DOMAINS = "tune.choice, uniform, quniform, loguniform, randint, qrandint and lograndint"
# fields that are known before a sampler draws anything: they say which images are decoded, and who trains on what
LISTED = ("vendor", "seed", "task", "image_size")


def require_usable(block: Mapping[str, Any]) -> None:
    """ValueError where a value of one dict of SPACE is of a kind that no trial could get, or where it holds nothing."""
    for name, value in block.items():
        if is_domain(value):
            _require_drawable(name, value)
        elif isinstance(value, (list, tuple)):
            _require_list(name, value)
        elif isinstance(value, Mapping) and "grid_search" in value:
            raise ValueError(f"{name}: write tune.grid_search(VALUES) as the list VALUES alone")
        elif isinstance(value, Iterable) and not isinstance(value, str):
            raise ValueError(f"{name}: several values are written as a list, [A, B]; got {repr(value)[:60]}")


def _require_list(name: str, values: list[Any] | tuple[Any, ...]) -> None:
    if not values:
        raise ValueError(f"{name} is an empty list, so there would be no trial at all: give a value, or leave it out")
    if any(is_domain(value) for value in values):
        raise ValueError(f"{name} is a list that holds a domain of ray.tune: give plain values, or the domain alone")


def _require_drawable(name: str, domain: Any) -> None:
    """ValueError for a domain that Optuna cannot draw from, and for one of a field that must be listed."""
    if name in LISTED:
        raise ValueError(f"{name} must be a value or a list: no sampler draws it")
    if is_domain(domain, "Categorical"):
        if not domain.categories:
            raise ValueError(f"{name}: tune.choice([]) holds no value")
        return
    sampler = domain.get_sampler() if is_domain(domain, "Float", "Integer") else None
    drawn = type(getattr(sampler, "sampler", sampler)).__name__  # of a quantized sampler: what it rounds
    if drawn not in ("_Uniform", "_LogUniform"):
        raise ValueError(f"{name}: a space takes lists, and of ray.tune {DOMAINS}; this one is {_name_of(domain)}")
    if drawn == "_LogUniform" and sampler is not getattr(sampler, "sampler", sampler):
        raise ValueError(f"{name}: Optuna draws logarithms without steps: give tune.loguniform or tune.lograndint")
    if not domain.lower < domain.upper:
        raise ValueError(f"{name}: its domain ends at {domain.upper}, which is not above its start {domain.lower}")


def _name_of(domain: Any) -> str:
    """A domain as the user wrote it, as far as it can be told."""
    if is_domain(domain, "Float", "Integer"):
        return "tune.randn or tune.qrandn"
    return "tune.sample_from" if type(domain).__name__ == "Function" else type(domain).__name__
