"""The domains of ray.tune in a space, asked without importing it, which takes 0.3 s: few spaces have one.

A value can be a domain only where the space's own file has imported ray.tune.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any


def is_domain(value: Any, *kinds: str) -> bool:
    """Whether a value is a domain of ray.tune, with ``kinds`` one of these: "Categorical", "Float", "Integer"."""
    sample = sys.modules.get("ray.tune.search.sample")
    if sample is None:
        return False
    return isinstance(value, tuple(getattr(sample, kind) for kind in kinds or ("Domain",)))


def count_of(domain: Any) -> float:
    """The number of different values of a domain; infinite where it is continuous."""
    categories = getattr(domain, "categories", None)
    if categories is not None:
        return len(categories)
    step = getattr(domain.get_sampler(), "q", None)
    upper = domain.upper
    if step is None and is_domain(domain, "Integer"):
        step = 1
        upper = domain.upper - 1  # Ray leaves the upper end of integers out
    return math.floor((upper - domain.lower) / step + 1e-9) + 1 if step else math.inf


def examples_of(drawn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Field -> domain: values of all fields at their lower ends, at their upper ends, and with each category once.

    A category stands beside the lower ends of the others. Nothing is drawn.
    """
    lower = {name: _edge(domain, "lower") for name, domain in drawn.items()}
    upper = {name: _edge(domain, "upper") for name, domain in drawn.items()}
    examples = [lower, upper]
    for name, domain in drawn.items():
        examples += [{**lower, name: category} for category in getattr(domain, "categories", ())]
    return examples


def _edge(domain: Any, edge: str) -> Any:
    """The "lower" or "upper" end of a domain; the first or last of its categories."""
    categories = getattr(domain, "categories", None)
    if categories is not None:
        return categories[0 if edge == "lower" else -1]
    return getattr(domain, edge)


def described(value: Any) -> Any:
    """A value as JSON can hold it: a domain becomes the names of its types, its step and its range in words."""
    if not is_domain(value):
        return value
    sampler = value.get_sampler()
    inner = getattr(sampler, "sampler", sampler)
    return [type(value).__name__, type(inner).__name__, getattr(sampler, "q", None), value.domain_str]
