"""docs/fields.md is what the declarations of today's config and members say."""

from docs.fields import PAGE, page
from tune_ks.commands.fields import field_tables
from tune_ks.core.config import OWN_FIELDS
from tune_ks.training.members import owners


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "run: python -m docs.fields"


def test_the_tables_hold_every_field_and_option():
    fields, options = field_tables()
    assert [row[0] for row in fields.rows] == list(OWN_FIELDS)
    assert [row[0] for row in options.rows] == list(owners())
    assert len(options.rows) > 8
