"""The domain of each image: its scanner's maker, the field strength in its header, or what a column of a sheet says.

A centre comes from a sheet alone: InstitutionName and its kin in a header identify, and no such tag is read.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable

from tune_ks.core.domain_words import CENTRE, FIELD_STRENGTH, VENDOR
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.dicom.header import Header
from tune_ks.data.layouts.items import Item
from tune_ks.data.layouts.sheets import InputError, counted

NOMINAL_T = (0.35, 0.55, 1.0, 1.2, 1.5, 3.0, 5.0, 7.0)  # field strengths as scanners are sold
NEAR = 0.05  # of it: a header's 2.89 T is 3 T
CENTRE_COLUMNS = ("centre", "center", "site")  # the first that a sheet has
ALIKE = {  # a domain that files say -> columns, in small letters, in which a sheet may say it in their place
    VENDOR: ("manufacturer", "maker", "scanner_vendor"),
    FIELD_STRENGTH: ("field_t", "field", "tesla", "field_strength", "magnetic_field_strength", "magneticfieldstrength"),
}
MOST = 30  # domains; a column of more values does not group patients
NAME = re.compile(r"[^\W_][\w .()-]{0,39}")  # of a domain; it becomes a part of names of files and of "A+B"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a", "<na>"})  # in small letters


def domain_columns(domain: str) -> tuple[str, ...]:
    """The names under which a sheet may hold the domain; () where the files' headers say it."""
    if domain in (VENDOR, FIELD_STRENGTH):
        return ()
    return CENTRE_COLUMNS if domain == CENTRE else (domain,)


def domain_of_image(domain: str, item: Item, header: Header) -> str:
    """The domain of one image; "" where nothing says it."""
    if domain == VENDOR:
        return header.vendor
    if domain == FIELD_STRENGTH:
        return tesla(header.field_t)
    return "" if item.domain.casefold() in MISSING else item.domain


def tesla(field_t: float) -> str:
    """'1.5T', '3T': the nominal field strength that is near, else two digits of this one; "" where it is unknown."""
    if math.isnan(field_t):
        return ""
    nominal = min(NOMINAL_T, key=lambda strength: abs(strength - field_t))
    return f"{nominal:g}T" if abs(nominal - field_t) <= NEAR * nominal else f"{field_t:.2g}T"


def why_without(domain: str, columns: Iterable[str] = ()) -> str:
    """Why an image without a domain is left out; with the one of the sheet's ``columns`` that may say it."""
    if domain != FIELD_STRENGTH:
        return f"nothing in the column {domain}, which says the domain"
    reason = "no field strength in the header, which says the domain"
    column = column_like(FIELD_STRENGTH, columns)
    if column == FIELD_STRENGTH:  # this word means the header
        return f"{reason}; the sheet's column {column} counts once it has another name, as field_t: --domain field_t"
    return f"{reason}; the sheet has a column {column}: --domain {column}" if column else reason


def about_vendor_column(columns: Iterable[str]) -> str:
    """What to say where files have no known maker and a column of the sheet may name it; "" where none does."""
    column = column_like(VENDOR, columns)
    return f". The sheet has a column {column}: call it vendor" if column else ""


def column_like(domain: str, columns: Iterable[str]) -> str:
    """The column that may say what a domain that files say is; "" where none is called so."""
    return next((name for name in columns if name.casefold() in ALIKE[domain]), "")


def require_domains(domain: str, candidates: Iterable[Candidate]) -> None:
    """InputError where the domains that a sheet gives cannot be used: too many, no names, or two for one patient."""
    if not domain_columns(domain):
        return
    domains_of: dict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        domains_of[candidate.item.patient_id].add(candidate.domain)
    names = sorted(set().union(*domains_of.values()))
    if len(names) > MOST:
        raise InputError(
            f"--domain {domain}: this column has {len(names)} values, and there may be {MOST} domains; give a column "
            "that groups the patients"
        )
    _require_names(domain, names)
    divided = sorted(patient for patient, of_patient in domains_of.items() if len(of_patient) > 1)
    if divided:
        raise InputError(
            f"--domain {domain}: {counted(len(divided), 'patient')} (for example {divided[0]}) have several values in "
            "this column; a patient is in one domain, or images of the same person would train and test"
        )


def _require_names(domain: str, names: list[str]) -> None:
    """InputError for a text that is no name, and for two names that letter case, blanks and signs alone tell apart."""
    for name in names:
        if not NAME.fullmatch(name):
            raise InputError(
                f"--domain {domain}: a domain's name begins with a letter or digit and has up to 40 letters, digits, "
                f"blanks and '.()_-', got {name[:40]!r}"
            )
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(re.sub(r"[\W_]+", "-", name.casefold()), name)
        if other != name:
            raise InputError(f"--domain {domain}: {other!r} and {name!r} differ in letter case or signs alone")
