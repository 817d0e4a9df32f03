"""Whether a split can be trained and measured on: the message before any training, where it cannot."""

from collections.abc import Iterable

import pandas as pd

from tune_ks.core.domain_words import VENDOR_WORDS
from tune_ks.data.cohort.table import words_of_table
from tune_ks.data.layouts.sheets import InputError

CLASSES = {1: "positive", 0: "negative"}
SHOWN = 4  # faults that the message names


def require_splits(table: pd.DataFrame, sources: Iterable[str], classes: Iterable[int] = (1, 0)) -> None:
    """InputError that names vendor, split and class where trials that train on ``sources`` could not be measured.

    ``table``: a cohort's, with its split. A vendor that is trained on needs images of all ``classes`` in train and val.
    Its test images may be missing where another vendor has some, and another vendor may have test images alone (train
    on GE, test on Siemens); but where there are images there must be all ``classes``. Of another vendor train and val
    count together, because it is validated on both.
    """
    sources = sorted(set(sources))
    classes = list(classes)
    words = words_of_table(table)
    faults = []
    for vendor in sorted(set(table["vendor"])):
        of_vendor = table[table["vendor"] == vendor]
        is_source = vendor in sources
        parts = (("train",), ("val",), ("test",)) if is_source else (("train", "val"), ("test",))
        for splits in parts:
            images = of_vendor[of_vendor["split"].isin(splits)]
            may_be_empty = splits == ("test",) or not is_source
            if images.empty and may_be_empty:
                continue
            if not set(classes) <= set(images["label"]):
                faults.append(f"{vendor} has {_counts(images, classes)} images in {' and '.join(splits)}")
    if "test" not in set(table["split"]):
        faults.append(f"no {words.one} has images in test")
    if not faults:
        return
    example = "GE" if words == VENDOR_WORDS else table["vendor"].iloc[0]
    more = f", and {len(faults) - SHOWN} more such" if len(faults) > SHOWN else ""
    both = "both classes" if len(classes) > 1 else "positive images"
    raise InputError(
        f"this split of the patients cannot be trained and measured on: {'; '.join(faults[:SHOWN])}{more}. A"
        f" {words.one} that is trained on (here {', '.join(sources)}) needs {both} in train and in val, and test"
        f" images must hold {both}. Give patients to that split (the column split of labels.csv), try another"
        f" --split-seed, or let the space train on the other {words.many} only ('vendor': ['{example}'] in SPACE)"
    )


def _counts(images: pd.DataFrame, classes: list[int]) -> str:
    """'4 positive and 0 negative'."""
    return " and ".join(f"{int((images['label'] == label).sum())} {CLASSES[label]}" for label in classes)
