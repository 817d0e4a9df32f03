"""A folder that is written whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_folder(target: Path, is_there: Callable[[], bool]) -> Iterator[Path]:
    """A scratch folder beside ``target``. It becomes ``target`` when the ``with`` ends well, else it is removed.

    Where ``target`` appeared meanwhile and ``is_there()`` says that it is whole, another process was faster: then its
    folder stays, and the scratch folder is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield scratch
        scratch.chmod(0o755)  # mkdtemp made it readable for this user alone
        try:
            scratch.rename(target)
        except OSError:
            if not is_there():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
