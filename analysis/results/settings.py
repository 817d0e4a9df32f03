"""The settings of an analysis: made with them, written into selection.json, and read from it again."""

from collections.abc import Mapping
from typing import Any

from analysis.choice.options import Options, declared
from analysis.choice.rules import DEFAULT, RULES
from analysis.read.load import RunError, load
from analysis.results.compute import Analysis, compute, require_settings, with_cross_fits
from analysis.statistics.hanley_mcneil import Counts
from tune_ks.core.metrics import METRICS
from tune_ks.core.run_folder import read_json
from tune_ks.core.storage import StoragePath

OF_ALL_RULES = ("rule", "patients", "cross_fit", "metric", "prevalence")  # the rest are options of the rules


def computed_with(run: str | StoragePath, settings: Mapping[str, Any]) -> Analysis:
    """The analysis of a run folder with the arguments of analyse(), without writing a file.

    RunError when the folder or a setting can't serve.
    """
    rule = settings.get("rule", DEFAULT)
    cross_fit = settings.get("cross_fit", 0)
    options = _options(settings)
    require_settings(rule, options)
    if cross_fit < 0:
        raise RunError(f"cross_fit is a number of repeats and must be 0 or more, got {cross_fit}")
    prevalence = settings.get("prevalence")
    if prevalence is not None and not 0 < prevalence < 1:
        raise RunError(f"prevalence is a share between 0 and 1, got {prevalence:g}; for one in a hundred give 0.01")
    analysis = compute(load(run, settings.get("metric")), rule, options, settings.get("patients"), prevalence)
    return with_cross_fits(analysis, cross_fit) if cross_fit else analysis


def made_with(settings: Mapping[str, Any], images: bool) -> dict[str, Any]:
    """What selection.json keeps of the settings, so that the analysis can be made again."""
    kept = {
        "rule": settings.get("rule", DEFAULT),
        "images": images,
        "patients": settings.get("patients"),
        "cross_fit": settings.get("cross_fit", 0),
        **_options(settings).values,
    }
    for name in ("metric", "prevalence"):
        if settings.get(name) is not None:
            kept[name] = settings[name]
    return kept


def _options(settings: Mapping[str, Any]) -> Options:
    return Options(**{name: value for name, value in settings.items() if name not in (*OF_ALL_RULES, "images")})


def last_settings(run: StoragePath) -> dict[str, Any]:
    """The arguments of analyse() that selection.json holds; without images where it does not hold them whole."""
    try:
        kept = read_json(run / "selection.json")["made_with"]
        counts = kept["patients"] or {}
        if kept["rule"] not in RULES or kept.get("metric") not in (None, *METRICS):
            raise ValueError("an unknown rule or metric")
        return {
            "rule": kept["rule"],
            "images": kept["images"] is True,
            "patients": {vendor: Counts(*map(int, pair)) for vendor, pair in counts.items()} or None,
            "cross_fit": int(kept["cross_fit"]),
            "metric": kept.get("metric"),
            "prevalence": _prevalence(kept.get("prevalence")),
            **{name: float(kept[name]) for name in declared()},
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"images": False}


def _prevalence(value: Any) -> float | None:
    """What selection.json holds; ValueError for what is no share."""
    if value is None:
        return None
    if not 0 < float(value) < 1:
        raise ValueError("a prevalence is a share between 0 and 1")
    return float(value)
