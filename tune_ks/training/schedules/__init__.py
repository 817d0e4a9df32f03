"""Every schedule of the learning rate by name."""

from tune_ks.core.config import TrialConfig
from tune_ks.model.members import named
from tune_ks.training.schedules import constant, cosine, one_cycle
from tune_ks.training.schedules.base import Schedule

SCHEDULES = {"constant": constant.MEMBER, "cosine": cosine.MEMBER, "one_cycle": one_cycle.MEMBER}


def build_schedule(config: TrialConfig) -> Schedule:
    """The config's schedule with its options. ValueError names an unknown one."""
    member = named(SCHEDULES, "schedule", config.schedule)
    return member.build(**member.checked_values(config))
