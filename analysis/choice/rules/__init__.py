"""Every selection rule by name."""

from analysis.choice.rules import cross_domain, epsilon, hypervolume, knee, noninferior, one_se
from analysis.choice.rules.base import Rule

RULES: dict[str, Rule] = {
    "epsilon": epsilon.RULE,
    "knee": knee.RULE,
    "cross_domain": cross_domain.RULE,
    "one_se": one_se.RULE,
    "hypervolume": hypervolume.RULE,
    "noninferior": noninferior.RULE,
}

DEFAULT = "epsilon"  # used when the user names no rule; its choice is always shown beside the proven one
TRANSFER = "cross_domain"  # its choice is also shown with one vendor held out, and on test scores
