"""Vendors: the names of makers of scanners, from what files, sheets and users call them."""

import re
from dataclasses import dataclass, field

# A maker's older name is kept apart from its newer one unless only the letter case or legal form changed.
VENDORS = {  # vendor -> what Manufacturer looks like in small letters, all signs between words made blanks
    "GE": r"\bge\b|\bg e\b|\bgems\b|\bgehc\b|\bgehealthcare\b|general electric",
    "SIEMENS": r"siemens",
    "PHILIPS": r"philips",
    "CANON": r"\bcanon\b",
    "TOSHIBA": r"toshiba",
    "HITACHI": r"hitachi",
    "FUJIFILM": r"fujifilm",
    "UIH": r"\buih\b|united imaging",
    "ESAOTE": r"esaote",
    "AURORA": r"\baurora\b",
    "BRUKER": r"bruker",
    "HYPERFINE": r"hyperfine",
    "MPTRONIC": r"mptronic",  # code 1 of the Duke sheet; no file of it is known
    "NEUSOFT": r"neusoft",
    "ALLTECH": r"alltech",
    "FONAR": r"\bfonar\b",
    "PARAMED": r"paramed",
    "PICKER": r"\bpicker\b",
    "MARCONI": r"\bmarconi\b",
    "SHIMADZU": r"shimadzu",
    "SYNAPTIVE": r"synaptive",
    "MINDRAY": r"mindray",
    "XINGAOYI": r"xingaoyi",
    "WANDONG": r"wandong",
}
SHOWN_MAKERS = 8  # in a message, with so many letters each
LONGEST_MAKER = 40
VENDOR_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,19}")  # of a vendor that is not in VENDORS and that the user names


@dataclass(frozen=True)
class VendorNames:
    """What the user says of makers. ``given`` goes before VENDORS, ``otherwise`` is for files of no known maker."""

    given: dict[str, str] = field(default_factory=dict)  # what Manufacturer says, in any case; "" for nothing -> vendor
    otherwise: str = ""

    def vendor(self, manufacturer: str) -> str:
        """The vendor of a file; "" where nobody knows it."""
        said = manufacturer.casefold()
        for name, vendor in self.given.items():
            if name.casefold() == said:
                return vendor
        return vendor_of(manufacturer) or self.otherwise


NO_NAMES = VendorNames()


def about_unused_names(given: dict[str, str], makers: set[str]) -> list[str]:
    """A note for each maker that ``--vendor-of`` names and no file has: it is mistyped, or changes nothing.

    ``makers``: what the files that can be read call theirs; "" for nothing.
    """
    known = {maker.casefold() for maker in makers}
    unused = [name for name in given if name.casefold() not in known]
    if not unused:
        return []
    shown = [repr(maker[:LONGEST_MAKER]) if maker else "none" for maker in sorted(makers)[:SHOWN_MAKERS]]
    here = f"{', '.join(shown)}{' ...' if len(makers) > SHOWN_MAKERS else ''}"
    notes = []
    for name in unused:
        what = f"has the maker {name[:LONGEST_MAKER]!r}" if name else "lacks its maker"
        option = f"{name[:LONGEST_MAKER]}={given[name]}"
        notes.append(f"--vendor-of {option!r}: no file that can be read {what}; the makers are {here}")
    return notes


def vendor_of(manufacturer: str) -> str:
    """GE, SIEMENS, PHILIPS ... (a key of VENDORS) from what Manufacturer says; "" when it is none that is known."""
    words = " ".join(re.findall(r"[a-z0-9]+", manufacturer.lower()))
    return next((name for name, looks in VENDORS.items() if re.search(looks, words)), "")


def named_vendor(text: str) -> str:
    """The vendor that a user means: one of VENDORS, or the text as a new name. ValueError where it is no name."""
    name = vendor_of(text) or re.sub(r"[\s_]+", "_", text.strip()).upper()
    if not VENDOR_NAME.fullmatch(name):
        raise ValueError(f"a vendor's name is 1 to 20 letters, digits, '-' and '_', got {text[:40]!r}")
    return name


def vendor_if_named(text: str) -> str:
    """As ``named_vendor``, but "" where the text is no name."""
    try:
        return named_vendor(text)
    except ValueError:
        return ""
