"""python -m docs.fields: write docs/fields.md, the table of all fields of a trial, from their declarations."""

from pathlib import Path

from tune_ks.commands.fields import FieldTable, field_tables

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Fields of a trial

What a search space may set. Written by `python -m docs.fields` from the declarations of the config and of the members;
`python run_search.py --help-fields` prints the same, with members of your own where `--members` names their file.
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([HEAD, *map(_section, field_tables())])


def _section(table: FieldTable) -> str:
    """A heading and a table in Markdown."""
    title, _, more = table.title.partition(": ")
    code_columns = (0, 1)
    lines = [f"## {title.capitalize()}", ""]
    if more:
        lines += [f"{more.capitalize()}.", ""]
    lines += [f"| {' | '.join(table.head)} |", f"|{'---|' * len(table.head)}"]
    for row in table.rows:
        cells = [f"`{text}`" if number in code_columns and text else text for number, text in enumerate(row)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
