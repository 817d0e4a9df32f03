"""Every invariance by name: how it is learned from several source vendors what they have in common."""

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member
from tune_ks.model.members import named
from tune_ks.training.invariances import coral, group_dro, irm, pooled
from tune_ks.training.invariances.base import Invariance

INVARIANCES: dict[str, Member] = {
    "none": pooled.POOLED,
    "balanced": pooled.BALANCED,
    "coral": coral.MEMBER,
    "group_dro": group_dro.MEMBER,
    "irm": irm.MEMBER,
}


def build_invariance(config: TrialConfig) -> Invariance:
    """The config's invariance with its options. ValueError for an unknown one, or one that does not fit the config."""
    member = named(INVARIANCES, "invariance", config.invariance)
    return member.build(sources=len(config.sources), **member.checked_values(config))
