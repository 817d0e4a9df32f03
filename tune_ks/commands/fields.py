"""The fields that a search space may set, and whose they are: printed by --help-fields."""

from rich.table import Table

from tune_ks.commands.output import console
from tune_ks.core.config import OWN_FIELDS
from tune_ks.core.options import Option


def print_fields() -> None:
    """One table of the config's own fields, one of the options of members. Both come from the declarations."""
    from tune_ks.training.members import owners, registries  # torch takes seconds to import

    of_members = {field: ", ".join(members) for field, members in registries().items()}
    fields = Table(
        "field", "default", "allowed", "meaning", title="fields of every trial", title_justify="left", box=None
    )
    for name, option in OWN_FIELDS.items():
        allowed = of_members.get(name, option.allowed)
        fields.add_row(name, _default(option) if name != "sampling_rate" else "", allowed, option.help)
    console.print(fields)
    title = "options of members: given beside the others, for a trial that names such a member"
    options = Table("option", "default", "allowed", "meaning", "of", title=title, title_justify="left", box=None)
    for name, having in owners().items():
        option = having[0][2]
        members = ", ".join(member for _, member, _ in having)
        options.add_row(name, _default(option), option.allowed, option.help, f"{having[0][0]} {members}")
    console.print(options)


def _default(option: Option) -> str:
    return "none" if option.default is None else f"{option.default}"
