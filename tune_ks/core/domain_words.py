"""What the domains of a cohort are (``--domain``), and what sentences call them.

In code, "vendor" is the name of an image's domain, whatever the domains are: a table's column, a config's field.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

VENDOR = "vendor"  # the domain of an image is the maker of its scanner
CENTRE = "centre"  # ... or where it was taken, as a sheet says
FIELD_STRENGTH = "field_strength"  # ... or the field strength in its header
LONGEST = 60  # letters of a column's name


class DomainWords(NamedTuple):
    """What sentences call the domains of one cohort."""

    one: str
    many: str

    def counted(self, number: int) -> str:
        """'1 vendor', '3 domains'."""
        return f"{number} {self.one if number == 1 else self.many}"

    def of(self, text: str) -> str:
        """A text that says "vendor" and "vendors" -> the same text with the word for these domains."""
        return text.replace("vendor", self.one).replace("Vendor", self.one.capitalize())


VENDOR_WORDS = DomainWords("vendor", "vendors")
DOMAIN_WORDS = DomainWords("domain", "domains")


def domain_words(domain: str) -> DomainWords:
    """The words for a value of ``--domain``: vendors are called so, and all others are called domains."""
    return VENDOR_WORDS if domain == VENDOR else DOMAIN_WORDS


def domain_of(search: Mapping[str, Any]) -> str:
    """What a domain is in the run of this search.json. Versions that do not say it knew vendors alone."""
    cohort = search.get("cohort")
    settings = cohort.get("settings") if isinstance(cohort, Mapping) else None
    domain = settings.get("domain", VENDOR) if isinstance(settings, Mapping) else VENDOR
    return domain if is_domain(domain) else VENDOR


def about_domains(domain: str) -> str:
    """What the domains are, in a sentence; "" for vendors."""
    if domain == VENDOR:
        return ""
    if domain == FIELD_STRENGTH:
        return "Domains are the field strengths that the headers name, each rounded to the nominal one."
    what = "centres that the cohort's sheet names" if domain == CENTRE else f"values of the sheet's column {domain!r}"
    return f"Domains are the {what}."


def is_domain(value: object) -> bool:
    """Whether this can say what a domain is: one of the words above, or the name of a column."""
    if not isinstance(value, str):
        return False
    return 0 < len(value) <= LONGEST and value.isprintable() and value == value.strip()


def require_domain(value: object) -> None:
    """ValueError for what ``is_domain`` refuses."""
    if not is_domain(value):
        raise ValueError(
            f"domain must be {VENDOR}, {CENTRE}, {FIELD_STRENGTH}, or the name of a column of up to {LONGEST} letters, "
            f"got {str(value)[:LONGEST]!r}"
        )
