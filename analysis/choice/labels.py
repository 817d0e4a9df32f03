"""Which parts of a search read the validation scores of every vendor, so that its trials depend on their labels."""

from typing import Any

BLIND = ("grid", "random", "qmc")  # samplers that read no score
BOTH = ["val_in_domain", "val_cross_domain"]  # objectives where search.json does not name them


def readers(search_json: dict[str, Any]) -> str:
    """In words: "sampler", "scheduler", "sampler and the scheduler"; "" where none did."""
    search = search_json.get("search") or {}
    names = []
    if search.get("sampler", "grid") not in BLIND:
        names.append("sampler")
    if search.get("scheduler") == "pareto_halving":
        names.append("scheduler")
    read = "val_cross_domain" in search.get("objectives", BOTH)
    return " and the ".join(names) if read else ""
