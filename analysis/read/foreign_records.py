"""Records of a run folder that are of other patients than its cohort."""

from collections import Counter
from typing import Any

from tune_ks.core.record import TrialRecord


def records_of_another_cohort(records: dict[str, TrialRecord], search: dict[str, Any]) -> dict[str, str]:
    """key -> reason, for records that can't come from this run's cohort: they are of other patients.

    By the fingerprint that a record names (``facts["cohort"]``) against search.json's; where it names none, by its
    image counts, which must agree with most other records for the same vendor and role.
    """
    wanted = (search.get("cohort") or {}).get("fingerprint")
    foreign = {}
    for key, record in records.items():
        named = record.facts.get("cohort")
        if wanted and named and named != wanted:
            foreign[key] = f"of another cohort: fingerprint {named}, this run's is {wanted}"
    usual: dict[tuple[str, bool, float], Counter] = {}
    for record in records.values():
        for role, count in record.images.items():
            usual.setdefault(_role(role, record), Counter())[count] += 1
    for key, record in records.items():
        for role, count in record.images.items():
            expected = usual[_role(role, record)].most_common(1)[0][0]
            if key not in foreign and count != expected:
                foreign[key] = f"of another cohort: {count} images in {role!r}, the other records have {expected}"
    return foreign


def _role(role: str, record: TrialRecord) -> tuple[str, bool, float]:
    """Validation of the source vendor and of another vendor are different patients; the source decides which.

    Training images are as many as the share of the patients says.
    """
    split, _, vendor = role.partition(" ")
    share = record.config.train_share if split == "train" else 1.0
    return role, vendor in record.config.sources, share
