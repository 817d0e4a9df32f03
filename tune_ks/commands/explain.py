"""evaluate --explain: which lines of k-space the models need, and whether classifiers look at the tumour."""

from pathlib import Path
from typing import Any

from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath


def write_explained(
    folder: RunFolder, name: str, keys: list[str], cohort: Any, table: Any, root: Path, progress: Any
) -> tuple[list[StoragePath], list[str]]:
    """Write RUN/explained/NAME.csv, NAME.npz and, of classifiers, NAME_pointing.npz; returns the paths and what to say.

    ``table``: the rows of ``cohort``, of the folder ``root``, that are scored.
    """
    from tune_ks.evaluation.line_occlusion import line_occlusion, write_occlusion
    from tune_ks.evaluation.pointing_game import pointing_game, write_pointing

    result = line_occlusion(folder, keys, table, cohort.images, progress, cohort.masks)
    written = write_occlusion(folder, name, result)
    if folder.read_config(keys[0]).task != "classification":
        return written, ["the pointing game is left out: it is for classifiers"]
    masks, why = masks_of(cohort, root)
    if masks is None:
        return written, [f"the pointing game is left out: {why}"]
    game = pointing_game(folder, keys, table, cohort.images, masks, progress)
    if game is None:
        return written, ["the pointing game is left out: no test image has a tumour that a mask shows"]
    return [*written, write_pointing(folder, name, game)], game.said()


def masks_of(cohort: Any, root: Path) -> tuple[Path | None, str]:
    """The masks of the cohort's tumours; None, and why, where the folder does not say where they lie.

    The cohort itself stays the one without masks, whose fingerprint a search for classifiers knows.
    """
    from tune_ks.data.cohort.mask_source import mask_source
    from tune_ks.data.cohort.stored_masks import DRAWN
    from tune_ks.data.cohort.target_masks import with_target_masks
    from tune_ks.data.layouts.sheets import InputError

    if cohort.masks is not None:
        return cohort.masks, ""
    try:
        mask_source(root)
    except InputError:
        return None, f"{root} does not say where its tumours lie (neither {DRAWN} nor Duke's Annotation_Boxes)"
    try:
        return with_target_masks(cohort, root).masks, ""
    except InputError as error:
        return None, str(error)
