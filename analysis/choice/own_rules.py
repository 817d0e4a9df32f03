"""Selection rules from outside the package: of a user's file, or of an installed package."""

from collections.abc import Iterable
from pathlib import Path

from analysis.choice.rules import RULES
from analysis.choice.rules.base import READ, RESERVED, Option, Rule
from tune_ks.core.own_members import Registry, add_installed_members, add_member_files


def rule_registry() -> Registry:
    """What takes them."""
    return Registry(RULES, Rule, "rule", _require_usable)


def add_own_rules(files: Iterable[str | Path]) -> None:
    """Add the rules of ``files`` and of installed packages. ValueError for what cannot be used.

    Members of other kinds are left out, and not imported from packages.
    """
    registry = {"rule": rule_registry()}
    add_member_files(files, registry)
    add_installed_members(registry)


def plain_name(rule: str) -> str:
    """The name that a user types: without the @ and what follows."""
    return rule.partition("@")[0]


def _require_usable(rule: Rule) -> None:
    """ValueError for a rule that reads what there is not, or an option that could not stand beside the others."""
    unknown = sorted(set(rule.needs) - set(READ))
    if unknown or not callable(rule.choose):
        raise ValueError(f"a rule is a function that reads some of {', '.join(READ)}; got {rule!r}")
    declared = {option.name: option for other in RULES.values() for option in other.options}
    for option in rule.options:
        if not isinstance(option, Option) or option.name in RESERVED:
            raise ValueError(f"{option!r} is no Option, or has the name of an argument of the command")
        if declared.get(option.name, option) != option:
            raise ValueError(f"its option {option.name!r} is declared otherwise by another rule: choose another name")
