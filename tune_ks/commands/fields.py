"""The fields that a search space may set, and whose they are: --help-fields prints them, docs/fields.md lists them."""

from typing import NamedTuple

from rich.table import Table

from tune_ks.commands.output import console
from tune_ks.core.config import OWN_FIELDS
from tune_ks.core.options import Option

OF_TRIALS = "fields of every trial"
OF_MEMBERS = "options of members: given beside the others, for a trial that names such a member"


class FieldTable(NamedTuple):
    """A table of texts, one row a field."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def field_tables() -> tuple[FieldTable, FieldTable]:
    """The config's own fields, and the options of members. Both come from the declarations."""
    from tune_ks.training.members import owners, registries  # torch takes seconds to import

    of_members = {field: ", ".join(members) for field, members in registries().items()}
    fields: list[tuple[str, ...]] = []
    for name, option in OWN_FIELDS.items():
        default = _default(option) if name not in ("vendor", "sampling_rate") else ""
        fields.append((name, default, of_members.get(name, option.allowed), option.help))
    options: list[tuple[str, ...]] = []
    for name, having in owners().items():
        option = having[0][2]
        members = ", ".join(member for _, member, _ in having)
        options.append((name, _default(option), option.allowed, option.help, f"{having[0][0]} {members}"))
    head = ("field", "default", "allowed", "meaning")
    return FieldTable(OF_TRIALS, head, fields), FieldTable(OF_MEMBERS, ("option", *head[1:], "of"), options)


def print_fields() -> None:
    """Print both tables."""
    for table in field_tables():
        printed = Table(*table.head, title=table.title, title_justify="left", box=None)
        for row in table.rows:
            printed.add_row(*row)
        console.print(printed)


def _default(option: Option) -> str:
    return "none" if option.default is None else f"{option.default}"
