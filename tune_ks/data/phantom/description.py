"""What a written phantom says of itself, so that it is written once and never over something else."""

from pathlib import Path

DESCRIPTION = "phantom.json"


def holds(root: Path, description: str) -> bool:
    """Whether ``root`` is the phantom of this ``description``; ValueError when it is something else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    file = root / DESCRIPTION
    if file.is_file() and file.read_text() == description:
        return True
    content = "a phantom of other settings or of another version" if file.is_file() else "files that are no phantom"
    raise ValueError(f"{root} holds {content}; choose another folder for it, or remove that one")
