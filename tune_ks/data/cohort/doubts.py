"""What a cohort's table gives reason to doubt: patients who may be two, or two patients who may be one."""

import re
from itertools import groupby

import pandas as pd

from tune_ks.data.cohort.table import words_of_table
from tune_ks.data.layouts.sheets import counted


def doubts(table: pd.DataFrame) -> list[str]:
    """Sentences about patients of several vendors, ids that differ in little, and pixels that two patients share."""
    return [*_of_several_vendors(table), *_nearly_the_same_id(table), *_same_pixels(table)]


def _of_several_vendors(table: pd.DataFrame) -> list[str]:
    vendors = table.groupby("patient_id")["vendor"].nunique()
    shared = vendors.index[vendors > 1].tolist()
    if not shared:
        return []
    many = words_of_table(table).many
    return [
        f"{counted(len(shared), 'patient')} (for example {shared[0]}) have images of several {many} and are taken for"
        " the same people, in one split; where two hospitals count their patients alike, give labels.csv a"
        " column site"
    ]


def _nearly_the_same_id(table: pd.DataFrame) -> list[str]:
    """Ids that only zeros before a number or the case of letters tell apart: Excel drops such zeros."""
    pairs = sorted((_plain(patient), patient) for patient in set(table["patient_id"]))
    alike = []
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        names = [patient for _, patient in group]
        if len(names) > 1:
            alike.append(names)
    if not alike:
        return []
    return [
        f"the patient ids {alike[0][0]!r} and {alike[0][1]!r} differ in zeros or letter case alone ({len(alike)} such"
        " cases): where they are one person, give one id, or the person lies on both sides of the split"
    ]


def _plain(patient: str) -> str:
    return re.sub(r"\d+", lambda number: number[0].lstrip("0") or "0", patient.casefold())


def _same_pixels(table: pd.DataFrame) -> list[str]:
    """Images whose stored pixels are those of another patient, by their digests."""
    table = table[table["digest"] != ""]  # of undecoded images nothing is known
    patients = table.groupby(["digest", "height", "width"])["patient_id"].transform("nunique")
    copies = table[patients > 1]
    if copies.empty:
        return []
    first = copies.iloc[0]
    same = copies[copies["digest"] == first["digest"]]
    other = same[same["patient_id"] != first["patient_id"]].iloc[0]
    return [
        f"{counted(len(copies), 'image')} have the same pixels as an image of another patient ({first['path']} and"
        f" {other['path']}, for example): where the patients are one person, the person lies on both sides of the split"
    ]
