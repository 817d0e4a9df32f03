"""The registries of tune_ks that take members from outside: see tune_ks.core.own_members."""

from tune_ks.core.config import OWN_FIELDS
from tune_ks.core.options import Member, Option
from tune_ks.core.own_members import Registry
from tune_ks.evaluation.yardsticks import YARDSTICKS
from tune_ks.evaluation.yardsticks.base import Yardstick
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, SEGMENTERS
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.corruptions.base import SEVERITIES, Corruption
from tune_ks.training.members import owners, registries
from tune_ks.training.tasks.base import TARGETS


def open_registries() -> dict[str, Registry]:
    """Kind of member -> its registry."""
    of_config = registries() | {"classifier": CLASSIFIERS}  # there a copy with the others
    kinds = {field: Registry(members, Member, field, _require_options) for field, members in of_config.items()}
    return kinds | {
        "segmenter": Registry(SEGMENTERS, Member, "classifier", _require_options),
        "detector": Registry(DETECTORS, Member, "classifier", _require_options),
        "corruption": Registry(CORRUPTIONS, Corruption, "corruption", _require_strengths),
        "yardstick": Registry(YARDSTICKS, Yardstick, "yardstick", _require_functions),
    }


def _require_options(member: Member) -> None:
    """ValueError for an option that a config could not hold beside those of the other members."""
    declared = owners()
    for option in member.options:
        if not isinstance(option, Option) or option.name in OWN_FIELDS:
            raise ValueError(f"{option!r} is no Option, or has the name of a config's field")
        others = {other for _, _, other in declared.get(option.name, [])}
        if others and option not in others:
            raise ValueError(
                f"its option {option.name!r} is declared otherwise by another member: choose another name, or import "
                "that declaration"
            )


def _require_strengths(corruption: Corruption) -> None:
    if not callable(corruption.corrupt) or len(corruption.strengths) != SEVERITIES:
        raise ValueError(f"it needs a function and {SEVERITIES} strengths, got {corruption!r}")


def _require_functions(yardstick: Yardstick) -> None:
    if yardstick.target not in TARGETS or not callable(yardstick.fit):
        raise ValueError(f"it needs a target of {', '.join(TARGETS)} and the function fit, got {yardstick!r}")
