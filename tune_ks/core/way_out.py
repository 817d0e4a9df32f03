"""What would do about a damaged file of a run folder: the end of every message about one."""

from tune_ks.core.config import is_key, is_weights
from tune_ks.core.storage import StoragePath

ORIGIN = "put the whole file back from a copy of the run folder; without one, begin another run folder"
BY_NAME = {
    "search.json": ORIGIN,
    "cohort.csv": ORIGIN,
    "selection.json": "run the analysis again, which writes it anew",
}
EVALUATED = ("external", "corruptions", "explained")  # folders of files that evaluate and predict write


def damaged(path: StoragePath, fault: str) -> str:
    """A message about a file: its path, what is wrong with it, and where it is of a run folder what would do."""
    return f"{path}: {fault}{way_out(path)}"


def fault_of(error: Exception) -> str:
    """What is wrong with a file, where the message names the file already."""
    return "it is missing" if isinstance(error, FileNotFoundError) else str(error)


def way_out(path: StoragePath) -> str:
    """What would do about a file of a run folder, after a semicolon; "" for any other file."""
    words = _words(path)
    return f"; {words}" if words else ""


def _words(path: StoragePath) -> str:
    """Nothing where only the name of a folder is that of a run folder's: a user's images may lie in trials/ too."""
    folder = path.parent
    if folder.parent.name == "trials" and is_key(folder.name):
        return f"without the folder {folder.name} the trial begins anew"
    if folder.parent.name == "weights" and is_weights(folder.name):
        return f"without the folder {folder.name} the search copies it anew from the run of --init-from"
    if folder.name in EVALUATED and (folder.parent / "search.json").exists():
        return "remove it, and evaluate that folder of images again"
    return BY_NAME.get(path.name, "")
